"""The other end of news.py: who waits for what another process commits (PostgreSQL)."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg
import structlog

from adapters.store.database import APPLICATION, KEEPALIVE, Database

log = structlog.get_logger()

WAIT_SECONDS = 0.5
AGAIN_SECONDS = 2.0
"""Pause before a lost connection is made again; whoever waits looks by itself meanwhile."""


@contextmanager
def session(database: Database) -> Iterator[psycopg.Connection]:
    """Give a PostgreSQL connection of its own, outside the pool and without transactions.

    Raises:
        psycopg.Error: it cannot be had, or is lost.

    """
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True, application_name=APPLICATION, **KEEPALIVE) as session:
        yield session


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
    with session(database) as connection:
        for channel in told:
            connection.execute(f"LISTEN {channel}".encode())
        for tell_of in told.values():
            tell_of()
        while not stop.is_set():
            for notification in connection.notifies(timeout=WAIT_SECONDS):
                told[notification.channel]()
                if stop.is_set():
                    return
