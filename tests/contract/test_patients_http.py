"""Other systems find patients over FHIR, on each store: as the profiles say, audited, and nobody they may not find."""

import json
from datetime import UTC, datetime

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.parameters import Parameters
from messages import AUTHORITY, merge, message, patient_told, pid, result
from sites import demo_site
from sqlalchemy import select, update
from starlette.applications import Starlette
from stores import SITE
from structlog.testing import capture_logs

from adapters.fhir import patients
from adapters.fhir.validation import validate
from adapters.identity_operations import IdentityOperations
from adapters.patient_operations import PatientOperations
from adapters.store import schema
from adapters.store.audit import AuditQuery
from adapters.store.identity_desk import IdentityDesk
from adapters.store.patients import Patients
from gateway.audit import AuditAction
from gateway.decision import DecisionKind
from gateway.principal import Principal, PrincipalKind, Right
from gateway.site import Access, Matching

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
KEY = ed25519.Ed25519PrivateKey.generate()
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
RIGHTS = frozenset({Right.PATIENT_CROSS_REFERENCE, Right.PATIENT_READ, Right.PATIENT_MATCH})
CLIENTS = {
    "portal": Principal("portal", PrincipalKind.MACHINE, rights=RIGHTS),
    "desk": Principal("desk", PrincipalKind.MACHINE, rights=RIGHTS | {Right.PATIENT_READ_HIDDEN}),
    "sender": Principal("sender", PrincipalKind.MACHINE, rights=frozenset({Right.SEND})),
}
SERVED = demo_site(
    sources=SITE.sources,
    access=Access(clients=CLIENTS, client_keys=dict.fromkeys(CLIENTS, PEM)),
    matching=Matching(),
)
LAB = "1.2.250.1.999.2"
IPP = f"urn:oid:{AUTHORITY}"
NIR = "urn:oid:1.2.250.1.213.1.4.10"
INS_VALUE = "258032934515608"


@pytest.fixture
async def http(store):
    def operations(principal):
        found = Patients(store.database, store.work)
        return PatientOperations(principal, found, store.trail, SERVED, lambda: NOW)

    app = Starlette(routes=patients.create_routes(operations, store.trail, SERVED, lambda: NOW))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        yield client


def signed(client="portal", **headers):
    token = jwt.encode({"iss": client, "aud": SERVED.id, "exp": NOW.timestamp() + 60}, KEY, algorithm="EdDSA")
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json", **headers}


def issue(response, status):
    assert response.status_code == status, response.text
    validate(response.json(), OperationOutcome)
    return response.json()["issue"][0]


def bundle(response):
    assert response.status_code == 200, response.text
    validate(response.json(), Bundle)
    return response.json()


def references(response):
    assert response.status_code == 200, response.text
    validate(response.json(), Parameters)
    said = response.json().get("parameter", [])
    return {(p["valueIdentifier"]["system"], p["valueIdentifier"]["value"]) for p in said if "valueIdentifier" in p}


def department(control_id, number, *, when=2, **traits):
    """A department tells of a patient by its own number alone."""
    said = pid(number, **traits).replace(f"CHU&{AUTHORITY}", f"&{LAB}")
    return message("ADT^A04^ADT_A01", control_id, said, "PV1||O|3201", application="LAB", when=when)


def qualified(control_id, ipp, **traits):
    """Admissions tells of a qualified identity."""
    raw = patient_told(control_id, ipp, **traits)
    ins = f"&ISO^PI~{INS_VALUE}^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS|"
    return raw.replace(b"&ISO^PI|", ins.encode(), 1).rstrip(b"\r") + b"|" * 24 + b"VALI\r"


async def pix(http, number, *targets, by="portal", system=IPP):
    asked = [("sourceIdentifier", f"{system}|{number}"), *(("targetSystem", target) for target in targets)]
    return await http.get("/fhir/Patient/$ihe-pix", params=asked, headers=signed(by))


def events(store, action):
    return [e for e in store.trail.search(AuditQuery(limit=1_000)) if e.action == action]


