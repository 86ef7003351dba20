"""`gateway check`: messages beside the standard's tables (hl7apy) and beside a profile, told by path and rule."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from messages import admission, appointment, document, result
from sites import frame, header

from adapters.cli import main
from adapters.cli.check import Verdict
from adapters.hl7v2 import conformance
from adapters.hl7v2.conformance import Severity, check_standard
from gateway import er7

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus of messages at {CORPUS}")

SECRET = "SECRETVALUE"


def report(*segments: str, kind: str = "ADT^A01^ADT_A01", version: str = "2.5") -> conformance.Report:
    return check_standard(er7.read(frame(header(kind, version=version), *segments)))


def found(*segments: str, **settings: str) -> list[tuple[str, str]]:
    return [(f.path, f.rule) for f in report(*segments, **settings).findings]


def unchecked(*segments: str, **settings: str) -> list[str]:
    return [u.path for u in report(*segments, **settings).unchecked]


GOOD = ("EVN||20260310", "PID|||8^^^CHU^PI||ESSAI^A^^^^^L", "PV1||I")


def test_a_good_message_conforms():
    """A small message with all that the standard wants of it has no finding, and nothing is left unchecked."""
    assert report(*GOOD) == conformance.Report()


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (GOOD[:2], ("PV1", "such a segment or group is required in ADT_A01")),
        ((*GOOD[:2], *GOOD[1:]), ("PID", "fewer of them in ADT_A01")),
        ((GOOD[0], "PID|||8^^^CHU^PI", GOOD[2]), ("PID-5", "a value is required")),
        ((GOOD[0], "pid|||8^^^CHU^PI", GOOD[2]), ("PID-5", "a value is required")),
        (("EVN||yesterday", *GOOD[1:]), ("EVN-2.1", "a value of type DTM")),
        ((*GOOD[:2], "PV1|one|I"), ("PV1-1", "a value of type SI")),
        ((GOOD[0], GOOD[1] + "~B^B^^^^^ZZ", GOOD[2]), ("PID-5[2].7", "a value of table HL70200")),
        ((GOOD[0], GOOD[1] + "|" * 38 + "x", GOOD[2]), ("PID-43", "no field beyond those of the version")),
        ((*GOOD, "OBX|1|NM|K||4,1||||||F"), ("OBX-5", "a value of type NM")),
        ((*GOOD, "OBX|1|ST|K||x||||||F", "OBX|2|DT|K||20269999||||||F"), ("OBX[2]-5", "a value of type DT")),
        ((*GOOD, f"OBX|1|ED|K||^text^xml^Base64^{'A' * 70_000}||||||F"), ("OBX-5.5", "no longer than TX may be")),
        ((*GOOD[:2], "PV1||I||||1^A^B^C^D^E^F^G^H^I^J^K^L^M^N^O^P^Q^R^S^T^U^V^W^X^Y"), ("PV1-6", None)),
    ],
)
def test_what_departs_from_the_standard_is_told_by_place_and_rule(segments, expected):
    """Segments, fields, components, data types, lengths and codes, each where it stands."""
    path, rule = expected
    rules = dict(found(*segments))
    assert path in rules
    assert rule in {None, rules[path]}


def test_lengths_and_codes_are_warnings():
    """A code that the standard's table lacks is a warning, a missing field an error."""
    weights = {f.path: f.severity for f in report(GOOD[0], "PID|||8^^^CHU^PI|||||Q", GOOD[2]).findings}
    assert weights == {"PID-5": Severity.ERROR, "PID-8": Severity.WARNING}


@pytest.mark.parametrize(
    ("segments", "settings", "path"),
    [
        ((*GOOD, "PRT||UC||RCT"), {}, "PRT"),
        ((*GOOD, "ZBE|1|20260310"), {}, "ZBE"),
        ((*GOOD, "a stray line"), {}, "#5"),
        (GOOD, {"version": "2.9"}, "MSH-12"),
        (GOOD, {"kind": "ADT^A99^ADT_A99"}, "MSH-9"),
        ((*GOOD, "OBX|1|XX|K||x||||||F"), {}, "OBX-5"),
    ],
)
def test_what_cannot_be_checked_is_said(segments, settings, path):
    """What hl7apy does not know is neither dropped nor called good."""
    assert unchecked(*segments, **settings) == [path]


def test_any_delimiters_are_taken():
    """A message with delimiters of its own is read by them."""
    raw = b"MSH#*+!%#ADM#CHU#GW#CHU#20260310##ADT*A01*ADT_A01#1#P#2.5\rEVN##2026\r"
    raw += b"PID###1***CHU*PI##A*B+C*D*****ZZ\rPV1##I\r"
    assert [f.path for f in check_standard(er7.read(raw)).findings] == ["PID-5[2].7"]


def test_a_fifth_encoding_character_is_no_obstacle():
    """MSH-2 of v2.7, also under 2.5 where hl7apy would refuse the whole message, leaves the rest checked."""
    raw = frame(header("ADT^A01^ADT_A01").replace("^~\\&", "^~\\&#"), GOOD[0], "PID|1", GOOD[2])
    assert {"PID-3", "PID-5"} <= {f.path for f in check_standard(er7.read(raw)).findings}


def test_no_finding_holds_a_value():
    """Whatever is wrong with them, values are in no text of a report."""
    fields = "|".join(f"{SECRET}^{SECRET}&{SECRET}~{SECRET}" for _ in range(45))
    found = report(*(f"{name}|{fields}" for name in ("EVN", "PID", "PV1", "OBX", "NK1", "ZZZ", "QQQ")), SECRET)
    assert len(found.findings) > 50
    assert SECRET not in repr(found)


