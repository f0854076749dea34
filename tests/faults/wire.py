"""How a server's answers are spoilt: from the role and a good reply to what goes over the wire.

Needs nothing of the code under test.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

Reply = dict[str, Any]
Change = Callable[[Reply], Any]

NAN, INFINITY = float("nan"), float("inf")
SURROGATE = "\ud800"
PAGE = "<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body>nginx</body></html>\n"


@dataclass(frozen=True)
class Answer:
    """What goes over the wire."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    sent: str = "whole"
    """``whole``; ``nothing`` (hung up at once); ``reset`` in the middle; ``slowly``, a byte at a
    time and without end."""


Spoil = Callable[[str, Reply], Answer]
"""From the role and a good reply to what is answered instead."""


def whole(reply: Any) -> Answer:
    """JSON as Python writes it: NaN and Infinity too, half characters as escapes."""
    return Answer(json.dumps(reply).encode())


def status(
    number: int, message: str, headers: tuple[tuple[str, str], ...] = (), **error: Any
) -> Spoil:
    """An error as OpenAI's servers give it."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": None, **error}}
    return lambda role, good: Answer(json.dumps(body).encode(), number, headers=headers)


def raw(body: bytes, code: int = 200, content_type: str = "application/json") -> Spoil:
    """A body as it is."""
    return lambda role, good: Answer(body, code, content_type)


def sent(how: str) -> Spoil:
    """A good reply that does not arrive."""
    return lambda role, good: Answer(json.dumps(good).encode(), sent=how)


def truncated(role: str, good: Reply) -> Answer:
    """The first half of a good reply."""
    body = json.dumps(good).encode()
    return Answer(body[: len(body) // 2])


def plain(role: str, good: Reply) -> Answer:
    """A good reply that says it is plain text."""
    return Answer(json.dumps(good).encode(), content_type="text/plain")


def marked(role: str, good: Reply) -> Answer:
    """A good reply behind a byte order mark."""
    return Answer(json.dumps(good).encode("utf-8-sig"))


def changed(change: Change) -> Spoil:
    """A good reply, changed in place or replaced by what the change gives."""

    def spoil(role: str, good: Reply) -> Answer:
        reply = deepcopy(good)
        replaced = change(reply)
        return whole(reply if replaced is None else replaced)

    return spoil


def fields(**values: Any) -> Spoil:
    """Other values for fields of the reply."""
    return changed(lambda reply: reply.update(values))


def without(name: str) -> Spoil:
    """A field left out."""

    def change(reply: Reply) -> None:
        del reply[name]

    return changed(change)


def choice(**values: Any) -> Spoil:
    """Other values for fields of the only choice."""
    return changed(lambda reply: reply["choices"][0].update(values))


def without_finish(reply: Reply) -> None:
    """No finish reason."""
    del reply["choices"][0]["finish_reason"]


def message(**values: Any) -> Spoil:
    """Other values for fields of the message, whose log-probabilities go."""

    def change(reply: Reply) -> None:
        reply["choices"][0]["message"].update(values)
        reply["choices"][0]["logprobs"] = None

    return changed(change)


def says(text: str | Callable[[str], str], **others: Any) -> Spoil:
    """Another text, with log-probabilities that spell it where the good reply had some."""

    def change(reply: Reply) -> None:
        only = reply["choices"][0]
        said = text if isinstance(text, str) else text(only["message"]["content"])
        only["message"]["content"] = said
        if only["logprobs"]:
            only["logprobs"]["content"] = [token(said)]
        only.update(others)

    return changed(change)


def token(text: str) -> Reply:
    """A token of which the server is certain."""
    return {"token": text, "logprob": 0.0, "bytes": None, "top_logprobs": []}


def half(reply: Reply) -> None:
    """The lines of the first excerpt only; where one is asked for by itself, prose."""
    only = reply["choices"][0]
    text = only["message"]["content"]
    kept = text[: text.index("\nB") + 1] if "\nB" in text else "I would rather not."
    only["message"]["content"] = kept
    if only["logprobs"]:
        only["logprobs"]["content"] = [token(kept)]


# Log-probabilities, of a reply's tokens or of a prompt's.


def logprobs(change: Callable[[Reply], None]) -> Spoil:
    """Every position that has alternatives, changed."""

    def each(reply: Reply) -> None:
        only = reply["choices"][0]
        for position in (only.get("logprobs") or {}).get("content", []):
            if position["top_logprobs"]:
                change(position)
                for one in position["top_logprobs"]:
                    change(one)
        for listed in only.get("prompt_logprobs") or []:
            for one in (listed or {}).values():
                change(one)

    return changed(each)


def value(number: Any) -> Spoil:
    """Every log-probability with one value."""
    return logprobs(lambda one: one.update(logprob=number))


def no_logprobs(reply: Reply) -> None:
    """None at all."""
    reply["choices"][0].update(logprobs=None)
    reply["choices"][0].pop("prompt_logprobs", None)


def fewer_logprobs(reply: Reply) -> None:
    """A position in the middle left out."""
    only = reply["choices"][0]
    holder = only["prompt_logprobs"] if "prompt_logprobs" in only else only["logprobs"]["content"]
    del holder[len(holder) // 2]


def other_tokens(reply: Reply) -> None:
    """Tokens that spell another text."""
    only = reply["choices"][0]
    for position in (only.get("logprobs") or {}).get("content", []):
        position.update(token=f"{position['token']}?", bytes=None)
    for listed in only.get("prompt_logprobs") or []:
        for one in (listed or {}).values():
            one["decoded_token"] += "?"


def no_alternatives(reply: Reply) -> None:
    """Nothing but the token that was written."""
    only = reply["choices"][0]
    for position in (only.get("logprobs") or {}).get("content", []):
        position["top_logprobs"] = []
    for listed in only.get("prompt_logprobs") or []:
        for key in list(listed or {})[1:]:
            del listed[key]


def surrogate_token(reply: Reply) -> None:
    """Half a character among the alternatives."""
    only = reply["choices"][0]
    for position in (only.get("logprobs") or {}).get("content", []):
        if position["top_logprobs"]:
            position["top_logprobs"].append({"token": SURROGATE, "logprob": -9.0, "bytes": None})
    for listed in only.get("prompt_logprobs") or []:
        if listed:
            listed["999999"] = {"logprob": -9.0, "rank": 99, "decoded_token": SURROGATE}


# Vectors.


def vectors(change: Callable[[list[float]], Any]) -> Spoil:
    """Every vector replaced by what the change makes of it."""

    def each(reply: Reply) -> None:
        for item in reply["data"]:
            item["embedding"] = change(item["embedding"])

    return changed(each)


def scaled(factor: float) -> Spoil:
    """Vectors of the same direction and another length."""
    return vectors(lambda vector: [factor * x for x in vector])


def as_base64(vector: list[float]) -> str:
    """The encoding that OpenAI's own client asks for."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
