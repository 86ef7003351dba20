from datetime import datetime

import pytest
from sites import ADMISSIONS, IPP, PID, demo_site, frame, header

from gateway import er7
from gateway.errors import PersonNeeded, UndecidedError
from gateway.facts import (
    Circumstances,
    Expected,
    Identifier,
    IdentifierChange,
    IdentifierKind,
    IdentityStatus,
    MovementAct,
    PatientMerged,
    PatientReported,
    PatientsLinked,
    Pending,
    Remark,
    StayMoved,
    VisitReported,
    VisitState,
)
from mappings.hl7v2 import examine, translate
from mappings.hl7v2.tables import ADT_EVENTS, RENUMBERED

STAY = PID.replace("|||||||||||||||||||||||PROV", "|||||||||NDA1^^^CHU^AN||||||||||||||PROV")
NINE = datetime.fromisoformat("2026-03-11T09:00:00+01:00")
PV1 = "PV1|1|I|3010^12^2^CHU||||||||||||||||NDA9"


def said(event, *segments, version="2.5"):
    return translate(er7.read(frame(header(f"ADT^{event}", version=version), *segments)), ADMISSIONS, demo_site())


def visit_of(event, *segments):
    facts = [f for f in said(event, *segments).facts if isinstance(f, VisitReported)]
    assert len(facts) == 1
    return facts[0]


def zbe(event="A01", *, action="INSERT", historic="N", original="", unit="3020"):
    return f"ZBE|MVT1^GAM|20260310080000||{action}|{historic}|{original}|Cardio^^^^^^^^^{unit}|||HMS"


STATES = [
    ("A01", VisitState.ADMITTED),
    ("A02", VisitState.ADMITTED),
    ("A03", VisitState.DISCHARGED),
    ("A04", VisitState.ADMITTED),
    ("A05", VisitState.PLANNED),
    ("A06", VisitState.ADMITTED),
    ("A07", VisitState.ADMITTED),
    ("A11", VisitState.CANCELLED),
    ("A12", VisitState.ADMITTED),
    ("A13", VisitState.ADMITTED),
    ("A14", VisitState.PLANNED),
    ("A21", VisitState.ON_LEAVE),
    ("A27", VisitState.CANCELLED),
    ("A38", VisitState.CANCELLED),
    ("A22", VisitState.ADMITTED),
    ("A52", VisitState.ADMITTED),
    ("A53", VisitState.ON_LEAVE),
    ("A54", None),
    ("A55", None),
]


@pytest.mark.parametrize(("event", "state"), STATES)
def test_a_movement_reports_the_patient_and_the_stay(event, state):
    """Each movement tells who the patient is, and where the stay stands after it."""
    reported, visit = said(event, STAY, PV1).facts
    assert isinstance(reported, PatientReported)
    assert isinstance(visit, VisitReported)
    assert not reported.correction
    assert visit.state is state
    assert visit.visit == Identifier(IPP, "NDA1", IdentifierKind.OTHER)


@pytest.mark.parametrize("event", ["A08", "A31", "A47"])
def test_corrections_are_told_as_such(event):
    """A08, A31 and A47 are meant to change traits."""
    (reported,) = said(event, PID).facts
    assert isinstance(reported, PatientReported)
    assert reported.correction


@pytest.mark.parametrize("event", ["A28", "A61"])
def test_events_that_touch_no_stay_report_the_patient(event):
    """What changes nothing of the stay that is kept here still tells who the patient is."""
    (reported,) = said(event, STAY, PV1).facts
    assert reported == PatientReported(reported.patient)


PENDING_PV1 = PV1 + "|" * 18 + "SSR LES PINS" + "|" * 5 + "3020^7^1"


