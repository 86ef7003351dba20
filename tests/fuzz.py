"""What no bytes may do: raise anything but the gateway's own errors, lose a byte, or give an answer nobody can read.

The targets take any bytes. The suite tries them on some hundred mutations of good messages
(tests/properties/test_fuzz.py); ``make fuzz`` tries them for as long as it is given, led by the code that each input
reaches (atheris, where it can be installed for this Python): ``python tests/fuzz.py --seconds 300``.
"""

import argparse
import importlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import messages
from sites import ADMISSIONS, DEPARTMENT, demo_site

from adapters.hl7v2.display import describe
from adapters.mllp.framing import Frame, FrameReader, frame
from gateway import er7, terser
from gateway.errors import AckCode, GatewayError
from gateway.profile import check
from mappings.hl7v2 import acknowledge, examine, subjects, translate
from mappings.profiles import load_profiles

NOW = datetime(2026, 3, 10, 9, 15, tzinfo=UTC)
PROFILES = load_profiles()
SITES = (
    demo_site(),
    *(
        demo_site(sources=tuple(replace(s, profile=p, enforced=e) for s in (ADMISSIONS, DEPARTMENT)))
        for p, e in zip(PROFILES.values(), (True, False, False), strict=True)
    ),
)
"""A site without a profile, and one for each."""


def read(data: bytes) -> None:
    """Whatever is read is kept byte for byte, and every value of it can be asked for and shown."""
    try:
        message = er7.read(data)
    except GatewayError:
        return
    assert bytes(message) == data
    assert sum(count for _, count in message.counts()) == len(message.segments)
    describe(message, reveal=True)
    for segment in message.segments:
        assert not segment.name or message.at(terser.parse(segment.path())) is segment
        for number in range(1, min(segment.field_count, 60) + 1):
            for repetition in segment.repetitions(number)[:5]:
                er7.unescape(repetition.text(1, 2) + repetition.text(2), message.separators)


def answer(data: bytes) -> None:
    """Whatever is examined is answered in a way that its sender can read."""
    for site in SITES:
        found = examine(data, site)
        code = found.error.acknowledgment if found.error else AckCode.AA
        told = er7.read(acknowledge(found, code, found.error, site=site, now=NOW, control_id="G1"))
        assert told.text("MSA-1") == code
        assert (found.error is None) is (told.first("ERR") is None)
        assert found.error is None or found.error.rule


def told(data: bytes) -> None:
    """Whatever can be read is translated, with every segment accounted for, or refused by an error of ours."""
    for site in SITES:
        found = examine(data, site)
        if found.message is None or found.source is None:
            continue
        for profile in PROFILES.values():
            check(found.message, found.message_type, profile)
        subjects(found.message)
        try:
            translation = translate(found.message, found.source, site)
        except GatewayError:
            continue
        assert sum(count for _, count in translation.segments) == len(found.message.segments)
        assert translation.facts or translation.ignored


def framed(data: bytes) -> None:
    """Whatever a stream brings, it becomes events, the same however it is cut; a frame comes back as it was sent."""
    limit = 200
    whole = [*FrameReader(limit).feed(data)]
    cut = FrameReader(limit)
    pieces = [event for n in range(0, len(data), 7) for event in cut.feed(data[n : n + 7])]
    frames = [event for event in whole if isinstance(event, Frame)]
    assert frames == [event for event in pieces if isinstance(event, Frame)]
    assert all(len(event.payload) <= limit for event in frames)
    for event in frames:
        again = FrameReader(limit).feed(frame(event.payload))
        assert [*again] == [event]


TARGETS: dict[str, Callable[[bytes], None]] = {"read": read, "answer": answer, "told": told, "framed": framed}


