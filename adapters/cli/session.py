"""What every command needs: the settings, the parts, who is calling, and two ways to print."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import click

from adapters.assembly import Assembly, account_principal
from adapters.journal import configure_log
from adapters.operations import Operations
from adapters.settings import load_settings
from gateway.principal import Principal

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program.")


@dataclass(frozen=True, slots=True)
class Session:
    """One command's gateway.

    Attributes:
        assembly: the parts.
        principal: the operating-system account, as the site's access.toml maps it.

    """

    assembly: Assembly
    principal: Principal

    @property
    def operations(self) -> Operations:
        """What the principal may ask."""
        return self.assembly.operations(self.principal)


@contextmanager
def session() -> Iterator[Session]:
    """Give the session of the environment's settings."""
    settings = load_settings()
    configure_log(settings.log_level)
    assembly = Assembly(settings)
    try:
        yield Session(assembly, account_principal(assembly.site))
    finally:
        assembly.close()


def print_json(value: object) -> None:
    """Print a value for a program."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def print_table(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows for a person, in columns as wide as they need."""
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max([len(c), *(len(line[i]) for line in cells)]) for i, c in enumerate(columns)]
    for line in [list(columns), *cells]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_segments(segments: Sequence[Mapping[str, Any]]) -> None:
    """Print a message's segments and fields (adapters.hl7v2.display) for a person."""
    for segment in segments:
        click.echo(f"{segment['segment']}  {segment['label']}".rstrip())
        for field in segment["fields"]:
            click.echo(f"  {field['path']:10} {field['label'][:38]:38} {field['value']}")


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return "" if value is None else str(value)
