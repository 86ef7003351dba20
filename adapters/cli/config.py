"""`gateway config`."""

from pathlib import Path

import click

from adapters.cli.output import json_option, print_json
from adapters.settings import load_settings, unknown_variables
from adapters.store.database import Database
from adapters.web.tokens import require_keys
from mappings.site import load_site, summary


@click.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@click.argument("site", required=False, type=click.Path(file_okay=False, path_type=Path))
@json_option
def check(site: Path | None, *, as_json: bool) -> None:
    """Check the settings and the site's TOML files; SITE is a folder other than the settings'.

    A wrong file is refused (exit 2) with its path, line and what was expected.

    \b
    Examples:
      gateway config check
      gateway config check /etc/gateway/site
    """
    settings = load_settings()
    database = Database(settings.database_url)
    database.require_place()
    database.close()
    for name in unknown_variables():
        click.echo(f"gateway: {name} is no setting: it is ignored", err=True)
    folder = site or settings.site
    checked = load_site(folder)
    require_keys(checked.access, folder / "access.toml")
    said = summary(checked)
    if as_json:
        print_json(said)
        return
    for key, value in said.items():
        click.echo(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    click.echo("good")
