"""Work items over FHIR, on each store: the acts of the command line, by rights, with one holder, and audited."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.task import Task
from messages import AUTHORITY, patient_told, result
from starlette.applications import Starlette
from stores import NOW, SITE
from structlog.testing import capture_logs

from adapters.fhir import tasks
from adapters.fhir.validation import validate
from adapters.item_operations import ItemOperations
from adapters.operations import Operations
from adapters.store.audit import AuditQuery
from adapters.store.item_desk import ItemDesk
from gateway.audit import AuditAction
from gateway.principal import Principal, PrincipalKind, Right
from gateway.site import Access
from gateway.worklist import ItemKind

KEY = ed25519.Ed25519PrivateKey.generate()
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
RIGHTS = frozenset(Right) - {Right.WORKLIST_READ_ALL}
NADIA = Principal("nadia", PrincipalKind.MACHINE, "secretary", frozenset({"accueil"}), RIGHTS)
CLIENTS = {
    "nadia": NADIA,
    "marc": replace(NADIA, id="marc", profession="physician"),
    "lea": replace(NADIA, id="lea", secretariats=frozenset({"cardiologie"})),
    "reader": replace(NADIA, id="reader", rights=frozenset({Right.WORKLIST_READ})),
    **{f"s{n:02}": replace(NADIA, id=f"s{n:02}") for n in range(50)},
}
WORKED = replace(SITE, access=Access(clients=CLIENTS, client_keys=dict.fromkeys(CLIENTS, PEM)))


def signed(client: str) -> dict[str, str]:
    token = jwt.encode({"iss": client, "aud": WORKED.id, "exp": NOW.timestamp() + 60}, KEY, algorithm="EdDSA")
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def interface(store):
    """Give a function that asks as somebody."""
    known = store.decider()
    decider = replace(known, site=WORKED)
    desk = ItemDesk(store.database, store.work)

    def reads(principal):
        return Operations(principal, store.inbox, store.search, store.desk, store.worklist, store.trail)

    def acts(principal):
        return ItemOperations(principal, desk, store.trail, decider)

    app = Starlette(routes=tasks.create_routes(reads, acts, store.trail, WORKED, lambda: NOW))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:

        async def ask(method, path, body=None, *, by="nadia", **headers):
            return await http.request(method, path, json=body, headers={**(signed(by) if by else {}), **headers})

        yield ask


def given(**values: str) -> dict:
    kinds = {"until": "valueDateTime"}
    told = [{"name": name, kinds.get(name, "valueString"): value} for name, value in values.items()]
    return {"resourceType": "Parameters", "parameter": told}


@pytest.fixture
def item(store) -> str:
    """The id of a result's item on the default queue."""
    store.process(patient_told("C1", "8001"), result("C2", "8001", "O1", when=2))
    return next(v.item.id for v in store.worklist.items(None) if v.item.kind is ItemKind.RESULT)


async def test_an_item_is_read_as_a_task_with_its_patient(store, item):
    """Valid R4, of the version that the ETag says; the list holds the same, and says nothing in a URL or the log."""
    async with interface(store) as ask:
        with capture_logs() as logs:
            one, listed = (
                await ask("GET", f"/fhir/Task/{item}"),
                await ask("GET", "/fhir/Task?owner=accueil&code=result"),
            )
    assert (one.status_code, one.headers["etag"], one.headers["cache-control"]) == (200, 'W/"1"', "no-store")
    validate(one.json(), Task)
    validate(listed.json(), Bundle)
    assert [entry["resource"] for entry in listed.json()["entry"]] == [one.json()]
    assert one.json()["contained"][0]["name"][0]["family"] == "FABULAIRE"
    assert "restriction" in one.json()
    assert "FABULAIRE" not in str(logs)
    assert [e.principal for e in store.trail.search(AuditQuery(action=AuditAction.ITEM_SHOWN))] == ["nadia"]
    assert len(store.trail.search(AuditQuery(action=AuditAction.WORKLIST_LISTED))) == 1


@pytest.mark.parametrize("match", [{}, {"If-Match": 'W/"1"'}])
async def test_of_fifty_who_claim_at_once_one_holds_and_the_others_are_told_who(store, item, match):
    """One 200; 49 are refused with 409, or 412 where they name the version seen, and each says who has it."""
    async with interface(store) as ask:
        answers = await asyncio.gather(
            *(ask("POST", f"/fhir/Task/{item}/$claim", by=f"s{n:02}", **match) for n in range(50))
        )
    (won,) = [a for a in answers if a.status_code == 200]
    holder = won.json()["extension"][0]["valueString"]
    assert (won.json()["status"], won.headers["etag"]) == ("accepted", 'W/"2"')
    refused = [a for a in answers if a is not won]
    assert {a.status_code for a in refused} == {412 if match else 409}
    assert all(f"held by {holder}" in a.json()["issue"][0]["diagnostics"] for a in refused)
    assert store.worklist.item(item).item.hand.holder == holder


