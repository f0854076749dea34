"""No key that stands in the environment or in an address is found in anything that a run writes."""

import gzip
import os
import subprocess
import sys
import zipfile
from base64 import b64encode

import pytest
from counting_server import EMBEDDER, EXPLAINER, SIMULATOR, CountingServer, made_neurons
from inspect_ai.log import list_eval_logs, read_eval_log

from neuron_eval.sources import schema


def test_keys_of_the_environment_are_written_nowhere(tmp_path, run):
    assert run("neuron_eval", *COMPARE).returncode == 1
    assert run("neuron_eval", *COMPARE, "--out", "report").returncode == 0
    assert run("neuron_eval", "report", "logs", "--out", "report", "--bundle").returncode == 0
    simulated = ("--simulation", "sparse", "--simulator", SIMULATOR, "--name", "again")
    assert run("neuron_eval", "score", "logs", *simulated).returncode == 0
    assert run("neuron_eval", "convert", "neurons.jsonl", "out.parquet").returncode == 0
    assert run("neuron_eval", "rate-static", "logs", "--rater", "anna").returncode == 0
    keys = run.server.keys
    assert keys == {f"Bearer {PLANTED[name]}" for name in ("COUNTING_API_KEY", "OPENAI_API_KEY")}
    assert len(list_eval_logs(str(tmp_path / "logs"))) == 2
    assert leaks(tmp_path, PLANTED.values()) == []


def test_keys_in_the_embedders_address_are_shown_to_it_and_written_nowhere(tmp_path, run):
    address = run.server.url.replace("http://", f"http://user:{USER}@") + f"?key={QUERY}"
    for status in (1, 0):
        done = run("neuron_eval", *COMPARE, "--out", "report", OPENAI_BASE_URL=address)
        assert done.returncode == status, done.stdout + done.stderr
    basic = b64encode(f"user:{USER}".encode()).decode()
    assert f"Basic {basic}" in run.server.keys
    assert leaks(tmp_path, [USER, basic]) == []
    # Inspect traces the addresses of requests.
    assert {place for place, _ in leaks(tmp_path, [QUERY]) if "/traces/" not in place} == set()


def test_a_key_among_the_models_arguments_is_written_nowhere(tmp_path, run):
    key = "planted-in-the-arguments-2db95e8e"
    done = run(
        "inspect_ai", "eval", "neuron_eval/summary", "--model", EXPLAINER, "-M", f"api_key={key}",
        "--model-role", f"embedder={EMBEDDER}", "-T", "neurons=neurons.jsonl",
        "-T", "simulation=sparse", "--log-dir", "logs", "--no-fail-on-error", "--cache=1D",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert run("neuron_eval", "report", "logs", "--out", "report").returncode == 0
    assert run.server.keys == {f"Bearer {key}", f"Bearer {PLANTED['OPENAI_API_KEY']}"}
    assert leaks(tmp_path, [key, *PLANTED.values()]) == []


PLANTED = {
    name: f"planted-{name.lower().replace('_', '-')}-5d41402abc4b2a76b9719d911017c592"
    for name in (
        "COUNTING_API_KEY",
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "LOCAL_API_KEY",
        "HF_TOKEN",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    )
}

USER, QUERY = "planted-in-the-address-7d793037", "planted-in-the-query-a0763b4c"


def texts(folder):
    """Everything in a folder: each file's bytes, and what is packed in it, by name."""
    import inspect_ai._util.zipfile  # noqa: F401  teaches `zipfile` how Inspect packs

    for path in folder.rglob("*"):
        yield str(path), str(path.relative_to(folder)).encode()
        if not path.is_file():
            continue
        raw = path.read_bytes()
        yield str(path), raw
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                for member in packed.namelist():
                    yield f"{path}, {member}", packed.read(member)
            yield f"{path}, read", read_eval_log(str(path)).model_dump_json().encode()
        if raw.startswith(b"\x1f\x8b"):
            yield f"{path}, unpacked", gzip.decompress(raw)


def leaks(folder, secrets):
    return sorted(
        {(place, secret) for place, text in texts(folder) for secret in secrets
         if secret.encode() in text}
    )  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """A function that runs a command of the project, or Inspect's, and keeps what it prints."""
    made = made_neurons(2)
    schema.write(tmp_path / "neurons.jsonl", made)
    # Some replies fail, as errors hold more than replies do.
    with CountingServer(made, fault=lambda key, times: fault_of(key, times)) as server:

        def running(module, *arguments, **environment):
            done = subprocess.run(
                [sys.executable, "-m", module, *map(str, arguments)],
                env={
                    **os.environ, **server.environment, **PLANTED, "INSPECT_DISPLAY": "plain",
                    "INSPECT_CACHE_DIR": str(tmp_path / "cache"),
                    "XDG_DATA_HOME": str(tmp_path / "data"), "PYTHONWARNINGS": "ignore",
                    "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"),
                    **environment,
                },
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                capture_output=True,
            )  # fmt: skip
            with (tmp_path / "output").open("ab") as output:
                output.write(done.stdout + done.stderr)
            return done

        for folder in ("home", "tmp"):
            (tmp_path / folder).mkdir()
        running.server = server
        yield running


def fault_of(key, times):
    if "/embeddings" in key:
        return ""
    return "garbage" if "m/L0N1" in key and "simulator" in key and times == 1 else ""


ROLES = ("--models", EXPLAINER, "--simulator", SIMULATOR, "--embedder", EMBEDDER)

COMPARE = (
    "compare", "--neurons", "neurons.jsonl", "--formats", "summary", *ROLES, "--log-dir", "logs",
    "--simulation", "sparse", "--yes", "--retries", "0",
)  # fmt: skip
