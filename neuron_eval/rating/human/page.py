"""The rater's page: as the server shows it, and as one file that works from a disk without one."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from neuron_eval.messages import page_policy, script_json, visible, visible_lines
from neuron_eval.rating.asking import PERSON
from neuron_eval.rating.build import AGAIN
from neuron_eval.rating.question import Question, digest, question_key

# Each page's scripts are one, in this order.
SCRIPTS = ("dom.js", "server.js", "page.js", "drafts.js", "question.js", "review.js")
STATIC_SCRIPTS = (
    *("dom.js", "sound.js", "static.js", "file.js"),
    *("page.js", "drafts.js", "question.js", "review.js"),
)


@cache
def page_text() -> str:
    """The server's page: style and script in it, no question."""
    return _filled(policy="", sections=_read("server.html"), data="", script=_joined(SCRIPTS))


@cache
def policy() -> str:
    """What the server's page may load: its own style and script, and from its own server."""
    return f"{_own_policy(SCRIPTS)}; connect-src 'self'; frame-ancestors 'none'"


def static_page(name: str, questions: Mapping[str, Question]) -> str:
    """A rater's page as one file; the name is without ``human/``, the questions by sample id."""
    by_key = {question_key(question): (id_, question) for id_, question in questions.items()}
    keys = own_order(name, {key: question for key, (_, question) in by_key.items()})
    shown = {key: shown_question(question) for key, (_, question) in by_key.items()}
    for data in shown.values():
        del data["id"]  # it says what is shown for the second time
    data = {
        "rater": f"{PERSON}{name}",
        "name": name,
        "key": digest(json.dumps([name, *keys])),
        "file": answers_name(name),
        "questions": [{"key": k, "id": by_key[k][0], "question": shown[k]} for k in keys],
    }
    policy = escape(f"{_own_policy(STATIC_SCRIPTS)}; connect-src 'none'", quote=False)
    return _filled(
        policy=f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
        sections=_read("static.html"),
        data=f'<script type="application/json" id="data">{_written_out(data)}</script>\n',
        script=_joined(STATIC_SCRIPTS),
    )


def answers_name(name: str) -> str:
    """What the file is called that a rater's page without a server saves."""
    return f"answers-{name}.json"


def shown_question(question: Question) -> dict[str, Any]:
    """The question's JSON, its texts with visible signs for what has no shape."""

    def shown(value: Any, lines: bool = False) -> Any:
        if isinstance(value, dict):
            return {k: shown(v, k in ("explanation", "instructions")) for k, v in value.items()}
        if isinstance(value, list):
            return list(map(shown, value))
        if isinstance(value, str):
            return visible_lines(value) if lines else visible(value)
        return value

    data: dict[str, Any] = shown(question.to_json())
    return data


def _filled(**parts: str) -> str:
    """The page that the server and the file have in common, and what each of them adds."""
    parts["style"] = _read("page.css")
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], _read("page.html"))


def _own_policy(scripts: Sequence[str]) -> str:
    return page_policy(_read("page.css"), [_joined(scripts)])


def _joined(scripts: Sequence[str]) -> str:
    return '"use strict";\n' + "\n".join(_read(name) for name in scripts)


@cache
def _read(name: str) -> str:
    """One of this folder's files."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _written_out(data: object) -> str:
    """JSON for a script element, with escapes for what has no shape: ids are as they are."""
    text = script_json(data)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def own_order(rater: str, questions: Mapping[str, Question]) -> list[str]:
    """The keys of all known questions in an order of the rater's own, by rater and sample id.

    A neuron that is shown twice comes the second time half of these questions (rounded down)
    after the first: a rater who remembers an answer of a moment ago would agree with it.
    """
    drawn = sorted(questions, key=lambda key: (digest(f"{rater}/{questions[key].id}"), key))
    # The key of the second time by that of the first, where both are known.
    firsts = {q.id: key for key, q in questions.items() if not q.id.endswith(AGAIN)}
    seconds = [key for key in drawn if questions[key].id.endswith(AGAIN)]
    bases = {key: questions[key].id.removesuffix(AGAIN) for key in seconds}
    again = {firsts[base]: key for key, base in bases.items() if base in firsts}
    half = len(drawn) // 2
    once = [key for key in drawn if key not in again and key not in again.values()]
    early = {*again, *once[: half - len(again)]}
    first_half = [key for key in drawn if key in early]
    late = iter(once[half - len(again) :])
    # a second time stands in its half where the first stands in the other
    second_half = [again[key] if key in again else next(late) for key in first_half]
    return [*first_half, *second_half, *late]
