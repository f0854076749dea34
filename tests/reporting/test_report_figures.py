import sys
from dataclasses import replace
from itertools import combinations
from statistics import fmean

import pytest
from made_up_runs import FORMATS, excerpt, five_formats, neuron, run, simulation
from matplotlib import rcParams
from PIL import Image

from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.differences import Pair
from neuron_eval.reporting.figures import paper_style, write_figures
from neuron_eval.reporting.figures.by_format import (
    draw_differences,
    draw_distribution,
    draw_scores,
)
from neuron_eval.reporting.figures.curves import calibration, draw_calibration, draw_layers
from neuron_eval.reporting.figures.pair import draw_against, draw_pair
from neuron_eval.reporting.figures.tokens import (
    Box,
    Point,
    draw_tokens,
    frontier,
    log_ticks,
    place_names,
)
from neuron_eval.reporting.statistics import Estimate

NAMES = ["scores", "differences", "distribution", "tokens", "calibration", "layers"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    files, notes = write_figures(five_formats(), folder)
    assert notes == []
    return {file.name: file for file in files}


def drawn(draw, collected, *more):
    with paper_style():
        return draw(collected, *more)


def marks(panel):
    """The points drawn in a panel as (x, y), those of error bars included, lines left out."""
    return [
        (float(x), float(y))
        for line in panel.lines
        if has_marks(line)
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]


def has_marks(line):
    return line.get_marker() not in ("None", "", None, "|", "_")


def test_every_figure_is_written_as_png_and_svg_in_reading_order(written):
    assert list(written) == NAMES
    for name, file in written.items():
        assert (file.png.name, file.svg.name) == (f"{name}.png", f"{name}.svg")
        assert file.title
        assert file.alt.endswith(".")


def test_a_png_is_a_column_wide_and_sharp_enough_to_print(written):
    for file in written.values():
        with Image.open(file.png) as picture:
            assert picture.size[0] == 990  # 3.3 inches
            assert picture.info["dpi"][0] == pytest.approx(300, abs=1)


def test_an_svg_holds_its_words_as_text(written):
    svg = written["scores"].svg.read_text()
    for word in ("original", "highlight summary", "simulation correlation", "(Pearson r)"):
        assert f">{word}</text>" in svg
    assert "(cosine similarity)" in svg


def test_the_same_runs_give_the_same_bytes(written, tmp_path):
    for file in write_figures(five_formats(), tmp_path)[0]:
        assert file.png.read_bytes() == written[file.name].png.read_bytes()
        assert file.svg.read_bytes() == written[file.name].svg.read_bytes()


def test_figures_need_no_pyplot_and_leave_no_setting_behind(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it would fail
    before = rcParams.copy()
    assert len(write_figures(five_formats(3), tmp_path)[0]) == len(NAMES)
    assert rcParams.copy() == before


def test_the_figure_of_scores_shows_the_mean_of_each_format():
    figure = drawn(draw_scores, five_formats()).figure
    left, right = figure.axes
    expected = [fmean(simulation(k, i) for i in range(6)) for k in range(5)]
    assert [x for x, _ in marks(left)] == pytest.approx(expected)
    assert [y for _, y in marks(left)] == [0, 1, 2, 3, 4]
    assert [x for x, _ in marks(right)] == pytest.approx([0.3, 0.35, 0.4, 0.45, 0.5])


def test_the_words_for_a_figure_hold_its_numbers(written):
    alt = written["scores"].alt
    assert "original 0.15 (0." in alt
    assert "avhs 0.55 (0." in alt
    assert "AdaCS: original 0.30 (0.30 to 0.30)" in alt
    assert "summary +0.10 (+0.10 to +0.10)" in written["differences"].alt


def test_scores_are_drawn_over_the_neurons_that_all_runs_scored():
    collected = five_formats(4)
    first = collected.runs[0]
    short = replace(first, results=dict(list(first.results.items())[:2]))
    cut = Collected((short, *collected.runs[1:]))
    panel = drawn(draw_scores, cut).figure.axes[0]
    assert marks(panel)[4][0] == pytest.approx(fmean([simulation(4, 0), simulation(4, 1)]))


def test_differences_are_to_the_baseline_on_the_same_neurons():
    panel = drawn(draw_differences, five_formats(), "original").figure.axes[0]
    points = [(x, y) for x, y in marks(panel)]
    assert [x for x, _ in points] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    names = [label.get_text() for label in panel.get_yticklabels()]
    assert names == ["summary", "highlight", "highlight summary", "avhs"]


def point(tokens_, mean):
    return Point(tokens_, Estimate(mean, None, None, 1), run())


def test_the_frontier_holds_what_nothing_cheaper_beats():
    points = [point(300, 0.5), point(100, 0.2), point(200, 0.1), point(200, 0.4), point(400, 0.5)]
    found = frontier(points)
    assert [(p.tokens, p.score.mean) for p in found] == [(100, 0.2), (200, 0.4), (300, 0.5)]


def test_tokens_have_a_log_axis_and_full_marks_on_the_frontier_alone():
    figure = drawn(draw_tokens, five_formats()).figure
    left, right = figure.axes
    assert left.get_xscale() == right.get_xscale() == "log"
    full = [
        line.get_xdata()[0]
        for line in left.lines
        if has_marks(line) and line.get_markerfacecolor() != "white"
    ]
    assert full == pytest.approx([102.5])  # the cheapest is the best here, and beats all
    assert figure.legends[0].get_texts()[0].get_text() == "frontier"


def test_names_beside_points_cover_no_mark_and_no_other_name():
    scores = [0.5, 0.51, 0.52, 0.9, 0.3]
    runs = [
        run(name, [neuron(i, score, prompt_tokens=tokens) for i in range(3)])
        for name, score, tokens in zip(FORMATS, scores, (300, 310, 320, 900, 330), strict=True)
    ]
    with paper_style():
        figure = draw_tokens(Collected(tuple(runs))).figure
        figure.draw_without_rendering()
        (panel,) = figure.axes
        boxes = [Box(*text.get_window_extent().extents) for text in panel.texts]
    assert len(boxes) >= 2
    assert not any(a.meets(b) for a, b in combinations(boxes, 2))
    for x, y in marks(panel):
        at = panel.transData.transform((x, y))
        assert not any(box.meets(Box(*at - 1, *at + 1)) for box in boxes)


def test_of_several_explainers_only_what_is_on_the_frontier_has_its_name_beside_it():
    runs = [
        replace(one, explainer=explainer, log=f"{explainer}/{one.format}")
        for explainer in ("maker/small", "maker/large")
        for one in five_formats(3).runs
    ]
    panel = drawn(draw_tokens, Collected(tuple(runs))).figure.axes[0]
    assert {text.get_text() for text in panel.texts} <= {"avhs, small", "avhs, large"}


def test_a_name_without_room_near_its_point_is_left_out():
    room = Box(0, 0, 100, 20)
    first, second = place_names([(50, 10), (50, 10)], [(20, 8)] * 2, [Box(48, 8, 52, 12)], room)
    assert (first.left > 52, second.right < 48) == (True, True)
    full = [Box(0, 0, 100, 20)]
    assert place_names([(50, 10)], [(20, 8)], full, room) == [None]
    assert place_names([(50, 10)], [(200, 8)], [], room) == [None]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (900, 3500, [1000, 1500, 2000, 3000]),
        (90, 120, [90, 100, 120]),
        (1, 100_000, [1, 10, 100, 1000, 10_000, 100_000]),
        (0.4, 2.4, [0.5, 1, 1.5, 2]),
    ],
)
def test_ticks_of_a_log_axis_are_few_and_round(low, high, ticks):
    assert log_ticks(low, high) == pytest.approx(ticks)


