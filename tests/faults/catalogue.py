"""Every fault that is tried: what the server does, and what the user is to see.

The tests are parametrised by these, and the table in docs/reliability.md is made from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from . import wire
from .wire import INFINITY, NAN, PAGE, SURROGATE, Spoil

Role = Literal["explainer", "chat", "sparse", "per_token", "all_at_once", "embedder", "rater"]
"""What the misbehaving server is used as; a simulator is named by its way to simulate."""

Outcome = Literal["scored", "partly", "zero", "unscored", "error"]

PACKED: tuple[Role, ...] = ("chat", "sparse")
READ: tuple[Role, ...] = (*PACKED, "per_token")
SIMULATORS: tuple[Role, ...] = (*READ, "all_at_once")
ASKED: tuple[Role, ...] = ("explainer", *READ, "rater")
"""Those that are asked through the chat API."""
CLIENTS: tuple[Role, ...] = ("explainer", *SIMULATORS, "rater")
"""Those that are asked through Inspect's own providers."""
EVERY: tuple[Role, ...] = (*CLIENTS, "embedder")

OUTCOMES: dict[Outcome, str] = {
    "scored": "scored as if nothing had happened",
    "partly": "scored by the other excerpts",
    "zero": "0",
    "unscored": "unscored",
    "error": "the sample fails",
}
"""What becomes of the sample, in words."""

RETRIES = 1
"""``--max-retries`` in these tests; without it Inspect retries for ever."""

TRIES = 3 * (1 + RETRIES)
"""How often a lasting fault is asked for: OpenAI's client tries three times, Inspect once more."""

EMBEDDER_TRIES = 1 + RETRIES
"""The same for the embedder, whose client leaves retries to Inspect."""

AT_MOST = 4
"""An unreadable reply costs at most so many times the requests of a good run."""

LONG = 1_000_000
DIGITS = "9" * 5000


@dataclass(frozen=True)
class Fault:
    """One way to misbehave, of a server in one or several roles."""

    name: str
    """A neuron's mark; once a role."""

    does: str
    """What the server does, for the table."""

    roles: tuple[Role, ...]
    """Where it is tried."""

    spoil: Spoil
    """How the server does it."""

    outcome: Outcome
    """What becomes of the sample."""

    sees: str = ""
    """What the user reads there: part of the sample's error, or of the score's explanation."""

    first: int | None = None
    """How many requests are spoilt; None is all."""

    requests: int = 1
    """How often the question is asked in all. Unreadable replies: at most."""

    forgotten: bool = False
    """Whether Inspect keeps no such reply, so that a second run asks anew."""

    alone: bool = False
    """Whether it needs an eval of its own: what it does touches other samples."""


def _passing(name: str, does: str, spoil: Spoil, first: int = 1, roles: Sequence[Role] = EVERY):
    """It goes by itself."""
    times = "once" if first == 1 else f"{first} times"
    return Fault(
        f"{name}-{first}", f"{does}, {times}", tuple(roles), spoil, "scored",
        first=first, requests=1 + first,
    )  # fmt: skip


def _lasting(name: str, does: str, spoil: Spoil, sees: str) -> list[Fault]:
    """It does not, and may be tried again."""
    told = f"{does}, always"
    fault = Fault(name, told, CLIENTS, spoil, "error", sees, requests=TRIES)
    return [fault, replace(fault, roles=("embedder",), requests=EMBEDDER_TRIES)]


def _refused(name: str, does: str, spoil: Spoil, sees: str, roles: Sequence[Role] = EVERY):
    """It does not, and nobody tries again."""
    return Fault(name, does, tuple(roles), spoil, "error", sees)


def _no_json(name: str, does: str, spoil: Spoil, sees: str) -> list[Fault]:
    """Not even an object, which Inspect's chat provider takes for a passing failure."""
    again = Fault(name, does, ASKED, spoil, "error", sees, requests=1 + RETRIES)
    return [again, replace(again, roles=("all_at_once", "embedder"), requests=1)]


def _unreadable(
    name: str, does: str, spoil: Spoil, sees: str, roles: Sequence[Role], forgotten: bool = False
) -> list[Fault]:
    """A reply that holds no answer: asked for again, then unscored."""
    always = Fault(
        name, f"{does}, always", tuple(roles), spoil, "unscored", sees, requests=AT_MOST,
        forgotten=forgotten,
    )  # fmt: skip
    once = replace(
        always, name=f"{name}-once", does=f"{does}, once", outcome="scored", sees="",
        first=1, requests=2,
    )  # fmt: skip
    return [always, once]


