"""What an R4 Appointment says, and how a stored one is shown."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fhir.resources.R4B.appointment import Appointment
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.fhir.validation import validate
from gateway.errors import (
    DataTypeInvalid,
    FieldMissing,
    GatewayError,
    MessageIncoherent,
    ProductionGuard,
    ResourceInvalid,
    ValueUnknown,
)
from gateway.facts import (
    AppointmentAct,
    AppointmentReported,
    AppointmentStatus,
    Identifier,
    IdentifierKind,
    IdentityStatus,
    Patient,
    Priority,
)
from gateway.focus import StoredAppointment
from gateway.site import Access, Environment, Site, Source, SourceRole
from mappings.fhir.appointment import render, translate

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
IPP = "1.2.250.1.999.1.1"
AGENDA = Source("agenda", SourceRole.DEPARTMENT, clients=("agenda-client",), authority="AGENDA-LOCAL")
INS = {
    "use": "official",
    "type": {"coding": [{"system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203", "code": "INS-NIR"}]},
    "system": "urn:oid:1.2.250.1.213.1.4.8",
    "value": "279035121518989",
}
RELIABILITY = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability"
STATUS_CODES = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-identity-status"


def site(environment=Environment.TEST):
    return Site(
        "chu",
        "CHU",
        environment,
        "CHU",
        "Europe/Paris",
        {"IPP-OLD": IPP},
        (AGENDA,),
        {},
        "accueil",
        "civ",
        (),
        Access(),
    )


def ipp(value="8001"):
    return {"type": {"coding": [{"code": "PI"}]}, "system": f"urn:oid:{IPP}", "value": value}


def resource(**more):
    given = {
        "resourceType": "Appointment",
        "identifier": [{"system": "urn:oid:1.2.250.1.999.7", "value": "RDV-1"}],
        "status": "booked",
        "start": "2031-03-04T09:00:00+01:00",
        "end": "2031-03-04T09:30:00+01:00",
        "participant": [
            {"status": "accepted", "actor": {"reference": "Patient/p1", "identifier": ipp(), "display": "NE PAS LIRE"}},
            {"status": "accepted", "actor": {"reference": "Practitioner/d1", "display": "Dr Essai"}},
            {"status": "accepted", "actor": {"type": "Location", "identifier": {"value": "2310"}, "display": "Box 4"}},
        ],
    }
    return {name: value for name, value in (given | more).items() if value is not None}


def with_patient(**patient):
    contained = {"resourceType": "Patient", "id": "p", "identifier": [ipp()]} | patient
    return resource(
        contained=[contained], participant=[{"status": "accepted", "actor": {"reference": "#p", "type": "Patient"}}]
    )


def reliability(code, *, url=RELIABILITY, system=STATUS_CODES, part="identityStatus", comment=None):
    parts = [{"url": part, "valueCoding": {"system": system, "code": code}}]
    if comment:
        parts.append({"url": "comment", "valueCodeableConcept": {"coding": [{"code": comment}]}})
    return [{"url": url, "extension": parts}]


def fact_of(given, act="create", where=None):
    return translate(given, act, AGENDA, where or site()).facts[0]


def test_appointment_is_read():
    """Keys, times, place, practitioner and unit come from where R4 and the French profile put them."""
    fact = fact_of(
        resource(
            serviceType=[{"coding": [{"code": "CS-CARDIO", "display": "Consultation de cardiologie"}]}],
            patientInstruction="Venir à jeun",
        )
    )
    assert fact.keys == (Identifier("1.2.250.1.999.7", "RDV-1", IdentifierKind.OTHER),)
    assert fact.patient == Patient((Identifier(IPP, "8001"),))
    assert (fact.start, fact.end) == (datetime(2031, 3, 4, 8, tzinfo=UTC), datetime(2031, 3, 4, 8, 30, tzinfo=UTC))
    assert (fact.unit, fact.location, fact.practitioner) == ("2310", "Box 4", "Dr Essai")
    assert (fact.service_code, fact.service_text) == ("CS-CARDIO", "Consultation de cardiologie")
    assert fact.notes == "Venir à jeun"


def test_display_is_no_trait():
    """A patient's display never becomes a trait."""
    assert fact_of(resource()).patient.traits.birth_family_name == ""


