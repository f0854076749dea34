import json

from hypothesis import given
from hypothesis import strategies as st
from inspect_ai import eval
from inspect_ai.log import read_eval_log
from openai_layout import results_json

from neuron_eval.given.reading import read_table
from neuron_eval.messages import replace_surrogates
from neuron_eval.prompts.pack import load_pack
from neuron_eval.sources import open_source, schema
from neuron_eval.sources.openai.records import parse_explanations
from neuron_eval.tasks.formats import summary
from neuron_eval.testing import fake_embedder, fake_explainer, make_neuron

HALF, SIGN = "\ud83d", "\ufffd"


@given(st.text(st.characters(categories=["L", "P", "So", "Cs"])))
def test_what_is_left_can_be_written_and_nothing_else_changes(text):
    replaced = replace_surrogates(text)
    replaced.encode()
    assert len(replaced) == len(text)
    for before, after in zip(text, replaced, strict=True):
        assert after == ("\ufffd" if "\ud800" <= before <= "\udfff" else before)


def poisoned(id_="m/L0N0"):
    """A neuron with half a character in every text but its id."""
    data = schema.to_json(make_neuron(id_, reference="cats"))
    for excerpt in data["top"] + data["random"]:
        excerpt["tokens"][0] += HALF
    return {
        **data,
        "model": f"m{HALF}",
        "group": HALF,
        "reference": {"explanation": f"cats{HALF}", "source": HALF},
        "other_explanations": [{"explanation": HALF, "source": HALF}],
        "false_explanations": [HALF],
    }


def test_no_text_of_a_record_keeps_half_a_character(tmp_path):
    path = tmp_path / "n.jsonl"
    placed = {"kind": "sentence", "index": 0, "tokens": [HALF], "activations": [1]}
    fixed = {**poisoned("m/b"), "splits": {"train": [placed]}}
    path.write_text(json.dumps(poisoned()) + "\n" + json.dumps(fixed))
    dealt, split = open_source(str(path)).read()
    assert dealt.top[0].tokens[0].endswith(SIGN)
    assert (dealt.model, dealt.group, dealt.false_explanations) == (f"m{SIGN}", SIGN, (SIGN,))
    assert dealt.reference.explanation == f"cats{SIGN}"
    assert split.given_splits[0][1][0].record.tokens == (SIGN,)
    for neuron in (dealt, split):
        repr(neuron).encode()
        json.dumps(schema.to_json(neuron), ensure_ascii=False).encode()


def test_excerpts_that_half_characters_alone_told_apart_are_the_same(tmp_path):
    path = tmp_path / "n.jsonl"
    excerpts = [{"tokens": [half], "activations": [1]} for half in ("\ud83d", "\ude00")]
    path.write_text(json.dumps({**poisoned(), "top": excerpts}))
    (found,) = open_source(str(path)).read()
    assert "excerpts 'top 0' and 'top 1' hold the same text '\ufffd'" in str(found.error)


def test_an_eval_of_records_with_half_characters_leaves_a_log(tmp_path):
    path = tmp_path / "n.jsonl"
    path.write_text(json.dumps(poisoned()))
    roles = {"embedder": fake_embedder(lambda text: [1.0, float(len(text))]).model}
    explainer = fake_explainer("cats").model
    task = summary(neurons=str(path), simulation="none")
    (log,) = eval(task, model=explainer, model_roles=roles)
    assert log.status == "success", log.error
    (sample,) = read_eval_log(log.location).samples
    assert sample.target == f"cats{SIGN}"
    assert SIGN in json.loads(sample.metadata["record"])["train"][0][2]


def test_published_explanations_keep_no_half_character():
    content = json.dumps(results_json(0, 1, [(f"cats{HALF}", 1)])).encode()
    assert [e.explanation for e in parse_explanations(content, 0, 1, "x")] == [f"cats{SIGN}"]


def test_a_table_keeps_no_half_character_in_names_and_texts(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps({"id": "a", f"by{HALF}": f"cats{HALF}"}))
    table = read_table(str(path))
    assert table.columns == (f"by{SIGN}",)
    assert table.texts[f"by{SIGN}"] == {"a": f"cats{SIGN}"}


def test_a_pack_keeps_no_half_character(tmp_path):
    from importlib import resources

    content = resources.files("neuron_eval.prompts").joinpath("default.yaml").read_text()
    path = tmp_path / "pack.yaml"
    name = load_pack(None).name
    assert f"name: {name}\n" in content
    path.write_text(content.replace(f"name: {name}\n", 'name: "x\\ud83d"\n'))
    assert load_pack(str(path)).name == f"x{SIGN}"
