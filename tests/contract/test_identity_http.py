"""The identity desk over HTTP, on each store: the same acts as on the command line, and the document says all of it."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jsonschema import Draft202012Validator
from messages import merge, patient_told, result
from sites import demo_site
from sqlalchemy import select
from starlette.applications import Starlette
from stores import SITE, Store, at_once
from structlog.testing import capture_logs

from adapters.identity_operations import IdentityOperations
from adapters.store import schema
from adapters.store.audit import AuditQuery
from adapters.store.identity_desk import IdentityDesk
from adapters.web import admission, exchange, identity_desk
from gateway.audit import AuditAction
from gateway.decision import DecisionKind
from gateway.errors import StorageUnavailable
from gateway.principal import Principal, PrincipalKind, Right
from gateway.site import Access

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
KEY = ed25519.Ed25519PrivateKey.generate()
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
READING = frozenset({Right.IDENTITY_READ})
CLIENTS = {
    "nadia": Principal("nadia", PrincipalKind.PERSON, rights=frozenset(Right)),
    "omar": Principal("omar", PrincipalKind.PERSON, rights=frozenset(Right)),
    "reader": Principal("reader", PrincipalKind.PERSON, rights=READING),
}
ACCESS = Access(clients=CLIENTS, client_keys=dict.fromkeys(CLIENTS, PEM))
DESK = demo_site(sources=SITE.sources, access=ACCESS)
CANARY = "AUTREMENT"
decider = Store.decider
REVEAL = {identity_desk.REVEAL_HEADER: quote("une vérification")}


def signed(client="nadia", **headers):
    token = jwt.encode({"iss": client, "aud": DESK.id, "exp": NOW.timestamp() + 60}, KEY, algorithm="EdDSA")
    return {"Authorization": f"Bearer {token}", **headers}


class Desk:
    """The desk's interface, called by somebody; every answer is as the document says."""

    def __init__(self, store):
        self.store = store
        self.http = None
        self.document = None

    def operations(self, principal):
        desk = IdentityDesk(self.store.database, self.store.work)
        return IdentityOperations(principal, desk, self.store.trail, self.store.decider())

    async def call(self, method, path, body=None, *, by="nadia", **headers):
        """Give the answer, once it is known to be one of those that the document has for this route."""
        asked = signed(by) | headers if by else headers
        answer = await self.http.request(method, path, json=body, headers=asked)
        said = self.said(method, path)["responses"].get(str(answer.status_code))
        assert said is not None, (path, answer.status_code, answer.text)
        ((media, content),) = said["content"].items()
        assert answer.headers["content-type"].partition(";")[0] == media
        whole = content["schema"] | {"components": self.document["components"]}
        Draft202012Validator(whole).validate(answer.json())
        return answer

    def said(self, method, path):
        """Give what the document says of a request."""
        steps = path.partition("?")[0].split("/")
        for template, item in self.document["paths"].items():
            named = template.split("/")
            fits = len(named) == len(steps) and all(
                n in {s, ""} or n[0] == "{" for n, s in zip(named, steps, strict=True)
            )
            if template == "/".join(steps) or (fits and "/".join(steps) not in self.document["paths"]):
                return item[method.lower()]
        raise AssertionError(path)


@pytest.fixture
async def desk(store):
    made = Desk(store)
    app = Starlette(routes=identity_desk.create_routes(made.operations, store.trail, DESK, lambda: NOW))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as made.http:
        made.document = (await made.http.get("/identity/openapi.json")).json()
        yield made


@pytest.fixture
def doubt(store):
    """A record of admissions and the provisional one of a doubt about it; give the two ids."""
    contradicting = result("C3", "8001", "O2", when=3).replace(b"FABULAIRE", CANARY.encode())
    store.process(patient_told("C1", "8001"), result("C2", "8001", "O1", when=2), contradicting)
    record = schema.identity.c
    rows = {row.authoritative: row.id for row in store.rows(select(record.id, record.authoritative))}
    return rows[True], rows[False]


