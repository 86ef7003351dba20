"""What a compliance officer types: keys, exports, verifications and proofs of the audit trail, on both stores."""

import json
import shutil
from hashlib import sha256

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization

from adapters.cli import main
from adapters.store.audit import AuditQuery
from gateway.audit import AuditAction
from mappings.site import DEMO


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
