"""A server's address, apart from the secrets that may stand in it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and what it wants to be shown."""

    url: str | None
    """Without user, password and query, so that it may be written down; None is the default."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """User and password, as a header; empty if there are none."""

    query: Mapping[str, str] = field(default_factory=dict)
    """What stood behind the question mark."""

    @property
    def secret(self) -> bool:
        """Whether something stood in it that is not to be written down."""
        return bool(self.headers or self.query)


def split_address(text: str | None, known: str | None) -> Address:
    """Take an address apart.

    Args:
        text: The address, such as ``https://user:password@host/v1?key=secret``.
        known: Another, say of the environment; where ``text`` is the same without the secrets, as
            it is in logs, they are taken from there.
    """
    if not text:
        return Address(None) if not known else split_address(known, None)
    parts = urlsplit(text)
    user, at, host = parts.netloc.rpartition("@")
    shown = b64encode(unquote(user).encode()).decode()
    found = Address(
        url=parts._replace(netloc=host, query="", fragment="").geturl(),
        headers={"Authorization": f"Basic {shown}"} if at else {},
        query=dict(parse_qsl(parts.query)),
    )
    if known and not found.secret and (other := split_address(known, None)).url == found.url:
        return other
    return found
