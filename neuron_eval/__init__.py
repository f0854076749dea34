"""Automated neuron explanation and its scoring, as a plugin of Inspect.

    from inspect_ai import eval
    from neuron_eval import load_neurons, report, show, summary

    show(load_neurons("smollm2", limit=1)[0])
    eval(summary(limit=20), model="openai/gpt-4o-mini", log_dir="logs")
    report("logs")

Tasks take as arguments what is typed after ``-T``, and `compare` and `report` the options of the
commands of their names.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors and type checkers; a start of Inspect imports none of it
    from neuron_eval.comparison.calling import compare
    from neuron_eval.logs.columns import explanation_columns
    from neuron_eval.picture import show
    from neuron_eval.records import NeuronRecord
    from neuron_eval.reporting.notebook import report
    from neuron_eval.scorers.adacs import adacs
    from neuron_eval.scorers.simulation_correlation import simulation_correlation
    from neuron_eval.sources.loading import load_neurons
    from neuron_eval.tasks.formats import avhs, highlight, highlight_summary, original, summary
    from neuron_eval.tasks.rate import rate

__all__ = [
    "NeuronRecord",
    "adacs",
    "avhs",
    "compare",
    "explanation_columns",
    "highlight",
    "highlight_summary",
    "load_neurons",
    "original",
    "rate",
    "report",
    "show",
    "simulation_correlation",
    "summary",
]

_PLACES = {
    "comparison.calling": ("compare",),
    "logs.columns": ("explanation_columns",),
    "picture": ("show",),
    "records": ("NeuronRecord",),
    "reporting.notebook": ("report",),
    "scorers.adacs": ("adacs",),
    "scorers.simulation_correlation": ("simulation_correlation",),
    "sources.loading": ("load_neurons",),
    "tasks.formats": ("avhs", "highlight", "highlight_summary", "original", "summary"),
    "tasks.rate": ("rate",),
}
"""Where each public name is; `explain` and `given` are rooms of the package, see `tasks`."""


def __getattr__(name: str) -> object:
    for place, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{place}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
