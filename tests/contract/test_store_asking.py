"""Statements asked on the shortest way end as those asked through SQLAlchemy."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import bindparam, insert, select, text
from sqlalchemy.exc import DBAPIError
from stores import asked

from adapters.store import schema
from adapters.store.asking import ask
from gateway.errors import StorageUnavailable

CURSOR = schema.subscription
BY_NAME = select(CURSOR.c.name, CURSOR.c.moved_at).where(CURSOR.c.name == bindparam("name"))
WRONG = text("SELECT nothing FROM nowhere WHERE secret = :secret")
PREPARED = text("SELECT statement FROM pg_prepared_statements")
OWN_END = text("SELECT pg_terminate_backend(pg_backend_pid())")


def test_rows_have_names_and_the_types_of_their_columns(store):
    """An instant told in another zone is the same instant, in UTC."""
    told = datetime(2026, 3, 2, 9, 0, tzinfo=timezone(timedelta(hours=1)))
    with store.database.write() as connection:
        connection.execute(insert(CURSOR).values(name="a", secretariat="s", position=1, moved_at=told))
        (row,) = ask(connection, BY_NAME, {"name": "a"})
        assert row._asdict() == {"name": "a", "moved_at": told}
        assert row.moved_at.tzinfo is UTC
        assert ask(connection, BY_NAME, {"name": "nobody"}) == []


def test_who_listens_hears_of_it(store):
    """A statement passes by those who watch statements, once."""
    with asked(store) as statements, store.database.read() as connection:
        ask(connection, BY_NAME, {"name": "nobody"})
    assert len([statement for statement, _ in statements if "subscription" in statement]) == 1


def test_a_wrong_statement_is_refused_without_what_it_was_told(store):
    """The error is SQLAlchemy's, and holds no parameter."""
    with pytest.raises(DBAPIError) as refusal, store.database.write() as connection:
        ask(connection, WRONG, {"secret": "MARTIN"})
    assert "MARTIN" not in str(refusal.value)


def test_a_lost_connection_is_trouble_and_the_next_one_stands(store):
    """Whoever loses the server in the middle is told, and asks again on another connection."""
    if store.database.sqlite:
        return  # it has no server to lose
    with pytest.raises(StorageUnavailable), store.database.write() as connection:
        ask(connection, OWN_END)
    with store.database.write() as connection:
        assert ask(connection, BY_NAME, {"name": "nobody"}) == []


def test_what_is_prepared_outlives_a_read(store):
    """Whoever reads in between leaves the connection's prepared statements to those who write on it."""
    if store.database.sqlite:
        return  # it prepares nothing on a server
    for each in (*[store.database.write] * 8, store.database.read, store.database.write):
        with each() as connection:
            ask(connection, BY_NAME, {"name": "nobody"})
            prepared = ask(connection, PREPARED)
    assert len([statement for (statement,) in prepared if "subscription" in statement]) == 1
