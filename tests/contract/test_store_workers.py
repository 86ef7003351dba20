"""Several workers on PostgreSQL do what one worker does on SQLite: the same day ends in the same state."""

import random
import re
import shutil
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from uuid import uuid4

import pytest
from messages import AUTHORITY, UNIT, hl7_time, message
from normalised import ABOUT_IDENTITIES, Day, the_day
from sites import demo_site
from stores import Store, at_once, body, conserved, empty, event_body, reception, store_at

from adapters.store import schema
from adapters.store.work import Work
from adapters.worker import Worker
from gateway import er7
from gateway.pipeline import Decider
from gateway.site import Source, SourceRole
from mappings.hl7v2 import subjects

LABORATORY, AGENDA = "1.2.250.1.999.20", "1.2.250.1.999.22"
SITE = demo_site(
    sources=(
        Source("ADM", SourceRole.ADMISSIONS, applications=("ADM",), authority=AUTHORITY),
        Source("LAB", SourceRole.DEPARTMENT, applications=("LAB",), authority=LABORATORY),
        Source("AGENDA", SourceRole.DEPARTMENT, applications=("AGENDA",), authority=AGENDA),
    )
)
PATIENTS = 24
WORKERS = 3
SMALL_BATCH = 6
"""So that workers meet often."""

FAMILIES = "ABRICOT BRUYERE CORMIER DAPHNE EGLANTIER FRENE GENET HETRE IRIS".split()  # noqa: SIM905 - reads best so


class Patient:
    """One patient under every number that somebody gives: the IPP, the INS, the laboratory's and the agenda's.

    Every fourth is the one before under a second IPP, whose INS is not known yet. Joined: each message names the IPP,
    so that all of the patient's share a partition.
    """

    def __init__(self, n: int, *, joined: bool) -> None:
        self.n = n
        self.joined = joined
        self.who = n - 1 if n % 4 == 3 else n
        nir = f"2{58 + self.who % 40}{1 + self.who % 12:02}75{100 + self.who}{200 + self.who}"
        ins = f"{nir}{97 - int(nir) % 97:02}^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS"
        self.ipp = f"8{n:03}^^^CHU&{AUTHORITY}&ISO^PI"
        self.ins = "" if n % 4 == 3 else ins
        self.laboratorys = f"7{n:03}^^^SIL&{LABORATORY}&ISO^PI"
        self.agendas = f"6{n:03}^^^AGENDA&{AGENDA}&ISO^PI"

    def pid(self, *numbers: str) -> str:
        """Give a PID under these numbers; qualified with the INS."""
        given = [*dict.fromkeys(n for n in (*numbers, self.ipp if self.joined else "") if n)]
        name = f"{FAMILIES[self.who % 9]}-{FAMILIES[self.who // 9]}^ODILE^ODILE^^^^L"
        fields = ["PID", "", "", "~".join(given), "", name, "", f"1958{1 + self.who % 12:02}21", "F"]
        return "|".join([*fields, *[""] * 23, "VALI" if self.ins in given else ""]).rstrip("|")

    def messages(self) -> Iterator[bytes]:
        """What three sources tell of this patient, each in its own order."""
        n = self.n
        for event, version, when in (("A28", "5", 1), ("A31", "5", 9)):
            kind = f"ADT^{event}^ADT_A0{version}"
            told = self.pid(self.ipp, self.ins)
            yield message(kind, f"{event}-{n}", f"EVN||{hl7_time(when)}", told, application="ADM", when=when)
        for when, further, status in ((2, "", "P"), (3, self.ipp, "F"), (4, self.ins, "C")):
            obr = f"OBR|1|P{n}^SIL|F{n}^SIL|K^Potassium|||{hl7_time(when)}" + "|" * 18 + status
            obx = f"OBX|1|NM|K^Potassium||4.{when}|mmol/L|3.5-5.0|N|||{status}"
            who = self.pid(self.laboratorys, further)
            yield message("ORU^R01^ORU_R01", f"R{when}-{n}", who, obr, obx, application="LAB", when=when)
        for event, when in (("S12", 5), ("S13", 6), ("S15" if n % 5 == 0 else "S13", 7)):
            sch = f"SCH|P{n}^AGENDA|F{n}^AGENDA|||||CONS^Consultation||||^^^{hl7_time(2_000 + when)}"
            rest = (sch, self.pid(self.agendas, self.ins), "RGS|1", f"AIL|1||{UNIT}^Salle 2")
            yield message(f"SIU^{event}^SIU_S12", f"{event}.{when}-{n}", *rest, application="AGENDA", when=when)

    def evening(self) -> Iterator[bytes]:
        """Admissions merges every fourth patient with the one before, while the agenda and the laboratory go on."""
        n = self.n
        if n % 4 == 3:
            mrg = f"MRG|8{n - 1:03}^^^CHU&{AUTHORITY}&ISO^PI"
            evn = f"EVN||{hl7_time(10)}"
            yield message("ADT^A40^ADT_A39", f"A40-{n}", evn, self.pid(self.ipp), mrg, application="ADM", when=10)
        sch = f"SCH|Q{n}^AGENDA|G{n}^AGENDA|||||CONS^Consultation||||^^^{hl7_time(3_000)}"
        rest = (sch, self.pid(self.ipp), "RGS|1", f"AIL|1||{UNIT}^Salle 2")
        yield message("SIU^S12^SIU_S12", f"S12.11-{n}", *rest, application="AGENDA", when=11)


