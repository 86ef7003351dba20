"""What a compliance officer types: keys, exports, verifications and proofs of the audit trail, on both stores."""

import json
import runpy
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from stores import unguarded
from test_store_audit import event

from adapters.audit_key import new_signer, public_pem, read_public
from adapters.cli import main
from adapters.notary import Keys, Notary
from adapters.sinks import Courier, file_sink
from adapters.store import schema
from adapters.store.audit import AuditQuery
from adapters.store.chain import entries
from adapters.store.checkpoints import CheckpointStore
from gateway.audit import GENESIS, AuditAction, fingerprint, seal
from gateway.checkpoint import checkpoints_in
from gateway.verification import Link
from mappings.site import DEMO

VERIFIER = Path(__file__).parents[2] / "deploy" / "verify_proof.py"
EVENTS = 40


@pytest.fixture
def gateway(store, monkeypatch, tmp_path):
    """Call `gateway audit`, and give exit code and text; the private key's file is one of the test's."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", store.url)
    monkeypatch.setenv("GATEWAY_AUDIT_KEY", str(tmp_path / "key.pem"))

    def call(*arguments):
        done = CliRunner().invoke(main, ["audit", *map(str, arguments)])
        return done.exit_code, done.output

    return call


def told(gateway, *arguments, exit_code=0):
    """Give what a command tells a program."""
    code, printed = gateway(*arguments, "--json")
    assert code == exit_code, printed
    return json.loads(printed)


def test_keys_are_made_replaced_and_shown(gateway, store, tmp_path):
    """The first key is made once; a rotation's public key is the next one's; each act leaves an event."""
    first = told(gateway, "key", "new")
    assert gateway("key", "new")[0] == 1
    second = told(gateway, "key", "rotate")
    assert (second["previous"], first["previous"]) == (first["key"], None)
    old, new = told(gateway, "key", "list")
    assert (old["key"], old["signs_here"], new["key"], new["signs_here"]) == (first["key"], False, second["key"], True)
    assert old["until"] > new["valid_from"]
    assert new["until"] is None
    assert second["key"] in gateway("key", "list")[1]
    for asked, expected in (((), second), ((first["key"][:8],), first)):
        code, pem = gateway("key", "public", *asked)
        raw = serialization.load_pem_public_key(pem.encode()).public_bytes_raw()
        assert (code, raw.hex()) == (0, expected["public"])
        assert sha256(raw).hexdigest()[:32] == expected["key"]
    assert gateway("key", "public", "zz")[0] == 1
    found = {event.action for event in store.trail.search(AuditQuery())}
    assert found >= {AuditAction.AUDIT_KEY_MADE, AuditAction.AUDIT_KEY_ROTATED, AuditAction.AUDIT_KEY_LISTED}


def test_a_key_is_changed_by_who_may(gateway, store, monkeypatch, tmp_path):
    """Who may verify sees the public keys, and makes none: refused, and audited."""
    site = shutil.copytree(DEMO, tmp_path / "site")
    (site / "access.toml").write_text('[accounts."*"]\nrights = ["audit:verify"]\n', encoding="utf-8")
    monkeypatch.setenv("GATEWAY_SITE", str(site))
    assert gateway("key", "list")[0] == 0
    assert [gateway("key", act)[0] for act in ("new", "rotate")] == [4, 4]
    assert not (tmp_path / "key.pem").exists()
    refused = store.trail.search(AuditQuery(action=AuditAction.ACCESS_REFUSED))
    assert [event.detail["act"] for event in refused] == [AuditAction.AUDIT_KEY_MADE, AuditAction.AUDIT_KEY_ROTATED]


def test_where_no_file_is_named_the_setting_is(gateway, store, monkeypatch):
    """On PostgreSQL, where no file stands beside the database, the command says which setting lacks."""
    monkeypatch.delenv("GATEWAY_AUDIT_KEY")
    code, printed = gateway("key", "new")
    assert (code, "GATEWAY_AUDIT_KEY" in printed) == ((0, False) if store.database.sqlite else (2, True))


# -- exports, verifications, proofs ------------------------------------------------------------------------------------


@pytest.fixture
def kept(gateway, store, tmp_path):
    """A log with five checkpoints, the key replaced after the second; the file that a sink has of the checkpoints."""
    checkpoints = CheckpointStore(store.database)
    keys = Keys(checkpoints, tmp_path / "key.pem")
    notary = Notary(checkpoints, keys, 1, 60)
    file = tmp_path / "kept"
    told(gateway, "key", "new")
    (tmp_path / "first.pem").write_text(gateway("key", "public")[1])
    for number in range(5):
        if number == 2:
            told(gateway, "key", "rotate")
        store.trail.record(*(event(n) for n in range(EVENTS // 5)))
        store.trail.seal()
        notary.make(datetime.now(UTC), at_once=True)
    checkpoints.expect(["file"])
    Courier(store.database, checkpoints, {"file": file_sink(file)}).tell("file")
    return file


def verified(gateway, *arguments):
    """Verify, and give what was told; exit 1 says that something does not hold."""
    code, printed = gateway("verify", "--json", *arguments)
    found = json.loads(printed)
    assert code == (0 if found["ok"] else 1)
    return found


def test_a_whole_log_verifies_online_and_from_its_export_alone(gateway, kept, tmp_path, monkeypatch):
    """An export with a public key and checkpoints from elsewhere is verified where there is no gateway at all."""
    online = verified(gateway, "--checkpoints", kept)
    assert (online["ok"], online["checkpoints"], online["outside"]) == (True, 5, 5)
    export = tmp_path / "audit.ndjson"
    assert told(gateway, "export", "-o", export)["bytes"] == export.stat().st_size
    assert export.stat().st_mode & 0o777 == 0o600
    assert gateway("export", "-o", export)[0] == 2
    monkeypatch.setenv("GATEWAY_DATABASE_URL", "sqlite:////nowhere/none.db")
    offline = verified(gateway, "--export", export, "--key", tmp_path / "first.pem", "--checkpoints", kept)
    assert (offline["ok"], offline["checkpoints"], offline["outside"]) == (True, 5, 5)
    assert {each["what"] for each in offline["unchecked"]} == {"no checkpoint", "no checkpoint from outside"}
    unsure = verified(gateway, "--export", export)
    assert {each["what"] for each in unsure["unchecked"]} > {each["what"] for each in offline["unchecked"]}
    printed = gateway("verify", "--export", export)[1]
    assert "chaîne intacte" in printed
    assert "les seules clés que le journal indique lui-même" in printed
    assert gateway("verify", "--export", kept)[0] == 2
    assert gateway("verify", "--export", export, "--key", kept)[0] == 2


def rechained(store, number, principal):
    """What an owner of the database does who changes an event and all seals from there on."""
    with store.database.write() as connection, unguarded(connection):
        connection.exec_driver_sql(f"UPDATE audit_event SET principal = '{principal}' WHERE id = {number}")
        before = GENESIS
        for link in [link for link in entries(connection) if isinstance(link, Link)]:
            before = seal(before, fingerprint(link.again(link.event)))
            connection.exec_driver_sql(f"UPDATE audit_seal SET digest = '{before}' WHERE sequence = {link.sequence}")


def own_checkpoints(store, tmp_path):
    """Checkpoints and a key of one's own in place of the log's."""
    with store.database.write() as connection, unguarded(connection):
        connection.exec_driver_sql("DELETE FROM audit_checkpoint")
        connection.exec_driver_sql("DELETE FROM audit_key")
    checkpoints = CheckpointStore(store.database)
    keys = Keys(checkpoints, tmp_path / "own.pem")
    keys.prepare(store.installation, "account:owner")
    store.trail.seal()
    Notary(checkpoints, keys, 1, 60).make(datetime.now(UTC), at_once=True)


def test_what_the_owner_of_the_database_rewrote_is_found(gateway, kept, store, tmp_path):
    """Against the log's own checkpoints; with a key of the owner's own, against this host's key or another's memory."""
    place = number_at(store, 20)
    rechained(store, place, "account:other")
    found = verified(gateway)["first_bad"]
    assert found["problem"] == "log rewritten"
    assert found["sequence"] <= 20 <= found["until"]
    own_checkpoints(store, tmp_path)
    assert verified(gateway)["first_bad"]["problem"] == "checkpoint not signed"
    (tmp_path / "key.pem").unlink()
    assert verified(gateway)["ok"]
    found = verified(gateway, "--checkpoints", kept)["first_bad"]
    assert (found["problem"], found["sequence"] <= 20 <= found["until"]) == ("log rewritten", True)
    export = tmp_path / "audit.ndjson"
    told(gateway, "export", "-o", export)
    assert verified(gateway, "--export", export)["ok"]
    assert verified(gateway, "--export", export, "--checkpoints", kept)["first_bad"]["problem"] == "log rewritten"
    found = verified(gateway, "--export", export, "--key", tmp_path / "first.pem")["first_bad"]
    assert found["problem"] == "checkpoint not signed"


def test_a_tail_that_was_cut_off_is_found_by_who_saw_it(gateway, kept, store):
    """Events, seals and checkpoints gone together: the log holds in itself, and not against what a sink has."""
    number = number_at(store, 25)
    with store.database.write() as connection, unguarded(connection):
        for statement in (
            "DELETE FROM audit_checkpoint WHERE last > 25",
            f"DELETE FROM audit_patient WHERE event_id > {number}",
            f"DELETE FROM audit_unsealed WHERE event_id > {number}",
            "DELETE FROM audit_seal WHERE sequence > 25",
            f"DELETE FROM audit_event WHERE id > {number}",
        ):
            connection.exec_driver_sql(statement)
    found = verified(gateway, "--checkpoints", kept)["first_bad"]
    last = checkpoints_in(kept.read_bytes().splitlines())[-1].checkpoint.last
    assert (found["problem"], found["until"]) == ("tail cut off", last)


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE audit_checkpoint SET content = '[]' WHERE number = 3", "line unreadable"),
        ("UPDATE audit_checkpoint SET content = 'x' WHERE number = 3", "line unreadable"),
        ("DELETE FROM audit_checkpoint WHERE number = 3", "checkpoint missing"),
        ("UPDATE audit_key SET content = '[]' WHERE number = 2", "checkpoint not signed"),
        ("DELETE FROM audit_key WHERE number = 2", "checkpoint not signed"),
        ("UPDATE audit_seal SET digest = '' WHERE sequence = 20", "event changed"),
    ],
)
def test_what_was_done_to_checkpoints_and_keys_is_named(gateway, kept, store, tmp_path, statement, problem):
    """Whatever stands there instead; an export of it can be made, and tells as much."""
    first = tmp_path / "first.pem"
    with store.database.write() as connection, unguarded(connection):
        connection.exec_driver_sql(statement)
    assert verified(gateway, "--key", first)["first_bad"]["problem"] == problem
    export = tmp_path / "audit.ndjson"
    told(gateway, "export", "-o", export)
    assert not verified(gateway, "--export", export, "--key", first)["ok"]


def number_at(store, place):
    """Give the number of the event at a place in the chain."""
    seals = schema.audit_seal
    return store.rows(seals.select().where(seals.c.sequence == place))[0].event_id


def test_a_third_party_checks_that_an_event_is_in_the_log(gateway, kept, store, tmp_path):
    """With the public key and a page of Python, and nothing of the project: the first key and the last will do."""
    proof, pem = tmp_path / "proof.json", tmp_path / "last.pem"
    pem.write_text(gateway("key", "public")[1])
    for place in (1, 12, 30):
        event_id = number_at(store, place)
        assert gateway("prove", event_id, "-o", proof)[0] == 0
        for key in ("first.pem", "last.pem"):
            done = checked(proof, tmp_path / key)
            assert (done.returncode, "PROUVÉ" in done.stdout) == (0, True), done.stderr
        proven = proof.read_text()
        assert json.loads(proven)["event"]["id"] == event_id
        proof.unlink()
    flaw, first = runpy.run_path(str(VERIFIER))["flaw"], read_public(tmp_path / "first.pem")
    for number, change in enumerate(CHANGES):
        changed = json.loads(proven)
        change(changed)
        assert flaw(changed, first), number
    assert not flaw(json.loads(proven), first)
    told_of = store.trail.search(AuditQuery(action=AuditAction.AUDIT_PROVEN))
    assert told_of[-1].entities == (f"audit-event/{number_at(store, 30)}",)


CHANGES = [
    lambda proof: proof["event"].update(principal="account:other"),
    lambda proof: proof.update(sequence=proof["sequence"] + 1),
    lambda proof: proof.update(previous="0" * 64),
    lambda proof: proof["path"].append("0" * 64),
    lambda proof: proof["checkpoint"].update(root="0" * 64),
    lambda proof: proof["checkpoint"].update(key="0" * 32),
    lambda proof: proof.update(signature="0" * 128),
    lambda proof: proof["keys"][1]["key"].update(previous="0" * 32),
]


def checked(proof, key):
    """Have a proof checked where there is nothing of the project."""
    command = [sys.executable, "-I", str(VERIFIER), str(proof), str(key)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=proof.parent, timeout=60)


def test_a_strangers_key_proves_nothing(gateway, kept, store, tmp_path):
    """Nor does what is no proof: exit 2 says so."""
    proof, strange = tmp_path / "proof.json", tmp_path / "strange.pem"
    gateway("prove", number_at(store, 9), "-o", proof)
    strange.write_bytes(public_pem(new_signer().public))
    assert checked(proof, strange).returncode == 1
    assert checked(strange, strange).returncode == 2
    assert len(VERIFIER.read_text(encoding="utf-8").splitlines()) < 100


def test_what_cannot_be_proven_is_not(gateway, kept, store, tmp_path):
    """An event that is not there, that no checkpoint covers yet, or that was changed since has no proof."""
    proof = tmp_path / "proof.json"
    assert gateway("prove", 10_000, "-o", proof)[0] == 1
    store.trail.record(event())
    store.trail.seal()
    assert gateway("prove", store.trail.last(), "-o", proof)[0] == 1
    changed = number_at(store, 12)
    with store.database.write() as connection, unguarded(connection):
        connection.exec_driver_sql(f"UPDATE audit_event SET principal = 'x' WHERE id = {changed}")
    assert gateway("prove", changed, "-o", proof)[0] == 1
    assert not proof.exists()


def test_exports_and_proofs_are_given_to_who_may(gateway, kept, monkeypatch, tmp_path):
    """Who may only verify is refused, and nothing is written."""
    site = shutil.copytree(DEMO, tmp_path / "site")
    (site / "access.toml").write_text('[accounts."*"]\nrights = ["audit:verify"]\n', encoding="utf-8")
    monkeypatch.setenv("GATEWAY_SITE", str(site))
    before = set(tmp_path.iterdir())
    assert gateway("export", "-o", tmp_path / "x")[0] == 4
    assert gateway("prove", 1, "-o", tmp_path / "y")[0] == 4
    assert set(tmp_path.iterdir()) == before
