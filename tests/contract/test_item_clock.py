"""The clockwork on each store: a step is one transaction, taken once whoever turns the clock and whatever fails."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from messages import patient_told, result
from sqlalchemy import event, select, update
from stores import SITE, at_once, conserved
from test_item_desk import MARC, NADIA, desk

from adapters.clockwork import CLOCKWORK_LOCK, Timekeeper
from adapters.store import clock, schema
from adapters.store.audit import AuditQuery
from adapters.store.clock import ItemClock
from adapters.store.database import SessionLock
from gateway.audit import AuditAction
from gateway.clockwork import Clockwork
from gateway.deadline import Clock, Deadline
from gateway.errors import StateConflict
from gateway.worklist import ESCALATED, ItemKind, ItemState

LEASE = timedelta(hours=8)
LADDER = Deadline("ladder", ("result",), Clock.MINUTES, 30, {"grade": ("critical",)}, ("cardiologie", "alarm"), 5)
LATE = replace(SITE, deadlines=(LADDER, *SITE.deadlines))


def keeper(store) -> Timekeeper:
    known = store.decider()
    decider = replace(known, site=LATE)
    lock = SessionLock(store.database, CLOCKWORK_LOCK)
    return Timekeeper(ItemClock(store.database, store.work), Clockwork(decider, LEASE), lock)


@pytest.fixture
def late(store):
    """A store with critical results of some patients, which came long ago, and a deadline with a ladder."""

    def of(*orders):
        raws = [result(f"R{o}", "8001", o, when=2, value="7.9", flag="HH") for o in orders]
        store.process(patient_told("C1", "8001"), *raws)
        table = schema.work_item
        with store.database.write() as connection:
            connection.execute(update(table).where(table.c.kind == "result").values(deadline="ladder"))
        return store

    return of


def results(store):
    return {v.item.secretariat: v.item for v in store.worklist.items(None, kind=ItemKind.RESULT)}


def escalations(store):
    return store.trail.search(AuditQuery(action=AuditAction.ITEM_ESCALATED))


def now() -> datetime:
    return datetime.now(UTC)


def told(store) -> list[tuple[str, str, int]]:
    outbox = schema.outbox.c
    return sorted(tuple(r) for r in store.rows(select(outbox.item_id, outbox.secretariat, outbox.version)))


def test_what_is_late_is_told_by_one_transaction_and_once(late):
    """The late item's version, the copy, their histories, messages and events; a second turn has nothing to do."""
    store = late("O1")
    assert keeper(store).turn(now()) == 1
    mine, copy = results(store)["accueil"], results(store)["cardiologie"]
    assert (mine.version, mine.escalation.rungs, copy.version, copy.rule) == (2, 1, 1, ESCALATED)
    assert [(s.version, s.deed) for s in store.worklist.history(mine.id)] == [(1, ""), (2, "escalate")]
    assert [(s.version, s.deed) for s in store.worklist.history(copy.id)] == [(1, "escalate")]
    assert {(i, q, v) for i, q, v in told(store)} >= {(mine.id, "accueil", 2), (copy.id, "cardiologie", 1)}
    assert [dict(e.detail)["to"] for e in escalations(store)] == ["cardiologie"]
    assert keeper(store).turn(now()) == 0
    assert store.trail.verify().ok
    assert conserved(store.inbox.summary())


def test_the_last_rung_raises_the_alarm_and_an_answer_ends_it(late):
    """The watch counts it on its secretariat until a physician has acknowledged it."""
    store = late("O1")
    keeper(store).turn(now())
    keeper(store).turn(now() + timedelta(minutes=6))
    assert store.watch.vitals(now()).late["accueil"].alarmed == 1
    desk(store, replace(MARC, secretariats=frozenset({"cardiologie"}))).acknowledge_clinically(
        results(store)["cardiologie"].id
    )
    keeper(store).turn(now() + timedelta(minutes=40))
    assert store.watch.vitals(now()).late["accueil"].alarmed == 0
    assert results(store)["accueil"].version == 3


def test_of_several_who_turn_the_clock_at_once_one_takes_each_step(late, twin):
    """Two processes that both believe to be the one: no version, event or message is doubled."""
    store = late("O1", "O2", "O3")
    at_once(*(lambda s=s: keeper(s).turn(now()) for s in (store, twin) * 2))
    assert len(escalations(store)) == 3
    rows = told(store)
    assert len(rows) == len(set(rows))
    assert {i.version for i in (v.item for v in store.worklist.items(["accueil"], kind=ItemKind.RESULT))} == {2}


def test_whoever_answers_at_the_same_time_comes_before_or_after(late, twin):
    """A physician's act and the clock's step: both are versions, in either order, and none is lost."""
    store = late("O1")
    item = results(store)["accueil"]

    def read():
        return desk(twin, MARC).acknowledge_clinically(item.id)

    at_once(lambda: keeper(store).turn(now()), read)
    stands = store.worklist.item(item.id).item
    assert stands.hand.reading is not None
    assert [s.version for s in store.worklist.history(item.id)] == list(range(1, stands.version + 1))