def actions(store):
    return [str(event.action) for event in store.trail.search(AuditQuery(limit=1_000))]


async def test_the_document_has_every_route_and_no_other(desk):
    """Each path and method that is served is told, and what is told is served."""
    served = {
        (route.path, method)
        for route in identity_desk.create_routes(desk.operations, desk.store.trail, DESK, lambda: NOW)
        for method in route.methods - {"HEAD"}
    }
    told = {(path, method.upper()) for path, item in desk.document["paths"].items() for method in item}
    assert told == served


async def test_every_refusal_in_the_document_is_a_problem_and_every_reference_leads_somewhere(desk):
    """The schemas are sound JSON Schema, and no reference is dead."""
    names = desk.document["components"]["schemas"]
    for name in names:
        Draft202012Validator.check_schema(names[name])
    references = {part.partition('"')[0] for part in json.dumps(desk.document).split("#/components/schemas/")[1:]}
    assert references <= names.keys()
    for item in desk.document["paths"].values():
        for act in item.values():
            for status, said in act["responses"].items():
                assert ("application/problem+json" in said["content"]) == (status >= "400")


async def test_a_question_is_listed_shown_compared_and_answered(desk, doubt):
    """From the list to the decision and back, by one person; the document holds for each answer."""
    adm, own = doubt
    (question,) = (await desk.call("GET", "/identity/questions?kind=collisions")).json()["questions"]
    assert (question["identity"], question["other"], question["doubt"]) == (own, adm, "collision")
    assert (await desk.call("GET", "/identity/questions?kind=minors")).json()["questions"] == []
    shown = (await desk.call("GET", f"/identity/records/{own}")).json()
    assert (shown["identity"], shown["person"] != own) == (own, True)
    compared = await desk.call("POST", "/identity/comparisons", {"identities": [own, adm]})
    assert {line["grade"] for line in compared.json()["traits"]} >= {"blocking"}
    asked = {"kind": "not-same", "identity": own, "other": adm, "reason": "two sisters"}
    preview = (await desk.call("POST", "/identity/decisions/preview", asked)).json()
    assert (preview["done"], preview["decision"], len(preview["items"]) > 0) == (False, None, True)
    assert len((await desk.call("GET", "/identity/questions")).json()["questions"]) == 1
    done = await desk.call("POST", "/identity/decisions", asked)
    assert (done.status_code, done.json()["by"], done.json()["standing"]) == (201, "nadia", "in-force")
    assert (await desk.call("GET", "/identity/questions")).json()["questions"] == []
    assert (await desk.call("GET", done.headers["location"])).json()["kind"] == "not-same"
    undone = await desk.call("POST", f"{done.headers['location']}/undo", {"reason": "a mistake"}, by="omar")
    assert (undone.json()["standing"], undone.json()["undone_by"]) == ("undone", "omar")
    assert len((await desk.call("GET", "/identity/questions")).json()["questions"]) == 1


async def test_values_are_masked_until_a_reason_is_given_and_the_reason_is_audited(desk, doubt):
    """No trait without a reason; with one, which may have accents, the audit trail keeps it."""
    adm, own = doubt
    paths = ("/identity/questions", f"/identity/records/{own}")
    for path in paths:
        assert CANARY not in (await desk.call("GET", path)).text
        assert CANARY in (await desk.call("GET", path, **REVEAL)).text
        assert desk.store.trail.search(AuditQuery(limit=1_000))[-1].detail["reason"] == "une vérification"
    compare = {"identities": [own, adm]}
    assert CANARY not in (await desk.call("POST", "/identity/comparisons", compare)).text
    assert CANARY in (await desk.call("POST", "/identity/comparisons", compare | {"reveal": "une question"})).text
    (refused,) = [await desk.call("GET", paths[1], by="reader", **REVEAL)]
    assert (refused.status_code, CANARY in refused.text) == (403, False)


