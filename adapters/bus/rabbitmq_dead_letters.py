"""A RabbitMQ broker's dead-letter queues.

To look takes nothing away: what was fetched goes back to its place in the queue, one delivery older. Only a message
that is returned or discarded leaves it, by an acknowledgment that comes last of all.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker, NackError, UnroutableError

from adapters.bus import topology
from adapters.bus.dead_letters import DeadLetter, Step
from gateway.errors import BrokerUnavailable

SECONDS = 10
NOT_FOUND = 404
BROKERS_OWN = "x-"
"""Headers that begin so are the broker's; RabbitMQ 4 does not take them from a client."""


class RabbitDeadLetters:
    """Those of a RabbitMQ broker.

    Args:
        url: its AMQP URL; the account reads, and writes to the default exchange.

    """

    def __init__(self, url: str) -> None:
        self._parameters = pika.URLParameters(url)
        self._parameters.heartbeat = self._parameters.blocked_connection_timeout = SECONDS
        self._parameters.socket_timeout = self._parameters.stack_timeout = SECONDS
        self._parameters.connection_attempts = 1

    def count(self, secretariats: Iterable[str]) -> dict[str, int | None]:
        """Count each secretariat's dead letters; None where it has no such queue."""
        with self._connection() as connection:
            return {secretariat: _standing(connection, secretariat) for secretariat in secretariats}

    def look(self, secretariat: str, limit: int) -> list[DeadLetter]:
        """Give the oldest, and leave them where they are."""
        with self._connection() as connection:
            return [letter for _, letter, _ in _fetched(connection, secretariat, limit)]

    def give_back(self, secretariat: str, wanted: Collection[str] | None, step: Step) -> list[str]:
        """These message ids (None: all) stand in the secretariat's queue again; give those found."""

        def publish(channel: BlockingChannel, letter: DeadLetter, properties: pika.BasicProperties) -> None:
            # By the default exchange: what else is bound to the items' exchange has had its copy.
            queue = topology.queue_name(secretariat)
            channel.basic_publish("", queue, letter.body, _again(properties), mandatory=True)
            step(letter)

        return self._taken(secretariat, wanted, publish)

    def discard(self, secretariat: str, wanted: Collection[str] | None, step: Step) -> list[str]:
        """These message ids (None: all) are gone; give those that were found. The step comes before each is."""
        return self._taken(secretariat, wanted, lambda _channel, letter, _properties: step(letter))

    def _taken(
        self,
        secretariat: str,
        wanted: Collection[str] | None,
        take: Callable[[BlockingChannel, DeadLetter, pika.BasicProperties], None],
    ) -> list[str]:
        """What is not wanted stays fetched until all were seen, so that each is met once."""
        taken: list[str] = []
        with self._connection() as connection:
            for channel, letter, (tag, properties) in _fetched(connection, secretariat, None):
                if wanted is None or letter.message_id in wanted:
                    take(channel, letter, properties)
                    channel.basic_ack(tag)
                    taken.append(letter.message_id)
        return taken

    @contextlib.contextmanager
    def _connection(self) -> Iterator[pika.BlockingConnection]:
        """A connection for the block; an AMQP fault in it is BrokerUnavailable."""
        try:
            connection = pika.BlockingConnection(self._parameters)
            try:
                yield connection
            finally:
                if connection.is_open:
                    connection.close()
        except NackError:
            raise BrokerUnavailable("the secretariat's queue did not take the message (full?): it stays here") from None
        except UnroutableError:
            raise BrokerUnavailable("the secretariat has no queue: the message stays here") from None
        except AMQPError as error:
            raise BrokerUnavailable(f"the connection cannot be used ({type(error).__name__})") from None
        except OSError as error:
            raise BrokerUnavailable(f"no connection ({type(error).__name__})") from None


def _fetched(
    connection: pika.BlockingConnection, secretariat: str, limit: int | None
) -> Iterator[tuple[BlockingChannel, DeadLetter, tuple[int, pika.BasicProperties]]]:
    """Give what stands in the queue now, oldest first; what dies meanwhile is left for the next time.

    What was not acknowledged goes back in the end: here, in one answer, or with the connection where a fault ends it.
    """
    standing = _standing(connection, secretariat) or 0
    channel = connection.channel()
    channel.confirm_delivery()
    for _ in range(standing if limit is None else min(limit, standing)):
        method, properties, body = channel.basic_get(topology.dead_queue_name(secretariat))
        if method is None or properties is None or body is None:
            break
        yield channel, _letter(secretariat, properties, body), (method.delivery_tag, properties)
    channel.basic_nack(0, multiple=True, requeue=True)


def _standing(connection: pika.BlockingConnection, secretariat: str) -> int | None:
    """Count on a channel of its own: the broker closes it where there is no such queue."""
    channel = connection.channel()
    try:
        count = channel.queue_declare(topology.dead_queue_name(secretariat), passive=True).method.message_count
    except ChannelClosedByBroker as closed:
        if closed.reply_code != NOT_FOUND:
            raise
        return None
    channel.close()
    return int(count)


def _letter(secretariat: str, properties: pika.BasicProperties, body: bytes) -> DeadLetter:
    headers: Mapping[str, Any] = properties.headers or {}
    deaths = [death for death in headers.get("x-death") or [] if isinstance(death, dict)]
    last = deaths[0] if deaths else {}
    died_at = last.get("time")
    item, version = headers.get(topology.ITEM_HEADER), headers.get(topology.VERSION_HEADER)
    return DeadLetter(
        secretariat=secretariat,
        message_id=properties.message_id or "",
        item=item if isinstance(item, str) else "",
        version=version if isinstance(version, int) else 0,
        reason=str(last.get("reason", "")),
        deaths=_returned(headers) + sum(int(death.get("count", 1)) for death in deaths),
        died_at=died_at.replace(tzinfo=UTC) if isinstance(died_at, datetime) else None,
        size=len(body),
        body=body,
    )


def _returned(headers: Mapping[str, Any]) -> int:
    given = headers.get(topology.RETURNED_HEADER)
    return given if isinstance(given, int) else 0


def _again(properties: pika.BasicProperties) -> pika.BasicProperties:
    """The message's own properties, without what the broker wrote, and with one return more."""
    headers: Mapping[str, Any] = properties.headers or {}
    own = {name: value for name, value in headers.items() if not name.startswith(BROKERS_OWN)}
    return pika.BasicProperties(
        content_type=properties.content_type,
        delivery_mode=pika.DeliveryMode.Persistent,
        message_id=properties.message_id,
        headers=own | {topology.RETURNED_HEADER: _returned(headers) + 1},
    )
