"""What people do with items, on each store: one holder, one queue; a version, a step, an event, a bus message each."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from messages import patient_told, result
from sqlalchemy import insert, select
from stores import SITE, asked, at_once

from adapters.item_operations import ByHand, ItemOperations
from adapters.store import schema
from adapters.store.audit import AuditQuery
from adapters.store.item_desk import ItemDesk
from gateway.audit import AuditAction
from gateway.errors import AccessRefused, PreconditionFailed, ReasonNeeded, ResourceNotFound, StateConflict
from gateway.facts import Priority
from gateway.handling import Deed
from gateway.principal import Principal, PrincipalKind, Right
from gateway.site import Access
from gateway.wording import NOTE_LENGTH
from gateway.worklist import ItemKind, ItemState

QUEUE, OTHER = "accueil", "cardiologie"
ALL = frozenset(Right) - {Right.WORKLIST_READ_ALL}
NADIA = Principal("account:nadia", PrincipalKind.PERSON, "secretary", frozenset({QUEUE}), ALL)
OMAR = replace(NADIA, id="account:omar", secretariats=frozenset({QUEUE, OTHER}))
MARC = replace(NADIA, id="account:marc", profession="physician")
LEA = replace(NADIA, id="account:lea", secretariats=frozenset({OTHER}))
ACCESS = Access({p.id.removeprefix("account:"): p for p in (NADIA, OMAR, MARC, LEA)})


def desk(store, principal=NADIA) -> ItemOperations:
    site = replace(SITE, access=ACCESS)
    decider = store.decider()
    known = replace(decider, site=site)
    return ItemOperations(principal, ItemDesk(store.database, store.work), store.trail, known)


def of_result(store):
    """The item of a result on the default queue."""
    store.process(patient_told("C1", "8001"), result("C2", "8001", "O1", when=2))
    return next(v.item for v in store.worklist.items(None) if v.item.kind is ItemKind.RESULT)


def now_(store, item):
    return store.worklist.item(item.id).item


def last_event(store):
    return list(store.trail.search(AuditQuery()))[-1]


def told(store, item):
    """Queue and version of each bus message of an item, in order."""
    outbox = schema.outbox.c
    rows = store.rows(
        select(outbox.secretariat, outbox.version).where(outbox.item_id == item.id).order_by(outbox.sequence)
    )
    return [tuple(row) for row in rows]


def test_of_fifty_who_claim_at_once_one_holds_and_the_others_are_told_who(store, twin):
    """One winner on either of two processes; 49 conflicts name it; one step, one event, one bus message."""
    item = of_result(store)

    def claim(number):
        own = replace(NADIA, id=f"account:s{number:02}")
        try:
            return desk((store, twin)[number % 2], own).claim(item.id).item.hand.holder
        except StateConflict as conflict:
            return conflict.rule

    came = at_once(*(lambda n=n: claim(n) for n in range(50)))
    (winner,) = [c for c in came if c.startswith("account:")]
    assert [c for c in came if c != winner] == [f"the item is held by {winner}"] * 49
    held = now_(store, item)
    assert (held.hand.holder, held.state, held.version) == (winner, ItemState.CLAIMED, item.version + 1)
    assert told(store, item) == [(QUEUE, item.version), (QUEUE, item.version + 1)]
    events = [e for e in store.trail.search(AuditQuery()) if e.action == AuditAction.ITEM_CLAIMED]
    assert [e.principal for e in events] == [winner]


def test_each_act_is_a_version_a_step_an_event_and_a_bus_message(store):
    """Claim, comment, receipt, hold, done, reopen: the item is what its last step says."""
    item, own = of_result(store), desk(store)
    later = datetime.now(UTC) + timedelta(days=1)
    own.claim(item.id)
    own.comment(item.id, "pas de réponse")
    own.acknowledge(item.id)
    own.hold(item.id, later, "attend")
    own.done(item.id, "fait")
    own.reopen(item.id, "erreur")
    steps = store.worklist.history(item.id)
    deeds = ["", Deed.CLAIM, Deed.COMMENT, Deed.ACKNOWLEDGE, Deed.HOLD, Deed.DONE, Deed.REOPEN]
    assert [s.deed for s in steps] == deeds
    assert [s.version for s in steps] == list(range(1, 8))
    assert [s.note for s in steps] == ["", "", "pas de réponse", "", "attend", "fait", "erreur"]
    assert [v for _, v in told(store, item)] == list(range(1, 8))
    events = [e for e in store.trail.search(AuditQuery()) if e.action.startswith("user:item:")]
    assert [e.detail["version"] for e in events] == list(range(2, 8))
    assert {(e.principal, e.patients) for e in events} == {(NADIA.id, (item.identity,))}
    assert "attend" not in json.dumps([dict(e.detail) for e in events])
    assert now_(store, item).state is ItemState.NEW


def test_receipt_and_clinical_acknowledgment_are_two_audit_codes_and_the_second_a_physicians(store):
    """A secretary with every right is refused the clinical one, and that is audited."""
    item = of_result(store)
    desk(store).acknowledge(item.id)
    assert last_event(store).action == AuditAction.ITEM_RECEIVED
    with pytest.raises(AccessRefused):
        desk(store).acknowledge_clinically(item.id)
    assert last_event(store).action == AuditAction.ACCESS_REFUSED
    desk(store, MARC).acknowledge_clinically(item.id)
    assert last_event(store).action == AuditAction.ITEM_READ
    hand = now_(store, item).hand
    assert (hand.receipt.by, hand.reading.by) == (NADIA.id, MARC.id)


def test_a_forwarded_item_is_on_one_queue_and_both_are_told(store):
    """The queue that it leaves gets the same version, so that its readers know; a new result finds it where it is."""
    item = of_result(store)
    with pytest.raises(AccessRefused):
        desk(store, LEA).claim(item.id)
    desk(store).forward(item.id, OTHER, "chez vous")
    assert told(store, item)[1:] == [(OTHER, 2), (QUEUE, 2)]
    with pytest.raises(AccessRefused):
        desk(store).claim(item.id)
    desk(store, LEA).claim(item.id)
    store.process(result("C3", "8001", "O1", when=5, value="7.9"))
    (only,) = [v.item for v in store.worklist.items(None) if v.item.kind is ItemKind.RESULT]
    assert (only.id, only.secretariat, only.hand.holder) == (item.id, OTHER, LEA.id)


def test_a_new_fact_keeps_the_claim_and_tells_what_changed(store):
    """Who holds the item keeps it; the step says what is new; what was acknowledged is to be acknowledged again."""
    item, own = of_result(store), desk(store)
    own.claim(item.id)
    own.acknowledge(item.id)
    store.process(result("C3", "8001", "O1", when=5, value="7.9"))
    held = now_(store, item)
    assert (held.state, held.hand.holder, held.hand.receipt) == (ItemState.CLAIMED, NADIA.id, None)
    assert "hand" in store.worklist.history(item.id)[-1].changed


def test_an_undo_restores_what_the_last_act_changed(store):
    """Also a forward, by who made it; twice in a row there is nothing to undo; nobody undoes another's act."""
    item, own = of_result(store), desk(store)
    before = own.claim(item.id).item
    own.forward(item.id, OTHER, "chez vous")
    with pytest.raises(AccessRefused):
        desk(store, LEA).undo(item.id)
    after = own.undo(item.id).item
    assert after == replace(before, version=before.version + 2, updated_at=after.updated_at)
    with pytest.raises(StateConflict):
        own.undo(item.id)
    store.process(result("C3", "8001", "O1", when=5, value="7.9"))
    with pytest.raises(StateConflict):
        own.undo(item.id)


