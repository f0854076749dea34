"""Explanations that exist, scored with no explainer: whole evals through Inspect, with fakes."""

import csv
import math
import re

import pytest
from click.testing import CliRunner
from inspect_ai import eval
from inspect_ai.event import ModelEvent
from inspect_ai.log import list_eval_logs, read_eval_log
from rich.text import Text

from neuron_eval.cli.given import given as command
from neuron_eval.given.origin import given as given_solver
from neuron_eval.given.origin import label
from neuron_eval.reporting.summary import summaries
from neuron_eval.sources import schema
from neuron_eval.tasks import formats
from neuron_eval.tasks.given import given as given_task
from neuron_eval.testing import fake_embedder, fake_simulator, make_neuron
from neuron_eval.usage_error import UsageError, usage_errors


def test_a_file_takes_the_explainers_place_on_any_task(neurons, file):
    log = sound(run(simulated(neurons), solver=given_solver(file, "right")))
    correlations = values(log, "simulation_correlation")
    assert correlations["test/L0N7"] > 0.9
    assert correlations["test/L1N8"] > 0.9
    first = next(sample for sample in log.samples if sample.id == "test/L0N7")
    assert first.output.completion == "the word cat"
    assert first.output.model == "given/Right"
    assert first.messages[-1].text == "the word cat"
    asked = [e for e in first.events if isinstance(e, ModelEvent) and e.role is None]
    assert asked == []
    assert set(log.stats.role_usage) == {"simulator", "embedder"}


def test_texts_are_scored_as_written_untrimmed(neurons, file):
    log = run(simulated(neurons), solver=given_solver(file, "Wrong"))
    assert scores(log, "adacs")["test/L0N7"].answer == " the word dog"


def test_the_store_says_which_file_and_column(neurons, file):
    log = run(simulated(neurons), solver=given_solver(file, "RIGHT"))
    stored = sound(log).samples[0].store["given"]
    assert (stored["explanations"], stored["column"]) == ("results.csv", "Right")
    assert re.fullmatch(r"[0-9a-f]{64}", stored["sha256"])


@pytest.mark.parametrize("scorer", ["simulation_correlation", "adacs"])
def test_a_neuron_without_an_explanation_is_unscored_with_the_reason(neurons, file, scorer):
    log = run(simulated(neurons), solver=given_solver(file, "Right"))
    score = scores(log, scorer)["test/L2N9"]
    assert math.isnan(score.as_float())
    assert score.reason == "no explanation given"
    assert "results.csv has no explanation of test/L2N9 in column 'Right'" in score.explanation
    (result,) = [s for s in log.results.scores if s.name == scorer]
    assert (result.scored_samples, result.unscored_samples) == (2, 2)


def test_a_neuron_that_the_file_does_not_hold_is_told_from_an_empty_cell(neurons, file):
    log = run(simulated(neurons), solver=given_solver(file, "Right"))
    score = scores(log, "simulation_correlation")["test/L3N10"]
    assert math.isnan(score.as_float())
    assert "results.csv has no row for test/L3N10" in score.explanation
    assert scores(log, "scored")["test/L3N10"].explanation == score.explanation


def test_a_file_may_name_neurons_by_sample_id(neurons, tmp_path):
    file = write(tmp_path / "ids.csv", ["id", "explanation"], ["test/L1N8", "the word dog"])
    log = run(simulated(neurons), solver=given_solver(file))
    correlations = values(log, "simulation_correlation")
    assert correlations.pop("test/L1N8") > 0.9
    assert all(math.isnan(value) for value in correlations.values())


def test_the_reference_is_scored_like_any_explanation(neurons):
    log = run(simulated(neurons), solver=given_solver("reference"))
    correlations = values(log, "simulation_correlation")
    without = correlations.pop("test/L3N10")
    assert min(correlations.values()) > 0.9
    assert math.isnan(without)
    why = scores(log, "simulation_correlation")["test/L3N10"].explanation
    assert "test/L3N10 has no reference explanation" in why


