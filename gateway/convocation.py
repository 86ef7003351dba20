"""Convocations: what a patient is told of an appointment or a planned stay, from its preparation to the day itself.

All convocations of one appointment are kept together, so that one at most is live. What is to be done follows from two
things alone: how the appointment stands now, and what the patient has been told (DECISIONS). Nothing depends on how it
came to stand so: any order and repetition of an appointment's messages ends in the same live convocation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from gateway.errors import StateConflict
from gateway.facts import AppointmentStatus, VisitState
from gateway.principal import WORKER
from gateway.reach import NEVER, Channel, Reach, Reason


class ConvocationKind(StrEnum):
    """What the patient is convened to."""

    CONSULTATION = "consultation"
    ADMISSION = "admission"
    SURGERY = "surgery"
    EXAMINATION = "examination"
    VIRTUAL = "virtual"


class Standing(StrEnum):
    """How an appointment stands, to who is to come."""

    WAITING = "waiting"
    BOOKED = "booked"
    CANCELLED = "cancelled"
    CAME = "came"
    MISSED = "missed"


STANDINGS: Mapping[AppointmentStatus | VisitState, Standing] = {
    AppointmentStatus.PROPOSED: Standing.WAITING,
    AppointmentStatus.PENDING: Standing.WAITING,
    AppointmentStatus.WAITLIST: Standing.WAITING,
    AppointmentStatus.BOOKED: Standing.BOOKED,
    AppointmentStatus.ARRIVED: Standing.CAME,
    AppointmentStatus.CHECKED_IN: Standing.CAME,
    AppointmentStatus.FULFILLED: Standing.CAME,
    AppointmentStatus.CANCELLED: Standing.CANCELLED,
    AppointmentStatus.ENTERED_IN_ERROR: Standing.CANCELLED,
    AppointmentStatus.NOSHOW: Standing.MISSED,
    VisitState.PLANNED: Standing.BOOKED,
    VisitState.ADMITTED: Standing.CAME,
    VisitState.ON_LEAVE: Standing.CAME,
    VisitState.DISCHARGED: Standing.CAME,
    VisitState.CANCELLED: Standing.CANCELLED,
}


class Holds(StrEnum):
    """What the patient has been told last, held against what is so now."""

    NOTHING = "nothing"
    THIS = "this"
    OTHER = "other"
    CANCELLATION = "cancellation"


class Outcome(StrEnum):
    """What is to be done."""

    SCHEDULE = "schedule"
    """A date is to be found; no letter."""
    GENERATE = "generate"
    """The patient is to be told; what was prepared and has not left is replaced."""
    CORRECT = "correct"
    """What the patient was told is wrong now: « annule et remplace »."""
    KEEP = "keep"
    """The patient knows."""
    CANCEL = "cancel"
    """The patient knows of an appointment that is no more, and is to be told so."""
    WITHDRAW = "withdraw"
    """Nothing is to be told any more."""
    CLOSE = "close"
    """The patient came."""
    MISS = "miss"
    """The patient did not come, and nothing follows."""
    FOLLOW_UP = "follow-up"
    """The patient did not come, and is to be asked why."""
    ANOMALY = "anomaly"
    """Booked for a time that is past: no letter, a person looks."""
    DOUBLE = "double"
    """Another appointment of the patient begins there and then: perhaps the same one from two agendas."""
    NEVER = "never"
    """The patient has died, or is no human being: nobody is told anything any more."""


DECISIONS: Mapping[tuple[Standing, Holds], Outcome] = {
    (Standing.WAITING, Holds.NOTHING): Outcome.SCHEDULE,
    (Standing.WAITING, Holds.THIS): Outcome.CANCEL,
    (Standing.WAITING, Holds.OTHER): Outcome.CANCEL,
    (Standing.WAITING, Holds.CANCELLATION): Outcome.SCHEDULE,
    (Standing.BOOKED, Holds.NOTHING): Outcome.GENERATE,
    (Standing.BOOKED, Holds.THIS): Outcome.KEEP,
    (Standing.BOOKED, Holds.OTHER): Outcome.CORRECT,
    (Standing.BOOKED, Holds.CANCELLATION): Outcome.GENERATE,
    (Standing.CANCELLED, Holds.NOTHING): Outcome.WITHDRAW,
    (Standing.CANCELLED, Holds.THIS): Outcome.CANCEL,
    (Standing.CANCELLED, Holds.OTHER): Outcome.CANCEL,
    (Standing.CANCELLED, Holds.CANCELLATION): Outcome.KEEP,
    **{(Standing.CAME, holds): Outcome.CLOSE for holds in Holds},
    **{(Standing.MISSED, holds): Outcome.MISS for holds in Holds},
}
"""What is to be done, by how the appointment stands and what the patient holds."""


class Notice(StrEnum):
    """What a convocation says."""

    INVITATION = "invitation"
    CORRECTION = "correction"
    CANCELLATION = "cancellation"


class ConvocationState(StrEnum):
    """Where a convocation stands in its life."""

    TO_PREPARE = "to-prepare"
    PRINTED = "printed"
    SENT = "sent"
    CONFIRMED = "confirmed"
    RETURNED = "returned"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    HONOURED = "honoured"
    NO_SHOW = "no-show"


LIVE = frozenset(
    {
        ConvocationState.TO_PREPARE,
        ConvocationState.PRINTED,
        ConvocationState.SENT,
        ConvocationState.CONFIRMED,
        ConvocationState.RETURNED,
    }
)
"""States of a convocation that is the one of its appointment."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a patient is told; another content is another letter.

    Attributes:
        start: when; None: no time is set yet.
        unit: unit code that receives the patient.
        place: place, as shown to people.
        practitioner: practitioner, as shown to people.
        service_code: kind of appointment or exam.
        service: the same, for people.
        notes: instructions to the patient.

    """

    start: datetime | None = None
    unit: str = ""
    place: str = ""
    practitioner: str = ""
    service_code: str = ""
    service: str = ""
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A state that a convocation came to.

    Attributes:
        state: which.
        at: aware instant.
        by: principal id.

    """

    state: ConvocationState
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Printing:
    """A letter as it was printed: with the same template and fields come the same bytes.

    Attributes:
        at: aware instant.
        by: principal id.
        template: name of the template.
        version: its version.
        fields: what was written in it.
        sha256: hex digest of the PDF.

    """

    at: datetime
    by: str
    template: str
    version: str
    fields: Mapping[str, str]
    sha256: str


