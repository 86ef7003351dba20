"""What is asked for each message finds its rows by an index, so that its cost does not grow with what is stored."""

import re
import shutil
from dataclasses import replace
from datetime import timedelta
from itertools import combinations

import pytest
from messages import AUTHORITY, appointment, patient_told, result
from stores import NOW, asked, reception, store_at

from adapters.store.audit import AuditQuery
from adapters.store.identity_desk import IdentityDesk
from adapters.store.inbox import DUPLICATE_WINDOW
from adapters.store.patients import Patients
from adapters.store.retention import Retention
from adapters.store.search import MessageFilter
from adapters.store.watch import HOUR_SLOTS, Serving
from gateway.alarm import AlarmChange, AlarmKey, AlarmName
from gateway.audit import AuditAction, AuditEvent
from gateway.facts import Identifier
from gateway.notes import Note
from gateway.patients import Sought
from gateway.pipeline import Needs, question_keys
from gateway.reception import State
from gateway.retention import Terms

SMALL = {
    "audit_key",
    "audit_sink",
    "pending",
    "outbox_pending",
    "audit_unsealed",
    "installation",
    "sqlite_sequence",
    "serving",
    "source_seen",
    "traffic",
    "tally",
    "alarm",
    "alarm_notice",
    "subscription",
    "chunk",
    "own",
    "patient",
    "known",
    "looked_at",
}
"""Tables of a few rows, or whose rows are deleted once done: reading all of them is reading what is to do.

Chunk, own, patient, known and looked_at are what a search has found by an index.
"""

LATER = NOW + timedelta(days=400)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A SQLite file with something in every table, to be copied."""
    file = tmp_path_factory.mktemp("filled") / "gateway.db"
    with store_at(f"sqlite:///{file}") as store:
        store.database.migrate()
        store.process(
            *(patient_told(f"A{n}", f"8{n:03}") for n in range(30)),
            *(result(f"B{n}", f"8{n:03}", f"O{n}") for n in range(30)),
            *(appointment("S12", f"C{n}", f"8{n:03}", f"R{n}") for n in range(30)),
            *(appointment("S13", f"D{n}", f"8{n:03}", f"W{n}") for n in range(5)),
        )
        store.outbox.confirm(store.outbox.unconfirmed(40))
        store.trail.seal()
        (waiting,) = store.take(patient_told("W", "8001"))
        store.inbox.replay(waiting, AuditEvent(NOW, AuditAction.MESSAGE_REPLAYED, "tester", message=waiting))
    return file


@pytest.fixture
def store(filled, tmp_path):
    """A store of one's own, with something in every table."""
    with store_at(f"sqlite:///{shutil.copy(filled, tmp_path)}") as store:
        yield store


def scans(store, statements):
    """Give the steps of the statements' plans that read a whole table, other than a small one."""
    found = []
    with store.database.read() as connection:
        for statement, parameters in statements:
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                found += [(step, statement) for *_, step in plan if _reads_all(step)]
    return found


def _reads_all(step):
    scan = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX)?", step)
    if not scan or scan[1] in SMALL | {"CONSTANT", "counted"}:  # "counted" has at most so many rows
        return False
    return "USING" not in step and not re.fullmatch(r"SCAN \d+.*", step) and "VIRTUAL TABLE" not in step


TERMS = Terms(timedelta(days=30), timedelta(days=180), timedelta(days=30), DUPLICATE_WINDOW)
KEYS = frozenset((AUTHORITY, f"8{n:03}") for n in range(40))
SERVING = Serving("p", "all", "host", 1, "0", NOW, NOW)
CHANGES = [
    AlarmChange(AlarmKey(AlarmName.BACKLOG), raised=True, value=1, limit=1),
    AlarmChange(AlarmKey(AlarmName.OUTBOX), raised=False, value=1, limit=1),
]
FOCI = frozenset(("result", "SIL", f"FO{n}/K") for n in range(40))

PERIOD = AuditQuery(since=NOW - timedelta(days=400), until=LATER, limit=5)


def records(store):
    return tuple(store.trail.identities("8003"))


HELD = AuditEvent(NOW, AuditAction.MESSAGE_HELD, "tester", message=4)


