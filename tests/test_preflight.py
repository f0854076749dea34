"""Before an eval each model is asked one short question, and a bad one ends it with a sentence."""

import logging
import re
import socket
import time

import pytest
from blob_server import BlobServer
from click.testing import CliRunner
from inspect_ai import eval
from inspect_ai.log import list_eval_logs
from inspect_ai.model import get_model
from scripted_server import Reply, ScriptedServer, embedded, said

from neuron_eval.cli.compare import compare
from neuron_eval.cli.given import given
from neuron_eval.inspect_private import PrerequisiteError
from neuron_eval.preflight import asking, embeds, says_something, simulates
from neuron_eval.preflight.asking import check_models
from neuron_eval.prompts.pack import default_pack
from neuron_eval.simulation import Simulator
from neuron_eval.tasks import formats, rate
from neuron_eval.tasks.given import given as given_task
from neuron_eval.testing import fake_explainer, fake_simulator
from neuron_eval.usage_error import UsageError


def test_a_server_that_is_not_there_ends_the_eval_before_its_first_sample(tmp_path):
    with pytest.raises(PrerequisiteError) as error:
        begun(f"http://127.0.0.1:{free_port()}/v1")
    assert re.fullmatch(
        r"The server of the explainer openai-api/test/model at http://127\.0\.0\.1:\d+/v1 cannot "
        r"be reached \(All connection attempts failed\); start it, or correct its address\. "
        r"-T check=false leaves this check out\.",
        str(error.value),
    )
    assert list_eval_logs(str(tmp_path / "logs")) == []


def test_a_judge_that_is_not_there_ends_the_eval_too():
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(UsageError, match="The server of the simulator openai-api/test/judge at"):
        eval(
            given_task, model="none", model_roles={"simulator": model_at(url, "judge")},
            task_args={**GIVEN, "judge": "detection"}, run_samples=False,
        )  # fmt: skip
    with pytest.raises(UsageError, match="no model judges: --model is none; name a judge with"):
        eval(given_task, model="none", task_args={**GIVEN, "judge": "fuzzing"}, run_samples=False)


GIVEN = {"neurons": "puzzles", "explanations": "reference", "simulation": "none"}


