"""`gateway config` and `gateway migrate`."""

from pathlib import Path

import click

from adapters.cli.session import json_option, print_json, session
from adapters.settings import load_settings
from mappings.site import load_site, summary


@click.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@click.argument("site", required=False, type=click.Path(file_okay=False, path_type=Path))
@json_option
def check(site: Path | None, *, as_json: bool) -> None:
    r"""Check the settings and the site's TOML files; SITE is a folder other than the settings'.

    A wrong file is refused (exit 2) with its path, line and what was expected.

    \b
    Examples:
      gateway config check
      gateway config check /etc/gateway/site
    """
    settings = load_settings()
    said = summary(load_site(site or settings.site))
    if as_json:
        print_json(said)
        return
    for key, value in said.items():
        click.echo(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    click.echo("good")


@click.command()
@json_option
def migrate(*, as_json: bool) -> None:
    r"""Bring the database's schema to this program's revision.

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
