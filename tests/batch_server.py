"""`CountingServer` that takes OpenAI's batches too: files, batches, and files of their results.

A batch is not ready until it was looked at twice.
"""

import json
from email.parser import BytesParser

from counting_server import CountingServer, _Handler

FAMILY = "gpt-4o-"  # Inspect asks models of this family for chat completions


class BatchServer(CountingServer):
    """`batches` are the models asked in each batch, `single` those asked outside of one."""

    def __post_init__(self):
        super().__post_init__()
        self.batches, self.single, self._files, self._made = [], [], {}, {}

    def __enter__(self):
        server = super().__enter__()
        self._http.RequestHandlerClass = _BatchHandler
        return server

    def take(self, path, raw):
        if path.endswith("/files"):
            return self._json(self._keep("file", file_in(raw)))
        if path.endswith("/batches"):
            return self._json(self._run(json.loads(raw)))
        self.single.append(json.loads(raw)["model"])
        return self._answer(path, json.loads(raw))

    def _answer(self, path, body):
        body["model"] = body["model"].removeprefix(FAMILY)
        for message in body.get("messages", ()):
            if isinstance(message["content"], list):
                message["content"] = "".join(part["text"] for part in message["content"])
        return super().take(path, json.dumps(body).encode())

    def look(self, path):
        """A batch as it stands, or a file's content; nothing for other addresses."""
        name = path.removesuffix("/content").rpartition("/")[2]
        if name in self._files and path.endswith("/content"):
            return 200, self._files[name]
        if name not in self._made:
            return 404, b"{}"
        batch = self._made[name]
        ready = batch["looks"] > 0
        batch["looks"] += 1
        status = {"status": "completed", "output_file_id": batch["out"]} if ready else {}
        return self._json(self._batch(name) | status)

    def _run(self, asked):
        lines = [json.loads(line) for line in self._files[asked["input_file_id"]].splitlines()]
        self.batches.append([line["body"]["model"] for line in lines])
        results = []
        for line in lines:
            status, body = self._answer(line["url"], line["body"])
            response = {"status_code": status, "body": json.loads(body)}
            results.append({"custom_id": line["custom_id"], "response": response, "error": None})
        out = self._keep("file", "\n".join(map(json.dumps, results)).encode())["id"]
        name = f"batch-{len(self._made)}"
        self._made[name] = {"looks": 0, "out": out}
        return self._batch(name)

    def _keep(self, kind, content):
        name = f"{kind}-{len(self._files)}"
        self._files[name] = content
        return {
            "id": name, "object": "file", "bytes": len(content), "created_at": 1,
            "filename": "b.jsonl", "purpose": "batch", "status": "processed",
        }  # fmt: skip

    @staticmethod
    def _batch(name):
        return {
            "id": name, "object": "batch", "endpoint": "/v1/chat/completions", "created_at": 1,
            "input_file_id": "file-0", "completion_window": "24h", "status": "in_progress",
        }  # fmt: skip

    @staticmethod
    def _json(value):
        return 200, json.dumps(value).encode()


def file_in(raw):
    """The file in a form that was sent, by the boundary with which it begins."""
    boundary = raw.partition(b"\r\n")[0].removeprefix(b"--").decode()
    head = f'Content-Type: multipart/form-data; boundary="{boundary}"\r\n\r\n'.encode()
    parts = BytesParser().parsebytes(head + raw).get_payload()
    return next(part.get_payload(decode=True) for part in parts if part.get_filename())


class _BatchHandler(_Handler):
    def do_GET(self):
        status, content = self.server.counting.look(self.path)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