async def test_no_log_holds_an_id_a_reason_or_a_trait(desk, doubt):
    """A request is logged by method, route template, status and time alone."""
    adm, own = doubt
    with capture_logs() as logs:
        await desk.call("GET", f"/identity/records/{own}", **REVEAL)
        asked = {"kind": "not-same", "identity": own, "other": adm, "reason": "CANARY"}
        await desk.call("POST", "/identity/decisions", asked)
    assert [(line["route"], line["status"]) for line in logs] == [
        ("/identity/records/{identity}", 200),
        ("/identity/decisions", 201),
    ]
    assert not any(word in str(logs) for word in (own, adm, "CANARY", CANARY))


async def test_four_eyes(desk, doubt):
    """A link against a strict trait is proposed; its proposer does not approve it, another one does."""
    adm, own = doubt
    asked = {"kind": "link", "identity": own, "other": adm, "reason": "married"}
    done = await desk.call("POST", "/identity/decisions", asked)
    assert (done.json()["standing"], done.json()["discordant"]) == ("proposed", ["birth_family_name"])
    (waiting,) = (await desk.call("GET", "/identity/decisions")).json()["decisions"]
    assert waiting["decision"] == done.json()["decision"]
    approval = f"{done.headers['location']}/approval"
    assert (await desk.call("POST", approval)).status_code == 403
    preview = await desk.call("POST", f"{approval}/preview", by="omar")
    assert [m["identity"] for m in preview.json()["moves"]] == [own]
    assert (await desk.call("POST", approval, by="omar")).json()["second"] == "omar"
    assert (await desk.call("POST", f"{done.headers['location']}/undo/preview", {"reason": "r"})).json()[
        "done"
    ] is False
    again = await desk.call("POST", approval, by="omar")
    assert (again.status_code, again.json()["latest"]["by"]) == (409, "omar")


async def test_freezing_flags_and_questions_to_others_are_decided_over_http_too(desk, doubt):
    """A freeze waits for a second person; a flag is a request until it is followed; a question says who is asked."""
    adm, own = doubt
    asked = {"kind": "request-flag", "identity": adm, "subject": "HOMA", "reason": "a namesake"}
    flagged = (await desk.call("POST", "/identity/decisions", asked)).json()
    assert (flagged["standing"], flagged["subject"], flagged["overdue"]) == ("in-force", "HOMA", False)
    (own_decision,) = (await desk.call("GET", f"/identity/records/{adm}")).json()["decisions"]
    assert (own_decision["kind"], own_decision["followed"]) == ("request-flag", False)
    asked = {"kind": "ask-information", "identity": own, "subject": "cardiologie", "reason": "which sister"}
    assert (await desk.call("POST", "/identity/decisions", asked)).status_code == 201
    (question,) = (await desk.call("GET", "/identity/questions?kind=collisions")).json()["questions"]
    assert question["waits_for"] == ["cardiologie"]
    proposed = await desk.call(
        "POST", "/identity/decisions", {"kind": "freeze", "identity": adm, "reason": "two people"}
    )
    assert proposed.json()["standing"] == "proposed"
    await desk.call("POST", f"{proposed.headers['location']}/approval", by="omar")
    assert (await desk.call("GET", f"/identity/records/{adm}")).json()["frozen"] is True
    assert (await desk.call("GET", "/identity/questions?kind=stale")).json()["questions"] == []  # asked just now


