"""From the inbox to the work items: a batch is decided in memory, message by message, and flushed as one.

Decide never queries and never writes: it reads and changes the State that was loaded for the batch, and gives what is
to be written beside it. A message either takes effect as a whole or not at all.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from gateway.act import Act
from gateway.audit import AuditAction, AuditEvent
from gateway.directory import EntryKey, entry_key
from gateway.dispatch import dispatch
from gateway.effect import apply, asked_for, convoke_otherwise, dispatch_questions, misfiled_key, retell_open_items
from gateway.errors import (
    DocumentObjection,
    GatewayError,
    MessageIncoherent,
    ProcessingFailed,
    TroubleError,
)
from gateway.facts import (
    DirectoryTold,
    DocumentAnswered,
    DocumentReported,
    EntryKind,
    Flag,
    IdentifierKind,
    OrderReported,
    Patient,
    PatientMerged,
    PatientReported,
    PatientsLinked,
    ResultReported,
    StayMoved,
    Translation,
)
from gateway.focus import (
    Focus,
    FocusKind,
    Held,
    ObjectFact,
    discrepancy_key,
    keys_of,
    late_order_keys,
    letters_key,
    question_key,
    result_keys,
)
from gateway.handling import BY_TIME, Deed
from gateway.identity import Person
from gateway.identity_event import IdentityEvent, identity_events
from gateway.likeness import search_keys
from gateway.matching.blocking import Key
from gateway.naming import primary_of
from gateway.objection import objected
from gateway.outbox import IDENTITY_QUEUE, OutboxEntry
from gateway.reception import Outcome
from gateway.reception import State as MessageState
from gateway.site import Site, Source, SourceRole
from gateway.state import FocusKey, State, focus_key
from gateway.worklist import Former, WorkItem


@dataclass(frozen=True, slots=True)
class Job:
    """One pending message, translated (or refused by its translator).

    Attributes:
        message: its number.
        source: who sent it.
        correlation: MSH-10 or X-Request-Id.
        translation: what it says, or why it cannot be told.
        received_at: when it came; None if it is not stored.
        expects: version of the object that it is meant to change; None if of whatever version.
        named: values of the patient identifiers that it names, where it can take no effect.

    """

    message: int
    source: Source
    correlation: str
    translation: Translation | GatewayError
    received_at: datetime | None = None
    expects: int | None = None
    named: tuple[str, ...] = ()

    @property
    def told_at(self) -> datetime | None:
        """When its facts were told: nothing is told after it was received, whatever the sender's clock says."""
        given = self.claimed_at
        return min(given, self.received_at) if given and self.received_at else given

    @property
    def claimed_at(self) -> datetime | None:
        """When its facts were told, as its sender says."""
        return None if isinstance(self.translation, GatewayError) else self.translation.occurred_at


@dataclass(frozen=True, slots=True)
class Needs:
    """What a batch may touch: the keys by which the store loads its State.

    Attributes:
        identities: authority and value of every identifier named.
        ins: authority and value of every INS named.
        foci: keys of every object named.
        directory: keys of every entry of the directory that is told, or asked for.
        patients: by authority and value of the identifier that finds them, the patients whose like is to be found,
            unless admissions vouches for the record that is stored.
        anybody: their like is to be found though admissions vouches for them.
        corrected: those of them whom a correction tells of: their like is found in any case.

    """

    identities: frozenset[tuple[str, str]]
    ins: frozenset[tuple[str, str]]
    foci: frozenset[FocusKey]
    directory: frozenset[EntryKey] = frozenset()
    patients: Mapping[tuple[str, str], tuple[Patient, ...]] = field(default_factory=dict)
    anybody: bool = False
    corrected: frozenset[Patient] = frozenset()

    def search_keys(self, vouched: Collection[tuple[str, str]]) -> frozenset[Key]:
        """Give the blocking keys of the patients, but of those whom admissions vouches for and does not correct.

        Where anybody counts, of those as well.
        """
        those = (
            patient
            for pair, patients in self.patients.items()
            for patient in patients
            if self.anybody or pair not in vouched or patient in self.corrected
        )
        return frozenset(key for patient in those for key in search_keys(patient))


@dataclass(frozen=True, slots=True)
class Ending:
    """How one message ended, with what was odd about it, and the patients that it named to no effect."""

    outcome: Outcome
    notes: dict[str, object]
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retold:
    """One step in an item's life, for its history.

    Attributes:
        item: as it is after the step.
        message: number of the message that it goes back to.
        principal: who took the step.
        changed: what a reader sees otherwise: names of the item's fields, or ``content``.
        deed: what a person did; empty: a message did.
        note: their words.
        former: what undoing it restores; None where it cannot be undone.

    """

    item: WorkItem
    message: int
    principal: str
    changed: tuple[str, ...] = ()
    deed: str = ""
    note: str = ""
    former: Former | None = None


