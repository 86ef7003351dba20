"""The relay without a broker: its window, its bookkeeping of confirms, and what it does when a publisher fails."""

import asyncio
import threading
import time
from datetime import UTC, datetime

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from adapters.bus.rabbitmq import Confirms
from adapters.bus.relay import EntryRefused, Relay, Window
from gateway.errors import BrokerUnavailable, StorageUnavailable
from gateway.outbox import OutboxEntry


def entry(sequence, key="p1", secretariat="cardio"):
    return OutboxEntry(sequence, f"m{sequence}", secretariat, key, f"i{sequence}", 1, b"{}", datetime.now(UTC))


class MemoryOutbox:
    """An outbox in memory."""

    def __init__(self, entries=()):
        self.entries, self.confirmed, self.trouble = list(entries), [], 0

    def unconfirmed(self, limit, excluding=()):
        done = set(self.confirmed)
        return [e for e in self.entries if e not in done and e.secretariat not in excluding][:limit]

    def confirm(self, entries):
        if self.trouble:
            self.trouble -= 1
            raise StorageUnavailable("the disk is full")
        assert not set(entries) & set(self.confirmed)
        self.confirmed += entries


class ScriptedPublisher:
    """Takes entries, but fails on the first publishes of some: message id -> errors to raise, in order."""

    def __init__(self, **failures):
        self.failures, self.taken, self.sessions, self.absent, self.lost = failures, [], 0, 0, False

    async def connect(self):
        if self.absent:
            self.absent -= 1
            raise BrokerUnavailable("no connection")
        self.sessions, self.lost = self.sessions + 1, False

    def require_session(self):
        if self.lost:
            raise BrokerUnavailable("the connection was closed")

    async def publish(self, entry):
        await asyncio.sleep(0)
        if self.failures.get(entry.message_id):
            raise self.failures[entry.message_id].pop(0)
        self.taken.append(entry)

    async def close(self):
        pass


async def eventually(condition):
    """Return once the condition holds."""
    for _ in range(1_000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it never came to hold")


async def relayed(outbox, publisher, **settings):
    """Run a relay until the outbox is confirmed, and stop it."""
    relay = Relay(outbox, publisher, backoff_seconds=(0.001, 0.01), hold_seconds=0.01, poll_seconds=0.01, **settings)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(relay.run())
        await eventually(lambda: len(outbox.confirmed) == len(outbox.entries) or running.done())
        await relay.stop()


@given(
    keys=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=40),
    answers=st.lists(st.sampled_from(["taken", "refused", "release"]), max_size=200),
    size=st.integers(1, 5),
)
def test_a_window_never_reorders_one_patient_nor_exceeds_its_size(keys, answers, size):
    """Whatever is taken or refused, each patient's entries are taken in sequence and none is lost."""
    window, taken, flying = Window(size), [], []
    entries = [entry(n, key, secretariat) for n, (secretariat, key) in enumerate(keys, start=1)]
    for step in [*answers, *["release", "taken"] * 2 * len(entries)]:
        window.offer(entries)
        while (sent := window.next()) is not None:
            flying.append(sent)
        assert len(flying) <= size
        assert len({(e.secretariat, e.order_key) for e in flying}) == len(flying)
        if step == "release":
            window.release("a")
            window.release("b")
        elif flying:
            answered = flying.pop()
            (window.taken if step == "taken" else window.refused)(answered)
            taken += [answered] if step == "taken" else []
    assert sorted(e.sequence for e in taken) == [e.sequence for e in entries]
    for one in set(keys):
        of_one = [e.sequence for e in taken if (e.secretariat, e.order_key) == one]
        assert of_one == sorted(of_one)


def test_a_held_secretariat_does_not_hold_the_others():
    """What one full queue refuses waits; the other secretariats' entries go."""
    window = Window(5)
    window.offer([entry(1, secretariat="cardio"), entry(2, secretariat="cardio"), entry(3, secretariat="orl")])
    window.refused(window.next())
    assert window.next().sequence == 3
    assert window.next() is None
    window.release("cardio")
    assert window.next().sequence == 1


async def test_an_ack_may_cover_several_publishes():
    """Multiple means every publish up to that delivery tag, and no later one."""
    confirms = Confirms()
    futures = [confirms.sent(f"m{n}") for n in range(4)]
    confirms.answered(3, multiple=True, taken=True)
    assert [f.done() for f in futures] == [True, True, True, False]
    confirms.answered(0, multiple=True, taken=True)
    await asyncio.gather(*futures)


async def test_a_returned_message_fails_although_it_is_acknowledged():
    """The return comes first and is matched by message id; its neighbours succeed."""
    confirms = Confirms()
    lost, kept = confirms.sent("m1"), confirms.sent("m2")
    confirms.returned("m1")
    confirms.answered(2, multiple=True, taken=True)
    await kept
    with pytest.raises(EntryRefused):
        await lost


async def test_a_nack_refuses_and_a_lost_connection_leaves_in_doubt():
    """A refusal is certain, a lost connection is not: the two are different errors."""
    confirms = Confirms()
    refused, doubtful = confirms.sent("m1"), confirms.sent("m2")
    confirms.answered(1, multiple=False, taken=False)
    confirms.lost()
    with pytest.raises(EntryRefused):
        await refused
    with pytest.raises(BrokerUnavailable) as doubt:
        await doubtful
    assert not isinstance(doubt.value, EntryRefused)


async def test_an_answer_to_a_publish_that_was_given_up_is_ignored():
    """A confirm after its time-out disturbs nothing."""
    confirms = Confirms()
    confirms.sent("m1").cancel()
    confirms.answered(1, multiple=False, taken=True)
    confirms.answered(7, multiple=False, taken=True)


