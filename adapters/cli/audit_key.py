"""`gateway audit key`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click

from adapters import proof
from adapters.audit_key import public_pem
from adapters.cli.output import json_option, print_json, print_table
from adapters.cli.session import Session, session
from adapters.proof_operations import ProofOperations
from gateway.checkpoint import KeyStatement


@click.group()
def key() -> None:
    """Look at and change the keys that sign checkpoints of the audit trail."""


@contextmanager
def _proving() -> Iterator[tuple[Session, ProofOperations]]:
    with session() as current:
        yield current, proof.operations(current.assembly, current.principal)


@key.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the public keys of the log, the first one first: since when and until when each signs.

    Needs the right `audit:verify`.

    \b
    Example:
      gateway audit key list
    """
    with _proving() as (current, operations):
        shown = [_row(each.statement, each.until, here=each.signs_here) for each in operations.list_keys()]
        zone = current.assembly.site.time_zone
    if as_json:
        print_json(shown)
        return
    rows = [
        {
            "clé": row["key"],
            "signe depuis": row["valid_from"],
            "jusqu’au": row["until"],
            "sur cet hôte": "oui" if row["signs_here"] else "",
        }
        for row in shown
    ]
    print_table(("clé", "signe depuis", "jusqu’au", "sur cet hôte"), rows, zone)


def _row(statement: KeyStatement, until: datetime | None, *, here: bool) -> dict[str, Any]:
    return {
        "key": statement.key,
        "public": statement.public,
        "previous": statement.previous or None,
        "valid_from": statement.valid_from,
        "until": until,
        "signs_here": here,
    }


@key.command()
@click.argument("wanted", metavar="[KEY]", default="")
@json_option
def public(wanted: str, *, as_json: bool) -> None:
    """Print a public key as PEM: the last one, or that whose id begins with KEY.

    Give it away once, on paper or by another way than the log: whoever has it can verify an export. Needs the right
    `audit:verify`.

    \b
    Example:
      gateway audit key public > audit-key.pem
    """
    with _proving() as (_, operations):
        shown = operations.public_key(wanted)
    if as_json:
        print_json(_row(shown.statement, shown.until, here=shown.signs_here))
    else:
        click.echo(public_pem(bytes.fromhex(shown.statement.public)), nl=False)


@key.command()
@json_option
def new(*, as_json: bool) -> None:
    """Make the log's first key, in the file that GATEWAY_AUDIT_KEY names, or of the key that stands there.

    `serve` does so by itself where it may write there. Needs the right `audit:key`.

    \b
    Example:
      GATEWAY_AUDIT_KEY=/etc/gateway/audit-key.pem gateway audit key new
    """
    with _proving() as (_, operations):
        statement = operations.new_key()
    _tell(statement, "clé créée", as_json=as_json)


@key.command()
@json_option
def rotate(*, as_json: bool) -> None:
    """Put a new key into the file, signed by the old one, which is gone then.

    Run it where the file is. A running service signs with the new key at once; another host that has a copy of the old
    file may sign with it for a day. Whoever trusts one of the two trusts the other. Needs the right `audit:key`.

    \b
    Example:
      gateway audit key rotate
    """
    with _proving() as (_, operations):
        statement = operations.rotate_key()
    _tell(statement, "clé remplacée", as_json=as_json)


def _tell(statement: KeyStatement, done: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_row(statement, None, here=True))
    else:
        click.echo(f"{done} : {statement.key}")
