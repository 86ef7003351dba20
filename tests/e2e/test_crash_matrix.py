"""Killed before and after every statement, commit and use of a socket, the gateway ends as if nothing had happened.

The steps are those that an undisturbed run has passed (see `steps`), so a new one is covered by itself; and every
statement of the store's code that lies on the way of a message must have been passed, so that none is overlooked.
"""

import ast
import random
import re
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pika
import pytest
import steps
from gateways import REPOSITORY, Gateway, Wire, code, gateway_in, write_site
from messages import AHEAD, admission, appointment, billing, document, merge, patient_told, pid, result
from messages import message as hl7
from normalised import Day, the_day
from services import PostgresServer
from sqlalchemy.engine import make_url
from test_storm import assert_told

from adapters.bus import topology
from adapters.bus.embedded import EmbeddedConsumer
from adapters.store.audit import AuditTrail
from adapters.store.outbox import StoredOutbox
from gateway.outbox import IDENTITY_QUEUE

SUFFIX = "-matrix"
SECRETARIATS = (*(f"{name}{SUFFIX}" for name in ("cardiology", "entrees", "general")), IDENTITY_QUEUE)
REACHED_SECONDS = 20
SAMPLE = {"sqlite": 3, "postgresql": 1, "postgresql alone": 1, "postgresql+rabbitmq": 1}
"""Steps at which a gateway is killed when only a sample is asked for."""

BEFORE = (
    patient_told("B1", "8001"),
    admission("B2", "8001", "V1", when=1),
    result("B3", "8001", "O1", when=2, status="P"),
    appointment("S12", "B4", "8001", "R1", when=3),
    patient_told("B5", "8002", when=4),
    result("B6", "8002", "O2", when=5),
)
"""What the database knows before the batch that is disturbed."""

MFI, STF = "MFI|STF^Staff^HL70175||UPD|||AL", "STF|77|77^^^CHU|ROUX^MARC^^^DR|||M|A|3020"
BATCH = (
    patient_told("C1", "8003", when=10),
    result("C2", "8001", "O1", when=11, value="7.7", flag="HH"),
    appointment("S13", "C3", "8001", "R1", when=12, starts=AHEAD + 3_000),
    BEFORE[0],  # again
    document("T10", "C4", "8001", "D2", when=13, replaces="D1"),  # waits for its original
    result("C5", "8009", "O9", when=14),  # of a patient whom admissions has not told
    merge("C6", "8001", "8002", when=15),
    appointment("S12", "C7", "8003", "R2", when=16),
    result("C8", "8003", "O2", when=17),  # of an object that was another patient's
    billing("C9", "8001"),  # ignored by rule
    hl7("MFN^M02^MFN_M02", "C11", MFI, "MFE|MAD|1||77|CE", STF, application="ADM", when=18),  # of nobody's
    hl7("ADT^A28^ADT_A05", "C10", "EVN||20260302081800", pid("8004"), application="NOBODY"),  # refused
)
"""One recv, one group commit, one batch: messages that end in every way there is."""

ASIDE = re.compile(r"(?:^|> )(?:Watch|run_retention|Worker\._look|Timekeeper|_tell_audit|SessionLock)\b|end of ")
"""Other activities of the process, with transactions of their own, and the end of a peer's bytes."""


class SteppedGateway(Gateway):
    """A gateway whose steps are counted, and which may be killed at one."""

    program = (str(Path(steps.__file__)),)

    @property
    def trace(self) -> Path:
        """File of the steps passed."""
        return self.folder / "steps"

    def start_to_die_at(self, step: str) -> None:
        """Start the service; it will end by itself at the step (none: it will not)."""
        self.environment |= {steps.TRACE: str(self.trace), steps.KILL: step}
        self.start()

    def died(self) -> bool:
        """Whether it has reached its step; waits for that."""
        deadline = time.monotonic() + REACHED_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.process.poll() == steps.KILLED

    def passed(self) -> list[str]:
        """Give the steps that its processes have passed, in order."""
        return self.trace.read_text().splitlines() if self.trace.exists() else []


@dataclass
class Sender:
    """Sends the batch, and again what was not answered, as often as needed."""

    unanswered: list[bytes] = field(default_factory=lambda: list(BATCH))
    times: Counter[str] = field(default_factory=Counter)
    codes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def send(self, gateway: Gateway) -> None:
        """Send all that is unanswered at once; return once all is answered or the connection is lost."""
        try:
            with Wire(gateway.mllp) as wire:
                self.times.update(control_id(raw) for raw in self.unanswered)
                wire.send(*self.unanswered)
                while self.unanswered:
                    answered = code(wire.answer())
                    self.codes[control_id(self.unanswered.pop(0))].add(answered)
        except OSError:
            return


def control_id(raw: bytes) -> str:
    """Give MSH-10."""
    return raw.split(b"|")[9].decode()


