"""What each score gives to right and to wrong explanations, and how well it tells them apart.

    python benchmarks/believe.py run FOLDER      explanations of the study, and controls, simulated
                                                 by embeddings; goes on where it stopped
    python benchmarks/believe.py tables LOGS…    the tables of docs/believe.md

The formats' explanations are those of the study's model with the bundled pack, one per neuron. No
model is asked but the local embedder. ``tables`` takes logs of any simulator: those of one
simulator and one source of neurons make a table.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "study"))

from cells import NOTHING, table
from jobs import FORMATS
from results import MODEL, read_rows

from neuron_eval.logs.runs import Run
from neuron_eval.measures import MEASURES
from neuron_eval.reporting.collecting import collect
from neuron_eval.simulation.headline import RANDOM

SOURCES = {"clear": ("neurons=smollm2", "limit=40"), "puzzles": ("neurons=puzzles",)}
"""The neurons that have a reference."""

CONTROLS = ("reference", "shuffled", "unrelated", "false", "generic", "lexical")
WRONG = ("shuffled", "unrelated", "false")
"""What a right explanation is to be told from; ``unrelated`` is another neuron's, too."""

NAMES = ("pearson", "spearman", "cosine", "auprc", "f1", "iou", "auroc", "recall")
MEASURED = (*NAMES, *(f"{name}{RANDOM}" for name in NAMES))

RESAMPLES = 2000

Values = Mapping[str, float]
"""One score of one kind of explanation, by neuron; without those for which it is undefined."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one source and one simulator, by score and by kind of explanation."""

    title: str
    values: Mapping[str, Mapping[str, Values]]
    kinds: tuple[str, ...]


def run(folder: Path) -> None:
    """One eval for each source and kind of explanation, unless its log is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for source, choice in SOURCES.items():
        path = folder / f"{source}.csv"
        write_explanations(path, "puzzles" if source == "puzzles" else "smollm2")
        for kind in (*FORMATS, *CONTROLS):
            if kind == "unrelated" or (kind == "false" and source != "puzzles"):
                continue
            logs = folder / "logs" / source / kind
            if any(logs.glob("*.eval")):
                continue
            origin = (f"explanations={path}", f"column={kind}")
            parameters = (*choice, *(origin if kind in FORMATS else (f"explanations={kind}",)))
            ask(logs, (*parameters, "simulation=embedding"))


def ask(logs: Path, parameters: Sequence[str]) -> None:
    command = ["inspect", "eval", "neuron_eval/given", "--model", "none", "--display", "none"]
    for parameter in parameters:
        command += ["-T", parameter]
    subprocess.run([*command, "--log-dir", str(logs)], check=True)


def write_explanations(path: Path, neurons: str) -> None:
    """A row per neuron, a column per format: the study's first explanations."""
    rows: dict[str, dict[str, str]] = {}
    jobs = {f"explain/neuron_eval-3/{neurons}/{format}": format for format in FORMATS}
    for row in read_rows():
        if row.model == MODEL and row.epoch == 1 and row.job in jobs:
            rows.setdefault(row.neuron, {"id": row.neuron})[jobs[row.job]] = row.explanation
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["id", *FORMATS])
        writer.writeheader()
        writer.writerows(rows[neuron] for neuron in sorted(rows))


def scores(locations: Sequence[str]) -> Iterator[Scores]:
    """The logs' scores, by source and simulator."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for made in collect(locations, measures=MEASURED).every:
        groups.setdefault((made.neurons, made.simulator), []).append(made)
    for (neurons, simulator), runs in groups.items():
        by_kind = {made.control or made.format: made.results for made in runs}
        values = {
            name: {
                kind: {
                    id: value
                    for id, result in results.items()
                    if (value := result.measures.get(name)) is not None
                }
                for kind, results in by_kind.items()
            }
            for name in MEASURED
        }
        values["adacs"] = {
            kind: {id: r.scores["adacs"] for id, r in results.items() if "adacs" in r.scores}
            for kind, results in by_kind.items()
            if kind != "reference"
        }
        kinds = tuple(sorted(by_kind, key=(*CONTROLS, *FORMATS).index))
        yield Scores(f"{neurons}, {simulator}", values, kinds)


def means(given: Scores) -> str:
    """A row per score: the mean of each kind of explanation, where the score is defined."""
    lines = []
    for name, kinds in given.values.items():
        if any(kinds.values()):
            shown = [_mean(kinds.get(kind, {})) for kind in given.kinds]
            lines.append([_label(name), *shown])
    return table(["score", *given.kinds], lines)


def separation(given: Scores) -> str:
    """A row per score: how well it tells the reference from each kind of wrong explanation."""
    wrong = [kind for kind in WRONG if kind in given.kinds]
    lines = []
    for name, kinds in given.values.items():
        right = kinds.get("reference", {})
        if right and any(kinds.values()):
            cells = [cell for kind in wrong for cell in apart(right, kinds.get(kind, {}))]
            lines.append([_label(name), *cells, f"{len(right)}"])
    head = [f"{kind}: {what}" for kind in wrong for what in ("AUROC", "right wins")]
    return table(["score", *head, "neurons"], lines)


def apart(right: Values, wrong: Values) -> tuple[str, str]:
    """AUROC over all pairs with its interval, and how often a neuron's own right one is higher.

    The interval is the 95 % bootstrap interval over neurons, right and wrong drawn together.
    """
    both = sorted(right.keys() & wrong.keys())
    if len(both) < 2:
        return NOTHING, NOTHING
    a, b = np.array([[values[id] for id in both] for values in (right, wrong)])
    draws = np.random.default_rng(0).integers(len(both), size=(RESAMPLES, len(both)))
    low, high = np.quantile([auroc(a[drawn], b[drawn]) for drawn in draws], [0.025, 0.975])
    wins = np.mean((a > b) + 0.5 * (a == b))
    return f"{auroc(a, b):.2f} [{low:.2f}, {high:.2f}]", f"{100 * wins:.0f} %"


def auroc(right: np.ndarray, wrong: np.ndarray) -> float:
    above = right[:, None] > wrong[None]
    return float((above + 0.5 * (right[:, None] == wrong[None])).mean())


def _mean(values: Values) -> str:
    return f"{fmean(values.values()):.3f}" if values else NOTHING


def _label(name: str) -> str:
    if name == "adacs":
        return "AdaCS"
    label = MEASURES[name.removesuffix(RANDOM)].label
    return f"{label}, random" if name.endswith(RANDOM) else label


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", folder]:
            run(Path(folder))
        case ["tables", *locations] if locations:
            for made in scores(locations):
                print(f"### {made.title}\n\n{means(made)}\n{separation(made)}")
        case _:
            sys.exit(__doc__)
