"""Rows written down: for a person as a table, for a program as JSON or NDJSON, for a spreadsheet as CSV."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Any

import click

from adapters.cli.output import json_option, json_text

Command = Callable[..., Any]
Row = Mapping[str, Any]


class Form(StrEnum):
    """How rows are written."""

    TABLE = "table"
    """For a person."""
    JSON = "json"
    """One array."""
    NDJSON = "ndjson"
    """One object a line."""
    CSV = "csv"
    """UTF-8 with its mark, separated by semicolons, as spreadsheets here read it."""

    @property
    def written(self) -> bool:
        """Whether it is made to be handed on."""
        return self in {Form.NDJSON, Form.CSV}


def form_options(command: Command) -> Command:
    """Give a command ``--format``, ``--json`` and ``-o``: it is called with ``form`` and ``output``."""

    @wraps(command)
    def formed(*arguments: Any, form: str, as_json: bool, **options: Any) -> Any:
        return command(*arguments, form=Form.JSON if as_json else Form(form), **options)

    forms = click.Choice([form.value for form in Form])
    for option in (
        click.option("-o", "--output", type=NEW_FILE, callback=new_file, help="Write to this file, which is new."),
        json_option,
        click.option("--format", "form", type=forms, default=Form.TABLE.value, show_default=True, help="How."),
    ):
        formed = option(formed)
    return formed


NEW_FILE = click.Path(dir_okay=False, path_type=Path)


def new_file(_context: click.Context, _option: click.Parameter, output: Path | None) -> Path | None:
    """Give a file to be written, which is not there yet."""
    if output is not None and (output.exists() or not output.absolute().parent.is_dir()):
        raise click.BadParameter("a new file in a folder that is there is expected")
    return output


def emit(rows: Sequence[Row], form: Form, output: Path | None) -> None:
    """Write rows, each with the same columns, to a file that must not be there, or to standard output."""
    match form:
        case Form.CSV:
            said = _csv(rows)
        case Form.NDJSON:
            said = "".join(f"{json_text(row)}\n" for row in rows)
        case _:
            said = f"{json_text(rows, indent=2)}\n"
    put(said, output, encoding="utf-8-sig" if form is Form.CSV else "utf-8")


def put(said: str, output: Path | None, *, encoding: str = "utf-8") -> None:
    """Write a text to a file of the owner's alone, which must not be there, or to standard output."""
    if output is None:
        click.echo(said, nl=False)
        return
    write_new(output, said.encode(encoding))


def write_new(file: Path, said: bytes) -> None:
    """Write a file of the owner's alone, which must not be there."""
    file.touch(mode=0o600, exist_ok=False)
    file.write_bytes(said)


def _csv(rows: Sequence[Row]) -> str:
    written = io.StringIO()
    table = csv.writer(written, delimiter=";")
    if rows:
        table.writerow(rows[0])
    table.writerows([_cell(value) for value in row.values()] for row in rows)
    return written.getvalue()


def _cell(value: Any) -> str:
    """Give a cell's text; what a spreadsheet would take for a formula is marked as text."""
    match value:
        case None:
            said = ""
        case datetime():
            said = value.isoformat()
        case list() | tuple():
            said = " ".join(map(str, value))
        case Mapping():
            said = ", ".join(f"{name}={each}" for name, each in value.items())
        case _:
            said = str(value)
    return f"'{said}" if said.startswith(("=", "+", "-", "@", "\t", "\r")) else said
