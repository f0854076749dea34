"""What a user's own code looks like to a type checker: `make check` runs mypy on it, never Python.

Mypy warns of an ignored error that is none, so what is wrong here has to be seen as wrong.
"""

from inspect_ai import Task

from neuron_eval import NeuronRecord, compare, load_neurons, report, show, summary

neurons: list[NeuronRecord] = load_neurons("smollm2", layers="0-3", limit=5)
text: str = repr(show(neurons[0], excerpts=2))
task: Task = summary(limit=3, window="none")
names: list[str] = list(compare("a/b", formats=["summary"], limit=3, yes=True))
names += list(report("logs", by=["layer"]))

load_neurons(layer=3)  # type: ignore[call-arg]
summary(layer=3)  # type: ignore[call-arg]
compare("a/b", layer=3)  # type: ignore[call-arg]
report("logs", by=["model"])  # type: ignore[list-item]