@dataclass(slots=True)
class Changes:
    """What the batch writes beside the rows that changed in its State, and which kinds of blocking keys it left out."""

    endings: list[Ending] = field(default_factory=list)
    history: list[Retold] = field(default_factory=list)
    outbox: list[OutboxEntry] = field(default_factory=list)
    audit: list[AuditEvent] = field(default_factory=list)
    left_out: Mapping[str, int] = field(default_factory=dict)

    def add(self, other: "Changes") -> None:
        """Write the other's as well."""
        self.endings += other.endings
        self.history += other.history
        self.outbox += other.outbox
        self.audit += other.audit


Render = Callable[[WorkItem, Person, str], bytes]
"""Gives the bus message's body for an item, its person and the message id."""


RenderEvent = Callable[[IdentityEvent, str], bytes]
"""Gives the bus message's body for what happened to identities, and the message id."""


def needs(jobs: Sequence[Job], site: Site | None = None) -> Needs:
    """Name what the jobs may touch; whom their patients are like, on a site that asks for it."""
    identities: set[tuple[str, str]] = set()
    ins: set[tuple[str, str]] = set()
    foci: set[FocusKey] = set()
    directory: set[EntryKey] = set()
    for job in jobs:
        if isinstance(job.translation, GatewayError):
            continue
        for ordinal, fact in enumerate(job.translation.facts):
            _name_patient(fact.patient, identities, ins)
            if isinstance(fact, PatientsLinked):
                _name_patient(fact.other, identities, ins)
            elif isinstance(fact, PatientMerged | StayMoved):
                _name_former(fact, identities, foci)
            elif isinstance(fact, DirectoryTold):
                directory.update(entry_key(fact.kind, key) for key in fact.keys)
            elif isinstance(fact, DocumentAnswered):
                foci.add(focus_key(FocusKind.DOCUMENT, fact.message))
            elif not isinstance(fact, PatientReported):
                kind, keys = keys_of(fact)
                foci.update(focus_key(kind, key) for key in (*keys, misfiled_key(job.message, ordinal)))
                foci.update(_beside(fact))
                directory.update(_people(fact))
    patients = _patients(jobs, site.admissions_domains) if site is not None and site.matching is not None else {}
    corrected = frozenset(fact.patient for fact in _corrections(jobs)) if patients else frozenset[Patient]()
    return Needs(
        frozenset(identities), frozenset(ins), frozenset(foci), frozenset(directory), patients, corrected=corrected
    )


def _corrections(jobs: Sequence[Job]) -> Iterator[PatientReported]:
    for job in jobs:
        if not isinstance(job.translation, GatewayError):
            yield from (f for f in job.translation.facts if isinstance(f, PatientReported) and f.correction)


def _patients(jobs: Sequence[Job], domains: Collection[str]) -> dict[tuple[str, str], tuple[Patient, ...]]:
    found: dict[tuple[str, str], tuple[Patient, ...]] = {}
    for job in jobs:
        if isinstance(job.translation, GatewayError):
            continue
        for fact in job.translation.facts:
            for patient in (fact.patient, fact.other) if isinstance(fact, PatientsLinked) else (fact.patient,):
                primary = primary_of(patient, domains)
                known = found.get(pair := (primary.authority, primary.value), ()) if primary else ()
                if primary is not None and patient not in known:
                    found[pair] = (*known, patient)
    return found


def _beside(fact: ObjectFact) -> Iterator[FocusKey]:
    """The keys of what a fact may touch beside its own object."""
    match fact:
        case OrderReported():
            results = (*late_order_keys(fact), *result_keys(fact))
            yield from (focus_key(FocusKind.RESULT, key) for key in results)
        case ResultReported(orders=numbers):
            yield from (focus_key(FocusKind.ORDER, number) for number in numbers)
        case DocumentReported(carried_by=carrier) if carrier is not None:
            yield focus_key(FocusKind.DOCUMENT, carrier)


def _people(fact: ObjectFact) -> Iterator[EntryKey]:
    """The entries of the directory that a fact is held against."""
    if isinstance(fact, ResultReported):
        yield from asked_for(fact)
    elif isinstance(fact, DocumentReported) and fact.author_key is not None:
        yield entry_key(EntryKind.PRACTITIONER, fact.author_key)


def _name_former(fact: PatientMerged | StayMoved, identities: set[tuple[str, str]], foci: set[FocusKey]) -> None:
    former = fact.retired if isinstance(fact, PatientMerged) else fact.former
    identities.add((former.authority, former.value))
    if isinstance(fact, StayMoved):
        foci.update(focus_key(FocusKind.VISIT, number) for number in fact.numbers)