@pytest.mark.parametrize(
    ("act", "status", "expected"),
    [
        ("create", "booked", AppointmentAct.BOOK),
        ("create", "proposed", AppointmentAct.BOOK),
        ("create", "pending", AppointmentAct.BOOK),
        ("create", "fulfilled", AppointmentAct.DECLARE),
        ("create", "cancelled", AppointmentAct.CANCEL),
        ("update", "booked", AppointmentAct.DECLARE),
        ("update", "noshow", AppointmentAct.DECLARE),
        ("update", "cancelled", AppointmentAct.CANCEL),
        ("update", "entered-in-error", AppointmentAct.CANCEL),
    ],
)
def test_act_follows_interaction_and_status(act, status, expected):
    """A creation books, an update declares the whole state, and either may cancel."""
    fact = fact_of(resource(status=status), act)
    assert fact.act is expected
    assert fact.status == status


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (None, Priority.ROUTINE),
        (0, Priority.ROUTINE),
        (1, Priority.STAT),
        (2, Priority.URGENT),
        (4, Priority.URGENT),
        (5, Priority.ROUTINE),
        (9, Priority.ROUTINE),
    ],
)
def test_priority_is_icalendars(number, expected):
    """0 is undefined, 1 the highest and 5 medium."""
    assert fact_of(resource(priority=number)).priority is expected


def test_own_time_is_last_updated():
    """The sender's meta.lastUpdated orders the facts; without it there is no own time."""
    told = translate(resource(meta={"lastUpdated": "2031-01-02T03:04:05.678Z"}), "update", AGENDA, site())
    assert told.occurred_at == datetime(2031, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert translate(resource(), "update", AGENDA, site()).occurred_at is None


def test_every_element_is_counted():
    """Elements that no rule reads are named, and all are counted (promise P5)."""
    told = translate(resource(comment="x", slot=[{"reference": "Slot/1"}]), "create", AGENDA, site())
    assert told.kept == ("comment", "slot")
    assert dict(told.segments)["participant"] == 3
    assert len(told.segments) == len(resource()) + 2


def test_identifier_without_system_is_of_the_source():
    """The source's own authority stands in where the sender names none."""
    fact = fact_of(resource(identifier=[{"value": "7"}]))
    assert fact.keys == (Identifier("AGENDA-LOCAL", "7", IdentifierKind.OTHER),)


def test_authority_aliases_are_followed():
    """A namespace that the site's data maps means the mapped authority."""
    participants = [{"status": "accepted", "actor": {"type": "Patient", "identifier": ipp() | {"system": "IPP-OLD"}}}]
    assert fact_of(resource(participant=participants)).patient.identifiers == (Identifier(IPP, "8001"),)


@pytest.mark.parametrize(
    ("given", "error", "path"),
    [
        (resource(identifier=None), FieldMissing, "Appointment.identifier"),
        (resource(identifier=[{"system": "urn:oid:1.2"}]), FieldMissing, "Appointment.identifier"),
        (resource(participant=[{"status": "accepted", "actor": {}}]), FieldMissing, "Appointment.participant"),
        (
            resource(participant=[{"status": "accepted", "actor": {"reference": "Patient/p1", "display": "X Y"}}]),
            FieldMissing,
            "Appointment.participant[0].actor.identifier",
        ),
        (with_patient(identifier=[]), FieldMissing, "Appointment.contained[0].identifier"),
        (with_patient(identifier=[INS]), FieldMissing, "Appointment.contained[0].identifier"),
        (resource(status=None), FieldMissing, "Appointment.status"),
        (resource(status="Dupont"), ValueUnknown, "Appointment.status"),
        (resource(start=None, end=None), FieldMissing, "Appointment.start"),
        (resource(start="2031-03-04T09:00:00"), DataTypeInvalid, "Appointment.start"),
        (resource(end="2030-03-04T09:00:00Z"), MessageIncoherent, "Appointment.end"),
        (resource(participant=resource()["participant"] * 2), MessageIncoherent, "Appointment.participant"),
        (resource(resourceType="Patient"), ResourceInvalid, "resourceType"),
        (resource(modifierExtension=[{"url": "x"}]), ResourceInvalid, "Appointment.modifierExtension"),
        (with_patient(implicitRules="x"), ResourceInvalid, "Appointment.contained[0].implicitRules"),
    ],
)
def test_what_cannot_be_taken_is_located(given, error, path):
    """An error names the FHIRPath of what is wrong."""
    with pytest.raises(error) as caught:
        translate(given, "create", AGENDA, site())
    assert caught.value.path == path


def test_contained_patient_gives_traits():
    """Official name, usual name, sex, birth date and place are read as the traits they are."""
    patient = fact_of(
        with_patient(
            name=[
                {
                    "use": "official",
                    "family": "ESSAI",
                    "given": ["JEANNE", "MARIE"],
                    "extension": [
                        {
                            "url": "https://hl7.fr/ig/fhir/core/StructureDefinition/"
                            "fr-core-patient-birth-list-given-name",
                            "valueString": "JEANNE MARIE CECILE",
                        }
                    ],
                },
                {"use": "usual", "family": "EPREUVE", "given": ["MARIE"]},
            ],
            gender="female",
            birthDate="1958-03",
            multipleBirthInteger=2,
            extension=[
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
                    "valueAddress": {
                        "extension": [
                            {
                                "url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code",
                                "valueCoding": {"code": "63220"},
                            }
                        ]
                    },
                }
            ],
        )
    ).patient
    traits = patient.traits
    assert (traits.birth_family_name, traits.used_family_name) == ("ESSAI", "EPREUVE")
    assert (traits.first_given_name, traits.used_given_name) == ("JEANNE", "MARIE")
    assert traits.given_names == "JEANNE MARIE CECILE"
    assert (traits.birth_date, traits.sex, traits.birth_place_code) == ("1958-03", "F", "63220")
    assert traits.multiple_birth_rank == "2"