def test_another_published_explanation_is_found_by_its_source(neurons):
    task = simulated(neurons)
    task.dataset[0].metadata["other_explanations"] = [
        {"explanation": "the word fish", "source": "gpt-4"},
        {"explanation": "the word cat", "source": "gpt-5"},
    ]
    log = run(task, solver=given_solver("reference", "gpt-5"))
    assert scores(log, "adacs")["test/L0N7"].answer == "the word cat"
    why = scores(log, "simulation_correlation")["test/L1N8"].explanation
    assert "has no explanation by 'gpt-5'; it has some by 'made for a test'" in why
    own = run(simulated(neurons), solver=given_solver("reference", "made for a test"))
    assert scores(own, "adacs")["test/L0N7"].answer == "the word cat"


def test_false_explanations_of_puzzles_score_below_their_answers():
    task = formats.summary(neurons="puzzles", simulation="chat")
    false = {s.id: s.metadata["false_explanations"] for s in task.dataset}
    for solver, place in [(given_solver(False), 0), (given_solver("false", 1), 1)]:
        log = run(formats.summary(neurons="puzzles", simulation="chat"), solver=solver, limit=2)
        assert len(sound(log).samples) == 2
        for sample in log.samples:
            assert sample.output.completion == false[sample.id][place]
        assert summaries([log])[0].format == ("false" if place == 0 else "false 1")
        assert max(values(log, "adacs").values()) < 1 - 1e-6


def test_a_false_explanation_that_is_not_there_is_no_measurement(neurons):
    log = run(simulated(neurons), solver=given_solver("false"))
    assert all(math.isnan(value) for value in values(log, "adacs").values())
    why = scores(log, "simulation_correlation")["test/L0N7"].explanation
    assert "test/L0N7 has 0 false explanations; number 0 is none" in why


def test_unrelated_references_are_the_floor_and_the_same_each_time(neurons):
    logs = [run(simulated(neurons), solver=given_solver("unrelated")) for _ in range(2)]
    first, second = ({s.id: s.output.completion for s in sound(log).samples} for log in logs)
    assert first == second
    for sample in logs[0].samples:
        assert sample.output.completion in RIGHT
        assert sample.output.completion != sample.target
        assert sample.scores["simulation_correlation"].as_float() < 0.4


