"""What the sender of a document is told of it, and who works on it sees: CI-SIS application errors 900 to 905."""

from dataclasses import replace

import pytest
from facts import ANNE, IMAGING, LAB, PAUL, Gateway, document, ins, ipp, patient, told
from sites import PID, frame, header

from gateway import er7
from gateway.errors import DocumentObjection
from gateway.facts import (
    DirectoryTold,
    DocumentAct,
    EntryKind,
    Identifier,
    IdentifierKind,
    IdentityStatus,
    Remark,
    Translation,
)
from gateway.objection import REMARKS
from gateway.reception import State
from gateway.worklist import ItemKind
from mappings.hl7v2 import translate
from mappings.hl7v2.tables import APPLICATION_ERRORS

LETTER = ItemKind.CORRESPONDENCE
ANNE_1 = patient(ipp("1"), ins())
DOCTOR = Identifier("1.2.250.1.71.4.2.1", "10001234567", IdentifierKind.OTHER)
REPLACE, WITHDRAW = DocumentAct.REPLACE, DocumentAct.WITHDRAW


def gateway():
    found = Gateway()
    found.send(told(ANNE_1))
    return found


def sent(found, fact, *, source=IMAGING, checked=True):
    """Give the names of what a document's sender is told; the document takes effect whatever that is."""
    job = found.job(fact, source=source)
    job = replace(job, translation=Translation((fact,), checked=checked))
    ending = found.process([job]).endings[0]
    assert ending.outcome.state is State.PROCESSED
    return [objection["error"] for objection in ending.notes.get("objections", [])]


@pytest.mark.parametrize(
    ("who", "errors"),
    [
        (ANNE_1, []),
        (patient(ipp("9"), ins("160027511600199"), of=PAUL), ["PatientUnknown"]),
        (patient(ipp("9"), of=PAUL), ["PatientUnknown", "InsMissing"]),
        (patient(ipp("1")), []),
        (patient(ipp("1"), ins(), birth_date="1958-03-22"), ["InsDiffers"]),
        (patient(ipp("1"), ins("258036322000124")), ["InsDiffers"]),
        (patient(ipp("1"), ins("260036322000199")), ["InsDiffers"]),
        (patient(ipp("1"), ins("2580363220001")), ["InsDiffers", "InsIncomplete"]),
        (patient(ipp("1"), ins(), birth_place_code=""), ["InsIncomplete"]),
        (patient(ipp("1"), ins(), sex=""), ["InsIncomplete"]),
        (patient(ipp("1"), ins(), first_given_name="", given_names=""), ["InsIncomplete"]),
        (patient(ipp("7"), ins()), []),
    ],
)
def test_the_patient_is_held_against_what_is_known(who, errors):
    """902 unknown, 903 no INS on either side, 904 another INS or trait, to the key, 905 cut short: all that apply."""
    assert sent(gateway(), document(who)) == errors


def test_no_ins_is_no_objection_where_the_patient_has_one():
    """The message may leave it out; a patient of whom none is known is told of."""
    found = gateway()
    found.send(told(patient(ipp("2"), of=PAUL)))
    assert sent(found, document(patient(ipp("2"), of=PAUL))) == ["InsMissing"]
    assert sent(found, document(patient(ipp("1"), status=IdentityStatus.VALIDEE), key="D2")) == []


def test_the_version_to_replace_is_the_one_in_force():
    """900: an unknown document, one that was replaced or withdrawn; the latest is replaced without a word."""
    found = gateway()
    assert sent(found, document(ANNE_1, REPLACE, "D2", "D1")) == ["VersionIncorrect"]
    assert sent(found, document(ANNE_1, key="A1")) == []
    assert sent(found, document(ANNE_1, REPLACE, "A2", "A1")) == []
    assert sent(found, document(ANNE_1, REPLACE, "A3", "A1")) == ["VersionIncorrect"]
    assert sent(found, document(ANNE_1, REPLACE, "A4", "A3")) == []
    assert sent(found, document(ANNE_1, WITHDRAW, "A4")) == []
    assert sent(found, document(ANNE_1, WITHDRAW, "A4")) == ["VersionIncorrect"]


