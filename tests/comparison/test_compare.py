"""`neuron-eval compare`: what will be run, what it will take, and that nothing is bought twice."""

import asyncio
import json
import socket
from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from inspect_ai.log import list_eval_logs, read_eval_log

from neuron_eval.cli import compare as command
from neuron_eval.cli.compare import compare, shipped
from neuron_eval.comparison import remote
from neuron_eval.comparison.costs import Range
from neuron_eval.comparison.counting import (
    EXPLANATION,
    Counted,
    Embedded,
    Size,
    count,
    requests,
)
from neuron_eval.comparison.estimate import estimate
from neuron_eval.comparison.finished import Finished, find_finished
from neuron_eval.comparison.plan import make_plan, named
from neuron_eval.comparison.present import assumptions, between, money, number, total
from neuron_eval.comparison.remote import expected, is_remote
from neuron_eval.comparison.running import LONG, served_here
from neuron_eval.dataset import neuron_set
from neuron_eval.formats import format_names
from neuron_eval.logs.spending import EXPLAINER
from neuron_eval.models.tokencount import TokenCounter
from neuron_eval.prompts.pack import default_pack
from neuron_eval.records import ActivationRecord, Excerpt
from neuron_eval.reporting.cost import Price, charged
from neuron_eval.simulation import ways
from neuron_eval.simulation.asking import Asker
from neuron_eval.simulation.chat import ChatSimulation
from neuron_eval.simulation.per_token import PerTokenSimulation
from neuron_eval.simulation.sparse import SparseSimulation
from neuron_eval.sources import schema
from neuron_eval.sources.choosing import Choice, parse_choice
from neuron_eval.testing import fake_embedder, fake_explainer, fake_simulator, make_neuron

PACK = default_pack()


# What will be run


def test_a_plan_is_every_format_with_every_explainer_each_once():
    made = plan(formats=["summary", "original", "summary"], models=["test/a", "test/b", "test/a"])
    assert made.cells == (
        ("summary", "test/a"),
        ("summary", "test/b"),
        ("original", "test/a"),
        ("original", "test/b"),
    )
    assert made.roles == {"simulator": "test/s", "embedder": "test/e"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": ["sumary"]}, "format='sumary': allowed are original, summary"),
        ({"formats": []}, "name at least one of original"),
        ({"models": []}, "name at least one explainer"),
        ({"models": ["gpt-4"]}, "'gpt-4': expected PROVIDER/MODEL"),
        ({"epochs": 0}, "epochs=0: expected a whole number of at least 1"),
        ({"parameters": {"simulation": "magic"}}, "simulation='magic': allowed are auto"),
        ({"parameters": {"calibration": "cubic"}}, "calibration='cubic'"),
        ({"parameters": {"headline": "best"}}, "headline='best'"),
        ({"parameters": {"simulation": "none"}}, "test/s: has no part in simulation=none"),
        ({"parameters": {"select": "random", "threshold": 0.5}}, "threshold=0.5"),
        ({"simulator": "neuron-baseline/lexical"}, "neuron-baseline/lexical cannot simulate"),
        (
            {
                "simulator": None,
                "models": ["neuron-baseline/lexical"],
                "parameters": {"simulation": "chat"},
            },
            "neuron-baseline/lexical cannot simulate",
        ),
    ],
)
def test_what_cannot_be_run_is_refused_by_name_and_value(options, message):
    with pytest.raises(ValueError, match=message):
        plan(**options)


def test_a_parameter_that_equals_its_default_is_left_out_so_that_logs_are_the_same():
    given = {"neurons": "smollm2", "excerpts": 5, "limit": None, "seed": 3, "simulation": "auto"}
    assert named(given) == {"seed": 3}


def test_ways_that_only_asking_can_tell_are_all_listed():
    assert plan().ways("test/a", PACK) == ("sparse", "all_at_once")
    assert plan(simulator="openai/o3").ways("test/a", PACK) == ("sparse",)
    without = {name: w for name, w in PACK.simulation.items() if name != "all_at_once"}
    assert plan().ways("test/a", replace(PACK, simulation=without)) == ("sparse",)
    del without["sparse"]
    assert plan().ways("test/a", replace(PACK, simulation=without)) == ("chat",)
    assert plan(parameters={"simulation": "chat"}).ways("test/a", PACK) == ("chat",)
    assert plan(simulator=None, parameters={"simulation": "none"}).ways("test/a", PACK) == ()
    baseline = plan(simulator=None, models=["neuron-baseline/lexical"])
    assert baseline.ways("neuron-baseline/lexical", PACK) == ("embedding",)


# What neurons take


