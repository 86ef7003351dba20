"""`gateway orders`."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from adapters.cli.item_lines import person_line
from adapters.cli.output import json_option, print_json, print_table
from adapters.cli.session import session
from adapters.person_view import person_json
from adapters.store.orders import ExpectedOrder, ExpectedOrders
from mappings.texts import text


@click.group()
def orders() -> None:
    """List what was ordered and has no result yet."""


@orders.command()
@click.option(
    "--older-than",
    "hours",
    type=click.FloatRange(0, 100_000),
    default=0.0,
    metavar="H",
    help="Only what was ordered so many hours ago or before.",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many.")
@json_option
def expected(hours: float, limit: int, *, as_json: bool) -> None:
    """List orders (ORM, OMG, OML) of which no result has come, the oldest first.

    Those of the units that your own secretariats serve; with the right `worklist:read-all`, all. An order that was
    cancelled expects none, nor does one of which a first, even provisional, result has come.

    \b
    Examples:
      gateway orders expected
      gateway orders expected --older-than 48
      gateway orders expected --older-than 24 --json
    """
    with session() as current:
        parts = current.assembly
        before = datetime.now(UTC) - timedelta(hours=hours)
        stored = ExpectedOrders(parts.database)
        found = current.operations.list_expected(stored, parts.site.secretariats, before=before, limit=limit)
        zone = parts.site.time_zone
    if as_json:
        print_json(list(map(_json, found)))
        return
    print_table(
        ("depuis", "priorité", "examen", "numéro", "unité", "demandeur", "patient"), list(map(_row, found)), zone
    )


def _row(each: ExpectedOrder) -> dict[str, object]:
    order = each.order
    return {
        "depuis": each.since,
        "priorité": text("priority", order.priority),
        "examen": order.label,
        "numéro": order.keys[-1].value,
        "unité": order.ordering_unit,
        "demandeur": order.requester,
        "patient": person_line(each.person),
    }


def _json(each: ExpectedOrder) -> dict[str, Any]:
    order = each.order
    return {
        "since": each.since,
        "priority": order.priority,
        "codes": list(order.codes),
        "label": order.label,
        "numbers": [{"authority": key.authority, "value": key.value} for key in order.keys],
        "unit": order.ordering_unit,
        "requester": order.requester,
        "patient": person_json(each.person),
    }
