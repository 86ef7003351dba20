"""Killed at any instant and started again, the gateway keeps every promise that it made (promises P1, P2, P4, P8)."""

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator

import pytest
from gateways import Gateway, Wire, code, fields
from messages import AHEAD, admission, appointment, patient_told, result

from adapters.store.audit import AuditTrail

CONNECTIONS = 4
WINDOW = 16
LONGEST_RUN_SECONDS = 0.6


class Sender:
    """A source on one connection: sends ahead of its answers, and sends again whatever was not answered.

    Attributes:
        promised: control IDs that got AA, with the number of times.
        refused: answers that were not AA.
        sent: control IDs that went out at least once.

    """

    def __init__(self, name: str) -> None:
        self.promised: Counter[str] = Counter()
        self.refused: list[bytes] = []
        self.sent: set[str] = set()
        self._unanswered: deque[tuple[str, bytes]] = deque()
        self._fresh = _patients(name)

    def send(self, address: tuple[str, int], until: threading.Event) -> None:
        """Send until told to stop or the connection is lost; what was told to stop waits for its last answers."""
        try:
            with Wire(address) as wire:
                self._converse(wire, until)
        except OSError:  # killed: what was not answered is sent again, in order, by the next connection
            return

    def _converse(self, wire: Wire, until: threading.Event) -> None:
        waiting: deque[tuple[str, bytes]] = deque(self._unanswered)
        wire.send(*(raw for _, raw in waiting))
        while waiting or not until.is_set():
            while len(waiting) < WINDOW and not until.is_set():
                waiting.append(next(self._fresh))
                self._unanswered.append(waiting[-1])
                self.sent.add(waiting[-1][0])
                wire.send(waiting[-1][1])
            if waiting:
                self._take(waiting.popleft()[0], wire.answer())

    def _take(self, control_id: str, answer: bytes) -> None:
        assert fields(answer, "MSA")[2] == control_id
        if code(answer) == "AA":
            self.promised[control_id] += 1
        else:
            self.refused.append(answer)
        self._unanswered.popleft()

    @property
    def patients_begun(self) -> int:
        """How many patients' messages have gone out, in part or whole."""
        return len({control_id.rpartition("-")[0] for control_id in self.sent})


MESSAGES_EACH = 6


def _patients(name: str) -> Iterator[tuple[str, bytes]]:
    """Each patient is told, admitted, gets a result in two versions, and an appointment that is moved."""
    n = 0
    while True:
        n += 1
        ipp, ident = f"8{name}{n:05}", f"{name}{n}"
        for place, raw in enumerate(
            (
                lambda c, i=ipp: patient_told(c, i),
                lambda c, i=ipp, v=ident: admission(c, i, f"V{v}", when=1),
                lambda c, i=ipp, o=ident: result(c, i, f"O{o}", when=2, status="P"),
                lambda c, i=ipp, o=ident: result(c, i, f"O{o}", when=3, value="7.7", flag="HH"),
                lambda c, i=ipp, r=ident: appointment("S12", c, i, f"R{r}", when=4),
                lambda c, i=ipp, r=ident: appointment("S13", c, i, f"R{r}", when=5, starts=AHEAD + 60),
            )
        ):
            control_id = f"{ident}-{place}"
            yield control_id, raw(control_id)


def load(gateway: Gateway, senders: list[Sender], seconds: float, *, kill: bool) -> None:
    """Let all senders send for so long, then end the service at once, or let them have their last answers."""
    until = threading.Event()
    threads = [threading.Thread(target=sender.send, args=(gateway.mllp, until)) for sender in senders]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    if kill:
        gateway.kill()
    until.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def crash(gateway: Gateway, kills: int, seed: int) -> list[Sender]:
    """Kill the service so many times in mid-load, then let it finish; give what the senders were promised."""
    moments = random.Random(seed)
    senders = [Sender(name) for name in "abcd"[:CONNECTIONS]]
    try:
        for _ in range(kills):
            gateway.start()
            load(gateway, senders, moments.uniform(0.0, LONGEST_RUN_SECONDS), kill=True)
        gateway.start()
        load(gateway, senders, 0.2, kill=False)
        gateway.settled()
        assert gateway.terminate() == 0
    finally:
        gateway.kill()
    return senders


