import gzip
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from neuron_eval.cli.main import main
from neuron_eval.records import ActivationRecord, RecordError, Reference
from neuron_eval.records.checks import check_record
from neuron_eval.sources import loading, open_source, schema
from neuron_eval.sources.base import Unreadable
from neuron_eval.sources.loading import load_neurons
from neuron_eval.sources.parquet import ParquetSource, write_parquet
from neuron_eval.testing import make_neuron


def run(*arguments, env=None):
    plain = {"FORCE_COLOR": None, "NO_COLOR": None, "COLUMNS": "100"}
    return CliRunner().invoke(main, list(map(str, arguments)), env={**plain, **(env or {})})


def neuron(layer, i):
    name = f"m/L{layer}N{i}"
    return replace(make_neuron(name, layer=layer, neuron=i, excerpts=20), group="made")


@pytest.fixture
def path(tmp_path):
    """Ten neurons in each of two layers."""
    path = tmp_path / "n.jsonl"
    schema.write(path, [neuron(layer, i) for layer in (0, 1) for i in range(10)])
    return path


@pytest.mark.parametrize("source", ["smollm2", "puzzles"])
def test_what_is_bundled_survives_every_container(tmp_path, source):
    there = source
    for name in ("a.parquet", "b.jsonl.gz", "c.jsonl", "d.parquet"):
        done = run("convert", there, tmp_path / name)
        assert done.exit_code == 0, done.output
        there = str(tmp_path / name)
        assert list(load_neurons(there)) == list(load_neurons(source))
    count = len(list(load_neurons(source)))
    assert f"{count} neurons written to {there}" in done.output


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        (["--layers", "1", "--index", "2,4-5"], ["m/L1N2", "m/L1N4", "m/L1N5"]),
        (["--limit", "2"], ["m/L0N0", "m/L0N1"]),
        (["--layers", "1", "--limit", "1"], ["m/L1N0"]),
    ],
)
def test_what_is_chosen_is_written(path, tmp_path, options, chosen):
    out = tmp_path / "o.parquet"
    assert run("convert", path, out, *options).exit_code == 0
    assert [n.id for n in ParquetSource(str(out)).read()] == chosen


def test_sets_are_drawn_by_seed_and_by_score(path, tmp_path):
    def drawn(*options):
        done = run("convert", path, tmp_path / "o.jsonl", "--force", *options)
        assert done.exit_code == 0, done.output
        return [n.id for n in schema.read(tmp_path / "o.jsonl")]

    first = drawn("--select", "random", "--per-layer", "3")
    assert [name[:4] for name in first] == ["m/L0"] * 3 + ["m/L1"] * 3
    assert drawn("--select", "random", "--per-layer", "3", "--seed", "0") == first
    assert drawn("--select", "random", "--per-layer", "3", "--seed", "1") != first
    scores = tmp_path / "scores.csv"
    rows = [f"{layer},{i},{i / 10},cats" for layer in (0, 1) for i in range(10)]
    scores.write_text("layer,neuron,score,explanation\n" + "\n".join(rows))
    by_score = ["--select", "interpretable", "--threshold", "0.75", "--scores", scores]
    assert drawn(*by_score) == ["m/L0N8", "m/L0N9", "m/L1N8", "m/L1N9"]


def test_a_bad_record_stops_the_writing_and_leaves_no_file(path, tmp_path):
    path.write_text(path.read_text() + "{broken\n")
    for name in ("o.parquet", "o.jsonl.gz"):
        done = run("convert", path, tmp_path / name)
        assert done.exit_code == 1
        assert f"Error: {path}, line 21: not valid JSON" in done.output
        assert "was not written" in done.output
    assert list(tmp_path.iterdir()) == [path]


def test_missing_neurons_are_counted_and_named_and_the_others_written(tmp_path, monkeypatch):
    class Holes:
        name = "holes"

        def read(self, wanted=None):
            for i in range(30):
                error = RecordError(f"holes/{i}.json: not there (404)")
                yield neuron(0, i) if i % 10 == 0 else Unreadable(f"L0N{i}", error, missing=True)

    monkeypatch.setattr(loading, "open_source", lambda _: Holes())
    done = run("convert", "holes", tmp_path / "o.jsonl")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"3 neurons written to {tmp_path / 'o.jsonl'}\n"
    assert "27 neurons are missing:\n  holes/1.json: not there (404)\n" in done.stderr
    assert "holes/22.json" in done.stderr
    assert "holes/23.json" not in done.stderr
    assert done.stderr.endswith("  and 7 more\n")


