"""Load models and tokenizers with clear errors."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neuron_eval.recording.errors import RecordingError

NEEDED = "recording needs torch and transformers: pip install 'neuron_eval[record]'"


def module(name: str) -> Any:
    """Import a module of the extra `record`.

    Raises:
        RecordingError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RecordingError(f"{NEEDED} ({error})") from error


def source(model: str) -> tuple[str, dict[str, str]]:
    """What to hand to ``from_pretrained`` for a name, a folder or a GGUF file.

    Raises:
        RecordingError: A GGUF file does not exist.
    """
    path = Path(model)
    if path.suffix != ".gguf":
        return model, {}
    if not path.is_file():
        raise RecordingError(f"{model}: no such file")
    return str(path.parent), {"gguf_file": path.name}


def load(model: str, call: Callable[[], Any]) -> Any:
    """Call a loader of transformers.

    Raises:
        RecordingError: It fails; the message names the model.
    """
    try:
        return call()
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise RecordingError(f"{model}: cannot be loaded: {error}") from error
