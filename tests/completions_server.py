"""A completions server for tests: a simulator that knows the truth, with a tokenizer of its own.

    with CompletionsServer(predicting(lambda explanation, tokens: [...])) as server:
        model = get_model("openai-api-completions/test/model", base_url=server.url, api_key="x")

It speaks ``POST /v1/completions`` as vLLM does (``prompt_logprobs``) and as OpenAI did (``echo``),
and has never seen the code under test: it cuts the prompt into its own tokens, finds every
``unknown`` behind a tab, and puts a distribution there whose mean over "0" … "10" is exactly what
its truth says. Everywhere else it holds numbers likely too, so that whoever reads at the wrong
place gets a wrong value and not none. `CompletionsServer.handle` answers without a network.

Run as a program it prints its address and serves until its standard input ends.
"""

import json
import math
import sys
import threading
import unicodedata
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HIDDEN = b"\tunknown"

# Tokenizers, as the tokens they know besides single bytes; the longest that fits is taken.
APART = ("unknown", "\n\n", "known", " the", " cat", "ing", ".\t", "Neuron", b"\x80\x9c")
SPLIT = ("\tun", "known\n", "\n\t", " the", "ca", "t\n", "e\t")
JOINED = ("\tunknown", "\tunknown\n", "ex", "\n\n")
GREEDY = ("e\tunk", "nown\n\t", ".\tu", b"\xb8\x8f\tunknown", b"\x9f\xe2", " \t", "\n ")
TOKENIZERS = {"apart": APART, "split": SPLIT, "joined": JOINED, "greedy": GREEDY, "bytes": ()}


def cut(text, known):
    """The text's UTF-8 bytes, cut into tokens; their borders need not be those of characters."""
    data = text.encode()
    words = sorted((w if isinstance(w, bytes) else w.encode() for w in known), key=len)[::-1]
    pieces, at = [], 0
    while at < len(data):
        piece = next((w for w in words if data.startswith(w, at)), data[at : at + 1])
        pieces.append(piece)
        at += len(piece)
    return pieces


# How servers write a token that is a string of bytes.


def replaced(piece):
    """Parts of characters become a replacement character (vLLM)."""
    return piece.decode("utf-8", "replace")


def dropped(piece):
    """Parts of characters become nothing (llama-cpp-python, some versions of vLLM)."""
    return piece.decode("utf-8", "ignore")


def escaped(piece):
    r"""Parts of characters become bytes:\xe2 (OpenAI)."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(chr(b) if b < 128 else f"\\x{b:02x}" for b in piece)


def fallback(piece):
    """Single bytes, tabs and newlines among them, become <0xE2> (tokenizers of Llama 2)."""
    if len(piece) == 1 and not 0x20 < piece[0] < 0x7F:
        return f"<0x{piece[0]:02X}>"
    return replaced(piece).replace(" ", "▁")


def spelled(piece):
    """Every byte becomes a visible character, a space Ġ (tokenizers of GPT-2)."""
    return "".join(_GPT2[b] for b in piece)


def bare(piece):
    """A leading space is lost (tokens decoded one by one)."""
    return replaced(piece).removeprefix(" ")


_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [b for b in range(256) if b not in _PRINTABLE]
_GPT2 = {b: chr(b) for b in _PRINTABLE} | {b: chr(256 + i) for i, b in enumerate(_OTHERS)}

SPELLINGS = {f.__name__: f for f in (replaced, dropped, escaped, fallback, spelled, bare)}


def hashed(before):
    """A value in [0, 10] from the prompt up to the value's place."""
    return zlib.crc32(before.encode()) % 10007 / 1000.7


def predicting(predict):
    """A truth from a function of explanation and tokens, for the bundled pack's prompts.

    Args:
        predict: From an explanation and the tokens so far to one value in [0, 10] a token, of
            which the last counts: whoever reads a prompt cannot know what comes.
    """

    def value(before):
        neuron = before.rpartition("Explanation: it responds to ")[2]
        explanation, _, body = neuron.partition("\n")
        rows = body.partition("<start>\n")[2].removesuffix("\t")
        return float(predict(explanation, rows.split("\tunknown\n"))[-1])

    return value


def naming(explanation, tokens):
    """A simulator that fires on the words of the explanation."""
    words = {word.strip('",.').lower() for word in explanation.split()}
    return [9.25 if token.strip().lower() in words else 0.5 for token in tokens]