@pytest.mark.parametrize(
    ("explanations", "column", "message"),
    [
        ("results.csv", "AVHS", "no explanations in a column 'AVHS'; there are: Right, Wrong"),
        ("results.csv", None, "name one of the columns of explanations: Right, Wrong"),
        ("nowhere.csv", None, "nowhere.csv: there is no such file; expected one that ends in .csv"),
        ("references", None, "or one of reference, lexical, generic, shuffled, false, unrelated"),
        ("shufled", None, "shuffled, false, unrelated; did you mean shuffled?"),
        ("results.xlsx", None, "or one of reference, lexical, generic, shuffled, false, unrelated"),
        ("", None, "explanations='': expected one file"),
        (["a.csv", "b.csv"], None, "explanations=['a.csv', 'b.csv']: expected one file"),
        ("results.csv", ["Right", "Wrong"], "column=['Right', 'Wrong']: expected one column"),
        ("false", "first", "column=first: explanations=false takes a number, from 0"),
        ("false", -1, "column=-1: explanations=false takes a number, from 0"),
        ("unrelated", "gpt-4", "explanations=unrelated takes no column"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(
    file, tmp_path, monkeypatch, explanations, column, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=re.escape(message)):
        given_solver(explanations, column)


def test_without_a_model_a_simulator_must_be_named(neurons, file):
    task = formats.summary(neurons=neurons)
    log = run(task, simulator=False, solver=given_solver(file, "Right"))
    assert log.status == "error"
    assert "no simulator: --model is none; name one with --model-role" in log.error.message
    assert "simulation=embedding" in log.error.message
    assert "simulation=none" in log.error.message


def test_embeddings_and_adacs_alone_need_no_simulator(neurons, file):
    for way, expected in [("embedding", {"simulation_correlation"}), ("none", set())]:
        task = formats.summary(neurons=neurons, simulation=way)
        log = sound(run(task, simulator=False, solver=given_solver(file, "Right")))
        assert set(log.samples[0].scores) - {"adacs", "scored"} == expected


def test_the_report_names_a_row_by_its_column(neurons, file):
    log = run(simulated(neurons), solver=given_solver(file, "right"))
    (row,) = summaries([log])
    assert row.format == "right"
    assert row.adacs.n == 2
    assert row.prompt_tokens is None
    assert label("some/folder/results.csv") == "results.csv"
    assert label("reference", "gpt-4") == "reference gpt-4"


def test_references_alone_need_no_activations(file, references):
    log = run(given_task(explanations=file, column="right", references=references), simulator=False)
    found = scores(log, "adacs")
    assert set(found) == {"given/L0N7", "given/L1N8", "given/L2N9", "given/L9N9"}
    assert found["given/L0N7"].as_float() == pytest.approx(1)
    assert found["given/L2N9"].reason == "no explanation given"
    assert found["given/L9N9"].reason == "no reference explanation"
    metadata = found["given/L0N7"].metadata
    assert metadata["unrelated_references"] == 2
    assert metadata["unrelated_mean"] < 0.9
    assert set(log.samples[0].scores) == {"adacs"}
    assert {score.name for score in log.results.scores} == {"adacs"}


def test_the_logs_header_names_files_by_name_and_digest(file, references):
    log = run(given_task(explanations=file, column="right", references=references), simulator=False)
    header = sound(log).eval.metadata
    assert header["task_format"] == header["column"] == "Right"
    assert (header["explanations"], header["references"]) == ("results.csv", "references.csv")
    assert len(header["explanations_sha256"]) == len(header["references_sha256"]) == 64
    assert (header["neurons_used"], header["neurons_without_reference"]) == (4, 1)
    assert summaries([log])[0].format == "Right"


def test_rows_by_id_are_joined_by_id(tmp_path):
    file = write(tmp_path / "e.csv", ["id", "explanation"], ["a/L0N1", "cats"], ["b", "dogs"])
    other = write(tmp_path / "r.csv", ["id", "explanation"], ["b", "dogs"])
    log = run(given_task(explanations=file, references=other, by_layer=True), simulator=False)
    assert values(log, "adacs")["b"] == pytest.approx(1)
    assert scores(log, "adacs")["a/L0N1"].reason == "no reference explanation"


def test_with_neurons_the_files_are_joined_and_simulated(neurons, file, references):
    task = given_task(
        explanations=file, column="Wrong", references=references,
        neurons=neurons, simulation="chat", calibration="none",
    )  # fmt: skip
    log = run(task)
    # the fourth neuron is not in the file, the file's fourth row is not a neuron there
    correlations = values(log, "simulation_correlation")
    assert set(correlations) == {"test/L0N7", "test/L1N8", "test/L2N9"}
    assert max(correlations.values()) < 0.4
    assert log.samples[0].metadata["reference_source"] == "references.csv"
    assert log.eval.metadata["task_format"] == "Wrong"


def test_what_neurons_hold_is_a_task_too(neurons):
    log = run(given_task(explanations="reference", neurons=neurons, simulation="none"))
    found = values(log, "adacs")
    assert found["test/L0N7"] == pytest.approx(1)
    assert math.isnan(found["test/L3N10"])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "nothing to score the explanations by: name references"),
        ({"references": "nowhere.csv"}, "nowhere.csv: No such file"),
        ({"references": "ids.csv"}, "tells neurons apart by layer and neuron, but ids.csv by id"),
        ({"references": "others.csv"}, "others.csv: has a reference for none of the 4 neurons of"),
        ({"references": "results.csv"}, "no explanations in a column 'explanation'; there are: R"),
        ({"references": "references.csv", "layers": "0"}, "-T layers: has a part only where"),
        ({"cutoff_quantile": 1}, "-T cutoff_quantile: no such parameter where explanations are"),
        ({"neuron": "puzzles"}, "-T neuron: no such parameter"),
        ({"references": "references.csv", "by_layer": "yes"}, "by_layer='yes': allowed are true"),
        ({"explanations": "reference"}, "is what neurons hold; name neurons too"),
        ({"neurons": "neurons.jsonl", "simulation": "psychic"}, "simulation='psychic'"),
        (
            {"neurons": "puzzles"},
            "neurons=puzzles: results.csv has a row for none of them; its first is layer 0, "
            "neuron 7, theirs puzzles/",
        ),
        ({"neurons": "neurons.jsonl", "layers": "3"}, "no neuron is left by"),
    ],
)  # fmt: skip
def test_a_task_that_cannot_be_meant_is_refused(
    file, neurons, references, tmp_path, monkeypatch, parameters, message
):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "ids.csv", ["id", "explanation"], ["b", "dogs"])
    write(tmp_path / "others.csv", ["layer", "neuron", "explanation"], [40, 4, "dogs"])
    arguments = {"explanations": "results.csv", "column": "Right", **parameters}
    if arguments["explanations"] == "reference":
        arguments["column"] = None
    with pytest.raises(UsageError, match=re.escape(message)):
        given_task(**arguments)


