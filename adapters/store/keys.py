"""Rows found by any number of keys: by an index, on both stores, by a statement whose text never changes."""

import json
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ARRAY, Column, ColumnElement, Connection, FromClause, Select, Text, and_, cast, func

Key = TypeVar("Key")

KEYS = 1_000
"""Keys named by one statement's IN: both stores bound a statement's size."""


def select_by_keys(
    connection: Connection, statement: Select[Any], columns: tuple[Column[Any], ...], keys: Collection[tuple[str, ...]]
) -> list[dict[str, Any]]:
    """Give the rows of a statement whose columns are one of the keys.

    The keys go in as one parameter (SQLite) or one a column (PostgreSQL) and are joined as a table: SQLite reads a
    whole table for ``(a, b) IN (VALUES ...)``, and a text that grows with the keys would be compiled anew each time.
    """
    if not keys:
        return []
    given = _by_json if connection.dialect.name == "sqlite" else _by_arrays
    wanted, parts = given(keys, len(columns))
    same = and_(*(own == part for own, part in zip(columns, parts, strict=True)))
    asked = statement.select_from(wanted.join(columns[0].table, same))
    return [dict(row) for row in connection.execute(asked).mappings()]


def _by_json(keys: Collection[tuple[str, ...]], width: int) -> tuple[FromClause, list[ColumnElement[str]]]:
    wanted = func.json_each(json.dumps(list(keys))).table_valued("value", name="wanted")
    return wanted, [func.json_extract(wanted.c.value, f"$[{n}]") for n in range(width)]


def _by_arrays(keys: Collection[tuple[str, ...]], width: int) -> tuple[FromClause, list[ColumnElement[str]]]:
    arrays = [cast(list(column), ARRAY(Text)) for column in zip(*keys, strict=True)]
    wanted = func.unnest(*arrays).table_valued(*(f"key_{n}" for n in range(width)), name="wanted").render_derived()
    return wanted, list(wanted.c)


def chunks(keys: Collection[Key]) -> Iterator[list[Key]]:
    """Give the keys in lists of at most KEYS."""
    ordered = iter(keys)
    while chunk := list(islice(ordered, KEYS)):
        yield chunk