async def test_what_has_waited_for_too_long_is_listed_as_late(store, doubt, monkeypatch):
    """A question by the list of its name, a request by its own word; neither is while its time has not passed."""
    adm, own = doubt
    made, late = Desk(store), NOW.replace(year=2099)
    site = replace(DESK, desk_days=1e-9)
    monkeypatch.setattr(type(store), "decider", lambda s: replace(decider(s), site=site))
    app = Starlette(routes=identity_desk.create_routes(made.operations, store.trail, site, lambda: late))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as made.http:
        made.document = (await made.http.get("/identity/openapi.json")).json()
        monkeypatch.setattr(admission, "authenticate", lambda *_, **__: CLIENTS["nadia"])
        (question,) = (await made.call("GET", "/identity/questions?kind=stale")).json()["questions"]
        assert question["identity"] == own
        asked = {"kind": "request-flag", "identity": adm, "subject": "HOMA", "reason": "a namesake"}
        done = await made.call("POST", "/identity/decisions", asked)
        assert (await made.call("GET", done.headers["location"])).json()["overdue"] is True


async def test_a_decision_on_what_has_changed_since_says_who_changed_it_and_when(desk, doubt):
    """The version of a preview no longer holds once another has decided: 412; without it, the rule says 409."""
    adm, own = doubt
    asked = {"kind": "not-same", "identity": own, "other": adm, "reason": "two sisters"}
    seen = (await desk.call("POST", "/identity/decisions/preview", asked)).headers["etag"]
    compared = await desk.call("POST", "/identity/comparisons", {"identities": [adm, own]})
    assert compared.headers["etag"] == seen
    done = await desk.call("POST", "/identity/decisions", asked, by="omar", **{"If-Match": seen})
    assert done.status_code == 201
    outdated = await desk.call("POST", "/identity/decisions", asked, **{"If-Match": seen})
    assert outdated.status_code == 412
    latest = outdated.json()["latest"]
    assert (latest["decision"], latest["by"]) == (done.json()["decision"], "omar")
    assert datetime.fromisoformat(latest["at"]) == datetime.fromisoformat(done.json()["at"])
    conflict = await desk.call("POST", "/identity/decisions", asked)
    assert (conflict.status_code, conflict.json()["latest"]) == (409, latest)
    again = (await desk.call("GET", done.headers["location"])).headers["etag"]
    undone = await desk.call("POST", f"{done.headers['location']}/undo", {"reason": "r"}, **{"If-Match": again})
    assert undone.status_code == 200


async def test_of_two_who_decide_at_once_one_is_refused(desk, doubt):
    """Both held to one version: one decision is taken, the other is answered who took it."""
    adm, own = doubt
    acts = [desk.operations(CLIENTS[name]) for name in ("nadia", "omar")]
    version = desk.operations(CLIENTS["nadia"]).comparison([own, adm], "").version

    def decide(operations):
        try:
            return operations.decide(DecisionKind.NOT_SAME, own, adm, "two sisters", expects=version).decision.by
        except identity_desk.DecidedMeanwhile as refused:
            return refused.name, refused.by

    one, other = sorted(at_once(*(lambda a=a: decide(a) for a in acts)), key=str)
    assert one == ("VersionOutdated", other)


async def test_pages_hold_each_question_once(desk, store):
    """Page by page each open question comes once, oldest first; the address of the next names nothing of a patient."""
    told = [patient_told(f"A{n}", f"8{n:03}") for n in range(5)]
    doubts = [result(f"B{n}", f"8{n:03}", f"O{n}", when=3).replace(b"FABULAIRE", CANARY.encode()) for n in range(5)]
    store.process(*told, *doubts)
    whole = [q["identity"] for q in (await desk.call("GET", "/identity/questions")).json()["questions"]]
    found, following = [], "/identity/questions?kind=collisions&limit=2"
    while following:
        assert CANARY not in following
        page = (await desk.call("GET", following)).json()
        found += [q["identity"] for q in page["questions"]]
        following = page["next"]
    assert (len(found), found) == (5, whole)
    for identity in found:
        other = (await desk.call("GET", f"/identity/records/{identity}")).json()
        assert other["retired"] is False