WAYS = {
    "chat": lambda asker: ChatSimulation(asker, PACK.simulation["chat"], 4),
    "sparse": lambda asker: SparseSimulation(asker, PACK.simulation["sparse"]),
    "per_token": lambda asker: PerTokenSimulation(asker, PACK.simulation["per_token"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_requests_that_are_counted_are_those_that_a_simulator_gets(neurons, way):
    dealt = neuron_set(neurons).neurons[0].dealt
    fake = fake_simulator(
        lambda _, tokens: [0.0] * len(tokens), excerpts=[e.record.tokens for e in dealt.valid]
    )
    asker = Asker(fake.model, named=True, reasoning=False)
    asyncio.run(WAYS[way](asker)(EXPLANATION, dealt.valid))
    found = list(requests(way, "neuron-fake/simulator", dealt.valid, plan(), PACK, BY_WORD))
    assert len(found) == len(fake.requests) == {"chat": 3, "sparse": 2}.get(way, tokens_of(dealt))
    assert sorted(size.input for size in found) == sorted(
        BY_WORD.count_messages(messages) for messages in fake.requests
    )


def tokens_of(dealt):
    return sum(len(excerpt.record.tokens) for excerpt in dealt.valid)


def test_all_at_once_takes_a_request_an_excerpt_and_a_token_of_reply(neurons):
    dealt = neuron_set(neurons).neurons[0].dealt
    found = list(requests("all_at_once", "test/s", dealt.valid, plan(), PACK, BY_WORD))
    assert [(size.requests, size.output) for size in found] == [(1, 1)] * 10
    short, long = min(found, key=lambda s: s.input), max(found, key=lambda s: s.input)
    assert 0 < short.input <= long.input


def replies(way, excerpts, per_call=10):
    found = ways()[way].requests(EXPLANATION, excerpts, PACK, "test/s", per_call)
    return [reply for _, reply in found]


def test_replies_are_a_value_a_token_or_only_what_fires(neurons):
    silent = [
        Excerpt("random", 0, ActivationRecord((" a", " b"), (0.0, -1.0))),
        Excerpt("random", 1, ActivationRecord((" c",), (0.0,))),
    ]
    assert replies("chat", silent) == ["A\n1: 0\n2: 0\nB\n1: 0"]
    assert replies("chat", silent[:1]) == ["1: 0\n2: 0"]
    dealt = neuron_set(neurons).neurons[0].dealt
    (reply,) = replies("sparse", dealt.valid)
    lines = reply.splitlines()
    assert lines[0].startswith('A: " cat":')
    assert len(lines) == 10
    assert replies("sparse", silent[:1]) == ["A: none"]


def test_calibration_doubles_what_the_simulator_is_asked(neurons):
    chosen = neuron_set(neurons)

    def counted(**parameters):
        made = plan(parameters={"simulation": "chat", **parameters})
        return count(chosen, made, PACK, lambda _: BY_WORD, "test/e")

    both, alone = counted(calibration="linear"), counted()
    assert both.simulated["chat", "test/s"].requests == 6
    assert alone.simulated["chat", "test/s"].requests == 3
    assert both.neurons == 3
    assert set(both.prompts) == set(plan().cells)
    assert set(both.prompts["original", "test/a"]) == {f"test/L{i}N{i}" for i in range(3)}
    assert both.explanations["test/a"] == 12
    assert both.embedded == Embedded(1.0, 3.0, 0.0, 0.0)  # "the word cat"


# Estimates, by hand

COUNTED = Counted(
    neurons=2,
    prompts={
        ("original", "test/a"): {"x": 1000, "y": 2000},
        ("summary", "test/a"): {"x": 100, "y": 300},
        ("original", "test/b"): {"x": 1000, "y": 2000},
        ("summary", "test/b"): {"x": 100, "y": 300},
    },
    simulated={
        ("all_at_once", "test/s"): Size(10, 5000, 10),
        ("chat", "test/s"): Size(3, 4000, 2000),
        ("sparse", "test/s"): Size(2, 1000, 100),
    },
    explanations={"test/a": 12, "test/b": 14, "test/e": 13, "test/s": 12},
    embedded=Embedded(referenced=0.5, reference_tokens=4, word_tokens=0, word_requests=0),
    label="words",
)

PRICES = {
    "test/a": Price("prices file", 1.0, 10.0),
    "test/b": Price("prices file", 100.0, 1000.0),
    "test/s": Price("prices file", 2.0, 4.0),
    "test/e": Price("prices file", 0.5),
}


def estimated(made=None, counted=COUNTED, done=None, prices=PRICES):
    return estimate(made or plan(), PACK, counted, done or Finished(), prices.get, "test/e")


def line(found, role, model, format):
    (one,) = [o for o in found.lines if (o.role, o.model, o.format) == (role, model, format)]
    return one


def test_an_explainer_takes_its_prompts_and_a_dozen_words_each():
    one = line(estimated(), EXPLAINER, "test/b", "original")
    assert one.requests == Range(2, 2, 2)
    assert one.input == Range(3000, 3000, 3000)
    assert one.output == Range(14, 28, 98)
    assert one.dollars.low == pytest.approx(0.3 + 0.014)
    assert one.dollars.expected == pytest.approx(0.3 + 0.028)
    assert one.dollars.high == pytest.approx(0.3 + 0.098)


def test_a_simulator_shared_by_explainers_is_one_line_a_format_with_bounds_over_the_ways():
    one = line(estimated(), "simulator", "test/s", "summary")
    assert one.explanations == 4
    # sparse is expected, and may be asked twice; all_at_once is asked once per excerpt
    assert one.requests == Range(8, 8, 40)
    assert one.input == Range(4000, 4000, 20_000)
    # sparse: 4 x 100, half to 3.5 times as long; all_at_once: 4 x 10
    assert one.output == Range(40, 400, 1400)
    # sparse: 4 x (1000 x 2 + 100 x 4), at least with 50; all_at_once: 4 x (5000 x 2 + 10 x 4)
    assert one.dollars.expected == pytest.approx(0.0096)
    assert one.dollars.low == pytest.approx(0.0088)
    assert one.dollars.high == pytest.approx(0.04016)


def test_an_embedder_gets_each_explanation_that_has_a_reference_and_each_reference_once():
    one = line(estimated(), "embedder", "test/e", "")
    assert one.explanations == 4  # half of 8
    assert one.requests == Range(5, 5, 5)
    assert one.input == Range(60, 60, 60)  # 4 explanations of 13 tokens, 2 references of 4
    assert one.dollars.high == pytest.approx(60 * 0.5 / 1e6)


def test_what_is_done_is_left_out_neuron_by_neuron_and_epoch_by_epoch():
    done = Finished({("original", "test/a"): {"y": 1}, ("summary", "test/a"): {"x": 2, "y": 2}})
    found = estimated(plan(epochs=2, models=["test/a"]), done=done)
    original = line(found, EXPLAINER, "test/a", "original")
    assert original.explanations == 3
    assert original.input == Range(4000, 4000, 4000)  # 2 x 1000 + 2000
    assert line(found, EXPLAINER, "test/a", "summary").requests == Range(0, 0, 0)
    assert found.explanations == 3
    assert found.finished == 5


def test_when_all_is_done_nothing_is_left_to_buy():
    done = Finished({cell: {"x": 1, "y": 1} for cell in plan().cells})
    found = estimated(done=done, prices={})
    assert found.requests == Range()
    assert found.unpriced == ()
    assert total(found) == "$0.00"


def test_an_unknown_price_is_unknown_and_the_total_at_least():
    found = estimated(prices={"test/a": PRICES["test/a"]})
    assert line(found, "simulator", "test/s", "original").dollars is None
    assert found.unpriced == ("test/b", "test/s", "test/e")
    assert total(found).startswith("at least ")
    assert total(estimated(prices={})) == "unknown"


def test_a_price_that_lacks_the_rate_of_a_reply_leaves_the_cost_unknown():
    assert charged((1000, 0, 0, 0), Price("prices file", 0.5)) == pytest.approx(0.0005)
    assert charged((1000, 5, 0, 0), Price("prices file", 0.5)) is None


def test_a_model_on_the_own_machine_needs_no_price():
    made = plan(models=["vllm/x"], simulator=None)
    counted = replace(
        COUNTED,
        prompts={(f, "vllm/x"): {"x": 1.0} for f in made.formats},
        simulated={(way, "vllm/x"): size for (way, _), size in COUNTED.simulated.items()},
        explanations={"vllm/x": 12, "test/e": 12},
    )
    found = estimated(made, counted)
    assert found.unpriced == ()
    assert total(found) == "below $0.01"  # the embedder's


def test_a_model_that_reasons_costs_at_least_what_is_counted():
    made = plan(models=["openai/o3"], simulator=None, parameters={"simulation": "none"})
    counted = replace(
        COUNTED,
        prompts={(f, "openai/o3"): {"x": 1e6} for f in made.formats},
        explanations={"openai/o3": 12, "test/e": 12},
    )
    found = estimated(made, counted, prices={**PRICES, "openai/o3": Price("prices file", 1.0, 1.0)})
    assert total(found) == "at least $2.00"
    assert any("openai/o3: reasons" in note for note in assumptions(made, PACK, counted, found))


def test_without_a_number_of_neurons_the_estimate_is_for_one():
    counted = replace(COUNTED, neurons=None, stand_in="not here")
    one = line(estimated(counted=counted), EXPLAINER, "test/a", "original")
    assert one.explanations == 1
    assert one.input == Range(1500, 1500, 1500)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (9_999, "9,999"), (10_000, "10.0 k"), (999_600, "1.00 M"), (2.5e9, "2.50 G")],
)
def test_counts_are_short(value, text):
    assert number(value) == text


def test_bounds_are_stated_only_where_they_differ():
    assert between(Range(5, 5, 5)) == "5"
    assert between(Range(26_200_000, 30_000_000, 115_000_000)) == "26.2 – 115 M"
    assert between(Range(3840, 4000, 19_200)) == "3,840 – 19.2 k"
    assert money(Range(1, 2, 2.5)) == "$1.00 – $2.50"
    assert money(Range(0.001, 0.001, 0.001)) == "below $0.01"


# Neurons that are elsewhere


@pytest.mark.parametrize(
    ("options", "neurons", "exact"),
    [
        ({"select": "random"}, 960, True),
        ({"select": "random", "per_layer": 3, "layers": "0-9"}, 30, True),
        ({"select": "random", "limit": 100}, 100, True),
        ({"layers": "5", "index": "0-6"}, 7, True),
        ({"select": "interpretable"}, 960, False),
        ({"select": "top_per_layer", "layers": "0,1", "per_layer": 5}, 10, False),
        ({"select": "top"}, 1000, False),
        ({"select": "top", "layers": "0", "index": "0-9"}, 10, False),
    ],
)
def test_how_many_neurons_of_gpt2_xl_a_choice_gives_is_known_without_asking(
    options, neurons, exact
):
    found = expected(parse_choice("openai:gpt2-xl", **options))
    assert found.neurons == neurons
    assert found.why.startswith("at most") is not exact


def test_with_a_file_of_scores_the_number_is_exact(tmp_path):
    scores = tmp_path / "scores.csv"
    scores.write_text("layer,neuron,score,explanation\n0,1,0.5,a\n0,2,0.4,b\n3,4,0.1,c\n")
    choice = parse_choice("openai:gpt2-xl", select="interpretable", scores=str(scores))
    assert expected(choice).neurons == 2


def test_a_source_of_unknown_size_takes_its_limit_or_says_that_it_is_unknown():
    assert expected(Choice("hub:a/b", limit=7)).neurons == 7
    assert expected(Choice("hub:a/b")).neurons is None


def test_neurons_of_the_container_are_here_once_all_their_files_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("NEURON_EVAL_CACHE_DIR", str(tmp_path))
    choice = parse_choice("openai:gpt2-xl", layers="5", index="1-2")
    assert is_remote(choice)
    for part, ending in (("collated-activations", "json"), ("explanations", "jsonl")):
        for neuron in (1, 2):
            file = tmp_path / "openai" / "gpt2-xl" / part / "5" / f"{neuron}.{ending}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("{}")
    assert not is_remote(choice)
    assert not is_remote(Choice("smollm2"))
    assert is_remote(Choice("hub:a/b"))


def test_more_excerpts_than_the_bundled_neurons_have_are_scaled_from_those():
    fewer = replace(COUNTED, prompts={c: {"x": 80.0} for c in COUNTED.prompts})
    found = replace(COUNTED, prompts={c: {"x": 100.0} for c in COUNTED.prompts})
    more = remote.scaled(found, fewer, 5, 10)
    assert more.prompts["summary", "test/a"] == {"x": 200.0}
    assert more.simulated["sparse", "test/s"] == Size(4, 2000, 200)


def test_each_neuron_that_is_elsewhere_may_have_a_reference():
    halved = replace(COUNTED, embedded=Embedded(0.5, 4.0, 0.0, 0.0))
    made = plan(parameters={"neurons": "openai:gpt2-xl", "select": "random"})
    found = remote.stand_in(made, remote.Expected(960, "so many"), lambda _: halved)
    assert found.neurons == 960
    assert found.embedded == Embedded(1.0, 8.0, 0.0, 0.0)
    assert "so many" in found.stand_in


@pytest.mark.parametrize(("which", "times"), [("top_random", 1), ("random", 0.5), ("quantiles", 4)])
def test_neurons_that_are_elsewhere_are_counted_with_what_would_be_scored(which, times):
    made = plan(parameters={"neurons": "openai:gpt2-xl", "excerpts_scored": which})
    referenced = replace(COUNTED, embedded=Embedded(0.5, 4.0, 0.0, 0.0))
    found = remote.stand_in(made, remote.Expected(960, "so many"), lambda _: referenced)
    usual = COUNTED.simulated["sparse", "test/s"]
    assert found.simulated["sparse", "test/s"] == usual.times(times)


# The command


def invoke(*options, **more):
    return CliRunner().invoke(compare, [str(option) for option in options], **more)


@pytest.mark.parametrize("option", ["--models", "--embedder", "--simulator"])
def test_a_provider_that_nobody_has_is_refused_before_anything_runs(option, neurons, log_dir):
    done = invoke(*asking(neurons, log_dir), option, "opnai/gpt-4o")
    assert done.exit_code == 1
    assert "opnai/gpt-4o: opnai is no provider" in done.output
    assert not list(list_eval_logs(log_dir))


def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("name", shipped())
def test_the_experiments_of_the_paper_are_estimated_offline_and_without_a_key(
    name, tmp_path, monkeypatch
):
    monkeypatch.setenv("NEURON_EVAL_CACHE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    no_network(monkeypatch)
    done = invoke("--config", name, "--dry-run", "--formats", "summary", "--prices", "none")
    assert done.exit_code == 0, done.output
    count = "1,000" if name == "paper/top" else "960"
    assert f"{count} neurons; 1 format; 2 explainers." in done.output
    assert "The records of openai:gpt2-xl are not on this machine" in done.output
    assert "Unknown prices: openai/gpt-4.1-mini, openai/gpt-4.1" in done.output
    assert list(tmp_path.iterdir()) == []


def test_the_paper_has_four_experiments():
    assert shipped() == [
        "paper/random",
        "paper/random-interpretable",
        "paper/top",
        "paper/top-per-layer",
    ]


def test_a_dry_run_calls_no_model_and_writes_nothing(neurons, log_dir, tmp_path):
    explainer = fake_explainer("the word cat")
    done = invoke(*asking(neurons, log_dir), "--dry-run")
    assert done.exit_code == 0, done.output
    assert "3 neurons; 1 format; 1 explainer." in done.output
    assert explainer.requests == []
    assert not (tmp_path / "compared").exists()


def knows(explanation, tokens):
    """Fires on the words that the explanation names."""
    named_words = set(explanation.split()) - {"the", "word"}
    return [9.5 if t.strip() in named_words else 0.25 * (i % 2) for i, t in enumerate(tokens)]


def letters(text):
    return [text.count(c) + 0.1 for c in "abcdefghijklmnopqrstuvwxyz"]


def asking(neurons, log_dir, *more):
    return (
        "--neurons", neurons, "--log-dir", log_dir, "--formats", "summary",
        "--models", "neuron-fake/explainer", "--simulator", "neuron-fake/simulator",
        "--embedder", "neuron-fake/embedder", "--simulation", "chat", "--calibration", "none",
        *more,
    )  # fmt: skip


@pytest.fixture
def fakes():
    """An explainer and a simulator that break on the words in ``broken``."""
    broken = {"explainer": "", "simulator": ""}

    def explain(prompt):
        (word,) = [
            w.strip() for w in WORDS if w in prompt.rpartition("Excerpts and activations:")[2]
        ]
        if word == broken["explainer"]:
            raise RuntimeError(f"the explainer broke on {word}")
        return f"the word {word}"

    def simulate(explanation, tokens):
        if broken["simulator"] and broken["simulator"] in explanation:
            raise RuntimeError("the simulator broke")
        return knows(explanation, tokens)

    return SimpleNamespace(
        broken=broken,
        explainer=fake_explainer(explain),
        simulator=fake_simulator(simulate),
        embedder=fake_embedder(letters),
    )


def statuses(log_dir):
    return {
        read_eval_log(info, header_only=True).status: len(read_eval_log(info).samples)
        for info in list_eval_logs(log_dir)
    }


def test_a_second_run_asks_only_for_what_the_first_did_not_finish(neurons, log_dir, fakes):
    fakes.broken["explainer"] = "dog"
    options = asking(neurons, log_dir, "--yes", "--retries", "0", "--no-report")
    first = invoke(*options)
    assert first.exit_code == 1, first.output
    assert "the explainer broke on dog" in first.output
    assert "the same command goes on from there" in first.output
    assert len(fakes.simulator.requests) == 2 * 3
    asked_before = len(fakes.explainer.requests)

    fakes.broken["explainer"] = ""
    again = invoke(*options)
    assert again.exit_code == 0, again.output
    assert "2 explanations are in the log folder already" in again.output
    assert len(fakes.explainer.requests) == asked_before + 1
    assert len(fakes.simulator.requests) == 3 * 3
    assert statuses(log_dir) == {"success": 3}

    third = invoke(*options)
    assert third.exit_code == 0, third.output
    assert len(fakes.explainer.requests) == asked_before + 1
    assert len(fakes.simulator.requests) == 3 * 3


def test_an_explanation_whose_simulation_broke_is_not_bought_again(neurons, log_dir, fakes):
    fakes.broken["simulator"] = "tree"
    options = asking(neurons, log_dir, "--yes", "--retries", "0", "--no-report")
    assert invoke(*options).exit_code == 1
    assert len(fakes.explainer.requests) == 3
    fakes.broken["simulator"] = ""
    assert invoke(*options).exit_code == 0
    assert len(fakes.explainer.requests) == 3
    assert statuses(log_dir) == {"success": 3}


def test_controls_ask_no_explainer_run_once_with_a_named_simulator_and_go_on(
    neurons, log_dir, fakes
):
    options = asking(neurons, log_dir, "--yes", "--epochs", "2", "--no-report")
    assert invoke(*options).exit_code == 0
    explained, simulated = len(fakes.explainer.requests), len(fakes.simulator.requests)
    done = invoke(*options, "--controls", "--dry-run")
    assert "6 explanations are in the log folder already" in done.output
    assert "shuffled" in done.output
    done = invoke(*options, "--controls")
    assert done.exit_code == 0, done.output
    logs = [read_eval_log(info) for info in list_eval_logs(log_dir)]
    named = {log.eval.task.rpartition("/")[2]: log for log in logs}
    assert set(named) == {"summary", "reference", "lexical", "generic", "shuffled"}
    assert {log.eval.model for name, log in named.items() if name != "summary"} == {"none/none"}
    assert {len(log.samples) for name, log in named.items() if name != "summary"} == {3}
    assert len(fakes.explainer.requests) == explained
    asked = len(fakes.simulator.requests)
    assert asked > simulated
    again = invoke(*options, "--controls")
    assert again.exit_code == 0, again.output
    assert len(fakes.simulator.requests) == asked
    without = invoke(*options)
    assert without.exit_code == 0, without.output
    assert "other settings" not in without.output
    other = invoke(*options, "--controls", "--excerpts", "1")
    assert other.exit_code != 0
    assert "holds logs of other settings" in " ".join(other.output.split())


def test_controls_are_scored_by_each_explainer_where_no_simulator_is_named():
    made = plan(models=["test/a", "test/b"], simulator=None, controls=True)
    assert {model for _, model in made.control_cells} == {"test/a", "test/b"}
    assert len(made.control_cells) == 8
    named_ = plan(models=["test/a", "test/b"], controls=True)
    assert {model for _, model in named_.control_cells} == {"none/none"}
    assert plan().control_cells == ()
    puzzles = plan(controls=True, parameters={"neurons": "puzzles"})
    assert puzzles.controls == ("reference", "lexical", "generic", "shuffled", "false")


def test_another_folder_explains_anew(neurons, tmp_path, fakes):
    for folder in ("one", "two"):
        done = invoke(*asking(neurons, tmp_path / folder, "--yes", "--no-report"))
        assert done.exit_code == 0, done.output
    assert len(fakes.explainer.requests) == 6


def test_failed_samples_are_tried_again_within_one_run(neurons, log_dir, fakes):
    left = ["dog"]

    def explain(prompt):
        if left and left[0] in prompt.rpartition("Excerpts and activations:")[2]:
            raise RuntimeError(f"broke once on {left.pop()}")
        return "the word cat"

    fakes.explainer = fake_explainer(explain)
    done = invoke(*asking(neurons, log_dir, "--yes", "--no-report"))
    assert done.exit_code == 0, done.output
    assert len(fakes.explainer.requests) == 4


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("http://127.0.0.1:8080/v1", True),
        ("http://localhost:8080/v1", True),
        ("http://[::1]:8080/v1", True),
        ("http://192.0.2.7:8080/v1", False),
        ("https://localhost.example.org/v1", False),
    ],
)
def test_a_server_of_this_machine_is_told_by_its_address(monkeypatch, address, here):
    monkeypatch.setenv("MINE_BASE_URL", address)
    monkeypatch.setenv("MINE_API_KEY", "none")
    # Inspect keeps a model, and its address, by name
    assert served_here(f"openai-api/mine/{urlsplit(address).hostname}") is here


