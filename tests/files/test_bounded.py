"""Files made to hurt: long lines, deep nesting, growing aliases, numbers of thousands of digits."""

import gzip
import json
import re
from importlib import resources

import pytest
import yaml

from neuron_eval.files import bounded
from neuron_eval.files.bounded import (
    BORROWED,
    DEPTH,
    LINE,
    lines,
    load_yaml,
    parse_json,
    read_whole,
)
from neuron_eval.given.reading import read_table
from neuron_eval.prompts.pack import load_pack
from neuron_eval.prompts.wording import PackError
from neuron_eval.recording import RecordingError
from neuron_eval.recording.select import parse_layers, parse_neurons
from neuron_eval.sources import open_source, schema
from neuron_eval.sources.choosing import parse_ranges
from neuron_eval.sources.loading import ScoreFile
from neuron_eval.sources.puzzles import PuzzleSource
from neuron_eval.testing import make_neuron


def laughs(levels, width=10):
    """A list of lists of lists …, each of which names the one before ten times."""
    said = ["a0: &a0 [lol]"]
    for i in range(1, levels):
        said.append(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]")
    return "\n".join(said)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (laughs(9), f"aliases grow: together they stand for more than {BORROWED:,} characters"),
        ("a: &a\n  b: *a\n", "an alias stands within what it names"),
        ("[" * 5000, f"nested more than {DEPTH} deep"),
        ("- " * 5000, f"nested more than {DEPTH} deep"),
        ("{a: " * 5000, f"nested more than {DEPTH} deep"),
        ("a: 1\nb: 2\na: 3\n", "the key 'a' stands twice in one mapping"),
        ("a: 2024-13-45", "month must be in 1..12"),
        ("a: !!int x", "invalid literal"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("? [a]\n: {[b]: c}\n? {a: b}\n: c", "found unhashable key"),
        ("a: *b", "found undefined alias"),
        ("x" * (2**21 + 1), "is larger than 2,097,152 bytes"),
    ],
)
def test_yaml_made_to_hurt_is_refused_in_a_short_message(text, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        load_yaml(text)
    assert len(str(error.value)) < 1000


LONG = "x" * 5000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "a: [1,\nb: 2",
            "while parsing a flow sequence (line 1, column 4), expected ',' or ']', but got "
            "'<stream end>' (line 2, column 5)",
        ),
        ("a: 1\n b: 2\n", "mapping values are not allowed here (line 2, column 3)"),
        ("b: 1\na: 2024-13-45", "month must be in 1..12 (line 2, column 4)"),
        ("a: !!timestamp x", "'x' is no tag:yaml.org,2002:timestamp (line 1, column 4)"),
        ("a: !!float x", "could not convert string to float: 'x' (line 1, column 4)"),
        ("b: 1\na: &a\n  b: *a\n", "an alias stands within what it names (line 3, column 6)"),
        (f"a: *{LONG}", f"found undefined alias '{'x' * 177}… (line 1, column 4)"),
        (
            "é: 1\nb: \x00",
            "unacceptable character #x0000: special characters are not allowed (line 2, column 4)",
        ),
        (
            "é: 1\né: \x00".encode(),
            "unacceptable character #x0000: special characters are not allowed (line 2, column 4)",
        ),
        (
            "b: 1\né: \x00".encode("utf-16"),
            "unacceptable character #x0000: special characters are not allowed (line 2, column 4)",
        ),
        (
            b"\xc3\xa9: 1\n\xc3\xa9: \xff",
            "unacceptable character #x00ff: invalid start byte (line 2, column 4)",
        ),
    ],
)
def test_what_is_no_yaml_is_one_line_with_line_and_column(content, message):
    with pytest.raises(ValueError, match=r"^not valid YAML: ") as error:
        load_yaml(content)
    assert str(error.value) == f"not valid YAML: {message}"


def test_yaml_that_uses_aliases_with_measure_is_read():
    assert load_yaml("a: &a [x, y]\nb: *a\nc: {<<: {d: 1}, e: *a}") == {
        "a": ["x", "y"],
        "b": ["x", "y"],
        "c": {"d": 1, "e": ["x", "y"]},
    }
    assert load_yaml(laughs(4))["a3"][9][9][9] == ["lol"]


def test_what_is_too_long_for_a_number_is_a_text():
    digits = "9" * 5000
    assert load_yaml(f"a: {digits}") == {"a": digits}
    assert load_yaml("a: " + "1:" * 500 + "1")["a"] == "1:" * 500 + "1"


