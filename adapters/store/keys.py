"""Rows found by any number of keys: by an index, on both stores, by a statement whose text never changes."""

import json
from collections.abc import Collection, Iterable
from functools import cache
from hashlib import blake2b
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
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
)
from sqlalchemy.dialects.postgresql import JSON


def select_by_keys(
    connection: Connection,
    statement: Select[Any],
    columns: tuple[Column[Any], ...],
    keys: Collection[tuple[str, ...]],
    **parameters: object,
) -> list[dict[str, Any]]:
    """Give the rows of a statement whose columns are one of the keys.

    The keys go in as one parameter and are joined as a table: SQLite reads a whole table for ``(a, b) IN (VALUES ..)``,
    and a text that grows with the keys would be compiled anew each time.

    Args:
        connection: where.
        statement: one that is kept, for what is made of it is kept too.
        columns: of one table.
        keys: their values.
        parameters: the statement's own.

    """
    if not keys:
        return []
    asked = _asked(connection.dialect.name, statement, columns)
    given = {"keys_": json.dumps(list(keys)), **parameters}
    return [dict(row) for row in connection.execute(asked, given).mappings()]


@cache
def _asked(dialect: str, statement: Select[Any], columns: tuple[Column[Any], ...]) -> Select[Any]:
    wanted, parts = _given(dialect, len(columns))
    same = and_(*(own == part for own, part in zip(columns, parts, strict=True)))
    return statement.select_from(wanted.join(columns[0].table, same))


def _given(dialect: str, width: int) -> tuple[FromClause, list[ColumnElement[str]]]:
    told = bindparam("keys_", type_=Text)
    if dialect == "sqlite":
        wanted = func.json_each(told).table_valued("value", name="wanted")
        return wanted, [func.json_extract(wanted.c.value, f"$[{n}]") for n in range(width)]
    wanted = func.json_array_elements(cast(told, JSON)).table_valued(column("value", JSON), name="wanted")
    return wanted, [wanted.c.value[n].astext for n in range(width)]


def lock_all(connection: Connection, names: Iterable[tuple[str, ...]]) -> None:
    """Take the locks of all these names, and keep them to the end of the transaction (PostgreSQL).

    Sorted, so that two who lock cannot deadlock. A statement of its own: the one after it sees what the other has
    committed (READ COMMITTED).
    """
    digests = (blake2b("\0".join(name).encode(errors="replace"), digest_size=8).digest() for name in names)
    locks = sorted({int.from_bytes(digest, "big", signed=True) for digest in digests})
    each = func.unnest(cast(locks, ARRAY(BigInteger))).column_valued("each")
    connection.execute(select(func.count(func.pg_advisory_xact_lock(each))))


def among(connection: Connection, column: ColumnElement[Any], keys: Collection[Any]) -> ColumnElement[bool]:
    """Give the condition that a column is one of the keys, which go in as one parameter, however many."""
    told = json.dumps(list(keys))
    if connection.dialect.name == "sqlite":
        return column.in_(select(func.json_each(told).table_valued("value").c.value))
    texts = func.json_array_elements_text(cast(literal(told, Text), JSON)).column_valued("key")
    return column.in_(select(cast(texts, column.type)))
