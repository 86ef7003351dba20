from datetime import UTC, datetime

import pytest
from sites import PID, demo_site, frame, header

from gateway import er7
from gateway.errors import AckCode, FieldMissing
from mappings.hl7v2 import acknowledge, examine
from mappings.hl7v2.acknowledgment import location

SITE = demo_site()
NOW = datetime(2026, 3, 10, 9, 15, tzinfo=UTC)


def answer(raw, *, site=SITE):
    found = examine(raw, site)
    code = found.error.acknowledgment if found.error else AckCode.AA
    return acknowledge(found, code, found.error, site=site, now=NOW, control_id="G1")


def test_an_accepted_message_is_answered_in_full():
    """The answer goes back to its sender, names the event and the control ID, and has a control ID of its own."""
    raw = frame(header("ADT^A01^ADT_A01", rest="|||||FRA|UNICODE UTF-8"), PID)
    assert answer(raw).decode() == (
        "MSH|^~\\&|SECRETARIAT|CHU|GAM|CHU|20260310101500+0100||ACK^A01^ACK|G1|P|2.5|||||FRA|UNICODE UTF-8\rMSA|AA|M1\r"
    )


def test_the_senders_delimiters_and_version_are_kept():
    """A sender with delimiters and a national version of its own is answered in them."""
    raw = b"MSH#*~\\&#GAM#CHU#####ADT*A01#M&1#P#2.5*FRA*2.11\rPID###4711#"
    lines = answer(raw).decode().split("\r")
    assert lines[0].startswith("MSH#*~\\&#SECRETARIAT#CHU#GAM#CHU#")
    assert "#ACK*A01*ACK#G1#P#2.5*FRA*2.11" in lines[0]
    assert lines[1] == "MSA#AE#M&1"
    assert lines[2].startswith("ERR##PID*1*5#101*Required field missing*HL70357#E###FieldMissing#PID-5: ")


@pytest.mark.parametrize("codec", ["iso8859-15", "utf-8"])
def test_the_senders_bytes_come_back_as_they_were(codec):
    """What is echoed has the bytes it came with, in whatever character set."""
    label = {"iso8859-15": "8859/15", "utf-8": "UNICODE UTF-8"}[codec]
    raw = f"{header('ADT^A01', control_id='é€1', rest=f'||||||{label}')}\r{PID}".encode(codec)
    assert "MSA|AA|é€1\r".encode(codec) in answer(raw)


def test_an_undecodable_message_is_answered_by_its_control_id():
    """AR with the sender's control ID, although the frame could not be read."""
    text = answer(frame(header("ADT^A01", rest="||||||NO SUCH SET"), "PID|||1||Zoé")).decode("latin-1")
    assert "MSA|AR|M1\r" in text
    assert "NO SUCH SET" not in text
    assert "ERR||MSH^1^18|102^Data type error^HL70357|E|||CharsetUndecodable|MSH-18: " in text


def test_the_answer_declares_the_delimiters_it_is_written_in():
    """A batch whose MSH declares others than its FHS is refused in an answer that can be read."""
    raw = b"FHS|^~\\&|GAM|CHU\rMSH|~^~\\&|GAM|CHU|||20260310||ADT^A01|M1|P|2.5\r"
    assert er7.read(answer(raw)).text("MSA-1") == "AR"


def test_what_has_no_header_gets_the_default_answer():
    """Without a readable header the answer is a 2.5 ACK from this site, with an empty MSA-2."""
    lines = answer(b"what is this").decode().split("\r")
    assert lines[0] == "MSH|^~\\&|SECRETARIAT|CHU|||20260310101500+0100||ACK|G1|P|2.5"
    assert lines[1] == "MSA|AR|"
    assert lines[2].startswith("ERR|||100^Segment sequence error^HL70357|E|||NotHl7|the frame starts with MSH")


@pytest.mark.parametrize(
    ("version", "kind", "condition"),
    [
        ("2.1", "ACK", "PID^1^5^101"),
        ("2.2", "ACK^A01", "PID^1^5^101"),
        ("2.3", "ACK^A01", "PID^1^5^101&Required field missing&HL70357"),
        ("2.3.1", "ACK^A01^ACK", "PID^1^5^101&Required field missing&HL70357"),
        ("2.4", "ACK^A01^ACK", "PID^1^5^101&Required field missing&HL70357"),
        ("2.5", "ACK^A01^ACK", "|PID^1^5|101^Required field missing^HL70357|E|||FieldMissing|"),
        ("2.8.2", "ACK^A01^ACK", "|PID^1^5|101^Required field missing^HL70357|E|||FieldMissing|"),
    ],
)
def test_the_answer_has_the_layout_of_the_senders_version(version, kind, condition):
    """MSH-9 gained the event in 2.2, the structure in 2.3.1; ERR its coded condition in 2.3, its fields in 2.5."""
    lines = answer(frame(header("ADT^A01", version=version), "PID|||1^^^CHU")).decode().split("\r")
    assert lines[0].split("|")[8] == kind
    assert lines[2].startswith(f"ERR|{condition}")


def test_before_2_5_the_error_is_one_list_and_the_text_stands_in_msa():
    """A 2.3 sender gets ERR-1 and MSA-3, which are all that it knows."""
    lines = answer(frame(header("ADT^A01", version="2.3"), "PID|||1^^^CHU")).decode().split("\r")
    assert lines[1] == "MSA|AE|M1|PID-5: ADT\\S\\A01 has a value here"
    assert lines[2] == "ERR|PID^1^5^101&Required field missing&HL70357"


def test_an_unsupported_version_is_answered_in_ours():
    """A version that nobody here reads is not claimed in the answer."""
    lines = answer(frame(header("ADT^A01", version="9.9"), PID)).decode().split("\r")
    assert "|P|2.5" in lines[0]
    assert lines[2].startswith("ERR||MSH^1^12|203^Unsupported version id^HL70357|E|")


def test_control_characters_never_break_the_answers_frame():
    """A control ID that holds MLLP's own bytes is echoed without them."""
    assert b"\x1c" not in answer(frame(header("ADT^A01", control_id="M\x1c1\x0b"), PID))


def test_a_rule_is_escaped():
    """Delimiters in our own text are escaped, so that the answer can be read."""
    found = examine(frame(header("ADT^A01"), PID), SITE)
    error = FieldMissing("a|b^c", path="PID-3")
    message = er7.read(acknowledge(found, AckCode.AE, error, site=SITE, now=NOW, control_id="G|1"))
    assert message.text("ERR-8") == "PID-3: a|b^c"
    assert message.text("MSH-10") == "G|1"


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("PID", ("PID", "1")),
        ("PID-3", ("PID", "1", "3")),
        ("PID[2]-3", ("PID", "2", "3")),
        ("PID-3[2].4.1", ("PID", "1", "3", "2", "4", "1")),
        ("SCH-11.4", ("SCH", "1", "11", "1", "4")),
        ("MSH-9.2", ("MSH", "1", "9", "1", "2")),
        ("", ()),
        ("Patient.name[0]", ()),
    ],
)
def test_a_terser_path_is_an_error_location(path, parts):
    """ERR-2 names segment, sequence, field, repetition, component and sub-component as far as the path goes."""
    assert location(path) == parts
