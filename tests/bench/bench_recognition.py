"""A million identities in PostgreSQL: loaded from a file, and then how long it takes to find whom a message is like.

``RECORDS`` in the environment makes it fewer. Figures are printed, never asserted. Beside the time that passes stands
the processor's, ours and the server's (Linux): on a machine that does other work, it alone says what a look-up costs.
"""

import csv
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.files.exported import Exported
from adapters.files.records import FieldMap
from adapters.identity_operations import IdentityOperations
from adapters.store.audit import AuditTrail
from adapters.store.database import Database
from adapters.store.identity_desk import IdentityDesk
from adapters.store.listening import session
from adapters.store.work import Work
from gateway.act import Act
from gateway.facts import Identifier, IdentityStatus, Patient, Traits
from gateway.pipeline import Decider, Needs
from gateway.principal import Principal, PrincipalKind, Right
from gateway.recognition import Newcomer, recognise
from gateway.site import Environment, Matching, Site, Source, SourceRole
from tests.population.files import two_files
from tests.population.mixes import MIXES
from tests.services import running_postgres
from tests.sites import demo_site

RECORDS = int(os.environ.get("RECORDS", "1000000"))
SMALL = 1_000
ASKED = 1_000
"""Messages of strangers that are timed, of whom half are stored under another number."""

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
_TRAITS = tuple(f.name for f in fields(Traits))
DEPARTMENT = Source("laboratory", SourceRole.DEPARTMENT, authority="1.2.250.1.999.20", trust_contract=True)
ADMISSIONS = Source("admissions", SourceRole.ADMISSIONS, authority="1.2.250.1.999.1")
SITE: Site = demo_site(
    sources=(ADMISSIONS, DEPARTMENT), matching=Matching(automatic=True), environment=Environment.PRODUCTION
)


def people(count: int, seed: int) -> Iterator[dict[str, str]]:
    """Give the traits of invented people: names, sex and age of one, place of another, any day of the year.

    Drawn from some thousand of the generator's, so that names and places are as frequent as it makes them.
    """
    draw = random.Random(seed)
    known = [row.traits for row in two_files(5, MIXES["capitale"], 6_000).left]
    for _ in range(count):
        one, family, place = draw.choice(known), draw.choice(known), draw.choice(known)
        born = one["birth_date"]
        day = f"{born[:4]}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}" if born[5:] != "12-31" else born
        names = {t: family[t] for t in ("birth_family_name", "used_family_name")}
        yield {**one, **names, "birth_date": day, "birth_place_code": place["birth_place_code"]}


def write(path: Path, count: int) -> FieldMap:
    """Write a file as admissions exports it, and give what maps it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("ipp", *_TRAITS))
        for number, traits in enumerate(people(count, 1)):
            writer.writerow((f"8{number:09}", *(traits[trait] for trait in _TRAITS)))
    return FieldMap.model_validate({"id": "ipp", "traits": {trait: trait for trait in _TRAITS}})


def _ran(pid: int) -> float:
    """Seconds for which a process has had a processor."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


