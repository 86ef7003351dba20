"""`gateway migrate`."""

import click

from adapters.cli.output import json_option, print_json
from adapters.cli.session import session


@click.command()
@json_option
def migrate(*, as_json: bool) -> None:
    """Bring the database's schema to this program's revision.

    \b
    Example:
      GATEWAY_DATABASE_URL=postgresql+psycopg://gateway@db/gateway gateway migrate
    """
    with session() as current:
        before = current.assembly.database.revision()
        current.assembly.migrate(current.principal)
        after = current.assembly.database.revision()
    if as_json:
        print_json({"before": before, "after": after})
    else:
        click.echo(f"schema {before or 'empty'} -> {after}")
