"""What operations people watch is what is there, and alarms are raised and resolved once, whoever asks."""

from dataclasses import replace
from datetime import timedelta

import pytest
from messages import patient_told, result
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError
from stores import NOW, at_once, reception

from adapters.store import schema, watch
from adapters.store.audit import AuditQuery
from adapters.store.watch import ALIVE, HOUR_SLOTS, MINUTES_SLOTS, SLOT_SECONDS, Serving
from gateway.alarm import AlarmChange, AlarmKey, AlarmName
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import AckCode, NotHl7

MINUTE = timedelta(minutes=1)
SERVING = Serving("p1", "all", "host", 4711, "0.1.0", NOW, NOW, "open", broker=True, connections=3)
SILENT = AlarmKey(AlarmName.SOURCE_SILENT, "laboratory")


def raised(key=SILENT, value=1_800.5):
    return AlarmChange(key, raised=True, value=value, limit=1_800.0)


def resolved(key=SILENT, value=0.0):
    return AlarmChange(key, raised=False, value=value, limit=1_800.0)


def test_an_empty_store_has_nothing_to_tell(store):
    """Zeros, no instants, nobody."""
    vitals = store.watch.vitals(NOW)
    assert (vitals.backlog, vitals.outbox, vitals.quarantined, vitals.unsealed) == (0, 0, 0, 0)
    assert (vitals.oldest_pending, vitals.oldest_outbox, vitals.oldest_unsealed) == (None, None, None)
    assert (list(vitals.serving), list(vitals.alarms), dict(vitals.seen)) == ([], [], {})


def test_what_waits_is_counted_and_dated_by_its_oldest(store):
    """Pending, outbox, quarantine and seals are each as many as wait, since the first of them."""
    store.process(patient_told("C1", "8001"), result("C2", "8001", "O1", when=1))
    store.inbox.record([reception(b"no hl7", code=AckCode.AR, error=NotHl7("a test"))])
    late = [reception(patient_told(f"W{n}", "8001"), received_at=NOW + n * MINUTE) for n in range(3)]
    store.inbox.record(late)
    vitals = store.watch.vitals(NOW)
    assert (vitals.backlog, vitals.oldest_pending) == (3, NOW)
    assert vitals.outbox == store.outbox.waiting() > 0
    assert vitals.oldest_outbox == store.outbox.unconfirmed(1)[0].created_at
    assert vitals.quarantined == 1
    assert vitals.unsealed == store.count(schema.audit_unsealed) > 0
    assert vitals.oldest_unsealed == store.trail.search(AuditQuery())[0].at
    store.trail.seal()
    assert store.watch.vitals(NOW).oldest_unsealed is None


def test_a_replayed_message_waits_since_its_replay(store):
    """An old message that a person replays raises no alarm by its age."""
    (number,) = store.process(patient_told("C1", "8001"))
    at = NOW + timedelta(days=30)
    store.inbox.replay(number, AuditEvent(at, AuditAction.MESSAGE_REPLAYED, "tester", message=number))
    assert store.watch.vitals(at).oldest_pending == at


def test_a_process_serves_while_it_renews_its_row(store):
    """A row tells what its process told last; one that is not renewed is nobody's, and a leaver is gone at once."""
    store.watch.beat(SERVING)
    later = replace(SERVING, beat_at=NOW + 2 * MINUTE, intake="backlog", broker=None, connections=0)
    other = replace(SERVING, id="p2", role="web", beat_at=NOW + 2 * MINUTE, intake="")
    store.watch.beat(later)
    store.watch.beat(other)
    assert list(store.watch.vitals(NOW + 2 * MINUTE).serving) == [later, other]
    store.watch.leave("p2")
    assert list(store.watch.vitals(NOW + 2 * MINUTE).serving) == [later]
    assert list(store.watch.vitals(later.beat_at + ALIVE).serving) == []
    store.watch.beat(replace(other, beat_at=NOW + timedelta(days=1)))
    assert [row.id for row in store.rows(schema.serving.select())] == ["p2"]


def test_traffic_adds_up_over_processes_and_goes_after_an_hour(store, twin):
    """Each source's messages of the last minutes and of the last hour; the last sight is the last that was told."""
    for minute in range(90):
        at = NOW + minute * MINUTE
        store.watch.beat(replace(SERVING, beat_at=at), {"laboratory": at}, {"laboratory": 2})
        twin.watch.beat(replace(SERVING, id="p2", beat_at=at), {"imaging": at}, {"laboratory": 1, "imaging": 5})
    assert store.watch.traffic(at, MINUTES_SLOTS) == {"laboratory": 15, "imaging": 25}
    assert store.watch.traffic(at, HOUR_SLOTS) == {"laboratory": 180, "imaging": 300}
    assert store.watch.vitals(at).seen == {"laboratory": at, "imaging": at}
    assert min(row.slot for row in store.rows(schema.traffic.select())) >= at.timestamp() // SLOT_SECONDS - HOUR_SLOTS


def test_two_beats_within_one_slot_add_up(store):
    """What came is counted once, whatever the number of beats."""
    for _ in range(3):
        store.watch.beat(SERVING, counted={"laboratory": 4})
    assert store.watch.traffic(NOW, 1) == {"laboratory": 12}


def test_what_all_processes_counted_adds_up(store, twin):
    """Counters are the database's, so that they rise whoever counted, and outlive every process."""
    store.watch.beat(SERVING, tallies={("ended", "processed"): 2.0, ("end_to_end", "sum"): 0.25})
    twin.watch.beat(replace(SERVING, id="p2"), tallies={("ended", "processed"): 3.0})
    assert store.watch.vitals(NOW).tallies == {("ended", "processed"): 5.0, ("end_to_end", "sum"): 0.25}


