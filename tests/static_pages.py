"""A questionnaire for pages without a server: neurons, explanations, and what the page holds."""

import json
import re

from click.testing import CliRunner

from neuron_eval.cli.main import main
from neuron_eval.sources import schema
from neuron_eval.testing import make_neuron

WORDS = (" cat", " dog", " tree", " sea")
PLANTED = "</script><img src=x onerror=\"window.broken='yes'\">\u202e{{script}}<!--"
SAID = {
    "ZEBRA": ["the word cat", "the word dog", "the word tree", "the word sea"],
    "YAK": ["pets", f"pets {PLANTED}", "plants", "water"],
    "GNU": ["the word cat ", "barking", "forests", "waves"],
}
"""The first and the last column say the same of the first neuron."""


def columns(i):
    """By explanation, the columns that give it for a neuron."""
    found = {}
    for column, texts in SAID.items():
        found.setdefault(texts[i].strip(), []).append(column)
    return found


def write_inputs(folder):
    """The neurons and their explanations; returns the paths."""
    made = [make_neuron(f"test/L{i}N{i}", word, layer=i, neuron=i) for i, word in enumerate(WORDS)]
    schema.write(folder / "neurons.jsonl", made)
    rows = [{"layer": i, "neuron": i} | {c: SAID[c][i] for c in SAID} for i in range(len(WORDS))]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "said.jsonl").write_text(lines, encoding="utf-8")
    return str(folder / "said.jsonl"), str(folder / "neurons.jsonl")


def rate_static(folder, *options):
    """Run the command; the pages come into ``folder/questions``."""
    said, neurons = write_inputs(folder)
    out = str(folder / "questions")
    return CliRunner().invoke(
        main, ["rate-static", said, "--neurons", neurons, "--out", out, *options]
    )


def page_data(text):
    """The JSON that a page holds."""
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def logs_by_rater(folder):
    """Each page's log, as the command's output does not say in Python."""
    from inspect_ai.log import list_eval_logs, read_eval_log

    found = [read_eval_log(info) for info in list_eval_logs(str(folder / "questions"))]
    return {log.eval.model.removeprefix("human/"): log for log in found}
