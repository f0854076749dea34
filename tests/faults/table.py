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

`make reliability` writes this page from the tests in `tests/faults/`. Each row of its tables is a
server that misbehaves in that way, over HTTP, and a test of what comes of it.

In short: **a failure is never a number.** A sample that fails does not touch the others. The log
can be read. What was answered is not asked again.

## What counts as a failure

- **The machinery is broken** (no connection, a wrong key, a page of HTML instead of a reply). The
  sample fails, and has no score. Its error is one sentence that names the role, the model, the
  server's address, the neuron, and what came. Inspect ends the whole eval at the first such sample
  unless you use `--no-fail-on-error`; `neuron-eval compare` uses it for you.
- **A reply cannot be read** (no numbers, a NaN among the log-probabilities, an answer without a
  rating). The question is asked again. If no reply can be read, the sample is *unscored*: its score
  is NaN, its reason tells what was wrong with the last reply, and the scorer `scored` counts it. If
  only some excerpts could be read, or only some tokens, the score is theirs: `excerpts_failed` and
  `tokens_failed` count the others. An excerpt of which fewer than half of the tokens could be read
  counts as one that could not.
- **The explainer writes nothing, or refuses.** That is a bad explanation. It scores 0 with the
  reason `no_response` or `refusal`, and nothing is simulated. An explainer that refuses in plain
  words ("I cannot help with that") without its provider's mark has given an explanation like any
  other, and a bad one.

## What is tried again

- *By OpenAI's client*, which Inspect uses for most servers: lost connections, 408, 409, 429 and
  5xx, twice, with a short wait. It heeds `Retry-After` up to a minute.
- *By Inspect*: the same again, and replies that are no JSON object. **Without `--max-retries` or
  `--timeout` it never stops.** Its waits grow from 3 seconds to half an hour. `--timeout` limits a
  request with all its retries, but it is checked only between two of them. Only `--attempt-timeout`
  ends a request that hangs.
- *By neuron_eval*: replies that arrive and cannot be read. An unreadable reply in the cache is
  passed over. This costs at most {AT_MOST} times the requests of a good run.

400, 401, 403, 404 and a spent quota are not tried again, with two exceptions: a server that
[refuses a setting](models.md#refused-settings), and one that [refuses so many output
tokens](models.md#few-output-tokens).

## What is kept, and what a second run asks

Simulators' and embedders' replies are in Inspect's cache, unless a simulator's temperature is above
0. Explainers' and raters' replies are kept with `--cache`, and in a folder of
`neuron-eval compare`.

- `inspect eval-retry LOG` runs the samples that failed, and no others.
- The same `inspect eval` once more, or the same `neuron-eval compare`, asks for what is not in the
  cache: what failed and what could not be read. Unscored samples get their score this way.
- A 0 for an explainer that wrote nothing or refused is an answer, and is not asked for again. (But
  Inspect keeps no reply that a provider's filter stopped.)

## The faults

The tests use `--max-retries {RETRIES}`. So a server that fails for ever is asked {TRIES} times by
OpenAI's client and Inspect together, and {EMBEDDER_TRIES} times by the embedder, whose client
leaves retries to Inspect. *Asked* is how often one question is asked. In quotation marks is a part
of what the user reads: in the sample's error, or in the explanation of its score.
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
