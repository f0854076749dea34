"""A server for tests that gives out a folder's files as a public container does, with faults.

    with BlobServer(folder) as server:
        server.faults["/data/explanations/0/1.jsonl"] = [status(500), None]

A path's faults are used up one request at a time; the last stays. None is no fault.
"""

import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from neuron_eval.sources.openai.fetching import FetchSettings

FAST = FetchSettings(
    in_flight=4,
    retries=2,
    backoff=0.001,
    longest_wait=0.05,
    connect_timeout=60,
    read_timeout=60,
    whole_timeout=120,
    failures=100,
)


def status(code, **headers):
    """Answer with this status."""

    def fault(handler, content):
        handler.answer(code, b"<Error/>", headers)

    return fault


def hang(handler, content):
    """Say nothing until the server stops."""
    handler.server.owner.stopping.wait()
    handler.close_connection = True


def cut(handler, content):
    """Promise the whole file, send half of it."""
    handler.answer(200, content[: len(content) // 2], {"Content-Length": str(len(content))})
    handler.close_connection = True


def cut_quietly(handler, content):
    """Send half of it and say that this is all."""
    handler.answer(200, content[: len(content) // 2])


def drop(handler, content):
    """Close the connection without an answer."""
    handler.close_connection = True


def page(handler, content):
    """Answer 200 with what is no JSON."""
    handler.answer(200, b"<html>please log in</html>")


class BlobServer:
    """Serves ``root``; counts requests by path, and the most that were under way at once."""

    def __init__(self, root, delay=0.0):
        self.root = Path(root)
        self.delay = delay
        self.faults = {}
        self.requests = []
        self.most_at_once = 0
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._at_once = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def counts(self):
        return Counter(self.requests)

    def asked(self, part):
        """The paths with ``part`` in them that were asked for."""
        return [path for path in self.requests if part in path]

    @contextmanager
    def under_way(self, path):
        with self._lock:
            self.requests.append(path)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            left = self.faults.get(path, [None])
            fault = left[0]
            if len(left) > 1:
                left.pop(0)
        if self.delay:
            self.stopping.wait(self.delay)
        try:
            yield fault
        finally:
            with self._lock:
                self._at_once -= 1

    def __enter__(self):
        self._http = _Listener(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # a client that gave up


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server.owner
        file = server.root / self.path.lstrip("/")
        content = file.read_bytes() if file.is_file() else None
        with server.under_way(self.path) as fault:
            if fault is not None:
                fault(self, content or b"")
            elif content is None:
                self.answer(404, b"<Error><Code>BlobNotFound</Code></Error>")
            else:
                self.answer(200, content)

    def answer(self, code, body, headers=None):
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
