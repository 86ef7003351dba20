"""Audit events are found by whatever a question names, in order, a page at a time, at a bounded cost."""

import random
from datetime import timedelta

import pytest
from messages import patient_told, result
from stores import NOW, asked

from adapters.store import audit_search, schema
from gateway.audit import AuditAction, AuditEvent
from gateway.audit_query import AuditQuery


def event(n, **changes):
    """Give an act; every second one of its own time."""
    known = {
        "at": NOW + timedelta(seconds=n // 2),
        "action": AuditAction.ITEM_SHOWN,
        "principal": f"account:{n % 3}",
        "entities": (f"item/i-{n % 5}",),
        "detail": {"n": n},
    }
    return AuditEvent(**(known | changes))


def told(store, **query):
    """Give the numbers that the events found bear."""
    return [e.detail["n"] for e in store.trail.search(AuditQuery(**query))]


def pages(store, **query):
    """Read page after page to the end."""
    after, found = None, []
    while True:
        page = store.trail.page(AuditQuery(**query, after=after))
        found.append([e.detail["n"] for e in page.events])
        if (after := page.after) is None:
            return found


@pytest.fixture
def filled(store):
    """Forty acts, written in no order of their time."""
    numbers = list(range(40))
    random.Random(7).shuffle(numbers)
    for n in numbers:
        store.trail.record(event(n))
    return store


def test_each_condition_narrows(store):
    """Period, actors, exact actions and things touched hold together."""
    store.trail.record(
        event(0),
        event(1, action=AuditAction.ITEM_DONE, patients=("p-1",)),
        event(2, patients=("p-1", "p-2")),
        event(3, entities=("item/i-30", "secretariat/a")),
        event(4, principal="gateway"),
    )
    assert told(store, until=NOW + timedelta(seconds=1)) == [0, 1]
    assert told(store, since=NOW + timedelta(seconds=1), until=NOW + timedelta(seconds=2)) == [2, 3]
    assert told(store, actions=(AuditAction.ITEM_DONE,)) == [1]
    assert told(store, actions=()) == []
    assert told(store, principals=("account:0", "gateway")) == [0, 3, 4]
    assert told(store, principal="gateway") == [4]
    assert told(store, identities=("p-2", "p-9")) == [2]
    assert told(store, identities=()) == []
    assert told(store, identities=("p-1",), actions=(AuditAction.ITEM_SHOWN,)) == [2]
    assert told(store, entities=("item/i-3",)) == []
    assert told(store, entities=("secretariat/a", "item/i-0")) == [0, 3]
    assert told(store, oldest_first=True, limit=2) == [0, 1]
    number = store.trail.search(AuditQuery())[2].id
    assert told(store, event=number) == [2]
    assert told(store, until_event=number) == [0, 1, 2]


@pytest.mark.parametrize("oldest_first", [True, False])
@pytest.mark.parametrize(
    "query", [{}, {"principal": "account:1"}, {"action": "user:item"}, {"entities": ("item/i-1", "item/i-4")}], ids=str
)
def test_pages_hold_everything_once_in_order(filled, query, oldest_first):
    """Page after page gives what one page gives, where several events have one time and whatever comes meanwhile."""
    whole = pages(filled, **query, oldest_first=oldest_first, limit=100)
    assert len(whole) == 1
    first = filled.trail.page(AuditQuery(**query, oldest_first=oldest_first, limit=3))
    filled.trail.record(event(1), event(79))
    last = max(e.id for e in filled.trail.search(AuditQuery())) - 2
    rest = pages(filled, **query, oldest_first=oldest_first, limit=3, until_event=last)
    assert [e.detail["n"] for e in first.events] == rest[0]
    assert [n for page in rest for n in page] == whole[0]
    assert all(len(page) == 3 for page in rest[:-1])
    assert rest[-1]


def test_a_page_looks_at_a_bounded_number(filled, monkeypatch):
    """What hardly ever occurs is looked for a bounded time; the page says where it stopped, and the next goes on."""
    monkeypatch.setattr(audit_search, "CHUNK", 4)
    monkeypatch.setattr(audit_search, "EXAMINED", 8)
    page = filled.trail.page(AuditQuery(action="user:none"))
    assert page.events == []
    assert page.after is not None
    assert pages(filled, action="user:none") == [[]] * 6
    assert told(filled, action="user:none") == []
    assert told(filled, entities=("item/i-1",)) == list(range(1, 40, 5))
    assert told(filled, entities=("item/i-1",), limit=2) == [31, 36]
    assert pages(filled, entities=("item/i-1",), limit=1) == [[n] for n in range(36, 0, -5)]


def test_an_items_story_is_all_that_names_it(store):
    """What messages did to an item, what the bus was told, what people did, and nothing of another item."""
    store.process(patient_told("C1", "8001"), result("C2", "8001", "O1"), result("C3", "8001", "O2"))
    entries = store.outbox.unconfirmed(10)
    store.outbox.confirm(entries)
    one, other = sorted({entry.item for entry in entries})[:2]
    identity = store.rows(schema.work_item.select().where(schema.work_item.c.id == one))[0].identity_id
    for item in (one, other):
        store.trail.record(AuditEvent(NOW, AuditAction.ITEM_SHOWN, "t", (identity,), entities=(f"item/{item}",)))
    found = store.trail.search(AuditQuery(item=one))
    assert {e.action for e in found} == {
        AuditAction.ITEM_CREATED,
        AuditAction.ITEM_PUBLISHED,
        AuditAction.ITEM_SHOWN,
    }
    assert all(f"item/{one}" in e.entities for e in found)


def test_what_the_bus_was_told_stands_in_the_stories_of_its_patient_and_message(store):
    """A publication names whose item it was of, and the message that it came of."""
    _, number = store.process(patient_told("C1", "8001"), result("C2", "8001", "O1"))
    entries = store.outbox.unconfirmed(10)
    store.outbox.confirm(entries)
    published = [e for e in store.trail.search(AuditQuery(message=number)) if e.action == AuditAction.ITEM_PUBLISHED]
    assert [e.correlation for e in published] == [e.message_id for e in entries]
    assert {e.id for e in published} <= {e.id for e in store.trail.search(AuditQuery(patient="8001"))}


def test_a_reference_finds_all_that_came_of_it(store):
    """MSH-10 finds what its message led to, and a bus message's id its publication."""
    numbers = store.process(patient_told("C1", "8001"), result("C2", "8001", "O1"))
    (entry,) = store.outbox.unconfirmed(10)
    store.outbox.confirm([entry])
    assert {e.message for e in store.trail.search(AuditQuery(correlation="C2"))} == {numbers[1]}
    assert AuditAction.ITEM_PUBLISHED in {e.action for e in store.trail.search(AuditQuery(correlation="C2"))}
    (published,) = store.trail.search(AuditQuery(correlation=entry.message_id))
    assert published.action == AuditAction.ITEM_PUBLISHED
    assert store.trail.search(AuditQuery(correlation="C9")) == []


@pytest.mark.parametrize("more", [{}, {"action": "user:"}, {"entities": ("item/i-1",)}], ids=str)
def test_what_an_actor_did_walks_its_index(store, more):
    """The acts of one account are read in order by the index that leaves out what the gateway does by itself."""
    store.trail.record(*(event(n) for n in range(40)))
    with asked(store) as statements:
        store.trail.page(AuditQuery(principal="account:1", since=NOW, **more))
    (statement, parameters), *_ = [(s, p) for s, p in statements if "principal" in s]
    explain = "EXPLAIN QUERY PLAN " if store.database.sqlite else "EXPLAIN "
    with store.database.write() as connection:
        if not store.database.sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        plan = " ".join(
            str(step) for row in connection.exec_driver_sql(explain + statement, parameters) for step in row
        )
    assert "ix_audit_event_principal_at" in plan
