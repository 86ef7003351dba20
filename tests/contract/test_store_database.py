"""A database is made, brought up to date, checked for what it promises, and served by one process."""

import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from messages import appointment, message, patient_told, pid, result
from sqlalchemy import event, insert, select, text, update
from stores import NOW, store_at

from adapters.store import migration, rows, schema
from adapters.store.audit import AuditQuery
from adapters.store.database import Database, SessionLock
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import ConfigurationError, DurabilityUnverified, StorageUnavailable, StoreInUse
from gateway.worklist import Hand, ItemKind, ItemState


def test_migrations_make_the_schema_that_the_program_knows(store):
    """What the migrations leave and what the tables say are the same, to type and index."""
    with store.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_migrating_again_changes_nothing(store):
    """A database that is up to date keeps its identity and its contents."""
    before = store.installation
    store.take(patient_told("C1", "8001"))
    store.database.migrate()
    assert store.installation == before
    assert store.inbox.summary()["pending"] == 1
    assert store.database.revision() == store.database.head() == migration.head()
    store.database.require_current_schema()


def revise(store, step, revision):
    """Bring a database to an earlier program's schema, by an Alembic command."""
    with store.database.write() as connection:
        config = Config()
        config.set_main_option("script_location", "adapters:store/migrations")
        config.attributes["connection"] = connection
        step(config, revision)


MESSAGE_BEFORE = (
    "INSERT INTO message (received_at, transport, format, source, principal, control_id, message_type, code, size,"
    " partitions, raw)"
    " VALUES ('2026-03-02 08:00:00', 'mllp', 'hl7v2', 'admissions', 'admissions', 'C1', 'ADT^A28', 'AA', 4, 0, :raw)"
)


def test_bodies_that_an_earlier_program_kept_are_carried_over(database_url):
    """What stood in the message's own row is the message's body, byte for byte."""
    raws = [b"MSH|\xe9\x00", b""]
    with store_at(database_url) as store:
        revise(store, command.upgrade, "0001")
        with store.database.write() as connection:
            connection.execute(text(MESSAGE_BEFORE), [{"raw": raw} for raw in raws])
        store.database.migrate()
        assert [store.inbox.raw(m.id) for m in store.listed()] == raws


def test_what_is_notable_of_identities_stored_before_is_noted_and_the_outbox_is_carried_over(database_url):
    """The migration notes what the program would, and the outbox keeps its entries and its numbers."""
    with store_at(database_url) as store:
        store.database.migrate()
        twin = pid("8002", given="LISE") + "|" * 17 + "1"
        told = [
            patient_told("C1", "8001", born="19581231"),
            message("ADT^A28^ADT_A05", "C2", "EVN||20260302080000", twin, application="ADM", version="2.5^FRA^2.11"),
            patient_told("C3", "8003").rstrip(b"\r") + b"|" * 24 + b"HOMA\r",
            patient_told("C4", "8004").replace(
                b"&ISO^PI|", b"&ISO^PI~258032934515608^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS|"
            ),
            result("C6", "8001", "O1", when=4),
        ]
        store.process(*told)
        record, outbox = schema.identity.c, schema.outbox
        columns = select(record.value, record.notes, record.birth_date).order_by(record.value)
        before, entries = store.rows(columns), store.outbox.unconfirmed(100)
        noted = [notes for value, notes, _ in before if value.startswith("800")]
        assert noted == [" imputed-dates ", " twins ", " homonyms ", " ins-unqualified "]
        revise(store, command.downgrade, "0012")
        store.database.migrate()
        assert store.rows(columns) == before
        assert store.outbox.unconfirmed(100) == [e for e in entries if e.secretariat != "identity"]
        store.process(result("C7", "8002", "O2", when=5))
        assert store.outbox.unconfirmed(100)[-1].sequence > entries[-1].sequence
        assert store.rows(select(outbox.c.subject).where(outbox.c.item_id.is_not(None)).distinct()) == [(None,)]


def test_a_schema_that_went_back_and_forth_keeps_bodies_and_what_waits(database_url):
    """Bodies are carried both ways, and what placeholders hold is known again by message and age."""
    with store_at(database_url) as store:
        store.database.migrate()
        raws = [patient_told("C1", "8001"), appointment("S13", "C2", "8001", "R1")]
        store.process(*raws)
        store.outbox.acknowledge("desk", "accueil", 1)
        revise(store, command.downgrade, "0001")
        store.database.migrate()
        assert [(store.inbox.raw(m.id), m.waiting) for m in store.listed()] == [(raws[0], 0), (raws[1], 1)]
        assert store.outbox.position("desk", "accueil") == 1
        assert store.rows(select(schema.subscription.c.moved_at))[0].moved_at is not None
        assert store.worker().show_overdue() == 0
        assert len(store.work.overdue(datetime.now(UTC), datetime.now(UTC)).foci) == 2


