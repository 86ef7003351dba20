"""The bus on a real RabbitMQ node: nothing is lost, handled twice or reordered, whatever happens to the broker."""

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pika
import pytest

from adapters.bus import topology
from adapters.bus.consumer import follow
from adapters.bus.rabbitmq import RabbitPublisher
from adapters.bus.rabbitmq_dead_letters import RabbitDeadLetters
from adapters.bus.relay import EntryRefused, Relay
from gateway.errors import BrokerUnavailable
from gateway.outbox import IDENTITY_QUEUE, OutboxEntry

PATIENCE_SECONDS = 30
SETTLED_SECONDS = 4
"""A RabbitMQ 3.10 node killed sooner after a quorum queue's declaration may bring that queue back without a leader."""


class MemoryOutbox:
    """An outbox in memory."""

    def __init__(self, entries):
        self.entries, self.confirmed = list(entries), []

    def unconfirmed(self, limit, excluding=()):
        done = {e.sequence for e in self.confirmed}
        return [e for e in self.entries if e.sequence not in done and e.secretariat not in excluding][:limit]

    def confirm(self, entries):
        self.confirmed += entries


@pytest.fixture
def secretariat():
    """A secretariat that no other test uses."""
    return f"test-{uuid.uuid4().hex[:8]}"


def entry(secretariat, sequence=1, key="p1", version=1, item=None):
    body = json.dumps({"resourceType": "Bundle", "type": "message"}).encode()
    now = datetime.now(UTC)
    return OutboxEntry(sequence, str(uuid.uuid4()), secretariat, key, item or f"item-{sequence}", version, body, now)


@contextmanager
def channel(rabbitmq):
    """A blocking channel, for what a test does by hand."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq.url))
    try:
        yield connection.channel()
    finally:
        connection.close()


@contextmanager
def publishing(broker, *secretariats, **settings):
    """A publisher, driven from a synchronous test: give a function that publishes entries in order."""
    with asyncio.Runner() as runner:
        publisher = RabbitPublisher(getattr(broker, "url", broker), secretariats, **settings)

        async def publish(*entries):
            for one in entries:
                await publisher.publish(one)

        try:
            runner.run(publisher.connect())
            yield lambda *entries: runner.run(publish(*entries))
        finally:
            runner.run(publisher.close())


@contextmanager
def following(rabbitmq, secretariat, handler=lambda _: None, **settings):
    """A consumer in a thread: give the list that what it handles is added to."""
    stop, handled = threading.Event(), []

    def handle(delivery):
        handler(delivery)
        handled.append(delivery)

    thread = threading.Thread(
        target=follow, args=(rabbitmq.url, secretariat, handle), kwargs={"stop": stop, **settings}
    )
    thread.start()
    try:
        yield handled
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def eventually(condition):
    """Return once the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)


async def eventually_async(condition):
    """The same for a condition that the event loop brings about."""
    await asyncio.to_thread(eventually, condition)


def waiting(rabbitmq, queue):
    """How many messages stand in a queue, not yet delivered."""
    with channel(rabbitmq) as by_hand:
        return by_hand.queue_declare(queue, passive=True).method.message_count


def test_the_topology_is_declared_any_number_of_times(rabbitmq, secretariat):
    """A second declaration is accepted as it is and changes nothing."""
    with channel(rabbitmq) as by_hand:
        for _ in range(2):
            topology.declare(by_hand, [secretariat])
        for queue in (topology.queue_name(secretariat), topology.dead_queue_name(secretariat)):
            assert by_hand.queue_declare(queue, passive=True).method.message_count == 0


def test_imported_definitions_are_what_the_gateway_declares(rabbitmq, secretariat, tmp_path):
    """After an import the gateway's own declaration is accepted (no 406), and each message finds its way."""
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps(topology.definitions([secretariat])), encoding="utf-8")
    rabbitmq.control("import_definitions", str(file))
    assert rabbitmq.control("list_vhosts", "name").split() == ["name", "/"]
    with publishing(rabbitmq, secretariat, declares=False) as publish, channel(rabbitmq) as by_hand:
        publish(entry(secretariat))
        method, _, _ = by_hand.basic_get(topology.queue_name(secretariat))
        by_hand.basic_reject(method.delivery_tag, requeue=False)
        eventually(lambda: waiting(rabbitmq, topology.dead_queue_name(secretariat)) == 1)
    with publishing(rabbitmq, secretariat) as publish:
        publish(entry(secretariat, 2))
    assert waiting(rabbitmq, topology.queue_name(secretariat)) == 1


