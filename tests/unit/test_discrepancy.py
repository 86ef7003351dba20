"""What a department tells otherwise than admissions: an item for both sides, once, until they agree again."""

from dataclasses import replace

import pytest
from facts import ANNE, IMAGING, LAB, NIR, PAUL, SITE, Gateway, ins, ipp, merged, own, patient, result, told
from sites import ADMISSIONS

from gateway.audit import AuditAction
from gateway.differences import Grade, differences
from gateway.facts import Identifier, IdentifierKind
from gateway.focus import Doubt
from gateway.worklist import ItemKind

USED = {"used_family_name": "MARTIN"}
SERVED = {"department": "cardiologie", "admissions": "accueil"}
BOTH_NAMED = replace(
    SITE,
    sources=tuple(
        replace(s, secretariat={"department": "cardiologie", "admissions": "accueil"}.get(s.id, ""))
        for s in SITE.sources
    ),
)


def known(**traits) -> Gateway:
    """A gateway at which admissions has told a patient, and both sides have a secretariat."""
    gateway = Gateway(BOTH_NAMED)
    gateway.send(told(patient(ipp("1"), **traits)))
    return gateway


def lab(gateway: Gateway, key: str = "EX1", who=None, source=LAB, **traits):
    return gateway.send(result(who or patient(ipp("1"), **traits), key=key), source=source)


def differing(gateway: Gateway) -> dict[str, str]:
    """Give the open items about differences: secretariat and title."""
    items = [i for i in gateway.items(ItemKind.IDENTITY) if "discrepancy" in i.title]
    assert all(i.kind is ItemKind.IDENTITY and i.rule == "discrepancy" for i in items)
    return {i.secretariat: i.title.removeprefix("identity.") for i in items}


@pytest.mark.parametrize(
    ("held", "sent", "found"),
    [
        ({}, {}, {}),
        ({"birth_family_name": "LE GOFF"}, {"birth_family_name": "Le-Goff"}, {}),
        ({"birth_family_name": "D'ANGE"}, {"birth_family_name": "DANGE"}, {}),
        ({"used_family_name": "LÉVY"}, {"used_family_name": "LEVY"}, {}),
        ({"used_family_name": ""}, {"used_family_name": "MARTIN"}, {}),
        ({"birth_date": "1958-03-21"}, {"birth_date": "1958"}, {}),
        ({"given_names": "ANNE MARIE"}, {"given_names": "ANNE"}, {}),
        ({"sex": "F"}, {"sex": "U"}, {}),
        ({"birth_place_code": "63220"}, {"birth_place_code": "99999"}, {}),
        ({"first_given_name": "SANS PRENOM"}, {"first_given_name": "ANNE"}, {}),
        ({"used_family_name": "MARTIN"}, {"used_family_name": "DUPONT"}, {"used_family_name": Grade.TO_ANALYSE}),
        ({"given_names": "ANNE MARIE"}, {"given_names": "ANNE LISE"}, {"given_names": Grade.TO_ANALYSE}),
        ({"birth_place_code": "63220"}, {"birth_place_code": "75056"}, {"birth_place_code": Grade.TO_ANALYSE}),
        ({"birth_date": "1958-03-21"}, {"birth_date": "1958-03-12"}, {"birth_date": Grade.BLOCKING}),
        ({"sex": "F"}, {"sex": "M"}, {"sex": Grade.BLOCKING}),
    ],
)
def test_only_what_somebody_must_look_at_differs(held, sent, found):
    """Nothing cosmetic, and nothing that only says less; the rest by how much it matters (EXI PP 20)."""
    assert differences(patient(**held), patient(**sent)) == found


def test_two_ins_of_one_domain_differ():
    """The number is compared, and not its key."""
    one, other, key = (patient(ins(v)) for v in ("258036322000123", "258036322000999", "258036322000199"))
    assert differences(one, other) == {"ins": Grade.BLOCKING}
    assert differences(one, key) == {}
    assert differences(one, replace(one, identifiers=(Identifier(NIR, "2", IdentifierKind.OTHER),))) == {}


def test_a_difference_is_an_item_for_both_sides_once():
    """The department's secretariat and admissions'; what repeats it makes no further item and no version."""
    gateway = known(**USED)
    lab(gateway, used_family_name="DUPONT")
    assert differing(gateway) == {"cardiologie": "discrepancy", "accueil": "discrepancy"}
    before = gateway.items(ItemKind.IDENTITY)
    lab(gateway, "EX2", used_family_name="DUPONT")
    assert gateway.items(ItemKind.IDENTITY) == before
    assert [e.detail["traits"] for e in gateway.audit if e.action is AuditAction.IDENTITY_DIFFERS] == [
        "used_family_name"
    ]
    assert all("DUPONT" not in f"{i.title} {i.detail} {i.reason}" for i in before)