def test_what_people_held_is_found_by_its_time_after_a_migration(database_url):
    """The clockwork of this program sees what was claimed and put on hold under the last one."""
    item = schema.work_item.c
    with store_at(database_url) as store:
        store.database.migrate()
        store.process(*(patient_told(f"C{n}", f"800{n}") for n in (1, 2)))
        store.process(*(appointment("S12", f"B{n}", f"800{n}", f"R{n}") for n in (1, 2)))
        hands = [Hand("account:nadia", active_at=NOW), Hand(until=NOW)]
        states = [ItemState.CLAIMED, ItemState.ON_HOLD]
        found = store.worklist.items(None, kind=ItemKind.CONVOCATION)
        with store.database.write() as connection:
            for view, hand, state in zip(found, hands, states, strict=True):
                row = rows.item_row(replace(view.item, hand=hand, state=state))
                connection.execute(update(schema.work_item).where(item.id == view.item.id).values(row))
        times = select(item.state, item.held_until, item.active_at).where(item.state.in_(states)).order_by(item.state)
        before = store.rows(times)
        assert before == [("claimed", None, NOW), ("on-hold", NOW, None)]
        revise(store, command.downgrade, "0012")
        store.database.migrate()
        assert store.rows(times) == before


def test_an_empty_database_is_known_as_such(database_url):
    """Before the first migration there is no revision, and nothing may be asked."""
    with store_at(database_url) as store:
        assert store.database.is_empty()
        with pytest.raises(ConfigurationError):
            store.database.require_current_schema()
        store.database.migrate()
        assert not store.database.is_empty()


def test_a_migration_that_leaves_no_event_changes_nothing(database_url):
    """The schema and the event that tells of it come by one transaction (promise P8)."""

    def fail(connection):
        assert connection.exec_driver_sql("SELECT count(*) FROM audit_event").scalar_one() == 0
        raise ZeroDivisionError

    with store_at(database_url) as store:
        with pytest.raises(ZeroDivisionError):
            store.database.migrate(fail)
        assert store.database.is_empty()
        store.database.migrate()
        store.database.require_current_schema()