@pytest.mark.parametrize(
    ("here", "options", "at_once"),
    [(True, (), 1), (True, ("--max-tasks", "2"), 2), (False, (), None)],
)
def test_formats_run_one_after_the_other_where_the_server_is_on_this_machine(
    neurons, log_dir, fakes, monkeypatch, here, options, at_once
):
    monkeypatch.setattr("neuron_eval.comparison.running.served_here", lambda model: here)
    done = invoke(*asking(neurons, log_dir, "--yes", "--no-report", *options))
    assert done.exit_code == 0, done.output
    (info,) = list_eval_logs(log_dir)
    wanted = read_eval_log(info, header_only=True).eval.config.max_tasks
    assert wanted == at_once if at_once else wanted != 1


def test_more_epochs_are_added_to_those_that_are_done(neurons, log_dir, fakes):
    options = asking(neurons, log_dir, "--yes", "--no-report")
    assert invoke(*options).exit_code == 0
    more = invoke(*options, "--epochs", "2")
    assert more.exit_code == 0, more.output
    assert "3 explanations are in the log folder already" in more.output
    assert len(fakes.explainer.requests) == 6
    assert statuses(log_dir) == {"success": 6}


def test_a_folder_of_other_settings_is_refused_with_what_to_do(neurons, log_dir, fakes):
    options = asking(neurons, log_dir, "--yes", "--no-report")
    assert invoke(*options).exit_code == 0
    other = invoke(*options, "--seed", "7")
    assert other.exit_code == 1
    assert "holds 1 logs of other settings" in other.output
    assert "or another --log-dir" in other.output
    assert len(fakes.explainer.requests) == 3


