"""A stay as its movements make it: what was told of them is kept, and where the stay stands follows from that alone.

That is why the movements of one source end in the same stay in whatever order they come (promise P3), why a cancelled
movement gives back what was there before it, and why a movement entered into history moves nobody.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from gateway.facts import Expected, Movement, MovementAct, Pending, VisitReported, VisitState

MOST_MOVEMENTS: Final = 200
"""Tellings that are kept of a stay (promise P9): beyond it the oldest are forgotten."""

_SITUATION = ("patient_class", "unit", "care_unit", "location")
"""What a movement that leaves it empty leaves as it was (HL7 2.5.1 §2.5.3)."""


@dataclass(slots=True)
class _Course:
    """One movement as all that was told of it makes it.

    Attributes:
        last: what was told last, completed by what was told before.
        first: what was told first; None while only its cancellation is known.
        cancelled: what took it back, if it is.

    """

    last: Movement
    first: Movement | None
    cancelled: Movement | None = None

    @property
    def place(self) -> tuple[datetime, datetime, int]:
        """Where the movement stands among the others: by its own time, but none later than it was told."""
        first = self.first or self.last
        return min(self.last.moved_at or first.told_at, first.told_at), first.told_at, first.message


def movement_told(fact: VisitReported, source: str, message: int, told_at: datetime) -> Movement:
    """Give what a message tells of a movement."""
    return Movement(
        source=source,
        message=message,
        told_at=told_at,
        act=fact.act,
        id=fact.movement,
        event=fact.event,
        state=fact.state,
        patient_class=fact.patient_class,
        unit=fact.unit,
        care_unit=fact.care_unit,
        location=fact.location,
        start=fact.start,
        moved_at=fact.moved_at,
        historic=fact.historic,
        circumstances=fact.circumstances,
        expected=fact.expected,
        remarks=fact.remarks,
    )


def with_movement(movements: Iterable[Movement], told: Movement) -> tuple[Movement, ...]:
    """Give the movements with one more; the same message told again takes its own place, and keeps its time."""
    others, again = [], None
    for each in movements:
        if (each.source, each.message) == (told.source, told.message):
            again = each
        else:
            others.append(each)
    kept = replace(told, told_at=again.told_at) if again else told
    return tuple(sorted([*others, kept], key=_by_telling)[-MOST_MOVEMENTS:])


def stands(movements: Iterable[Movement], source: str) -> Movement | None:
    """Give where the stay stands by what one source told; None if that is not known.

    The state, unit and place are those after its last movement; ``message`` is the message that they follow from.
    """
    courses = _courses(m for m in movements if m.source == source)
    bound = max((c.place for c in courses if not c.last.historic), default=None)
    live = [c for c in courses if c.cancelled is None and bound is not None and c.place <= bound]
    now: Movement | None = None
    for course in sorted(live, key=lambda c: c.place):
        now = _after(course.last, now)
    place = max((c.place for c in live), default=None)
    back = [
        c.cancelled for c in courses if c.cancelled and not c.cancelled.historic and (not place or c.place >= place)
    ]
    last = max(back, key=_by_telling, default=None)
    if last is None or (now is not None and _by_telling(last) < _by_telling(now)):
        return now
    return _given_back(last, now)


def stood(stay: VisitReported, now: Movement | None, movements: tuple[Movement, ...]) -> VisitReported:
    """Give the stay as it stands now, with its movements; where that is not known, as its history has it."""
    if now is None:
        return replace(stay, movements=movements, historic=True)
    return replace(
        stay,
        state=now.state,
        patient_class=now.patient_class,
        unit=now.unit,
        care_unit=now.care_unit,
        location=now.location,
        start=now.start,
        movement=now.id,
        historic=False,
        moved_at=now.moved_at,
        act=now.act,
        event=now.event,
        circumstances=now.circumstances,
        expected=now.expected,
        remarks=now.remarks,
        movements=movements,
    )


def _by_telling(movement: Movement) -> tuple[datetime, int]:
    return movement.told_at, movement.message


def _courses(told: Iterable[Movement]) -> list[_Course]:
    found: list[_Course] = []
    for each in _each_once(sorted(told, key=_by_telling)):
        course = _course_of(each, found)
        if each.act is MovementAct.CANCEL:
            _cancel(each, course, found)
        elif course is None:
            found.append(_Course(each, each))
        else:
            update = each.act is MovementAct.UPDATE and course.first is not None
            course.last = _completed(each, course.last) if update else each
            course.first, course.cancelled = course.first or each, None
    return found


def _each_once(told: Iterable[Movement]) -> Iterator[Movement]:
    """The tellings without what a sender repeated: without a number, a second A12 would take back another transfer."""
    seen: set[Movement] = set()
    for each in told:
        content = replace(each, message=0)
        if each.id or content not in seen:
            yield each
        seen.add(content)


def _course_of(told: Movement, found: Sequence[_Course]) -> _Course | None:
    """The movement of which this is told: by its number, else the last one of its event that it may change."""
    if told.id:
        return next((c for c in found if c.last.id == told.id), None)
    if told.act is MovementAct.INSERT:
        return None
    alike = [c for c in found if c.cancelled is None and c.last.event == told.event]
    return max(alike, key=lambda c: c.place, default=None)


def _cancel(told: Movement, course: _Course | None, found: list[_Course]) -> None:
    if course is None:
        course = _Course(told, None)
        found.append(course)
    course.cancelled = told
    if told.state in {VisitState.CANCELLED, VisitState.PLANNED}:  # no movement of a stay outlives its admission
        for other in found:
            if other.place >= course.place:
                other.cancelled = other.cancelled or told


def _completed(told: Movement, before: Movement) -> Movement:
    unsaid = {name: getattr(before, name) for name in _SITUATION if not getattr(told, name)}
    if told.state is None:
        unsaid |= {"state": before.state, "start": told.start or before.start}
        unsaid["moved_at"] = told.moved_at or before.moved_at
    unsaid["expected"] = _still_expected(told, before)
    return replace(told, circumstances=told.circumstances.over(before.circumstances), **unsaid)


def _still_expected(told: Movement, before: Movement) -> tuple[Expected, ...]:
    """What is expected after a movement: a transfer until the place changes, all until the patient has left."""
    if told.state in {VisitState.DISCHARGED, VisitState.CANCELLED}:
        return ()
    came = {e.what for e in told.expected}
    if any(new and new != old for new, old in ((told.unit, before.unit), (told.location, before.location))):
        came.add(Pending.TRANSFER)
    return (*(e for e in before.expected if e.what not in came), *told.expected)


def _after(movement: Movement, before: Movement | None) -> Movement:
    return _completed(movement, before) if before is not None else movement


def _given_back(cancelling: Movement, before: Movement | None) -> Movement:
    """Where the stay stands once a movement is cancelled: as the message says, else as before that movement."""
    if before is None:
        return cancelling
    given = _completed(cancelling, before)
    if cancelling.state is VisitState.ADMITTED and before.state is VisitState.ON_LEAVE:
        return replace(given, state=before.state)  # a transfer taken back brings nobody back from leave
    return given
