"""Which neurons and layers a recording takes, and where their modules are found."""

import re
from types import SimpleNamespace

import pytest

from neuron_eval.recording import RecordingError, select
from neuron_eval.recording.select import PickedNeuron
from neuron_eval.recording.subject import find_layers, width

WIDTHS = {0: 50, 1: 50, 2: 50, 3: 10}


def ids(choices):
    return [choice.id for choice in choices]


@pytest.mark.parametrize(
    ("spec", "layers"), [("4", [4]), ("8,4,12-14", [4, 8, 12, 13, 14]), (" 2 - 3 , 2", [2, 3])]
)
def test_layers_are_read_from_lists_and_ranges(spec, layers):
    assert select.parse_layers(spec) == layers


@pytest.mark.parametrize("spec", ["", "x", "3-", "5-4", "1,,2", "-1"])
def test_what_is_no_list_of_layers_is_refused(spec):
    with pytest.raises(RecordingError, match=r"expected for instance 4,8,12-16"):
        select.parse_layers(spec)


def test_a_comma_list_of_ids_takes_the_group_given():
    found = select.parse_neurons("L8N902, L20N414", "clear")
    assert [(c.layer, c.neuron, c.group) for c in found] == [(8, 902, "clear"), (20, 414, "clear")]


def test_a_file_names_ids_groups_and_comments(tmp_path):
    path = tmp_path / "neurons.txt"
    path.write_text("# mine\nL8N902 clear  # keep, stay\n\nL1N2\n", encoding="utf-8")
    found = select.parse_neurons(str(path), "other")
    assert [(c.id, c.group) for c in found] == [("L8N902", "clear"), ("L1N2", "other")]
    assert found[1].where == f"{path}, line 4"


@pytest.mark.parametrize("line", ["L8", "8:902", "L8N902 two words", "L-1N2", "L8N902,L1N1"])
def test_a_bad_line_is_refused_by_file_and_line(tmp_path, line):
    path = tmp_path / "neurons.txt"
    path.write_text(f"L1N1\n{line}\n", encoding="utf-8")
    with pytest.raises(RecordingError, match=r"neurons\.txt, line 2: .* is not a neuron"):
        select.parse_neurons(str(path), "")


def test_a_file_without_neurons_is_refused(tmp_path):
    path = tmp_path / "neurons.txt"
    path.write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(RecordingError, match="no neuron in it"):
        select.parse_neurons(str(path), "")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "neurons.txt"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RecordingError, match="not a UTF-8 text file"):
        select.parse_neurons(str(path), "")


@pytest.mark.parametrize("spec", ["missing.txt", "L8N902;L1N1", "8/902"])
def test_what_is_neither_ids_nor_a_file_is_refused(spec):
    with pytest.raises(RecordingError, match="neither 'all', nor a list of ids"):
        select.parse_neurons(spec, "")


def test_a_bad_id_in_a_list_is_named():
    with pytest.raises(RecordingError, match="--neurons: 'L2' is not a neuron"):
        select.parse_neurons("L1N1,L2", "")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("L9N0", "--neurons: L9N0: the model has no layer 9, only 0 to 3"),
        ("L3N10", "--neurons: L3N10: layer 3 has neurons 0 to 9"),
        ("L1N1,L1N1", "--neurons: L1N1 is given twice (before: --neurons)"),
    ],
)
def test_neurons_that_do_not_exist_or_come_twice_are_refused(spec, message):
    with pytest.raises(RecordingError, match=re.escape(message)):
        select.check_given(select.parse_neurons(spec, ""), WIDTHS)


def test_every_neuron_of_the_layers_can_be_taken():
    found = select.every_neuron([1, 3], WIDTHS, "g")
    assert len(found) == 60
    assert found[0] == PickedNeuron(1, 0, "g")
    assert found[-1] == PickedNeuron(3, 9, "g")


def test_a_draw_is_without_replacement_repeatable_and_sorted():
    drawn = select.draw([0, 3], WIDTHS, 10, seed=1)
    assert len(set(ids(drawn))) == 20
    assert drawn == select.draw([0, 3], WIDTHS, 10, seed=1) == sorted(drawn)
    assert {choice.group for choice in drawn} == {"random"}
    assert ids(drawn) != ids(select.draw([0, 3], WIDTHS, 10, seed=2))


def test_a_layer_s_draw_does_not_depend_on_the_other_layers():
    assert select.draw([0, 1, 2], WIDTHS, 5, 7)[5:10] == select.draw([1], WIDTHS, 5, 7)


def test_layers_draw_differently():
    drawn = select.draw([0, 1], WIDTHS, 10, 0)
    assert [c.neuron for c in drawn[:10]] != [c.neuron for c in drawn[10:]]


def test_a_given_neuron_is_never_drawn_and_leaves_the_others_as_they_were():
    free = select.draw([0], WIDTHS, 10, 0)
    given = [free[4]]
    drawn = select.draw([0], WIDTHS, 10, 0, given)
    assert free[4].id not in ids(drawn)
    assert len(set(ids(drawn)) - set(ids(free))) == 1


def test_a_draw_of_more_than_there_are_is_refused():
    given = [PickedNeuron(3, 0), PickedNeuron(3, 1)]
    with pytest.raises(RecordingError, match="layer 3 has 10 neurons, of which only 8"):
        select.draw([3], WIDTHS, 9, 0, given)


@pytest.mark.parametrize(
    "pattern",
    [
        "layers.{}.mlp.down_proj",
        "h.{}.mlp.c_proj",
        "model.layers.{}.mlp.fc2",
        "gpt_neox.layers.{}.mlp.dense_4h_to_h",
        "decoder.layers.{}.fc2",
    ],
)
def test_mlps_are_found_under_the_names_of_many_models(pattern):
    names = ["", "wte", *(f"h.{i}.attn.c_proj" for i in range(12))]
    names += [pattern.format(i) for i in (0, 1, 10, 2)]
    assert find_layers(names) == {i: pattern.format(i) for i in (0, 1, 2, 10)}
    assert list(find_layers(names)) == [0, 1, 2, 10]


def test_a_model_without_a_known_mlp_is_refused_with_what_was_looked_for():
    with pytest.raises(RecordingError, match=r"looked for modules named \*\.LAYER\.mlp\.down_proj"):
        find_layers(["layers.0.mlp.experts.0.down_proj", "layers.0.self_attn.o_proj"])


def test_a_model_of_two_stacks_is_refused():
    with pytest.raises(RecordingError, match="two MLPs in layer 0"):
        find_layers(["encoder.layers.0.fc2", "decoder.layers.0.fc2"])


def test_the_width_is_the_input_of_a_linear_map_and_of_gpt2_s_conv1d():
    shape = SimpleNamespace(shape=(64, 16))
    assert width(SimpleNamespace(in_features=32, weight=shape)) == 32
    assert width(SimpleNamespace(weight=shape)) == 64
