"""What a compliance officer types: searches, stories, reports; French for the reader, files for others, each an act."""

import csv
import io
import json
import shutil
import stat
import subprocess
from dataclasses import replace

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from messages import AUTHORITY, merge, patient_told, result
from stores import reception

from adapters.assembly import Assembly
from adapters.audit_key import new_signer, public_pem
from adapters.cli import main
from adapters.pipeline import worker
from adapters.settings import load_settings
from gateway.audit import AuditAction
from gateway.audit_query import AuditQuery
from gateway.principal import Right

DOMAIN = "2.16.840.1.113883.19.750.1"


@pytest.fixture
def gateway(store, monkeypatch):
    """Call `gateway` where a patient of two merged numbers has a result, and another one has none."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", store.url)
    told = (
        patient_told("C1", "8001"),
        result("C2", "8001", "O1", when=2),
        patient_told("C3", "8002"),
        merge("C4", "8002", "8001"),
        patient_told("C5", "8009"),
    )
    named = [raw.replace(b"|ADM|", b"|GAM|").replace(AUTHORITY.encode(), DOMAIN.encode()) for raw in told]
    assembly = Assembly(load_settings())
    sources = ("admissions", "laboratory", *["admissions"] * 3)
    store.inbox.record([reception(raw, source=source) for raw, source in zip(named, sources, strict=True)])
    working = worker(assembly, lambda: None)
    while working.run_once():
        pass
    store.outbox.confirm(store.outbox.unconfirmed(10))
    assembly.close()

    def call(*arguments, code=0):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == code, done.output
        return done.output

    return call


def the_item(gateway):
    (item,) = json.loads(gateway("worklist", "list", "--kind", "result", "--json"))
    return item["id"]


def acts(store, action):
    return store.trail.search(AuditQuery(action=action))


def test_a_search_holds_every_condition_and_is_written_in_each_form(gateway, store):
    """As a table, as JSON, as CSV for a spreadsheet, as NDJSON; by item, reference and period."""
    item = the_item(gateway)
    gateway("worklist", "show", item)
    assert "tâche consultée" in gateway("audit", "search", "--item", item)
    found = json.loads(gateway("audit", "search", "--correlation", "C2", "--json"))
    assert {e["message"] for e in found} == {2}
    assert json.loads(gateway("audit", "search", "--until", "2020-01-01", "--json")) == []
    lines = gateway("audit", "search", "--message", "2", "--format", "ndjson").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [e["id"] for e in found]
    rows = list(
        csv.DictReader(io.StringIO(gateway("audit", "search", "--message", "2", "--format", "csv")), delimiter=";")
    )
    assert [int(row["id"]) for row in rows] == [e["id"] for e in found]
    assert len(acts(store, AuditAction.AUDIT_REPORTED)) == 2
    assert len(acts(store, AuditAction.AUDIT_SEARCHED)) == 3


def test_a_file_is_new_and_its_owners_alone(gateway, store, tmp_path):
    """What is there is not written over, and nothing is told before that is known."""
    file = tmp_path / "traces.csv"
    gateway("audit", "search", "--message", "2", "--format", "csv", "-o", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes().startswith("﻿id;".encode())
    before = store.trail.last()
    gateway("audit", "search", "--format", "csv", "-o", str(file), code=2)
    gateway("audit", "search", "--format", "csv", "-o", str(tmp_path / "no" / "file"), code=2)
    assert store.trail.last() == before


def test_a_cell_is_no_formula(gateway):
    """A spreadsheet takes what begins like one for text."""
    gateway("messages", "discard", "1", "--reason", "x", code=1)
    gateway("messages", "resolve", "1", "--reason", "x", code=1)
    gateway("messages", "replay", "1", "--reason", "=HYPERLINK(1)")
    rows = list(csv.reader(io.StringIO(gateway("audit", "story", "--message", "1", "--format", "csv")), delimiter=";"))
    assert not any(cell.startswith("=") for row in rows for cell in row)


def test_a_story_is_told_in_order_in_french(gateway, store):
    """Of a patient by either number, of a message, of an item, of an actor; the telling is audited."""
    item = the_item(gateway)
    gateway("worklist", "claim", item)
    by_either = [gateway("audit", "story", "--patient", ipp).splitlines() for ipp in ("8001", "8002")]
    assert by_either[0][0].endswith("traces")
    for words in ("message reçu", "identités fusionnées", "tâche créée", "tâche publiée", "prise en charge"):
        assert any(words in line for line in by_either[0]), words
    told = {line for line in by_either[0] if line.startswith("  ")}
    assert told <= set(by_either[1])
    assert "8009" not in "".join(by_either[0])
    assert "Le 02/03/2026" in by_either[0]
    message = gateway("audit", "story", "--message", "2")
    assert "tâche publiée (message n° 2" in message
    assert "prise en charge" in gateway("audit", "story", "--item", item)
    account = acts(store, AuditAction.ITEM_CLAIMED)[0].principal
    assert "prise en charge" in gateway("audit", "story", "--actor", account, "--since", "1h")
    assert json.loads(gateway("audit", "story", "--item", item, "--json"))[0]["quoi"] == "tâche créée"
    searches = acts(store, AuditAction.AUDIT_SEARCHED)
    assert {len(e.patients) for e in searches[:2]} == {2}
    assert [bool(e.patients) for e in searches[2:]] == [True, True, False, True]
    gateway("audit", "story", code=2)
    gateway("audit", "story", "--item", item, "--message", "1", code=2)
    assert len(acts(store, AuditAction.AUDIT_SEARCHED)) == 6


def test_a_story_on_paper_is_signed(gateway, store, tmp_path, monkeypatch):
    """OpenSSL checks the signature with the public key alone; without a key it is told that there is none."""
    key, public, pdf = tmp_path / "key.pem", tmp_path / "public.pem", tmp_path / "recit.pdf"
    assert "not signed" in gateway("audit", "story", "--patient", "8001", "--pdf", str(tmp_path / "unsigned.pdf"))
    assert not (tmp_path / "unsigned.pdf.sig").exists()
    signer = new_signer()
    signer.write(key)
    public.write_bytes(public_pem(signer.public))
    monkeypatch.setenv("GATEWAY_AUDIT_KEY", str(key))
    gateway("audit", "story", "--patient", "8001", "--pdf", str(pdf))
    given = ("-inkey", public, "-rawin", "-in", pdf, "-sigfile", f"{pdf}.sig")
    if shutil.which("openssl"):
        command = ["openssl", "pkeyutl", "-verify", "-pubin", *map(str, given)]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    signature = pdf.with_name("recit.pdf.sig").read_bytes()
    Ed25519PublicKey.from_public_bytes(signer.public).verify(signature, pdf.read_bytes())
    assert len(acts(store, AuditAction.AUDIT_REPORTED)) == 2
    gateway("audit", "story", "--patient", "8001", "--pdf", str(pdf), code=2)


def test_a_breach_is_told_by_who_and_by_whom(gateway, store):
    """Who saw or acted on a patient's data, and which queue was told; and whose data somebody dealt with."""
    item = the_item(gateway)
    gateway("worklist", "claim", item)
    shown = gateway("audit", "report", "breach", "--patient", "8002", "--since", "2026-01-01")
    assert "dossiers concernés : 2" in shown
    for words in ("a consulté", "a agi", "a été informé", "Bureau des entrées"):
        assert words in shown
    rows = json.loads(gateway("audit", "report", "breach", "--patient", "8001", "--since", "2026-01-01", "--json"))
    assert {"corbeille consultée"} <= {act for row in rows for act in row["actes"]}
    account = acts(store, AuditAction.ITEM_CLAIMED)[0].principal
    by_actor = gateway("audit", "report", "breach", "--actor", account, "--since", "2026-01-01")
    assert "8001" in by_actor
    assert "8009" not in by_actor
    (first, *_) = acts(store, AuditAction.AUDIT_REPORTED)
    assert (len(first.patients), first.detail["report"]) == (2, "breach")
    for wrong in ([], ["--patient", "1", "--actor", "a"], ["--patient", "8001"]):
        gateway("audit", "report", "breach", *wrong, code=2)
    gateway("audit", "report", "breach", "--patient", "0000", "--since", "1d", code=1)


