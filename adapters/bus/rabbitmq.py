"""The relay's publisher on RabbitMQ: pika's asyncio connection with publisher confirms.

What the broker promises (RabbitMQ, consumer acknowledgements and publisher confirms): delivery tags count the publishes
on a channel from 1; an ack or nack may cover several; a mandatory message that no queue takes is returned first and
acknowledged after. A confirm for a quorum queue comes once a majority of its members has written the message. A broker
short of memory or disk tells a connection that it is blocked, and reads nothing more from it until the alarm is over.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import Any, NoReturn

import pika
import structlog
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.exceptions import AMQPError, ChannelClosedByBroker, ConnectionClosedByBroker

from adapters.bus import topology
from adapters.bus.relay import EntryRefused
from gateway.errors import BrokerUnavailable
from gateway.outbox import OutboxEntry

CONFIRM_SECONDS = 10.0
CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 2.0
HEARTBEAT_SECONDS = 10
DECLARED_SECONDS = 5.0
"""How long a declaration is relied on. A deleted queue's messages are returned only while no other queue takes them."""

_log = structlog.get_logger(__name__)


class Confirms:
    """The publishes of one channel that the broker has not answered yet, by delivery tag."""

    def __init__(self) -> None:
        self._last_tag = 0
        self._waiting: dict[int, tuple[str, asyncio.Future[None]]] = {}
        self._returned: set[str] = set()

    def sent(self, message_id: str) -> asyncio.Future[None]:
        """Give the future of the publish that is sent now; it ends when the broker answers."""
        self._last_tag += 1
        future = asyncio.get_running_loop().create_future()
        self._waiting[self._last_tag] = (message_id, future)
        return future

    def returned(self, message_id: str) -> None:
        """No queue took this message: its acknowledgment, which follows, does not mean that it is kept."""
        self._returned.add(message_id)

    def answered(self, tag: int, *, multiple: bool, taken: bool) -> None:
        """The publishes that this ack or nack covers have ended; tag 0 with multiple covers all (AMQP 0-9-1)."""
        upto = tag or self._last_tag
        tags = [t for t in self._waiting if t <= upto] if multiple else [tag]
        for each in tags:
            if each in self._waiting:
                self._end(*self._waiting.pop(each), taken=taken)

    def lost(self) -> None:
        """Every publish in flight has failed: whether the broker has it, nobody knows."""
        waiting, self._waiting = self._waiting, {}
        for _, future in waiting.values():
            if not future.done():
                future.set_exception(BrokerUnavailable("the connection was lost before the confirm"))

    def _end(self, message_id: str, future: asyncio.Future[None], *, taken: bool) -> None:
        returned = message_id in self._returned
        self._returned.discard(message_id)
        if future.done():
            return
        if returned:
            future.set_exception(EntryRefused("no queue is bound for the secretariat"))
        elif not taken:
            future.set_exception(EntryRefused("the queue did not take the message (nack)"))
        else:
            future.set_result(None)