def test_half_characters_in_yaml_are_replaced():
    assert load_yaml(r'{"a\ud800": ["\udc00", {b: "x\ud83d"}]}') == {
        "a\ufffd": ["\ufffd", {"b": "x\ufffd"}]
    }


def grown(levels):
    """A list that aliases make a large one."""
    made = ["lol"]
    for _ in range(levels):
        made = [made] * 10
    return made


@pytest.fixture
def pack(tmp_path):
    """Writes the bundled pack with some keys, or keys within them, changed."""
    bundled = resources.files("neuron_eval.prompts").joinpath("default.yaml").read_text()

    def write(**changes):
        path, content = tmp_path / "pack.yaml", yaml.safe_load(bundled)
        for key, value in changes.items():
            inside = isinstance(value, dict) and isinstance(content.get(key), dict)
            content[key] = {**content[key], **value} if inside else value
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return write


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": grown(8)}, "not valid YAML: aliases grow"),
        ({"name": grown(4)}, "name: expected a text of at most 200 characters, got [[["),
        ({"version": grown(4)}, "version: expected a text of at most 200 characters, got [[["),
        ({"name": "x" * 201}, "name: expected a text of at most 200 characters, got 'xxx"),
        ({"shared": {"header": grown(4)}}, ".header: expected a string, got [[["),
        ({"few_shot": {"a": grown(4)}}, "few_shot: expected a list (it may be empty), got {'a'"),
        ({"few_shot": [{"explanation": "a", "excerpts": grown(4)}]}, "got [[['lol']"),
        ({"rating": {"x" * 2**20: 1}}, "unknown key(s) xxx"),
        ({"formats": {"y" * 2**20: {"x": 1}}}, "formats.yyy"),
    ],
)
def test_a_pack_made_to_hurt_is_refused(pack, changes, message):
    path = pack(**changes)
    with pytest.raises(PackError, match=re.escape(message)) as error:
        load_pack(path)
    assert str(error.value).startswith(f"prompt pack {path}: ")
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e301])
def test_an_activation_of_a_pack_must_be_finite(pack, value):
    def few_shot(activation):
        return [{"explanation": "a", "excerpts": [[" a", [" b", activation]]]}]

    with pytest.raises(PackError, match=r"excerpts\[0\]\[1\]: expected a finite activation"):
        load_pack(pack(few_shot=few_shot(value)))
    assert load_pack(pack(few_shot=few_shot(3))).few_shot[0].excerpts[0].activations == (0, 3)


def test_a_pack_that_no_log_could_name_is_refused():
    with pytest.raises(PackError, match=r"pack='\\udcff.yaml': holds bytes that are not UTF-8"):
        load_pack("\udcff.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "brackets are nested too deeply"),
        ('{"a": ' * 100_000, "brackets are nested too deeply"),
        (f'{{"a": {"9" * 4301}}}', "a whole number has more than 4,300 digits"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' stands twice in one object"),
        (f'{{"{"k" * 5000}": 1, "{"k" * 5000}": 2}}', "k…"),
    ],
)
def test_json_made_to_hurt_is_refused_in_a_short_message(text, message):
    for content in (text, text.encode()):
        with pytest.raises(ValueError, match=message) as error:
            parse_json(content)
        assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ('"layer": ' + "9" * 5000, "line 2: not valid JSON (a whole number has more than 4,300"),
        ('"layer": ' + "9" * 400, "field 'layer' is 99999"),
        ('"layer": 1, "layer": 2', "line 2: not valid JSON (the key 'layer' stands twice"),
        ('"layer": NaN', "line 2: neuron a: field 'layer' is nan; expected int"),
        ('"cutoff": Infinity', "line 2: neuron a: field 'cutoff' is inf; it must be finite"),
        ('"cutoff": NaN', "line 2: neuron a: field 'cutoff' is nan; it must be finite"),
        (
            '"random": [{"tokens": ["x"], "activations": [NaN]}]',
            "line 2: neuron a: excerpt random 0: field 'activations': value 0 is nan; activations",
        ),
        ('"splits": {"valid": []}', "line 2: neuron a: field 'splits': split 'train' is missing"),
        ('"splits": {"train": []}', "line 2: neuron a: field 'splits': split 'train' is missing"),
        ('"splits": {"tests": []}', "field 'splits': unknown split(s) 'tests'; allowed are train"),
    ],
)
def test_a_line_made_to_hurt_is_refused_with_its_place(tmp_path, changed, message):
    data = {"id": "a", "model": "m", "neuron": 0, "layer": 0, "top": [], "random": []}
    fields = changed.split('"')[1]
    sound = json.dumps({k: v for k, v in data.items() if k != fields})
    path = tmp_path / "n.jsonl"
    path.write_text(f"\n{sound[:-1]}, {changed}}}\n")
    (found,) = open_source(str(path)).read()
    assert str(found.error).startswith(f"{path}, line 2: ")
    assert message in str(found.error)


