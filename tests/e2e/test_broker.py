"""With RabbitMQ: what the store says was done reaches whoever follows, whatever happens to the broker."""

import itertools
import json
import threading
import time
import uuid
from collections import Counter

import pytest
from gateways import Wire, code, gateway_in, write_site
from kombu import Connection, Queue
from messages import admission, appointment, patient_told, result

SETTLED_SECONDS = 4
"""RabbitMQ 3.10 writes a new quorum queue's registration with a delay of some 3 s; stopped before, it has no leader."""

ABSENT_SECONDS = 3


@pytest.fixture
def gateway(rabbitmq, tmp_path):
    """A gateway on the broker, with queues that no other test uses."""
    suffix = f"-{uuid.uuid4().hex[:6]}"
    site = write_site(tmp_path / "site", suffix=suffix)
    with gateway_in(tmp_path, site=site, broker_url=rabbitmq.url) as gateway:
        gateway.desk = f"cardiology{suffix}"
        yield gateway


def consume(url, secretariat, count, seconds=30):
    """Take messages from a secretariat's queue as any consumer with kombu would; give (message_id, headers, body)."""
    taken = []

    def take(body, message):
        taken.append((message.properties["message_id"], message.headers, json.loads(message.body)))
        message.ack()

    deadline = time.monotonic() + seconds
    with Connection(url) as connection:
        queue = Queue(f"secretariat.{secretariat}", no_declare=True)
        with connection.Consumer([queue], callbacks=[take], accept=["application/fhir+json"]):
            while len(taken) < count and time.monotonic() < deadline:
                try:
                    connection.drain_events(timeout=1)
                except TimeoutError:
                    continue
    return taken


def outbox(gateway):
    """Give what was written for the bus: message id, item, version."""
    return gateway.rows(
        "SELECT message_id, item_id, version FROM outbox WHERE secretariat = :desk ORDER BY sequence", desk=gateway.desk
    )


def test_items_reach_whoever_follows(gateway, rabbitmq):
    """Every item's versions are received once, in order, by the command and by a plain kombu consumer."""
    with Wire(gateway.mllp) as wire:
        for raw in (
            patient_told("C1", "8001"),
            admission("C2", "8001", "V1", when=1),
            result("C3", "8001", "O1", when=2, flag="HH"),
            appointment("S12", "C4", "8001", "R1", when=3),
            appointment("S13", "C5", "8001", "R1", when=4, starts=3_000),
            appointment("S15", "C6", "8001", "R1", when=5),
        ):
            assert code(wire.ask(raw)) == "AA"
    gateway.settled()
    written = outbox(gateway)
    assert len(written) == 5
    shown = gateway.run("worklist", "follow", gateway.desk, "--count", 2, "--for", 60, "--json").stdout
    followed = [json.loads(line) for line in shown.splitlines()]
    taken = consume(rabbitmq.url, gateway.desk, 3)
    received = [(d["message_id"], d["item"], d["version"]) for d in followed]
    received += [(message_id, headers["item"], headers["version"]) for message_id, headers, _ in taken]
    assert received == written
    for _, headers, bundle in taken:
        assert headers.keys() - {"x-delivery-count"} == {"item", "version"}  # the broker counts what it gave back
        header, task, patient = (entry["resource"] for entry in bundle["entry"])
        assert (header["resourceType"], task["id"], patient["resourceType"]) == (
            "MessageHeader",
            headers["item"],
            "Patient",
        )
    assert [task["status"] for *_, b in taken for task in [b["entry"][1]["resource"]]][-1] == "cancelled"


def a_load():
    """Give messages that each make one item version; the patient is told by the first of them."""
    for n in itertools.count(1):
        ipp = f"8{n:04}"
        yield admission(f"A{n}", ipp, f"V{n}")
        yield result(f"B{n}", ipp, f"O{n}", when=1)
        yield appointment("S12", f"C{n}", ipp, f"R{n}", when=2)


def test_a_broker_that_goes_away_loses_and_doubles_nothing(gateway, rabbitmq):
    """While it is away everything is taken and decided; once it is back each item version arrives under one id."""
    stop, answers = threading.Event(), []

    def send():
        with Wire(gateway.mllp) as wire:
            for raw in a_load():
                if stop.is_set():
                    return
                answers.append((time.monotonic(), code(wire.ask(raw))))

    time.sleep(SETTLED_SECONDS)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        time.sleep(1)
        rabbitmq.stop()
        gone = time.monotonic()
        time.sleep(ABSENT_SECONDS)
        back = time.monotonic()
        rabbitmq.start()
        time.sleep(1)
    finally:
        stop.set()
        sender.join(30)
        if rabbitmq._process is None:
            rabbitmq.start()
    assert {answer for _, answer in answers} == {"AA"}
    assert sum(gone < at < back for at, _ in answers) > 10
    summary = gateway.settled(90)
    assert summary["processed"] == len(answers)
    written = outbox(gateway)
    assert len(written) == len(answers)
    taken = consume(rabbitmq.url, gateway.desk, len(written))
    taken += consume(rabbitmq.url, gateway.desk, 1, seconds=1)
    by_id = {message_id: (headers["item"], headers["version"]) for message_id, headers, _ in taken}
    assert by_id == {message_id: (item, version) for message_id, item, version in written}
    assert set(Counter(by_id.values()).values()) == {1}
    told = [(json.loads(line)["event"]) for line in gateway.log.splitlines() if '"relay.' in line]
    assert told.index("relay.away") < len(told) - 1 - told[::-1].index("relay.connected")