def test_a_value_cannot_speak_as_hl7apy_does():
    """A value that looks like a line of hl7apy's report makes no finding of its own."""
    forged = "x not in table HL79999 in element PID.PID_9 \x85Error: Missing required child PID.PID_3"
    told = found(GOOD[0], f"{GOOD[1]}|||{forged}", GOOD[2])
    assert told == [("PID-8", "a value of table HL70001"), ("PID-8", "no longer than IS may be")]


def test_a_report_is_bounded():
    """Findings and segments checked are bounded, and what was left out is said."""
    big = report(*GOOD, *["OBX|x"] * 1_200)
    assert len(big.findings) == conformance.MOST_FINDINGS
    few = report(*GOOD, *["ZZZ|1"] * 1_200)
    assert few.unchecked[-1].why == "only the first 1000 segments are checked"


# The command


def ran(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["check", *map(str, arguments)])
    return done.exit_code, done.output


@pytest.fixture
def folder(tmp_path):
    """Two folders of messages: one good file of two, one that holds no HL7, and what is no message file."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one" / "good.hl7").write_bytes(frame(header("ADT^A01^ADT_A01"), *GOOD) * 2)
    (tmp_path / "one" / "notes.md").write_text("no message")
    (tmp_path / "two" / "bad.HL7").write_bytes(frame(header("ADT^A01^ADT_A01"), *GOOD[:2]))
    (tmp_path / "two" / "none.txt").write_bytes(b"no message")
    return tmp_path


def test_a_good_file_ends_with_0(folder):
    """Nothing departs: exit 0."""
    code, said = ran(folder / "one")
    assert code == 0
    assert said.splitlines()[1].split()[1:] == ["2", "0", "0", "0", "0", "2"]


def test_many_files_make_a_table_by_folder(folder):
    """One line a folder, one for all; what cannot be read is counted too, and the exit code says no."""
    code, said = ran(folder)
    assert code == 1
    head, one, two, together = (line.split()[1:] for line in said.splitlines())
    assert head == ["messages", *(v.value for v in Verdict)]
    assert (one, two, together) == (
        ["2", "0", "0", "0", "0", "2"],
        ["2", "1", "1", "0", "0", "0"],
        ["4", "1", "1", "0", "0", "2"],
    )


def test_one_message_is_told_finding_by_finding(folder):
    """A single message's findings are lines of severity, path and rule; --findings tells them of many too."""
    code, said = ran(folder / "two" / "bad.HL7")
    assert code == 1
    assert "bad.HL7#1  ADT^A01  departs" in said
    assert "error    PV1            such a segment or group is required in ADT_A01 [HL7 2.5]" in said
    _, both = ran(folder, "--findings")
    assert "none.txt#1    unreadable" in both
    assert "the frame starts with MSH, FHS or BHS [gateway]" in both


def test_a_batch_is_told_message_by_message(tmp_path):
    """The messages of a batch are checked one by one, without its headers and trailers."""
    one = frame(header("ADT^A01^ADT_A01"), *GOOD)
    (tmp_path / "batch.hl7").write_bytes(b"FHS|^~\\&|A\rBHS|^~\\&|B\r" + one + one + b"BTS|2\rFTS|1\r")
    told = json.loads(ran(tmp_path / "batch.hl7", "--json")[1])
    assert [(m["message"], m["verdict"]) for m in told["messages"]] == [(1, "conforms"), (2, "conforms")]
    (tmp_path / "batch.hl7").write_bytes(b"FHS|^~\\&|A\rFTS|0\r")
    assert len(json.loads(ran(tmp_path / "batch.hl7", "--json")[1])["messages"]) == 1


def test_a_profile_is_checked_beside_the_standard(tmp_path):
    """Its findings carry its name and source; Z segments that it knows are checked; it covers no other type."""
    (tmp_path / "a.hl7").write_bytes(admission("C1", "1", "2"))
    assert "standard says nothing of Z segments" in ran(tmp_path / "a.hl7")[1]
    code, said = ran(tmp_path / "a.hl7", "--profile", "pam-fr")
    assert code == 1
    assert "PID-32         a value (pid-status-sent; PAM.FR 2.11.2, PID-32) [pam-fr]" in said
    assert "Z segments" not in said
    assert "siu-agenda does not cover this message" in ran(tmp_path / "a.hl7", "--profile", "siu-agenda")[1]
    assert ran(tmp_path / "a.hl7", "--profile", "none")[0] == 2


def test_a_program_reads_everything(tmp_path):
    """--json gives each message with findings and what was unchecked, and the counts."""
    for name, raw in {"s": appointment("S12", "1", "2", "3"), "r": result("1", "2", "3")}.items():
        (tmp_path / f"{name}.hl7").write_bytes(raw)
    (tmp_path / "d.hl7").write_bytes(document("T02", "1", "2", "3"))
    told = json.loads(ran(tmp_path, "--json")[1])
    assert [m["type"] for m in told["messages"]] == ["MDM^T02", "ORU^R01", "SIU^S12"]
    assert sum(told["verdicts"].values()) == 3
    scheduling = told["messages"][2]
    assert {"path": "SCH-6", "rule": "a value is required", "by": "HL7 2.5", "severity": "error"} in scheduling[
        "findings"
    ]


@needs_corpus
def test_a_sample_of_the_corpus_is_told_by_repository(capsys):
    """Every file of the sample ends in a verdict, none in a fault, and the table by repository adds up."""
    files = sorted(CORPUS.rglob("*.hl7"))[::15]
    told = json.loads(ran(*files, "--json")[1])
    assert len(told["messages"]) >= len(files)
    assert sum(told["verdicts"].values()) == len(told["messages"])
    assert {m["file"] for m in told["messages"]} == {str(f) for f in files}
    assert not [u for m in told["messages"] for u in m["unchecked"] if "IndexError" in u["why"]]