@pytest.mark.parametrize(
    ("event", "evn", "expected"),
    [
        ("A15", "EVN||20260310101500|20260311090000", Expected(Pending.TRANSFER, NINE, "3020 7 1", "3020")),
        ("A16", "EVN||20260310101500|20260311090000", Expected(Pending.DISCHARGE, NINE, "SSR LES PINS")),
        ("A16", "PV2|||||||||20260311090000", Expected(Pending.DISCHARGE, NINE, "SSR LES PINS")),
    ],
)
def test_what_is_announced_is_told_with_its_time_and_place(event, evn, expected):
    """A15 and A16 say what is to come (EVN-3, PV2-9, PV1-42, PV1-37), and that the stay stands where it stood."""
    visit = visit_of(event, STAY, evn, PENDING_PV1)
    assert visit.expected == (expected,)
    assert (visit.state, visit.unit, visit.location, visit.act) == (None, "", "", MovementAct.INSERT)


@pytest.mark.parametrize(
    ("event", "action", "made_by"),
    [("A26", "CANCEL", "A15"), ("A25", "CANCEL", "A16"), ("A15", "CANCEL", "A15"), ("A25", "", "A16")],
)
def test_what_was_announced_is_taken_back(event, action, made_by):
    """A26 and A25, or the action alone, cancel the announcement and announce nothing."""
    visit = visit_of(event, STAY, PENDING_PV1, zbe(action=action))
    assert (visit.act, visit.event, visit.expected) == (MovementAct.CANCEL, made_by, ())


def test_an_action_that_contradicts_its_event_is_remarked_on_the_stay():
    """Whoever works on the stay sees it, not only who looks at the message."""
    assert visit_of("A12", STAY, PV1, zbe(action="INSERT")).remarks == (Remark.MOVEMENT_CONTRADICTED,)
    assert visit_of("A02", STAY, PV1, zbe()).remarks == ()


def test_a_movement_in_full():
    """Unit, place, class, movement and begin come from ZBE, PV1 and PID-18."""
    visit = visit_of("A01", STAY, PV1, zbe())
    assert (visit.unit, visit.location, visit.patient_class, visit.movement, visit.historic) == (
        "3020",
        "3010 12 2",
        "I",
        "MVT1^GAM",
        False,
    )
    assert visit.start == datetime.fromisoformat("2026-03-10T08:00:00+01:00")


@pytest.mark.parametrize(
    ("pv1", "unit"), [("PV1|1|I|3010||||||||||||||||N", "3010"), ("PV1|1|I||||||||3040|||||||||N", "3040")]
)
def test_without_zbe_the_unit_is_pv1s(pv1, unit):
    """PV1-3.1, else PV1-10."""
    assert visit_of("A01", PID, pv1).unit == unit


def test_the_number_of_the_stay_may_stand_in_pv1():
    """Without PID-18 the stay is that of PV1-19."""
    assert visit_of("A01", PID, PV1).visit.value == "NDA9"


def test_a_movement_without_number_is_flagged_and_tells_the_patient():
    """A stay that cannot be named is not followed, and that is not silent."""
    found = said("A01", PID, "PV1|1|I|3010")
    assert [type(f) for f in found.facts] == [PatientReported]
    assert "PID-18" in {flag.path for flag in found.flags}


def test_a_shifted_movement_is_read_right():
    """Where ZBE-3 is filled and shifts what follows, the fields are read behind the action, and flagged."""
    shifted = "ZBE|MVT1|20260310080000||20260311|CANCEL|Y|A02|Cardio^^^^^^^^^3020"
    found = said("Z99", STAY, PV1, shifted)
    visit = found.facts[1]
    assert isinstance(visit, VisitReported)
    assert (visit.state, visit.unit, visit.historic) == (VisitState.ADMITTED, "3020", True)
    assert "ZBE-3" in {flag.path for flag in found.flags}


def test_a_second_movement_of_a_message_is_remarked():
    """PAM.FR has one ZBE: which of two the sender means is for whoever works on the stay to see."""
    found = said("A01", PID, PV1, zbe(), zbe(unit="3030"))
    assert "ZBE[2]" in {flag.path for flag in found.flags}
    assert (found.facts[1].unit, found.facts[1].remarks) == ("3020", (Remark.MOVEMENT_CONTRADICTED,))


