"""Two ways to print: for a person and for a program."""

import codecs
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

NUMBER = click.IntRange(1, 2**63 - 1)
"""Number of a received message."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program.")


def print_json(value: object) -> None:
    """Print a value for a program."""
    click.echo(json_text(value, indent=2))


def json_text(value: object, indent: int | None = None) -> str:
    """Give a value as JSON, in ASCII where standard output does not speak UTF-8."""
    escaped = codecs.lookup(sys.stdout.encoding).name != "utf-8"
    return json.dumps(value, ensure_ascii=escaped, indent=indent, default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def print_table(columns: Sequence[str], rows: Sequence[Mapping[str, object]], zone: str = "UTC") -> None:
    """Print rows for a person, in columns as wide as they need; times are in a zone (IANA name), and say which."""
    cells = [[_cell(row[column], ZoneInfo(zone)) for column in columns] for row in rows]
    widths = [max([len(c), *(len(line[i]) for line in cells)]) for i, c in enumerate(columns)]
    for line in [list(columns), *cells]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_segments(segments: Sequence[Mapping[str, Any]]) -> None:
    """Print a message's segments and fields (adapters.hl7v2.display) for a person."""
    for segment in segments:
        click.echo(f"{segment['segment']}  {segment['label']}".rstrip())
        for field in segment["fields"]:
            click.echo(f"  {field['path']:10} {field['label'][:38]:38} {_printable(field['value'])}")


def _printable(value: str) -> str:
    """A sender's control characters are shown, not obeyed by the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in value)


def _cell(value: object, zone: ZoneInfo) -> str:
    if isinstance(value, datetime):
        return value.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")
    return "" if value is None else str(value)