async def test_everything_is_published_once_and_confirmed():
    """Without trouble each entry goes out exactly once, beyond one read's batch too."""
    outbox, publisher = MemoryOutbox(entry(n, f"p{n % 7}") for n in range(1, 1201)), ScriptedPublisher()
    await relayed(outbox, publisher)
    assert sorted(e.sequence for e in publisher.taken) == list(range(1, 1201))
    assert publisher.sessions == 1


async def test_a_refused_entry_is_tried_again_before_its_successors_on_the_same_connection():
    """A refusal is no doubt: nothing is repeated, nothing of that patient overtakes."""
    outbox = MemoryOutbox([entry(1), entry(2), entry(3, secretariat="orl")])
    publisher = ScriptedPublisher(m1=[EntryRefused("full")] * 3)
    await relayed(outbox, publisher)
    assert [e.sequence for e in publisher.taken] == [3, 1, 2]
    assert publisher.sessions == 1


async def test_in_doubt_the_outbox_is_read_again_on_a_new_connection():
    """A lost connection repeats what is in doubt and loses nothing."""
    outbox = MemoryOutbox(entry(n, f"p{n}") for n in range(1, 21))
    publisher = ScriptedPublisher(m5=[BrokerUnavailable("lost")] * 2)
    await relayed(outbox, publisher, window=3)
    assert {e.sequence for e in publisher.taken} == set(range(1, 21))
    assert publisher.sessions == 3


async def test_the_store_may_fail_too():
    """What the broker took but the store could not record is published again under the same message id."""
    outbox, publisher = MemoryOutbox([entry(1), entry(2)]), ScriptedPublisher()
    outbox.trouble = 3
    await relayed(outbox, publisher)
    assert {e.message_id for e in publisher.taken} == {"m1", "m2"}


class OverlappingOutbox(MemoryOutbox):
    """An outbox whose second reading sees how it stood before a confirm, and ends after it."""

    def __init__(self, entries):
        super().__init__(entries)
        self.readings, self.seen, self.recorded = 0, threading.Event(), threading.Event()

    def unconfirmed(self, limit, excluding=()):
        found = super().unconfirmed(limit, excluding)
        self.readings += 1
        if self.readings == 2:
            self.seen.set()
            assert self.recorded.wait(2)
            time.sleep(0.02)
        return found

    def confirm(self, entries):
        assert self.seen.wait(2)
        super().confirm(entries)
        self.recorded.set()


async def test_what_is_recorded_while_the_outbox_is_read_is_not_published_again():
    """Reading and recording go on side by side, and an entry goes out once all the same."""
    outbox, publisher = OverlappingOutbox([entry(1)]), ScriptedPublisher()
    relay = Relay(outbox, publisher, poll_seconds=0.01)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(relay.run())
        await eventually(lambda: outbox.readings > 2)
        await relay.stop()
    assert [e.sequence for e in publisher.taken] == [1]


async def test_an_outage_is_logged_once():
    """However many attempts fail, the log says once that the broker is away and once that it is back."""
    outbox, publisher = MemoryOutbox([entry(1)]), ScriptedPublisher()
    publisher.absent = 5
    with structlog.testing.capture_logs() as logs:
        await relayed(outbox, publisher)
    assert [(line["event"], line.get("error")) for line in logs] == [
        ("relay.away", "BrokerUnavailable"),
        ("relay.connected", None),
    ]


async def test_an_idle_relay_tells_that_its_broker_went_away():
    """With nothing to publish too, a session that ended is noticed, told, and opened again."""
    publisher = ScriptedPublisher()
    relay = Relay(MemoryOutbox(), publisher, backoff_seconds=(0.001, 0.01), poll_seconds=0.01)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(relay.run())
        await eventually(lambda: relay.broker)
        publisher.absent, publisher.lost = 1_000_000, True
        await eventually(lambda: relay.broker is False)
        publisher.absent = 0
        await eventually(lambda: relay.broker)
        await relay.stop()


async def test_wake_finds_new_work_at_once_from_any_thread():
    """New work does not wait for the poll."""
    outbox, publisher = MemoryOutbox(), ScriptedPublisher()
    relay = Relay(outbox, publisher, poll_seconds=60)
    relay.wake()  # before it runs: of no effect, and no error
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(relay.run())
        await asyncio.sleep(0.05)
        outbox.entries.append(entry(1))
        await asyncio.to_thread(relay.wake)
        await eventually(lambda: outbox.confirmed)
        await relay.stop()
    relay.wake()


async def test_stopping_waits_for_what_is_in_flight_and_records_it():
    """What the broker took before the stop is not published again after it."""
    outbox, publisher = MemoryOutbox([entry(1), entry(2)]), ScriptedPublisher()
    begun, go = asyncio.Event(), asyncio.Event()
    take = publisher.publish

    async def slow(one):
        begun.set()
        await go.wait()
        await take(one)

    publisher.publish = slow
    relay = Relay(outbox, publisher)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(relay.run())
        await begun.wait()
        stopping = tasks.create_task(relay.stop())
        await asyncio.sleep(0.01)
        go.set()
        await stopping
    assert [e.sequence for e in outbox.confirmed] == [1]


async def test_stopping_gives_up_what_the_broker_does_not_answer():
    """A broker that answers nothing does not keep the service from ending; the next turn publishes it again."""
    outbox, publisher = MemoryOutbox([entry(1)]), ScriptedPublisher()
    take, publisher.publish = publisher.publish, lambda _: asyncio.Event().wait()
    relay = Relay(outbox, publisher, stop_seconds=0.05)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(relay.run())
        await asyncio.sleep(0.05)
        await relay.stop()
        assert not outbox.confirmed
        publisher.publish = take
        tasks.create_task(relay.run())
        await eventually(lambda: outbox.confirmed)
        await relay.stop()
