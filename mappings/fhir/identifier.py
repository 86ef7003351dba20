"""FHIR identifiers and the domain's: systems, OIDs and types."""

import re
from typing import Any

from gateway.facts import Identifier, IdentifierKind
from gateway.site import Site, Source
from mappings.fhir.element import Element
from mappings.ins import INS_NIA, INS_NIR, INS_NIR_DEMO, INS_NIR_TEST

INS_TYPES = {
    INS_NIR: "INS-NIR",
    INS_NIA: "INS-NIA",
    INS_NIR_TEST: "INS-NIR-TEST",
    INS_NIR_DEMO: "INS-NIR-DEMO",
}
"""OID of a matricule INS -> its type code (FR Core, fr-core-cs-v2-0203)."""

FRENCH_TYPES = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
INTERNATIONAL_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"

_INS_CODES = frozenset(INS_TYPES.values()) | {"INS"}
_PATIENT_CODES = frozenset({"PI", "MR", "PT"})
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")


def authority_of(system: str, source: Source, site: Site) -> str:
    """Give the assigning authority that a system means; the source's own where the sender names none."""
    return site.authority(system) or source.authority


def business_identifier(element: Element, source: Source, site: Site) -> Identifier | None:
    """Give an object's identifier; None if it has no value, or nothing says in which domain it is one."""
    authority, value = authority_of(element.text("system"), source, site), element.text("value")
    return Identifier(authority, value, IdentifierKind.OTHER) if authority and value else None


def patient_identifier(element: Element, source: Source, site: Site) -> Identifier | None:
    """Give a patient's identifier with what it identifies; None as for ``business_identifier``."""
    found = business_identifier(element, source, site)
    return found and Identifier(found.authority, found.value, _kind(element))


def _kind(element: Element) -> IdentifierKind:
    """An INS is one by OID and by type, for the billing NIR has the same OID; a former identifier finds nobody."""
    codes = {code for _, code in element.codes("type")}
    if element.text("use") == "old":
        return IdentifierKind.OTHER
    if oid(element) in INS_TYPES:
        return IdentifierKind.INS if codes & _INS_CODES else IdentifierKind.OTHER
    return IdentifierKind.PATIENT if not codes or codes & _PATIENT_CODES else IdentifierKind.OTHER


def oid(element: Element) -> str:
    """Give the identifier's system as sent, without ``urn:oid:``."""
    return element.text("system").removeprefix("urn:oid:")


def written(identifier: Identifier) -> dict[str, Any]:
    """Give the FHIR Identifier; a namespace that is no URI goes to the assigner, for a system is absolute."""
    authority = identifier.authority
    if _OID.fullmatch(authority):
        return {"system": f"urn:oid:{authority}", "value": identifier.value}
    if ":" in authority:
        return {"system": authority, "value": identifier.value}
    return {"value": identifier.value, "assigner": {"display": authority}}


def written_typed(identifier: Identifier) -> dict[str, Any]:
    """Give the FHIR Identifier of a patient, with its type and use."""
    if identifier.kind is IdentifierKind.INS:
        use = "temp" if identifier.authority == INS_NIA else "official"
        code = INS_TYPES.get(identifier.authority, "INS-NIR")
        return {"use": use, "type": {"coding": [{"system": FRENCH_TYPES, "code": code}]}, **written(identifier)}
    return {"use": "usual", "type": {"coding": [{"system": INTERNATIONAL_TYPES, "code": "PI"}]}, **written(identifier)}