@dataclass(frozen=True, slots=True)
class Convocation:
    """One notice to the patient.

    Attributes:
        number: 1 for the appointment's first that left, and so on.
        notice: what it says.
        content: the appointment as it tells it; of a cancellation, the one that is no more.
        reach: how and whom.
        steps: the states that it came to, in order; one at least.
        replaces: number of the one that it annuls; 0 if none.
        recipient: lines of the address that it went to.
        printings: each time that it was printed.

    """

    number: int
    notice: Notice
    content: Content
    reach: Reach
    steps: tuple[Step, ...]
    replaces: int = 0
    recipient: tuple[str, ...] = ()
    printings: tuple[Printing, ...] = ()

    @property
    def state(self) -> ConvocationState:
        """Where it stands."""
        return self.steps[-1].state

    @property
    def live(self) -> bool:
        """Whether it is the one that counts."""
        return self.state in LIVE

    @property
    def left(self) -> bool:
        """Whether it has left the house: a printed letter may be in the post whoever says so."""
        return any(s.state in LIVE and s.state is not ConvocationState.TO_PREPARE for s in self.steps)

    @property
    def missed_by_hand(self) -> bool:
        """Whether a person said that the patient did not come."""
        return self.state is ConvocationState.NO_SHOW and self.steps[-1].by != WORKER.id

    @property
    def stood(self) -> ConvocationState:
        """The last live state that it was in."""
        return next(s.state for s in reversed(self.steps) if s.state in LIVE)

    def came_to(self, state: ConvocationState, at: datetime, by: str) -> "Convocation":
        """Give it in another state; in the same one if it is there already."""
        return self if self.state is state else replace(self, steps=(*self.steps, Step(state, at, by)))


@dataclass(frozen=True, slots=True)
class Wanted:
    """An appointment or planned stay as it asks for a convocation now.

    Attributes:
        standing: how it stands.
        content: what is to be told.
        kind: what to.
        at_request: it was cancelled because the patient asked for it.
        follow_up: a patient who does not come is to be asked why.
        double: another appointment of the patient is there and then.

    """

    standing: Standing
    content: Content
    kind: ConvocationKind = ConvocationKind.CONSULTATION
    at_request: bool = False
    follow_up: bool = False
    double: bool = False