def test_a_difference_closes_by_itself_when_the_department_agrees_again():
    """Both items are withdrawn; the same difference later opens them again."""
    gateway = known(**USED)
    lab(gateway, used_family_name="DUPONT")
    lab(gateway, "EX2", **USED)
    assert differing(gateway) == {}
    assert sum(e.action is AuditAction.IDENTITY_AGREES for e in gateway.audit) == 1
    lab(gateway, "EX3", used_family_name="DUPONT")
    assert len(differing(gateway)) == 2


def test_a_difference_closes_by_itself_when_admissions_corrects():
    """What the department sent is held against what admissions holds by now."""
    gateway = known(**USED)
    lab(gateway, used_family_name="DUPONT")
    gateway.send(told(patient(ipp("1"), used_family_name="DUPONT"), correction=True))
    assert differing(gateway) == {}


def test_a_blocking_difference_is_told_to_the_department_beside_the_question():
    """The question stands on the identity desk's queue; both sides know, and the desk has no second item."""
    gateway = known()
    lab(gateway, birth_date="1958-03-12")
    assert differing(gateway) == {"cardiologie": "blocking-discrepancy", "accueil": "blocking-discrepancy"}
    assert [q.doubt for q in gateway.questions()] == [Doubt.COLLISION]
    alone = Gateway()
    alone.send(told(patient(ipp("1"))))
    lab(alone, birth_date="1958-03-12")
    assert [i.secretariat for i in alone.items(ItemKind.IDENTITY)] == ["identite"]


def test_a_side_without_a_secretariat_is_the_identity_desk():
    """So that nobody's difference is lost."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), **USED)))
    lab(gateway, used_family_name="DUPONT")
    assert differing(gateway) == {"identite": "discrepancy"}


def test_each_departments_difference_is_its_own():
    """One that agrees again does not close the other's."""
    gateway = known(**USED)
    lab(gateway, used_family_name="DUPONT")
    lab(gateway, "EX2", source=IMAGING, used_family_name="DURIEU")
    assert set(differing(gateway)) == {"cardiologie", "accueil", "identite"}
    lab(gateway, "EX3", **USED)
    assert set(differing(gateway)) == {"accueil", "identite"}


def test_a_departments_own_number_is_held_against_admissions_of_its_person():
    """Linked by the INS, it is to agree with what admissions holds of the person."""
    gateway = Gateway(BOTH_NAMED)
    gateway.send(told(patient(ipp("1"), ins(), **USED)))
    gateway.send(result(patient(own(LAB, "7"), ins(), used_family_name="DUPONT")), source=LAB)
    assert differing(gateway) == {"cardiologie": "discrepancy", "accueil": "discrepancy"}


def test_a_patient_whom_admissions_has_not_told_differs_from_nobody():
    """Two departments that contradict each other are a question, not a discrepancy with admissions."""
    gateway = Gateway(BOTH_NAMED)
    lab(gateway, **USED)
    lab(gateway, "EX2", source=IMAGING, used_family_name="DUPONT")
    assert differing(gateway) == {}


def test_a_number_that_was_merged_differs_no_more():
    """Its survivor is what the department is to agree with; the next message says whether it does."""
    gateway = known(**USED)
    gateway.send(told(patient(ipp("2"), used_family_name="DUPONT")))
    lab(gateway, used_family_name="DUPONT")
    assert differing(gateway)
    gateway.send(merged(patient(ipp("2"), used_family_name="DUPONT"), ipp("1")))
    assert differing(gateway) == {}
    lab(gateway, "EX2", used_family_name="DUPONT")
    assert differing(gateway) == {}


def test_an_older_message_opens_no_difference_again():
    """A fact told earlier than what is known of the source is stale (promise P3)."""
    gateway = known(**USED)
    old = gateway.job(result(patient(ipp("1"), used_family_name="DUPONT"), key="EX1"), source=LAB, minute=5)
    lab(gateway, "EX2", used_family_name="DURIEU")
    gateway.send(result(patient(ipp("1"), **USED), key="EX3"), source=LAB, minute=10)
    gateway.process([old])
    assert differing(gateway) == {}


def test_admissions_never_differs_from_itself():
    """Its correction changes what is held; its contradiction is a question."""
    gateway = known()
    gateway.send(told(patient(ipp("1"), of=PAUL)), source=ADMISSIONS)
    gateway.send(told(patient(ipp("1"), of=replace(ANNE, used_family_name="MARTIN")), correction=True))
    assert differing(gateway) == {}