def test_tokens_are_averaged_over_the_neurons_that_were_scored():
    panel = drawn(draw_tokens, five_formats()).figure.axes[0]
    assert marks(panel)[0] == pytest.approx((502.5, fmean(simulation(0, i) for i in range(6))))


def test_a_run_without_prompt_tokens_is_left_out_of_their_figure():
    given = run("given", [neuron(i, prompt_tokens=None) for i in range(3)])
    assert drawn(draw_tokens, Collected((given,))) == (
        "No figure of score against tokens: no run has both scores and prompt tokens."
    )
    both = Collected((*five_formats(3).runs, given))
    assert "given" not in drawn(draw_tokens, both).alt


def test_each_layer_has_its_own_mean():
    panel = drawn(draw_layers, five_formats()).figure.axes[0]
    means = [y for _, y in marks(panel)][:3]
    assert means == pytest.approx(
        [fmean([simulation(0, i), simulation(0, i + 3)]) for i in range(3)]
    )


def test_each_format_has_its_panel_of_layers_with_the_others_behind_in_grey():
    figure = drawn(draw_layers, five_formats()).figure
    names = [panel.get_title(loc="left") for panel in figure.axes[:5]]
    assert names == ["original", "summary", "highlight", "highlight summary", "avhs"]
    assert [part.get_suptitle() for part in figure.subfigs] == [
        "simulation correlation\n(Pearson r)",
        "AdaCS\n(cosine similarity)",
    ]
    own = [len(marks(panel)) for panel in figure.axes]
    assert own == [3] * 10
    assert all(len(panel.lines) == 5 for panel in figure.axes)
    scales = {panel.get_ylim() for panel in figure.axes[:5]}
    assert len(scales) == 1


