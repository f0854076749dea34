"""Requests in a provider's batches: cheaper, and answered within a day.

Inspect's setting holds for an eval's model alone, and not where that model has a role too. Where a
provider has no batches Inspect passes the setting over, yet lets 10,000 requests out at once. So
each model is made with the setting, or without.
"""

from collections.abc import Iterable
from pathlib import Path

from inspect_ai.model import BatchConfig, GenerateConfig, Model, get_model
from pydantic import ValidationError

from neuron_eval.files.bounded import load_yaml
from neuron_eval.messages import InputError, near_miss

BATCHING = ("anthropic", "google", "grok", "openai", "together")
"""Inspect's providers that send batches to their own service."""

CLOUDS = ("azure", "bedrock", "vertex")
"""Services behind them, second in a model's name, for which Inspect has no batches."""

ALL_AT_ONCE = 10_000  # samples that may wait for a batch, as Inspect has it for its own setting

Batch = bool | int | BatchConfig


def in_batches(model: str) -> bool:
    provider, _, rest = model.partition("/")
    return provider in BATCHING and rest.partition("/")[0] not in CLOUDS


def read_batch(given: object) -> Batch | None:
    """What ``--batch`` says: True, a number of requests, or a file of Inspect's settings."""
    if isinstance(given, BatchConfig):
        return given
    text = str(bool(given)).lower() if given is None or isinstance(given, bool) else str(given)
    if text in ("true", "false"):
        return text == "true" or None
    if text.lstrip("-").isdecimal():
        if int(text) < 1:
            raise InputError(f"batch={text}: expected at least 1 request in a batch")
        return int(text)
    try:
        settings = load_yaml(Path(text).read_bytes())
    except OSError as error:
        raise InputError(
            f"batch={text}: {error.strerror or error}; expected nothing, a number of requests, or "
            "a YAML file of Inspect's settings, such as size and send_delay"
        ) from error
    known = BatchConfig.model_fields
    for name in settings if isinstance(settings, dict) else ["no mapping"]:
        if name not in known:
            meant = near_miss([str(name)], known)
            raise InputError(f"{text}: {name!r} is none of {', '.join(known)}{meant}")
    try:
        return BatchConfig.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{text}: {first['loc'][0]}={first['input']!r}: {first['msg']}") from error


def batched(model: str, batch: Batch | None) -> Model | str:
    """A model whose requests go out in batches; its name where there are none."""
    if not batch or not in_batches(model):
        return model
    return get_model(model, config=GenerateConfig(batch=batch), memoize=False)


def batch_note(models: Iterable[str]) -> str:
    """A sentence on which of the models that are asked take batches, and which do not."""
    names = tuple(dict.fromkeys(models))
    able = [model for model in names if in_batches(model)]
    unable = [model for model in names if not in_batches(model)]
    sentences = []
    if able:
        sentences.append(
            f"In batches: {', '.join(able)}. An answer may take up to a day, and a simulation "
            "waits for its explanation."
        )
    if unable:
        sentences.append(
            f"One by one, and not in batches: {', '.join(unable)}. Inspect has batches for "
            f"{', '.join(BATCHING)}, and none for openai-api or embedders."
        )
    return " ".join(sentences)
