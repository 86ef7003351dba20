"""The outbox gives what is to be told, in order, until it is confirmed; the embedded bus has its own cursors in it."""

import json
from uuid import uuid5

import pytest
from messages import appointment, patient_told, result
from stores import at_once

from adapters.store import schema
from adapters.store.audit import AuditQuery
from gateway.audit import AuditAction

ORDERS = 12


@pytest.fixture
def filled(store):
    """A store whose outbox holds an entry per order, all for one secretariat, and one patient's version 2."""
    store.process(patient_told("P", "8001"), *(result(f"C{n}", "8001", f"O{n}", when=n) for n in range(ORDERS - 2)))
    store.process(appointment("S12", "S1", "8001", "R1", when=50))
    store.process(appointment("S13", "S2", "8001", "R1", when=60, starts=3_000))
    return store


def test_entries_come_in_order_and_bounded(filled):
    """The oldest unconfirmed entries come first, no more than asked for."""
    entries = filled.outbox.unconfirmed(100)
    sequences = [e.sequence for e in entries]
    assert len(entries) == ORDERS == filled.outbox.waiting()
    assert sequences == sorted(set(sequences))
    assert [e.sequence for e in filled.outbox.unconfirmed(5)] == sequences[:5]
    assert [e.version for e in entries][-2:] == [1, 2]
    assert len({e.order_key for e in entries}) == 1


def test_a_message_id_follows_from_item_and_version(filled):
    """Whoever publishes an item's version, and however often, it bears the same id."""
    for entry in filled.outbox.unconfirmed(100):
        assert entry.message_id == str(uuid5(filled.installation, f"{entry.item}/{entry.version}"))
        assert entry.body == entry.message_id.encode()


def test_what_is_confirmed_is_not_given_again(filled):
    """A confirmed entry leaves what waits, stays in the log, and is audited once with its message id."""
    entries = filled.outbox.unconfirmed(100)
    filled.outbox.confirm(entries[3:7])
    assert filled.outbox.unconfirmed(100) == [*entries[:3], *entries[7:]]
    assert filled.count(schema.outbox) == ORDERS
    published = filled.trail.search(AuditQuery(action=AuditAction.ITEM_PUBLISHED))
    assert [e.correlation for e in published] == [e.message_id for e in entries[3:7]]
    assert json.dumps([e.entities for e in published]).count(entries[3].item) == 1


def test_confirming_nothing_leaves_nothing(filled):
    """An empty confirmation is no act."""
    before = filled.count(schema.audit_event)
    filled.outbox.confirm([])
    assert filled.count(schema.audit_event) == before


def test_entries_written_meanwhile_are_not_passed_over(filled):
    """What is flushed after a read comes with the next one."""
    seen = filled.outbox.unconfirmed(100)
    filled.process(result("LATE", "8001", "O-late", when=90))
    filled.outbox.confirm(seen)
    (late,) = filled.outbox.unconfirmed(100)
    assert late.sequence > seen[-1].sequence


def test_cursors_are_durable_and_apart(filled, twin):
    """Each subscription goes on where it stopped, whatever another one or the broker's confirmations do."""
    filled.outbox.confirm(filled.outbox.unconfirmed(4))
    entries = filled.outbox.published("accueil", 0, 100)
    assert len(entries) == ORDERS
    assert filled.outbox.position("desk", "accueil") == 0
    for name, place in (("desk", 3), ("desk", 5), ("other", 1)):
        filled.outbox.acknowledge(name, "accueil", entries[place].sequence)
    assert twin.outbox.position("desk", "accueil") == entries[5].sequence
    assert twin.outbox.position("other", "accueil") == entries[1].sequence
    assert twin.outbox.position("desk", "cardiologie") == 0
    assert twin.outbox.published("accueil", entries[5].sequence, 2) == entries[6:8]
    assert twin.outbox.published("cardiologie", 0, 100) == []


def test_two_relays_confirm_the_same_entries(filled, twin):
    """Two relays that publish the same entries leave none waiting, and the chain holds."""
    entries = filled.outbox.unconfirmed(100)
    at_once(*(lambda s=s: s.outbox.confirm(entries) for s in (filled, twin)))
    assert filled.outbox.waiting() == 0
    assert filled.trail.verify().ok