async def test_decisions_are_paged_too(desk, store, doubt):
    """Undone decisions, a page of one at a time, by number."""
    adm, own = doubt
    asked = {"kind": "not-same", "identity": own, "other": adm, "reason": "two sisters"}
    told = []
    for _ in range(3):
        done = await desk.call("POST", "/identity/decisions", asked)
        told.append(done.json()["decision"])
        await desk.call("POST", f"{done.headers['location']}/undo", {"reason": "r"})
    found, following = [], "/identity/decisions?standing=undone&kind=not-same&limit=1"
    while following:
        page = (await desk.call("GET", following)).json()
        found += [d["decision"] for d in page["decisions"]]
        following = page["next"]
    assert (len(found), found) == (3, told)
    assert (await desk.call("GET", "/identity/decisions?standing=in-force")).json() == {"decisions": [], "next": None}


@pytest.mark.parametrize("by", ["", "stranger"])
async def test_who_does_not_say_who_they_are_is_refused_and_that_is_audited(desk, doubt, by):
    """No token, or one of an unknown client: 401, an audit event of the act, and nothing is done."""
    adm, own = doubt
    asked = {"kind": "not-same", "identity": own, "other": adm, "reason": "two sisters"}
    for method, path, body in (
        ("GET", "/identity/questions", None),
        ("GET", f"/identity/records/{own}", None),
        ("POST", "/identity/comparisons", {"identities": [own, adm]}),
        ("POST", "/identity/decisions", asked),
        ("POST", "/identity/decisions/1/undo", {"reason": "r"}),
    ):
        before = actions(desk.store).count(AuditAction.ACCESS_REFUSED)
        refused = await desk.call(method, path, body, by=by)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert actions(desk.store).count(AuditAction.ACCESS_REFUSED) == before + 1
    assert desk.store.count(schema.identity_decision) == 0


async def test_who_may_read_does_not_decide(desk, doubt):
    """Each act asks for its own right; a refusal is audited under the principal's name."""
    adm, own = doubt
    for kind, other in (("link", adm), ("not-same", adm), ("unlink", None), ("request-merge", adm)):
        asked = {"kind": kind, "identity": own, "other": other, "reason": "r"}
        for path in ("/identity/decisions", "/identity/decisions/preview"):
            assert (await desk.call("POST", path, asked, by="reader")).status_code == 403
            event = desk.store.trail.search(AuditQuery(limit=1_000))[-1]
            assert (event.action, event.principal) == (AuditAction.ACCESS_REFUSED, "reader")
    for act in ("approval", "undo"):
        assert (
            await desk.call("POST", f"/identity/decisions/1/{act}", {"reason": "r"}, by="reader")
        ).status_code == 403


ASKED = {"kind": "not-same", "identity": "a", "other": "b", "reason": "r"}
WRONG = [
    ("GET", "/identity/questions?kind=nothing", None, 400),
    ("GET", "/identity/questions?kind=proposed", None, 400),
    ("GET", "/identity/questions?limit=0", None, 400),
    ("GET", "/identity/questions?limit=1&limit=2", None, 400),
    ("GET", "/identity/questions?family=DUPONT", None, 400),
    ("GET", "/identity/questions?after=DUPONT", None, 400),
    ("GET", "/identity/questions?after=MjAyNg==", None, 400),
    ("GET", "/identity/decisions?standing=lost", None, 400),
    ("GET", "/identity/decisions?after=-1", None, 400),
    ("GET", "/identity/records/nobody", None, 404),
    ("GET", "/identity/records/DUPONT.1", None, 404),
    ("GET", "/identity/decisions/9", None, 404),
    ("GET", "/identity/decisions/x", None, 404),
    ("POST", "/identity/decisions/9/undo", {"reason": "r"}, 404),
    ("POST", "/identity/decisions/9/approval", None, 404),
    ("POST", "/identity/decisions", ASKED, 404),
    ("POST", "/identity/decisions", ASKED | {"reason": " "}, 422),
    ("POST", "/identity/decisions", ASKED | {"reason": "r" * 501}, 422),
    ("POST", "/identity/decisions", {k: v for k, v in ASKED.items() if k != "reason"}, 422),
    ("POST", "/identity/decisions", ASKED | {"kind": "DUPONT"}, 400),
    ("POST", "/identity/decisions", ASKED | {"other": None}, 400),
    ("POST", "/identity/decisions", ASKED | {"kind": "unlink"}, 400),
    ("POST", "/identity/decisions", ASKED | {"by": "omar"}, 400),
    ("POST", "/identity/decisions", ASKED | {"identity": "DUPONT Jean"}, 400),
    ("POST", "/identity/decisions", ["DUPONT"], 400),
    ("POST", "/identity/decisions", ASKED | {"reason": "DUPONT" * 5_000}, 413),
    ("POST", "/identity/comparisons", {"identities": ["a", "a"]}, 400),
    ("POST", "/identity/comparisons", {"identities": []}, 400),
    ("POST", "/identity/comparisons", {"identities": ["a", "b"]}, 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), WRONG)
