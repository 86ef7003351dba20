"""Objects that messages were about, read in the order in which they were last told of."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select, tuple_

from adapters.store import rows, schema
from adapters.store.database import Database
from gateway.rehearsal import Told

CHUNK = 1_000
"""Objects that one statement reads."""

_focus, _convocation = schema.focus, schema.convocation
_OBJECTS = select(_focus, _convocation.c.content.label("convened")).outerjoin(
    _convocation, _convocation.c.focus_id == _focus.c.id
)


class RoutedObjects:
    """The objects of one database, each with its patient's convocations if it has some."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def told_by(self, first: int, end: int) -> Iterator[Told]:
        """Give those that were last told of by a message from ``first`` on and before ``end``; each chunk is a read."""
        place = tuple_(_focus.c.message_id, _focus.c.id)
        last: tuple[int, str] = (first, "")
        statement = _OBJECTS.order_by(_focus.c.message_id, _focus.c.id).limit(CHUNK)
        while True:
            chunk = statement.where(_focus.c.message_id >= last[0], place > last, _focus.c.message_id < end)
            with self._database.read() as connection:
                found = [_told(dict(row)) for row in connection.execute(chunk).mappings()]
            yield from found
            if len(found) < CHUNK:
                return
            focus, _ = found[-1]
            last = focus.message, focus.id

    def one(self, focus_id: str) -> Told | None:
        """Give one object."""
        with self._database.read() as connection:
            row = connection.execute(_OBJECTS.where(_focus.c.id == focus_id)).mappings().first()
        return _told(dict(row)) if row else None


def _told(row: dict[str, Any]) -> Told:
    return rows.focus(row), rows.convocations(row["convened"]) if row["convened"] else None
