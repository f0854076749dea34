"""The verdict of every kind of report, word for word, and where it is shown."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_runs import FORMATS, five_formats, neuron, run

from neuron_eval.reporting.collecting import Collected
from neuron_eval.reporting.comparing import NAMES
from neuron_eval.reporting.differences import Pair, pair_of
from neuron_eval.reporting.notebook import Report
from neuron_eval.reporting.page import write_report
from neuron_eval.reporting.raters import Rater
from neuron_eval.reporting.tables import all_tables
from neuron_eval.reporting.tables.base import without_rows
from neuron_eval.reporting.tables.scores import MEASURES
from neuron_eval.reporting.verdict import verdict

GOLDEN = Path(__file__).parents[1] / "golden" / "verdicts.md"

SPREAD = [0.02 * (i % 10) for i in range(40)]
"""Scores of 40 neurons, from 0 to 0.18."""


def scored(format, scores, tokens=None, explainer="mini", adacs=None, unrelated=None, **more):
    """A run with a simulation correlation per neuron; None was not scored."""
    neurons = []
    for i, score in enumerate(scores):
        made = neuron(i, score or 0.0, adacs and adacs[i], prompt_tokens=tokens)
        made = replace(made, unrelated=unrelated and unrelated[i])
        if score is None:
            reasons = {**made.unscored, "simulation_correlation": ("the reply held no numbers",)}
            left = {k: v for k, v in made.scores.items() if k != "simulation_correlation"}
            made = replace(made, scores=left, unscored=reasons)
        neurons.append(made)
    log = f"{format}-{explainer}.eval"
    return run(format, neurons, explainer=f"maker/{explainer}", log=log, **more)


def above(by, wobble=0.0):
    """Scores of 40 neurons that are higher by so much, give or take ``wobble``."""
    return [s + by + wobble * (1, -1, 0.5, -0.5)[i % 4] for i, s in enumerate(SPREAD)]


def of(*runs, **more):
    return Collected(runs, pair=pair_of(runs), **more)


def two_models():
    heights = {"mini": (0.1, 0.13, 0.1, 0.12, 0.131), "large": (0.2, 0.3, 0.34, 0.2, 0.2)}
    return Collected(
        tuple(
            scored(format, above(height, 0.05 + 0.01 * k), 1000 - 150 * k, model)
            for model, of_formats in heights.items()
            for k, (format, height) in enumerate(zip(FORMATS, of_formats, strict=True))
        )
    )


def self_measured():
    """Each of two models simulates what it explained itself."""
    return Collected(
        tuple(
            scored(format, above(height), explainer=model, simulator=f"maker/{model} (chat)")
            for model in ("mini", "large")
            for format, height in (("original", 0.2), ("summary", 0.3))
        )
    )


ORIGINAL = scored("original", above(0.2), 3000)
KINDS = {
    "a winner": of(ORIGINAL, scored("summary", above(0.3, 0.1), 1200)),
    "a winner of five": five_formats(30),
    "two that cannot be told apart": of(ORIGINAL, scored("summary", above(0.202, 0.2), 1200)),
    "three that cannot be told apart, and the baseline": Collected(
        (
            ORIGINAL,
            scored("summary", above(0.3, 0.2), 1200),
            scored("highlight", above(0.31, 0.1), 1100),
            scored("avhs", above(0.302, 0.05), 3100),
        )
    ),
    "the baseline is the best": Collected(
        (
            ORIGINAL,
            scored("summary", above(0.1, 0.1), 1200),
            scored("avhs", above(0.12, 0.01), 1000),
        )
    ),
    "few neurons": of(
        scored("original", SPREAD[:8], 3000), scored("summary", above(0.3, 0.01)[:8], 2000)
    ),
    "few neurons, and no difference": of(
        scored("original", SPREAD[:8], 3000), scored("summary", above(0.01, 0.2)[:8], 2000)
    ),
    "one run": of(ORIGINAL),
    "one run, and a log that was left out": of(ORIGINAL, notes=("b.eval did not finish",)),
    "one run of few neurons": of(scored("summary", [0.2, 0.4, None])),
    "one run, one neuron": of(scored("summary", [0.2])),
    "one neuron": of(scored("original", [0.2]), scored("summary", [0.4])),
    "all tied": Collected(tuple(scored(f, SPREAD, 1000 - 100 * k) for k, f in enumerate(FORMATS))),
    "two tied": of(scored("original", SPREAD[:5]), scored("summary", SPREAD[:5])),
    "all unscored": of(scored("original", [None] * 3), scored("summary", [None] * 3)),
    "one run unscored": Collected(
        (ORIGINAL, scored("summary", above(0.3, 0.1)), scored("avhs", [None] * 40))
    ),
    "two models, five formats": two_models(),
    "two models of one format": of(ORIGINAL, scored("original", above(0.3, 0.1), 2900, "large")),
    "three models of one format": Collected(
        tuple(scored("original", above(0.1 * k), 3000, m) for k, m in enumerate("abc"))
    ),
    "two models that measured themselves": self_measured(),
    "no baseline": Collected(
        tuple(
            scored(f, above(0.1 * k, 0.1), 1000 - 100 * k) for k, f in enumerate(FORMATS) if k > 1
        )
    ),
    "a baseline of another model": Collected(
        (
            scored("original", above(0.1), explainer="large"),
            scored("summary", above(0.2)),
            scored("avhs", above(0.3)),
        )
    ),
    "raters only": Collected(
        (), raters=(Rater("a.eval", "human/a", ("x",), "train", "0a1b", "{}", ()),)
    ),
    "a pair that was asked for": replace(
        five_formats(30), pair=Pair(five_formats(30).runs[1], five_formats(30).runs[3])
    ),
    "unscored neurons": of(
        scored("original", [*SPREAD[:30], *[None] * 10], 3000),
        scored("summary", above(0.3, 0.1), 3010),
    ),
    "no neuron in common": of(
        scored("original", [0.1, 0.2, None, None]), scored("summary", [None, None, 0.3, 0.4])
    ),
    "a simulation correlation of a wrong explanation": of(
        scored("original", [(-1) ** i * 0.1 - 0.1 for i in range(40)]),
        scored("summary", [(-1) ** i * 0.1 for i in range(40)]),
    ),
    "an AdaCS of wrong explanations": of(
        scored("original", above(0.2), adacs=above(0.2), unrelated=above(0.1)),
        scored("summary", above(0.3, 0.1), adacs=above(0.2, 0.1), unrelated=above(0.2)),
    ),
    "measures that disagree": of(
        scored("original", above(0.2), adacs=above(0.5), unrelated=SPREAD),
        scored("summary", above(0.3, 0.1), adacs=above(0.3, 0.1), unrelated=SPREAD),
    ),
}


def golden():
    parts = re.split(r"^## (.+)\n\n", GOLDEN.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], (text.strip() for text in parts[2::2]), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_the_verdict_of_each_kind_is_the_golden_one(kind):
    if os.environ.get("NEURON_EVAL_UPDATE_GOLDEN"):
        every = {name: "\n\n".join(verdict(made).paragraphs) for name, made in KINDS.items()}
        text = "\n\n".join(f"## {name}\n\n{paragraphs}" for name, paragraphs in every.items())
        GOLDEN.write_text(f"{text}\n", encoding="utf-8")
    assert "\n\n".join(verdict(KINDS[kind]).paragraphs) == golden()[kind]


def test_the_report_opens_with_the_verdict_wherever_it_is_shown(tmp_path):
    collected = KINDS["few neurons"]
    opening, caution = verdict(collected).paragraphs
    tables = all_tables(collected)
    report = Report(collected, tuple(tables), verdict(collected), ("b.eval left out: why",))
    first = " ".join(repr(report).split("\n\n")[0].split())
    assert first == f"{opening} {caution}"
    assert report._repr_html_().startswith(f"<p>{opening}</p>")
    write_report(collected, tables, tmp_path, "original", bundle=False)
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert markdown.startswith(f"# Neuron explanations compared\n\n{opening}\n\n{caution}\n\n## ")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    body = page[page.index("<main>") :]
    assert body.index(opening) < body.index(caution.removeprefix("Caution: ")) < body.index("<h3")


def test_the_logs_that_were_used_and_what_was_left_out_come_last(tmp_path):
    collected = replace(KINDS["few neurons"], notes=("b.eval left out: why",))
    tables = all_tables(collected)
    report = Report(collected, tuple(tables), verdict(collected), collected.notes)
    lines = repr(report).splitlines()
    assert lines[-3:] == [
        "Log of original: original-mini.eval",
        "Log of summary: summary-mini.eval",
        "b.eval left out: why",
    ]
    write_report(collected, tables, tmp_path, "original", bundle=False)
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "## Runs and their logs" in markdown.split("![")[-1]
    assert markdown.endswith("b.eval left out: why\n")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.index('id="neurons"') < page.index('id="compared"') < page.index("<li")


def test_a_table_without_rows_is_left_out_with_a_sentence(tmp_path):
    collected = KINDS["one run"]
    tables = all_tables(collected)
    sentence = "No paired comparison: original is the only format."
    assert sentence in without_rows(tables)
    report = Report(collected, tuple(tables), verdict(collected))
    write_report(collected, tables, tmp_path, "original", bundle=False)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    for text in (repr(report), report._repr_html_(), page, markdown):
        assert sentence in text
        assert "Difference from original" not in text
    assert not (tmp_path / "tables" / "paired.md").exists()
    assert (tmp_path / "tables" / "paired.csv").read_text().startswith("measure,run,")


def test_each_measure_is_defined_beside_its_first_table():
    first, *others = all_tables(KINDS["measures that disagree"], by=("layer",))
    for name, line in MEASURES.items():
        assert f"{NAMES[name]}: {line}" in first.notes
        assert not any(line in note for table in others for note in table.notes)


def test_no_number_of_a_wide_table_is_cut_off_in_a_narrow_terminal():
    scores = {f"scorer_{i}": 0.123456 for i in range(12)}
    runs = [run(name, [neuron(i, scores=scores) for i in range(3)]) for name in ("a", "b")]
    collected = Collected(tuple(runs))
    report = Report(collected, tuple(all_tables(collected)), verdict(collected))
    rows = [line for line in repr(report).splitlines() if line.startswith((" a ", " b "))]
    assert [line.count("0.123 [0.123, 0.123]") for line in rows[:2]] == [12, 12]


def test_several_runs_without_a_score_are_in_the_plural():
    made = [
        run("a", [neuron(i) for i in range(2)]),
        *(run(name, [neuron(i, scores={"x": 0.5}) for i in range(2)]) for name in ("b", "c")),
    ]
    cautions = " ".join(verdict(Collected(tuple(made))).cautions)
    assert "b and c have no simulation correlation of any neuron, and are in no" in cautions