@dataclass
class Matrix:
    """One store and one bus on which gateways are killed.

    Attributes:
        name: which.
        folder: where its gateways stand.
        site: their site.
        template: the prepared database: a file, or a name on the server.
        told_before: last sequence of its outbox.
        postgres: its server; None: SQLite.
        broker_url: its broker; none: the embedded bus.
        undisturbed: what comes of the batch when nobody is killed.
        codes: what senders are then answered, by control ID.
        steps: what the process then passes.
        seen: what the processes of all runs have passed.

    """

    name: str
    folder: Path
    site: Path
    template: str
    told_before: int
    postgres: PostgresServer | None
    broker_url: str
    undisturbed: Day = field(init=False)
    codes: dict[str, set[str]] = field(init=False)
    steps: list[str] = field(init=False)
    seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        with self.gateway() as gateway:
            gateway.start_to_die_at("")
            sender = Sender()
            sender.send(gateway)
            assert not sender.unanswered
            self.undisturbed = self._end(gateway)
            self.codes = sender.codes
            self.steps = list(dict.fromkeys(filter(counted, gateway.passed())))

    @contextmanager
    def gateway(self) -> Iterator[SteppedGateway]:
        """A gateway on a copy of the prepared database."""
        folder = self.folder / str(len(list(self.folder.iterdir())))
        folder.mkdir()
        with self._copy(folder) as url:
            options = {"site": self.site, "database_url": url, "broker_url": self.broker_url}
            gateway = SteppedGateway(folder, **options, GATEWAY_WORKERS="0")
            gateway.environment[steps.ALONE] = "1" if self.name.endswith("alone") else ""
            try:
                yield gateway
            finally:
                gateway.kill()

    def _copy(self, folder: Path) -> AbstractContextManager[str]:
        if self.postgres is not None:
            return self.postgres.database(self.template)
        shutil.copy(self.template, folder / "gateway.db")
        return nullcontext(f"sqlite:///{folder / 'gateway.db'}")

    def killed_at(self, step: str) -> None:
        """A gateway killed at this step, and started again, has ended as the undisturbed one."""
        with self.gateway() as gateway:
            sender = Sender()
            gateway.start_to_die_at(step)
            sender.send(gateway)
            assert gateway.died(), "the step was not reached"
            gateway.start_to_die_at("")
            sender.send(gateway)
            assert not sender.unanswered
            assert sender.codes == self.codes
            day = self._end(gateway)
            self.seen |= set(filter(counted, gateway.passed()))
            assert_same(day, self.undisturbed)
            for each in day.again:
                most = self.undisturbed.again[each] + sender.times[each] - 1
                assert day.again[each] <= max(most, self.undisturbed.again[each])

    def _end(self, gateway: SteppedGateway) -> Day:
        """Let the gateway finish, and its consumers have everything; give what came of it."""
        gateway.settled()
        while gateway.rows("SELECT event_id FROM audit_unsealed LIMIT 1"):
            time.sleep(0.05)
        gateway.kill()
        with gateway.database() as database:
            assert AuditTrail(database).verify().first_bad is None
            seen = drained(self.broker_url) if self.broker_url else followed(StoredOutbox(database))
            assert_told(gateway, seen, after=self.told_before)
            return the_day(database)


def drained(broker_url: str) -> list[str]:
    """Take everything from the queues; give the message_ids in the order of each queue."""
    taken = []
    with pika.BlockingConnection(pika.URLParameters(broker_url)) as connection:
        channel = connection.channel()
        for secretariat in SECRETARIATS:
            while (found := channel.basic_get(topology.queue_name(secretariat), auto_ack=True))[0] is not None:
                taken.append(found[1].message_id)
    return taken


def counted(step: str) -> bool:
    """Whether a step is on the way of a message, and passed for the first time (or is the second answer's)."""
    first = step.endswith("#1") or (step.endswith("#2") and "to sender" in step)
    return first and not ASIDE.search(step)


def followed(subscriptions: StoredOutbox) -> list[str]:
    """Take everything from the embedded bus; give the message_ids in the order of each secretariat."""
    stop = Event()
    return [
        delivery.message_id
        for secretariat in SECRETARIATS
        for delivery in EmbeddedConsumer(subscriptions, "matrix", secretariat).deliveries(stop, until_idle=True)
    ]


def assert_same(day: Day, undisturbed: Day) -> None:
    """Every table says the same, and each patient's messages were told of in the same order."""
    for table, expected in undisturbed.effects.items():
        found = day.effects[table]
        assert found == expected, f"{table}: doubled or strange {[*found - expected]}, missing {[*expected - found]}"
    assert day.told == undisturbed.told