def call(*arguments):
    return CliRunner().invoke(command, list(arguments))


def flat(result):
    return " ".join(result.output.split())


@pytest.fixture
def embedder():
    return str(fake_embedder(letters, name="given-embedder").model)


def test_the_command_ranks_every_column_and_says_where_the_logs_are(
    file, references, embedder, tmp_path
):
    options = ("--embedder", embedder, "--log-dir", str(tmp_path / "out"))
    result = call(file, "--all-columns", "--references", references, *options)
    assert result.exit_code == 0, result.output
    text = flat(result)
    assert text.index("Right 4 1.000 [1.000, 1.000] (2)") < text.index("Wrong 4 0.")
    assert "simulation" not in text
    assert "unknown" not in text
    assert re.search(r"Other neurons' references reach an AdaCS of 0\.\d{3} \(0\.\d{3} to", text)
    assert f"view --log-dir {tmp_path / 'out'}" in text
    logs = [read_eval_log(info) for info in list_eval_logs(str(tmp_path / "out"))]
    assert sorted(log.eval.metadata["column"] for log in logs) == ["Right", "Wrong"]
    assert {log.eval.model for log in logs} == {"none/none"}


def test_the_command_simulates_on_neurons(file, neurons, embedder, tmp_path):
    simulator = str(fake_simulator(knows, name="given-simulator").model)
    result = call(
        file, "--column", "wrong", "--column", "right", "--neurons", neurons, "--simulator",
        simulator, "--simulation", "chat", "--embedder", embedder, "--limit", "2",
        "--log-dir", str(tmp_path / "out"),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    text = flat(result)
    assert "simulation correlation AdaCS" in text
    assert text.index("Right 2 0.9") < text.index("Wrong 2 ")


def test_the_command_ranks_by_the_headline_under_its_name(file, neurons, embedder, tmp_path):
    simulator = str(fake_simulator(knows, name="given-simulator").model)
    result = call(
        file, "--column", "right", "--neurons", neurons, "--simulator", simulator, "--simulation",
        "chat", "--embedder", embedder, "--limit", "2", "--headline", "balanced_accuracy",
        "--log-dir", str(tmp_path / "out"),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "simulation Balanced accuracy" in flat(result)
    assert "correlation" not in flat(result).replace("simulation_correlation", "")


def test_the_command_says_which_column_did_not_finish(file, references, tmp_path):
    broken = fake_embedder(lambda text: [0.0], name="given-broken").model
    result = call(
        file, "--column", "right", "--references", references, "--embedder", str(broken),
        "--log-dir", str(tmp_path / "out"),
    )  # fmt: skip
    assert result.exit_code == 1
    assert "Right did not finish" in flat(result)
    assert "zero vector" in flat(result)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name one of the columns of explanations: Right, Wrong"),
        (("--column", "a", "--all-columns"), "give --column or --all-columns, not both"),
        (("--column", "right"), "nothing to score the explanations by"),
        (("--column", "right", "--simulation", "none"), "nothing to score the explanations by"),
        (("--column", "right", "--simulator", "a/b"), "to simulate takes activations: name --neur"),
        (("--column", "right", "--neurons", "puzzles"), "name a --simulator, or use --simulation"),
        (("--column", "x", "--references", "r.csv"), "no explanations in a column 'x'"),
    ],
)
def test_the_command_refuses_what_cannot_be_meant(file, arguments, message):
    result = call(file, *arguments)
    assert result.exit_code != 0
    assert message in flat(result)
    assert "Traceback" not in result.output


