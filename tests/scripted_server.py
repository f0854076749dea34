"""A server of OpenAI's APIs for tests, whose every reply is computed by a function.

    with ScriptedServer(lambda path, body: said("the word cat")) as server:
        model = get_model("openai-api/test/model", base_url=server.url, api_key="x")

A reply is a JSON value, or `Reply` for anything else: another status, bytes that are no JSON, or a
connection that breaks.
"""

import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from neuron_eval.testing.replies import PromptReader


@dataclass
class Reply:
    """A reply that is not just a JSON value with the status 200."""

    content: object = b""
    """Bytes as they are, or a JSON value; None breaks the connection."""

    status: int = 200
    kind: str = "application/json"


def said(text, finish_reason="stop", logprobs=None, **message):
    """A chat completion that says a text."""
    message = {"role": "assistant", "content": text, **message}
    return _completion({"message": message, "finish_reason": finish_reason, "logprobs": logprobs})


def simulated(body, fires=lambda tokens: [9.0 * (token == " cat") for token in tokens]):
    """What a good simulator says to a request; by default it fires on the word "cat"."""
    messages = body["messages"]
    if messages[0]["role"] == "user":
        return "4"  # the question what the model can do
    user = next(m["content"] for m in messages if m["role"] == "user")
    question = PromptReader(()).read(messages[0]["content"], user)
    lines = question.way.reply(question.excerpts, [fires(tokens) for tokens in question.excerpts])
    return "".join(p if isinstance(p, str) else str(round(p)) for line in lines for p in line)


def embedded(body, vector=lambda text: [float(len(text)), 1.0]):
    """Embeddings of the texts of a request."""
    rows = [{"index": i, "embedding": vector(text)} for i, text in enumerate(body["input"])]
    return {"object": "list", "model": "model", "data": rows, "usage": {"prompt_tokens": 1}}


def _completion(choice):
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    choices = [{"index": 0, **choice}]
    about = {"id": "1", "object": "chat.completion", "created": 1, "model": "model"}
    return {**about, "choices": choices, "usage": usage}


@dataclass
class ScriptedServer:
    """The server; with ``with`` it listens on a port of its own."""

    answer: object
    """From the path and the request's body to the reply."""

    requests: list = field(default_factory=list)
    """Path and body of all requests, in order."""

    def to(self, path):
        """The bodies of the requests to one path, such as ``embeddings``."""
        return [body for asked, body in self.requests if asked == f"/v1/{path}"]

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self):
        self._http = _Listener(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Listener(ThreadingHTTPServer):
    request_queue_size = 64


def _handler(server):
    class Handler(BaseHTTPRequestHandler):
        # HTTP/1.0, so that no connection outlives its reply.
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            server.requests.append((self.path, body))
            reply = server.answer(self.path.removeprefix("/v1/"), body)
            reply = reply if isinstance(reply, Reply) else Reply(reply)
            if reply.content is None:
                reset = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                self.close_connection = True
                return
            raw = isinstance(reply.content, bytes)
            content = reply.content if raw else json.dumps(reply.content).encode()
            self.send_response(reply.status)
            self.send_header("content-type", reply.kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    return Handler
