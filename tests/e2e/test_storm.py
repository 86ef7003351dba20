"""A storm: many connections, everything twice and out of order, processes and the broker killed; and then a calm.

`make test` has a squall; `make prove` the whole storm.
"""

import random
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import pika
import pytest
from gateways import Gateway, Wire, code, write_site
from messages import AHEAD, admission, appointment, patient_told, result
from services import RabbitServer

from adapters.bus import topology
from adapters.store.audit import AuditTrail
from gateway.outbox import IDENTITY_QUEUE

CONNECTIONS = 16
WINDOW = 16
TWICE = 0.05
"""Share of the messages that come again, on another connection."""

ROLES = {"intake": "intake", "one": "work", "two": "work", "relay": "relay"}
SETTLE_SECONDS = 600
OF_A_PATIENT = 6


@dataclass(frozen=True)
class Strength:
    """How strong a storm is: messages, seconds that they are spread over, kills of processes and of the broker."""

    messages: int
    seconds: float
    kills: int
    broker_kills: int


SQUALL = Strength(messages=1_500, seconds=6, kills=4, broker_kills=1)
STORM = Strength(messages=20_000, seconds=90, kills=60, broker_kills=4)


def of_a_patient(n: int) -> Iterator[bytes]:
    """Told, admitted, a result in two versions, an appointment that is moved; each fact has its own time."""
    ipp, ident = f"8{n:05}", f"S{n}"
    yield patient_told(f"{ident}-0", ipp)
    yield admission(f"{ident}-1", ipp, f"V{ident}", when=1)
    yield result(f"{ident}-2", ipp, f"O{ident}", when=2, status="P")
    yield result(f"{ident}-3", ipp, f"O{ident}", when=3, value="7.7", flag="HH")
    yield appointment("S12", f"{ident}-4", ipp, f"R{ident}", when=4)
    yield appointment("S13", f"{ident}-5", ipp, f"R{ident}", when=5, starts=AHEAD + 3_000)


