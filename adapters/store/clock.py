"""The clockwork's side of the store: items that are due for a step, and what comes of it, one transaction a turn."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, case, select, update

from adapters.store import schema
from adapters.store.database import Database
from adapters.store.item_desk import load_items
from adapters.store.keys import among
from adapters.store.work import Work
from gateway.clockwork import Turn
from gateway.state import State
from gateway.worklist import Escalation

TURN_ITEMS = 100
"""Items that one turn looks at, of each cause."""

_item = schema.work_item


class ItemClock:
    """What time does to the items of one database.

    Args:
        database: the database.
        work: flushes it.

    """

    def __init__(self, database: Database, work: Work) -> None:
        self._database = database
        self._work = work

    def due(self, now: datetime, lease: timedelta | None) -> list[str]:
        """Give the ids of items that are due for a step, those that are late first, bounded."""
        causes = [
            (schema.ESCALATES, _item.c.escalates_at, now),
            (schema.ON_HOLD, _item.c.held_until, now),
        ]
        if lease is not None:
            causes.append((schema.IN_HAND, _item.c.active_at, now - lease))
        found: list[str] = []
        with self._database.read() as connection:
            for stands, at, before in causes:
                oldest = select(_item.c.id).where(stands, at <= before).order_by(at, _item.c.id).limit(TURN_ITEMS)
                found += connection.execute(oldest).scalars()
        return list(dict.fromkeys(found))

    def turn(self, items: Collection[str], decide: Callable[[State], Turn], now: datetime) -> Turn:
        """Let a turn take effect while nobody processes messages or acts on items; give what it wrote.

        Args:
            items: ids of the items that it is about; their copies are loaded with them.
            decide: given the items, their copies, records and people; what it raises leaves everything as it is.
            now: aware instant.

        """
        with self._database.write() as connection:
            self._database.hold_pipeline(connection)
            about = select(_item.c.focus_id).where(among(connection, _item.c.id, items))
            state = load_items(connection, _item.c.focus_id.in_(about))
            turn = decide(state)
            self._work.flush(connection, state, turn.changes, now)
            _put_off(connection, turn.later)
        return turn

    def put_off(self, item: str, until: datetime) -> None:
        """Let an item be looked at again at an instant (aware), whatever was due, and nothing else be changed of it."""
        times = ("escalates_at", "held_until", "active_at")
        values: dict[str, Any] = {name: case((_item.c[name].is_not(None), until)) for name in times}
        with self._database.write() as connection:
            connection.execute(update(_item).where(_item.c.id == item).values(values))


def _put_off(connection: Connection, later: Mapping[str, Escalation]) -> None:
    if not later:
        return
    times = [{"one": item, "at": e.next_at, "alarm": e.alarmed} for item, e in sorted(later.items())]
    values: dict[str, Any] = {"escalates_at": bindparam("at"), "alarmed": bindparam("alarm")}
    connection.execute(update(_item).where(_item.c.id == bindparam("one")).values(values), times)
