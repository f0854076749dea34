"""The embedder ``embed-openai/<model>``: any server with OpenAI's embeddings API."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from inspect import signature
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import anyio
from anyio.lowlevel import RunVar
from inspect_ai.model import ChatMessage, ModelCall, ModelOutput, RetryDecision

from neuron_eval.embedding.embedder import (
    EmbeddingError,
    checked_vectors,
    embedding_call,
    embedding_output,
    texts_of,
)
from neuron_eval.inspect_private import PrerequisiteError
from neuron_eval.models.provider import OwnProvider
from neuron_eval.models.requests import of_loop
from neuron_eval.models.server_errors import one_line

if TYPE_CHECKING:  # it takes half a second, which who asks no such embedder does not wait for
    from openai import APIStatusError, AsyncOpenAI

MAX_TEXTS = 2048  # the most texts that one request of OpenAI's embeddings API may hold


@dataclass
class _SharedClient:
    client: AsyncOpenAI
    users: int = 0


_clients: RunVar[dict[int, _SharedClient]] = RunVar("neuron_eval embedding clients")


class OpenAIEmbedder(OwnProvider):
    """Embeds texts with OpenAI's embeddings API, at OpenAI or at any server that speaks it.

    A request holds at most 2,048 texts (more are sent in turn); the server's own limit on the
    tokens of a request applies besides. Failed requests are left to Inspect's retries.
    """

    key_variables = ("OPENAI_API_KEY",)

    def __init__(self, model_name: str, base_url: str | None = None, **options: Any) -> None:
        """Arguments are handed to ``openai.AsyncOpenAI``, for instance ``organization``."""
        from openai import AsyncOpenAI

        self._address = split_address(base_url, os.environ.get("OPENAI_BASE_URL"))
        # resolved here, since the address is part of the key in Inspect's cache, and without
        # its secrets, since Inspect writes it into logs
        super().__init__(model_name, base_url=self._address.url, **options)
        known = set(signature(AsyncOpenAI).parameters) - {"api_key", "base_url", "max_retries"}
        if unknown := sorted(set(self.model_args) - known):
            raise PrerequisiteError(
                f"embed-openai/{model_name} takes no argument {', '.join(unknown)}; those it "
                f"takes: {', '.join(sorted(known))}"
            )
        self.api_key = self.api_key or os.environ.get("OPENAI_API_KEY")
        if not self.api_key:
            raise PrerequisiteError(
                f"The embedder embed-openai/{model_name} needs a key: set OPENAI_API_KEY (any "
                "text will do for a server that asks for none), or embed without one: "
                "--model-role embedder=embed-local/minilm"
            )

    async def answer(self, messages: list[ChatMessage]) -> tuple[ModelOutput, ModelCall]:
        texts = texts_of(messages)
        rows: list[Any] = []
        tokens: int | None = 0
        async with self._client() as client:
            for start in range(0, len(texts), MAX_TEXTS):
                chunk = texts[start : start + MAX_TEXTS]
                # Not `client.embeddings`, which goes through every number of every vector.
                reply: Any = await client.post(
                    "/embeddings", body=self._body(chunk), cast_to=object
                )
                if isinstance(reply, str):  # JSON under another content type, or none at all
                    with suppress(ValueError):
                        reply = json.loads(reply)
                rows += self._rows(reply, len(chunk))
                read = _member(_member(reply, "usage"), "prompt_tokens")
                tokens = None if tokens is None or not isinstance(read, int) else tokens + read
        vectors = checked_vectors(rows, len(texts), self.model_name)
        call = embedding_call(self._body(texts), vectors)
        return embedding_output(self.model_name, vectors, tokens), call

    def should_retry(self, ex: BaseException) -> RetryDecision:
        """Retry rate limits, server errors, timeouts and lost connections; not a spent quota."""
        import openai

        if isinstance(ex, openai.APIConnectionError):  # timeouts are a subclass
            return RetryDecision.transient()
        if not isinstance(ex, openai.APIStatusError):
            return RetryDecision.no()
        if ex.status_code == 429 and ex.code != "insufficient_quota":
            return RetryDecision.rate_limit(_retry_after(ex))
        if ex.status_code in (408, 409) or ex.status_code >= 500:
            return RetryDecision.transient(_retry_after(ex))
        return RetryDecision.no()

    def is_auth_failure(self, ex: Exception) -> bool:
        return getattr(ex, "status_code", None) == 401

    def connection_key(self) -> str:
        return f"{self.initial_api_key}:{self.base_url}:{self.model_name}"

    def _body(self, texts: Sequence[str]) -> dict[str, Any]:
        # `float` is the one encoding that every compatible server knows
        return {"model": self.model_name, "input": texts, "encoding_format": "float"}

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AsyncOpenAI]:
        """Lend a client, one for all requests that overlap.

        A client belongs to the event loop it was made in, while this object outlives it (Inspect
        keeps models between evals); so none is kept once the last request is done.
        """
        shared = of_loop(_clients)
        entry = shared.get(id(self))
        if entry is None:
            entry = shared[id(self)] = _SharedClient(self._new_client())
        entry.users += 1
        try:
            yield entry.client
        finally:
            entry.users -= 1
            if entry.users == 0:
                del shared[id(self)]
                with anyio.move_on_after(2, shield=True):  # also when this task is cancelled
                    await entry.client.close()

    def _new_client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        arguments = dict(self.model_args)
        for name in ("headers", "query"):
            if secret := getattr(self._address, name):
                given = arguments.get(f"default_{name}") or {}
                arguments[f"default_{name}"] = {**secret, **given}
        return AsyncOpenAI(api_key=self.api_key, base_url=self.base_url, max_retries=0, **arguments)

    def _rows(self, reply: object, count: int) -> Sequence[object]:
        data = _member(reply, "data")
        if not isinstance(data, list):
            text = reply if isinstance(reply, str) else json.dumps(reply, separators=(",", ":"))
            raise EmbeddingError(
                f"The reply of {self.model_name!r} has no list `data`: is this the address of an "
                "embeddings API (such addresses often end in /v1)? What came: " + one_line(text)
            )
        rows = {_index(item): _member(item, "embedding") for item in data}
        if len(data) != count or set(rows) != set(range(count)):
            indices = [_index(item) for item in data]
            raise EmbeddingError(
                f"The model {self.model_name!r} returned {len(data)} vectors for {count} texts, "
                f"with `index` {indices[:10]}; expected each of 0 to {count - 1} once."
            )
        return [rows[index] for index in range(count)]


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _index(item: object) -> int | None:
    index = _member(item, "index")
    return index if isinstance(index, int) else None


def _retry_after(error: APIStatusError) -> float | None:
    try:
        return float(error.response.headers["retry-after"])
    except (KeyError, ValueError):
        return None


class Address(NamedTuple):
    """A server's address without its secrets (None is the default), and those, as they are sent."""

    url: str | None
    headers: Mapping[str, str] = MappingProxyType({})
    query: Mapping[str, str] = MappingProxyType({})


def split_address(text: str | None, known: str | None) -> Address:
    """Take an address such as ``https://user:password@host/v1?key=secret`` apart.

    Where it is the same as the ``known`` one, say of the environment, without the secrets, as it is
    in logs, they are taken from there.
    """
    if not text:
        return Address(None) if not known else split_address(known, None)
    parts = urlsplit(text)
    user, at, host = parts.netloc.rpartition("@")
    shown = b64encode(unquote(user).encode()).decode()
    address = Address(
        url=parts._replace(netloc=host, query="", fragment="").geturl(),
        headers={"Authorization": f"Basic {shown}"} if at else {},
        query=dict(parse_qsl(parts.query)),
    )
    other = split_address(known, None) if known else address
    has_secrets = address.headers or address.query
    return other if not has_secrets and other.url == address.url else address
