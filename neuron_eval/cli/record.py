"""The command `neuron-eval record`."""

import importlib
from pathlib import Path
from typing import Any

import click

from neuron_eval.cli.main import AT_LEAST_1, command
from neuron_eval.files.locking import alone_at
from neuron_eval.messages import shown
from neuron_eval.recording.strata import PER_STRATUM
from neuron_eval.workers import connected

LEVELS = "0.5,0.9,0.99,0.999,0.9999"


def _levels(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[float, ...]:
    try:
        levels = tuple(float(part) for part in value.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{shown(value)} is not a comma list of numbers") from error
    if list(levels) != sorted(set(levels)) or not all(0 < level < 1 for level in levels):
        raise click.BadParameter(f"{shown(value)}: levels must ascend and lie between 0 and 1")
    return levels


def _out(_ctx: click.Context, _param: click.Parameter, value: Path) -> Path:
    if not value.name.endswith((".jsonl", ".jsonl.gz")):
        raise click.BadParameter(f"{value} must end in .jsonl or .jsonl.gz")
    if not value.parent.is_dir():
        raise click.BadParameter(f"the folder {value.parent} does not exist")
    return value


@command()
@click.argument("model")
@click.option(
    "--out",
    required=True,
    callback=_out,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the neurons go: a .jsonl or .jsonl.gz file, written when all is done.",
)
@click.option(
    "--text",
    "texts",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A UTF-8 text file; repeat it for several.",
)
@click.option(
    "--dataset",
    metavar="NAME[:SPLIT[:COLUMN]]",
    help="Instead of text files a dataset "
    "of the hub, a folder or a file of rows (.jsonl, .json, .csv, .parquet), streamed; "
    "split train and column text unless given.",
)
@click.option("--dataset-config", metavar="NAME", help="The dataset's configuration.")
@click.option(
    "--layers",
    metavar="LIST",
    help="Layers for '--neurons all' and --per-layer, such as 4,8,12-16; all unless given.",
)
@click.option(
    "--neurons",
    multiple=True,
    metavar="IDS|FILE|all",
    help="A comma list such as "
    "L8N902,L20N414, a file with one id and an optional group a line ('#' starts a "
    "comment), or 'all'; may be repeated.",
)
@click.option("--per-layer", type=AT_LEAST_1, help="Draw this many further neurons of each layer.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of all drawing.")
@click.option(
    "--name", help="The model's name in the records; the last part of MODEL unless given."
)
@click.option(
    "--group", default="", show_default=False, help="The group of the --neurons that name none."
)
@click.option("--top", type=AT_LEAST_1, default=20, help="Top excerpts per neuron.")
@click.option("--random", type=click.IntRange(min=0), default=20, help="Random ones per neuron.")
@click.option("--per-stratum", type=click.IntRange(min=0), default=PER_STRATUM,
              help="Excerpts of each stratum of peaks, for excerpts_scored=quantiles; 0 for none.",
              )  # fmt: skip
@click.option("--length", type=AT_LEAST_1, default=64, help="Tokens per excerpt.")
@click.option("--max-tokens", type=AT_LEAST_1, help="Stop after this many tokens of text.")
@click.option("--batch-size", type=AT_LEAST_1, default=16, help="Excerpts a forward pass.")
@click.option(
    "--quantiles",
    default=LEVELS,
    callback=_levels,
    metavar="LIST",
    help="Levels of the quantile boundaries.",
)
@click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), default="float32",
              help="In which the model computes.")  # fmt: skip
@click.option("--device", default="cpu", help="A torch device.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted recording stopped.")
@click.option(
    "--checkpoint-every",
    type=AT_LEAST_1,
    default=100,
    metavar="BATCHES",
    help="How often the state is saved beside --out; what a worker is given at once.",
)
@click.option("--on", type=click.Choice(["local", "ray"]), default="local",
              help="Where the model runs: in this process, or on the workers of a Ray cluster.",
              )  # fmt: skip
def record(
    texts: tuple[Path, ...], neurons: tuple[str, ...], quantiles: tuple[float, ...], **options: Any
) -> None:
    """Record neurons of MODEL: a Hugging Face name, a folder, or a .gguf file.

    Each neuron's record holds the excerpts on which it fires most, some drawn at random, and
    quantile boundaries over every token of the text.
    """
    from neuron_eval.recording import job

    if bool(texts) == bool(options["dataset"]):
        raise click.UsageError("give either --text or --dataset")
    if options["dataset_config"] and not options["dataset"]:
        raise click.UsageError("--dataset-config goes with --dataset")
    if not neurons and not options["per_layer"]:
        raise click.UsageError("give --neurons (ids, a file, or all) or --per-layer, or both")
    click.get_current_context().with_resource(alone_at(options["out"]))
    if options["on"] == "ray":
        click.get_current_context().with_resource(connected())
    settings = job.Settings(texts=texts, neurons=neurons, levels=quantiles, **options)
    click.echo(job.record(settings, say=lambda line: click.echo(line, err=True), bar=_bar))


def _bar(total: int | None) -> Any:
    tqdm: Any = importlib.import_module("tqdm")
    return tqdm.tqdm(total=total, unit="tok", unit_scale=True, desc="recording")