@dataclass
class Stored:
    """One database, and what acts on it."""

    database: Database

    def __post_init__(self) -> None:
        self.database.migrate()
        self.work = Work(self.database)
        self.decider = Decider(SITE, self.database.installation(), lambda *_: b"", lambda: str(uuid4()), lambda *_: b"")

    def load(self, path: Path, mapped: FieldMap) -> None:
        """Load a file by the operations that the command calls, and print what that takes."""
        who = Principal("account:bench", PrincipalKind.PERSON, rights=frozenset({Right.OPERATE}))
        desk = IdentityDesk(self.database, self.work)
        before = self.cpu()
        began = time.perf_counter()
        exported = Exported(path, mapped)
        acts = IdentityOperations(who, desk, AuditTrail(self.database), self.decider)
        *_, done = acts.load(ADMISSIONS.id, exported.patients(IdentityStatus.VALIDEE), exported.digest)
        seconds = time.perf_counter() - began
        ours, servers = self.cpu()
        print(f"\n{done.stored} records loaded in {seconds:.0f} s, {seconds / done.stored * 1e6:.0f} us each;")
        print(f"processor {(ours - before[0]) / done.stored * 1e6:.0f} us ours, ", end="")
        print(f"{(servers - before[1]) / done.stored * 1e6:.0f} us the server's")
        with session(self.database) as connection:
            connection.execute("VACUUM ANALYZE")

    def cpu(self) -> tuple[float, float]:
        """Give the processor's seconds so far: of this process, and of the server's process that answers it."""
        with self.database.read() as connection:
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        return time.process_time(), _ran(pid)

    def recognise(self, patient: Patient) -> tuple[float, float]:
        """Look for whom a stranger's record is like, and weigh them; give seconds to look and to weigh."""
        key = patient.identifiers[0]
        named = frozenset({(key.authority, key.value)})
        needs = Needs(named, frozenset(), frozenset(), patients={(key.authority, key.value): (patient,)})
        began = time.perf_counter()
        with self.work.read() as connection:
            state = self.work.load(connection, needs)
        found = time.perf_counter()
        act = Act(SITE, state, DEPARTMENT, 1, "", None, NOW, lambda: str(uuid4()))
        recognise(act, Newcomer(patient, key, vouched=False, source=DEPARTMENT.id))
        return found - began, time.perf_counter() - found


def strangers() -> list[Patient]:
    """Patients whom a department tells under its own numbers: half of them among the first who are stored."""
    those = [*people(ASKED // 2, 1), *people(ASKED // 2, 2)]
    random.Random(3).shuffle(those)
    return [
        Patient((Identifier(DEPARTMENT.authority, f"L{number}"),), Traits(**{t: one[t] for t in _TRAITS}))
        for number, one in enumerate(those)
    ]


def told(title: str, times: Sequence[float]) -> None:
    """Print the percentiles of times in milliseconds."""
    ordered = sorted(t * 1e3 for t in times)
    p50, p95, p99 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.95, 0.99))
    mean = sum(ordered) / len(ordered)
    print(f"{title:40} p50 {p50:6.2f}  p95 {p95:6.2f}  p99 {p99:6.2f}  mean {mean:6.2f} ms")


def measure(store: Stored, records: int, asked: Sequence[Patient]) -> float:
    """Print how long it takes to find and weigh whom each is like, each in a transaction of its own; give the cost."""
    for patient in asked[:200]:
        store.recognise(patient)
    times, ours, servers = [], [], []
    for patient in asked:
        began = store.cpu()
        times.append(store.recognise(patient))
        ended = store.cpu()
        ours.append(ended[0] - began[0])
        servers.append(ended[1] - began[1])
    told(f"{records} records, processor, ours", ours)
    told(f"{records} records, processor, server's", servers)
    told(f"{records} records, processor, both", [sum(both) for both in zip(ours, servers, strict=True)])
    told(f"{records} records, look", [look for look, _ in times])
    told(f"{records} records, weigh", [weighing for _, weighing in times])
    told(f"{records} records, look and weigh", [sum(both) for both in times])
    return (sum(ours) + sum(servers)) / len(asked)


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL of our own."""
    with running_postgres() as server:
        yield server


def test_a_million_are_loaded_and_found(server, tmp_path):
    """Seconds to load, milliseconds to find and weigh, and how the latter grow from a thousand to a million."""
    asked, means = strangers(), []
    for records in (SMALL, RECORDS):
        file = tmp_path / f"{records}.csv"
        mapped = write(file, records)
        with server.database() as url:
            store = Stored(Database(url))
            store.load(file, mapped)
            means.append(measure(store, records, asked))
            store.database.close()
    print(f"processor, from {SMALL} to {RECORDS} records: times {means[1] / means[0]:.2f}")
