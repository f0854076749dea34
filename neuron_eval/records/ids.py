"""What can be a neuron's id: the sample's, of which Inspect makes a file's name within a log.

Inspect writes a sample to the member ``samples/ID_epoch_1.json`` of a zip file, and its viewer
puts the id into an address. A NUL would end the member's name early and lose the sample; ``..``
would make it a path out of the folder that somebody unpacks the log to.
"""

from __future__ import annotations

import unicodedata

from neuron_eval.messages import shortened, shown
from neuron_eval.records.heatmap import token_signs

LONGEST = 200
"""Bytes of UTF-8: a file system takes 255 in a name, of which Inspect needs some."""

_UNFIT = {
    "Cc": "the control character",
    "Cs": "half of a surrogate pair,",
    "Zl": "the line separator",
    "Zp": "the paragraph separator",
}


def fault_of(id_: str) -> str:
    """Why a text cannot be a neuron's id, to stand after ``it``; empty if it can be one."""
    if not id_.strip():
        return "is blank"
    if id_ != id_.strip():
        return "begins or ends with a blank"
    for c in () if id_.isprintable() else id_:
        if unfit := _UNFIT.get(unicodedata.category(c)):
            return f"holds {unfit} U+{ord(c):04X}"
    if "\\" in id_:
        return "holds a backslash"
    if any(part in ("", ".", "..") for part in id_.split("/")):
        return "has a part before, between or after its slashes that is empty, '.' or '..'"
    size = len(id_.encode())
    if size > LONGEST:
        return f"is {size} bytes long as UTF-8, more than {LONGEST}"
    return ""


def named(id_: object) -> str:
    """An id for a message: cut, and with signs for what has no shape."""
    return (
        shortened(token_signs(id_[: LONGEST + 1]), LONGEST) if isinstance(id_, str) else shown(id_)
    )
