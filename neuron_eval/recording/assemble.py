"""What was collected, as neuron records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from neuron_eval.recording.errors import RecordingError
from neuron_eval.recording.recorder import Collected
from neuron_eval.recording.reservoir import draw
from neuron_eval.recording.select import Choice
from neuron_eval.records import ActivationRecord, NeuronRecord
from neuron_eval.records.checks import check_record
from neuron_eval.records.rounding import round_significant


def check_enough(windows: int, top: int, random: int) -> None:
    """Check that the text holds enough windows for every neuron.

    Raises:
        RecordingError: It does not.
    """
    if windows < top + random:
        raise RecordingError(
            f"the text gives {windows} distinct windows, but --top {top} and --random {random} "
            f"need at least {top + random}; record more text, or ask for fewer or shorter excerpts"
        )


def assemble(
    collected: Collected,
    columns: Sequence[Choice],
    chosen: Sequence[Choice],
    model: str,
    levels: Sequence[float],
    random: int,
    seed: int,
) -> Iterator[NeuronRecord]:
    """Build the records.

    Args:
        collected: After the last window.
        columns: The neurons in the order of the collector's columns.
        chosen: The same neurons in the order wanted.
        model: The subject model's name.
        levels: Quantile levels, ascending, each in (0, 1).
        random: Random excerpts a neuron.
        seed: With layer and neuron it fixes which ones.

    Yields:
        One checked record a neuron, activations rounded to four significant digits.
    """
    collector = collected.collector
    boundaries = collector.histogram.boundaries(levels)
    column_of = {choice.id: i for i, choice in enumerate(columns)}
    slot_of = {int(index): slot for slot, index in enumerate(collector.reservoir.index)}
    for choice in chosen:
        i = column_of[choice.id]
        top = collector.top.index[i]
        sample = draw(collector.reservoir.index, top, random, (seed, choice.layer, choice.neuron))
        record = NeuronRecord(
            id=f"{model}/{choice.id}",
            model=model,
            layer=choice.layer,
            neuron=choice.neuron,
            top=tuple(
                _excerpt(collected, int(index), collector.top.activations[i, k])
                for k, index in enumerate(top)
            ),
            random=tuple(
                _excerpt(
                    collected,
                    int(index),
                    collector.reservoir.activations[slot_of[int(index)], :, i],
                )
                for index in sample
            ),
            quantiles=tuple(levels),
            quantile_boundaries=tuple(boundaries[i].tolist()),
            group=choice.group,
        )
        yield check_record(record, "recorded")


def _excerpt(
    collected: Collected, index: int, activations: NDArray[np.float32]
) -> ActivationRecord:
    rounded = round_significant(activations).tolist()
    return ActivationRecord(tokens=collected.tokens[index], activations=tuple(rounded))
