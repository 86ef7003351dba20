"""The batch protocol: what is cut out, what is refused as one, and the acknowledgment of a batch (2.5.1 §2.10.3)."""

from datetime import UTC, datetime
from itertools import count

import pytest
from sites import PID, demo_site, frame, header

from gateway import er7
from gateway.errors import HeaderInvalid, LimitExceeded, SegmentMissing
from mappings.hl7v2 import batch
from mappings.hl7v2.batch import acknowledge_file, is_batch, read_file

NOW = datetime(2026, 3, 10, 9, 15, tzinfo=UTC)
FHS = "FHS|^~\\&|GAM|CHU|GW|HE|20260310||name||F1"
BHS = "BHS|^~\\&|GAM|CHU|GW|HE|20260310||name||B1"
ONE, TWO = (frame(header("ADT^A28", control_id=c), PID) for c in ("1", "2"))


def lines(*parts):
    return b"".join(part if isinstance(part, bytes) else f"{part}\r".encode() for part in parts)


def answered(file, *answers):
    raw = acknowledge_file(file, answers, site=demo_site(), now=NOW, control_ids=map(str, count(1)))
    return [line.split("|") for line in raw.decode().split("\r")[:-1]]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"FHS|", True),
        (b"\xef\xbb\xbf\r\nbhs#", True),
        (b"MSH|", False),
        (b"FHSX|", False),
        (b"FHS", False),
        (b"", False),
    ],
)
def test_a_batch_is_told_by_its_first_segment(start, expected):
    """FHS or BHS and a separator, behind what may stand before a header."""
    assert is_batch(start) is expected


def test_messages_are_cut_out_byte_for_byte():
    """Each message keeps its bytes, whatever its line ends, delimiters and character set; Z segments stay with it."""
    odd = b"MSH#*~\\&#GAM#CHU#####ADT*A28#3#P#2.5\r\nPID###\xe9\xff\r\nZZZ#1\r\n"
    file = read_file(lines(FHS, BHS, ONE, odd, "BTS|2", "FTS|1"))
    assert file.messages == (ONE, odd)
    assert file.errors == ()
    assert read_file(b"\xef\xbb\xbf" + lines(BHS, ONE, "BTS|1")).messages == (ONE,)


@pytest.mark.parametrize(
    ("parts", "batches"),
    [
        ((BHS, "BTS"), [0]),
        ((BHS, ONE, TWO, "BTS|2"), [2]),
        ((FHS, ONE, TWO, "BTS|2", "FTS|1"), [2]),
        ((FHS, ONE, TWO, "FTS"), [2]),
        ((FHS, BHS, ONE, "BTS|1", BHS, TWO, "BTS|01^x", "FTS|2"), [1, 1]),
        ((BHS, ONE, "BTS|1", BHS, TWO, "BTS|1"), [1, 1]),
        ((FHS, "FTS|0"), []),
    ],
)
def test_envelopes_that_are_sound(parts, batches):
    """Counts may be left out, and so may BHS within a file (§2.10.3.1)."""
    file = read_file(lines(*parts))
    assert [len(b.messages) for b in file.batches] == batches
    assert file.errors == ()


@pytest.mark.parametrize(
    ("parts", "paths"),
    [
        ((BHS, ONE, "BTS|2"), ["BTS-1"]),
        ((BHS, ONE, "BTS|one"), ["BTS-1"]),
        ((BHS, ONE), ["BTS"]),
        ((BHS, ONE, BHS, TWO, "BTS|1"), ["BTS"]),
        ((FHS, BHS, ONE, "BTS|1", "FTS|2"), ["FTS-1"]),
        ((FHS, BHS, ONE, "BTS|1"), ["FTS"]),
        ((FHS, BHS, ONE, "BTS|3", "FTS|9" * 2), ["BTS-1", "FTS-1"]),
    ],
)
def test_counts_and_ends_that_are_not_so(parts, paths):
    """The messages are there to be taken; what the envelope says is named."""
    file = read_file(lines(*parts))
    assert set(file.messages) <= {ONE, TWO}
    assert [error.path for error in file.errors] == paths


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ((BHS, "NTE|1", ONE, "BTS|1"), SegmentMissing),
        ((BHS, ONE, "BTS|1", "PID|1"), SegmentMissing),
        ((FHS, FHS, "FTS|0"), SegmentMissing),
        ((BHS, ONE, "BTS|1", FHS, "FTS|0"), SegmentMissing),
        ((BHS, ONE, "BTS|1", "FTS|1"), SegmentMissing),
        ((FHS, "FTS|0", ONE), SegmentMissing),
        (("BHS|^^\\&|GAM", ONE, "BTS|1"), HeaderInvalid),
    ],
)
def test_what_cannot_be_cut_up_is_refused_as_one(parts, error):
    """A segment that neither a message nor an envelope holds would be lost, so that nothing is taken apart."""
    with pytest.raises(error):
        read_file(lines(*parts))