def test_two_processes_may_make_the_schema_at_once(database_url):
    """Whoever comes second finds it made; the database has one identity."""
    migrate = (
        "import sys; from adapters.store.database import Database; database = Database(sys.argv[1]);"
        "print('ready', flush=True); sys.stdin.read(); database.migrate(); database.close()"
    )
    command = [sys.executable, "-c", migrate, database_url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as two:
        for process in (one, two):
            assert process.stdout.readline() == b"ready\n"
        for process in (one, two):
            process.stdin.close()
        assert [process.wait(60) for process in (one, two)] == [0, 0]
    with store_at(database_url) as store:
        store.database.require_current_schema()
        assert store.count(schema.installation) == 1


def test_another_programs_schema_is_refused(store):
    """A revision that this program does not know is not touched."""
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'from-the-future'")
    with pytest.raises(ConfigurationError) as refusal:
        store.database.require_current_schema()
    assert "gateway migrate" in refusal.value.rule


def test_a_block_that_fails_writes_nothing(store):
    """A transaction is committed when its block ends, and only then."""

    def fail():
        with store.database.write() as connection:
            connection.execute(insert(schema.subscription).values(name="x", secretariat="y", position=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.count(schema.subscription) == 0


def test_a_durable_database_is_accepted(store):
    """The settings that a fresh database and our connections have are those of promise P1."""
    store.database.verify_durability()


@pytest.mark.parametrize("level", ["OFF", "NORMAL"])
def test_a_sqlite_that_does_not_sync_is_refused(tmp_path, level):
    """SQLite must sync at each commit."""
    with store_at(f"sqlite:///{tmp_path / 'x.db'}") as store:

        @event.listens_for(store.database.engine, "connect")
        def loosen(connection, _record):
            connection.execute(f"PRAGMA synchronous={level}")

        with pytest.raises(DurabilityUnverified) as refusal:
            store.database.verify_durability()
    assert refusal.value.rule.startswith("synchronous must be")


def test_a_postgresql_that_commits_asynchronously_is_refused(postgres_database):
    """A session whose commits may be lost is refused."""
    with store_at(postgres_database) as store:

        @event.listens_for(store.database.engine, "connect")
        def loosen(connection, _record):
            connection.execute("SET SESSION synchronous_commit = off")
            connection.commit()

        with pytest.raises(DurabilityUnverified) as refusal:
            store.database.verify_durability()
    assert refusal.value.rule.startswith("synchronous_commit must be")


def test_a_database_wide_setting_does_not_loosen_our_commits(postgres_database):
    """What an administrator sets for the whole database is overridden by our own connections."""
    name = postgres_database.rpartition("/")[2]
    with store_at(postgres_database) as store:
        with store.database.write() as connection:
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
        store.database.engine.dispose()
        store.database.verify_durability()
        with store.database.read() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_postgresql_that_does_not_sync_is_refused(postgres_database, setting):
    """A server that does not write what it says is refused, with the setting's name."""
    with store_at(postgres_database) as store:

        @event.listens_for(store.database.engine, "before_cursor_execute", retval=True)
        def answer_off(_connection, _cursor, statement, parameters, *_):
            return ("SELECT 'off'" if statement == f"SHOW {setting}" else statement), parameters

        with pytest.raises(DurabilityUnverified) as refusal:
            store.database.verify_durability()
    assert refusal.value.rule == f"{setting} must be on, it is off"


def test_one_process_serves_a_sqlite_file(tmp_path):
    """A second claim is refused while the first lives, and granted once it has ended."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    with store_at(url) as first:
        first.database.claim_service()
        first.database.claim_service()
        with store_at(url) as second, pytest.raises(StoreInUse):
            second.database.claim_service()
    with store_at(url) as third:
        third.database.claim_service()


def test_a_killed_process_gives_its_claim_up(tmp_path):
    """The right to serve ends with the process, however it ends."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    claim = (
        "import sys, time; from adapters.store.database import Database;"
        "Database(sys.argv[1]).claim_service(); print('claimed', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", claim, url], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "claimed\n"
            with store_at(url) as store:
                with pytest.raises(StoreInUse):
                    store.database.claim_service()
                process.kill()
                process.wait()
                store.database.claim_service()
        finally:
            process.kill()


def test_commands_write_beside_a_service(tmp_path):
    """Whoever serves, another process may read and write the same SQLite file."""
    with store_at(f"sqlite:///{tmp_path / 'x.db'}") as service, store_at(f"sqlite:///{tmp_path / 'x.db'}") as command:
        service.database.claim_service()
        service.database.migrate()
        service.take(patient_told("C1", "8001"))
        command.trail.record(AuditEvent(NOW, AuditAction.MESSAGE_LISTED, "account:tester"))
        assert command.inbox.summary()["pending"] == 1
        assert len(service.trail.search(AuditQuery())) == 2


@pytest.mark.parametrize(
    "url", ["", "sqlite://", "sqlite:///:memory:", "mysql://x/y", "postgresql://x/y", "nonsense"], ids=ascii
)
def test_another_url_is_refused(url):
    """The setting is named, and its value, which may hold a password, is not."""
    with pytest.raises(ConfigurationError) as refusal:
        Database(url)
    assert refusal.value.path == "GATEWAY_DATABASE_URL"


def test_trouble_is_named_without_what_was_sent(tmp_path):
    """A store that cannot be reached says so, by the driver's class and code and nothing else."""
    with store_at(f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}") as store, pytest.raises(StorageUnavailable) as trouble:
        store.inbox.summary()
    assert trouble.value.rule == "the store answered OperationalError (SQLITE_CANTOPEN)"
    assert trouble.value.__cause__ is None


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)  # SQLite has no connections to lose
def test_a_lost_connection_is_trouble_and_passes(store):
    """A server that ended our connections is trouble for the call under way, and none for the next."""
    with store_at(store.url) as other:

        def lose():
            with store.database.write() as connection:
                pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
                with other.database.write() as ending:
                    ending.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
                connection.exec_driver_sql("SELECT 1")

        with pytest.raises(StorageUnavailable):
            lose()
    assert store.inbox.summary()["received"] == 0


def test_a_lock_whose_session_the_server_has_ended_is_trouble_and_is_taken_again(postgres_database):
    """Its holder hears of it once, and may try again; giving it up is no trouble either."""
    database = Database(postgres_database)
    ours = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    ended = text(f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND {ours}")
    try:
        lock = SessionLock(database, 0x7E57)
        assert lock.hold()
        with database.read() as connection:
            connection.execute(ended)
        with pytest.raises(StorageUnavailable):
            lock.hold()
        assert lock.hold()
        with database.read() as connection:
            connection.execute(ended)
        lock.release()
    finally:
        database.close()


def test_a_full_disk_is_trouble(tmp_path):
    """A SQLite file that may not grow answers trouble, keeps what it has, and takes again once it may."""
    with store_at(f"sqlite:///{tmp_path / 'x.db'}") as store:
        store.database.migrate()
        store.take(patient_told("C1", "8001"))
        pages = []

        @event.listens_for(store.database.engine, "begin")
        def bound(connection):
            if pages:
                connection.exec_driver_sql(f"PRAGMA max_page_count={pages[0]}")

        pages.append(1)
        with pytest.raises(StorageUnavailable):
            store.take(patient_told("C2", "8002") + b"NTE|" + b"x" * 1_000_000)
        pages[0] = 1_000_000
        assert store.inbox.summary()["received"] == 1
        store.take(patient_told("C2", "8002"))
    with sqlite3.connect(tmp_path / "x.db") as check:
        assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()
