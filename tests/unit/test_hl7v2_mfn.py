"""Master files of staff and places, the directory that follows from them, and the MFK."""

from datetime import UTC, datetime

import pytest
from facts import LAB, Gateway, at, ipp, patient, result, told
from sites import DEPARTMENT, demo_site, frame, header

from gateway import er7
from gateway.audit import AuditAction
from gateway.directory import Entry, entry_key
from gateway.errors import AckCode, FieldMissing, SegmentMissing, ValueUnknown
from gateway.facts import DirectoryTold, EntryKind, Identifier, IdentifierKind
from gateway.worklist import ItemKind
from mappings.hl7v2 import acknowledge, examine, translate

NOW = datetime(2026, 3, 10, tzinfo=UTC)
MFI = "MFI|STF^Staff^HL70175||UPD|||AL"
STF = "STF|77|10001234567^^^&1.2.250.1.71.4.2.1&ISO^RPPS~77^^^CHU|ROUX^MARC^^^DR|||M|A|3020"
RPPS = Identifier("1.2.250.1.71.4.2.1", "10001234567", IdentifierKind.OTHER)


def raw(event, *segments):
    return frame(header(f"MFN^{event}", application="RH"), *segments)


def listed(event, *segments):
    return translate(er7.read(raw(event, *segments)), DEPARTMENT, demo_site()).facts


def error_of(event, *segments):
    return examine(raw(event, *segments), demo_site()).error


def test_a_practitioner_in_full():
    """Numbers, name, unit and whether active are read where STF has them."""
    (fact,) = listed("M02", MFI, "MFE|MAD|1||77|CE", STF)
    assert (fact.kind, fact.label, fact.unit, fact.active) == (EntryKind.PRACTITIONER, "DR MARC ROUX", "3020", True)
    assert [(k.authority, k.value) for k in fact.keys] == [
        ("department", "77"),
        (RPPS.authority, RPPS.value),
        ("1.2.250.1.999.1", "77"),
    ]


def test_a_unit_in_full():
    """Code, name and of what it is part: LRL before LDP."""
    (fact,) = listed("M05", MFI, "MFE|MAD|1||3021|PL", "LOC|3021|Pneumologie B|D", "LDP|3021|300")
    assert (fact.kind, fact.label, fact.unit, fact.active) == (EntryKind.UNIT, "Pneumologie B", "300", True)
    assert fact.keys == (Identifier("", "3021", IdentifierKind.OTHER),)
    (fact,) = listed("M05", MFI, "MFE|MUP|1||3021|PL", "LOC|3021|B", "LDP|3021|300", "LRL|3021|||PAR||3020")
    assert fact.unit == "3020"


@pytest.mark.parametrize(
    ("event", "flag", "active"),
    [("MAD", "A", True), ("MUP", "I", False), ("MAC", "", True), ("MDL", "A", False), ("MDC", "", False)],
)
def test_whether_a_record_is_active(event, flag, active):
    """MFE-1 by table 0180, and the record's own flag."""
    (fact,) = listed("M02", MFI, f"MFE|{event}|1||77|CE", STF.replace("|A|3020", f"|{flag}|3020"))
    assert fact.active is active


@pytest.mark.parametrize(
    ("segments", "error", "path"),
    [
        ((MFI,), SegmentMissing, "MFE"),
        (("MFE|MAD|1||77", STF), SegmentMissing, "MFI"),
        ((MFI, "MFE|XXX|1||77", STF), ValueUnknown, "MFE-1"),
        ((MFI, "MFE|MAD|1||77"), SegmentMissing, "STF"),
        ((MFI, "MFE|MDL|1||"), FieldMissing, "MFE-4"),
        ((MFI, "MFE|MDL|1||77"), None, ""),
    ],
)
def test_a_master_file_that_says_nothing_is_refused(segments, error, path):
    """A record has an event, a key and its own segment, unless it goes."""
    found = error_of("M02", *segments)
    assert (type(found) if found else None, found.path if found else "") == (error, path)


@pytest.mark.parametrize(("record", "code", "posted"), [("MAD", "AA", "S"), ("XXX", "AE", "U")])
def test_a_master_file_is_answered_record_by_record(record, code, posted):
    """An MFK with the MFI as sent and an MFA for each MFE."""
    found = examine(raw("M02", MFI, f"MFE|{record}|C1||77|CE", STF), demo_site())
    verdict = found.error.acknowledgment if found.error else AckCode.AA
    answer = er7.read(acknowledge(found, verdict, found.error, site=demo_site(), now=NOW, control_id="1"))
    assert [answer.text(f"MSH-9.{n}") for n in (1, 2, 3)] == ["MFK", "M02", "MFK_M01"]
    assert (answer.text("MSA-1"), answer.text("MFI-1"), answer.text("MFI-3")) == (code, "STF", "UPD")
    assert [answer.text(f"MFA-{n}") for n in (1, 2, 4, 5, 6)] == [record, "C1", posted, "77", "CE"]


ANNE_1 = patient(ipp("1"))
MARC = DirectoryTold(EntryKind.PRACTITIONER, (RPPS,), "DR MARC ROUX", "3020")
UNNAMED = {"ordering_unit": "", "requester_key": RPPS}


def gateway(*facts, **changes):
    """Give a gateway that knows the patient, was told these facts, and got a result of nobody's unit."""
    found = Gateway()
    found.send(told(ANNE_1))
    for fact in facts:
        found.send(fact)
    found.send(result(ANNE_1, **{**UNNAMED, **changes}), source=LAB)
    return found.only(ItemKind.RESULT).secretariat


def test_the_directory_knows_the_unit_of_who_asked():
    """Only where neither the result nor the stay names one, and only while the practitioner is active."""
    assert gateway() == "accueil"
    assert gateway(MARC) == "pneumologie"
    assert gateway(MARC, stay_unit="3010") == "cardiologie"
    gone = DirectoryTold(EntryKind.PRACTITIONER, (RPPS,), "DR MARC ROUX", "3020", active=False)
    assert gateway(MARC, gone) == "accueil"


def test_an_older_word_on_an_entry_is_stale():
    """Within a source by its own time; another source by reception."""
    found = Gateway()
    key = entry_key(EntryKind.PRACTITIONER, RPPS)
    later = DirectoryTold(EntryKind.PRACTITIONER, (RPPS,), "DR MARC ROUX", "3010")
    found.send(later, minute=9)
    found.send(MARC, minute=5)
    assert found.store.directory[key].unit == "3010"
    found.send(MARC, source=LAB, minute=5)
    updates = [e for e in found.audit if e.action is AuditAction.DIRECTORY_UPDATED]
    assert [e.entities for e in updates] == [(f"practitioner/{RPPS.authority}/{RPPS.value}",)] * 2
    assert found.store.directory[key] == Entry(
        EntryKind.PRACTITIONER, RPPS, "DR MARC ROUX", "3020", source=LAB.id, told_at=at(5)
    )
