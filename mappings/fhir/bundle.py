"""FHIR R4 Bundles: the bus message of a work item, and search results."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from gateway.demand import MISSING_RESULT
from gateway.facts import Priority
from gateway.identity import Person
from gateway.site import Site
from gateway.worklist import ItemKind, ItemState, WorkItem
from mappings.fhir.patient import shown_patient

NAMESPACE = "urn:secretariat-gateway"
HOLDER = f"{NAMESPACE}:holder"
ESCALATION = f"{NAMESPACE}:escalation"

FOCUS_TYPES = {
    ItemKind.CONVOCATION: "Appointment",
    ItemKind.RESULT: "DiagnosticReport",
    ItemKind.CORRESPONDENCE: "DocumentReference",
    ItemKind.ADMISSION: "Encounter",
    ItemKind.IDENTITY: "Communication",
    ItemKind.CALL: "Communication",
    ItemKind.VISIT: "Communication",
    ItemKind.NOTE: "Communication",
}
TASK_STATUS = {
    ItemState.NEW: "requested",
    ItemState.CLAIMED: "accepted",
    ItemState.ON_HOLD: "on-hold",
    ItemState.DONE: "completed",
    ItemState.WITHDRAWN: "cancelled",
}
_PRIORITY = {Priority.STAT: "stat", Priority.URGENT: "urgent", Priority.ROUTINE: "routine"}


def message_bundle(item: WorkItem, person: Person, *, site: Site, message_id: str, title: str) -> bytes:
    """Give the bus message of an item as UTF-8 JSON, the same bytes for the same input.

    The default body is for readers of every right: what to do, about whom (RNIV 1, EXI SI 16) and where to read the
    rest; the item's detail is not in it.

    Args:
        item: the item.
        person: who it is about.
        site: the establishment.
        message_id: UUID text of this message.
        title: the item's title in French, masked where its secretariat is sensitive.

    """
    at = instant(item.updated_at)
    bundle = {
        "resourceType": "Bundle",
        "id": message_id,
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{message_id}"},
        "type": "message",
        "timestamp": at,
        "entry": [
            entry(_header(item, site, message_id)),
            entry(task_of(item, person, site, title)),
            entry(shown_patient(person)),
        ],
    }
    return json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()


def message_schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 7) of a bus message: what a reader may rely on; FHIR R4 says the rest."""
    header = {
        "eventCoding": {"type": "object"},
        "destination": {"type": "array", "minItems": 1},
        "focus": {"type": "array", "minItems": 1, "items": _REFERENCE_SCHEMA},
    }
    task = {
        "meta": {"type": "object", "required": ["versionId", "lastUpdated"]},
        "status": {"enum": sorted(TASK_STATUS.values())},
        "businessStatus": _concept_schema(ItemState),
        "priority": {"enum": sorted(_PRIORITY.values())},
        "code": _concept_schema(ItemKind),
        "description": {"type": "string", "description": "French title, without clinical content"},
        "focus": _REFERENCE_SCHEMA,
        "for": _REFERENCE_SCHEMA,
        "authoredOn": INSTANT_SCHEMA,
        "lastModified": INSTANT_SCHEMA,
        "owner": {"type": "object", "required": ["identifier"]},
    }
    optional = {
        "restriction": object_schema({"period": object_schema({"end": INSTANT_SCHEMA})}),
        "extension": {
            "type": "array",
            "items": object_schema({"url": {"enum": [HOLDER, ESCALATION]}}),
            "description": f"{HOLDER}: who has claimed it; {ESCALATION}: rungs of its ladder that were taken",
        },
    }
    return object_schema(
        {
            "resourceType": {"const": "Bundle"},
            "id": {"type": "string", "format": "uuid", "description": "the message id"},
            "type": {"const": "message"},
            "timestamp": INSTANT_SCHEMA,
            "entry": {
                "type": "array",
                "items": [
                    entry_schema("MessageHeader", header),
                    entry_schema("Task", task, optional),
                    entry_schema("Patient", {"extension": {"type": "array", "minItems": 1}}),
                ],
                "minItems": 3,
            },
        }
    )


_REFERENCE_SCHEMA = {"type": "object", "required": ["reference"], "properties": {"reference": {"type": "string"}}}
INSTANT_SCHEMA: Final = {"type": "string", "format": "date-time"}