def test_history_is_told_as_history():
    """ZBE-5 = Y enters history."""
    assert visit_of("A02", STAY, PV1, zbe(historic="Y")).historic


@pytest.mark.parametrize(
    ("event", "original", "action", "state"),
    [
        ("Z99", "A01", "UPDATE", VisitState.ADMITTED),
        ("Z99", "A05", "UPDATE", VisitState.PLANNED),
        ("Z99", "A03", "UPDATE", VisitState.DISCHARGED),
        ("Z99", "A03", "CANCEL", VisitState.ADMITTED),
        ("A01", "", "CANCEL", VisitState.CANCELLED),
        ("A02", "", "CANCEL", VisitState.ADMITTED),
        ("A14", "", "CANCEL", VisitState.CANCELLED),
    ],
)
def test_the_action_changes_what_the_event_means(event, original, action, state):
    """Z99 speaks for the event of ZBE-6, and CANCEL makes any movement its cancellation."""
    assert visit_of(event, STAY, PV1, zbe(action=action, original=original)).state is state


def test_a_correction_without_original_event_leaves_the_stay():
    """A Z99 that does not say what it corrects tells the patient only, and is flagged."""
    found = said("Z99", STAY, PV1, zbe(action="UPDATE"))
    assert [type(f) for f in found.facts] == [PatientReported]
    assert "ZBE-6" in {flag.path for flag in found.flags}


@pytest.mark.parametrize(
    ("event", "action", "original", "act", "made_by"),
    [
        ("A01", "INSERT", "", MovementAct.INSERT, "A01"),
        ("A04", "INSERT", "", MovementAct.INSERT, "A01"),
        ("A01", "UPDATE", "A01", MovementAct.UPDATE, "A01"),
        ("A11", "CANCEL", "A04", MovementAct.CANCEL, "A01"),
        ("A11", "", "", MovementAct.CANCEL, "A01"),
        ("A12", "CANCEL", "A02", MovementAct.CANCEL, "A02"),
        ("A53", "CANCEL", "", MovementAct.CANCEL, "A22"),
        ("A55", "CANCEL", "A54", MovementAct.CANCEL, "A54"),
        ("A06", "CANCEL", "A06", MovementAct.CANCEL, "A06"),
        ("Z99", "UPDATE", "A06", MovementAct.UPDATE, "A06"),
        ("Z99", "CANCEL", "A22", MovementAct.CANCEL, "A22"),
        ("Z99", "", "A54", MovementAct.UPDATE, "A54"),
    ],
)
def test_event_and_action_say_which_movement_is_made_changed_or_taken_back(event, action, original, act, made_by):
    """ZBE-4 and ZBE-6 with the event (PAM.FR, ITI-31); without them the event alone says it (2.5.1 §3.3)."""
    visit = visit_of(event, STAY, PV1, zbe(action=action, original=original))
    assert (visit.act, visit.event) == (act, made_by)


@pytest.mark.parametrize(
    ("event", "changes", "path"),
    [
        ("A12", {"action": "INSERT"}, "ZBE-4"),
        ("A01", {"action": "CREATE"}, "ZBE-4"),
        ("Z99", {"action": "INSERT", "original": "A02"}, "ZBE-4"),
        ("Z99", {"action": "UPDATE", "original": "A31"}, "ZBE-6"),
    ],
)
def test_an_action_that_contradicts_its_event_is_flagged_and_the_event_taken(event, changes, path):
    """The message is read by its event, and that it contradicts itself is not silent."""
    assert path in {flag.path for flag in said(event, STAY, PV1, zbe(**changes)).flags}


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ("ZBE||20260310080000||INSERT|N", "ZBE-1"),
        ("ZBE|M1|20260310080000|20260311|INSERT|N", "ZBE-3"),
        ("ZBE|M1|20260310080000||INSERT|N||||Q", "ZBE-9"),
    ],
)
def test_what_the_profile_does_not_have_is_flagged(sent, path):
    """A ZBE without number, with an end or of an unknown nature is read, and flagged."""
    found = said("A02", STAY, PV1, sent)
    assert path in {flag.path for flag in found.flags}
    assert isinstance(found.facts[1], VisitReported)


