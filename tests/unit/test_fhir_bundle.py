"""The bus message shows what every reader may see, and no more."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from adapters.fhir.validation import validate
from gateway.facts import Identifier, IdentifierKind, IdentityStatus, Priority, Traits
from gateway.identity import Person
from gateway.site import Access, Environment, Secretariat, Site
from gateway.worklist import Escalation, Hand, ItemKind, ItemState, WorkItem
from mappings.fhir.bundle import ESCALATION, FOCUS_TYPES, HOLDER, message_bundle, searchset
from mappings.fhir.capability import capability

SITE = Site(
    "chu",
    "CHU",
    Environment.TEST,
    "CHU",
    "Europe/Paris",
    {},
    (),
    {"cardio": Secretariat("cardio", "Secrétariat de cardiologie")},
    "accueil",
    "civ",
    (),
    Access(),
)
ITEM = WorkItem(
    id="11111111-1111-4111-8111-111111111111",
    kind=ItemKind.CONVOCATION,
    secretariat="cardio",
    priority=Priority.URGENT,
    state=ItemState.NEW,
    identity="i1",
    focus="22222222-2222-4222-8222-222222222222",
    title="convocation.to-send",
    detail="EPREUVE D EFFORT",
    rule="cardio",
    reason="motif",
    source_message=7,
    version=2,
    created_at=datetime(2031, 1, 1, tzinfo=UTC),
    updated_at=datetime(2031, 1, 2, tzinfo=UTC),
)
PERSON = Person(
    id="33333333-3333-4333-8333-333333333333",
    identifiers=(
        Identifier("1.2.250.1.999.1.1", "8001"),
        Identifier("1.2.250.1.213.1.4.8", "279035121518989", IdentifierKind.INS),
        Identifier("1.2.250.1.999.1.2", "NDA-1", IdentifierKind.OTHER),
    ),
    traits=Traits("ESSAI", "EPREUVE", "JEANNE", "JEANNE MARIE", "MARIE", "1958-03", "F", "63220", "1"),
    status=IdentityStatus.QUALIFIEE,
    confirmed=True,
)


def bundle(item=ITEM, person=PERSON):
    return message_bundle(item, person, site=SITE, message_id="44444444-4444-4444-8444-444444444444", title="À envoyer")


def parts(given):
    return [entry["resource"] for entry in json.loads(given)["entry"]]


def test_bundle_says_by_when_and_who_holds_it():
    """Due time, holder and rungs stand in the Task; where there is none, nothing stands for it."""
    due = datetime(2031, 1, 3, 8, tzinfo=UTC)
    pressed = replace(ITEM, due=due, hand=Hand("account:nadia"), escalation=Escalation("late", 2))
    given = bundle(pressed)
    validate(json.loads(given), Bundle)
    task = parts(given)[1]
    assert task["restriction"] == {"period": {"end": "2031-01-03T08:00:00.000+00:00"}}
    assert [tuple(e.values()) for e in task["extension"]] == [(HOLDER, "account:nadia"), (ESCALATION, 2)]
    assert not {"restriction", "extension"} & parts(bundle())[1].keys()


@pytest.mark.parametrize("kind", list(ItemKind))
@pytest.mark.parametrize("state", list(ItemState))
def test_bundle_is_valid_r4(kind, state):
    """Every kind and state of item makes a valid message Bundle whose Task points at its focus."""
    given = bundle(replace(ITEM, kind=kind, state=state))
    validate(json.loads(given), Bundle)
    header, task, _ = parts(given)
    assert header["focus"] == [{"reference": f"urn:uuid:{ITEM.id}"}]
    assert task["focus"] == {"reference": f"{FOCUS_TYPES[kind]}/{ITEM.focus}"}
    assert task["businessStatus"]["coding"][0]["code"] == state


def test_task_says_what_to_do():
    """The Task carries version, priority, title and owner."""
    _, task, _ = parts(bundle())
    assert (task["status"], task["priority"], task["description"]) == ("requested", "urgent", "À envoyer")
    assert task["meta"] == {"versionId": "2", "lastUpdated": "2031-01-02T00:00:00.000+00:00"}
    assert task["owner"]["identifier"]["value"] == "cardio"


def test_detail_stays_inside():
    """The clinical detail, the routing reason and traits beyond EXI SI 16 are in no bus message."""
    text = bundle().decode()
    assert not any(secret in text for secret in ("EFFORT", "motif", "63220", "JEANNE MARIE", "NDA-1"))


def test_traits_of_exi_si_16_are_shown():
    """Birth and used names, first and used given names, birth date, sex and status are shown as what they are."""
    patient = parts(bundle())[2]
    assert patient["name"] == [
        {"use": "official", "family": "ESSAI", "given": ["JEANNE"]},
        {"use": "usual", "family": "EPREUVE", "given": ["MARIE"]},
    ]
    assert (patient["gender"], patient["birthDate"]) == ("female", "1958-03")
    assert patient["extension"][0]["extension"][0]["valueCoding"]["code"] == "QUAL"


@pytest.mark.parametrize(
    ("status", "confirmed", "expected"),
    [
        (IdentityStatus.QUALIFIEE, True, ["8001", "279035121518989"]),
        (IdentityStatus.VALIDEE, True, ["8001"]),
        (IdentityStatus.PROVISOIRE, False, []),
    ],
)
def test_identifiers_shown_follow_status(status, confirmed, expected):
    """The IPP is shown once confirmed, the INS of a qualified identity only (EXI SI 08)."""
    given = bundle(person=replace(PERSON, status=status, confirmed=confirmed))
    validate(json.loads(given), Bundle)
    assert [i["value"] for i in parts(given)[2].get("identifier", [])] == expected


def test_same_input_same_bytes():
    """The same item version is the same bytes: a redelivery is recognisable."""
    assert bundle() == bundle()


def test_nameless_person_is_valid():
    """A person of whom nothing is known yet still makes a valid Bundle."""
    validate(
        json.loads(bundle(person=Person(PERSON.id, (), Traits(), IdentityStatus.PROVISOIRE, confirmed=False))), Bundle
    )


def test_capability_is_valid_r4():
    """The CapabilityStatement and an empty search result are valid R4."""
    validate(capability(label="CHU", version="1"), CapabilityStatement)
    validate(searchset([]), Bundle)


def test_a_frozen_patient_has_no_number_and_says_why():
    """Whoever would print or send by this body has nothing to do it under; the resource stays valid."""
    frozen = bundle(person=replace(PERSON, frozen=True))
    validate(json.loads(frozen), Bundle)
    shown = next(p for p in parts(frozen) if p["resourceType"] == "Patient")
    assert "identifier" not in shown
    assert "COLP" in json.dumps(shown["extension"])
    assert "COLP" not in json.dumps(next(p for p in parts(bundle()) if p["resourceType"] == "Patient"))
