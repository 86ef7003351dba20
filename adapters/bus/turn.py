"""One relay an outbox: whoever holds the lock publishes; the others wait for their turn."""

import asyncio
import contextlib

import structlog

from adapters.bus.relay import Relay
from adapters.store.database import Database, SessionLock
from gateway.errors import TroubleError

log = structlog.get_logger()

RELAY_LOCK = 0x4E1A
LOOK_SECONDS = 2.0
"""How often a waiting relay asks for the lock, and a running one sees that it still has it."""


class RelayTurn:
    """Runs a relay while this process is the one that may.

    Args:
        relay: the relay.
        database: where the lock is; SQLite is served by one process anyway.

    """

    def __init__(self, relay: Relay, database: Database) -> None:
        self._relay = relay
        self._lock = SessionLock(database, RELAY_LOCK)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Publish whenever it is this process's turn, until told to stop."""
        while not self._stopping.is_set():
            if await self._mine():
                log.info("relay.turn")
                await self._publish()
            else:
                await self._pause()
        await asyncio.to_thread(self._lock.release)

    async def stop(self) -> None:
        """Let what is in flight be confirmed, and end."""
        self._stopping.set()
        await self._relay.stop()

    async def _publish(self) -> None:
        running = asyncio.create_task(self._relay.run())
        while not running.done() and not self._stopping.is_set():
            await self._pause()
            if not await self._mine():
                log.warning("relay.turn-lost")
                break
        await self._relay.stop()
        await running

    async def _mine(self) -> bool:
        try:
            return await asyncio.to_thread(self._lock.hold)
        except TroubleError:
            return False

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), LOOK_SECONDS)