def test_both_responsible_units_are_told():
    """ZBE-7 is the medical, ZBE-8 the care unit; the code is in XON-10."""
    sent = "ZBE|M1^^1.2.3^ISO|20260310080000||INSERT|N||Cardio^^^^^^^^^3020|Soins^^^^^^^^^3021|HMS"
    visit = visit_of("A02", STAY, PV1, sent)
    assert (visit.unit, visit.care_unit, visit.movement) == ("3020", "3021", "M1^1.2.3")


def test_how_a_patient_came_and_goes_is_told_with_the_movement():
    """ZFM has the PMSI modes, ZFV the establishment of origin and the transport (PAM.FR 2.11); both are read whole."""
    found = said("A01", STAY, PV1, zbe(), "ZFV|750000001^20260301|A", "ZFM|8|6|1|4")
    visit = found.facts[1]
    assert isinstance(visit, VisitReported)
    assert visit.circumstances == Circumstances("8", "6", "1", "4", "750000001", "A")
    assert found.kept == ()
    assert visit_of("A01", STAY, PV1, zbe()).circumstances == Circumstances()


def test_an_identity_whose_date_was_corrected_is_demoted_to_no_recovered_one():
    """A47 that takes the INS away says récupérée with PROV, but not of a corrected date of birth (PAM.FR, PID-7)."""
    (reported,) = said("A47", PID, "MRG|258036322000123^^^ASIP&1.2.250.1.213.1.4.8&ISO^INS", "ZFD||||Y").facts
    assert isinstance(reported, PatientReported)
    assert reported.patient.status is IdentityStatus.PROVISOIRE


def test_a_cancelled_admission_falls_back_to_its_pre_admission():
    """A11 with PV1-5 means that the pre-admission stands again."""
    assert visit_of("A11", STAY, "PV1|1|I|3010||PRE1").state is VisitState.PLANNED


def test_the_start_of_a_planned_stay_is_its_expected_date():
    """PV2-8, before ZBE-2."""
    visit = visit_of("A05", STAY, PV1, "PV2||||||||20260501", zbe())
    assert visit.start == datetime.fromisoformat("2026-05-01T00:00:00+02:00")


@pytest.mark.parametrize("event", ["A18", "A30", "A34", "A36", "A39", "A40"])
def test_a_merge_retires_an_identifier(event):
    """New and older merges are one fact: the patient, and the identifier that is retired."""
    (merged,) = said(event, PID, "MRG|4712^^^CHU^PI").facts
    assert isinstance(merged, PatientMerged)
    assert merged.retired == Identifier(IPP, "4712")
    assert merged.patient.identifiers == (Identifier(IPP, "4711"),)


def test_several_merges_in_one_message_are_told_each_with_its_patient():
    """The group of PID and MRG repeats, and so does the fact."""
    other = PID.replace("4711", "4713")
    facts = said("A40", PID, "MRG|4712^^^CHU", other, "PD1|", "MRG|4714^^^CHU~4715^^^CHU").facts
    assert [(f.patient.identifiers[0].value, f.retired.value) for f in facts if isinstance(f, PatientMerged)] == [
        ("4711", "4712"),
        ("4713", "4714"),
        ("4713", "4715"),
    ]


def test_a_changed_identifier_retires_the_old_one():
    """A47 with an old IPP in MRG-1 corrects the patient and retires it."""
    reported, merged = said("A47", PID, "MRG|4700^^^CHU^PI").facts
    assert isinstance(reported, PatientReported)
    assert isinstance(merged, PatientMerged)
    assert merged.retired.value == "4700"


