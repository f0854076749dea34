"""A server with OpenAI's API for explaining, simulating and embedding, that counts by body.

    with CountingServer() as server:
        subprocess.run([...], env={**os.environ, **server.environment})

What it says depends on the question alone, so that runs can be compared, and no two questions
have the same answer, so that nothing is found in a cache by chance. `fault` makes it misbehave.
"""

import json
import re
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from neuron_eval.testing import make_neuron
from neuron_eval.testing.replies import PromptReader

WORDS = ("cat", "dog", "tree", "rain", "bread", "north", "glass", "seven")
EXPLAINER, SIMULATOR = "openai-api/counting/explainer", "openai-api/counting/simulator"
EMBEDDER = "embed-openai/embedder"
ROLES = ("--models", EXPLAINER, "--simulator", SIMULATOR, "--embedder", EMBEDDER)
FAULTS = ("error", "reset", "garbage", "unreadable")


def made_neurons(count):
    """So many neurons, each of which fires on one of `WORDS`; three in four have a reference."""
    return [
        make_neuron(
            f"m/L0N{i}",
            f" {WORDS[i % len(WORDS)]}",
            neuron=i,
            reference=f"the word {WORDS[i % len(WORDS)]}, number {i}" if i % 4 else None,
        )
        for i in range(count)
    ]


@dataclass
class CountingServer:
    """The server; it listens, on a port of its own, for as long as ``with`` lasts."""

    neurons: list = ()
    """The neurons whose excerpts it can take apart into tokens."""

    fault: object = lambda body, times: ""
    """From a body and how often it has been asked for, from 1, to one of `FAULTS`, or nothing."""

    gate: object = field(default_factory=threading.Event)
    """Nothing is answered until it is set; set from the start."""

    asked: Counter = field(default_factory=Counter)
    """How often each body came."""

    answered: Counter = field(default_factory=Counter)
    """How often each body had a good reply."""

    faults: Counter = field(default_factory=Counter)
    """How often each fault happened."""

    keys: set = field(default_factory=set)
    """The keys that were shown."""

    def __post_init__(self):
        self.gate.set()
        self._lock = threading.Condition()
        self._reader = PromptReader(e.tokens for n in self.neurons for e in (*n.top, *n.random))

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    @property
    def environment(self):
        """The variables that lead Inspect here."""
        return {
            "COUNTING_BASE_URL": self.url, "COUNTING_API_KEY": "counting-key",
            "OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "openai-key",
        }  # fmt: skip

    def wait_for(self, count, alive, seconds=300):
        """Wait until so many requests came, or ``alive()`` is no longer true."""
        end = time.monotonic() + seconds
        with self._lock:
            while self.asked.total() < count and alive() and time.monotonic() < end:
                self._lock.wait(0.05)

    def forget(self):
        """What was asked so far, once every client has gone; from here on it counts anew."""
        quiet = 0
        while quiet < 5:
            time.sleep(0.02)
            quiet = 0 if self._http.connections else quiet + 1
        with self._lock:
            asked, self.asked, self.answered = self.asked, Counter(), Counter()
        return asked

    def take(self, path, raw):
        """Answer one request: the status and the reply, or None for none."""
        body = json.loads(raw)
        key = path + json.dumps(body, sort_keys=True)
        with self._lock:
            self.asked[key] += 1
            fault = self.fault(key, self.asked[key])
            self.faults[fault] += 1
            self._lock.notify_all()
        self.gate.wait()
        if fault == "error":
            return 500, b'{"error": {"message": "the server broke", "type": "server_error"}}'
        if fault == "reset":
            return None
        if fault == "garbage":
            return 200, b"<html>not what you think</html>"
        reply = self._embedded(body, fault) if "/embeddings" in path else self._said(body, fault)
        if not fault:
            with self._lock:
                self.answered[key] += 1
        return 200, json.dumps(reply).encode()

    def _said(self, body, fault):
        messages = body["messages"]
        if fault:
            text = "" if body["model"] == "explainer" else "I would rather not."
        elif body["model"] == "explainer":
            text = explanation(messages[-1]["content"], json.dumps(messages))
        else:
            user = next(m["content"] for m in messages if m["role"] == "user")
            text = self._simulated(messages[0]["content"], user)
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        message = {"role": "assistant", "content": text}
        return {
            "id": "1", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": usage,
        }  # fmt: skip

    def _simulated(self, system, user):
        question = self._reader.read(system, user)
        values = [
            [level(question.explanation, token) for token in tokens] for tokens in question.excerpts
        ]
        pieces = [piece for line in question.way.reply(question.excerpts, values) for piece in line]
        return "".join(p if isinstance(p, str) else str(round(p)) for p in pieces).strip("\n")

    def _embedded(self, body, fault):
        texts = [] if fault else body["input"]
        vectors = [[float(t.count(c)) + 0.1 for c in "abcdefghijklmn0123"] for t in texts]
        data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
        usage = {"prompt_tokens": len(data), "total_tokens": len(data)}
        return {"object": "list", "model": body["model"], "data": data, "usage": usage}

    def __enter__(self):
        self._http = _Listener(("127.0.0.1", 0), _Handler)
        self._http.counting = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.gate.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def explanation(prompt, all_of_it):
    """Names the word that the neuron fires on, or mostly so, and nobody else says the same."""
    found = Counter(re.findall("|".join(WORDS), prompt.rpartition("Excerpts and activations:")[2]))
    (word, _), *_ = found.most_common(1) or [("nothing", 0)]
    return f"the word {word}, case {zlib.crc32(all_of_it.encode())}"


def level(explanation, token):
    """10 for the word that the explanation names, noise for others."""
    named = token.strip() and token.strip() in explanation.split(",")[0].split()
    return 10 if named else max(0, zlib.crc32(f"{explanation}{token}".encode()) % 12 - 9)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    connections = 0
    _count = threading.Lock()

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connected(-1)

    def process_request(self, request, client_address):
        self._connected(1)
        super().process_request(request, client_address)

    def _connected(self, more):
        with self._count:
            self.connections += more


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        length, counting = int(self.headers["content-length"]), self.server.counting
        if len(raw := self.rfile.read(length)) < length:
            self.close_connection = True  # the client was killed while it asked
            return
        counting.keys.add(self.headers["authorization"])
        answer = counting.take(self.path, raw)
        if answer is None:
            # With no time to linger the connection is reset instead of closed.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            return
        status, content = answer
        with suppress(OSError):  # nobody may be there any more
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def handle(self):
        with suppress(OSError):
            super().handle()

    def log_message(self, *_):
        pass
