"""Edited bytes in a stored message's place: examined as if their sender had sent them, and marked as an operator's."""

from datetime import UTC, datetime

from adapters.fhir import validation
from adapters.store.inbox import StoredMessage
from gateway.errors import AckCode, LimitExceeded, ResourceUnsupported, SourceUndeclared
from gateway.reception import MESSAGE_TYPE_LENGTH, Format, Reception, Transport, storable
from gateway.site import Site
from mappings.fhir import appointment
from mappings.fhir.appointment import Interaction
from mappings.hl7v2 import examine
from mappings.naming import named_patients


def edited(original: StoredMessage, raw: bytes, *, site: Site, principal: str, limit: int) -> Reception:
    """Give the reception of edited bytes.

    Args:
        original: the message that they were made from; theirs is its source.
        raw: the edited bytes.
        site: the establishment.
        principal: who edited them.
        limit: most bytes taken.

    Raises:
        GatewayError: what the sender would be refused for.

    """
    if len(raw) > limit:
        raise LimitExceeded(f"a message of at most {limit} bytes is taken")
    examined = _fhir if original.format == Format.FHIR else _hl7
    source, control_id, message_type = examined(original, raw, site)
    declared, written = site.source(source), Format(original.format)
    return Reception(
        raw=raw,
        transport=Transport.OPERATOR,
        format=written,
        source=source,
        control_id=storable(control_id),
        message_type=storable(message_type, MESSAGE_TYPE_LENGTH),
        received_at=datetime.now(UTC),
        principal=principal,
        code=AckCode.AA,
        subjects=named_patients(raw, written, declared.charset if declared else ""),
    )


def _hl7(original: StoredMessage, raw: bytes, site: Site) -> tuple[str, str, str]:
    examination = examine(raw, site)
    if examination.error is not None:
        raise examination.error
    source = examination.source.id if examination.source else ""
    if original.source not in {source, ""}:
        raise SourceUndeclared("the source of the message that was edited is expected", path="MSH-3")
    return source, examination.control_id, examination.message_type


def _fhir(original: StoredMessage, raw: bytes, site: Site) -> tuple[str, str, str]:
    resource_type, _, act = original.message_type.partition(":")
    if resource_type != "Appointment":
        raise ResourceUnsupported("this resource is not offered here")
    source = site.source(original.source)
    if source is None:
        raise SourceUndeclared("a source of the site's data is expected")
    interaction: Interaction = "update" if act == "update" else "create"
    appointment.translate(validation.appointment(raw), interaction, source, site)
    return source.id, original.control_id, original.message_type
