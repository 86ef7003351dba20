"""The FHIR interface answers what it promises, whoever asks and whatever comes."""

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.operationoutcome import OperationOutcome
from structlog.testing import capture_logs

from adapters.fhir.app import create_app
from adapters.fhir.validation import MAX_BODY, appointment, validate
from adapters.web import exchange as web_exchange
from gateway.errors import ResourceNotFound, StorageUnavailable
from gateway.focus import StoredAppointment
from gateway.principal import Principal, PrincipalKind, Right
from gateway.reception import Format, Outcome, Recorded, State, Transport
from gateway.site import Access, Environment, Site, Source, SourceRole
from mappings.fhir.appointment import translate

CANARY = "DUPONT"
NOW = datetime(2031, 1, 1, tzinfo=UTC)
KEY = ed25519.Ed25519PrivateKey.generate()
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ALL = frozenset({Right.SEND, Right.APPOINTMENT_READ})
AGENDA = Source("agenda", SourceRole.DEPARTMENT, clients=("agenda",))
CLIENTS = {
    "agenda": Principal("agenda", PrincipalKind.MACHINE, rights=ALL),
    "reader": Principal("reader", PrincipalKind.MACHINE, rights=frozenset({Right.APPOINTMENT_READ})),
    "sender": Principal("sender", PrincipalKind.MACHINE, rights=frozenset({Right.SEND})),
    "undeclared": Principal("undeclared", PrincipalKind.MACHINE, rights=ALL),
}
SITE = Site(
    "chu",
    "CHU",
    Environment.TEST,
    "CHU",
    "Europe/Paris",
    {},
    (AGENDA,),
    {},
    "accueil",
    "civ",
    (),
    Access(clients=CLIENTS, client_keys=dict.fromkeys(CLIENTS, PEM)),
)
QUERY = "?identifier=urn:oid:1.2.250.1.999.7|RDV-1"


@dataclass
class _Gateway:
    """An exchange in memory: what is recorded has been processed, unless a test says otherwise."""

    received: list = field(default_factory=list)
    stored: dict = field(default_factory=dict)
    audit: list = field(default_factory=list)
    ending: Outcome = field(default_factory=lambda: Outcome(1, State.PROCESSED))
    duplicate_of: int | None = None
    trouble: bool = False

    async def record(self, reception):
        if self.trouble:
            raise StorageUnavailable("the commit was not confirmed")
        self.received.append(reception)
        if reception.error is None and self.ending.state is State.PROCESSED:
            act = reception.message_type.partition(":")[2]
            fact = translate(appointment(reception.raw), act, AGENDA, SITE).facts[0]
            version = self.stored["a-1"].version + 1 if "a-1" in self.stored else 1
            self.stored["a-1"] = StoredAppointment("a-1", version, NOW, fact, reception.raw)
        return Recorded(len(self.received), State.PENDING, reception.code, b"", self.duplicate_of)

    async def outcome(self, message, _within):
        if message > 100:
            raise ResourceNotFound("no message has this number")
        return replace(self.ending, message=message)

    async def appointment_of(self, _message):
        found = self.stored.get("a-1")
        return found and replace(found, made=found.version == 1)

    async def appointment(self, _principal, appointment_id):
        return self.stored.get(appointment_id)

    async def appointments(self, _principal, identifier):
        asked = (identifier.authority, identifier.value)
        return [s for s in self.stored.values() if asked in {(k.authority, k.value) for k in s.fact.keys}]

    async def refused(self, principal_id, act):
        self.audit.append((principal_id, act))


@pytest.fixture
def gateway():
    return _Gateway()


@pytest.fixture
async def http(gateway):
    app = create_app(gateway, SITE, clock=lambda: NOW, patience=0.01)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        yield client


def signed(client="agenda", **headers):
    token = jwt.encode({"iss": client, "aud": "chu", "exp": NOW.timestamp() + 60}, KEY, algorithm="EdDSA")
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json", **headers}


def booking(**more):
    ipp = {"system": "urn:oid:1.2.250.1.999.1.1", "value": "8001", "type": {"coding": [{"code": "PI"}]}}
    given = {
        "resourceType": "Appointment",
        "identifier": [{"system": "urn:oid:1.2.250.1.999.7", "value": "RDV-1"}],
        "status": "booked",
        "start": "2031-03-04T09:00:00+01:00",
        "end": "2031-03-04T09:30:00+01:00",
        "participant": [{"status": "accepted", "actor": {"type": "Patient", "identifier": ipp}}],
    }
    return json.dumps({k: v for k, v in (given | more).items() if v is not None}).encode()


