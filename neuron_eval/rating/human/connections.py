"""Connections that send nothing are closed, so that they keep nobody else out.

uvicorn only closes those that are idle after a request.
"""

from __future__ import annotations

from asyncio import Transport

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

PATIENCE_SECONDS = 10.0
"""How long a connection may take to send the head of a request."""

MAX_SILENT = 100
"""Connections that have sent no request yet; with one more the oldest is closed."""


class PatientProtocol(H11Protocol):
    """A connection that is closed when it sends no request."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request."""
        super().connection_made(transport)
        self._made = self.loop.time()
        self._look_again()
        all_of_ours = [one for one in self.connections if isinstance(one, PatientProtocol)]
        silent = [one for one in all_of_ours if one._is_silent()]
        if len(silent) > MAX_SILENT:
            min(silent, key=lambda one: one._made).transport.close()

    def _last(self) -> RequestResponseCycle | None:
        """The request that came last; unlike uvicorn says there may be none."""
        return self.cycle

    def _is_silent(self) -> bool:
        return self._last() is None and not self.transport.is_closing()

    def _look_again(self) -> None:
        self.loop.call_later(PATIENCE_SECONDS, self._look, self._last())

    def _look(self, before: RequestResponseCycle | None) -> None:
        """Close the connection if no request came meanwhile and none is at work."""
        if self.transport.is_closing():
            return
        if self._last() is before and (before is None or before.response_complete):
            self.transport.close()
        else:
            self._look_again()
