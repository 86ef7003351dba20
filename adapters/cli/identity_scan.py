"""`gateway identity scan`."""

import time
from dataclasses import asdict

import click

from adapters.cli.output import json_option, print_json
from adapters.cli.session import session
from adapters.pipeline import identity_operations
from adapters.store.alike import Scanned

PROGRESS_SECONDS = 1.0


@click.command()
@json_option
def scan(*, as_json: bool) -> None:
    """Let every stored identity be found by its likeness: once after the upgrade that brought matching.

    What is stored from then on is filed as it comes. It may be stopped and begun anew. Needs the right `operate`.

    \b
    Example:
      gateway identity scan --json
    """
    done, told = Scanned(0, 0, 0), time.monotonic()
    with session() as current:
        for done in identity_operations(current.assembly, current.principal).scan():
            if time.monotonic() - told >= PROGRESS_SECONDS:
                click.echo(f"{done.looked} of {done.records} looked at", err=True)
                told = time.monotonic()
    if as_json:
        print_json(asdict(done))
    else:
        click.echo(f"{done.looked} identities looked at, {done.filed} filed anew")
