"""The audit trail keeps what was done, in a chain that no hand at the database can change unnoticed."""

import threading
from datetime import timedelta

import pytest
from messages import merge, patient_told, result
from stores import NOW, at_once, unguarded

from adapters.store import schema
from adapters.store.audit import SEAL_BATCH, AuditQuery, AuditUnreadable
from adapters.store.chain import entries
from gateway.audit import GENESIS, AuditAction, AuditEvent, fingerprint, seal

EVENTS = 12


def event(n=0, **changes):
    """Give an act of a user."""
    known = {
        "at": NOW + timedelta(seconds=n),
        "action": AuditAction.MESSAGE_LISTED,
        "principal": "account:tester",
        "patients": ("p-1", "p-2"),
        "message": None,
        "entities": ("item/1",),
        "correlation": f"C{n}",
        "detail": {"found": n, "all": True, "state": "é « ’ \U0001f600"},
    }
    return AuditEvent(**(known | changes))


@pytest.fixture
def sealed(store):
    """A store with a dozen sealed events."""
    store.trail.record(*(event(n) for n in range(EVENTS)))
    assert store.trail.verify().ok
    return store


def execute(store, *statements):
    """Change the database as somebody would who knows how to get past its guards."""
    with store.database.write() as connection, unguarded(connection):
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_an_event_comes_back_as_it_was_written(store):
    """Every field is kept, to the microsecond and the last character; numbers rise."""
    written = [event(n, at=NOW + timedelta(microseconds=n)) for n in range(5)]
    store.trail.record(*written)
    found = store.trail.search(AuditQuery())
    assert [e.id for e in found] == sorted({e.id for e in found})
    assert [AuditEvent(**{**_fields(e), "id": 0}) for e in found] == written


def _fields(found):
    return {name: getattr(found, name) for name in AuditEvent.__slots__}


def test_what_is_written_is_sealed_once(store):
    """Each event gets one link, in order; sealing again adds nothing."""
    store.trail.record(*(event(n) for n in range(EVENTS)))
    assert store.trail.seal() == EVENTS
    assert store.trail.seal() == 0
    links = store.rows(schema.audit_seal.select().order_by(schema.audit_seal.c.sequence))
    assert [link.sequence for link in links] == list(range(1, EVENTS + 1))
    assert [link.event_id for link in links] == [e.id for e in store.trail.search(AuditQuery())]
    assert store.count(schema.audit_unsealed) == 0


def test_more_than_a_batch_is_sealed(store):
    """The chain goes on over as many transactions as it takes."""
    store.trail.record(*(event(n, patients=()) for n in range(SEAL_BATCH + 10)))
    verification = store.trail.verify()
    assert (verification.ok, verification.sealed) == (True, SEAL_BATCH + 10)


def test_an_empty_trail_holds(store):
    """A gateway that has done nothing has nothing to hide."""
    verification = store.trail.verify()
    assert (verification.ok, verification.events, verification.sealed) == (True, 0, 0)


