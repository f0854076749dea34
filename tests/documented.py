"""The commands in Markdown pages: those in blocks of ``sh``, and those in the text.

A block without a title runs from an empty folder, without a key and without a network, and so do
blocks of ``python``. A title says what its commands need: ```sh title="needs a key". The files of a
page are its blocks whose title is a file's name.
"""

import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from inspect_ai._cli.main import inspect as inspect_command
from inspect_ai._util.registry import registry_lookup

import neuron_eval._registry  # noqa: F401 - the providers that a page may name
from neuron_eval.cli.main import main as neuron_eval_command
from neuron_eval.inspect_private import provider_packages
from neuron_eval.task import Parameters

ROOT = Path(__file__).parents[1]
PROGRAMS = {"inspect": inspect_command, "neuron-eval": neuron_eval_command}
TASKS = tuple(
    f"neuron_eval/{path}"
    for path in ("summary", "explain", "investigate", "given", "rate", "sanity")
)
MADE_UP = ("…", "a", "b", "PROVIDER", "LOG")
"""What stands for a provider's name that the reader puts there."""

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:[A-Z_]+=\S+ )?(?:inspect|neuron-eval|make|python) [a-z][^`]*)`")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: the language, the title, which may be empty, and the text."""

    kind: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Script:
    """What a page has to run: its files by name, and its commands in their order."""

    files: dict[str, str]
    commands: list[list[str]]


def blocks(page: str, kind: str | None = None) -> list[Block]:
    """The blocks of a page, or those of one language."""
    found = [Block(*parts) for parts in BLOCK.findall(page)]
    return [block for block in found if kind in (None, block.kind)]


def commands(page: str) -> list[str]:
    """Every command of a page, in a block or in its text."""
    in_blocks = [line for block in blocks(page, "sh") for line in lines(block.text)]
    return in_blocks + INLINE.findall(BLOCK.sub("", page))


def runnable(page: str, kinds: tuple[str, ...] = ("sh", "python")) -> Script:
    """The commands of the blocks without a title."""
    files = {b.title: b.text for b in blocks(page) if b.title and b.kind != "sh"}
    found: list[list[str]] = []
    for block in blocks(page):
        if block.title or block.kind not in kinds:
            continue
        if block.kind == "python":
            found.append(["python", block.text])
        else:
            found += [shlex.split(line) for line in lines(block.text)]
    return Script(files, found)


def lines(text: str) -> list[str]:
    return [line for line in text.replace("\\\n", "").splitlines() if line]


def check(line: str) -> None:
    """Raise an AssertionError or click's error if a part of the command does not exist."""
    words = shlex.split(line)
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    program, *rest = words
    if program == "make":
        targets = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"^{rest[0]}:", targets, re.MULTILINE), line
    elif program == "python":
        assert rest[0] == "-m" or (ROOT / rest[0]).exists(), line
    elif program == "pip":
        for extras in re.findall(r"^\.\[(.*)\]$", rest[-1]):
            project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
            assert set(extras.split(",")) <= set(project["project"]["optional-dependencies"]), line
    elif program in PROGRAMS:
        check_options(program, rest)


def check_options(program: str, words: list[str]) -> None:
    """Parse what follows the program's name as it would, and look up what the options name."""
    command: click.Command = PROGRAMS[program]
    context = click.Context(command, info_name=program)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        subcommand = command.get_command(context, name)
        assert subcommand, f"{program} has no {name}"
        command, context = subcommand, click.Context(subcommand, context, info_name=name)
    options, arguments, _ = command.make_parser(context).parse_args(list(words))
    for parameter in command.params:
        value = options.get(parameter.name)
        if isinstance(parameter.type, click.Choice | click.IntRange) and isinstance(value, str):
            parameter.type.convert(value, parameter, context)
    if program == "inspect" and command.name in ("eval", "eval-set", "score"):
        check_names(options, arguments if command.name != "score" else [])


