"""Patients, facts and a gateway in memory for tests of the core: fake ids, a fake clock, a store of dictionaries."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from sites import ADMISSIONS, DEPARTMENT, IPP, demo_site

from gateway.audit import AuditAction, AuditEvent
from gateway.convocation import Convocations
from gateway.directory import Entry, EntryKey
from gateway.errors import GatewayError
from gateway.facts import (
    Abnormality,
    AppointmentAct,
    AppointmentReported,
    AppointmentStatus,
    DocumentAct,
    DocumentReported,
    Fact,
    Identifier,
    IdentifierKind,
    IdentityStatus,
    Observation,
    OrderAct,
    OrderReported,
    Patient,
    PatientMerged,
    PatientReported,
    ResultReported,
    ResultStatus,
    Traits,
    Translation,
    VisitReported,
    VisitState,
)
from gateway.focus import Focus, FocusKind, Question, question_key
from gateway.identity import Identity, Person
from gateway.likeness import filed_keys
from gateway.outbox import OutboxEntry
from gateway.pipeline import Changes, Decider, Ending, Job, Needs, question_keys
from gateway.routing import Rule
from gateway.site import Secretariat, Site, Source, SourceRole
from gateway.state import FocusKey, State, focus_key
from gateway.worklist import IN_HOUSE, ItemKind, ItemState, WorkItem

LAB = DEPARTMENT
IMAGING = Source("imaging", SourceRole.DEPARTMENT, "Imagerie", authority="1.2.250.1.999.3")
AGENDA = Source("agenda", SourceRole.DEPARTMENT, "Agenda", authority="1.2.250.1.999.4")
CLINIC = Source("clinic", SourceRole.ADMISSIONS, "Clinique associée", authority="1.2.250.1.999.9")
"""Admissions of another identification domain."""

NIR = "1.2.250.1.213.1.4.8"
NIA = "1.2.250.1.213.1.4.9"

ROUTED_KINDS = tuple(k for k in ItemKind if k is not ItemKind.IDENTITY)
_BY_UNIT = tuple(
    Rule(f"unit-of-{queue}", f"unité de {queue}", (queue,), ROUTED_KINDS, {"unit": (unit,)})
    for queue, unit in (("cardiologie", "3010"), ("pneumologie", "3020"))
)
SITE = demo_site(
    sources=(ADMISSIONS, LAB, IMAGING, AGENDA, CLINIC),
    secretariats={
        name: Secretariat(name, name.capitalize()) for name in ("accueil", "cardiologie", "pneumologie", "identite")
    },
    rules=_BY_UNIT,
)

MORNING = datetime(2026, 3, 10, 8, tzinfo=UTC)


def at(minutes: int) -> datetime:
    """Give the instant so many minutes into the morning."""
    return MORNING + timedelta(minutes=minutes)


# -- patients ----------------------------------------------------------------------------------------------------------

ANNE = Traits("DURAND", "", "ANNE", "ANNE MARIE", "", "1958-03-21", "F", "63220")
PAUL = Traits("LEROY", "", "PAUL", "PAUL", "", "1971-11-02", "M", "69383")


def ipp(value: str) -> Identifier:
    """Give an identifier of the admissions domain."""
    return Identifier(IPP, value)


def own(source: Source, value: str) -> Identifier:
    """Give an identifier of a department's own domain."""
    return Identifier(source.authority, value)


def ins(value: str = "258036322000123", authority: str = NIR) -> Identifier:
    """Give a matricule INS."""
    return Identifier(authority, value, IdentifierKind.INS)


def patient(*identifiers: Identifier, of: Traits = ANNE, **changes: Any) -> Patient:
    """Give a patient with these identifiers and traits; INS make it qualifiée unless said otherwise."""
    traits = {name: changes.pop(name) for name in tuple(changes) if name in Traits.__dataclass_fields__}
    held = any(i.kind is IdentifierKind.INS for i in identifiers)
    status = changes.pop("status", IdentityStatus.QUALIFIEE if held else IdentityStatus.VALIDEE)
    return Patient(identifiers, replace(of, **traits), status, **changes)


