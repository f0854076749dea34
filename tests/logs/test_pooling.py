"""Logs of one run's parts: its report is that of the whole run, and says what is missing."""

import csv
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner
from inspect_ai import eval
from inspect_ai.log import read_eval_log, write_eval_log

from neuron_eval.cli.main import main
from neuron_eval.logs.files import EXPLAINED, headers
from neuron_eval.logs.pooling import alike, pool
from neuron_eval.rating.explanations import load_explained
from neuron_eval.records import ActivationRecord
from neuron_eval.reporting.collecting import collect
from neuron_eval.reporting.notebook import report
from neuron_eval.reporting.tables import all_tables
from neuron_eval.reporting.tables.measures import check_measures
from neuron_eval.reporting.tables.scores import UNRELATED
from neuron_eval.sources import schema
from neuron_eval.sources.loading import load_neurons
from neuron_eval.tasks import formats, rate, sanity
from neuron_eval.testing import (
    fake_embedder,
    fake_explainer,
    fake_rater,
    fake_simulator,
    make_neuron,
)

WORDS = (" cat", " dog", " oak", " sea")
# In an order of their own, of two layers; one is dead, and half have no reference.
NUMBERS = (7, 2, 11, 0, 5, 9, 1, 10, 3, 8, 4, 6)
DEAD = 9


def made(number):
    neuron = make_neuron(
        f"t/L{number % 2}N{number}",
        WORDS[number % 4],
        layer=number % 2,
        neuron=number,
        reference=f"the word{WORDS[number % 4]}" if number % 3 else None,
    )
    if number != DEAD:
        return neuron
    nothing = [
        replace(e, record=ActivationRecord(e.record.tokens, (0.0,) * len(e.record.tokens)))
        for e in neuron.excerpts
    ]
    top = tuple(e.record for e in nothing if e.kind == "top")
    return replace(neuron, top=top, random=tuple(e.record for e in nothing if e.kind == "random"))


STARTS = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in count())


def run(folder, *tasks, **options):
    embedder = fake_embedder(lambda text: [float(len(text)), 1.0 + text.count("a")]).model
    explainer = fake_explainer(lambda prompt: f"words{prompt.count('cat')} {len(prompt)}").model
    simulator = fake_simulator(
        lambda explanation, tokens: [
            (10 * token.count("a") + len(explanation + token)) % 11 for token in tokens
        ]
    ).model
    logs = eval(
        list(tasks),
        **{
            "model": explainer,
            "model_roles": {"embedder": embedder, "simulator": simulator},
            "log_dir": str(folder),
            "display": "none",
            "epochs": 2,
            **options,
        },
    )
    assert [log.status for log in logs] == ["success"] * len(tasks), [log.error for log in logs]
    for log in logs:  # Inspect's own times have seconds, and these evals are faster
        log.eval.created = next(STARTS).isoformat()
        write_eval_log(log, log.location)
    return logs


