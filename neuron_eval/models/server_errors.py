"""What a model's server did wrong, as one sentence that says who was asked, where, and for what."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from traceback import walk_tb
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

from inspect_ai.model import Model, ModelCall, ModelRefusalError
from tenacity import RetryError

from neuron_eval.inspect_private import PrerequisiteError
from neuron_eval.models.requests import first_error

SHOWN = 200  # so many characters of what came stand in a message

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_SHORTEST_KEY = 6
"""Characters of a key that is looked for in messages; a shorter one may be part of any word."""

_NEURON: ContextVar[str | None] = ContextVar("neuron_eval neuron asked about", default=None)


class ModelError(RuntimeError):
    """A model's server failed, or its reply is none; a sentence for the log."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message  # where Inspect looks for what a log is to show


@contextmanager
def about_neuron(id_: object) -> Iterator[None]:
    """Have the errors of all requests inside name the neuron that they are about."""
    token = _NEURON.set(str(id_))
    try:
        yield
    finally:
        _NEURON.reset(token)


@contextmanager
def model_errors(role: str, model: Model) -> Iterator[None]:
    """Turn what goes wrong inside with a model's server into a `ModelError`.

    To be put around all of a request: Inspect has then retried, and whoever goes by an error's
    status or text has seen it. Errors by which Inspect ends, limits or cancels samples, and those
    that a user can mend, stay as they are.
    """
    try:
        yield
    except Exception as error:
        raise_failure(role, model, error)


def raise_failure(role: str, model: Model, error: Exception) -> NoReturn:
    root, attempts = _root(error)
    if _is_inspects_own(root):
        raise error
    address, neuron = address_of(model), _NEURON.get()
    at = f" at {address}" if address else ""
    about = f", asked about neuron {one_line(neuron)}," if neuron else ""
    tried = "" if attempts < 2 else f" after {attempts} attempts"
    sentence = f"The {role} {model}{at}{about} gave no usable reply{tried}: {_what(root)}"
    raise ModelError(without_secrets(sentence, model)) from error


def one_line(text: str) -> str:
    """A text for a message, at most `SHOWN` characters and one line of visible ones."""
    # more is cut off before what is left is looked at: it may be megabytes
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: SHOWN + 1])
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def address_of(model: Model) -> str:
    """Where a model's server is, without what is secret in an address; empty if unknown."""
    client = getattr(model.api, "client", None)
    url = getattr(client, "base_url", None) or getattr(model.api, "base_url", None)
    if not url:
        return ""
    try:
        parts = urlsplit(str(url))
    except ValueError:
        return ""
    host, path = parts.netloc.rpartition("@")[2], parts.path.rstrip("/")
    return urlunsplit((parts.scheme, host, path, "", ""))


def cause_of(error: ModelError) -> BaseException:
    """The error that a `ModelError` is about; a sentence may stand for a sentence."""
    cause: BaseException = error
    while isinstance(cause, ModelError) and cause.__cause__ is not None:
        cause, _ = _root(cause.__cause__)
    return cause


def _root(error: BaseException) -> tuple[BaseException, int]:
    """What an error is about, beneath groups and retries, and how many attempts there were."""
    attempts = 1
    while True:
        if isinstance(error, RetryError):
            attempts = error.last_attempt.attempt_number
            beneath = error.last_attempt.exception()
        else:
            beneath = first_error(error)
        if beneath is None or beneath is error:
            return error, attempts
        error = beneath


def _is_inspects_own(error: BaseException) -> bool:
    """Whether an error steers Inspect, is for the user to mend, or is a `ModelError` already.

    Of Inspect's errors, which cannot all be told by type, those about servers come from its models.
    """
    if isinstance(error, PrerequisiteError | ModelRefusalError | ModelError):
        return True
    module = type(error).__module__
    return module.startswith("inspect_ai.") and not module.startswith("inspect_ai.model.")


def _what(error: BaseException) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"its reply is no JSON: {one_line(error.doc)}" if error.doc else "its reply is empty"
    message = getattr(error, "provider_message", None) or str(error)
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return f"status {status}: {one_line(message)}"
    if type(error).__module__.startswith("neuron_eval.") and message:
        return message  # says it in words already, and no more than is needed
    name = type(error).__name__
    why = f"{name}: {one_line(message)}" if message else name
    beneath = str(error.__cause__ or "")
    if beneath and beneath not in message:
        why += f" ({one_line(beneath)})"
    reply = _raw_reply(error)
    return f"{why}; what came: {reply}" if reply else why


def _raw_reply(error: BaseException) -> str:
    """The reply over which Inspect's provider stumbled, from where it raised; empty without one."""
    for frame, _ in walk_tb(error.__traceback__):
        for value in frame.f_locals.values():
            if isinstance(value, ModelCall) and value.response and not value.error:
                return one_line(json.dumps(_filled(value.response), ensure_ascii=False))
    return ""


def _filled(value: Any) -> Any:
    """A JSON value without the fields that are null: clients add all those they know."""
    if isinstance(value, dict):
        return {key: _filled(part) for key, part in value.items() if part is not None}
    return [_filled(part) for part in value] if isinstance(value, list) else value


def without_secrets(text: str, model: Model) -> str:
    """A text without the model's key, and without the names and passwords in addresses."""
    key = getattr(model.api, "api_key", None)
    if isinstance(key, str) and len(key) >= _SHORTEST_KEY:
        text = text.replace(key, "[key]")
    return _CREDENTIALS.sub("", text)
