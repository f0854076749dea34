"""Two runs neuron by neuron: where do they differ most?"""

from __future__ import annotations

from collections.abc import Sequence

from neuron_eval.logs.runs import Run
from neuron_eval.messages import shortened
from neuron_eval.reporting.comparing import label, scorer_name, scorers
from neuron_eval.reporting.pairs import Pair, PairedNeuron, paired_neurons
from neuron_eval.reporting.tables.base import Column, Row, Table, number, report_table, words

SHOWN = 10  # neurons at most, but in the CSV file
LONGEST = 100  # characters of an explanation


@report_table("pair")
def pair_table(runs: Sequence[Run], pair: Pair | None = None) -> list[Table]:
    """A row per neuron that two runs share, by the first measure that both have; none otherwise."""
    if pair is None:
        return []
    run, other = label(pair.run, runs), label(pair.other, runs)
    columns = (
        Column("neuron"),
        *(Column(f"score of {name}", numeric=True) for name in (run, other)),
        Column("difference", numeric=True),
        *(Column(f"explanation of {name}") for name in (run, other)),
    )
    paired = ((scorer, paired_neurons(pair, scorer)) for scorer in scorers(runs))
    scorer, neurons = next((of for of in paired if of[1]), ("", []))
    if not neurons:
        why = f"No neurons side by side: {run} and {other} have none that can be compared."
        return [Table("pair", f"{run} against {other} by neuron", columns, (), (why,))]
    title = f"Neurons that differ most: {scorer_name(scorer)} of {run} against {other}"
    more = len(neurons) - SHOWN
    notes = (f"{more:,} more neurons are in tables/pair.csv.",) if more > 0 else ()
    return [Table("pair", title, columns, tuple(_row(pair, n) for n in neurons), notes, SHOWN)]


def _row(pair: Pair, neuron: PairedNeuron) -> Row:
    texts = (run.results[neuron.id].explanation for run in (pair.run, pair.other))
    return (
        words(neuron.id),
        number(neuron.score),
        number(neuron.other),
        number(neuron.difference, "+.3f"),
        *(words(shortened(" ".join(text.split()), LONGEST)) for text in texts),
    )
