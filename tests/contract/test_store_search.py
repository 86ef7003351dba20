"""A search finds exactly what matches, page after page, whatever is asked together."""

from datetime import timedelta
from itertools import combinations

import pytest
from messages import billing, merge, message, patient_told, result
from stores import NOW, reception

from adapters.store import search
from adapters.store.search import MessageFilter
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import AckCode, FieldMissing

LAST = NOW + timedelta(days=365)
TOLD = AuditEvent(NOW, AuditAction.MESSAGE_HELD, "tester", message=1)
UNDECIDED = message("ADT^A43^ADT_A43", "U1", "PID|||8001^^^CHU^PI", "MRG|8002^^^CHU^PI", application="ADM")


def pages(store, limit, **conditions):
    """Give all numbers that match, by pages, oldest first, and how many pages it took."""
    found, before, count = [], None, 0
    while True:
        page = store.search.page(MessageFilter(**conditions), before=before, limit=limit)
        found = [m.id for m in page.messages] + found
        count += 1
        if page.before is None:
            return found, count
        assert before is None or page.before < before
        before = page.before


@pytest.fixture
def morning(store):
    """Fifty messages, an hour apart, of several sources, types and endings."""
    raws = []
    for n in range(10):
        raws += [
            patient_told(f"C{n}", f"8{n:03}"),
            result(f"R{n}", f"8{n:03}", f"O{n}"),
            UNDECIDED.replace(b"U1", f"U{n}".encode()),
            billing(f"B{n}", f"8{n:03}"),
            patient_told(f"C{n}", f"8{n:03}"),
        ]
    types = ("ADT^A28", "ORU^R01", "ADT^A43", "DFT^P03", "ADT^A28")
    for n, raw in enumerate(raws):
        at = NOW + timedelta(hours=n, minutes=-50 if n % 5 == 3 else 0)
        store.inbox.record([reception(raw, received_at=at, message_type=types[n % 5])])
    store.process()
    for number in (3, 8):
        store.desk.hold(number, TOLD, "a test")
        store.desk.assign(number, "account:martin", TOLD)
    store.desk.resolve(13, TOLD)
    return store


CONDITIONS = {
    "state": "quarantined",
    "source": "admissions",
    "message_type": "ADT^A43",
    "control_id": "U1",
    "patient": "8001",
    "error": "PersonNeeded",
    "owner": "account:martin",
    "held": True,
    "unresolved": True,
    "since": NOW + timedelta(hours=4),
    "until": NOW + timedelta(hours=30),
}


def matches(stored, patients, **conditions):
    """Whether a message matches, by the plain reading of the conditions."""
    outcome = stored.outcome
    shown = {
        "state": outcome.state,
        "source": stored.source,
        "message_type": stored.message_type,
        "control_id": stored.control_id,
        "patient": "8001" if stored.id in patients else "",
        "error": outcome.error,
        "owner": stored.owner,
        "held": stored.held_at is not None,
        "unresolved": outcome.state == "quarantined" and stored.resolved_at is None,
    }
    since, until = conditions.get("since", stored.received_at), conditions.get("until", LAST)
    return since <= stored.received_at < until and all(
        shown[name] == value for name, value in conditions.items() if name in shown
    )


def test_any_two_conditions_together_find_what_matches_both(morning, monkeypatch):
    """Every pair, in pages of any size, in chunks smaller than what is stored, upwards and downwards."""
    monkeypatch.setattr(search, "CHUNK", 7)
    everything = morning.search.page(MessageFilter(), limit=1_000).messages
    assert len(everything) == 50
    patients = set(morning.found(patient="8001", limit=1_000))
    pairs = [{name: CONDITIONS[name]} for name in CONDITIONS]
    pairs += [{a: CONDITIONS[a], b: CONDITIONS[b]} for a, b in combinations(CONDITIONS, 2)]
    for asked in pairs:
        expected = [m.id for m in everything if matches(m, patients, **asked)]
        assert pages(morning, 4, **asked)[0] == expected, asked
        assert [n for each in morning.search.numbers(MessageFilter(**asked), 4) for n in each] == expected, asked


@pytest.mark.parametrize("state", ["processed", "duplicate", "ignored", "pending"])
def test_every_state_is_found(morning, state):
    """Each state's messages, and only those."""
    morning.take(patient_told("W1", "8100"))
    counted = morning.inbox.summary()[state]
    assert counted
    assert {m.outcome.state for m in morning.search.page(MessageFilter(state=state)).messages} == {state}
    assert len(morning.found(state=state)) == counted


def test_a_patients_messages_are_those_that_touched_or_named_it(store):
    """Applied to any record of the person, merged too; refused, quarantined, ignored and repeated ones that name it."""
    told, other, merged, report, undecided, bill, again = store.process(
        patient_told("C1", "8001"),
        patient_told("C2", "8002"),
        merge("C3", "8001", "8003"),
        result("C4", "8001", "O1"),
        UNDECIDED,
        billing("C5", "8001"),
        patient_told("C1", "8001"),
    )
    error = FieldMissing("a value", path="PID-5")
    refused = reception(patient_told("C6", "8001"), code=AckCode.AE, error=error, subjects=("8001",))
    (kept,) = store.inbox.record([refused])
    assert store.found(patient="8001") == [told, merged, report, undecided, bill, again, kept.message]
    assert store.found(patient="8003") == [told, merged, report, again]
    assert store.found(patient="8002") == [other, undecided]
    assert store.found(patient="9999") == []


def test_a_page_looks_at_a_bounded_number_of_messages_and_says_where_it_stopped(morning, monkeypatch):
    """Where nothing matches, a page ends empty before the end of the inbox, and the next ones go on from there."""
    monkeypatch.setattr(search, "CHUNK", 5)
    monkeypatch.setattr(search, "EXAMINED", 10)
    page = morning.search.page(MessageFilter(source="admissions", message_type="ORU^R01"))
    assert page.messages == []
    seldom = {"source": "admissions", "state": "processed", "message_type": "ADT^A28"}
    found, count = pages(morning, 100, **seldom)
    assert len(found) == 10
    assert count > 1


def test_pages_stay_as_they_are_while_messages_come_in(morning):
    """The page before a number is the same whatever has come since."""
    first = morning.search.page(MessageFilter(), limit=10)
    second = morning.search.page(MessageFilter(), before=first.before, limit=10)
    morning.take(*(patient_told(f"N{n}", "8001") for n in range(5)))
    again = morning.search.page(MessageFilter(), before=first.before, limit=10)
    assert [m.id for m in again.messages] == [m.id for m in second.messages]


def test_a_clock_that_jumps_back_hides_nothing(store):
    """Messages whose time is before that of earlier ones are found by their period."""
    offsets = [0, 10, 70, 20, 30, 80, 90, 40, 100]
    for n, minutes in enumerate(offsets):
        store.inbox.record([reception(patient_told(f"C{n}", "8001"), received_at=NOW + timedelta(minutes=minutes))])
    for since in range(0, 110, 10):
        for until in range(since, 120, 10):
            period = {"since": NOW + timedelta(minutes=since), "until": NOW + timedelta(minutes=until)}
            expected = [n for n, minutes in enumerate(offsets, 1) if since <= minutes < until]
            assert store.found(**period) == expected


def test_an_empty_inbox_is_searched_too(store):
    """Nothing is found, page after page."""
    assert pages(store, 5) == ([], 1)
    assert pages(store, 5, since=NOW, source="x") == ([], 1)
    assert store.search.error_groups() == []