async def test_every_act_is_an_operation_with_the_rights_of_the_act(store, item):
    """What the command line does, by HTTP; who lacks the right or works elsewhere is refused, which is audited."""
    async with interface(store) as ask:
        steps = [
            ("claim", None, "nadia", "accepted"),
            ("comment", given(note="rappeler"), "nadia", "accepted"),
            ("release", None, "nadia", "requested"),
            ("hold", given(note="attend", until="2999-01-01T08:00:00+01:00"), "nadia", "on-hold"),
            ("acknowledge", None, "nadia", "on-hold"),
            ("acknowledge-clinically", given(note="vu"), "marc", "on-hold"),
            ("undo", None, "marc", "on-hold"),
            ("done", None, "nadia", "completed"),
            ("reopen", given(note="revenu"), "nadia", "requested"),
            ("forward", given(to="cardiologie", note="chez vous"), "nadia", "requested"),
        ]
        for name, body, by, status in steps:
            answer = await ask("POST", f"/fhir/Task/{item}/${name}", body, by=by)
            assert (answer.status_code, answer.json().get("status")) == (200, status), (name, answer.text)
        refused = [await ask("POST", f"/fhir/Task/{item}/$claim", by=by) for by in ("reader", "nadia")]
        assert {a.status_code for a in refused} == {403}
        assert (await ask("POST", f"/fhir/Task/{item}/$acknowledge-clinically", by="lea")).status_code == 403
        assert (await ask("GET", f"/fhir/Task/{item}", by="nadia")).status_code == 403
        assert (await ask("GET", f"/fhir/Task/{item}", by=None)).status_code == 401
    assert len(store.trail.search(AuditQuery(action=AuditAction.ACCESS_REFUSED))) == 5
    assert set(tasks.OPERATIONS) >= {name for name, *_ in steps}


def note(**changes) -> dict:
    system = f"urn:secretariat-gateway:{WORKED.id}:secretariat"
    asked = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": "urn:secretariat-gateway:item-kind", "code": "call"}]},
        "description": "rappeler pour le 12",
        "for": {"identifier": {"system": f"urn:oid:{AUTHORITY}", "value": "8001"}},
        "owner": {"identifier": {"system": system, "value": "accueil"}},
        "priority": "urgent",
        "restriction": {"period": {"end": "2026-03-03T09:00:00+01:00"}},
    }
    return {name: value for name, value in (asked | changes).items() if value is not None}


async def test_a_task_that_is_sent_is_an_item_made_by_hand(store, item):
    """Of the patient whom the number names in its own domain, on the queue named; where it is told by Location."""
    async with interface(store) as ask:
        made = await ask("POST", "/fhir/Task", note())
        assert (made.status_code, made.headers["etag"]) == (201, 'W/"1"'), made.text
        validate(made.json(), Task)
        assert (await ask("GET", made.headers["location"])).json() == made.json()
        elsewhere = {"identifier": {"system": "urn:oid:1.2.250.1.999.2", "value": "8001"}}
        for changes, status in (
            ({"for": elsewhere}, 404),
            ({"for": None}, 400),
            ({"owner": note()["owner"] | {"identifier": {"system": "x", "value": "accueil"}}}, 400),
            ({"code": {"coding": [{"code": "result"}]}}, 409),
            ({"code": {"coding": [{"code": "lunch"}]}}, 400),
            ({"status": "accepted"}, 400),
            ({"partOf": []}, 400),
            ({"restriction": {"period": {"end": "demain"}}}, 400),
        ):
            assert (await ask("POST", "/fhir/Task", note(**changes))).status_code == status, changes
        assert (await ask("POST", "/fhir/Task", note(), by="lea")).status_code == 403
        assert (await ask("POST", "/fhir/Task", [])).status_code == 400
    (call,) = (v.item for v in store.worklist.items(None, kind=ItemKind.CALL))
    assert (call.detail, call.secretariat, call.priority) == ("rappeler pour le 12", "accueil", "urgent")


BAD = [
    ("GET", "/fhir/Task?patient=8001", None, 400),
    ("GET", "/fhir/Task?owner=nulle-part", None, 400),
    ("GET", "/fhir/Task?status=perhaps", None, 400),
    ("GET", "/fhir/Task?code=letter", None, 400),
    ("GET", "/fhir/Task?_count=9999", None, 400),
    ("GET", "/fhir/Task?owner=accueil&owner=accueil", None, 400),
    ("GET", "/fhir/Task/unknown", None, 404),
    ("POST", "/fhir/Task/unknown/$claim", None, 404),
    ("POST", "/fhir/Task/ID/$hold", given(note="x"), 400),
    ("POST", "/fhir/Task/ID/$hold", given(note="x", until="demain"), 400),
    ("POST", "/fhir/Task/ID/$hold", given(note="x", until="2999-01-01T08:00:00"), 400),
    ("POST", "/fhir/Task/ID/$comment", {"resourceType": "Task"}, 400),
    ("POST", "/fhir/Task/ID/$comment", given(patient="8001"), 400),
    ("POST", "/fhir/Task/ID/$comment", given(), 422),
    ("POST", "/fhir/Task/ID/$forward", given(to="nulle-part", note="x"), 409),
]


async def test_what_is_not_understood_is_refused_and_changes_nothing(store, item):
    """Every refusal is an OperationOutcome of its status."""
    async with interface(store) as ask:
        for method, path, body, status in BAD:
            answer = await ask(method, path.replace("ID", item), body)
            assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome"), path
        tagged = await ask("POST", f"/fhir/Task/{item}/$claim", **{"If-Match": '"x"'})
        assert tagged.status_code == 400
        typed = await ask("POST", f"/fhir/Task/{item}/$comment", given(note="x"), **{"Content-Type": "text/plain"})
        assert typed.status_code == 415
    assert store.worklist.item(item).item.version == 1
