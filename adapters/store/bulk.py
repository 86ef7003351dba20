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
    """PostgreSQL takes the rows as one JSON parameter, and bytes as an array beside it.

    With a parameter a value, the driver and the server spend more on the statement than on the rows.
    """
    written, (told, octets) = ", ".join(names), _told_and_octets(table, names)
    given = ", ".join(f"{c.name} {_sql_type(c)}" for c in told)
    sets = [f"json_to_recordset(CAST(:told_ AS json)) AS ({given})"]
    sets += [f"unnest(CAST(:{c.name} AS bytea[]))" for c in octets]
    order = ", ".join(c.name for c in (*told, *octets))
    rows = f"SELECT {written} FROM ROWS FROM ({', '.join(sets)}) AS given ({order})"  # noqa: S608 - our own names
    conflict = _on_conflict(table, names) if upsert else ""
    return text(f"INSERT INTO {table.name} ({written}) {rows}{conflict}")


def _on_conflict(table: Table, names: tuple[str, ...]) -> str:
    keys = ", ".join(c.name for c in table.primary_key)
    fresh = ", ".join(f"{name} = excluded.{name}" for name in names if not table.c[name].primary_key)
    return f" ON CONFLICT ({keys}) DO UPDATE SET {fresh}"


def _sql_type(column: Column[Any]) -> str:
    """Give the type of a value before it is inserted: there a text that is too long is refused, a cast would cut it."""
    text_like = isinstance(column.type, String) and not isinstance(column.type, JSON)
    return "text" if text_like else column.type.compile(_DIALECT)


def _told_and_octets(table: Table, names: tuple[str, ...]) -> tuple[list[Column[Any]], list[Column[Any]]]:
    """Part the columns: those that JSON can tell, and bytes."""
    columns = [table.c[name] for name in names]
    octets = [c for c in columns if isinstance(c.type, LargeBinary)]
    return [c for c in columns if c not in set(octets)], octets


def _set(table: Table, names: tuple[str, ...], rows: Rows) -> dict[str, Any]:
    _, octets = _told_and_octets(table, names)
    apart = {c.name for c in octets}
    told = [{name: value for name, value in row.items() if name not in apart} for row in rows] if apart else rows
    return {"told_": to_json(told).decode(), **{name: [row[name] for row in rows] for name in apart}}
