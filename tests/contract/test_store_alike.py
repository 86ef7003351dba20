"""Blocking keys: kept with the records, read by one bounded statement, locked so that nobody is overlooked."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from uuid import uuid4

import pytest
from messages import AUTHORITY, merge, message, patient_told, pid
from sites import demo_site
from sqlalchemy import delete, insert, select
from stores import NOW, Store, asked, at_once, body, empty, event_body, reception, store_at

from adapters.identity_operations import IdentityOperations
from adapters.identity_view import evidence_shown
from adapters.store import alike, identity_desk, schema
from adapters.store import work as work_module
from adapters.store.alike import BULKY, find_alike
from adapters.store.audit import AuditQuery
from adapters.store.identity_desk import IdentityDesk
from adapters.store.work import Work
from adapters.worker import Worker
from gateway.audit import AuditAction
from gateway.errors import AccessRefused
from gateway.facts import Identifier, IdentityStatus, Patient, PatientReported, Traits, Translation
from gateway.focus import Doubt
from gateway.likeness import filed_keys
from gateway.pipeline import Decider, Job
from gateway.principal import Principal, PrincipalKind, Right
from gateway.site import Matching, Site, Source, SourceRole

LABORATORY = "1.2.250.1.999.20"


def site(*, automatic: bool = False) -> Site:
    """Give a site whose laboratory is trusted, and which compares records."""
    return demo_site(
        sources=(
            Source("admissions", SourceRole.ADMISSIONS, applications=("ADM",), authority=AUTHORITY),
            Source(
                "department", SourceRole.DEPARTMENT, applications=("LAB",), authority=LABORATORY, trust_contract=True
            ),
        ),
        matching=Matching(automatic=automatic),
    )


def worker(store: Store, *, automatic: bool = False) -> Worker:
    """Give a worker that compares records."""
    where = site(automatic=automatic)

    decider = Decider(where, store.installation, body, lambda: str(uuid4()), event_body)
    return Worker(Work(store.database), decider, where, lambda: None)


def process(store: Store, *raws: bytes, automatic: bool = False) -> None:
    """Let messages take effect, each in a batch of its own."""
    for raw in raws:
        store.take(raw)
        worker(store, automatic=automatic).run_once()


def checked(who: str) -> str:
    """Give the PID of an identity that was checked, with its place of birth (PAM.FR 2.11)."""
    fields = who.split("|")
    fields += [""] * (33 - len(fields))
    fields[11], fields[32] = "^^^^^^BDL^^63220", "VALI"
    return "|".join(fields)


def of_laboratory(control_id: str, number: str, *, family: str = "FABULAIRE", born: str = "19580321") -> bytes:
    """The laboratory tells who a patient is, under its own number."""
    who = pid(number, family=family, born=born).replace(f"CHU&{AUTHORITY}", f"SIL&{LABORATORY}")
    who = checked(who)
    return message("ADT^A28^ADT_A05", control_id, "EVN||20260302080000", who, application="LAB")


def admitted(control_id: str, number: str, *, family: str = "FABULAIRE", born: str = "19580321") -> bytes:
    """Admissions tells who a patient is, whose identity was checked."""
    who = pid(number, family=family, born=born)
    who = checked(who)
    return message("ADT^A28^ADT_A05", control_id, "EVN||20260302080000", who, application="ADM")


def filed(store: Store) -> dict[str, set[str]]:
    """Give the keys that are stored, by record."""
    found: dict[str, set[str]] = {}
    for key, identity in store.rows(select(schema.blocking_key.c.hash, schema.blocking_key.c.identity_id)):
        found.setdefault(identity, set()).add(key)
    return found


def questions(store: Store) -> list[dict]:
    """Give what is asked."""
    facts = store.rows(select(schema.focus.c.fact).where(schema.focus.c.kind == "question"))
    return [row.fact for row in facts]


def persons(store: Store) -> dict[str, str]:
    """Give the person of each number."""
    return {
        row.value: row.person_id for row in store.rows(select(schema.identity.c.value, schema.identity.c.person_id))
    }


def stored(store: Store) -> dict[str, frozenset[str]]:
    """Give the keys under which each record should be filed."""
    with store.database.read() as connection:
        needs = work_module.Needs(frozenset((AUTHORITY, f"8{n:03}") for n in range(9)), frozenset(), frozenset())
        state = store.work.load(connection, needs)
    return {i: filed_keys(identity) for i, identity in state.identities.rows()}


def test_keys_are_those_of_the_traits_as_they_stand(store):
    """Filed with the record, changed with its traits, gone once admissions has retired it; and none tells a trait."""
    process(store, patient_told("A", "8001"), patient_told("B", "8002"))
    first = filed(store)
    assert first == {i: set(keys) for i, keys in stored(store).items()}
    process(store, merge("C", "8001", "8002", when=1))
    assert len(filed(store)) == 1
    process(store, patient_told("D", "8001", when=2, event="A31", born="19600101"))
    assert filed(store) == {i: set(keys) for i, keys in stored(store).items() if keys}
    assert not any(keys in first.values() for keys in filed(store).values())
    assert not any("FABUL" in key or "1958" in key for keys in first.values() for key in keys)


def test_who_is_like_a_stranger_is_found_and_asked_about(store):
    """One question, with the evidence of its moment; the records stay apart."""
    process(store, admitted("A", "8001"), of_laboratory("B", "L7"))
    (question,) = questions(store)
    assert question["doubt"] == Doubt.LINK_PROPOSED
    assert question["evidence"]["version"] == "shipped-1"
    assert [c["identity"] for c in question["evidence"]["candidates"]] == [question["other"]]
    assert "FABULAIRE" not in json.dumps(question)
    assert len(set(persons(store).values())) == 2


def test_who_is_like_a_stranger_is_linked_where_the_site_says_so(store):
    """One person, and the question is kept, answered."""
    process(store, admitted("A", "8001"), of_laboratory("B", "L7"), automatic=True)
    assert persons(store)["8001"] == persons(store)["L7"]
    assert [q["answered"] for q in questions(store)] == [True]


def test_a_key_that_too_many_share_is_left_out_and_counted(store):
    """Neither read beyond its limit nor compared; who counts is told the kind alone."""
    process(store, patient_told("A", "8001"))
    (own,) = filed(store)
    records = [
        {c.name: row[c.name] for c in schema.identity.c}
        for row in [dict(r._mapping) for r in store.rows(select(schema.identity))]
        for _ in range(1)
    ]
    many = [records[0] | {"id": str(uuid4()), "value": f"9{n}"} for n in range(BULKY)]
    key = next(k for k in filed(store)[own] if k.startswith("a"))
    with store.database.write() as connection:
        connection.execute(insert(schema.identity), many)
        connection.execute(insert(schema.blocking_key), [{"hash": key, "identity_id": m["id"]} for m in many])
    with store.database.read() as connection:
        found = find_alike(connection, filed(store)[own])
    assert dict(found.bulky) == {"a": 1}
    assert {identity for _, identity in found.pairs} == {own}
    store.take(of_laboratory("B", "L7"))
    told: list[dict[str, int]] = []
    deciding = Decider(site(), store.installation, body, lambda: str(uuid4()), event_body)
    Worker(store.work, deciding, site(), lambda: None, left_out=lambda kinds: told.append(dict(kinds))).run_once()
    assert told == [{"a": 1}]


def test_nobody_is_looked_for_whom_admissions_vouches_for(store):
    """A message of a known patient, which most are, asks nothing about likeness."""
    process(store, admitted("A", "8001"))
    store.take(admitted("B", "8001"))
    with asked(store) as statements:
        worker(store).run_once()
    assert not any("blocking_key" in statement for statement, _ in statements)


def test_a_batch_of_strangers_takes_as_many_statements_as_one(store):
    """Candidates of all are found by one statement, and their keys written by one."""
    counts = []
    for size in (1, 20):
        raws = [
            admitted(f"{size}-{n}", f"8{size}{n:02}", family=f"F{'ABCDEFGHIJKLMNOPQRST'[n]}OLIN") for n in range(size)
        ]
        store.inbox.record([reception(raw) for raw in raws])
        with asked(store) as statements:
            worker(store).run_once()
        counts.append(sum("blocking_key" in statement for statement, _ in statements))
    assert counts[0] == counts[1]


@pytest.fixture
def crowd(store) -> Iterator[tuple[Store, set[str]]]:
    """Some thousand records under keys of their own, and the keys of one of them."""
    process(store, patient_told("A", "8001"))
    (row,) = [dict(r._mapping) for r in store.rows(select(schema.identity))]
    many = [row | {"id": str(uuid4()), "value": f"9{n}"} for n in range(4_000)]
    keys = [{"hash": f"{kind}{m['value']:0>18}", "identity_id": m["id"]} for m in many for kind in "abcd"]
    with store.database.write() as connection:
        connection.execute(insert(schema.identity), many)
        connection.execute(insert(schema.blocking_key), keys)
    if not store.database.sqlite:
        with store.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE blocking_key, identity")
    return store, {key["hash"] for key in keys[:40]}


def test_candidates_are_found_by_index(crowd):
    """No table is read from end to end, however many records there are."""
    store, keys = crowd
    with asked(store) as statements, store.database.read() as connection:
        assert len(find_alike(connection, keys).people) == 1
    ((statement, parameters),) = [(s, p) for s, p in statements if "blocking_key" in s]
    explain = "EXPLAIN QUERY PLAN" if store.database.sqlite else "EXPLAIN"
    with store.database.read() as connection:
        plan = [str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)]
    read = [step for step in plan if step.lstrip(" ->").startswith(("SCAN", "Seq Scan"))]
    assert not [step for step in read if "blocking_key" in step or "identity" in step or "filed" in step], plan


# -- workers beside each other -----------------------------------------------------------------------------------------

ANNE = Traits("KERVADEC", "", "ANNE", "ANNE MARIE", "", "1958-03-21", "F", "63220")


@pytest.mark.parametrize("most", [800, 0])
@pytest.mark.parametrize("automatic", [False, True])
@pytest.mark.parametrize("first", ["admissions", "department"])
def test_two_workers_that_meet_one_new_person_never_make_two_silent_identities(
    migrated_postgres, monkeypatch, most, automatic, first
):
    """Whoever is second waits, and knows of the first: linked, or asked about; by a lock a key, or by one for all."""
    store = migrated_postgres
    empty(store)
    monkeypatch.setattr(work_module, "MOST_KEY_LOCKS", most)
    decider = Decider(site(automatic=automatic), store.installation, body, lambda: str(uuid4()), event_body)
    jobs = [
        Job(store.take(bytes([number]))[0], source, "C", Translation((PatientReported(who),), None))
        for number, source in enumerate(decider.site.sources, 65)
        for who in [Patient((Identifier(source.authority, "1"),), ANNE, IdentityStatus.VALIDEE)]
    ]
    jobs.sort(key=lambda job: job.source.id != first)
    has_read = threading.Event()

    def decide(job: Job, begin: Callable[[], object], pause: float) -> None:
        begin()
        needed = decider.needs([job])
        with store_at(store.url) as own, own.database.write() as connection:
            own.work.hold(connection, needed)
            state = own.work.load(connection, needed)
            has_read.set()
            time.sleep(pause)  # what the other reads meanwhile, without a lock, does not hold this one's record
            own.work.flush(connection, state, decider.decide([job], state, NOW), NOW)

    at_once(partial(decide, jobs[0], lambda: None, 0.5), partial(decide, jobs[1], has_read.wait, 0.0))
    facts = [(q["doubt"], q["answered"]) for q in questions(store) if q["other"]]
    assert facts == [(Doubt.LINK_PROPOSED, automatic)]
    assert store.count(schema.identity) == 2
    assert store.count(schema.person) == (1 if automatic else 2)


def desk(store: Store, *rights: Right) -> IdentityOperations:
    """Give the desk's acts of somebody."""
    who = Principal("account:nadia", PrincipalKind.PERSON, rights=frozenset(rights))
    return IdentityOperations(who, IdentityDesk(store.database, store.work), store.trail, store.decider())


