"""What a gateway in production answers on the wire: what a peer writes, what it must be told, and whose rule it is.

References are to HL7 v2.5.1 chapter 2, unless another source is named.
"""

import getpass
import time
from dataclasses import dataclass
from typing import Any

import pytest
from gateways import Wire, gateway_in, write_site
from messages import billing, message, patient_told, pid, result

from adapters.cli.send import read_answers
from gateway import er7

MAX_FRAME = 65_536

_SOURCES = """
[[source]]
id = "listed"
role = "department"
applications = ["LISTED"]
messages = ["ORU", "ADT^A28"]
processing_ids = ["P"]
receiving_applications = ["GATEWAY"]
receiving_facilities = ["CHU"]

[[source]]
id = "spared"
role = "department"
applications = ["SPARED"]
on_error = "accept-and-quarantine"

[[source]]
id = "unnumbered"
role = "department"
applications = ["UNNUMBERED"]
control_id_required = false

[[source]]
id = "elsewhere"
role = "department"
applications = ["ELSEWHERE"]
addresses = ["192.0.2.0/24"]

[[source]]
id = "certified"
role = "department"
applications = ["CERTIFIED"]
subjects = ["CN=certified"]

[[source]]
id = "paced"
role = "department"
applications = ["PACED"]
messages_per_second = 5
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """One gateway in production for all cases."""
    folder = tmp_path_factory.mktemp("probe")
    site = write_site(folder / "site")
    production = (site / "site.toml").read_text(encoding="utf-8").replace('"test"', '"production"')
    (site / "site.toml").write_text(production, encoding="utf-8")
    (site / "sources.toml").write_text((site / "sources.toml").read_text(encoding="utf-8") + _SOURCES, encoding="utf-8")
    (site / "access.toml").write_text(f'[accounts."{getpass.getuser()}"]\nrights = ["*"]\n', encoding="utf-8")
    with gateway_in(folder, site=site, GATEWAY_MAX_FRAME_BYTES=str(MAX_FRAME)) as gateway:
        yield gateway


# -- what is written ---------------------------------------------------------------------------------------------------


def framed(*payloads: bytes) -> bytes:
    """Give each payload in an MLLP frame."""
    return b"".join(b"\x0b" + payload + b"\x1c\r" for payload in payloads)


def adt(control_id: str, *, ipp: str = "", application: str = "ADM", change: tuple[bytes, bytes] = (b"", b"")) -> bytes:
    """Give an A28 of a patient of its own, with one text of it replaced."""
    raw = patient_told(control_id, ipp or f"7{control_id}").replace(b"|ADM|", f"|{application}|".encode(), 1)
    assert change[0] in raw
    return raw.replace(*change, 1)


def labelled(control_id: str, label: str, name: bytes) -> bytes:
    """Give an A28 whose MSH-18 is the label and whose family name has these bytes."""
    return adt(control_id, change=(b"2.5^FRA^2.11", f"2.5^FRA^2.11||||||{label}".encode())).replace(b"FABULAIRE", name)


def enhanced(control_id: str, accept: str, application: str, *, broken: bool = False) -> bytes:
    """Give an A28 that asks for these acknowledgments; a broken one has no patient identifier."""
    version = b"2.5^FRA^2.11"
    raw = adt(control_id, change=(version, version + f"|||{accept}|{application}".encode()))
    return raw.replace(f"7{control_id}^^^".encode(), b"^^^") if broken else raw


def batch(
    *messages: bytes, count: str, header: bytes = b"BHS|^~\\&|ADM|CHU|GATEWAY|CHU|20260302||||BATCH-1\r"
) -> bytes:
    """Give a batch with this BTS-1."""
    return header + b"".join(messages) + f"BTS|{count}\r".encode()


ACCENT = adt("UTF8-SPLIT", change=(b"2.5^FRA^2.11", b"2.5^FRA^2.11||||||UNICODE UTF-8")).replace(
    b"FABULAIRE", "FÉLIX".encode()
)
_SPLIT = ACCENT.index("É".encode()) + 1


@dataclass(frozen=True)
class Case:
    """What a peer writes, and what it is told.

    Attributes:
        rule: whose rule it is, and what it says.
        writes: each in a write of its own, with a pause behind it.
        told: of each answer MSA-1, MSA-2 and ERR-3.1, empty where there is no ERR; a batch's answers in a row.
        ends: how each message ends that was kept, in order of reception.
        kept: identifier -> text that the record of the patient must hold.

    """

    rule: str
    writes: tuple[bytes, ...]
    told: tuple[tuple[str, str, str], ...]
    ends: tuple[str, ...] = ()
    kept: tuple[str, str] = ("", "")


DONE = ("processed",)
REFUSED = ("quarantined",)


def taken(control_id: str, rule: str, *writes: bytes, kept: tuple[str, str] = ("", "")) -> Case:
    """Give a case of a message that is taken and takes effect."""
    return Case(rule, writes, (("AA", control_id, ""),), DONE, kept)


def refused(control_id: str, code: str, condition: str, rule: str, payload: bytes) -> Case:
    """Give a case of a message that is refused and kept in quarantine."""
    return Case(rule, (framed(payload),), ((code, control_id, condition),), REFUSED)


CASES = {
    # framing: MLLP (HL7 v2 transport specification, release 1)
    "one byte per write": taken(
        "BYTES", "MLLP: a frame ends at FS CR, whatever TCP cuts", *(bytes([b]) for b in framed(adt("BYTES")))
    ),
    "split inside a UTF-8 character": taken(
        "UTF8-SPLIT",
        "MLLP frames bytes; a character is read when its frame is whole",
        b"\x0b" + ACCENT[:_SPLIT],
        ACCENT[_SPLIT:] + b"\x1c\r",
        kept=("7UTF8-SPLIT", "FÉLIX"),
    ),
    "slowly, in pieces": taken(
        "SLOWLY",
        "a frame has 30 seconds (promise P9)",
        *(framed(adt("SLOWLY"))[n : n + 40] for n in range(0, len(framed(adt("SLOWLY"))), 40)),
    ),
    "two frames in one write": Case(
        "MLLP: each frame is answered, in order",
        (framed(adt("PAIR-1"), adt("PAIR-2")),),
        (("AA", "PAIR-1", ""), ("AA", "PAIR-2", "")),
        DONE * 2,
    ),
    "a frame and a half, then the rest": Case(
        "MLLP: what is behind an end block begins the next frame",
        (framed(adt("HALF-1")) + framed(adt("HALF-2"))[:50], framed(adt("HALF-2"))[50:]),
        (("AA", "HALF-1", ""), ("AA", "HALF-2", "")),
        DONE * 2,
    ),
    "junk before the start block": taken(
        "JUNK", "MLLP: what is outside a frame is ignored", b"\r\nGET / HTTP/1.1\r\n\r\n" + framed(adt("JUNK"))
    ),
    "no CR behind the end block": taken(
        "NO-CR", "sent by some: after FS a silence ends the frame", framed(adt("NO-CR"))[:-1]
    ),
    "a second start block inside the frame": Case(
        "the first frame was cut: only the second is whole",
        (b"\x0b" + adt("CUT")[:60] + framed(adt("WHOLE")),),
        (("AA", "WHOLE", ""),),
        DONE,
    ),
    "an empty frame": Case("§2.5: a message begins with MSH", (framed(b""),), (("AR", "", "100"),), REFUSED),
    "beyond the limit": Case(
        "P9: a frame that is too large is refused and not kept",
        (framed(adt("LARGE") + b"NTE|1||" + b"x" * MAX_FRAME + b"\r"),),
        (("AR", "", "102"),),
    ),
    # lines, delimiters, header
    "lines end in LF": taken("LF", "§2.5.2 wants CR; LF is understood", framed(adt("LF").replace(b"\r", b"\n"))),
    "lines end in CRLF": taken(
        "CRLF", "§2.5.2 wants CR; CRLF is understood", framed(adt("CRLF").replace(b"\r", b"\r\n"))
    ),
    "lines end in each of them": taken(
        "MIXED",
        "§2.5.2 wants CR; a mix is understood",
        framed(adt("MIXED").replace(b"\rPID", b"\nPID").replace(b"\rEVN", b"\r\nEVN")),
    ),
    "no line end at the end": taken("NO-END", "§2.5.2; the frame ends the last segment", framed(adt("NO-END")[:-1])),
    "a byte order mark": taken("BOM", "sent by some: it is no text", framed(b"\xef\xbb\xbf" + adt("BOM"))),
    "other delimiters": taken(
        "OTHERS",
        "§2.5.4: MSH-1 and MSH-2 declare them",
        framed(adt("OTHERS").translate(bytes.maketrans(b"|^&~", b"#*%!"))),
    ),
    "a truncation character": taken(
        "TRUNC", "2.7: a fifth encoding character", framed(adt("TRUNC", change=(b"^~\\&", b"^~\\&#")))
    ),
    "a delimiter twice": refused(
        "", "AR", "102", "§2.5.4: each stands for one thing", adt("TWICE", change=(b"^~\\&", b"^^\\&"))
    ),
    "a header alone": refused("ALONE", "AE", "100", "§3.3.28: an A28 has a PID", adt("ALONE").split(b"\r")[0]),
    # character sets: MSH-18 (table 0211)
    "8859/1 by MSH-18": taken(
        "LATIN1",
        "§2.15.9.18",
        framed(labelled("LATIN1", "8859/1", "ÉLODÎE".encode("latin-1"))),
        kept=("7LATIN1", "ÉLODÎE"),
    ),
    "8859/15 by MSH-18": taken(
        "LATIN9",
        "§2.15.9.18",
        framed(labelled("LATIN9", "8859/15", "CŒUR".encode("iso8859-15"))),
        kept=("7LATIN9", "CŒUR"),
    ),
    "Windows' set and no label": taken(
        "CP1252",
        "sent by many: the bytes tell",
        framed(labelled("CP1252", "", "CŒUR’É".encode("cp1252"))),
        kept=("7CP1252", "CŒUR’É"),
    ),
    "UTF-8 and no label": taken(
        "UTF8", "sent by many: the bytes tell", framed(labelled("UTF8", "", "CŒURÉ".encode())), kept=("7UTF8", "CŒURÉ")
    ),
    "8859/1 said, Windows' sent": taken(
        "SAID1",
        "0x80-0x9F are no text in 8859/1",
        framed(labelled("SAID1", "8859/1", "CŒUR".encode("cp1252"))),
        kept=("7SAID1", "CŒUR"),
    ),
    "UTF-8 said, 8859/1 sent": refused(
        "LIES",
        "AR",
        "102",
        "an accent is never destroyed in silence",
        labelled("LIES", "UNICODE UTF-8", "ÉLODIE".encode("latin-1")),
    ),
    "a set of no table": refused(
        "KLINGON", "AR", "102", "table 0211", labelled("KLINGON", "KLINGON", "ÉLODIE".encode())
    ),
    # what it is
    "not HL7": refused("", "AR", "100", "§2.5: a message begins with MSH", b"bonjour"),
    "XML": refused(
        "",
        "AR",
        "100",
        "another encoding: not parsed, so that no entity is expanded",
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><ADT_A05>&b;</ADT_A05>',
    ),
    "JSON": refused("", "AR", "100", "§2.5: a message begins with MSH", b'{"resourceType": "Patient"}'),
    "two messages in a frame": refused("BOTH", "AE", "100", "MLLP: one message a frame", adt("BOTH") * 2),
    "no control ID": refused("", "AE", "101", "§2.15.9.10: required", adt("", ipp="7NONE")),
    "no control ID, where it may": Case(
        "the site's word for this source",
        (framed(adt("", ipp="7MAY", application="UNNUMBERED")),),
        (("AA", "", ""),),
        DONE,
    ),
    "no message type": refused("TYPE-0", "AR", "200", "table 0357", adt("TYPE-0", change=(b"ADT^A28^ADT_A05", b""))),
    "an unknown type": refused(
        "TYPE-Z", "AR", "200", "table 0357", adt("TYPE-Z", change=(b"ADT^A28^ADT_A05", b"ZZZ^Z01"))
    ),
    "an unknown event": refused("EVENT", "AR", "201", "table 0357", adt("EVENT", change=(b"A28^ADT_A05", b"A99"))),
    "version 3.9": refused("V39", "AR", "203", "table 0357", adt("V39", change=(b"2.5^FRA^2.11", b"3.9"))),
    "an unknown processing ID": refused("X", "AR", "202", "table 0357", adt("X", change=(b"|P|2.5", b"|X|2.5"))),
    "for training": Case(
        "table 0103 T: kept, and routed nowhere in production",
        (framed(adt("T", change=(b"|P|2.5", b"|T|2.5"))),),
        (("AA", "T", ""),),
        REFUSED,
    ),
    "for debugging": Case(
        "table 0103 D: kept, and routed nowhere in production",
        (framed(adt("D", change=(b"|P|2.5", b"|D|2.5"))),),
        (("AA", "D", ""),),
        REFUSED,
    ),
    "no PID": refused(
        "NO-PID", "AE", "100", "§3.3.28: an A28 has a PID", message("ADT^A28", "NO-PID", "NTE|1", application="ADM")
    ),
    "no patient identifier": refused(
        "NO-PID3", "AE", "101", "§3.4.2.3: required", message("ADT^A28", "NO-PID3", "PID|||||A^B", application="ADM")
    ),
    "a date that is none": refused(
        "DATE",
        "AE",
        "102",
        "chapter 2A: a date is YYYYMMDD",
        message("ADT^A28", "DATE", pid("7DATE", born="30/02/1958"), application="ADM"),
    ),
    "out of scope": Case(
        "taken and left aside by rule", (framed(billing("DFT", "7DFT")),), (("AA", "DFT", ""),), ("ignored",)
    ),
    "an acknowledgment": Case(
        "§2.9.2: an acknowledgment is not acknowledged",
        (framed(message("ACK^A28^ACK", "ACK", "MSA|AA|1", application="ADM")),),
        (),
        ("ignored",),
    ),
    # who, and what the site says of them
    "an undeclared sender": refused("NOBODY", "AR", "207", "the site's data", adt("NOBODY", application="NOBODY")),
    "a type beyond the list": refused(
        "NOT-ADT",
        "AR",
        "201",
        "the site's data",
        adt("NOT-ADT", application="LISTED", change=(b"A28^ADT_A05", b"A31^ADT_A05")),
    ),
    "another receiver": refused(
        "RECEIVER",
        "AR",
        "103",
        "the site's data; tables 0361, 0362",
        adt("RECEIVER", application="LISTED", change=(b"|GATEWAY|CHU|", b"|GATEWAY|CHX|")),
    ),
    "a processing ID beyond the list": refused(
        "NOT-T", "AR", "202", "the site's data", adt("NOT-T", application="LISTED", change=(b"|P|2.5", b"|T|2.5"))
    ),
    "from another network": refused("NETWORK", "AR", "207", "the site's data", adt("NETWORK", application="ELSEWHERE")),
    "without its certificate": refused(
        "NO-TLS", "AR", "207", "the site's data", adt("NO-TLS", application="CERTIFIED")
    ),
    "bad, from one who is spared": Case(
        "the site's data: answered as if it were good",
        (framed(message("ADT^A28", "SPARED", "NTE|1", application="SPARED")),),
        (("AA", "SPARED", ""),),
        REFUSED,
    ),
    "faster than agreed": Case(
        "the site's data: slowed, none lost",
        (framed(*(result(f"PACED-{n}", "7PACED", f"O{n}").replace(b"|LAB|", b"|PACED|") for n in range(8))),),
        tuple(("AA", f"PACED-{n}", "") for n in range(8)),
        DONE * 8,
    ),
    # repetition and sequence
    "the same twice": Case(
        "sent again for want of an answer: told the same, processed once",
        (framed(adt("TWICE"), adt("TWICE")),),
        (("AA", "TWICE", ""), ("AA", "TWICE", "")),
        ("processed", "duplicate"),
    ),
    "the same control ID with other content": Case(
        "no repetition: nothing is lost for a number used again",
        (framed(adt("REUSED", ipp="7R1"), adt("REUSED", ipp="7R2")),),
        (("AA", "REUSED", ""), ("AA", "REUSED", "")),
        DONE * 2,
    ),
    "a sequence number": taken("SEQ", "§2.10.1", framed(adt("SEQ", change=(b"2.5^FRA^2.11", b"2.5^FRA^2.11|42")))),
    # batches: §2.10.3
    "a batch": Case(
        "each message by itself",
        (
            framed(
                batch(
                    adt("B-1"),
                    adt("B-2", change=(b"^ADT_A05", b"")),
                    adt("B-3", change=(b"|P|2.5", b"|X|2.5")),
                    count="3",
                )
            ),
        ),
        (("AA", "B-1", ""), ("AA", "B-2", ""), ("AR", "B-3", "202")),
        ("processed", "processed", "quarantined"),
    ),
    "a batch with a wrong count": Case(
        "what came is taken, what is missing is told",
        (framed(batch(adt("C-1"), count="2")),),
        (("AA", "C-1", ""), ("AE", "BATCH-1", "100")),
        DONE,
    ),
    "a file of batches without its end": Case(
        "FHS ends with FTS",
        (framed(b"FHS|^~\\&|ADM|CHU|||2026||||FILE-1\r" + batch(adt("F-1"), count="1")),),
        (("AA", "F-1", ""), ("AE", "FILE-1", "100")),
        DONE,
    ),
    "a batch with a stray segment": Case(
        "nothing is taken apart that would lose a segment",
        (framed(batch(b"NTE|1\r", adt("S-1"), count="1")),),
        (("AE", "S-1", "100"),),
        REFUSED,
    ),
}

PAIRS = {
    # MSH-15, MSH-16: what a good message is told, what a bad one is told (§2.9.2, §2.9.3, table 0155)
    ("", ""): (["AA"], ["AE"]),
    ("", "AL"): (["AA"], ["AE"]),
    ("", "NE"): ([], []),
    ("", "ER"): ([], ["AE"]),
    ("", "SU"): (["AA"], []),
    ("AL", ""): (["CA"], ["CE"]),
    ("AL", "AL"): (["CA", "AA"], ["CE"]),
    ("AL", "NE"): (["CA"], ["CE"]),
    ("AL", "ER"): (["CA"], ["CE"]),
    ("AL", "SU"): (["CA", "AA"], ["CE"]),
    ("NE", ""): ([], []),
    ("NE", "AL"): (["AA"], ["AE"]),
    ("NE", "NE"): ([], []),
    ("NE", "ER"): ([], ["AE"]),
    ("NE", "SU"): (["AA"], []),
    ("ER", ""): ([], ["CE"]),
    ("ER", "AL"): (["AA"], ["CE"]),
    ("ER", "NE"): ([], ["CE"]),
    ("ER", "ER"): ([], ["CE"]),
    ("ER", "SU"): (["AA"], ["CE"]),
    ("SU", ""): (["CA"], []),
    ("SU", "AL"): (["CA", "AA"], ["AE"]),
    ("SU", "NE"): (["CA"], []),
    ("SU", "ER"): (["CA"], ["AE"]),
    ("SU", "SU"): (["CA", "AA"], []),
}


# -- probing -----------------------------------------------------------------------------------------------------------


def told(answer: bytes) -> list[tuple[str, str, str]]:
    """Give MSA-1, MSA-2 and ERR-3.1 of an answer, or of each in a batch's."""
    return [(row["code"], row["control_id"], _condition(row["error"])) for row in read_answers(answer)]