def assert_promises_kept(gateway: Gateway, senders: list[Sender]) -> None:
    """Every message that got AA took effect exactly once, and nothing is missing, doubled or out of order."""
    assert [sender.refused for sender in senders] == [[]] * len(senders)
    promised = {control_id for sender in senders for control_id in sender.promised}
    assert promised == {control_id for sender in senders for control_id in sender.sent}
    assert_each_message_took_effect_once(gateway, promised)
    assert_items(gateway, promised, sum(sender.patients_begun for sender in senders))
    assert_audit(gateway, promised)


def assert_each_message_took_effect_once(gateway: Gateway, promised: set[str]) -> None:
    ended = gateway.rows(
        "SELECT m.control_id, o.state, count(*) FROM message m LEFT JOIN outcome o ON o.message_id = m.id GROUP BY 1, 2"
    )
    assert {state for _, state, _ in ended} <= {"processed", "duplicate"}
    processed = Counter({control_id: count for control_id, state, count in ended if state == "processed"})
    assert processed == Counter(promised)
    summary = gateway.summary()
    assert summary["received"] == sum(count for _, _, count in ended)
    assert summary["received"] == sum(count for name, count in summary.items() if name != "received")
    assert (summary["pending"], summary["processed"]) == (0, len(promised))


def assert_items(gateway: Gateway, promised: set[str], patients: int) -> None:
    """The items are those of a day without a crash: each once, each version once, each version told once."""
    whole = (
        sum(f"{control_id.rpartition('-')[0]}-{MESSAGES_EACH - 1}" in promised for control_id in promised)
        // MESSAGES_EACH
    )
    assert whole > 0
    at_place = Counter(control_id.rpartition("-")[2] for control_id in promised)
    expected = Counter({("admission", 1): at_place["1"]})
    expected[("result", 1)] = at_place["2"] - at_place["3"]
    expected[("result", 2)] = at_place["3"]
    expected[("convocation", 1)] = at_place["4"] - at_place["5"]
    expected[("convocation", 2)] = at_place["5"]
    items = gateway.rows("SELECT id, kind, version FROM work_item")
    assert Counter((kind, version) for _, kind, version in items) == +expected
    versions = sorted((item, version) for item, _, last in items for version in range(1, last + 1))
    assert sorted(gateway.rows("SELECT item_id, version FROM work_item_history")) == versions
    assert sorted(gateway.rows("SELECT item_id, version FROM outbox")) == versions
    assert gateway.rows("SELECT count(*), count(DISTINCT message_id) FROM outbox") == [(len(versions),) * 2]
    assert gateway.rows("SELECT count(*) FROM identity") == [(patients,)]
    assert gateway.rows("SELECT count(*) FROM focus") == [(len(items),)]


def assert_audit(gateway: Gateway, promised: set[str]) -> None:
    """Each act left its events once, and the chain over all of them holds."""
    (received,) = gateway.rows("SELECT count(*) FROM message")
    told = dict(gateway.rows("SELECT action, count(*) FROM audit_event GROUP BY action"))
    (versions,) = gateway.rows("SELECT count(*) FROM outbox")
    assert told["source:message:received"] == received[0]
    assert told["gateway:message:processed"] == len(promised)
    assert told.get("gateway:message:recognised-duplicate", 0) == received[0] - len(promised)
    assert told["relay:item:published"] == versions[0]
    assert told["gateway:item:created"] + told["gateway:item:updated"] == versions[0]
    with gateway.database() as database:
        verification = AuditTrail(database).verify()
    assert verification.first_bad is None
    assert verification.sealed == verification.events == sum(told.values())


@pytest.mark.parametrize("seed", [20260302])
def test_sqlite_keeps_its_promises_through_twenty_kills(tmp_path, seed):
    """SIGKILL at twenty random moments of a load on four connections: every AA took effect exactly once."""
    gateway = Gateway(tmp_path)
    assert_promises_kept(gateway, crash(gateway, 20, seed))


@pytest.mark.parametrize("seed", [20260303])
def test_postgresql_keeps_its_promises_through_five_kills(tmp_path, postgres_database, seed):
    """The same on PostgreSQL, whose server goes on while the gateway is killed."""
    gateway = Gateway(tmp_path, database_url=postgres_database)
    assert_promises_kept(gateway, crash(gateway, 5, seed))
