"""True above simulated activation on the tokens, as ANSI text that the log viewer colours.

The viewer shows HTML as text, but renders 24-bit ANSI colours in strings of a score's metadata.
Every line opens with its own ink on its own white background, so that it reads in light and dark.

Known gap: letters that join or stack across tokens (Arabic, emoji sequences) are drawn token by
token, and right-to-left words stand in their own order within a row, the same in both rows.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

from rich.cells import cell_len, chop_cells

SHADES = 10  # steps of colour above white
WIDTH = 100  # columns a row before the excerpt goes on in the next pair: fits a half-screen window
# What `token_signs` writes for characters that cannot be seen, for a legend.
SIGNS = "⏎ newline  ⇥ tab  · another character without a shape"
Label = Literal["T", "S"]
_INK = "38;2;20;20;20"
_PAPER = "48;2;255;255;255"
_RESET = "\x1b[0m"
_FULL: dict[Label, tuple[int, int, int]] = {"T": (244, 112, 62), "S": (80, 152, 242)}
_LABEL: dict[Label, str] = {"T": "38;2;190;64;16", "S": "38;2;24;84;190"}
_VISIBLE = {"\n": "⏎", "\t": "⇥", "\xa0": " ", "\u3000": "\u3000"}

# A token, or a part of one that is longer than a row; its shades, true and simulated
_Piece = tuple[str, int, int]


def shades(values: Sequence[float], low: float, high: float) -> list[int]:
    """Steps of colour, shape [T], from 0 (white, up to ``low``) to `SHADES` (from ``high``)."""
    if high <= low:
        return [0 for _ in values]
    return [round(SHADES * min(1.0, max(0.0, (v - low) / (high - low)))) for v in values]


def heat_map(
    tokens: Sequence[str], true: Sequence[int], simulated: Sequence[int] | None = None
) -> str:
    """Rows of tokens as lines of ANSI text, coloured by the shades of their activations, shape [T].

    ``T`` opens a row of truth; where something was simulated, ``S`` opens one with the same text
    below. A token wider than a row goes on in the next pair.
    """
    lines = []
    for row in _rows(tokens, true, true if simulated is None else simulated):
        lines.append(_row("T", [(text, shade) for text, shade, _ in row]))
        if simulated is not None:
            lines.append(_row("S", [(text, shade) for text, _, shade in row]))
    return "\n".join(lines)


def scale(label: Label, name: str, low: float, high: float) -> str:
    """A line of a legend: what a label's rows show, from ``low`` in white to ``high`` in colour."""
    if high <= low:
        return f"{_opening(label)} {name}  white throughout, at most {_short(high)}{_RESET}"
    steps = "".join(f"\x1b[{_background(label, shade)}m " for shade in range(1, SHADES + 1))
    return (
        f"{_opening(label)} {name}  white up to {_short(low):<6} {steps}"
        f"\x1b[{_PAPER}m {_short(high)}{_RESET}"
    )


def caption(title: str, text: str) -> str:
    """A line of plain text between heat maps, its title in bold."""
    return f"\x1b[1;{_INK};{_PAPER}m{token_signs(title)}\x1b[22m  {token_signs(text)}{_RESET}"


@lru_cache(1 << 16)
def token_signs(token: str) -> str:
    """A token with signs for newlines, tabs and every other character without a shape.

    Among them are the bidirectional controls, which would reorder the line. A mark that would
    stand on the token before gets a circle of its own.
    """
    text = "".join(_sign(c) for c in token)
    return f"◌{text}" if text and unicodedata.category(text[0]).startswith("M") else text


def _sign(c: str) -> str:
    return _VISIBLE.get(c, c if c.isprintable() else "·")


def _rows(
    tokens: Sequence[str], true: Sequence[int], simulated: Sequence[int]
) -> Iterator[list[_Piece]]:
    """Whole pieces in rows of at most `WIDTH` columns."""
    row: list[_Piece] = []
    width = 0
    for token, t, s in zip(tokens, true, simulated, strict=True):
        for text in chop_cells(token_signs(token), WIDTH):
            columns = cell_len(text)
            if row and width + columns > WIDTH:
                yield row
                row, width = [], 0
            row.append((text, t, s))
            width += columns
    if row:
        yield row


def _row(label: Label, pieces: Sequence[tuple[str, int]]) -> str:
    """One row; neighbours of one shade share an escape, which keeps logs small."""
    parts = [_opening(label), " "]
    current = 0
    for text, shade in pieces:
        if shade != current:
            parts.append(f"\x1b[{_background(label, shade)}m")
            current = shade
        parts.append(text)
    return "".join(parts) + _RESET


def _opening(label: Label) -> str:
    """The label in bold in its own colour, then ink on white."""
    return f"\x1b[1;{_LABEL[label]};{_PAPER}m{label}\x1b[22;{_INK}m"


@lru_cache
def _background(label: Label, shade: int) -> str:
    mixed = (round(255 + (c - 255) * shade / SHADES) for c in _FULL[label])
    return "48;2;" + ";".join(map(str, mixed))


def _short(value: float) -> str:
    return f"{value:.3g}"
