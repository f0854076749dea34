"""`neuron-eval formats`: the prompt formats that there are."""

from __future__ import annotations

from neuron_eval.cli.main import command, first_line, list_lines


@command()
def formats() -> None:
    """List the prompt formats, which -T format= and --formats take, with your own packages'."""
    from neuron_eval.formats import format_names, get_format

    list_lines(((name, first_line(get_format(name))) for name in format_names()), "formats")
