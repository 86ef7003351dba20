"""The topology as an AsyncAPI 3.0 document: what other systems' developers read, and generate clients from.

AMQP bindings are version 0.3.0. They have no place for queue arguments; the RabbitMQ definitions have.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from adapters.bus import topology
from gateway.outbox import IDENTITY_QUEUE
from mappings.fhir.bundle import message_schema
from mappings.fhir.identity_event import event_schema

_BINDING = "0.3.0"
_MESSAGE = "workItem"
_EVENT = "identityEvent"


def document(secretariats: Mapping[str, str], *, title: str, version: str, virtual_host: str = "/") -> dict[str, Any]:
    """Give the document: for each secretariat what is published for it, and the queues that take it.

    Types: secretariats are the site's secretariat ids with their labels; version is the gateway's.
    """
    definitions = topology.definitions(secretariats, virtual_host)
    exchanges = {exchange["name"]: exchange for exchange in definitions["exchanges"]}
    said = {
        name: f"{label}: {what}"
        for secretariat, label in secretariats.items()
        for name, what in (
            (topology.routing_key(secretariat), _PUBLISHED[secretariat == IDENTITY_QUEUE]),
            (topology.queue_name(secretariat), "the queue of those who read it"),
            (topology.dead_queue_name(secretariat), "what its consumers rejected or could not take"),
        )
    }
    items = [way for way in definitions["bindings"] if way["source"] == topology.ITEMS_EXCHANGE]
    routes = {way["routing_key"]: _route(exchanges[way["source"]], way["routing_key"], said) for way in items}
    queues = {queue["name"]: _queue(queue, said) for queue in definitions["queues"]}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": title,
            "version": version,
            "description": "Work items of a hospital's secretariats and what happens to identities, delivered at least"
            " once, under stable message ids",
        },
        "defaultContentType": topology.CONTENT_TYPE,
        "channels": routes | queues,
        "operations": _operations(routes, queues),
        "components": {"messages": {_MESSAGE: _message(), _EVENT: _event()}},
    }


def _route(exchange: Mapping[str, Any], routing_key: str, said: Mapping[str, str]) -> dict[str, Any]:
    described = {"name": exchange["name"], "type": exchange["type"], **_kept(exchange)}
    binding = {"is": "routingKey", "exchange": described, "bindingVersion": _BINDING}
    return _channel(routing_key, said[routing_key], binding)


def _queue(queue: Mapping[str, Any], said: Mapping[str, str]) -> dict[str, Any]:
    described = {"name": queue["name"], "exclusive": False, **_kept(queue)}
    binding = {"is": "queue", "queue": described, "bindingVersion": _BINDING}
    return _channel(queue["name"], said[queue["name"]], binding)


def _kept(declared: Mapping[str, Any]) -> dict[str, Any]:
    return {"durable": declared["durable"], "autoDelete": declared["auto_delete"], "vhost": declared["vhost"]}


_PUBLISHED = ("every version of each item, as it is published", "every decision, merge, link and unlink, in one order")
_OF_IDENTITIES = frozenset(
    name(IDENTITY_QUEUE) for name in (topology.routing_key, topology.queue_name, topology.dead_queue_name)
)


def _kind(address: str) -> str:
    """Name the messages that an address bears."""
    return _EVENT if address in _OF_IDENTITIES else _MESSAGE


def _channel(address: str, summary: str, binding: dict[str, Any]) -> dict[str, Any]:
    kind = _kind(address)
    return {
        "address": address,
        "summary": summary,
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"}},
        "bindings": {"amqp": binding},
    }


def _operations(routes: Iterable[str], queues: Iterable[str]) -> dict[str, Any]:
    """What the gateway does is send; what a worklist system does is receive."""
    sent = {"deliveryMode": 2, "bindingVersion": _BINDING}
    taken = {"ack": True, "bindingVersion": _BINDING}
    sends = {f"publish.{name}": _operation("send", name, sent) for name in routes}
    return sends | {f"consume.{name}": _operation("receive", name, taken) for name in queues}


def _operation(action: str, channel: str, binding: dict[str, Any]) -> dict[str, Any]:
    reference = {"$ref": f"#/channels/{channel}"}
    messages = [{"$ref": f"#/channels/{channel}/messages/{_kind(channel)}"}]
    return {"action": action, "channel": reference, "messages": messages, "bindings": {"amqp": binding}}


def _message() -> dict[str, Any]:
    said = "AMQP property message_id: the same UUID for every delivery of this version; handle each id once."
    return _described(_MESSAGE, "One version of one work item", said, "the item's id", message_schema())


def _event() -> dict[str, Any]:
    said = "AMQP property message_id: the same UUID for every delivery; handle each id once, in the order of the queue."
    return _described(_EVENT, "What happened to identities", said, "an id of the event's own", event_schema())


def _described(name: str, title: str, summary: str, item: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "summary": summary,
        "contentType": topology.CONTENT_TYPE,
        "headers": {
            "type": "object",
            "required": [topology.ITEM_HEADER, topology.VERSION_HEADER],
            "properties": {
                topology.ITEM_HEADER: {"type": "string", "format": "uuid", "description": item},
                topology.VERSION_HEADER: {
                    "type": "integer",
                    "minimum": 1,
                    "description": "it rises; drop an older one than you hold",
                },
                topology.RETURNED_HEADER: {
                    "type": "integer",
                    "minimum": 1,
                    "description": "how often it was returned from the dead-letter queue; absent: never",
                },
            },
        },
        "payload": payload,
        "bindings": {"amqp": {"contentEncoding": "utf-8", "messageType": name, "bindingVersion": _BINDING}},
    }