class _Session:
    """One connection with one channel in confirm mode; when either closes, the session is over."""

    def __init__(self, parameters: pika.connection.Parameters) -> None:
        self.confirms = Confirms()
        self.over = asyncio.Event()
        self.blocked = False
        self._limits: dict[asyncio.Timeout, float] = {}
        self._answers: set[asyncio.Future[Any]] = set()
        self._reason = "the connection was closed"
        self._opened = self._answer()
        self.channel: Any = None
        self.connection = AsyncioConnection(
            parameters,
            on_open_callback=partial(_resolve, self._opened),
            on_open_error_callback=self._ended,
            on_close_callback=self._ended,
            custom_ioloop=asyncio.get_running_loop(),
        )
        self.connection.add_on_connection_blocked_callback(self._alarmed)
        self.connection.add_on_connection_unblocked_callback(self._calmed)

    async def open(self) -> None:
        """Return once messages can be published on the channel; raise BrokerUnavailable when the session ends first."""
        await self._opened
        opened = self._answer()
        self.channel = self.connection.channel(on_open_callback=partial(_resolve, opened))
        self.channel.add_on_close_callback(self._channel_closed)
        await opened
        self.channel.add_on_return_callback(self._returned)
        await self.settled(partial(self.channel.confirm_delivery, self._answered))

    async def settled(self, call: Any) -> None:
        """Make a call that takes a callback, and return once the broker has answered it."""
        answer = self._answer()
        call(callback=partial(_resolve, answer))
        await answer

    def require_channel(self) -> None:
        """Return while messages can be published; raise BrokerUnavailable with what ended it."""
        if not self.channel.is_open:
            raise BrokerUnavailable(self._reason)

    async def close(self) -> None:
        """Close in order; where the broker does not answer to that in time, drop the connection."""
        if self.connection.is_open:
            self.connection.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self.over.wait()
        if not self.over.is_set():
            # pika has no public way to drop a connection whose peer is silent; its own heartbeat check does this.
            self.connection._terminate_stream(AMQPError("dropped"))  # noqa: SLF001
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self.over.wait()

    @contextlib.asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """The block ends in TimeoutError after that time, which does not run while the broker blocks us.

        To give a blocked connection up would help nobody: the broker reads what was sent on it after the alarm, so
        that each attempt would leave it one more connection to keep and as many doubled messages.
        """
        async with asyncio.timeout(None if self.blocked else seconds) as limit:
            self._limits[limit] = seconds
            try:
                yield
            finally:
                del self._limits[limit]

    def _alarmed(self, _connection: Any, _frame: Any) -> None:
        self.blocked = True
        _log.warning("relay.blocked")
        for limit in self._running_limits():
            limit.reschedule(None)

    def _calmed(self, _connection: Any, _frame: Any) -> None:
        self.blocked = False
        _log.info("relay.unblocked")
        now = asyncio.get_running_loop().time()
        for limit in self._running_limits():
            limit.reschedule(now + self._limits[limit])

    def _running_limits(self) -> list[asyncio.Timeout]:
        return [limit for limit in self._limits if not limit.expired()]

    def _answer(self) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        if self.over.is_set():
            future.set_exception(BrokerUnavailable(self._reason))
        self._answers.add(future)
        future.add_done_callback(self._answers.discard)
        return future

    def _answered(self, frame: Any) -> None:
        taken = isinstance(frame.method, pika.spec.Basic.Ack)
        self.confirms.answered(frame.method.delivery_tag, multiple=frame.method.multiple, taken=taken)

    def _returned(self, _channel: Any, _method: Any, properties: pika.BasicProperties, _body: bytes) -> None:
        self.confirms.returned(str(properties.message_id))

    def _channel_closed(self, _channel: Any, reason: BaseException) -> None:
        if isinstance(reason, ChannelClosedByBroker):
            self._reason = f"the broker closed the channel ({reason.reply_code})"
        self._fail()

    def _ended(self, _connection: Any, reason: BaseException) -> None:
        code = f" {reason.reply_code}" if isinstance(reason, ConnectionClosedByBroker) else ""
        self._reason = f"the connection was closed ({type(reason).__name__}{code})"
        self.over.set()
        self._fail()

    def _fail(self) -> None:
        self.confirms.lost()
        for answer in list(self._answers):
            if not answer.done():
                answer.set_exception(BrokerUnavailable(self._reason))