def test_an_existing_file_is_replaced_by_force_alone(path, tmp_path):
    out = tmp_path / "o.jsonl"
    out.write_text("mine")
    refused = run("convert", path, out)
    assert refused.exit_code == 2
    assert "is there already; --force replaces it" in refused.output
    assert out.read_text() == "mine"
    assert run("convert", path, out, "--force").exit_code == 0
    assert list(schema.read(out)) == list(schema.read(path))
    assert run("convert", out, out, "--force", "--limit", "1").exit_code == 0
    assert list(schema.read(out)) == [neuron(0, 0)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smollm2", "o.csv"], "expected a file ending in .parquet, .jsonl, .jsonl.gz"),
        (["smollm2", "none/o.jsonl"], "expected a file in a folder that is there"),
        (["smolm2", "o.jsonl"], "neurons=smolm2"),
        (["smollm2", "o.jsonl", "--select", "some"], "allowed are all, random"),
        (["smollm2", "o.jsonl", "--per-layer", "2"], "per_layer=2"),
        (["smollm2", "o.jsonl", "--limit", "0"], "limit=0"),
        (["smollm2", "o.jsonl", "--layers", "99"], "no neuron is left"),
        (["smollm2", "o.jsonl", "--select", "top"], "holds no published scores"),
        (["smollm2", "o.jsonl", "--select", "top", "--scores", "s.csv"], "s.csv: No such file"),
        (["empty.jsonl", "o.jsonl"], "no neuron there to write"),
    ],
)
def test_what_cannot_be_converted_is_said_so(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.jsonl").write_text("\n")
    done = run("convert", *arguments)
    assert done.exit_code in (1, 2)
    assert message in " ".join(done.output.split())
    assert [p.name for p in tmp_path.rglob("*")] == ["empty.jsonl"]


def odd():
    """A neuron whose texts a terminal would act on."""
    records = [
        ActivationRecord(("[red]", " a\x1b[31m", "\n", "b\u202e"), (2.0, 9.0, 0.0, -1.0)),
        ActivationRecord(("plain", " [/red]", " :cat:"), (1.0, 0.0, 8.0)),
    ]
    random = [ActivationRecord(("rare", " words"), (0.5, 0.25))]
    return check_record(
        replace(
            make_neuron("m/L0N[bold]", reference="[blue]cats[/blue]\n\x07"),
            top=tuple(records),
            random=tuple(random),
            other_explanations=(Reference("dogs", "gpt-4"),),
            false_explanations=("birds",),
            group="made",
        ),
        "odd",
    )


def test_a_neuron_is_shown_with_all_that_is_known_of_it(tmp_path):
    schema.write(tmp_path / "n.jsonl", [odd()])
    done = run("show", tmp_path / "n.jsonl", "--id", "m/L0N[bold]")
    assert done.exit_code == 0, done.output
    lines = [line.rstrip() for line in done.output.splitlines()]
    assert lines == [
        "id: m/L0N[bold]",
        "model: m",
        "layer: 0, neuron 0",
        "group: made",
        "reference: [blue]cats[/blue]⏎· (made for a test)",
        "other explanation: dogs (gpt-4)",
        "false explanation: birds",
        "quantile boundaries: 0.5: 0, 0.9: 0.02, 0.99: 0.5",
        "cutoff: 0.5 (quantile boundary 2, counted from 0)",
        "",
        "top: 2 of 2",
        "9  [[red]][ a·[31m]⏎b·",
        "8  [plain] [/red][ :cat:]",
        "",
        "random: 1 of 1",
        "0.5  rare words",
    ]


def test_tokens_are_shaded_where_there_are_colours(tmp_path):
    schema.write(tmp_path / "n.jsonl", [odd()])
    terminal = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    shown = ["show", tmp_path / "n.jsonl", "--id", "m/L0N[bold]"]
    coloured = run(*shown, env=terminal).output
    assert "48;2;244;112;62m a·[31m\x1b[0m⏎b·" in coloured
    assert "[ a·[31m]" not in coloured
    assert "\x1b[31m" not in coloured
    plain = run(*shown, env={**terminal, "NO_COLOR": "1"}).output
    assert "48;2" not in plain
    assert "[ a·[31m]" in plain


def test_a_puzzle_is_shown_by_its_splits(monkeypatch):
    puzzle = load_neurons("puzzles", limit=1)[0]
    done = run("show", "puzzles", "--id", puzzle.id, "--excerpts", "1")
    assert f"false explanation: {puzzle.false_explanations[0]}"[:60] in done.output
    assert "cutoff: 1 (given)" in done.output
    counts = {name: len(excerpts) for name, excerpts in puzzle.given_splits}
    assert f"train: 1 of {counts['train']}\n" in done.output
    assert f"valid: 1 of {counts['valid']}\n" in done.output
    assert "test: " not in done.output


def test_without_boundaries_half_of_the_peak_is_the_cutoff(tmp_path):
    plain = replace(odd(), quantiles=(), quantile_boundaries=())
    schema.write(tmp_path / "n.jsonl", [plain])
    done = run("show", tmp_path / "n.jsonl", "--id", plain.id)
    assert "cutoff: 4.5 (half of the peak)" in done.output
    assert "[red][ a·[31m]⏎b·" in done.output


def test_without_an_id_the_first_neurons_are_listed(path):
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], "{broken", *lines[2:]]))
    done = run("show", path)
    assert done.exit_code == 0
    assert "│ m/L0N0 │     0 │   10 │       40 │ cats" in done.output
    assert "line 3: not valid JSON" in done.output
    assert "m/L0N8" in done.output
    assert "m/L0N9" not in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smollm2", "--id", "m/L1N1"], "no neuron 'm/L1N1'; it has smollm2/L2N1014, smollm2"),
        (["smolm2"], "neurons=smolm2"),
        (["none.parquet"], "there is no such file"),
    ],
)
def test_a_neuron_that_is_not_there_is_said_so(arguments, message):
    done = run("show", *arguments)
    assert done.exit_code == 1
    assert message in done.output


