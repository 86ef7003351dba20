"""Whatever a service function changes or shows of a patient, it leaves an event that says who did it (promise P8).

The functions are found by themselves: one that is new fails here until it is told how to call it.
"""

import asyncio
import inspect
import pkgutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest
from facts import patient
from messages import appointment, billing, patient_told, result
from sqlalchemy import select
from stores import NOW, SITE, reception

import adapters
from adapters.appointments import StoredExchange
from adapters.audit_operations import AuditOperations
from adapters.audited import Audited
from adapters.bus.dead_letters import DeadLetter, NoDeadLetters
from adapters.convocation_operations import ConvocationOperations
from adapters.identity_operations import IdentityOperations
from adapters.item_operations import ByHand, ItemOperations
from adapters.model_operations import ModelOperations
from adapters.operations import Operations
from adapters.patient_operations import PatientOperations
from adapters.proof_operations import ProofOperations
from adapters.routing_operations import RoutingOperations
from adapters.store import schema
from adapters.store.identity_desk import IdentityDesk
from adapters.store.item_desk import ItemDesk
from adapters.store.orders import ExpectedOrders
from adapters.store.retention import Retention
from adapters.store.search import MessageFilter
from gateway.audit import AuditAction
from gateway.audit_query import AuditQuery
from gateway.audit_report import Limits
from gateway.decision import DecisionKind, Standing
from gateway.facts import Identifier
from gateway.focus import Doubt
from gateway.notes import Note
from gateway.principal import Principal, PrincipalKind, Right
from gateway.retention import Terms
from gateway.site import Access, Matching
from gateway.worklist import ItemKind
from mappings.fhir.audit_search import asked_for

NADIA = Principal("account:nadia", PrincipalKind.PERSON, "physician", frozenset({"accueil"}), frozenset(Right))
OMAR = replace(NADIA, id="account:omar")
HERE = replace(SITE, access=Access({"nadia": NADIA, "omar": OMAR}), matching=Matching())
EVER = datetime(2026, 1, 1, tzinfo=UTC)


class Letters(NoDeadLetters):
    """One dead letter about an item."""

    def __init__(self, item):
        self.letter = DeadLetter("accueil", "m-1", item, 1, "rejected", 1, NOW, 2, b"{}")

    def count(self, secretariats):
        return dict.fromkeys(secretariats, 1)

    def look(self, *_):
        return [self.letter]

    def give_back(self, _secretariat, _wanted, step):
        step(self.letter)
        return ["m-1"]

    discard = give_back


class World:
    """A hospital with two patients, an item, an appointment, an error and a decision to take."""

    def __init__(self, store):
        self.store = store
        store.process(patient_told("C1", "8001"), patient_told("C2", "8002"), appointment("S12", "C3", "8001", "R1"))
        store.process(result("C4", "8001", "O1", when=2), result("C5", "8001", "O2", when=2).replace(b"ODILE", b"PAUL"))
        self.error, *_ = store.process(b"MSH|^~\\&|ADM|CHU|G|CHU|20260302||ADT^A99|C6|P|2.5\r")
        self.pending, *_ = store.take(billing("C7", "8001"))
        views = store.worklist.items(None)
        self.item = next(v.item.id for v in views if v.item.kind is ItemKind.RESULT)
        self.letters = Letters(self.item)
        record = schema.identity.c
        self.one, self.other = (
            store.rows(select(record.id).where(record.value == ipp))[0].id for ipp in ("8001", "8002")
        )
        decider = store.decider()
        self._decider = replace(decider, site=HERE)

    def of(self, kind, principal=NADIA):
        """Give a principal's acts of a kind."""
        store = self.store
        if kind is Operations:
            return Operations(principal, store.inbox, store.search, store.desk, store.worklist, store.trail)
        if kind is ItemOperations:
            return ItemOperations(principal, ItemDesk(store.database, store.work), store.trail, self._decider)
        if kind is IdentityOperations:
            desk = IdentityDesk(store.database, store.work)
            return IdentityOperations(principal, desk, store.trail, self._decider)
        if kind is AuditOperations:
            return AuditOperations(principal, store.trail, HERE)
        return StoredExchange(None, lambda: None, store.inbox, store.worklist, store.trail)

    def edited(self, _original):
        return reception(patient_told("C1", "8001"))

    def propose(self):
        """Let a decision wait for a second person."""
        self.of(IdentityOperations, OMAR).decide(DecisionKind.FREEZE, self.one, "", "deux patients")

    def decision(self, kind):
        return self.store.rows(schema.identity_decision.select().where(schema.identity_decision.c.kind == kind))[0].id

    def touching(self):
        """Give the number of an event that names the first patient."""
        return self.store.trail.search(AuditQuery(identities=(self.one,), oldest_first=True))[0].id

    def appointment(self):
        return self.store.rows(schema.focus.select().where(schema.focus.c.kind == "appointment"))[0].id