# -- facts -------------------------------------------------------------------------------------------------------------

_STATUS = {
    AppointmentAct.BOOK: AppointmentStatus.BOOKED,
    AppointmentAct.CHANGE: AppointmentStatus.BOOKED,
    AppointmentAct.DECLARE: AppointmentStatus.BOOKED,
    AppointmentAct.CANCEL: AppointmentStatus.CANCELLED,
}


def told(who: Patient, *, correction: bool = False) -> PatientReported:
    """Give an A28, or an A31 if it is meant to correct."""
    return PatientReported(who, correction=correction)


def merged(survivor: Patient, retired: Identifier) -> PatientMerged:
    """Give an A40."""
    return PatientMerged(survivor, retired)


def appointment(act: AppointmentAct, who: Patient, key: str = "RDV1", **changes: Any) -> AppointmentReported:
    """Give an S12, S13 or S15."""
    keys = tuple(own(AGENDA, k) for k in key.split("+"))
    fact = AppointmentReported(who, keys, act, _STATUS[act], at(60 * 24 * 30), unit="3010", location="Box 2")
    return replace(fact, **changes)


def book(who: Patient, key: str = "RDV1", **changes: Any) -> AppointmentReported:
    """Give an S12."""
    return appointment(AppointmentAct.BOOK, who, key, **changes)


def change(who: Patient, key: str = "RDV1", **changes: Any) -> AppointmentReported:
    """Give an S13 or S14."""
    return appointment(AppointmentAct.CHANGE, who, key, **changes)


def declare(who: Patient, key: str = "RDV1", **changes: Any) -> AppointmentReported:
    """Give a FHIR update: the whole state."""
    return appointment(AppointmentAct.DECLARE, who, key, **changes)


def cancel(who: Patient, key: str = "RDV1", **changes: Any) -> AppointmentReported:
    """Give an S15."""
    return appointment(AppointmentAct.CANCEL, who, key, **changes)


def order(who: Patient, key: str = "EX1", **changes: Any) -> OrderReported:
    """Give an order of a unit of pneumology."""
    fact = OrderReported(who, (own(LAB, key),), OrderAct.REQUEST, ("IONO",), "Ionogramme", "3020", "DR MARC ROUX")
    return replace(fact, **changes)


def result(
    who: Patient,
    status: ResultStatus = ResultStatus.FINAL,
    value: str = "4.1",
    key: str = "EX1",
    **changes: Any,
) -> ResultReported:
    """Give a result of one line."""
    grade = changes.get("abnormality", Abnormality.NORMAL)
    lines = (Observation("2823-3", "Potassium", "1", value, "mmol/L", abnormality=grade, status=status),)
    fact = ResultReported(who, own(LAB, key), "IONO", "Ionogramme", status, lines, "3010", abnormality=grade)
    return replace(fact, **changes)


def document(
    who: Patient, act: DocumentAct = DocumentAct.CREATE, key: str = "D1", replaces: str = "", **changes: Any
) -> DocumentReported:
    """Give a T02, T10 or T04."""
    replaced = own(LAB, replaces) if replaces else None
    return replace(
        DocumentReported(who, own(LAB, key), act, replaced, "11488-4", "Compte rendu", "3010", sha256=key * 4),
        **changes,
    )


def visit(who: Patient, state: VisitState = VisitState.ADMITTED, key: str = "NDA1", **changes: Any) -> VisitReported:
    """Give an A01, A03, A11 ..."""
    number = Identifier(IPP, key, IdentifierKind.OTHER)
    return replace(VisitReported(who, number, state, "I", "3010", "CARDIO", at(0), event="A01"), **changes)


# -- a gateway in memory -----------------------------------------------------------------------------------------------


