"""Checkpoints are made over what is sealed, leave the machine in order, and the trail refuses to be changed."""

import json
from datetime import timedelta
from hashlib import sha256

import pytest
import structlog
from sqlalchemy.exc import DBAPIError
from stores import NOW, at_once, unguarded
from test_store_audit import event

from adapters.audit_key import read_signer
from adapters.notary import Keys, Notary
from adapters.sinks import Courier, file_sink
from adapters.store import schema
from adapters.store.checkpoints import CheckpointStore, checkpointing
from gateway.audit import AuditAction, Problem
from gateway.checkpoint import NOTHING, OVERLAP, checkpoints_in
from gateway.errors import ConfigurationError, StateConflict
from gateway.merkle import Tree

EVERY = 5


@pytest.fixture
def keys(store, tmp_path):
    """The keys of a log that has its first one."""
    keys = Keys(CheckpointStore(store.database), tmp_path / "key.pem")
    keys.prepare(store.installation, "account:tester")
    return keys


@pytest.fixture
def notary(store, keys):
    """What makes checkpoints of every five events, and of fewer after a minute."""
    return Notary(CheckpointStore(store.database), keys, EVERY, 60)


def written(store, count):
    """Write and seal events."""
    store.trail.record(*(event(n) for n in range(count)))
    store.trail.seal()


def made(store):
    """Give all checkpoints."""
    return CheckpointStore(store.database).after(0, 1_000)


def test_a_checkpoint_is_made_over_what_none_covers(store, notary):
    """The first at once, then of so many events or after so long; each follows the one before it."""
    seals = schema.audit_seal
    written(store, 1)
    assert len(notary.make(NOW)) == 1
    written(store, EVERY - 1)
    assert notary.make(NOW + timedelta(seconds=59)) == []
    assert len(notary.make(NOW + timedelta(seconds=60))) == 1
    written(store, EVERY)
    assert len(notary.make(NOW + timedelta(seconds=61))) == 1
    assert notary.make(NOW + timedelta(hours=1)) == []
    digests = [row.digest for row in store.rows(seals.select().order_by(seals.c.sequence))]
    first, second, third = (each.checkpoint for each in made(store))
    assert [(c.number, c.first, c.last) for c in (first, second, third)] == [(1, 1, 2), (2, 3, 6), (3, 7, 11)]
    assert third.digest == digests[-1]
    assert third.root == Tree(map(bytes.fromhex, digests[6:])).root().hex()
    assert (first.previous, second.previous) == (NOTHING, made(store)[0].hash)
    assert store.trail.verify().checkpoints == 3
    assert store.count(schema.audit_event) == 11  # ten, and the key's own


def test_a_clock_that_goes_back_does_not_hold_up_checkpoints(store, notary):
    """What was made in the future is as good as long ago."""
    written(store, 1)
    notary.make(NOW + timedelta(days=30))
    written(store, 1)
    assert len(notary.make(NOW)) == 1


def test_two_notaries_make_one_line_of_checkpoints(store, twin, keys):
    """Whoever comes second covers what is left."""
    written(store, EVERY)
    notaries = [Notary(CheckpointStore(each.database), keys, 1, 60) for each in (store, twin)]
    assert [len(each.make(NOW)) for each in notaries] == [1, 0]
    assert store.trail.verify().checkpoints == 1


def test_the_private_key_is_read_by_nobody_else(store, keys):
    """Mode 0600 is made and required; what is no key is refused."""
    assert keys.file.stat().st_mode & 0o777 == 0o600
    assert read_signer(keys.file).key == CheckpointStore(store.database).keys()[0].key
    keys.file.chmod(0o640)
    with pytest.raises(ConfigurationError):
        read_signer(keys.file)
    keys.file.chmod(0o600)
    keys.file.write_text("no key")
    with pytest.raises(ConfigurationError):
        read_signer(keys.file)