def lanes(strength: Strength, chosen: random.Random) -> list[list[bytes]]:
    """Give what each connection sends: a patient's messages are spread over them, and their order with them."""
    every = [raw for n in range(strength.messages // OF_A_PATIENT) for raw in of_a_patient(n)]
    again = chosen.sample(every, round(len(every) * TWICE))
    # Out of order, but not by more than a hospital's systems are apart: within some hundred messages.
    order = sorted([*every, *again], key=dict(zip(every, places(len(every), chosen), strict=True)).__getitem__)
    found: list[list[bytes]] = [[] for _ in range(CONNECTIONS)]
    for raw in order:
        chosen.choice(found).append(raw)
    return found


def places(count: int, chosen: random.Random) -> list[float]:
    """Give places near each message's own."""
    return [n + chosen.uniform(-100, 100) for n in range(count)]


def send(address: tuple[str, int], lane: list[bytes], seconds: float) -> Counter[str]:
    """Send a lane, spread over a time, ahead of its answers; give these."""
    answers: Counter[str] = Counter()
    begun, waiting = time.monotonic(), 0
    with Wire(address, seconds=120) as wire:
        for n, raw in enumerate(lane):
            time.sleep(max(0.0, begun + seconds * n / len(lane) - time.monotonic()))
            if waiting == WINDOW:
                answers[code(wire.answer())] += 1
                waiting -= 1
            wire.send(raw)
            waiting += 1
        for _ in range(waiting):
            answers[code(wire.answer())] += 1
    return answers


def rage(strength: Strength, chosen: random.Random, processes: dict[str, Gateway], rabbitmq: RabbitServer) -> None:
    """Kill workers, relay and broker at random moments, and start each again."""
    acts: list[Callable[[], None]] = [killing(name, processes) for name in rolls(strength.kills, chosen)]
    for _ in range(strength.broker_kills):
        acts.insert(chosen.randrange(len(acts)), partial(restart, rabbitmq))
    for act in acts:
        time.sleep(chosen.uniform(0, 2 * strength.seconds / len(acts)))
        act()


def rolls(count: int, chosen: random.Random) -> list[str]:
    """Give who is killed, each at least once."""
    victims = ["one", "two", "relay"]
    return [*victims, *chosen.choices(victims, k=count - len(victims))]


def killing(name: str, processes: dict[str, Gateway]) -> Callable[[], None]:
    """Give the act that kills a process and starts it again."""

    def kill() -> None:
        processes[name].kill()
        processes[name].start("--role", ROLES[name])

    return kill


def restart(rabbitmq: RabbitServer) -> None:
    """The broker is cut off as by a power cut, and comes back."""
    rabbitmq.kill()
    rabbitmq.start()


@pytest.mark.parametrize("seed", [20260302])
def test_after_a_storm_everything_is_there_once_and_in_order(tmp_path, postgres_database, rabbitmq, prove, seed):
    """Conservation, one item each, every version told at least once and in order, and an audit chain that holds."""
    strength, chosen = STORM if prove else SQUALL, random.Random(seed)
    suffix = f"-{uuid.uuid4().hex[:6]}"
    site = write_site(tmp_path / "site", suffix=suffix)
    with ExitStack() as running:
        processes = {}
        for name in ROLES:
            (tmp_path / name).mkdir()
            shared = {"site": site, "database_url": postgres_database, "broker_url": rabbitmq.url}
            processes[name] = Gateway(tmp_path / name, **shared)
            running.callback(processes[name].kill)
        for name, role in ROLES.items():
            processes[name].start("--role", role)
        intake = processes["intake"]
        sent = lanes(strength, chosen)
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            sending = [threads.submit(send, intake.mllp, lane, strength.seconds) for lane in sent]
            rage(strength, chosen, processes, rabbitmq)  # here: what a thread has started may end with it
            answers = sum((each.result() for each in sending), Counter())
        intake.settled(SETTLE_SECONDS)
        assert answers == Counter(AA=sum(map(len, sent)))
        assert [each.terminate() for each in processes.values()] == [0] * len(processes)
        assert_conserved(intake, strength.messages // OF_A_PATIENT, sum(map(len, sent)))
        assert_items(intake, strength.messages // OF_A_PATIENT)
        assert_told(
            intake,
            drained(
                rabbitmq.url, [*(f"{name}{suffix}" for name in ("cardiology", "entrees", "general")), IDENTITY_QUEUE]
            ),
        )


def assert_conserved(gateway: Gateway, patients: int, sent: int) -> None:
    """Each message ended once (promise P4), and left its audit events once (promise P8)."""
    distinct = patients * OF_A_PATIENT
    ended = {"processed": distinct, "duplicate": sent - distinct, "ignored": 0, "quarantined": 0, "pending": 0}
    assert gateway.summary() == {"received": sent, **ended}
    acts = dict(gateway.rows("SELECT action, count(*) FROM audit_event GROUP BY action"))
    assert acts["source:message:received"] == sent
    assert acts["gateway:message:processed"] == distinct
    assert acts["gateway:message:recognised-duplicate"] == sent - distinct
    with gateway.database() as database:
        verification = AuditTrail(database).verify()
    assert (verification.first_bad, verification.sealed) == (None, sum(acts.values()))


def assert_items(gateway: Gateway, patients: int) -> None:
    """Each patient is one record, and has one item of each kind, which ended as every other patient's (promise P3)."""
    assert gateway.rows("SELECT count(*), count(DISTINCT person_id) FROM identity") == [(patients, patients)]
    assert gateway.rows("SELECT 1 FROM work_item GROUP BY focus_id, secretariat HAVING count(*) > 1") == []
    ends = Counter(gateway.rows("SELECT kind, state, title, priority FROM work_item WHERE kind <> 'identity'"))
    assert ends == Counter(
        {
            ("admission", "new", "admission.arrived", "routine"): patients,
            ("result", "new", "result.critical", "stat"): patients,
            ("convocation", "new", "convocation.to-send", "routine"): patients,
        }
    )
    assert gateway.rows("SELECT 1 FROM work_item WHERE kind = 'identity' AND state <> 'withdrawn'") == []
    versions = gateway.rows("SELECT id, version FROM work_item")
    every = sorted((item, version) for item, last in versions for version in range(1, last + 1))
    assert sorted(gateway.rows("SELECT item_id, version FROM work_item_history")) == every
    assert sorted(gateway.rows("SELECT item_id, version FROM outbox")) == every


def assert_told(gateway: Gateway, seen: Sequence[str], after: int = 0) -> None:
    """Consumers saw each message_id at least once, and first sightings in the order of each patient on each queue.

    Args:
        gateway: whose outbox it is.
        seen: message_ids, in the order of each queue.
        after: sequence in the outbox after which entries count.

    """
    entries = "SELECT secretariat, order_key, message_id FROM outbox WHERE sequence > :after ORDER BY sequence"
    written = gateway.rows(entries, after=after)
    known = {message_id for *_, message_id in written}
    first = {message_id: place for place, message_id in reversed(list(enumerate(seen))) if message_id in known}
    assert set(first) == known
    of_patient = defaultdict(list)
    for *key, message_id in written:
        of_patient[tuple(key)].append(first[message_id])
    assert all(places == sorted(places) for places in of_patient.values())


def drained(url: str, secretariats: list[str]) -> list[str]:
    """Take everything from the queues; give the message_ids in the order of each."""
    seen = []
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        for secretariat in secretariats:
            for method, properties, _ in channel.consume(
                topology.queue_name(secretariat), auto_ack=True, inactivity_timeout=1
            ):
                if method is None:
                    break
                seen.append(properties.message_id)
            channel.cancel()
    return seen
