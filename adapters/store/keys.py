"""Rows found by any number of keys: by an index, on both stores, by a statement whose text never changes."""

import json
from collections.abc import Collection, Iterable
from hashlib import blake2b
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    column,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSON

from adapters.store.asking import ask


def on_keys(
    dialect: str, statement: Select[Any], columns: tuple[Column[Any], ...], parameter: str = "keys"
) -> Select[Any]:
    """Give the statement for the rows whose columns are one of the keys that its parameter tells (see `told`).

    The keys are joined as a table: SQLite reads a whole table for ``(a, b) IN (VALUES ..)``, and a text that grows with
    the keys would be compiled anew each time.

    Args:
        dialect: the store's.
        statement: what is asked.
        columns: of one table.
        parameter: name of the parameter.

    """
    wanted, parts = keys_given(dialect, len(columns), parameter)
    same = and_(*(own == part for own, part in zip(columns, parts, strict=True)))
    return statement.select_from(wanted.join(columns[0].table, same))


def told(keys: Collection[Any]) -> str:
    """Give keys as one parameter."""
    return json.dumps(list(keys))


def keys_given(dialect: str, width: int, parameter: str = "keys") -> tuple[FromClause, list[ColumnElement[str]]]:
    """Give the keys that a parameter tells as a table, and the parts of each as its columns."""
    keys = bindparam(parameter, type_=Text)
    if dialect == "sqlite":
        wanted = func.json_each(keys).table_valued("value").alias()
        return wanted, [func.json_extract(wanted.c.value, f"$[{n}]") for n in range(width)]
    wanted = func.json_array_elements(cast(keys, JSON)).table_valued(column("value", JSON)).alias()
    return wanted, [wanted.c.value[n].astext for n in range(width)]


def lock_all(connection: Connection, names: Iterable[tuple[str, ...]], shared: Iterable[tuple[str, ...]] = ()) -> None:
    """Take the locks of all these names, and keep them to the end of the transaction (PostgreSQL).

    Sorted, so that two who lock cannot deadlock. A statement of its own: the one after it sees what the other has
    committed (READ COMMITTED).

    Args:
        connection: in the transaction.
        names: held by nobody else.
        shared: held by others too, but by nobody alone.

    """
    modes = {_lock(name): False for name in shared} | {_lock(name): True for name in names}
    locks = sorted(modes)
    ask(connection, _LOCK_ALL, {"locks": locks, "alone": [modes[lock] for lock in locks]})


def _lock(name: tuple[str, ...]) -> int:
    return int.from_bytes(blake2b("\0".join(name).encode(errors="replace"), digest_size=8).digest(), "big", signed=True)


_LOCK_ALL = text(
    "SELECT count(CASE WHEN alone THEN CAST(pg_advisory_xact_lock(each) AS text)"
    " ELSE CAST(pg_advisory_xact_lock_shared(each) AS text) END)"
    " FROM unnest(CAST(:locks AS bigint[]), CAST(:alone AS boolean[])) AS given (each, alone)"
)


def among(connection: Connection, column: ColumnElement[Any], keys: Collection[Any]) -> ColumnElement[bool]:
    """Give the condition that a column is one of the keys, which go in as one parameter, however many."""
    return one_of(connection.dialect.name, column, literal(told(keys), Text))


def one_of(dialect: str, column: ColumnElement[Any], keys: ColumnElement[str] | None = None) -> ColumnElement[bool]:
    """Give the condition that a column is one of the keys that a parameter, ``keys``, tells."""
    given = bindparam("keys", type_=Text) if keys is None else keys
    if dialect == "sqlite":
        return column.in_(select(func.json_each(given).table_valued("value").c.value))
    texts = func.json_array_elements_text(cast(given, JSON)).column_valued("key")
    return column.in_(select(cast(texts, column.type)))
