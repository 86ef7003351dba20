import pytest
from sites import DEPARTMENT, PID, demo_site, frame, header

from gateway import er7
from gateway.facts import Abnormality, Identifier, IdentifierKind, Priority, ResultReported, ResultStatus
from mappings.hl7v2 import translate

OBR = "OBR|1|PL7|FI7|GLU^Glycémie"


def obr(**fields):
    sent = {"f2": "PL7", "f3": "FI7", "f4": "GLU^Glycémie", **fields}
    return "OBR|1|" + "|".join(sent.get(f"f{n}", "") for n in range(2, 28)).rstrip("|")


def obx(value="5.1", *, kind="NM", flag="", status="F", code="GLU^Glycémie"):
    return f"OBX|1|{kind}|{code}|1|{value}|mmol/l|3.9-5.8|{flag}|||{status}"


def reports(*segments):
    raw = frame(header("ORU^R01", application="LABO"), *segments)
    return [f for f in translate(er7.read(raw), DEPARTMENT, demo_site()).facts if isinstance(f, ResultReported)]


def report(*segments):
    (found,) = reports(*segments)
    return found


def test_a_report_in_full():
    """Order, battery, status, line and unit are read where ORU has them."""
    found = report(PID, "PV1|1|I|3010^12", "ORC|RE", obr(f25="F"), obx())
    assert found.key == Identifier("department", "FI7/GLU", IdentifierKind.OTHER)
    assert (found.code, found.label, found.status) == ("GLU", "Glycémie", ResultStatus.FINAL)
    assert (found.ordering_unit, found.location) == ("3010", "3010 12")
    (line,) = found.observations
    assert (line.code, line.sub_id, line.value, line.unit, line.reference_range, line.status) == (
        "GLU",
        "1",
        "5.1",
        "mmol/l",
        "3.9-5.8",
        ResultStatus.FINAL,
    )


@pytest.mark.parametrize(
    ("segments", "key"),
    [
        ((obr(),), ("department", "FI7/GLU")),
        ((obr(f3="FI7^LAB^1.2.3^ISO"),), ("1.2.3", "FI7/GLU")),
        ((obr(f3="FI7^LAB"),), ("LAB", "FI7/GLU")),
        (("ORC|RE||F9", obr(f3="")), ("department", "F9/GLU")),
        ((obr(f3=""),), ("department/placer", "PL7/GLU")),
        (("ORC|RE|P9", obr(f2="", f3="")), ("department/placer", "P9/GLU")),
        ((obr(f4="^Glycémie"),), ("department", "FI7/Glycémie")),
    ],
)
def test_the_key_is_the_order_number_and_the_battery(segments, key):
    """The filler's number, of OBR or ORC, else the placer's, which counts apart."""
    found = report(PID, *segments)
    assert (found.key.authority, found.key.value) == key


def test_one_report_per_order_each_with_its_own_lines_and_common_order():
    """An ORC belongs to the OBR behind it, and OBX to the OBR before them."""
    first, second = reports(
        PID, "ORC|RE||||||||||||||||U1", obr(), obx(), "NTE|1||x", obr(f3="FI8"), obx("6"), obx("7"), "SPM|1"
    )
    assert (first.ordering_unit, len(first.observations)) == ("U1", 1)
    assert (second.ordering_unit, len(second.observations)) == ("", 2)


def test_each_order_is_of_the_patient_before_it():
    """A message of two patients never gives one the other's results, nor the other's ward."""
    other = PID.replace("4711", "4712")
    first, second = reports(PID, "PV1|1|I|3010", obr(), obx(), other, obr(f3="FI8"), obx())
    assert [f.patient.identifiers[0].value for f in (first, second)] == ["4711", "4712"]
    assert (first.ordering_unit, second.ordering_unit) == ("3010", "")


def test_orders_that_share_number_and_battery_are_one_report():
    """The second OBR of one key adds its lines; it would overwrite the first otherwise."""
    found = report(PID, obr(), obx(), obr(), obx("9", flag="HH"))
    assert [o.value for o in found.observations] == ["5.1", "9"]
    assert found.abnormality is Abnormality.CRITICAL


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("P", ResultStatus.PRELIMINARY),
        ("F", ResultStatus.FINAL),
        ("C", ResultStatus.CORRECTED),
        ("D", ResultStatus.WITHDRAWN),
        ("W", ResultStatus.WITHDRAWN),
        ("X", ResultStatus.UNOBTAINABLE),
        ("U", ResultStatus.FINAL),
        ("Q", ResultStatus.UNKNOWN),
        ("", ResultStatus.UNKNOWN),
    ],
)
def test_the_status_of_one_line(code, status):
    """OBX-11 by table 0085; any other code is unknown, and the report says so."""
    found = report(PID, obr(), obx(status=code))
    assert (found.status, found.observations[0].status) == (status, status)