@dataclass(frozen=True, slots=True)
class Convocations:
    """All convocations of one appointment or planned stay.

    Attributes:
        appointment: id of the object (appointment or stay) that they are of; theirs too.
        identity: the identity record that it came by.
        kind: what the patient is convened to.
        outcome: what was decided last.
        reach: how and whom, as decided last.
        each: in order: those that have left, and perhaps one that has not.
        version: rises with each change.
        updated_at: aware instant of the last change.

    """

    appointment: str
    identity: str
    kind: ConvocationKind
    outcome: Outcome
    reach: Reach
    each: tuple[Convocation, ...]
    version: int
    updated_at: datetime

    @property
    def live(self) -> Convocation | None:
        """The one that counts."""
        return next((c for c in self.each if c.live), None)

    @property
    def last(self) -> Convocation | None:
        """The live one, else the last one."""
        return self.live or next(reversed(self.each), None)

    @property
    def open(self) -> bool:
        """Whether what is learnt of the patient may still change it."""
        return self.outcome not in {Outcome.WITHDRAW, Outcome.CLOSE, Outcome.MISS}

    @property
    def to_do(self) -> bool:
        """Whether a secretary has to act."""
        if self.outcome is Outcome.KEEP:
            return self.live is not None and self.live.state is ConvocationState.PRINTED
        return self.outcome not in {Outcome.WITHDRAW, Outcome.CLOSE, Outcome.MISS, Outcome.NEVER}

    @property
    def title(self) -> str:
        """What a secretary reads of it: the last word of a key of the text catalogue."""
        if self.outcome is Outcome.KEEP:
            return "printed" if self.to_do else "sent"
        by_channel = _TITLES_BY_CHANNEL.get(self.outcome)
        if by_channel is None:
            return _TITLES[self.outcome]
        return "to-complete" if self.reach.incomplete else by_channel[self.reach.channel]


_TITLES = {
    Outcome.SCHEDULE: "to-schedule",
    Outcome.WITHDRAW: "cancelled",
    Outcome.CLOSE: "closed",
    Outcome.MISS: "closed",
    Outcome.FOLLOW_UP: "no-show",
    Outcome.ANOMALY: "past-start",
    Outcome.DOUBLE: "double",
    Outcome.NEVER: "never",
}
_TITLES_BY_CHANNEL = {
    Outcome.GENERATE: {Channel.LETTER: "to-send", Channel.PHONE: "to-phone", Channel.WARD: "to-tell-ward"},
    Outcome.CORRECT: {Channel.LETTER: "to-correct", Channel.PHONE: "to-phone-moved", Channel.WARD: "to-tell-ward"},
    Outcome.CANCEL: {
        Channel.LETTER: "cancellation-to-send",
        Channel.PHONE: "cancellation-to-phone",
        Channel.WARD: "cancellation-to-tell-ward",
    },
}


def held(known: Convocations | None) -> Convocation | None:
    """Give what the patient has been told last; what came back is not told."""
    left = (c for c in reversed(known.each if known else ()) if c.left)
    return next((c for c in left if c.stood is not ConvocationState.RETURNED), None)


def holding(told: Convocation | None, wanted: Wanted, told_at: datetime) -> Holds:
    """Give what the patient holds; a letter of another day that is past is none any more."""
    if told is None:
        return Holds.NOTHING
    if told.notice is Notice.CANCELLATION:
        return Holds.CANCELLATION
    if told.content == wanted.content:
        return Holds.THIS
    lapsed = told.content.start is not None and told.content.start <= told_at
    return Holds.NOTHING if lapsed else Holds.OTHER


def outcome(wanted: Wanted, holds: Holds, reached: Reach) -> Outcome:
    """Give what is to be done."""
    if reached.reason in NEVER:
        return Outcome.NEVER
    found = DECISIONS[wanted.standing, holds]
    if found is Outcome.MISS and wanted.follow_up:
        return Outcome.FOLLOW_UP
    if found is Outcome.CANCEL and (wanted.at_request or reached.reason is Reason.PAST):
        return Outcome.WITHDRAW if wanted.standing is Standing.CANCELLED else Outcome.SCHEDULE
    if found not in {Outcome.GENERATE, Outcome.CORRECT}:
        return found
    if wanted.double and found is Outcome.GENERATE:
        return Outcome.DOUBLE
    return {Reason.PAST: Outcome.ANOMALY, Reason.UNDATED: Outcome.SCHEDULE}.get(reached.reason, found)


