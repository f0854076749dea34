"""Which neurons: ranges, the four published sets, files of scores."""

import gzip
import inspect
import random
from dataclasses import replace

import openai_layout
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai import eval as run_eval

from neuron_eval.dataset import neuron_set
from neuron_eval.records import RecordError, Reference
from neuron_eval.sources import loading, open_source, schema
from neuron_eval.sources.base import NeuronKey, ScoredNeuron, SourceError, Unreadable
from neuron_eval.sources.choosing import draw, parse_choice, parse_ranges, place
from neuron_eval.sources.loading import ScoreFile, read_scores
from neuron_eval.task import Parameters, explanation_task
from neuron_eval.tasks.formats import summary
from neuron_eval.testing import fake_explainer, make_neuron
from neuron_eval.unrelated import MAX_UNRELATED, Unrelated

HEADER = "layer,neuron,score,explanation\n"


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        (5, {5}),
        ("5", {5}),
        ("0-3,10", {0, 1, 2, 3, 10}),
        (["5", "7-9"], {5, 7, 8, 9}),
        ([1, "3-3"], {1, 3}),
        ("10,2-8,3,4-5,8-9", {2, 3, 4, 5, 6, 7, 8, 9, 10}),
        ("7,0", {0, 7}),
    ],
)
def test_ranges_hold_what_was_written(written, numbers):
    ranges = parse_ranges("layers", written)
    assert {n for n in range(-1, 20) if n in ranges} == numbers


@pytest.mark.parametrize("written", ["", "a", "3-1", "-1", "1-", "1.5", True, ["1", True], 2.0])
def test_what_is_no_range_is_refused_by_name(written):
    with pytest.raises(ValueError, match=r"layers="):
        parse_ranges("layers", written)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"select": "best"}, r"select='best': allowed are all, random, interpretable"),
        ({"per_layer": 5}, r"per_layer=5: has a part in select=random, interpretable, top_per"),
        ({"threshold": 0.5, "select": "top"}, r"threshold=0.5: has a part in select=interpret"),
        ({"threshold": "high", "select": "interpretable"}, r"threshold='high': expected a number"),
        ({"limit": 0}, r"limit=0: expected a whole number of at least 1"),
        ({"seed": "a"}, r"seed='a'"),
        ({"scores": 3}, r"scores=3: expected one name or file"),
    ],
)
def test_a_bad_choice_is_refused_by_name(asked, message):
    with pytest.raises(ValueError, match=message):
        parse_choice("m", **asked)


def test_all_keeps_the_order_and_the_ranges():
    chosen = choose(unasked, layers="1,3", index=[0, "48-49"])
    assert [k.id for k in chosen] == [f"m/L{a}N{b}" for a in (1, 3) for b in (0, 48, 49)]
    assert choose(unasked, limit=3) == KEYS[:3]


def test_all_reads_no_further_than_its_limit():
    assert len(draw(iter([*KEYS, None]), parse_choice("m", limit=7), unasked)) == 7


def test_random_draws_so_many_of_each_layer_by_the_seed():
    chosen = choose(unasked, select="random", per_layer=5)
    assert [k.layer for k in chosen] == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 5
    assert chosen == choose(unasked, select="random", per_layer=5)
    assert chosen != choose(unasked, select="random", per_layer=5, seed=1)
    assert chosen != KEYS[:5] + KEYS[50:55] + KEYS[100:105] + KEYS[150:155]


def test_what_is_drawn_does_not_depend_on_the_order_or_on_other_layers():
    shuffled = random.Random(1).sample(KEYS, len(KEYS))
    whole = choose(unasked, select="random", per_layer=4)
    assert set(choose(unasked, shuffled, select="random", per_layer=4)) == set(whole)
    only = choose(unasked, select="random", per_layer=4, layers=2)
    assert only == [k for k in whole if k.layer == 2]


def test_every_neuron_of_a_layer_is_drawn_about_equally_often():
    counts = dict.fromkeys(range(50), 0)
    for seed in range(400):
        for key in choose(unasked, KEYS[:50], select="random", per_layer=10, seed=seed):
            counts[key.neuron] += 1
    assert all(45 < count < 120 for count in counts.values())


def test_interpretable_neurons_score_the_threshold_and_are_drawn():
    chosen = choose(select="interpretable", per_layer=6)
    assert len(chosen) == 24
    assert all(SCORES[k.layer, k.neuron] >= 0.35 for k in chosen)
    strict = choose(select="interpretable", per_layer=50, threshold=0.8)
    assert {k.id for k in strict} == {k.id for k in KEYS if SCORES[k.layer, k.neuron] >= 0.8}


