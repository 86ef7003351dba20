"""Whom and what an Appointment is about, told cheaply: what its partition follows from."""

from collections.abc import Iterator, Mapping
from typing import Any

from mappings.fhir.element import Element


def subjects(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """Give every identifier of the patients named; where none is, the appointment's own.

    Raises:
        DataTypeInvalid: an element is not of its type.

    """
    appointment = Element(resource, "Appointment")
    return tuple(_patients(appointment)) or tuple(i.text("value") for i in appointment.each("identifier"))


def _patients(appointment: Element) -> Iterator[str]:
    for contained in appointment.each("contained"):
        if contained.text("resourceType") == "Patient":
            yield from (i.text("value") for i in contained.each("identifier"))
    for participant in appointment.each("participant"):
        actor = participant.one("actor")
        if actor.text("type") in {"", "Patient"} and (value := actor.one("identifier").text("value")):
            yield value