def test_a_removed_ins_leaves_the_patient_without_it():
    """A47 that nulls the INS corrects the patient and retires nobody (PAM.FR 4.1)."""
    oid = "ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.8&ISO^INS"
    pid = PID.replace("^PI|", f'^PI~""^^^{oid}|')
    (reported,) = said("A47", pid, f"MRG|260058815400233^^^{oid}").facts
    assert reported.patient.of_kind(IdentifierKind.INS) == ()


OLD_INS, NEW_INS = "260058815400233", "279035121518989"
INS = "^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.8&ISO^INS"


@pytest.mark.parametrize(
    ("pid_3", "pid_32", "mrg", "change", "status"),
    [
        ("", "VALI", "4700^^^CHU^PI", IdentifierChange.NUMBER_REPLACED, IdentityStatus.VALIDEE),
        (f"~{NEW_INS}{INS}", "VALI", OLD_INS + INS, IdentifierChange.INS_REPLACED, IdentityStatus.QUALIFIEE),
        (f'~""{INS}', "VALI", OLD_INS + INS, IdentifierChange.INS_REMOVED, IdentityStatus.VALIDEE),
        (f'~""{INS}', "PROV~DOUT", OLD_INS + INS, IdentifierChange.INS_REMOVED, IdentityStatus.PROVISOIRE),
        (f'~""{INS}', "PROV", OLD_INS + INS, IdentifierChange.DEMOTED, IdentityStatus.RECUPEREE),
        ("", "PROV", OLD_INS + INS, IdentifierChange.DEMOTED, IdentityStatus.RECUPEREE),
    ],
)
def test_the_four_meanings_of_a_change_of_identifiers(pid_3, pid_32, mrg, change, status):
    """A47 (PAM.FR 4.1, 4.4): another IPP, another INS, no INS, no longer qualifiée; only an IPP is retired."""
    pid = PID.replace("^PI|", f"^PI{pid_3}|").replace("|PROV", f"|{pid_32}")
    reported, *merged = said("A47", pid, f"MRG|{mrg}").facts
    assert (reported.change, reported.patient.status) == (change, status)
    assert reported.correction
    assert len(merged) == (change is IdentifierChange.NUMBER_REPLACED)
    kept = [i.value for i in reported.patient.of_kind(IdentifierKind.INS)]
    assert kept == ([NEW_INS] if change is IdentifierChange.INS_REPLACED else [])


@pytest.mark.parametrize("mrg", [(), ("MRG|4711^^^CHU^PI",)])
def test_a_change_that_changes_nothing_is_a_correction_and_flagged(mrg):
    """An A47 without MRG, or that names the number in force, tells the patient."""
    found = said("A47", PID, *mrg)
    assert [type(f) for f in found.facts] == [PatientReported]
    assert "MRG-1" in {flag.path for flag in found.flags}


@pytest.mark.parametrize(
    ("event", "segments", "numbers"),
    [
        ("A49", (STAY, "MRG|4711^^^CHU^PI||NDA0^^^CHU^AN"), ["NDA1", "NDA0"]),
        ("A50", (PID, "MRG|4711^^^CHU^PI||||V8", PV1), ["NDA9", "V8"]),
    ],
)
def test_another_number_of_a_stay_is_told(event, segments, numbers):
    """An account's by A49, a visit's by A50, within one patient; whoever names two patients by it needs a person."""
    (fact,) = said(event, *segments).facts
    assert isinstance(fact, StayMoved)
    assert fact.numbers == tuple(map(number, numbers))
    with pytest.raises(PersonNeeded):
        said(event, *(s.replace("MRG|4711", "MRG|4712") for s in segments))


@pytest.mark.parametrize("event", ["A43", "A35", "A41", "A42", "A51"])
def test_moves_and_renumberings_are_for_a_person(event):
    """What moves numbers from one patient to another is never ignored: a person sees to it, and is told how."""
    with pytest.raises(UndecidedError) as caught:
        said(event, STAY, "MRG|4712^^^CHU^PI")
    assert "admissions" in caught.value.rule
    assert caught.value.rule.endswith("then resolve the message")


