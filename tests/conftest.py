"""Fixtures that every kind of test may ask for."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import pytest
import structlog
from services import PostgresServer, RabbitServer, ServiceAbsent, running_postgres, running_rabbitmq

Server = TypeVar("Server", PostgresServer, RabbitServer)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make prove` runs the whole of what takes too long for every change."""
    whole = "every step of the crash matrix, and the storm at its full strength, not a sample"
    parser.addoption("--prove", action="store_true", help=whole)


@pytest.fixture(scope="session")
def prove(pytestconfig: pytest.Config) -> bool:
    """Whether the whole is to be proven, however long it takes."""
    return bool(pytestconfig.getoption("--prove"))


def _running(service: AbstractContextManager[Server]) -> Iterator[Server]:
    """The server for the time of the session; skipped where it is not installed, a failure where CI requires it."""
    try:
        with service as server:
            yield server
    except ServiceAbsent as absent:
        if os.environ.get("GATEWAY_REQUIRE_SERVICES") == "1":
            pytest.fail(f"GATEWAY_REQUIRE_SERVICES=1, but {absent}")
        pytest.skip(str(absent))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A private PostgreSQL server."""
    yield from _running(running_postgres())


@pytest.fixture(scope="session")
def postgres_url(postgres) -> str:
    """The URL of the private PostgreSQL server's first database."""
    return postgres.url()


@pytest.fixture
def postgres_database(postgres) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, dropped after the test."""
    with postgres.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path: Path) -> str:
    """The URL of an empty database, on each engine in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gateway.db'}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitServer]:
    """A private RabbitMQ node; a test that stops or freezes it sets it going again."""
    yield from _running(running_rabbitmq())


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A command that is run in this process sets up the log for itself; the next test finds it as it was."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