class RabbitPublisher:
    """Publishes to RabbitMQ, each message persistent, mandatory and confirmed.

    Types: url is an AMQP URL (``amqps`` for TLS, with pika's ``ssl_options``); secretariats are declared on connecting,
    any other on its first entry, so that an item of a secretariat that has left the site's data still has a queue, and
    each again while it has entries, so that a deleted queue does not stay away unnoticed;
    declares is False where the account may only write and the operator has imported the definitions; the times, in
    seconds, bound each confirm, as long as the broker does not say that it is blocked, and the whole of connecting.
    """

    def __init__(
        self,
        url: str,
        secretariats: Iterable[str] = (),
        *,
        declares: bool = True,
        confirm_seconds: float = CONFIRM_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        self._parameters = _parameters(url, connect_seconds)
        self._secretariats = tuple(secretariats)
        self._declares = declares
        self._confirm_seconds = confirm_seconds
        self._connect_seconds = connect_seconds
        self._session: _Session | None = None
        self._declared: dict[str, float] = {}
        self._declaring = asyncio.Lock()

    async def connect(self) -> None:
        """Return once entries can be published and the topology stands; raise BrokerUnavailable otherwise."""
        self._declared.clear()
        self._session = _Session(self._parameters)
        try:
            async with asyncio.timeout(self._connect_seconds):
                await self._session.open()
                await self._declare(self._session, self._secretariats)
        except TimeoutError:
            raise BrokerUnavailable(f"no connection within {self._connect_seconds:g} s") from None
        except AMQPError as error:
            _unavailable(error)

    async def publish(self, entry: OutboxEntry) -> None:
        """Return once the broker has confirmed the entry.

        Raises EntryRefused when the broker returned it or answered with a nack, BrokerUnavailable when the connection
        or the confirm's time is over.
        """
        session = self._session
        if session is None:
            raise BrokerUnavailable("not connected")
        try:
            async with session.within(self._confirm_seconds):
                await self._declare(session, (entry.secretariat,))
                await self._send(session, entry)
        except EntryRefused:
            self._declared.pop(entry.secretariat, None)
            raise
        except TimeoutError:
            raise BrokerUnavailable(f"no confirm within {self._confirm_seconds:g} s") from None
        except AMQPError as error:
            _unavailable(error)

    def require_session(self) -> None:
        """Return while the channel stands; raise BrokerUnavailable once it or its connection was closed."""
        if self._session is not None:
            self._session.require_channel()

    async def close(self) -> None:
        """The connection is closed, in bounded time; may be called at any time."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _send(self, session: _Session, entry: OutboxEntry) -> None:
        # The channel counts a publish only if it took it: so its future is made after, with no await between.
        session.channel.basic_publish(
            topology.ITEMS_EXCHANGE,
            topology.routing_key(entry.secretariat),
            entry.body,
            _properties(entry),
            mandatory=True,
        )
        await session.confirms.sent(entry.message_id)

    async def _declare(self, session: _Session, secretariats: Sequence[str]) -> None:
        if not self._undeclared(secretariats):
            return
        async with self._declaring:
            if missing := self._undeclared(secretariats):
                topology.declare(session.channel, missing)
                check = partial(session.channel.exchange_declare, topology.ITEMS_EXCHANGE, passive=True)
                await session.settled(check)
                self._declared.update(dict.fromkeys(missing, time.monotonic()))

    def _undeclared(self, secretariats: Sequence[str]) -> list[str]:
        old = time.monotonic() - DECLARED_SECONDS
        return [s for s in secretariats if self._declares and self._declared.get(s, old) <= old]


def _parameters(url: str, connect_seconds: float) -> pika.URLParameters:
    parameters = pika.URLParameters(url)
    parameters.heartbeat = HEARTBEAT_SECONDS
    parameters.connection_attempts = 1
    parameters.socket_timeout = parameters.stack_timeout = connect_seconds
    return parameters


def _properties(entry: OutboxEntry) -> pika.BasicProperties:
    return pika.BasicProperties(
        content_type=topology.CONTENT_TYPE,
        delivery_mode=pika.DeliveryMode.Persistent,
        message_id=entry.message_id,
        headers={topology.ITEM_HEADER: entry.item, topology.VERSION_HEADER: entry.version},
    )


def _resolve(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _unavailable(error: AMQPError) -> NoReturn:
    raise BrokerUnavailable(f"the connection cannot be used ({type(error).__name__})") from error
