"""Rows found by any number of keys: by an index, on both stores, whatever the number."""

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Select, Text, and_, column, values

Key = TypeVar("Key")

KEYS = 1_000
"""Keys named by one statement: a message may name any number, and both stores bound a statement's size."""


def select_by_keys(
    connection: Connection, statement: Select[Any], columns: tuple[Column[Any], ...], keys: Collection[tuple[str, ...]]
) -> list[dict[str, Any]]:
    """Give the rows of a statement whose columns are one of the keys.

    The keys are joined as a table of their own: SQLite reads a whole table for ``(a, b) IN (VALUES ...)``.
    """
    found: list[dict[str, Any]] = []
    names = [column(f"key_{n}", Text) for n in range(len(columns))]
    for chunk in chunks(keys):
        wanted = values(*names, name="wanted").data(chunk).cte()
        same = and_(*(own == given for own, given in zip(columns, wanted.c, strict=True)))
        asked = statement.select_from(wanted.join(columns[0].table, same))
        found += [dict(row) for row in connection.execute(asked).mappings()]
    return found


def chunks(keys: Collection[Key]) -> Iterator[list[Key]]:
    """Give the keys in lists of at most KEYS."""
    ordered = iter(keys)
    while chunk := list(islice(ordered, KEYS)):
        yield chunk
