"""A neuron as a person sees it: its excerpts shaded by activation, in a terminal or a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from io import StringIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from neuron_eval.explain.prompting import CUTOFF_QUANTILE, cutoff
from neuron_eval.parameters import check_number
from neuron_eval.records import ActivationRecord, Excerpt, NeuronRecord
from neuron_eval.records.activations import lowest
from neuron_eval.records.heatmap import SHADES, shades, token_signs

EXCERPTS = 5  # so many of each kind are shown
_INK = "#141414"
_FULL = (244, 112, 62)  # the background of the highest activation; none is the page's own
_CELL = "text-align: left; vertical-align: top; padding: 1px 8px"
_TEXT = f"{_CELL}; font-family: monospace; white-space: pre-wrap; overflow-wrap: anywhere"


@dataclass(frozen=True, slots=True)
class NeuronPicture:
    """A neuron to look at: notebooks draw it in colour, and `print` writes it as text."""

    neuron: NeuronRecord
    excerpts: int = EXCERPTS
    """How many excerpts of each kind are shown, at least 1."""

    def __rich_console__(self, console: Console, _: ConsoleOptions) -> Iterator[RenderableType]:
        """Shaded where there are colours; in [brackets] what activates highly where not."""
        level, _why = _cutoff(self.neuron)
        coloured = console.color_system is not None and not console.no_color
        for name, value in self._facts():
            yield Text.assemble((f"{name}: ", "bold"), token_signs(value))
        for title, records in self._groups():
            table = Table.grid(padding=(0, 2))
            table.add_column(justify="right", no_wrap=True)
            table.add_column(overflow="fold")
            for record in records:
                text = self._shaded(record) if coloured else Text(_bracketed(record, level))
                table.add_row(f"{record.peak:.3g}", text)
            yield Text()
            yield Text(title, "bold")
            yield table

    def __repr__(self) -> str:
        text = StringIO()
        Console(file=text, width=100, color_system=None, force_jupyter=False).print(self)
        return "\n".join(line.rstrip() for line in text.getvalue().rstrip().splitlines())

    def _repr_html_(self) -> str:
        """Nothing but inline styles: a notebook may be shown where no other are kept."""
        level, _why = _cutoff(self.neuron)
        lines = [
            f"<b>{escape(name)}:</b> {escape(token_signs(value))}" for name, value in self._facts()
        ]
        parts = [f"<div>{'<br>'.join(lines)}</div>"]
        for title, records in self._groups():
            rows = "".join(
                f'<tr><td style="{_CELL}">{record.peak:.3g}</td>'
                f'<td style="{_TEXT}">{self._spans(record, level)}</td></tr>'
                for record in records
            )
            parts.append(f"<p><b>{escape(title)}</b></p><table>{rows}</table>")
        return "".join(parts)

    @property
    def _peak(self) -> float:
        return max((record.peak for record in _records(self.neuron)), default=0.0)

    def _facts(self) -> Iterator[tuple[str, str]]:
        yield from _facts(self.neuron)
        level, why = _cutoff(self.neuron)
        yield "cutoff", f"{level:.3g} ({why})"

    def _groups(self) -> Iterator[tuple[str, list[ActivationRecord]]]:
        """A title, and the excerpts that are shown below it."""
        for kind, group in _groups(self.neuron):
            if group:
                shown = [excerpt.record for excerpt in group[: self.excerpts]]
                yield f"{kind}: {len(shown)} of {len(group)}", shown

    def _shaded(self, record: ActivationRecord) -> Text:
        text = Text()
        for token, _, shade in self._tokens(record):
            text.append(token, f"{_INK} on rgb({_mixed(shade)})" if shade else None)
        return text

    def _spans(self, record: ActivationRecord, level: float) -> str:
        """Tokens shaded, bold above the level; the activation shows when the pointer is there."""
        parts = []
        for token, activation, shade in self._tokens(record):
            if not shade:
                parts.append(escape(token))
                continue
            tag = "b" if activation > level else "span"
            # See-through, so that it is a shade of the page's own colour, be that light or dark.
            full = ",".join(map(str, _FULL))
            style = f"background: rgba({full},{shade / SHADES:g})"
            if shade > SHADES / 2:
                style += f"; color: {_INK}"
            parts.append(f'<{tag} style="{style}" title="{activation:.3g}">{escape(token)}</{tag}>')
        return "".join(parts)

    def _tokens(self, record: ActivationRecord) -> Iterator[tuple[str, float, int]]:
        steps = shades(record.activations, 0.0, self._peak)
        signs = map(token_signs, record.tokens)
        return zip(signs, record.activations, steps, strict=True)


def show(neuron: NeuronRecord, *, excerpts: int = EXCERPTS) -> NeuronPicture:
    """Look at a neuron: in a notebook with its tokens shaded by activation.

    >>> from neuron_eval import load_neurons, show
    >>> show(load_neurons("puzzles", limit=1)[0], excerpts=1)
    id: puzzles/stay
    ...
    train: 1 of 6
    10  Please[ stay] here until the rain is over.
    ...

    Args:
        neuron: What `load_neurons` gives.
        excerpts: How many excerpts of each kind, at least 1.

    Returns:
        What notebooks draw. As text, tokens that activate highly stand in [brackets].
    """
    check_number("excerpts", excerpts, least=1)
    return NeuronPicture(neuron, excerpts)


def _facts(neuron: NeuronRecord) -> Iterator[tuple[str, str]]:
    yield "id", neuron.id
    yield "model", neuron.model
    if neuron.layer >= 0:
        yield "layer", f"{neuron.layer}, neuron {neuron.neuron}"
    if neuron.group:
        yield "group", neuron.group
    if neuron.reference:
        yield "reference", f"{neuron.reference.explanation} ({neuron.reference.source})"
    for other in neuron.other_explanations:
        yield "other explanation", f"{other.explanation} ({other.source})"
    for false in neuron.false_explanations:
        yield "false explanation", false
    if neuron.quantile_boundaries:
        levels = [f"{level:g}: " for level in neuron.quantiles] or [""] * 99
        pairs = zip(levels, neuron.quantile_boundaries, strict=False)
        yield "quantile boundaries", ", ".join(f"{level}{value:.3g}" for level, value in pairs)


def _cutoff(neuron: NeuronRecord) -> tuple[float, str]:
    records = tuple(_records(neuron))
    if neuron.cutoff is not None:
        return cutoff(neuron, records), "given"
    if len(neuron.quantile_boundaries) > CUTOFF_QUANTILE:
        return cutoff(neuron, records), f"quantile boundary {CUTOFF_QUANTILE}, counted from 0"
    why = "half of the peak" if lowest(records) <= 0 else "half way from the lowest to the peak"
    return cutoff(replace(neuron, quantile_boundaries=()), records), why


def _records(neuron: NeuronRecord) -> list[ActivationRecord]:
    return [excerpt.record for excerpt in neuron.excerpts]


def _groups(neuron: NeuronRecord) -> list[tuple[str, Sequence[Excerpt]]]:
    """The neuron's lists of excerpts, or its splits where they are fixed."""
    if neuron.given_splits:
        return list(neuron.given_splits)
    kinds = ("top", "random")
    return [(kind, [e for e in neuron.excerpts if e.kind == kind]) for kind in kinds]


def _mixed(shade: int) -> str:
    return ",".join(str(round(255 + (part - 255) * shade / SHADES)) for part in _FULL)


def _bracketed(record: ActivationRecord, level: float) -> str:
    pairs = zip(record.tokens, record.activations, strict=True)
    return "".join(f"[{token_signs(t)}]" if a > level else token_signs(t) for t, a in pairs)
