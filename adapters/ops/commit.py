"""Intake as it is watched: each reception is seen and counted, and refused while the gateway takes nothing more."""

import asyncio
from collections.abc import Callable
from functools import partial
from time import perf_counter

from adapters.intake import Commit, GroupCommit
from adapters.ops.meter import Meter
from gateway.errors import TroubleError
from gateway.pressure import Pressure, refusal
from gateway.reception import Reception, Recorded, Transport


class WatchedCommit(GroupCommit):
    """Shares commits between receptions, unless there is no room for more.

    Args:
        commit: puts receptions on disk by one commit.
        meter: counts.
        pressure: gives why nothing is taken in; None while there is no reason.

    """

    def __init__(self, commit: Commit, meter: Meter, pressure: Callable[[], Pressure | None]) -> None:
        super().__init__(commit)
        self._meter = meter
        self._pressure = pressure

    async def record(self, reception: Reception) -> Recorded:
        """Return when the reception is on disk, timed."""
        began = perf_counter()
        recorded = await super().record(reception)
        self._meter.acknowledged(Transport.HTTP, perf_counter() - began)
        return recorded

    def submit(self, reception: Reception) -> "asyncio.Future[Recorded]":
        """Put a reception in its place for the next commit, or fail it at once while nothing is taken in."""
        self._meter.seen(reception.source, reception.received_at, missing=reception.missing)
        pressure = self._pressure()
        if pressure is None:
            done = super().submit(reception)
        else:
            done = asyncio.get_running_loop().create_future()
            done.set_exception(refusal(pressure))
        done.add_done_callback(partial(self._count, reception))
        return done

    def _count(self, reception: Reception, done: "asyncio.Future[Recorded]") -> None:
        if done.cancelled():  # the sender went away: nobody is answered
            return
        error = done.exception()
        if error is None:
            self._meter.answered(reception.source, reception.transport, done.result())
            self._meter.departed(reception.source, reception.departs)
        elif isinstance(error, TroubleError):
            self._meter.answered(reception.source, reception.transport, error.acknowledgment)