def _harmless(name: str, does: str, spoil: Spoil, roles: Sequence[Role]) -> Fault:
    """It changes nothing."""
    return Fault(name, does, tuple(roles), spoil, "scored")


def _bad(name: str, does: str, spoil: Spoil, sees: str, requests: int = 1) -> Fault:
    """Vectors that are none."""
    return Fault(name, does, ("embedder",), spoil, "error", sees, requests=requests)


BUSY = wire.status(429, "slow down")
ASKS_TO_WAIT = wire.status(429, "slow down", (("retry-after", "1"),))

TRANSPORT: list[Fault] = [
    _passing("429", "429", BUSY),
    _passing("429-wait", "429 with Retry-After", ASKS_TO_WAIT),
    *_lasting("429", "429", BUSY, "429"),
    _passing("500", "500", wire.status(500, "oh no")),
    *_lasting("500", "500", wire.status(500, "oh no"), "500"),
    _passing("503", "503", wire.status(503, "starting"), first=2, roles=CLIENTS),
    *_lasting("502", "502 with a page of HTML", wire.raw(PAGE.encode(), 502, "text/html"), "502"),
    _passing("hung-up", "hangs up without an answer", wire.sent("nothing")),
    *_lasting("hung-up", "hangs up without an answer", wire.sent("nothing"), "connect"),
    _passing("reset", "resets the connection amid the answer", wire.sent("reset")),
    *_lasting("reset", "resets the connection amid the answer", wire.sent("reset"), "connect"),
    _refused("401", "401", wire.status(401, "no such key", code="invalid_api_key"), "401"),
    _refused("403", "403", wire.status(403, "not for you"), "403"),
    _refused(
        "404",
        "404, it does not know the model",
        wire.status(404, "no such model", code="model_not_found"),
        "no such model",
        (*ASKED, "embedder"),
    ),
    _refused(
        "404",
        "404, it does not know the model",
        wire.status(404, "no such model", code="model_not_found"),
        "does not support /v1/completions",
        ("all_at_once",),
    ),
    _refused(
        "400-temperature",
        "400 that names a parameter",
        wire.status(400, "temperature is not supported", param="temperature"),
        "temperature is not supported",
        (*ASKED, "embedder"),
    ),
    Fault(
        "400-prompt",
        "400 to a prompt",
        ("all_at_once",),
        wire.status(400, "temperature is not supported"),
        "unscored",
        "temperature is not supported",
        requests=AT_MOST,
    ),
    _refused(
        "quota",
        "429, the quota is spent",
        wire.status(429, "quota", code="insufficient_quota", type="insufficient_quota"),
        "quota",
        ("embedder",),
    ),
]

NO_REPLY: list[Fault] = [
    _refused("empty-body", "an empty body", wire.raw(b""), "its reply is empty"),
    _refused("cut-json", "JSON that breaks off", wire.truncated, "JSON"),
    *_no_json("html", "a page of HTML with 200", wire.raw(PAGE.encode(), 200, "text/html"), ""),
    _refused(
        "error-with-200",
        '`{"error": …}` with 200',
        wire.changed(lambda reply: {"error": {"message": "out of memory"}}),
        "out of memory",
    ),
    *_no_json("json-list", "a JSON list", wire.changed(lambda reply: [1]), ""),
    *_no_json("json-null", "a JSON null", wire.raw(b"null"), ""),
    _refused(
        "long-number",
        "a number of 5,000 digits for a time",
        wire.raw(b'{"choices": [], "data": [], "created": %s}' % DIGITS.encode()),
        "digits",
    ),
    _refused("no-choices", "no `choices`", wire.without("choices"), "choices", CLIENTS),
    _refused("null-choices", "`choices: null`", wire.fields(choices=None), "choices", CLIENTS),
    _refused("empty-choices", "`choices: []`", wire.fields(choices=[]), "choices", CLIENTS),
    _refused("not-utf-8", "bytes that are no UTF-8", wire.raw(b'{"id": "\xff"}'), ""),
    _refused("deep", "100,000 opening brackets", wire.raw(b"[" * 100_000), ""),
    _harmless("plain-type", "JSON under another `Content-Type`", wire.plain, EVERY),
    _harmless("byte-order", "JSON behind a byte order mark", wire.marked, EVERY),
    _harmless(
        "no-id", "no `id`", wire.changed(lambda reply: reply.pop("id", None) and None), EVERY
    ),
    _harmless("no-usage", "no `usage`", wire.without("usage"), EVERY),
    _harmless("null-usage", "`usage: null`", wire.fields(usage=None), EVERY),
    _refused("null-message", "`message: null`", wire.choice(message=None), "", ASKED),
    _refused("number-content", "a number for a text", wire.message(content=5), "", ASKED),
    _refused("object-content", "an object for a text", wire.message(content={"a": 1}), "", ASKED),
]

