"""The bus message of what happened to identities: a FHIR R4 message Bundle with Parameters and the Patients touched."""

import json
from collections.abc import Iterator
from typing import Any

from gateway.facts import IdentifierKind
from gateway.identity import Identity
from gateway.identity_event import Happening, IdentityEvent
from gateway.naming import PROVISIONAL_AUTHORITY
from gateway.site import Site
from mappings.fhir.bundle import INSTANT_SCHEMA, NAMESPACE, entry, entry_schema, instant, object_schema
from mappings.fhir.identifier import written_typed
from mappings.fhir.patient import shown_patient


def event_bundle(event: IdentityEvent, *, site: Site, message_id: str) -> bytes:
    """Give the bus message as UTF-8 JSON, the same bytes for the same input.

    Its Patients are for readers of every right (RNIV 1, EXI SI 16). A record's number stands in it if it is one of the
    outside world: not the INS, which a Patient has once the identity is qualifiée, nor any while its person is frozen.
    """
    focus = {"reference": f"urn:uuid:{message_id}"}
    endpoint = f"{NAMESPACE}:{site.id}"
    header = {
        "resourceType": "MessageHeader",
        "id": message_id,
        "eventCoding": {"system": f"{NAMESPACE}:identity-event", "code": str(event.happening)},
        "destination": [{"endpoint": f"{endpoint}:identity"}],
        "source": {"software": "secretariat-gateway", "endpoint": endpoint},
        "focus": [focus],
    }
    frozen = {person.id for person in event.persons if person.frozen}
    told = {
        "resourceType": "Parameters",
        "id": message_id,
        "parameter": [*_said(event), *(_record(record, hidden=record.person in frozen) for record in event.records)],
    }
    bundle = {
        "resourceType": "Bundle",
        "id": message_id,
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{message_id}"},
        "type": "message",
        "timestamp": instant(event.at),
        "entry": [
            {"resource": header},
            entry(told),
            *(entry(shown_patient(person)) for person in event.persons),
        ],
    }
    return json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()


def _said(event: IdentityEvent) -> Iterator[dict[str, Any]]:
    yield {"name": "event", "valueCode": str(event.happening)}
    if event.decision:
        yield {"name": "decision", "valueInteger": event.decision}
        yield {"name": "kind", "valueCode": event.kind}
    if event.standing:
        yield {"name": "standing", "valueCode": event.standing}


def _record(record: Identity, *, hidden: bool) -> dict[str, Any]:
    """Give a record: its own id, its number, whose it is by now, and whether admissions retired it."""
    own = {(i.authority, i.value) for i in record.patient.of_kind(IdentifierKind.INS)}
    outside = record.key.authority != PROVISIONAL_AUTHORITY and (record.key.authority, record.key.value) not in own
    number = [{"name": "identifier", "valueIdentifier": written_typed(record.key)}] if outside and not hidden else []
    return {
        "name": "record",
        "part": [
            {"name": "id", "valueId": record.id},
            *number,
            {"name": "person", "valueReference": {"reference": f"urn:uuid:{record.person}"}},
            {"name": "retired", "valueBoolean": record.retired},
        ],
    }


def event_schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 7) of such a message: what a reader may rely on; FHIR R4 says the rest."""
    named = {
        "type": "array",
        "minItems": 1,
        "items": object_schema({"name": {"enum": ["event", "decision", "kind", "standing", "record"]}}),
    }
    coding = object_schema({"system": {"type": "string"}, "code": {"enum": sorted(Happening)}})
    header = object_schema(
        {"resource": object_schema({"resourceType": {"const": "MessageHeader"}, "eventCoding": coding})}
    )
    return object_schema(
        {
            "resourceType": {"const": "Bundle"},
            "id": {"type": "string", "format": "uuid", "description": "the message id"},
            "type": {"const": "message"},
            "timestamp": INSTANT_SCHEMA,
            "entry": {
                "type": "array",
                "items": [header, entry_schema("Parameters", {"parameter": named})],
                "additionalItems": entry_schema("Patient", {"extension": {"type": "array", "minItems": 1}}),
                "minItems": 2,
            },
        }
    )