def test_an_act_on_another_version_than_seen_is_refused_and_says_who_holds_it(store):
    """Whoever has seen an older version is told, and nothing changes."""
    item = of_result(store)
    desk(store, OMAR).claim(item.id)
    with pytest.raises(PreconditionFailed, match=OMAR.id):
        desk(store).done(item.id, expects=item.version)
    assert now_(store, item).hand.holder == OMAR.id


def test_a_reassigned_item_goes_to_who_works_there(store):
    """Whoever held it before; to nobody that the site does not know, or who works elsewhere."""
    item = of_result(store)
    desk(store).claim(item.id)
    assert desk(store, OMAR).reassign(item.id, NADIA.id, "absence").item.hand.holder == NADIA.id
    with pytest.raises(ResourceNotFound):
        desk(store, OMAR).reassign(item.id, "account:nobody", "absence")
    with pytest.raises(StateConflict):
        desk(store, OMAR).reassign(item.id, LEA.id, "absence")


def test_an_item_made_by_hand_lives_like_any_other(store):
    """It has its patient and queue, is claimed and done, and no message is said to have made it."""
    (number,) = store.process(patient_told("C1", "8001"))
    item = desk(store).add(ByHand(ItemKind.CALL, QUEUE, "8001", "rappeler", Priority.URGENT)).item
    assert (item.secretariat, item.priority, item.detail, item.version) == (QUEUE, Priority.URGENT, "rappeler", 1)
    assert last_event(store).action == AuditAction.ITEM_ADDED
    assert store.worklist.of_message(number) == []
    assert told(store, item) == [(QUEUE, 1)]
    desk(store).claim(item.id)
    assert desk(store).done(item.id).item.state is ItemState.DONE
    with pytest.raises(ResourceNotFound):
        desk(store).add(ByHand(ItemKind.CALL, QUEUE, "nobody", "rappeler"))
    with pytest.raises(StateConflict):
        desk(store).add(ByHand(ItemKind.RESULT, QUEUE, "8001", "rappeler"))
    with pytest.raises(AccessRefused):
        desk(store).add(ByHand(ItemKind.CALL, OTHER, "8001", "rappeler"))


