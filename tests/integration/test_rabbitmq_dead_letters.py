"""Dead letters on a real RabbitMQ node: looked at without being taken, returned without being lost."""

import itertools
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pika
import pytest

from adapters.bus import topology
from adapters.bus.dead_letters import NoDeadLetters
from adapters.bus.rabbitmq_dead_letters import RabbitDeadLetters
from gateway.errors import BrokerUnavailable

REPOSITORY = Path(__file__).parents[2]
PATIENCE_SECONDS = 30


@contextmanager
def channel(rabbitmq):
    """A blocking channel in confirm mode, for what a test does by hand."""
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq.url))
    try:
        opened = connection.channel()
        opened.confirm_delivery()
        yield opened
    finally:
        connection.close()


@pytest.fixture
def secretariat(rabbitmq):
    """A secretariat with queues that no other test uses."""
    name = f"dead-{uuid.uuid4().hex[:8]}"
    with channel(rabbitmq) as by_hand:
        topology.declare(by_hand, [name])
    return name


@pytest.fixture
def letters(rabbitmq):
    return RabbitDeadLetters(rabbitmq.url)


def reject(rabbitmq, secretariat, *messages, **properties):
    """Publish messages as the relay does, and reject each as a consumer that cannot decode it."""
    with channel(rabbitmq) as by_hand:
        for message_id in messages:
            given = pika.BasicProperties(
                content_type=topology.CONTENT_TYPE,
                message_id=message_id,
                delivery_mode=2,
                headers={"item": f"item-{message_id}", "version": 3},
            )
            for name, value in properties.items():
                setattr(given, name, value)
            body = f"body of {message_id}".encode()
            by_hand.basic_publish(topology.ITEMS_EXCHANGE, topology.routing_key(secretariat), body, given)
        reject_all(by_hand, secretariat, len(messages))


def reject_all(by_hand, secretariat, count):
    """Reject that many, and return once they are dead letters: the broker moves them by confirms of its own."""
    dead = topology.dead_queue_name(secretariat)
    goal = count + by_hand.queue_declare(dead, passive=True).method.message_count
    for method, _, _ in itertools.islice(by_hand.consume(topology.queue_name(secretariat)), count):
        by_hand.basic_reject(method.delivery_tag, requeue=False)
    by_hand.cancel()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while by_hand.queue_declare(dead, passive=True).method.message_count < goal:
        assert time.monotonic() < deadline, "they never became dead letters"
        time.sleep(0.01)


def standing(rabbitmq, queue):
    """Give (message id, headers, body) of all that stands in a queue, and leave it there."""
    with channel(rabbitmq) as by_hand:
        found = []
        while (got := by_hand.basic_get(queue))[0] is not None:
            found.append((got[1].message_id, got[1].headers, got[2]))
        return found


def nothing(_letter):
    """No step."""


def test_looking_tells_all_and_takes_nothing(rabbitmq, letters, secretariat):
    """Id, item, version, reason, deaths, time and size are told, in order, as often as one likes."""
    reject(rabbitmq, secretariat, "m1", "m2", "m3")
    assert letters.count([secretariat, "nobody"]) == {secretariat: 3, "nobody": None}
    for _ in range(2):
        first, second = letters.look(secretariat, 2)
        assert (first.message_id, second.message_id) == ("m1", "m2")
    assert (first.item, first.version, first.reason, first.deaths) == ("item-m1", 3, "rejected", 1)
    assert first.body == b"body of m1"
    assert first.size == len(first.body)
    assert timedelta() <= datetime.now(UTC) - first.died_at < timedelta(minutes=1)
    assert letters.count([secretariat]) == {secretariat: 3}
    assert letters.look("nobody", 5) == []


def test_what_is_returned_stands_in_its_queue_under_its_own_id(rabbitmq, letters, secretariat):
    """Only what was asked for leaves; body, type, item and version are as they were, and no header of the broker's."""
    reject(rabbitmq, secretariat, "m1", "m2", "m3")
    told = []
    assert letters.give_back(secretariat, {"m2", "m9"}, told.append) == ["m2"]
    assert [letter.message_id for letter in told] == ["m2"]
    assert [letter.message_id for letter in letters.look(secretariat, 9)] == ["m1", "m3"]
    ((message_id, headers, body),) = standing(rabbitmq, topology.queue_name(secretariat))
    assert (message_id, body) == ("m2", b"body of m2")
    assert {k: v for k, v in headers.items() if k != "x-delivery-count"} == {
        "item": "item-m2",
        "version": 3,
        "returned": 1,
    }
    with channel(rabbitmq) as by_hand:
        reject_all(by_hand, secretariat, 1)
    assert {letter.message_id: letter.deaths for letter in letters.look(secretariat, 9)} == {"m1": 1, "m3": 1, "m2": 2}