def claimed(store):
    with store.work.claim() as claim:
        return claim.messages


HOT = {
    "record": lambda s: s.inbox.record([reception(patient_told(f"N{n}", "8001")) for n in range(5)]),
    "claim": claimed,
    "process": lambda s: s.process(result("X1", "8003", "O3", when=9, value="5.0"), patient_told("X2", "8777")),
    "outcome": lambda s: s.inbox.outcome(17),
    "items of a secretariat": lambda s: s.worklist.items(["accueil"]),
    "item": lambda s: s.worklist.item(s.outbox.unconfirmed(1)[0].item),
    "items of a message": lambda s: s.worklist.of_message(40),
    "appointments by key": lambda s: s.worklist.appointments(Identifier("AGENDA", "FR1")),
    "appointment of a message": lambda s: s.worklist.appointment_of(70),
    "unconfirmed": lambda s: s.outbox.unconfirmed(100),
    "a patient by number": lambda s: Patients(s.database, s.work).numbered(Identifier(AUTHORITY, "8003")),
    "patients born on a day": lambda s: Patients(s.database, s.work).born("1958-03-22", Sought(family=("F",))),
    "whether a domain is known": lambda s: Patients(s.database, s.work).knows("1.2.3"),
    "what is notable": lambda s: IdentityDesk(s.database, s.work).notable(Note.TWIN, 10),
    "the desk in numbers": lambda s: IdentityDesk(s.database, s.work).tally(["accueil", "identite"], NOW),
    "confirm": lambda s: s.outbox.confirm(s.outbox.unconfirmed(5)),
    "published": lambda s: s.outbox.published("accueil", 10, 100),
    "cursor": lambda s: s.outbox.acknowledge("x", "accueil", s.outbox.position("x", "accueil") + 1),
    "seal": lambda s: s.trail.seal(),
    "messages in a state": lambda s: s.found(state="quarantined"),
    "messages by control ID": lambda s: s.found(control_id="B7"),
    "errors": lambda s: s.search.error_groups(),
    "held": lambda s: s.found(held=True),
    "a patient's messages": lambda s: s.found(patient="8003"),
    "bulk replay": lambda s: s.desk.replay_many([1, 2, 3], "", lambda _: []),
    "hold": lambda s: (s.desk.replay_many([4], "", lambda _: []), s.desk.hold(4, HELD, ""), s.desk.release(4, HELD)),
    "discard": lambda s: (s.desk.replay_many([5], "", lambda _: []), s.desk.discard(5, HELD)),
    "vitals": lambda s: s.watch.vitals(NOW),
    "traffic": lambda s: s.watch.traffic(NOW, HOUR_SLOTS),
    "open items": lambda s: s.watch.open_items(["accueil", "cardiologie"]),
    "beat": lambda s: s.watch.beat(SERVING, {"admissions": NOW}, {"admissions": 3}, {("ended", "processed"): 1.0}),
    "alarms": lambda s: s.watch.change_alarms(CHANGES, NOW, notify=True),
    "notice": lambda s: s.watch.next_notice(),
    "what waits too long": lambda s: s.work.overdue(NOW + timedelta(days=1), NOW + timedelta(days=1)),
    "show what waits too long": lambda s: s.worker().show_overdue(),
    "purge": lambda s: list(Retention(s.database, TERMS).run("tester", LATER)),
    "look what is due": lambda s: list(Retention(s.database, TERMS).run("tester", LATER, dry_run=True)),
    "a patient's story": lambda s: s.trail.search(AuditQuery(patient="8003")),
    "a message's story": lambda s: s.trail.search(AuditQuery(message=40)),
    "an item's story": lambda s: s.trail.search(AuditQuery(item=s.outbox.unconfirmed(1)[0].item)),
    "an actor's story": lambda s: s.trail.search(AuditQuery(principal="admissions")),
    "what a reference led to": lambda s: s.trail.search(AuditQuery(correlation="B7")),
    "what the bus was told": lambda s: s.trail.search(AuditQuery(correlation=s.outbox.unconfirmed(1)[0].message_id)),
    "a page of the trail": lambda s: s.trail.page(PERIOD),
    "a page of it, goes on": lambda s: s.trail.page(replace(PERIOD, after=s.trail.page(PERIOD).after)),
    "a page of records' events": lambda s: s.trail.page(replace(PERIOD, identities=records(s))),
    "a count of records' events": lambda s: s.trail.count(replace(PERIOD, identities=records(s))),
    "a count of a period": lambda s: s.trail.count(PERIOD),
    "who has acted": lambda s: s.trail.actors(),
    "whom a message touched": lambda s: s.trail.touched_by(40),
    "records' identifiers": lambda s: s.trail.identifiers(records(s)),
    "last event": lambda s: s.trail.last(),
}