@dataclass
class Store:
    """What adapters/store keeps, as dictionaries: a batch sees no more than what its needs name."""

    identities: dict[str, Identity] = field(default_factory=dict)
    persons: dict[str, Person] = field(default_factory=dict)
    foci: dict[str, Focus] = field(default_factory=dict)
    focus_keys: dict[FocusKey, str] = field(default_factory=dict)
    items: dict[str, WorkItem] = field(default_factory=dict)
    convocations: dict[str, Convocations] = field(default_factory=dict)
    directory: dict[EntryKey, Entry] = field(default_factory=dict)

    def load(self, needed: Needs) -> State:
        """Hold the people named, whole; the objects named and the questions about them; their open items."""
        state = State()
        named = [i for i in self.identities.values() if self._is_named(i, needed)]
        vouched = {(i.key.authority, i.key.value) for i in self.identities.values() if i.authoritative}
        keys = needed.search_keys(vouched)
        pairs = [(key, i.id) for i in self.identities.values() for key in filed_keys(i) & keys]
        self._load_people(state, {i.person for i in named} | {self.identities[i].person for _, i in pairs})
        state.load_alike(pairs)
        known = {i for i, _ in state.identities.rows()}
        keys = {*needed.foci, *question_keys(known)}
        foci = {self.focus_keys[k] for k in keys if k in self.focus_keys}
        for focus_id in sorted(foci):
            own_keys = [k for k, f in self.focus_keys.items() if f == focus_id and k in keys]
            state.load_focus(self.foci[focus_id], own_keys)
        for convocations in self.convocations.values():
            if convocations.appointment in foci or (convocations.identity in known and convocations.open):
                state.convocations.load(convocations.appointment, convocations)
                foci.add(convocations.appointment)
                if state.foci.get(convocations.appointment) is None:
                    state.load_focus(self.foci[convocations.appointment], ())
        others = {self.identities[self.foci[f].identity].person for f in foci} - {p for p, _ in state.persons.rows()}
        self._load_people(state, others)
        for item in self.items.values():
            if item.focus in foci or (item.identity in known and (item.open or item.title in IN_HOUSE)):
                state.load_item(item)
        for key in needed.directory & self.directory.keys():
            state.directory.load(key, self.directory[key])
        owners = {self.identities[i.identity].person for _, i in state.items.rows()}
        self._load_people(state, owners - {p for p, _ in state.persons.rows()})
        return state

    @staticmethod
    def _is_named(identity: Identity, needed: Needs) -> bool:
        by_ins = identity.ins is not None and (identity.ins.authority, identity.ins.value) in needed.ins
        keys = [key for key in (identity.key, identity.origin) if key is not None]
        return by_ins or any((key.authority, key.value) in needed.identities for key in keys)

    def _load_people(self, state: State, people: set[str]) -> None:
        for identity in self.identities.values():
            if identity.person in people:
                state.load_identity(identity)
        for person in sorted(people):
            state.persons.load(person, self.persons[person])

    def flush(self, state: State) -> None:
        """Keep what changed, as strict as the schema's constraints are."""
        self.identities.update(state.identities.changes())
        self.persons.update(state.persons.changes())
        self.foci.update(state.foci.changes())
        for key, focus_id in state.focus_keys.changes():
            holder = self.focus_keys.get(key, focus_id)
            assert holder == focus_id or self.foci[holder].fact is None, "an object that came keeps its keys"
            self.focus_keys[key] = focus_id
        self.items.update(state.items.changes())
        self.directory.update(state.directory.changes())
        self.convocations.update(state.convocations.changes())
        record_keys = [(i.key.authority, i.key.value) for i in self.identities.values()]
        assert len(set(record_keys)) == len(record_keys), "one record per authority and value"
        places = [(i.focus, i.routed_to) for i in self.items.values()]
        assert len(set(places)) == len(places), "one item per object and secretariat that the rules name"


def rendered(item: WorkItem, person: Person, message_id: str) -> bytes:
    """Give a body that shows what a reader would see."""
    return f"{item.title} {person.traits} {person.identifiers} {message_id}".encode()


