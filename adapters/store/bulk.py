"""Many rows written by one statement whose text never changes, on both stores."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import JSON, Column, Connection, Executable, LargeBinary, String, Table, func, insert, select, text
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

_DIALECT = PGDialect()  # type: ignore[no-untyped-call]

Rows = Sequence[dict[str, Any]]


def insert_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows, each with the same columns; none is nothing to do."""
    _write(connection, table, rows, upsert=False)


def upsert_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows, or write them over those with the same primary key; no key may come twice."""
    _write(connection, table, rows, upsert=True)


def next_numbers(connection: Connection, table: Table, count: int) -> Sequence[int]:
    """Give the next numbers of a table's serial key, rising, for rows about to be inserted.

    On SQLite the transaction must be a writing one: the numbers are free until it ends.
    """
    if connection.dialect.name == "sqlite":
        last = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        first = (connection.execute(last, {"name": table.name}).scalar() or 0) + 1
        return range(first, first + count)
    (key,) = table.primary_key
    numbers = select(func.nextval(f"{table.name}_{key.name}_seq")).select_from(func.generate_series(1, count))
    return connection.execute(numbers).scalars().all()


def _write(connection: Connection, table: Table, rows: Rows, *, upsert: bool) -> None:
    if not rows:
        return
    names = tuple(rows[0])
    if connection.dialect.name == "sqlite":
        connection.execute(_by_row(table, names, upsert), list(rows))
    else:
        connection.execute(_by_set(table, names, upsert), _set(table, names, rows))


@cache
def _by_row(table: Table, names: tuple[str, ...], upsert: bool) -> Executable:  # noqa: FBT001 - a key of the cache
    if not upsert:
        return insert(table)
    statement = sqlite_insert(table)
    fresh = {name: statement.excluded[name] for name in names if not table.c[name].primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=fresh)


@cache
def _by_set(table: Table, names: tuple[str, ...], upsert: bool) -> Executable:  # noqa: FBT001 - as above
    """PostgreSQL takes the rows as one JSON parameter, and what is bytes in them as one more, cut by place and length.

    With a parameter a value, the driver and the server spend more on the statement than on the rows.
    """
    columns = [table.c[name] for name in names]
    given = ", ".join(_given(column) for column in columns)
    values = ", ".join(_value(column) for column in columns)
    written, conflict = ", ".join(names), _on_conflict(table, names) if upsert else ""
    rows = f"SELECT {values} FROM json_to_recordset(CAST(:told_ AS json)) AS given ({given})"  # noqa: S608 - our own names
    return text(f"INSERT INTO {table.name} ({written}) {rows}{conflict}")


def _given(column: Column[Any]) -> str:
    """Name a column with its type as it is told: a text too long is refused on insertion, where a cast would cut it."""
    if isinstance(column.type, LargeBinary):
        return f"{column.name}_at int, {column.name}_size int"
    text_like = isinstance(column.type, String) and not isinstance(column.type, JSON)
    return f"{column.name} {'text' if text_like else column.type.compile(_DIALECT)}"


def _value(column: Column[Any]) -> str:
    if isinstance(column.type, LargeBinary):
        return f"substring(CAST(:{column.name} AS bytea) FROM {column.name}_at FOR {column.name}_size)"
    return column.name


def _on_conflict(table: Table, names: tuple[str, ...]) -> str:
    keys = ", ".join(c.name for c in table.primary_key)
    fresh = ", ".join(f"{name} = excluded.{name}" for name in names if not table.c[name].primary_key)
    return f" ON CONFLICT ({keys}) DO UPDATE SET {fresh}"


def _set(table: Table, names: tuple[str, ...], rows: Rows) -> dict[str, Any]:
    octets = [name for name in names if isinstance(table.c[name].type, LargeBinary)]
    told, apart = list(rows), {}
    for name in octets:
        told, apart[name] = _apart(name, told)
    return {"told_": to_json(told).decode(), **apart}


def _apart(name: str, rows: Rows) -> tuple[list[dict[str, Any]], bytes]:
    """Give the rows with the place and length of their bytes, and all these bytes."""
    told, place = [], 1
    for row in rows:
        size = len(row[name])
        told.append({**row, name: None, f"{name}_at": place, f"{name}_size": size})
        place += size
    return told, b"".join(row[name] for row in rows)