def issue(response, status):
    """The one issue of a refusal, which is always an OperationOutcome."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/fhir+json"
    OperationOutcome.model_validate(response.json())
    return response.json()["issue"][0]


async def test_create_is_recorded_then_answered(http, gateway):
    """A booking is recorded as received and answered 201 with place, version and resource."""
    response = await http.post("/fhir/Appointment", content=booking(), headers=signed(**{"X-Request-Id": "r-1"}))
    assert response.status_code == 201
    assert response.headers["location"] == "/fhir/Appointment/a-1"
    assert response.headers["etag"] == 'W/"1"'
    assert (response.json()["id"], response.json()["meta"]["versionId"]) == ("a-1", "1")
    reception = gateway.received[0]
    assert (reception.raw, reception.control_id) == (booking(), "r-1")
    assert (reception.transport, reception.format) == (Transport.HTTP, Format.FHIR)
    assert (reception.source, reception.principal, reception.message_type) == ("agenda", "agenda", "Appointment:create")


async def test_insane_request_id_is_replaced(http, gateway):
    """A request id that could be anything is not taken into our records."""
    await http.post("/fhir/Appointment", content=booking(), headers=signed(**{"X-Request-Id": "Dupont, Jean"}))
    control_id = gateway.received[0].control_id
    assert "Dupont" not in control_id
    assert "|" in control_id  # the creation's business identifier takes its place


async def test_update_creates_then_updates(http):
    """The first conditional update creates (201), the next ones change (200) and raise the version."""
    first = await http.put(f"/fhir/Appointment{QUERY}", content=booking(), headers=signed())
    second = await http.put(f"/fhir/Appointment{QUERY}", content=booking(status="arrived"), headers=signed())
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.headers["etag"] == 'W/"2"'
    assert second.json()["status"] == "arrived"


async def test_if_match_is_honoured(http, gateway):
    """An update that expects another version is refused with 412, kept and quarantined; the right one goes through."""
    await http.put(f"/fhir/Appointment{QUERY}", content=booking(), headers=signed())
    issue(await http.put(f"/fhir/Appointment{QUERY}", content=booking(), headers=signed(**{"If-Match": 'W/"7"'})), 412)
    assert (gateway.received[-1].error.name, gateway.received[-1].expects) == ("PreconditionFailed", 7)
    issue(await http.put(f"/fhir/Appointment{QUERY}", content=booking(), headers=signed(**{"If-Match": "x"})), 400)
    done = await http.put(f"/fhir/Appointment{QUERY}", content=booking(), headers=signed(**{"If-Match": 'W/"1"'}))
    assert (done.status_code, gateway.received[-1].expects) == (200, 1)


async def test_several_matches_are_refused(http, gateway):
    """An identifier that finds several appointments updates none."""
    await http.post("/fhir/Appointment", content=booking(), headers=signed())
    gateway.stored["a-2"] = replace(gateway.stored["a-1"], id="a-2")
    found = issue(await http.put(f"/fhir/Appointment{QUERY}", content=booking(), headers=signed()), 412)
    assert found["code"] == "multiple-matches"
    assert gateway.received[-1].error.name == "PreconditionFailed"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?identifier=RDV-1",
        "?identifier=urn:oid:1.2.250.1.999.7|RDV-2",
        QUERY + "&identifier=urn:oid:1.2.250.1.999.7|RDV-1",
        QUERY + "&date=2031-03-04",
        "?identifier:missing=true",
    ],
)
async def test_update_needs_its_own_identifier(http, gateway, query):
    """A conditional update names exactly one identifier, which its body has too."""
    issue(await http.put(f"/fhir/Appointment{query}", content=booking(), headers=signed()), 400)
    assert gateway.received[0].error is not None


async def test_conditional_create_is_refused(http):
    """If-None-Exist is refused, for ignoring it would do what was asked not to be done."""
    response = await http.post("/fhir/Appointment", content=booking(), headers=signed(**{"If-None-Exist": "x=y"}))
    issue(response, 400)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (booking(start=CANARY), 422),
        (booking(status=None), 422),
        (booking(**{CANARY: 1}), 422),
        (booking(resourceType="Patient"), 422),
        (b'{"a":"DUPONT","a":1}', 400),
        (b"DUPONT", 400),
    ],
)
async def test_broken_body_is_kept_and_refused(http, gateway, body, status):
    """A body that breaks its definition is on record with its error, and the answer repeats nothing of it."""
    response = await http.post("/fhir/Appointment", content=body, headers=signed())
    issue(response, status)
    assert CANARY not in response.text + str(response.headers)
    assert gateway.received[0].raw == body
    assert gateway.received[0].error.http_status == status
    assert gateway.received[0].code != "AA"


async def test_undeclared_source_is_kept_and_refused(http, gateway):
    """A client that is no source of the site is refused, and what it sent is kept."""
    issue(await http.post("/fhir/Appointment", content=booking(), headers=signed("undeclared")), 403)
    assert (gateway.received[0].source, gateway.received[0].error.name) == ("", "SourceUndeclared")


async def test_oversized_body_is_refused_unread(http, gateway):
    """Neither a declared nor an undeclared length beyond the bound is read."""

    async def chunks():
        for _ in range(3):
            yield b" " * (MAX_BODY // 2)

    issue(await http.post("/fhir/Appointment", content=b" " * (MAX_BODY + 1), headers=signed()), 413)
    issue(await http.post("/fhir/Appointment", content=chunks(), headers=signed()), 413)
    assert gateway.received == []


async def test_oversized_headers_are_refused(http):
    """Headers beyond their bound are refused with 431."""
    issue(await http.get("/fhir/metadata", headers={"X-More": "x" * 20_000}), 431)


async def test_slow_body_is_given_up(http, monkeypatch):
    """A body that does not come in within its time is refused with 408."""
    monkeypatch.setattr(web_exchange, "BODY_SECONDS", 0.01)

    async def drops():
        yield b"{"
        await asyncio.sleep(5)

    issue(await http.post("/fhir/Appointment", content=drops(), headers=signed()), 408)


@pytest.mark.parametrize(
    "media", ["application/fhir+xml", "text/plain", "", "application/fhir+json; charset=iso-8859-1"]
)
async def test_other_media_types_are_refused(http, media):
    """Only FHIR JSON in UTF-8 is taken."""
    issue(await http.post("/fhir/Appointment", content=booking(), headers=signed(**{"Content-Type": media})), 415)


async def test_pending_is_answered_with_a_status_url(http, gateway):
    """What is not processed in time is answered 202; its status URL tells how it ended, and shows no resource."""
    gateway.ending = Outcome(1, State.PENDING)
    response = await http.post("/fhir/Appointment", content=booking(), headers=signed())
    assert response.status_code == 202
    status = response.headers["content-location"]
    assert (await http.get(status, headers=signed())).status_code == 202
    gateway.ending = Outcome(1, State.PROCESSED)
    await http.post("/fhir/Appointment", content=booking(), headers=signed())
    done = await http.get(status, headers=signed())
    assert (done.status_code, done.headers["location"]) == (200, "/fhir/Appointment/a-1")
    assert done.json()["resourceType"] == "OperationOutcome"
    gateway.ending = Outcome(1, State.QUARANTINED, "FieldMissing", "Appointment.start", "a start is needed")
    assert issue(await http.get(status, headers=signed()), 422)["expression"] == ["Appointment.start"]
    for unknown in ("101", "0", "x", "9" * 30):
        issue(await http.get(f"/fhir/_status/{unknown}", headers=signed()), 404)


async def test_what_waits_for_its_booking_is_told(http, gateway):
    """A change that is held until its booking comes is accepted, not answered with a resource."""
    response = await http.post("/fhir/Appointment", content=booking(), headers=signed())
    assert response.status_code == 201
    gateway.stored.clear()
    assert (await http.get("/fhir/_status/1", headers=signed())).status_code == 202


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ("FieldMissing", 422, "required"),
        ("ProductionGuard", 422, "business-rule"),
        ("ValueUnknown", 422, "code-invalid"),
    ],
)
async def test_quarantine_is_told(http, gateway, error, status, code):
    """What the pipeline quarantines is answered with its class, place and rule."""
    gateway.ending = Outcome(1, State.QUARANTINED, error, "Appointment.start", "a rule")
    found = issue(await http.post("/fhir/Appointment", content=booking(), headers=signed()), status)
    assert (found["code"], found["expression"], found["details"]["text"]) == (code, ["Appointment.start"], "a rule")


async def test_ignored_is_told(http, gateway):
    """What a rule ignores is no success."""
    gateway.ending = Outcome(1, State.IGNORED, rule="x")
    issue(await http.post("/fhir/Appointment", content=booking(), headers=signed()), 422)


async def test_duplicate_is_answered_as_the_first(http, gateway):
    """A repetition gets the first one's answer, asked for by the first one's number."""
    await http.post("/fhir/Appointment", content=booking(), headers=signed())
    gateway.duplicate_of, gateway.ending = 42, Outcome(1, State.PENDING)
    response = await http.post("/fhir/Appointment", content=booking(), headers=signed())
    assert response.headers["content-location"] == "/fhir/_status/42"


async def test_trouble_promises_nothing(http, gateway):
    """Storage trouble is 503 with Retry-After, never a success (promise P1)."""
    gateway.trouble = True
    response = await http.post("/fhir/Appointment", content=booking(), headers=signed())
    assert issue(response, 503)["code"] == "transient"
    assert int(response.headers["retry-after"]) > 0


async def test_fault_tells_nothing(http, gateway, monkeypatch):
    """A fault of ours is 500 without its text, in the answer and in the log."""

    async def fault(*_):
        raise KeyError(CANARY)

    monkeypatch.setattr(gateway, "appointment", fault)
    with capture_logs() as logs:
        response = await http.get("/fhir/Appointment/a-1", headers=signed())
    issue(response, 500)
    assert CANARY not in response.text + str(logs)


async def test_read_and_search(http):
    """A stored appointment is read by id, and found by identifier, in a URL or in a form."""
    await http.post("/fhir/Appointment", content=booking(), headers=signed())
    read = await http.get("/fhir/Appointment/a-1", headers=signed("reader"))
    assert (read.status_code, read.headers["etag"], read.headers["cache-control"]) == (200, 'W/"1"', "no-store")
    by_url = await http.get(f"/fhir/Appointment{QUERY}", headers=signed("reader"))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    by_form = await http.post("/fhir/Appointment/_search", content=QUERY[1:], headers=signed("reader", **form))
    assert by_url.json() == by_form.json()
    validate(by_url.json(), Bundle)
    assert [e["resource"]["id"] for e in by_url.json()["entry"]] == ["a-1"]
    none = await http.get("/fhir/Appointment?identifier=urn:oid:1.2.3|x", headers=signed("reader"))
    assert none.json() == {"resourceType": "Bundle", "type": "searchset", "total": 0}
    issue(await http.get("/fhir/Appointment", headers=signed("reader")), 400)
    broken = await http.post("/fhir/Appointment/_search", content=b"\xff" * 3, headers=signed("reader", **form))
    issue(broken, 400)
    issue(await http.get("/fhir/Appointment/a-9", headers=signed("reader")), 404)
    issue(await http.get("/fhir/Appointment/é", headers=signed("reader")), 404)


@pytest.mark.parametrize(
    ("method", "path", "act"),
    [
        ("POST", "/fhir/Appointment", "Appointment:create"),
        ("PUT", f"/fhir/Appointment{QUERY}", "Appointment:update"),
        ("GET", f"/fhir/Appointment{QUERY}", "Appointment:search"),
        ("POST", "/fhir/Appointment/_search", "Appointment:search"),
        ("GET", "/fhir/Appointment/a-1", "Appointment:read"),
        ("GET", "/fhir/_status/1", "Appointment:status"),
    ],
)
async def test_nobody_acts_unknown(http, gateway, method, path, act):
    """Without a token every act is refused with 401, audited, and nothing is recorded."""
    response = await http.request(method, path, content=booking() if method != "GET" else None)
    issue(response, 401)
    assert response.headers["www-authenticate"] == "Bearer"
    assert gateway.audit == [("", act)]
    assert gateway.received == []


async def test_right_is_needed(http, gateway):
    """A client without the right is refused with 403, by name."""
    issue(await http.post("/fhir/Appointment", content=booking(), headers=signed("reader")), 403)
    issue(await http.put(f"/fhir/Appointment{QUERY}", content=booking(), headers=signed("sender")), 403)
    assert gateway.audit == [("reader", "Appointment:create"), ("sender", "Appointment:update")]
    assert gateway.received == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/fhir/Patient/1", 404),
        ("POST", "/fhir", 404),
        ("GET", "/fhir/Appointment/", 404),
        ("DELETE", "/fhir/Appointment/a-1", 405),
        ("PUT", "/fhir/Appointment/a-1", 405),
        ("PATCH", "/fhir/Appointment", 405),
    ],
)
async def test_what_is_not_offered_says_so(http, method, path, status):
    """Other resources and interactions are refused by an OperationOutcome too."""
    response = await http.request(method, path, headers=signed())
    assert issue(response, status)["code"] == "not-supported"
    assert ("allow" in response.headers) is (status == 405)


async def test_metadata_is_open(http):
    """Anyone may read what is offered."""
    response = await http.get("/fhir/metadata")
    assert response.json()["fhirVersion"] == "4.0.1"
    offered = {i["code"] for i in response.json()["rest"][0]["resource"][0]["interaction"]}
    assert offered == {"create", "update", "read", "search-type"}


async def test_log_holds_no_value(http):
    """A log line has method, route template, status and milliseconds, and nothing that the client chose."""
    with capture_logs() as logs:
        await http.get(f"/fhir/Appointment?identifier=urn:oid:1.2.3|{CANARY}", headers=signed())
        await http.get(f"/fhir/Appointment/{CANARY}", headers=signed())
        await http.get(f"/{CANARY}", headers=signed())
        await http.request(CANARY, "/fhir/Appointment", headers=signed())
    assert [(entry["route"], entry["status"]) for entry in logs] == [
        ("/fhir/Appointment", 200),
        ("/fhir/Appointment/{id}", 404),
        ("unmatched", 404),
        ("unmatched", 405),
    ]
    assert {frozenset(e) for e in logs} == {
        frozenset({"event", "log_level", "method", "route", "status", "milliseconds"})
    }
    assert CANARY not in str(logs)