def test_scores_are_looked_up_only_until_enough_are_found():
    asked = []

    def counting(keys):
        for key in keys:
            asked.append(key)
            yield from scored([key])

    choose(counting, select="interpretable", per_layer=2)
    assert 8 <= len(asked) < 60


def test_the_same_interpretable_neurons_come_of_a_file_and_of_the_source(tmp_path):
    file = tmp_path / "s.csv"
    rows = [f"{a},{b},{score!r},x" for (a, b), score in SCORES.items()]
    random.Random(2).shuffle(rows)
    file.write_text(HEADER + "\n".join(rows))
    asked = {"select": "interpretable", "per_layer": 7, "seed": 3}
    assert choose(ScoreFile(str(file)).scores, **asked) == choose(**asked)


def test_top_sets_hold_the_highest_scores():
    best = sorted(KEYS, key=lambda k: -SCORES[k.layer, k.neuron])
    assert set(choose(select="top", limit=9)) == set(best[:9])
    per_layer = choose(select="top_per_layer", per_layer=2)
    for layer in range(4):
        ranked = [k for k in best if k.layer == layer]
        assert {k for k in per_layer if k.layer == layer} == set(ranked[:2])
    assert len(choose(select="top")) == 200


def test_a_limit_on_a_drawn_set_draws_among_the_layers():
    chosen = choose(unasked, select="random", per_layer=20, limit=12)
    assert len(chosen) == 12
    assert len({k.layer for k in chosen}) > 1
    assert set(chosen) <= set(choose(unasked, select="random", per_layer=20))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), unique=True), st.integers(0, 99))
def test_choosing_gives_neurons_of_the_source_once_each_in_its_order(pairs, seed):
    keys = [NeuronKey(f"m/L{a}N{b}", a, b) for a, b in pairs]
    for select in ("random", "interpretable", "top_per_layer", "top"):
        chosen = choose(keys=keys, select=select, seed=seed)
        assert chosen == [k for k in keys if k in set(chosen)]


def test_scores_are_read_whatever_the_case_and_the_other_columns(tmp_path):
    file = tmp_path / "s.csv.gz"
    file.write_bytes(
        gzip.compress('\ufeff,Neuron,LAYER,Explanation,score\n0,7,3," a, ""b""\nc",0.5\n'.encode())
    )
    assert list(read_scores(str(file))) == [ScoredNeuron(3, 7, 0.5, ' a, "b"\nc')]


@pytest.mark.parametrize("nothing", ["", "nan", " "])
def test_a_row_without_a_score_is_no_measurement(tmp_path, nothing):
    file = tmp_path / "s.csv"
    file.write_text(f"{HEADER}0,1,{nothing},a\n0,2,0.1,b\n")
    assert [s.neuron for s in read_scores(str(file))] == [2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer,neuron,explanation\n", r"s.csv: the first line lacks the column\(s\) score"),
        ("", r"lacks the column\(s\) layer, neuron, score, explanation; it has nothing"),
        (f"{HEADER}0,1,0.5,a\n0,x,0.5,a\n", r"s.csv, line 3: column 'neuron' is 'x'"),
        (f"{HEADER}0,1,high,a\n", r"line 2: column 'score' is 'high'; expected a number"),
        (f"{HEADER}0,1\n", r"line 2: 2 values, fewer than the first line has columns"),
        (f'{HEADER}0,1,0.5,"cut', r"s.csv, line 2: cut off or not a CSV file"),
        (f"{HEADER}0,1,0.5,a\n0,1,0.6,b\n", r"layer 0, neuron 1 stands there with two scores"),
    ],
)
def test_a_bad_file_of_scores_is_refused_with_its_line(tmp_path, text, message):
    file = tmp_path / "s.csv"
    file.write_text(text)
    with pytest.raises((SourceError, RecordError), match=message):
        ScoreFile(str(file))