def entry_schema(
    resource_type: str, properties: dict[str, Any], optional: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Give the JSON Schema of a Bundle's entry; of some properties it says only how they are, if they are there."""
    named = {"resourceType": {"const": resource_type}, "id": {"type": "string", "format": "uuid"}}
    resource = object_schema(named | properties)
    resource["properties"] |= optional or {}
    return object_schema({"fullUrl": {"type": "string"}, "resource": resource})


def object_schema(properties: dict[str, Any]) -> dict[str, Any]:
    """Give the JSON Schema of an object that has all of these properties."""
    return {"type": "object", "required": list(properties), "properties": properties}


def _concept_schema(codes: type[StrEnum]) -> dict[str, Any]:
    coding = object_schema({"system": {"type": "string"}, "code": {"enum": sorted(codes)}})
    return object_schema({"coding": {"type": "array", "minItems": 1, "items": coding}})


def searchset(resources: Sequence[dict[str, Any]], *, total: int | None = None) -> dict[str, Any]:
    """Give the Bundle that answers a search; without links, for they would repeat what is asked in a URL.

    Args:
        resources: the page.
        total: how many there are in all; None: no more than these.

    """
    entries = [entry(resource) | {"search": {"mode": "match"}} for resource in resources]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
    bundle["total"] = len(entries) if total is None else total
    return bundle | ({"entry": entries} if entries else {})


def entry(resource: dict[str, Any]) -> dict[str, Any]:
    """Give the Bundle's entry of a resource."""
    return {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}


def _header(item: WorkItem, site: Site, message_id: str) -> dict[str, Any]:
    endpoint = f"{NAMESPACE}:{site.id}"
    return {
        "resourceType": "MessageHeader",
        "id": message_id,
        "eventCoding": {"system": f"{NAMESPACE}:event", "code": "work-item-changed"},
        "destination": [{"endpoint": f"{endpoint}:{item.secretariat}"}],
        "source": {"software": "secretariat-gateway", "endpoint": endpoint},
        "focus": [{"reference": f"urn:uuid:{item.id}"}],
    }


def task_of(item: WorkItem, person: Person, site: Site, title: str) -> dict[str, Any]:
    """Give the Task of an item, whose patient stands beside it in a Bundle."""
    return {
        "resourceType": "Task",
        "id": item.id,
        "meta": {"versionId": str(item.version), "lastUpdated": instant(item.updated_at)},
        "identifier": [{"system": f"{NAMESPACE}:{site.id}:work-item", "value": item.id}],
        "status": TASK_STATUS[item.state],
        "businessStatus": _concept("item-state", item.state),
        "intent": "order",
        "priority": _PRIORITY[item.priority],
        "code": _concept("item-kind", item.kind),
        "description": title,
        "focus": {"reference": f"{_focus_type(item)}/{item.focus}"},
        "for": {"reference": f"urn:uuid:{person.id}"},
        "authoredOn": instant(item.created_at),
        "lastModified": instant(item.updated_at),
        "owner": _owner(item.secretariat, site),
        **_pressing(item),
    }


def _focus_type(item: WorkItem) -> str:
    return "ServiceRequest" if item.title == MISSING_RESULT else FOCUS_TYPES[item.kind]


def _pressing(item: WorkItem) -> dict[str, Any]:
    """Give by when an item is to be done, who holds it, and how far its ladder was taken, as far as there is such."""
    holder = [{"url": HOLDER, "valueString": item.hand.holder}] if item.hand.holder else []
    rungs = [{"url": ESCALATION, "valueInteger": item.escalation.rungs}] if item.escalated else []
    due = {"restriction": {"period": {"end": instant(item.due)}}} if item.due else {}
    return due | ({"extension": told} if (told := [*holder, *rungs]) else {})


def _owner(secretariat: str, site: Site) -> dict[str, Any]:
    owner = {
        "type": "Organization",
        "identifier": {"system": f"{NAMESPACE}:{site.id}:secretariat", "value": secretariat},
    }
    known = site.secretariats.get(secretariat)
    return owner | ({"display": known.label} if known else {})


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{NAMESPACE}:{system}", "code": str(code)}]}


def instant(at: datetime) -> str:
    """Give an aware instant as FHIR writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
