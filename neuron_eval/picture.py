"""A neuron as a person sees it: its excerpts shaded by activation, in a terminal or a notebook."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from io import StringIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from neuron_eval.explain.prompting import CUTOFF_QUANTILE, cutoff
from neuron_eval.parameters import check_number
from neuron_eval.records import ActivationRecord, NeuronRecord
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
    excerpts: int = EXCERPTS  # so many of each kind, at least 1

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
                table.add_row(f"{record.peak:.3g}", self._text(record, level, coloured))
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

    def _facts(self) -> Iterator[tuple[str, str]]:
        neuron = self.neuron
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
        level, why = _cutoff(neuron)
        yield "cutoff", f"{level:.3g} ({why})"

    def _groups(self) -> Iterator[tuple[str, list[ActivationRecord]]]:
        excerpts = self.neuron.excerpts
        lists = [(kind, [e for e in excerpts if e.kind == kind]) for kind in ("top", "random")]
        for kind, group in self.neuron.given_splits or lists:
            if group:
                shown = [excerpt.record for excerpt in group[: self.excerpts]]
                yield f"{kind}: {len(shown)} of {len(group)}", shown

    def _text(self, record: ActivationRecord, level: float, coloured: bool) -> Text:
        text = Text()
        for token, activation, shade in self._tokens(record):
            mixed = ",".join(str(round(255 + (part - 255) * shade / SHADES)) for part in _FULL)
            if coloured:
                text.append(token, f"{_INK} on rgb({mixed})" if shade else None)
            else:
                text.append(f"[{token}]" if activation > level else token)
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
        peak = max(excerpt.record.peak for excerpt in self.neuron.excerpts)
        steps = shades(record.activations, 0.0, peak)
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


def _cutoff(neuron: NeuronRecord) -> tuple[float, str]:
    records = tuple(excerpt.record for excerpt in neuron.excerpts)
    if neuron.cutoff is not None:
        return cutoff(neuron, records), "given"
    if len(neuron.quantile_boundaries) > CUTOFF_QUANTILE:
        return cutoff(neuron, records), f"quantile boundary {CUTOFF_QUANTILE}, counted from 0"
    why = "half of the peak" if lowest(records) <= 0 else "half way from the lowest to the peak"
    return cutoff(replace(neuron, quantile_boundaries=()), records), why