async def test_what_is_wrong_is_said_by_place_and_rule(desk, method, path, body, status):
    """Each wrong request has its status and a problem that holds no value of it; nothing is decided."""
    refused = await desk.call(method, path, body)
    assert refused.status_code == status, refused.text
    assert refused.headers["cache-control"] == "no-store"
    assert "DUPONT" not in refused.text
    assert desk.store.count(schema.identity_decision) == 0


async def test_what_is_no_json_is_refused(desk):
    """Another media type, an encoded body, JSON that is none, and If-Match that is none of our tags."""
    sent = b'{"kind": "DUPONT'
    for headers, status in (
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "application/json"}, 400),
    ):
        refused = await desk.http.post("/identity/decisions", content=sent, headers=signed() | headers)
        assert (refused.status_code, "DUPONT" in refused.text) == (status, False)
    assert (await desk.call("POST", "/identity/decisions", ASKED, **{"If-Match": "DUPONT"})).status_code == 400
    assert (
        await desk.call("GET", "/identity/questions", **{identity_desk.REVEAL_HEADER: "r" * 501})
    ).status_code == 400


async def test_headers_body_and_time_are_bounded(desk, monkeypatch):
    """Too many headers, and a body that does not come (promise P9)."""
    assert (await desk.call("GET", "/identity/questions", **{"X-More": "x" * 17_000})).status_code == 431
    monkeypatch.setattr(exchange, "BODY_SECONDS", 0.01)

    async def slow():
        yield b"{"
        await asyncio.sleep(1)

    headers = signed(**{"Content-Type": "application/json"})
    assert (await desk.http.post("/identity/decisions", content=slow(), headers=headers)).status_code == 408


async def test_trouble_and_faults_tell_nothing(desk, monkeypatch):
    """A store in trouble is 503 with a time to come again, a fault of ours 500 without a word of its text."""

    def trouble(_principal):
        raise StorageUnavailable("the commit was not confirmed")

    def fault(_principal):
        raise RuntimeError(CANARY)

    for broken, status in ((trouble, 503), (fault, 500)):
        app = Starlette(routes=identity_desk.create_routes(broken, desk.store.trail, DESK, lambda: NOW))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://g"
        ) as desk.http:
            with capture_logs() as logs:
                answer = await desk.call("GET", "/identity/questions")
            assert (answer.status_code, CANARY in answer.text + str(logs)) == (status, False)
            assert ("retry-after" in answer.headers) == (status == 503)


def insless(control_id, ipp, *, event="A47", when=0):
    """Admissions removes an INS (PAM.FR 2.11 §4.4)."""
    raw = patient_told(control_id, ipp, event=event, when=when).replace(b"ADT_A05", b"ADT_A30")
    gone = b'&ISO^PI~""^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS|'
    mrg = b"MRG|258032934515608^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS\r"
    return raw.replace(b"&ISO^PI|", gone, 1).rstrip(b"\r") + b"|" * 24 + b"VALI\r" + mrg


