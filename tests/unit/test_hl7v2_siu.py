from dataclasses import replace
from datetime import datetime

import pytest
from facts import Gateway
from sites import DEPARTMENT, PID, demo_site, frame, header

from gateway import er7
from gateway.completion import completed
from gateway.errors import UndecidedError
from gateway.facts import (
    AppointmentAct,
    AppointmentReported,
    AppointmentStatus,
    Identifier,
    IdentifierKind,
    Priority,
    Resource,
    ResourceKind,
)
from mappings.hl7v2 import translate
from mappings.hl7v2.tables import SIU_EVENTS

START, END = "202604011000", "202604011030"


def sch(**fields):
    """An SCH from its field numbers."""
    sent = {"f1": "P1", "f2": "F1", "f11": f"^^^{START}^{END}", **fields}
    return "SCH|" + "|".join(sent.get(f"f{n}", "") for n in range(1, 28)).rstrip("|")


def translated(event, *segments):
    return translate(er7.read(frame(header(f"SIU^{event}", application="AGENDA"), *segments)), DEPARTMENT, demo_site())


def said(event, *segments):
    (fact,) = translated(event, *segments).facts
    assert isinstance(fact, AppointmentReported)
    return fact


def flagged(event, *segments):
    return {flag.path for flag in translated(event, *segments).flags}


def key(value, authority="department"):
    return Identifier(authority, value, IdentifierKind.OTHER)


@pytest.mark.parametrize(
    ("event", "act", "status"),
    [
        ("S12", AppointmentAct.BOOK, AppointmentStatus.BOOKED),
        ("S13", AppointmentAct.CHANGE, AppointmentStatus.BOOKED),
        ("S14", AppointmentAct.CHANGE, AppointmentStatus.BOOKED),
        ("S15", AppointmentAct.CANCEL, AppointmentStatus.CANCELLED),
        ("S16", AppointmentAct.CANCEL, AppointmentStatus.CANCELLED),
        ("S17", AppointmentAct.CANCEL, AppointmentStatus.ENTERED_IN_ERROR),
        ("S26", AppointmentAct.CHANGE, AppointmentStatus.NOSHOW),
    ],
)
def test_the_event_says_what_happened(event, act, status):
    """Each event has its act, and a status where SCH-25 says nothing."""
    found = said(event, sch(), PID)
    assert (found.act, found.status) == (act, status)


@pytest.mark.parametrize(
    ("event", "sent", "status", "flag"),
    [
        ("S12", "Pending", AppointmentStatus.PENDING, False),
        ("S12", "WAITLIST", AppointmentStatus.WAITLIST, False),
        ("S12", "booked^Booked", AppointmentStatus.BOOKED, False),
        ("S12", "Cancelled", AppointmentStatus.BOOKED, True),
        ("S13", "Complete", AppointmentStatus.BOOKED, True),
        ("S14", "Started", AppointmentStatus.CHECKED_IN, False),
        ("S14", "complete", AppointmentStatus.FULFILLED, False),
        ("S14", "Noshow", AppointmentStatus.NOSHOW, False),
        ("S15", "Booked", AppointmentStatus.CANCELLED, True),
        ("S15", "Deleted", AppointmentStatus.ENTERED_IN_ERROR, False),
        ("S17", "Cancelled", AppointmentStatus.CANCELLED, False),
        ("S26", "Booked", AppointmentStatus.NOSHOW, True),
        ("S12", "Blocked", AppointmentStatus.BOOKED, True),
        ("S12", "Overbook", AppointmentStatus.BOOKED, True),
        ("S12", "nonsense", AppointmentStatus.BOOKED, True),
    ],
)
def test_the_status_may_not_contradict_the_event(event, sent, status, flag):
    """SCH-25 is read in any case; where it contradicts the event the event wins, and it is flagged."""
    segments = (sch(f25=sent), PID)
    assert said(event, *segments).status is status
    assert ("SCH-25" in flagged(event, *segments)) is flag


def test_all_numbers_find_the_appointment_the_fillers_first():
    """Every repetition of SCH-2, then of SCH-1; a placer's number is never a filler's."""
    found = said("S12", sch(f1="1~9^^1.2.3^ISO", f2="1~2"), PID)
    assert found.keys == (key("1"), key("2"), key("1", "department/placer"), key("9", "1.2.3"))