def test_layers_are_in_the_order_of_their_numbers_and_their_names_do_not_touch():
    layers = [10, 9, 2, 11, 0, 31]
    neurons = [neuron(i, 0.1 * i, layer=layer) for i, layer in enumerate(layers)]
    figure = drawn(draw_layers, Collected((run(neurons=neurons),))).figure
    (panel,) = figure.axes
    assert [x for x, _ in marks(panel)] == [0, 2, 9, 10, 11, 31]
    assert list(panel.get_xticks()) == [0, 9, 31]


def test_calibration_averages_within_a_neuron_before_over_neurons():
    # simulated 0 and 1 fall into the first and the last bin
    one = neuron(0, predicted=(excerpt(tokens="abcd", true=(0, 2, 4, -9), expected=(0, 0, 1, 0)),))
    two = neuron(1, predicted=(excerpt(tokens="ab", true=(1, 2), expected=(3, 9)),))
    found = calibration(run(neurons=[one, two]))
    assert list(found) == [0.05, 0.95]
    assert found[0.05].mean == pytest.approx(fmean([fmean([0, 0.5, 0]), 0.5]))
    assert found[0.95].mean == pytest.approx(1)
    assert found[0.95].n == 2


@pytest.mark.parametrize(
    "predicted",
    [
        (),
        (excerpt(expected=(1, 1, 1, 1)),),
        (excerpt(true=(-1, -2, -3, -4)),),
        (excerpt(expected=(1, 2, float("nan"), 4)),),
    ],
    ids=["none", "constant simulation", "never active", "not a number"],
)
def test_neurons_that_say_nothing_of_calibration_are_left_out(predicted):
    runs = (run(neurons=[neuron(i, predicted=predicted) for i in range(2)]),)
    assert drawn(draw_calibration, Collected(runs)) == (
        "No calibration figure: no run simulated held-out excerpts of two neurons or more."
    )


def test_one_format_one_neuron_gives_what_can_be_drawn_and_says_what_cannot(tmp_path):
    files, notes = write_figures(Collected((run(neurons=[neuron(0)]),)), tmp_path)
    assert [file.name for file in files] == ["scores", "distribution", "tokens"]
    assert notes == [
        "No figure of differences: no run to compare with the baseline, original.",
        "No calibration figure: no run simulated held-out excerpts of two neurons or more.",
        "No figure by layer: the scored neurons do not come from two layers or more.",
    ]


