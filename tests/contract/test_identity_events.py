"""Whatever happens to identities is told once, in one order, by the transaction in which it happens; on each store."""

import json

import pytest
from messages import merge, message, patient_told, pid, result
from sqlalchemy import select
from stores import at_once

from adapters.identity_operations import IdentityOperations
from adapters.store import schema
from adapters.store.audit import AuditQuery
from adapters.store.identity_desk import IdentityDesk
from gateway.audit import AuditAction
from gateway.decision import DecisionKind
from gateway.errors import StorageUnavailable
from gateway.outbox import IDENTITY_QUEUE
from gateway.principal import Principal, PrincipalKind, Right

LAB = "1.2.250.1.999.2"
NADIA, OMAR = (Principal(name, PrincipalKind.PERSON, rights=frozenset(Right)) for name in ("nadia", "omar"))


def department(control_id, number, *, when=2, **traits):
    """A department tells of a patient by its own number alone."""
    said = pid(number, **traits).replace("CHU&1.2.250.1.999.1", f"&{LAB}")
    return message("ADT^A04^ADT_A01", control_id, said, "PV1||O|3201", application="LAB", when=when)


def desk(store, principal=NADIA):
    return IdentityOperations(principal, IdentityDesk(store.database, store.work), store.trail, store.decider())


def told(store):
    """Give what others were told of identities, oldest first: what happened, and whose each record is."""
    entries = [e for e in store.outbox.unconfirmed(1_000) if not e.about_item]
    assert {(e.secretariat, e.order_key, e.version) for e in entries} <= {(IDENTITY_QUEUE, IDENTITY_QUEUE, 1)}
    assert len({e.message_id for e in entries}) == len(entries)
    return [parameters(entry.body) for entry in entries]


def parameters(body):
    given = json.loads(body)["entry"][1]["resource"]["parameter"]
    said = dict(named(p) for p in given if "part" not in p)
    records = [dict(map(named, p["part"])) for p in given if "part" in p]
    persons = {r["id"]: r["person"]["reference"] for r in records}
    return said | {"persons": persons, "retired": [r["id"] for r in records if r["retired"]]}


def named(parameter):
    return parameter["name"], next(value for name, value in parameter.items() if name.startswith("value"))


def ids(store):
    record = schema.identity.c
    return {row.value: row.id for row in store.rows(select(record.id, record.value))}


def test_a_merge_is_told_with_whose_the_numbers_are_by_then(store):
    """Survivor and retired number, both of one person; a patient who is only told of is no event."""
    store.process(patient_told("C1", "8001"), patient_told("C2", "8002"))
    assert told(store) == []
    store.process(merge("C3", "8001", "8002", when=3))
    (event,) = told(store)
    known = ids(store)
    assert (event["event"], event["retired"]) == ("merged", [known["8002"]])
    assert set(event["persons"]) == {known["8001"], known["8002"]}
    assert len(set(event["persons"].values())) == 1
    store.process(merge("C4", "8001", "8002", when=3))
    assert len(told(store)) == 1


def test_every_decision_is_told_proposed_approved_and_undone(store):
    """One event each, with number, kind and standing, in the order of the acts."""
    store.process(patient_told("C1", "8001"), department("C2", "L1"), department("C3", "L2", family="AUTRE", when=4))
    known = ids(store)
    acts, second = desk(store), desk(store, OMAR)
    linked = acts.decide(DecisionKind.LINK, known["8001"], known["L1"], "the same").decision.number
    acts.decide(DecisionKind.NOT_SAME, known["8001"], known["L2"], "another one")
    proposed = acts.decide(DecisionKind.FREEZE, known["8001"], "", "two people").decision.number
    second.approve(proposed)
    acts.undo(linked, "an error")
    events = [(e["event"], e["decision"], e["kind"], e["standing"]) for e in told(store)]
    assert events == [
        ("decided", 1, "link", "in-force"),
        ("decided", 2, "not-same", "in-force"),
        ("proposed", 3, "freeze", "proposed"),
        ("decided", 3, "freeze", "in-force"),
        ("undone", 1, "link", "undone"),
    ]
    first, *_, last = told(store)
    assert len(set(first["persons"].values())) == 1
    assert len(set(last["persons"].values())) == 2


def test_nothing_of_a_reason_or_a_frozen_number_leaves(store):
    """Words stay with the decision; while a person is frozen no number of theirs is told."""
    store.process(patient_told("C1", "8001"))
    known = ids(store)
    number = desk(store).decide(DecisionKind.FREEZE, known["8001"], "", "CANARI").decision.number
    desk(store, OMAR).approve(number)
    bodies = [e.body.decode() for e in store.outbox.unconfirmed(100) if not e.about_item]
    assert not [b for b in bodies if "CANARI" in b]
    assert ["8001" in b for b in bodies] == [True, False]


def test_what_the_broker_has_taken_is_confirmed_and_audited_as_what_it_is(store):
    """An event of identities is no item: the audit trail says so, and the desk's counts of items do not know it."""
    store.process(patient_told("C1", "8001"), patient_told("C2", "8002"), merge("C3", "8001", "8002", when=3))
    entries = store.outbox.unconfirmed(100)
    store.outbox.confirm(entries)
    store.outbox.confirm(entries)
    published = [e for e in store.trail.search(AuditQuery(limit=100)) if e.action == AuditAction.IDENTITY_PUBLISHED]
    assert [e.correlation for e in published] == [e.message_id for e in entries if not e.about_item]
    assert store.outbox.waiting() == 0
    assert [e.message_id for e in store.outbox.published(IDENTITY_QUEUE, 0, 10)] == [e.correlation for e in published]


def test_the_event_is_told_with_the_act_or_not_at_all(store, monkeypatch):
    """Where the commit fails, neither the decision nor its event is there; tried again, each once (promise P2)."""
    store.process(patient_told("C1", "8001"), department("C2", "L1"))
    known = ids(store)
    acts = desk(store)

    def fail(*_):
        raise StorageUnavailable("the commit was not confirmed")

    with monkeypatch.context() as broken:
        broken.setattr(store.work, "_publish", fail)
        with pytest.raises(StorageUnavailable):
            acts.decide(DecisionKind.LINK, known["8001"], known["L1"], "the same")
    assert told(store) == []
    acts.decide(DecisionKind.LINK, known["8001"], known["L1"], "the same")
    assert [e["event"] for e in told(store)] == ["decided"]


def test_decisions_at_one_time_are_told_in_the_order_in_which_they_took_effect(store, twin):
    """Two who decide at once: the order of the queue is that of the decisions, on either store."""
    store.process(patient_told("C1", "8001"), *(department(f"D{n}", f"L{n}", family=f"NOM{n}") for n in range(6)))
    known = ids(store)

    def decide(where, numbers):
        for n in numbers:
            desk(where).decide(DecisionKind.NOT_SAME, known["8001"], known[f"L{n}"], "another one")

    at_once(lambda: decide(store, (0, 1, 2)), lambda: decide(twin, (3, 4, 5)))
    decisions = [e["decision"] for e in told(store)]
    assert decisions == sorted(decisions)
    assert len(decisions) == 6


def test_a_result_alone_is_no_event(store):
    """What only concerns items goes to the secretariats' queues, and to no other."""
    store.process(patient_told("C1", "8001"), result("C2", "8001", "O1", when=2))
    assert told(store) == []
