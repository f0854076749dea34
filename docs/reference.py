"""Writes docs/reference.md from the code: what there is, with defaults, in the docstrings' words.

python docs/reference.py
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from docstring_parser import DocstringStyle, parse

import neuron_eval
from neuron_eval import metrics
from neuron_eval.cli.main import main
from neuron_eval.formats import format_names, get_format
from neuron_eval.scorers import adacs, generation, judging, rating, rewritten, sanity_checks
from neuron_eval.scorers import simulation_correlation
from neuron_eval.simulation import ways
from neuron_eval.sources import opening
from neuron_eval.task import explanation_task
from neuron_eval.tasks import controls, explain, formats, given, investigate, rate, sanity

PAGE = Path(__file__).with_name("reference.md")

HEADER = """\
# Reference

Made from the code by `make docs`: what you can name, with defaults and meaning."""

SOLVERS = """\
The solvers take `cutoff_quantile` and `pack` after `-S`. A solver named by `--solver` takes its own
parameters, not the task's:

```sh
inspect eval neuron_eval/summary --solver neuron_eval/avhs \\
    -S cutoff_quantile=3 --model neuron-baseline/lexical --limit 2 \\
    --log-dir logs/solver
```

`reference`, `shuffled`, `generic` (which takes `pack`) and `lexical` (which takes
`cutoff_quantile`) are solvers too, and ask no explainer."""

TASKS = (
    *(formats.original, formats.summary, formats.highlight, formats.highlight_summary),
    *(formats.avhs, explain.explain, investigate.investigate),
    *(given.given, rate.rate, sanity.sanity),
    *(controls.reference, controls.shuffled, controls.generic, controls.lexical, controls.false),
)
SCORERS = (
    simulation_correlation.simulation_correlation,
    simulation_correlation.scored,
    adacs.adacs,
    *(judging.detection, judging.fuzzing, judging.intruder),
    generation.generation,
    rating.rating,
    *(sanity_checks.missing_labels, sanity_checks.extra_labels),
    *(sanity_checks.missing_labels_top_random, sanity_checks.extra_labels_top_random),
    *(rewritten.narrowed_reference, rewritten.widened_reference),
)
METRICS = (metrics, rating, sanity_checks)
"""The modules that define them."""


def page() -> str:
    """The whole page, as Markdown."""
    parts = [HEADER, *tasks(), *names(), *commands(), *python()]
    return "\n\n".join(parts) + "\n"


def tasks() -> Iterator[str]:
    yield "## Tasks"
    yield "`inspect eval neuron_eval/NAME` runs one. Parameters are typed after `-T`."
    yield table(("task", "what it does"), [(f"`{t.__name__}`", summary(t)) for t in TASKS])
    yield "### Parameters of the tasks that explain"
    yield (
        "`original`, `summary`, `highlight`, `highlight_summary`, `avhs` and `explain` take these; "
        "`explain` alone takes `format`. `reference`, `shuffled`, `generic`, `lexical` and `false` "
        "take them too, and explain nothing."
    )
    yield parameters(explanation_task, {"format": "summary"})
    yield SOLVERS
    yield "### Parameters of `investigate`"
    yield parameters(investigate.investigate)
    yield "Besides, it takes what the tasks that explain take."
    yield "### Parameters of `given`"
    yield parameters(given.given)
    allowed = ", ".join(f"`{name}`" for name in given.ALLOWED)
    yield f"Besides, it takes {allowed}, as the tasks that explain do."
    yield "### Parameters of `rate`"
    yield parameters(rate.rate)
    yield "### Parameters of `sanity`"
    yield parameters(sanity.sanity)
    allowed = ", ".join(f"`{name}`" for name in sanity.ALLOWED)
    yield f"Besides, it takes {allowed}, as the tasks that explain do."


def names() -> Iterator[str]:
    yield "## Formats"
    yield "What `-T format=` and `--formats` take."
    yield listed(((name, get_format(name)) for name in format_names()), "format")
    yield "## Sources"
    yield "What `-T neurons=` takes. [Your own neurons](sources/index.md) has a page for each."
    rows = [(f"`{written}`", meaning) for written, meaning in opening.known_sources()]
    yield table(("what you write", "what it names"), rows)
    yield "## Ways to simulate"
    yield "What `-T simulation=` takes, besides `auto` and `none`."
    yield listed(ways().items(), "way")
    yield "## Scorers"
    yield listed(((scorer.__name__, scorer) for scorer in SCORERS), "scorer")
    yield "## Metrics"
    rows = [(f"`{name}`", markdown(text)) for module in METRICS for name, text in metrics_in(module)]
    yield table(("metric", "what it is"), rows)


def metrics_in(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Name and first sentence, from the source: what Inspect makes of a metric has neither."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef):
            if any(ast.unparse(made).startswith("metric") for made in node.decorator_list):
                doc = parse(ast.get_docstring(node) or "", DocstringStyle.GOOGLE)
                yield node.name, doc.short_description or ""


def commands() -> Iterator[str]:
    yield "## Commands"
    context = click.Context(main, info_name="neuron-eval")
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        yield f"### neuron-eval {name}"
        usage = " ".join(command.collect_usage_pieces(click.Context(command, context)))
        yield f"```text\nneuron-eval {name} {usage}\n```"
        yield markdown(command.help or "")
        rows = [row for param in command.params if (row := option(param))]
        if rows:
            yield table(("option", "default", "meaning"), rows)


def option(param: click.Parameter) -> tuple[str, str, str] | None:
    """A row; the default is in the help where no one default is always taken."""
    if not isinstance(param, click.Option) or param.hidden:
        return None
    written = " / ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts))
    if isinstance(param.type, click.Choice):
        written += " " + ", ".join(f"`{choice}`" for choice in param.type.choices)
    text, _, other = (param.help or "").partition("  [default: ")
    value = param.default
    if other:
        default = code(other.rstrip("]"))
    elif isinstance(value, bool):
        default = ("yes" if value else "no") if param.secondary_opts else ""
    elif value is None or callable(value) or not isinstance(value, str | int | float) or value == "":
        default = ""
    else:
        default = f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
    return written, default, markdown(text)


def python() -> Iterator[str]:
    yield "## Python"
    yield "`from neuron_eval import …`; tasks and scorers are Inspect's, so `inspect_ai.eval` runs them."
    for name in neuron_eval.__all__:
        value = getattr(neuron_eval, name)
        if not inspect.isfunction(value) or value in (*TASKS, *SCORERS):
            continue
        if value.__module__.startswith("neuron_eval.tasks"):
            continue
        yield f"### {name}"
        yield f"```py\n{signature(name, value)}\n```"
        yield from documented(value)


def documented(function: Callable[..., Any]) -> Iterator[str]:
    doc = parse(inspect.getdoc(function) or "", DocstringStyle.GOOGLE)
    yield markdown(doc.short_description or "")
    if doc.long_description:
        yield from prose(doc.long_description)
    if doc.params:
        yield table(
            ("argument", "meaning"),
            [(f"`{p.arg_name.lstrip('*')}`", markdown(p.description or "")) for p in doc.params],
        )
    if doc.returns and doc.returns.description:
        yield f"Returns: {markdown(doc.returns.description)}"


def prose(text: str) -> Iterator[str]:
    """Paragraphs; examples as code."""
    for block in text.split("\n\n"):
        if block.startswith(">>>"):
            yield f"```pycon\n{block}\n```"
        else:
            yield markdown(block) if not block.lstrip().startswith("- ") else rst(block)


def signature(name: str, function: Callable[..., Any]) -> str:
    """A line per parameter, with types and defaults."""
    lines, keyword = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword:
            lines.append("*")
            keyword = True
        lines.append(str(parameter.replace(annotation=Written(written(parameter.annotation)))))
    result = written(inspect.signature(function).return_annotation)
    if not lines:
        return f"{name}() -> {result}"
    return f"{name}(\n" + "".join(f"    {line},\n" for line in lines) + f") -> {result}"


def written(annotation: Any) -> str:
    """An annotation without the modules of its names."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)


