"""An MLLP sender: one connection at a time, made when it is needed, given up whenever an answer is in doubt.

`Client` is for asyncio, `BlockingClient` for everybody else.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from ssl import SSLCertVerificationError, SSLContext, SSLError
from typing import Self

from adapters.mllp.framing import Frame, FrameEvent, FrameReader, Junk, frame
from gateway.errors import TroubleError

MAX_ANSWER = 1 << 22
"""Largest answer taken, in bytes."""
SETTLE_SECONDS = 0.2
"""Silence after which an FS without its CR ends an answer."""

TLS_CLOSE_SECONDS = 2
"""How long a receiver may take to agree to the end of a TLS session."""


CONNECT_SECONDS = 10.0
"""Longest time that a connection and its TLS handshake may take."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before the second attempt, doubled before each further one up to the longest."""


class PeerUnavailable(TroubleError):
    """The receiver gave no answer: it cannot be reached, closed the connection, or took too long.

    Whether it took the message is not known; sent again under the same message control ID, it can tell.
    """


class Client:
    """A sender to one receiver; connects at the first message, and again after any failure.

    A connection serves one call at a time. It is closed when an answer is late, missing or not asked for, so that no
    answer is ever taken for the next message's. Which message an answer means to acknowledge (MSA-2) is the caller's to
    check.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        ssl: SSLContext | None = None,
        server_hostname: str | None = None,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        """Keep where to send.

        Args:
            host: name or address of the receiver.
            port: its TCP port.
            ssl: TLS settings, with our certificate for mutual TLS; None sends in clear.
            server_hostname: name that the receiver's certificate must bear, if it is not ``host``.
            connect_seconds: longest time that a connection and its TLS handshake may take.

        """
        self._connect_seconds = connect_seconds
        self._host = host
        self._port = port
        self._ssl = ssl
        self._server_hostname = server_hostname
        self._link: _Link | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """The connection is closed; the next message opens one again."""
        link, self._link = self._link, None
        if link:
            await link.close()

    async def send(self, payload: bytes, timeout: float) -> bytes:  # noqa: ASYNC109 - on time-out we close the connection
        """Give the payload of the receiver's answer.

        Args:
            payload: one message, without frame.
            timeout: seconds for everything: our turn, the connection, the answer.

        Raises:
            PeerUnavailable: no answer came.
            ValueError: the payload holds a frame boundary.

        """
        try:
            async with asyncio.timeout(timeout), self._turn:
                return await self._exchange(payload)
        except TimeoutError:
            raise PeerUnavailable("no answer in time") from None

    async def converse(
        self,
        payload: bytes,
        timeout: float,  # noqa: ASYNC109 - what came by then is given
        enough: Callable[[Sequence[bytes]], bool] | None = None,
    ) -> list[bytes]:
        """Give what a receiver says to a message that asks for no answer, for several, or for one on a condition.

        The connection is the message's own, so that silence is an answer too.

        Args:
            payload: one message, without frame.
            timeout: seconds to connect, and then for everything.
            enough: whether what has come is all; None: we hang up at once, and take what comes till the receiver does.

        Raises:
            PeerUnavailable: the receiver cannot be reached.
            ValueError: the payload holds a frame boundary.

        """
        message, framing, answers = frame(payload), FrameReader(MAX_ANSWER), list[bytes]()
        async with _reaching(min(timeout, self._connect_seconds)):
            reader, writer = await asyncio.open_connection(
                self._host, self._port, ssl=self._ssl, server_hostname=self._certified
            )
        with suppress(OSError):
            async with asyncio.timeout(timeout):
                writer.write(message)
                if enough is None and writer.can_write_eof():
                    writer.write_eof()
                while (enough is None or not enough(answers)) and (data := await reader.read(MAX_ANSWER)):
                    answers += [event.payload for event in framing.feed(data) if isinstance(event, Frame)]
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return answers

    async def deliver(
        self,
        payload: bytes,
        timeout: float,  # noqa: ASYNC109 - as send
        attempts: int = 5,
        first_pause: float = FIRST_PAUSE,
    ) -> bytes:
        """Give the receiver's answer, asked for again after growing pauses while none comes.

        Only for receivers that know a message again by its control ID: an answer may have been lost on its way.

        Args:
            payload: one message, without frame.
            timeout: seconds for each attempt.
            attempts: how often it is sent at most, at least 1.
            first_pause: seconds before the second attempt; doubled before each further one, up to `LONGEST_PAUSE`.

        Raises:
            PeerUnavailable: no attempt was answered.
            ValueError: the payload holds a frame boundary.

        """
        pause = first_pause
        for _ in range(attempts - 1):
            try:
                return await self.send(payload, timeout)
            except PeerUnavailable:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        return await self.send(payload, timeout)

    async def send_all(
        self,
        payloads: Iterable[bytes],
        window: int,
        timeout: float,  # noqa: ASYNC109 - as send
    ) -> AsyncGenerator[bytes, None]:
        """Yield the answers in the order of the payloads, sending up to ``window`` messages ahead of their answers.

        The connection is this call's until its last answer; leave the loop early only under `contextlib.aclosing`.

        Args:
            payloads: messages, without frames; taken from as the window allows.
            window: messages that may await their answer, at least 1.
            timeout: seconds to connect, and for each answer.

        Raises:
            PeerUnavailable: an answer did not come; those yielded before it stand.
            ValueError: a payload holds a frame boundary.

        """
        async with self._turn:
            waiting: deque[asyncio.Future[bytes]] = deque()
            try:
                async with asyncio.timeout(timeout):
                    link = await self._connected()
                for payload in payloads:
                    waiting.append(link.ask(payload))
                    if len(waiting) >= window:
                        yield await asyncio.wait_for(waiting.popleft(), timeout)
                while waiting:
                    yield await asyncio.wait_for(waiting.popleft(), timeout)
            except TimeoutError:
                raise PeerUnavailable("no answer in time") from None
            finally:
                self._forget_if_unanswered()

    async def _exchange(self, payload: bytes) -> bytes:
        link = await self._connected()
        try:
            return await link.ask(payload)
        finally:
            self._forget_if_unanswered()

    def _forget_if_unanswered(self) -> None:
        if self._link and not self._link.usable:
            self._link.give_up("the answer was no longer waited for")
            self._link = None

    async def _connected(self) -> "_Link":
        if self._link is None or not self._link.usable:
            await self.close()
            async with _reaching(self._connect_seconds):
                _, self._link = await asyncio.get_running_loop().create_connection(
                    _Link,
                    self._host,
                    self._port,
                    ssl=self._ssl,
                    server_hostname=self._certified,
                    ssl_shutdown_timeout=TLS_CLOSE_SECONDS if self._ssl else None,
                )
        return self._link

    @property
    def _certified(self) -> str | None:
        """The name that the receiver's certificate must bear; None in clear."""
        return (self._server_hostname or self._host) if self._ssl else None