def test_a_sound_set_is_valid(path, tmp_path):
    done = run("validate", path)
    assert done.exit_code == 0, done.output
    assert done.output == (
        "20 neurons, 0 bad\n20 of 20 have enough excerpts for 5 of each kind a split (20 top, "
        "15 random), 20 have a reference\n"
    )
    write_parquet(tmp_path / "p.parquet", [replace(n, reference=None) for n in schema.read(path)])
    assert "20 of 20 have enough excerpts" in run("validate", tmp_path / "p.parquet").output
    assert "0 have a reference" in run("validate", tmp_path / "p.parquet").output
    # The folder holds both files now, with the same ids.
    assert "40 neurons, 20 bad" in run("validate", tmp_path).output


def test_every_problem_is_printed_on_a_line_of_its_own(tmp_path):
    path = tmp_path / "n.jsonl"
    good, short = schema.to_json(neuron(0, 0)), schema.to_json(neuron(0, 1))
    short["top"] = short["top"][:19]
    lines = [good, short, good, {**good, "id": "a\nb", "model": 1}, {"id": 1}]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n{broken\n")
    done = run("validate", path)
    assert done.exit_code == 1
    problems = done.output.splitlines()
    assert [line.partition(": ")[0] for line in problems[:-2]] == [
        f"{path}, line {i}" for i in (3, 4, 5, 6)
    ]
    assert "neuron a⏎b: field 'model' is 1; expected str" in problems[1]
    assert problems[-2] == "6 neurons, 4 bad"
    assert problems[-1].startswith("1 of 2 have enough excerpts")


def test_a_cut_file_is_not_valid_and_what_came_before_is_counted(tmp_path, path):
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(path.read_bytes())[:-9])
    done = run("validate", cut)
    assert done.exit_code == 1
    assert f"{cut}: cut off" in done.output
    assert ", 1 bad\n" in done.output


def test_what_cannot_be_read_at_all_is_not_valid(tmp_path):
    (tmp_path / "n.parquet").write_bytes(b"PAR1")
    (tmp_path / "empty.jsonl").write_text("")
    for name, message in {
        "n.parquet": "cut off or not a Parquet file",
        "empty.jsonl": "no neurons\n0 neurons, 0 bad",
        "none.jsonl": "there is no such file",
    }.items():
        done = run("validate", tmp_path / name)
        assert done.exit_code == 1
        assert message in done.output


def test_puzzles_have_enough_excerpts_by_their_own_splits():
    count = len(list(open_source("puzzles").read()))
    assert f"{count} of {count} have enough" in run("validate", "puzzles").output


@pytest.mark.parametrize("arguments", [(), ("--id", "m/L0N0")])
def test_nothing_to_show_is_an_error(tmp_path, arguments):
    (tmp_path / "n.jsonl").write_text("")
    result = run("show", tmp_path / "n.jsonl", *arguments)
    assert result.exit_code == 1
    assert result.output == f"Error: neurons={tmp_path / 'n.jsonl'}: no neurons\n"


@pytest.mark.parametrize(("count", "there"), [(1, "m/L0N0"), (4, "m/L0N0, m/L0N1, m/L0N2, …")])
def test_an_id_that_is_not_there_is_answered_with_some_that_are(tmp_path, count, there):
    schema.write(tmp_path / "n.jsonl", [make_neuron(f"m/L0N{i}") for i in range(count)])
    result = run("show", tmp_path / "n.jsonl", "--id", "m/L9N9")
    assert result.exit_code == 1
    assert result.output.endswith(f": no neuron 'm/L9N9'; it has {there}\n")
