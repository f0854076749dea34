"""Logs and samples that cannot be read: each is named, and the rest is reported."""

import gc
import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from inspect_ai import eval
from inspect_ai.log import read_eval_log, write_eval_log

from neuron_eval.cli.main import main
from neuron_eval.rating.explanations import from_logs
from neuron_eval.reporting.collecting import NoRunsError, collect
from neuron_eval.sources import schema
from neuron_eval.task import VERSION
from neuron_eval.tasks import formats, rate
from neuron_eval.testing import fake_embedder, fake_rater, make_neuron

pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

MIDDLE = "samples/t/L0N1_epoch_1.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Logs of three neurons: whole, in Inspect's two formats, and of ratings."""
    folder = tmp_path_factory.mktemp("whole")
    path = folder / "n.jsonl"
    words = (" cat", " dog", " oak")
    schema.write(path, [make_neuron(f"t/L0N{i}", w, neuron=i) for i, w in enumerate(words)])
    task = formats.summary(neurons=str(path), excerpts=2)
    embedder = fake_embedder(lambda text: [float(len(text)), 1.0]).model
    [log] = eval(
        task,
        model="neuron-baseline/lexical",
        model_roles={"embedder": embedder},
        log_dir=str(folder / "logs"),
        display="none",
    )
    assert log.status == "success"
    Path(log.location).rename(folder / "whole.eval")
    write_eval_log(read_eval_log(str(folder / "whole.eval")), str(folder / "whole.json"))
    rater = fake_rater(lambda question, explanation: 3).model
    [rated] = eval(
        rate.rate(explanations=str(folder / "whole.eval")), model=rater, log_dir=str(folder)
    )
    assert rated.status == "success"
    Path(rated.location).rename(folder / "rated.eval")
    return folder


@pytest.fixture
def whole(folder):
    return folder / "whole.eval"


@pytest.fixture(autouse=True)
def _collected():
    """Inspect leaves a file open whose JSON it cannot read."""
    yield
    gc.collect()


def members(log):
    """The files in a log, by name."""
    with zipfile.ZipFile(log) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(files, path):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def changed(log, path, name, change):
    """A copy of a log in which a JSON file within is another."""
    files = members(log)
    data = json.loads(files[name])
    data = change(data) or data
    return pack(files | {name: json.dumps(data).encode()}, path)


def without(data, *place):
    *above, last = place
    for key in above:
        data = data[key]
    del data[last]


def put(value, data, *place):
    *above, last = place
    for key in above:
        data = data[key]
    data[last] = value


def header(change):
    return lambda log, path: changed(log, path, "header.json", change)


def sample(change):
    return lambda log, path: changed(log, path, MIDDLE, change)


def only(*kept):
    def break_(log, path):
        pack({name: data for name, data in members(log).items() if name in kept}, path)

    return break_


def lost(*names):
    def break_(log, path):
        pack({name: data for name, data in members(log).items() if name not in names}, path)

    return break_


def begun(log, path):
    """What a run leaves that is killed before its first sample."""
    pack({"_journal/start.json": members(log)["_journal/start.json"]}, path)


def header_only(log, path):
    whole = read_eval_log(str(log), header_only=True)
    write_eval_log(whole, str(path))


