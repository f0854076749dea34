"""Whatever the range of activations, what counts as highly activating lies within it or is none."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_eval.explain.baseline import marked_tokens
from neuron_eval.explain.prompting import cutoff, explainer_prompt
from neuron_eval.formats import format_names, get_format
from neuron_eval.formats.base import Shown
from neuron_eval.prompts.pack import default_pack
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.records.heatmap import SHADES, heat_map, shades
from neuron_eval.simulation import Simulated
from neuron_eval.simulation.measure import measure
from neuron_eval.simulation.presenting import heat_maps
from neuron_eval.stats import absolute_deviation_explained, r_squared
from neuron_eval.testing import make_neuron

NEURON = replace(make_neuron(), top=(), random=(), quantiles=(), quantile_boundaries=())

LARGEST = 1.7e307
"""Ten times that is still a number."""

SCALES = st.sampled_from([5e-324, 1e-310, 1e-30, 1e-3, 1.0, 1e3, 1e30, 1e300, LARGEST])
SHARES = st.floats(-1, 1) | st.sampled_from([-1.0, 0.0, 1.0])


@st.composite
def activations(draw):
    """Rows of activations of one range: around zero, away from it, below it, or all the same."""
    scale, offset = draw(SCALES), draw(st.sampled_from([0.0, 0.0, -1.0, 1.0, 0.99]))
    spread = draw(st.sampled_from([1.0, 1.0, 1e-15, 0.0]))

    def value(share):
        return max(-LARGEST, min(LARGEST, scale * offset + scale * spread * share))

    row = st.lists(SHARES.map(value), min_size=1, max_size=8)
    return draw(st.lists(row, min_size=1, max_size=4))


@st.composite
def neurons(draw):
    """A neuron with boundaries anywhere, a cutoff of its own, or neither; and what is shown."""
    rows = draw(activations())
    records = tuple(
        ActivationRecord(tuple(f" w{i}x{j}" for j in range(len(row))), tuple(row))
        for i, row in enumerate(rows)
    )
    levels = st.sampled_from([v for row in rows for v in row]) | st.floats(-LARGEST, LARGEST)
    kind = draw(st.sampled_from(["boundaries", "cutoff", "neither"]))
    if kind == "boundaries":
        found = draw(st.lists(levels, min_size=3, max_size=5).map(sorted))
        return replace(NEURON, quantile_boundaries=tuple(found)), records
    return replace(NEURON, cutoff=draw(levels) if kind == "cutoff" else None), records


@given(neurons())
def test_the_cutoff_is_between_background_and_peak_or_nothing_is_above_it(made):
    neuron, records = made
    values = [value for record in records for value in record.activations]
    above = cutoff(neuron, records)
    assert math.isfinite(above)
    shown = Shown(records, above)
    if shown.highlighted:
        assert max(values) > 0
        assert min(values) <= above < max(values)
        assert shown.highlighted < len(values)
    else:
        assert above >= max(values)
    if not neuron.quantile_boundaries and neuron.cutoff is None:
        # Our own rule finds something wherever there is something to find.
        assert bool(shown.highlighted) == (max(values) > max(0.0, min(values)))


@given(neurons())
def test_every_format_shows_every_range(made):
    neuron, records = made
    shown = Shown(records, cutoff(neuron, records))
    peak = max(value for record in records for value in record.activations)
    high = {
        token
        for record in records
        for token, mark in zip(record.tokens, shown.high(record), strict=True)
        if mark
    }
    tenth = {
        token
        for record in records
        for token, level in zip(record.tokens, shown.normalised(record), strict=True)
        if level
    }
    assert bool(tenth) == (peak > 0)
    for format in format_names():
        expected = tenth if format in ("original", "avhs") else high
        prompt = explainer_prompt(format, shown, default_pack())[-1].content
        marked = {
            token for token, weight in marked_tokens(prompt, default_pack()).items() if weight
        }
        assert marked == expected, format


@given(activations())
def test_heat_maps_show_every_range(rows):
    pairs = []
    for i, row in enumerate(rows):
        tokens = tuple(f" w{i}x{j}" for j in range(len(row)))
        excerpt = Excerpt("top", i, ActivationRecord(tokens, tuple(row)))
        pairs.append((excerpt, Simulated(tuple(float(j) for j in range(len(row))), "text")))
    peak = max(value for row in rows for value in row)
    for row in rows:
        found = shades(row, 0.0, peak)
        assert all(0 <= shade <= SHADES for shade in found)
        assert peak > 0 or not any(found)
        heat_map([f" w{j}" for j in range(len(row))], found, found)
    result = measure(pairs, [])
    assert result.correlation is None or -1 <= result.correlation <= 1
    assert "\x1b[" in heat_maps(result)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.0, 1.0, 4.0), 2.0),
        ((100.0, 100.5, 101.0), 100.5),
        ((-2.0, -1.0), 0.0),
        ((-2.0, 1.0), 0.5),
        ((3.0, 3.0), 3.0),
        ((0.0, 0.0), 0.0),
        ((0.0, 1e-30), 5e-31),
        ((1.0, math.nextafter(1.0, 2.0)), 1.0),
    ],
)
def test_without_boundaries_the_cutoff_is_half_way_up(values, expected):
    record = ActivationRecord(tuple(f" w{i}" for i in range(len(values))), values)
    assert cutoff(NEURON, (record,)) == expected


@pytest.mark.parametrize(
    ("boundary", "expected"), [(1.0, 1.0), (-0.1, -0.1), (-5.0, -0.5), (4.0, 4.0), (9.0, 9.0)]
)
def test_a_boundary_holds_unless_every_token_is_above_it(boundary, expected):
    record = ActivationRecord((" a", " b", " c"), (-0.5, 0.0, 4.0))
    neuron = replace(NEURON, quantile_boundaries=(boundary, boundary, boundary))
    assert cutoff(neuron, (record,)) == expected


def test_where_nothing_is_above_zero_nothing_is_highlighted():
    record = ActivationRecord((" a", " b"), (-0.2, -0.001))
    neuron = replace(NEURON, quantile_boundaries=(-0.1, -0.1, -0.01))
    shown = Shown((record,), cutoff(neuron, (record,)))
    assert shown.highlighted == 0
    assert "[" not in get_format("highlight")(shown, default_pack().wording("highlight"))


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e-30, 1.0, 1e200, 1e307])
def test_what_is_explained_is_the_same_in_every_unit(scale):
    true, predicted = [1 * scale, 2 * scale, 3 * scale], [1 * scale, 2 * scale, 2.5 * scale]
    assert r_squared(true, predicted) == pytest.approx(1 - 0.25 / 14, rel=1e-3)
    assert absolute_deviation_explained(true, predicted) == pytest.approx(1 - 0.5 / 6, rel=1e-3)
