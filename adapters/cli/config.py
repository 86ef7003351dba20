"""`gateway config`."""

from pathlib import Path
from typing import Any

import click

from adapters.cli.output import json_option, print_json, print_table
from adapters.cli.session import session
from adapters.settings import load_settings, unknown_variables
from adapters.store.configurations import Configuration, Configurations
from adapters.store.database import Database
from adapters.web.tokens import require_keys
from gateway.audit import AuditAction
from mappings.site import load_site, summary
from mappings.site_cases import check_cases
from mappings.site_description import Difference, described, differences


@click.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@click.argument("site", required=False, type=click.Path(file_okay=False, path_type=Path))
@json_option
def check(site: Path | None, *, as_json: bool) -> None:
    """Check the settings and the site's TOML files; SITE is a folder other than the settings'.

    A wrong file is refused (exit 2) with its path, line and what was expected. What the folder `cases` says of where
    things go is held against the rules.

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
    said = {**summary(checked), "cases": check_cases(folder, checked)}
    if as_json:
        print_json(said)
        return
    for key, value in said.items():
        click.echo(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    click.echo("good")


@config.command()
@click.argument("before", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("after", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
@click.pass_context
def diff(ctx: click.Context, before: Path, after: Path | None, *, as_json: bool) -> None:
    """Say in what two site folders differ by meaning: BEFORE and AFTER, which is the settings' own if left out.

    Exit 1 where they differ.

    \b
    Examples:
      gateway config diff /etc/gateway/site.bak
      gateway config diff /etc/gateway/site /etc/gateway/site.new --json
    """
    sites = load_site(before), load_site(after or load_settings().site)
    found = differences(*map(described, sites))
    if as_json:
        print_json([_difference(each) for each in found])
    elif found:
        print_table(("path", "before", "after"), [_difference(each) for each in found])
    if found:
        ctx.exit(1)


def _difference(each: Difference) -> dict[str, object]:
    return {"path": each.path, "before": each.before, "after": each.after}


@config.command()
@json_option
def history(*, as_json: bool) -> None:
    """List the configurations that a service has run with, each with what it changed.

    \b
    Examples:
      gateway config history
      gateway config history --json
    """
    with session() as current:
        current.assembly.require_operator(current.principal, AuditAction.CONFIGURATION_LISTED)
        current.assembly.database.require_current_schema()
        kept = Configurations(current.assembly.database).all()
        zone = current.assembly.site.time_zone
    steps = [_step(each, earlier) for earlier, each in zip([None, *kept], kept, strict=False)]
    if as_json:
        print_json(steps)
        return
    for step in steps:
        print_table(("number", "version", "at", "by"), [step], zone)
        if step["changes"]:
            print_table(("path", "before", "after"), step["changes"])


def _step(each: Configuration, before: Configuration | None) -> dict[str, Any]:
    changed = differences(before.description, each.description) if before else []
    changes = [_difference(difference) for difference in changed]
    return {"number": each.number, "version": each.version, "at": each.at, "by": each.principal, "changes": changes}