def check_names(options: dict[str, object], tasks: list[str]) -> None:
    """Tasks, solver, scorer, their parameters, and the models' providers."""
    for task in tasks:
        if task.startswith("tasks/"):
            assert (ROOT / task.partition("@")[0]).exists(), task
        elif task.startswith("neuron_eval/"):
            assert names_of(options.get("t")) <= parameters("task", task), task
    for kind in ("solver", "scorer"):
        name = str(options.get(kind) or "")
        if name.startswith("neuron_eval/"):
            assert names_of(options.get("s")) <= parameters(kind, name), name
    models = str(options.get("model") or "").split(",")
    roles = [str(role).partition("=") for role in options.get("model_role") or ()]
    assert {role for role, _, _ in roles} <= {"simulator", "embedder", "subject"}
    models += [re.sub(r"^\{model: |[,}].*", "", model) for _, _, model in roles]
    for model in filter(None, models):
        provider = model.partition("/")[0]
        assert provider in MADE_UP or provider in provider_packages(), model


def names_of(values: object) -> set[str]:
    return {str(value).partition("=")[0] for value in values or ()}


def parameters(kind: str, name: str) -> set[str]:
    """What a task, solver or scorer of this project takes."""
    # Inspect leaves the package out of the names of what lies in the folder it runs in.
    function = registry_lookup(kind, name) or registry_lookup(kind, name.rpartition("/")[2])
    assert function, f"there is no {kind} {name}"
    own = inspect.signature(function).parameters.values()
    more = set(Parameters.__annotations__) if any(p.kind is p.VAR_KEYWORD for p in own) else set()
    return more | {p.name for p in own}


def every_option() -> set[str]:
    """Every option of both programs."""
    context = click.Context(inspect_command)
    commands = [c for program in PROGRAMS.values() for c in subcommands(program, context)]
    return {opt for c in commands for p in c.params for opt in (*p.opts, *p.secondary_opts)}


def subcommands(command: click.Command, context: click.Context) -> list[click.Command]:
    if not isinstance(command, click.Group):
        return [command]
    below = [command.get_command(context, name) for name in command.list_commands(context)]
    return [command, *(c for b in below if b for c in subcommands(b, context))]


RUN = """
import glob, json, os, sys
from inspect_ai._cli.main import inspect
from inspect_ai.log import list_eval_logs, read_eval_log
from neuron_eval.cli.main import main
for folder, commands in json.load(sys.stdin):
    os.chdir(folder)
    for program, *words in commands:
        print("$", program, *words, flush=True)
        if program == "python":
            exec(words[0], {})
            continue
        words = [path for word in words for path in (glob.glob(word) if "*" in word else [word])]
        command = {"inspect": inspect, "neuron-eval": main}[program]
        status = command.main(words, standalone_mode=False)
        assert not status, status
    for log in list_eval_logs("logs") if os.path.exists("logs") else []:
        assert read_eval_log(log, header_only=True).status == "success", log
"""
"""All commands in one process, since each start of Inspect takes seconds."""

NOWHERE = "http://127.0.0.1:9"
OFFLINE = {"http_proxy": NOWHERE, "https_proxy": NOWHERE, "HF_HUB_OFFLINE": "1"}


def run(jobs: Sequence[tuple[Path, list[list[str]]]], **environment: str) -> str:
    """Run commands, each list of them in a folder, and return what they printed.

    Raises:
        AssertionError: One of them failed, or a log of theirs; the message ends with their output.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN],
        input=json.dumps([(str(folder), commands) for folder, commands in jobs]),
        env={**os.environ, "INSPECT_DISPLAY": "plain", "INSPECT_LOG_DIR": "logs", **environment},
        cwd=jobs[0][0],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def laid_out(folder: Path, script: Script) -> tuple[Path, list[list[str]]]:
    """The folder, made, with the page's files in it, and the page's commands."""
    folder.mkdir(parents=True)
    for name, text in script.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder, script.commands
