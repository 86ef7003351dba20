"""What people do with a work item: who may do what to it as it stands, and how it stands then.

Each act is a function of the item alone; it gives the item as it is afterwards, or raises why not. Whoever calls it
numbers the version, writes the history and tells the bus (adapters/item_operations.py).
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from gateway.errors import AccessRefused, StateConflict
from gateway.worklist import Former, Hand, ItemKind, ItemState, Signature, WorkItem

MOST_PASSES = 2
"""Times that an item may be on one queue: it may come back once, and a third pass is a loop."""


class Deed(StrEnum):
    """What a person does to an item; its history names it."""

    CLAIM = "claim"
    RELEASE = "release"
    REASSIGN = "reassign"
    DONE = "done"
    ACKNOWLEDGE = "acknowledge"
    ACKNOWLEDGE_CLINICALLY = "acknowledge-clinically"
    HOLD = "hold"
    COMMENT = "comment"
    FORWARD = "forward"
    REOPEN = "reopen"
    UNDO = "undo"
    ADD = "add"
    CONVOKE = "convoke"
    """What was done with the convocation; the item follows."""
    WAKE = "wake"
    """Time is up for which it was on hold."""
    EXPIRE = "expire"
    """Who held it has done nothing with it for too long."""
    ESCALATE = "escalate"
    """It is late, and the next on its ladder is told."""


BY_TIME = frozenset({Deed.WAKE, Deed.EXPIRE, Deed.ESCALATE})
"""What nobody does, but time."""


def claimed(item: WorkItem, by: str, now: datetime) -> WorkItem:
    """Give the item in the hands of who claims it.

    Raises:
        StateConflict: somebody holds it already, says who; or there is nothing to do about it.

    """
    _require_open(item)
    if item.hand.holder:
        raise StateConflict(f"the item is held by {item.hand.holder}")
    return taken(item, by, now)


def taken(item: WorkItem, by: str, now: datetime) -> WorkItem:
    """Give the item in somebody's hands, whoever held it before."""
    _require_open(item)
    return replace(item, state=ItemState.CLAIMED, hand=replace(item.hand, holder=by, active_at=now, until=None))


def released(item: WorkItem, by: str) -> WorkItem:
    """Give the item as it lies on its queue again, for anybody.

    Raises:
        StateConflict: who gives it back does not hold it.

    """
    if item.hand.holder != by:
        raise StateConflict(f"the item is held by {item.hand.holder or 'nobody'}")
    return laid_down(item)


def laid_down(item: WorkItem) -> WorkItem:
    """Give the item in nobody's hands, and not on hold."""
    return replace(item, state=ItemState.NEW, hand=replace(item.hand, holder="", active_at=None, until=None))


def done(item: WorkItem, by: str) -> WorkItem:
    """Give the item as done.

    Raises:
        StateConflict: another holds it; it is a question, which a decision answers; or a critical result that no
            physician has acknowledged.

    """
    _require_own(item, by)
    if item.kind is ItemKind.IDENTITY:
        raise StateConflict("an identity question is answered by a decision of the identity desk")
    if item.critical and item.hand.reading is None:
        raise StateConflict("a critical result is done once a physician has acknowledged it")
    lying = laid_down(item)
    return replace(lying, state=ItemState.DONE, hand=replace(_seen(lying.hand, by), closer=by))


def acknowledged(item: WorkItem, by: str, now: datetime) -> WorkItem:
    """Give the result as received; nothing is said of its content.

    Raises:
        StateConflict: it is no result, or was acknowledged already.

    """
    _require_result(item)
    if item.hand.receipt is not None:
        raise StateConflict(f"receipt was acknowledged by {item.hand.receipt.by}")
    return _active(replace(item, hand=replace(_seen(item.hand, by), receipt=Signature(by, now))), by, now)