async def test_records_are_listed_for_what_is_notable_what_was_told_last_first(desk):
    """Twins, imputed dates, an INS without VALI, homonyms, an A47: by pages, masked, and audited."""
    store = desk.store
    ins = b"&ISO^PI~258032934515608^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS|"
    store.process(
        *(patient_told(f"C{n}", f"80{n}", born="19580101") for n in range(3)),
        patient_told("C4", "8104").rstrip(b"\r") + b"|" * 24 + b"HOMA\r",
        patient_told("C5", "8105").replace(b"&ISO^PI|", ins),
        insless("C6", "8106", when=6),
    )
    first = (await desk.call("GET", "/identity/records?about=imputed-dates&limit=2")).json()
    then = (await desk.call("GET", first["next"])).json()
    told = [*first["records"], *then["records"]]
    assert (len(told), then["next"]) == (3, None)
    assert all(r["birth_date"] == "***" and r["notes"] == ["imputed-dates"] for r in told)
    for about in ("homonyms", "ins-unqualified", "identifiers-changed"):
        (record,) = (await desk.call("GET", f"/identity/records?about={about}", **REVEAL)).json()["records"]
        assert about in record["notes"]
        assert (record["identifier_change"] == "ins-removed") is (about == "identifiers-changed")
    for about in ("twins", "merges-to-follow"):
        assert (await desk.call("GET", f"/identity/records?about={about}")).json()["records"] == []
    for wrong in ("", "?about=nothing", "?about=twins&after=x", "?about=twins&kind=alike"):
        assert (await desk.call("GET", f"/identity/records{wrong}")).status_code == 400
    listed = [e for e in store.trail.search(AuditQuery(limit=100)) if e.action == AuditAction.IDENTITY_LISTED]
    assert [e.detail["about"] for e in listed][:2] == ["imputed-dates"] * 2


async def test_a_request_to_merge_is_followed_among_the_records_until_admissions_has_done_it(desk):
    """Both numbers are on the list of merges to follow, and neither once the A40 has come."""
    store = desk.store
    store.process(patient_told("C1", "8001"), patient_told("C2", "8002"))
    record = schema.identity.c
    one, other = (r.id for r in store.rows(select(record.id)))
    asked = {"kind": "request-merge", "identity": one, "other": other, "reason": "one and the same"}
    assert (await desk.call("POST", "/identity/decisions", asked)).status_code == 201
    followed = (await desk.call("GET", "/identity/records?about=merges-to-follow")).json()["records"]
    assert {r["identity"] for r in followed} == {one, other}
    store.process(merge("C3", "8002", "8001", when=5), merge("C4", "8001", "8002", when=6))
    assert (await desk.call("GET", "/identity/records?about=merges-to-follow")).json()["records"] == []


async def test_several_records_are_parted_by_one_decision_of_two(desk):
    """It is proposed, approved and undone as one; a request that is overdue says so in the answer to its undoing."""
    store = desk.store
    store.process(*(patient_told(f"C{n}", f"80{n}", born=f"195{n}0101") for n in range(3)))
    record = schema.identity.c
    one, other, third = (r.id for r in store.rows(select(record.id).order_by(record.value)))
    asked = {"kind": "not-same", "identity": one, "other": other, "further": [third], "reason": "three sisters"}
    made = (await desk.call("POST", "/identity/decisions", asked)).json()
    assert (made["standing"], made["further"]) == ("proposed", [third])
    assert (await desk.call("POST", "/identity/decisions", asked)).status_code == 409
    approved = await desk.call("POST", f"/identity/decisions/{made['decision']}/approval", by="omar")
    assert (approved.json()["standing"], approved.json()["overdue"]) == ("in-force", False)
    linking = {"kind": "request-merge", "identity": one, "other": third, "reason": "a double"}
    assert (await desk.call("POST", "/identity/decisions", linking)).status_code == 201
    undo = f"/identity/decisions/{made['decision']}/undo"
    assert (await desk.call("POST", undo, {"reason": "an error"})).json()["standing"] == "undone"
