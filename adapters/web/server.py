"""The HTTP server: uvicorn, stopped by the service in its order, and with a bound on how long a request may begin."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_BYTES = 16 * 1024
"""Largest HTTP request line and headers."""

HEADER_SECONDS = 10.0
"""A connection on which no request has begun for so long is closed within twice that time (promise P9).

So is one whose peer has read nothing of its answer for so long.
"""

GRACE_SECONDS = 10
"""How long requests in hand may take once the server is told to stop."""


class _Connection(H11Protocol):
    """Uvicorn bounds the time between requests, but neither that of headers sent bit by bit nor of an unread answer."""

    _watch: asyncio.TimerHandle | None = None
    _last: object = None
    _unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch."""
        super().connection_made(transport)
        self._last = self.cycle
        self._watch = self.loop.call_later(HEADER_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Watch no more."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread and unread == self._unread:
            self.transport.abort()  # to close it would wait until all is read
            return
        self._unread = unread
        busy = unread or (self.cycle is not None and not self.cycle.response_complete)
        if not busy and self.cycle is self._last:
            self.transport.close()
            return
        self._last = self.cycle
        self._watch = self.loop.call_later(HEADER_SECONDS, self._look)


class Server(uvicorn.Server):
    """Serves an application until ``should_exit`` is set; signals are the service's.

    Args:
        app: the application.
        connections: connections at one time; beyond it 503.

    """

    def __init__(self, app: Starlette, connections: int) -> None:
        protocol: Any = _Connection
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                h11_max_incomplete_event_size=HEADER_BYTES,
                limit_concurrency=connections,
                timeout_graceful_shutdown=GRACE_SECONDS,
                lifespan="off",
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the service."""
        yield