def test_a_batch_is_bounded(monkeypatch):
    """A frame of more messages than the bound is refused as one."""
    monkeypatch.setattr(batch, "MOST_MESSAGES", 1)
    assert len(read_file(lines(BHS, ONE, "BTS|1")).messages) == 1
    with pytest.raises(LimitExceeded):
        read_file(lines(BHS, ONE, TWO, "BTS|2"))


def test_the_acknowledgment_mirrors_the_envelope():
    """Sender and receiver exchanged, the sender's control ID as reference, each acknowledgment in its place."""
    file = read_file(lines(FHS, BHS, ONE, "BTS|1", BHS.replace("B1", "B2"), TWO, "BTS|1", "FTS|2"))
    told = answered(file, b"MSH|one\r", b"MSH|two\r")
    time = "20260310101500+0100"
    assert told == [
        ["FHS", "^~\\&", "GW", "HE", "GAM", "CHU", time, "", "", "", "3", "F1"],
        ["BHS", "^~\\&", "GW", "HE", "GAM", "CHU", time, "", "", "", "1", "B1"],
        ["MSH", "one"],
        ["BTS", "1"],
        ["BHS", "^~\\&", "GW", "HE", "GAM", "CHU", time, "", "", "", "2", "B2"],
        ["MSH", "two"],
        ["BTS", "1"],
        ["FTS", "2"],
    ]


def test_what_is_wrong_with_an_envelope_has_an_acknowledgment_of_its_own():
    """AE to the batch's control ID and to the file's, each with its place, behind those of the messages."""
    told = answered(read_file(lines(FHS, BHS, ONE, "BTS|2", "FTS|7")), b"MSH|one\r")
    assert " ".join(line[0] for line in told) == "FHS BHS MSH MSH MSA ERR BTS BHS MSH MSA ERR BTS FTS"
    assert [line[1:3] for line in told if line[0] == "MSA"] == [["AE", "B1"], ["AE", "F1"]]
    assert [line[2:4] for line in told if line[0] == "ERR"] == [
        ["BTS^1^1", "100^Segment sequence error^HL70357"],
        ["FTS^1^1", "100^Segment sequence error^HL70357"],
    ]
    assert [line[1] for line in told if line[0] in {"BTS", "FTS"}] == ["2", "1", "2"]


def test_who_wants_no_acknowledgment_has_none_in_the_batchs():
    """An empty answer is left out and not counted; the batch is answered all the same."""
    told = answered(read_file(lines(BHS, ONE, TWO, "BTS|2")), b"", b"MSH|two\r")
    assert [line[0] for line in told] == ["BHS", "MSH", "BTS"]
    assert told[-1] == ["BTS", "1"]


def test_a_batch_in_other_delimiters_is_answered_in_them():
    """The envelope has the sender's delimiters, and the answer can be read."""
    raw = b"BHS#*~\\&#GAM#CHU#GW#HE#2026####B1\r" + ONE + b"BTS#5\r"
    answer = acknowledge_file(read_file(raw), [b""], site=demo_site(), now=NOW, control_ids=map(str, count(1)))
    assert answer.startswith(b"BHS#*~\\&#GW#HE#GAM#CHU#")
    assert answer.endswith(b"BTS#1\r")
    (refusal,) = read_file(answer).messages
    assert er7.read(refusal).text("MSA-2") == "B1"
