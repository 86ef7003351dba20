"""AuditEvents over HTTP, on each store: found as ITI-81 asks, whole and once, whoever may; each answer is an act."""

from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from messages import AUTHORITY, merge, patient_told, result
from sites import demo_site
from stores import SITE
from structlog.testing import capture_logs

from adapters.audit_operations import AuditOperations
from adapters.fhir import audit
from adapters.fhir.app import create_app
from adapters.fhir.validation import validate
from adapters.store import audit_search, schema
from gateway.audit import AuditAction, AuditEvent
from gateway.audit_query import AuditQuery
from gateway.audit_report import Anomaly, Limits
from gateway.principal import Principal, PrincipalKind, Right
from gateway.site import Access
from mappings.fhir.audit_event import TDE

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
KEY = ed25519.Ed25519PrivateKey.generate()
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
CLIENTS = {
    "auditor": Principal("auditor", PrincipalKind.PERSON, "auditor", rights=frozenset({Right.AUDIT_READ})),
    "secretary": Principal("secretary", PrincipalKind.PERSON, rights=frozenset({Right.WORKLIST_READ})),
}
HERE = demo_site(sources=SITE.sources, access=Access(clients=CLIENTS, client_keys=dict.fromkeys(CLIENTS, PEM)))
EVER = "date=ge2026-01-01"


def signed(client="auditor", **headers):
    token = jwt.encode({"iss": client, "aud": HERE.id, "exp": NOW.timestamp() + 60}, KEY, algorithm="EdDSA")
    return {"Authorization": f"Bearer {token}", **headers}


@pytest.fixture
async def http(store):
    routes = audit.create_routes(
        lambda principal: AuditOperations(principal, store.trail, HERE), store.trail, HERE, lambda: NOW
    )
    app = create_app(None, HERE, clock=lambda: NOW, beside=routes)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        yield client


async def bundle(http, query):
    """Give the Bundle that a query is answered with, known to be valid."""
    url = query if query.startswith("http") else f"/fhir/AuditEvent?{query}"
    answer = await http.get(url, headers=signed())
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    validate(found, Bundle)
    return found


def resources(found):
    return [entry["resource"] for entry in found.get("entry", [])]


async def every(http, query):
    """Read page after page to the end; give the resources."""
    found = await bundle(http, query)
    shown = resources(found)
    while following := next((each["url"] for each in found["link"] if each["relation"] == "next"), None):
        found = await bundle(http, following)
        shown += resources(found)
    return shown


def acts(store, *events):
    """Write acts of a morning: (minute, patients)."""
    store.trail.record(
        *(
            AuditEvent(NOW + timedelta(minutes=minute), AuditAction.WORKLIST_LISTED, "account:nadia", patients)
            for minute, patients in events
        )
    )


def searches(store):
    return store.trail.search(AuditQuery(action=AuditAction.AUDIT_SEARCHED))


async def test_a_search_without_a_date_is_refused(http):
    """400 with an OperationOutcome that names the parameter (ITI-81)."""
    answer = await http.get("/fhir/AuditEvent?patient=Patient/1", headers=signed())
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["date"]


async def test_who_may_not_read_the_trail_is_told_nothing(http, store):
    """No token: 401; a secretary: 403; both are audited, and nothing is found."""
    assert (await http.get(f"/fhir/AuditEvent?{EVER}")).status_code == 401
    for method, path in (("GET", f"?{EVER}"), ("GET", "/1"), ("POST", "/_search"), ("GET", "?nonsense=1")):
        answer = await http.request(method, f"/fhir/AuditEvent{path}", headers=signed("secretary"))
        assert answer.status_code == 403
    refused = store.trail.search(AuditQuery(action=AuditAction.ACCESS_REFUSED))
    assert [e.principal for e in refused] == ["", *["secretary"] * 4]
    assert searches(store) == []


async def test_each_search_is_an_act_of_its_own(http, store):
    """Who asked, about whom, under which reference, how much was shown; the query itself only as its hash."""
    store.process(patient_told("C1", "8001"))
    (identity,) = (row.id for row in store.rows(schema.identity.select()))
    query = f"{EVER}&patient.identifier=8001"
    await http.get(f"/fhir/AuditEvent?{query}", headers=signed(**{"X-Request-Id": "R-1"}))
    (event,) = searches(store)
    assert (event.principal, event.patients, event.correlation) == ("auditor", (identity,), "R-1")
    assert len(str(event.detail["query"])) == 64
    assert event.detail["address"] == "127.0.0.1"
    assert event.detail["found"] == len(resources(await bundle(http, query))) - 1
    (shown, *_) = resources(await bundle(http, f"{EVER}&subtype={AuditAction.AUDIT_SEARCHED}"))
    assert shown["type"]["code"] == "110101"
    assert shown["agent"][0]["network"] == {"address": "127.0.0.1", "type": "2"}


