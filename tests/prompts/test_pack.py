import hashlib

import pytest
import yaml

from neuron_eval.explain.prompting import explainer_prompt
from neuron_eval.formats import format_names
from neuron_eval.formats.base import Shown
from neuron_eval.prompts.filling import Message
from neuron_eval.prompts.pack import default_pack, load_pack
from neuron_eval.prompts.wording import PackError
from neuron_eval.records import ActivationRecord

# Another project's wording, with the layout of the released code: no final newline anywhere that
# is not written here, blanks behind markers, a number in the header and in the opening.
FOREIGN = {
    "name": "foreign",
    "version": 3,
    "shared": {
        "header": "\n\nUnit {number}\nSeen:\n",
        "opening": "\nWhat unit {number} does: it looks for",
        "heading": "\n Piece - {letter}:\n",
        "start": "<start>",
        "end": "<end> \n",
        "list_heading": "\nStrong tokens:\n",
        "list_separator": ",",
        "list_end": "\n",
        "repeat_heading": "",
        "answer": " {explanation}.",
    },
    "formats": {
        "original": {
            "system": "sys original",
            "heading": "",
            "start": "<start>\n",
            "end": "\n<end>\n",
            "repeat_heading": "\nAgain, zeros out:\n",
        },
        "avhs": {"system": " sys avhs\n"},
    },
    "few_shot": [
        {"explanation": "sea words", "excerpts": [["The", [" sea", 10], "."], [["Salt", 2], " a"]]}
    ],
}


def changed(**changes):
    return {**FOREIGN, **changes}


def test_a_foreign_pack_gives_its_projects_messages_byte_for_byte(tmp_path):
    pack = load_pack(write(tmp_path / "p.yaml", FOREIGN))
    shown = Shown((ActivationRecord(("x", " {y}", "z"), (0.0, 4.0, 1.0)),), cutoff=0.0)
    assert explainer_prompt("avhs", shown, pack) == [
        Message("system", " sys avhs\n"),
        Message(
            "user",
            "\n\nUnit 1\nSeen:\n"
            "\n Piece - A:\n<start>The[ sea].<end> \n\nStrong tokens:\n sea\t10\n"
            "\n Piece - B:\n<start>[Salt] a<end> \n\nStrong tokens:\nSalt\t2\n"
            "\nWhat unit 1 does: it looks for",
        ),
        Message("assistant", " sea words."),
        Message(
            "user",
            "\n\nUnit 2\nSeen:\n"
            "\n Piece - A:\n<start>x[ {y}][z]<end> \n\nStrong tokens:\n {y}\t10,z\t2\n"
            "\nWhat unit 2 does: it looks for",
        ),
    ]
    silent = Shown((ActivationRecord(("a",) * 6, (0.0,) * 5 + (4.0,)),), cutoff=0.0)
    assert explainer_prompt("original", silent, pack)[-1].content == (
        "\n\nUnit 2\nSeen:\n<start>\na\t0\na\t0\na\t0\na\t0\na\t0\na\t10\n<end>\n"
        "\nAgain, zeros out:\n<start>\na\t10\n<end>\n"
        "\nWhat unit 2 does: it looks for"
    )


def test_the_log_can_tell_packs_apart(tmp_path):
    path = write(tmp_path / "p.yaml", FOREIGN)
    pack = load_pack(path)
    content = (tmp_path / "p.yaml").read_bytes()
    assert (pack.name, pack.version) == ("foreign", "3")
    assert pack.sha256 == hashlib.sha256(content).hexdigest() != default_pack().sha256


def test_a_pack_without_few_shot_neurons_starts_at_number_one(tmp_path):
    pack = load_pack(write(tmp_path / "p.yaml", changed(few_shot=[])))
    shown = Shown((ActivationRecord(("x",), (1.0,)),), cutoff=0.0)
    roles = [message.role for message in explainer_prompt("avhs", shown, pack)]
    assert roles == ["system", "user"]


def test_the_bundled_pack_has_every_format_and_six_neurons_of_two_excerpts():
    pack = default_pack()
    assert set(format_names()) <= set(pack.formats)
    assert [len(neuron.excerpts) for neuron in pack.few_shot] == [2] * 6
    for neuron in pack.few_shot:
        assert not neuron.explanation.endswith(".")
        for excerpt in neuron.excerpts:
            assert any(value > 1 for value in excerpt.activations)
    assert len({pack.wording(name).system for name in format_names()}) == len(format_names())


def test_the_pack_of_before_is_there_as_it_was():
    pack = load_pack("neuron_eval-2")
    assert (pack.name, pack.version, len(pack.few_shot)) == ("neuron_eval", "2", 3)
    assert pack.sha256 == "31894baaef0fefafa1c1d07109ab7c0b712e7ccdc53da1d240f9493513e7b91a"
    assert pack.wording("summary") == default_pack().wording("summary")


def test_a_format_that_the_pack_lacks_is_refused(tmp_path):
    pack = load_pack(write(tmp_path / "p.yaml", FOREIGN))
    with pytest.raises(PackError, match=r"'foreign' has no section formats.summary; .* avhs, orig"):
        pack.wording("summary")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1], r"expected keys and values, got list"),
        ({"name": "x"}, r"missing key\(s\) few_shot, formats"),
        (
            changed(colour=1),
            r"unknown key\(s\) colour; allowed are few_shot, formats, generation, generic, inv",
        ),
        (changed(shared={"startt": "x"}), r"shared: unknown key\(s\) startt"),
        (changed(formats={"avhs": {}}), r"formats.avhs: missing key\(s\) system"),
        (
            changed(formats={"avhs": {"system": 3}}),
            r"formats.avhs.system: expected a string, got 3",
        ),
        (changed(formats={}), r"formats: expected a section for at least one format"),
        (changed(few_shot={}), r"few_shot: expected a list"),
        (
            changed(few_shot=[{"explanation": "x", "excerpts": [[["a", "b"]]]}]),
            r"few_shot\[0\].excerpts\[0\]\[0\]: expected a token or \[token, activation\]",
        ),
        (changed(few_shot=[{"explanation": "x"}]), r"few_shot\[0\]: missing key\(s\) excerpts"),
        (
            changed(simulation={"chat": {"system": "s"}}),
            r"simulation.chat: missing key\(s\) closing",
        ),
    ],
)
def test_a_bad_pack_is_refused_with_its_place(tmp_path, data, message):
    path = write(tmp_path / "p.yaml", data)
    with pytest.raises(PackError, match=message) as error:
        load_pack(path)
    assert path in str(error.value)


def test_a_simulators_prompt_must_hold_the_explanation(tmp_path):
    chat = dict.fromkeys(("system", "explanation", "tokens", "heading", "closing", "retry"), "x")
    path = write(tmp_path / "p.yaml", changed(simulation={"chat": chat}))
    with pytest.raises(PackError, match=r"simulation.chat.explanation: must hold {explanation}"):
        load_pack(path)


def test_a_pack_that_is_not_there_or_not_yaml_is_refused(tmp_path):
    with pytest.raises(PackError, match=r"nowhere.yaml: No such file"):
        load_pack(str(tmp_path / "nowhere.yaml"))
    (tmp_path / "bad.yaml").write_text("name: [")
    with pytest.raises(PackError, match=r"bad.yaml: not valid YAML"):
        load_pack(str(tmp_path / "bad.yaml"))


def write(path, data):
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return str(path)