_SWAPPED_CONTENT = (
    "UPDATE audit_event SET correlation = CASE id WHEN {4} THEN 'C4' ELSE 'C3' END WHERE id IN ({4}, {5})",
)
_SWAPPED_LINKS = (
    "UPDATE audit_seal SET event_id = -1 WHERE sequence = 4",
    "UPDATE audit_seal SET event_id = {4} WHERE sequence = 5",
    "UPDATE audit_seal SET event_id = {5} WHERE sequence = 4",
)
TAMPERING = {
    "a time": (("UPDATE audit_event SET at = '2026-03-02 08:00:03.000001+00' WHERE id = {4}",), 4, "event changed"),
    "an action": (("UPDATE audit_event SET action = 'user:item:shown' WHERE id = {4}",), 4, "event changed"),
    "an actor": (("UPDATE audit_event SET principal = 'account:other' WHERE id = {4}",), 4, "event changed"),
    "a patient": (("UPDATE audit_event SET patients = '[\"p-1\"]' WHERE id = {1}",), 1, "event changed"),
    "a message": (("UPDATE audit_event SET message_id = 1 WHERE id = {12}",), 12, "event changed"),
    "a reference": (("UPDATE audit_event SET correlation = '' WHERE id = {4}",), 4, "event changed"),
    "an entity": (("UPDATE audit_event SET entities = '[]' WHERE id = {4}",), 4, "event changed"),
    "an action of nobody's": (("UPDATE audit_event SET action = 'tampered' WHERE id = {4}",), 4, "event changed"),
    "a digest that is none": (("UPDATE audit_seal SET digest = 'zz' WHERE sequence = 12",), 12, "event changed"),
    "a patient's index": (("DELETE FROM audit_patient WHERE event_id = {4}",), 4, "patients changed"),
    "a detail": (("UPDATE audit_event SET detail = '{{}}' WHERE id = {4}",), 4, "event changed"),
    "an event removed": (
        ("DELETE FROM audit_patient WHERE event_id = {4}", "DELETE FROM audit_event WHERE id = {4}"),
        4,
        "event missing",
    ),
    "a link removed": (("DELETE FROM audit_seal WHERE sequence = 4",), 4, "seal missing"),
    "the first link removed": (("DELETE FROM audit_seal WHERE sequence = 1",), 1, "seal missing"),
    "the last link removed": (("DELETE FROM audit_seal WHERE sequence = 12",), 12, "seal missing"),
    "the whole chain removed": (("DELETE FROM audit_seal",), 1, "seal missing"),
    "an event with its link": (
        (
            "DELETE FROM audit_patient WHERE event_id = {4}",
            "DELETE FROM audit_seal WHERE sequence = 4",
            "DELETE FROM audit_event WHERE id = {4}",
        ),
        4,
        "event removed",
    ),
    "a digest": (("UPDATE audit_seal SET digest = '{0:064}' WHERE sequence = 4",), 4, "event changed"),
    "two contents swapped": (_SWAPPED_CONTENT, 4, "event changed"),
    "two links swapped": (_SWAPPED_LINKS, 4, "event changed"),
    "an event slipped in": (
        (
            (
                "INSERT INTO audit_event (at, action, principal, message_id, correlation, patients, entities, detail) "
                "SELECT at, action, 'account:other', message_id, correlation, patients, entities, detail "
                "FROM audit_event WHERE id = {4}"
            ),
        ),
        13,
        "seal missing",
    ),
}
UNREADABLE = {
    "patients": "UPDATE audit_event SET patients = 'zz' WHERE id = {4}",
    "detail": "UPDATE audit_event SET detail = 'null' WHERE id = {4}",
    "time": "UPDATE audit_event SET at = 'zz' WHERE id = {4}",
    "bytes": "UPDATE audit_event SET correlation = x'80' WHERE id = {4}",
}


