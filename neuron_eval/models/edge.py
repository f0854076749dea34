"""The edge where requests go out and a model's replies come in.

What no log can hold is replaced: at half a character (a lone surrogate), which JSON can spell,
Inspect's log writer stops, and with it the whole eval, whatever ``fail_on_error`` says.

What a model's server refuses is left out: some take no temperature, no ``top_p``, no limit of
output tokens or no stop sequences, and nobody can know it beforehand. This is beneath Inspect's
cache, whose keys hold what was meant to be asked, so that a later run finds every answer.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import wraps
from logging import getLogger
from typing import Any
from weakref import WeakSet

from inspect_ai.model import (
    GenerateConfig,
    Logprob,
    Model,
    ModelAPI,
    ModelCall,
    ModelOutput,
    TopLogprob,
)
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json

from neuron_eval.messages import REPLACEMENT, replace_surrogates
from neuron_eval.models.refused_parameters import Parameter, refused_parameter
from neuron_eval.models.server_errors import address_of, one_line, without_secrets

Generate = Callable[..., Awaitable[Any]]

_SPELLED = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
"""A surrogate in the UTF-8 of servers that do not mind; valid UTF-8 never holds these bytes."""

_GUARDED: WeakSet[ModelAPI] = WeakSet()

_LEFT_OUT: dict[tuple[str, str, str], set[Parameter]] = {}
"""By provider, model and address: the parameters that the server refuses."""

logger = getLogger(__name__)


class NoReplyError(RuntimeError):
    """A server's reply that holds no choice, not even an empty one."""


def guarded(model: Model) -> Model:
    """The model itself; from here on its provider's replies and errors can be written to a log.

    Inspect writes a reply down inside of ``Model.generate``, and the error of a request likewise,
    and has no hook before. So the provider's own ``generate`` is covered, on the one object that
    all copies of a model share; its type, by which Inspect and we know models, stays as it is.
    """
    api = model.api
    if api not in _GUARDED:
        _GUARDED.add(api)
        # not an assignment: type checkers know a method cannot be assigned to
        setattr(api, "generate", _guarding(_leaving_out(model, api.generate)))  # noqa: B010
    return model


def _leaving_out(model: Model, generate: Generate) -> Generate:
    """A provider's ``generate`` without the parameters that its server refuses.

    A refused request is sent again without the parameter; once that is answered, it is left out for
    the rest of the process. What is refused all the same was refused for another reason.
    """
    where = type(model.api).__qualname__, model.api.model_name, address_of(model)
    known = _LEFT_OUT.setdefault(where, set())

    @wraps(generate)
    async def generate_without(
        input: Any, tools: Any, tool_choice: Any, config: GenerateConfig, **options: Any
    ) -> Any:
        refused: dict[Parameter, str] = {}
        while True:
            result: Any = None
            left_out: dict[str, None] = dict.fromkeys((*known, *refused))
            accepted = config.model_copy(update=left_out) if left_out else config
            try:
                result = await generate(input, tools, tool_choice, accepted, **options)
                first = result[0] if isinstance(result, tuple) else result
                error = first if isinstance(first, Exception) else None
            except Exception as raised:
                error = raised
            parameter = None if error is None else refused_parameter(error, accepted)
            if parameter is not None:
                refused[parameter] = str(error)
                continue
            if error is not None and result is None:
                raise error
            for name in () if error else refused.keys() - known:
                known.add(name)
                _warn(model, f"{name}={getattr(config, name)!r}", refused[name])
            return result

    return generate_without


def _warn(model: Model, setting: str, message: str) -> None:
    at = f" at {address_of(model)}" if address_of(model) else ""
    logger.warning(
        without_secrets(
            f"{model}{at} refuses {setting}; it is asked without from here on. Its server says: "
            f"{one_line(message)}",
            model,
        )
    )


def _guarding(generate: Generate) -> Generate:
    @wraps(generate)
    async def generate_guarded(*args: Any, **options: Any) -> Any:
        try:
            result = await generate(*args, **options)
        except Exception as error:
            _mend_error(error)
            raise
        for part in result if isinstance(result, tuple) else (result,):
            _check(part)
        return result

    return generate_guarded


def _check(part: ModelOutput | ModelCall | Exception | None) -> None:
    """Mend one part of what a provider returns; a reply without choices gets into no cache."""
    if isinstance(part, Exception):  # Inspect raises it
        _mend_error(part)
    elif isinstance(part, BaseModel):
        if not _writable(part):
            _mended(part)
        if isinstance(part, ModelOutput) and part.empty:
            raise NoReplyError("the reply holds no choices")


def _writable(part: BaseModel) -> bool:
    """Whether a log can hold it; a hundred times faster than looking at every text."""
    # an embedder's vectors stand in the metadata
    exclude = {"metadata"} if isinstance(part, ModelOutput) else None
    try:
        to_json(part, exclude=exclude)
        if isinstance(part, ModelOutput):
            to_json({k: v for k, v in (part.metadata or {}).items() if k != "embeddings"})
    except PydanticSerializationError:
        return False
    return True


def _mended(value: Any) -> Any:
    """The value without lone surrogates; whatever can be changed in place is."""
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, list):
        value[:] = [_mended(part) for part in value]
    elif isinstance(value, tuple):
        return tuple(_mended(part) for part in value)
    elif isinstance(value, dict):
        items = [(_mended(key), _mended(part)) for key, part in value.items()]
        value.clear()
        value.update(items)
    elif isinstance(value, BaseModel) or hasattr(value, "__dataclass_fields__"):
        _mended(vars(value))
        _mended(getattr(value, "__pydantic_extra__", None))
    if isinstance(value, Logprob | TopLogprob) and value.bytes is not None:
        with suppress(ValueError):  # they are no bytes at all
            # as long as before, and so still aligned with the reply
            value.bytes[:] = _SPELLED.sub(REPLACEMENT.encode(), bytes(value.bytes))
    return value


def _mend_error(error: BaseException | None, seen: frozenset[int] = frozenset()) -> None:
    """Mend the texts of an error and of those that it comes from, which a traceback shows too."""
    if error is None or id(error) in seen:
        return
    error.args = _mended(error.args)
    for name, value in list(vars(error).items()):
        if isinstance(value, str | list | tuple | dict):
            setattr(error, name, _mended(value))
    for cause in (error.__cause__, error.__context__):
        _mend_error(cause, seen | {id(error)})