def test_a_turn_that_fails_anywhere_is_taken_whole_the_next_time(late):
    """Cut off at each of its statements in turn, nothing of it stands; then it does, once."""
    store = late("O1")
    before, failed = told(store), 0

    def cut_off(at: int) -> bool:
        left = [at]

        @event.listens_for(store.database.engine, "before_cursor_execute")
        def fail(*_):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt

        try:
            keeper(store).turn(now())
        except KeyboardInterrupt:
            return True
        finally:
            event.remove(store.database.engine, "before_cursor_execute", fail)
        return False

    while cut_off(failed):
        assert told(store) == before
        assert results(store)["accueil"].version == 1
        assert not escalations(store)
        failed += 1
    assert failed > 8
    assert len(told(store)) == len(before) + 2
    assert len(escalations(store)) == 1
    assert store.trail.verify().ok


def test_what_is_on_hold_and_what_idle_hands_hold_comes_back(store):
    """At its time, and after the lease; nothing before."""
    store.process(patient_told("C1", "8001"), *(result(f"R{o}", "8001", o, when=2) for o in ("O1", "O2")))
    table = schema.work_item
    with store.database.write() as connection:  # no deadline is to be met here
        connection.execute(update(table).values(escalates_at=None))
    held, taken = (v.item for v in store.worklist.items(None, kind=ItemKind.RESULT))
    desk(store).hold(held.id, now() + timedelta(hours=1), "attend")
    desk(store).claim(taken.id)
    assert keeper(store).turn(now()) == 0
    assert keeper(store).turn(now() + timedelta(hours=2)) == 1
    assert store.worklist.item(held.id).item.state is ItemState.NEW
    assert keeper(store).turn(now() + timedelta(hours=9)) == 1
    freed = store.worklist.item(taken.id).item
    assert (freed.state, freed.hand.holder, freed.version) == (ItemState.NEW, "", 3)
    with pytest.raises(StateConflict):
        desk(store, NADIA).undo(taken.id)
    assert keeper(store).turn(now() + timedelta(hours=9)) == 0


def test_a_turn_is_bounded_and_all_turns_together_reach_everything(late, monkeypatch):
    """However much is late, one transaction looks at so many."""
    monkeypatch.setattr(clock, "TURN_ITEMS", 2)
    store, looked = late(*(f"O{n}" for n in range(5))), []
    while found := keeper(store).turn(now()):
        looked.append(found)
    assert looked == [2, 2, 1]
    assert len(escalations(store)) == 5


def test_an_item_that_the_store_refuses_does_not_stop_the_others(late):
    """It is put off alone, without a version; the others' steps are taken."""
    store = late("O1", "O2", "O3")
    bad = store.worklist.items(None, kind=ItemKind.RESULT)[1].item.id
    step = schema.work_item_history

    @event.listens_for(store.database.engine, "before_cursor_execute")
    def refuse(_connection, _cursor, statement, parameters, _context, _many):
        if f"INTO {step.name}" in statement and bad in str(parameters):
            raise ValueError

    keeper(store).turn(now())
    event.remove(store.database.engine, "before_cursor_execute", refuse)
    assert store.worklist.item(bad).item.version == 1
    assert len(escalations(store)) == 2
    assert keeper(store).turn(now()) == 0
    assert keeper(store).turn(now() + timedelta(minutes=16)) > 0
    assert store.worklist.item(bad).item.version == 2


def test_what_nothing_can_be_done_about_is_not_looked_at_for_ever(late):
    """A row that says that it is due, of an item that is not, ends the turns."""
    store = late("O1")
    with store.database.write() as connection:
        connection.execute(update(schema.work_item).values(deadline=""))
    assert keeper(store).turn(now()) == 0


def test_whoever_has_the_lock_turns_the_clock(store, twin):
    """On PostgreSQL one session at a time; a SQLite file is served by one process anyway."""
    mine, other = (SessionLock(s.database, CLOCKWORK_LOCK) for s in (store, twin))
    assert mine.hold()
    assert other.hold() is store.database.sqlite
    mine.release()
    assert other.hold()
    other.release()


def test_finding_what_is_due_reads_its_indexes_alone(late):
    """However many items there are, only those that are due are looked at."""
    store = late("O1")
    item = schema.work_item
    for stands, at in (
        (schema.ESCALATES, item.c.escalates_at),
        (schema.ON_HOLD, item.c.held_until),
        (schema.IN_HAND, item.c.active_at),
    ):
        query = select(item.c.id).where(stands, at <= now()).order_by(at, item.c.id).limit(100)
        with store.database.read() as connection:
            text = str(query.compile(connection.engine, compile_kwargs={"literal_binds": True}))
            explain = "EXPLAIN QUERY PLAN " if store.database.sqlite else "EXPLAIN "
            plan = " ".join(str(row) for row in connection.exec_driver_sql(explain + text.replace("%", "%%")))
        assert f"ix_work_item_{at.name}" in plan, plan
