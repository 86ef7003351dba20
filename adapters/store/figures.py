"""How the queues fare, in numbers: of secretariats, never of persons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from adapters.store import rows, schema
from adapters.store.database import Database
from gateway.handling import Deed
from gateway.routing import DEFAULT_RULE
from gateway.worklist import ItemState

MOST_OVERDUE = 10_000
"""Items whose time has passed are counted up to here."""

_item, _step = schema.work_item, schema.work_item_history


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """How one secretariat's queue fares.

    Attributes:
        secretariat: whose.
        received: items that came to it in the period.
        unrouted: of which no rule named it.
        done: acts in the period by which an item was done.
        escalated: acts in the period by which it was told of what is late, its own or another's.
        open: items that are to be done now.
        overdue: of which the time has passed and nobody answers, counted up to MOST_OVERDUE in all.
        oldest: when the oldest of the open ones was made; None without any.

    """

    secretariat: str
    received: int = 0
    unrouted: int = 0
    done: int = 0
    escalated: int = 0
    open: int = 0
    overdue: int = 0
    oldest: datetime | None = None


def queue_figures(
    database: Database, secretariats: Sequence[str], *, since: datetime, now: datetime
) -> list[QueueFigures]:
    """Give how queues fare, each by indexes: what is open, and what happened in a period (aware instants)."""
    with database.read() as connection:
        overdue = _overdue(connection, secretariats, now)
        return [_of(connection, secretariat, since, overdue.count(secretariat)) for secretariat in secretariats]


def _of(connection: Connection, secretariat: str, since: datetime, overdue: int) -> QueueFigures:
    came = (_item.c.secretariat == secretariat, _item.c.state.in_(list(ItemState)), _item.c.created_at >= since)
    pile = select(func.count(), func.min(_item.c.created_at))
    stands, oldest = connection.execute(pile.where(_item.c.secretariat == secretariat, schema.OPEN_ITEM)).one()
    return QueueFigures(
        secretariat,
        received=_count(connection, _item, *came),
        unrouted=_count(connection, _item, *came, _item.c.rule == DEFAULT_RULE),
        done=_acts(connection, secretariat, Deed.DONE, since),
        escalated=_acts(connection, secretariat, Deed.ESCALATE, since),
        open=stands,
        overdue=overdue,
        oldest=oldest,
    )


def _acts(connection: Connection, secretariat: str, deed: Deed, since: datetime) -> int:
    own = (schema.DEED, _step.c.secretariat == secretariat, _step.c.deed == deed, _step.c.at >= since)
    return _count(connection, _step, *own)


def _count(connection: Connection, table: Any, *where: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


def _overdue(connection: Connection, secretariats: Sequence[str], now: datetime) -> list[str]:
    """Give the queue of each item whose time has passed and that nobody answers."""
    late = select(_item).where(_item.c.secretariat.in_(secretariats), schema.OPEN_ITEM, _item.c.due < now)
    found = (rows.item(dict(row)) for row in connection.execute(late.limit(MOST_OVERDUE)).mappings())
    return [item.secretariat for item in found if not item.answered]
