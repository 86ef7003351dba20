from dataclasses import replace

import pytest
from sites import DEPARTMENT, PID, demo_site, frame, header

from gateway import er7
from gateway.facts import Abnormality, Identifier, IdentifierKind, Priority, ResultReported, ResultStatus
from mappings.hl7v2 import translate

OBR = "OBR|1|PL7|FI7|GLU^Glycémie"


def obr(**fields):
    sent = {"f2": "PL7", "f3": "FI7", "f4": "GLU^Glycémie", **fields}
    return "OBR|1|" + "|".join(sent.get(f"f{n}", "") for n in range(2, 29)).rstrip("|")


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
    assert (found.ordering_unit, found.stay_unit, found.location) == ("", "3010", "3010 12")
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
    assert (first.stay_unit, second.stay_unit) == ("3010", "")


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


def specimen(text="Sang", number="S1"):
    return f"SPM|1|{number}||BLD^{text}"


def spoken(event, *segments):
    raw = frame(header(f"OUL^{event}", application="LABO"), *segments)
    return [f for f in translate(er7.read(raw), DEPARTMENT, demo_site()).facts if isinstance(f, ResultReported)]


def test_a_note_belongs_to_what_it_stands_behind():
    """NTE behind OBR comments on the report, behind OBX on the line, behind SPM on the specimen, behind PID on all."""
    found = report(
        *(PID, "NTE|1||patient"),
        *(obr(), "NTE|1||report", "NTE|2||goes on~and on"),
        *(obx(), "NTE|1||line one", obx("6", code="K^Potassium"), "NTE|1||line two"),
        *(specimen(), "NTE|1||haemolysed"),
    )
    assert found.notes.splitlines() == ["patient", "report", "goes on", "and on", "haemolysed"]
    assert [o.notes for o in found.observations] == ["line one", "line two"]
    assert found.specimen == "Sang"


def test_what_was_observed_of_a_specimen_is_no_line_lost():
    """An OBX behind an SPM is shown with the report, whether the sender meant the specimen or a result."""
    found = report(PID, obr(), obx(), specimen(), obx("trouble", kind="ST", code="ASPECT^Aspect"))
    assert [o.value for o in found.observations] == ["5.1", "trouble"]


def test_an_obx_of_the_patient_is_no_line_of_a_report():
    """An OBX before any OBR (2.7) is kept and told of, and grades nothing."""
    raw = frame(header("ORU^R01"), "NTE|1||to whom?", PID, obx(flag="HH"), obr(), obx(flag="N"))
    told = translate(er7.read(raw), DEPARTMENT, demo_site())
    assert [o.abnormality for o in told.facts[0].observations] == [Abnormality.NORMAL]
    assert {"NTE", "OBX"} <= {flag.path for flag in told.flags}
    assert told.facts[0].notes == ""


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("CRIT^Critique^L^HH^^HL70078", Abnormality.CRITICAL),
        ("^^^LL", Abnormality.CRITICAL),
        ("N^Normal^HL70078^HH", Abnormality.NORMAL),
        ("CRIT^Critique^L", Abnormality.UNCLASSIFIED),
        ("N~X^^L^AA", Abnormality.CRITICAL),
    ],
)
def test_a_flag_may_have_the_standards_code_beside_the_senders_own(flag, expected):
    """OBX-8 is a CWE from 2.7 on: its alternate code tells a critical value that the first, a local one, does not."""
    assert report(PID, obr(), obx(flag=flag)).observations[0].abnormality is expected


def test_orders_of_one_specimen():
    """OUL^R22: SPM before its orders, ORC behind its OBR; what was observed of the specimen goes with the first."""
    first, second = spoken(
        "R22",
        *(PID, "PV1|1|I|3010"),
        *(specimen("Urine"), obx("trouble", kind="ST", code="ASPECT"), "SAC|1"),
        *(obr(), "ORC|RE||||||||||||||||U1", "NTE|1||n1", obx()),
        *(obr(f3="FI8"), "ORC|RE||||||||||||||||U2", obx("7")),
    )
    assert [(f.ordering_unit, f.specimen) for f in (first, second)] == [("U1", "Urine"), ("U2", "Urine")]
    assert [o.value for o in first.observations] == ["trouble", "5.1"]
    assert [o.value for o in second.observations] == ["7"]
    assert first.notes == "n1"


def test_specimens_of_one_order():
    """OUL^R24: the order before its specimens, each order with its own."""
    first, second = spoken(
        "R24", PID, obr(), "ORC|RE", obx(), specimen("Sang"), obr(f3="FI8"), "ORC|RE", obx("7"), specimen("Urine")
    )
    assert [(f.specimen, len(f.observations)) for f in (first, second)] == [("Sang", 1), ("Urine", 1)]


def test_a_line_made_final_without_being_sent_again():
    """OBX-11 = U without a value says that what was told before stands; with one, it is a value like any other."""
    found = report(PID, obr(), obx("", status="U"), obx("6", status="U", code="K"))
    assert [(o.stands, o.status) for o in found.observations] == [
        (True, ResultStatus.FINAL),
        (False, ResultStatus.FINAL),
    ]


@pytest.mark.parametrize(("code", "status"), [("A", "preliminary"), ("R", "preliminary"), ("I", "unknown")])
def test_the_status_of_a_report_alone(code, status):
    """OBR-25 by table 0123: some results and unverified ones are preliminary, an order's own states no result's."""
    assert report(PID, obr(f25=code)).status == status


def test_a_final_report_with_a_preliminary_line_is_flagged():
    """The worse wins, and the contradiction is told."""
    raw = frame(header("ORU^R01"), PID, obr(f25="F"), obx(status="P"))
    assert "OBR-25" in {flag.path for flag in translate(er7.read(raw), DEPARTMENT, demo_site()).flags}


def test_who_asked_and_under_which_numbers():
    """OBR-16, else ORC-12; filler's numbers, then the placer's, by which the order is found."""
    found = report(PID, "ORC|RE|PL9|FI7|||||||||77^ROUX^MARC^^^DR", obr(f3="FI7^LAB"), obx())
    assert found.requester == "DR MARC ROUX"
    assert [(k.authority, k.value) for k in found.orders] == [
        ("LAB", "FI7"),
        ("department", "FI7"),
        ("department/placer", "PL7"),
        ("department/placer", "PL9"),
    ]
    assert report(PID, obr(f16="9^DOC^JO"), obx()).requester == "JO DOC"


def test_numbers_without_a_domain_are_of_the_domain_that_the_site_gives_a_sources_orders():
    """So that a laboratory's echo of a prescriber's bare number finds the prescriber's order."""
    raw = frame(header("ORU^R01"), PID, obr(f3=""), obx())
    source = replace(DEPARTMENT, orders="chu-orders")
    (found,) = translate(er7.read(raw), source, demo_site()).facts
    assert found.orders == (Identifier("chu-orders/placer", "PL7", IdentifierKind.OTHER),)


def test_copies_go_to_every_unit_that_is_named():
    """PRT that direct it beside the first, and OBR-28 organisations."""
    directed = "PRT|1|UC|1|RCT^Results Copies To||||Cardio^^^^^^UF^^^{}"
    found = report(*(PID, obr(f28="9^DOC^JO" + "^" * 20 + "U28"), obx()), directed.format("U8"), directed.format("U9"))
    assert (found.ordering_unit, found.copies) == ("U8", ("U9", "U28"))