def _condition(error: str | None) -> str:
    return next((word for word in (error or "").split() if word.isdigit()), "")


def ended(gateway: Any, last: int) -> list[str]:
    """Give how the messages behind the last ended, in order of reception."""
    gateway.settled()
    query = "SELECT o.state FROM message m JOIN outcome o ON o.message_id = m.id WHERE m.id > :last ORDER BY m.id"
    return [state for (state,) in gateway.rows(query, last=last)]


def newest(gateway: Any) -> int:
    """Give the number of the newest message."""
    return int(gateway.rows("SELECT coalesce(max(id), 0) FROM message")[0][0])


def alive(wire: Wire, name: str) -> None:
    """The connection goes on, and nothing more was said on it than what was looked at."""
    assert told(wire.ask(adt(f"ALIVE-{name}"))) == [("AA", f"ALIVE-{name}", "")]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_told(gateway, case):
    """Each answer has its code, names its message and tells the condition; what was kept ends as it must."""
    last = newest(gateway)
    answers = []
    with Wire(gateway.mllp) as wire:
        for piece in case.writes:
            wire.socket.sendall(piece)
            time.sleep(0.002)
        while len(answers) < len(case.told):
            answers += told(wire.answer())
        assert tuple(answers) == case.told, case.rule
        alive(wire, str(last))  # what a silent case sent is on disk by now
        assert tuple(ended(gateway, last)) == (*case.ends, "processed"), case.rule
    identifier, text = case.kept
    if text:
        ((patient,),) = gateway.rows("SELECT patient FROM identity WHERE value = :value", value=identifier)
        assert text in str(patient).encode("ascii", "backslashreplace").decode("unicode_escape"), case.rule


