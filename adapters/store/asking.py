"""Statements that never change, asked on the shortest way: SQLAlchemy writes each one's text once, for good.

What it does besides at each execution costs PostgreSQL's driver's own work several times over, and a message on its way
through the gateway is some twenty statements' share.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Dialect, Select, TextClause, UpdateBase

Statement = Select[Any] | CompoundSelect[Any] | UpdateBase | TextClause

NOTHING: Mapping[str, Any] = {}


def ask(connection: Connection, statement: Statement, told: Mapping[str, Any] = NOTHING) -> list[Any]:
    """Give the rows that a statement gives, with names; none where it gives none.

    Whoever listens to SQLAlchemy's statements hears of it.

    Args:
        connection: in a transaction.
        statement: one object for the life of the process, for its text is kept; no ``IN`` of a list.
        told: its parameters, each of a type that the driver knows.

    Raises:
        DBAPIError: as SQLAlchemy would.

    """
    if connection.dialect.name == "sqlite":
        result = connection.execute(statement, told)
        return list(result.all()) if result.returns_rows else []
    ready = _ready(statement, connection.dialect)
    cursor, asked, given = connection.connection.cursor(), ready.text, {**ready.fixed, **told}
    for before in connection.dispatch.before_cursor_execute:
        asked, given = before(connection, cursor, asked, given, None, False)  # noqa: FBT003 - SQLAlchemy's signature
    try:
        cursor.execute(asked, given)
        rows = ready.rows(cursor) if cursor.rownumber is not None else []
    except connection.dialect.loaded_dbapi.Error as error:
        # What follows from an error, a lost connection above all, is SQLAlchemy's to know; it raises its own.
        connection._handle_dbapi_exception(error, asked, None, cursor, None)  # noqa: SLF001 - there is no other way in
        raise
    for after in connection.dispatch.after_cursor_execute:
        after(connection, cursor, asked, given, None, False)  # noqa: FBT003 - as above
    return rows


class _Ready:
    """A statement as the driver takes it.

    Attributes:
        text: with the driver's own marks for parameters.
        fixed: parameters that are part of the statement.

    """

    def __init__(self, statement: Statement, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        self.fixed = {name: value for name, value in compiled.params.items() if value is not None}
        columns = () if isinstance(statement, TextClause) else statement.exported_columns
        readers = ((place, column.type.result_processor(dialect, None)) for place, column in enumerate(columns))
        self._readers: list[tuple[int, Callable[[Any], Any]]] = [(p, read) for p, read in readers if read]
        self._make: Callable[[Sequence[Any]], Any] | None = None

    def rows(self, cursor: Any) -> list[Any]:
        """Give the rows that a cursor found, with names, and with the types of their columns."""
        if self._make is None:  # the driver makes its description anew each time that it is asked for it
            names = [column.name for column in cursor.description]
            named: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024 - known only now
            self._make = named._make
        found = cursor.fetchall()
        if not self._readers:
            return [self._make(row) for row in found]
        return [self._make(self._read(row)) for row in found]

    def _read(self, row: tuple[Any, ...]) -> list[Any]:
        values = list(row)
        for place, read in self._readers:
            values[place] = read(values[place])
        return values


@cache
def _ready(statement: Statement, dialect: Dialect) -> _Ready:
    return _Ready(statement, dialect)
