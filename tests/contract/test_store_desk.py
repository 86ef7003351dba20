"""What an operator does with a message holds against the worker, the other operators, and a second asking."""

import random
import threading
from contextlib import suppress
from dataclasses import replace

import pytest
from messages import billing, message, patient_told, result
from sqlalchemy import delete, select
from stores import NOW, at_once, conserved, numbered, reception

from adapters.operations import Operations
from adapters.store import schema
from adapters.store.audit import AuditQuery
from adapters.store.desk import LeftOut
from adapters.store.search import MessageFilter
from adapters.store.work import Work
from adapters.worker import Worker
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import AckCode, NotHl7, StateConflict
from gateway.principal import Principal, PrincipalKind, Right
from gateway.reception import State, Transport

A28 = patient_told("C1", "8001")
UNDECIDED = message("ADT^A43^ADT_A43", "U1", "PID|||8001", "MRG|8002", application="ADM")
"""Ends in quarantine: a person is needed."""


def told(action=AuditAction.MESSAGE_HELD, number=1):
    """The audit event of an act."""
    return AuditEvent(NOW, action, "tester", message=number, detail={"reason": "a test"})


def undecided(*control_ids):
    """Messages that end in quarantine."""
    return [UNDECIDED.replace(b"U1", control_id.encode()) for control_id in control_ids]


def replayed(numbers):
    """The audit events of a bulk replay."""
    return [told(AuditAction.MESSAGE_REPLAYED, number) for number in numbers]


def hold(store, number):
    store.desk.hold(number, told(AuditAction.MESSAGE_HELD, number), "a test")


def claimed(store):
    """The numbers of the messages that a worker would take."""
    with store.work.claim() as claim:
        return [waiting.number for waiting in claim.messages]


def state(store, number):
    return store.inbox.outcome(number).state


def exclusive(store):
    """Whether each message is either pending or ended, and counted once."""
    pending = {row.message_id for row in store.rows(select(schema.pending.c.message_id))}
    ended = {row.message_id for row in store.rows(select(schema.outcome.c.message_id))}
    known = {row.id for row in store.rows(select(schema.message.c.id))}
    return not pending & ended and pending | ended == known and conserved(store.inbox.summary())


# -- hold and release --------------------------------------------------------------------------------------------------


def test_a_held_message_waits_for_its_release(store):
    """The worker passes it by; it counts as pending, is listed with who holds it, and takes effect once released."""
    held, other = store.take(A28, patient_told("C2", "8002"))
    hold(store, held)
    store.process()
    assert (state(store, held), state(store, other)) == (State.PENDING, State.PROCESSED)
    assert store.inbox.summary()["pending"] == 1
    assert exclusive(store)
    shown = store.inbox.show(held)
    assert (shown.held_at, shown.held_by, shown.held_for) == (NOW, "tester", "a test")
    assert store.found(held=True) == [held]
    store.desk.release(held, told(AuditAction.MESSAGE_RELEASED, held))
    store.process()
    assert state(store, held) is State.PROCESSED
    assert store.found(held=True) == []
    assert [e.action for e in store.trail.search(AuditQuery(action="user:message:"))] == [
        AuditAction.MESSAGE_HELD,
        AuditAction.MESSAGE_RELEASED,
    ]


def test_a_worker_that_has_read_a_message_does_not_take_it_once_held(store, twin):
    """The hold counts though the batch was read before it."""
    numbers = store.take(A28, patient_told("C2", "8002"))
    batch = claimed(store)
    assert batch == numbers
    hold(twin, numbers[0])
    with store.work.alone(batch) as connection:
        assert connection is None
    assert claimed(store) == numbers[1:]


class _Slow(Work):
    """Flushes once it is told to; says when it has the batch."""

    def __init__(self, database):
        super().__init__(database)
        self.taken, self.go = threading.Event(), threading.Event()

    def flush(self, *changes):
        self.taken.set()
        assert self.go.wait(20)
        super().flush(*changes)


@pytest.mark.parametrize("act", ["hold", "discard"])
def test_a_message_that_is_taking_effect_is_let_end_and_the_act_refused(store, twin, act):
    """Who holds or discards a message while its effect is written waits, and is told how it has ended."""
    (number,) = store.take(A28)
    work, refusals = _Slow(store.database), []
    worker = Worker(work, store.decider(), store.decider().site, lambda: None)

    def ask():
        assert work.taken.wait(20)
        threading.Timer(0.3, work.go.set).start()
        try:
            hold(twin, number) if act == "hold" else twin.desk.discard(number, told())
        except StateConflict as refusal:
            refusals.append((work.go.is_set(), refusal.rule))

    at_once(worker.run_once, ask)
    assert refusals == [(True, refusals[0][1])]
    assert "processed by now" in refusals[0][1]
    assert state(store, number) is State.PROCESSED
    assert store.count(schema.message_hold) == 0
    assert exclusive(store)


