"""A server of OpenAI's chat, completions and embeddings APIs that misbehaves on command.

    with MisbehavingServer({"cut-off": Misdeed(cut_off, first=1)}) as server:
        model = get_model("openai-api/test/simulator", base_url=server.url, api_key="x")

A request is about the neuron whose mark, ``faults/NAME``, it holds first; a misdeed by that name
spoils the answers to the first so many of them, or to all. Everything else is answered as a good
model would: the explainer says "the word cat in faults/NAME", the simulator fires on the word
"cat", the rater likes the first explanation best.
"""

import json
import re
import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from neuron_eval.testing.replies import PromptReader, logprob_of

from .wire import Spoil, whole

MARK = re.compile(r"faults/([a-z0-9-]+)")
FOR_EVER = None
"""As the number of requests that a misdeed spoils."""

CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"


@dataclass(frozen=True)
class Misdeed:
    """How, and how often, answers are spoilt."""

    spoil: Spoil

    first: int | None = FOR_EVER
    """So many requests, then all is well."""


@dataclass(frozen=True)
class Request:
    """One request that came."""

    name: str
    """The neuron's mark; empty where none was meant."""

    body: str
    """The body, as sent."""

    answered: bool
    """Whether it was answered as a good model would."""


@dataclass
class MisbehavingServer:
    """The server; with ``with`` it listens on a port of its own."""

    misdeeds: dict[str, Misdeed] = field(default_factory=dict)
    """By neuron."""

    role: str = "simulator"
    """The only model that misbehaves, and whose requests are counted."""

    refuses: bool = False
    """Whether it refuses connections until it is told to `listen`."""

    requests: list[Request] = field(default_factory=list)

    def __post_init__(self):
        self._lock = threading.Lock()
        self._done: Counter[str] = Counter()
        self.port = 0
        self.over = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def behave(self):
        """Misbehave no more, and forget what was asked."""
        self.misdeeds = {}
        self.requests = []

    def about(self, name):
        """The bodies of the requests about a neuron, each with how often it came."""
        return Counter(one.body for one in self.requests if one.name == name)

    def answer(self, path, text):
        body = json.loads(text)
        role = str(body.get("model", ""))
        found = MARK.search(_asked(path, body))
        name = found[1] if found else ""
        good = self._good(path, body, name)
        if role != self.role:
            return whole(good)
        misdeed = self._misdeed(name)
        with self._lock:
            self.requests.append(Request(name, text, misdeed is None))
        if misdeed is None:
            return whole(good)
        return misdeed.spoil(role, good)

    def _misdeed(self, name):
        with self._lock:
            misdeed = self.misdeeds.get(name)
            if misdeed is None or misdeed.first == self._done[name]:
                return None
            self._done[name] += 1
            return misdeed

    def _good(self, path, body, name):
        if path == EMBEDDINGS:
            return embeddings(body["input"])
        if path == COMPLETIONS:
            return completion(body["prompt"])
        wants = bool(body.get("logprobs"))
        if body["model"] == "explainer":
            return chat([explanation_of(name)], wants)
        if body["model"] == "rater":
            return chat(['{"ratings": {"A": 4, "B": 2}, "best": "A"}'], wants)
        return chat(_simulated(body["messages"]), wants)

    def __enter__(self):
        # Bound at once, so that nobody else gets the port while connections are refused.
        self._http = _Listener(("127.0.0.1", 0), _handler(self), bind_and_activate=False)
        self._http.server_bind()
        self.port = self._http.server_port
        self._thread = None
        if not self.refuses:
            self.listen()
        return self

    def listen(self):
        """Refuse connections no more."""
        if self._thread is None:
            self._http.server_activate()
            self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
            self._thread.start()

    def __exit__(self, *_):
        self.over.set()
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()


def fires(_explanation, tokens):
    """The simulated activations: those of a neuron for one word."""
    return [9.0 if token == " cat" else 0.0 for token in tokens]


def explanation_of(name):
    """What a good explainer says of a neuron."""
    return f"the word cat in faults/{name}"


def chat(pieces, logprobs=False, **choice):
    """A reply of the chat API; pieces are texts, and values with their distribution."""
    text = "".join(p if isinstance(p, str) else str(round(p)) for p in pieces)
    made = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
        "logprobs": {"content": [_token(piece) for piece in pieces]} if logprobs else None,
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "model",
        "choices": [{**made, **choice}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
    }


def embeddings(texts):
    """A reply of the embeddings API."""
    data = [
        {"object": "embedding", "index": i, "embedding": vector(text)}
        for i, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
    return {"object": "list", "model": "model", "data": data, "usage": usage}


def completion(prompt):
    """A reply of the completions API with log-probabilities of the prompt, as vLLM gives them.

    Its tokens are the first letter, "unknown" and what stands between; at each it is certain of
    what it read, or of the activation.
    """
    entries, before = [], ""
    for piece in re.findall(r"\A.|unknown|.+?(?=unknown|\Z)", prompt, re.DOTALL):
        entry = {"1": {"decoded_token": piece, "logprob": -9.0, "rank": 2}}
        if piece == "unknown" and before.endswith("\t"):
            token = before.rpartition("\n")[2].removesuffix("\t")
            likely = str(round(fires("", [token])[0]))
            entry["2"] = {"decoded_token": likely, "logprob": -0.1, "rank": 1}
        entries.append(entry)
        before = piece
    choice = {"index": 0, "text": " the", "finish_reason": "length", "logprobs": None}
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1,
        "model": "model",
        "choices": [{**choice, "prompt_logprobs": [None, *entries[1:]]}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
    }


def vector(text):
    """Letters, counted."""
    return [text.count(letter) + 0.25 for letter in "abcdefghijklmnopqrstuvwxyz"]


def _asked(path, body):
    if path == EMBEDDINGS:
        return "\n".join(body["input"])
    return body["prompt"] if path == COMPLETIONS else json.dumps(body["messages"])


def _simulated(messages):
    user = next(m["content"] for m in messages if m["role"] == "user")
    if messages[0]["role"] == "user":
        return [4.0]  # the question what the model can do
    question = PromptReader(()).read(messages[0]["content"], user)
    values = [fires(question.explanation, tokens) for tokens in question.excerpts]
    return [piece for line in question.way.reply(question.excerpts, values) for piece in line]


def _token(piece):
    found = logprob_of(piece)
    return {
        "token": found.token,
        "logprob": found.logprob,
        "bytes": list(found.token.encode()),
        "top_logprobs": [
            {"token": top.token, "logprob": top.logprob, "bytes": list(top.token.encode())}
            for top in found.top_logprobs or []
        ],
    }


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = False  # joined when it closes, so that no socket outlives its test


def _handler(server):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            text = self.rfile.read(int(self.headers["content-length"])).decode()
            answer = server.answer(self.path, text)
            if answer.sent == "nothing":
                return
            self.send_response(answer.status)
            self.send_header("content-type", answer.content_type)
            self.send_header("content-length", str(len(answer.body)))
            for name, value in answer.headers:
                self.send_header(name, value)
            self.end_headers()
            if answer.sent == "whole":
                self.wfile.write(answer.body)
            elif answer.sent == "reset":
                self._reset(answer.body)
            else:
                self._trickle()

        def _reset(self, body):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            # Lingering for no time makes of the close a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        def _trickle(self):
            try:
                while not server.over.wait(0.1):
                    self.wfile.write(b" ")
                    self.wfile.flush()
            except OSError:
                pass  # whoever asked has given up

        def log_message(self, *_):
            pass

    return Handler