def test_only_a_usual_name_stays_a_usual_name():
    """No trait is filled from another one (EXI SI 19, EXI SI 21)."""
    traits = fact_of(with_patient(name=[{"use": "usual", "family": "EPREUVE"}])).patient.traits
    assert (traits.birth_family_name, traits.used_family_name) == ("", "EPREUVE")


@pytest.mark.parametrize(
    ("extension", "has_ins", "expected"),
    [
        ([], False, IdentityStatus.PROVISOIRE),
        (reliability("PROV"), False, IdentityStatus.PROVISOIRE),
        (reliability("RECUP"), False, IdentityStatus.RECUPEREE),
        (reliability("VALI"), False, IdentityStatus.VALIDEE),
        (reliability("QUAL"), True, IdentityStatus.QUALIFIEE),
        (reliability("VALI"), True, IdentityStatus.VALIDEE),
        (reliability("VALI", system="https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0445"), True, "qualifiée"),
        (
            reliability(
                "VALI",
                url="http://interopsante.org/fhir/StructureDefinition/FrPatientIdentReliability",
                system="http://interopsante.org/CodeSystem/v2-0445",
                part="identityReliability",
            ),
            False,
            IdentityStatus.VALIDEE,
        ),
        (reliability("QUAL", comment="DOUT"), True, IdentityStatus.PROVISOIRE),
    ],
)
def test_status_is_read_in_both_forms(extension, has_ins, expected):
    """FR Core 2.2 and what came before it both tell one of the four RNIV statuses."""
    patient = fact_of(with_patient(extension=extension, identifier=[ipp(), *([INS] if has_ins else [])])).patient
    assert patient.status == expected
    assert bool(patient.of_kind(IdentifierKind.INS)) is has_ins


def test_contained_actors_are_shown_by_name():
    """A contained practitioner or service is shown by its name, and the service's identifier is the unit."""
    doctor = {"resourceType": "Practitioner", "id": "d", "name": [{"prefix": ["Dr"], "family": "Essai"}]}
    service = {"resourceType": "HealthcareService", "id": "s", "name": "Cardiologie", "identifier": [{"value": "2310"}]}
    place = {"actor": {"type": "Location", "identifier": {"value": "BOX4"}}}
    patient = {"actor": {"type": "Patient", "identifier": ipp()}}
    actors = [{"actor": {"reference": "#d"}}, {"actor": {"reference": "#s"}}, place, patient]
    fact = fact_of(resource(contained=[doctor, service], participant=actors))
    assert (fact.practitioner, fact.unit, fact.location) == ("Dr Essai", "2310", "BOX4")


def test_former_identifier_finds_nobody():
    """An identifier that is no longer in use is kept, and never used to find a person."""
    patient = fact_of(with_patient(identifier=[ipp() | {"use": "old"}, ipp("8002"), {"system": "urn:x"}])).patient
    assert [i.kind for i in patient.identifiers] == [IdentifierKind.OTHER, IdentifierKind.PATIENT]


def test_name_without_use_is_flagged():
    """A name that does not say what it is is read as the official one, and said to be."""
    told = translate(with_patient(name=[{"family": "ESSAI"}]), "create", AGENDA, site())
    assert told.facts[0].patient.traits.birth_family_name == "ESSAI"
    assert [flag.path for flag in told.flags] == ["Appointment.contained[0].name[0]"]


def test_attributes_are_read():
    """A comment tells an attribute of the identity."""
    patient = fact_of(with_patient(extension=reliability("VALI", comment="HOMA"))).patient
    assert patient.attributes == {"HOMA"}


def test_billing_nir_is_no_ins():
    """The NIR of billing has the OID of the INS, and finds nobody."""
    nir = INS | {"type": {"coding": [{"code": "NH"}]}}
    patient = fact_of(with_patient(identifier=[ipp(), nir], extension=reliability("QUAL"))).patient
    assert [i.kind for i in patient.identifiers] == [IdentifierKind.PATIENT, IdentifierKind.OTHER]


