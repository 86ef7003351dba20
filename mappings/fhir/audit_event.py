"""Stored audit events as FHIR R4 AuditEvent: one act is stored once, and shown as others want to see it.

Two forms. By the patterns of IHE BALP there is one AuditEvent for each patient of the act, with who acted and the
system that served as agents. By the French profile TdE 2.0.0 (ANS, tde-auditevent) there is one for the act, with
``period.start``, one subtype and at most two agents. In both stand identifiers only: no patient's name, no free words.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from gateway.audit import AuditEvent
from gateway.audit_codes import DCM, OWN, Code, codes
from gateway.facts import Identifier
from gateway.principal import Principal, PrincipalKind
from gateway.site import Site
from mappings.fhir.identifier import written
from mappings.texts import text

NAMESPACE = "urn:secretariat-gateway"
TDE = "https://interop.esante.gouv.fr/ig/fhir/tde/StructureDefinition/tde-auditevent"
"""Canonical of the French profile."""

ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ENTITY_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
TRANSACTION = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"

_PERSON, _SYSTEM_OBJECT = ("1", "Person"), ("2", "System Object")
_PATIENT, _DOMAIN, _SECURITY = ("1", "Patient"), ("4", "Domain Resource"), ("13", "Security Resource")

RESOURCES = {"item": "Task", "appointment": "Appointment"}
"""What is touched, and the FHIR resource that it is."""

_WORDS = frozenset({"reason"})
"""Details that hold what somebody said in words of their own."""


class View(StrEnum):
    """How an act is shown."""

    BALP = "balp"
    """One AuditEvent a patient."""
    TDE = "tde"
    """One AuditEvent."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a projection needs to know beside the event.

    Attributes:
        site: the establishment.
        identifiers: identity id -> the identifier of that record; a record that is not in it is named by its id alone.

    """

    site: Site
    identifiers: Mapping[str, Identifier]


Share = tuple[str, tuple[str, ...]]
"""One AuditEvent of an event: its logical id, and the patients in it."""


def shares(event: AuditEvent, view: View) -> list[Share]:
    """Give what an event is divided into: by TdE one, by BALP one for each patient, in their order."""
    if view is View.TDE or len(event.patients) < 2:  # noqa: PLR2004 - one is not divided
        return [(str(event.id), event.patients)]
    return [(f"{event.id}-{place}", (patient,)) for place, patient in enumerate(event.patients, 1)]


def logical(logical_id: str) -> int | None:
    """Give the number of the event that a logical id is of; None where no event of ours can have it."""
    found = _LOGICAL_ID.fullmatch(logical_id)
    return int(found[1]) if found else None


_LOGICAL_ID = re.compile(r"([1-9][0-9]{0,17})(-[1-9][0-9]{0,5})?", re.ASCII)


def projected(event: AuditEvent, share: Share, context: Context, view: View) -> dict[str, Any]:
    """Give one AuditEvent of an event."""
    resource = _resource(event, share, context)
    if view is View.BALP:
        return resource
    return {
        **resource,
        "meta": {"profile": [TDE]},
        "subtype": resource["subtype"][:1],
        "period": {"start": resource["recorded"]},
    }


def _resource(event: AuditEvent, share: Share, context: Context) -> dict[str, Any]:
    logical_id, patients = share
    known = codes(event.action)
    own = Code(OWN, str(event.action), text("audit", event.action))
    return {
        "resourceType": "AuditEvent",
        "id": logical_id,
        "type": _coding(known.type),
        "subtype": [_coding(code) for code in (known.subtype, own) if code],
        "action": known.action,
        "recorded": instant(event.at),
        "outcome": known.outcome,
        "agent": list(_agents(event, context.site)),
        "source": _source(context.site),
        "entity": [*(_patient(p, context) for p in patients), *_entities(event, context.site)],
    }


def instant(at: datetime) -> str:
    """Give an aware instant as FHIR has it (R4 datatypes.html#instant), to the microsecond, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _coding(code: Code) -> dict[str, str]:
    return {"system": code.system, "code": code.code, "display": code.display}


# -- who ---------------------------------------------------------------------------------------------------------------

_SOURCE_ROLE = Code(DCM, "110153", "Source Role ID")
_DESTINATION_ROLE = Code(DCM, "110152", "Destination Role ID")
_APPLICATION = Code(DCM, "110150", "Application")
_RECIPIENT = Code(PARTICIPATION, "IRCP", "information recipient")


def _agents(event: AuditEvent, site: Site) -> Iterator[dict[str, Any]]:
    """Give who acted, then the other side: the gateway that served, or the queue that was told."""
    subject = event.action.partition(":")[0]
    if subject == "relay":
        yield _agent(site, event.principal, _SOURCE_ROLE, requestor=True)
        queues = (e.partition("/")[2] for e in event.entities if e.startswith("secretariat/"))
        yield from (_agent(site, f"queue:{queue}", _DESTINATION_ROLE, requestor=False) for queue in list(queues)[:1])
    elif event.principal == "gateway":
        yield _agent(site, event.principal, _APPLICATION, requestor=True)
    else:
        agent = _agent(site, event.principal, _SOURCE_ROLE if subject == "source" else _RECIPIENT, requestor=True)
        address = event.detail.get("address")
        yield agent | ({"network": {"address": address, "type": _IP_ADDRESS}} if address else {})
        yield _agent(site, "gateway", _DESTINATION_ROLE, requestor=False)


_IP_ADDRESS = "2"
"""R4 network-type."""


def _agent(site: Site, principal: str, kind: Code, *, requestor: bool) -> dict[str, Any]:
    identifier = {"system": f"{NAMESPACE}:{site.id}:principal", "value": principal or "anonymous"}
    agent: dict[str, Any] = {"type": {"coding": [_coding(kind)]}, "who": {"identifier": identifier}}
    if principal:
        agent["altId"] = principal
    if role := profession(site, principal):
        agent["role"] = [{"coding": [{"system": f"{NAMESPACE}:profession", "code": role}]}]
    if label := _label(site, principal):
        agent["name"] = label
    return agent | {"requestor": requestor}


def profession(site: Site, principal: str) -> str:
    """Give the profession that the site gives a principal now; empty if it has none, or the principal is gone."""
    known = principal_of(site, principal)
    return known.profession if known else ""


def principal_of(site: Site, principal: str) -> Principal | None:
    """Give what the site's access.toml says of a principal now."""
    name = principal.removeprefix("account:")
    if name != principal:
        return site.access.accounts.get(name) or site.access.accounts.get("*")
    return site.access.clients.get(principal)


def _label(site: Site, principal: str) -> str:
    """Give the name of a system; people have none here."""
    known = principal_of(site, principal)
    source = site.source(principal) or site.source_of_client(principal)
    return source.label if source and (known is None or known.kind is PrincipalKind.MACHINE) else ""


def _source(site: Site) -> dict[str, Any]:
    observer = {"type": "Device", "identifier": {"system": NAMESPACE, "value": site.id}, "display": site.label}
    kind = {"system": SOURCE_TYPE, "code": "4", "display": "Application Server"}
    return {"site": site.id, "observer": observer, "type": [kind]}


# -- what --------------------------------------------------------------------------------------------------------------


def _patient(identity: str, context: Context) -> dict[str, Any]:
    what: dict[str, Any] = {"reference": f"Patient/{identity}", "type": "Patient"}
    if known := context.identifiers.get(identity):
        what["identifier"] = written(known)
    return _entity(what, _PERSON, _PATIENT)


def _entities(event: AuditEvent, site: Site) -> Iterator[dict[str, Any]]:
    """Give what else the act touched, the sender's reference, and the event's own record with its details."""
    touched = event.entities if event.message is None else (f"message/{event.message}", *event.entities)
    for entity in dict.fromkeys(touched):
        yield _entity(what(entity, site), _SYSTEM_OBJECT, _DOMAIN)
    if event.correlation:
        reference = {"identifier": {"value": event.correlation}}
        yield {"what": reference, "type": {"system": TRANSACTION, "code": "XrequestId"}}
    details = [
        {"type": name, "valueString": _said(value)}
        for name, value in sorted(event.detail.items())
        if name not in _WORDS and value != ""
    ]
    record = _entity(what(f"audit/{event.id}", site), _SYSTEM_OBJECT, _SECURITY)
    yield record | ({"detail": details} if details else {})


def what(entity: str, site: Site) -> dict[str, Any]:
    """Give the reference to what an event calls ``kind/id``."""
    kind, _, number = entity.partition("/")
    if kind in RESOURCES:
        return {"reference": f"{RESOURCES[kind]}/{number}", "type": RESOURCES[kind]}
    return {"identifier": {"system": f"{NAMESPACE}:{site.id}:{kind}", "value": number}}


def _entity(what: dict[str, Any], kind: tuple[str, str], role: tuple[str, str]) -> dict[str, Any]:
    return {
        "what": what,
        "type": {"system": ENTITY_TYPE, "code": kind[0], "display": kind[1]},
        "role": {"system": ENTITY_ROLE, "code": role[0], "display": role[1]},
    }


def _said(value: str | int | bool) -> str:  # noqa: FBT001 - a detail's value, of whatever kind
    return str(value).lower() if isinstance(value, bool) else str(value)
