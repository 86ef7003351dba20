"""The clockwork while the gateway works: what time does to items, one process at a time, a bounded turn at a time."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import DBAPIError

from adapters.store.clock import ItemClock
from adapters.store.database import SessionLock
from gateway.clockwork import AGAIN, Clockwork
from gateway.errors import TroubleError

log = structlog.get_logger()

CLOCKWORK_LOCK = 0xC10C
LOOK_SECONDS = 5.0
"""Between two looks at what is due."""

JUMP_SECONDS = 30.0
"""The wall clock has jumped when it went on by so much more, or less, than the monotonic one between two looks."""

SETTLE_SECONDS = 60.0
"""How long a clock that has jumped must run evenly before anything is done by it: it may be put right at once."""

Counted = Callable[[str, str], None]
"""Told of each step that was committed: what was done, and on which secretariat's queue."""


class Evenness:
    """Tells whether the wall clock runs evenly."""

    def __init__(self) -> None:
        self._ahead: float | None = None
        self._settles = 0.0

    def runs(self, wall: float, monotonic: float) -> bool:
        """Whether it has not jumped for a while, given both clocks in seconds."""
        ahead, before = wall - monotonic, self._ahead
        self._ahead = ahead
        if before is not None and abs(ahead - before) > JUMP_SECONDS:
            log.warning("clock.jumped", seconds=round(ahead - before, 1))
            self._settles = monotonic + SETTLE_SECONDS
        return monotonic >= self._settles


class Timekeeper:
    """Turns the clock of one database's items while this process is the one that may.

    Args:
        clock: the store's side.
        clockwork: decides.
        lock: whoever has it is the one.
        published: told after each turn, so that the relay wakes.
        counted: told of each step.

    """

    def __init__(
        self,
        clock: ItemClock,
        clockwork: Clockwork,
        lock: SessionLock,
        published: Callable[[], None] = lambda: None,
        counted: Counted = lambda *_: None,
    ) -> None:
        self._clock = clock
        self._clockwork = clockwork
        self._lock = lock
        self._published = published
        self._counted = counted
        self._evenness = Evenness()

    def run(self, stop: threading.Event) -> None:
        """Take every turn that is due until told to stop; the turn in hand is finished."""
        for secretariat in self._clockwork.decider.site.secretariats.values():
            secretariat.open_at(datetime.now(UTC))  # public holidays are read before a message waits for them
        while not stop.wait(LOOK_SECONDS):
            try:
                if self._lock.hold() and self._evenness.runs(time.time(), time.monotonic()):
                    while self.turn(datetime.now(UTC)) and not stop.is_set():
                        pass
            except TroubleError as trouble:
                log.warning("clockwork.trouble", error=trouble.name, rule=trouble.rule)
        self._lock.release()

    def turn(self, now: datetime) -> int:
        """Take one turn; give how many items were looked at, 0 where nothing came of it."""
        due = self._clock.due(now, self._clockwork.lease)
        return len(due) if due and self._take(due, now) else 0

    def _take(self, items: list[str], now: datetime) -> bool:
        """Take a step with each, and say whether anything came of it.

        Where the store refuses one item's data, that one is looked at later.
        """
        try:
            turn = self._clock.turn(items, lambda state: self._clockwork.turn(state, items, now), now)
        except (DBAPIError, ValueError, OverflowError) as error:
            self._halve(items, now, error)
            return True
        for step in turn.changes.history:
            self._counted(step.deed, step.item.secretariat)
        if turn.changes.history:
            self._published()
        return bool(turn.changes.history or turn.later)

    def _halve(self, items: list[str], now: datetime, error: Exception) -> None:
        if len(items) > 1:
            middle = len(items) // 2
            self._take(items[:middle], now)
            self._take(items[middle:], now)
            return
        fault = type(error.orig if isinstance(error, DBAPIError) else error).__name__
        log.error("clockwork.refused", item=items[0], fault=fault)
        self._clock.put_off(items[0], now + AGAIN)
