from dataclasses import replace

import pytest
from sites import DEPARTMENT, PID, demo_site, frame, header

from gateway import er7
from gateway.errors import FieldMissing, SegmentMissing
from gateway.facts import OrderAct, OrderReported, Priority
from mappings.hl7v2 import examine, translate

OBR = "OBR|1|PL7||GLU^Glycémie"


def translated(*segments, kind="ORM^O01", source=DEPARTMENT):
    return translate(er7.read(frame(header(kind, application="DPI"), *segments)), source, demo_site())


def ordered(*segments, kind="ORM^O01"):
    return [fact for fact in translated(*segments, kind=kind).facts if isinstance(fact, OrderReported)]


def test_an_order_in_full():
    """Number, examinations, unit, requester and urgency are read where an order has them."""
    (found,) = ordered(
        *(PID, "PV1|1|I|3010^12"),
        *("ORC|NW|PL7^DPI|||||||||||||||U17", "TQ1|1||||||||S"),
        "OBR|1|PL7^DPI||GLU^Glycémie" + "|" * 12 + "77^ROUX^MARC^^^DR",
    )
    assert [(k.authority, k.value) for k in found.keys] == [("DPI", "PL7")]
    assert (found.act, found.codes, found.label) == (OrderAct.REQUEST, ("GLU",), "Glycémie")
    assert (found.ordering_unit, found.requester, found.priority) == ("U17", "DR MARC ROUX", Priority.STAT)


def test_the_unit_that_ordered_is_the_orders_before_the_stays():
    """ORC-17 says who ordered; without it, the patient's unit did."""
    assert ordered(PID, "PV1|1|I|3010", "ORC|NW|PL7" + "|" * 15 + "U17", OBR)[0].ordering_unit == "U17"
    assert ordered(PID, "PV1|1|I|3010", "ORC|NW|PL7", OBR)[0].ordering_unit == "3010"


@pytest.mark.parametrize(
    ("code", "act"),
    [
        *((code, OrderAct.REQUEST) for code in ("NW", "OK", "NA", "RO", "CH", "nw")),
        *((code, OrderAct.CHANGE) for code in ("XO", "SC", "HD", "UC")),
        *((code, OrderAct.CANCEL) for code in ("CA", "DC", "OC", "OD")),
    ],
)
def test_the_order_control(code, act):
    """ORC-1 by table 0119; a cancellation that was refused changes nothing."""
    assert ordered(PID, f"ORC|{code}|PL7", OBR)[0].act is act


@pytest.mark.parametrize("common", ["ORC|??|PL7", "ORC||PL7"])
def test_an_order_control_that_is_none_is_flagged(common):
    """It is read as a new order: nothing is cancelled on a code that nobody knows."""
    told = translated(PID, common, OBR)
    assert told.facts[0].act is OrderAct.REQUEST
    assert "ORC-1" in {flag.path for flag in told.flags}


def test_all_that_is_ordered_under_one_number_is_one_order():
    """Part of it cancelled changes it; all of it cancelled cancels it."""
    other = OBR.replace("GLU^Glycémie", "K^Potassium")
    (found,) = ordered(PID, "ORC|NW|PL7", OBR, "ORC|NW|PL7", other)
    assert (found.codes, found.label) == (("GLU", "K"), "Glycémie, Potassium")
    assert ordered(PID, "ORC|NW|PL7", OBR, "ORC|CA|PL7", other)[0].act is OrderAct.CHANGE
    assert ordered(PID, "ORC|CA|PL7", OBR, "ORC|CA|PL7", other)[0].act is OrderAct.CANCEL


@pytest.mark.parametrize("kind", ["ORM^O01", "OMG^O19", "OML^O21"])
def test_results_of_before_are_no_orders(kind):
    """What goes along for information (ORC-1 = PR, or behind a second PID) is not asked for again."""
    (first, second) = ordered(
        *(PID, "ORC|NW|PL7", OBR),
        *(PID, "PV1|1|I|9999", "ORC|PR|OLD1", "OBR|1|OLD1||K", "OBX|1|NM|K||3|||||F", "OBR|2|OLD2||K"),
        *("ORC|NW|PL8", OBR.replace("PL7", "PL8")),
        kind=kind,
    )
    assert [k.value for fact in (first, second) for k in fact.keys] == ["PL7", "PL8"]
    assert second.ordering_unit == ""


def test_orders_on_a_specimen():
    """OML^O33: the specimen before the orders on it."""
    found = ordered(*(PID, "SPM|1|S1||BLD", "ORC|NW|PL7", OBR, "ORC|NW|PL8", OBR.replace("PL7", "PL8")), kind="OML^O33")
    assert [fact.keys[0].value for fact in found] == ["PL7", "PL8"]


def test_orders_that_no_result_answers_are_left_aside():
    """Medicines alone are out of scope by rule."""
    assert translated(PID, "ORC|NW|PL7", "RXO|1").ignored == "orders-without-examination"


@pytest.mark.parametrize(
    ("segments", "error", "path"),
    [
        ((PID, "ORC|NW|PL7"), SegmentMissing, "OBR"),
        ((OBR,), SegmentMissing, "PID"),
        ((OBR, PID), SegmentMissing, "PID"),
        ((PID, "ORC|NW", "OBR|1|||GLU"), FieldMissing, "OBR-2"),
    ],
)
def test_an_order_that_cannot_be_followed_is_refused_before_the_answer(segments, error, path):
    """No examination, no patient, no number."""
    site = demo_site(sources=(replace(DEPARTMENT, applications=("GAM",)),))
    found = examine(frame(header("ORM^O01"), *segments), site).error
    assert type(found) is error
    assert found.path == path
