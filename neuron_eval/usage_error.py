"""Errors that the user can mend, printed by Inspect as a sentence and not as a stack trace."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.emoji import Emoji
from rich.markup import escape

from neuron_eval.inspect_private import PrerequisiteError
from neuron_eval.messages import InputError


class UsageError(PrerequisiteError, InputError):
    """What the user typed, or a file that it names, cannot be used."""

    def __init__(self, message: str) -> None:
        # Inspect reads markup in it, even where it looks like ``:smile:``.
        escaped = escape(message)
        plain = Emoji.replace(escaped) == escaped
        super().__init__(escaped if plain else escaped.replace(":", ":[none][/none]"))
        self.args = (message,)

    def __str__(self) -> str:
        return str(self.args[0])


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn an InputError and an OSError into a `UsageError` with the same message."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise UsageError(f"{where}{error.strerror or error}") from error
    except InputError as error:
        raise UsageError(str(error)) from error


@contextmanager
def scorer_errors() -> Iterator[None]:
    """Turn an InputError into an error with the same message that is no ValueError.

    While it makes a scorer, Inspect takes any ValueError for one that it cannot find.
    """
    try:
        with usage_errors():
            yield
    except UsageError as error:
        raise PrerequisiteError(error.message) from error
