"""Many rows written by one statement whose text never changes, on both stores."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic_core import to_json
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Executable,
    LargeBinary,
    String,
    Table,
    TextClause,
    delete,
    insert,
    text,
)
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from adapters.store.asking import ask
from adapters.store.keys import among, told

_DIALECT = PGDialect()  # type: ignore[no-untyped-call]

Rows = Sequence[dict[str, Any]]


def within(limit: int, found: Iterable[Any]) -> Iterator[int]:
    """Give the messages of rows (``message_id``, ``size``), in order, whose bytes are within a limit; at least one."""
    total = 0
    for row in found:
        total += row.size
        if total > limit and total > row.size:
            return
        yield row.message_id


def insert_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows, each with the same columns; none is nothing to do."""
    together = Together()
    together.insert(table, rows)
    together.write(connection)


def copy_rows(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert very many rows, each with the same columns: by COPY on PostgreSQL, which reads a file faster than JSON."""
    if connection.dialect.name == "sqlite" or not rows:
        insert_rows(connection, table, rows)
        return
    import psycopg  # noqa: PLC0415 - a driver, where it is used
    from psycopg import sql  # noqa: PLC0415 - as above

    columns = [table.c[name] for name in rows[0]]
    json = {column.name for column in columns if isinstance(column.type, JSON)}
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([to_json(value).decode() if name in json else value for name, value in row.items()])


def next_numbers(connection: Connection, count: int, *tables: Table, taken: int = 0) -> list[Sequence[int]]:
    """Give the next numbers of the tables' serial keys, rising, for rows about to be inserted; so many of each table.

    On SQLite the transaction must be a writing one, and numbers are given again until rows have them.

    Args:
        connection: in the transaction that inserts.
        count: how many.
        tables: each with one serial key.
        taken: how many were given before, to rows that are not inserted yet.

    """
    if connection.dialect.name != "sqlite":
        found = ask(connection, _nextval(tables), {"count": count})
        return [[row[place] for row in found] for place in range(len(tables))]
    last = text("SELECT seq FROM sqlite_sequence WHERE name = :name")
    firsts = ((connection.execute(last, {"name": table.name}).scalar() or 0) + 1 + taken for table in tables)
    return [range(first, first + count) for first in firsts]


@cache
def _nextval(tables: tuple[Table, ...]) -> TextClause:
    sequences = (f"{table.name}_{key.name}_seq" for table in tables for key in table.primary_key)
    numbers = ", ".join(f"nextval('{sequence}')" for sequence in sequences)
    return text(f"SELECT {numbers} FROM generate_series(1, :count)")  # noqa: S608 - our own names


@dataclass(frozen=True, slots=True)
class _Write:
    """What is done to one table: its statement's text follows from this alone.

    Attributes:
        table: the table.
        names: columns of the rows; of a deletion, the column whose values go.
        act: what is done.

    """

    table: Table
    names: tuple[str, ...]
    act: "_Act"


_Act = Literal["insert", "upsert", "keep", "delete"]


class Together:
    """Writes to several tables that go to the store together: by one statement on PostgreSQL, one by one on SQLite.

    A round trip and a parse for each would cost more than the rows. All see the tables as they were, so no two of them
    may concern the same row; foreign keys are checked when all is written.
    """

    def __init__(self) -> None:
        self._writes: list[tuple[_Write, Rows | Collection[Any]]] = []
        self._channel = ""

    def insert(self, table: Table, rows: Rows) -> None:
        """Insert rows, each with the same columns; none is nothing to do."""
        self._add(table, rows, "insert")

    def upsert(self, table: Table, rows: Rows) -> None:
        """Insert rows, or write them over those with the same primary key; no key may come twice."""
        self._add(table, rows, "upsert")

    def keep(self, table: Table, rows: Rows) -> None:
        """Insert the rows whose primary key is not there yet; no key may come twice."""
        self._add(table, rows, "keep")

    def delete(self, column: Column[Any], keys: Collection[Any]) -> None:
        """Delete the rows whose column is one of these keys."""
        if keys:
            self._writes.append((_Write(column.table, (column.name,), "delete"), keys))

    def tell(self, channel: str) -> None:
        """Tell, once the transaction is committed, that there is news; on SQLite there is one process to know it."""
        self._channel = channel

    def write(self, connection: Connection) -> None:
        """Write it all."""
        if connection.dialect.name == "sqlite":
            for write, given in self._writes:
                _write_by_row(connection, write, given)
        elif self._writes or self._channel:
            told = {"channel": self._channel} if self._channel else {}
            for place, (write, given) in enumerate(self._writes):
                told |= _parameters(write, place, given)
            statement = _in_one(tuple(write for write, _ in self._writes), bool(self._channel))
            ask(connection, statement, told)

    def _add(self, table: Table, rows: Rows, act: _Act) -> None:
        if rows:
            self._writes.append((_Write(table, tuple(rows[0]), act), rows))


def _write_by_row(connection: Connection, write: _Write, given: Any) -> None:
    if write.act == "delete":
        column = write.table.c[write.names[0]]
        connection.execute(delete(write.table).where(among(connection, column, given)))
    else:
        connection.execute(_by_row(write), list(given))


@cache
def _by_row(write: _Write) -> Executable:
    if write.act == "insert":
        return insert(write.table)
    statement = sqlite_insert(write.table)
    if write.act == "keep":
        return statement.on_conflict_do_nothing()
    fresh = {name: statement.excluded[name] for name in write.names if not write.table.c[name].primary_key}
    return statement.on_conflict_do_update(index_elements=list(write.table.primary_key), set_=fresh)


@cache
def _in_one(writes: tuple[_Write, ...], tells: bool) -> TextClause:  # noqa: FBT001 - a key of the cache
    """PostgreSQL's one statement for all these writes (WITH queries that modify data)."""
    parts = ", ".join(f"w{place} AS ({_by_set(write, place)})" for place, write in enumerate(writes))
    last = "SELECT pg_notify(:channel, '')" if tells else "SELECT"
    return text(f"WITH {parts} {last}" if parts else last)


def _by_set(write: _Write, place: int) -> str:
    """The rows are one JSON parameter, and what is bytes in them is one more, cut by place and length.

    With a parameter a value, the driver and the server spend more on the statement than on the rows.
    """
    table, told = write.table, f"CAST(:told_{place} AS json)"
    columns = [table.c[name] for name in write.names]
    if write.act == "delete":
        key, kind = columns[0].name, columns[0].type.compile(_DIALECT)
        keys = f"SELECT CAST(key AS {kind}) FROM json_array_elements_text({told}) AS key"  # noqa: S608 - our own names
        return f"DELETE FROM {table.name} WHERE {key} IN ({keys})"  # noqa: S608 - as above
    given = ", ".join(_given(column) for column in columns)
    values = ", ".join(_value(column, place) for column in columns)
    written, conflict = ", ".join(write.names), _on_conflict(write)
    rows = f"SELECT {values} FROM json_to_recordset({told}) AS given ({given})"  # noqa: S608 - as above
    return f"INSERT INTO {table.name} ({written}) {rows}{conflict}"


def _given(column: Column[Any]) -> str:
    """Name a column with its type as it is told: a text too long is refused on insertion, where a cast would cut it."""
    if isinstance(column.type, LargeBinary):
        return f"{column.name}_at int, {column.name}_size int"
    text_like = isinstance(column.type, String) and not isinstance(column.type, JSON)
    return f"{column.name} {'text' if text_like else column.type.compile(_DIALECT)}"


def _value(column: Column[Any], place: int) -> str:
    if isinstance(column.type, LargeBinary):
        octets = f"CAST(:{column.name}_{place} AS bytea)"
        return f"substring({octets} FROM {column.name}_at FOR {column.name}_size)"
    return column.name


def _on_conflict(write: _Write) -> str:
    if write.act == "insert":
        return ""
    if write.act == "keep":
        return " ON CONFLICT DO NOTHING"
    keys = ", ".join(c.name for c in write.table.primary_key)
    fresh = ", ".join(f"{name} = excluded.{name}" for name in write.names if not write.table.c[name].primary_key)
    return f" ON CONFLICT ({keys}) DO UPDATE SET {fresh}"


def _parameters(write: _Write, place: int, given: Any) -> dict[str, Any]:
    if write.act == "delete":
        return {f"told_{place}": told(given)}
    octets = [name for name in write.names if isinstance(write.table.c[name].type, LargeBinary)]
    rows, apart = list(given), {}
    for name in octets:
        rows, apart[f"{name}_{place}"] = _apart(name, rows)
    return {f"told_{place}": to_json(rows).decode(), **apart}


def _apart(name: str, rows: Rows) -> tuple[list[dict[str, Any]], bytes]:
    """Give the rows with the place and length of their bytes, and all these bytes."""
    told_, place = [], 1
    for row in rows:
        size = len(row[name])
        told_.append({**row, name: None, f"{name}_at": place, f"{name}_size": size})
        place += size
    return told_, b"".join(row[name] for row in rows)
