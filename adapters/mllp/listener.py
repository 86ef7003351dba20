"""A TCP server that gives each MLLP frame to a handler and sends the handler's answers back in the order of the frames.

Frames of one connection are handled at the same time, so that they can share a commit; they are handed over in their
order. Nothing here looks into a payload or logs one (promise P6); every wait and every buffer has a limit (promise P9).
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ssl import SSLError
from typing import Any, Protocol

import structlog

from adapters.mllp.framing import Frame, FrameEvent, FrameReader, Junk, Oversize, Truncated, frame
from adapters.mllp.quiet import Quiet
from adapters.mllp.tls import Tls, subject_of

log = structlog.get_logger()

READ = 1 << 13
"""Bytes read in one turn: few enough that a peer of nothing but frame marks takes milliseconds of the others' time."""
BUFFER = 1 << 16
"""Bytes that a connection buffers unread, up to a few times over, before its peer has to wait."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection.

    Attributes:
        address: its IP address.
        connection: number of the connection, rising from 1 while the listener lives.
        subject: whom its TLS client certificate names (RFC 4514); None without one.
        line: takes what is told it later, beside the answers to its frames.

    """

    address: str
    connection: int
    subject: str | None = None
    line: "Line | None" = field(default=None, compare=False, repr=False)


class Line(Protocol):
    """A connection on which more may be said than the answers to its frames."""

    @property
    def open(self) -> bool:
        """Whether something can still be said."""

    def say(self, payload: bytes) -> None:
        """Send a payload in a frame of its own, behind the answers that are owed by now."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one peer may take (promise P9).

    Memory of one connection is at most twice ``max_frame``: a frame being read, and those awaiting their answer.

    Attributes:
        max_frame: largest payload, in bytes; also the sum of payloads that may await their answer on one connection.
        connections: connections open at a time.
        per_address: connections open at a time from one IP address; 0: as many as there are.
        idle_seconds: longest time between the end of a frame (or its answer) and the start of the next.
        frame_seconds: longest time from a frame's first byte to its last.
        handshake_seconds: longest time for a TLS handshake.
        write_seconds: longest time that the peer may leave an answer unread; also for the end of a TLS session.
        pipelined: frames that may await their answer on one connection; no more are read until some are answered.
        settle_seconds: silence after which an FS without its CR ends the frame.

    """

    max_frame: int = 32 * 1024 * 1024
    connections: int = 256
    per_address: int = 0
    idle_seconds: float = 300
    frame_seconds: float = 30
    handshake_seconds: float = 10
    write_seconds: float = 10
    pipelined: int = 64
    settle_seconds: float = 0.2


Handler = Callable[[bytes, Peer], Awaitable[bytes]]
"""Takes a payload, gives the payload to answer; an empty one is not sent. If it raises, the connection closes and
nothing is promised.

It bounds its own time: a connection keeps its place among ``Limits.connections`` until its handlers are done.
"""

OversizeAnswer = Callable[[int, Peer], bytes]
"""Gives the payload that refuses a frame beyond the limit, which is its first argument, in bytes."""


