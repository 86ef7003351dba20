"""The topology as an AsyncAPI 3.0 document: what other systems' developers read, and generate clients from.

AMQP bindings are version 0.3.0. They have no place for queue arguments; the RabbitMQ definitions have.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from adapters.bus import topology
from mappings.fhir.bundle import message_schema

_BINDING = "0.3.0"
_MESSAGE = "workItem"


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
            (topology.routing_key(secretariat), "every version of each item, as it is published"),
            (topology.queue_name(secretariat), "the worklist's own queue"),
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
            "description": "Work items of a hospital's secretariats, delivered at least once, under stable message ids",
        },
        "defaultContentType": topology.CONTENT_TYPE,
        "channels": routes | queues,
        "operations": _operations(routes, queues),
        "components": {"messages": {_MESSAGE: _message()}},
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


def _channel(address: str, summary: str, binding: dict[str, Any]) -> dict[str, Any]:
    return {
        "address": address,
        "summary": summary,
        "messages": {_MESSAGE: {"$ref": f"#/components/messages/{_MESSAGE}"}},
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
    messages = [{"$ref": f"#/channels/{channel}/messages/{_MESSAGE}"}]
    return {"action": action, "channel": reference, "messages": messages, "bindings": {"amqp": binding}}


def _message() -> dict[str, Any]:
    return {
        "name": _MESSAGE,
        "title": "One version of one work item",
        "summary": "AMQP property message_id: the same UUID for every delivery of this version; handle each id once.",
        "contentType": topology.CONTENT_TYPE,
        "headers": {
            "type": "object",
            "required": [topology.ITEM_HEADER, topology.VERSION_HEADER],
            "properties": {
                topology.ITEM_HEADER: {"type": "string", "format": "uuid", "description": "the item's id"},
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
        "payload": message_schema(),
        "bindings": {"amqp": {"contentEncoding": "utf-8", "messageType": _MESSAGE, "bindingVersion": _BINDING}},
    }