async def test_a_number_leads_to_the_others_of_its_person(store, http):
    """IPP, retired IPP and INS of one person are cross-referenced, in all domains or in those asked for."""
    store.process(qualified("C1", "8001"), patient_told("C2", "8002", when=1), merge("C3", "8001", "8002", when=3))
    assert references(await pix(http, "8001")) == {(NIR, INS_VALUE)}
    assert references(await pix(http, "8002")) == {(IPP, "8001"), (NIR, INS_VALUE)}
    assert references(await pix(http, INS_VALUE, IPP, system=NIR)) == {(IPP, "8001")}
    assert references(await pix(http, "8001", f"urn:oid:{LAB}")) == set()
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "sourceIdentifier", "valueIdentifier": {"system": IPP, "value": "8002"}},
            {"name": "targetSystem", "valueUri": IPP},
        ],
    }
    by_body = await http.post("/fhir/Patient/$ihe-pix", content=json.dumps(body), headers=signed())
    assert references(by_body) == {(IPP, "8001")}
    told = events(store, AuditAction.PATIENT_CROSS_REFERENCED)
    assert [len(e.patients) for e in told] == [2] * 5
    assert {e.principal for e in told} == {"portal"}


async def test_a_link_of_the_desk_is_followed_and_an_undo_too(store, http):
    """A department's own number leads to the IPP from the link on, and no more once it is undone."""
    store.process(patient_told("C1", "8001"), department("C2", "L1"))
    record = schema.identity.c
    ids = [r.id for r in store.rows(select(record.id).order_by(record.authority))]
    nadia = Principal("nadia", PrincipalKind.PERSON, rights=frozenset(Right))
    desk = IdentityOperations(nadia, IdentityDesk(store.database, store.work), store.trail, store.decider())
    assert references(await pix(http, "L1", system=f"urn:oid:{LAB}")) == set()
    number = desk.decide(DecisionKind.LINK, *ids, "the same person").decision.number
    assert references(await pix(http, "L1", system=f"urn:oid:{LAB}")) == {(IPP, "8001")}
    assert references(await pix(http, "8001")) == {(f"urn:oid:{LAB}", "L1")}
    desk.undo(number, "it was her sister")
    assert references(await pix(http, "L1", system=f"urn:oid:{LAB}")) == set()


async def test_pixm_says_what_is_unknown_as_the_profile_does(store, http):
    """ITI-83: unknown number 404, unknown source domain 400, unknown target domain 403; and each is audited."""
    store.process(patient_told("C1", "8001"))
    assert issue(await pix(http, "9999"), 404)["code"] == "not-found"
    assert issue(await pix(http, "8001", system="urn:oid:1.2.3.4"), 400)["code"] == "code-invalid"
    assert issue(await pix(http, "8001", "urn:oid:1.2.3.4"), 403)["code"] == "code-invalid"
    assert issue(await http.get("/fhir/Patient/$ihe-pix", headers=signed()), 400)["code"] == "invalid"
    assert len(events(store, AuditAction.PATIENT_CROSS_REFERENCED)) == 3


async def test_the_number_of_a_doubt_is_no_number(store, http):
    """A provisional record of ours has no number that leaves the house, nor does one lead to it."""
    contradicting = result("C2", "8001", "O2", when=3).replace(b"FABULAIRE", b"AUTREMENT")
    store.process(patient_told("C1", "8001"), contradicting)
    record = schema.identity.c
    (ours,) = [r.value for r in store.rows(select(record.value).where(record.authority.like("urn:%")))]
    assert references(await pix(http, "8001")) == set()
    assert issue(await pix(http, ours, system="urn:secretariat-gateway:provisional"), 400)["code"] == "code-invalid"


async def test_nothing_is_told_of_who_is_frozen(store, http):
    """Whose the numbers of a frozen person are is what is asked: none is told, by PIXm or in a Patient."""
    store.process(qualified("C1", "8001"), department("C2", "L1"))
    with store.database.write() as connection:
        connection.execute(update(schema.identity).values(frozen=True))
    store.process(qualified("C3", "8001", when=5, given="ODILE"), patient_told("C4", "8001", when=6, event="A31"))
    assert references(await pix(http, "8001")) == set()
    found = bundle(await http.get("/fhir/Patient", params={"identifier": f"{IPP}|8001"}, headers=signed()))
    assert "identifier" not in found["entry"][0]["resource"]