def test_each_act_needs_a_right_of_its_own(store):
    """Without it: refused, audited, and nothing changes."""
    item = of_result(store)
    nobody = desk(store, replace(OMAR, rights=frozenset({Right.WORKLIST_READ})))
    later = datetime.now(UTC) + timedelta(days=1)
    for act in (
        lambda: nobody.claim(item.id),
        lambda: nobody.release(item.id),
        lambda: nobody.reassign(item.id, NADIA.id, "r"),
        lambda: nobody.done(item.id),
        lambda: nobody.acknowledge(item.id),
        lambda: nobody.acknowledge_clinically(item.id),
        lambda: nobody.hold(item.id, later, "r"),
        lambda: nobody.comment(item.id, "r"),
        lambda: nobody.forward(item.id, OTHER, "r"),
        lambda: nobody.reopen(item.id, "r"),
        lambda: nobody.undo(item.id),
        lambda: nobody.add(ByHand(ItemKind.CALL, QUEUE, "8001", "r")),
    ):
        with pytest.raises(AccessRefused):
            act()
        assert last_event(store).action == AuditAction.ACCESS_REFUSED
    assert now_(store, item) == item


def test_several_are_acted_on_each_by_itself(store):
    """One that is not there stops none of the others."""
    item = of_result(store)
    came = desk(store).several([item.id, "nobody", item.id], desk(store).claim)
    assert [name for name, _ in came] == [item.id, "nobody"]
    assert isinstance(came[1][1], ResourceNotFound)
    assert now_(store, item).hand.holder == NADIA.id


def test_acts_beside_a_worker_lose_nothing(store, twin):
    """Messages about an item and acts on it take effect one after the other: versions rise by one, nothing is lost."""
    item, own = of_result(store), desk(twin)
    for n in range(8):
        store.take(result(f"D{n}", "8001", "O1", when=20 + n, value=f"5.{n}"))
    at_once(store.process, *(lambda n=n: own.comment(item.id, f"c{n}") for n in range(8)))
    steps = store.worklist.history(item.id)
    assert [s.version for s in steps] == list(range(1, len(steps) + 1))
    assert sorted(s.note for s in steps if s.deed) == [f"c{n}" for n in range(8)]
    assert now_(store, item).version == len(steps) == 17


def test_a_secretariats_open_items_are_read_in_their_order_by_an_index(store):
    """Over 1,500 items, a third of them done, the list is found by the index, and nothing is sorted."""
    item = of_result(store)
    (row,) = store.rows(select(schema.work_item).where(schema.work_item.c.id == item.id))
    copies = [
        dict(row._mapping)
        | {"id": f"x{n:04}", "origin": f"o{n}", "place": f"{n:033d}", "state": "new" if n % 3 else "done"}
        for n in range(1_500)
    ]
    with store.database.write() as connection:
        connection.execute(insert(schema.work_item), copies)
    states = [ItemState.NEW, ItemState.CLAIMED, ItemState.ON_HOLD]
    with asked(store) as sent:
        found = store.worklist.items([QUEUE], states=states, limit=20)
    assert [v.item.id for v in found] == [f"x{n:04}" for n in range(30) if n % 3]
    assert [v.item.place for v in found] == sorted(v.item.place for v in found)
    ((statement, parameters),) = [s for s in sent if "ORDER BY work_item.place" in s[0]]
    with store.database.read() as connection:
        how = "EXPLAIN QUERY PLAN" if store.database.sqlite else "EXPLAIN"
        plan = str(connection.exec_driver_sql(f"{how} {statement}", parameters).all())
    assert "ix_work_item_secretariat_place_id" in plan
    assert not re.search("TEMP B-TREE|Sort", plan), plan


def test_words_are_bounded_whether_they_are_needed_or_not(store):
    """A note beyond what the history keeps is refused, and nothing is done."""
    item = of_result(store)
    acts, long = desk(store), "x" * (NOTE_LENGTH + 1)
    acts.claim(item.id)
    for act in (acts.release, acts.done, acts.undo, acts.acknowledge_clinically, acts.comment, acts.reopen):
        with pytest.raises(ReasonNeeded):
            act(item.id, long)
    assert now_(store, item).version == item.version + 1