@pytest.mark.parametrize(("statements", "sequence", "problem"), TAMPERING.values(), ids=TAMPERING)
def test_tampering_is_found_and_named(sealed, statements, sequence, problem):
    """Whatever is changed, removed, slipped in or swapped with SQL, verification names the first bad record."""
    numbers = [e.id for e in sealed.trail.search(AuditQuery())]
    execute(sealed, *(statement.format(0, *numbers) for statement in statements))
    verification = sealed.trail.verify()
    assert not verification.ok
    assert (verification.first_bad.sequence, verification.first_bad.problem) == (sequence, problem)


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # PostgreSQL refuses such values itself
@pytest.mark.parametrize("statement", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_any_more_is_found_and_named(sealed, statement):
    """SQLite checks no types: an event made unreadable is one changed, and a search says so in our words."""
    numbers = [e.id for e in sealed.trail.search(AuditQuery())]
    execute(sealed, statement.format(0, *numbers))
    first_bad = sealed.trail.verify().first_bad
    assert (first_bad.sequence, first_bad.event, first_bad.problem) == (4, numbers[3], "event changed")
    with pytest.raises(AuditUnreadable):
        sealed.trail.search(AuditQuery())


def test_the_store_gives_the_canonical_form_itself(sealed):
    """In whatever order details were given, and whatever stands in a text; nothing is parsed to be verified."""
    odd = 'a"b\\c\n\té « ’ / \u2028'
    sealed.trail.record(event(1, correlation=odd, detail={"z": 1, "a": odd, "m": False}, entities=(odd,), patients=()))
    sealed.trail.seal()
    before = GENESIS
    with sealed.database.read() as connection:
        for link in entries(connection):
            assert seal(before, fingerprint(link.form)) == link.digest or not_as_sqlite_has_it(sealed, link)
            assert link.form == link.again(link.event) or not_as_sqlite_has_it(sealed, link)
            assert link.indexed
            before = link.digest
    assert sealed.trail.verify().ok


def not_as_sqlite_has_it(store, link):
    """Whether SQLite keeps this text with escapes of its own: such an event is read again."""
    return store.database.sqlite and b"\\u" in link.form


def test_a_phantom_among_the_unsealed_hides_no_event(sealed):
    """A number that is sealed already is passed over by the sealer; an event slipped in stands out."""
    number = sealed.trail.search(AuditQuery())[3].id
    columns = "at, action, principal, message_id, correlation, patients, entities, detail"
    execute(
        sealed,
        f"INSERT INTO audit_event (id, {columns}) SELECT 99999, {columns} FROM audit_event WHERE id = {number}",
        f"INSERT INTO audit_unsealed VALUES ({number}, '')",
    )
    assert sealed.trail.seal() == 1
    first_bad = sealed.trail.verify().first_bad
    assert (first_bad.event, first_bad.problem) == (99999, "seal missing")


def test_what_is_sealed_after_tampering_hides_nothing(sealed):
    """The chain goes on behind a break, and the break stays the first bad record."""
    first = sealed.trail.search(AuditQuery())[0].id
    execute(sealed, f"UPDATE audit_event SET principal = 'account:other' WHERE id = {first}")
    sealed.trail.record(event(99))
    verification = sealed.trail.verify()
    assert (verification.ok, verification.first_bad.sequence) == (False, 1)
    assert verification.events == EVENTS + 1


def test_two_sealers_make_one_chain(store, twin):
    """Two sealers at work while others write leave one link per event, without gap or fork."""
    written = threading.Event()

    def write(each, name):
        for n in range(40):
            each.trail.record(event(n, correlation=name), event(n, correlation=name))

    def writers():
        try:
            at_once(lambda: write(store, "a"), lambda: write(twin, "b"))
        finally:
            written.set()

    def seal(each):
        sealed = 0
        while not written.is_set():
            sealed += each.trail.seal()
        return sealed + each.trail.seal()

    _, *sealed = at_once(writers, lambda: seal(store), lambda: seal(twin))
    verification = store.trail.verify()
    assert (verification.ok, verification.sealed, verification.events) == (True, 160, 160)
    assert sum(sealed) == 160


def test_verifying_while_others_write_gives_no_false_alarm(store, twin):
    """A verification at any moment of a busy day finds the chain whole."""
    busy = threading.Event()

    def write():
        try:
            for n in range(150):
                twin.trail.record(event(n))
        finally:
            busy.set()

    def check():
        found = []
        while not busy.is_set():
            found.append(store.trail.verify())
        return found

    _, found = at_once(write, check)
    assert found
    assert [v.first_bad for v in found] == [None] * len(found)


def test_a_search_holds_every_condition(store):
    """Action, its beginning, principal, message and time narrow a search together; the newest are given."""
    store.trail.record(
        event(1, action=AuditAction.MESSAGE_SHOWN, message=7),
        event(2, action=AuditAction.ITEM_SHOWN, principal="account:other"),
        event(3, action=AuditAction.MESSAGE_RECEIVED, principal="admissions", message=7),
        event(4, action=AuditAction.MESSAGE_SHOWN),
    )

    def found(**query):
        return [e.detail["found"] for e in store.trail.search(AuditQuery(**query))]

    assert found() == [1, 2, 3, 4]
    assert found(action="user:") == [1, 2, 4]
    assert found(action=AuditAction.MESSAGE_SHOWN) == [1, 4]
    assert found(action="%") == []
    assert found(message=7) == [1, 3]
    assert found(message=7, principal="admissions") == [3]
    assert found(since=NOW + timedelta(seconds=3)) == [3, 4]
    assert found(limit=2) == [3, 4]
    assert found(patient="nobody") == []


def test_a_patients_story_follows_merges(store):
    """A search by either number finds what was done to both records of one person, and to nobody else's."""
    numbers = store.process(
        patient_told("C1", "8001"),
        result("C2", "8001", "O1"),
        patient_told("C3", "8002"),
        merge("C4", "8002", "8001"),
        patient_told("C5", "8009"),
    )
    by_retired, by_survivor = (store.trail.search(AuditQuery(patient=ipp)) for ipp in ("8001", "8002"))
    assert by_retired == by_survivor
    assert {e.message for e in by_survivor} == set(numbers[:4])
    assert {e.message for e in store.trail.search(AuditQuery(patient="8009"))} == {numbers[4]}
    assert AuditAction.IDENTITY_MERGED in {e.action for e in by_survivor}