def test_a_new_key_is_signed_by_the_old_one_which_ends_after_an_overlap(store, keys, notary):
    """Who has either public key trusts the whole line; a stranger's key is trusted by nobody."""
    written(store, 1)
    notary.make(NOW)
    old = keys.file.read_bytes()
    rotated = keys.rotate(store.installation, "account:tester")
    written(store, 1)
    notary.make(rotated.valid_from, at_once=True)
    first, second = CheckpointStore(store.database).keys()
    assert (second.previous, second.key) == (first.key, rotated.key)
    assert [each.checkpoint.key for each in made(store)] == [first.key, second.key]
    for trusted in (None, {first.public}, {second.public}):
        assert store.trail.verify(trusted).checkpoints == 2
    strange = store.trail.verify({"00" * 32}).first_bad
    assert (strange.sequence, strange.problem) == (1, Problem.CHECKPOINT_UNSIGNED)
    keys.file.write_bytes(old)
    assert keys.signer(rotated.valid_from + OVERLAP).key == first.key
    assert keys.signer(rotated.valid_from + OVERLAP + timedelta(seconds=1)) is None
    actions = [row.action for row in store.rows(schema.audit_event.select())]
    assert actions.count(AuditAction.AUDIT_KEY_MADE) == actions.count(AuditAction.AUDIT_KEY_ROTATED) == 1


def test_a_rotation_that_was_cut_short_is_ended_by_another(store, keys):
    """The log knows the new key already, the file does not: nothing is signed twice or lost."""
    old = keys.file.read_bytes()
    rotated = keys.rotate(store.installation, "account:tester")
    keys.file.replace(keys.file.with_name(keys.file.name + ".new"))
    keys.file.write_bytes(old)
    keys.file.chmod(0o600)
    assert keys.rotate(store.installation, "account:tester") == rotated
    assert read_signer(keys.file).key == rotated.key
    assert store.count(schema.audit_key) == 2


def test_two_rotations_at_once_follow_each_other(store, twin, keys):
    """Neither puts away the key that the other has made: the file holds the last one."""
    both = [keys, Keys(CheckpointStore(twin.database), keys.file)]
    at_once(*(lambda each=each: each.rotate(store.installation, "account:tester") for each in both))
    assert store.count(schema.audit_key) == 3
    assert read_signer(keys.file).key == CheckpointStore(store.database).keys()[-1].key


def test_no_stranger_signs(store, keys, notary, tmp_path):
    """Another log's key makes no checkpoint here, nor a second first key."""
    keys.file.unlink()
    assert keys.signer(NOW) is None
    with pytest.raises(StateConflict):
        keys.new(store.installation, "account:tester")
    written(store, EVERY)
    assert notary.make(NOW, at_once=True) == []


def test_sinks_take_every_checkpoint_in_order_and_one_that_is_away_holds_up_none(store, notary, tmp_path):
    """A place that was away gets what it lacks; what waits for it is seen meanwhile."""
    checkpoints, away = CheckpointStore(store.database), []

    def other(given):
        if not away:
            raise ConnectionRefusedError
        away.extend(given)

    def look():
        with store.database.read() as connection:
            return checkpointing(connection)

    file = tmp_path / "checkpoints"
    courier = Courier(store.database, checkpoints, {"file": file_sink(file), "http": other})
    checkpoints.expect(["file", "http", "gone"])
    checkpoints.expect(["file", "http"])
    for number in range(3):
        written(store, EVERY)
        notary.make(NOW + timedelta(seconds=number))
        assert [courier.tell("file"), courier.tell("http")] == [True, False]
    assert (look().waiting, look().waiting_since) == ({"file": 0, "http": 3}, {"file": None, "http": NOW})
    file.write_bytes(file.read_bytes() + made(store)[0].line[:40])  # a line that a kill cut off
    away.append(None)
    assert courier.tell("http")
    assert away[1:] == made(store)
    assert look().waiting == {"file": 0, "http": 0}
    written(store, EVERY)
    notary.make(NOW)
    assert courier.tell("file")
    whole = [line for line in file.read_bytes().splitlines() if len(line) > 40]
    assert checkpoints_in(whole) == made(store)