@pytest.mark.parametrize("declares", [True, False])
def test_the_permissions_of_the_deployment_notes_are_enough(rabbitmq, secretariat, declares):
    """An account with the README's permissions publishes, declaring or not, returns dead letters, and may no more."""
    notes = (Path(__file__).parents[2] / "deploy" / "README.md").read_text(encoding="utf-8")
    rows = [re.split(r"(?<!\\)\|", line)[1:5] for line in notes.splitlines() if line.startswith("|")]
    asked = {row[0].strip(): [cell.strip(" `").replace("\\|", "|") for cell in row] for row in rows}
    _, configure, write, read = asked["the gateway, declaring" if declares else "the gateway, after an import"]
    configure, write, read = (cell.replace("the same", configure) for cell in (configure, write, read))
    _, _, default, dead = asked["`gateway bus dead-letters`, besides"]
    account = f"account-{secretariat}"
    rabbitmq.control("add_user", account, "secret")
    rabbitmq.control("set_permissions", account, configure, f"{write}|{default}", f"{read}|{dead}")
    url = rabbitmq.url.replace("guest:guest", f"{account}:secret")
    if not declares:
        with channel(rabbitmq) as by_hand:
            topology.declare(by_hand, [secretariat])
        with pytest.raises(BrokerUnavailable, match="403"), publishing(url, secretariat):
            pass
    with publishing(url, secretariat, declares=declares) as publish, channel(rabbitmq) as by_hand:
        publish(entry(secretariat))
        method, _, _ = by_hand.basic_get(topology.queue_name(secretariat))
        by_hand.basic_reject(method.delivery_tag, requeue=False)
        eventually(lambda: waiting(rabbitmq, topology.dead_queue_name(secretariat)) == 1)
    assert len(RabbitDeadLetters(url).give_back(secretariat, None, lambda _: None)) == 1
    assert waiting(rabbitmq, topology.queue_name(secretariat)) == 1


def test_what_is_published_arrives_whole_and_persistent(rabbitmq, secretariat):
    """The message carries its id, type, item and version, is persistent, and no header says more."""
    sent = entry(secretariat, version=3)
    with publishing(rabbitmq, secretariat) as publish, channel(rabbitmq) as by_hand:
        publish(sent)
        method, properties, body = by_hand.basic_get(topology.queue_name(secretariat), auto_ack=True)
    assert body == sent.body
    assert method.routing_key == f"item.{secretariat}"
    assert (properties.message_id, properties.content_type) == (sent.message_id, "application/fhir+json")
    assert properties.delivery_mode == 2
    properties.headers.pop("x-delivery-count", None)  # the broker's own
    assert properties.headers == {"item": sent.item, "version": 3}


def test_a_secretariat_that_was_not_named_gets_its_queue_with_its_first_entry(rabbitmq, secretariat):
    """No entry is lost because the site's data no longer names its secretariat."""
    with publishing(rabbitmq) as publish:
        publish(entry(secretariat))
    assert waiting(rabbitmq, topology.queue_name(secretariat)) == 1


def test_an_unroutable_entry_is_refused_and_its_queue_made_again(rabbitmq, secretariat):
    """A deleted queue fails the publish although the broker acknowledges it; the next attempt declares it anew."""
    with publishing(rabbitmq, secretariat) as publish, channel(rabbitmq) as by_hand:
        by_hand.queue_delete(topology.queue_name(secretariat))
        with pytest.raises(EntryRefused):
            publish(entry(secretariat))
        publish(entry(secretariat))
    assert waiting(rabbitmq, topology.queue_name(secretariat)) == 1


def test_a_deleted_queue_is_made_again_though_another_takes_its_messages(rabbitmq, secretariat, monkeypatch):
    """While a tap keeps the broker from returning anything, a secretariat with traffic soon has its queue again."""
    monkeypatch.setattr("adapters.bus.rabbitmq.DECLARED_SECONDS", 0.2)
    with publishing(rabbitmq, secretariat) as publish, channel(rabbitmq) as by_hand:
        tap = by_hand.queue_declare("", exclusive=True).method.queue
        by_hand.queue_bind(tap, topology.ITEMS_EXCHANGE, topology.routing_key(secretariat))
        by_hand.queue_delete(topology.queue_name(secretariat))
        publish(entry(secretariat))
        time.sleep(0.3)
        publish(entry(secretariat, 2))
    assert waiting(rabbitmq, topology.queue_name(secretariat)) == 1


