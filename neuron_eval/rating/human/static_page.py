"""The rater's page as one file that works from a disk: with the questions, without a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from typing import Any

from neuron_eval.messages import script_json
from neuron_eval.rating.asking import PERSON
from neuron_eval.rating.human.page import filled, joined, own_policy, read, shown_question
from neuron_eval.rating.human.queue import own_order
from neuron_eval.rating.question import Question, digest, question_key

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
