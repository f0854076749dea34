"""What Inspect finds in this package; imports only."""

from neuron_eval.embedding import embed_local, embed_openai
from neuron_eval.explain.baseline import LexicalBaseline
from neuron_eval.explain.solvers import (
    avhs,
    explain,
    highlight,
    highlight_summary,
    original,
    summary,
)
from neuron_eval.given.origin import given
from neuron_eval.metrics import counts, interval
from neuron_eval.rating.human import human
from neuron_eval.rating.metrics import attention, by_format, by_place
from neuron_eval.rating.solver import ask_rater, put_question
from neuron_eval.scorers.adacs import adacs
from neuron_eval.scorers.rating import rating
from neuron_eval.scorers.scored import scored
from neuron_eval.scorers.simulation_correlation import simulation_correlation
from neuron_eval.simulation.choose import check_simulation
from neuron_eval.tasks import explain as explain_task
from neuron_eval.tasks import formats as format_tasks
from neuron_eval.tasks import given as given_task
from neuron_eval.tasks import rate as rate_task

__all__ = [
    "LexicalBaseline",
    "adacs",
    "ask_rater",
    "attention",
    "avhs",
    "by_format",
    "by_place",
    "check_simulation",
    "counts",
    "embed_local",
    "embed_openai",
    "explain",
    "explain_task",
    "format_tasks",
    "given",
    "given_task",
    "highlight",
    "highlight_summary",
    "human",
    "interval",
    "original",
    "put_question",
    "rate_task",
    "rating",
    "scored",
    "simulation_correlation",
    "summary",
]
