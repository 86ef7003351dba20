"""Objects that messages were about, read in the order in which they were last told of."""

from collections.abc import Iterator

from sqlalchemy import select, tuple_

from adapters.store import rows, schema
from adapters.store.database import Database
from gateway.focus import Focus

CHUNK = 1_000
"""Objects that one statement reads."""

_focus = schema.focus


class RoutedObjects:
    """The objects of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def told_by(self, first: int, end: int) -> Iterator[Focus]:
        """Give those that were last told of by a message from ``first`` on and before ``end``; each chunk is a read."""
        place = tuple_(_focus.c.message_id, _focus.c.id)
        last: tuple[int, str] = (first, "")
        statement = select(_focus).order_by(_focus.c.message_id, _focus.c.id).limit(CHUNK)
        while True:
            chunk = statement.where(_focus.c.message_id >= last[0], place > last, _focus.c.message_id < end)
            with self._database.read() as connection:
                found = [rows.focus(dict(row)) for row in connection.execute(chunk).mappings()]
            yield from found
            if len(found) < CHUNK:
                return
            last = found[-1].message, found[-1].id

    def one(self, focus_id: str) -> Focus | None:
        """Give one object."""
        with self._database.read() as connection:
            row = connection.execute(select(_focus).where(_focus.c.id == focus_id)).mappings().first()
        return rows.focus(dict(row)) if row else None
