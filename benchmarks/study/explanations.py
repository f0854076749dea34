"""The study's tables of what explanations are like, and of what scores make of their style."""

from __future__ import annotations

import csv
import re
from collections import Counter
from operator import attrgetter
from pathlib import Path

from cells import average, gain, mean, table
from jobs import FORMATS
from packs import NAMES
from results import SCORES, Results, by_neuron

from neuron_eval.prompts.pack import load_pack

READINGS = Path(__file__).with_name("readings.csv")
REWRITTEN = Path(__file__).with_name("rewritten.csv")
KINDS = {
    "right": "names the right words, or what only they have in common",
    "near": "names some of the right words, or misses a part",
    "example": "words of a few-shot explanation that have no place here",
    "text": "what one excerpt is about",
    "empty": "fits any neuron",
    "wrong": "other words than those marked",
}


def copying(results: Results) -> str:
    """How often three words in a row are those of a few-shot explanation."""
    lines = []
    for pack in NAMES:
        shipped = load_pack("neuron_eval-2" if pack in ("neuron_eval-2", "words") else None)
        known = set().union(*(_triples(n.explanation) for n in shipped.few_shot))
        rows = [row for f in FORMATS for row in results.explained(pack, f)]
        copied = average((bool(_triples(row.explanation) & known) for row in rows), ".1%")
        words = average((len(row.explanation.split()) for row in rows), ".1f")
        shots = "0" if pack.endswith("none") else str(len(shipped.few_shot))
        lines.append([pack, shots, copied, words, str(len(rows))])
    return table(["pack", "few-shot neurons", "copied", "words", "explanations"], lines)


def _triples(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return set(zip(words, words[1:], words[2:], strict=False))


def readings() -> str:
    """Kinds of explanations, as read."""
    with READINGS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    counts = {pack: Counter(row[pack] for row in rows) for pack in rows[0] if pack != "neuron"}
    lines = [
        [f"{kind}: {meaning}", *(str(found[kind]) for found in counts.values())]
        for kind, meaning in KINDS.items()
    ]
    return table(["what the explanation is", *counts], lines)


def listing(results: Results) -> str:
    """What the same content gets as a sentence and as a list, and what is not true."""
    names = ("reference", "sentence", "list", "baseline", "near", "unrelated")
    places = dict.fromkeys(SCORES, "embedding") | {"simulation by the model": "all_at_once"}
    columns = []
    for title, way in places.items():
        score = attrgetter("adacs" if title == "AdaCS" else "correlation")
        rows = {name: results(f"judge/{way}/neuron_eval-3/clear/{name}") for name in names}
        columns.append({name: by_neuron(found, score) for name, found in rows.items()})
    lines = [[name, *(mean(column[name].values()) for column in columns)] for name in names]
    for name in ("list", "baseline", "near"):
        gains = [gain(column[name], column["sentence"])[0] for column in columns]
        lines.append([f"{name} − sentence", *gains])
    with REWRITTEN.open(encoding="utf-8", newline="") as file:
        kinds = {row["id"]: row["near_names"] for row in csv.DictReader(file)}
    for kind in sorted(set(kinds.values())):
        near = [{n: s for n, s in c["near"].items() if kinds[n] == kind} for c in columns]
        counts = " and ".join(str(count) for count in sorted({len(found) for found in near})[::-1])
        gains = [gain(found, c["reference"])[0] for found, c in zip(near, columns, strict=True)]
        lines.append([f"near − reference, {kind} ({counts})", *gains])
    return table(["explanation", *places], lines)