def test_a_number_may_be_an_oid_alone():
    """An EI that holds only EI-3 is known by it."""
    assert said("S12", sch(f1="", f2="^^1.2.3.4^ISO"), PID).keys == (key("1.2.3.4"),)


def at(text):
    return datetime.fromisoformat(f"{text}:00+02:00")


RGS = "RGS|1"
STARTS = [
    ((sch(), PID), "2026-04-01T10:00"),
    ((sch(f11=""), PID, RGS, "AIS|1||X|202604011100"), "2026-04-01T11:00"),
    ((sch(f11=""), PID, RGS, "AIL|1||U|||202604011200"), "2026-04-01T12:00"),
    ((sch(f11=""), PID, RGS, "AIP|1||D|||202604011300"), "2026-04-01T13:00"),
    ((sch(f11=""), "TQ1|1||||||202604010900", PID), "2026-04-01T09:00"),
]


@pytest.mark.parametrize(("segments", "start"), STARTS)
def test_the_start_is_found_where_it_was_put(segments, start):
    """SCH-11.4, TQ1-7, AIS-4, AIL-6, AIP-6, in this order."""
    found = said("S12", *segments)
    assert found.start == at(start)
    assert not flagged("S12", *segments)


def test_starts_that_differ_are_flagged():
    """SCH-11.4 is taken and every other start is named."""
    segments = (sch(), PID, RGS, "AIS|1||X|202604011100", "AIL|1||U|||202604011000")
    assert said("S12", *segments).start == at("2026-04-01T10:00")
    assert flagged("S12", *segments) == {"AIS-4"}


def test_an_appointment_may_have_no_start_yet():
    """Without any start there is none, nor an end."""
    found = said("S12", sch(f11="", f25="Waitlist"), PID)
    assert (found.start, found.end) == (None, None)


def test_a_start_without_time_of_day_is_flagged():
    """A date alone is its midnight, and no one should send a letter for midnight unasked."""
    assert flagged("S12", sch(f11="^^^20260401"), PID) == {"SCH-11.4"}


ENDS = [
    ({}, "2026-04-01T10:30"),
    ({"f11": f"^^^{START}", "f9": "45"}, "2026-04-01T10:45"),
    ({"f11": f"^^^{START}", "f9": "45", "f10": "MIN"}, "2026-04-01T10:45"),
    ({"f11": f"^^^{START}", "f9": "1", "f10": "h"}, "2026-04-01T11:00"),
    ({"f11": f"^^^{START}", "f9": "600", "f10": "s^seconds"}, "2026-04-01T10:10"),
]


@pytest.mark.parametrize(("fields", "end"), ENDS)
def test_the_end_is_sent_or_follows_from_the_duration(fields, end):
    """SCH-11.5, else the start and SCH-9 in its units, minutes by default."""
    assert said("S12", sch(**fields), PID).end == at(end)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"f11": f"^^^{START}", "f9": "x"}, "SCH-9"),
        ({"f11": f"^^^{START}", "f9": "2", "f10": "weeks"}, "SCH-9"),
        ({"f11": f"^^^{END}^{START}"}, "SCH-11.5"),
    ],
)
def test_an_end_that_cannot_be_is_left_out_and_flagged(fields, path):
    """A duration that cannot be read, or an end before the start, leaves the end open."""
    assert said("S12", sch(**fields), PID).end is None
    assert flagged("S12", sch(**fields), PID) == {path}


def test_place_unit_and_people_come_from_the_resources():
    """AIL has unit and place, AIP the practitioners; a resource that is taken off does not count."""
    found = said(
        "S14",
        sch(),
        PID,
        "PV1|1|O|9999",
        RGS,
        "AIL|1|D|3000^OLD",
        "AIL|2||3010^B12^^CHU^^^^^Bâtiment B",
        "AIP|1||77^DUPOND^JEAN^^^DR",
        "AIP|2|A|78^MARTIN^EVE",
    )
    assert (found.unit, found.location) == ("3010", "3010 B12 Bâtiment B")
    assert found.practitioner == "DR JEAN DUPOND, EVE MARTIN"


