"""`neuron-eval export`, read back by our own sources and commands."""

import csv
import gzip
import json

import pytest
from click.testing import CliRunner
from inspect_ai import eval
from inspect_ai.log import read_eval_log, write_eval_log

from neuron_eval.cli.export import _folder_names
from neuron_eval.cli.main import main
from neuron_eval.given.released import check_files, explanation_files
from neuron_eval.records.splits import from_metadata
from neuron_eval.reporting.exports.layouts import feature_of
from neuron_eval.sources import open_source, schema
from neuron_eval.sources.loading import load_neurons
from neuron_eval.sources.openai.records import parse_results
from neuron_eval.tasks import formats, given
from neuron_eval.testing import fake_embedder, fake_explainer, fake_simulator, make_neuron

TEXT = 'words, "quoted",\nabout cats'


def embedder():
    return fake_embedder(lambda text: [float(len(text)), 1.0 + text.count("a")]).model


def simulate(explanation, tokens):
    return [8 * (token == " cat") + (3 if token == " river" else i % 2) for i, token in
            enumerate(tokens)]  # fmt: skip


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Two formats on two neurons, a Neuronpedia feature and a puzzle, in two epochs."""
    folder = tmp_path_factory.mktemp("exports")
    made = [
        make_neuron("t/L10N3", layer=10, neuron=3),
        make_neuron("t/L2N7", layer=2, neuron=7),
        make_neuron("gpt2-small/6-res-jb/650", layer=6, neuron=650),
        make_neuron("puzzle", layer=-1, neuron=-1),
    ]
    path = folder / "n.jsonl"
    schema.write(path, made)
    tasks = [
        getattr(formats, name)(neurons=str(path), excerpts=2, ignore_tokens=[" the"])
        for name in ("summary", "avhs")
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSPECT_CACHE_DIR", str(folder / "cache"))
        done = eval(
            tasks,
            model=fake_explainer(TEXT).model,
            model_roles={"embedder": embedder(), "simulator": fake_simulator(simulate).model},
            epochs=2,
            log_dir=str(folder / "logs"),
            display="none",
        )
    assert [log.status for log in done] == ["success"] * 2
    return folder / "logs"


@pytest.fixture(scope="module")
def samples(logs):
    """By id, of one format and the first epoch."""
    (log,) = [read_eval_log(str(path)) for path in logs.iterdir() if "_summary_" in path.name]
    return {sample.id: sample for sample in log.samples if sample.epoch == 1}


def export(logs, kind, out, *more):
    arguments = ["export", str(logs), "--to", kind, "--out", str(out), *more]
    return CliRunner().invoke(main, arguments)


# openai


def test_what_is_written_as_openai_released_it_is_recomputed_to_our_scores(logs, samples, tmp_path):
    result = export(logs, "openai", tmp_path / "o", "--run", "summary")
    assert result.exit_code == 0, result.output
    assert f"3 neurons of summary written to {tmp_path / 'o'}" in result.output
    assert "1 neuron is left out: it has no layer and index" in result.output
    checked = CliRunner().invoke(main, ["check-released", str(tmp_path / "o")])
    assert checked.exit_code == 0, checked.output
    tally = check_files(explanation_files(str(tmp_path / "o")))
    assert (tally.files, tally.explanations, tally.bad) == (3, 6, [])
    assert tally.largest == 0
    for id in ("t/L2N7", "t/L10N3"):
        place = samples[id].metadata
        path = tmp_path / "o" / "explanations" / f"{place['layer']}" / f"{place['neuron']}.jsonl"
        results = parse_results(path.read_bytes(), "x", simulations=True)
        score = samples[id].scores["simulation_correlation"]
        assert 0.3 < score.as_float() < 0.99
        assert [e.score for e in results.explanations] == pytest.approx([score.as_float()] * 2)
        assert results.explanations[0].explanation == samples[id].output.completion
        assert (
            sum(len(s.true) for s in results.explanations[0].sequences)
            == (score.metadata["tokens"])
        )


def test_openais_layout_is_a_source_with_the_logs_excerpts(logs, samples, tmp_path):
    export(logs, "openai", tmp_path / "o", "--run", "summary")
    neurons = {neuron.neuron: neuron for neuron in load_neurons(str(tmp_path / "o"))}
    dealt = from_metadata(samples["t/L2N7"].metadata, "t/L2N7")
    shown = {excerpt.record.text for excerpt in dealt.train + dealt.calibration + dealt.valid}
    assert {e.record.text for e in neurons[7].excerpts} == shown
    assert neurons[7].reference.explanation == samples["t/L2N7"].output.completion
    assert len(neurons[7].top) == 6
    assert len(neurons[7].random) == 4


def test_several_runs_have_a_folder_each(logs, tmp_path):
    result = export(logs, "openai", tmp_path / "o")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["avhs", "summary"]
    assert (tmp_path / "o" / "avhs" / "explanations" / "2" / "7.jsonl").exists()


def test_runs_of_odd_names_have_folders_of_plain_ones():
    names = ["summary, gpt-4o", "a/b", "a b", "..", "a: b"]
    assert _folder_names(names) == ["summary-gpt-4o", "a-b", "a-b-3", "run", "a-b-5"]


def test_two_neurons_of_one_place_are_not_written_over_each_other(logs, tmp_path):
    (path,) = [path for path in logs.iterdir() if "_summary_" in path.name]
    log = read_eval_log(str(path))
    for sample in log.samples:
        if sample.id == "gpt2-small/6-res-jb/650":
            sample.metadata.update(layer=2, neuron=7)
    write_eval_log(log, str(tmp_path / "changed.eval"))
    result = export(tmp_path / "changed.eval", "openai", tmp_path / "o")
    assert result.exit_code == 1
    assert "are both neuron 7 of layer 2" in result.output
    assert not (tmp_path / "o").exists()


# neuronpedia


def test_neuronpedias_export_holds_the_explanations_of_all_runs(logs, samples, tmp_path):
    result = export(logs, "neuronpedia", tmp_path / "n")
    assert result.exit_code == 0, result.output
    assert f"12 explanations of 2 runs written to {tmp_path / 'n'}" in result.output
    assert result.output.count("1 neuron is left out: it has no layer and index") == 2
    with gzip.open(tmp_path / "n" / "explanations" / "batch-0.jsonl.gz", "rt") as file:
        written = [json.loads(line) for line in file]
    mine = [one for one in written if one["layer"] == "6-res-jb"]
    assert {one["typeName"] for one in mine} == {"neuron_eval_summary", "neuron_eval_avhs"}
    first = next(one for one in mine if one["typeName"] == "neuron_eval_summary")
    sample = samples["gpt2-small/6-res-jb/650"]
    assert (first["modelId"], first["index"]) == ("gpt2-small", "650")
    assert (first["description"], first["explanationModelName"]) == (
        sample.output.completion,
        "explainer",
    )
    assert first["scores"] == [
        {
            "value": sample.scores[name].as_float(),
            "explanationScoreTypeName": name,
            "explanationScoreModelName": model,
        }
        for name, model in (("simulation_correlation", "simulator"), ("adacs", "embedder"))
    ]


def test_neuronpedias_export_is_a_source_with_ids_explanations_and_excerpts(
    logs, samples, tmp_path
):
    export(logs, "neuronpedia", tmp_path / "n")
    neurons = {neuron.id: neuron for neuron in open_source(str(tmp_path / "n")).read()}
    assert set(neurons) == {"gpt2-small/6-res-jb/650", "t/2/7", "t/10/3"}
    feature = neurons["gpt2-small/6-res-jb/650"]
    assert feature.reference.explanation == samples[feature.id].output.completion
    assert "explainer, neuron_eval_" in feature.reference.source
    assert len(feature.other_explanations) == 3
    assert len(feature.excerpts) == 10


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({}, ("gpt2-small", "6-res-jb", "650")),
        ({"id": "gpt2-small/66-res-jb/650"}, ("gpt2-small", "6", "650")),
        ({"id": "gpt2-small/L6N650"}, ("gpt2-small", "6", "650")),
        ({"id": "gpt2-small/6-res-jb/vector", "neuron": -1}, ("gpt2-small", "6-res-jb", "vector")),
        ({"id": "x", "neuron": -1}, None),
        ({"id": "puzzles/a/b", "layer": -1, "neuron": -1}, None),
    ],
)
def test_a_features_place_is_in_its_id_where_it_comes_from_there(changes, place):
    from made_up_runs import neuron

    about = {"id": "gpt2-small/6-res-jb/650", "subject": "gpt2-small", "layer": 6, "neuron": 650}
    assert feature_of(neuron(1, **(about | changes))) == place


# tables


def test_the_rows_are_scored_again_to_the_same_adacs(logs, samples, tmp_path):
    out = tmp_path / "rows.csv"
    assert export(logs, "csv", out, "--run", "summary").exit_code == 0
    with out.open(newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert rows["t/L2N7"]["explanation"] == TEXT == samples["t/L2N7"].output.completion
    (log,) = eval(
        given.given(
            str(out), "explanation", neurons=str(logs.parent / "n.jsonl"), excerpts=2,
            simulation="none", limit=2, select="all", layers="2,10",
        ),
        model="none", model_roles={"embedder": embedder()}, log_dir=str(tmp_path / "logs"),
        display="none",
    )  # fmt: skip
    assert log.status == "success", log.error
    for sample in log.samples:
        assert sample.scores["adacs"].as_float() == float(rows[sample.id]["adacs"])


def test_a_row_is_of_all_epochs_and_says_how_many(logs, tmp_path):
    export(logs, "jsonl", tmp_path / "rows.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == 8
    assert {row["epochs"] for row in rows} == {2}
    assert {row["run"] for row in rows} == {"summary", "avhs"}
    assert [row["layer"] for row in rows[:4]] == [None, 2, 6, 10]


# mistakes


@pytest.mark.parametrize(
    ("kind", "out", "sentence"),
    [
        ("csv", "x.txt", "expected a file ending in .csv"),
        ("jsonl", "nowhere/x.jsonl", "expected a file in a folder that is there"),
        ("parquet", "there.parquet", "is there already; --force replaces it"),
        ("openai", "there.parquet", "expected a folder, which openai takes"),
        ("neuronpedia", "full", "is there already; --force replaces it"),
    ],
)
def test_a_wrong_place_is_a_sentence_and_nothing_is_read(tmp_path, kind, out, sentence):
    (tmp_path / "there.parquet").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    result = export("no-such-logs", kind, tmp_path / out)
    assert result.exit_code == 2
    assert sentence in result.output


def test_force_replaces_what_was_exported_and_nothing_else(logs, tmp_path):
    out = tmp_path / "o"
    old = out / "explanations" / "0" / "0.jsonl"
    old.parent.mkdir(parents=True)
    for path in (old, out / "mine.txt"):
        path.write_text("old")
    result = export(logs, "openai", out, "--run", "summary", "--force")
    assert result.exit_code == 0, result.output
    assert not old.exists()
    assert (out / "mine.txt").read_text() == "old"
    assert sorted(p.name for p in out.iterdir()) == [
        "collated-activations", "explanations", "mine.txt",
    ]  # fmt: skip


def test_a_run_that_is_not_there_is_told_with_those_that_are(logs, tmp_path):
    result = export(logs, "csv", tmp_path / "x.csv", "--run", "sumary")
    assert result.exit_code == 1
    assert (
        "'sumary' is the name of no run. The runs are 'summary', 'avhs'; did you mean summary?"
    ) in result.output
    assert not (tmp_path / "x.csv").exists()


def test_neurons_of_no_layer_have_no_place_in_these_layouts(logs, tmp_path):
    (path,) = [path for path in logs.iterdir() if "_summary_" in path.name]
    log = read_eval_log(str(path))
    log.samples = [sample for sample in log.samples if sample.id == "puzzle"]
    log.results.completed_samples = 1
    write_eval_log(log, str(tmp_path / "puzzle.eval"))
    for kind in ("openai", "neuronpedia"):
        result = export(tmp_path / "puzzle.eval", kind, tmp_path / kind)
        assert result.exit_code == 1
        assert "none of the neurons has a layer and an index" in result.output
        assert not (tmp_path / kind).exists()
