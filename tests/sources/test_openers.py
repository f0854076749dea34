"""How a source is recognised: by the openers that are registered, the last of them first."""

import pytest

from neuron_eval.sources import BundledSource, open_source, opening, schema
from neuron_eval.sources.base import SourceError
from neuron_eval.sources.opening import opener
from neuron_eval.testing import make_neuron


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(opening, "_OPENERS", list(opening._OPENERS))


def test_what_is_registered_later_is_asked_before_what_ships(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [make_neuron("m/L0N0")])
    mine = BundledSource("puzzles")
    places = []
    opener("FILE.jsonl", "mine")(lambda place: places.append(place) or mine)
    assert open_source(str(path)) is mine
    (place,) = places
    assert (place.name, place.kind) == (str(path), "lines")
    assert {"id", "top", "tokens"} <= place.fields


def test_what_an_opener_does_not_take_is_left_to_the_others(tmp_path):
    path = tmp_path / "n.jsonl"
    schema.write(path, [make_neuron("m/L0N0")])
    opener("other:FILE", "others'")(lambda place: place.after("other") or None)
    assert [neuron.id for neuron in open_source(str(path)).read()] == ["m/L0N0"]
    assert open_source("other:file") == "file"


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path: path.mkdir(), "folder"),
        (lambda path: path.write_text("[1]"), "json"),
        (lambda path: path.write_text("cats"), "file"),
        (lambda path: None, ""),
    ],
)
def test_a_place_says_of_what_kind_it_is(tmp_path, make, kind):
    make(tmp_path / "n")
    places = []
    opener("n", "mine")(lambda place: places.append(place.kind))
    try:
        open_source(str(tmp_path / "n"))
    except SourceError:
        assert kind != "folder"
    assert places == [kind]


def test_what_is_registered_stands_in_the_message_on_what_is_allowed():
    opener("mine:FILE", "my own format")(lambda place: None)
    with pytest.raises(SourceError) as error:
        open_source("nowhere")
    lines = str(error.value).split("\n")
    assert lines[0].endswith("there is no such file, folder or bundled set; expected one of")
    assert lines[1] == "  mine:FILE                               my own format"
    assert any(line.startswith("  hub:ORG/NAME[:SPLIT] ") for line in lines)