def test_without_resources_the_unit_is_the_visits():
    """PV1-3."""
    found = said("S12", sch(), PID, "PV1|1|O|3010^B12")
    assert (found.unit, found.location) == ("3010", "3010 B12")


@pytest.mark.parametrize(
    ("fields", "segments", "service"),
    [
        ({"f7": "CS^Consultation"}, (), ("CS", "Consultation")),
        (
            {"f7": "ROUTINE^Routine", "f8": "NORMAL"},
            ("AIS|1||ECG^Électrocardiogramme",),
            ("ECG", "Électrocardiogramme"),
        ),
        ({"f7": "ROUTINE", "f8": "HDJ^Hôpital de jour"}, (), ("HDJ", "Hôpital de jour")),
        ({"f7": "ROUTINE", "f8": "Normal"}, (), ("", "")),
    ],
)
def test_the_service_is_the_first_code_that_names_one(fields, segments, service):
    """SCH-7, AIS-3, SCH-8; the standard's reasons and types are no services."""
    found = said("S12", sch(**fields), PID, RGS, *segments)
    assert (found.service_code, found.service_text) == service


@pytest.mark.parametrize(
    ("fields", "priority"),
    [
        ({}, Priority.ROUTINE),
        ({"f11": f"^^^{START}^{END}^S"}, Priority.STAT),
        ({"f11": f"^^^{START}^{END}^A"}, Priority.URGENT),
        ({"f7": "Emergency"}, Priority.URGENT),
    ],
)
def test_the_priority_of_an_appointment(fields, priority):
    """SCH-11.6 says it, or the reason."""
    assert said("S12", sch(**fields), PID).priority is priority


def test_only_what_is_for_the_patient_is_a_note():
    """Notes behind SCH, and instructions anywhere; a nurse's note is not for the patient."""
    notes = (
        "NTE|1||Venir à jeun",
        "NTE|2||Interne||AI",
        PID,
        RGS,
        "AIS|1||X",
        "NTE|1||Infirmière",
        "NTE|2||Bras nu|PI",
    )
    found = said("S12", sch(), *(n.replace("||AI", "|AI") for n in notes))
    assert found.notes == "Venir à jeun\nBras nu"


def test_the_null_deletes_what_silence_leaves():
    """An instruction taken back is no more on the convocation; a change that says nothing of it leaves it."""
    booked = said("S12", sch(f6="CTRL^Contrôle"), "NTE|1||Venir à jeun", PID)
    silent = said("S14", sch(f11=f"^^^{START}"), PID)
    null = said("S14", sch(f6='""', f11=f'^^^{START}^""'), 'NTE|1||""', PID)
    assert completed(silent, booked) == replace(booked, act=AppointmentAct.CHANGE, reason_code="")
    after = completed(null, booked)
    assert (after.notes, after.reason, after.end) == ("", "", None)
    assert completed(silent, after) == after


def test_a_number_is_never_cut():
    """EI-1 has no parts: F&1 is not F, whose appointment would be cancelled in its place."""
    found = translated("S15", sch(f2="F&1^AG"), PID)
    assert found.facts[0].keys[0] == key("F&1", "AG")
    assert "SCH-2" in {flag.path for flag in found.flags}
    assert said("S15", sch(f2=r"F\T\1^AG"), PID).keys[0] == key("F&1", "AG")


@pytest.mark.parametrize("event", ["S18", "S19", "S20", "S21", "S22", "S23", "S24", "S25"])
def test_events_about_resources_and_slots_are_left_aside_by_name(event):
    """Where no patient is concerned they end in ignored-by-rule, with the rule's name."""
    found = translated(event, "SCH|P1|F1")
    assert found.facts == ()
    assert found.ignored in {"siu-resources", "siu-slots"}


