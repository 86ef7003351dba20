"""What every contract test of the store starts from."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from stores import Store, empty, store_at


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory) -> Path:
    """A SQLite file with the schema and nothing in it, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "gateway.db"
    with store_at(f"sqlite:///{file}") as store:
        store.database.migrate()
    return file


@pytest.fixture(scope="session")
def migrated_postgres(postgres) -> Iterator[Store]:
    """A PostgreSQL database with the schema, emptied before each test."""
    with postgres.database() as url, store_at(url) as store:
        store.database.migrate()
        yield store


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path) -> Iterator[Store]:
    """An empty, migrated store, on each engine in turn; made once, for migrating takes longer than most tests."""
    if request.param == "sqlite":
        file = tmp_path / "gateway.db"
        shutil.copy(request.getfixturevalue("migrated_file"), file)
        url = f"sqlite:///{file}"
    else:
        url = request.getfixturevalue("migrated_postgres").url
    with store_at(url) as store:
        if request.param == "postgresql":
            empty(store)
        yield store


@pytest.fixture
def twin(store) -> Iterator[Store]:
    """The same database with connections of its own, as another process has it."""
    with store_at(store.url) as twin:
        yield twin
