"""The demonstration's scenario is what it says it is: valid numbers, readable messages, all that must be in it."""

import base64
import json
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from adapters.demo import messages, patients
from adapters.demo.patients import PATIENTS, SENSITIVE
from adapters.demo.run import last_morning, service_environment
from adapters.demo.scenario import morning
from adapters.demo.steps import APPLICATIONS, Step
from adapters.fhir import validation
from gateway import er7
from gateway.errors import GatewayError
from gateway.facts import (
    Abnormality,
    AppointmentReported,
    AppointmentStatus,
    DocumentReported,
    IdentityStatus,
    ResultReported,
    ResultStatus,
    Translation,
)
from gateway.reception import State
from mappings.fhir import appointment
from mappings.hl7v2 import examine, translate
from mappings.ins import nir_key_holds
from mappings.site import DEMO, load_site
from mappings.texts import keys

TODAY = date(2026, 3, 2)
SITE = load_site(DEMO)
STEPS = morning(TODAY).steps
TAKEN = [s for s in STEPS if s.ending in {State.PROCESSED, State.DUPLICATE}]


def _translated(step: Step) -> Translation:
    if step.method == "MLLP":
        examination = examine(step.payload, SITE)
        assert examination.error is None
        assert examination.message is not None
        assert examination.source is not None
        assert examination.source.id == step.source
        return translate(examination.message, examination.source, SITE)
    source = SITE.source(step.source)
    assert source is not None
    act = "create" if step.method == "POST" else "update"
    return appointment.translate(validation.appointment(step.payload), act, source, SITE)


FACTS = [fact for step in TAKEN for fact in _translated(step).facts]


def test_every_matricule_has_a_valid_key_and_the_test_oid() -> None:
    """Each INS used is a NIR of 15 digits whose key holds, under the OID of test matricules."""
    matricules = [p.ins for p in PATIENTS if p.ins]
    assert len(matricules) >= 5
    assert all(nir_key_holds(matricule) for matricule in matricules)
    assert patients.INS_TEST_OID == "1.2.250.1.213.1.4.10"


def test_the_key_is_that_of_a_published_sample() -> None:
    """The key of a NIR published by the ANS comes out as it stands there."""
    assert patients.nir_key("2790351215189") == "89"


def test_names_can_be_told_from_everything_else() -> None:
    """Each name has at least five letters and is part of no id of the site, so that a leak is found by searching it."""
    names = {name for p in PATIENTS for name in (p.family, p.used_family, *p.given) if name}
    ids = " ".join((*SITE.secretariats, *(s.id for s in SITE.sources), *(r.name for r in SITE.rules))).upper()
    assert all(len(name) >= 5 and name.isalpha() for name in names)
    assert not [name for name in names if name in ids]


def test_what_is_sensitive_is_all_that_the_messages_tell_of_patients() -> None:
    """Names, identifiers, addresses, telephones and dates of birth of every PID stand in the set the leak test uses."""
    told = set()
    for step in STEPS:
        for pid in re.findall(rb"PID\|[^\r]*", step.payload):
            fields = pid.decode("latin-1" if b"8859/1" in step.payload else "utf-8").split("|")
            told |= {cx.split("^")[0] for cx in fields[3].split("~")} | {fields[7]}
            told |= {part for xpn in fields[5].split("~") for part in xpn.split("^")[:2]}
            told |= {xad.split("^")[0] for xad in fields[11].split("~")} | {fields[13].split("^")[-1]}
    assert told - {""} <= SENSITIVE


def test_the_domains_are_those_of_the_site() -> None:
    """The OIDs that messages name are those of the demo site's authorities, and each source sends under its name."""
    oids = {patients.IPP_OID, patients.LABORATORY_OID, patients.STAY_OID, patients.APPOINTMENT_OID}
    assert set(SITE.authorities.values()) == oids
    assert all(SITE.source_of(name, "CHU-DEMO").id == source for source, name in APPLICATIONS.items())


def test_the_morning_has_at_least_sixty_messages_each_with_one_sentence() -> None:
    """Sixty messages or more, each told in one line of the page."""
    assert len(STEPS) >= 60
    assert all(0 < len(step.tells) <= 66 for step in STEPS)


@pytest.mark.parametrize("step", TAKEN, ids=lambda s: s.tells)
def test_every_message_that_is_taken_can_be_translated(step: Step) -> None:
    """What is to be processed is read without a flag, but for the newcomer, who writes an older HL7."""
    translation = _translated(step)
    assert translation.facts
    assert step.source == "other" or not translation.flags


