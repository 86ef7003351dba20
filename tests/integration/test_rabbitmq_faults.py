"""The relay and the consumer kit while the broker is broken: nothing lost, each patient's first sightings in order."""

import asyncio
import itertools
import json
import threading
import time
import uuid
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

import pika
import pytest
import structlog

from adapters.bus import topology
from adapters.bus.consumer import follow
from adapters.bus.rabbitmq import RabbitPublisher
from adapters.bus.relay import Relay
from gateway.outbox import OutboxEntry

PATIENCE_SECONDS = 30
CONFIRM_SECONDS = 1.0
PATIENTS = 7
BODY = json.dumps({"resourceType": "Bundle", "type": "message"}).encode()


class FedOutbox:
    """An outbox in memory that intake keeps adding to."""

    def __init__(self, secretariats):
        self.entries, self.done, self.numbers, self.secretariats = [], set(), itertools.count(1), secretariats

    def take_in(self):
        """One more item for each secretariat, of the patient whose turn it is."""
        now = datetime.now(UTC)
        for secretariat in self.secretariats:
            n = next(self.numbers)
            key = f"p{len(self.entries) // len(self.secretariats) % PATIENTS}"
            self.entries.append(OutboxEntry(n, str(uuid.uuid4()), secretariat, key, f"item-{n}", 1, BODY, now))

    def unconfirmed(self, limit, excluding=()):
        waiting = (e for e in tuple(self.entries) if e.sequence not in self.done and e.secretariat not in excluding)
        return list(itertools.islice(waiting, limit))

    def confirm(self, entries):
        self.done.update(e.sequence for e in entries)

    def of(self, secretariat):
        """How many of a secretariat's entries are confirmed."""
        return sum(e.secretariat == secretariat for e in tuple(self.entries) if e.sequence in self.done)


class CountingPublisher(RabbitPublisher):
    """A publisher that counts its connections."""

    sessions = 0

    async def connect(self):
        self.sessions += 1
        await super().connect()


class Scene:
    """One relay at work between an intake and two secretariats' consumers.

    Attributes:
        outbox: what intake has written.
        handled: by secretariat, what its consumer was given.
        flowing: clear it, and intake pauses.

    """

    def __init__(self, rabbitmq):
        self.rabbitmq, self.secretariats = rabbitmq, [f"fault-{uuid.uuid4().hex[:8]}" for _ in range(2)]
        self.outbox = FedOutbox(self.secretariats)
        self.publisher = CountingPublisher(
            rabbitmq.url, self.secretariats, confirm_seconds=CONFIRM_SECONDS, connect_seconds=2
        )
        self.relay = Relay(
            self.outbox, self.publisher, poll_seconds=0.05, hold_seconds=0.1, backoff_seconds=(0.05, 0.3)
        )
        self.handled = {secretariat: [] for secretariat in self.secretariats}
        self.flowing, self.stop, self.followers = asyncio.Event(), threading.Event(), []
        self.flowing.set()

    async def intake(self):
        while not self.stop.is_set():
            await self.flowing.wait()
            self.outbox.take_in()
            self.relay.wake()
            await asyncio.sleep(0.01)

    def follow(self, secretariat):
        arguments = (self.rabbitmq.url, secretariat, self.handled[secretariat].append)
        follower = threading.Thread(target=follow, args=arguments, kwargs={"stop": self.stop})
        follower.start()
        self.followers.append(follower)

    async def moves_on(self, by=20):
        """Return once that many more have been confirmed."""
        goal = len(self.outbox.done) + by
        await eventually(lambda: len(self.outbox.done) >= goal)

    async def at_rest(self):
        """Return once everything was confirmed and handled."""
        self.flowing.clear()
        await eventually(lambda: len(self.outbox.done) == len(self.outbox.entries))
        await eventually(lambda: sum(map(len, self.handled.values())) == len(self.outbox.entries))

    def nothing_was_lost_or_reordered(self):
        for secretariat in self.secretariats:
            sent = [e for e in self.outbox.entries if e.secretariat == secretariat]
            ids = [d.message_id for d in self.handled[secretariat]]
            assert sorted(ids) == sorted(e.message_id for e in sent)
            place = {message_id: n for n, message_id in enumerate(ids)}
            for key in {e.order_key for e in sent}:
                places = [place[e.message_id] for e in sent if e.order_key == key]
                assert places == sorted(places)


@asynccontextmanager
async def relayed(rabbitmq, following=2):
    """A scene at work; at the end of the block everything must come to rest, whole and in order."""
    scene = Scene(rabbitmq)
    relaying = asyncio.create_task(scene.relay.run())
    try:
        await eventually(lambda: relaying.done() or scene.publisher._declared)
        for secretariat in scene.secretariats[:following]:
            scene.follow(secretariat)
        feeding = asyncio.create_task(scene.intake())
        await scene.moves_on()
        yield scene
        await scene.at_rest()
        scene.nothing_was_lost_or_reordered()
    finally:
        scene.stop.set()
        scene.flowing.set()
        await scene.relay.stop()
        await asyncio.gather(relaying, feeding)
        for follower in scene.followers:
            await asyncio.to_thread(follower.join, PATIENCE_SECONDS)
            assert not follower.is_alive()


async def eventually(condition):
    """Return once the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        await asyncio.sleep(0.02)


@contextmanager
def channel(rabbitmq):
    """A blocking channel, for what a test does by hand."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq.url))
    try:
        yield connection.channel()
    finally:
        connection.close()