def test_what_is_returned_goes_to_its_secretariat_only(rabbitmq, letters, secretariat):
    """Another queue on the items' exchange had its copy, and gets no second one."""
    reject(rabbitmq, secretariat, "m1")
    with channel(rabbitmq) as by_hand:
        tap = by_hand.queue_declare("", exclusive=True).method.queue
        by_hand.queue_bind(tap, topology.ITEMS_EXCHANGE, topology.routing_key(secretariat))
        assert letters.give_back(secretariat, None, nothing) == ["m1"]
        assert by_hand.queue_declare(tap, passive=True).method.message_count == 0


def test_killed_between_confirm_and_acknowledgment_it_is_doubled_not_lost(rabbitmq, letters, secretariat):
    """A process that dies in the middle leaves the message in both queues, under one id."""
    reject(rabbitmq, secretariat, "m1", "m2")
    program = (
        "import os, sys; from adapters.bus.rabbitmq_dead_letters import RabbitDeadLetters as R;"
        "R(sys.argv[1]).give_back(sys.argv[2], None, lambda letter: letter.message_id == 'm2' and os._exit(9))"
    )
    command = [sys.executable, "-c", program, rabbitmq.url, secretariat]
    assert subprocess.run(command, cwd=REPOSITORY, check=False, timeout=60).returncode == 9
    assert [m for m, _, _ in standing(rabbitmq, topology.queue_name(secretariat))] == ["m1", "m2"]
    assert [letter.message_id for letter in letters.look(secretariat, 9)][-1] == "m2"
    assert "m2" in letters.give_back(secretariat, None, nothing)


def test_what_a_full_queue_does_not_take_stays_a_dead_letter(rabbitmq, letters, secretariat):
    """Its nack fails the return: what it refused is still there, and its step was never called."""
    reject(rabbitmq, secretariat, *(f"m{n}" for n in range(20)))
    policy = ("set_operator_policy", "f", f"^secretariat\\.{secretariat}$", '{"max-length": 2}', "--apply-to", "queues")
    rabbitmq.control(*policy)
    told = []
    try:
        with pytest.raises(BrokerUnavailable, match="did not take"):
            letters.give_back(secretariat, None, told.append)
    finally:
        rabbitmq.control("clear_operator_policy", "f")
    ids = {letter.message_id for letter in told}
    assert 2 <= len(ids) < 20
    assert {m for m, _, _ in standing(rabbitmq, topology.queue_name(secretariat))} == ids
    assert {letter.message_id for letter in letters.look(secretariat, 99)} == {f"m{n}" for n in range(20)} - ids


def test_without_a_queue_a_dead_letter_stays(rabbitmq, letters, secretariat):
    """What is returned by the broker instead of kept is no success."""
    reject(rabbitmq, secretariat, "m1")
    with channel(rabbitmq) as by_hand:
        by_hand.queue_delete(topology.queue_name(secretariat))
    told = []
    with pytest.raises(BrokerUnavailable, match="no queue"):
        letters.give_back(secretariat, None, told.append)
    assert told == []
    assert letters.count([secretariat]) == {secretariat: 1}


def test_discarding_takes_what_was_named_only(rabbitmq, letters, secretariat):
    """The step sees each before it is gone; a step that fails keeps it."""
    reject(rabbitmq, secretariat, "m1", "m2")

    def fail(_letter):
        raise RuntimeError("the trail could not be written")

    with pytest.raises(RuntimeError):
        letters.discard(secretariat, None, fail)
    assert letters.discard(secretariat, {"m1"}, nothing) == ["m1"]
    assert [letter.message_id for letter in letters.look(secretariat, 9)] == ["m2"]
    assert letters.discard(secretariat, None, nothing) == ["m2"]
    assert letters.count([secretariat]) == {secretariat: 0}
    assert standing(rabbitmq, topology.queue_name(secretariat)) == []


def test_a_foreign_message_is_a_dead_letter_like_any_other(rabbitmq, letters, secretariat):
    """Without id, headers and type it is shown, and may be returned or discarded with all."""
    reject(rabbitmq, secretariat, "m1", message_id=None, headers=None, content_type=None)
    (letter,) = letters.look(secretariat, 9)
    assert (letter.message_id, letter.item, letter.version, letter.reason) == ("", "", 0, "rejected")
    assert letters.give_back(secretariat, None, nothing) == [""]


def test_an_absent_broker_is_unavailable():
    """Nothing listens: every act says so, in bounded time."""
    absent = RabbitDeadLetters("amqp://guest:guest@127.0.0.1:1/")
    for act in (
        lambda: absent.count(["cardio"]),
        lambda: absent.look("cardio", 1),
        lambda: absent.give_back("cardio", None, nothing),
        lambda: absent.discard("cardio", None, nothing),
    ):
        with pytest.raises(BrokerUnavailable):
            act()


def test_the_embedded_bus_has_none():
    """Every act finds nothing."""
    none = NoDeadLetters()
    assert none.count(["cardio"]) == {"cardio": None}
    assert (
        none.look("cardio", 1) == none.give_back("cardio", None, nothing) == none.discard("cardio", None, nothing) == []
    )
