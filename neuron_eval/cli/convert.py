"""`neuron-eval convert`: a set of neurons written to one file."""

from pathlib import Path
from typing import Any

import click

from neuron_eval.cli.main import as_typed, check_file, check_replaced, command
from neuron_eval.files.locking import alone_at
from neuron_eval.messages import InputError
from neuron_eval.sources.choosing import parse_choice
from neuron_eval.sources.surveying import write_chosen

ENDINGS = (".parquet", ".jsonl", ".jsonl.gz")  # what can be written
NAMED = 20  # at most so many missing neurons are named; the rest is counted


@command()
@click.argument("source", metavar="IN")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--layers", help="Only these layers, such as 0-3,10.")
@click.option("--index", help="Only these neurons of each layer, such as 5,7-9.")
@click.option("--select", default="all", help="Which set, such as random.")
@click.option("--per-layer", type=int, help="How many of each layer a set takes.")
@click.option("--threshold", type=float, help="The lowest score of select=interpretable.")
@click.option("--limit", type=int, help="At most so many neurons.")
@click.option("--seed", type=int, default=0, help="What a set draws.")
@click.option("--scores", help="A CSV file with the columns layer, neuron, score, explanation.")
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
def convert(source: str, out: Path, force: bool, **choosing: Any) -> None:
    """Write the neurons of IN to OUT, which ends in .parquet, .jsonl or .jsonl.gz.

    IN is whatever -T neurons= takes: a bundled set, a file, a folder, openai:gpt2-xl,
    hub:ORG/NAME. Neurons that IN does not have are counted and named; a bad one is an error, and
    then nothing is written.
    """
    click.get_current_context().with_resource(alone_at(out))
    check_file(out, "OUT", ENDINGS)
    check_replaced(out, out.exists(), force)
    missing: list[str] = []
    try:
        written = write_chosen(out, parse_choice(source, **choosing), missing)
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror or error}") from error
    except InputError as error:
        raise click.ClickException(f"{as_typed(str(error))}; {out} was not written") from error
    finally:
        if missing:
            click.echo(f"{len(missing)} neurons are missing:", err=True)
            more = [f"and {len(missing) - NAMED} more"] if len(missing) > NAMED else []
            for line in (*missing[:NAMED], *more):
                click.echo(f"  {line}", err=True)
    click.echo(f"{written} neurons written to {out}")
