"""The patients that stored bytes name: what an operator finds a message by that took no effect."""

import json

from gateway import er7
from gateway.errors import GatewayError
from gateway.reception import Format
from mappings.fhir import subject as fhir
from mappings.hl7v2 import subject as hl7v2


def named_patients(raw: bytes, written: Format, charset: str = "") -> tuple[str, ...]:
    """Give the identifiers that place a message in line; none where its bytes cannot be read."""
    try:
        if written is Format.FHIR:
            resource = json.loads(raw)
            return fhir.subjects(resource) if isinstance(resource, dict) else ()
        return hl7v2.subjects(er7.read(raw, charset=charset))
    except (GatewayError, ValueError, RecursionError):
        return ()