ALL = MessageFilter(state="quarantined")
TERMS = Terms(timedelta(days=1), timedelta(days=1), timedelta(days=1), timedelta(days=1))
LATER = NOW + timedelta(days=400)

ACTS = {
    Operations: {
        "list_messages": lambda o, _: o.list_messages(MessageFilter(patient="8001"), limit=5),
        "list_errors": lambda o, _: o.list_errors(MessageFilter(patient="8001"), limit=5),
        "show_message": lambda o, _: o.show_message(1, ""),
        "replay_message": lambda o, _: o.replay_message(1, "x"),
        "preview_replay": lambda o, _: o.preview_replay(MessageFilter(patient="8001")),
        "replay_messages": lambda o, _: o.replay_messages(ALL, "x"),
        "edit_and_replay": lambda o, w: o.edit_and_replay(1, w.edited, "x"),
        "hold_message": lambda o, w: o.hold_message(w.pending, "x"),
        "release_message": lambda o, w: o.release_message(w.pending, "x"),
        "assign_message": lambda o, w: (o.hold_message(w.pending, "x"), o.assign_message(w.pending, "account:o", "x")),
        "discard_message": lambda o, w: o.discard_message(w.pending, "x"),
        "resolve_message": lambda o, w: (w.store.process(), o.resolve_message(w.error, "x")),
        "explain": lambda o, _: o.explain(lambda: "explained", ""),
        "open_status": lambda o, _: o.open_status(),
        "list_worklist": lambda o, _: o.list_worklist("", kind=None, states=(), limit=9),
        "show_item": lambda o, w: o.show_item(w.item),
        "show_figures": lambda o, w: o.show_figures(w.store.database, ["accueil"], since=EVER, now=LATER),
        "list_expected": lambda o, w: o.list_expected(ExpectedOrders(w.store.database), {}, before=LATER, limit=5),
        "follow_worklist": lambda o, _: o.follow_worklist("accueil"),
        "see_delivery": lambda o, w: o.see_delivery(w.item),
        "list_dead_letters": lambda o, w: o.list_dead_letters(w.letters, ["accueil"]),
        "show_dead_letters": lambda o, w: o.show_dead_letters(w.letters, "accueil", 1, ""),
        "return_dead_letters": lambda o, w: o.return_dead_letters(w.letters, "accueil", None, "x"),
        "discard_dead_letters": lambda o, w: o.discard_dead_letters(w.letters, "accueil", None, "x"),
        "run_retention": lambda o, w: list(o.run_retention(Retention(w.store.database, TERMS), LATER, dry_run=True)),
    },
    ItemOperations: {
        "claim": lambda o, w: o.claim(w.item),
        "release": lambda o, w: o.release(w.item),
        "reassign": lambda o, w: o.reassign(w.item, "account:omar", "x"),
        "comment": lambda o, w: o.comment(w.item, "x"),
        "hold": lambda o, w: (o.reassign(w.item, NADIA.id, "x"), o.hold(w.item, LATER, "x")),
        "acknowledge": lambda o, w: o.acknowledge(w.item),
        "acknowledge_clinically": lambda o, w: o.acknowledge_clinically(w.item),
        "done": lambda o, w: o.done(w.item),
        "reopen": lambda o, w: o.reopen(w.item, "x"),
        "undo": lambda o, w: o.undo(w.item),
        "add": lambda o, _: o.add(ByHand(ItemKind.CALL, "accueil", "8001", "rappeler")),
        "forward": lambda o, w: (o.reopen(w.item, "x"), o.forward(w.item, "cardiologie", "x")),
    },
    IdentityOperations: {
        "list_questions": lambda o, _: o.list_questions(tuple(Doubt), 5, ""),
        "show": lambda o, w: o.show(w.one, ""),
        "compare": lambda o, w: o.compare([w.one, w.other], ""),
        "comparison": lambda o, w: o.comparison([w.one, w.other], ""),
        "list_records": lambda o, _: o.list_records(Note.TWIN, 5, ""),
        "tally": lambda o, _: o.tally(),
        "scan": lambda o, _: list(o.scan()),
        "propose": lambda o, _: list(o.propose()),
        "load": lambda o, _: list(o.load("admissions", [("8100", patient())], "d")),
        "decide": lambda o, w: o.decide(DecisionKind.NOT_SAME, w.one, w.other, "x"),
        "undo": lambda o, w: o.undo(w.decision(DecisionKind.NOT_SAME), "x"),
        "list_decisions": lambda o, w: (w.propose(), o.list_decisions(Standing.PROPOSED, None, 5)),
        "show_decision": lambda o, w: o.show_decision(w.decision(DecisionKind.FREEZE), ""),
        "approve": lambda o, w: o.approve(w.decision(DecisionKind.FREEZE)),
    },
    AuditOperations: {
        "search": lambda o, _: o.search(AuditQuery(patient="8001")),
        "write": lambda o, _: o.write(AuditQuery(patient="8001")),
        "breach": lambda o, _: o.breach("8001", "", EVER, None),
        "anomalies": lambda o, _: o.anomalies(EVER, None, Limits("UTC")),
        "disclose": lambda o, _: o.disclose("8001", None, None),
        "find": lambda o, _: o.find(asked_for([("date", "2026"), ("patient.identifier", "8001")], HERE), b""),
        "read": lambda o, w: o.read(w.touching(), str(w.touching())),
    },
    StoredExchange: {
        "appointment": lambda o, w: o.appointment(NADIA, w.appointment()),
        "appointments": lambda o, _: o.appointments(NADIA, Identifier("AGENDA", "FR1")),
        "refused": lambda o, _: o.refused(NADIA.id, "Appointment:read"),
    },
}
NO_DATA = {
    (Operations, "summary"): "counts only",
    (ItemOperations, "several"): "does the acts that it is given",
    (StoredExchange, "record"): "the reception's own events: below",
    (StoredExchange, "outcome"): "a state and opaque ids, of a message whose number its sender was given",
    (StoredExchange, "appointment_of"): "what the sender has just told, in the answer to it",
}
"""Functions that change and show nothing of a patient, or of which another one tells."""

