"""The relay: what stands in the outbox reaches the broker, at least once and in order for each patient.

It knows no broker: a `Publisher` takes one entry and returns once the broker has it. In doubt (a connection lost, a
confirm that did not come) the relay closes the connection and reads the outbox again, so nothing is guessed.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from random import SystemRandom
from typing import Protocol, TypeVar

import structlog

from gateway.errors import BrokerUnavailable, TroubleError
from gateway.outbox import Outbox, OutboxEntry

WINDOW = 200
READ_AHEAD = 5_000
READ_BATCH = 500
POLL_SECONDS = 0.5
HOLD_SECONDS = 5.0
STOP_SECONDS = 10.0
BACKOFF_SECONDS = (0.2, 15.0)

Result = TypeVar("Result")
Key = tuple[str, str]

_log = structlog.get_logger(__name__)
_random = SystemRandom()


class EntryRefused(BrokerUnavailable):
    """The broker is there and did not take this one entry: no queue stands for it, or its queue is full."""


class Publisher(Protocol):
    """The relay's side of a broker. One session at a time: connect, publish, close, and again."""

    async def connect(self) -> None:
        """Return once entries can be published; raise BrokerUnavailable otherwise."""
        ...

    async def publish(self, entry: OutboxEntry) -> None:
        """Return once the broker has taken responsibility for the entry.

        Raises EntryRefused when the broker certainly did not take it, BrokerUnavailable when that is in doubt.
        """
        ...

    def require_session(self) -> None:
        """Return while the session stands; raise BrokerUnavailable once it has ended by itself."""
        ...

    async def close(self) -> None:
        """End the session, in bounded time, also one whose `connect` has failed; what is in flight fails."""
        ...


class Window:
    """Which entries may go out: a bounded number at once, of each (secretariat, patient) one, the oldest first."""

    def __init__(self, size: int = WINDOW) -> None:
        self._size = size
        self._known: set[int] = set()
        self._waiting: dict[Key, deque[OutboxEntry]] = {}
        self._ready: OrderedDict[Key, None] = OrderedDict()
        self._in_flight: set[Key] = set()
        self._held: set[str] = set()

    def __len__(self) -> int:
        """How many entries it knows: waiting, in flight, or taken and not yet recorded."""
        return len(self._known)

    @property
    def has_room(self) -> bool:
        """Whether fewer entries are in flight than may be."""
        return len(self._in_flight) < self._size

    def offer(self, entries: Sequence[OutboxEntry]) -> int:
        """The entries wait for their turn, those already known apart; give how many were new."""
        fresh = [entry for entry in entries if entry.sequence not in self._known]
        for entry in fresh:
            self._known.add(entry.sequence)
            self._waiting.setdefault(_key(entry), deque()).append(entry)
            self._make_ready(_key(entry))
        return len(fresh)

    def next(self) -> OutboxEntry | None:
        """Give the next entry to send, now in flight; None while there is none, or no room."""
        if not self._ready or not self.has_room:
            return None
        key, _ = self._ready.popitem(last=False)
        self._in_flight.add(key)
        return self._waiting[key].popleft()

    def taken(self, entry: OutboxEntry) -> None:
        """The broker has it: the patient's next entry may go."""
        self._in_flight.discard(_key(entry))
        self._make_ready(_key(entry))

    def recorded(self, entries: Sequence[OutboxEntry]) -> None:
        """The outbox knows that the broker has them."""
        self._known.difference_update(entry.sequence for entry in entries)

    def refused(self, entry: OutboxEntry) -> None:
        """The broker does not have it: it goes first again, and its secretariat is held until `release`."""
        key = _key(entry)
        self._in_flight.discard(key)
        self._waiting.setdefault(key, deque()).appendleft(entry)
        self._held.add(entry.secretariat)
        self._ready = OrderedDict((k, None) for k in self._ready if k[0] != entry.secretariat)

    def release(self, secretariat: str) -> None:
        """The secretariat's entries may go again."""
        self._held.discard(secretariat)
        for key in [k for k in self._waiting if k[0] == secretariat]:
            self._make_ready(key)

    def _make_ready(self, key: Key) -> None:
        if key in self._in_flight:
            return
        if not self._waiting.get(key):
            self._waiting.pop(key, None)
        elif key[0] not in self._held:
            self._ready[key] = None


