"""FHIR R4 Appointment <-> appointment fact, by the French shared-agenda profile (GAP, FR Core)."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from gateway.errors import (
    DataTypeInvalid,
    FieldMissing,
    MessageIncoherent,
    ProductionGuard,
    ResourceInvalid,
    ValueUnknown,
)
from gateway.facts import (
    AppointmentAct,
    AppointmentReported,
    AppointmentStatus,
    Flag,
    Identifier,
    Patient,
    Priority,
    Translation,
)
from gateway.focus import StoredAppointment
from gateway.site import Environment, Site, Source
from mappings.fhir.element import Element
from mappings.fhir.identifier import business_identifier, written
from mappings.fhir.patient import identified_patient, read_patient

Interaction = Literal["create", "update"]

PROFILES = frozenset(
    {
        "http://hl7.org/fhir/StructureDefinition/Appointment",
        "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-appointment",
        "https://interop.esante.gouv.fr/ig/fhir/gap/StructureDefinition/gap-fr-appointment",
        "http://interopsante.org/fhir/StructureDefinition/FrAppointment",
    }
)
"""Profiles an Appointment may claim without being flagged."""

_READ = frozenset(
    {
        "resourceType",
        "id",
        "meta",
        "contained",
        "identifier",
        "status",
        "serviceType",
        "appointmentType",
        "priority",
        "start",
        "end",
        "patientInstruction",
        "cancelationReason",
        "participant",
    }
)
_ENDED = frozenset({AppointmentStatus.CANCELLED, AppointmentStatus.ENTERED_IN_ERROR})
_WITHOUT_DATE = frozenset({AppointmentStatus.PROPOSED, AppointmentStatus.CANCELLED, AppointmentStatus.WAITLIST})
_TO_BE = frozenset(
    {
        AppointmentStatus.PROPOSED,
        AppointmentStatus.PENDING,
        AppointmentStatus.BOOKED,
        AppointmentStatus.WAITLIST,
    }
)
_CONFIDENTIAL = frozenset({"R", "V"})
"""Labels of meta.security that ask for more than the usual secrecy (v3-Confidentiality)."""
_STAT, _URGENT = 1, 4
"""Appointment.priority is iCalendar's (RFC 5545 §3.8.1.9): 0 undefined, 1 highest, 2-4 high, 5 medium, 6-9 low."""

_LITERAL = re.compile(r"(?:^|/)([A-Z][A-Za-z]{1,63})/[A-Za-z0-9.\-]{1,64}(?:/_history/[A-Za-z0-9.\-]{1,64})?$")
_PRACTITIONERS = ("Practitioner", "PractitionerRole")
_ABSENT = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}


def translate(resource: Mapping[str, Any], act: Interaction, source: Source, site: Site) -> Translation:
    """Give what an Appointment says.

    Args:
        resource: the resource as JSON values.
        act: whether it was sent to be created or updated.
        source: who sent it.
        site: the establishment.

    Raises:
        FieldMissing: no identifier, no patient with an identifier, no status, or no start where the status needs one
            (R4 invariant app-3).
        ValueUnknown: the status is none of R4's.
        ResourceInvalid: it is no Appointment, or carries a modifier that nobody here understands (R4
            extensibility.html#modifierExtension).
        DataTypeInvalid: an element is not of its type.
        MessageIncoherent: several patients, or an end before the start.
        ProductionGuard: test matter in production.

    """
    appointment = Element(resource, "Appointment")
    _check(appointment, site)
    flags = [
        Flag(f"Appointment.meta.profile[{place}]", "not a profile known here: read as plain R4")
        for place, profile in enumerate(appointment.one("meta").texts("profile"))
        if profile.split("|", 1)[0] not in PROFILES
    ]
    return Translation(
        facts=(_fact(appointment, act, source, site, flags),),
        occurred_at=appointment.one("meta").instant("lastUpdated"),
        flags=tuple(flags),
        segments=tuple((name, len(v) if isinstance(v, list) else 1) for name, v in resource.items()),
        kept=tuple(name for name in resource if name not in _READ),
    )


def keys(resource: Mapping[str, Any], source: Source, site: Site) -> tuple[Identifier, ...]:
    """Give the business identifiers of an Appointment.

    Raises:
        FieldMissing: there is none with a value and a domain.

    """
    given = Element(resource, "Appointment").each("identifier")
    found = (business_identifier(i, source, site) for i in given)
    if not (usable := tuple(i for i in found if i)):
        raise FieldMissing("a business identifier with system and value is needed", path="Appointment.identifier")
    return usable


