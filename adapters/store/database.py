"""One database: connections, transactions, durability, schema version."""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, String, column, create_engine, event, func, insert, inspect, select, table
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from adapters.store import schema
from adapters.store.asking import ask
from gateway.errors import ConfigurationError, DurabilityUnverified, StorageUnavailable, StoreInUse

BUSY_SECONDS = 10
"""How long a SQLite writer waits for another process (a command beside the service)."""

BUSY_RETRY_SECONDS = 0.01
"""Pause before a busy file is asked again, where SQLite itself does not wait."""


PING_SECONDS = 1.0
"""A pooled connection that lay idle for longer is asked whether it still stands; one in use shows it by itself."""

MIGRATIONS = Path(__file__).with_name("migrations")

APPLICATION = "secretariat-gateway"
"""What PostgreSQL's own lists name our connections."""

KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "connect_timeout": 10,
}


class Database:
    """A PostgreSQL or SQLite database, by its URL.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql+psycopg://...``.

    Raises:
        ConfigurationError: another kind of URL.

    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except Exception as error:
            raise ConfigurationError("a database URL is expected", path="GATEWAY_DATABASE_URL") from error
        self.sqlite = parsed.drivername in {"sqlite", "sqlite+pysqlite"}
        if not self.sqlite and parsed.drivername != "postgresql+psycopg":
            raise ConfigurationError(
                "sqlite:///FILE or postgresql+psycopg://... is expected", path="GATEWAY_DATABASE_URL"
            )
        self.file = Path(parsed.database or "") if self.sqlite else None
        if self.file is not None and parsed.database in {None, "", ":memory:"}:
            raise ConfigurationError("a SQLite file is expected", path="GATEWAY_DATABASE_URL")
        self._writing = threading.Lock()
        self._serving: int | None = None
        self.engine = _sqlite_engine(url) if self.sqlite else _postgresql_engine(url)

    @property
    def name(self) -> str:
        """What a person may read of the URL: the file, or the server's database without a password."""
        return str(self.file) if self.file else self.engine.url.render_as_string(hide_password=True)

    def close(self) -> None:
        """Close every connection, and give up the right to serve."""
        self.engine.dispose()
        if self._serving is not None:
            os.close(self._serving)
            self._serving = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database and changes nothing.

        It ends in a commit all the same: at a rollback PostgreSQL's driver forgets every statement that it has prepared
        on the connection, also for whoever writes on it next.
        """
        with _trouble(), self.engine.connect() as connection:
            if not self.sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901 - the same connection
            with connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection in a transaction that is committed, durably, when the block ends.

        Raises:
            StorageUnavailable: the commit was not confirmed: nothing may be promised.

        """
        with _trouble(), self._turn(), self.engine.connect() as connection:
            connection = connection.execution_options(writes=True)  # noqa: PLW2901 - the same connection, told its purpose
            with connection.begin():
                yield connection

    def share_pipeline(self, connection: Connection) -> None:
        """Nobody else holds what is pending as a whole until this transaction ends."""
        if not self.sqlite:
            ask(connection, _SHARE_PIPELINE)

    def hold_pipeline(self, connection: Connection) -> None:
        """What is pending is this transaction's alone until it ends; SQLite has one writer anyway."""
        if not self.sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(_PIPELINE_LOCK)))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """SQLite has one writer: threads of this process queue here instead of polling the file's lock."""
        if not self.sqlite:
            yield
            return
        with self._writing:
            yield

    def require_place(self) -> None:
        """A SQLite file stands, or can be made, in its folder; of a server nothing is asked.

        Raises:
            ConfigurationError: there is no such folder, or it cannot be written.

        """
        if self.file is not None and not os.access(self.file.absolute().parent, os.W_OK | os.X_OK):
            raise ConfigurationError("a file in a writable folder is expected", path="GATEWAY_DATABASE_URL")

    def claim_service(self) -> None:
        """Take the right to serve this SQLite file, for as long as the process lives.

        Raises:
            StoreInUse: another process has it.

        """
        if self.file is None or self._serving is not None:
            return
        try:
            handle = os.open(f"{self.file}.serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            rule = f"a file in a writable folder is expected: {error.strerror}"
            raise ConfigurationError(rule, path="GATEWAY_DATABASE_URL") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise StoreInUse("another process serves this SQLite file", path="GATEWAY_DATABASE_URL") from error
        self._serving = handle

    def verify_durability(self) -> None:
        """Return when the database keeps what it commits (promise P1).

        Raises:
            DurabilityUnverified: a setting says otherwise.

        """
        with self.read() as connection:
            for setting, accepted in (_SQLITE_DURABLE if self.sqlite else _POSTGRESQL_DURABLE).items():
                statement = f"PRAGMA {setting}" if self.sqlite else f"SHOW {setting}"
                value = str(connection.exec_driver_sql(statement).scalar_one()).lower()
                if value not in accepted:
                    raise DurabilityUnverified(
                        f"{setting} must be {' or '.join(sorted(accepted))}, it is {value}",
                        path="GATEWAY_DATABASE_URL",
                    )

    def is_empty(self) -> bool:
        """Whether no schema has been made yet."""
        return self.revision() is None

    def revision(self) -> str | None:
        """Give the schema revision in force; None in an empty database."""
        with self.read() as connection:
            if not inspect(connection).has_table(_REVISION.name):
                return None
            return connection.execute(select(_REVISION.c.version_num)).scalar()

    def head(self) -> str:
        """Give the schema revision that this program needs: the last migration's, whose file's name ends in it."""
        return max(file.stem[-4:] for file in MIGRATIONS.glob("versions/*_[0-9][0-9][0-9][0-9].py"))

    def migrate(self, record: Callable[[Connection], None] | None = None) -> None:
        """Bring the schema to this program's revision.

        Args:
            record: leaves the audit event, in the migration's own transaction.

        """
        from adapters.store.migration import upgrade  # noqa: PLC0415 - Alembic, which only a schema that is made needs

        with self.write() as connection:
            if not self.sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            upgrade(connection)
            if connection.execute(select(schema.installation.c.id)).first() is None:
                connection.execute(insert(schema.installation).values(id=str(uuid4()), created_at=datetime.now(UTC)))
            if record is not None:
                record(connection)

    def require_current_schema(self) -> None:
        """Return when the schema is this program's.

        Raises:
            ConfigurationError: it is older or newer; says what to run.

        """
        if self.revision() != self.head():
            raise ConfigurationError("the schema is not this program's: run gateway migrate", path="database")

    def installation(self) -> UUID:
        """Give this database's own identifier."""
        with self.read() as connection:
            return UUID(connection.execute(select(schema.installation.c.id)).scalar_one())


_REVISION = table("alembic_version", column("version_num", String))
_MIGRATION_LOCK = 0x3161
_PIPELINE_LOCK = 0x91BE
_SHARE_PIPELINE = select(func.pg_advisory_xact_lock_shared(_PIPELINE_LOCK))
_SQLITE_DURABLE = {"synchronous": {"2", "3"}, "journal_mode": {"wal"}}
_POSTGRESQL_DURABLE = {
    "fsync": {"on"},
    "full_page_writes": {"on"},
    "synchronous_commit": {"on", "remote_write", "remote_apply"},
}


@contextmanager
def _trouble() -> Iterator[None]:
    """Turn what says that the store is in trouble into our error; its text may hold parameters and is dropped.

    What says that the statement or its data are wrong goes on as it is: the worker then looks for the one message.
    """
    try:
        yield
    except PoolTimeout:
        raise StorageUnavailable("every connection to the store is in use") from None
    except DBAPIError as error:
        if not _is_trouble(error):
            raise
        raise StorageUnavailable(f"the store answered {_answer(error)}") from None


def _answer(error: DBAPIError) -> str:
    """Give the name or SQLSTATE of what a store answered: it tells a missing folder from a server that is away."""
    code = getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None)
    return f"{type(error.orig).__name__} ({code})" if code else type(error.orig).__name__