def test_a_clock_that_went_back_is_believed(store):
    """The last sight of a source follows the clock as it is now, so that it is no silence."""
    store.watch.beat(SERVING, {"laboratory": NOW + timedelta(hours=5)})
    store.watch.beat(SERVING, {"laboratory": NOW})
    assert store.watch.vitals(NOW).seen == {"laboratory": NOW}


def test_processes_beat_at_once(store, twin):
    """Two processes that saw the same sources neither block nor lose each other's counts."""
    seen = {f"s{n}": NOW for n in range(20)}
    counted = dict.fromkeys(seen, 1)

    def beat(watch, process, order):
        for _ in range(20):
            watch.beat(replace(SERVING, id=process), dict(order(seen.items())), dict(order(counted.items())))

    at_once(
        lambda: beat(store.watch, "p1", list),
        lambda: beat(twin.watch, "p2", lambda items: reversed(list(items))),
    )
    assert store.watch.traffic(NOW, 1) == dict.fromkeys(seen, 40)


def test_an_alarm_is_raised_and_resolved_once_with_its_events(store, twin):
    """Again, also from another process, changes nothing and leaves no second event."""
    assert store.watch.change_alarms([raised()], NOW, notify=False) == [raised()]
    assert twin.watch.change_alarms([raised()], NOW + MINUTE, notify=False) == []
    (standing,) = twin.watch.vitals(NOW).alarms
    assert (standing.key, standing.raised_at, standing.value, standing.threshold) == (SILENT, NOW, 1_800.5, 1_800.0)
    assert store.watch.change_alarms([resolved()], NOW + MINUTE, notify=False) == [resolved()]
    assert twin.watch.change_alarms([resolved()], NOW + MINUTE, notify=False) == []
    events = store.trail.search(AuditQuery(action="gateway:alarm"))
    assert [e.action for e in events] == [AuditAction.ALARM_RAISED, AuditAction.ALARM_RESOLVED]
    assert events[0].detail == {"alarm": "source_silent", "subject": "laboratory", "value": 1800}
    assert store.trail.verify().ok
    assert store.watch.next_notice() is None


def test_two_processes_raise_one_alarm_at_once(store, twin):
    """Whoever comes second raises nothing."""
    done = at_once(*(lambda w=w: w.change_alarms([raised()], NOW, notify=True) for w in (store.watch, twin.watch)))
    assert sorted(map(len, done)) == [0, 1]
    assert store.count(schema.alarm_notice) == 1


def test_alarms_of_several_subjects_stand_beside_each_other(store):
    """Each source has an alarm of its own."""
    other = AlarmKey(AlarmName.SOURCE_SILENT, "imaging")
    store.watch.change_alarms([raised(), raised(other)], NOW, notify=False)
    store.watch.change_alarms([AlarmChange(SILENT, raised=False, value=None, limit=None)], NOW, notify=False)
    assert [alarm.key for alarm in store.watch.vitals(NOW).alarms] == [other]


def test_notices_wait_in_order_until_they_are_told(store):
    """Raised and resolved are told one after the other, each under an id of its own that stays."""
    store.watch.change_alarms([raised()], NOW, notify=True)
    store.watch.change_alarms([resolved()], NOW + MINUTE, notify=True)
    first = store.watch.next_notice()
    assert store.watch.next_notice() == first
    assert (first.key, first.raised, first.at, first.value, first.threshold) == (SILENT, True, NOW, 1_800.5, 1_800.0)
    store.watch.end_notice(first)
    second = store.watch.next_notice()
    assert (second.raised, second.at) == (False, NOW + MINUTE)
    assert second.id != first.id
    store.watch.end_notice(second)
    assert store.watch.next_notice() is None


def test_an_alarm_that_cannot_be_told_is_not_raised(store):
    """Alarm, event and notice are one transaction."""
    with pytest.raises(DBAPIError):
        store.watch.change_alarms([raised(AlarmKey(AlarmName.BACKLOG, None))], NOW, notify=True)
    assert store.count(schema.alarm) == store.count(schema.alarm_notice) == store.count(schema.audit_event) == 0


def test_open_items_are_counted_by_secretariat_with_the_oldest(store):
    """Done and withdrawn items are nobody's; a secretariat without any has none."""
    store.process(*(result(f"C{n}", f"8{n:03}", f"O{n}", when=n) for n in range(4)))
    items = sorted((v.item for v in store.worklist.items(["accueil"])), key=lambda item: item.created_at)
    assert len(items) > 1
    with store.database.write() as connection:
        done = update(schema.work_item).where(schema.work_item.c.id == items[0].id).values(state="done")
        connection.execute(done)
    desk, nobody = store.watch.open_items(["accueil", "nobody"])
    assert (desk.count, desk.oldest) == (len(items) - 1, items[1].created_at)
    assert (nobody.count, nobody.oldest) == (0, None)


def test_what_is_kept_for_ever_is_counted_up_to_a_bound(store, monkeypatch):
    """The count of quarantined messages costs no more with a million of them than with as many as the bound."""
    monkeypatch.setattr(watch, "COUNTED", 5)
    store.inbox.record([reception(b"no hl7", code=AckCode.AR, error=NotHl7("a test"))] * 9)
    assert store.watch.vitals(NOW).quarantined == 5