def _check(appointment: Element, site: Site) -> None:
    if appointment.text("resourceType") != "Appointment":
        raise ResourceInvalid("the resource must be an Appointment", path="resourceType")
    if modifier := next(_modifiers(appointment.value, appointment.path), None):
        raise ResourceInvalid("this modifies the meaning in a way that is not understood here", path=modifier)
    labels = {label.text("code") for name in ("security", "tag") for label in appointment.one("meta").each(name)}
    if site.environment is Environment.PRODUCTION and "HTEST" in labels:
        raise ProductionGuard("a resource labelled as test data (HTEST) in production", path="Appointment.meta")


def _modifiers(value: object, path: str) -> Iterator[str]:
    """Name the elements that change the meaning of what holds them: nobody may process what he cannot read so."""
    if isinstance(value, Mapping):
        yield from (f"{path}.{name}" for name in ("modifierExtension", "implicitRules") if value.get(name))
        for name, inner in value.items():
            yield from _modifiers(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _modifiers(inner, f"{path}[{place}]")


def _fact(appointment: Element, act: Interaction, source: Source, site: Site, flags: list[Flag]) -> AppointmentReported:
    actors = tuple(_actors(appointment))
    status = _status(appointment)
    start, end = _times(appointment, status, flags)
    code, text = _service(appointment)
    return AppointmentReported(
        patient=_patient(actors, source, site, flags),
        keys=keys(appointment.value, source, site),
        act=_act(act, status),
        status=status,
        start=start,
        end=end,
        unit=_unit(actors),
        location=_labels(actors, "Location") or _labels(actors, "HealthcareService"),
        practitioner=_labels(actors, *_PRACTITIONERS),
        service_code=code,
        service_text=text,
        priority=_priority(appointment),
        notes=appointment.text("patientInstruction"),
        reason=_reason(appointment)[1],
        reason_code=_reason(appointment)[0],
        confidential=not _CONFIDENTIAL.isdisjoint(s.text("code") for s in appointment.one("meta").each("security")),
    )


def _reason(appointment: Element) -> tuple[str, str]:
    """Give code and text of why it was cancelled."""
    concept = appointment.one("cancelationReason")
    code = next((code for _, code in appointment.codes("cancelationReason") if code), "")
    return code, concept.text("text") or next((c.text("display") for c in concept.each("coding")), "")


def _status(appointment: Element) -> AppointmentStatus:
    code = appointment.text("status")
    if not code:
        raise FieldMissing("a status is needed", path="Appointment.status")
    if code not in set(AppointmentStatus):
        raise ValueUnknown("a code of the value set appointmentstatus is expected", path="Appointment.status")
    return AppointmentStatus(code)


def _act(act: Interaction, status: AppointmentStatus) -> AppointmentAct:
    if status in _ENDED:
        return AppointmentAct.CANCEL
    return AppointmentAct.BOOK if act == "create" and status in _TO_BE else AppointmentAct.DECLARE


def _times(
    appointment: Element, status: AppointmentStatus, flags: list[Flag]
) -> tuple[datetime | None, datetime | None]:
    start, end = appointment.instant("start"), appointment.instant("end")
    if start is None and status not in _WITHOUT_DATE | _ENDED:
        raise FieldMissing("a start is needed with this status (app-3)", path="Appointment.start")
    if (start is None) != (end is None):
        flags.append(Flag("Appointment", "start and end go together (app-2)"))
    if start and end and end < start:
        raise MessageIncoherent("the end is before the start", path="Appointment.end")
    return start, end


def _priority(appointment: Element) -> Priority:
    number = appointment.number("priority") or 0
    if number < 0:
        raise DataTypeInvalid("an unsigned integer is expected", path="Appointment.priority")
    if number == _STAT:
        return Priority.STAT
    return Priority.URGENT if _STAT < number <= _URGENT else Priority.ROUTINE


def _service(appointment: Element) -> tuple[str, str]:
    """Give code and text of the first of serviceType and appointmentType that says anything."""
    for concept in (*appointment.each("serviceType"), appointment.one("appointmentType")):
        codings = tuple(concept.each("coding"))
        code = next((c.text("code") for c in codings if c.text("code")), "")
        text = concept.text("text") or next((c.text("display") for c in codings if c.text("display")), "")
        if code or text:
            return code, text
    return "", ""


@dataclass(frozen=True, slots=True)
class _Actor:
    """One participant's actor: the reference, and the contained resource it points at, if it does."""

    kind: str
    reference: Element
    resource: Element

    @property
    def identifiers(self) -> tuple[Element, ...]:
        logical = self.reference.one("identifier")
        return ((logical,) if logical else ()) + tuple(self.resource.each("identifier"))

    @property
    def label(self) -> str:
        return self.reference.text("display") or self._name() or self._identifier()

    def _name(self) -> str:
        if self.kind != "Practitioner":
            name = self.resource.value.get("name")
            return name.strip() if isinstance(name, str) else ""
        for name in self.resource.each("name"):
            return name.text("text") or " ".join((*name.texts("prefix"), *name.texts("given"), name.text("family")))
        return ""

    def _identifier(self) -> str:
        return next((i.text("value") for i in self.identifiers if i.text("value")), "")


def _actors(appointment: Element) -> Iterator[_Actor]:
    contained = {f"#{resource.text('id')}": resource for resource in appointment.each("contained")}
    for participant in appointment.each("participant"):
        actor = participant.one("actor")
        reference = actor.text("reference")
        resource = contained.get(reference, Element({}, actor.path))
        literal = _LITERAL.search(reference)
        kind = resource.text("resourceType") or actor.text("type") or (literal[1] if literal else "")
        yield _Actor(kind, actor, resource)


def _patient(actors: tuple[_Actor, ...], source: Source, site: Site, flags: list[Flag]) -> Patient:
    """Give the patient; a display is never read as traits, and a literal reference alone names nobody here."""
    patients = [actor for actor in actors if actor.kind == "Patient"]
    if not patients:
        raise FieldMissing("a participant that is a Patient is needed", path="Appointment.participant")
    if len(patients) > 1:
        raise MessageIncoherent("an appointment of several patients", path="Appointment.participant")
    patient = patients[0]
    if patient.resource:
        return read_patient(patient.resource, source, site, flags)
    if not patient.identifiers:
        path = patient.reference.path_of("identifier")
        raise FieldMissing("the patient's identifier, or a contained Patient, is needed", path=path)
    return identified_patient(patient.identifiers, source, site, flags)


def _labels(actors: tuple[_Actor, ...], *kinds: str) -> str:
    return ", ".join(actor.label for actor in actors if actor.kind in kinds and actor.label)


def _unit(actors: tuple[_Actor, ...]) -> str:
    """Give the unit's code: the service says which unit receives, a place only where."""
    values = (
        identifier.text("value")
        for kind in ("HealthcareService", "Location")
        for actor in actors
        if actor.kind == kind
        for identifier in actor.identifiers
    )
    return next(filter(None, values), "")


def render(stored: StoredAppointment) -> dict[str, Any]:
    """Give the appointment as R4: the resource as received if it came by FHIR, else one built from the fact."""
    resource = json.loads(stored.resource) if stored.resource else _built(stored.fact)
    updated = stored.updated_at.astimezone(UTC).isoformat(timespec="milliseconds")
    meta = resource.get("meta", {}) | {"versionId": str(stored.version), "lastUpdated": updated}
    return {"resourceType": "Appointment", "id": stored.id, "meta": meta} | {
        name: value for name, value in resource.items() if name not in {"resourceType", "id", "meta"}
    }


def _built(fact: AppointmentReported) -> dict[str, Any]:
    service = {"text": fact.service_text, "coding": [{"code": fact.service_code}] if fact.service_code else []}
    resource = {
        "identifier": [written(key) for key in fact.keys],
        "status": fact.status.value,
        "serviceType": [_given(service)] if _given(service) else [],
        "priority": {Priority.STAT: _STAT, Priority.URGENT: _URGENT}.get(fact.priority),
        "patientInstruction": fact.notes,
        "participant": list(_participants(fact)),
    }
    return _given(resource | _written_times(fact))


def _written_times(fact: AppointmentReported) -> dict[str, Any]:
    """Start and end come together, and are there unless the status allows otherwise (app-2, app-3): absent is said."""
    if fact.start is None and fact.end is None and fact.status in _WITHOUT_DATE:
        return {}
    return {
        "start": fact.start.isoformat() if fact.start else None,
        "_start": None if fact.start else _ABSENT,
        "end": fact.end.isoformat() if fact.end else None,
        "_end": None if fact.end else _ABSENT,
    }


def _participants(fact: AppointmentReported) -> Iterator[dict[str, Any]]:
    identifiers = fact.patient.identifiers
    patient = {"type": "Patient", "identifier": written(identifiers[0]) if identifiers else None}
    place = {"type": "Location", "identifier": {"value": fact.unit} if fact.unit else None, "display": fact.location}
    who = {"type": "Practitioner", "display": fact.practitioner}
    for actor in (patient, place, who):
        if len(given := _given(actor)) > 1 or actor is patient:
            yield {"actor": given, "status": "accepted"}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
