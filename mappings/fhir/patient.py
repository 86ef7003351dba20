"""FHIR Patient <-> patient as a message shows them (FR Core, RNIV 1 §3.1.4)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from gateway.errors import FieldMissing, ProductionGuard
from gateway.facts import (
    NO_ADDRESS,
    NO_CONTACT,
    Address,
    Contact,
    Flag,
    Identifier,
    IdentifierKind,
    IdentityStatus,
    Patient,
    Representative,
    Traits,
)
from gateway.identity import Person
from gateway.site import Environment, Site, Source, SourceRole
from mappings.fhir.element import Element
from mappings.fhir.identifier import oid, patient_identifier, written_typed
from mappings.ins import TEST_INS_OIDS

RELIABILITY = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability"
STATUS_CODES = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-identity-status"

_RELIABILITY_FORMS = (RELIABILITY, "http://interopsante.org/fhir/StructureDefinition/FrPatientIdentReliability")
_STATUS_FORMS = ("identityStatus", "identityReliability")
_BIRTH_PLACE = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
_INSEE_FORMS = (
    "inseeCode",
    "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code",
    "http://interopsante.org/fhir/StructureDefinition/FrAddressInseeCode",
    "http://interopsante.org/fhir/structuredefinition/datatype/fr-address-insee-code",
    "http://www.interopsante.org/fhir/structuredefinition/datatype/fr-address-insee-code",
)
_GIVEN_LIST_FORMS = (
    "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-birth-list-given-name",
    "http://interopsante.org/fhir/StructureDefinition/FrPatientBirthListGivenName",
)

_STATUSES = {
    "PROV": IdentityStatus.PROVISOIRE,
    "RECUP": IdentityStatus.RECUPEREE,
    "VALI": IdentityStatus.VALIDEE,
    "QUAL": IdentityStatus.QUALIFIEE,
}
_STATUS_OF = {status: code for code, status in _STATUSES.items()}
_DOUBTFUL = frozenset({"DOUT", "FICT"})
SEXES = {"male": "M", "female": "F", "other": "U", "unknown": "U"}
"""FHIR administrative-gender -> sex as it is held."""
_GENDERS = {"M": "male", "F": "female", "U": "unknown"}


def read_patient(element: Element, source: Source, site: Site, flags: list[Flag]) -> Patient:
    """Give the patient that a Patient resource shows.

    Raises:
        FieldMissing: it has no patient identifier.
        ProductionGuard: a test or demonstration INS in production.

    """
    patient = _identified(element, element.each("identifier"), source, site, flags)
    has_ins = bool(patient.of_kind(IdentifierKind.INS))
    attributes = _attributes(element)
    status = _status(element, has_ins=has_ins)
    if attributes & _DOUBTFUL and status is not IdentityStatus.PROVISOIRE:
        flags.append(Flag(element.path_of("extension"), "DOUT and FICT go with PROV only (EXI SI 09): read as PROV"))
        status = IdentityStatus.PROVISOIRE
    if has_ins and status is not IdentityStatus.QUALIFIEE:
        flags.append(Flag(element.path_of("identifier"), "an INS of an identity that is not qualifiée finds nobody"))
    return Patient(
        patient.identifiers,
        _traits(element, flags),
        status,
        attributes,
        _deceased(element),
        contact=_contact(element, tuple(element.each("address"))),
        representatives=_representatives(element),
    )


def described_patient(element: Element, site: Site) -> Patient:
    """Give the patient that a Patient resource describes, who need not be known by any number.

    Raises:
        ProductionGuard: a test or demonstration INS in production.

    """
    nobody, flags = Source("", SourceRole.DEPARTMENT), list[Flag]()
    identifiers = tuple(_identifiers(element.each("identifier"), nobody, site, flags))
    has_ins = any(i.kind is IdentifierKind.INS for i in identifiers)
    status = _status(element, has_ins=has_ins)
    return Patient(identifiers, _traits(element, flags), status, _attributes(element), _deceased(element))


def identified_patient(identifiers: Sequence[Element], source: Source, site: Site, flags: list[Flag]) -> Patient:
    """Give the patient that a reference names by an identifier alone.

    Raises:
        FieldMissing: it is no patient identifier.
        ProductionGuard: a test or demonstration INS in production.

    """
    return _identified(identifiers[0], identifiers, source, site, flags)


def _identified(element: Element, given: Iterable[Element], source: Source, site: Site, flags: list[Flag]) -> Patient:
    patient = Patient(tuple(_identifiers(given, source, site, flags)))
    if not patient.of_kind(IdentifierKind.PATIENT):
        path = element.path if element.path.endswith("identifier") else element.path_of("identifier")
        raise FieldMissing("a patient identifier (type PI, with system and value) is needed", path=path)
    return patient


def _identifiers(given: Iterable[Element], source: Source, site: Site, flags: list[Flag]) -> Iterator[Identifier]:
    for sent in given:
        if site.environment is Environment.PRODUCTION and oid(sent) in TEST_INS_OIDS:
            raise ProductionGuard("an INS of test or demonstration in production", path=sent.path_of("system"))
        identifier = patient_identifier(sent, source, site)
        if identifier is None:
            flags.append(Flag(sent.path, "an identifier without value or system says nothing"))
        else:
            yield identifier


def _status_codings(element: Element) -> Iterator[Element]:
    parts = element.extension(*_RELIABILITY_FORMS).each("extension")
    return (part.one("valueCoding") for part in parts if part.text("url") in _STATUS_FORMS)


def _status(element: Element, *, has_ins: bool) -> IdentityStatus:
    """Give the status told, provisoire if none is.

    Before FR Core 2.2 and its code system there was no QUAL: validated and with an INS is qualifiée, as in PAM.FR 6.6.
    """
    told = next((coding for coding in _status_codings(element) if coding.text("code") in _STATUSES), None)
    if told is None:
        return IdentityStatus.PROVISOIRE
    if told.text("code") == "VALI" and has_ins and told.text("system") != STATUS_CODES:
        return IdentityStatus.QUALIFIEE
    return _STATUSES[told.text("code")]


def _attributes(element: Element) -> frozenset[str]:
    """Give the attributes, which older senders put among the statuses."""
    parts = element.extension(*_RELIABILITY_FORMS).each("extension")
    comments = {code for p in parts if p.text("url") == "comment" for _, code in p.codes("valueCodeableConcept")}
    statuses = {coding.text("code") for coding in _status_codings(element)}
    return frozenset((comments | statuses) - _STATUSES.keys() - {"", "VIDE"})


def _traits(element: Element, flags: list[Flag]) -> Traits:
    names = {name.text("use"): name for name in reversed(list(element.each("name")))}
    nothing = Element({}, element.path_of("name"))
    official = names.get("official") or names.get("maiden") or nothing
    if not official and "" in names:
        official = names[""]
        flags.append(Flag(official.path, "a name without use is read as the official one"))
    usual = names.get("usual") or nothing
    given = official.texts("given")
    rank = element.number("multipleBirthInteger")
    return Traits(
        birth_family_name=official.text("family"),
        used_family_name=usual.text("family"),
        first_given_name=next(iter(given), ""),
        given_names=official.extension(*_GIVEN_LIST_FORMS).text("valueString") or " ".join(given),
        used_given_name=next(iter(usual.texts("given")), ""),
        birth_date=element.text("birthDate"),
        sex=SEXES.get(element.text("gender"), ""),
        birth_place_code=_birth_place(element),
        multiple_birth_rank=str(rank) if rank else "",
    )


def _birth_place(element: Element) -> str:
    address = element.extension(_BIRTH_PLACE).one("valueAddress")
    on_city = address.one("_city").extension(*_INSEE_FORMS)
    code = address.extension(*_INSEE_FORMS) or on_city
    return code.one("valueCoding").text("code") or code.text("valueCode") or code.text("valueString")


def _deceased(element: Element) -> bool | None:
    """Whether a death is told; who sends appointments takes none back."""
    return element.truth("deceasedBoolean") or bool(element.text("deceasedDateTime")) or None


_WRITTEN_TO = ("home", "temp", "billing", "")
"""Uses of an address that letters go to, the first that is sent."""

_REPRESENTS = frozenset({"R", "GUARD", "DPOWATT"})
"""Codes of Patient.contact.relationship of who speaks for the patient (PAM.FR, NK1-7; v3-RoleCode)."""


def _contact(element: Element, addresses: tuple[Element, ...]) -> Contact:
    """Give where and how somebody is reached; what has ended (use old) is left out."""
    sent = {a.text("use"): a for a in reversed(addresses) if a.texts("line") or a.text("city")}
    home = next((sent[use] for use in _WRITTEN_TO if use in sent), None)
    told = [t for t in element.each("telecom") if t.text("value") and t.text("use") != "old"]
    phones = sorted((t for t in told if t.text("system") in {"phone", "sms"}), key=lambda t: t.text("use") != "mobile")
    emails = (t.text("value") for t in told if t.text("system") == "email")
    if home is None and not told:
        return NO_CONTACT
    address = NO_ADDRESS
    if home is not None:
        code, city, country = (home.text(name) for name in ("postalCode", "city", "country"))
        address = Address(home.texts("line"), code, city, country, mailing=home.text("use") == "temp")
    return Contact(address, tuple(t.text("value") for t in phones), next(emails, ""))


def _representatives(element: Element) -> tuple[Representative, ...] | None:
    """The legal representatives among the contacts; where there are contacts and none is one, that is told."""
    contacts = list(element.each("contact"))
    if not contacts:
        return None
    legal = (c for c in contacts if any(r.text("code") in _REPRESENTS for r in _relations(c)))
    found = (
        Representative(
            c.one("name").text("family"), " ".join(c.one("name").texts("given")), _contact(c, (c.one("address"),))
        )
        for c in legal
    )
    return tuple(each for each in found if each.family_name)


def _relations(contact: Element) -> Iterator[Element]:
    return (coding for concept in contact.each("relationship") for coding in concept.each("coding"))


def shown_patient(person: Person) -> dict[str, Any]:
    """Give the Patient with the traits that each screen must show, and no more (RNIV 1, EXI SI 16).

    Patient identifiers stand in it once admissions has confirmed them, the INS once the identity is qualifiée (EXI SI
    08); neither while the identity is frozen, which the comment COLP says (collision potentielle, table 0445-FR).
    """
    return _without_empty(
        {
            "resourceType": "Patient",
            "id": person.id,
            "extension": [_written_status(person)],
            "identifier": [written_typed(i) for i in person.identifiers if _may_show(i.kind, person)],
            "name": _written_names(person.traits),
            "gender": _GENDERS.get(person.traits.sex, ""),
            "birthDate": person.traits.birth_date,
        }
    )


def _may_show(kind: IdentifierKind, person: Person) -> bool:
    if person.frozen:
        return False
    if kind is IdentifierKind.INS:
        return person.status is IdentityStatus.QUALIFIEE
    return kind is IdentifierKind.PATIENT and person.confirmed


_COLLISION: Final = {"url": "comment", "valueCodeableConcept": {"coding": [{"code": "COLP"}]}}


def _written_status(person: Person) -> dict[str, Any]:
    status = {
        "url": "identityStatus",
        "valueCoding": {"system": STATUS_CODES, "code": _STATUS_OF[person.status]},
    }
    return {"url": RELIABILITY, "extension": [status, _COLLISION] if person.frozen else [status]}


def _written_names(traits: Traits) -> list[dict[str, Any]]:
    names = (
        ("official", traits.birth_family_name, traits.first_given_name),
        ("usual", traits.used_family_name, traits.used_given_name),
    )
    return [
        _without_empty({"use": use, "family": family, "given": [given] if given else []})
        for use, family, given in names
        if family or given
    ]


def _without_empty(resource: dict[str, Any]) -> dict[str, Any]:
    """FHIR JSON has no empty string, array or object (R4 json.html)."""
    return {name: value for name, value in resource.items() if value}