async def test_connections_that_the_broker_closes(rabbitmq):
    """The relay and the consumers come back, and what was in flight is published again."""
    async with relayed(rabbitmq) as scene:
        for _ in range(2):
            await asyncio.to_thread(rabbitmq.control, "close_all_connections", "an operator's test")
            await scene.moves_on()
        assert scene.publisher.sessions == 3


async def test_a_connection_closed_while_nothing_is_published(rabbitmq):
    """An idle relay notices it as well, and connects again by itself."""
    async with relayed(rabbitmq) as scene:
        await scene.at_rest()
        with structlog.testing.capture_logs() as logs:
            await asyncio.to_thread(rabbitmq.control, "close_all_connections", "an operator's test")
            await eventually(lambda: scene.publisher.sessions == 2 and scene.relay.broker)
        assert [line["event"] for line in logs if line["event"].startswith("relay.")] == [
            "relay.away",
            "relay.connected",
        ]


async def test_a_channel_that_the_broker_closes(rabbitmq):
    """The exchange is deleted: publishing closes the channel (404), and the next session declares it again."""
    async with relayed(rabbitmq) as scene:
        with channel(rabbitmq) as by_hand:
            by_hand.exchange_delete(topology.ITEMS_EXCHANGE)
        await scene.moves_on()
        assert scene.publisher.sessions == 2


async def test_a_frozen_broker(rabbitmq):
    """Frozen for longer than a confirm may take: intake goes on, and all of it arrives once the broker answers."""
    async with relayed(rabbitmq) as scene:
        rabbitmq.suspend()
        try:
            before = len(scene.outbox.entries)
            await asyncio.sleep(3 * CONFIRM_SECONDS)
            taken_in = len(scene.outbox.entries) - before
        finally:
            rabbitmq.resume()
        assert taken_in > 50
        await scene.moves_on()
        assert scene.publisher.sessions > 1


async def test_a_queue_deleted_under_relay_and_consumer(rabbitmq):
    """What finds no queue is returned, not lost: the queue is declared again, and its consumer finds it."""
    async with relayed(rabbitmq) as scene:
        await scene.at_rest()
        first, second = scene.secretariats
        with channel(rabbitmq) as by_hand, structlog.testing.capture_logs() as logs:
            by_hand.queue_delete(topology.queue_name(first))
            before = scene.outbox.of(second)
            scene.flowing.set()
            await eventually(lambda: scene.outbox.of(second) > before)
            await scene.moves_on()
        refused = [line for line in logs if line["event"] == "relay.refused"]
        assert [(line["secretariat"], line["rule"]) for line in refused] == [
            (first, "no queue is bound for the secretariat")
        ]
        assert scene.publisher.sessions == 1


async def test_a_full_queue_holds_its_own_secretariat_only(rabbitmq):
    """An operator's length limit answers with a nack: the others go on, and the full one resumes when it is drained."""
    async with relayed(rabbitmq, following=1) as scene:
        open_one, full = scene.secretariats
        policy = ("set_operator_policy", "full", f"^secretariat\\.{full}$", '{"max-length": 5}', "--apply-to", "queues")
        await asyncio.to_thread(rabbitmq.control, *policy)
        try:
            await asyncio.sleep(0.5)
            stuck, moving = scene.outbox.of(full), scene.outbox.of(open_one)
            await asyncio.sleep(1)
            assert scene.outbox.of(full) == stuck
            assert scene.outbox.of(open_one) > moving + 50
            scene.follow(full)
            await scene.at_rest()
        finally:
            await asyncio.to_thread(rabbitmq.control, "clear_operator_policy", "full")
        assert scene.publisher.sessions == 1


@pytest.mark.parametrize(
    ("alarm", "calm"),
    [
        (("set_vm_memory_high_watermark", "0"), ("set_vm_memory_high_watermark", "0.4")),
        (("set_disk_free_limit", "900000GB"), ("set_disk_free_limit", "50MB")),
    ],
    ids=["memory", "disk"],
)
async def test_an_alarm_of_the_broker_is_waited_for(rabbitmq, alarm, calm):
    """A blocked connection is kept, however long it lasts: what was sent on it is confirmed after the alarm, once."""
    async with relayed(rabbitmq) as scene:
        with structlog.testing.capture_logs() as logs:
            try:
                await asyncio.to_thread(rabbitmq.control, *alarm)
                await eventually(lambda: any(line["event"] == "relay.blocked" for line in logs))
                await asyncio.sleep(0.2)
                before = len(scene.outbox.done), len(scene.outbox.entries)
                await asyncio.sleep(2 * CONFIRM_SECONDS)
                assert len(scene.outbox.done) == before[0]
                assert len(scene.outbox.entries) > before[1] + 50
            finally:
                await asyncio.to_thread(rabbitmq.control, *calm)
            await scene.moves_on()
        assert [line["event"] for line in logs if line["event"].startswith("relay.")] == [
            "relay.blocked",
            "relay.unblocked",
        ]
        assert scene.publisher.sessions == 1


async def test_a_relay_ends_while_the_broker_is_in_alarm(rabbitmq):
    """A blocked broker does not keep the service from ending, and what it had in flight is not lost."""
    async with relayed(rabbitmq) as scene:
        scene.relay._stop_seconds = 0.2
        try:
            await asyncio.to_thread(rabbitmq.control, "set_vm_memory_high_watermark", "0")
            await eventually(lambda: scene.publisher._session.blocked)
            started = time.monotonic()
            await scene.relay.stop()
            assert time.monotonic() - started < 6
        finally:
            await asyncio.to_thread(rabbitmq.control, "set_vm_memory_high_watermark", "0.4")
        again = asyncio.create_task(scene.relay.run())
        await scene.moves_on()
        await scene.at_rest()
        await scene.relay.stop()
        await again
