"""What is to be told at an address of a source's own is kept with the message, until it was told."""

from messages import patient_told
from stores import NOW, reception, store_at

from adapters.store import replies, schema
from gateway.errors import NotHl7
from gateway.reception import Objection, State

A28 = patient_told("C1", "8001")


def owed(raw, **changes):
    return reception(raw, replies=True, **changes)


def processed(store):
    worker = store.worker()
    while worker.run_once():
        pass


def test_what_has_ended_is_due_in_order_once_and_to_its_source(store, monkeypatch):
    """Nothing is due before the end; then it is, with bytes and end, by message, bounded in bytes, until it is told."""
    raws = [patient_told(f"C{n}", "8001", when=n) for n in range(5)]
    numbers = [r.message for r in store.inbox.record([owed(raw) for raw in raws] + [reception(A28 + b"NTE|1\r")])][:5]
    assert store.replies.due("admissions", 10) == []
    processed(store)
    due = store.replies.due("admissions", 10)
    assert [(d.message, d.raw, d.outcome.state) for d in due] == [
        (n, raw, State.PROCESSED) for n, raw in zip(numbers, raws, strict=True)
    ]
    assert [d.message for d in store.replies.due("admissions", 2)] == numbers[:2]
    monkeypatch.setattr(replies, "BATCH_BYTES", len(raws[0]) + len(raws[1]))
    assert [d.message for d in store.replies.due("admissions", 10)] == numbers[:2]
    monkeypatch.setattr(replies, "BATCH_BYTES", 1)
    assert [d.message for d in store.replies.due("admissions", 10)] == numbers[:1]
    monkeypatch.undo()
    assert store.replies.due("department", 10) == []
    store.replies.told(numbers[:4])
    with store_at(store.url) as again:
        assert [d.message for d in again.replies.due("admissions", 10)] == numbers[4:]
    found = store.watch.vitals(NOW).replies
    assert {source: due.count for source, due in found.items()} == {"admissions": 1}


def test_a_repetition_is_told_the_first_ones_end_again(store):
    """Who sends again has not heard of it; nothing is due twice at a time."""
    (first,) = store.inbox.record([owed(A28)])
    store.inbox.record([owed(A28), owed(A28)])
    processed(store)
    assert [d.message for d in store.replies.due("admissions", 10)] == [first.message]
    store.replies.told([first.message])
    store.inbox.record([owed(A28)])
    assert [d.message for d in store.replies.due("admissions", 10)] == [first.message]


def test_a_refused_message_is_owed_nothing(store):
    """It was told as it came."""
    store.inbox.record([owed(b"nothing", error=NotHl7("an MSH segment is expected", path="MSH"))])
    assert store.count(schema.reply_due) == 0


def test_of_a_purged_message_nothing_can_be_told_and_that_shows(store):
    """The row stays due, without bytes, so that whoever tells gives it up."""
    (only,) = store.inbox.record([owed(A28)])
    processed(store)
    with store.database.write() as connection:
        connection.execute(schema.message_body.delete())
    assert [(d.message, d.raw) for d in store.replies.due("admissions", 10)] == [(only.message, None)]


def test_what_is_objected_to_is_kept_with_the_end(store):
    """A restart later the sender is told the same."""
    (only,) = store.inbox.record([owed(A28)])
    objections = [{"error": "InsMissing", "path": "PID-3", "rule": "an INS"}]
    with store.database.write() as connection:
        connection.execute(schema.pending.delete())
        row = {"message_id": only.message, "state": "processed", "error": "", "path": "", "rule": "", "ended_at": NOW}
        connection.execute(schema.outcome.insert(), [{**row, "notes": {"objections": objections}}])
    with store_at(store.url) as again:
        found = again.inbox.outcomes([only.message])[only.message]
        assert found.objection == Objection("InsMissing", "PID-3", "an INS")
        assert again.replies.due("admissions", 1)[0].outcome == found
