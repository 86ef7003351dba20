"""With RabbitMQ: what the store says was done reaches whoever follows, whatever happens to the broker."""

import itertools
import json
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from contextlib import closing, contextmanager

import pika
import pytest
from gateways import REPOSITORY, Gateway, Wire, code, gateway_in, write_site
from kombu import Connection, Queue
from messages import AHEAD, admission, appointment, patient_told, result

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
            appointment("S13", "C5", "8001", "R1", when=4, starts=AHEAD + 3_000),
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


@contextmanager
def frozen(rabbitmq):
    """The broker answers nothing for the time of the block."""
    rabbitmq.suspend()
    try:
        yield
    finally:
        rabbitmq.resume()


@contextmanager
def in_alarm(rabbitmq):
    """The broker is short of memory for the time of the block."""
    rabbitmq.control("set_vm_memory_high_watermark", "0")
    try:
        yield
    finally:
        rabbitmq.control("set_vm_memory_high_watermark", "0.4")


@contextmanager
def cut_off(rabbitmq):
    """Every connection is closed by the broker."""
    rabbitmq.control("close_all_connections", "an operator's test")
    yield


def test_whatever_the_broker_does_the_gateway_goes_on_and_delivers_in_order(gateway, rabbitmq):
    """Cut off, frozen or in alarm: all is answered and routed meanwhile, and each patient's items arrive in order."""
    stop, answers = threading.Event(), []

    def send():
        with Wire(gateway.mllp) as wire:
            for raw in a_load():
                if stop.wait(0.01):
                    return
                answers.append(code(wire.ask(raw)))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for trouble in (cut_off, frozen, in_alarm):
            time.sleep(0.5)
            with trouble(rabbitmq):
                time.sleep(0.3)
                answered, processed = len(answers), gateway.summary()["processed"]
                time.sleep(1.5)
                assert len(answers) > answered + 20, trouble
                assert gateway.summary()["processed"] > processed + 20, trouble
    finally:
        stop.set()
        sender.join(30)
    assert set(answers) == {"AA"}
    assert gateway.settled(90)["processed"] == len(answers)
    written = gateway.rows(
        "SELECT message_id, order_key FROM outbox WHERE secretariat = :desk ORDER BY sequence", desk=gateway.desk
    )
    assert len(written) == len(answers)
    taken = consume(rabbitmq.url, gateway.desk, len(written)) + consume(rabbitmq.url, gateway.desk, 1, seconds=1)
    place = {}
    for message_id, _, _ in taken:
        place.setdefault(message_id, len(place))
    assert place.keys() == {message_id for message_id, _ in written}
    for key in {key for _, key in written}:
        places = [place[message_id] for message_id, of_one in written if of_one == key]
        assert places == sorted(places)


def reject(url, secretariat, count):
    """Take messages as a consumer that cannot read them does; return once they are dead letters."""
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()
        dead = f"dead.{secretariat}"
        goal = count + channel.queue_declare(dead, passive=True).method.message_count
        for method, _, _ in itertools.islice(channel.consume(f"secretariat.{secretariat}"), count):
            channel.basic_reject(method.delivery_tag, requeue=False)
        channel.cancel()
        deadline = time.monotonic() + 30
        while channel.queue_declare(dead, passive=True).method.message_count < goal:
            assert time.monotonic() < deadline
            time.sleep(0.02)


COMMANDS = """\
import json, sys
from click.testing import CliRunner
from adapters.cli import main
done = [CliRunner().invoke(main, command) for command in json.loads(sys.argv[1])]
print(json.dumps([[one.exit_code, one.stdout] for one in done]))
"""


def ran(gateway, *commands):
    """Run commands one after the other in one process, which spares its start; give each one's exit code and output."""
    program = [sys.executable, "-c", COMMANDS, json.dumps([list(map(str, command)) for command in commands])]
    done = subprocess.run(program, env=gateway.environment, cwd=REPOSITORY, capture_output=True, timeout=60, check=True)
    return [tuple(one) for one in json.loads(done.stdout)]


