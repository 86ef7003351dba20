"""What people may do with an item, as it stands."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from gateway.errors import AccessRefused, StateConflict
from gateway.facts import Priority
from gateway.handling import (
    acknowledged,
    claimed,
    done,
    forwarded,
    put_on_hold,
    read_clinically,
    released,
    reopened,
    taken,
    undone,
)
from gateway.worklist import CRITICAL_RESULT, ItemKind, ItemState, Signature, WorkItem

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
NADIA, OMAR = "account:nadia", "account:omar"
ITEM = WorkItem(
    id="1",
    kind=ItemKind.RESULT,
    secretariat="cardiology",
    priority=Priority.ROUTINE,
    state=ItemState.NEW,
    identity="i",
    focus="f",
    title="result.final",
    detail="",
    rule="r",
    reason="",
    source_message=1,
    version=1,
    created_at=NOW,
    updated_at=NOW,
)


def test_who_claims_holds_and_the_next_is_told_who():
    """The second who claims is refused, by the holder's name."""
    mine = claimed(ITEM, NADIA, NOW)
    assert (mine.state, mine.hand.holder, mine.hand.active_at) == (ItemState.CLAIMED, NADIA, NOW)
    with pytest.raises(StateConflict, match=NADIA):
        claimed(mine, OMAR, NOW)
    assert released(mine, NADIA) == ITEM
    with pytest.raises(StateConflict, match=NADIA):
        released(mine, OMAR)
    assert taken(mine, OMAR, NOW).hand.holder == OMAR


@pytest.mark.parametrize(
    "act",
    [
        lambda i: done(i, OMAR),
        lambda i: put_on_hold(i, OMAR, NOW, NOW + timedelta(days=1)),
        lambda i: forwarded(i, OMAR, "radiology"),
    ],
)
def test_what_another_holds_is_left_alone(act):
    """Done, on hold and forwarded are the holder's to say; of a lying item they are anybody's."""
    with pytest.raises(StateConflict, match=NADIA):
        act(claimed(ITEM, NADIA, NOW))
    assert act(ITEM).hand.holder == ""


@pytest.mark.parametrize("state", [ItemState.DONE, ItemState.WITHDRAWN])
def test_what_is_over_is_not_claimed(state):
    """There is nothing to do about it."""
    with pytest.raises(StateConflict):
        claimed(replace(ITEM, state=state), NADIA, NOW)


def test_receipt_and_reading_are_two_acts_and_only_a_physician_reads():
    """A secretary's receipt says nothing of the content; a physician's reading is also a receipt."""
    received = acknowledged(ITEM, NADIA, NOW)
    assert (received.hand.receipt, received.hand.reading) == (Signature(NADIA, NOW), None)
    with pytest.raises(StateConflict, match=NADIA):
        acknowledged(received, OMAR, NOW)
    with pytest.raises(AccessRefused):
        read_clinically(ITEM, NADIA, NOW, clinical=False)
    read = read_clinically(ITEM, OMAR, NOW, clinical=True)
    assert read.hand.receipt == read.hand.reading == Signature(OMAR, NOW)
    assert read_clinically(received, OMAR, NOW, clinical=True).hand.receipt == Signature(NADIA, NOW)
    with pytest.raises(StateConflict):
        acknowledged(replace(ITEM, kind=ItemKind.CONVOCATION), NADIA, NOW)


def test_a_critical_result_is_done_once_a_physician_has_acknowledged_it():
    """A secretary's receipt is not enough."""
    critical = replace(ITEM, title=CRITICAL_RESULT)
    with pytest.raises(StateConflict):
        done(acknowledged(critical, NADIA, NOW), NADIA)
    assert done(read_clinically(critical, OMAR, NOW, clinical=True), NADIA).state is ItemState.DONE


def test_an_identity_question_is_neither_done_nor_forwarded():
    """It is answered by a decision of the identity desk."""
    question = replace(ITEM, kind=ItemKind.IDENTITY)
    for act in (lambda: done(question, NADIA), lambda: forwarded(question, NADIA, "radiology")):
        with pytest.raises(StateConflict):
            act()


def test_a_time_that_is_past_is_no_time_to_hold_until():
    """What would wake at once is refused."""
    with pytest.raises(StateConflict):
        put_on_hold(ITEM, NADIA, NOW, NOW)
    held = put_on_hold(claimed(ITEM, NADIA, NOW), NADIA, NOW, NOW + timedelta(days=1))
    assert (held.state, held.hand.holder, held.hand.until) == (ItemState.ON_HOLD, "", NOW + timedelta(days=1))


def test_an_item_may_come_back_but_not_go_round():
    """Forwarded and sent back is allowed; a third time on one queue is a loop."""
    there = forwarded(ITEM, NADIA, "radiology")
    back = forwarded(there, OMAR, "cardiology")
    again = forwarded(back, NADIA, "radiology")
    with pytest.raises(StateConflict):
        forwarded(again, OMAR, "cardiology")
    assert forwarded(again, OMAR, "surgery").secretariat == "surgery"
    with pytest.raises(StateConflict):
        forwarded(ITEM, NADIA, "cardiology")


def test_what_is_reopened_is_to_be_acknowledged_again():
    """Only what is done is opened again, and in nobody's hands."""
    over = done(acknowledged(claimed(ITEM, NADIA, NOW), NADIA, NOW), NADIA)
    assert reopened(over) == ITEM
    with pytest.raises(StateConflict):
        reopened(ITEM)


def test_ones_own_last_act_is_undone_and_nobody_elses():
    """Everything that the act changed is as it was."""
    before = claimed(ITEM, NADIA, NOW)
    after = forwarded(before, NADIA, "radiology")
    assert undone(after, NADIA, NADIA, before.former) == before
    with pytest.raises(AccessRefused):
        undone(after, OMAR, NADIA, before.former)
    with pytest.raises(StateConflict):
        undone(after, NADIA, NADIA, None)


def test_the_order_is_total_and_puts_first_what_is_critical_and_overdue():
    """Priority, then due time, then age, whatever order the items come in; no due time comes last."""
    stat, urgent = Priority.STAT, Priority.URGENT
    ordered = [
        replace(ITEM, priority=stat, due=NOW - timedelta(hours=1), created_at=NOW),
        replace(ITEM, priority=stat, due=NOW + timedelta(hours=1), created_at=NOW - timedelta(days=9)),
        replace(ITEM, priority=stat, created_at=NOW - timedelta(days=9)),
        replace(ITEM, priority=urgent, due=NOW - timedelta(days=30)),
        replace(ITEM, created_at=NOW - timedelta(microseconds=1)),
        ITEM,
    ]
    for shuffled in permutations(ordered):
        assert sorted(shuffled, key=lambda i: i.place) == ordered