async def test_a_page_goes_on_behind_the_last_whatever_comes_meanwhile(http, store):
    """Each AuditEvent of the first look is shown once, though acts have several patients and more are written."""
    acts(store, *((n // 2, tuple(f"p-{k}" for k in range(n % 4))) for n in range(12)))
    assert len(await every(http, f"{EVER}&_count=1000&subtype=user:worklist:listed")) == 3 * (1 + 1 + 2 + 3)
    for size in (1, 2, 5):
        whole = await every(http, f"{EVER}&_count=1000&subtype=user:worklist:listed")
        found = await bundle(http, f"{EVER}&_count={size}&subtype=user:worklist:listed")
        shown = resources(found)
        while following := next((each["url"] for each in found["link"] if each["relation"] == "next"), None):
            acts(store, (0, ("p-1",)), (90, ("p-1", "p-2")))
            found = await bundle(http, following)
            assert 0 < len(resources(found)) <= size
            shown += resources(found)
        assert shown == whole


async def test_the_order_is_that_of_the_time(http, store):
    """Newest first; `_sort=date` begins with the oldest, and its pages go on to the newest."""
    acts(store, (5, ("p-1", "p-2")), (1, ()), (3, ("p-1",)))
    newest = [r["recorded"] for r in await every(http, f"{EVER}&_count=2&subtype=user:worklist:listed")]
    assert newest == sorted(newest, reverse=True)
    oldest = [r["id"] for r in await every(http, f"{EVER}&_count=1&_sort=date&subtype=user:worklist:listed")]
    numbers = [e.id for e in store.trail.search(AuditQuery(principal="account:nadia"))]
    assert oldest == [f"{numbers[0]}", f"{numbers[1]}", f"{numbers[2]}-1", f"{numbers[2]}-2"]


async def test_a_patients_events_are_those_of_all_their_records_and_of_nobody_else(http, store):
    """By an identifier: every record of the person, through merges; each AuditEvent holds one of them."""
    store.process(
        patient_told("C1", "8001"),
        result("C2", "8001", "O1"),
        patient_told("C3", "8002"),
        merge("C4", "8002", "8001"),
        patient_told("C5", "8009"),
    )
    records = {row.value: row.id for row in store.rows(schema.identity.select())}
    acts(store, (0, tuple(records.values())))
    by_either = [await every(http, f"{EVER}&patient.identifier=urn:oid:{AUTHORITY}|{ipp}") for ipp in ("8001", "8002")]
    named = [[e["what"]["reference"] for e in r["entity"] if e["type"]["code"] == "1"] for r in by_either[0]]
    assert all(len(each) == 1 for each in named)
    assert {each[0] for each in named} == {f"Patient/{records[ipp]}" for ipp in ("8001", "8002")}
    searched = AuditAction.AUDIT_SEARCHED
    one, other = ([r for r in found if r["subtype"][-1]["code"] != searched] for found in by_either)
    assert one == other
    by_record = await every(http, f"{EVER}&patient=Patient/{records['8009']}")
    assert {e["what"]["identifier"]["value"] for r in by_record for e in r["entity"][:1]} == {"8009"}
    assert resources(await bundle(http, f"{EVER}&patient.identifier=0000")) == []
    assert resources(await bundle(http, f"{EVER}&patient.identifier=urn:oid:1.2.3|8001")) == []


async def test_no_link_names_a_patient_by_an_identifier(http, store):
    """Self and next have ids of records, asked for by GET or by a form."""
    store.process(patient_told("C1", "8001"), result("C2", "8001", "O1"))
    form = {"date": "ge2026-01-01", "patient.identifier": "8001", "_count": "2"}
    answer = await http.post("/fhir/AuditEvent/_search", data=form, headers=signed())
    links = {each["relation"]: each["url"] for each in answer.json()["link"]}
    assert links.keys() == {"self", "next"}
    assert not any("8001" in url for url in links.values())
    assert len(resources(await bundle(http, links["next"]))) == 2
    assert await every(http, links["self"])


async def test_a_total_is_told_when_it_is_asked_for(http, store):
    """As many as there are AuditEvents; none where it was not asked for, or is too much to count."""
    acts(store, (0, ()), (1, ("p-1",)), (2, ("p-1", "p-2", "p-3")))
    kind = "subtype=user:worklist:listed"
    assert "total" not in await bundle(http, f"{EVER}&{kind}")
    assert (await bundle(http, f"{EVER}&{kind}&_total=accurate&_count=1"))["total"] == 5
    assert (await bundle(http, f"{EVER}&{kind}&_total=accurate&_profile={TDE}"))["total"] == 3
    assert (await bundle(http, f"{EVER}&{kind}&_total=estimate&patient=p-1"))["total"] == 2
    count = await bundle(http, f"{EVER}&{kind}&_count=0")
    assert (count["total"], resources(count)) == (5, [])
    assert (await bundle(http, f"{EVER}&outcome=12&_total=accurate"))["total"] == 0


async def test_too_much_is_not_counted(http, store, monkeypatch):
    """The answer comes without a total."""
    acts(store, *((n, ()) for n in range(5)))
    monkeypatch.setattr(audit_search, "COUNTED", 4)
    found = await bundle(http, f"{EVER}&_total=accurate&_count=1")
    assert "total" not in found
    assert resources(found)


async def test_by_the_french_profile_an_act_is_one_event(http, store):
    """`_profile` asks for it; all patients of the act are in it."""
    acts(store, (0, ("p-1", "p-2")))
    (found,) = await every(http, f"{EVER}&_profile={TDE}&period-start=2026-03-02&subtype=user:worklist:listed")
    assert found["meta"]["profile"] == [TDE]
    assert found["period"]["start"] == found["recorded"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("agent=account:nadia", 3),
        ("altid=account:nobody", 0),
        ("agent-role=auditor", 0),
        ("type=110112", 3),
        ("entity-type=1", 3),
        ("entity-role=1&action=E", 3),
        ("entity=Patient/p-2", 1),
        ("date=lt2026-03-02T09:01:00Z", 1),
        ("site=demo&source=demo", 4),
        ("address=10.0.0.1", 0),
        ("address=10.0.0.7,10.0.0.8&_total=accurate", 1),
        ("policy=x", 0),
    ],
)
async def test_conditions_hold_together(http, store, query, found):
    """Beside the date, whatever is asked for."""
    acts(store, (0, ("p-1",)), (2, ("p-1", "p-2")))
    detail = {"address": "10.0.0.7"}
    store.trail.record(
        AuditEvent(NOW + timedelta(minutes=9), AuditAction.SERVICE_STARTED, "account:omar", detail=detail)
    )
    assert len(await every(http, f"{EVER}&date=lt2026-03-02T09:30:00Z&{query}")) == found


async def test_an_event_is_read_by_its_id(http, store):
    """Each AuditEvent that a search shows; what is none is 404. Reading is audited with the patient."""
    acts(store, (0, ("p-1", "p-2")))
    for shown in await every(http, f"{EVER}&subtype=user:worklist:listed"):
        answer = await http.get(f"/fhir/AuditEvent/{shown['id']}", headers=signed())
        assert answer.json() == shown
        assert searches(store)[-1].patients == (shown["entity"][0]["what"]["reference"].removeprefix("Patient/"),)
    number = store.trail.search(AuditQuery(principal="account:nadia"))[0].id
    for wrong in ("0", "x", "999999999999999999", f"{number}", f"{number}-3", f"{number}-0"):
        answer = await http.get(f"/fhir/AuditEvent/{wrong}", headers=signed())
        assert (answer.status_code, answer.json()["resourceType"]) == (404, "OperationOutcome")


async def test_the_log_holds_nothing_of_a_query(http):
    """Method, route, status and time; not what was asked."""
    with capture_logs() as logs:
        await http.get(f"/fhir/AuditEvent?{EVER}&patient.identifier=CANARY", headers=signed())
    assert logs
    assert "CANARY" not in str(logs)


async def test_what_is_offered_is_told(http):
    """The CapabilityStatement has AuditEvent with its parameters."""
    statement = (await http.get("/fhir/metadata")).json()
    validate(statement, CapabilityStatement)
    (found,) = [r for r in statement["rest"][0]["resource"] if r["type"] == "AuditEvent"]
    assert {"date", "patient.identifier", "period-start"} < {p["name"] for p in found["searchParam"]}
    assert {i["code"] for i in found["interaction"]} == {"read", "search-type"}


def test_a_system_that_works_by_night_is_no_case(store):
    """A client without a profession reads when it must; who is refused again and again is looked at all the same."""
    robot, nurse = Principal("robot", PrincipalKind.MACHINE), Principal("nurse", PrincipalKind.MACHINE, "nurse")
    site = demo_site(sources=SITE.sources, access=Access(clients={"robot": robot, "nurse": nurse}))
    night = NOW - timedelta(hours=7)
    looks = [AuditEvent(night, AuditAction.APPOINTMENT_READ, name, ("p-1",)) for name in ("robot", "nurse", "gone")]
    store.trail.record(*looks, *(AuditEvent(night, AuditAction.ACCESS_REFUSED, "robot") for _ in range(5)))
    auditor = Principal("auditor", PrincipalKind.PERSON, rights=frozenset({Right.AUDIT_REPORT}))
    found = AuditOperations(auditor, store.trail, site).anomalies(night, None, Limits("Europe/Paris"))
    assert {(case.who, case.anomaly) for case in found} == {
        ("robot", Anomaly.REFUSED),
        ("nurse", Anomaly.OUT_OF_HOURS),
        ("gone", Anomaly.OUT_OF_HOURS),
    }
