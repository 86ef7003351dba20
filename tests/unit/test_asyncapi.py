"""The AsyncAPI document: built as the specification says, of the topology that is declared, true of what is sent."""

import json
from datetime import UTC, datetime

import jsonschema
import pytest
from fhir.resources.R4B.bundle import Bundle
from sites import demo_site

from adapters.bus import asyncapi, topology
from adapters.bus.rabbitmq import _properties
from adapters.fhir.validation import validate
from gateway.facts import Identifier, IdentityStatus, Patient, Priority, Traits
from gateway.identity import Identity, Person
from gateway.identity_event import Happening, IdentityEvent
from gateway.outbox import IDENTITY_QUEUE, OutboxEntry
from gateway.told import NEVER
from gateway.worklist import ItemKind, ItemState, WorkItem
from mappings.fhir.bundle import message_bundle
from mappings.fhir.identity_event import event_bundle

SECRETARIATS = {"cardio": "Cardiologie", "identite": "Identitovigilance", IDENTITY_QUEUE: "Identities"}
DOCUMENT = json.loads(json.dumps(asyncapi.document(SECRETARIATS, title="CHU", version="1.2.3", virtual_host="/h")))

# AsyncAPI 3.0.0, as far as this document goes: which fields an object must and may have (no maintained package has the
# specification's own JSON schema).
OBJECTS = {
    "document": ({"asyncapi", "info"}, {"defaultContentType", "channels", "operations", "components"}),
    "info": ({"title", "version"}, {"description"}),
    "channel": ({"address", "messages", "bindings"}, {"summary"}),
    "operation": ({"action", "channel", "messages"}, {"bindings"}),
    "message": ({"name", "contentType", "payload"}, {"headers", "title", "summary", "bindings"}),
    "channel binding": ({"is", "bindingVersion"}, {"exchange", "queue"}),
    "exchange": ({"name", "type", "durable", "autoDelete", "vhost"}, set()),
    "queue": ({"name", "durable", "exclusive", "autoDelete", "vhost"}, set()),
    "operation binding": ({"bindingVersion"}, {"deliveryMode", "ack"}),
    "message binding": ({"bindingVersion"}, {"contentEncoding", "messageType"}),
}


def conforms(kind, value):
    """Whether an object has all that it must have, and nothing that it may not."""
    needed, allowed = OBJECTS[kind]
    return needed <= value.keys() <= needed | allowed


def resolved(reference):
    """Give what a reference within the document points at."""
    assert reference.keys() == {"$ref"}
    target = DOCUMENT
    for step in reference["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return target


def test_the_document_has_the_structure_of_asyncapi_3():
    """Every object has the fields that the specification asks for and no other, and every reference leads somewhere."""
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert conforms("document", DOCUMENT)
    assert conforms("info", DOCUMENT["info"])
    for channel in DOCUMENT["channels"].values():
        assert conforms("channel", channel)
        binding = channel["bindings"]["amqp"]
        assert conforms("channel binding", binding)
        kind = {"routingKey": "exchange", "queue": "queue"}[binding["is"]]
        assert conforms(kind, binding[kind])
        assert all(resolved(message)["name"] for message in channel["messages"].values())
    for operation in DOCUMENT["operations"].values():
        assert conforms("operation", operation)
        assert operation["action"] in {"send", "receive"}
        assert conforms("operation binding", operation["bindings"]["amqp"])
        channel = resolved(operation["channel"])
        assert [resolved(m) in channel["messages"].values() for m in operation["messages"]] == [True]
    for message in DOCUMENT["components"]["messages"].values():
        assert conforms("message", message)
        assert conforms("message binding", message["bindings"]["amqp"])
        for schema in (message["payload"], message["headers"]):
            jsonschema.Draft7Validator.check_schema(schema)


def test_the_document_tells_of_the_topology_that_is_declared():
    """Exchanges, routing keys and queues are those of the definitions, no more and no fewer."""
    printed = topology.definitions(SECRETARIATS, "/h")
    bindings = [channel["bindings"]["amqp"] for channel in DOCUMENT["channels"].values()]
    queues = {b["queue"]["name"]: (b["queue"]["durable"], b["queue"]["vhost"]) for b in bindings if b["is"] == "queue"}
    assert queues == {q["name"]: (q["durable"], q["vhost"]) for q in printed["queues"]}
    sent = {
        (b["exchange"]["name"], channel["address"])
        for b, channel in zip(bindings, DOCUMENT["channels"].values(), strict=True)
        if b["is"] == "routingKey"
    }
    assert sent == {(b["source"], b["routing_key"]) for b in printed["bindings"] if b["source"] == "gateway.items"}


@pytest.mark.parametrize("kind", ItemKind)
@pytest.mark.parametrize("state", ItemState)
def test_what_is_published_is_what_the_document_says(kind, state):
    """Body and headers of an item of any kind and state are valid by the document's schemas."""
    uuid, now = "11111111-1111-4111-8111-111111111111", datetime(2031, 1, 2, tzinfo=UTC)
    item = WorkItem(
        id=uuid,
        kind=kind,
        secretariat="cardio",
        priority=Priority.URGENT,
        state=state,
        identity="i1",
        focus=uuid,
        title="convocation.to-send",
        detail="",
        rule="r",
        reason="",
        source_message=7,
        version=2,
        created_at=now,
        updated_at=now,
    )
    traits = Traits("ESSAI", "", "JEANNE", "JEANNE", "", "1958-03", "F")
    person = Person(id=uuid, identifiers=(), traits=traits, status=IdentityStatus.PROVISOIRE, confirmed=False)
    body = message_bundle(item, person, site=demo_site(), message_id=uuid, title="Convocation à envoyer")
    message = DOCUMENT["components"]["messages"]["workItem"]
    jsonschema.validate(json.loads(body), message["payload"], jsonschema.Draft7Validator)
    properties = _properties(OutboxEntry(1, uuid, "cardio", "p", uuid, 2, body, now))
    jsonschema.validate(properties.headers, message["headers"], jsonschema.Draft7Validator)
    assert properties.content_type == message["contentType"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(body) | {"type": "batch"}, message["payload"], jsonschema.Draft7Validator)


@pytest.mark.parametrize("happening", Happening)
def test_what_is_told_of_identities_is_what_the_document_says(happening):
    """Body and headers of whatever happened are valid by the document's schemas, on that queue's channels alone."""
    uuid, now = "11111111-1111-4111-8111-111111111111", datetime(2031, 1, 2, tzinfo=UTC)
    person = Person(uuid, (), Traits("ESSAI"), IdentityStatus.PROVISOIRE, confirmed=False)
    record = Identity(uuid, Identifier("1.2.3", "4"), uuid, NEVER, authoritative=True, patient=Patient())
    event = IdentityEvent(happening, now, (record,), (person,), 4, "link", "in-force")
    message = DOCUMENT["components"]["messages"]["identityEvent"]
    body = event_bundle(event, site=demo_site(), message_id=uuid)
    jsonschema.validate(json.loads(body), message["payload"], jsonschema.Draft7Validator)
    validate(json.loads(body), Bundle)
    properties = _properties(OutboxEntry(1, uuid, IDENTITY_QUEUE, IDENTITY_QUEUE, uuid, 1, body, now))
    jsonschema.validate(properties.headers, message["headers"], jsonschema.Draft7Validator)
    bearing = {name for name, channel in DOCUMENT["channels"].items() if "identityEvent" in channel["messages"]}
    assert bearing == {"identity", "identity.changed", "dead.identity"}
