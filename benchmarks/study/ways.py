"""The study's tables of ways to simulate: separation, what they take, agreement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from statistics import fmean

import numpy as np
from cells import average, gain, mean, table
from jobs import FORMATS, SIMULATED, WAYS
from results import Results, Row
from scipy.stats import spearmanr

from neuron_eval.reporting.statistics import holm

PACKS = ("neuron_eval-3", "words-six")
"""Whose words for simulators are compared."""

RIGHT_AND_WRONG = ("reference", "false", "unrelated")
"""What is known of a puzzle."""

WRONG = (("puzzles", "false"), ("clear", "near"), ("puzzles", "unrelated"), ("clear", "unrelated"))
"""Neurons, and wrong explanations of them."""


def ways(results: Results) -> str:
    """How well each way to simulate tells right explanations from wrong ones."""
    lines = []
    for neurons, wrong in WRONG:
        for way in WAYS:
            for pack in PACKS:
                place = f"judge/{way}/{pack}/{neurons}"
                right, other = results(f"{place}/reference"), results(f"{place}/{wrong}")
                if right and other:
                    said = f"{way}, {pack}" if pack != "neuron_eval-3" else way
                    lines.append([f"{neurons}, {wrong}", said, *_separation(right, other)])
    head = ["neurons, wrong ones", "way", "neurons", "right", "wrong", "AUROC", "right wins",
            "unscored", "excerpts unread", "tokens unread"]  # fmt: skip
    return table(head, lines)


def costs(results: Results) -> str:
    """What a way to simulate takes per explanation: six short excerpts, or ten long ones."""
    lines = []
    for neurons, way, pack in product(("puzzles", "clear"), WAYS, PACKS):
        places = [f"judge/{way}/{pack}/{neurons}/{kind}" for kind in RIGHT_AND_WRONG]
        rows = [row for place in places for row in results(place)]
        if rows and way != "embedding":
            said = f"{way}, {pack}" if pack != "neuron_eval-3" else way
            asked, again = sum(r.requests for r in rows), sum(r.complaints for r in rows)
            lines.append([
                neurons,
                said,
                f"{asked / len(rows):.1f}",
                f"{100 * again / asked:.0f} %",
                average(r.prompt_tokens for r in rows),
                average(r.output_tokens for r in rows),
            ])  # fmt: skip
    head = ["neurons", "way", "requests", "of these again", "prompt tokens", "output tokens"]
    return table(head, lines)


def agreement(results: Results) -> str:
    """Spearman correlation of the ways' scores, over the puzzles' explanations, right and wrong."""
    return _agreement({
        way: {
            (kind, row.neuron): row.correlation
            for kind in RIGHT_AND_WRONG
            for row in results(f"judge/{way}/neuron_eval-3/puzzles/{kind}")
            if row.correlation is not None
        }
        for way in WAYS
    })  # fmt: skip


def simulated(results: Results) -> str:
    """The formats' first explanations: each score's mean, and how far it is above Original's."""
    lines = []
    for neurons in ("clear", "puzzles"):
        for name, scored in _first_explanations(results, neurons).items():
            if not scored:
                continue
            by_format = [{n: v for (f, n), v in scored.items() if f == form} for form in FORMATS]
            gains = [gain(mine, by_format[0]) for mine in by_format[1:]]
            more = [
                said if p is None else f"{said}, p {p:.2g}"
                for (said, _), p in zip(gains, holm([p for _, p in gains]), strict=True)
            ]
            lines.append([f"{neurons}, {name}", *(mean(mine.values()) for mine in by_format)])
            lines.append(["more than Original", "", *more])
    return table(["", *FORMATS], lines)


def simulated_agreement(results: Results) -> str:
    """Spearman correlation of the scores of the clear neurons' first explanations."""
    return _agreement(_first_explanations(results, "clear"))


def _first_explanations(results: Results, neurons: str) -> dict[str, dict[tuple[str, str], float]]:
    """By score, then by format and neuron; of those that a language model simulated."""
    simulated = {way: f"simulate/{way}/{neurons}" for way in SIMULATED}
    simulator, *_ = simulated.values()
    explained = f"explain/neuron_eval-3/{'puzzles' if neurons == 'puzzles' else 'smollm2'}"
    chosen = {row.neuron for row in results(f"{simulator}/original")}
    return {
        name: {
            (form, row.neuron): score
            for form in FORMATS
            for row in results(f"{place}/{form}")
            if row.epoch == 1
            and row.neuron in chosen
            and (score := row.adacs if name == "AdaCS" else row.correlation) is not None
        }
        for name, place in {"AdaCS": simulator, "embedding": explained, **simulated}.items()
    }


def _agreement(scores: Mapping[str, Mapping[tuple[str, str], float]]) -> str:
    scored = {way: found for way, found in scores.items() if found}
    lines = []
    for way, mine in scored.items():
        cells = []
        for other in scored.values():
            both = sorted(mine.keys() & other.keys())
            pairs = [mine[key] for key in both], [other[key] for key in both]
            cells.append("" if other is mine else f"{spearmanr(*pairs).statistic:.2f}")
        lines.append([way, *cells])
    return table(["way", *scored], lines)


def auroc(right: Iterable[Row], wrong: Iterable[Row]) -> tuple[float, float, float]:
    """The chance that a right explanation scores above a wrong one, with its interval's ends."""
    good, bad = _scores(right), _scores(wrong)
    rng = np.random.default_rng(0)
    draws = [_above(rng.choice(good, len(good)), rng.choice(bad, len(bad))) for _ in range(2000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return _above(good, bad), float(low), float(high)


def _scores(rows: Iterable[Row]) -> np.ndarray:
    """Of an explanation without a score nothing is known, so it takes no part."""
    return np.array([row.correlation for row in rows if row.correlation is not None])


def _above(right: np.ndarray, wrong: np.ndarray) -> float:
    above = right[:, None] > wrong[None]
    return float((above + 0.5 * (right[:, None] == wrong[None])).mean())


def _separation(right: Sequence[Row], wrong: Sequence[Row]) -> list[str]:
    good, bad = _scores(right), _scores(wrong)
    between, low, high = auroc(right, wrong)
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
        f"{between:.3f} [{low:.3f}, {high:.3f}]",
        f"{100 * fmean(wins):.0f} %",
        f"{len(right) - len(good)} + {len(wrong) - len(bad)}",
        f"{sum(row.excerpts_failed for row in [*right, *wrong])}",
        f"{sum(row.tokens_failed for row in [*right, *wrong])}",
    ]