@pytest.mark.parametrize(("pair", "expected"), PAIRS.items(), ids=["-".join(n or "none" for n in p) for p in PAIRS])
def test_every_pair_of_acknowledgment_conditions(gateway, pair, expected):
    """A good message is told what it asks for at the commit and at its end; a bad one once; the others hear nothing."""
    name = "".join(pair) or "ORIGINAL"
    for broken, codes in zip((False, True), expected, strict=True):
        control_id = f"{name}-{broken}"
        with Wire(gateway.mllp) as wire:
            wire.send(enhanced(control_id, *pair, broken=broken))
            answers = [told(wire.answer())[0] for _ in codes]
            assert [(code, named) for code, named, _ in answers] == [(code, control_id) for code in codes]
            assert {condition for _, _, condition in answers} <= ({"101"} if broken else {""})
            alive(wire, control_id)


def test_a_repetition_is_told_the_very_same(gateway):
    """The first answer comes again, byte for byte: its own control ID tells that it is no second decision."""
    with Wire(gateway.mllp) as wire:
        assert wire.ask(adt("AGAIN")) == wire.ask(adt("AGAIN"))


def test_what_was_due_when_the_gateway_was_killed_is_told_when_it_is_asked_for_again(tmp_path):
    """The sender that was told nothing more sends again: accepted as the first time, told the first time's end."""
    with gateway_in(tmp_path) as gateway:
        with Wire(gateway.mllp) as wire:
            wire.send(enhanced("KILLED", "AL", "AL"))
            first = wire.answer()
            gateway.kill()
        gateway.start()
        gateway.settled()
        with Wire(gateway.mllp) as wire:
            wire.send(enhanced("KILLED", "AL", "AL"))
            assert wire.answer() == first
            assert told(wire.answer()) == [("AA", "KILLED", "")]
        assert gateway.summary() == {**gateway.summary(), "received": 2, "processed": 1, "duplicate": 1}