class Listener:
    """An MLLP listener, open between `start` and `stop`, on as many addresses as it was started on.

    Attributes:
        connections_open: connections now open.
        frames: complete frames handed to the handler.
        oversize: frames refused for their size.
        truncated: frames cut before their end.
        junk_bytes: bytes that belonged to no frame.
        unheard: keeps the log of failed handshakes short.
        refused: keeps the log of connections beyond a limit short.

    """

    def __init__(self, handler: Handler, oversize: OversizeAnswer, limits: Limits | None = None) -> None:
        self.handler = handler
        self.oversize_answer = oversize
        self.limits = limits or Limits()
        self.frames = self.oversize = self.truncated = self.junk_bytes = 0
        self.unheard, self.refused = Quiet(), Quiet()
        self._by_address: Counter[str] = Counter()
        self._numbers = itertools.count(1)
        self._servers: list[asyncio.Server] = []
        self._connections: dict[_Connection, asyncio.Task[None]] = {}

    @property
    def connections_open(self) -> int:
        """Connections now open, and those closed whose handlers still run."""
        return len(self._connections)

    @property
    def address(self) -> tuple[str, int]:
        """The address and port first listened on; RuntimeError while the listener is stopped."""
        if not self._servers:
            raise RuntimeError("the listener is not started")
        return _address(self._servers[0])

    async def start(self, host: str, port: int, tls: Tls | None = None, *, shared: bool = False) -> tuple[str, int]:
        """Connections are accepted on this address too; give it. OSError if it cannot be had.

        Args:
            host: address or name to bind.
            port: TCP port; 0 takes a free one.
            tls: makes it TLS.
            shared: let the kernel deal connections out to all listeners of the address that are (SO_REUSEPORT).

        """
        server = await asyncio.start_server(
            lambda r, w: self._accept(r, w, tls), host, port, limit=BUFFER, reuse_port=shared or None
        )
        self._servers.append(server)
        bound = _address(server)
        log.info("mllp.listening", address=bound[0], port=bound[1], tls=tls is not None)
        return bound

    async def stop(self, grace: float) -> None:
        """Nothing is accepted or read any more, frames in hand are answered, all connections are closed.

        Frames not answered within ``grace`` seconds get no answer: their senders will send them again.
        """
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        for connection in self._connections:
            connection.stop_reading()
        await _ended_within(self._connections.values(), grace)
        for server in servers:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.limits.write_seconds):
                    await server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: Tls | None) -> None:
        peer = Peer((writer.get_extra_info("peername") or ("",))[0], next(self._numbers))
        limit = self._limit_reached(peer.address)
        if limit or not self._servers:
            self._tell_refused(peer, limit)
            writer.transport.abort()
            return
        connection = _Connection(self, peer, reader, writer, tls)
        task = asyncio.create_task(connection.serve())
        self._connections[connection] = task
        self._by_address[peer.address] += 1
        task.add_done_callback(lambda _: self._gone(connection, peer.address))

    def _limit_reached(self, address: str) -> str:
        if self.connections_open >= self.limits.connections:
            return "connections"
        most = self.limits.per_address
        return "per_address" if most and self._by_address[address] >= most else ""

    def _tell_refused(self, peer: Peer, limit: str) -> None:
        untold = self.refused.told(peer.address, asyncio.get_running_loop().time())
        if untold is not None:
            log.warning("mllp.refused", peer=peer.address, limit=limit, open=self.connections_open, since_last=untold)

    def _gone(self, connection: "_Connection", address: str) -> None:
        del self._connections[connection]
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


def _address(server: asyncio.Server) -> tuple[str, int]:
    host, port = server.sockets[0].getsockname()[:2]
    return host, port


