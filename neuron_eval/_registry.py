"""What Inspect finds in this package: importing a module registers what is decorated in it."""
# ruff: noqa: F401

from neuron_eval import embedding, metrics, subject
from neuron_eval.explain import baseline, solvers
from neuron_eval.given import origin
from neuron_eval.investigation import solver as investigating
from neuron_eval.rating import asking as solver
from neuron_eval.rating import human
from neuron_eval.scorers import (
    adacs,
    generation,
    judging,
    rating,
    rewritten,
    sanity_checks,
    simulation_correlation,
)
from neuron_eval.simulation import choose
from neuron_eval.tasks import controls, explain, formats, given, investigate, rate, sanity