ELSEWHERE = {
    ConvocationOperations: "test_convocations.py",
    ModelOperations: "test_matching_models.py",
    PatientOperations: "test_patients_http.py",
    ProofOperations: "test_audit_commands.py",
    RoutingOperations: "test_routing_rehearsal.py",
}
"""Acts whose events the tests of what they do look at."""

NOBODY = {
    *("explain", "open_status", "follow_worklist", "list_dead_letters", "run_retention", "scan", "propose", "load"),
    *("list_records", "show_figures", "tally"),
    *("list_expected", "anomalies", "refused", "appointments", "replay_messages", "resolve_message"),
}
"""Acts that are on no patient here, or name the message instead."""


def service_functions():
    """Give all functions of ours by which somebody's acts are done."""
    for module in pkgutil.walk_packages(adapters.__path__, "adapters."):
        if not module.name.endswith("__main__") and ".migrations" not in module.name:
            import_module(module.name)
    kinds, seen = [Audited], []
    while kinds:
        kinds += (kind := kinds.pop()).__subclasses__()
        seen.append(kind)
    for kind in [*seen[1:], StoredExchange]:
        for name, function in vars(kind).items():
            if not name.startswith("_") and (inspect.isfunction(function) or isinstance(function, staticmethod)):
                yield kind, name


def test_every_service_function_is_known():
    """One that is new says here how it is called, or why it leaves nothing."""
    known = {(kind, name) for kind, acts in ACTS.items() for name in acts} | NO_DATA.keys()
    assert {(kind, name) for kind, name in service_functions() if kind not in ELSEWHERE} == known
    for file in ELSEWHERE.values():
        assert "AuditAction." in (Path(__file__).parent / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ACTS, ids=lambda kind: kind.__name__)
def test_every_act_leaves_an_event(store, kind):
    """Of whoever acted, and of the patient or message that it was on."""
    world = World(store)
    for name, act in ACTS[kind].items():
        before = store.trail.last()
        outcome = act(world.of(kind), world)
        if inspect.isawaitable(outcome):
            asyncio.run(outcome)
        left = [e for e in store.trail.search(AuditQuery(principal=NADIA.id)) if e.id > before]
        assert left, name
        assert name in NOBODY or any(e.patients or e.message for e in left), name


def test_every_reception_leaves_an_event(store):
    """Taken, refused, repeated: each with its message, in the transaction that keeps it."""
    raw = patient_told("C1", "8001")
    before = store.trail.last()
    (taken,) = store.take(raw)
    (repeated,) = store.take(raw)
    store.process()
    events = [e for e in store.trail.search(AuditQuery()) if e.id > before]
    assert {e.message for e in events if e.action == AuditAction.MESSAGE_RECEIVED} >= {taken}
    assert {e.message for e in events} == {taken, repeated}


def test_a_message_that_was_shown_is_in_the_list_of_its_patient(store):
    """To show a message without an item shows its patient all the same."""
    world = World(store)
    world.of(Operations).show_message(1, "")
    shown = store.trail.search(AuditQuery(action=AuditAction.MESSAGE_SHOWN))[-1]
    assert shown.patients == (world.one,)