@dataclass
class CompletionsServer:
    """The server; with ``with`` it listens on a port of its own."""

    truth: object = hashed
    """From the prompt up to a value's place to the value, in [0, 10]."""

    tokenizer: tuple = SPLIT
    spelling: object = replaced

    prompt_logprobs: str = "given"
    """``given``, ``ignored`` or ``refused``."""

    echo: str = "given"
    """``given``, ``ignored`` or ``refused``."""

    most: int = 20
    """So many alternatives are allowed; more are refused."""

    composes: bool = False
    """The tokenizer composes characters first (NFC), as Qwen's does."""

    eager: bool = False
    """Generates a token even if none is wanted, and shows it behind the echo."""

    busy: int = 0
    """So many requests are answered with 429 first."""

    mute: object = lambda _: False
    """Says of a prompt up to a value's place whether no number is likely there."""

    requests: list = field(default_factory=list)
    """The bodies of all requests, in order."""

    def handle(self, body):
        """Answer one request.

        Returns:
            The status and the reply.
        """
        self.requests.append(body)
        if self.busy > 0:
            self.busy -= 1
            return 429, _error("slow down")
        asked = max(body.get("prompt_logprobs") or 0, body.get("logprobs") or 0)
        if asked > self.most:
            return 400, _error(f"{asked} logprobs requested, at most {self.most} are allowed")
        for wish in ("prompt_logprobs", "echo"):
            if body.get(wish) and getattr(self, wish) == "refused":
                return 400, _error(f"unrecognized request argument: {wish}")
        return 200, self._completion(body)

    def _completion(self, body):
        prompt, most = body["prompt"], body.get("max_tokens", 16)
        generated = b" the" if most or self.eager else b""
        positions = list(self._positions(prompt))
        text, choice = generated.decode(), {"index": 0, "finish_reason": "length"}
        if body.get("prompt_logprobs") and self.prompt_logprobs == "given":
            choice["prompt_logprobs"] = self._vllm(positions, body["prompt_logprobs"])
        shown = []
        if body.get("echo") and self.echo == "given":
            text, shown = prompt + text, positions
        if body.get("logprobs"):
            last = [(generated, [(generated, 0.9), (b"3", 0.1)])] if generated else []
            choice["logprobs"] = self._openai([*shown, *last], body["logprobs"], bool(shown))
        choice.setdefault("logprobs", None)
        usage = {"prompt_tokens": len(positions), "completion_tokens": int(bool(generated))}
        usage["total_tokens"] = sum(usage.values())
        return {
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1,
            "model": body["model"],
            "choices": [{**choice, "text": text}],
            "usage": usage,
        }

    def _positions(self, prompt):
        """Each token of the prompt with the tokens that were likely there, likeliest first."""
        prompt = unicodedata.normalize("NFC", prompt) if self.composes else prompt
        data, start = prompt.encode(), 0
        for piece in cut(prompt, self.tokenizer):
            # A value's first byte may be this token's first, or stand further inside of it.
            found = data.find(HIDDEN, max(0, start - 1), start + len(piece) + len(HIDDEN) - 1)
            if found >= 0 and start <= found + 1 < start + len(piece):
                before, inside = data[: found + 1].decode(), data[start : found + 1]
                likely = self._likely(before, inside)
            else:
                likely = [(b"4", 0.3), (b"9", 0.2), (b" the", 0.1), (b" 0", 0.1)]
            yield piece, likely
            start += len(piece)

    def _likely(self, before, inside):
        """Tokens that begin with ``inside`` and go on with a number whose mean is the truth."""
        junk = [(inside + b"unknown", 0.2), (inside + b"12", 0.03), (inside + b"?", 0.02)]
        if inside:  # without what stands before the value, a number belongs to the token's text
            junk += [(b"9", 0.07), (inside[:1], 0.08), (b"0", 0.05)]
        if self.mute(before):
            return junk
        value = self.truth(before)
        low = min(9, math.floor(value))
        levels = {low: 0.3 * (low + 1 - value), low + 1: 0.3 * (value - low)}
        if self.most >= 15:
            levels[0] = levels.get(0, 0) + 0.2 * (1 - value / 10)
            levels[10] = levels.get(10, 0) + 0.2 * value / 10
        likely = [(inside + b"%d" % level, 0.7 * mass) for level, mass in levels.items()]
        likely += [(inside + b" %d" % level, 0.3 * mass) for level, mass in levels.items()]
        return [(token, mass) for token, mass in likely if mass > 0] + junk

    def _vllm(self, positions, most):
        entries = []
        for piece, likely in positions:
            entry = {_id(piece): (piece, dict(likely).get(piece, 1e-4))}
            top = sorted(likely, key=lambda item: -item[1])[:most]
            entry |= {_id(token): (token, mass) for token, mass in top if token != piece}
            entries.append(
                {
                    number: {
                        "logprob": math.log(mass),
                        "rank": rank,
                        "decoded_token": self.spelling(token),
                    }
                    for rank, (number, (token, mass)) in enumerate(entry.items(), start=1)
                }
            )
        return [None, *entries[1:]]

    def _openai(self, positions, most, echoed):
        lists = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        offset = 0
        for i, (piece, likely) in enumerate(positions):
            token = self.spelling(piece)
            own = math.log(dict(likely).get(piece, 1e-4))
            top = {}
            for other, mass in sorted(likely, key=lambda item: -item[1])[:most]:
                top.setdefault(self.spelling(other), math.log(mass))
            first = echoed and i == 0
            lists["tokens"].append(token)
            lists["token_logprobs"].append(None if first else own)
            lists["top_logprobs"].append(None if first else top)
            lists["text_offset"].append(offset)
            offset += len(token)
        return lists

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
    daemon_threads = True
    request_queue_size = 128  # all excerpts of several samples come at once


def _handler(server):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            known = self.path == "/v1/completions"
            self._send(*(server.handle(body) if known else (404, _error("no such page"))))

        def do_GET(self):
            data = [{"id": "model", "object": "model", "created": 1, "owned_by": "tests"}]
            self._send(200, {"object": "list", "data": data})

        def _send(self, status, reply):
            content = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            if status == 429:
                self.send_header("retry-after-ms", "1")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    return Handler


def _id(token):
    return str(1 + int.from_bytes(token, "big"))


def _error(message):
    return {"error": {"message": message, "type": "invalid_request_error", "code": None}}


if __name__ == "__main__":
    with CompletionsServer(predicting(naming)) as running:
        sys.stdout.write(running.url + "\n")
        sys.stdout.flush()
        sys.stdin.read()