def _name_patient(patient: Patient, identities: set[tuple[str, str]], ins: set[tuple[str, str]]) -> None:
    # An INS counts though the message alone does not qualify it: with what the record holds it may.
    ins.update((i.authority, i.value) for i in patient.of_kind(IdentifierKind.INS))
    identities.update((i.authority, i.value) for i in patient.of_kind(IdentifierKind.PATIENT))
    identities.update(ins)


def question_keys(identities: Iterable[str]) -> list[FocusKey]:
    """Name the questions that may exist about identities, what departments tell otherwise, and expected letters."""
    about = (
        (FocusKind.QUESTION, question_key),
        (FocusKind.DISCREPANCY, discrepancy_key),
        (FocusKind.LETTERS, letters_key),
    )
    return [focus_key(kind, key(identity)) for identity in identities for kind, key in about]


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides batches.

    Attributes:
        site: the establishment.
        installation: this database's own identifier: namespace of the bus's message ids.
        render: makes the bus message's body.
        new_id: gives a fresh opaque identifier (UUID text).
        render_event: makes the body of what others are told of identities.

    """

    site: Site
    installation: UUID
    render: Render
    new_id: Callable[[], str]
    render_event: RenderEvent

    def needs(self, jobs: Sequence[Job]) -> Needs:
        """Name what the jobs may touch on this site."""
        return needs(jobs, self.site)

    def decide(self, jobs: Sequence[Job], state: State, now: datetime) -> Changes:
        """Let each message take effect in the State, in order; one that cannot leaves nothing but its ending."""
        changes = Changes(left_out=state.left_out)
        for job in jobs:
            self._decide_one(job, state, now, changes)
        return changes

    def _decide_one(self, job: Job, state: State, now: datetime, changes: Changes) -> None:
        act = Act(
            site=self.site,
            state=state,
            source=job.source,
            message=job.message,
            correlation=job.correlation,
            told_at=job.told_at,
            now=now,
            new_id=self.new_id,
            expects=job.expects,
            received_at=job.received_at,
            claimed_at=job.claimed_at,
        )
        own = Changes()
        try:
            own.endings.append(self._take_effect(act, job))
            self.publish(act, own)
            self.announce(act.events, state, own, now)
        except TroubleError:
            raise
        except GatewayError as error:
            own = _quarantine(act, job, error)
        except Exception as fault:  # noqa: BLE001 - one message's fault must not stop the others; it is quarantined
            own = _quarantine(act, job, ProcessingFailed(f"processing failed with {type(fault).__name__}"))
        changes.add(own)
        changes.audit.extend(act.events)
        state.mark()

    def show_overdue(self, state: State, now: datetime) -> Changes:
        """Let a person see what has waited longer than the site allows for its object, or its result; each once."""
        changes = Changes()
        for _, focus in state.foci.rows():
            if focus.overdue:
                continue
            match focus.fact:
                case None if focus.held and focus.waits_since() < now - self.site.held_limit:
                    last = focus.held[-1]
                    self._show(focus, self._act(last.source, last.message, state, now, last), changes)
                case OrderReported(asked_at=asked) as order if order.expects:
                    if (asked or focus.updated_at) < now - self.site.expected_limit:
                        self._show(focus, self._act(focus.told.source, focus.message, state, now), changes)
        return changes

    def _act(self, source: str, message: int, state: State, now: datetime, held: Held | None = None) -> Act:
        known = self.site.source(source) or Source(source, SourceRole.DEPARTMENT)
        told_at, came = (held.told_at, held.received_at) if held is not None else (None, None)
        return Act(self.site, state, known, message, "", told_at, now, self.new_id, received_at=came)

    def _show(self, placeholder: Focus, act: Act, changes: Changes) -> None:
        state, overdue, own, fault = act.state, replace(placeholder, overdue=True), Changes(), ""
        try:
            state.put_focus(overdue, ())
            dispatch(act, placeholder, overdue)
            self.publish(act, own)
        except TroubleError:
            raise
        except Exception as error:  # noqa: BLE001 - it must not stop the others, nor be tried for ever; it is audited
            state.roll_back()
            act.events.clear()
            state.put_focus(overdue, ())
            own, fault = Changes(), type(error).__name__
        about, facts = (f"{placeholder.kind}/{placeholder.id}",), len(placeholder.held) or 1
        act.record(AuditAction.FACT_OVERDUE, patients=(placeholder.identity,), entities=about, facts=facts, fault=fault)
        changes.add(own)
        changes.audit.extend(act.events)
        state.mark()

    def _take_effect(self, act: Act, job: Job) -> Ending:
        if isinstance(job.translation, GatewayError):
            raise job.translation
        if job.translation.ignored:
            act.record(AuditAction.MESSAGE_IGNORED, rule=job.translation.ignored)
            outcome = Outcome(act.message, MessageState.IGNORED, rule=job.translation.ignored)
            return Ending(outcome, _notes(job.translation, act), job.named)
        if not job.translation.facts:
            raise MessageIncoherent("the message says nothing that a rule reads")
        about = (apply(act, objected(act, fact, job.translation), n) for n, fact in enumerate(job.translation.facts))
        touched = dict.fromkeys(identity.id for identity in about if identity is not None)
        dispatch_questions(act)
        convoke_otherwise(act)
        retell_open_items(act)
        told: dict[str, Any] = {"objections": ",".join(e.name for e in act.objections)} if act.objections else {}
        act.record(
            AuditAction.MESSAGE_PROCESSED,
            patients=tuple(touched),
            facts=len(job.translation.facts),
            stale=act.notes.get("stale", 0),
            held=act.notes.get("held", 0),
            **told,
        )
        return Ending(Outcome(act.message, MessageState.PROCESSED), _notes(job.translation, act))

    def publish(self, act: Act, changes: Changes) -> None:
        """Let the bus and the items' history know the items that changed since the mark."""
        for item_id in act.state.items.touched():
            item = act.state.items[item_id]
            person = act.state.person_of(item.identity)
            message_id = str(uuid5(self.installation, f"{item.id}/{item.version}"))
            body = self.render(item, act.state.persons[person], message_id)
            before = act.state.items.before(item_id)
            changes.history.append(_step(act, before, item))
            changes.outbox.append(
                OutboxEntry(0, message_id, item.secretariat, person, item.id, item.version, body, act.now)
            )
            if before is not None and before.secretariat != item.secretariat:
                changes.outbox.append(self._leaving(act, before.secretariat, item))

    def announce(self, events: Iterable[AuditEvent], state: State, changes: Changes, now: datetime) -> None:
        """Let others know what these events say of identities: all on one queue, in order."""
        for event in identity_events(events, state):
            message_id = self.new_id()
            body = self.render_event(event, message_id)
            changes.outbox.append(OutboxEntry(0, message_id, IDENTITY_QUEUE, IDENTITY_QUEUE, message_id, 1, body, now))

    def _leaving(self, act: Act, queue: str, item: WorkItem) -> OutboxEntry:
        """Let the queue that an item leaves know who owns it now."""
        person = act.state.person_of(item.identity)
        message_id = str(uuid5(self.installation, f"{item.id}/{item.version}/{queue}"))
        body = self.render(item, act.state.persons[person], message_id)
        return OutboxEntry(0, message_id, queue, person, item.id, item.version, body, act.now)


