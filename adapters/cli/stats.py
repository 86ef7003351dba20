"""`gateway stats`."""

from dataclasses import asdict
from datetime import UTC, datetime

import click

from adapters.cli.output import json_option, print_json, print_table
from adapters.cli.period import age, instant
from adapters.cli.session import session
from adapters.store.figures import QueueFigures

_COLUMNS = (
    "corbeille",
    "reçues",
    "sans règle",
    "faites",
    "relances",
    "à faire",
    "en retard",
    "la plus ancienne",
)


@click.command()
@click.option("--since", default="7d", show_default=True, metavar="WHEN", help="30m, 2h, 3d, 1w ago, or an ISO time.")
@json_option
def stats(since: str, *, as_json: bool) -> None:
    """Show how the secretariats' queues fare, in numbers: of queues, never of persons.

    Of your own secretariats; with the right `worklist:read-all`, of all. What was received, done and told as late is
    that of the period; what is to do and overdue is that of now.

    \b
    Examples:
      gateway stats
      gateway stats --since 2026-03-01 --json
    """
    with session() as current:
        site = current.assembly.site
        begins = instant(since or "7d", site.time_zone, "--since")
        assert begins is not None
        found = current.operations.show_figures(
            current.assembly.database, list(site.secretariats), since=begins, now=datetime.now(UTC)
        )
    if as_json:
        print_json([asdict(figures) for figures in found])
    else:
        print_table(_COLUMNS, [dict(zip(_COLUMNS, _cells(figures), strict=True)) for figures in found], site.time_zone)


def _cells(figures: QueueFigures) -> tuple[object, ...]:
    oldest = age(figures.oldest) if figures.oldest else ""
    return (
        figures.secretariat,
        figures.received,
        figures.unrouted,
        figures.done,
        figures.escalated,
        figures.open,
        figures.overdue,
        oldest,
    )
