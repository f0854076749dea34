"""Released scores, computed again: what numpy said agrees, and what was changed is found."""

import json

import numpy as np
import pytest
from blob_server import BlobServer
from click.testing import CliRunner
from openai_layout import results_json, write_layout, write_results

from neuron_eval.cli.check_released import check_released
from neuron_eval.given.released import RECOMPUTE, check_files, compare
from neuron_eval.sources.openai.records import parse_results

CONSTANT = ([0.0] * 6, [0.3, -0.1, 0.0, 2.0, 0.4, 0.1])


def run(path):
    return CliRunner().invoke(check_released, [str(path)], env={"COLUMNS": "60"})


def rows(output):
    cells = (line.strip("│┃ ").split("│") for line in output.splitlines() if "│" in line)
    return {name.strip(): value.strip() for name, value in cells}


def compared(explanations):
    line = json.dumps(results_json(4, 2, explanations))
    return list(compare(parse_results(line, "x", simulations=True)))


def changed(path, change):
    value = json.loads(path.read_text())
    change(value["scored_explanations"][0]["scored_simulation"])
    path.write_text(json.dumps(value) + "\n")
    return path


def test_scores_by_numpy_agree_for_each_sequence_and_for_all(tmp_path):
    write_layout(tmp_path / "data", [(layer, i) for layer in range(2) for i in range(5)])
    result = run(tmp_path / "data")
    assert result.exit_code == 0, result.output
    found = rows(result.output)
    assert (found["files"], found["explanations"]) == ("10", "10")
    assert found["scores compared"] == found["agree to 1e-06"] == str(10 * 3 * 3)
    assert found["undefined on both sides"] == found["disagree"] == "0"
    assert float(found["largest difference"]) < 1e-12


def test_the_score_of_all_sequences_is_not_the_mean_of_theirs():
    found = compared([("x", 3)])
    correlations = [c for c in found if c.score.startswith("ev_correlation_score")]
    assert [c.score.partition(" of ")[2] for c in correlations] == [
        "sequence 0",
        "sequence 1",
        "sequence 2",
        "all sequences",
    ]
    *each, over_all = (c.recomputed for c in correlations)
    assert abs(np.mean(each) - over_all) > 0.001


@pytest.mark.parametrize("name", RECOMPUTE)
@pytest.mark.parametrize(("by", "code"), [(2e-6, 1), (5e-7, 0)])
@pytest.mark.parametrize("place", ["sequence 1", "all sequences"])
def test_a_score_that_was_changed_is_found_and_named(tmp_path, name, place, by, code):
    def change(scored):
        target = scored["scored_sequence_simulations"][1] if place == "sequence 1" else scored
        target[name] += by

    write_results(tmp_path, 0, 0, [("fine", 2)])
    path = changed(write_results(tmp_path, 3, 14, [("the [bold] word", 2)]), change)
    result = run(tmp_path)
    assert result.exit_code == code, result.output
    found = rows(result.output)
    assert found["disagree"] == str(code)
    assert float(found["largest difference"]) == pytest.approx(by, rel=0.1)
    told = (
        f"{path}, line 1: layer 3, neuron 14, explanation 'the [bold] word': {name} of {place}: "
        "released"
    )
    assert (told in result.output) == bool(code)


def test_a_constant_side_is_undefined_on_both_sides_and_agrees(tmp_path):
    path = write_results(tmp_path, 0, 0, [("x", [CONSTANT, CONSTANT])])
    text = path.read_text()
    assert text.count('"ev_correlation_score": null') == 3
    path.write_text(text.replace('"ev_correlation_score": null', '"ev_correlation_score": NaN', 1))
    result = run(path)
    assert result.exit_code == 0, result.output
    assert rows(result.output)["undefined on both sides"] == "3"


def test_a_number_for_an_undefined_score_disagrees_unless_it_is_a_zero_with_rounding():
    value = results_json(0, 0, [("x", [CONSTANT])])
    scored = value["scored_explanations"][0]["scored_simulation"]
    for released, verdict in ((0.5, "disagrees"), (3e-17, "undefined")):
        scored["ev_correlation_score"] = released
        found = list(compare(parse_results(json.dumps(value), "x", simulations=True)))
        assert found[-3].score == "ev_correlation_score of all sequences"
        assert (found[-3].recomputed, found[-3].verdict) == (None, verdict)


def test_null_for_a_defined_correlation_disagrees_but_other_scores_may_be_absent(tmp_path):
    def drop(scored):
        for one in [scored, *scored["scored_sequence_simulations"]]:
            one["rsquared_score"] = None
            del one["absolute_dev_explained_score"]

    path = changed(write_results(tmp_path, 0, 0, [("x", 2)]), drop)
    result = run(path)
    assert result.exit_code == 0, result.output
    assert rows(result.output)["scores compared"] == "3"
    changed(path, lambda scored: scored.update(ev_correlation_score=None))
    result = run(path)
    assert result.exit_code == 1
    assert "ev_correlation_score of all sequences: released undefined, recomputed" in result.output


