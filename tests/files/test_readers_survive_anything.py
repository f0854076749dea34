"""Whatever bytes a file holds, its reader gives records or an error of its own, of some length."""

import json
from importlib import resources

import pytest
import yaml
from file_parsers import OWN, PARSERS
from hypothesis import given, settings
from hypothesis import strategies as st
from neuronpedia_files import activation, explanation
from openai_layout import neuron, record_json, results_json

from neuron_eval.sources import schema
from neuron_eval.testing import make_neuron

LONGEST = 2_000
"""Characters of a message."""

PLACED = {"kind": "sentence", "index": 0, "tokens": ["a", "b"], "activations": [1, 0]}
SCORE = {"value": 0.5, "explanationScoreTypeName": "recall"}

SOUND = {
    "records.jsonl": {
        **schema.to_json(make_neuron()),
        "cutoff": 1,
        "splits": {"train": [PLACED]},
        "other_explanations": [{"explanation": "cats", "source": "me"}],
        "false_explanations": ["dogs"],
    },
    "puzzles": {
        "cats": {
            "name": "cats",
            "explanation": "cats",
            "sentences": [["a", [" cat", 3]], [" b"]],
            "false_explanations": ["dogs"],
            "further_sentences": [["c"], ["d"]],
        }
    },
    "Neuronpedia feature, read whole": {
        "modelId": "gpt2-small",
        "layer": "6-res-jb",
        "index": "650",
        "activations": [activation(650, 3), activation(650, 4)],
        "explanations": [{"description": "cats", "typeName": "t", "scores": [SCORE]}],
    },
    "SAEDashboard batch": {
        "model_id": "gpt2-small",
        "layer": 6,
        "sae_set": "res-jb",
        "sae_id_suffix": "16k",
        "features": [
            {
                "feature_index": 650,
                "activations": [
                    {"tokens": [" a", " cat"], "values": [0, 2.5], "bin_contains": -1},
                    {"tokens": [" b", " dog"], "values": [0, 0.5], "bin_contains": 0.25},
                ],
            }
        ],
    },
    "Neuronpedia features.jsonl": {
        "modelId": "gpt2-small",
        "layer": "6-res-jb",
        "index": "650",
        "activations": [activation(650, 3), activation(650, 4)],
    },
    "Neuronpedia activations": activation(650, 3),
    "Neuronpedia explanations": explanation(650, "cats", scores=[SCORE]),
    "OpenAI record": record_json(neuron(0, 1)),
    "OpenAI record, a file": record_json(neuron(0, 1)),
    "OpenAI explanations": results_json(0, 1, [("cats", 2)]),
    "delphi config": {"model_name": "org/model"},
    "delphi tokenizer": {
        "added_tokens": [{"id": 1, "content": "x"}],
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteLevel"}]},
        "model": {"vocab": {"a": 0}},
    },
    "table.jsonl": {"id": "a", "Summary": "cats", "Original": "dogs"},
}
"""What each parser of JSON reads."""

PACK = yaml.safe_load(resources.files("neuron_eval.prompts").joinpath("default.yaml").read_text())

STRANGE = (
    *(None, True, False, 0, -1, 1.5, 2**70, 10**400, float("nan"), float("inf")),
    *("", " ", "a", "\ud800", "../x", "a\x00b", "9" * 5000, "x" * 10_000),
    *([], {}, [[]], ["a"], [1], [None], [["a", "b"]], {"a": 1}, {"tokens": []}),
)
"""Values that may stand where another is expected."""


def places(value, at=()):
    """Every place in a JSON value; of long lists the first items."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value[:4])
    for key, inner in items:
        yield (*at, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*at, key))


def put(value, at, other):
    """The value with another one at a place."""
    if not at:
        return other
    copy = value.copy()
    copy[at[0]] = put(value[at[0]], at[1:], other)
    return copy


def survives(name, content):
    message = ""
    try:
        dict(PARSERS)[name](content)
    except OWN as error:
        message = str(error)
    assert len(message) <= LONGEST
    message.encode()


@pytest.mark.parametrize("name", [name for name, _ in PARSERS])
@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=60).map(lambda text: text.encode()))
def test_any_bytes_are_read_or_refused(name, content):
    survives(name, content)


@pytest.mark.parametrize("name", list(SOUND))
def test_the_files_that_are_changed_below_are_sound(name):
    dict(PARSERS)[name](json.dumps(SOUND[name]).encode())


@pytest.mark.parametrize("name", list(SOUND))
@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_strange_value_anywhere_is_read_or_refused(name, data):
    at = data.draw(st.sampled_from(list(places(SOUND[name]))))
    content = json.dumps(put(SOUND[name], at, data.draw(st.sampled_from(STRANGE))))
    survives(name, content.encode())


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(list(places(PACK))), st.sampled_from(STRANGE))
def test_a_strange_value_in_a_pack_is_read_or_refused(at, other):
    content = yaml.safe_dump(put(PACK, at, other))
    survives("pack", content.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", [name for name, _ in PARSERS])
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b"id,A\n" + b"9" * 5000 + b',"' + b"x" * 200_000 + b'"\n',
        b'"' * 2**20,
        b"x" * 2**20,
        b'{"id": "' + b"x" * 2**20 + b'", "id": 1}',
        b'{"' + b"x" * 2**20 + b'": 1}',
    ],
    ids=["brackets", "objects", "digits", "field", "quotes", "word", "key twice", "long key"],
)
def test_a_file_made_to_hurt_is_read_or_refused_in_a_short_message(name, content):
    survives(name, content)


@pytest.mark.parametrize("name", list(SOUND))
@pytest.mark.parametrize("big", ["x" * 2**20, ["x" * 2**20], {"y" * 2**20: 1}, [[0] * 2**18]])
def test_a_megabyte_in_any_place_makes_no_long_message(name, big):
    # The shallow places are those whose value a message may quote.
    for at in [at for at in places(SOUND[name]) if len(at) <= 2][:12]:
        survives(name, json.dumps(put(SOUND[name], at, big)).encode())
