"""The tables of docs/study.md, from the study's table of results.

    python benchmarks/study/tables.py

Scores are means over neurons; of a neuron that was explained several times its own mean counts.
Intervals are those of `neuron-eval report`.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from jobs import FORMATS, WAYS
from packs import NAMES
from results import Row, read_rows

from neuron_eval.prompts.pack import load_pack
from neuron_eval.report.statistics import estimate, holm, paired

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
    """The rows by job."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
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
    return "–" if found is None else f"{found.mean:.3f} [{found.lower:.3f}, {found.upper:.3f}]"


def formats(results: Results, pack: str) -> str:
    """Every format of a pack, and its difference from Original on the same neurons."""
    lines, ps = [], []
    for format in FORMATS:
        rows, base = results.explained(pack, format), results.explained(pack, "original")
        line = [format]
        for score in SCORES.values():
            mine, other = by_neuron(rows, score), by_neuron(base, score)
            line.append(mean(mine.values()))
            both = sorted(mine.keys() & other.keys())
            found = paired([mine[n] for n in both], [other[n] for n in both])
            if format == "original" or found is None:
                line.append("")
                ps.append(None)
            else:
                line.append(f"{found.difference:+.3f} [{found.lower:+.3f}, {found.upper:+.3f}]")
                ps.append(found.p)
        tokens = fmean(row.prompt_tokens for row in rows)
        lines.append([*line, f"{tokens:.0f}"])
    for i in range(2):
        for line, p in zip(lines, holm(ps[i::2]), strict=True):
            line[2 + 2 * i] += "" if p is None else f", p {p:.2g}"
    head = ["format"]
    for name in SCORES:
        head += [name, "more than Original"]
    return table([*head, "prompt tokens"], lines)


def readme(results: Results) -> str:
    """The table that the README begins with."""
    lines = []
    original = fmean(row.prompt_tokens for row in results.explained("neuron_eval-3", "original"))
    for format in FORMATS:
        rows = results.explained("neuron_eval-3", format)
        cells = [mean(by_neuron(rows, score).values()) for score in SCORES.values()]
        tokens = fmean(row.prompt_tokens for row in rows)
        lines.append([format, *cells, f"{tokens:.0f}", f"{original / tokens:.2f} x"])
    levels = {
        "unrelated": "another neuron's reference",
        "sentence": "a right sentence without examples",
        "list": "the same as a list of words",
        "baseline": "what the baseline lists (Summary)",
    }
    for which, name in levels.items():
        rows = results(f"judge/embedding/neuron_eval-3/clear/{which}")
        cells = [mean(by_neuron(rows, score).values()) for score in SCORES.values()]
        lines.append([f"*{name}*", *cells, "", ""])
    head = ["format", "AdaCS", "simulation by embedding", "prompt tokens", "fewer than Original"]
    return table(head, lines)


def packs(results: Results, score: str) -> str:
    """Words and few-shot neurons: what each pack gives beyond neuron_eval-2, by half."""
    lines = []
    for pack in NAMES[1:]:
        line = [pack]
        for format in FORMATS:
            mine = by_neuron(results.explained(pack, format), SCORES[score])
            base = by_neuron(results.explained(NAMES[0], format), SCORES[score])
            if not mine:
                line.append("–")
                continue
            neurons = sorted(base)
            first = fmean(mine[n] - base[n] for n in neurons[::2])
            found = paired([mine[n] for n in neurons[1::2]], [base[n] for n in neurons[1::2]])
            assert found
            line.append(
                f"{first:+.3f} / {found.difference:+.3f} [{found.lower:+.3f}, {found.upper:+.3f}]"
            )
        lines.append(line)
    return table(["pack", *FORMATS], lines)


def puzzles(results: Results) -> str:
    """The same on the puzzles."""
    lines = []
    for pack in ("neuron_eval-2", "neuron_eval-3"):
        for name, score in SCORES.items():
            cells = [
                mean(by_neuron(results.explained(pack, f, "puzzles"), score).values())
                for f in FORMATS
            ]
            lines.append([f"{pack}, {name}", *cells])
    return table(["", *FORMATS], lines)


