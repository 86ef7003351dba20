"""`gateway audit`."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from adapters.cli.output import NUMBER, json_option, print_json, print_table
from adapters.cli.session import session
from adapters.store.audit import AuditQuery
from gateway.audit import AuditEvent
from mappings.texts import text

_FIRST = datetime(1970, 1, 1)  # noqa: DTZ001 - in the zone that it is compared in
"""Before every event; the calendar's own first day is no instant east of Greenwich."""


@click.group()
def audit() -> None:
    """Search and verify the audit trail."""


@audit.command()
@click.option("--patient", default="", help="An identifier's value: IPP, INS or a department's number.")
@click.option("--message", type=NUMBER, help="Number of a received message.")
@click.option("--action", default="", help="An action or its beginning, e.g. user: or gateway:identity.")
@click.option("--principal", default="", help="Who acted.")
@click.option("--since", type=click.DateTime(), help="From this time on, in the site's time zone.")
@click.option("--limit", default=1_000, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def search(
    patient: str, message: int | None, action: str, principal: str, since: datetime | None, limit: int, *, as_json: bool
) -> None:
    """Show audit events, oldest first; a patient's story follows merges. The search is itself audited.

    \b
    Examples:
      gateway audit search --patient 8001234567
      gateway audit search --action user: --since 2026-03-02 --json
    """
    with session() as current:
        zone = current.assembly.site.time_zone
        after = max(since, _FIRST).replace(tzinfo=ZoneInfo(zone)) if since else None
        query = AuditQuery(patient, message, action, principal, after, limit)
        found = current.operations.search_audit(query)
    if as_json:
        print_json([event_json(event) for event in found])
        return
    rows = [
        {
            "n°": event.id,
            "quand": event.at,
            "qui": event.principal,
            "quoi": text("audit", event.action),
            "message": event.message,
            "sur": " ".join(event.entities),
        }
        for event in found
    ]
    print_table(("n°", "quand", "qui", "quoi", "message", "sur"), rows, zone)


def event_json(event: AuditEvent) -> dict[str, Any]:
    """Give an event for a program."""
    return {
        "id": event.id,
        "at": event.at,
        "action": event.action,
        "principal": event.principal,
        "patients": event.patients,
        "message": event.message,
        "entities": event.entities,
        "correlation": event.correlation,
        "detail": dict(event.detail),
    }


@audit.command()
@json_option
@click.pass_context
def verify(ctx: click.Context, *, as_json: bool) -> None:
    """Check the whole chain; exit 1 and name the first bad record where it does not hold.

    \b
    Examples:
      gateway audit verify
      gateway audit verify --json
    """
    with session() as current:
        verification = current.operations.verify_audit()
    bad = verification.first_bad
    if as_json:
        print_json(
            {
                "ok": verification.ok,
                "events": verification.events,
                "sealed": verification.sealed,
                "first_bad": asdict(bad) if bad else None,
            }
        )
    elif bad is None:
        click.echo(f"chaîne intacte : {verification.sealed} événements scellés")
    else:
        click.echo(f"chaîne rompue au maillon {bad.sequence}, événement {bad.event or '?'} : {bad.problem}")
    if not verification.ok:
        ctx.exit(1)
