"""Two ways to print: for a person and for a program."""

import codecs
import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any
from zoneinfo import ZoneInfo

import click

from gateway import terser

NUMBER = click.IntRange(1, 2**63 - 1)
"""Number of a received message."""

NARROWEST = 16
"""Characters that a column keeps in a narrow terminal."""


def _place(_ctx: click.Context, _option: click.Parameter, path: str | None) -> terser.Place | None:
    try:
        return None if path is None else terser.parse(path)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


path_option = click.option("--path", "place", callback=_place, help="Only this: PV1, OBX[2]-5, PID-3.4.2.")
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
    """Print rows for a person, columns as wide as they need or a terminal has; times say their zone (IANA name)."""
    cells = [list(columns), *([said(row[column], zone) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if sys.stdout.isatty():
        _fit(widths, shutil.get_terminal_size().columns)
    for line in cells:
        wrapped = [_wrapped(cell, width) for cell, width in zip(line, widths, strict=True)]
        for parts in zip_longest(*wrapped, fillvalue=""):
            click.echo("  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip())


def _wrapped(cell: str, width: int) -> list[str]:
    return [cell] if len(cell) <= width else textwrap.wrap(cell, width)


def _fit(widths: list[int], terminal: int) -> None:
    """The widest columns are as narrow as the terminal asks, but still fit to be read."""
    while sum(widths) + 2 * (len(widths) - 1) > terminal and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1


def print_segments(segments: Sequence[Mapping[str, Any]]) -> None:
    """Print a message's segments and fields (adapters.hl7v2.display) for a person."""
    for segment in segments:
        click.echo(f"{segment['segment']}  {segment['label']}".rstrip())
        for field in segment["fields"]:
            click.echo(f"  {field['path']:10} {field['label'][:38]:38} {printable(field['value'])}")


def printable(value: str) -> str:
    """A sender's control characters are shown, not obeyed by the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in value)


def said(value: object, zone: str) -> str:
    """Give a value for a person; a time in a zone (IANA name), which it says."""
    if isinstance(value, datetime):
        return value.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")
    return "" if value is None else printable(str(value))
