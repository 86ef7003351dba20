"""Convocations over HTTP, on each store: the same acts as on the command line, and the same refusals."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from structlog.testing import capture_logs
from test_convocations import CONVENING, NADIA, decider, patient, process, siu

from adapters.convocation_operations import ConvocationOperations
from adapters.store.audit import AuditQuery
from adapters.store.convocations import ConvocationDesk
from adapters.web import convocations
from gateway.audit import AuditAction
from gateway.principal import Right
from gateway.site import Access

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
KEY = ed25519.Ed25519PrivateKey.generate()
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
CLIENTS = {
    "nadia": replace(NADIA, id="nadia"),
    "reader": replace(NADIA, id="reader", rights=frozenset({Right.CONVOCATION_READ})),
}
SITE = replace(CONVENING, access=Access(clients=CLIENTS, client_keys=dict.fromkeys(CLIENTS, PEM)))


@pytest.fixture
def call(store):
    """Calls the interface for somebody; of this store, which has one appointment."""
    process(store, patient("8001", "P1"), siu("S12", "A1", "8001", "R1", when=1))

    def operations(principal):
        desk = ConvocationDesk(store.database, store.work)
        return ConvocationOperations(principal, desk, store.trail, decider(store))

    app = Starlette(routes=convocations.create_routes(operations, store.trail, SITE, lambda: NOW))

    async def asked(method, path, by):
        token = jwt.encode({"iss": by, "aud": SITE.id, "exp": NOW.timestamp() + 60}, KEY, algorithm="EdDSA")
        headers = {"Authorization": f"Bearer {token}"} if by else {}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk") as http:
            return await http.request(method, path, headers=headers)

    return lambda method, path, by="nadia": asyncio.run(asked(method, path, by))


def test_a_convocation_is_listed_seen_printed_sent_and_confirmed(call):
    """Each by its address; the same JSON as the command line's."""
    (known,) = call("GET", "/convocations?state=to-prepare").json()["convocations"]
    assert (known["outcome"], known["channel"], known["patient"]["ipp"]) == ("generate", "letter", "8001")
    own = f"/convocations/{known['id']}"
    seen = call("GET", f"{own}/letter")
    assert (seen.headers["content-type"], seen.headers["cache-control"]) == ("application/pdf", "no-store")
    assert call("GET", own).json()["convocations"][0]["state"] == "to-prepare"
    printed = call("POST", f"{own}/letter")
    assert printed.content == call("GET", f"{own}/letter?number=1").content
    assert call("POST", f"{own}/sent").json()["convocations"][0]["state"] == "sent"
    assert call("POST", f"{own}/sent").status_code == 409
    assert call("POST", f"{own}/confirmed").json()["convocations"][0]["state"] == "confirmed"
    assert call("GET", "/convocations?state=to-prepare").json() == {"convocations": []}


def test_a_batch_is_one_pdf_and_nothing_to_print_is_no_content(call):
    """How many are in it, and how many were left out, is told beside."""
    first = call("POST", "/convocations/letters?secretariat=accueil")
    assert (first.status_code, first.headers["x-letters"], first.content[:4]) == (200, "1", b"%PDF")
    assert call("POST", "/convocations/letters").status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "by", "status"),
    [
        ("GET", "/convocations", "", 401),
        ("GET", "/convocations?name=DURAND", "nadia", 400),
        ("GET", "/convocations?state=lost", "nadia", 400),
        ("GET", "/convocations?limit=0", "nadia", 400),
        ("GET", "/convocations?secretariat=cardiologie", "nadia", 403),
        ("GET", "/convocations/nothing", "nadia", 404),
        ("POST", "/convocations/nothing/lost", "nadia", 404),
        ("POST", "/convocations/letters", "reader", 403),
    ],
)
def test_what_may_not_be_done_is_refused_as_a_problem(call, store, method, path, by, status):
    """Without a value in the answer or the log; a refusal of access is audited."""
    with capture_logs() as logs:
        answer = call(method, path, by)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert "DURAND" not in answer.text + str(logs)
    refused = [e for e in store.trail.search(AuditQuery()) if e.action == AuditAction.ACCESS_REFUSED]
    assert bool(refused) is (status in {401, 403})
