"""Original and enhanced mode: which acknowledgment is sent when (2.5.1 §2.9.2, §2.9.3; table 0155)."""

from datetime import UTC, datetime
from itertools import product

import pytest
from sites import PID, demo_site, frame, header

from gateway.errors import POSITIVE, AckCode, ProcessingFailed, UnsupportedEvent, restored
from mappings.hl7v2 import acknowledge, examine
from mappings.hl7v2.header import peek
from mappings.hl7v2.mode import ORIGINAL, Wanted, mode_of

NOW = datetime(2026, 3, 10, 9, 15, tzinfo=UTC)
VALUES = ("", "AL", "NE", "ER", "SU")
COMMIT = {"AA": "CA", "AE": "CE", "AR": "CR"}


def mode(accept, application, kind="ADT^A01"):
    return mode_of(peek(header(kind, rest=f"|||{accept}|{application}").encode()))


def wants(value, code):
    """Table 0155, written out."""
    return {"": False, "NE": False, "AL": True, "ER": code != "AA", "SU": code == "AA"}[value]


def test_original_mode_gives_one_answer_with_the_verdict():
    """Where MSH-15 and MSH-16 are empty the answer is AA, AE or AR, and nothing follows."""
    assert mode("", "") is ORIGINAL
    for code in (AckCode.AA, AckCode.AE, AckCode.AR):
        assert ORIGINAL.at_once(code) == ORIGINAL.recorded(code) == code
        assert not ORIGINAL.follows(code)


PAIRS = [(a, b) for a, b in product(VALUES, VALUES) if a + b]


@pytest.mark.parametrize(("accept", "application"), PAIRS)
def test_every_pair_of_enhanced_mode(accept, application):
    """The accept acknowledgment is as MSH-15 asks; what is refused is told once; what is accepted may be told again."""
    found = mode(accept, application)
    for code in (AckCode.AA, AckCode.AE, AckCode.AR):
        instead = code if code != "AA" and wants(application, code) else None
        expected = COMMIT[code] if wants(accept, code) else instead
        assert found.at_once(code) == expected
        assert found.recorded(code) == (expected or COMMIT[code])
        assert (found.recorded(code) in POSITIVE) is (code == "AA")
        assert found.follows(code) is (code == "AA" and application not in {"", "NE"})
        assert found.application.on(code) is wants(application, code)


def test_a_word_of_no_table_is_answered_always():
    """A sender that asks in words that nobody knows does not wait in vain."""
    assert mode("Y", "").accept is Wanted.ALWAYS
    assert mode(" al ", "ne").accept is Wanted.ALWAYS


def test_an_acknowledgment_is_not_acknowledged():
    """Two that answer each other's answers never end; an accept acknowledgment is given where it is asked for."""
    assert mode("", "", "ACK^A01").at_once(AckCode.AA) is None
    assert mode("", "AL", "ACK^A01^ACK").at_once(AckCode.AR) is None
    assert mode("AL", "AL", "ACK").at_once(AckCode.AA) is AckCode.CA
    assert not mode("AL", "AL", "ACK").follows(AckCode.AA)


def test_only_an_application_acknowledgment_of_enhanced_mode_says_what_it_wants():
    """Neither acknowledgment asks for one of its own; the accept acknowledgment has no word for it."""
    found = examine(frame(header("ADT^A01", rest="|||AL|AL"), PID), demo_site())
    told = {}
    for code in (AckCode.CA, AckCode.AA):
        raw = acknowledge(found, code, None, site=demo_site(), now=NOW, control_id="G1")
        told[code] = raw.decode().split("\r")[0].split("|")[14:]
    assert told == {AckCode.CA: [], AckCode.AA: ["NE", "NE"]}


def test_an_answer_is_made_from_the_header_alone():
    """What is kept for a later answer holds nothing of the patient, and gives the same answer."""
    found = examine(frame(header("ADT^A01", control_id="é1", rest="|||AL|AL||UNICODE UTF-8"), PID), demo_site())
    kept = found.header_alone()
    assert [segment.name for segment in kept.message.segments] == ["MSH"]
    assert kept.message.raw == b""
    answers = [acknowledge(e, AckCode.AA, None, site=demo_site(), now=NOW, control_id="G1") for e in (found, kept)]
    assert answers[0] == answers[1]


def test_an_error_is_restored_by_its_name():
    """What was kept of an error answers as the error did; a name of nothing is a fault of ours."""
    error = restored("UnsupportedEvent", "an event", "MSH-9.2")
    assert (type(error), error.acknowledgment, error.condition) == (UnsupportedEvent, AckCode.AR, 201)
    assert str(error) == "MSH-9.2: an event"
    assert type(restored("Gone", "x", "")) is ProcessingFailed
