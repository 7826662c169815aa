"""uvicorn's HTTP/1.1, with an end to requests that never arrive; a module apart, for uvicorn is optional."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class TimedProtocol(H11Protocol):
    """Ends a connection whose head is not whole in time; uvicorn's own clock stops at its first byte."""

    head_s: ClassVar[float]
    _late: asyncio.TimerHandle | None = None

    @classmethod
    def within(cls, seconds: float) -> type[TimedProtocol]:
        """The protocol with so many seconds for a head."""
        return type("TimedProtocol", (cls,), {"head_s": seconds})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there; its clock runs."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """More bytes: they stop the clock only where they complete a head."""
        super().data_received(data)
        self._watch()

    def _watch(self) -> None:
        waiting = self.conn.their_state is h11.IDLE
        if waiting and self._late is None:
            self._late = self.loop.call_later(self.head_s, self.timeout_keep_alive_handler)
        elif not waiting and self._late is not None:
            self._late.cancel()
            self._late = None