def test_only_what_waits_for_somebody_is_held_and_only_once(store):
    """An ended message, and one that is held already, are refused; so is the release of one that is not held."""
    processed, quarantined = store.process(A28, UNDECIDED)
    with pytest.raises(StateConflict):
        hold(store, processed)
    hold(store, quarantined)
    assert state(store, quarantined) is State.QUARANTINED
    with pytest.raises(StateConflict) as refusal:
        hold(store, quarantined)
    assert "already" in refusal.value.rule
    with pytest.raises(StateConflict):
        store.inbox.replay(quarantined, told(AuditAction.MESSAGE_REPLAYED, quarantined))
    with pytest.raises(StateConflict):
        store.desk.release(processed, told())
    assert state(store, quarantined) is State.QUARANTINED
    assert len(store.trail.search(AuditQuery(action="user:message:"))) == 1


def test_two_operators_who_hold_at_once_hold_it_once(store, twin):
    """One of them is told that it is held already."""
    numbers = store.take(*(patient_told(f"C{n}", "8001") for n in range(5)))
    for number in numbers:
        refusals = []

        def ask(one, number=number, refusals=refusals):
            try:
                hold(one, number)
            except StateConflict as refusal:
                refusals.append(refusal.rule)

        at_once(lambda: ask(store), lambda: ask(twin))
        assert refusals == ["the message is held already"]


def test_a_release_and_a_discard_at_once_do_not_wait_for_each_other(store, twin):
    """Whoever is second finds what the first has done; neither is the victim of a deadlock."""
    for number in store.take(*(patient_told(f"C{n}", "8001") for n in range(12))):
        hold(store, number)

        def release(number=number):
            with suppress(StateConflict):
                store.desk.release(number, told(AuditAction.MESSAGE_RELEASED, number))

        at_once(release, lambda number=number: twin.desk.discard(number, told(AuditAction.MESSAGE_DISCARDED, number)))
        assert state(store, number) is State.IGNORED


# -- discard, resolve, assign ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["pending", "held", "quarantined"])
def test_a_discarded_message_is_ignored_and_may_be_replayed_singly(store, before):
    """It ends by a rule of its own, takes no effect, stays out of a bulk replay, and can deliberately be replayed."""
    (number,) = store.process(UNDECIDED) if before == "quarantined" else store.take(A28)
    if before == "held":
        hold(store, number)
    store.desk.discard(number, told(AuditAction.MESSAGE_DISCARDED, number))
    store.process()
    outcome = store.inbox.outcome(number)
    assert (outcome.state, outcome.rule, outcome.error) == (State.IGNORED, "discarded", "")
    assert store.inbox.raw(number) == (UNDECIDED if before == "quarantined" else A28)
    assert store.count(schema.identity) == store.count(schema.message_hold) == 0
    assert store.desk.sift([number]).left_out == {LeftOut.DISCARDED: 1}
    with pytest.raises(StateConflict):
        store.desk.discard(number, told())
    assert exclusive(store)
    store.inbox.replay(number, told(AuditAction.MESSAGE_REPLAYED, number))
    store.process()
    assert state(store, number) is (State.QUARANTINED if before == "quarantined" else State.PROCESSED)
    assert exclusive(store)


def test_a_resolved_error_leaves_the_list_and_stays_counted(store):
    """The list and its groups are without it; the summary, and its state, are as before."""
    first, second, _ = store.process(*undecided("U1", "U2"), A28)
    (group,) = store.search.error_groups()
    assert (group.error, group.count, group.first, group.last) == ("PersonNeeded", 2, first, second)
    store.desk.resolve(first, told(AuditAction.MESSAGE_RESOLVED, first))
    assert store.found(unresolved=True) == [second]
    assert store.watch.vitals(NOW).quarantined == 1
    assert store.search.error_groups()[0].count == 1
    assert store.inbox.summary()["quarantined"] == 2
    assert store.inbox.show(first).resolved_at == NOW
    for number in (first, 3):
        with pytest.raises(StateConflict):
            store.desk.resolve(number, told())