class Relay:
    """Publishes the outbox until it is stopped, and outlives every absence of the broker or the store.

    Types: window is the number of entries in flight at once, poll_seconds how long new work may go unnoticed when
    nobody calls `wake`, hold_seconds how long a secretariat waits whose queue refused an entry, stop_seconds how long
    what is in flight may take once it is told to stop, backoff_seconds the first and the longest pause between two
    attempts to connect. The outbox's calls run in the executor (None: the
    loop's own). One relay runs per outbox; whoever starts it holds the lock.
    """

    def __init__(
        self,
        outbox: Outbox,
        publisher: Publisher,
        *,
        window: int = WINDOW,
        poll_seconds: float = POLL_SECONDS,
        hold_seconds: float = HOLD_SECONDS,
        stop_seconds: float = STOP_SECONDS,
        backoff_seconds: tuple[float, float] = BACKOFF_SECONDS,
        executor: Executor | None = None,
    ) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._size = window
        self._poll_seconds = poll_seconds
        self._hold_seconds = hold_seconds
        self._stop_seconds = stop_seconds
        self._backoff_seconds = backoff_seconds
        self._executor = executor
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news = asyncio.Event()
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._connected = self._away = False
        self._failures = 0
        self._begin()

    async def run(self) -> None:
        """Return once `stop` was called and what was in flight has been confirmed and recorded, or given up."""
        self._loop = asyncio.get_running_loop()
        self._ended.clear()
        try:
            while not self._stopping.is_set():
                try:
                    await self._session()
                except* TroubleError as troubles:
                    self._went_away(troubles)
                if not self._stopping.is_set():
                    await self._pause()
        finally:
            self._loop = None
            self._stopping.clear()  # its next turn runs again
            self._ended.set()

    @property
    def broker(self) -> bool | None:
        """Whether the broker does its work; None while this relay does not run."""
        return None if self._loop is None else self._connected

    async def stop(self) -> None:
        """Return once `run` has returned."""
        self._stopping.set()
        self._news.set()
        await self._ended.wait()

    def wake(self) -> None:
        """New entries are looked for at once; may be called from any thread, at any time."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just ended, and with it the need
                loop.call_soon_threadsafe(self._look_again)

    def _begin(self) -> None:
        self._window = Window(self._size)
        self._taken: list[OutboxEntry] = []
        self._publishes: set[asyncio.Task[None]] = set()
        self._recording: asyncio.Task[None] | None = None
        self._recorded: set[int] = set()
        self._releases: dict[str, float] = {}
        self._unread, self._next_poll = True, 0.0

    def _look_again(self) -> None:
        self._unread = True
        self._news.set()

    async def _session(self) -> None:
        """One connection's life."""
        self._begin()
        try:
            await self._publisher.connect()
            async with asyncio.TaskGroup() as publishes:
                await self._pump(publishes)
                await self._finish()
        finally:
            await self._publisher.close()
            await self._record()

    async def _pump(self, publishes: asyncio.TaskGroup) -> None:
        while not self._stopping.is_set():
            self._news.clear()
            self._publisher.require_session()  # with nothing to publish, nothing else tells that the broker is away
            self._begin_to_record(publishes)
            self._release_due()
            self._fill(publishes)
            if self._window.has_room and self._due_to_read():
                await self._read()
                self._fill(publishes)
            if not self._window:
                self._is_well()
            await self._wait()

    def _fill(self, publishes: asyncio.TaskGroup) -> None:
        while (entry := self._window.next()) is not None:
            task = publishes.create_task(self._publish(entry))
            self._publishes.add(task)
            task.add_done_callback(self._publishes.discard)

    async def _finish(self) -> None:
        """What is in flight is confirmed, or given up: the next turn publishes it again."""
        if self._publishes:
            _, late = await asyncio.wait(self._publishes, timeout=self._stop_seconds)
            for task in late:
                task.cancel()

    async def _publish(self, entry: OutboxEntry) -> None:
        try:
            await self._publisher.publish(entry)
        except EntryRefused as refusal:
            self._hold(entry, refusal)
        else:
            self._window.taken(entry)
            self._taken.append(entry)
            self._is_well()
        self._news.set()

    def _begin_to_record(self, publishes: asyncio.TaskGroup) -> None:
        """What the broker took is recorded beside what is read and published, which never waits for it."""
        if self._taken and self._recording is None:
            self._recording = publishes.create_task(self._record())
            self._recording.add_done_callback(self._end_recording)

    def _end_recording(self, _: asyncio.Task[None]) -> None:
        self._recording = None
        self._news.set()  # what was taken meanwhile makes the next batch

    async def _record(self) -> None:
        """What the broker took is recorded, in one batch; publishes go on meanwhile."""
        if self._taken:
            batch, self._taken = self._taken, []
            await self._store(lambda: self._outbox.confirm(batch))
            self._window.recorded(batch)
            self._recorded.update(entry.sequence for entry in batch)

    def _due_to_read(self) -> bool:
        due = self._unread or time.monotonic() >= self._next_poll
        return due and len(self._window) < READ_AHEAD

    async def _read(self) -> None:
        """Offer the oldest entries to the window: those it knows come again, so as many more are asked for."""
        self._unread, self._next_poll = False, time.monotonic() + self._poll_seconds
        limit = len(self._window) + READ_BATCH
        self._recorded.clear()
        held = tuple(self._releases)  # a queue that refuses must not fill the head of the outbox for the others
        entries = await self._store(lambda: self._outbox.unconfirmed(limit, held))
        # What was recorded while the outbox was read may stand in what was read of it.
        fresh = self._window.offer([entry for entry in entries if entry.sequence not in self._recorded])
        # A full read that brought much leaves more behind; one that brought little means that few patients or a held
        # secretariat fill the head of the outbox, and reading on at every confirm would cost more than it finds.
        self._unread |= len(entries) == limit and fresh >= self._size

    async def _store(self, call: Callable[[], Result]) -> Result:
        """Give the call's result. It runs to its end even if we are cancelled: the next session finds it done."""
        work = asyncio.get_running_loop().run_in_executor(self._executor, call)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait({work})
            raise

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._poll_seconds):
                await self._news.wait()

    def _hold(self, entry: OutboxEntry, refusal: EntryRefused) -> None:
        if entry.secretariat not in self._releases:
            _log.warning("relay.refused", secretariat=entry.secretariat, rule=refusal.rule)
        self._window.refused(entry)
        self._releases[entry.secretariat] = time.monotonic() + self._hold_seconds

    def _release_due(self) -> None:
        now = time.monotonic()
        for secretariat in [s for s, due in self._releases.items() if due <= now]:
            del self._releases[secretariat]
            self._window.release(secretariat)

    def _is_well(self) -> None:
        """The broker does its work: a connection alone does not show that (a broker in alarm takes nothing)."""
        self._failures = 0
        if not self._connected:
            self._connected, self._away = True, False
            _log.info("relay.connected")

    def _went_away(self, troubles: ExceptionGroup[TroubleError]) -> None:
        self._failures += 1
        self._connected = False
        if not self._away:
            self._away = True
            trouble = _first(troubles)
            _log.warning("relay.away", error=trouble.name, rule=trouble.rule)

    async def _pause(self) -> None:
        """Wait before the next attempt, longer after each, and never in step with other relays."""
        shortest, longest = self._backoff_seconds
        seconds = min(longest, shortest * 2 ** min(self._failures, 16)) * _random.uniform(0.5, 1.0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def _key(entry: OutboxEntry) -> Key:
    return entry.secretariat, entry.order_key


def _first(troubles: BaseException) -> TroubleError:
    while isinstance(troubles, BaseExceptionGroup):
        troubles = troubles.exceptions[0]
    assert isinstance(troubles, TroubleError)
    return troubles