@pytest.mark.parametrize("event", ["S18", "S19", "S20", "S21", "S22"])
def test_a_change_of_the_resources_of_a_patients_appointment_changes_it(event):
    """A consultation moved to another room is told to the patient, and so is who is no longer of it."""
    fact = said(event, sch(), PID, RGS, "AIL|1|U|3010^B4", "AIP|1|D|77^MOREL^JEAN")
    assert (fact.act, fact.status, fact.location) == (AppointmentAct.CHANGE, AppointmentStatus.BOOKED, "3010 B4")
    assert (fact.partial, fact.practitioner) == (True, "")
    assert fact.taken_off == (Resource(ResourceKind.PERSON, "77", "JEAN MOREL"),)


@pytest.mark.parametrize(
    ("event", "group", "code", "off", "partial"),
    [
        ("S12", "", "", False, False),
        ("S12", "A", "A", False, False),
        ("S14", "", "", False, False),
        ("S14", "", "U", False, True),
        ("S14", "D", "", True, True),
        ("S14", "", "D", True, True),
        ("S18", "", "", False, True),
        ("S20", "", "", True, True),
        ("S21", "", "U", False, True),
        ("S22", "", "D", True, True),
    ],
)
def test_what_an_event_says_of_a_resource(event, group, code, off, partial):
    """Segment and group codes (table 0206) say it, else the event does; a booking names all there are."""
    fact = said(event, sch(), PID, f"RGS|1|{group}", f"AIP|1|{code}|77^MOREL^JEAN")
    assert (len(fact.resources), len(fact.taken_off), fact.partial) == (not off, off, partial)


def test_every_start_that_differs_is_named():
    """Of several groups, each resource that starts at another time is flagged at its own place."""
    segments = (sch(), PID, RGS, f"AIL|1||U1|||{START}", "RGS|2", "AIL|1||U2|||202604011500")
    assert flagged("S12", *segments) == {"AIL[2]-6"}
    assert said("S12", *segments).start == at("2026-04-01T10:00")


def test_several_times_of_one_appointment_are_flagged():
    """SCH-11 repeats: the first is taken."""
    assert "SCH-11" in flagged("S12", sch(f11=f"^^^{START}~^^^202605011000"), PID)


def test_why_it_was_cancelled():
    """SCH-6, by its text."""
    assert said("S15", sch(f6="PAT^Demande du patient"), PID).reason == "Demande du patient"


def test_a_discontinued_appointment_says_what_its_event_says():
    """S16 with SCH-25 = Discontinued is no contradiction, though FHIR has no such status."""
    assert not flagged("S16", sch(f25="Discontinued"), PID)


def test_a_shared_session_is_for_a_person():
    """Several patients in one appointment are split by a person."""
    with pytest.raises(UndecidedError):
        translated("S12", sch(), PID, PID)


def filler(value, domain=""):
    return Identifier(f"department{domain}", value, IdentifierKind.OTHER)


def test_the_parent_and_the_group_of_an_appointment_are_recorded():
    """SCH-24 and SCH-23 name the appointment of which it is a part, SCH-4 the series; its own number is no parent."""
    fact = said("S12", sch(f4="G1", f23="PP~P1", f24="FP~F1"), PID)
    assert (fact.parents, fact.group) == ((filler("FP"), filler("PP", "/placer")), filler("G1", "/group"))
    assert fact.keys == (filler("F1"), filler("P1", "/placer"))


@pytest.mark.parametrize("event", ["S13", "S14", "S15", "S16"])
@pytest.mark.parametrize("numbers", [{"f1": ""}, {"f2": ""}])
def test_either_number_finds_an_appointment_of_a_series(event, numbers):
    """A change by the placer's or the filler's number alone is of that appointment, and leaves its series known."""
    gateway, source = Gateway(demo_site()), DEPARTMENT
    for kind, fields in (("S12", {"f4": "G1", "f24": "FP"}), ("S12", {"f1": "P2", "f2": "F2", "f4": "G1"})):
        gateway.send(said(kind, sch(**fields), PID), source=source, minute=1)
    gateway.send(said(event, sch(**numbers), PID), source=source, minute=2)
    first, second = (f.fact for f in gateway.store.foci.values() if isinstance(f.fact, AppointmentReported))
    assert (first.act, first.group, first.parents) == (SIU_EVENTS[event].act, filler("G1", "/group"), (filler("FP"),))
    assert second.act is AppointmentAct.BOOK