def test_anomalies_are_told_by_case(gateway):
    """What was shown for a reason is there with the reason; who asks has made no case before."""
    gateway("messages", "show", "2", "--reveal", "appel du laboratoire")
    shown = gateway("audit", "report", "anomalies", "--since", "1h", "--opens", "0", "--closes", "24")
    assert "valeurs affichées sur motif" in shown
    assert "appel du laboratoire" in shown
    cases = json.loads(gateway("audit", "report", "anomalies", "--since", "1h", "--json"))
    assert cases == sorted(cases, key=lambda case: case["de"])
    assert "traces communiquées ou exportées" in {case["cas"] for case in cases}


def test_a_patient_is_told_by_day_and_profession(gateway, store):
    """No hour, no account; who was told of it is in the trail."""
    item = the_item(gateway)
    gateway("worklist", "show", item)
    rows = json.loads(gateway("audit", "report", "patient", "--patient", "8001", "--json"))
    assert {"jour", "profession", "acte", "fois"} == {*rows[0]}
    assert "secrétaire" in {row["profession"] for row in rows if row["acte"] == "tâche consultée"}
    assert "account:" not in json.dumps(rows)
    (event,) = acts(store, AuditAction.AUDIT_DISCLOSED)
    assert len(event.patients) == 2
    gateway("audit", "report", "patient", "--patient", "0000", code=1)


@pytest.mark.parametrize(
    ("right", "arguments"),
    [
        (Right.AUDIT_READ, ("search",)),
        (Right.AUDIT_READ, ("story", "--message", "1")),
        (Right.AUDIT_REPORT, ("search", "--format", "csv")),
        (Right.AUDIT_REPORT, ("story", "--message", "1", "--format", "ndjson")),
        (Right.AUDIT_REPORT, ("report", "breach", "--patient", "8001", "--since", "1d")),
        (Right.AUDIT_REPORT, ("report", "anomalies", "--since", "1d")),
        (Right.AUDIT_DISCLOSE, ("report", "patient", "--patient", "8001")),
    ],
)
def test_each_answer_has_its_right(gateway, store, monkeypatch, right, arguments):
    """Without it nothing is told, and the refusal is audited."""
    known = Assembly.account_principal

    def without(self):
        principal = known(self)
        return replace(principal, rights=principal.rights - {right})

    monkeypatch.setattr(Assembly, "account_principal", without)
    told = gateway("audit", *arguments, code=4)
    assert "8001" not in told
    assert acts(store, AuditAction.ACCESS_REFUSED)