def test_logs_are_those_of_the_tasks_by_name(neurons, log_dir, fakes):
    assert invoke(*asking(neurons, log_dir, "--yes", "--no-report")).exit_code == 0
    (info,) = list_eval_logs(log_dir)
    spec = read_eval_log(info, header_only=True).eval
    assert spec.task.rpartition("/")[2] == "summary"
    assert spec.task_args_passed == {"neurons": neurons, "simulation": "chat"}
    assert spec.metadata["task_format"] == "summary"
    assert spec.model_generate_config.cache.expiry == LONG


def test_the_report_follows_with_every_format_and_baseline(neurons, log_dir, fakes, monkeypatch):
    from neuron_eval.cli import report as report_command

    asked_for = []
    monkeypatch.setattr(
        report_command, "print_report", lambda *args, **options: asked_for.append((args, options))
    )
    done = invoke(*asking(neurons, log_dir, "--yes", "--out", log_dir + "-report"))
    assert done.exit_code == 0, done.output
    ((places,), options) = asked_for[0]
    assert places == [log_dir]
    assert str(options["out"]) == log_dir + "-report"
    assert options["baseline"] == "summary"


def test_the_baseline_runs_the_whole_comparison_here_and_prints_the_report(log_dir):
    pytest.importorskip("onnxruntime")
    done = invoke(
        "--models", "neuron-baseline/lexical", "--embedder", "embed-local/minilm",
        "--limit", "3", "--formats", "original,summary", "--log-dir", log_dir,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "own machine" in done.output
    assert done.output.count("original") >= 2
    assert "AdaCS" in done.output
    assert len(list_eval_logs(log_dir)) == 2


def test_what_is_done_is_read_from_the_logs_of_the_same_settings_only(neurons, log_dir, fakes):
    assert find_finished(log_dir, plan()) == Finished()
    assert invoke(*asking(neurons, log_dir, "--yes", "--no-report")).exit_code == 0
    made = make_plan(
        formats=["summary"],
        models=["neuron-fake/explainer"],
        simulator="neuron-fake/simulator",
        embedder="neuron-fake/embedder",
        epochs=1,
        parameters={"neurons": neurons, "simulation": "chat"},
    )
    assert find_finished(log_dir, made).of(("summary", "neuron-fake/explainer")) == {
        f"test/L{i}N{i}": 1 for i in range(3)
    }
    other = find_finished(log_dir, replace(made, simulator="neuron-fake/other"))
    assert other.total == 0
    assert len(other.others) == 1


# Asking before money is spent


def test_without_a_terminal_an_unknown_cost_needs_yes(neurons, log_dir, fakes):
    done = invoke(*asking(neurons, log_dir))
    assert done.exit_code == 1
    assert "no price for neuron-fake/explainer" in done.output
    assert "add --yes" in done.output
    assert fakes.explainer.requests == []


@pytest.fixture
def prices(tmp_path):
    path = tmp_path / "prices.yaml"
    rates = {"input": 1000, "output": 1000}
    names = ("explainer", "simulator", "embedder")
    path.write_text(json.dumps({f"neuron-fake/{name}": rates for name in names}))
    return path


@pytest.mark.parametrize(("answer", "exit_code", "explained"), [("n\n", 1, 0), ("y\n", 0, 3)])
def test_above_the_limit_it_asks(
    neurons, log_dir, fakes, prices, monkeypatch, answer, exit_code, explained
):
    monkeypatch.setattr(command, "_is_terminal", lambda: True)
    done = invoke(*asking(neurons, log_dir, "--prices", prices, "--no-report"), input=answer)
    assert "and --confirm-over is $5.00. Go on?" in done.output
    assert done.exit_code == exit_code
    assert len(fakes.explainer.requests) == explained


def test_below_the_limit_it_goes_on_without_asking(neurons, log_dir, fakes, prices):
    options = ("--prices", prices, "--confirm-over", "1000", "--no-report")
    done = invoke(*asking(neurons, log_dir, *options))
    assert done.exit_code == 0, done.output
    assert "Go on?" not in done.output


def test_stopped_from_the_keyboard_it_says_how_to_go_on(neurons, log_dir, fakes, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("neuron_eval.comparison.running.run", stopped)
    done = invoke(*asking(neurons, log_dir, "--yes"))
    assert done.exit_code == 130
    assert "Stopped." in done.output
    assert "the same command goes on from there" in done.output


def test_a_run_that_inspect_broke_off_is_no_success(neurons, log_dir, monkeypatch):
    monkeypatch.setattr("inspect_ai.eval_set", lambda *_, **__: (True, []))
    done = invoke(*asking(neurons, log_dir, "--yes"))
    assert done.exit_code == 130
    assert "the same command goes on from there" in done.output


# Configurations


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "run.yaml"
        path.write_text(text)
        return path

    return write


def test_what_is_typed_wins_over_the_file(neurons, config):
    models = "[neuron-fake/a, neuron-fake/b]"
    path = config(f"neurons: {neurons}\nmodels: {models}\nformats: original\nlimit: 2\n")
    done = invoke("--config", path, "--dry-run", "--limit", "1", "--formats", "summary,avhs")
    assert done.exit_code == 0, done.output
    assert "1 neuron; 2 formats; 2 explainers." in done.output
    assert "original" not in done.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modles: a/b", "'modles' is no option that a file can set; allowed are batch"),
        ("'yes': true", "'yes' is no option that a file can set"),
        ("dry-run: true", "'dry-run' is no option that a file can set"),
        ("excerpts: many", "excerpts='many': 'many' is not a valid integer"),
        ("excerpts: true", "excerpts=True: expected one value"),
        ("excerpts: 0", "excerpts=0: 0 is not in the range x>=1"),
        ("simulator: [a/b]", "simulator=['a/b']: expected one value"),
        ("models: {a: b}", "models={'a': 'b'}"),
        ("report: 5", "report=5: allowed are true, false"),
        ("scores: no-such.csv", "scores='no-such.csv'"),
        ("- models", "expected options with values"),
        ("models: [a", "not valid YAML"),
    ],
)
def test_a_bad_file_is_named_with_key_value_and_what_is_allowed(config, text, message):
    path = config(text)
    done = invoke("--config", path, "--dry-run")
    assert done.exit_code == 1
    assert f"{path}: " in done.output
    assert message in done.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"formats: summary\nmodels: [a\nepochs: 2\n",
            "while parsing a flow sequence (line 2, column 9), expected ',' or ']', but got ':' "
            "(line 3, column 7)",
        ),
        (
            b"formats: \xff",
            "unacceptable character #x00ff: invalid start byte (line 1, column 10)",
        ),
    ],
)
def test_a_file_that_is_no_yaml_is_one_line_with_file_line_and_column(config, content, message):
    path = config("")
    path.write_bytes(content)
    done = invoke("--config", path, "--dry-run")
    assert done.output == f"Error: {path}: not valid YAML: {message}\n"