class Gateway:
    """The pipeline over a store in memory; each message is a batch of its own unless told otherwise."""

    def __init__(self, site: Site = SITE, render: Any = rendered) -> None:
        numbers = count(1)
        self.store = Store()
        self.decider = Decider(site, UUID(int=7), render, lambda: f"id-{next(numbers):05}", lambda *_: b"{}")
        self.jobs: list[Job] = []
        self.endings: list[Ending] = []
        self.outbox: list[OutboxEntry] = []
        self.audit: list[AuditEvent] = []
        self.now = MORNING

    def job(
        self, *facts: Fact, source: Source = ADMISSIONS, minute: int | None = None, refused: GatewayError | None = None
    ) -> Job:
        """Give a received message; it is not yet processed."""
        translation = refused or Translation(facts, None if minute is None else at(minute))
        self.jobs.append(Job(len(self.jobs) + 1, source, f"M{len(self.jobs) + 1}", translation))
        return self.jobs[-1]

    def process(self, jobs: Iterable[Job]) -> Changes:
        """Process a batch."""
        batch = list(jobs)
        self.now += timedelta(seconds=1)
        state = self.store.load(self.decider.needs(batch))
        changes = self.decider.decide(batch, state, self.now)
        self.store.flush(state)
        self.endings += changes.endings
        self.outbox += [entry for entry in changes.outbox if entry.about_item]
        self.audit += changes.audit
        return changes

    def look(self, hours: float) -> Changes:
        """Let so many hours pass, then show what has waited for its object for too long."""
        self.now += timedelta(hours=hours)
        waits = {i for i, f in self.store.foci.items() if f.held or f.kind is FocusKind.ORDER}
        keys = frozenset(k for k, f in self.store.focus_keys.items() if f in waits)
        state = self.store.load(Needs(frozenset(), frozenset(), keys))
        changes = self.decider.show_overdue(state, self.now)
        self.store.flush(state)
        self.outbox += [entry for entry in changes.outbox if entry.about_item]
        self.audit += changes.audit
        return changes

    def send(self, *facts: Fact, source: Source = ADMISSIONS, minute: int | None = None) -> Changes:
        """Receive and process one message, which must not end in quarantine."""
        changes = self.process([self.job(*facts, source=source, minute=minute)])
        assert not changes.endings[0].outcome.error, changes.endings[0].outcome
        return changes

    def identity(self, key: Identifier) -> Identity:
        """Give the record with this key."""
        found = [
            i for i in self.store.identities.values() if (i.key.authority, i.key.value) == (key.authority, key.value)
        ]
        assert len(found) == 1, f"{len(found)} records"
        return found[0]

    def person(self, key: Identifier) -> Person:
        """Give the person to whom an identifier belongs now."""
        return self.store.persons[self.identity(key).person]

    def question(self, identity: Identity) -> Question | None:
        """Give the question about an identity."""
        found = self.store.focus_keys.get(focus_key(FocusKind.QUESTION, question_key(identity.id)))
        fact = self.store.foci[found].fact if found else None
        assert fact is None or isinstance(fact, Question)
        return fact

    def questions(self) -> list[Question]:
        """Give the questions that are open."""
        asked = [f.fact for f in self.store.foci.values() if isinstance(f.fact, Question)]
        return [q for q in asked if not q.answered]

    def items(self, kind: ItemKind, *, every: bool = False) -> list[WorkItem]:
        """Give the open items of a kind, or every one."""
        return [i for i in self.store.items.values() if i.kind is kind and (every or i.open)]

    def only(self, kind: ItemKind, *, every: bool = False) -> WorkItem:
        """Give the one item of a kind."""
        found = self.items(kind, every=every)
        assert len(found) == 1, [(i.secretariat, i.title, i.state) for i in found]
        return found[0]

    def work(self, item: WorkItem, state: ItemState) -> WorkItem:
        """Let a secretary claim an item, or be done with it."""
        worked = replace(item, state=state, version=item.version + 1)
        self.store.items[item.id] = worked
        return worked

    def actions(self) -> list[AuditAction]:
        """Give what was done, in order."""
        return [event.action for event in self.audit]

    def live(self) -> list[tuple[object, ...]]:
        """Give what every queue shows as still to do, without ids and times."""
        return sorted(
            (i.secretariat, i.kind, i.title, i.state, i.priority, i.detail, i.rule)
            for i in self.store.items.values()
            if i.open
        )