@pytest.mark.parametrize("step", [s for s in STEPS if s.answer in {"AE", "AR"}], ids=lambda s: s.tells)
def test_every_message_that_is_refused_is_refused_before_the_acknowledgment(step: Step) -> None:
    """A negative acknowledgment is due to what the message itself shows."""
    error = examine(step.payload, SITE).error
    assert error is not None
    assert error.acknowledgment == step.answer


@pytest.mark.parametrize("step", [s for s in STEPS if s.answer == "422"], ids=lambda s: s.tells)
def test_every_wrong_resource_is_wrong(step: Step) -> None:
    """A resource that is to be refused breaks a rule of FHIR, or lacks what an appointment needs."""
    with pytest.raises(GatewayError):
        _translated(step)


@pytest.mark.parametrize(
    "kind",
    [
        *(f"ADT^{event}" for event in ("A28", "A01", "A02", "A03", "A05", "A31", "A38", "A40")),
        *(f"SIU^{event}" for event in ("S12", "S13", "S15")),
        *(f"MDM^{event}" for event in ("T02", "T04", "T10")),
        *("ORU^R01", "DFT^P03"),
    ],
)
def test_the_morning_has_every_event_of_the_trade(kind: str) -> None:
    """Each kind of message that the demonstration promises is in it."""
    assert any(f"|{kind}".encode() in step.payload for step in STEPS)


def test_identities_are_told_by_the_french_profile() -> None:
    """Every ADT of admissions says PAM.FR 2.11; movements have ZBE-3 empty, an action and a unit with its code."""
    frames = [step.payload.decode() for step in STEPS if step.source == "admissions"]
    assert all("|2.5^FRA^2.11|" in f and "2.11^IHE_FRANCE-2.11-PAM\r" in f for f in frames)
    movements = [line.split("|") for f in frames for line in f.split("\r") if line.startswith("ZBE|")]
    assert len(movements) >= 10
    assert all(z[3] == "" and z[4] in {"INSERT", "CANCEL"} and z[7].split("^")[9].isdigit() for z in movements)


def test_documents_hold_a_real_pdf() -> None:
    """Every MDM follows the CI-SIS profile and holds a PDF whose cross-reference table points where its objects are."""
    documents = [step.payload.decode() for step in STEPS if b"|MDM^" in step.payload]
    assert all("|2.1^CISIS_CDA_HL7_V2\r" in text for text in documents)
    for text in documents:
        content = base64.b64decode(re.search(r"\^Base64\^([^|]*)\|", text)[1])
        assert content.startswith(b"%PDF-1.4")
        start = int(re.search(rb"startxref\n(\d+)", content)[1])
        assert content[start:].startswith(b"xref")
        places = [int(p) for p in re.findall(rb"(\d{10}) 00000 n", content)]
        assert all(content[p:].startswith(b"%d 0 obj" % n) for n, p in enumerate(places, start=1))
    assert any(isinstance(f, DocumentReported) and f.media_type == "application/pdf" for f in FACTS)


def test_the_laboratory_tells_a_critical_and_a_corrected_result() -> None:
    """A critical potassium, and one order that goes from preliminary by final to corrected."""
    results = [f for f in FACTS if isinstance(f, ResultReported)]
    assert any(o.code == "2823-3" and o.abnormality is Abnormality.CRITICAL for r in results for o in r.observations)
    of_one_order = [r.status for r in results if r.key.value.startswith("BIO-501/")]
    assert of_one_order == [ResultStatus.PRELIMINARY, ResultStatus.FINAL, ResultStatus.CORRECTED]


def test_both_agendas_book_move_and_cancel() -> None:
    """By SIU and by FHIR an appointment is booked, gets another start, and one is cancelled, in the weeks to come."""
    for source in ("agenda-hl7", "agenda-fhir"):
        told = [f for s in TAKEN if s.source == source for f in _translated(s).facts if s.ending is State.PROCESSED]
        assert all(isinstance(f, AppointmentReported) and f.start.date() > TODAY for f in told)
        starts = {(f.keys, f.start) for f in told}
        assert len(starts) > len({f.keys for f in told})
        assert AppointmentStatus.CANCELLED in {f.status for f in told}