def test_an_error_that_comes_back_is_open_again(store):
    """A resolved message that is replayed and fails again stands on the list again."""
    (number,) = store.process(UNDECIDED)
    store.desk.resolve(number, told())
    store.inbox.replay(number, told())
    store.process()
    assert store.found(unresolved=True) == [number]


def test_an_owner_is_found_and_may_change(store):
    """Errors and held messages have at most one owner each; nothing else has one."""
    error, processed = store.process(UNDECIDED, A28)
    (waiting,) = store.take(patient_told("C2", "8002"))
    for number in (processed, waiting):
        with pytest.raises(StateConflict):
            store.desk.assign(number, "account:martin", told())
    hold(store, waiting)
    for number, owner in ((error, "account:durand"), (error, "account:martin"), (waiting, "account:martin")):
        store.desk.assign(number, owner, told(AuditAction.MESSAGE_ASSIGNED, number))
    assert store.found(owner="account:martin") == [error, waiting]
    assert store.found(owner="account:durand") == []
    assert store.inbox.show(error).owner == "account:martin"


# -- replay of many ----------------------------------------------------------------------------------------------------


def replay_all(store, size=2, **conditions):
    """Replay all that match, and give how many and what was left out."""
    count, left_out = 0, {}
    for numbers in store.search.numbers(MessageFilter(**conditions), size):
        sifted = store.desk.replay_many(numbers, conditions.get("state", ""), replayed)
        count += len(sifted.replayed)
        left_out = {**left_out, **{k: left_out.get(k, 0) + v for k, v in sifted.left_out.items()}}
    return count, left_out


def test_a_bulk_replay_leaves_out_what_a_person_has_decided_on_and_what_was_refused(store):
    """Refused with a NAK, held, discarded, resolved, duplicate and pending ones stay as they are, and are counted."""
    first, held, discarded, resolved, last = store.process(*undecided("U1", "U2", "U3", "U4", "U5"))
    refused = reception(b"no hl7", code=AckCode.AR, error=NotHl7("an MSH segment is expected", path="MSH"))
    store.inbox.record([refused])
    store.inbox.record([reception(UNDECIDED)])
    store.take(A28)
    hold(store, held)
    store.desk.discard(discarded, told())
    store.desk.resolve(resolved, told())
    before = store.inbox.summary()
    numbers = [n for chunk in store.search.numbers(MessageFilter(), 3) for n in chunk]
    sifted = store.desk.sift(numbers)
    assert store.inbox.summary() == before
    assert sifted.replayed == [first, last]
    assert sifted.left_out == dict.fromkeys(set(LeftOut) - {LeftOut.CHANGED, LeftOut.PURGED}, 1)
    assert replay_all(store) == (2, dict(sifted.left_out))
    assert store.inbox.summary() == before | {"quarantined": before["quarantined"] - 2, "pending": 3}
    assert {e.message for e in store.trail.search(AuditQuery(action=AuditAction.MESSAGE_REPLAYED))} == {first, last}


def test_a_bulk_replay_that_is_broken_off_and_asked_again_has_no_double_effect(store):
    """What the first asking made pending is not asked for again, and everything ends as by one undisturbed replay."""
    raws = [patient_told("P0", "8000"), *(result(f"R{n}", f"8{n:03}", f"O{n}", when=n) for n in range(7))]
    store.process(*raws)
    before = numbered(v.item for v in store.worklist.items(None)), store.count(schema.outbox)
    chunks = store.search.numbers(MessageFilter(state="processed"), 3)
    store.desk.replay_many(next(chunks), "processed", replayed)
    assert replay_all(store, state="processed") == (5, {})
    assert claimed(store) == list(range(1, 9))
    assert replay_all(store, state="processed") == (0, {})
    store.process()
    assert (numbered(v.item for v in store.worklist.items(None)), store.count(schema.outbox)) == before
    assert exclusive(store)


def test_what_ended_otherwise_in_the_meantime_is_left_out(store):
    """A message found in quarantine that somebody else replayed with success is not replayed again."""
    quarantined, processed = store.process(UNDECIDED, A28)
    sifted = store.desk.replay_many([quarantined, processed], "quarantined", replayed)
    assert (sifted.replayed, sifted.left_out) == ([quarantined], {LeftOut.CHANGED: 1})


def test_what_is_purged_is_left_out(store):
    """A message without its bytes ends as it ended."""
    numbers = store.process(*undecided("U1", "U2"))
    with store.database.write() as connection:
        connection.execute(delete(schema.message_body).where(schema.message_body.c.message_id == numbers[0]))
    assert replay_all(store) == (1, {LeftOut.PURGED: 1})
    assert state(store, numbers[0]) is State.QUARANTINED
    assert exclusive(store)