async def _ended_within(tasks: Iterable[asyncio.Task[Any]], seconds: float) -> None:
    """Every task has ended; those that took longer were cancelled."""
    everything = list(tasks)
    if everything:
        _, late = await asyncio.wait(everything, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


class _Window:
    """Frames awaiting their answer on one connection, bounded in number and in bytes; one task enters."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._room = asyncio.Event()
        self.frames = 0
        self.octets = 0

    async def enter(self, octets: int) -> None:
        while self._full(octets):
            self._room.clear()
            await self._room.wait()
        self.frames += 1
        self.octets += octets

    def leave(self, octets: int) -> None:
        self.frames -= 1
        self.octets -= octets
        self._room.set()

    def _full(self, octets: int) -> bool:
        too_many = self.frames >= self._limits.pipelined
        return too_many or (self.frames > 0 and self.octets + octets > self._limits.max_frame)


@dataclass(frozen=True, slots=True)
class _Due:
    """An answer owed: its turn is its place in the queue."""

    answer: asyncio.Task[bytes | None]
    octets: int


class _Connection:
    """One peer: a task that reads frames, a task that writes their answers, and the handlers between them."""

    def __init__(
        self,
        listener: Listener,
        peer: Peer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        tls: Tls | None,
    ) -> None:
        self._listener = listener
        self._limits = listener.limits
        self._peer = replace(peer, line=self)
        self._reader = reader
        self._writer = writer
        self._log = log.bind(peer=peer.address, connection=peer.connection)
        self._framing = FrameReader(self._limits.max_frame)
        self._window = _Window(self._limits)
        # Bounded by the window, and by whoever says more.
        self._due: asyncio.Queue[_Due | bytes | None] = asyncio.Queue()
        self._handling: set[asyncio.Task[bytes | None]] = set()
        self._now = asyncio.get_running_loop().time
        self._since = self._now()
        self._frames = self._truncated = self._junk = 0
        self._heard = False
        if tls:
            assert isinstance(writer.transport, asyncio.Transport)
            writer.transport.pause_reading()  # the handshake's first bytes are TLS's, not the reader's
        self._reading = asyncio.create_task(self._read_frames(tls))

    def stop_reading(self) -> None:
        """No more frames are taken; those in hand are answered and the connection closes."""
        self._reading.cancel()

    @property
    def open(self) -> bool:
        """Whether something can still be said."""
        return not self._writer.transport.is_closing()

    def say(self, payload: bytes) -> None:
        """Send a payload in a frame of its own, behind the answers that are owed by now."""
        self._due.put_nowait(frame(payload))

    async def serve(self) -> None:
        """The connection is closed, and every handler that it started has ended."""
        answering = asyncio.create_task(self._write_answers())
        try:
            await asyncio.wait({self._reading, answering}, return_when=asyncio.FIRST_COMPLETED)
            await self._stop(self._reading)
            self._due.put_nowait(None)
            await self._outcome(answering)
            await self._close()
            await self._outcome(*self._handling)
        finally:
            self._writer.transport.abort()
            await self._stop(*(t for t in (self._reading, answering, *self._handling) if not t.done()))
            if self._heard:
                self._log.info("mllp.closed", frames=self._frames, truncated=self._truncated, junk_bytes=self._junk)

    async def _stop(self, *tasks: asyncio.Task[Any]) -> None:
        for task in tasks:
            task.cancel()
        await self._outcome(*tasks)

    async def _outcome(self, *tasks: asyncio.Task[Any]) -> None:
        """The tasks have ended; an error of ours is logged by its class and stays in this connection."""
        if not tasks:
            return
        await asyncio.wait(tasks)
        for task in tasks:
            error = None if task.cancelled() else task.exception()
            if error:
                self._log.error("mllp.failed", error=type(error).__name__)

    async def _close(self) -> None:
        self._writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._limits.write_seconds):
                await self._writer.wait_closed()

    async def _secured(self, tls: Tls) -> bool:
        """Whether the handshake was done; the peer's certificate is known then."""
        try:
            await self._writer.start_tls(tls(), ssl_handshake_timeout=self._limits.handshake_seconds)
        except OSError as error:
            reason = error.reason if isinstance(error, SSLError) else None
            if (unheard := self._listener.unheard.told(self._peer.address, self._now())) is not None:
                self._log.warning("mllps.unheard", reason=reason or type(error).__name__, since_last=unheard)
            return False
        certificate = self._writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        self._peer = replace(self._peer, subject=subject_of(certificate))
        return True

    async def _read_frames(self, tls: Tls | None) -> None:
        if tls and not await self._secured(tls):
            return
        self._heard = True
        self._since = self._now()
        self._log.info("mllp.connected", **({"tls": True, "subject": self._peer.subject} if tls else {}))
        # A drain then waits until the kernel has all of it, which is how an unread answer is noticed. (Not 0: asyncio's
        # TLS transport would pause with nothing to write.)
        self._writer.transport.set_write_buffer_limits(high=1)
        try:
            ended = await self._read_to_the_end()
        except OSError:
            ended = False
        last = self._framing.eof()
        if isinstance(last, Frame) and not ended:
            last = Truncated(len(last.payload))  # its FS may have been a byte of the payload: more was to come
        if last:
            await self._take(last)

    async def _read_to_the_end(self) -> bool:
        """Whether the peer ended the stream; it was overdue otherwise."""
        while self._now() < self._limit():
            data = await self._receive()
            if data == b"":
                return True
            if data is None and self._now() >= self._limit():
                break  # too short a silence to prove an end
            frame_now = self._framing.in_frame, self._framing.begun
            for event in self._framing.flush_idle() if data is None else self._framing.feed(data):
                await self._take(event)
            if frame_now != (self._framing.in_frame, self._framing.begun):
                self._since = self._now()
            await asyncio.sleep(0)  # a read of what is buffered already lets nobody else in
        self._log.warning("mllp.overdue", in_frame=self._framing.in_frame)
        return False

    async def _receive(self) -> bytes | None:
        """Give the next bytes, none at the end of the stream, None if the deadline came first."""
        try:
            async with asyncio.timeout_at(self._deadline()) as deadline:
                return await self._reader.read(READ)
        except TimeoutError:
            if not deadline.expired():
                raise  # the kernel's own
        return await self._come_meanwhile()

    async def _come_meanwhile(self) -> bytes | None:
        """Give the bytes that came while our own loop was held up, None if there are none: our delay is no silence."""
        for _ in range(2):  # turns of the loop: one hears of them, the next has them read
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(0):
                return await self._reader.read(READ)
        except TimeoutError:
            return None

    def _deadline(self) -> float:
        limit = self._limit()
        return min(limit, self._now() + self._limits.settle_seconds) if self._framing.undecided else limit

    def _limit(self) -> float:
        """When the frame begun must have ended, or the next one must have begun. Junk prolongs neither."""
        if self._framing.in_frame:
            return self._since + self._limits.frame_seconds
        since = self._now() if self._window.frames else self._since
        return since + self._limits.idle_seconds

    async def _take(self, event: FrameEvent) -> None:
        match event:
            case Frame(payload):
                await self._window.enter(len(payload))
                self._frames += 1
                self._listener.frames += 1
                self._owe(self._handle(payload), len(payload))
            case Oversize(limit):
                await self._window.enter(0)
                self._listener.oversize += 1
                self._log.warning("mllp.oversize", limit=limit)
                self._owe(self._refuse(limit), 0)
            case Junk(length):
                self._note_junk(length)
            case Truncated(length):
                self._note_truncated(length)

    # Junk and cuts are logged at their first and in the closing total: a peer must not fill the disk with log lines.

    def _note_junk(self, length: int) -> None:
        if not self._junk:
            self._log.warning("mllp.junk", length=length)
        self._junk += length
        self._listener.junk_bytes += length

    def _note_truncated(self, length: int) -> None:
        if not self._truncated:
            self._log.warning("mllp.truncated", length=length)
        self._truncated += 1
        self._listener.truncated += 1

    def _owe(self, answer: Coroutine[Any, Any, bytes | None], octets: int) -> None:
        task = asyncio.create_task(answer)
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)
        self._due.put_nowait(_Due(task, octets))

    async def _handle(self, payload: bytes) -> bytes | None:
        """Give the framed answer, None if there is none to give."""
        try:
            answer = await self._listener.handler(payload, self._peer)
            return frame(answer) if answer else b""
        except Exception as error:  # noqa: BLE001 - whatever fails in one message stays in its connection
            self._log.error("mllp.handler_failed", error=type(error).__name__)
            return None

    async def _refuse(self, limit: int) -> bytes | None:
        try:
            return frame(self._listener.oversize_answer(limit, self._peer))
        except Exception as error:  # noqa: BLE001 - as above
            self._log.error("mllp.handler_failed", error=type(error).__name__)
            return None

    async def _write_answers(self) -> None:
        """Every answer due is with the kernel, in order; or one could not be given, and none after it was."""
        while due := await self._due.get():
            answer = due if isinstance(due, bytes) else await due.answer
            if answer is None or not await self._sent(answer):
                return
            if isinstance(due, _Due):
                self._window.leave(due.octets)
            if not self._framing.in_frame:
                self._since = self._now()

    async def _sent(self, answer: bytes) -> bool:
        transport = self._writer.transport
        if transport.is_closing():
            return False
        self._writer.write(answer)
        if not transport.get_write_buffer_size():
            return True
        try:
            async with asyncio.timeout(self._limits.write_seconds):
                await self._writer.drain()
        except OSError as error:  # TimeoutError is one
            self._log.warning("mllp.unread", error=type(error).__name__)
            transport.abort()
            return False
        return True