def test_what_was_stored_before_is_filed_by_a_scan(store, monkeypatch):
    """Missing keys are written and former ones go, each batch with its event; again, nothing is left to do."""
    monkeypatch.setattr(alike, "SCAN_BATCH", 2)
    process(store, *(patient_told(f"C{n}", f"800{n}", born=f"1958032{n}") for n in range(5)))
    wanted = filed(store)
    first, second = sorted(wanted)[:2]
    with store.database.write() as connection:
        connection.execute(delete(schema.blocking_key).where(schema.blocking_key.c.identity_id == first))
        connection.execute(insert(schema.blocking_key).values(hash="a" + "0" * 16, identity_id=second))
    *_, done = desk(store, Right.OPERATE).scan()
    assert (done.looked, done.filed, done.records) == (5, 2, 5)
    assert filed(store) == wanted
    events = store.trail.search(AuditQuery(action=AuditAction.IDENTITIES_FILED))
    assert sum(int(event.detail["filed"]) for event in events) == 2
    *_, again = desk(store, Right.OPERATE).scan()
    assert (again.looked, again.filed) == (5, 0)


def test_a_scan_asks_about_what_was_stored_before_and_links_nobody(store, monkeypatch):
    """Once for each pair, of the department's record; again, or begun anew in the middle, nothing is asked twice."""
    monkeypatch.setattr(identity_desk, "PROPOSED_BATCH", 2)
    people = [("FABULAIRE", "8001"), ("KERMARREC", "8002"), ("TOURNESOL", "8003")]
    for n, (family, number) in enumerate(people):
        traits = {"family": family, "born": f"19{3 * n + 40}0{n + 2}1{n}"}
        store.process(admitted(f"A{n}", number, **traits), of_laboratory(f"L{n}", f"L{number}", **traits))
    assert {q["doubt"] for q in questions(store)} == {Doubt.UNKNOWN}
    before = persons(store)
    deciding = Decider(site(automatic=True), store.installation, body, lambda: str(uuid4()), event_body)
    operator = Principal("account:nadia", PrincipalKind.PERSON, rights=frozenset({Right.OPERATE}))
    own = IdentityOperations(operator, IdentityDesk(store.database, store.work), store.trail, deciding)
    deque(own.scan(), 0)
    first = next(own.propose())
    *_, done = own.propose(first.last)
    assert (first.looked + done.looked, first.asked + done.asked) == (6, 3)
    asked_of = [q for q in questions(store) if q["doubt"] != Doubt.UNKNOWN]
    ids = {row.id: row.value for row in store.rows(select(schema.identity.c.id, schema.identity.c.value))}
    assert {ids[q["other"]] for q in asked_of} == {number for _, number in people}
    assert not any(q["answered"] for q in asked_of)
    assert persons(store) == before
    counts = [store.count(table) for table in (schema.focus, schema.work_item, schema.outbox)]
    *_, again = own.propose()
    assert (again.looked, again.asked) == (6, 0)
    assert [store.count(table) for table in (schema.focus, schema.work_item, schema.outbox)] == counts
    events = store.trail.search(AuditQuery(action=AuditAction.IDENTITIES_COMPARED))
    assert sum(int(event.detail["asked"]) for event in events) == 3