def test_the_pipelines_refusal_is_told_in_enhanced_mode(gateway):
    """What is taken and then quarantined is accepted first, then refused with its error."""
    with Wire(gateway.mllp) as wire:
        wire.send(enhanced("GUARDED", "AL", "AL").replace(b"|P|2.5", b"|T|2.5"))
        accept, application = (er7.read(wire.answer()) for _ in range(2))
        assert [accept.text("MSA-1"), accept.text("MSA-2")] == ["CA", "GUARDED"]
        paths = ("MSA-1", "MSA-2", "ERR-2.1", "ERR-2.3", "ERR-7", "MSH-15")
        assert [application.text(p) for p in paths] == ["AE", "GUARDED", "MSH", "11", "ProductionGuard", "NE"]


def test_the_answer_is_the_senders_own_kind(gateway):
    """Delimiters, version, processing ID, country and character set are the sender's, its names exchanged."""
    raw = adt("KIND").replace(b"2.5^FRA^2.11", b"2.3||||||8859/1").translate(bytes.maketrans(b"|^&~", b"#*%!"))
    with Wire(gateway.mllp) as wire:
        msh = wire.ask(raw).decode("latin-1").split("\r")[0].split("#")
    assert msh[:6] == ["MSH", "*!\\%", "GATEWAY", "CHU", "ADM", "CHU"]
    assert [msh[8], *msh[10:12], msh[17]] == ["ACK*A28", "P", "2.3", "8859/1"]