def test_what_is_odd_occurs() -> None:
    """A duplicate, Latin-1 with accents, a Z segment of a site's own, a frame that is no HL7, S13 before its S12."""
    endings = Counter(step.ending for step in STEPS)
    assert endings[State.DUPLICATE] >= 2
    assert endings[State.IGNORED] == 1
    latin = [s.payload for s in STEPS if b"|8859/1|" in s.payload]
    assert latin
    assert all("BÉRANGÉVAL".encode("latin-1") in payload for payload in latin)
    assert any(b"\rZCH|" in s.payload for s in STEPS)
    assert any(s.method == "MLLP" and not s.payload.startswith(b"MSH") for s in STEPS)
    waiting = [s.payload.split(b"|")[8] for s in STEPS if b"RDV-4104" in s.payload]
    assert [kind[:7] for kind in waiting] == [b"SIU^S13", b"SIU^S12"]


def test_only_qualified_identities_have_an_ins() -> None:
    """An INS comes with VALI and makes the identity qualifiée; without one it is provisional (PAM.FR 6.6)."""
    for fact in FACTS:
        statuses = {IdentityStatus.QUALIFIEE, IdentityStatus.PROVISOIRE}
        assert fact.patient.status in statuses


def test_every_message_can_be_read_without_loss() -> None:
    """Bytes in are bytes out for every frame that is HL7."""
    for step in STEPS:
        if step.payload.startswith(b"MSH"):
            assert bytes(er7.read(step.payload)) == step.payload


def test_the_expectations_name_what_exists() -> None:
    """Expected queues are the site's, titles are in the catalogue, and the appointments are among those sent."""
    expected = morning(TODAY).expected
    assert set(expected.queues) == set(SITE.secretariats)
    assert {item.title for queue in expected.queues.values() for item in queue} <= keys("title")
    sent = b"".join(step.payload for step in STEPS)
    assert all(number.encode() in sent for number in expected.live)


def test_nothing_in_the_morning_depends_on_the_year() -> None:
    """The same morning of another date differs in dates alone: same messages, answers and endings."""
    later = morning(TODAY + timedelta(days=1_000)).steps
    assert [(s.source, s.method, s.tells, s.answer, s.ending) for s in later] == [
        (s.source, s.method, s.tells, s.answer, s.ending) for s in STEPS
    ]
    assert {s.payload for s in later} & {s.payload for s in STEPS} <= {
        s.payload for s in STEPS if not s.payload.startswith(b"MSH")
    }


def test_no_message_of_the_morning_comes_from_the_future() -> None:
    """The morning played is the last one that is over, whatever the hour."""
    for hour in range(24):
        now = datetime(2026, 3, 3, hour, tzinfo=UTC)
        stamps = re.findall(r"\|SECRETARIAT\|CHU-DEMO\|(\d{14}[+-]\d{4})\|", _everything(last_morning(now)))
        assert len(stamps) >= 60
        assert max(datetime.strptime(stamp, "%Y%m%d%H%M%S%z") for stamp in stamps) < now


def _everything(today: date) -> str:
    return "".join(step.payload.decode("latin-1") for step in morning(today).steps)


def test_the_service_of_the_demonstration_takes_only_what_it_should_from_the_environment() -> None:
    """Database, broker and log level of the operator are kept; site, ports and settings file are the demo's own."""
    given = {"PATH": "/bin", "GATEWAY_CONFIG": "f", "GATEWAY_SITE": "s", "GATEWAY_BROKER_URL": "amqp://b/"}
    made = service_environment(given | {"GATEWAY_MLLP_PORT": "2575"}, Path("/somewhere"))
    assert made == {
        "PATH": "/bin",
        "GATEWAY_BROKER_URL": "amqp://b/",
        "GATEWAY_DATABASE_URL": "sqlite:////somewhere/gateway.db",
        "GATEWAY_MLLP_PORT": "0",
        "GATEWAY_HTTP_PORT": "0",
        "GATEWAY_SITE": str(DEMO),
    }


def test_a_segment_is_written_by_field_numbers() -> None:
    """Fields stand at their numbers, MSH's separator counted as its first."""
    assert messages.segment("PV1", {2: "I", 4: "x"}) == "PV1||I||x"
    assert messages.segment("MSH", {2: "^~", 4: "y"}) == "MSH|^~||y"


def test_fhir_bodies_are_json() -> None:
    """Every request's body is a JSON object."""
    assert all(isinstance(json.loads(s.payload), dict) for s in STEPS if s.method != "MLLP")
