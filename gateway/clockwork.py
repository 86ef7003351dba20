"""What time does to items: what was put on hold is taken up, what idle hands hold is free, who is told what is late.

A turn takes one step with each item that is due for one, and is decided like a batch: in memory, from the items as they
stand, so that whoever decides it again after a failure decides the same. A step is a version, a step of the item's
history, a bus message and an audit event.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.act import Act
from gateway.audit import AuditAction
from gateway.deadline import ALARM, COVER, Deadline
from gateway.errors import TroubleError
from gateway.facts import Priority
from gateway.handling import Deed, laid_down
from gateway.pipeline import Changes, Decider
from gateway.site import Site, Source, SourceRole
from gateway.state import State
from gateway.worklist import ESCALATED, UNTOUCHED, Escalation, ItemKind, ItemState, WorkItem

AGAIN = timedelta(minutes=15)
"""When an item is looked at again that nobody need be told of now: what answered it may be undone."""

_TIME = Source("clockwork", SourceRole.DEPARTMENT)
"""Who tells what time does: no source of the site's."""


@dataclass(slots=True)
class Turn:
    """What one turn writes.

    Attributes:
        changes: as of a batch.
        later: escalation, by item, of those that nobody is told of now; it makes no version.

    """

    changes: Changes = field(default_factory=Changes)
    later: dict[str, Escalation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Clockwork:
    """Turns the clock of one site's items.

    Attributes:
        decider: publishes what follows.
        lease: how long who holds an item may do nothing with it; None: for ever.

    """

    decider: Decider
    lease: timedelta | None

    def turn(self, state: State, items: Iterable[str], now: datetime) -> Turn:
        """Take the step that is due now with each of these items; one that fails is looked at later, and audited.

        Args:
            state: the items and all others about their objects, with records and people.
            items: ids of those that may be due, the most pressing first.
            now: aware instant.

        """
        turn = Turn()
        for item_id in items:
            if (item := state.items.get(item_id)) is not None:
                self._take(state, item, now, turn)
        return turn

    def _take(self, state: State, item: WorkItem, now: datetime, turn: Turn) -> None:
        at = max(now, item.updated_at)  # our clock may have gone back
        act = Act(self.decider.site, state, _TIME, item.source_message, "", None, at, self.decider.new_id)
        own = Turn()
        try:
            self._step(act, item, now, own)
            self.decider.publish(act, own.changes)
        except TroubleError:
            raise
        except Exception as fault:  # noqa: BLE001 - it must not stop the others, nor be tried again at once; it is audited
            state.roll_back()
            act.events.clear()
            own = Turn(later={item.id: replace(item.escalation, next_at=now + AGAIN)})
            act.record(
                AuditAction.ITEM_STEP_FAILED,
                patients=(item.identity,),
                entities=(f"item/{item.id}",),
                fault=type(fault).__name__,
            )
        turn.changes.add(own.changes)
        turn.changes.audit.extend(act.events)
        turn.later |= own.later
        state.mark()

    def _step(self, act: Act, item: WorkItem, now: datetime, own: Turn) -> None:
        hand, next_at = item.hand, item.escalation.next_at
        if item.state is ItemState.ON_HOLD and hand.until is not None and hand.until <= now:
            _put(act, Deed.WAKE, AuditAction.ITEM_WOKEN, laid_down(item))
        elif self._idle(item, now):
            _put(act, Deed.EXPIRE, AuditAction.ITEM_LEASE_ENDED, laid_down(item), holder=hand.holder)
        elif item.open and next_at is not None and next_at <= now:
            if (later := _later(act, item, now)) is not None:
                own.later[item.id] = later
            else:
                _escalate(act, item, now)

    def _idle(self, item: WorkItem, now: datetime) -> bool:
        active = item.hand.active_at
        return (
            self.lease is not None and item.state is ItemState.CLAIMED and bool(active and active <= now - self.lease)
        )


def timed_again(site: Site, item: WorkItem, now: datetime) -> WorkItem:
    """Give an item that was opened again with a due time from now on, by the deadline that it had.

    What was to be done before something else began keeps its time, and so does what no deadline of the site is for.
    """
    deadline = site.deadline(item.escalation.deadline)
    if deadline is None:
        return item
    due = site.due(deadline, item.secretariat, now, None) or item.due
    return replace(item, due=due, escalation=replace(item.escalation, rungs=0, next_at=due, alarmed=False))


def _later(act: Act, item: WorkItem, now: datetime) -> Escalation | None:
    """Give how time presses on an item that nobody is told of now; None where somebody is.

    It is answered, by whoever has it or a copy of it; its ladder is at its end; or it was put aside, which a critical
    result cannot be.
    """
    escalation = item.escalation
    if any(_answers(item, copy) for copy in act.state.items_about(item.focus)):
        return replace(escalation, next_at=now + AGAIN, alarmed=False)
    if escalation.rungs and _rung(act, item, _ladder(act.site, item), now) is None:
        return replace(escalation, next_at=now + AGAIN, alarmed=escalation.alarmed or ALARM in _ladder(act.site, item))
    if item.state is ItemState.ON_HOLD and not item.critical:
        return replace(escalation, next_at=item.hand.until)
    return None


def _answers(item: WorkItem, copy: WorkItem) -> bool:
    """Whether an item is answered by itself or a copy: a result by any, other work by who was told that it is late."""
    counts = copy.id == item.id or copy.kind is ItemKind.RESULT or copy.rule == ESCALATED
    return counts and copy.state is not ItemState.WITHDRAWN and copy.answered


def _ladder(site: Site, item: WorkItem) -> tuple[str, ...]:
    deadline = site.deadline(item.escalation.deadline)
    return deadline.ladder if deadline is not None else ()


@dataclass(frozen=True, slots=True)
class _Rung:
    """The next rung of a ladder that somebody stands on.

    Attributes:
        number: its place, from 1.
        to: the secretariat that is told; empty: the alarm.

    """

    number: int
    to: str


def _rung(act: Act, item: WorkItem, ladder: tuple[str, ...], now: datetime) -> _Rung | None:
    """Give the next rung on which somebody is who has not been told of the object; None at the ladder's end."""
    for number, rung in enumerate(ladder, start=1):
        if number <= item.escalation.rungs:
            continue
        if rung == ALARM:
            return _Rung(number, "")
        to = _covering(act.site, item, now) if rung == COVER else rung
        if to and not _told(act.state, item, to):
            return _Rung(number, to)
    return None


def _covering(site: Site, item: WorkItem, now: datetime) -> str:
    """Give who covers for an item's secretariat while it is closed; empty while it is open, or nobody does."""
    found = site.covering(item.secretariat, now)
    return found if found != item.secretariat else ""


def _told(state: State, item: WorkItem, secretariat: str) -> bool:
    about = (i for i in state.items_about(item.focus) if i.state is not ItemState.WITHDRAWN)
    return any(secretariat in {i.secretariat, i.routed_to} for i in about)


def _escalate(act: Act, item: WorkItem, now: datetime) -> None:
    """Let an item be known as late, and whoever stands on the next rung have it as well."""
    ladder, deadline = _ladder(act.site, item), act.site.deadline(item.escalation.deadline)
    rung = _rung(act, item, ladder, now)
    number = rung.number if rung else max(len(ladder), 1)
    escalation = replace(
        item.escalation,
        rungs=number,
        next_at=_next(deadline, ladder, number, now),
        alarmed=rung is not None and not rung.to,
    )
    late = replace(item, priority=_raised(item.priority), escalation=escalation)
    to = rung.to if rung else ""
    _put(act, Deed.ESCALATE, AuditAction.ITEM_ESCALATED, late, rung=number, to=to or (ALARM if rung else ""))
    if to:
        _copy(act, late, to)


def _next(deadline: Deadline | None, ladder: tuple[str, ...], number: int, now: datetime) -> datetime | None:
    """Give when the next rung is reached; after the alarm, when it is seen whether somebody answered."""
    if deadline is None or not ladder:
        return None
    return now + (deadline.rung if number < len(ladder) else AGAIN)


def _raised(priority: Priority) -> Priority:
    return Priority.URGENT if priority is Priority.ROUTINE else priority


def _copy(act: Act, late: WorkItem, secretariat: str) -> None:
    """Give a secretariat an item of its own about the object; the late one's ladder goes on, and not twice."""
    known = next((i for i in act.state.items_about(late.focus) if i.routed_to == secretariat), None)
    copy = replace(
        late,
        id=known.id if known else act.new_id(),
        version=known.version if known else 0,
        created_at=known.created_at if known else act.now,
        secretariat=secretariat,
        origin=secretariat,
        state=ItemState.NEW,
        rule=ESCALATED,
        reason="",
        hand=UNTOUCHED,
        escalation=replace(late.escalation, next_at=None, alarmed=False),
    )
    _put(act, Deed.ESCALATE, AuditAction.ITEM_CREATED, copy)


def _put(act: Act, deed: Deed, action: AuditAction, item: WorkItem, **detail: str | int) -> None:
    act.deed = deed
    changed = replace(item, version=item.version + 1, updated_at=act.now)
    act.state.put_item(changed)
    act.record(
        action,
        patients=(item.identity,),
        entities=(f"item/{item.id}", f"secretariat/{item.secretariat}"),
        kind=item.kind,
        state=item.state,
        priority=item.priority,
        version=changed.version,
        **detail,
    )
