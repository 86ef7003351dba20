"""`gateway retention`."""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import click

from adapters.cli.output import json_option, print_json, print_table
from adapters.cli.session import session
from gateway.retention import Matter, Purge

PROGRESS_SECONDS = 1.0


@click.group()
def retention() -> None:
    """Purge what has been kept for its time."""


@retention.command()
@click.option("--dry-run", is_flag=True, help="Only count what would be purged.")
@json_option
def run(*, dry_run: bool, as_json: bool) -> None:
    """Purge bodies of messages, published bus messages and first answers whose time has passed.

    The running service does so by itself every hour. Records, outcomes and the audit trail stay; so does what somebody
    still needs: what is pending, in quarantine or waits for its object (up to GATEWAY_RETENTION_QUARANTINE_DAYS), what
    the bus has not confirmed or a subscription that still moves has not read. Needs the right `operate`.

    \b
    Examples:
      gateway retention run --dry-run
      GATEWAY_RETENTION_DAYS=90 gateway retention run --json
    """
    with session() as current:
        purges, terms = current.operations.run_retention, current.assembly.retention_terms
        now = datetime.now(UTC)
        rows = {matter: _row(matter, terms.cutoff(matter, now)) for matter in Matter}
        for done in _with_progress(purges(current.assembly.retention(), now, dry_run=dry_run)):
            _add(rows[done.matter], done)
        zone = current.assembly.site.time_zone
    if as_json:
        print_json({"dry_run": dry_run, "purged": list(rows.values())})
        return
    print_table(("matter", "count", "first", "last", "before"), list(rows.values()), zone)
    if dry_run:
        click.echo("nothing was changed")


def _row(matter: Matter, before: datetime | None) -> dict[str, Any]:
    return {"matter": matter.value, "count": 0, "first": None, "last": None, "before": before}


def _add(row: dict[str, Any], done: Purge) -> None:
    if done.count:
        row["count"] += done.count
        row["first"] = min(row["first"] or done.first, done.first)
        row["last"] = max(row["last"] or done.last, done.last)


def _with_progress(purges: Iterable[Purge]) -> Iterator[Purge]:
    """Say on stderr, once a second, how far it has come."""
    told = time.monotonic()
    for done in purges:
        if time.monotonic() - told >= PROGRESS_SECONDS:
            click.echo(f"{done.matter}: {done.reached} of {done.end} looked at", err=True)
            told = time.monotonic()
        yield done