def follow(known: Convocations, wanted: Wanted, found: Outcome, reached: Reach, now: datetime, by: str) -> Convocations:
    """Give the convocations once what was decided is done; the same ones where nothing changes.

    Args:
        known: as they stand.
        wanted: the appointment as it stands.
        found: what is to be done.
        reached: how and whom.
        now: aware instant.
        by: principal id.

    """
    left = tuple(c for c in known.each if c.left)
    draft = next((c for c in known.each if not c.left), None)
    told = held(known)
    each = left
    match found:
        case Outcome.GENERATE | Outcome.CORRECT | Outcome.CANCEL:
            ends = ConvocationState.CANCELLED if found is Outcome.CANCEL else ConvocationState.SUPERSEDED
            notice, content = _said(found, wanted, told)
            replaces = told.number if told is not None and notice is not Notice.INVITATION else 0
            fresh = Convocation(len(left) + 1, notice, content, reached, (_prepared(now, by),), replaces)
            prepared = fresh if draft is None else replace(fresh, steps=draft.steps)
            if not prepared.live:
                prepared = replace(prepared, steps=(_prepared(now, by),))
            each = (*(c.came_to(ends, now, by) if c.live else c for c in left), prepared)
        case Outcome.KEEP:
            assert told is not None
            each = tuple(_kept(c, told, now, by) for c in left)
        case Outcome.CLOSE | Outcome.MISS | Outcome.FOLLOW_UP:
            ends = ConvocationState.HONOURED if found is Outcome.CLOSE else ConvocationState.NO_SHOW
            those = left or known.each
            each = (*those[:-1], *(c.came_to(ends, now, by) for c in those[-1:]))
        case Outcome.ANOMALY | Outcome.DOUBLE:
            pass
        case _:
            each = tuple(c.came_to(ConvocationState.CANCELLED, now, by) if c.live else c for c in left)
    after = replace(known, kind=wanted.kind, outcome=found, reach=reached, each=each)
    return after if after == known else replace(after, version=known.version + 1, updated_at=now)


def _prepared(now: datetime, by: str) -> Step:
    return Step(ConvocationState.TO_PREPARE, now, by)


def _said(found: Outcome, wanted: Wanted, told: Convocation | None) -> tuple[Notice, Content]:
    if found is Outcome.CANCEL:
        assert told is not None
        return Notice.CANCELLATION, told.content
    return Notice.CORRECTION if found is Outcome.CORRECT else Notice.INVITATION, wanted.content


def _kept(one: Convocation, told: Convocation, now: datetime, by: str) -> Convocation:
    """What the patient holds counts again as it did; any other does not."""
    if one is told:
        return one if one.live else one.came_to(one.stood, now, by)
    return one.came_to(ConvocationState.SUPERSEDED, now, by) if one.live else one


# -- what people do ----------------------------------------------------------------------------------------------------


class ConvocationAct(StrEnum):
    """What a person says of a convocation."""

    PRINT = "print"
    SEND = "sent"
    CONFIRM = "confirmed"
    RETURN = "returned"
    MISS = "no-show"


_S = ConvocationState
_ACTS: Mapping[ConvocationAct, Mapping[ConvocationState, ConvocationState]] = {
    ConvocationAct.PRINT: {_S.TO_PREPARE: _S.PRINTED} | {s: s for s in (_S.PRINTED, _S.SENT, _S.CONFIRMED)},
    ConvocationAct.SEND: {_S.TO_PREPARE: _S.SENT, _S.PRINTED: _S.SENT},
    ConvocationAct.CONFIRM: dict.fromkeys((_S.TO_PREPARE, _S.PRINTED, _S.SENT, _S.RETURNED), _S.CONFIRMED),
    ConvocationAct.RETURN: dict.fromkeys((_S.PRINTED, _S.SENT), _S.RETURNED),
    ConvocationAct.MISS: dict.fromkeys(LIVE, _S.NO_SHOW),
}


def acted(
    known: Convocations,
    act: ConvocationAct,
    now: datetime,
    by: str,
    *,
    printing: Printing | None = None,
    recipient: tuple[str, ...] = (),
    follow_up: bool = False,
) -> Convocations:
    """Give the convocations once a person has done something with the live one.

    Args:
        known: as they stand.
        act: what was done.
        now: aware instant.
        by: principal id.
        printing: the letter as it was printed.
        recipient: lines of the address that it goes to.
        follow_up: who does not come is to be asked why.

    Raises:
        StateConflict: there is no live one, or that one does not stand so that this may be done.

    """
    live = known.live
    state = _ACTS[act].get(live.state) if live is not None else None
    if live is None or state is None:
        stands = live.state if live is not None else "not live"
        raise StateConflict(f"the convocation is {stands}: {act} is not possible")
    after = live.came_to(state, now, by)
    if printing is not None:
        after = replace(after, printings=(*after.printings, printing))
    if recipient and not live.left:
        after = replace(after, recipient=recipient)
    each = tuple(after if c is live else c for c in known.each)
    missed = Outcome.FOLLOW_UP if follow_up else Outcome.MISS
    found = missed if act is ConvocationAct.MISS else Outcome.KEEP
    return replace(known, each=each, outcome=found, version=known.version + 1, updated_at=now)
