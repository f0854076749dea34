"""Record neurons of a Hugging Face causal language model (extra `record`)."""

import importlib
from pathlib import Path
from typing import Any

from neuron_eval.messages import InputError


class RecordingError(InputError):
    """A recording that cannot start or go on; the message says what would be right."""


NEEDED = "this needs torch and transformers: pip install 'neuron_eval[record]'"


def module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RecordingError(f"{NEEDED} ({error})") from error


def load(kind: str, model: str, **settings: Any) -> Any:
    """What ``from_pretrained`` of a class such as ``AutoTokenizer`` gives.

    The model is a Hugging Face name, a folder, or a ``.gguf`` file.
    """
    transformers = module("transformers")
    path, where = Path(model), model
    if path.suffix == ".gguf":
        if not path.is_file():
            raise RecordingError(f"{model}: no such file")
        where, settings = str(path.parent), {**settings, "gguf_file": path.name}
    try:
        return getattr(transformers, kind).from_pretrained(where, **settings)
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise RecordingError(f"{model}: cannot be loaded: {error}") from error
