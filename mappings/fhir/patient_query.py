"""Queries for patients and their answers: IHE PIXm (ITI-83), PDQm (ITI-78), FHIR R4 ``$match``."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.errors import ResourceUnsupported, SenderError
from gateway.facts import Identifier
from gateway.identity import normalise
from gateway.patients import KnownPatient, Likely, Sought, cross_references
from mappings.fhir.bundle import searchset
from mappings.fhir.element import Element
from mappings.fhir.identifier import written_typed
from mappings.fhir.patient import SEXES, shown_patient

MATCH_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"

MOST_IN_PAGE = 50
PAGE = 20
MOST_PLACE = 10_000

_DAY = re.compile(r"(?:eq)?(\d{4}-\d{2}-\d{2})")
_COUNT = re.compile(r"\d{1,5}")
_PRESENTATION = frozenset({"_format", "_pretty"})
_NOT_HELD = frozenset(
    {"telecom", "phone", "email", "mothersMaidenName"}
    | {f"address{part}" for part in ("", "-city", "-country", "-postalcode", "-state", "-use")}
)
_OFFERED = frozenset({"_id", "identifier", "family", "given", "birthdate", "gender", "active", "_count", "_offset"})

Parameter = tuple[str, str]
Token = tuple[str, str]
"""System and value, as sent."""


def token(text: str, path: str) -> Token:
    """Give the system and the value of a token ``system|value`` (R4 search.html#token); either may be empty.

    Raises:
        SenderError: it is none.

    """
    system, bar, value = text.partition("|")
    if not bar or not (system or value) or not text.isprintable():
        raise SenderError("system|value is expected", path=path)
    return system.strip(), value.strip()


@dataclass(frozen=True, slots=True)
class CrossReference:
    """What PIXm is asked.

    Attributes:
        source: system and value of the number that is known.
        targets: systems of the domains asked for; empty: all.

    """

    source: Token
    targets: tuple[str, ...] = ()


def read_cross_reference(asked: Iterable[Parameter]) -> CrossReference:
    """Give what the parameters of ``$ihe-pix`` ask.

    Raises:
        SenderError: it is not one number with its system, or something else is asked beside.

    """
    given = [(name, value) for name, value in asked if name not in _PRESENTATION]
    if any(name not in {"sourceIdentifier", "targetSystem"} for name, _ in given):
        raise SenderError("sourceIdentifier and targetSystem are the parameters of $ihe-pix")
    sources = [token(value, "sourceIdentifier") for name, value in given if name == "sourceIdentifier"]
    if len(sources) != 1 or not all(sources[0]):
        raise SenderError("one sourceIdentifier is expected, as system|value", path="sourceIdentifier")
    targets = tuple(value.strip() for name, value in given if name == "targetSystem")
    if not all(t and t.isprintable() for t in targets):
        raise SenderError("a system is expected", path="targetSystem")
    return CrossReference(sources[0], targets)


def cross_reference_answer(found: Sequence[Identifier], patient: str) -> dict[str, Any]:
    """Give the Parameters that answer ``$ihe-pix``; of no other number, none."""
    parameters: list[dict[str, Any]] = [
        {"name": "targetIdentifier", "valueIdentifier": written_typed(each)} for each in found
    ]
    if found:
        parameters.append({"name": "targetId", "valueReference": {"reference": f"Patient/{patient}"}})
    return {"resourceType": "Parameters", **({"parameter": parameters} if parameters else {})}


@dataclass(frozen=True, slots=True)
class PatientQuery:
    """What PDQm is asked.

    Attributes:
        ids: of the patients; empty: any.
        identifiers: of which the patient bears one; empty: any.
        domains: systems of the identifiers to be told; empty: all.
        sought: by traits.
        active: whether records in force are asked for: there are no others.
        count: patients to give at most.
        offset: patients to pass over.

    """

    ids: tuple[str, ...] = ()
    identifiers: tuple[Token, ...] = ()
    domains: tuple[str, ...] = ()
    sought: Sought = field(default_factory=Sought)
    active: bool = True
    count: int = PAGE
    offset: int = 0


def read_query(asked: Iterable[Parameter]) -> PatientQuery:
    """Give what the parameters of a search for patients ask.

    Raises:
        SenderError: one is not understood: left out, it would find too much.
        ResourceUnsupported: one is of what is not held here.

    """
    given: dict[str, list[str]] = {}
    for name, value in asked:
        if name in _NOT_HELD:
            raise ResourceUnsupported("neither addresses nor telephone numbers are held here", path=name)
        if name not in _OFFERED | _PRESENTATION:
            raise SenderError(f"the search parameters offered are {', '.join(sorted(_OFFERED))}")
        if not value.strip() or not value.isprintable():
            raise SenderError("a value is expected", path=name)
        given.setdefault(name, []).append(value.strip())
    tokens = [token(part, "identifier") for value in _once(given, "identifier") for part in value.split(",")]
    return PatientQuery(
        ids=tuple(part for value in _once(given, "_id") for part in value.split(",")),
        identifiers=tuple(each for each in tokens if each[1]),
        domains=tuple(system for system, value in tokens if not value),
        sought=Sought(
            birth_date=_day(given),
            family=_names(given, "family"),
            given=_names(given, "given"),
            sex=_sex(given),
        ),
        active=_one_of(given, "active", ("true", "false"), "true") == "true",
        count=min(_number(given, "_count", PAGE), MOST_IN_PAGE),
        offset=min(_number(given, "_offset", 0), MOST_PLACE),
    )


def _once(given: dict[str, list[str]], name: str) -> list[str]:
    values = given.get(name, [])
    if len(values) > 1:
        raise SenderError("one value, or several with commas between them, is expected", path=name)
    return values


def _names(given: dict[str, list[str]], name: str) -> tuple[str, ...]:
    values = given.get(name, [])
    if any("," in value or not normalise(value) for value in values):
        raise SenderError("one name, or the beginning of it, is expected", path=name)
    return tuple(values)


def _day(given: dict[str, list[str]]) -> str:
    value = next(iter(_once(given, "birthdate")), "")
    if value and not _DAY.fullmatch(value):
        raise SenderError("a day of birth, YYYY-MM-DD, is expected", path="birthdate")
    return value.removeprefix("eq")


def _sex(given: dict[str, list[str]]) -> str:
    gender = _one_of(given, "gender", tuple(SEXES), "")
    return SEXES.get(gender, "")


def _one_of(given: dict[str, list[str]], name: str, known: Collection[str], otherwise: str) -> str:
    value = next(iter(_once(given, name)), otherwise)
    if value not in known and value != otherwise:
        raise SenderError(f"one of {', '.join(sorted(known))} is expected", path=name)
    return value


def _number(given: dict[str, list[str]], name: str, otherwise: int) -> int:
    value = next(iter(_once(given, name)), str(otherwise))
    if not _COUNT.fullmatch(value):
        raise SenderError("a number is expected", path=name)
    return int(value)


def told_patient(known: KnownPatient, domains: Collection[str] = ()) -> dict[str, Any]:
    """Give the Patient of a person, with their numbers in these domains, or in all."""
    person = replace(known.person, identifiers=cross_references(known, Identifier("", ""), domains))
    deceased = {"deceasedBoolean": True} if known.person.deceased else {}
    return {**shown_patient(person), "active": True, **deceased}


def query_answer(found: Sequence[KnownPatient], total: int, domains: Collection[str]) -> dict[str, Any]:
    """Give the Bundle that answers a search: a page, and how many patients there are in all."""
    return searchset([told_patient(known, domains) for known in found], total=total)


@dataclass(frozen=True, slots=True)
class MatchQuery:
    """What ``$match`` is asked.

    Attributes:
        resource: the Patient described.
        certain: only the one of whom nobody need be asked.
        count: patients to give at most.

    """

    resource: Element
    certain: bool = False
    count: int = PAGE


def read_match(parameters: Element) -> MatchQuery:
    """Give what the Parameters of ``$match`` ask (R4 patient-operation-match.html).

    Raises:
        SenderError: a Patient is not among them, once, or something else is.

    """
    given = list(parameters.each("parameter"))
    if any(g.text("name") not in {"resource", "onlyCertainMatches", "count"} for g in given):
        raise SenderError("resource, onlyCertainMatches and count are the parameters of $match", path="Parameters")
    resources = [g.one("resource") for g in given if g.text("name") == "resource"]
    if len(resources) != 1 or resources[0].text("resourceType") != "Patient":
        raise SenderError("one Patient is expected as resource", path="Parameters.parameter")
    certain = any(g.truth("valueBoolean") for g in given if g.text("name") == "onlyCertainMatches")
    counts = [g.number("valueInteger") for g in given if g.text("name") == "count"]
    count = next((c for c in counts if c is not None), PAGE)
    return MatchQuery(resources[0], certain, max(0, min(count, MOST_IN_PAGE)))


def match_answer(found: Sequence[Likely]) -> dict[str, Any]:
    """Give the Bundle that answers ``$match``: the surest first, each with its grade and its score from 0 to 1."""
    bundle = searchset([told_patient(each.known) for each in found])
    for entry, each in zip(bundle.get("entry", ()), found, strict=True):
        grade = {"url": MATCH_GRADE, "valueCode": str(each.certainty)}
        entry["search"] = {"extension": [grade], "mode": "match", "score": each.probability}
    return bundle