@pytest.mark.parametrize("mark", ["CACH", "ANOM", "FICT"])
async def test_who_is_kept_hidden_is_found_by_who_has_the_right(store, http, mark):
    """For others there is nobody by that number, id, name or likeness; that they asked is in the audit trail."""
    told = patient_told("C1", "8001").rstrip(b"\r") + b"|" * 24 + mark.encode() + b"\r"
    store.process(told)
    (person,) = [r.person_id for r in store.rows(select(schema.identity.c.person_id))]
    assert issue(await pix(http, "8001"), 404)["code"] == "not-found"
    issue(await http.get(f"/fhir/Patient/{person}", headers=signed()), 404)
    asked = {"identifier": f"{IPP}|8001"}
    assert bundle(await http.get("/fhir/Patient", params=asked, headers=signed()))["total"] == 0
    assert bundle(await match(http, described()))["total"] == 0
    assert references(await pix(http, "8001", by="desk")) == set()
    assert (await http.get(f"/fhir/Patient/{person}", headers=signed("desk"))).json()["id"] == person
    assert bundle(await http.get("/fhir/Patient", params=asked, headers=signed("desk")))["total"] == 1
    withheld = [e for e in store.trail.search(AuditQuery(limit=100)) if e.detail.get("withheld") == 1]
    assert len(withheld) == 4
    assert all(len(e.patients) == 1 for e in withheld)


async def test_a_patient_is_read_and_found_by_identifier(store, http):
    """PDQm: the golden record with the identifiers in force, narrowed to the domains asked for."""
    store.process(qualified("C1", "8001"), department("C2", "L1", family="PERSONNE", given="ELSE", born="19400101"))
    found = bundle(await http.get("/fhir/Patient", params={"identifier": f"{IPP}|8001"}, headers=signed()))
    (patient,) = [e["resource"] for e in found["entry"]]
    assert {i["value"] for i in patient["identifier"]} == {"8001", INS_VALUE}
    assert (patient["birthDate"], patient["gender"], patient["active"]) == ("1958-03-21", "female", True)
    read = await http.get(f"/fhir/Patient/{patient['id']}", headers=signed())
    assert read.json() == patient
    only = {"identifier": f"{IPP}|8001,{IPP}|"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    by_form = await http.post("/fhir/Patient/_search", data=only, headers=signed() | form)
    (narrow,) = bundle(by_form)["entry"]
    assert [i["value"] for i in narrow["resource"]["identifier"]] == ["8001"]
    provisional = bundle(await http.get("/fhir/Patient", params={"identifier": f"urn:oid:{LAB}|L1"}, headers=signed()))
    assert "identifier" not in provisional["entry"][0]["resource"]
    unknown = {"identifier": f"{IPP}|8001,urn:oid:1.2.3.4|"}
    issue(await http.get("/fhir/Patient", params=unknown, headers=signed()), 404)
    none = {"identifier": f"{IPP}|8001", "family": "AUTRE"}
    assert bundle(await http.get("/fhir/Patient", params=none, headers=signed()))["total"] == 0
    assert bundle(await http.get("/fhir/Patient", params=only | {"active": "false"}, headers=signed()))["total"] == 0
    issue(await http.get("/fhir/Patient/nobody", headers=signed()), 404)


async def test_a_day_of_birth_and_the_first_letters_of_a_name_find_a_patient(store, http):
    """EXI SI 01 and 03: birth or used name, any given name, without accents and hyphens; by pages, in one order."""
    told = [("8001", "MARTIN-DUPUIS", "ANNE"), ("8002", "MARTINEZ", "ANNE-LISE"), ("8003", "DURAND", "LISE")]
    store.process(*(patient_told(f"C{n}", n, family=family, given=given) for n, family, given in told))
    store.process(patient_told("C9", "8009", family="MARTIN", born="19580322"))

    async def found(**asked):
        page = bundle(await http.get("/fhir/Patient", params={"birthdate": "1958-03-21", **asked}, headers=signed()))
        return page["total"], [e["resource"]["identifier"][0]["value"] for e in page.get("entry", [])]

    assert sorted((await found(family="mart"))[1]) == ["8001", "8002"]
    assert (await found(family="Martin Du"))[1] == ["8001"]
    assert (await found(family="martindupuis"))[1] == ["8001"]
    assert sorted((await found(given="lis"))[1]) == ["8002", "8003"]
    assert (await found(family="mar", given="lise"))[1] == ["8002"]
    assert (await found(family="mar", gender="male")) == (0, [])
    pages = [await found(family="mart", _count="1", _offset=str(n)) for n in range(3)]
    assert [total for total, _ in pages] == [2, 2, 2]
    assert sorted(number for _, numbers in pages for number in numbers) == ["8001", "8002"]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"family": "FABULAIRE"},
        {"birthdate": "1958-03-21"},
        {"birthdate": "1958"},
        {"birthdate": "1958-03-21", "family": "-"},
        {"gender": "female"},
        {"telecom": "0600000000"},
        {"address-city": "PARIS"},
        {"family:contains": "A", "birthdate": "1958-03-21"},
        {"name": "FABULAIRE"},
        {"_count": "many", "identifier": f"{IPP}|8001"},
    ],
)
async def test_no_search_is_broad_and_none_is_half_understood(store, http, asked):
    """What would find too much, or is not understood, is refused, and finds nobody."""
    store.process(patient_told("C1", "8001"))
    response = await http.get("/fhir/Patient", params=asked, headers=signed())
    assert issue(response, response.status_code)["code"] in {"too-costly", "not-supported", "invalid"}


