"""What a consumer remembers, what it can decode, and the embedded bus's cursor."""

import threading
from datetime import UTC, datetime

import pytest
from kombu.message import Message

from adapters.bus import consumer
from adapters.bus.consumer import Undecodable, decode
from adapters.bus.delivery import Delivery, SeenMessages
from adapters.bus.embedded import EmbeddedConsumer, EmbeddedPublisher
from gateway.outbox import OutboxEntry


def delivery(message_id, item="i1", version=1):
    return Delivery(message_id, "cardio", item, version, b"{}")


def message(body=b"{}", content_type="application/fhir+json", message_id="m1", **headers):
    headers = {"item": "i1", "version": 1} | headers
    return Message(body, content_type=content_type, properties={"message_id": message_id}, headers=headers)


def entry(sequence, secretariat="cardio"):
    return OutboxEntry(sequence, f"m{sequence}", secretariat, "p1", f"i{sequence}", 1, b"{}", datetime.now(UTC))


class MemorySubscriptions:
    """Cursors in memory."""

    def __init__(self, entries):
        self.entries, self.cursors = list(entries), {}

    def position(self, name, secretariat):
        return self.cursors.get((name, secretariat), 0)

    def published(self, secretariat, after, limit):
        return [e for e in self.entries if e.secretariat == secretariat and e.sequence > after][:limit]

    def acknowledge(self, name, secretariat, sequence):
        self.cursors[name, secretariat] = sequence


def test_a_message_is_seen_once_and_an_older_version_of_its_item_with_it():
    """The same id, or an older version under any id, counts as seen; a newer version is news."""
    seen = SeenMessages()
    seen.add(delivery("m2", version=2))
    assert delivery("m2", version=2) in seen
    assert delivery("m1", version=1) in seen
    assert delivery("m3", version=3) not in seen
    assert delivery("m4", item="i2") not in seen


def test_memory_is_bounded_and_keeps_the_newest():
    """The oldest memories go first."""
    seen = SeenMessages(capacity=2)
    for n in range(1, 4):
        seen.add(delivery(f"m{n}", item=f"i{n}"))
    assert [delivery(f"m{n}", item=f"i{n}") in seen for n in range(1, 4)] == [False, True, True]


def test_a_message_of_the_gateway_is_decoded():
    """Body and headers arrive as they were sent; a charset parameter does not matter."""
    decoded = decode(message(b'{"a":1}', content_type="application/fhir+json; charset=utf-8", version=4), "cardio")
    assert decoded == Delivery("m1", "cardio", "i1", 4, b'{"a":1}')


@pytest.mark.parametrize(
    "wrong",
    [
        message(content_type="application/json"),
        message(content_type=None),
        message(message_id=None),
        message(item=None),
        message(version="1"),
        message(b"{"),
        message(b"\xff"),
        message(b"[]"),
        message(b'{"a":' * 100_000),
    ],
)
def test_anything_else_is_undecodable(wrong):
    """Another media type, absent identifiers, or a body that is no JSON object."""
    with pytest.raises(Undecodable):
        decode(wrong, "cardio")


def test_a_body_beyond_the_bound_is_undecodable(monkeypatch):
    """The body's size is bounded."""
    monkeypatch.setattr(consumer, "MAX_BODY_BYTES", 10)
    with pytest.raises(Undecodable):
        decode(message(b'{"a":"0123456789"}'), "cardio")


def test_a_subscription_goes_on_where_it_stopped_and_repeats_what_was_not_acknowledged():
    """A consumer that ended while it held a delivery gets it again; what it had finished does not come back."""
    subscriptions = MemorySubscriptions([entry(1), entry(2, "orl"), entry(3)])
    broken = EmbeddedConsumer(subscriptions, "desk", "cardio").deliveries(threading.Event())
    assert [next(broken).message_id, next(broken).message_id] == ["m1", "m3"]
    broken.close()
    again = EmbeddedConsumer(subscriptions, "desk", "cardio").deliveries(threading.Event(), until_idle=True)
    assert [d.message_id for d in again] == ["m3"]
    other = EmbeddedConsumer(subscriptions, "audit", "cardio").deliveries(threading.Event(), until_idle=True)
    assert [d.message_id for d in other] == ["m1", "m3"]


def test_following_ends_when_it_is_told_to():
    """A stop ends the wait for more, and the delivery at hand is acknowledged."""
    subscriptions, stop, got = MemorySubscriptions([entry(1), entry(2)]), threading.Event(), []
    for one in EmbeddedConsumer(subscriptions, "desk", "cardio", poll_seconds=0.01).deliveries(stop):
        got.append(one.message_id)
        stop.set()
    assert got == ["m1"]
    assert subscriptions.position("desk", "cardio") == 1
    threading.Timer(0.05, (waiting := threading.Event()).set).start()
    assert len(list(EmbeddedConsumer(subscriptions, "desk", "cardio").deliveries(waiting))) == 1


async def test_the_embedded_publisher_takes_everything():
    """The outbox is the log: nothing is left to be done."""
    publisher = EmbeddedPublisher()
    await publisher.connect()
    await publisher.publish(entry(1))
    await publisher.close()
