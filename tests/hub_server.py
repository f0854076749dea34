"""A small stand-in for the Hugging Face Hub on 127.0.0.1: datasets from files in memory.

It answers what `datasets` and `huggingface_hub` ask before and while they stream a dataset, and
writes down every request.
"""

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

SHA = "0123456789abcdef0123456789abcdef01234567"

_API = re.compile(r"/api/datasets/([^/]+/[^/]+)(?:/([a-z-]+)(?:/[^/]+)?(/.*)?)?")


@dataclass
class Hub:
    """Datasets, ``{"org/name": {"train.parquet": bytes}}``, and what was asked of them."""

    datasets: dict
    url: str = ""
    requests: list = field(default_factory=list)

    def sent(self, ending):
        """How many bytes of files with this ending were sent."""
        return sum(size for _, path, size in self.requests if path.endswith(ending))


@contextmanager
def running(datasets):
    """A hub that serves; it is gone afterwards."""
    hub = Hub(datasets)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def do_POST(self):
        self._body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    def _answer(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append([self.command, path, 0])
        if match := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self._resolve(*match.groups())
        if match := _API.fullmatch(path):
            return self._api(*match.groups())
        return self._missing("EntryNotFound")

    def _api(self, name, verb, rest):
        files = self.hub.datasets.get(name)
        if files is None:
            return self._missing("RepoNotFound", status=401)
        if verb == "tree":
            return self._json(_tree(files, (rest or "").strip("/")))
        if verb == "paths-info":
            paths = re.findall(r"paths=([^&]*)", unquote(self._body.decode())) or json.loads(
                self._body or "{}"
            ).get("paths", [])
            return self._json([_entry(p, files[p]) for p in paths if p in files])
        return self._json({"id": name, "sha": SHA, "siblings": [{"rfilename": f} for f in files]})

    def _resolve(self, name, revision, file):
        files = self.hub.datasets.get(name)
        if files is None:
            return self._missing("RepoNotFound", status=401)
        if file not in files:
            return self._missing("EntryNotFound")
        return self._file(files[file])

    def _file(self, data):
        start, end, status = 0, len(data), 200
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, status = int(match[1]), 206
            end = min(end, int(match[2]) + 1) if match[2] else end
        self.send_response(status)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", SHA)
        self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self._send(data[start:end])

    def _json(self, value):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self._send(json.dumps(value).encode())

    def _missing(self, code, status=404):
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", SHA)
        self._send(b"{}")

    def _send(self, body):
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.hub.requests[-1][2] = len(body)
            self.wfile.write(body)


def _entry(path, data):
    oid = hashlib.sha1(data).hexdigest()
    return {"type": "file", "path": path, "size": len(data), "oid": oid}


def _tree(files, folder):
    inside = [p for p in files if not folder or p.startswith(f"{folder}/")]
    folders = sorted({p.rsplit("/", 1)[0] for p in inside if "/" in p})
    tree = [{"type": "directory", "path": f, "size": 0, "oid": "0"} for f in folders if f != folder]
    return tree + [_entry(p, files[p]) for p in inside]
