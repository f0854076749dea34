"""docs/reliability.md, made of the faults that are tried.

python -m tests.faults.table > docs/reliability.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from .catalogue import (
    AT_MOST,
    EMBEDDER_TRIES,
    FAMILIES,
    OUTCOMES,
    RETRIES,
    SIMULATORS,
    TRIES,
    Fault,
    Role,
)

HEADINGS = ("The server", "used as", "What becomes of the sample", "Asked")

BEFORE = f"""\
# What happens when a server misbehaves

This page is made from the tests in `tests/faults/`: each row of its tables is a server that
misbehaves so, over HTTP, and a test that says what comes of it. `make reliability` writes the page
anew.

In short: **a failure is never a number.** A sample that fails does not touch the others, the log
can be read, and what was answered is not asked again.

## What counts as a failure

- **The machinery is broken** (no connection, a wrong key, a page of HTML instead of a reply): the
  sample fails, and has no score. Its error is one sentence that names the role, the model, the
  server's address, the neuron, and what came. Inspect ends the whole eval at the first such sample
  unless you say `--no-fail-on-error`; `neuron-eval compare` says so for you.
- **A reply cannot be read** (no numbers, a NaN among the log-probabilities, a rating that is none):
  the question is asked again. If no reply can be read, the sample is *unscored*: its score is NaN,
  its reason says what was wrong with the last reply, and the scorer `scored` counts it. If only
  some excerpts could be read, the score is theirs, and `excerpts_failed` counts the others.
- **The explainer says nothing, or refuses**: that is a bad explanation. It scores 0 with the reason
  `no_response` or `refusal`, and nothing is simulated. An explainer that refuses in plain words
  ("I cannot help with that") without its provider's mark has given an explanation like any other,
  and a bad one.

## What is tried again

- *By OpenAI's client*, which Inspect uses for most servers: lost connections, 408, 409, 429 and
  5xx, twice, with a short wait. It heeds `Retry-After` up to a minute.
- *By Inspect*: the same again, and replies that are no JSON object. **Without `--max-retries` or
  `--timeout` it never stops**; its waits grow from 3 seconds to half an hour. `--timeout` bounds a
  request with all its retries, and is looked at between two of them; only `--attempt-timeout` ends
  one that hangs.
- *By neuron_eval*: replies that arrive and cannot be read. An unreadable reply is passed over in
  the cache. It costs at most {AT_MOST} times the requests of a good run.

400, 401, 403, 404 and a spent quota are not tried again, but for the two that follow.

## A server that refuses a setting, or so many output tokens

**A setting.** Some models take no `temperature`, no `top_p`, no `max_tokens` or no stop sequences,
and a deployment's own name does not tell. Where a server's refusal names one that was sent, the
request is sent again without it, and so are all later ones to that model at that address. The
log's warnings say so once, with the server's words. What you set for a model or role goes out as
you set it, in the first short question to a simulator too; it is left out only where the server
refuses it.

**Output tokens.** A simulator is asked for as many as a reply about its excerpts may need: with
all defaults and excerpts of 64 tokens at most 2,652 for `chat` and 1,400 for `sparse`.
`--max-tokens` and the role's own `max_tokens` are the most that is asked for. Excerpts whose
replies may not fit share no request. Where a server refuses the number, fewer excerpts share a
request; if it names its limit, that limit holds for all later requests, and a warning says so
once. One excerpt alone is asked for with whatever the server gives. If that is nothing, the sample
fails with the server's words; if the reply is then cut off, the excerpt has no values, and the
reason says how much it may need. Set the role's own `max_tokens` for a simulator that reasons
before it answers: `--model-role 'simulator={{model: …, max_tokens: 8000}}'` gives each request just
that.

**Replies that are cut off or cannot be read.** What a cut-off reply leaves unread is asked for
apart. A pack of which nothing could be read twice is asked for in two halves.

## What is kept, and what a second run asks

Simulators' and embedders' replies are in Inspect's cache, unless a simulator's temperature is above
0. Explainers' and raters' are with `--cache`, and in a folder of `neuron-eval compare`.

- `inspect eval-retry LOG` runs the samples that failed, and no others.
- The same `inspect eval` once more, or the same `neuron-eval compare`, asks for what is not in the
  cache: what failed and what could not be read. Unscored samples get their score this way.
- A 0 for an explainer that said nothing or refused is an answer; it is not asked for again. (But
  Inspect keeps no reply that a provider's filter stopped.)

## The faults

`--max-retries {RETRIES}`. So a server that fails for ever is asked {TRIES} times by OpenAI's client
and Inspect together, and {EMBEDDER_TRIES} times by the embedder, whose client leaves retries to
Inspect. *Asked* is how often one question is asked. Quoted is a part of what the user reads: in the
sample's error, or in the explanation of its score.
"""


def page() -> str:
    """The whole page."""
    parts = [BEFORE]
    for heading, faults in FAMILIES.items():
        parts.append(f"\n### {heading}\n\n{_table(faults)}")
    return "".join(parts)


def _table(faults: Iterable[Fault]) -> str:
    rows: dict[tuple[str, str, str], list[Role]] = {}
    for fault in faults:
        rows.setdefault((fault.does, _outcome(fault), _asked(fault)), []).extend(fault.roles)
    lines = [_row(HEADINGS), _row(["---"] * len(HEADINGS))]
    for (does, outcome, asked), roles in rows.items():
        lines.append(_row([does, _named(roles), outcome, asked]))
    return "".join(f"{line}\n" for line in lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _outcome(fault: Fault) -> str:
    said = f": “{fault.sees}”" if fault.sees else ""
    return f"{OUTCOMES[fault.outcome]}{said}"


def _asked(fault: Fault) -> str:
    return f"at most {AT_MOST} times" if fault.requests == AT_MOST else str(fault.requests)


def _named(roles: Sequence[Role]) -> str:
    ways = [role for role in SIMULATORS if role in roles]
    simulator = "simulator" if len(ways) == len(SIMULATORS) else f"simulator ({', '.join(ways)})"
    others = {"explainer": "explainer", "": simulator if ways else "", "embedder": "embedder"}
    named = [text for role, text in others.items() if text and (role in roles or not role)]
    return ", ".join([*named, *(["rater"] if "rater" in roles else [])])


if __name__ == "__main__":
    sys.stdout.write(page())
