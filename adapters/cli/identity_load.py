"""`gateway identity load`."""

import time
from dataclasses import asdict
from pathlib import Path

import click

from adapters.cli.output import json_option, print_json
from adapters.cli.session import session
from adapters.files.exported import Exported
from adapters.files.records import FieldMap
from adapters.pipeline import identity_operations
from adapters.store.loading import Loaded
from gateway.facts import IdentityStatus
from mappings import toml_file

PROGRESS_SECONDS = 1.0
_file = click.Path(path_type=Path)
_STATUS = click.Choice([IdentityStatus.PROVISOIRE.value, IdentityStatus.VALIDEE.value])


@click.command()
@click.argument("file", type=_file)
@click.option("--fields", required=True, type=_file, metavar="MAP.toml", help="Which column holds which trait.")
@click.option("--source", required=True, metavar="S", help="The admissions system, as sources.toml names it.")
@click.option(
    "--status",
    type=_STATUS,
    default=IdentityStatus.PROVISOIRE.value,
    show_default=True,
    help="RNIV status of all of them.",
)
@json_option
def load(file: Path, fields: Path, source: str, status: str, *, as_json: bool) -> None:
    """Store the identities that admissions holds, once, before it tells them by messages.

    Each row is a number of the source's domain (the id of MAP.toml, as for `identity evaluate`) with its identity
    traits, as if admissions had told it: vouched for, with a person of its own, found by its likeness. Nobody is linked
    and nobody is asked: `identity scan` asks afterwards. A number that is known stays as it is, so a load that was
    stopped is begun anew. An INS, telephones and addresses are not taken from a file. Needs the right `operate`.

    \b
    Example:
      gateway identity load ipp.csv --fields map.toml --source admissions --status validée
    """
    exported = Exported(file, toml_file.read(fields, FieldMap))
    done, told = Loaded(), time.monotonic()
    with session() as current:
        operations = identity_operations(current.assembly, current.principal)
        for done in operations.load(source, exported.patients(IdentityStatus(status)), exported.digest):
            if time.monotonic() - told >= PROGRESS_SECONDS:
                told = time.monotonic()
                click.echo(f"{done.read} of {exported.count} read, {done.stored} stored", err=True)
    if as_json:
        print_json(asdict(done) | {"known": done.read - done.stored, "undated": exported.undated})
        return
    click.echo(
        f"{done.read} read, {done.stored} stored, {done.read - done.stored} known before, {done.keys} keys filed"
    )
    if exported.undated:
        click.echo(f"{exported.undated} with a date of birth that cannot be read: stored without")
