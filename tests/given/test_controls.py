"""Controls: what explanations that nobody made for the neuron score, through whole evals."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai import eval
from inspect_ai.event import ModelEvent

from neuron_eval.given import origin
from neuron_eval.given.controls import CONTROLS, control_of, generic_sentence
from neuron_eval.given.origin import given as given_solver
from neuron_eval.logs.identity import control_name, format_of, identity
from neuron_eval.prompts.pack import default_pack
from neuron_eval.sources import schema
from neuron_eval.tasks import controls, formats
from neuron_eval.tasks.given import given as given_task
from neuron_eval.testing import fake_embedder, fake_simulator, make_neuron
from neuron_eval.unrelated import deranged
from neuron_eval.usage_error import UsageError

WORDS = (" cat", " dog", " tree", " sun", " hill")
LAYERS = (0, 0, 0, 1, 2)

TEXTS = st.dictionaries(
    st.integers(0, 40), st.sampled_from(["a", "A ", "b", "c", "d", "e", "f"]), max_size=30
)


def folded(text):
    return text.strip().casefold()


@given(TEXTS, st.integers(1, 4), st.integers(0, 5))
def test_no_neuron_gets_a_text_that_reads_like_its_own(texts, layers, seed):
    pairs = deranged(texts, {key: key % layers for key in texts}, seed)
    assert all(folded(texts[key]) != folded(texts[other]) for key, other in pairs.items())
    different = len(set(map(folded, texts.values())))
    assert set(pairs) == (set(texts) if different > 1 else set())


@given(TEXTS, st.integers(1, 4), st.integers(0, 5))
def test_within_a_layer_each_explanation_is_given_once_where_that_can_be(texts, layers, seed):
    pairs = deranged(texts, {key: key % layers for key in texts}, seed)
    for layer in range(layers):
        own = [key for key in texts if key % layers == layer]
        most = max(Counter(folded(texts[key]) for key in own).values(), default=0)
        if own and 2 * most <= len(own):
            assert sorted(pairs[key] for key in own) == sorted(own)


@given(TEXTS, st.randoms(use_true_random=False))
def test_the_same_seed_gives_the_same_pairs_in_whatever_order_neurons_come(texts, random):
    layers = {key: key % 2 for key in texts}
    keys = list(texts)
    random.shuffle(keys)
    assert deranged({key: texts[key] for key in keys}, layers, 3) == deranged(texts, layers, 3)


def test_another_seed_gives_other_pairs():
    texts = {i: f"text {i}" for i in range(30)}
    layers = dict.fromkeys(texts, 0)
    assert deranged(texts, layers, 0) != deranged(texts, layers, 1)


def test_neurons_alone_in_their_layers_are_shuffled_among_each_other():
    texts = {i: f"text {i}" for i in range(5)}
    pairs = deranged(texts, {i: i for i in texts})
    assert sorted(pairs.values()) == sorted(texts)


def test_a_single_neuron_and_equal_texts_have_no_other():
    assert deranged({"a": "x"}, {"a": 0}) == deranged({"a": "x", "b": " X"}, {"a": 0, "b": 0}) == {}


def test_every_control_is_a_task_that_asks_no_explainer(neurons):
    logs = {name: run(task(name, neurons)) for name in (*CONTROLS, "false")}
    means = {name: values(log, "simulation_correlation") for name, log in logs.items()}
    assert min(means["reference"][id_] for id_ in IDS) > 0.9
    assert max(means["shuffled"][id_] for id_ in IDS) < 0.4
    assert max(means["generic"].values()) < 0.4
    assert min(means["lexical"].values()) > 0.9
    assert all(math.isnan(value) for value in means["false"].values())
    for name, log in logs.items():
        assert control_name(log.eval) == format_of(log) == name
        asked = [
            event
            for sample in log.samples
            for event in sample.events
            if isinstance(event, ModelEvent) and event.role is None
        ]
        assert asked == []


def test_shuffled_stays_within_the_layer_and_leaves_neurons_without_reference_unscored(neurons):
    log = run(task("shuffled", neurons))
    explained = {sample.id: sample.output.completion for sample in log.samples}
    assert {explained[id_] for id_ in IDS[:3]} == {f"the word{word}" for word in WORDS[:3]}
    assert all(explained[id_] != f"the word{word}" for id_, word in zip(IDS, WORDS, strict=True))
    (score,) = [s.scores["simulation_correlation"] for s in log.samples if s.id == "test/L3N9"]
    assert "test/L3N9 has no reference explanation that another could replace" in score.explanation


@pytest.mark.parametrize("name", CONTROLS)
def test_task_solver_and_given_are_one_control(neurons, name):
    by_task = run(task(name, neurons))
    given_ = run(given_task(name, neurons=neurons, simulation="chat"))
    by_solver = run(
        formats.summary(neurons=neurons, simulation="chat"), solver=getattr(origin, name)()
    )
    texts = [
        {s.id: s.output.completion for s in log.samples} for log in (by_task, given_, by_solver)
    ]
    assert texts[0] == texts[1] == texts[2]
    assert identity(by_task) == identity(given_)
    assert {control_name(log.eval) for log in (by_task, given_, by_solver)} == {name}


def test_the_generic_sentence_is_the_packs_else_the_bundled_one(tmp_path, neurons):
    assert generic_sentence("neuron_eval-2") == default_pack().generic != ""
    shipped = default_pack()
    pack = tmp_path / "pack.yaml"
    pack.write_text(
        "name: mine\nformats: {summary: {system: a, header: '', opening: '', heading: '', "
        "start: '', end: '', list_heading: '', list_separator: '', list_end: '', "
        "repeat_heading: ''}}\nfew_shot: []\ngeneric: anything at all.\n"
    )
    assert generic_sentence(str(pack)) == "anything at all."
    log = run(controls.generic(neurons=neurons, simulation="none", pack=str(pack)))
    assert {sample.output.completion for sample in log.samples} == {"anything at all."}
    assert log.eval.metadata["generic"] == "anything at all."
    pack.write_text(pack.read_text().replace("anything at all.", "[3]"))
    with pytest.raises(UsageError, match=r"pack.yaml: generic: expected a string"):
        controls.generic(neurons=neurons, pack=str(pack))
    assert shipped.generic.endswith(".")


def test_a_finished_logs_explanations_are_taken_and_shuffled(neurons, tmp_path):
    finished = run(task("lexical", neurons), log_dir=str(tmp_path / "logs"))
    own = {sample.id: sample.output.completion for sample in finished.samples}
    again = run(formats.summary(neurons=neurons, simulation="none"),
                solver=given_solver(finished.location))  # fmt: skip
    assert {sample.id: sample.output.completion for sample in again.samples} == own
    shuffled = run(
        given_task(f"shuffled:{finished.location}", neurons=neurons, simulation="none", seed=1)
    )
    others = {sample.id: sample.output.completion for sample in shuffled.samples}
    assert sorted(others.values()) == sorted(own.values())
    assert all(others[id_] != own[id_] for id_ in own)
    assert {others[id_] for id_ in IDS[:3]} == {own[id_] for id_ in IDS[:3]}  # of one layer
    assert control_name(shuffled.eval) == "shuffled"
    assert format_of(shuffled) == "shuffled explanation"


def test_a_file_is_shuffled_within_its_layers_and_one_of_equal_texts_is_refused(tmp_path, neurons):
    file = tmp_path / "mine.csv"
    rows = [f"{LAYERS[i]},{i},text {i}" for i in range(5)]
    file.write_text("\n".join(["layer,neuron,explanation", *rows]))
    log = run(given_task(f"shuffled:{file}", neurons=neurons, simulation="none"))
    assert {s.output.completion for s in log.samples if s.id in IDS[:3]} == {
        "text 0", "text 1", "text 2",
    }  # fmt: skip
    file.write_text("layer,neuron,explanation\n0,0,same\n0,1,Same\n")
    with pytest.raises(UsageError, match="are the same, so no neuron can get another's"):
        given_solver(f"shuffled:{file}")


def test_a_log_that_is_none_is_refused(tmp_path):
    path = tmp_path / "broken.eval"
    path.write_bytes(b"PK no zip at all")
    with pytest.raises(UsageError, match=r"broken.eval: not a log, or cut off"):
        given_solver(str(path))


@pytest.mark.parametrize(
    ("explanations", "column", "name"),
    [
        ("reference", None, "reference"),
        ("reference", "gpt-4", ""),
        (False, None, "false"),
        ("false", "1", "false"),
        ("shuffled:logs/a.eval", None, "shuffled"),
        ("reference.csv", None, ""),
        (None, None, ""),
    ],
)
def test_a_file_and_another_published_explanation_are_no_controls(explanations, column, name):
    assert control_of(explanations, column) == name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"explanations": "shuffled", "column": "a"}, "explanations=shuffled takes no column"),
        ({"explanations": "generic", "neurons": "smollm2", "cutoff_quantile": 1},
         "cutoff_quantile"),
        ({"explanations": "generic"}, "explanations=generic: is what neurons hold"),
        ({"explanations": "shuffled:no.csv"}, "shuffled:no.csv: there is no such file"),
    ],
)  # fmt: skip
def test_a_control_that_cannot_be_meant_is_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        given_task(**arguments)


def test_a_control_takes_a_formats_parameters_and_no_others():
    with pytest.raises(UsageError, match="colour"):
        controls.shuffled(colour=1)


IDS = [f"test/L{layer}N{i}" for i, layer in enumerate(LAYERS)]


@pytest.fixture
def neurons(tmp_path):
    """Three neurons of layer 0, one of layers 1 and 2, each with a reference; and one without."""
    made = [
        make_neuron(id_, word, layer=layer, neuron=i, reference=f"the word{word}")
        for i, (id_, word, layer) in enumerate(zip(IDS, WORDS, LAYERS, strict=True))
    ]
    made.append(make_neuron("test/L3N9", " sea", layer=3, neuron=9, reference=None))
    path = tmp_path / "neurons.jsonl"
    schema.write(path, made)
    return str(path)


def task(name, neurons):
    return getattr(controls, name)(neurons=neurons, simulation="chat")


def run(task, **options):
    def knows(explanation, tokens):
        named = explanation.replace('"', "").rstrip(".").split()[2:]
        return [9.5 if t.strip() in named else 0.25 * (i % 2) for i, t in enumerate(tokens)]

    def letters(text):
        return [text.count(letter) + 0.1 for letter in "abcdefghijklmnopqrstuvwxyz"]

    roles = {"embedder": fake_embedder(letters).model, "simulator": fake_simulator(knows).model}
    (log,) = eval(task, model="none", model_roles=roles, **options)
    assert log.status == "success", log.error
    return log


def values(log, scorer):
    return {sample.id: sample.scores[scorer].as_float() for sample in log.samples}