def test_a_scan_asks_admissions_own_doubles_once(store):
    """Two numbers of one person in the référentiel, stored before anybody compared: one question about them."""
    store.process(admitted("A", "8001"), admitted("B", "8002"))
    deciding = Decider(site(), store.installation, body, lambda: str(uuid4()), event_body)
    operator = Principal("account:nadia", PrincipalKind.PERSON, rights=frozenset({Right.OPERATE}))
    own = IdentityOperations(operator, IdentityDesk(store.database, store.work), store.trail, deciding)
    deque(own.scan(), 0)
    *_, done = own.propose()
    assert (done.asked, [q["doubt"] for q in questions(store)]) == (1, [Doubt.POSSIBLE_DOUBLE])


def test_who_may_not_operate_does_not_scan(store):
    """The refusal is in the trail."""
    with pytest.raises(AccessRefused):
        desk(store, Right.IDENTITY_READ).scan()
    with pytest.raises(AccessRefused):
        desk(store, Right.IDENTITY_READ).propose()
    assert [e.action for e in store.trail.search(AuditQuery())] == [AuditAction.ACCESS_REFUSED] * 2


def test_the_desk_is_shown_why_it_is_asked(store):
    """The evidence of the question about a record: bits that add up to the score, and no value of a trait."""
    process(store, admitted("A", "8001"), of_laboratory("B", "L7"))
    (question,) = questions(store)
    ids = {row.value: row.id for row in store.rows(select(schema.identity.c.value, schema.identity.c.id))}
    shown = desk(store, Right.IDENTITY_READ).show(ids["L7"], "").evidence
    assert shown is not None
    told = evidence_shown(shown)
    (candidate,) = told["candidates"]
    assert (candidate["identity"], told["hindrances"]) == (question["other"], ["setting"])
    assert sum(c["bits"] for c in candidate["contributions"]) == pytest.approx(candidate["bits"], abs=0.1)
    assert "FABULAIRE" not in json.dumps(told)