@pytest.mark.parametrize("oid", ["1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11"])
def test_production_guard(oid):
    """An INS of test or demonstration is refused in production, and taken on a test site."""
    given = with_patient(identifier=[ipp(), INS | {"system": f"urn:oid:{oid}"}])
    assert fact_of(given).patient.of_kind(IdentifierKind.INS)
    with pytest.raises(ProductionGuard) as caught:
        fact_of(given, where=site(Environment.PRODUCTION))
    assert caught.value.path == "Appointment.contained[0].identifier[1].system"


def test_test_label_is_guarded():
    """What its sender labels as test data never enters production."""
    given = resource(meta={"security": [{"code": "HTEST"}]})
    assert fact_of(given).status == "booked"
    with pytest.raises(ProductionGuard):
        fact_of(given, where=site(Environment.PRODUCTION))


@pytest.mark.parametrize(
    "profile",
    [
        "http://interopsante.org/fhir/StructureDefinition/FrAppointment",
        "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-appointment|2.1.0",
    ],
)
def test_both_french_canonicals_are_known(profile):
    """Old and new canonicals of the French profile raise no flag; another one does."""
    assert translate(resource(meta={"profile": [profile]}), "create", AGENDA, site()).flags == ()
    other = translate(resource(meta={"profile": ["http://example.org/p"]}), "create", AGENDA, site())
    assert [flag.path for flag in other.flags] == ["Appointment.meta.profile[0]"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(resource())), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*resource(), "contained", "meta", "priority"]), json_values, max_size=4))
def test_any_json_is_read_or_refused(more):
    """Whatever stands in an Appointment, it is read, or refused by an error of the tree."""
    with suppress(GatewayError):
        assert len(translate(resource() | more, "create", AGENDA, site()).facts) == 1


def stored(fact, body=b""):
    return StoredAppointment("5f0c", 3, datetime(2031, 1, 1, tzinfo=UTC), fact, body)


def test_received_resource_is_given_back():
    """What came by FHIR is shown as received, with our id, version and time."""
    given = resource(id="theirs", comment="à garder", meta={"profile": ["http://example.org/p"]})
    shown = render(stored(fact_of(given), json.dumps(given).encode()))
    assert shown["id"] == "5f0c"
    assert shown["meta"] == {
        "profile": ["http://example.org/p"],
        "versionId": "3",
        "lastUpdated": "2031-01-01T00:00:00.000+00:00",
    }
    assert {k: v for k, v in shown.items() if k not in {"id", "meta"}} == {
        k: v for k, v in given.items() if k not in {"id", "meta"}
    }


@pytest.mark.parametrize("status", list(AppointmentStatus))
@pytest.mark.parametrize("start", [None, datetime(2031, 1, 1, tzinfo=UTC)])
def test_fact_of_hl7_is_shown_as_valid_r4(status, start):
    """What came by HL7 v2 is shown as an R4 Appointment, absent times said to be absent."""
    keys = (Identifier("AGENDA", "1"), Identifier("1.2.250.1.999.7", "2"))
    patient = Patient((Identifier(IPP, "8001"),))
    fact = AppointmentReported(
        patient, keys, AppointmentAct.BOOK, status, start, unit="2310", practitioner="Dr Essai", service_code="CS"
    )
    shown = render(stored(fact))
    validate(shown, Appointment)
    assert ("start" in shown) is (start is not None)
    assert ("end" in shown or "_end" in shown) is ("start" in shown or "_start" in shown)
    if start:
        again = fact_of(shown | {"meta": {}})
        assert (again.patient, again.unit, again.start, again.status) == (patient, "2310", start, status)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside this checkout")
@pytest.mark.parametrize("name", ["fhir", "ITI.Scheduling"])
def test_corpus_appointments_are_read_or_located(name):
    """Published appointments are valid here; without a patient identifier they are refused at its place."""
    for file in sorted((CORPUS / name).glob("*ppointment*.json")):
        given = json.loads(file.read_text())
        validate(given, Appointment)
        with pytest.raises(FieldMissing) as caught:
            translate(given, "create", AGENDA, site())
        assert caught.value.path.startswith(("Appointment.participant[", "Appointment.identifier"))
        for participant in given["participant"]:
            if participant.get("actor", {}).get("reference", "").startswith("Patient/"):
                participant["actor"]["identifier"] = ipp()
        fact = fact_of(given | {"identifier": [{"system": "urn:oid:1.2.3", "value": "1"}]})
        assert fact.status == given["status"]