@asynccontextmanager
async def _reaching(seconds: float) -> AsyncIterator[None]:
    """What is done here reaches the receiver in so many seconds, or PeerUnavailable says why it could not."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except OSError as error:  # TimeoutError is one
        raise PeerUnavailable(_why_unreachable(error)) from error


def _why_unreachable(error: OSError) -> str:
    if isinstance(error, SSLCertVerificationError):
        return f"the receiver's certificate is not accepted: {error.verify_message}"
    if isinstance(error, SSLError):
        return f"the receiver cannot be reached by TLS: {error.reason}"
    return "the receiver cannot be reached"


class BlockingClient:
    """A sender to one receiver for programs without an event loop, by one thread: a `Client` with a loop of its own.

    Closed, it is of no more use.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        ssl: SSLContext | None = None,
        server_hostname: str | None = None,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        self._client = Client(host, port, ssl=ssl, server_hostname=server_hostname, connect_seconds=connect_seconds)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """The connection is closed."""
        self._runner.run(self._client.close())
        self._runner.close()

    def send(self, payload: bytes, timeout: float) -> bytes:
        """Give the payload of the receiver's answer; see `Client.send`."""
        return self._runner.run(self._client.send(payload, timeout))

    def deliver(self, payload: bytes, timeout: float, attempts: int = 5, first_pause: float = FIRST_PAUSE) -> bytes:
        """Give the answer, asked for again while none comes; see `Client.deliver`."""
        return self._runner.run(self._client.deliver(payload, timeout, attempts, first_pause))


class _Link(asyncio.Protocol):
    """One connection, and the answers that it owes."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._framing = FrameReader(MAX_ANSWER)
        self._owed: deque[asyncio.Future[bytes]] = deque()
        self._loop = asyncio.get_running_loop()
        self._lost = asyncio.Event()
        self._settling: asyncio.TimerHandle | None = None

    @property
    def usable(self) -> bool:
        """Whether the next answer can only be the next message's."""
        return not (self._owed or self._framing.in_frame or self._transport.is_closing())

    def ask(self, payload: bytes) -> asyncio.Future[bytes]:
        """Give the answer to come; the message is on its way, unless the connection is gone already."""
        answer = self._loop.create_future()
        message = frame(payload)
        self._owed.append(answer)
        if self._transport.is_closing():
            self._fail("the receiver closed the connection")
        else:
            self._transport.write(message)
        return answer

    def give_up(self, reason: str) -> None:
        """The connection is ended, and whoever waits for an answer is told why."""
        self._fail(reason)
        self._transport.abort()

    async def close(self) -> None:
        """The connection is closed."""
        self._fail("the connection was closed on our side")
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        self._transport.close()
        await self._lost.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        self._take(self._framing.feed(data))
        if self._settling:
            self._settling.cancel()
            self._settling = None
        if self._framing.undecided:
            self._settling = self._loop.call_later(SETTLE_SECONDS, self._settled)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        if self._settling:
            self._settling.cancel()
        last = self._framing.eof()
        if exc is None and last:
            self._take([last])
        refused = f": {exc.reason}" if isinstance(exc, SSLError) else ""  # our certificate, most likely
        self._fail(f"the receiver closed the connection{refused}")
        self._lost.set()

    def _settled(self) -> None:
        self._take(self._framing.flush_idle())

    def _take(self, events: list[FrameEvent]) -> None:
        for event in events:
            match event:
                case Frame(payload) if self._owed:
                    answer = self._owed.popleft()
                    if not answer.done():
                        answer.set_result(payload)
                case Junk():
                    pass
                case _:
                    self.give_up("the receiver sent what is no answer")

    def _fail(self, reason: str) -> None:
        for answer in self._owed:
            if not answer.done():
                answer.set_exception(PeerUnavailable(reason))
                answer.exception()  # nobody may be waiting for it any more
        self._owed.clear()
