"""The tables of docs/study.md, from the study's table of results.

    python benchmarks/study/tables.py [PROVIDER/MODEL]

Scores are means over neurons; of a neuron that was explained several times its own mean counts.
Intervals are those of `neuron-eval report`.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from jobs import FORMATS, WAYS
from packs import NAMES
from results import Row, read_rows
from scipy.stats import spearmanr

from neuron_eval.prompts.pack import load_pack
from neuron_eval.report.statistics import estimate, holm, paired

MODEL = "openai-api/local/qwen"
"""The model of the page."""

NOTHING = "–"
"""Where nothing was run."""

READINGS = Path(__file__).with_name("readings.csv")
KINDS = {
    "right": "names the right words, or what only they have in common",
    "near": "names some of the right words, or misses a part",
    "example": "words of a few-shot explanation that have no place here",
    "text": "what one excerpt is about",
    "empty": "fits any neuron",
    "wrong": "other words than those marked",
}
SCORES: dict[str, Callable[[Row], float | None]] = {
    "AdaCS": lambda row: row.adacs,
    "embedding simulation": lambda row: row.correlation,
}


def by_neuron(rows: Iterable[Row], score: Callable[[Row], float | None]) -> dict[str, float]:
    """Each neuron's mean, of those that have a reference and a score."""
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        value = score(row)
        if row.reference and value is not None:
            values[row.neuron].append(value)
    return {neuron: fmean(found) for neuron, found in values.items()}


class Results:
    """One model's rows by job."""

    def __init__(self, rows: Iterable[Row], model: str = MODEL) -> None:
        self._rows: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row.model == model:
                self._rows[row.job].append(row)

    def __call__(self, job: str) -> list[Row]:
        """The rows of a job."""
        return self._rows.get(job, [])

    def explained(self, pack: str, format: str, neurons: str = "smollm2") -> list[Row]:
        """The rows of a format."""
        return self(f"explain/{pack}/{neurons}/{format}")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown, numbers to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def mean(values: Iterable[float]) -> str:
    """A mean with its interval."""
    found = estimate(list(values))
    return NOTHING if found is None else f"{found.mean:.3f} [{found.lower:.3f}, {found.upper:.3f}]"


def average(values: Iterable[float], form: str = ".0f") -> str:
    """A mean without one."""
    found = list(values)
    return format(fmean(found), form) if found else NOTHING


def gain(mine: dict[str, float], base: dict[str, float]) -> tuple[str, float | None]:
    """The mean difference on the same neurons with its interval, and p."""
    both = sorted(mine.keys() & base.keys())
    found = paired([mine[n] for n in both], [base[n] for n in both])
    if found is None:
        return NOTHING, None
    return f"{found.difference:+.3f} [{found.lower:+.3f}, {found.upper:+.3f}]", found.p


def scores(rows: Sequence[Row]) -> list[str]:
    """The mean of each score."""
    return [mean(by_neuron(rows, score).values()) for score in SCORES.values()]


def formats(results: Results, pack: str) -> str:
    """Every format of a pack, and its difference from Original on the same neurons."""
    lines, ps = [], []
    for name in FORMATS:
        rows, base = results.explained(pack, name), results.explained(pack, "original")
        line = [name]
        for score, text in zip(SCORES.values(), scores(rows), strict=True):
            more, p = gain(by_neuron(rows, score), by_neuron(base, score))
            line += [text, "" if name == "original" else more]
            ps.append(None if name == "original" else p)
        lines.append([*line, average(row.prompt_tokens for row in rows)])
    for i in range(len(SCORES)):
        for line, p in zip(lines, holm(ps[i :: len(SCORES)]), strict=True):
            line[2 + 2 * i] += "" if p is None else f", p {p:.2g}"
    head = [part for name in SCORES for part in (name, "more than Original")]
    return table(["format", *head, "prompt tokens"], lines)


def readme(results: Results) -> str:
    """The table that the README begins with."""
    lines = []
    original = fmean(row.prompt_tokens for row in results.explained("neuron_eval-3", "original"))
    for name in FORMATS:
        rows = results.explained("neuron_eval-3", name)
        tokens = fmean(row.prompt_tokens for row in rows)
        lines.append([name, *scores(rows), f"{tokens:.0f}", f"{original / tokens:.2f} x"])
    levels = {
        "unrelated": "another neuron's reference",
        "sentence": "a right sentence without examples",
        "list": "the same as a list of words",
        "baseline": "what the baseline lists (Summary)",
    }
    for which, meaning in levels.items():
        rows = results(f"judge/embedding/neuron_eval-3/clear/{which}")
        lines.append([f"*{meaning}*", *scores(rows), "", ""])
    head = ["format", "AdaCS", "simulation by embedding", "prompt tokens", "fewer than Original"]
    return table(head, lines)


def packs(results: Results, name: str) -> str:
    """Words and few-shot neurons: what each pack gives beyond neuron_eval-2, by half."""
    lines = []
    for pack in NAMES[1:]:
        line = [pack]
        for form in FORMATS:
            mine = by_neuron(results.explained(pack, form), SCORES[name])
            base = by_neuron(results.explained(NAMES[0], form), SCORES[name])
            both = sorted(mine.keys() & base.keys())
            first, second = both[::2], {n: mine[n] for n in both[1::2]}
            chosen = average((mine[n] - base[n] for n in first), "+.3f")
            line.append(f"{chosen} / {gain(second, base)[0]}" if both else NOTHING)
        lines.append(line)
    return table(["pack", *FORMATS], lines)