def test_a_replacement_that_waits_says_so_when_it_is_seen():
    """What waits for its original keeps its remark, and the item that it becomes shows it."""
    found = gateway()
    sent(found, document(ANNE_1, REPLACE, "D2", "D1"))
    assert found.items(LETTER) == []
    found.look(25)
    assert found.only(LETTER).remarks == (Remark.VERSION_INCORRECT,)


def test_a_replay_is_not_objected_to_for_what_it_did_itself():
    """The same message processed again finds its own document in force."""
    found = gateway()
    sent(found, document(ANNE_1, key="A1"))
    fact = document(ANNE_1, WITHDRAW, "A1")
    job = replace(found.job(fact, source=IMAGING), translation=Translation((fact,), checked=True))
    for _ in range(2):
        assert "objections" not in found.process([job]).endings[0].notes


def test_another_sender_and_an_author_who_left_may_not_replace():
    """901: the document is another source's, or its author is inactive in the directory; a new one is nobody's yet."""
    found = gateway()
    sent(found, document(ANNE_1, key="A1"))
    assert sent(found, document(ANNE_1, REPLACE, "A2", "A1"), source=LAB) == ["AuthorNotAllowed"]
    sent(found, document(ANNE_1, key="B1"))
    found.send(DirectoryTold(EntryKind.PRACTITIONER, (DOCTOR,), "DR X", active=False))
    assert sent(found, document(ANNE_1, key="C1", author_key=DOCTOR)) == []
    assert sent(found, document(ANNE_1, REPLACE, "B2", "B1", author_key=DOCTOR)) == ["AuthorNotAllowed"]
    found.send(DirectoryTold(EntryKind.PRACTITIONER, (DOCTOR,), "DR X"))
    assert sent(found, document(ANNE_1, REPLACE, "C2", "C1", author_key=DOCTOR)) == []


def test_the_item_says_what_is_objected_to_and_is_made_all_the_same():
    """In original mode the answer is AA; whoever works on the document is told, and the audit trail has it."""
    found = gateway()
    sent(found, document(patient(ipp("1"), ins(), birth_date="1958-03-22")))
    assert found.only(LETTER).remarks == (Remark.INS_DIFFERS,)
    assert [e.detail["objections"] for e in found.audit if "objections" in e.detail] == ["InsDiffers"]


def test_other_messages_are_not_held_to_the_profile():
    """Outside CI-SIS « CDA en HL7v2 » nobody is told anything, whatever is unlike."""
    found = gateway()
    assert sent(found, document(patient(ipp("9"), of=PAUL)), checked=False) == []
    assert found.only(LETTER).remarks == ()


def test_each_objection_has_its_code_text_and_remark():
    """900 to 905: the table's texts, one class and one remark each."""
    classes = DocumentObjection.__subclasses__()
    assert sorted(c.application for c in classes) == ["900", "901", "902", "903", "904", "905"]
    assert {c.application for c in classes} <= APPLICATION_ERRORS.keys()
    assert set(REMARKS) == set(classes)


@pytest.mark.parametrize(("rest", "checked"), [("|||||||||2.1^CISIS_CDA_HL7_V2", True), ("", False)])
def test_the_profile_has_its_author_looked_at(rest, checked):
    """MSH-21 names the profile: the message is checked, and the author's number read from TXA-9."""
    author = "10001234567^DOC^JO^^^DR^^^ASIP&1.2.250.1.71.4.2.1&ISO^D^^^RPPS"
    txa = f"TXA|1|11488-4|TX||||||{author}|||D2"
    raw = frame(header("MDM^T02", application="DOC", version="2.6", rest=rest), PID, txa)
    found = translate(er7.read(raw), IMAGING, Gateway().decider.site)
    assert found.checked is checked
    assert found.facts[0].author_key == (DOCTOR if checked else None)
    assert found.facts[0].patient.traits.birth_family_name == ANNE.birth_family_name