SHOWN = ("state", "secretariat", "priority", "due", "title", "detail", "identity", "reason", "remarks", "hand")
"""What a reader sees of an item: its history tells which of them a step changed."""


def _step(act: Act, before: WorkItem | None, item: WorkItem) -> Retold:
    changed: tuple[str, ...] = ()
    if before is not None:
        changed = tuple(n for n in SHOWN if getattr(before, n) != getattr(item, n)) or ("content",)
    undoable = act.deed not in {"", Deed.UNDO, Deed.CONVOKE, *BY_TIME}
    former = before.former if before is not None and undoable else None
    return Retold(item, item.source_message, act.principal, changed, act.deed, act.note, former)


def _notes(translation: Translation, act: Act) -> dict[str, object]:
    return {
        "facts": [type(fact).__name__ for fact in translation.facts],
        "flags": [_told(flag) for flag in translation.flags],
        "segments": dict(translation.segments),
        "kept": list(translation.kept),
        **(
            {"departures": [_told(departure) for departure in translation.departures]} if translation.departures else {}
        ),
        **({"objections": [_objection(error) for error in act.objections]} if act.objections else {}),
        "objects": act.objects,
        **act.notes,
    }


def _objection(error: DocumentObjection) -> dict[str, str]:
    return {"error": error.name, "path": error.path, "rule": error.rule}


def _told(flag: Flag) -> dict[str, str]:
    return {"path": flag.path, "rule": flag.rule}


def _quarantine(act: Act, job: Job, error: GatewayError) -> Changes:
    """Forget what the message did; it leaves its ending, and the event that says so."""
    act.state.roll_back()
    act.events.clear()
    act.record(AuditAction.MESSAGE_QUARANTINED, error=error.name, path=error.path, rule=error.rule)
    outcome = Outcome(act.message, MessageState.QUARANTINED, error.name, error.path, error.rule)
    return Changes(endings=[Ending(outcome, {}, job.named or _named(job))])


def _named(job: Job) -> tuple[str, ...]:
    named = needs([job])
    return tuple(sorted({value for _, value in named.identities | named.ins}))
