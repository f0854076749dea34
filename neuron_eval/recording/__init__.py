"""Record neurons of a Hugging Face causal language model (extra `record`)."""

from __future__ import annotations

from neuron_eval.messages import InputError


class RecordingError(InputError):
    """A recording that cannot start or go on; the message says what would be right."""