def seeds() -> list[bytes]:
    """Good messages of each type, as the tests write them."""
    good = [
        messages.patient_told("C1", "1"),
        messages.patient_told("C2", "1", event="A31"),
        messages.admission("C3", "1", "V1"),
        messages.merge("C4", "1", "2"),
        messages.result("C5", "1", "7", status="C", flag="HH"),
        messages.appointment("S12", "C6", "1", "9"),
        messages.appointment("S15", "C7", "1", "9"),
        messages.document("T02", "C8", "1", "5"),
        messages.document("T10", "C9", "1", "6", replaces="5"),
        messages.billing("C10", "1"),
    ]
    return [*good, *(frame(message) for message in good[:3]), frame(good[0]) + frame(good[4])]


TOKENS = (
    *(
        b"\r",
        b"\n",
        b"|",
        b"^",
        b"~",
        b"&",
        b"\\",
        b'""',
        b"\x0b",
        b"\x1c\r",
        b"\xef\xbb\xbf",
        b"\xc3\xa9",
        b"\xe9",
        b"\x00",
    ),
    *(b"\\F\\", b"\\X0D\\", b"\\.br\\", b"\\H\\", b"\\C2842\\", b"\\E\\", b"MSH|^~\\&", b"MSH|^~\\&#|", b"FHS|^~\\&|"),
    *(
        b"\rPID|",
        b"\rPV1|",
        b"\rZBE|",
        b"\rOBX|1|ED|",
        b"\rMRG|",
        b"\rTXA|",
        b"\rSCH|",
        b"\rPRT|",
        b"\rTQ1|",
        b"\rORC|",
    ),
    *(b"UNICODE UTF-8", b"8859/15", b"ADT^A40", b"ADT^Z99", b"MDM^T10", b"SIU^S13", b"ORU^R01", b"^Base64^", b"CANCEL"),
    *(b"20260229", b"2026022912", b"99999999999999", b"+9999", b"INS", b"VALI", b"FICT", b"2.1^CISIS_CDA_HL7_V2"),
)
"""What mutations are made of, beside single bytes."""


OURS = {"gateway", "mappings", "adapters"}


def _fuzz_one(name: str, seconds: int, folder: Path) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris  # noqa: PLC0415 - only here, and only where it can be installed

    for module in [m for m in sys.modules if m.partition(".")[0] in OURS | {"messages", "sites"}]:
        del sys.modules[module]
    with atheris.instrument_imports(include=sorted(OURS)):
        targets = importlib.import_module("fuzz").TARGETS
    corpus, words = folder / name, folder / f"{name}.words"
    corpus.mkdir()
    for number, seed in enumerate(seeds()):
        (corpus / f"{number}").write_bytes(seed)
    quoted = ("".join(f"\\x{byte:02x}" for byte in token) for token in TOKENS)
    words.write_text("".join(f'"{token}"\n' for token in quoted))
    limits = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10"]
    told = [f"-dict={words}", f"-artifact_prefix=fuzz-{name}-", "-print_final_stats=1", "-verbosity=1"]
    atheris.Setup([sys.argv[0], *limits, *told, str(corpus)], targets[name])
    atheris.Fuzz()


def main() -> int:
    """Fuzz every target for its share of the time; give 1 if one of them failed. What broke it is left as a file."""
    parser = argparse.ArgumentParser(description="Fuzz the reader, examination and answer, translation, and framing.")
    parser.add_argument("--seconds", type=int, default=300, help="for all targets together")
    parser.add_argument("--target", choices=TARGETS, help="only this one, in this process")
    parser.add_argument("--folder", type=Path, help="where a target's inputs are kept")
    asked = parser.parse_args()
    if asked.target:
        _fuzz_one(asked.target, asked.seconds, asked.folder)
        return 0
    share = str(max(1, asked.seconds // len(TARGETS)))
    with tempfile.TemporaryDirectory() as folder:
        base = [sys.executable, __file__, "--folder", folder, "--seconds", share, "--target"]
        ended = [subprocess.call([*base, name]) for name in TARGETS]
    return int(any(ended))


if __name__ == "__main__":
    sys.exit(main())
