"""What one process commits and another waits for: told by NOTIFY, so that nobody polls (PostgreSQL)."""

import threading
from collections.abc import Callable, Mapping

import psycopg
import structlog
from sqlalchemy import Connection, func, select

from adapters.store.database import Database

log = structlog.get_logger()

PENDING = "gateway_pending"
"""Something is pending: for the workers."""

PUBLISHED = "gateway_published"
"""Something is in the outbox: for the relay."""

WAIT_SECONDS = 0.5
AGAIN_SECONDS = 2.0
"""Pause before a lost connection is made again; whoever waits looks by itself meanwhile."""


def tell(connection: Connection, channel: str) -> None:
    """Tell, once the transaction is committed, that there is news; on SQLite there is one process to know it."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_notify(channel, "")))


def listen(database: Database, told: Mapping[str, Callable[[], None]], stop: threading.Event) -> None:
    """Call what belongs to a channel whenever there is news, until told to stop; blocking.

    News may be missed while the connection is lost: whoever is told also looks by itself from time to time.

    Args:
        database: PostgreSQL; on SQLite there is nothing to hear.
        told: channel -> what is called, from this thread.
        stop: ends it.

    """
    while not (database.sqlite or stop.is_set()):
        try:
            _listen(database, told, stop)
        except psycopg.Error as error:
            log.warning("news.lost", error=type(error).__name__)
            stop.wait(AGAIN_SECONDS)


def _listen(database: Database, told: Mapping[str, Callable[[], None]], stop: threading.Event) -> None:
    with database.session() as session:
        for channel in told:
            session.execute(f"LISTEN {channel}".encode())
        for tell_of in told.values():
            tell_of()
        while not stop.is_set():
            for notification in session.notifies(timeout=WAIT_SECONDS):
                told[notification.channel]()
                if stop.is_set():
                    return
