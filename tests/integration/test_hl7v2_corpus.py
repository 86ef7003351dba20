"""Public sample messages: every one is examined, answered and translated, or refused with a place and a rule."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sites import demo_site

from gateway import er7
from gateway.errors import AckCode, SenderError, UndecidedError
from mappings.hl7v2 import acknowledge, examine, translate
from mappings.hl7v2.tables import ADT_EVENTS, LINKS, READ_SEGMENTS

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
SITE = demo_site()
NOW = datetime(2026, 3, 10, 9, 15, tzinfo=UTC)
FACTS_OF = {
    "ADT": {"PatientReported", "PatientMerged", "PatientsLinked", "StayMoved", "VisitReported"},
    "MDM": {"DocumentReported"},
    **dict.fromkeys(("ORM", "OMG", "OML"), frozenset({"OrderReported"})),
    **dict.fromkeys(("ORU", "OUL"), frozenset({"ResultReported"})),
    "SIU": {"AppointmentReported"},
}

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of public samples is not beside the checkout")


def frames():
    return [(f.name, f.read_bytes()) for f in sorted(CORPUS.rglob("*")) if f.suffix in {".hl7", ".txt"}]


def answered(raw):
    found = examine(raw, SITE)
    code = found.error.acknowledgment if found.error else AckCode.AA
    return found, acknowledge(found, code, found.error, site=SITE, now=NOW, control_id="G1")


def outcome(found):
    """How one sample ends: facts, a rule, or an error of the two kinds that may be."""
    if found.error is not None:
        return f"{found.error.acknowledgment} {found.error.name} {found.error.path}"
    try:
        told = translate(found.message, found.source, SITE)
    except (SenderError, UndecidedError) as error:
        refused = error
    else:
        return told_outcome(found, told)
    assert refused.path
    assert refused.rule
    return f"AA, then {refused.name} {refused.path}"


def told_outcome(found, told):
    """The kinds of facts, or the rule by which it is left aside; never neither."""
    names = {type(fact).__name__ for fact in told.facts}
    assert names <= FACTS_OF.get(found.message_type[:3], set())
    assert bool(names) is not bool(told.ignored)
    assert sum(count for _, count in told.segments) == len(found.message.segments)
    return told.ignored or "+".join(sorted(names))


def test_every_sample_ends_in_an_outcome_with_a_reason():
    """Nothing but a recorded error stops an examination, and each error tells where and which rule."""
    table = Counter()
    for _, raw in frames():
        found, _ = answered(raw)
        if found.error is not None:
            assert found.error.rule
            assert found.error.path or found.message is None
        table[found.message_type[:3] or "?", outcome(found)] += 1
    for (kind, ending), count in sorted(table.items()):
        print(f"{count:5} {kind} {ending}")  # noqa: T201 -- the table is what a reader of the run wants
    assert sum(table.values()) == len(frames())


NUMBERED = {
    "SIU": (("SCH", 1), ("SCH", 2)),
    "MDM": (("TXA", 12),),
    **dict.fromkeys(("ORU", "OUL", "ORM", "OMG", "OML"), (("OBR", 2), ("OBR", 3), ("ORC", 2), ("ORC", 3))),
}


def is_complete(message, kind):
    """Whether a sample names its patients, and numbers everything that it is about."""
    patients = message.all("PID")
    named = [p for p in patients if p.text(3).strip() and (p.text(5).strip() or p.text(5, 2).strip())]
    segments = [s for name, _ in NUMBERED[kind] for s in message.all(name)]
    numbered = [s for s in segments if any(s.whole(number) for name, number in NUMBERED[kind] if name == s.name)]
    batteries = [o for o in message.all("OBR") if not o.whole(4)]
    return bool(patients) and named == list(patients) and bool(segments) and numbered == segments and not batteries


def test_what_names_its_patient_and_numbers_its_object_is_understood():
    """Every appointment, result, document and order that is complete becomes facts; a rule says why one does not."""
    refused = set()
    for _, raw in frames():
        found, _ = answered(raw)
        kind = found.message_type[:3]
        if found.message is None or kind not in NUMBERED or not is_complete(found.message, kind):
            continue
        ending = outcome(found)
        if ending not in {"+".join(FACTS_OF[kind]), "orders-without-examination"}:
            refused.add((kind, ending))
    assert refused <= BY_RULE


BY_RULE = {
    ("MDM", "AA, then DataTypeInvalid OBX[4]-5"),
    ("OML", "AE FieldMissing MSH-10"),
    ("OML", "AE SegmentMissing OBR"),
    ("ORU", "AE DataTypeInvalid PID-7"),
    ("ORU", "AE SegmentMissing MSH[2]"),
    ("ORU", "AR UnsupportedEvent MSH-9.2"),
    ("ORU", "AR UnsupportedMessageType FHS"),
}
"""Content that is not what it claims, an order of nothing, no date, no event, no control ID, several messages."""


def _admissions():
    for name, raw in frames():
        found, _ = answered(raw)
        if found.error is None and found.message_type.startswith("ADT^"):
            yield name, found, ADT_EVENTS[found.message_type.removeprefix("ADT^")]


def test_every_admission_is_told_by_its_rule():
    """An ADT that is taken tells what its event's rule says, or is left to a rule or a person that the table names."""
    seen = Counter()
    for name, found, rule in _admissions():
        ending = outcome(found)
        seen[ending] += 1
        if rule.ignored:
            assert ending == rule.ignored, name
        elif rule.moves:
            assert ending == "StayMoved", name
        elif found.message_type.removeprefix("ADT^") in LINKS and len(found.message.all("PID")) > 1:
            assert ending == "PatientsLinked", name
        elif rule.by_hand or (len(found.message.all("PID")) > 1 and not rule.merge):
            assert ending.startswith("AA, then PersonNeeded"), name
        elif rule.merge:
            assert ending == "PatientMerged", name
        else:
            assert "PatientReported" in ending, name
            assert ("VisitReported" in ending) is (rule.movement and _numbers_a_stay(found.message)), name
    assert {"PatientReported", "PatientReported+VisitReported", "PatientMerged"} <= set(seen)