def test_a_queue_that_stands_otherwise_makes_the_broker_unavailable(rabbitmq, secretariat):
    """A contradiction between broker and topology is told at once, with the reply code, and not published into."""
    with channel(rabbitmq) as by_hand:
        by_hand.queue_declare(topology.queue_name(secretariat), durable=True)
    with pytest.raises(BrokerUnavailable, match="406"), publishing(rabbitmq, secretariat):
        pass


async def test_an_absent_broker_is_unavailable():
    """Nothing listens: connecting fails in bounded time, publishing without a connection too."""
    publisher = RabbitPublisher("amqp://guest:guest@127.0.0.1:1/", connect_seconds=5)
    with pytest.raises(BrokerUnavailable):
        await publisher.connect()
    await publisher.close()
    with pytest.raises(BrokerUnavailable):
        await publisher.publish(entry("nobody"))


def test_duplicates_and_older_versions_are_handled_once(rabbitmq, secretariat):
    """A repeated message, and a version older than the one at hand, are acknowledged and not handled."""
    first, newer, older = (entry(secretariat, n, version=v, item="item-1") for n, v in ((1, 1), (2, 3), (3, 2)))
    last = entry(secretariat, 4)
    with following(rabbitmq, secretariat) as handled, publishing(rabbitmq, secretariat) as publish:
        publish(first, first, newer, first, older, last)
        eventually(lambda: handled and handled[-1].message_id == last.message_id)
    assert [d.message_id for d in handled] == [first.message_id, newer.message_id, last.message_id]
    assert waiting(rabbitmq, topology.queue_name(secretariat)) == 0


def test_what_happens_to_identities_has_a_queue_of_its_own_that_the_kit_reads(rabbitmq):
    """The queue is called identity, as the definitions say, and its messages come in order, each once."""
    entries = [entry(IDENTITY_QUEUE, n, key=IDENTITY_QUEUE) for n in range(1, 4)]
    with publishing(rabbitmq, IDENTITY_QUEUE) as publish, following(rabbitmq, IDENTITY_QUEUE) as handled:
        publish(*entries)
        wanted = [e.message_id for e in entries]
        eventually(lambda: [d.message_id for d in handled if d.message_id in wanted] == wanted)
    (queue, dead) = sorted(q["name"] for q in topology.definitions([IDENTITY_QUEUE])["queues"])[::-1]
    assert (queue, dead) == ("identity", "dead.identity")


def test_what_cannot_be_decoded_becomes_a_dead_letter(rabbitmq, secretariat):
    """It is not acknowledged, does not stop what comes after it, and keeps its body."""
    with publishing(rabbitmq, secretariat) as publish, channel(rabbitmq) as by_hand:
        properties = pika.BasicProperties(content_type="application/fhir+json", message_id="x", delivery_mode=2)
        by_hand.basic_publish(topology.ITEMS_EXCHANGE, topology.routing_key(secretariat), b"not JSON", properties)
        with following(rabbitmq, secretariat) as handled:
            publish(entry(secretariat))
            eventually(lambda: handled)
            eventually(lambda: waiting(rabbitmq, topology.dead_queue_name(secretariat)))
        _, dead, body = by_hand.basic_get(topology.dead_queue_name(secretariat), auto_ack=True)
    assert body == b"not JSON"
    assert dead.headers["x-first-death-reason"] == "rejected"


def test_a_handler_s_error_ends_following_and_the_message_comes_again(rabbitmq, secretariat):
    """Only a handler that returned acknowledges; its error, even one that looks like a broker's, is not swallowed."""
    sent, handled = entry(secretariat), []

    def fail(_delivery):
        raise ConnectionError("the worklist's own database is away")

    with publishing(rabbitmq, secretariat) as publish:
        publish(sent)
    with pytest.raises(ConnectionError, match="own database"):
        follow(rabbitmq.url, secretariat, fail, stop=threading.Event())
    with following(rabbitmq, secretariat, handled.append):
        eventually(lambda: handled)
    assert handled[0].message_id == sent.message_id