def test_explanations_of_the_scores_become_references_where_there_are_none(tmp_path):
    neurons = tmp_path / "n.jsonl"
    bare = [make_neuron("m/L0N0"), make_neuron("m/L1N5", layer=1, neuron=5)]
    schema.write(neurons, [replace(neuron, reference=None) for neuron in bare])
    file = tmp_path / "s.csv"
    file.write_text(f"{HEADER}0,0,0.5,other\n1,5,0.4,\n")
    choice = parse_choice(str(neurons), select="interpretable", scores=str(file))
    found = list(loading.load(choice))
    assert [(n.id, n.reference) for n in found] == [
        ("m/L0N0", Reference("other", "s.csv")),
        ("m/L1N5", None),
    ]
    schema.write(neurons, [replace(make_neuron("m/L0N0"), reference=Reference("own", "me"))])
    (kept,) = loading.load(choice)
    assert kept.reference == Reference("own", "me")


def test_nothing_chosen_is_an_error_that_says_by_what():
    with pytest.raises(SourceError, match=r"no neuron is left by select=all, layers=77"):
        neuron_set(parse_choice("smollm2", layers=77))
    with pytest.raises(SourceError, match=r"smollm2: holds no published scores; name a CSV"):
        neuron_set(parse_choice("smollm2", select="top"))


def test_a_bad_neuron_is_an_error_and_a_missing_one_is_counted(monkeypatch):
    class Source:
        name = "m"

        def __init__(self, missing):
            self.gone = Unreadable("m/L0N1", RecordError("no m/L0N1 there"), missing)

        def read(self, wanted=None):
            yield make_neuron("m/L0N0")
            yield self.gone

    monkeypatch.setattr(loading, "open_source", lambda _: Source(missing=True))
    chosen = neuron_set("m")
    assert len(chosen.neurons) == 1
    assert chosen.missing == ("no m/L0N1 there",)
    monkeypatch.setattr(loading, "open_source", lambda _: Source(missing=False))
    with pytest.raises(RecordError, match="no m/L0N1 there"):
        neuron_set("m")


@pytest.mark.parametrize(
    "name", ["smolm2", "openai:gpt5", "x.jsonl", "hub:", "ftp:x", "puzzles:no"]
)
def test_a_source_that_is_none_is_refused(name):
    with pytest.raises(SourceError, match=f"^neurons={name}: "):
        next(open_source(name).read())


def test_a_file_of_another_kind_is_not_said_to_be_missing(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("layer,neuron\n")
    with pytest.raises(SourceError, match=r"mine\.csv: not a file that can be read by its ending"):
        open_source(str(table))


def test_a_folder_may_be_called_like_a_file(tmp_path):
    folder = tmp_path / "mine.parquet"
    folder.mkdir()
    schema.write(folder / "part-0.jsonl", [make_neuron("m/L0N0")])
    assert [neuron.id for neuron in open_source(str(folder)).read()] == ["m/L0N0"]


def test_a_model_that_was_not_published_is_told_of_before_its_size():
    with pytest.raises(SourceError, match=r"openai:gpt5: not published there; known are openai"):
        list(loading.load(parse_choice("openai:gpt5")))


@pytest.mark.parametrize("asked", [{}, {"select": "top"}])
def test_the_neurons_of_a_file_of_explanations_are_few_enough_to_fetch(
    tmp_path, monkeypatch, asked
):
    monkeypatch.setenv("NEURON_EVAL_CACHE_DIR", str(tmp_path / "openai"))
    kept = tmp_path / "openai" / "openai" / "gpt2-xl"
    openai_layout.write_layout(kept, [(5, 131)])
    choice = parse_choice("openai:gpt2-xl", **asked)
    found = loading.load(choice, only=lambda key: (key.layer, key.neuron) == (5, 131))
    assert [neuron.id for neuron in found] == ["gpt2-xl/L5N131"]
    with pytest.raises(SourceError, match="would fetch"):
        next(loading.load(choice))


@pytest.mark.parametrize("select", ["interpretable", "top_per_layer", "top"])
def test_dictionaries_that_number_the_same_layer_keep_their_own_scores(select):
    keys = [NeuronKey(f"m/{name}/7", 6, 7) for name in ("6-att", "6-mlp", "6-res")]
    known = dict(zip((key.id for key in keys), (0.1, 0.9, 0.2), strict=True))

    def look_up(wanted):
        return (ScoredNeuron(k.layer, k.neuron, known[k.id], "x", k.id) for k in wanted)

    asked = {"limit": 1} if select == "top" else {"per_layer": 1}
    chosen = choose(look_up, keys, select=select, **asked)
    assert [key.id for key in chosen] == ["m/6-mlp/7"]


def test_unrelated_references_are_the_same_for_the_same_neuron_and_never_its_own():
    many = Unrelated({str(i): f"text {i}" for i in range(500)})
    assert many.of("7") == many.of("7") != many.of("8")
    assert len(many.of("7")) == MAX_UNRELATED
    assert "text 7" not in [text for i in range(50) for text in many.of("7")] + many.of("7")
    assert Unrelated({"a": "x", "b": "y"}).of("a") == ["y"]


def test_all_the_unrelated_references_are_taken_up_to_the_most():
    most = {str(i): f"text {i}" for i in range(MAX_UNRELATED + 1)}
    assert Unrelated(most).of("7") == [text for text in most.values() if text != "text 7"]
    more = Unrelated({str(i): f"text {i}" for i in range(MAX_UNRELATED + 2)})
    assert len(more.of("1")) == len(more.of("2")) == len(more.of("none")) == MAX_UNRELATED
    assert more.of("1") != more.of("2")


def test_what_says_the_same_as_the_own_reference_is_not_unrelated():
    texts = {"a": "Cats", "b": " cats\n", "c": "dogs", "d": "CATS", "e": "dogs"}
    unrelated = Unrelated(texts)
    assert unrelated.of("a") == unrelated.of("b") == ["dogs", "dogs"]
    assert unrelated.of("c") == ["Cats", " cats\n", "CATS"]
    assert unrelated.of("without a reference") == list(texts.values())


def test_however_many_have_the_own_reference_there_are_as_many_unrelated_ones():
    many = Unrelated({str(i): "cats" if i % 10 else f"text {i}" for i in range(2000)})
    assert len(many.of("1")) == MAX_UNRELATED
    assert "cats" not in many.of("1")


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), -float("inf"), 10**400, True])
def test_a_threshold_that_is_no_number_is_refused(threshold):
    with pytest.raises(ValueError, match=r"^threshold=.{2,140}: expected a number such as 0.35$"):
        parse_choice("n.jsonl", select="interpretable", threshold=threshold)


