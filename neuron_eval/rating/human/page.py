"""The rater's page as one text, and the policy that lets it do nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from neuron_eval.messages import script_json, visible, visible_lines
from neuron_eval.rating.asking import PERSON
from neuron_eval.rating.human.queue import Reply, own_order
from neuron_eval.rating.question import Question, digest, question_key

HERE = Path(__file__).parent

STYLE = "page.css"

SCRIPTS = ("dom.js", "server.js", "page.js", "drafts.js", "question.js", "review.js")
"""One script in this order."""


@cache
def page_text() -> str:
    """The page: style and script in it, no question."""
    return filled(policy="", sections=read("server.html"), data="", script=joined(SCRIPTS))


@cache
def policy() -> str:
    """Content-Security-Policy: this page's own style and script, and its own server."""
    return f"{own_policy(joined(SCRIPTS))}; connect-src 'self'; frame-ancestors 'none'"


def filled(**parts: str) -> str:
    """The page that the server and the file have in common, and what each of them adds."""
    parts["style"] = read(STYLE)
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], read("page.html"))


def own_policy(script: str) -> str:
    """Nothing from anywhere but the page's own style and script, and no markup from strings."""
    return (
        f"default-src 'none'; script-src 'sha256-{_hash(script)}'; "
        f"style-src 'sha256-{_hash(read(STYLE))}'; img-src data:; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'"
    )


def shown_question(question: Question) -> dict[str, Any]:
    """The question's JSON, its texts with visible signs for what has no shape."""
    data = question.to_json()
    scale = data["scale"]
    return data | {
        "id": visible(question.id),
        "title": visible(question.title),
        "instructions": visible_lines(question.instructions),
        "excerpts": [
            one
            | {"name": visible(one["name"]), "tokens": [visible(token) for token in one["tokens"]]}
            for one in data["excerpts"]
        ],
        "options": [
            one | {"explanation": visible_lines(one["explanation"])} for one in data["options"]
        ],
        "scale": scale
        | {
            "least_means": visible(scale["least_means"]),
            "most_means": visible(scale["most_means"]),
        },
    }


def shown_answer(reply: Reply | None) -> dict[str, Any] | None:
    """The answer's JSON as the rater gave it, who may change it."""
    return None if reply is None else reply.answer.to_json()


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def joined(names: Sequence[str]) -> str:
    """Scripts as one."""
    return '"use strict";\n' + "\n".join(read(name) for name in names)


@cache
def read(name: str) -> str:
    """One of this folder's files."""
    return (HERE / name).read_text(encoding="utf-8")


STATIC_SCRIPTS = (
    *("dom.js", "sound.js", "static.js", "file.js"),
    *("page.js", "drafts.js", "question.js", "review.js"),
)
"""One script in this order."""


def answers_name(name: str) -> str:
    """What the file is called that the page saves."""
    return f"answers-{name}.json"


def static_page(name: str, questions: Mapping[str, Question]) -> str:
    """A rater's page.

    Args:
        name: The rater's name, without ``human/``.
        questions: By sample id.
    """
    asked = {question_key(question): (id_, question) for id_, question in questions.items()}
    keys = own_order(name, {key: question for key, (_, question) in asked.items()})
    data = {
        "rater": f"{PERSON}{name}",
        "name": name,
        "key": digest(json.dumps([name, *keys])),
        "file": answers_name(name),
        "questions": [
            {"key": key, "id": id_, "question": _shown(question)}
            for key in keys
            for id_, question in [asked[key]]
        ],
    }
    return filled(
        policy=_meta(),
        sections=read("static.html"),
        data=f'<script type="application/json" id="data">{_written_out(data)}</script>\n',
        script=joined(STATIC_SCRIPTS),
    )


def _shown(question: Question) -> dict[str, Any]:
    """Without the id, which says what is shown for the second time."""
    return {name: value for name, value in shown_question(question).items() if name != "id"}


@cache
def _meta() -> str:
    policy = escape(f"{own_policy(joined(STATIC_SCRIPTS))}; connect-src 'none'", quote=False)
    return f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'


def _written_out(data: object) -> str:
    """JSON for a script element, with escapes for what has no shape: ids are as they are."""
    text = script_json(data)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