def task(place, format="summary", **chosen):
    return getattr(formats, format)(neurons=str(place / "n.jsonl"), excerpts=2, **chosen)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A whole run of two formats, and the same in three shards."""
    place = tmp_path_factory.mktemp("pooling")
    schema.write(place / "n.jsonl", map(made, NUMBERS))
    for format in ("summary", "original"):
        run(place / "whole", task(place, format))
        for number in (1, 2, 3):
            run(place / "shards" / str(number), task(place, format, shard=f"{number}/3"))
    return place


def ids(found):
    return [sorted(run.results) for run in found.runs]


ALL = sorted(f"t/L{n % 2}N{n}" for n in NUMBERS if n != DEAD)


def contents(collected):
    """Every table, but for the logs, for what a cache saved, and for the level of AdaCS.

    That level is of the references in the same log.
    """
    tables = {}
    for table in all_tables(collected, by=("layer", "group")):
        columns = [i for i, c in enumerate(table.columns) if c.heading not in (UNRELATED, "log")]
        rows = [
            [row[i] for i in columns]
            for row in table.rows
            if table.name != "usage" or row[0].text == "explainer"
        ]
        texts = [[(cell.text, cell.bold, cell.marked) for cell in row] for row in rows]
        tables[table.name] = ([table.columns[i] for i in columns], texts, table.notes)
    return tables


def test_every_table_of_shards_is_that_of_the_whole_run(place):
    whole = collect([str(place / "whole")], measures=check_measures("f1"))
    shards = collect([str(place / "shards")], measures=check_measures("f1"))
    assert shards.notes == whole.notes == ()
    assert [run.format for run in shards.runs] == ["original", "summary"]
    expected, tables = contents(whole), contents(shards)
    assert len(expected) > 5
    for name in expected:
        assert tables[name] == expected[name], name
    for one, other in zip(whole.runs, shards.runs, strict=True):
        assert one.neurons_skipped == other.neurons_skipped == 1
        assert one.identity == other.identity
        assert (len(one.logs), len(other.logs)) == (1, 3)
        for log, of_log in other.logs.items():
            assert {sample.id for sample in read_eval_log(log).samples} == set(of_log)


def test_a_report_names_every_log_of_a_run_and_links_each_neuron_to_its_own(place, tmp_path):
    shown = report(str(place / "shards"), out=tmp_path, bundle=True)
    names = [path.name for path in (place / "shards").rglob("*_original_*.eval")]
    text = (tmp_path / "index.html").read_text()
    assert len(names) == 3
    for name in names:
        assert name in repr(shown)
        assert name in text
        assert list((tmp_path / "viewer").rglob(name))
    with (tmp_path / "tables" / "neurons.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(ALL)
    assert {row["log"] for row in rows} == {
        path.name for path in (place / "shards").rglob("*.eval")
    }


@pytest.mark.parametrize("to", ["csv", "openai", "neuronpedia"])
def test_an_export_of_shards_holds_what_that_of_the_whole_run_holds(place, tmp_path, to):
    counts = []
    for logs in ("whole", "shards"):
        out = tmp_path / (f"{logs}.csv" if to == "csv" else logs)
        result = CliRunner().invoke(
            main, ["export", str(place / logs), "--to", to, "--out", str(out)]
        )
        assert result.exit_code == 0, result.output
        counts.append(sorted(line.partition(" written")[0] for line in result.output.splitlines()))
    assert counts[0] == counts[1]


@pytest.fixture
def parts(place, tmp_path):
    """Copies the shards of one format that are named, and gives their folder."""

    def copied(*numbers, format="summary"):
        for number in numbers:
            for path in (place / "shards" / str(number)).glob(f"*_{format}_*.eval"):
                shutil.copy(path, tmp_path / f"{number}.eval")
        return tmp_path

    return copied


def set_shard(path, **changes):
    log = read_eval_log(str(path))
    log.eval.metadata["shard"] |= changes
    write_eval_log(log, str(path))
    return log.eval.metadata["shard"]


def test_missing_shards_are_named_with_the_neurons_that_they_have(place, parts):
    neurons = str(place / "n.jsonl")
    sizes = [len(load_neurons(neurons, shard=f"{number}/3")) for number in (1, 2, 3)]
    assert sum(sizes) == len(NUMBERS)
    folder = parts(1, 3)
    assert set_shard(folder / "1.eval") == {
        "shard": "1/3", "neurons": sizes[0], "neurons_of_all": 12,
    }  # fmt: skip
    (note,) = collect([str(folder)]).notes
    assert note == (f"summary, neuron-fake/explainer: shard 2 of 3 is missing: {sizes[1]} neurons")
    (folder / "1.eval").unlink()
    (note,) = collect([str(folder)]).notes
    assert note.endswith(f"shards 1-2 of 3 are missing: {sizes[0] + sizes[1]} neurons")


def test_an_empty_shard_is_not_missed(parts):
    folder = parts(1, 3)
    there = sum(set_shard(path)["neurons"] for path in folder.glob("*.eval"))
    for path in folder.glob("*.eval"):
        set_shard(path, neurons_of_all=there)
    assert collect([str(folder)]).notes == ()


def test_where_the_shards_are_of_different_selections_no_number_is_given(parts):
    folder = parts(1, 3)
    set_shard(folder / "1.eval", neurons_of_all=20)
    (note,) = collect([str(folder)]).notes
    assert note.endswith("shard 2 of 3 is missing")


@pytest.mark.parametrize("bad", ["3/2", {"shard": "9/3"}, {"shard": 3}, [1], 5])
def test_a_log_whose_shard_cannot_be_read_is_left_out(parts, bad):
    folder = parts(1, 2, 3)
    log = read_eval_log(str(folder / "1.eval"))
    log.eval.metadata["shard"] = bad
    write_eval_log(log, str(folder / "1.eval"))
    notes = collect([str(folder)]).notes
    assert notes[0].startswith("1.eval cannot be read: ")
    assert "shard 1 of 3 is missing" in notes[1]


def test_a_shard_that_was_run_again_counts_once_and_the_newest_does(place, parts):
    folder = parts(1, 2, 3)
    [again] = run(folder, task(place, shard="2/3"))
    found = collect([str(folder)])
    assert ids(found) == [ALL]
    name = Path(again.location).name
    assert found.notes == (f"2.eval left out: run again as {name} with the same settings",)
    assert again.location.removeprefix("file://") in {
        log.removeprefix("file://") for log in found.runs[0].logs
    }


def test_shards_of_what_one_log_has_anyway_count_for_nothing(place):
    whole = next((place / "whole").glob("*_summary_*.eval"))
    found = collect([str(whole), *map(str, (place / "shards").rglob("*_summary_*.eval"))])
    assert [len(run.logs) for run in found.runs] == [1]
    assert len(found.notes) == 3
    assert all(f"run again as {whole.name}" in note for note in found.notes)


def test_parts_by_limit_index_and_layers_are_one_run(place, tmp_path):
    run(tmp_path / "limit", task(place), limit=(0, 6))
    run(tmp_path / "limit", task(place), limit=(6, 12))
    run(tmp_path / "index", task(place, index="0-5"))
    run(tmp_path / "index", task(place, index="6-11"))
    run(tmp_path / "layers", task(place, layers=0))
    run(tmp_path / "layers", task(place, layers=1))
    for way in ("limit", "index", "layers"):
        found = collect([str(tmp_path / way)])
        assert ids(found) == [ALL], way
        assert found.notes == (), way
        assert found.runs[0].neurons_skipped == 1, way


def test_halves_that_were_drawn_are_two_experiments(place, tmp_path):
    for layer in (0, 1):
        run(tmp_path, task(place, layers=layer, select="random", per_layer=3))
    assert len(collect([str(tmp_path)]).runs) == 2


def test_of_a_neuron_in_two_parts_the_newest_counts(place, tmp_path):
    run(tmp_path, task(place, index="0-6"))
    [newer] = run(
        tmp_path, task(place, index="5-11"), model=fake_explainer("another", name="explainer").model
    )
    found = collect([str(tmp_path)])
    assert ids(found) == [ALL]
    (note,) = found.notes
    assert f": 2 of its 7 neurons left out: run again as {Path(newer.location).name}" in note
    results = found.runs[0].results
    assert {r.neuron for r in results.values() if r.explanation == "another"} == {
        n for n in range(5, 12) if n != DEAD
    }


def test_a_part_whose_neurons_several_newer_ones_have_is_left_out(place, tmp_path):
    [old] = run(tmp_path, task(place, index="3-8"))
    run(tmp_path, task(place, index="0-5"))
    run(tmp_path, task(place, index="6-11"))
    found = collect([str(tmp_path)])
    assert ids(found) == [ALL]
    assert [len(run.logs) for run in found.runs] == [2]
    (note,) = found.notes
    assert note.startswith(f"{Path(old.location).name}: left out: run again as ")


def test_parts_of_other_epochs_stay_out(place, parts):
    folder = parts(1, 3)
    [log] = run(folder, task(place, shard="2/3"), epochs=1)
    notes = collect([str(folder)]).notes
    assert f"{Path(log.location).name} left out: " in notes[0]
    assert notes[0].endswith(".eval has other epochs, 2 of each neuron")
    assert "shard 2 of 3 is missing" in notes[1]


def test_a_part_that_had_nothing_to_cut_is_of_the_run_whose_others_had(tmp_path):
    long = make_neuron("t/L0N0")
    words = long.top[0].tokens * 20
    longer = ActivationRecord(words, long.top[0].activations * 20)
    schema.write(
        tmp_path / "n.jsonl",
        [replace(long, top=(longer, *long.top[1:])), make_neuron("t/L0N1", " dog", neuron=1)],
    )
    for index in (0, 1):
        run(tmp_path / "logs", task(tmp_path, index=index))
    found = collect([str(tmp_path / "logs")])
    assert ids(found) == [["t/L0N0", "t/L0N1"]]
    run(tmp_path / "logs", task(tmp_path, index=1, window=32))
    assert len(collect([str(tmp_path / "logs")]).runs) == 2


def test_what_another_way_simulated_stays_apart(parts):
    folder = parts(1, 2, 3)
    log = read_eval_log(str(folder / "1.eval"))
    for sample in log.samples:
        sample.scores["simulation_correlation"].metadata["simulation"] = "chat"
    write_eval_log(log, str(folder / "1.eval"))
    found = collect([str(folder)])
    assert sorted(len(run.logs) for run in found.runs) == [1, 2]


def test_scored_shards_are_pooled(place, parts, monkeypatch):
    folder = parts(1, 2, 3)
    embedder = fake_embedder(lambda text: [float(len(text)), 1.0]).model
    monkeypatch.setattr("neuron_eval.simulation.embedding.resolve_embedder", lambda: embedder)
    result = CliRunner().invoke(main, ["score", str(folder), "--simulation", "embedding"])
    assert result.exit_code == 0, result.output
    found = collect([str(folder)])
    assert ids(found) == [ALL]
    assert {Path(log).name for log in found.runs[0].logs} == {f"{n}-scored.eval" for n in (1, 2, 3)}
    assert len(found.notes) == 3
    (added,) = {name for r in found.runs[0].results.values() for name in r.scores} - {
        "simulation_correlation", "adacs",
    }  # fmt: skip
    assert all(added in {**r.scores, **r.unscored} for r in found.runs[0].results.values())


# Ratings and sanity checks -------------------------------------------------------------------


def test_the_explanations_of_shards_are_rated_together_and_ratings_pooled(place, tmp_path):
    explanations = str(place / "shards")
    explained = load_explained(explanations)
    assert sorted(neuron.id for neuron in explained.neurons) == ALL
    assert explained.columns == ("original", "summary")
    rater = fake_rater(lambda question, explanation: 1 + len(explanation) % 5).model
    logs = []
    for number in (1, 2):
        rating = rate.rate(explanations=explanations, shard=f"{number}/2")
        logs += run(tmp_path, rating, model=rater, model_roles={}, epochs=1)
    found = collect([str(tmp_path)])
    assert [sorted(n.id for n in rater.neurons) for rater in found.raters] == [ALL]
    (table,) = [table for table in all_tables(found) if table.columns[-1].heading == "log"]
    assert table.rows[0][-1].text == ", ".join(Path(log.location).name for log in logs)
    assert found.notes == ()
    next(tmp_path.glob("*.eval")).unlink()
    (note,) = collect([str(tmp_path)]).notes
    assert note.startswith("rate, neuron-fake/rater: shard ")


def test_the_sanity_checks_of_shards_are_those_of_the_whole(place, tmp_path):
    def checked(folder, **chosen):
        made = sanity.sanity(neurons=str(place / "n.jsonl"), alpha=0.2, excerpts=2, **chosen)
        run(tmp_path / folder, made, model="none", epochs=1)

    checked("whole")
    for number in (1, 2):
        checked("shards", shard=f"{number}/2")
    (whole,) = collect([str(tmp_path / "whole")]).checks
    (shards,) = collect([str(tmp_path / "shards")]).checks
    assert shards.title == whole.title
    for key, one in whole.results.items():
        assert replace(shards.results[key], change=None) == replace(one, change=None)
        assert shards.results[key].change == pytest.approx(one.change)


def test_a_pool_names_the_newest_of_what_it_holds(place):
    logs, notes = headers([str(place / "shards")])
    pools = pool(logs, EXPLAINED, alike(logs), notes)
    assert [len(one.logs) for one in pools] == [3, 3]
    assert notes == []
    for one in pools:
        created = [log.eval.created for log in one.logs]
        assert created == sorted(created)