def test_two_bulk_replays_at_once_replay_each_message_once(store, twin):
    """Each message is pending once, and one audit event says so."""
    store.process(*undecided(*(f"U{n}" for n in range(20))))
    counts = at_once(*(lambda s=s: replay_all(s, size=3, state="quarantined")[0] for s in (store, twin)))
    assert sum(counts) == 20
    assert len(store.trail.search(AuditQuery(action=AuditAction.MESSAGE_REPLAYED))) == 20
    assert exclusive(store)


# -- edit --------------------------------------------------------------------------------------------------------------


def edit(store, original, raw):
    edited = reception(raw, transport=Transport.OPERATOR)
    return store.desk.edit(original, edited, lambda ns: [told(AuditAction.MESSAGE_EDITED, n) for n in (original, *ns)])


def test_edited_bytes_are_a_message_of_their_own_that_refers_to_the_original(store):
    """The original keeps its bytes and is resolved; the edited one is no duplicate, takes effect; both are linked."""
    first, original = store.process(A28, UNDECIDED)
    hold(store, original)
    number = edit(store, original, A28)
    store.process()
    shown = store.inbox.show(number)
    assert (shown.outcome.state, shown.transport, shown.edited_from) == (State.PROCESSED, "operator", original)
    assert store.inbox.edits(original) == [number]
    assert store.inbox.raw(original) == UNDECIDED
    assert (state(store, original), store.inbox.show(original).resolved_at) == (State.QUARANTINED, NOW)
    assert store.found(held=True) == []
    (again,) = store.inbox.record([reception(A28)])
    assert again.duplicate_of == first
    edits = store.trail.search(AuditQuery(action=AuditAction.MESSAGE_EDITED))
    assert [e.message for e in edits] == [original, number]
    assert exclusive(store)


def test_an_edited_update_is_held_to_the_version_that_its_sender_saw(store):
    """If-Match of the original counts for the edited bytes too."""
    sent = replace(reception(UNDECIDED), expects=3)
    (original,) = (r.message for r in store.inbox.record([sent]))
    store.process()
    operator = Principal("account:nadia", PrincipalKind.PERSON, rights=frozenset(Right))
    operations = Operations(operator, store.inbox, store.search, store.desk, store.worklist, store.trail)
    number = operations.edit_and_replay(original, lambda _: reception(A28, transport=Transport.OPERATOR), "a test")
    assert store.inbox.show(number).expects == 3


def test_a_pending_original_ends_without_effect(store):
    """Only the edited bytes take effect; a held original is held no longer."""
    (original,) = store.take(A28)
    hold(store, original)
    number = edit(store, original, patient_told("C1", "8009"))
    store.process()
    outcome = store.inbox.outcome(original)
    assert (outcome.state, outcome.rule) == (State.IGNORED, "edited")
    assert state(store, number) is State.PROCESSED
    assert {row.value for row in store.rows(select(schema.identity.c.value))} == {"8009"}
    assert store.count(schema.message_hold) == 0
    assert exclusive(store)


# -- all together ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_whatever_operators_do_while_the_worker_runs_each_message_is_counted_once(store, twin, seed):
    """Acts in any order beside a running worker leave every message either pending or ended."""
    raws = [patient_told(f"C{n}", f"8{n % 7:03}", when=n) for n in range(30)] + undecided(*(f"U{n}" for n in range(10)))
    numbers = store.take(*raws, *(billing(f"B{n}", "8001") for n in range(5)))
    rng, over = random.Random(seed), threading.Event()
    acts = (
        hold,
        lambda s, n: s.desk.release(n, told()),
        lambda s, n: s.desk.discard(n, told()),
        lambda s, n: s.desk.resolve(n, told()),
        lambda s, n: s.inbox.replay(n, told()),
        lambda s, n: s.desk.replay_many([n, n + 1], "", replayed),
        lambda s, n: edit(s, n, raws[0]),
    )

    def operate():
        for _ in range(60):
            with suppress(StateConflict):
                rng.choice(acts)(twin, rng.choice(numbers))
        over.set()

    def work():
        worker = store.worker()
        while worker.run_once() or not over.is_set():
            pass

    at_once(operate, work)
    assert exclusive(store)
    for held in store.found(held=True):
        store.desk.release(held, told())
    store.process()
    assert store.inbox.summary()["pending"] == 0
    assert exclusive(store)
