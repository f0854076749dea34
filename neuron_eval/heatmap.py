"""True above simulated activation on the tokens, as ANSI text that the log viewer colours.

The viewer shows HTML as text, but renders 24-bit ANSI colours in strings of a score's metadata.
Every line opens with its own background, so that it reads in light and dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

SHADES = 10
"""Steps of colour above white."""

WIDTH = 96
"""Characters a row before the excerpt goes on in the next pair of rows."""

_RESET = "\x1b[0m"
_INK = "38;2;20;20;20"
_VISIBLE = str.maketrans({"\n": "⏎", "\r": "␍", "\t": "⇥", "\x1b": "␛"})
_TRUE, _SIMULATED = (214, 69, 31), (31, 99, 200)


def shades(values: Sequence[float], low: float, high: float) -> list[int]:
    """Values as steps of colour, 0 (white) to `SHADES`, shape [T].

    Args:
        values: Shape [T].
        low: What becomes white, with everything below.
        high: What gets the full colour; at or below ``low`` everything is white.
    """
    if high <= low:
        return [0 for _ in values]
    return [round(SHADES * min(1.0, max(0.0, (v - low) / (high - low)))) for v in values]


def heat_map(tokens: Sequence[str], true: Sequence[int], simulated: Sequence[int]) -> str:
    """Rows of tokens, each coloured by true activation, and again by simulated activation below.

    Args:
        tokens: The excerpt's tokens, shape [T].
        true: Shades of the true activations, shape [T].
        simulated: Shades of the expected activations, shape [T].

    Returns:
        Lines of ANSI text; ``T`` opens a row of truth, ``S`` one of simulation.
    """
    lines = []
    for start, end in _rows(tokens):
        for label, row, colour in (("T", true, _TRUE), ("S", simulated, _SIMULATED)):
            lines.append(_line(label, tokens[start:end], row[start:end], colour))
    return "\n".join(lines)


def visible(token: str) -> str:
    """A token with signs for newlines, tabs and other control characters."""
    return "".join(c if c.isprintable() or c == " " else "·" for c in token.translate(_VISIBLE))


def _rows(tokens: Sequence[str]) -> Iterator[tuple[int, int]]:
    start, width = 0, 0
    for i, token in enumerate(tokens):
        if width and width + len(token) > WIDTH:
            yield start, i
            start, width = i, 0
        width += len(token)
    yield start, len(tokens)


def _line(
    label: str, tokens: Sequence[str], row: Sequence[int], colour: tuple[int, int, int]
) -> str:
    """One row; neighbours of one shade share an escape, which keeps logs small."""
    parts = [f"\x1b[{_INK};48;2;255;255;255m{label} "]
    current = 0
    for token, shade in zip(tokens, row, strict=True):
        if shade != current:
            parts.append(f"\x1b[{_INK};48;2;{_mix(colour, shade)}m")
            current = shade
        parts.append(visible(token))
    return "".join(parts) + _RESET


def _mix(colour: tuple[int, int, int], shade: int) -> str:
    share = 0.85 * shade / SHADES
    return ";".join(str(round(255 + (c - 255) * share)) for c in colour)