def shuffled(lanes: list[list[bytes]], seed: int) -> list[bytes]:
    """Give what sources send at once, each in its own order, with some of it sent again."""
    chosen = random.Random(seed)
    places = [place for place, lane in enumerate(lanes) for _ in lane]
    chosen.shuffle(places)
    waiting = [iter(lane) for lane in lanes]
    day = [next(waiting[place]) for place in places]
    return day + chosen.sample(day, 10)


def a_day(seed: int, *, joined: bool) -> tuple[list[bytes], list[bytes]]:
    """Give the day's messages and the evening's."""
    patients = [Patient(n, joined=joined) for n in range(PATIENTS)]
    lanes = defaultdict(list)
    for each in patients:
        for raw in each.messages():
            lanes[each.n, raw.split(b"|")[2]].append(raw)
    return shuffled(list(lanes.values()), seed), shuffled([list(each.evening()) for each in patients], seed)


def take(store: Store, raws: list[bytes]) -> None:
    """Record messages in groups, each with what it is about."""
    for begin in range(0, len(raws), 20):
        group = []
        for raw in raws[begin : begin + 20]:
            source = raw.split(b"|")[2].decode()
            group.append(reception(raw, source=source, principal=source, subjects=subjects(er7.read(raw))))
        store.inbox.record(group)


def worker_on(store: Store) -> Worker:
    """Give a worker of small batches."""
    decider = Decider(SITE, store.installation, body, lambda: str(uuid4()), event_body)
    return Worker(Work(store.database, batch=SMALL_BATCH), decider, SITE, lambda: None)


def process(store: Store, workers: int) -> None:
    """Let so many workers, each with connections of its own, process until nothing is pending."""
    stop = threading.Event()

    def until_done() -> None:
        while store.inbox.summary()["pending"]:
            time.sleep(0.02)
        stop.set()

    with ExitStack() as stores:
        own = [stores.enter_context(store_at(store.url)) for _ in range(workers)]
        at_once(until_done, *(partial(worker_on(each).run, stop) for each in own))


def lived(store: Store, seed: int, workers: int, *, joined: bool) -> Day:
    """Let a day be recorded and processed, at the same time; give what came of it."""
    for raws in a_day(seed, joined=joined):
        take(store, raws[: len(raws) // 2])
        at_once(partial(take, store, raws[len(raws) // 2 :]), partial(process, store, workers))
        process(store, workers)
    assert conserved(store.inbox.summary())
    assert store.trail.verify().ok
    return the_day(store.database)


def by_item(day: Day) -> dict[str, list[str]]:
    """Give what was told of each item, and of the same records, in order: across these, workers need not agree."""
    told = defaultdict(list)
    for who, names in day.told.items():
        if who.startswith(ABOUT_IDENTITIES):
            told[who] = names
            continue
        for name in names:
            told[name.rpartition(" version ")[0]].append(name)
    return told


def ends(day: Day) -> dict[str, Counter[str]]:
    """Give where everything ended, without how often it was told again on the way."""
    tables = ("message", "person", "identity", "focus_key", "work_item")
    told_again = re.compile(r', "(?:version|source_message)": (?:[0-9]+|"[^"]*")')
    return {t: Counter(told_again.sub("", row) for row in day.effects[t].elements()) for t in tables}


@pytest.fixture
def both(migrated_file, migrated_postgres, tmp_path):
    """A day as one worker on SQLite has it, and as three on PostgreSQL have it."""

    def live(seed: int, *, joined: bool) -> tuple[Day, Day]:
        shutil.copy(migrated_file, tmp_path / "gateway.db")
        with store_at(f"sqlite:///{tmp_path / 'gateway.db'}") as alone:
            expected = lived(alone, seed, 1, joined=joined)
        empty(migrated_postgres)
        return expected, lived(migrated_postgres, seed, WORKERS, joined=joined)

    return live


def assert_equal(found: dict[str, Counter[str]], expected: dict[str, Counter[str]]) -> None:
    """Every table says the same."""
    for table, rows in expected.items():
        assert (table, found[table] - rows, rows - found[table]) == (table, Counter(), Counter())


def test_three_workers_on_postgresql_end_as_one_on_sqlite(both):
    """Several sources, patients under three numbers each, first sightings at once, merges: one state comes of it."""
    expected, found = both(20260302, joined=True)
    assert_equal(found.effects, expected.effects)
    assert by_item(found) == by_item(expected)
    assert found.again == expected.again


def test_workers_agree_on_patients_whose_messages_share_no_number(both):
    """A patient whom two sources know by different numbers ends alike, whoever was first; retellings may differ."""
    expected, found = both(3, joined=False)
    assert_equal(ends(found), ends(expected))
    assert found.again == expected.again


def test_two_workers_who_meet_one_new_patient_make_one_identity(migrated_postgres):
    """Two messages of one patient, processed side by side since their partitions differ: one record, one person."""
    empty(migrated_postgres)
    store = migrated_postgres
    count = 40
    with store_at(store.url) as one, store_at(store.url) as two:
        for n in range(count):
            who = Patient(n, joined=True)
            raws = [message("ADT^A28^ADT_A05", f"{c}-{n}", who.pid(who.ipp), application="ADM") for c in "AB"]
            pair = [reception(raw, source="ADM", subjects=(c * (n + 1),)) for c, raw in zip("AB", raws, strict=True)]
            store.inbox.record(pair)
        stop = threading.Event()

        def until_done() -> None:
            while store.inbox.summary()["pending"]:
                time.sleep(0.02)
            stop.set()

        at_once(until_done, *(partial(worker_on(each).run, stop) for each in (one, two)))
    assert store.count(schema.identity) == store.count(schema.person) == count
    assert store.inbox.summary()["processed"] == 2 * count