def test_dead_letters_are_seen_returned_and_discarded_by_those_who_may(gateway, rabbitmq):
    """The commands do what they say, mask what they must, and leave it in the trail, under the patient too."""
    desk, dead, why = gateway.desk, ("bus", "dead-letters"), ("--reason", "ticket 4711")
    with Wire(gateway.mllp) as wire:
        for raw in (patient_told("C1", "8001"), admission("C2", "8001", "V1", when=1), result("C3", "8001", "O1")):
            assert code(wire.ask(raw)) == "AA"
    gateway.settled()
    (first, *_), (second, *_) = outbox(gateway)
    reject(rabbitmq.url, desk, 2)
    listed, shown, masked, revealed, returned = ran(
        gateway,
        (*dead, "list", "--json"),
        (*dead, "show", desk, "--limit", 1, "--json"),
        (*dead, "show", desk),
        (*dead, "show", desk, "--reveal", "ticket 4711"),
        (*dead, "return", desk, "--message", first, *why, "--json"),
    )
    assert {"secretariat": desk, "dead_letters": 2} in json.loads(listed[1])
    (letter,) = json.loads(shown[1])
    assert [letter[name] for name in ("message_id", "reason", "deaths", "body")] == [first, "rejected", 1, None]
    assert letter["size"] > 100
    assert 0 <= letter["age_seconds"] < 60
    assert ["FABULAIRE" in output for _, output in (masked, revealed)] == [False, True]
    assert json.loads(returned[1]) == {"secretariat": desk, "returned": [first]}
    ((message_id, headers, bundle),) = consume(rabbitmq.url, desk, 1)
    assert (message_id, headers["returned"], bundle["id"]) == (first, 1, first)

    discarded, left, gone, which, where, acts = ran(
        gateway,
        (*dead, "discard", desk, "--all", *why),
        (*dead, "list", desk, "--json"),
        (*dead, "return", desk, "--message", second, *why),
        (*dead, "return", desk, *why),
        (*dead, "show", "no-such-desk"),
        ("audit", "search", "--patient", "8001", "--action", "user:dead-letter", "--json"),
    )
    assert "1 discarded" in discarded[1]
    assert json.loads(left[1]) == [{"secretariat": desk, "dead_letters": 0}]
    assert [outcome[0] for outcome in (discarded, gone, which, where)] == [0, 1, 2, 2]
    told = Counter(event["action"].rpartition(":")[2] for event in json.loads(acts[1]))
    assert told == {"shown": 5, "returned": 1, "discarded": 1}

    access = gateway.folder / "site" / "access.toml"
    access.write_text('[accounts."*"]\nrights = ["dead-letters:read", "audit:read"]\n', encoding="utf-8")
    *done, refused = ran(
        gateway,
        (*dead, "show", desk),
        (*dead, "show", desk, "--reveal", "curious"),
        (*dead, "return", desk, "--all", *why),
        (*dead, "discard", desk, "--all", *why),
        ("audit", "search", "--action", "user:access:refused", "--json"),
    )
    assert [exit_code for exit_code, _ in done] == [0, 4, 4, 4]
    acts = [event["detail"]["act"] for event in json.loads(refused[1])]
    assert acts == [f"user:dead-letter:{act}" for act in ("shown", "returned", "discarded")]


def test_the_embedded_bus_says_that_it_has_no_dead_letters(tmp_path):
    """It is no error to ask: the answer is that there are none, and why; the topology is told all the same."""
    dead = ("bus", "dead-letters")
    *asked, discarded, definitions, document = ran(
        Gateway(tmp_path),
        (*dead, "list"),
        (*dead, "show", "cardiology"),
        (*dead, "return", "cardiology", "--message", "m1", "--reason", "none"),
        (*dead, "discard", "cardiology", "--all", "--reason", "none", "--json"),
        ("bus", "topology"),
        ("bus", "topology", "--format", "asyncapi"),
    )
    assert {exit_code for exit_code, _ in asked} == {0}
    assert all("the embedded bus has no dead letters" in output for _, output in asked)
    assert json.loads(discarded[1])["discarded"] == []
    assert "secretariat.cardiology" in {queue["name"] for queue in json.loads(definitions[1])["queues"]}
    assert json.loads(document[1])["info"]["title"] == "Hôpital d’essai"
