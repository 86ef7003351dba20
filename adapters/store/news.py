"""What one process commits and another waits for: told by NOTIFY, so that nobody polls (PostgreSQL)."""

from sqlalchemy import Connection, func, select

PENDING = "gateway_pending"
"""Something is pending: for the workers."""

PUBLISHED = "gateway_published"
"""Something is in the outbox: for the relay."""


def tell(connection: Connection, channel: str) -> None:
    """Tell, once the transaction is committed, that there is news; on SQLite there is one process to know it."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_notify(channel, "")))
