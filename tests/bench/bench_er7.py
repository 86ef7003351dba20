"""Microseconds a message: the ER7 reader beside python-hl7 and hl7apy, in one run.

Each reads the same message and asks for the same values, as a translator would; then each reads the messages of the
corpus that are below 10 kB, and the gateway translates them as well. Run it by name:
``pytest tests/bench/bench_er7.py``. Times are printed, never asserted.
"""

import base64
import random
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles

import hl7
import pytest
from hl7apy.parser import parse_message
from sites import demo_site

from gateway import er7
from gateway.profile import check
from mappings.hl7v2 import translate
from mappings.hl7v2.header import header_of
from mappings.profiles import load_profiles

HEADER = "MSH|^~\\&|ADM|CHU|GW|CHU|20260321101500||{}|C1|P|2.5|||||FRA|UNICODE UTF-8"
PATIENT = (
    "PID|1||8000123^^^CHU&1.2.250.1.999.2&ISO^PI~279035121518989^^^INS&1.2.250.1.213.1.4.10&ISO^INS"
    "||TEST^Élise^Élise Marie^^^^L~TESTEUR^Élise^^^^^D||19790321|F|||12 rue de l'Essai^^Lyon^^69003^FRA^H"
    "||^PRN^PH^^^^^^^^^0400000000|||M||24000123^^^CHU&1.2.250.1.999.2&ISO^AN|||||Lyon||||||N||VALI"
)
VISIT = "PV1|1|I|CARD^101^1^CHU||||10001234567^TEST^Gabriel^^^^^^PS&1.2.250.1.71.4.2.1&ISO^L^^^RPPS||||||||||||24000123"
ADT = [HEADER.format("ADT^A01^ADT_A01"), "EVN||20260321101400", PATIENT, "PD1|||||||||||N", VISIT]
ADT += ["PV2|||^essai", "ZBE|M1^CHU^1.2.3^ISO|20260321100000||INSERT|N||CARD^^^^^CHU^UF^^^2100||HMS", "ZFD|||N|N"]
ORU = [HEADER.format("ORU^R01^ORU_R01"), PATIENT, VISIT, "OBR|1|P1|F1|NFS^Numération^L|||20260321|||||||||ROUX"]
ORU += [f"OBX|{n}|NM|{n}-7^Analyse {n}^LN||13.{n}|g/dL|12-16|N|||F|||20260321" for n in range(1, 21)]
PDF = base64.b64encode(random.Random(5).randbytes(3_750_000)).decode()
MDM = [HEADER.format("MDM^T02^MDM_T02"), "EVN||20260321", PATIENT, VISIT, "TXA|1|CR||||||||||D1^CHU|||||LA"]
MDM += [f"OBX|1|ED|11488-4^Compte rendu^LN||CHU^application^pdf^Base64^{PDF}||||||F"]

COMMON = [("MSH", 3, 1, 1), ("MSH", 9, 1, 1), ("MSH", 9, 2, 1), ("MSH", 10, 1, 1), ("MSH", 12, 1, 1), ("PID", 3, 1, 1)]
COMMON += [("PID", 3, 4, 2), ("PID", 3, 5, 1), ("PID", 5, 1, 1), ("PID", 5, 2, 1), ("PID", 5, 7, 1), ("PID", 7, 1, 1)]
COMMON += [("PID", 8, 1, 1), ("PID", 11, 3, 1), ("PID", 13, 12, 1), ("PID", 18, 1, 1), ("PID", 32, 1, 1)]
COMMON += [("PV1", 2, 1, 1), ("PV1", 3, 1, 1), ("PV1", 7, 1, 1), ("PV1", 7, 2, 1), ("PV1", 19, 1, 1)]
MESSAGES = {
    "ADT": (ADT, [*COMMON, ("EVN", 2, 1, 1), ("ZBE", 1, 1, 1), ("ZBE", 2, 1, 1), ("ZBE", 4, 1, 1), ("ZBE", 7, 10, 1)]),
    "ORU, 20 OBX": (ORU, [*COMMON, *(("OBX", field, 1, 1) for field in (3, 5, 6, 8, 11))]),
    "MDM, 5 MB PDF": (MDM, [*COMMON, ("TXA", 12, 1, 1), ("TXA", 17, 1, 1), ("OBX", 5, 5, 1), ("OBX", 11, 1, 1)]),
}
Places = list[tuple[str, int, int, int]]


def ours(raw: bytes, places: Places) -> int:
    """Length of all values asked for, so that each reader shows that it found them."""
    message = er7.read(raw)
    return sum(len(s.text(f, c, sub)) for name, f, c, sub in places for s in message.all(name))