I_CANNOT = "I cannot help with that."
FILTERED = wire.status(400, "filtered", code="content_filter", type="invalid_request_error")

REFUSED: list[Fault] = [
    Fault(
        "refusal",
        "a `refusal` in place of a text",
        ("explainer",),
        wire.message(content=None, refusal=I_CANNOT),
        "zero",
        "refused",
    ),
    *_unreadable(
        "refusal",
        "a `refusal` in place of a text",
        wire.message(content=None, refusal=I_CANNOT),
        "",
        (*PACKED, "rater"),
    ),
    Fault(
        "filtered",
        "`finish_reason: content_filter`",
        ("explainer",),
        wire.choice(finish_reason="content_filter"),
        "zero",
        "refused",
        forgotten=True,
    ),
    *_unreadable(
        "filtered",
        "`finish_reason: content_filter` and no text",
        wire.changed(
            lambda reply: reply["choices"][0].update(
                finish_reason="content_filter",
                message={"role": "assistant", "content": None},
                logprobs=None,
            )
        ),
        "content_filter",
        PACKED,
        forgotten=True,
    ),
    Fault("400-filter", "400, its filter objects", ("explainer",), FILTERED, "zero", "refused",
          forgotten=True),
    *_unreadable("null-content", "`content: null`", wire.message(content=None), "empty", PACKED),
    Fault(
        "null-content",
        "`content: null`",
        ("explainer",),
        wire.message(content=None),
        "zero",
        "no explanation",
    ),
    *_unreadable("empty", "an empty text", wire.says(""), "empty", PACKED),
    Fault("empty", "an empty text", ("explainer",), wire.says(""), "zero", "no explanation"),
    Fault("empty", "an empty text", ("rater",), wire.says(""), "unscored", "no JSON object",
          requests=AT_MOST),
    *_unreadable("blank", "a text of blanks", wire.says(" \n\t "), "empty", PACKED),
    Fault("blank", "a text of blanks", ("explainer",), wire.says(" \n "), "zero", "no explanation"),
    Fault(
        "empty",
        "an empty text",
        ("per_token",),
        wire.says(""),
        "unscored",
        "the reply is empty",
        requests=AT_MOST,
    ),
]  # fmt: skip