@pytest.mark.parametrize("ask", HOT.values(), ids=HOT)
def test_hot_statements_read_by_index(store, ask):
    """No statement of this act reads a whole table that grows."""
    with asked(store) as statements:
        ask(store)
    assert statements
    assert scans(store, statements) == []


CONDITIONS = {
    "control_id": "B7",
    "patient": "8003",
    "held": True,
    "owner": "account:x",
    "error": "MessageIncoherent",
    "unresolved": True,
    "state": "quarantined",
    "message_type": "ADT^A28",
    "source": "admissions",
    "since": NOW - timedelta(days=1),
    "until": NOW + timedelta(days=1),
}
STATES = [{"state": state.value} for state in State]
SEARCHES = [{}, *STATES, *({a: CONDITIONS[a], b: CONDITIONS[b]} for a, b in combinations(CONDITIONS, 2))]
MERGED = re.compile(r"SCAN (CONSTANT ROW|chunk|own|patient|\d+|\(subquery-\d+\))")
"""What a union or a chunk makes of rows that were found by an index."""


@pytest.mark.parametrize("conditions", [*SEARCHES, CONDITIONS], ids=" ".join)
def test_every_search_walks_an_index_and_looks_up_the_rest(store, conditions):
    """Whatever is asked for together, no index is read from end to end and no row is read that no key names."""
    with asked(store) as statements:
        store.search.page(MessageFilter(**conditions))
        for _ in store.search.numbers(MessageFilter(**conditions), 10):
            pass
    assert any("chunk" in statement for statement, _ in statements)
    for statement, parameters in statements:
        if not statement.startswith("SELECT"):
            continue
        with store.database.read() as connection:
            plan = [step for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        assert [step for step in plan if step.startswith("SCAN") and not MERGED.match(step)] == [], statement


@pytest.mark.parametrize("conditions", [{}, *STATES, {"source": "admissions"}, {"message_type": "ADT^A28"}])
def test_the_order_of_a_list_is_that_of_its_index(store, conditions):
    """What one condition finds is not sorted: its index has it in order, so that a page reads no more than it shows."""
    with asked(store) as statements:
        store.search.page(MessageFilter(**conditions))
    (statement, parameters), *_ = [(s, p) for s, p in statements if "chunk" in s]
    with store.database.read() as connection:
        plan = [step for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    inner = plan[: next(n for n, step in enumerate(plan) if step.startswith("SCAN chunk"))]
    assert not any("TEMP B-TREE" in step for step in inner), plan


def test_a_batch_is_loaded_by_index(store):
    """Identities by key and by INS, their people, objects by key, questions, items: each by an index."""
    needs = Needs(KEYS, frozenset({("1.2.250.1.213.1.4.10", "1")}), FOCI)
    with asked(store) as statements, store.work.read() as connection:
        state = store.work.load(connection, needs)
    assert len(state.identities.rows()) == 30
    assert len(state.foci.rows()) == 30
    assert scans(store, statements) == []


def test_loading_takes_as_many_statements_for_many_messages_as_for_one(store):
    """A batch's size shows in its parameters, not in the number of its statements."""
    counts = []
    for size in (1, 30):
        named = sorted(KEYS)[:size]
        with asked(store) as statements, store.work.read() as connection:
            store.work.load(connection, Needs(frozenset(named), frozenset(), frozenset(sorted(FOCI)[:size])))
        counts.append(len([s for s, _ in statements if s.startswith("SELECT")]))
    assert counts[0] == counts[1]
    assert question_keys(["x"])