@pytest.fixture(scope="module")
def matrix_of(request, tmp_path_factory) -> Iterator[Callable[[str], Matrix]]:
    """Gives the matrix on a store and a bus, made when it is first asked for, with its undisturbed run."""
    made: dict[str, Matrix] = {}
    with ExitStack() as databases:

        def give(name: str) -> Matrix:
            if name not in made:
                postgres = request.getfixturevalue("postgres") if name.startswith("postgresql") else None
                broker_url = request.getfixturevalue("rabbitmq").url if name.endswith("rabbitmq") else ""
                url = databases.enter_context(postgres.database()) if postgres else ""
                made[name] = prepare(name, tmp_path_factory.mktemp("matrix"), postgres, url, broker_url)
            return made[name]

        yield give


def prepare(name: str, folder: Path, postgres: PostgresServer | None, url: str, broker_url: str) -> Matrix:
    """Let a gateway have the messages that come before, and give the matrix that starts from its database."""
    site = write_site(folder / "site", suffix=SUFFIX, matching=True, convening=True)
    with gateway_in(folder, site=site, database_url=url, broker_url=broker_url) as first:
        with Wire(first.mllp) as wire:
            assert {code(wire.ask(raw)) for raw in BEFORE} == {"AA"}
        first.settled()
        assert first.terminate() == 0
        ((told,),) = first.rows("SELECT max(sequence) FROM outbox")
    if broker_url:
        drained(broker_url)
    runs = folder / "runs"
    runs.mkdir()
    template = str(make_url(url).database) if url else str(folder / "gateway.db")
    return Matrix(name, runs, site, template, told, postgres, broker_url)


@pytest.mark.parametrize("name", ["sqlite", "postgresql", "postgresql alone", "postgresql+rabbitmq"])
def test_killed_at_any_step_it_ends_as_if_undisturbed(matrix_of, name, prove):
    """One run a step: inbox, identities, objects, items, outbox, audit and what consumers saw are those of calm."""
    matrix = matrix_of(name)
    failed = []
    for step in matrix.steps if prove else sample(matrix):
        try:
            matrix.killed_at(step)
        except AssertionError as failure:
            failed.append(f"{step}: {failure}")
    assert not failed, "\n\n".join(failed)
    assert not matrix.seen - set(matrix.steps), "passed only after a kill: nobody was killed there"


def sample(matrix: Matrix) -> Sequence[str]:
    """Give a few steps, the same each time, spread over the whole way."""
    some = random.Random(matrix.name)
    count, steps_ = SAMPLE[matrix.name], matrix.steps
    return [some.choice(steps_[n * len(steps_) // count : (n + 1) * len(steps_) // count]) for n in range(count)]


# -- the steps are all there -------------------------------------------------------------------------------------------

ENTRIES = {
    "Inbox.record",
    "Work.claim",
    "Work.alone",
    "Work.hold",
    "Work.load",
    "Work.flush",
    "StoredOutbox.unconfirmed",
    "StoredOutbox.confirm",
    "AuditTrail.seal",
}
"""Where a message's way enters the store."""

STORE = REPOSITORY / "adapters" / "store"


def test_every_statement_on_a_messages_way_is_a_step(matrix_of):
    """What the store's code sends to the database, from frame to delivery, is among the steps of one store or other."""
    every = [step for name in ("sqlite", "postgresql", "postgresql alone") for step in matrix_of(name).steps]
    passed = {place for step in every for place in re.findall(r"\(([a-z_]+\.py):(\d+)\)", step)}
    missing = [
        f"{file}:{first} in {function}"
        for function, file, first, last in statements_on_the_way()
        if not any(f == file and first <= int(line) <= last for f, line in passed)
    ]
    assert not missing


def statements_on_the_way() -> Iterator[tuple[str, str, int, int]]:
    """Give each call that sends a statement, in what the entries call, by the store's own code."""
    functions = {}
    for path in STORE.glob("*.py"):
        for function, node in _functions(ast.parse(path.read_text(encoding="utf-8"))):
            functions.setdefault(function, []).append((path.name, node))
    waiting, reached = list(ENTRIES), set()
    while waiting:
        function = waiting.pop()
        if function in reached or function not in functions:
            continue
        reached.add(function)
        for file, node in functions[function]:
            for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
                owner, _, name = ast.unparse(call.func).rpartition(".")
                if (name in _SENDS and owner != "cursor") or (not owner and name in _HEARD):
                    yield function, file, call.lineno, call.end_lineno or call.lineno
                waiting.append(f"{_class_of(owner, function)}{name}")


_SENDS = frozenset({"execute", "exec_driver_sql"})
_HEARD = frozenset({"before", "after"})
"""How the driver's own cursor (asking.py) lets it be heard what it sends: there its statements are steps."""


def _class_of(owner: str, function: str) -> str:
    """Give the class, with a point, whose method is called on what is so named; none for a function."""
    known = {"self": function.partition(".")[0], "self._database": "Database"}
    return f"{known.get(owner, owner)}." if owner else ""


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{n.name}", n) for n in node.body if isinstance(n, ast.FunctionDef))