_TROUBLE_CLASSES = {"08", "25", "40", "53", "55", "57", "58", "XX"}
"""SQLSTATE classes: connection, transaction state, rollback, resources, lock, operator, system, internal."""

_SQLITE_TROUBLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}


def _is_trouble(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        code: int | None = getattr(error.orig, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in _SQLITE_TROUBLE
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is None:
        return isinstance(error, OperationalError | InterfaceError)
    return state[:2] in _TROUBLE_CLASSES


class SessionLock:
    """A lock that one process has while its session lives; SQLite has one serving process, so it is free there.

    Args:
        database: where the lock is.
        number: which lock.

    """

    def __init__(self, database: Database, number: int) -> None:
        self._database = database
        self._number = number
        self._session: Connection | None = None

    def hold(self) -> bool:
        """Take the lock, or see that it is still ours; False while another process has it.

        Raises:
            StorageUnavailable: the session is gone, and with it the lock.

        """
        if self._database.sqlite:
            return True
        with _trouble():
            try:
                if self._session is None:
                    engine = self._database.engine
                    self._session = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                    taken = select(func.pg_try_advisory_lock(self._number))
                    if self._session.execute(taken).scalar_one():
                        return True
                    self.release()
                    return False
                self._session.execute(select(1))
            except DBAPIError:
                self.release()
                raise
            return True

    def release(self) -> None:
        """Give the lock up."""
        session, self._session = self._session, None
        if session is not None:
            if not session.invalidated:  # a session that is gone has no lock any more
                with suppress(DBAPIError):
                    session.execute(select(func.pg_advisory_unlock(self._number)))
            session.invalidate()
            session.close()


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where SQLAlchemy says, not where the driver guesses
        _write_ahead(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Put the file in WAL mode, once and for all.

    Two that change the mode at one time are each refused at once, without the wait that is asked for elsewhere: SQLite
    does not wait where both hold what the other needs. So it is asked again.

    Raises:
        sqlite3.OperationalError: the file stayed busy, or there is other trouble.

    """
    patience = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
            time.sleep(BUSY_RETRY_SECONDS)
        else:
            return


_SESSION = {
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "60s",
    "lock_timeout": "30s",
    # Statements are prepared, and planned when their tables are still small: a plan that reads such a table whole would
    # stay in use while it grows. What is asked is asked by keys, so the indexes are always right, and nothing is worth
    # compiling or dealing out to parallel processes.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}


def _postgresql_engine(url: str) -> Engine:
    options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    engine = create_engine(
        url,
        connect_args={**KEEPALIVE, "options": options, "application_name": APPLICATION},
        pool_size=10,
        hide_parameters=True,
    )

    @event.listens_for(engine, "checkin")
    def _came_back(_connection: object, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _look(connection: Any, record: Any, _proxy: object) -> None:
        """See that a connection that lay idle still stands: the server may have been restarted meanwhile."""
        if time.monotonic() - record.info.get("idle_since", time.monotonic()) < PING_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            raise InvalidatePoolError from None  # the pool makes new ones, and asks again

    return engine