TEXTS: list[Fault] = [
    *_unreadable("prose", "prose in place of numbers", wire.says("I would rather not."), "no line",
                 PACKED),
    Fault("prose", "prose in place of numbers", ("per_token",), wire.says("I would rather not."),
          "unscored", "I would rather not", requests=AT_MOST),
    *_unreadable("prose", "prose in place of ratings", wire.says("I would rather not."),
                 "no JSON object", ("rater",)),
    Fault("half", "the first excerpt of two only", PACKED, wire.changed(wire.half), "partly",
          "No values for 1 held-out", requests=AT_MOST),
    Fault("half-once", "the first excerpt of two only, once", PACKED, wire.changed(wire.half),
          "scored", first=1, requests=2),
    _harmless("no-finish", "no `finish_reason`", wire.changed(wire.without_finish), ASKED),
    _harmless("null-finish", "`finish_reason: null`", wire.choice(finish_reason=None), ASKED),
    _harmless("odd-finish", "an unknown `finish_reason`", wire.choice(finish_reason="tired"),
              ASKED),
    Fault("cut-off", "`finish_reason: length` at the end of a whole reply", ("sparse",),
          wire.choice(finish_reason="length"), "partly", "cut off", requests=AT_MOST),
    _harmless("cut-off", "`finish_reason: length` at the end of a whole reply",
              wire.choice(finish_reason="length"), ("explainer", "chat", "per_token", "rater")),
    Fault("cut-empty", "`finish_reason: length` and no text", ("explainer",),
          wire.says("", finish_reason="length"), "zero", "max_tokens", requests=2),
    *_unreadable("long-index", "an index of 5,000 digits", wire.says(f"{DIGITS}: 3\n"), "",
                 ("chat",)),
    *_unreadable("long-index", "a place of 5,000 digits", wire.says(f'A: "cat"#{DIGITS}:9\n'), "",
                 ("sparse",)),
    *_unreadable("long-value", "a value of 5,000 digits", wire.says(f"1: {DIGITS}\n"), "",
                 ("chat",)),
    *_unreadable("long-value", "a value of 5,000 digits", wire.says(f'A: "cat":{DIGITS}\n'), "",
                 ("sparse",)),
    Fault("long-value", "a value of 5,000 digits", ("per_token",), wire.says(DIGITS), "unscored",
          "no number from 0 to 10", requests=AT_MOST),
    *_unreadable("long-value", "a rating of 5,000 digits",
                 wire.says(f'{{"ratings": {{"A": {DIGITS}, "B": 2}}, "best": "A"}}'), "",
                 ("rater",)),
    *_unreadable("nan-rating", "NaN for a rating",
                 wire.says('{"ratings": {"A": NaN, "B": 2}, "best": "A"}'), "whole number",
                 ("rater",)),
    Fault("blanks", "a megabyte of blanks", ("explainer",), wire.says(" " * LONG), "zero",
          "no explanation"),
    Fault("blanks", "a megabyte of blanks in a line", ("chat",),
          wire.says("1" + "\t" * LONG + "x y"), "unscored", "", requests=AT_MOST),
    Fault("blanks", "a megabyte of blanks in a line", ("sparse",),
          wire.says('A: "cat"' + " " * LONG + "x"), "unscored", "", requests=AT_MOST),
    Fault("brackets", "100,000 opening brackets", ("rater",), wire.says("{" * 100_000), "unscored",
          "", requests=AT_MOST),
    _harmless("nul", "NUL characters around a good reply", wire.says(lambda text: f"{text}\n\0\n"),
              ("explainer", *PACKED, "rater")),
    _harmless("ansi", "a terminal's escapes around a good reply",
              wire.says(lambda text: f"\x1b[31m\n{text}\n\x1b[2J"),
              ("explainer", *PACKED, "rater")),
    _harmless("surrogate", "half a character behind a good reply",
              wire.says(lambda text: f"{text}\n{SURROGATE}"), ("explainer", *PACKED, "rater")),
    Fault("surrogate", "half a character for a value", ("per_token",), wire.says(SURROGATE),
          "unscored", "no number from 0 to 10", requests=AT_MOST),
    _harmless("surrogate-model", "half a character in the reply's `model`",
              wire.fields(model=f"model{SURROGATE}"), ("explainer", *PACKED, "rater")),
    _refused("surrogate-error", "half a character in the text of a 400",
             wire.status(400, f"bad {SURROGATE} request"), "bad", (*ASKED, "embedder")),
    _refused("nul-error", "NUL characters and escapes in the text of a 400",
             wire.status(400, "bad \0\x1b[2J request"), "bad", (*ASKED, "embedder")),
]  # fmt: skip

LOGPROBS: list[Fault] = [
    *(
        fault
        for name, does, number in (
            ("nan", "NaN", NAN),
            ("infinity", "Infinity", INFINITY),
            ("positive", "+5", 5.0),
            ("million", "1e6", 1e6),
        )
        for fault in (
            *_unreadable(f"logprob-{name}", f"{does} for log-probabilities", wire.value(number),
                         "", PACKED),
            Fault(f"logprob-{name}", f"{does} for log-probabilities, always",
                  ("per_token", "all_at_once"), wire.value(number), "unscored", "",
                  requests=AT_MOST),
        )
    ),
    Fault("logprob-text", "a text for log-probabilities", READ, wire.value("likely"), "error", "",
          alone=True),
    _harmless("no-logprobs", "no log-probabilities", wire.changed(wire.no_logprobs), PACKED),
    Fault("no-logprobs", "no log-probabilities", ("per_token",), wire.changed(wire.no_logprobs),
          "error", "gives no log-probabilities"),
    Fault("no-logprobs", "no log-probabilities", ("all_at_once",),
          wire.changed(wire.no_logprobs), "unscored", "no log-probabilities", requests=AT_MOST),
    _harmless("fewer-logprobs", "a position less than tokens", wire.changed(wire.fewer_logprobs),
              PACKED),
    Fault("fewer-logprobs", "a position less than tokens", ("all_at_once",),
          wire.changed(wire.fewer_logprobs), "unscored", "", requests=AT_MOST),
    _harmless("other-tokens", "log-probabilities of another text",
              wire.changed(wire.other_tokens), PACKED),
    Fault("other-tokens", "log-probabilities of another text", ("per_token", "all_at_once"),
          wire.changed(wire.other_tokens), "unscored", "", requests=AT_MOST),
    _harmless("no-alternatives", "log-probabilities without alternatives",
              wire.changed(wire.no_alternatives), READ),
    Fault("no-alternatives", "log-probabilities without alternatives", ("all_at_once",),
          wire.changed(wire.no_alternatives), "unscored", "no alternatives", requests=AT_MOST),
    _harmless("surrogate-token", "half a character among the alternatives",
              wire.changed(wire.surrogate_token), SIMULATORS),
    Fault("400-logprobs", "400 that names log-probabilities", PACKED,
          wire.status(400, "logprobs are not supported", param="logprobs"), "scored",
          first=2, requests=3, forgotten=True, alone=True),
]  # fmt: skip

