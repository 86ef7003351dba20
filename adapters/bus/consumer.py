"""The client kit: a worklist system follows one secretariat's queue, on kombu.

It declares none of the topology: the queue is the gateway's, and a consumer that asks before it stands waits for it.
"""

# kombu says that it is typed, and most of its functions are not.
# mypy: disable-error-code="no-untyped-call"

import contextlib
import json
import threading
import uuid
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

import structlog
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.message import Message
from kombu.messaging import Consumer
from kombu.transport.pyamqp import Transport

from adapters.bus import topology
from adapters.bus.delivery import Delivery, SeenMessages

PREFETCH = 1
"""Up to RabbitMQ 4.2 all that a lost consumer held counts as delivered once more: with more than one, a message that
its handler always fails on would take its neighbours with it to the dead letters."""

MAX_BODY_BYTES = 16 * 1024 * 1024
TAP_LENGTH = 10_000
HEARTBEAT_SECONDS = 10
SOCKET_SECONDS = 5
DRAIN_SECONDS = 0.5
BACKOFF_SECONDS = (0.2, 15.0)

_BROKER_ERRORS: tuple[type[Exception], ...] = (
    OperationalError,
    *Transport.connection_errors,
    *Transport.channel_errors,
)

_log = structlog.get_logger(__name__)


class Undecodable(ValueError):
    """The message is none of the gateway's. The text says which rule it breaks, and holds nothing of it."""


def follow(
    url: str,
    secretariat_id: str,
    handler: Callable[[Delivery], None],
    *,
    stop: threading.Event,
    seen: SeenMessages | None = None,
    tap: bool = False,
) -> None:
    """Every message of the secretariat has been handled once and acknowledged, until stop was set; blocks till then.

    A message is acknowledged after the handler has returned. What was seen, or is older than a seen version of its
    item, is acknowledged unhandled; what cannot be decoded is rejected, to the dead-letter queue. When the broker goes
    away, it is looked for until it is back. An error of the handler ends the call: its message is put back, delivered
    again to the next consumer, and is a dead letter after `topology.DELIVERY_LIMIT` deliveries. A handler that takes
    longer than two heartbeats loses the connection; its message then comes again, and is known.

    Types: url is an AMQP URL; seen is what earlier calls have handled (None: nothing); tap reads from a queue of its
    own, which lives as long as the connection and takes nothing from the worklist's.
    """
    memory = SeenMessages() if seen is None else seen
    with contextlib.closing(_messages(url, secretariat_id, stop, tap=tap)) as messages:
        for message in messages:
            _take(message, secretariat_id, handler, memory)


def decode(message: Message, secretariat_id: str) -> Delivery:
    """Give the delivery that the message is; raise Undecodable when it is none of the gateway's."""
    media_type = str(message.content_type or "").split(";")[0].strip().lower()
    if media_type != topology.CONTENT_TYPE:
        raise Undecodable(f"the content type is {topology.CONTENT_TYPE}")
    item, version = message.headers.get(topology.ITEM_HEADER), message.headers.get(topology.VERSION_HEADER)
    message_id = message.properties.get("message_id")
    if not message_id or not isinstance(item, str) or not isinstance(version, int):
        raise Undecodable("message_id, item and version are given")
    return Delivery(str(message_id), secretariat_id, item, version, _json_object(message.body))


def _json_object(body: bytes | str) -> bytes:
    raw = body.encode() if isinstance(body, str) else bytes(body)
    if len(raw) > MAX_BODY_BYTES:
        raise Undecodable(f"the body has at most {MAX_BODY_BYTES} bytes")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise Undecodable("the body is JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise Undecodable("the body is one resource")
    return raw


def _take(message: Message, secretariat_id: str, handler: Callable[[Delivery], None], seen: SeenMessages) -> None:
    try:
        delivery = decode(message, secretariat_id)
    except Undecodable as fault:
        _log.warning("follow.undecodable", secretariat=secretariat_id, rule=str(fault))
        _answer(message.reject)
        return
    if delivery not in seen:
        handler(delivery)
        seen.add(delivery)
    _answer(message.ack)


def _answer(answer: Callable[[], Any]) -> None:
    """The answer is sent, or the connection is lost: then the message comes again, and is known."""
    with contextlib.suppress(*_BROKER_ERRORS):
        answer()


def _messages(url: str, secretariat: str, stop: threading.Event, *, tap: bool) -> Generator[Message, None, None]:
    """Give messages as they come, over as many connections as it takes.

    A generator, so that an error of whoever handles a message is never taken for one of the broker.
    """
    failures = 0
    while not stop.is_set():
        try:
            with _connection(url) as connection:
                queue = _tap(secretariat) if tap else _worklist(secretariat)
                with contextlib.closing(_from(connection, queue, stop)) as messages:
                    for message in messages:
                        failures = 0
                        if message is not None:
                            yield message
        except _BROKER_ERRORS as error:
            if not failures:
                _log.warning("follow.away", secretariat=secretariat, error=type(error).__name__)
            failures += 1
            stop.wait(min(BACKOFF_SECONDS[1], BACKOFF_SECONDS[0] * 2 ** min(failures, 16)))


def _from(connection: Connection, queue: Queue, stop: threading.Event) -> Generator[Message | None, None, None]:
    """Give one connection's messages, and None whenever it was found alive without one."""
    arrived: deque[Message] = deque()
    connection.connect()  # once: left to itself, kombu tries a hundred times and hears no stop
    with Consumer(connection.channel(), [queue], on_message=arrived.append, prefetch_count=PREFETCH) as consumer:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=DRAIN_SECONDS)
            connection.heartbeat_check()
            yield None
            while arrived and not stop.is_set():
                current = arrived.popleft()
                try:
                    yield current
                except GeneratorExit:
                    _put_back(consumer, current)
                    raise


def _put_back(consumer: Consumer, message: Message) -> None:
    """A message that its handler failed on is rejected, to be delivered again: one failure towards the delivery limit.

    Since RabbitMQ 4.3 nothing but a rejection counts as one. The consumer is cancelled before, for it would be given
    the message at once, and before 4.3 its lost connection would be counted too.
    """
    if not message.acknowledged:
        _answer(consumer.cancel)
        _answer(message.requeue)


def _connection(url: str) -> Connection:
    """Not yet connected; every wait on its socket is bounded, closing included."""
    timeouts = {"read_timeout": SOCKET_SECONDS, "write_timeout": SOCKET_SECONDS}
    return Connection(url, heartbeat=HEARTBEAT_SECONDS, connect_timeout=SOCKET_SECONDS, transport_options=timeouts)


def _worklist(secretariat: str) -> Queue:
    return Queue(topology.queue_name(secretariat), no_declare=True)


def _tap(secretariat: str) -> Queue:
    exchange = Exchange(topology.ITEMS_EXCHANGE, topology.EXCHANGE_TYPE, no_declare=True)
    return Queue(
        f"tap.{secretariat}.{uuid.uuid4().hex}",
        exchange,
        topology.routing_key(secretariat),
        durable=False,
        exclusive=True,
        auto_delete=True,
        max_length=TAP_LENGTH,
    )
