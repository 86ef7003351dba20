"""Statements asked on the shortest way end as those asked through SQLAlchemy."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import bindparam, insert, select, text
from sqlalchemy.exc import DBAPIError
from stores import asked

from adapters.store import schema
from adapters.store.asking import ask
from gateway.errors import StorageUnavailable

ROOM = schema.installation
BY_ID = select(ROOM).where(ROOM.c.id == bindparam("id"))
WRONG = text("SELECT nothing FROM nowhere WHERE secret = :secret")
OWN_END = text("SELECT pg_terminate_backend(pg_backend_pid())")


def test_rows_have_names_and_the_types_of_their_columns(store):
    """An instant told in another zone is the same instant, in UTC."""
    told = datetime(2026, 3, 2, 9, 0, tzinfo=timezone(timedelta(hours=1)))
    with store.database.write() as connection:
        connection.execute(insert(ROOM).values(id="another", created_at=told))
        (row,) = ask(connection, BY_ID, {"id": "another"})
        assert row._asdict() == {"id": "another", "created_at": told}
        assert row.created_at.tzinfo is UTC
        assert ask(connection, BY_ID, {"id": "nobody"}) == []


def test_who_listens_hears_of_it(store):
    """A statement passes by those who watch statements, once."""
    with asked(store) as statements, store.database.read() as connection:
        ask(connection, BY_ID, {"id": "nobody"})
    assert len([statement for statement, _ in statements if "installation" in statement]) == 1


def test_a_wrong_statement_is_refused_without_what_it_was_told(store):
    """The error is SQLAlchemy's, and holds no parameter."""
    with pytest.raises(DBAPIError) as refusal, store.database.write() as connection:
        ask(connection, WRONG, {"secret": "MARTIN"})
    assert "MARTIN" not in str(refusal.value)


def test_a_lost_connection_is_trouble_and_the_next_one_stands(store):
    """Whoever loses the server in the middle is told, and asks again on another connection."""
    if store.database.sqlite:
        pytest.skip("SQLite has no server to lose")
    with pytest.raises(StorageUnavailable), store.database.write() as connection:
        ask(connection, OWN_END)
    with store.database.write() as connection:
        assert ask(connection, BY_ID, {"id": "nobody"}) == []