@pytest.mark.parametrize(
    ("of_report", "lines", "status"),
    [
        ("F", ("F", "P"), ResultStatus.PRELIMINARY),
        ("P", ("F", "F"), ResultStatus.PRELIMINARY),
        ("F", ("F", "C"), ResultStatus.CORRECTED),
        ("C", ("F",), ResultStatus.CORRECTED),
        ("F", ("", "O"), ResultStatus.FINAL),
        ("F", (), ResultStatus.FINAL),
        ("", (), ResultStatus.UNKNOWN),
        ("F", ("F", "Q"), ResultStatus.UNKNOWN),
        ("F", ("F", "W"), ResultStatus.CORRECTED),
        ("F", ("D", "W"), ResultStatus.WITHDRAWN),
        ("F", ("F", "X"), ResultStatus.FINAL),
        ("F", ("X", "X"), ResultStatus.UNOBTAINABLE),
    ],
)
def test_the_worse_of_the_reports_status_and_its_lines_wins(of_report, lines, status):
    """One line withdrawn among others corrects the report; it does not take the others away."""
    assert report(PID, obr(f25=of_report), *(obx(status=s) for s in lines)).status is status


@pytest.mark.parametrize(
    ("flags", "grade"),
    [
        *((code, Abnormality.CRITICAL) for code in ("HH", "LL", "AA", "hh")),
        *((code, Abnormality.ABNORMAL) for code in ("A", "H", "L", "R", ">", "<")),
        ("N", Abnormality.NORMAL),
        ("", Abnormality.UNCLASSIFIED),
        ("ZZ", Abnormality.UNCLASSIFIED),
        ("N~H", Abnormality.ABNORMAL),
        ("H^High^HL70078~HH^^HL70078", Abnormality.CRITICAL),
        ("N~ZZ", Abnormality.UNCLASSIFIED),
    ],
)
def test_the_grade_of_a_value(flags, grade):
    """OBX-8 may repeat and be coded: the worst counts, and what is not understood is never normal."""
    found = report(PID, obr(), obx(flag=flags))
    assert (found.abnormality, found.observations[0].abnormality) == (grade, grade)


def test_a_withdrawn_line_grades_nothing():
    """A critical value that was withdrawn alarms no one."""
    found = report(PID, obr(), obx(flag="HH", status="D"), obx(flag="N"))
    assert (found.abnormality, found.priority) == (Abnormality.NORMAL, Priority.ROUTINE)


@pytest.mark.parametrize(
    ("segments", "priority"),
    [
        ((obr(), obx()), Priority.ROUTINE),
        ((obr(), obx(flag="LL")), Priority.STAT),
        ((obr(f5="S"), obx()), Priority.STAT),
        ((obr(f5="A"), obx()), Priority.URGENT),
        ((obr(f27="^^^^^S"), obx()), Priority.STAT),
        ((obr(f5="S"), "TQ1|1||||||||A", obx()), Priority.URGENT),
        ((obr(f5="R"), obx()), Priority.ROUTINE),
    ],
)
def test_the_priority_of_a_report(segments, priority):
    """A critical value is stat; else TQ1-9, OBR-27.6, OBR-5."""
    assert report(PID, *segments).priority is priority


@pytest.mark.parametrize(
    ("segments", "unit"),
    [
        (("ORC|RE||||||||||||||||U17", obr()), "U17"),
        (("ORC|RE||||||||||||U13^1", obr()), "U13"),
        ((obr(f16="9^DOC^JO" + "^" * 20 + "U16"),), "U16"),
        (("PRT|1|UC|1|RCT||||Cardio^^^^^^UF^^^U8", obr()), "U8"),
        ((obr(), "PRT|1|UC|1|RCT||||Cardio^^^^^^SVR^^^U8"), "U8"),
        ((obr(), "PRT|1|UC|1|RCT||||Cardio^^^^^^XX^^^U8"), ""),
    ],
)
def test_the_unit_that_ordered(segments, unit):
    """A PRT that directs the result, then ORC-17, OBR-16's organisation, ORC-13."""
    assert report(PID, *segments, obx()).ordering_unit == unit


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("CE", "E^Escherichia coli^SCT", "Escherichia coli"),
        ("CWE", "E", "E"),
        ("SN", ">^100", ">100"),
        ("SN", "^1^:^128", "1:128"),
        ("TX", "a\\.br\\b~c", "a\nb\nc"),
        ("ST", "x\\T\\y", "x&y"),
        ("NM", '""', ""),
        ("XPN", "DOE^JO", "DOE JO"),
    ],
)
def test_a_value_as_people_read_it(kind, value, shown):
    """Codes by their text, numbers in one piece, texts over several lines."""
    assert report(PID, obr(), obx(value, kind=kind)).observations[0].value == shown


def test_embedded_content_is_told_by_type_and_digest():
    """A PDF in a result is not carried around, and another PDF is another value."""
    values = [
        report(PID, obr(), obx(f"^AP^PDF^Base64^{data}", kind="ED")).observations[0].value for data in ("AAAA", "BBBB")
    ]
    assert all(v.startswith("application/pdf; sha256=") for v in values)
    assert values[0] != values[1]