def number(value):
    return Identifier(IPP, value, IdentifierKind.OTHER)


@pytest.mark.parametrize(
    ("event", "segments", "numbers"),
    [
        ("A44", (STAY, "MRG|4712^^^CHU^PI||NDA1^^^CHU^AN"), ["NDA1"]),
        ("A44", (STAY, "MRG|4712^^^CHU^PI||NDA0^^^CHU^AN"), ["NDA1", "NDA0"]),
        ("A44", (PID, "MRG|4712^^^CHU^PI||NDA0^^^CHU^AN"), ["NDA0"]),
        ("A45", (STAY, "MRG|4712^^^CHU^PI||||V8", PV1), ["NDA9", "V8"]),
    ],
)
def test_a_move_names_the_stay_and_whose_it_was(event, segments, numbers):
    """An account by PID-18 and MRG-3 (A44), a visit by PV1-19 and MRG-5 (A45); MRG-1 is who had it."""
    (fact,) = said(event, *segments).facts
    assert isinstance(fact, StayMoved)
    assert (fact.former, fact.numbers) == (Identifier(IPP, "4712"), tuple(map(number, numbers)))


def test_each_visit_of_a_move_is_told():
    """A45 repeats MRG and PV1 behind one PID."""
    mrg = "MRG|4712^^^CHU^PI"
    facts = said("A45", PID, mrg, PV1, mrg, PV1.replace("NDA9", "NDA8")).facts
    assert [f.numbers for f in facts if isinstance(f, StayMoved)] == [(number("NDA9"),), (number("NDA8"),)]


@pytest.mark.parametrize(
    ("segments", "path"), [((STAY,), "MRG"), ((STAY, "MRG|"), "MRG-1"), ((PID, "MRG|4712^^^CHU^PI"), "PID-18")]
)
def test_a_move_that_names_no_stay_or_nobody_is_refused(segments, path):
    """It is answered with what is missing before anything is acknowledged."""
    error = examine(frame(header("ADT^A44"), *segments), demo_site()).error
    assert error is not None
    assert error.path == path


@pytest.mark.parametrize(("event", "apart"), [("A24", False), ("A37", True)])
def test_a_link_or_unlink_names_both_patients(event, apart):
    """Each has a PID of its own; three are for a person, one alone is reported, and flagged."""
    (fact,) = said(event, PID, PID.replace("4711", "4712")).facts
    assert isinstance(fact, PatientsLinked)
    assert [p.identifiers[0].value for p in (fact.patient, fact.other)] == ["4711", "4712"]
    assert fact.apart is apart
    with pytest.raises(UndecidedError):
        said(event, PID, PID, PID)
    assert "PID[2]" in {flag.path for flag in said(event, PID).flags}


def test_a_swap_moves_two_stays():
    """A17 has two patients, each with the place where the stay goes on."""
    second = STAY.replace("4711", "4712").replace("NDA1", "NDA2")
    facts = said("A17", STAY, PV1, second, PV1.replace("3010", "3020")).facts
    assert [(f.visit.value, f.unit) for f in facts if isinstance(f, VisitReported)] == [
        ("NDA1", "3010"),
        ("NDA2", "3020"),
    ]


def test_two_patients_in_another_event_are_for_a_person():
    """A movement of two patients at once is no known structure."""
    with pytest.raises(UndecidedError) as caught:
        said("A01", STAY, PID)
    assert caught.value.path == "PID[2]"


@pytest.mark.parametrize("event", sorted(ADT_EVENTS))
def test_every_event_ends_in_facts_a_rule_or_a_person(event):
    """No event that is taken ends in nothing."""
    former = "4711" if event in RENUMBERED else "4712"
    segments = (STAY, f"MRG|{former}^^^CHU^PI", PV1, zbe(original="A01"))
    if ADT_EVENTS[event].by_hand:
        with pytest.raises(UndecidedError):
            said(event, *segments)
    else:
        found = said(event, *segments)
        assert bool(found.facts) is not bool(found.ignored)