def test_a_server_that_never_answers_is_named(monkeypatch):
    monkeypatch.setattr(asking, "REACHED", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(UsageError, match=r"gave no answer within 0\.2 seconds; start it"):
            begun(address)


@pytest.mark.parametrize(
    ("status", "message"), [(401, "no such key"), (403, "not for you"), (404, "no such model")]
)
def test_a_wrong_key_or_model_is_told_after_one_request(status, message):
    with ScriptedServer(lambda path, body: Reply({"error": {"message": message}}, status)) as s:
        with pytest.raises(UsageError, match=rf"explainer .* status {status}: .*{message}\. -T ch"):
            begun(s.url)
        assert len(s.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_a_warning(status, caplog):
    with ScriptedServer(lambda path, body: Reply({"error": {"message": "wait"}}, status)) as s:
        check_models([says_something("rater", model_at(s.url))])
    (warning,) = [r.message for r in caplog.records if r.name == asking.__name__]
    assert f"status {status}" in warning
    assert warning.endswith("wait. This may pass: the eval goes on.")


def test_a_spent_quota_does_not_pass():
    error = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
    with (
        ScriptedServer(lambda path, body: Reply({"error": error}, 429)) as s,
        pytest.raises(UsageError, match="exceeded your current quota"),
    ):
        check_models([says_something("explainer", get_model(
            "openai/gpt-4o", base_url=s.url, api_key="x", memoize=False
        ))])  # fmt: skip


def test_a_slow_model_is_a_warning(caplog, monkeypatch):
    monkeypatch.setattr(asking, "ANSWERED", 0.2)

    def slow(path, body):
        time.sleep(1)
        return said("4")

    with ScriptedServer(slow) as s:
        check_models([says_something("explainer", model_at(s.url))])
    assert "took more than 0.2 seconds for a short question" in caplog.text


@pytest.mark.parametrize(
    ("way", "needs"),
    [("per_token", "log-probabilities of its replies"), ("all_at_once", "of the prompt, which")],
)
def test_a_simulator_without_log_probabilities_is_refused_where_the_way_needs_them(way, needs):
    with (
        ScriptedServer(lambda path, body: said("4")) as s,
        pytest.raises(UsageError, match=needs) as error,
    ):
        begun(s.url, simulation=way)
    assert "simulation=sparse" in str(error.value)
    assert "check=false" not in str(error.value)
    assert "What was tried" not in str(error.value)


def test_a_chat_model_is_no_embedder():
    with ScriptedServer(lambda path, body: said("4")) as s:
        model = model_at(s.url)
        with pytest.raises(UsageError, match=r"The embedder .* returned no embeddings\. The role"):
            begun(s.url, roles={"embedder": model})


def test_each_model_is_asked_once_in_each_role_and_not_again_by_a_later_eval(monkeypatch):
    def answer(path, body):
        return embedded(body) if path == "embeddings" else said("4")

    with ScriptedServer(answer) as s:
        monkeypatch.setenv("OPENAI_API_KEY", "x")
        monkeypatch.setenv("OPENAI_BASE_URL", s.url)
        for _ in range(2):
            simulator = model_at(s.url, "other")
            begun(s.url, roles={"simulator": simulator})
            begun(s.url, format="original")
        assert sorted(body["model"] for body in s.to("chat/completions")) == ["model", "other"]
        assert len(s.to("embeddings")) == 1


def test_a_server_that_has_gone_is_noticed_though_its_reply_is_cached():
    with ScriptedServer(lambda path, body: said("4")) as s:
        begun(s.url)
    with pytest.raises(UsageError, match="cannot be reached"):
        begun(s.url)


def test_no_neuron_is_fetched_before_the_models_are_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("NEURON_EVAL_CACHE_DIR", str(tmp_path / "kept"))
    dead = model_at(f"http://127.0.0.1:{free_port()}/v1")
    chosen = {"neurons": "openai:gpt2-xl", "layers": 1, "index": 0}
    with BlobServer(tmp_path) as server:
        monkeypatch.setenv("NEURON_EVAL_OPENAI_URL", server.url)
        for task, model, roles, more in (
            (formats.summary, dead, {}, {}),
            (given_task, "none", {"simulator": dead}, {"explanations": "reference"}),
        ):
            with pytest.raises(UsageError, match="cannot be reached"):
                eval(
                    task, model=model, model_roles=roles, run_samples=False,
                    task_args={**chosen, **more},
                )  # fmt: skip
        assert server.requests == []


def test_check_false_asks_nobody():
    log = begun(f"http://127.0.0.1:{free_port()}/v1", check=False)
    assert log.status == "started"


def test_check_is_true_or_false():
    with pytest.raises(UsageError, match="check='maybe': allowed are true, false"):
        begun("http://127.0.0.1:1/v1", check="maybe")


def test_what_costs_nothing_is_not_asked():
    fakes = [fake_explainer("cats"), fake_simulator(lambda explanation, tokens: [])]
    check_models([says_something("explainer", fake.model) for fake in fakes])
    assert [fake.requests for fake in fakes] == [[], []]
    for name in ("neuron-baseline/lexical", "mockllm/model", "none/none", "embed-local/minilm"):
        check_models([embeds(get_model(name))])


def test_a_simulator_that_cannot_simulate_is_refused_unasked():
    with pytest.raises(UsageError, match="neuron-baseline/lexical cannot simulate; name a sim"):
        eval(
            formats.summary, model="neuron-baseline/lexical", run_samples=False,
            task_args={"simulation": "chat"},
        )  # fmt: skip
    named = Simulator(get_model("neuron-baseline/lexical"), named=True)
    with pytest.raises(UsageError, match="cannot simulate"):
        simulates(named, "auto", default_pack())
    assert simulates(named, "embedding", default_pack()) is None


def test_the_rater_is_asked_first(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("id,a,b\nsmollm2/L2N1014,cats,dogs\n", encoding="utf-8")
    with ScriptedServer(lambda path, body: Reply({"error": {"message": "no key"}}, 401)) as s:
        with pytest.raises(UsageError, match="The rater openai-api/test/model"):
            eval(
                rate.rate, model=model_at(s.url), run_samples=False,
                task_args={"explanations": str(table), "neurons": "smollm2"},
            )  # fmt: skip
        assert len(s.requests) == 1


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (compare, ["--models", "openai-api/test/m", "--limit", "1", "--formats", "summary",
                   "--yes", "--log-dir", "logs"]),
        (given, ["reference", "--neurons", "smollm2", "--limit", "1", "--simulator",
                 "openai-api/test/m", "--log-dir", "logs"]),
    ],
)  # fmt: skip
def test_commands_end_with_one_sentence(command, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEST_API_KEY", "x")
    monkeypatch.setenv("TEST_BASE_URL", f"http://127.0.0.1:{free_port()}/v1")
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 1
    last = result.output.splitlines()[-1]
    assert re.match(r"Error: The server of the \w+ openai-api/test/m at .* cannot be reached", last)
    assert last.endswith("--no-check leaves this check out.")
    assert list_eval_logs(str(tmp_path / "logs")) == []


def begun(url, *, roles=None, **task_args):
    """The log of an eval whose tasks were made, and no sample run."""
    task = getattr(formats, task_args.pop("format", "summary"))
    (log,) = eval(
        task, model=model_at(url), model_roles=roles or {}, task_args=task_args, run_samples=False
    )
    return log


def model_at(url, name="model"):
    return get_model(f"openai-api/test/{name}", base_url=url, api_key="x", memoize=False)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(autouse=True)
def _warnings(caplog):
    caplog.set_level(logging.WARNING, asking.__name__)