def _numbers_a_stay(message):
    places = (("PID", 18), ("PV1", 19), ("PV1", 50))
    return any(segment.text(field).strip() for segment_name, field in places for segment in message.all(segment_name))


def lines_of(raw):
    """The names at the beginnings of a file's lines, counted without the reader's help; "" where there is none."""
    lines = [line for line in raw.removeprefix(b"\xef\xbb\xbf").replace(b"\n", b"\r").split(b"\r") if line.strip()]
    mark = lines[0][3:4]
    named = (line[:3] if line[3:4] in (b"", mark) and len(line[:3].strip()) == 3 else b"" for line in lines)
    return Counter(name.decode().upper() for name in named)


def test_no_segment_of_any_sample_is_lost():
    """Segments in are segments read by a rule or kept and named as kept, one by one, whatever became of the message."""
    read, kept = Counter(), Counter()
    for name, raw in frames():
        found = examine(raw, SITE)
        if found.message is None:
            continue
        sent = lines_of(raw)
        assert Counter(dict(found.message.counts())) == sent, name
        assert Counter(s.name for s in found.message.segments) == sent, name
        assert outcome(found)
        if found.error is None and (told := told_by(found)):
            rules = READ_SEGMENTS.get(found.message_type[:3], frozenset({"MSH"}))
            assert Counter(dict(told.segments)) == sent, name
            assert set(told.kept) == set(sent) - rules, name
            read += Counter({n: count for n, count in sent.items() if n not in told.kept})
            kept += Counter({n: sent[n] for n in told.kept})
    print(f"{read.total()} segments read by rules, {kept.total()} kept, 0 lost")  # noqa: T201 -- as above
    assert read.total() > 1_000
    assert kept.total() > 100


def told_by(found):
    """What a sample's translation is; None if it is refused."""
    try:
        return translate(found.message, found.source, SITE)
    except (SenderError, UndecidedError):
        return None


def test_every_answer_can_be_read_and_names_its_message():
    """Each answer is an ACK in the sender's delimiters with the sender's control ID."""
    for name, raw in frames():
        found, answer = answered(raw)
        message = er7.read(answer)
        assert message.text("MSH-9.1") == "ACK", name
        assert message.text("MSA-1") in {"AA", "AE", "AR"}, name
        assert message.text("MSA-2") == found.control_id, name
        assert (message.first("ERR") is None) is (found.error is None), name


def test_no_answer_tells_a_trait():
    """What ERR says holds no value of the PID it is about."""
    for name, raw in frames():
        found, answer = answered(raw)
        told = er7.read(answer)
        text = f"{told.text('MSA-3')} {told.text('ERR-8')}"
        for pid in found.message.all("PID") if found.message else ():
            words = {pid.text(field, part) for field in range(2, 31) for part in (1, 2, 3)}
            assert not [w for w in words if len(w) > len("abc") and w in text], name
