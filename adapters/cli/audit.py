"""`gateway audit`."""

from typing import Any

import click

from adapters.audit_operations import audit_operations
from adapters.cli.audit_key import key
from adapters.cli.audit_proof import export, prove, verify
from adapters.cli.output import NUMBER, json_option, print_json, print_table
from adapters.cli.period import instant
from adapters.cli.session import session
from gateway.audit import AuditEvent
from gateway.audit_query import AuditQuery
from mappings.texts import text


@click.group()
def audit() -> None:
    """Search the audit trail, and prove it."""


for _command in (verify, export, prove, key):
    audit.add_command(_command)


@audit.command()
@click.option("--patient", default="", help="An identifier's value: IPP, INS or a department's number.")
@click.option("--principal", default="", help="Who acted, e.g. account:martin, gateway or a source.")
@click.option("--action", default="", help="An action or its beginning, e.g. user: or gateway:identity.")
@click.option("--message", type=NUMBER, help="Number of a received message.")
@click.option("--item", default="", metavar="ID", help="A work item.")
@click.option("--correlation", default="", help="MSH-10 or X-Request-Id of a message, or a bus message's id.")
@click.option("--since", default="", metavar="TIME", help="From then on: 30m, 2h, 3d ago, or ISO.")
@click.option("--until", default="", metavar="TIME", help="Before then.")
@click.option(
    "--limit", default=1_000, show_default=True, type=click.IntRange(1, 100_000), help="At most so many, the newest."
)
@json_option
def search(since: str, until: str, *, as_json: bool, **asked: Any) -> None:
    """Show audit events, oldest first; a patient's story follows merges. The search is itself audited.

    \b
    Examples:
      gateway audit search --patient 8001234567
      gateway audit search --message 12
      gateway audit search --action user: --since 2h --json
    """
    with session() as current:
        zone = current.assembly.site.time_zone
        period: dict[str, Any] = {"since": instant(since, zone, "--since"), "until": instant(until, zone, "--until")}
        found = audit_operations(current.assembly, current.principal).search(AuditQuery(**asked, **period))
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
            "précisions": _detail(event),
        }
        for event in found
    ]
    print_table(("n°", "quand", "qui", "quoi", "message", "sur", "précisions"), rows, zone)


def _detail(event: AuditEvent) -> str:
    """Give the reason as it was said, then what else the act left, by its name."""
    others = [f"{name}: {value}" for name, value in event.detail.items() if name != "reason"]
    reason = event.detail.get("reason")
    return ", ".join([str(reason), *others] if reason else others)


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