def test_null_among_activations_makes_a_score_undefined(tmp_path):
    def spoil(scored):
        scored["scored_sequence_simulations"][0]["simulation"]["expected_activations"][2] = None
        for one in (scored, scored["scored_sequence_simulations"][0]):
            one.update(dict.fromkeys(RECOMPUTE))

    result = run(changed(write_results(tmp_path, 0, 0, [("x", 2)]), spoil))
    assert result.exit_code == 0, result.output
    found = rows(result.output)
    assert (found["agree to 1e-06"], found["undefined on both sides"]) == ("3", "2")


def test_a_zero_beside_null_among_activations_disagrees(tmp_path):
    def spoil(scored):
        scored["scored_sequence_simulations"][0]["true_activations"][2] = None
        scored["scored_sequence_simulations"][0].update(dict.fromkeys(RECOMPUTE, None))
        scored.update(dict.fromkeys(RECOMPUTE, None), ev_correlation_score=0.0)

    result = run(changed(write_results(tmp_path, 0, 0, [("x", 2)]), spoil))
    assert result.exit_code == 1
    assert rows(result.output)["disagree"] == "1"
    assert "of all sequences: released 0, recomputed undefined" in result.output


def test_bad_files_and_lines_are_named_and_the_others_are_checked(tmp_path):
    good = write_results(tmp_path, 0, 0, [("x", 2)])
    line = good.read_text()
    cut = tmp_path / "explanations" / "0" / "1.jsonl"
    cut.write_text(line[: len(line) // 2] + "\n" + line)
    empty = tmp_path / "explanations" / "0" / "2.jsonl"
    empty.write_text("")
    short = changed(
        write_results(tmp_path, 0, 3, [("x", 2)]),
        lambda scored: scored["scored_sequence_simulations"][1]["true_activations"].pop(),
    )
    result = run(tmp_path)
    assert result.exit_code == 1
    found = rows(result.output)
    assert (found["files"], found["explanations"]) == ("4", "2")
    assert found["files or lines that are bad"] == "3"
    assert f"{cut}, line 1: not valid JSON, perhaps cut off" in result.output
    assert f"{empty}: is empty" in result.output
    assert f"{short}, line 1: explanation 0, sequence 1: 6 'expected_activations'" in result.output


def test_a_file_with_a_line_a_neuron_is_checked_line_by_line(tmp_path):
    path = tmp_path / "all.jsonl"
    values = [results_json(0, i, [("x", 1)]) for i in range(3)]
    values[2]["scored_explanations"][0]["scored_simulation"]["ev_correlation_score"] = 0.0
    path.write_text("\n\n".join(map(json.dumps, values)))
    result = run(path)
    assert result.exit_code == 1
    assert rows(result.output)["explanations"] == "3"
    assert f"{path}, line 5: layer 0, neuron 2" in result.output


def test_a_folder_is_read_at_any_depth_in_the_order_of_its_numbers(tmp_path):
    for layer, index in ((10, 0), (9, 11), (9, 2)):
        changed(
            write_results(tmp_path / "deep" / "er", layer, index, [("x", 1)]),
            lambda scored: scored.update(ev_correlation_score=2.0),
        )
    output = run(tmp_path).output
    places = [
        output.index(f"layer {layer}, neuron {i},") for layer, i in ((9, 2), (9, 11), (10, 0))
    ]
    assert places == sorted(places)


def test_the_container_is_checked_without_its_activations(tmp_path, monkeypatch):
    write_layout(tmp_path / "served" / "gpt2_small_data", [(0, 0), (0, 2)])
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("NEURON_EVAL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("neuron_eval.sources.openai.collated.PUBLISHED", _small())
    with BlobServer(tmp_path / "served") as server:
        monkeypatch.setenv("NEURON_EVAL_OPENAI_URL", server.url)
        result = run("openai:gpt2-small")
        assert result.exit_code == 0, result.output
        assert rows(result.output)["files"] == "2"
        assert server.asked("collated-activations") == []


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("none.jsonl", "none.jsonl: there is no such file or folder"),
        (".", "holds no .jsonl file of scored explanations"),
        ("openai:gpt5", "known are openai:gpt2-xl"),
        ("memory://nothing/here", "memory://nothing/here"),
    ],
)
def test_a_place_without_explanations_is_an_error(tmp_path, monkeypatch, path, says):
    monkeypatch.chdir(tmp_path)
    result = run(path)
    assert result.exit_code == 1
    assert says in result.output


def test_files_without_a_score_do_not_pass(tmp_path):
    result = run(write_results(tmp_path, 0, 0, []))
    assert result.exit_code == 1
    assert "nothing to compare" in result.output
    assert not check_files([]).sound


def _small():
    from neuron_eval.sources.openai.collated import PublishedModel

    return {"gpt2-small": PublishedModel("gpt2_small_data", 1, 4, "released by OpenAI")}
