"""What a command does not use, it does not wait for."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from adapters.cli import COMMANDS, main

REPOSITORY = Path(__file__).parents[2]
_LOADED = "import sys, json, {}; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"

_SERVERS = {"starlette", "uvicorn", "fhir", "prometheus_client", "pika", "kombu", "amqp", "httpx", "jwt"}
_STORE = {"sqlalchemy", "alembic", "psycopg"}
_HEAVY = {
    "adapters.cli": _SERVERS | _STORE | {"pydantic", "structlog"},
    "adapters.cli.send": _SERVERS | _STORE | {"pydantic"},
    **{
        f"adapters.cli.{command}": _SERVERS | {"alembic", "psycopg"}
        for command in ("audit", "bus", "messages", "migrate", "retention", "status", "worklist")
    },
    "adapters.cli.config": (_SERVERS - {"jwt"}) | {"alembic", "psycopg"},
    "adapters.cli.explain": (_SERVERS - {"fhir"}) | {"alembic", "psycopg"},
    "adapters.service": {"alembic", "kombu"},
}
"""What a module's import must not bring with it."""


@pytest.mark.parametrize("module", _HEAVY)
def test_what_is_not_used_is_not_loaded(module):
    """Importing a command's module leaves out the packages that only other commands need."""
    loading = [sys.executable, "-c", _LOADED.format(module)]
    done = subprocess.run(loading, capture_output=True, cwd=REPOSITORY, check=True)
    assert not _HEAVY[module] & set(json.loads(done.stdout))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_says(name):
    """The first help lists each command as the command describes itself, without loading it."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    described = click.Command(name, help=COMMANDS[name])
    for width in (20, 60, 110, 1_000):
        assert described.get_short_help_str(width) == command.get_short_help_str(width)
