"""Who sees what of an item: the profession, taking part in the care, sensitive services and protected patients."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.facts import Identifier, IdentityStatus, Priority, Traits
from gateway.identity import Person
from gateway.principal import Principal, PrincipalKind, Right
from gateway.sight import MEDICAL_PROFESSIONS, Sight, seen, sight
from gateway.worklist import ItemKind, ItemState, WorkItem

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
ITEM = WorkItem(
    id="i",
    kind=ItemKind.RESULT,
    secretariat="addictology",
    priority=Priority.STAT,
    state=ItemState.NEW,
    identity="n",
    focus="f",
    title="result.critical",
    detail="Alcoolémie",
    rule="unit-of-addictology",
    reason="Addictologie",
    source_message=7,
    version=3,
    created_at=NOW,
    updated_at=NOW,
    remarks=("restricted",),
)
PERSON = Person(
    "p",
    (Identifier("1.2", "4711"),),
    Traits("DURAND", first_given_name="ANNE"),
    IdentityStatus.VALIDEE,
    confirmed=True,
)
NOBODY = Principal("account:a", PrincipalKind.PERSON, "operator", rights=frozenset({Right.WORKLIST_READ_ALL}))
MEMBER = replace(NOBODY, secretariats=frozenset({"addictology"}), rights=frozenset({Right.WORKLIST_READ}))


@pytest.mark.parametrize("profession", sorted(MEDICAL_PROFESSIONS))
def test_the_care_team_sees_what_is_medical(profession):
    """Of its own secretariat, be it sensitive or the patient protected."""
    member = replace(MEMBER, profession=profession)
    for person in (PERSON, replace(PERSON, attributes=frozenset({"CACH"}))):
        assert sight(member, "addictology", person, {"addictology"}) is Sight.MEDICAL


@pytest.mark.parametrize("profession", ["", "reception", "admissions", "operator", "auditor"])
def test_reception_and_admissions_see_what_is_administrative(profession):
    """In their own secretariats as well."""
    assert sight(replace(MEMBER, profession=profession), "addictology", PERSON, ()) is Sight.ADMINISTRATIVE


def test_a_physician_of_another_service_takes_no_part_in_the_care():
    """Who may read every list sees what is administrative of others' patients."""
    assert sight(replace(NOBODY, profession="physician"), "addictology", PERSON, ()) is Sight.ADMINISTRATIVE


def test_of_a_sensitive_service_nobody_outside_sees_who_it_is_about():
    """Not by the right to read every list either."""
    assert sight(NOBODY, "addictology", PERSON, {"addictology"}) is Sight.MASKED


@pytest.mark.parametrize(
    ("attribute", "how"),
    [("CACH", Sight.MASKED), ("ANOM", Sight.MASKED), ("FICT", Sight.MASKED), ("HOMA", Sight.ADMINISTRATIVE)],
)
def test_who_is_kept_secret_in_the_house_is_seen_by_the_care_team_alone(attribute, how):
    """PID-32 CACH, ANOM and FICT; an attribute that is about the record masks nobody."""
    assert sight(NOBODY, "addictology", replace(PERSON, attributes=frozenset({attribute})), ()) is how


def test_the_administrative_view_says_what_is_to_be_done_but_not_of_which_examination():
    """The patient, the title, the urgency; the detail of an admission is its place, and stays."""
    item, person = seen(ITEM, PERSON, Sight.ADMINISTRATIVE)
    assert (item, person) == (replace(ITEM, detail=""), PERSON)
    admission = replace(ITEM, kind=ItemKind.ADMISSION, detail="2110 101")
    assert seen(admission, PERSON, Sight.ADMINISTRATIVE) == (admission, PERSON)


def test_a_masked_item_tells_nothing_of_the_patient_or_of_what_it_is():
    """Only that there is one, where, of which kind, how urgent and how old."""
    item, person = seen(ITEM, PERSON, Sight.MASKED)
    told = f"{item} {person}"
    for word in ("DURAND", "ANNE", "4711", "critical", "Alcool", "Addictologie", "restricted"):
        assert word not in told
    assert (item.id, item.secretariat, item.kind, item.priority, item.version) == (
        "i",
        "addictology",
        "result",
        "stat",
        3,
    )
    assert seen(ITEM, PERSON, Sight.MEDICAL) == (ITEM, PERSON)