LOGS = {
    "empty": (lambda log, path: path.write_bytes(b""), "cannot be read: "),
    "cut off": (
        lambda log, path: path.write_bytes(log.read_bytes()[: log.stat().st_size // 2]),
        "cannot be read: ",
    ),
    "text": (lambda log, path: path.write_text("layer,neuron\n0,1\n" * 99), "cannot be read: "),
    "another zip": (lambda log, path: pack({"a.txt": b"a"}, path), "cannot be read: "),
    "a zip without files": (lambda log, path: pack({}, path), "cannot be read: "),
    "a header that is cut off": (
        lambda log, path: pack(members(log) | {"header.json": b'{"version": 2, "st'}, path),
        "cannot be read: ",
    ),
    "a header that is a list": (header(lambda data: [1]), "cannot be read: "),
    "a header without its eval": (header(lambda d: without(d, "eval")), "eval: Field required"),
    "of another project": (
        header(lambda d: (put({}, d, "eval", "metadata"), put("mmlu", d, "eval", "task"))[:0]),
        "is a log of another task, mmlu",
    ),
    "without metadata": (header(lambda d: without(d, "eval", "metadata")), "of another task"),
    "begun": (begun, "did not finish: its status is started"),
    "cancelled": (header(lambda d: put("cancelled", d, "status")), "its status is cancelled"),
    "broken": (
        header(
            lambda d: (
                put("error", d, "status"),
                put({"message": "no\nkey", "traceback": "", "traceback_ansi": ""}, d, "error"),
            )[:0]
        ),
        "did not finish: no key",
    ),
    "without results": (header(lambda d: without(d, "results")), "holds no samples"),
    "without samples": (header_only, "holds results without their samples"),
    "without a list of samples": (lost("summaries.json", "_journal/summaries/1.json"), "samples"),
    "a list of samples that is cut off": (
        lambda log, path: pack(members(log) | {"summaries.json": b'[{"id"'}, path),
        "cannot be read: ",
    ),
    "no sample that is there": (
        lost(*(f"samples/t/L0N{i}_epoch_1.json" for i in range(3))),
        "3 of 3 samples cannot be read and are left out: t/L0N0 (the log names it",
    ),
    "counts that are none": (
        header(lambda d: put("many", d, "eval", "metadata", "neurons_skipped")),
        "cannot be read: invalid literal for int()",
    ),
    "a choice of neurons that is none": (
        header(lambda d: put("all", d, "eval", "metadata", "neurons_choice")),
        "cannot be read: 'str' object has no attribute 'get'",
    ),
    "a way to simulate that is none": (
        header(lambda d: put(["sparse"], d, "eval", "task_args", "simulation")),
        "cannot be read: unhashable type",
    ),
    "a solver's arguments that are none": (
        header(
            lambda d: (
                put("neuron_eval/given", d, "eval", "solver"),
                put({"explanations": 5}, d, "eval", "solver_args"),
            )[:0]
        ),
        "cannot be read: explanations=5",
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_log_that_cannot_be_used_is_named_and_the_other_is_reported(whole, tmp_path, name):
    break_, why = LOGS[name]
    bad = tmp_path / "bad.eval"
    break_(whole, bad)
    other = tmp_path / "other.eval"
    header(lambda d: put("another/model", d, "eval", "model"))(whole, other)
    for places in ([str(bad), str(other)], [str(other), str(bad)]):
        found = collect(places)
        [note] = found.notes
        assert note.startswith("bad.eval")
        assert why in note
        assert "\n" not in note
        assert len(note) < 400
        assert [run.log for run in found.runs] == [str(other)]


@pytest.mark.parametrize("name", LOGS)
def test_of_bad_logs_alone_there_is_one_clear_error(whole, tmp_path, name):
    break_, why = LOGS[name]
    break_(whole, tmp_path / "bad.eval")
    with pytest.raises(NoRunsError, match=r"no log to report on: bad\.eval") as error:
        collect([str(tmp_path)])
    assert why in str(error.value)
    done = CliRunner().invoke(main, ["report", str(tmp_path)])
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    assert done.output.startswith("Error: ")
    assert why.split(": ")[0] in done.output


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"version": 2, "status": "success"}'])
def test_a_json_log_that_is_none_is_named(whole, tmp_path, text):
    bad = tmp_path / "2026-01-01T00-00-00_bad.json"
    bad.write_text(text)
    found = collect([str(whole), str(tmp_path)])
    [note] = found.notes
    assert note.startswith(f"{bad.name} cannot be read: ")
    assert len(found.runs) == 1


def test_a_json_log_that_is_cut_off_is_named(folder, whole, tmp_path):
    bad = tmp_path / "bad.json"
    data = (folder / "whole.json").read_bytes()
    for length in (1, len(data) // 3, len(data) - 10):
        bad.write_bytes(data[:length])
        found = collect([str(whole), str(bad)])
        [note] = found.notes
        assert note.startswith("bad.json cannot be read: ")
        assert len(found.runs) == 1


def test_a_sample_of_a_json_log_that_holds_nothing_is_left_out(folder, tmp_path):
    data = json.loads((folder / "whole.json").read_text())
    data["samples"][1]["scores"]["simulation_correlation"]["metadata"]["excerpts"] = [{}]
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(data))
    found = collect([str(bad)], excerpts=True)
    assert found.notes == (
        "bad.json: 1 of 3 samples cannot be read and are left out: t/L0N1 (there is no 'excerpt')",
    )
    assert list(found.runs[0].results) == ["t/L0N0", "t/L0N2"]


def with_nul(log, path):
    """A log whose second neuron's id has a NUL: its file in the zip got another name."""
    files = {
        name: data.replace(b"t/L0N1", b"t/L0N1\\u0000x") for name, data in members(log).items()
    }
    files["samples/t/L0N1"] = files.pop(MIDDLE)
    return pack(files, path)


SCORE = ("scores", "simulation_correlation")

SAMPLES = {
    "lost": (lost(MIDDLE), "t/L0N1 (the log names it and does not hold it)"),
    "with a NUL in its id": (with_nul, "t/L0N1⟨U+0000⟩x (the log names it and does not hold it)"),
    "cut off": (
        lambda log, path: pack(members(log) | {MIDDLE: members(log)[MIDDLE][:999]}, path),
        "t/L0N1 (",
    ),
    "no JSON": (lambda log, path: pack(members(log) | {MIDDLE: b"\x00\xff"}, path), "t/L0N1 ("),
    "a list": (sample(lambda data: [1]), "t/L0N1 ("),
    "without its input": (sample(lambda d: without(d, "input")), "(input: Field required)"),
    "no layer": (sample(lambda d: put("low", d, "metadata", "layer")), "'low'"),
    "without its record": (
        sample(lambda d: without(d, "metadata", "record")),
        "t/L0N1 (sample t/L0N1: metadata holds no 'record'",
    ),
    "a record that is none": (sample(lambda d: put("{}", d, "metadata", "record")), "no 'id'"),
    "an excerpt that is not there": (
        sample(lambda d: put("top 99", d, *SCORE, "metadata", "excerpts", 0, "excerpt")),
        "t/L0N1 (there is no 'top 99')",
    ),
    "too few activations": (
        sample(lambda d: put([1.0], d, *SCORE, "metadata", "excerpts", 0, "true")),
        "t/L0N1 (",
    ),
    "too few simulated activations": (
        sample(lambda d: put([1.0], d, *SCORE, "metadata", "excerpts", 0, "expected")),
        "t/L0N1 (",
    ),
    "excerpts that are none": (
        sample(lambda d: put(5, d, *SCORE, "metadata", "excerpts")),
        "t/L0N1 (",
    ),
    "failures that are none": (
        sample(lambda d: put(5, d, *SCORE, "metadata", "failures")),
        "t/L0N1 (",
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_that_cannot_be_read_is_named_and_the_others_are_reported(whole, tmp_path, name):
    break_, why = SAMPLES[name]
    bad = tmp_path / "bad.eval"
    break_(whole, bad)
    found = collect([str(bad)], excerpts=True)
    [note] = found.notes
    assert note.startswith("bad.eval: 1 of 3 samples cannot be read and are left out: ")
    assert why in note
    assert list(found.runs[0].results) == ["t/L0N0", "t/L0N2"]


def test_a_whole_report_is_written_of_what_is_left_and_says_what_is_not(whole, tmp_path):
    with_nul(whole, tmp_path / "bad.eval")
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["report", str(tmp_path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "1 of 3 samples cannot be read" in done.output
    assert "1 of 3 samples cannot be read" in (out / "index.html").read_text()


def no_scores(data):
    data["scores"] = None


def no_metadata(data):
    data["metadata"] = {}
    data["scores"]["simulation_correlation"]["metadata"] = None
    data["scores"]["adacs"]["metadata"] = None


@pytest.mark.parametrize("change", [no_scores, no_metadata])
def test_a_sample_without_scores_or_metadata_has_no_numbers_and_is_there(whole, tmp_path, change):
    sample(change)(whole, tmp_path / "bad.eval")
    out = tmp_path / "out"
    done = CliRunner().invoke(main, ["report", str(tmp_path / "bad.eval"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    found = collect([str(tmp_path / "bad.eval")], excerpts=True)
    assert found.notes == ()
    assert list(found.runs[0].results) == ["t/L0N0", "t/L0N1", "t/L0N2"]


@pytest.mark.parametrize("version", ["", "x", "one-A", "9" * 5000, "²", "-3"])
def test_a_log_of_an_unknown_version_is_not_compared_with_others(whole, tmp_path, version):
    header(lambda d: put(version, d, "eval", "task_version"))(whole, tmp_path / "bad.eval")
    [note] = collect([str(tmp_path), str(whole)]).notes
    assert note.startswith("bad.eval left out: task version ")
    newest = VERSION.partition("-")[0]
    assert note.endswith(f"scores cannot be compared with those of version {newest}")
    assert len(note) < 400


def test_many_samples_that_cannot_be_read_are_counted_and_some_named(whole, tmp_path):
    files = members(whole)
    listed = json.loads(files["summaries.json"])
    listed += [dict(listed[0], id=f"gone {i}", epoch=2) for i in range(60)]
    pack(files | {"summaries.json": json.dumps(listed).encode()}, tmp_path / "bad.eval")
    [note] = collect([str(tmp_path)]).notes
    why = "the log names it and does not hold it"
    assert note == (
        "bad.eval: 60 of 63 samples cannot be read and are left out: "
        f"gone 0 epoch 2 ({why}); gone 1 epoch 2 ({why}); gone 2 epoch 2 ({why}); and 57 more"
    )


def test_several_processes_read_what_one_reads(whole, tmp_path, monkeypatch):
    monkeypatch.setattr("neuron_eval.logs.reading.MANY", 1)
    lost(MIDDLE)(whole, tmp_path / "bad.eval")
    changed(
        tmp_path / "bad.eval",
        tmp_path / "other.eval",
        "header.json",
        lambda d: put("b/c", d, "eval", "model"),
    )
    one, two = (collect([str(tmp_path)], workers=n) for n in (1, 2))
    assert one == two
    assert len(one.runs) == len(one.notes) == 2


RATINGS = {
    "lost": (lost(MIDDLE), "t/L0N1 (the log names it"),
    "ratings of other columns": (
        sample(lambda d: put({"x": 3}, d, "scores", "rating", "metadata", "ratings")),
        "it rates x, and not summary",
    ),
    "ratings that are none": (
        sample(lambda d: put(3, d, "scores", "rating", "metadata", "ratings")),
        "t/L0N1 (",
    ),
    "explanations that are none": (
        sample(lambda d: put(["a"], d, "metadata", "explanations")),
        "t/L0N1 (",
    ),
}


@pytest.mark.parametrize("name", RATINGS)
def test_a_rating_that_cannot_be_read_is_named_and_the_others_count(folder, tmp_path, name):
    break_, why = RATINGS[name]
    break_(folder / "rated.eval", tmp_path / "bad.eval")
    found = collect([str(tmp_path)])
    [note] = found.notes
    assert note.startswith("bad.eval: 1 of 3 samples cannot be read and are left out: ")
    assert why in note
    assert [one.id for one in found.raters[0].neurons] == ["t/L0N0", "t/L0N2"]


def test_ratings_without_a_list_of_columns_are_named(folder, whole, tmp_path):
    header(lambda d: put("summary", d, "eval", "metadata", "rated_columns"))(
        folder / "rated.eval", tmp_path / "bad.eval"
    )
    found = collect([str(tmp_path), str(whole)])
    assert found.notes == (
        "bad.eval cannot be read: rated_columns is 'summary'; expected a list of names",
    )


@pytest.mark.parametrize(
    "name",
    ["lost", "with a NUL in its id", "cut off", "without its record", "a record that is none"],
)
def test_what_is_rated_leaves_out_the_explanations_that_cannot_be_read_with_a_warning(
    whole, tmp_path, caplog, name
):
    break_, why = SAMPLES[name]
    break_(whole, tmp_path / "bad.eval")
    found = from_logs([str(tmp_path)], [], None, 0)
    assert [one.id for one in found.neurons] == ["t/L0N0", "t/L0N2"]
    [note] = found.about["logs_left_out"]
    assert note.startswith("bad.eval: 1 of 3 samples cannot be read")
    assert why in note
    assert note in caplog.messages


def test_where_no_explanation_can_be_read_the_error_says_why(whole, tmp_path):
    LOGS["no sample that is there"][0](whole, tmp_path / "bad.eval")
    with pytest.raises(ValueError, match=r"every log: summary; bad\.eval: 3 of 3 samples"):
        from_logs([str(tmp_path)], [], None, 0)


@pytest.mark.parametrize("name", ["empty", "cut off", "text", "a header that is cut off", "begun"])
def test_score_names_a_log_that_cannot_be_read_and_scores_the_others(
    whole, tmp_path, monkeypatch, name
):
    scored_alone(monkeypatch)
    LOGS[name][0](whole, tmp_path / "bad.eval")
    (tmp_path / "good.eval").write_bytes(whole.read_bytes())
    done = CliRunner().invoke(main, ["score", str(tmp_path), "--simulation", "embedding"])
    assert done.exit_code == 0, done.output
    assert "left as it is: " in done.output
    assert "bad.eval" in done.output
    assert "3 scored, 0 not scored" in done.output


def scored_alone(monkeypatch):
    embedder = fake_embedder(lambda text: [float(len(text)), 1.0]).model
    monkeypatch.setattr("neuron_eval.simulation.embedding.resolve_embedder", lambda: embedder)


def test_score_says_which_samples_are_not_there(whole, tmp_path, monkeypatch):
    scored_alone(monkeypatch)
    lost(MIDDLE)(whole, tmp_path / "bad.eval")
    done = CliRunner().invoke(
        main, ["score", str(tmp_path / "bad.eval"), "--simulation", "embedding"]
    )
    assert done.exit_code == 0, done.output
    assert "bad.eval: 1 of 3 samples cannot be read and are left out; the first: 't/L0N1'" in (
        done.output
    )
    assert "2 scored" in done.output


def test_score_leaves_a_log_alone_of_which_a_sample_holds_no_neuron(whole, tmp_path, monkeypatch):
    scored_alone(monkeypatch)
    SAMPLES["without its record"][0](whole, tmp_path / "bad.eval")
    (tmp_path / "good.eval").write_bytes(whole.read_bytes())
    done = CliRunner().invoke(main, ["score", str(tmp_path), "--simulation", "embedding"])
    assert done.exit_code == 0, done.output
    assert "sample t/L0N1: metadata holds no 'record'" in done.output
    assert "3 scored" in done.output