def puzzles(results: Results) -> str:
    """The same on the puzzles."""
    lines = []
    for pack in ("neuron_eval-2", "neuron_eval-3"):
        by_format = [scores(results.explained(pack, name, "puzzles")) for name in FORMATS]
        for i, score in enumerate(SCORES):
            lines.append([f"{pack}, {score}", *(cells[i] for cells in by_format)])
    return table(["", *FORMATS], lines)


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
    """What the same content gets as a sentence and as a list."""
    names = ("reference", "sentence", "list", "baseline", "unrelated")
    rows = {name: results(f"judge/embedding/neuron_eval-3/clear/{name}") for name in names}
    lines = [[name, *scores(found)] for name, found in rows.items()]
    for name in ("list", "baseline"):
        both = [(by_neuron(rows[name], s), by_neuron(rows["sentence"], s)) for s in SCORES.values()]
        lines.append([f"{name} − sentence", *(gain(mine, base)[0] for mine, base in both)])
    return table(["explanation", *SCORES], lines)


PACKS = ("neuron_eval-3", "words-six")
"""Whose words for simulators are compared."""

RIGHT_AND_WRONG = ("reference", "false", "unrelated")
"""What is known of a puzzle."""


def ways(results: Results) -> str:
    """How well each way to simulate tells right explanations from wrong ones."""
    lines = []
    kinds = (("puzzles", "false"), ("puzzles", "unrelated"), ("clear", "unrelated"))
    for neurons, wrong in kinds:
        for way in WAYS:
            for pack in PACKS:
                place = f"judge/{way}/{pack}/{neurons}"
                right, other = results(f"{place}/reference"), results(f"{place}/{wrong}")
                if right and other:
                    said = f"{way}, {pack}" if pack != "neuron_eval-3" else way
                    lines.append([f"{neurons}, {wrong}", said, *_separation(right, other)])
    head = ["neurons, wrong ones", "way", "neurons", "right", "wrong", "AUROC", "right wins",
            "unscored", "excerpts unread"]  # fmt: skip
    return table(head, lines)


def costs(results: Results) -> str:
    """What a way to simulate takes, an explanation of a puzzle: six short excerpts."""
    lines = []
    for way in WAYS:
        for pack in PACKS:
            places = [f"judge/{way}/{pack}/puzzles/{kind}" for kind in RIGHT_AND_WRONG]
            rows = [row for place in places for row in results(place)]
            if rows and way != "embedding":
                said = f"{way}, {pack}" if pack != "neuron_eval-3" else way
                asked, again = sum(r.requests for r in rows), sum(r.complaints for r in rows)
                lines.append([
                    said,
                    f"{asked / len(rows):.1f}",
                    f"{100 * again / asked:.0f} %",
                    average(r.prompt_tokens for r in rows),
                    average(r.output_tokens for r in rows),
                ])  # fmt: skip
    return table(["way", "requests", "of these again", "prompt tokens", "output tokens"], lines)


def agreement(results: Results) -> str:
    """Spearman correlation of the ways' scores, over the puzzles' explanations, right and wrong."""
    scored = {}
    for way in WAYS:
        found = {
            (kind, row.neuron): row.correlation
            for kind in RIGHT_AND_WRONG
            for row in results(f"judge/{way}/neuron_eval-3/puzzles/{kind}")
            if row.correlation is not None
        }
        if found:
            scored[way] = found
    lines = []
    for way, mine in scored.items():
        cells = []
        for other in scored.values():
            both = sorted(mine.keys() & other.keys())
            pairs = [mine[key] for key in both], [other[key] for key in both]
            cells.append("" if other is mine else f"{spearmanr(*pairs).statistic:.2f}")
        lines.append([way, *cells])
    return table(["way", *scored], lines)


def _separation(right: Sequence[Row], wrong: Sequence[Row]) -> list[str]:
    """Of an explanation without a score nothing is known, so it takes no part."""
    good = [row.correlation for row in right if row.correlation is not None]
    bad = [row.correlation for row in wrong if row.correlation is not None]
    rng = np.random.default_rng(0)
    draws = [_auroc(rng.choice(good, len(good)), rng.choice(bad, len(bad))) for _ in range(2000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    own = {row.neuron: row.correlation for row in wrong if row.correlation is not None}
    wins = [
        (row.correlation > own[row.neuron]) + 0.5 * (row.correlation == own[row.neuron])
        for row in right
        if row.correlation is not None and row.neuron in own
    ]
    return [
        f"{len(right)}",
        mean(good),
        mean(bad),
        f"{_auroc(np.array(good), np.array(bad)):.3f} [{low:.3f}, {high:.3f}]",
        f"{100 * fmean(wins):.0f} %",
        f"{len(right) - len(good)} + {len(wrong) - len(bad)}",
        f"{sum(row.excerpts_failed for row in [*right, *wrong])}",
    ]


def _auroc(right: np.ndarray, wrong: np.ndarray) -> float:
    above = right[:, None] > wrong[None]
    return float((above + 0.5 * (right[:, None] == wrong[None])).mean())


def main() -> None:
    """Print all of them."""
    model = sys.argv[1] if len(sys.argv) > 1 else MODEL
    results = Results(read_rows(), model)
    for title, text in {
        "Formats, neuron_eval-3": formats(results, "neuron_eval-3"),
        "Formats, neuron_eval-2": formats(results, "neuron_eval-2"),
        "Puzzles": puzzles(results),
        "Packs, AdaCS": packs(results, "AdaCS"),
        "Packs, embedding simulation": packs(results, "embedding simulation"),
        "Copying": copying(results),
        "Listing": listing(results),
        "Ways": ways(results),
        "What they take": costs(results),
        "Agreement": agreement(results),
    }.items():
        print(f"### {title}\n\n{text}")
    if model == MODEL:
        print(f"### Readings\n\n{readings()}\n### README\n\n{readme(results)}")


if __name__ == "__main__":
    main()
