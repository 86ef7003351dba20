"""What every contract test of the store starts from."""

from collections.abc import Iterator

import pytest
from stores import Store, store_at


@pytest.fixture
def store(database_url) -> Iterator[Store]:
    """An empty, migrated store, on each engine in turn."""
    with store_at(database_url) as store:
        store.database.migrate()
        yield store


@pytest.fixture
def twin(store) -> Iterator[Store]:
    """The same database with connections of its own, as another process has it."""
    with store_at(store.url) as twin:
        yield twin