def test_a_configuration_that_is_not_there_lists_those_that_ship():
    done = invoke("--config", "paper/other", "--dry-run")
    assert done.exit_code == 1
    assert "paper/random, paper/random-interpretable, paper/top" in done.output


def test_help_lists_the_configurations_that_ship():
    text = " ".join(invoke("--help").output.split())
    for name in shipped():
        assert name in text


def test_ranges_may_be_numbers_or_lists_in_a_file(config):
    path = config("models: neuron-fake/a\nlayers: [0, 2-3]\nindex: 5\nneurons: openai:gpt2-xl\n")
    done = invoke("--config", path, "--dry-run", "--formats", "summary")
    assert done.exit_code == 0, done.output
    assert "3 neurons; 1 format; 1 explainer." in done.output


def test_without_models_it_says_what_to_name():
    done = invoke("--dry-run")
    assert done.exit_code == 1
    assert "name at least one explainer, such as" in done.output


def test_all_five_formats_are_the_default(neurons):
    done = invoke("--models", "neuron-fake/a", "--neurons", neurons, "--dry-run")
    assert f"{len(format_names())} formats" in done.output


WORDS = [" cat", " dog", " tree"]

BY_WORD = TokenCounter("words", exact=True, count_text=lambda text: len(text.split()))


@pytest.fixture
def neurons(tmp_path):
    path = tmp_path / "neurons.jsonl"
    made = [
        make_neuron(f"test/L{i}N{i}", word, layer=i, neuron=i, reference=f"the word{word}")
        for i, word in enumerate(WORDS)
    ]
    schema.write(path, made)
    return str(path)


@pytest.fixture
def log_dir(tmp_path):
    return str(tmp_path / "compared")


def plan(**options):
    parameters = options.pop("parameters", {})
    options = {
        "formats": ["original", "summary"],
        "models": ["test/a", "test/b"],
        "simulator": "test/s",
        "embedder": "test/e",
        "epochs": 1,
        **options,
    }
    return make_plan(parameters=parameters, **options)