def test_lines_are_asked_for_in_bounded_parts():
    class File:
        asked = ()

        def readline(self, size):
            self.asked = (*self.asked, size)
            return b"x" * min(size, 5)

    file = File()
    with pytest.raises(ValueError, match=r"n.jsonl, line 1: is longer than 4 bytes, the most"):
        list(lines(file, "n.jsonl", 4))
    assert file.asked == (5,)


@pytest.fixture(scope="module")
def bomb():
    """A gzip file of 64 kB whose only line is longer than a line may be."""
    return gzip.compress(b"x" * (LINE + 1), compresslevel=6)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("n.jsonl.gz", lambda path: list(open_source(path).read())),
        ("t.jsonl.gz", read_table),
        ("t.csv.gz", read_table),
        ("s.csv.gz", ScoreFile),
        ("activations/batch-0.jsonl.gz", lambda path: list(open_source(path).keys())),
    ],
)
def test_a_zip_bomb_is_refused_with_its_line(tmp_path, bomb, name, read):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bomb)
    asked = tmp_path if path.parent != tmp_path else path
    with pytest.raises(ValueError, match=r", line 1: is longer than 67,108,864") as error:
        read(str(asked))
    assert str(error.value).startswith(str(path))


def test_a_file_that_is_read_whole_has_a_bound(tmp_path, monkeypatch):
    path = tmp_path / "p.json"
    path.write_text("{}     ")
    assert read_whole(path, 7) == b"{}     "
    monkeypatch.setattr(bounded.read_whole, "__defaults__", (6,))
    with pytest.raises(ValueError, match=r"p.json: is larger than 6 bytes, the most"):
        list(PuzzleSource(str(path)).read())


def test_a_csv_text_beyond_the_bound_is_refused_with_its_line(tmp_path):
    for name, read in (("t.csv", read_table), ("s.csv", lambda path: ScoreFile(path))):
        path = tmp_path / name
        path.write_text('layer,neuron,score,explanation\n0,0,1,"' + "x" * 200_000)
        with pytest.raises(ValueError, match=rf"{name}, line 2: .*field limit \(131072\)"):
            read(str(path))
        path.write_bytes(b"layer,neuron,score,explanation\n0,0,1,a\n0,1,1,\xff\n")
        with pytest.raises(ValueError, match=rf"{name}, line 3: byte 0xff is not UTF-8"):
            read(str(path))
        path.write_text(f"layer,neuron,score,explanation\n{'9' * 5000},0,1,a\n")
        with pytest.raises(ValueError, match=rf"{name}, line 2: .*expected a whole number"):
            read(str(path))


def test_ranges_are_not_written_out():
    everything = parse_ranges("layers", "0-999999999999")
    assert 10**11 in everything
    assert 10**12 not in everything
    with pytest.raises(ValueError, match=r"^layers='9{100}.*no whole number") as error:
        parse_ranges("layers", "9" * 2**20)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("spec", ["0-999999999999", "9" * 5000, "1" + " " * 2**18 + "x"])
def test_layers_beyond_any_model_are_refused(spec):
    with pytest.raises(RecordingError, match="neither a layer nor an ascending range") as error:
        parse_layers(spec)
    assert len(str(error.value)) < 500


def test_layers_with_blanks_are_read():
    assert parse_layers(" 1 , 3 - 5 ") == [1, 3, 4, 5]


def test_a_file_of_ids_to_record_names_the_line(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text("L0N0\nL0N" + "9" * 5000)
    with pytest.raises(RecordingError, match=r"ids.txt, line 2: 'L0N9{80}"):
        parse_neurons(str(path), "")


def test_records_that_were_written_are_read(tmp_path):
    neurons = [make_neuron("m/a"), make_neuron("m/b")]
    schema.write(tmp_path / "n.jsonl.gz", neurons)
    assert list(schema.read(tmp_path / "n.jsonl.gz")) == neurons