def test_a_log_that_no_key_signs_is_seen(store):
    """From its first sealed event on it waits for a checkpoint, as long as that lasts; the start warns."""
    keys = Keys(CheckpointStore(store.database), None)
    with structlog.testing.capture_logs() as told:
        keys.prepare(store.installation, "account:tester")
    assert [(entry["event"], entry["setting"]) for entry in told] == [("audit.no-key", "GATEWAY_AUDIT_KEY")]
    written(store, 2)
    assert Notary(CheckpointStore(store.database), keys, EVERY, 60).make(NOW, at_once=True) == []
    with store.database.read() as connection:
        seen = checkpointing(connection)
    assert (seen.keys, seen.number, seen.bare, seen.bare_since) == (0, 0, 2, NOW)


# -- the trail refuses -------------------------------------------------------------------------------------------------

CHANGES = {
    "audit_event": ("UPDATE audit_event SET principal = 'x'", "DELETE FROM audit_event"),
    "audit_patient": ("UPDATE audit_patient SET identity_id = 'x'", "DELETE FROM audit_patient"),
    "audit_seal": ("UPDATE audit_seal SET digest = 'x'", "DELETE FROM audit_seal"),
    "audit_checkpoint": ("UPDATE audit_checkpoint SET last = 0", "DELETE FROM audit_checkpoint"),
    "audit_key": ("UPDATE audit_key SET id = 'x'", "DELETE FROM audit_key"),
}
EMPTIED = {"postgresql": [f"TRUNCATE {table} CASCADE" for table in CHANGES]}
REPLACED = {"sqlite": [f"INSERT OR REPLACE INTO {t} SELECT * FROM {t}" for t in CHANGES if t != "audit_patient"]}


def test_the_store_refuses_to_change_the_trail(store, notary):
    """No statement changes, removes or replaces what was written, by mistake or at leisure."""
    written(store, EVERY)
    notary.make(NOW)
    before = {table: store.rows(schema.metadata.tables[table].select()) for table in CHANGES}
    assert all(before.values())
    engine = "sqlite" if store.database.sqlite else "postgresql"
    statements = [s for both in CHANGES.values() for s in both] + EMPTIED.get(engine, []) + REPLACED.get(engine, [])
    for statement in statements:
        with pytest.raises(DBAPIError, match="only ever added to"), store.database.write() as connection:
            connection.exec_driver_sql(statement)
    assert {table: store.rows(schema.metadata.tables[table].select()) for table in CHANGES} == before


def test_a_purge_by_law_says_that_it_is_one(store):
    """Within a transaction that says so the trail can be changed, and by nobody else or later."""
    written(store, 2)
    with store.database.write() as connection, unguarded(connection):
        connection.exec_driver_sql("DELETE FROM audit_seal WHERE sequence = 2")
    assert store.count(schema.audit_seal) == 1
    with pytest.raises(DBAPIError), store.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM audit_seal")


def test_what_cannot_be_audited_is_not_done(store):
    """Writes fail closed: where the log cannot be written, neither is what it would tell of, and reads are refused."""
    with store.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_event RENAME TO audit_away")
    try:
        with pytest.raises(DBAPIError):
            store.trail.record(event())
        with pytest.raises(DBAPIError):
            store.take(b"MSH|^~\\&|ADM|CHU|GW|CHU|20260302||ADT^A28^ADT_A05|C1|P|2.5\r")
        assert store.count(schema.message) == 0
    finally:
        with store.database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE audit_away RENAME TO audit_event")
    store.take(b"MSH|^~\\&|ADM|CHU|GW|CHU|20260302||ADT^A28^ADT_A05|C1|P|2.5\r")
    assert store.count(schema.message) == 1


def test_lines_of_checkpoints_are_what_is_signed(store, notary):
    """A line is canonical JSON, with the SHA-256 that the next one names."""
    written(store, 1)
    (signed,) = notary.make(NOW)
    read = json.loads(signed.line)
    canonical = json.dumps(read["checkpoint"], sort_keys=True, separators=(",", ":")).encode()
    assert signed.line == json.dumps(read, sort_keys=True, separators=(",", ":")).encode()
    assert sha256(canonical).hexdigest() == signed.hash