def copying(results: Results) -> str:
    """How often three words in a row are those of a few-shot explanation."""
    lines = []
    for pack in NAMES:
        shipped = load_pack("neuron_eval-2" if pack in ("neuron_eval-2", "words") else None)
        known = set().union(*(_triples(n.explanation) for n in shipped.few_shot))
        rows = [row for f in FORMATS for row in results.explained(pack, f)]
        copied = fmean(bool(_triples(row.explanation) & known) for row in rows)
        words = fmean(len(row.explanation.split()) for row in rows)
        shots = "0" if pack.endswith("none") else str(len(shipped.few_shot))
        lines.append([pack, shots, f"{copied:.1%}", f"{words:.1f}", str(len(rows))])
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
    lines = []
    scores = {}
    for which in ("reference", "sentence", "list", "baseline", "unrelated"):
        rows = results(f"judge/embedding/neuron_eval-3/clear/{which}")
        scores[which] = {name: by_neuron(rows, score) for name, score in SCORES.items()}
    for which, found in scores.items():
        lines.append([which, *(mean(found[name].values()) for name in SCORES)])
    for which in ("list", "baseline"):
        line = [f"{which} − sentence"]
        for name in SCORES:
            mine, other = scores[which][name], scores["sentence"][name]
            difference = paired([mine[n] for n in other], list(other.values()))
            assert difference
            line.append(
                f"{difference.difference:+.3f} [{difference.lower:+.3f}, {difference.upper:+.3f}]"
            )
        lines.append(line)
    return table(["explanation", *SCORES], lines)


def ways(results: Results) -> str:
    """How well each way to simulate tells right explanations from wrong ones."""
    lines = []
    for way in WAYS:
        for pack in ("neuron_eval-3", "words-six"):
            for neurons, wrong in (("clear", "unrelated"), ("puzzles", "unrelated"),
                                   ("puzzles", "false")):  # fmt: skip
                place = f"judge/{way}/{pack}/{neurons}"
                right, other = results(f"{place}/reference"), results(f"{place}/{wrong}")
                if not right or not other:
                    continue
                lines.append([f"{way}, {pack}", f"{neurons}, {wrong}", *_separation(right, other)])
    head = ["way", "neurons, wrong ones", "right", "wrong", "AUROC", "unscored", "excerpts unread",
            "requests", "asked again", "prompt tokens", "output tokens"]  # fmt: skip
    return table(head, lines)


def _separation(right: Sequence[Row], wrong: Sequence[Row]) -> list[str]:
    """Of an explanation without a score nothing is known, so it takes no part."""
    good = [row.correlation for row in right if row.correlation is not None]
    bad = [row.correlation for row in wrong if row.correlation is not None]
    both = [*right, *wrong]
    rng = np.random.default_rng(0)
    draws = [_auroc(rng.choice(good, len(good)), rng.choice(bad, len(bad))) for _ in range(2000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return [
        mean(good),
        mean(bad),
        f"{_auroc(np.array(good), np.array(bad)):.3f} [{low:.3f}, {high:.3f}]",
        f"{len(right) - len(good)} + {len(wrong) - len(bad)} of {len(right)}",
        f"{fmean(row.excerpts_failed for row in both) * 10:.0f} %",
        f"{fmean(row.requests for row in both):.1f}",
        f"{fmean(row.complaints for row in both):.1f}",
        f"{fmean(row.prompt_tokens for row in both):.0f}",
        f"{fmean(row.output_tokens for row in both):.0f}",
    ]


def _auroc(right: np.ndarray, wrong: np.ndarray) -> float:
    above = right[:, None] > wrong[None]
    return float((above + 0.5 * (right[:, None] == wrong[None])).mean())


def main() -> None:
    """Print all of them."""
    results = Results(read_rows())
    for title, text in {
        "README": readme(results),
        "Formats, neuron_eval-3": formats(results, "neuron_eval-3"),
        "Formats, neuron_eval-2": formats(results, "neuron_eval-2"),
        "Puzzles": puzzles(results),
        "Packs, AdaCS": packs(results, "AdaCS"),
        "Packs, embedding simulation": packs(results, "embedding simulation"),
        "Copying": copying(results),
        "Readings": readings(),
        "Listing": listing(results),
        "Ways": ways(results),
    }.items():
        print(f"### {title}\n\n{text}")


if __name__ == "__main__":
    main()