class Written(str):
    """An annotation that is printed as it is written."""

    __repr__ = str.__str__


def parameters(function: Callable[..., Any], defaults: dict[str, Any] | None = None) -> str:
    """The table of what a docstring's Args say, but for those that are handed on."""
    taken = inspect.signature(function).parameters
    rows = []
    for entry in parse(inspect.getdoc(function) or "", DocstringStyle.GOOGLE).params:
        if entry.arg_name.startswith("*"):
            continue
        default = (defaults or {}).get(entry.arg_name, taken[entry.arg_name].default)
        stated = "none" if default in (None, "") else f"`{str(default).lower()}`"
        rows.append((f"`{entry.arg_name}`", stated, markdown(entry.description or "")))
    return table(("parameter", "default", "meaning"), rows)


def listed(entries: Iterable[tuple[str, Any]], heading: str) -> str:
    return table((heading, "what it is"), [(f"`{name}`", summary(v)) for name, v in entries])


def summary(thing: Any) -> str:
    doc = parse(inspect.getdoc(thing) or "", DocstringStyle.GOOGLE)
    return markdown(doc.short_description or "")


def table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown(text: str) -> str:
    """A docstring's text on one line."""
    return " ".join(rst(text).split()).replace("|", "\\|")


def rst(text: str) -> str:
    """Names in double backticks as Markdown has them; a place in the code by its last name."""
    text = re.sub(r"(?<!`)`neuron_eval\.[\w.]*?(\w+)`(?!`)", r"`\1`", text)
    return re.sub(r"``([^`]+)``", r"`\1`", text)


def code(text: str) -> str:
    return f"`{text}`" if " " not in text else markdown(text)


if __name__ == "__main__":
    import_module("neuron_eval._registry")
    PAGE.write_text(page(), encoding="utf-8")
