"""What is expected is what was ordered and has no result: the oldest first, of the units asked for."""

from datetime import timedelta

import pytest
from messages import hl7_time, message, patient_told, pid, result
from sqlalchemy import func, select
from stores import NOW, at_once, store_at

from adapters.operations import Operations
from adapters.store import schema
from adapters.store.orders import ExpectedOrders
from gateway.audit import AuditAction
from gateway.errors import AccessRefused
from gateway.principal import Principal, PrincipalKind, Right
from gateway.site import Secretariat
from gateway.worklist import ItemKind, ItemState

LATER = NOW + timedelta(days=400)


def order(control_id, ipp, number, *, when=0, control="NW", unit="3201"):
    """Give an ORM^O01 of a unit."""
    orc = f"ORC|{control}|P{number}^SIL|F{number}^SIL" + "|" * 14 + unit
    obr = f"OBR|1|P{number}^SIL|F{number}^SIL|K^Potassium|||{hl7_time(when)}"
    return message("ORM^O01^ORM_O01", control_id, pid(ipp), orc, obr, application="LAB", when=when)


def expected(store, units=None, *, before=LATER, limit=10):
    found = ExpectedOrders(store.database).expected(units, before=before, limit=limit)
    return [each.order.keys[-1].value for each in found]


def test_what_has_no_result_is_expected_from_the_oldest_on(store):
    """Results and cancellations take it away, a restart does not; limits of age, number and unit hold."""
    store.process(
        patient_told("A", "8001"),
        order("O1", "8001", "1", when=2),
        order("O2", "8001", "2", when=1),
        order("O3", "8001", "3", when=3, unit="4000"),
        order("O4", "8001", "4", when=4),
        order("O5", "8001", "5", when=5),
    )
    assert expected(store) == ["P2", "P1", "P3", "P4", "P5"]
    store.process(result("R1", "8001", "4", when=6), order("O6", "8001", "5", when=7, control="CA"))
    assert expected(store) == ["P2", "P1", "P3"]
    assert expected(store, ["4000"]) == ["P3"]
    assert expected(store, []) == []
    assert expected(store, limit=1) == ["P2"]
    with store.database.read() as connection:
        first = connection.execute(select(func.min(schema.order_expected.c.since))).scalar_one()
    assert expected(store, before=first) == []
    with store_at(store.url) as again:
        (found, *_) = ExpectedOrders(again.database).expected(None, before=LATER, limit=10)
        assert (found.order.label, found.order.ordering_unit, found.since) == ("Potassium", "3201", first)
        assert found.person.traits.birth_family_name == "FABULAIRE"


def test_an_order_told_again_is_expected_once(store):
    """The same order changed is one row."""
    store.process(order("O1", "8001", "1"), order("O2", "8001", "1", when=5, control="XO"))
    assert expected(store) == ["P1"]


def test_a_secretary_is_shown_what_the_own_units_wait_for_and_that_is_audited(store):
    """Other units' orders are for who may read every worklist; who may read none is refused; all is in the trail."""
    store.process(order("O1", "8001", "1"), order("O2", "8001", "2", unit="4000"))
    served = {"cardiology": Secretariat("cardiology", "Cardiologie", frozenset({"3201"}))}

    def listed(*rights, secretariats=()):
        who = Principal("account:x", PrincipalKind.PERSON, "", frozenset(secretariats), frozenset(rights))
        acts = Operations(who, store.inbox, store.search, store.desk, store.worklist, store.trail)
        found = acts.list_expected(ExpectedOrders(store.database), served, before=LATER, limit=10)
        return sorted(each.order.keys[-1].value for each in found)

    assert listed(Right.WORKLIST_READ, secretariats=["cardiology"]) == ["P1"]
    assert listed(Right.WORKLIST_READ) == []
    assert listed(Right.WORKLIST_READ_ALL) == ["P1", "P2"]
    with pytest.raises(AccessRefused):
        listed(Right.OPERATE)
    by_them = select(schema.audit_event.c.action).where(schema.audit_event.c.principal == "account:x")
    actions = [row.action for row in store.rows(by_them.order_by(schema.audit_event.c.id))]
    assert actions == [AuditAction.EXPECTED_RESULTS_LISTED] * 3 + [AuditAction.ACCESS_REFUSED]


def test_a_result_that_does_not_come_is_an_item_once(store):
    """Looked at again, by whichever worker, nothing is doubled; the result takes the item away."""
    store.process(patient_told("A", "8001"), order("O1", "8001", "1"), order("O2", "8001", "2"))
    assert sum(at_once(*[store.worker().show_overdue] * 3)) == 2
    assert store.worker().show_overdue() == 0
    titles = [v.item.title for v in store.worklist.items(None, kind=ItemKind.RESULT)]
    assert titles == ["result.missing"] * 2
    assert sorted(expected(store)) == ["P1", "P2"]
    store.process(result("R1", "8001", "1", when=6))
    open_ = store.worklist.items(None, kind=ItemKind.RESULT, states=[ItemState.NEW])
    assert sorted(v.item.title for v in open_) == ["result.final", "result.missing"]
    assert store.trail.verify().ok
