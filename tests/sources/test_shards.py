"""Shards: parts of what everything else chooses, without a neuron lost or in two of them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai import eval as run_eval
from inspect_ai import eval_set

from neuron_eval.messages import InputError
from neuron_eval.rating.explanations import load_explained
from neuron_eval.sources import loading, open_source, schema
from neuron_eval.sources.base import NeuronKey
from neuron_eval.sources.choosing import Shard, parse_choice, parse_shard
from neuron_eval.sources.parquet import write_parquet
from neuron_eval.tasks.formats import summary
from neuron_eval.tasks.given import given as given_task
from neuron_eval.tasks.sanity import sanity
from neuron_eval.testing import fake_embedder, make_neuron
from neuron_eval.usage_error import UsageError

EIGHT = [make_neuron(f"m/L{i // 4}N{i % 4}", layer=i // 4, neuron=i % 4) for i in range(8)]


def take(keys, number, of):
    try:
        return Shard(number, of).take(keys)
    except InputError:
        return []


@given(st.lists(st.text(st.characters()), unique=True), st.integers(1, 9), st.randoms())
def test_every_neuron_is_in_one_shard_whatever_stands_beside_it(ids, of, rng):
    keys = [NeuronKey(id_, -1, -1) for id_ in ids]
    parts = [take(keys, number, of) for number in range(1, of + 1)]
    assert sorted(key.id for part in parts for key in part) == sorted(ids)
    for part in parts:
        assert part == [key for key in keys if key in part]
    fewer = rng.sample(keys, len(keys) // 2)
    for number, part in enumerate(parts, 1):
        assert set(take(fewer, number, of)) == set(part) & set(fewer)


def test_shards_are_about_equal_and_the_same_on_every_machine():
    keys = [NeuronKey(f"gpt2-xl/L{i // 100}N{i % 100}", i // 100, i % 100) for i in range(4800)]
    sizes = [len(take(keys, number, 16)) for number in range(1, 17)]
    assert 250 < min(sizes) <= max(sizes) < 350
    assert [key.neuron for key in take(keys[:20], 3, 4)] == [1, 2, 4, 7, 8, 9, 10, 16, 17]


@pytest.mark.parametrize(
    "bad",
    ["0/4", "5/4", "a", "3", 3, None, True, "1/0", "0/0", "-1/4", "1/4/4", "1.0/4", "²/4", ""],
)
def test_what_is_no_shard_is_refused_by_name(bad):
    with pytest.raises(InputError, match=r"^shard=.*: expected which shard of how many, from 1/"):
        parse_shard(bad)
    if bad is not None:
        with pytest.raises(InputError, match=r"^shard="):
            parse_choice("m", shard=bad)


def test_the_range_of_the_numbers_is_named():
    with pytest.raises(InputError, match=r"from 1/4 to 4/4$"):
        parse_shard("5/4")
    with pytest.raises(InputError, match=r"from 1/16 to 16/16$"):
        parse_shard("3")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    schema.write(folder / "n.jsonl", EIGHT)
    write_parquet(folder / "n.parquet", EIGHT)
    (folder / "several").mkdir()
    for i in range(2):
        schema.write(folder / "several" / f"{i}.jsonl", EIGHT[4 * i : 4 * i + 4])
    (folder / "s.csv").write_text(
        "layer,neuron,score,explanation\n" + "".join(f"{n.layer},{n.neuron},0.5,x\n" for n in EIGHT)
    )
    return folder


ASKED = {
    "every neuron": {},
    "a limit": {"limit": 5},
    "layers and index": {"layers": 1, "index": "1-3"},
    "drawn": {"select": "random", "per_layer": 3, "seed": 2},
    "drawn and limited": {"select": "random", "per_layer": 3, "limit": 4},
    "the best": {"select": "top", "limit": 6},
}


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        *((source, asked) for source in ("n.jsonl", "n.parquet", "several") for asked in ASKED),
        # without these layers, and without scores
        *(
            (source, asked)
            for source in ("smollm2", "puzzles")
            for asked in ASKED
            if asked not in ("the best", "layers and index")
        ),
    ],
)
def test_the_shards_are_what_the_same_choice_takes_without_them(places, source, asked):
    named = str(places / source) if (places / source).exists() else source
    chosen = dict(ASKED[asked])
    if asked == "the best":
        chosen["scores"] = str(places / "s.csv")

    def ids(**more):
        return [neuron.id for neuron in loading.load(parse_choice(named, **chosen, **more))]

    parts = []
    for number in (1, 2, 3):
        with suppress(InputError):  # one that is empty
            parts.append(ids(shard=f"{number}/3"))
    every = ids()
    assert sorted(id_ for part in parts for id_ in part) == sorted(every)
    for part in parts:
        assert part == [id_ for id_ in every if id_ in part]


def test_no_other_neuron_is_read(places, monkeypatch):
    source = open_source(str(places / "n.parquet"))
    wanted = []

    class Watched:
        keys, scores = source.keys, source.scores

        def read(self, keys):
            wanted.extend(keys)
            return source.read(keys)

    monkeypatch.setattr(loading, "open_source", lambda _: Watched())
    neurons = list(loading.load(parse_choice("m", shard="2/3")))
    assert [key.id for key in wanted] == [neuron.id for neuron in neurons]
    assert 0 < len(neurons) < 8


def test_an_empty_shard_is_said_to_be_one(places):
    keys = [NeuronKey(neuron.id, neuron.layer, neuron.neuron) for neuron in EIGHT[:2]]
    empty = next(number for number in range(1, 4) if not take(keys, number, 99))
    expected = rf"shard={empty}/99: none of the 2 chosen neurons falls into it, so there is nothing"
    with pytest.raises(UsageError, match=expected):
        summary(neurons=str(places / "n.jsonl"), limit=2, shard=f"{empty}/99", check=False)


# Whole evals ---------------------------------------------------------------------------------


def roles():
    return {"embedder": fake_embedder(lambda text: [float(len(text)), 1.0]).model}


def ids_of(log):
    assert log.status == "success", log.error
    return {str(sample.id) for sample in log.samples}


TASKS = {
    "a format": lambda **chosen: summary(excerpts=2, simulation="none", **chosen),
    "given": lambda **chosen: given_task("lexical", excerpts=2, simulation="none", **chosen),
    "sanity": lambda **chosen: sanity(excerpts=2, **chosen),
}


@pytest.mark.parametrize("name", TASKS)
def test_every_task_that_takes_neurons_takes_a_shard_and_the_log_says_which(places, name):
    neurons = str(places / "n.jsonl")
    logs = [
        run_eval(
            TASKS[name](neurons=neurons, shard=f"{number}/2"),
            model="neuron-baseline/lexical",
            model_roles=roles(),
        )[0]
        for number in (1, 2)
    ]
    assert ids_of(logs[0]) | ids_of(logs[1]) == {neuron.id for neuron in EIGHT}
    assert not ids_of(logs[0]) & ids_of(logs[1])
    for number, log in enumerate(logs, 1):
        about = log.eval.metadata
        assert about["shard"] == {
            "shard": f"{number}/2", "neurons": len(log.samples), "neurons_of_all": 8,
        }  # fmt: skip
        assert about["neurons_used"] == len(log.samples)


def test_what_is_rated_can_be_sharded(places):
    table = str(places / "s.csv")
    parts = [
        load_explained(table, str(places / "n.jsonl"), limit=6, shard=f"{number}/2")
        for number in (1, 2)
    ]
    ids = [[neuron.id for neuron in part.neurons] for part in parts]
    whole = load_explained(table, str(places / "n.jsonl"), limit=6)
    assert sorted(ids[0] + ids[1]) == sorted(neuron.id for neuron in whole.neurons)
    assert parts[0].about["shard"] == {
        "shard": "1/2", "neurons": len(ids[0]), "neurons_of_all": 6,
    }  # fmt: skip
    assert "shard" not in whole.about
    with pytest.raises(InputError, match=r"^shard='6/2'"):
        load_explained(table, str(places / "n.jsonl"), shard="6/2")


def test_the_shards_of_a_set_are_tasks_of_their_own_and_resumed(places, tmp_path):
    """A shard fails at first; the set is run again, and only that shard is."""
    asked = []

    def embed(text):
        asked.append(text)
        if len(asked) == 1:
            raise RuntimeError("away")
        return [float(len(text)), 1.0]

    def run():
        tasks = [
            summary(neurons=str(places / "n.jsonl"), excerpts=2, shard=f"{number}/2", check=False)
            for number in (1, 2)
        ]
        embedder = fake_embedder(embed).model
        return eval_set(
            tasks,
            model="neuron-baseline/lexical",
            model_roles={"embedder": embedder},
            log_dir=str(tmp_path),
            retry_attempts=0,
            retry_immediate=False,
            fail_on_error=True,
            max_tasks=1,
        )

    done, logs = run()
    assert (done, sorted(log.status for log in logs)) == (False, ["error", "success"])
    (kept,) = [log.eval.run_id for log in logs if log.status == "success"]
    done, logs = run()
    assert done
    assert len(logs) == 2
    assert kept in [log.eval.run_id for log in logs]
    assert {log.eval.metadata["shard"]["shard"] for log in logs} == {"1/2", "2/2"}