def described(**more):
    return {
        "resourceType": "Patient",
        "name": [{"use": "official", "family": "Fabulaire", "given": ["Odile"]}],
        "birthDate": "1958-03-21",
        "gender": "female",
        **more,
    }


async def match(http, patient, **more):
    parameters = [{"name": "resource", "resource": patient}]
    parameters += [{"name": n, "valueBoolean" if isinstance(v, bool) else "valueInteger": v} for n, v in more.items()]
    body = {"resourceType": "Parameters", "parameter": parameters}
    return await http.post("/fhir/Patient/$match", content=json.dumps(body), headers=signed())


async def test_who_is_alike_is_told_with_grade_and_score(store, http):
    """$match weighs as the service does: graded, scored, the surest first; it changes nothing."""
    store.process(qualified("C1", "8001"), patient_told("C2", "8002", family="FABULAIRE", given="SOLANGE"))
    before = store.rows(select(schema.identity))
    found = bundle(await match(http, described()))
    scores = [e["search"]["score"] for e in found["entry"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert found["entry"][0]["resource"]["name"][0]["given"] == ["ODILE"]
    assert found["entry"][0]["search"]["extension"][0]["valueCode"] == "possible"
    assert bundle(await match(http, described(), onlyCertainMatches=True))["total"] == 0
    ins = {"system": NIR, "value": INS_VALUE, "type": {"coding": [{"code": "INS-NIR-TEST"}]}}
    status = {
        "url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability",
        "extension": [{"url": "identityStatus", "valueCoding": {"code": "QUAL"}}],
    }
    sure = bundle(await match(http, described(identifier=[ins], extension=[status]), onlyCertainMatches=True))
    assert [e["search"]["extension"][0]["valueCode"] for e in sure["entry"]] == ["certain"]
    assert bundle(await match(http, described(), count=1))["total"] == 1
    assert store.rows(select(schema.identity)) == before
    assert len(events(store, AuditAction.PATIENT_MATCHED)) == 4


async def test_nobody_asks_without_a_right_and_every_refusal_is_audited(store, http):
    """No token 401, no right 403; both leave an event."""
    for headers, status in (({}, 401), (signed("sender"), 403)):
        issue(await http.get("/fhir/Patient/x", headers=headers), status)
        issue(await http.get("/fhir/Patient", params={"identifier": f"{IPP}|1"}, headers=headers), status)
        issue(
            await http.get("/fhir/Patient/$ihe-pix", params={"sourceIdentifier": f"{IPP}|1"}, headers=headers), status
        )
    refused = events(store, AuditAction.ACCESS_REFUSED)
    assert [e.principal for e in refused] == [""] * 3 + ["sender"] * 3


async def test_no_log_holds_anything_of_a_patient(store, http):
    """Neither a trait nor a number that is asked for is logged."""
    store.process(patient_told("C1", "8001"))
    with capture_logs() as logs:
        await pix(http, "8001")
        await http.get("/fhir/Patient", params={"identifier": f"{IPP}|8001", "family": "FABULAIRE"}, headers=signed())
        await match(http, described())
    assert not [word for word in ("8001", "FABULAIRE", "Fabulaire") if word in str(logs)]