def test_runs_without_a_single_score_give_sentences_only(tmp_path):
    nothing = neuron(0, scores={}, predicted=())
    files, notes = write_figures(Collected((run(neurons=[nothing]),)), tmp_path)
    assert files == []
    assert len(notes) == len(NAMES)
    assert all(note.startswith("No ") and note.endswith(".") for note in notes)


def test_several_explainers_are_told_apart_by_a_legend():
    runs = [
        replace(one, explainer=explainer, log=f"{explainer}/{one.format}")
        for explainer in ("maker/small", "maker/large")
        for one in five_formats(3).runs
    ]
    collected = Collected(tuple(runs))
    figure = drawn(draw_scores, collected).figure
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["maker/small", "maker/large"]
    heights = sorted(y for _, y in marks(figure.axes[0]))
    assert len(set(heights)) == 2 * len(FORMATS)
    layers = drawn(draw_layers, collected).figure
    assert [text.get_text() for text in layers.legends[0].get_texts()] == [
        "maker/small",
        "maker/large",
    ]
    assert len(marks(layers.axes[0])) == 2 * 3


def test_names_that_no_font_or_typesetter_likes_are_drawn_all_the_same(tmp_path):
    awkward = "$x_{1 漢字\u202e " + "a very long column name " * 5
    collected = Collected((*five_formats(3).runs, run(awkward, [neuron(i) for i in range(3)])))
    files, _ = write_figures(collected, tmp_path)
    assert [file.name for file in files] == NAMES
    for file in files:
        assert "\u202e" not in file.svg.read_text() + file.alt


def test_two_runs_are_drawn_against_each_other_neuron_by_neuron():
    scores = {
        "simulation_correlation": ([0.5, 0.2, 0.3, 0.1], [0.4, 0.3, 0.3, 0.0]),
        "adacs": ([0.9], [0.8]),
        "mine/other": ([], []),
    }
    with paper_style():
        result = draw_against(scores, ("avhs", "original"))
    left, right = result.figure.axes
    assert sorted(marks(left)) == [(0.0, 0.1), (0.3, 0.2), (0.3, 0.3), (0.4, 0.5)]
    assert (left.get_xlabel(), left.get_ylabel()) == ("original", "avhs")
    assert left.get_xlim() == left.get_ylim()
    assert [text.get_text() for text in left.texts] == ["2 above", "1 below"]
    assert right.get_title() == "AdaCS\n(cosine similarity)"
    assert (
        "simulation correlation: 2 higher with avhs, 1 higher with original, 1 equal" in result.alt
    )


def test_the_pair_of_a_report_is_drawn_and_without_one_nothing_is_missing(tmp_path):
    collected = five_formats(4)
    pair = Pair(collected.runs[4], collected.runs[0])
    panel = drawn(draw_pair, replace(collected, pair=pair)).figure.axes[0]
    assert sorted(marks(panel)) == [(simulation(0, i), simulation(4, i)) for i in range(4)]
    assert (panel.get_ylabel(), panel.get_xlabel()) == ("avhs", "original")
    assert drawn(draw_pair, collected) == ""


def test_two_runs_without_a_neuron_in_common_give_a_sentence():
    assert drawn(draw_against, {"adacs": ([], [])}, ("avhs", "original")) == (
        "No figure of avhs against original: no neuron was scored in both."
    )


def test_equal_scores_of_all_neurons_are_no_trouble(tmp_path):
    runs = tuple(run(name, [neuron(i) for i in range(4)]) for name in FORMATS)
    files, notes = write_figures(Collected(runs), tmp_path)
    assert (len(files), notes) == (6, [])
    assert "original 0.50 (0.50 to 0.50)" in drawn(draw_distribution, Collected(runs)).alt
