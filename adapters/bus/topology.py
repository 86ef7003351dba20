"""The one description of what stands on the broker; everything that declares, prints or consumes reads it here.

    gateway.items (topic) --item.<secretariat>--> secretariat.<secretariat>  (quorum)
                                                      | rejected, or delivered too often
    gateway.dead (topic)  <---------------------------+  with its routing key kept
         +-----------------item.<secretariat>--> dead.<secretariat>          (quorum)
         +----------secretariat.<secretariat>----------^

What happens to identities goes the same ways to a queue of its own, ``identity``, by the key ``identity.changed``.

A message that came straight to its queue, by the default exchange (one that was returned from the dead letters, by the
gateway's command or the management interface's "move"), dies under the queue's name: hence the second way.

What differs between RabbitMQ versions, and why every limit here is explicit:

- Without ``x-delivery-limit`` 3.x redelivers for ever and 4.0 and later give a message up after 20 deliveries. A
  negative limit means "none" on 4.x but counts as 0 on 3.x, so "none" is written as a large number.
- At-least-once dead-lettering is there since 3.10, for quorum queues only, needs ``reject-publish`` overflow and the
  feature flag ``stream_queue`` (a new node has it; a node upgraded from 3.8 or 3.9 may not, and then falls back to
  at-most-once). The dead letter stays in its source queue until the dead-letter queue has confirmed it.
- A queue argument cannot be changed by a later declaration: the broker refuses it (406). Length limits are therefore
  left to operator policies; a queue that one fills answers with a nack, and the outbox keeps the entry.
- On 3.10 a node killed within seconds of a quorum queue's declaration may bring that queue back without a leader: it
  takes and gives nothing (seen on a single node; 4 s were enough). So the site's secretariats are declared when the
  gateway starts, and with a first item only those that its data does not name.
"""

from collections.abc import Iterable
from typing import Any, Protocol

from gateway.outbox import IDENTITY_QUEUE

ITEMS_EXCHANGE = "gateway.items"
DEAD_EXCHANGE = "gateway.dead"
EXCHANGE_TYPE = "topic"
CONTENT_TYPE = "application/fhir+json"
ITEM_HEADER = "item"
VERSION_HEADER = "version"
RETURNED_HEADER = "returned"
"""How often a message came back from its dead-letter queue: since RabbitMQ 4.0 ``x-death`` does not count that."""

DELIVERY_LIMIT = 20
"""Deliveries after which a message goes to the dead-letter queue: the default of RabbitMQ 4, also on 3.10."""

NO_DELIVERY_LIMIT = 1_000_000
"""A dead letter is looked at and put back as often as its reader likes."""

_DEAD_ARGUMENTS: dict[str, str | int] = {"x-queue-type": "quorum", "x-delivery-limit": NO_DELIVERY_LIMIT}
_QUEUE_ARGUMENTS: dict[str, str | int] = {
    "x-queue-type": "quorum",
    "x-delivery-limit": DELIVERY_LIMIT,
    "x-overflow": "reject-publish",
    "x-dead-letter-exchange": DEAD_EXCHANGE,
    "x-dead-letter-strategy": "at-least-once",
}


class Channel(Protocol):
    """What `declare` asks of a channel of pika, blocking or not."""

    def exchange_declare(self, exchange: str, exchange_type: str, *, durable: bool) -> Any:
        """Declare an exchange."""
        ...

    def queue_declare(self, queue: str, *, durable: bool, arguments: dict[str, Any]) -> Any:
        """Declare a queue."""
        ...

    def queue_bind(self, queue: str, exchange: str, routing_key: str) -> Any:
        """Bind a queue."""
        ...


def queue_name(secretariat: str) -> str:
    """The queue of a secretariat, or that of what happens to identities."""
    return secretariat if secretariat == IDENTITY_QUEUE else f"secretariat.{secretariat}"


def dead_queue_name(secretariat: str) -> str:
    """The queue of what a secretariat's consumers could not take."""
    return f"dead.{secretariat}"


def routing_key(secretariat: str) -> str:
    """The routing key of an item for a secretariat: it names the secretariat and nothing about the patient."""
    return "identity.changed" if secretariat == IDENTITY_QUEUE else f"item.{secretariat}"


def definitions(secretariats: Iterable[str], virtual_host: str = "/") -> dict[str, list[dict[str, Any]]]:
    """The topology as RabbitMQ definitions, for `rabbitmqctl import_definitions` or `load_definitions`.

    Types: secretariats are the site's secretariat ids. Users and permissions are the operator's and not in it. The
    virtual host is: a new node that loads definitions makes no default one, and says nothing of what it leaves out.
    """
    ids = list(secretariats)
    here = {"vhost": virtual_host}
    return {
        "vhosts": [{"name": virtual_host}],
        "exchanges": [here | exchange for exchange in _exchanges()],
        "queues": [here | queue for secretariat in ids for queue in _queues(secretariat)],
        "bindings": [here | binding for secretariat in ids for binding in _bindings(secretariat)],
    }


def declare(channel: Channel, secretariats: Iterable[str]) -> None:
    """The exchanges, and these secretariats' queues and bindings, are declared; what stands already is left as it is.

    On pika's blocking channel each declaration has been confirmed. On an asynchronous channel they have been sent:
    the answer to a later call tells that they were taken, a closed channel (406) that something else stands there.
    """
    for exchange in _exchanges():
        channel.exchange_declare(exchange["name"], exchange["type"], durable=exchange["durable"])
    for secretariat in secretariats:
        for queue in _queues(secretariat):
            channel.queue_declare(queue["name"], durable=queue["durable"], arguments=queue["arguments"])
        for binding in _bindings(secretariat):
            channel.queue_bind(binding["destination"], binding["source"], binding["routing_key"])


def _exchanges() -> list[dict[str, Any]]:
    kept = {"type": EXCHANGE_TYPE, "durable": True, "auto_delete": False, "internal": False, "arguments": {}}
    return [{"name": name, **kept} for name in (DEAD_EXCHANGE, ITEMS_EXCHANGE)]


def _queues(secretariat: str) -> list[dict[str, Any]]:
    """The dead-letter queue first: it stands before anything can be sent to it."""
    arguments = {dead_queue_name(secretariat): _DEAD_ARGUMENTS, queue_name(secretariat): _QUEUE_ARGUMENTS}
    kept = {"durable": True, "auto_delete": False}
    return [{"name": name, **kept, "arguments": dict(given)} for name, given in arguments.items()]


def _bindings(secretariat: str) -> list[dict[str, Any]]:
    ways = (
        (DEAD_EXCHANGE, routing_key(secretariat), dead_queue_name(secretariat)),
        (DEAD_EXCHANGE, queue_name(secretariat), dead_queue_name(secretariat)),
        (ITEMS_EXCHANGE, routing_key(secretariat), queue_name(secretariat)),
    )
    kept = {"destination_type": "queue", "arguments": {}}
    return [{"source": source, "routing_key": key, "destination": queue, **kept} for source, key, queue in ways]