def test_a_file_whose_name_no_log_can_hold_is_refused():
    for name in ("neurons", "scores"):
        with pytest.raises(ValueError, match=rf"^{name}='\\udcff.*not UTF-8"):
            parse_choice(**{"neurons": "n.jsonl", name: "\udcff.jsonl"})


def test_neurons_without_layer_are_drawn_whatever_their_ids_hold():
    assert place(0, NeuronKey("\ud800", -1, -1)) != place(0, NeuronKey("\ud801", -1, -1))


def test_parameters_are_typed_as_the_task_takes_them():
    taken = inspect.signature(explanation_task).parameters
    assert list(Parameters.__annotations__) == [name for name in taken if name != "format"]


def test_the_log_says_which_neurons_were_chosen(tmp_path):
    (log,) = run_eval(
        summary(layers=[8, "16-20"], select="random", per_layer=2, seed=5, simulation="none"),
        model=fake_explainer("cats").model,
        limit=1,
        score=False,
        log_dir=str(tmp_path),
        display="none",
    )
    assert log.status == "success"
    assert log.eval.metadata["neurons_choice"]["layers"] == "8,16-20"
    assert log.eval.metadata["neurons_choice"]["seed"] == 5
    assert log.eval.metadata["neurons_used"] == log.eval.dataset.samples == 6
    assert log.eval.task_args["per_layer"] == 2


def test_scores_by_layer_and_neuron_are_refused_where_they_could_be_two_neurons(tmp_path):
    neurons, file = tmp_path / "n.jsonl", tmp_path / "s.csv"
    twins = [make_neuron(f"m/6-{kind}/7", layer=6, neuron=7) for kind in ("att", "mlp")]
    schema.write(neurons, twins)
    file.write_text(f"{HEADER}6,7,0.5,a\n")
    with pytest.raises(SourceError, match=r"layer 6, neuron 7 could be m/6-att/7 or m/6-mlp/7"):
        list(loading.load(parse_choice(str(neurons), scores=str(file))))


KEYS = [NeuronKey(f"m/L{layer}N{i}", layer, i) for layer in range(4) for i in range(50)]

SCORES = {(k.layer, k.neuron): random.Random(k.id).uniform(-0.2, 0.9) for k in KEYS}


def scored(keys):
    return (
        ScoredNeuron(k.layer, k.neuron, SCORES[k.layer, k.neuron], "x", k.id)
        for k in keys
        if (k.layer, k.neuron) in SCORES
    )


def unasked(keys):
    raise AssertionError("no score is needed")


def choose(scores=scored, keys=KEYS, **asked):
    return draw(keys, parse_choice("m", **asked), scores)
