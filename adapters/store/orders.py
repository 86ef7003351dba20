"""Orders that expect a result, in the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from adapters.store import rows, schema
from adapters.store.database import Database
from gateway.facts import OrderReported
from gateway.identity import Person

_expected, _focus, _identity, _person = schema.order_expected, schema.focus, schema.identity, schema.person


@dataclass(frozen=True, slots=True)
class ExpectedOrder:
    """An order of which no result has come.

    Attributes:
        order: as it was told.
        since: when it was told first.
        identity: the record by which it came.
        person: whose it is, as screens must show them.

    """

    order: OrderReported
    since: datetime
    identity: str
    person: Person


class ExpectedOrders:
    """The orders of one database that expect a result."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def expected(self, units: Sequence[str] | None, *, before: datetime, limit: int) -> list[ExpectedOrder]:
        """Give those that were told before an instant, the oldest first.

        Args:
            units: units that ordered; None: any, or none that was named.
            before: aware instant.
            limit: at most so many.

        """
        joined = (
            _expected.join(_focus, _focus.c.id == _expected.c.focus_id)
            .join(_identity, _identity.c.id == _focus.c.identity_id)
            .join(_person, _person.c.id == _identity.c.person_id)
        )
        statement = select(_focus, _expected.c.since, _person.c.golden).select_from(joined)
        statement = statement.where(_expected.c.since < before).order_by(_expected.c.since, _expected.c.focus_id)
        if units is not None:
            statement = statement.where(_expected.c.unit.in_(units))
        with self._database.read() as connection:
            return [_of(row) for row in connection.execute(statement.limit(limit)).mappings()]


def _of(row: Any) -> ExpectedOrder:
    focus = rows.focus(row)
    assert isinstance(focus.fact, OrderReported)
    return ExpectedOrder(focus.fact, row["since"], focus.identity, rows.person(row["golden"]))