def python_hl7(raw: bytes, places: Places) -> int:
    message = hl7.parse(raw.decode())
    found = 0
    for name, field, component, subcomponent in places:
        for number in range(1, len(message.segments(name)) + 1):
            found += len(message.extract_field(name, number, field, 1, component, subcomponent) or "")
    return found


def hl7apy(raw: bytes, places: Places) -> int:
    message = parse_message(raw.decode(), find_groups=False)
    found = 0
    for name, field, component, subcomponent in places:
        for segment in getattr(message, name.lower()):
            first = next((f for f in segment.children if f.name == f"{name}_{field}"), None)
            part = first.to_er7().split("^")[component - 1] if first else ""
            found += len(part.split("&")[subcomponent - 1])
    return found


def microseconds(work: Callable[[], object]) -> float:
    """The best of the runs that fit in about a second, three at least unless one alone takes longer."""
    best, spent = float("inf"), 0.0
    while spent < 1.0:
        start = time.perf_counter()
        work()
        took = time.perf_counter() - start
        best, spent = min(best, took), spent + took
    return best * 1e6


def test_microseconds_a_message(capsys):
    """All three find the same values; how long each takes is printed."""
    rows = []
    for label, (lines, places) in MESSAGES.items():
        raw = "\r".join([*lines, ""]).encode()
        expected = ours(raw, places)
        assert python_hl7(raw, places) == hl7apy(raw, places) == expected > 0
        readers = (ours, python_hl7, hl7apy)
        rows.append((label, len(raw), *(microseconds(lambda r=r, raw=raw, p=places: r(raw, p)) for r in readers)))
    with capsys.disabled():
        print(f"\n{'message':<15}{'bytes':>9}{'gateway':>12}{'python-hl7':>21}{'hl7apy':>22}   (microseconds)")  # noqa: T201
        for label, size, *times in rows:
            beside = (f"{taken:>13.0f} ({taken / times[0]:4.0f} x)" for taken in times[1:])
            print(f"{label:<15}{size:>9}{times[0]:>12.0f}", *beside, sep="")  # noqa: T201


CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
SITE = demo_site()
PROFILES = load_profiles()
SMALL = 10_000
"""Bytes; larger messages are documents."""

RUNS = 20
"""Of each message; its best counts, for the machine has other work too."""


def small_messages() -> list[bytes]:
    """The corpus's messages below 10 kB that all three read, in the form that the others want."""
    found = []
    for file in sorted(CORPUS.rglob("*.hl7")):
        raw = file.read_bytes()
        try:
            message = er7.read(raw)
            text = "".join(f"{segment.raw}\r" for segment in message.segments if segment.name)
            translated = translate(message, SITE.sources[-1], SITE) if len(raw) < SMALL else None
            parse_message(text, find_groups=False)
        except Exception:  # noqa: BLE001 -- refused by us, or more than hl7apy takes: nothing to compare
            continue
        if translated:
            found.append(text.encode())
    return found


def best(work: Callable[[], object], runs: int) -> float:
    """Microseconds of the best of so many runs."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken) * 1e6


def translated(raw: bytes) -> None:
    translate(er7.read(raw), SITE.sources[-1], SITE)


def checked(raw: bytes) -> None:
    """Read, translate, and check against every profile."""
    message = er7.read(raw)
    translate(message, SITE.sources[-1], SITE)
    for profile in PROFILES.values():
        check(message, header_of(message).message_type, profile)


WORK: dict[str, tuple[Callable[[bytes], object], int]] = {
    "gateway: read and translated": (translated, RUNS),
    "gateway: and against each profile": (checked, RUNS),
    "gateway: read": (er7.read, RUNS),
    "python-hl7: read": (lambda raw: hl7.parse(raw.decode()), 5),
    "hl7apy: read": (lambda raw: parse_message(raw.decode(), find_groups=False), 2),
}
"""What is done to each message, and how often: the best run counts."""


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus of messages at {CORPUS}")
def test_microseconds_of_the_corpus(capsys):
    """All read all of it; p50 and p99 over the messages are printed, and how often the gateway's whole work fits in."""
    sample = small_messages()
    assert len(sample) > 100
    rows = {}
    for label, (work, runs) in WORK.items():
        cuts = quantiles([best(lambda w=work, raw=raw: w(raw), runs) for raw in sample], n=100)
        rows[label] = (cuts[49], cuts[98])
    p50, p99 = next(iter(rows.values()))
    with capsys.disabled():
        print(f"\n{f'{len(sample)} messages below 10 kB':<36}{'p50':>9}{'p99':>9}   (microseconds)")  # noqa: T201
        for label, (middle, high) in rows.items():
            print(f"{label:<36}{middle:>9.0f}{high:>9.0f}   ({middle / p50:.1f} x, {high / p99:.1f} x)")  # noqa: T201
