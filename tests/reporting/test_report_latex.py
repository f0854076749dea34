"""Tables for a paper: what is left out of a narrow one, and whether LaTeX sets it in a column."""

import shutil
import subprocess

import pytest
from made_up_runs import five_formats
from test_report_tables import TRICKY, golden_tables

from neuron_eval.reporting.differences import Pair
from neuron_eval.reporting.rendering import PACKAGES, latex
from neuron_eval.reporting.tables.base import Cell, Column, Table
from neuron_eval.reporting.tables.paired import pair_table


def table(*rows, heading="neurons", short="n"):
    cells = tuple(tuple(Cell(text) for text in row) for row in rows)
    columns = (Column("run"), Column(heading, True, short=short))
    return Table("x", "Runs", columns, cells, ("A note.",))


def test_headings_are_short_and_the_notes_say_what_for():
    text = latex(table(("a", "1"), ("b", "2"), heading="w", short="v"))
    assert "run & v \\\\" in text
    assert "scriptsize v: w. A note." in text


def test_numbers_that_are_the_same_in_every_row_go_into_the_notes():
    text = latex(table(("a", "80"), ("b", "80")))
    assert "run \\\\\n\\midrule\na \\\\\nb \\\\" in text
    assert "neurons: 80 in every row. A note." in text
    assert "run & n \\\\" in latex(table(("a", "80")))
    assert "run & n \\\\" in latex(table(("a", "80"), ("b", "81")))


def test_words_are_broken_over_lines_and_names_at_their_signs():
    text = latex(table(("highlight_summary", "1"), ("smollm2/L5N738", "2")))
    assert r"p{0.2\columnwidth}r@{}" in text
    assert r"highlight\_\allowbreak{}summary & 1" in text
    assert r"smollm2/\allowbreak{}L5N738 & 2" in text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="apt install texlive-latex-recommended")
def test_latex_sets_every_table_within_a_column(tmp_path):
    runs = five_formats(25).runs
    tricky = Table("y", TRICKY, (Column("a"),), ((Cell(TRICKY),),), (TRICKY,))
    tables = [*golden_tables(), *pair_table(runs, Pair(*runs[:2])), tricky]
    used = "".join(f"\\usepackage{{{package}}}\n" for package in PACKAGES)
    body = "\n".join(map(latex, tables))
    (tmp_path / "paper.tex").write_text(
        f"\\documentclass[twocolumn]{{article}}\n{used}\\begin{{document}}\n{body}\\end{{document}}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "Overfull \\hbox" not in done.stdout, done.stdout
