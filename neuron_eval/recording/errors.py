"""What goes wrong while recording."""

from __future__ import annotations


class RecordingError(ValueError):
    """A recording that cannot start or go on; the message says what would be right."""