def read_clinically(item: WorkItem, by: str, now: datetime, *, clinical: bool) -> WorkItem:
    """Give the result as taken note of by a physician, which is also a receipt.

    Raises:
        AccessRefused: who acknowledges is no physician: a secretary works under one's authority.
        StateConflict: it is no result, or was acknowledged already.

    """
    if not clinical:
        raise AccessRefused("only a physician acknowledges clinically")
    _require_result(item)
    if item.hand.reading is not None:
        raise StateConflict(f"the result was acknowledged by {item.hand.reading.by}")
    signature = Signature(by, now)
    hand = replace(_seen(item.hand, by), reading=signature, receipt=item.hand.receipt or signature)
    return _active(replace(item, hand=hand), by, now)


def put_on_hold(item: WorkItem, by: str, now: datetime, until: datetime) -> WorkItem:
    """Give the item as put aside until a time, which its queue shows; then it lies on its queue again.

    Raises:
        StateConflict: another holds it, or the time is past.

    """
    _require_own(item, by)
    if until <= now:
        raise StateConflict("a time to come is expected")
    return replace(item, state=ItemState.ON_HOLD, hand=replace(item.hand, holder="", active_at=None, until=until))


def commented(item: WorkItem, by: str, now: datetime) -> WorkItem:
    """Give the item with one more step in its history; what is commented need not be open."""
    return _active(item, by, now)


def forwarded(item: WorkItem, by: str, to: str) -> WorkItem:
    """Give the item on another secretariat's queue, in nobody's hands.

    It may come back; a third pass through one queue is a loop, and somebody must decide.

    Raises:
        StateConflict: another holds it, it is there, it would pass a third time, or it is the identity desk's question.

    """
    _require_own(item, by)
    if item.kind is ItemKind.IDENTITY:
        raise StateConflict("an identity question stays with the identity desk")
    if to == item.secretariat:
        raise StateConflict("the item is on this secretariat's queue")
    passed = (*item.hand.passed, item.secretariat)
    if passed.count(to) >= MOST_PASSES:
        raise StateConflict("the item was on that secretariat's queue twice: it goes round in a circle")
    lying = laid_down(item)
    return replace(lying, secretariat=to, hand=replace(lying.hand, passed=passed))


def reopened(item: WorkItem) -> WorkItem:
    """Give what was done as to be done again, its result to be acknowledged again.

    Raises:
        StateConflict: it is not done.

    """
    if item.state is not ItemState.DONE:
        raise StateConflict("only what is done is opened again")
    return replace(item, state=ItemState.NEW, hand=Hand(passed=item.hand.passed, saw=item.hand.saw))


def undone(item: WorkItem, by: str, last_by: str, former: Former | None) -> WorkItem:
    """Give the item as it was before the last act on it.

    Args:
        item: as it stands.
        by: who undoes.
        last_by: who took the last step.
        former: what that step changed, as it was; None: it was no act, or one that is not undone.

    Raises:
        StateConflict: the last step was no act that can be undone.
        AccessRefused: it was somebody else's.

    """
    if former is None:
        raise StateConflict("the last step is not one that can be undone")
    if last_by != by:
        raise AccessRefused("one's own last act is undone, nobody else's")
    return replace(
        item,
        state=former.state,
        secretariat=former.secretariat,
        priority=former.priority,
        due=former.due,
        hand=former.hand,
        escalation=former.escalation,
    )


def _seen(hand: Hand, by: str) -> Hand:
    """Give what people have made of an item once somebody has seen what stands there now."""
    return replace(hand, saw=tuple(who for who in hand.saw if who != by))


def _active(item: WorkItem, by: str, now: datetime) -> WorkItem:
    return replace(item, hand=replace(item.hand, active_at=now)) if item.hand.holder == by else item


def _require_open(item: WorkItem) -> None:
    if not item.open:
        raise StateConflict(f"the item is {item.state}")


def _require_own(item: WorkItem, by: str) -> None:
    _require_open(item)
    if item.hand.holder not in {"", by}:
        raise StateConflict(f"the item is held by {item.hand.holder}")


def _require_result(item: WorkItem) -> None:
    if item.kind is not ItemKind.RESULT:
        raise StateConflict("only a result is acknowledged")
    if item.state is ItemState.WITHDRAWN:
        raise StateConflict("the result was withdrawn")