def test_all_columns_are_those_of_a_file():
    result = call("false", "--all-columns", "--neurons", "puzzles", "--simulation", "none")
    assert result.exit_code != 0
    assert "--all-columns takes a file; false is what neurons hold" in flat(result)


@pytest.mark.parametrize("message", ["hub:x: expected [a]", "no emoji: [b]x", ":smile: a:b"])
def test_a_usage_error_prints_as_it_was_written(message):
    assert Text.from_markup(str(UsageError(message).message)).plain == message
    assert str(UsageError(message)) == message


def test_an_error_without_a_file_names_none():
    with pytest.raises(UsageError, match=r"^no space left$"), usage_errors():
        raise OSError(28, "no space left")


def test_a_row_that_could_be_two_neurons_is_refused(tmp_path):
    neurons, rows = tmp_path / "n.jsonl", tmp_path / "e.csv"
    schema.write(
        neurons,
        [make_neuron("m/6-att/7", layer=6, neuron=7), make_neuron("m/6-mlp/7", layer=6, neuron=7)],
    )
    rows.write_text("layer,neuron,x\n6,7,cats\n")
    with pytest.raises(
        UsageError, match=r"e.csv: the row of \(6, 7\) could be that of m/6-att/7 or of"
    ):
        given_task(str(rows), neurons=str(neurons), simulation="none")
    rows.write_text("id,x\nm/6-att/7,cats\nm/6-mlp/7,dogs\n")
    assert len(given_task(str(rows), neurons=str(neurons), simulation="none").dataset) == 2


WORDS = [" cat", " dog", " tree"]

RIGHT = ["the word cat", "the word dog", "the word tree"]


@pytest.fixture
def neurons(tmp_path):
    """Three neurons with a reference each, and a fourth without."""
    made = [
        make_neuron(f"test/L{i}N{7 + i}", word, layer=i, neuron=7 + i, reference=f"the word{word}")
        for i, word in enumerate(WORDS)
    ]
    made.append(make_neuron("test/L3N10", " sea", layer=3, neuron=10, reference=None))
    path = tmp_path / "neurons.jsonl"
    schema.write(path, made)
    return str(path)


@pytest.fixture
def file(tmp_path):
    """Explanations of the first three, the third in one column only, and of one more."""
    return write(
        tmp_path / "results.csv",
        ["Layer", "Neuron", "Right", "Wrong"],
        [0, 7, "the word cat", " the word dog"],
        [1, 8, "the word dog", "the word tree"],
        [2, 9, "", "the word cat"],
        [9, 9, "the word sun", "the word moon"],
    )


@pytest.fixture
def references(tmp_path):
    """References of the first three and of a neuron that is in no other file."""
    return write(
        tmp_path / "references.csv",
        ["layer", "neuron", "score", "explanation"],
        *([i, 7 + i, 0.5, text] for i, text in enumerate(RIGHT)),
        [5, 5, 0.5, "the word stone"],
    )


def write(path, *lines):
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(lines)
    return str(path)


def knows(explanation, tokens):
    """Fires on the words that the explanation names."""
    named = set(explanation.split()) - {"the", "word"}
    return [9.5 if t.strip() in named else 0.25 * (i % 2) for i, t in enumerate(tokens)]


def letters(text):
    return [text.count(c) + 0.1 for c in "abcdefghijklmnopqrstuvwxyz"]


def run(task, simulator=None, **options):
    roles = {"embedder": fake_embedder(letters).model}
    if simulator is not False:
        roles["simulator"] = (simulator or fake_simulator(knows)).model
    (log,) = eval(task, model="none", model_roles=roles, **options)
    return log


def sound(log):
    assert log.status == "success", log.error
    return log


def scores(log, scorer):
    return {sample.id: sample.scores[scorer] for sample in sound(log).samples}


def values(log, scorer):
    return {id_: score.as_float() for id_, score in scores(log, scorer).items()}


def simulated(neurons, **parameters):
    return formats.summary(neurons=neurons, simulation="chat", **parameters)