VECTORS: list[Fault] = [
    _bad("no-data", "no `data`", wire.without("data"), "no list `data`"),
    _bad("fewer", "no vector for a text", wire.fields(data=[]), "0 vectors for 1 text"),
    _bad("more", "two vectors for a text",
         wire.changed(lambda reply: reply["data"].append({**reply["data"][0], "index": 1})),
         "2 vectors for 1 text"),
    _bad("nan", "NaN in a vector", wire.vectors(lambda v: [*v[:-1], NAN]), "not finite"),
    _bad("infinite", "Infinity in a vector", wire.vectors(lambda v: [*v[:-1], INFINITY]),
         "not finite"),
    _bad("null", "null for a vector", wire.vectors(lambda v: None), "expected [1, dim]"),
    _bad("null-inside", "null in a vector", wire.vectors(lambda v: [*v[:-1], None]), "finite"),
    _bad("short", "a vector of another dimension", wire.vectors(lambda v: v[:3]),
         "of 3 dimensions", 2),
    _bad("wide", "a vector of 100,000 dimensions", wire.vectors(lambda v: v[:1] * 100_000),
         "of 100000 dimensions", 2),
    _bad("zero", "a zero vector", wire.scaled(0.0), "zero vector"),
    _bad("string", "a text for a vector", wire.vectors(lambda v: "0.1 0.2"), "numbers"),
    _bad("strings", "texts in a vector", wire.vectors(lambda v: [str(x) for x in v]), "numbers"),
    _bad("base64", "base64 for a vector", wire.vectors(wire.as_base64), "numbers"),
    _bad("index", "an index out of range",
         wire.changed(lambda reply: reply["data"][0].update(index=5)), "`index` [5]"),
    _bad("long-int", "an integer of 400 digits in a vector",
         wire.vectors(lambda v: [*v[:-1], 10**400]), "too large"),
    _harmless("huge", "vectors 1e30 times as long", wire.scaled(1e30), ("embedder",)),
    _harmless("tiny", "vectors 1e30 times as short", wire.scaled(1e-30), ("embedder",)),
    _harmless("too-huge", "vectors 1e300 times as long", wire.scaled(1e300), ("embedder",)),
]  # fmt: skip

WHOLE_SERVER: list[Fault] = [
    Fault("refused", "refuses connections", EVERY, wire.sent("nothing"), "error", "connect",
          requests=0, alone=True),
    Fault("slow", "trickles without end (`--attempt-timeout`)",
          ("explainer", "sparse", "embedder"), wire.sent("slowly"), "error", "timeout",
          requests=1 + RETRIES, alone=True),
]  # fmt: skip

FAMILIES: dict[str, list[Fault]] = {
    "The server fails": TRANSPORT + WHOLE_SERVER,
    "What comes is no reply, or an odd one": NO_REPLY,
    "Refusals and empty replies": REFUSED,
    "Texts that cannot be read": TEXTS,
    "Log-probabilities": LOGPROBS,
    "Embeddings": VECTORS,
}
"""Under the headings of the table."""

FAULTS: list[Fault] = [fault for faults in FAMILIES.values() for fault in faults]


def of_role(role: Role) -> list[Fault]:
    """The faults that are tried with a role, in the table's order."""
    return [fault for fault in FAULTS if role in fault.roles]