def test_a_message_that_always_fails_becomes_a_dead_letter_and_takes_no_neighbour_with_it(rabbitmq, secretariat):
    """Its consumer, started again after each failure, is given up on it alone, after the delivery limit."""
    poison, *others = (entry(secretariat, n) for n in range(1, 6))
    handled = []

    def handle(delivery):
        if delivery.message_id == poison.message_id:
            raise ArithmeticError
        handled.append(delivery.message_id)

    with publishing(rabbitmq, secretariat) as publish:
        publish(poison, *others)
    failures, stop = 0, threading.Event()
    while True:
        watch = threading.Thread(target=lambda: (eventually(lambda: len(handled) == 4 or stop.is_set()), stop.set()))
        watch.start()
        try:
            follow(rabbitmq.url, secretariat, handle, stop=stop)
            break
        except ArithmeticError:
            failures += 1
    watch.join()
    assert topology.DELIVERY_LIMIT <= failures <= topology.DELIVERY_LIMIT + 1
    assert handled == [e.message_id for e in others]
    with channel(rabbitmq) as by_hand:
        eventually(lambda: waiting(rabbitmq, topology.dead_queue_name(secretariat)) == 1)
        _, dead, _ = by_hand.basic_get(topology.dead_queue_name(secretariat), auto_ack=True)
    assert (dead.message_id, dead.headers["x-first-death-reason"]) == (poison.message_id, "delivery_limit")


def test_a_tap_takes_nothing_from_the_worklist(rabbitmq, secretariat):
    """Who only looks on gets a copy; the secretariat's queue keeps every message."""
    with publishing(rabbitmq, secretariat) as publish, following(rabbitmq, secretariat, tap=True) as seen:
        sent = []

        def seen_now():  # the tap hears only what is published once it stands
            sent.append(entry(secretariat, len(sent) + 1))
            publish(sent[-1])
            return seen

        eventually(seen_now)
    assert seen[0].message_id in {one.message_id for one in sent}
    assert waiting(rabbitmq, topology.queue_name(secretariat)) == len(sent)


async def test_a_broker_killed_in_the_middle_loses_nothing_and_reorders_nothing(rabbitmq, secretariat):
    """Every message arrives, is handled once, and each patient's first sightings are in order, through a power cut."""
    entries = [entry(secretariat, n, key=f"p{n % 9}") for n in range(1, 201)]
    outbox, key_of = MemoryOutbox(entries[:100]), {e.message_id: e.order_key for e in entries}
    publisher = RabbitPublisher(rabbitmq.url, [secretariat], confirm_seconds=5)
    relay = Relay(outbox, publisher, window=4, backoff_seconds=(0.1, 1.0))
    with channel(rabbitmq) as by_hand:
        topology.declare(by_hand, [secretariat])
    await asyncio.sleep(SETTLED_SECONDS)
    with following(rabbitmq, secretariat) as handled:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(relay.run())
            await eventually_async(lambda: len(outbox.confirmed) > 50)
            outbox.entries += entries[100:]
            relay.wake()
            rabbitmq.kill()
            assert len(outbox.confirmed) < 200
            await asyncio.to_thread(rabbitmq.start)
            await eventually_async(lambda: len(outbox.confirmed) == 200)
            await relay.stop()
        await eventually_async(lambda: len(handled) >= 200)
    assert len(handled) == 200
    assert {d.message_id for d in handled} == set(key_of)
    for key in set(key_of.values()):
        of_one = [d.message_id for d in handled if key_of[d.message_id] == key]
        assert of_one == [e.message_id for e in entries if e.order_key == key]


def test_the_readme_s_consumer_keeps_each_item_once(rabbitmq, secretariat, tmp_path):
    """The README's use of the kit, as it stands, run twice over a repeated message, keeps one row for each."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"<!-- kit -->\n```python\n(.*?)```", readme, re.DOTALL)
    task = {"resourceType": "Task", "description": "Convocation à envoyer"}
    body = json.dumps({"resourceType": "Bundle", "type": "message", "entry": [{"resource": task}]}).encode()
    first, second = (replace(entry(secretariat, n), body=body) for n in (1, 2))
    file, script = tmp_path / "desk.db", script.replace("Timer(5,", "Timer(1,")
    for sent in ((first, first), (first, second)):
        with publishing(rabbitmq, secretariat) as publish:
            publish(*sent)
        subprocess.run([sys.executable, "-c", script, rabbitmq.url, secretariat, file], check=True, timeout=60)
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute("SELECT message_id, title FROM task ORDER BY item").fetchall()
    assert rows == [(one.message_id, task["description"]) for one in (first, second)]
    assert waiting(rabbitmq, topology.queue_name(secretariat)) == 0
