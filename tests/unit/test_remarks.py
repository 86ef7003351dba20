"""What was odd in what was told stands on the item, where whoever works on it sees it."""

import pytest
from facts import AGENDA, IMAGING, LAB, Gateway, book, change, document, ipp, patient, result, told
from sites import DEPARTMENT, PID, demo_site, frame, header

from gateway import er7
from gateway.facts import Remark
from gateway.worklist import ItemKind
from mappings.hl7v2 import translate

ANNE_1 = patient(ipp("1"))
SCH = "SCH||F1|||||||||^^^202604011000||||||||||||||"
TXA = "TXA|1|DI" + "|" * 10 + "D2"
OBR = "OBR|1||F1|GLU" + "|" * 21


@pytest.mark.parametrize(
    ("kind", "segments", "remarks"),
    [
        ("SIU^S12", (f"{SCH}Cancelled", PID), [Remark.STATUS_CONTRADICTED]),
        ("SIU^S12", (f"{SCH}Booked", PID, "AIL|1||U|||202604011100"), [Remark.START_CONTRADICTED]),
        ("SIU^S12", (f"{SCH}Booked", PID), []),
        (
            "ORU^R01",
            (PID, f"{OBR}F", "OBX|1|NM|GLU||5||||||P", f"{OBR}F".replace("F1", "F2")),
            [Remark.STATUS_CONTRADICTED],
        ),
        ("MDM^T10", (PID, TXA), [Remark.REPLACES_NOTHING]),
        ("MDM^T03", (PID, "TXA|1|DI" + "|" * 10 + "D2" + "|" * 7 + "OB"), [Remark.UNAVAILABLE]),
    ],
)
def test_an_oddity_is_remarked_on_the_fact_that_has_it(kind, segments, remarks):
    """The first fact of each message has it, a second one of the same message does not."""
    facts = translate(er7.read(frame(header(kind), *segments)), DEPARTMENT, demo_site()).facts
    assert list(facts[0].remarks) == remarks
    assert all(not fact.remarks for fact in facts[1:])


def gateway():
    found = Gateway()
    found.send(told(ANNE_1))
    return found


def test_the_remark_stands_on_the_item_until_something_else_is_told():
    """A change that says nothing odd takes it away, and is a new version for the reader."""
    found = gateway()
    found.send(book(ANNE_1, remarks=(Remark.START_CONTRADICTED,)), source=AGENDA)
    before = found.only(ItemKind.CONVOCATION)
    assert before.remarks == ("start-contradicted",)
    found.send(change(ANNE_1), source=AGENDA)
    after = found.only(ItemKind.CONVOCATION)
    assert (after.remarks, after.version > before.version) == ((), True)


def test_what_limits_sending_is_remarked():
    """The restrictions hide nothing from the secretariat, which is told before it sends."""
    found = gateway()
    found.send(document(ANNE_1, restrictions=frozenset({"INVISIBLE_PATIENT"})), source=IMAGING)
    assert found.only(ItemKind.CORRESPONDENCE).remarks == ("restricted",)


def test_an_ordinary_item_has_no_remark():
    """Nothing odd, nothing said."""
    found = gateway()
    found.send(result(ANNE_1), source=LAB)
    assert found.only(ItemKind.RESULT).remarks == ()
