"""`gateway audit`."""

from pathlib import Path
from typing import Any

import click

from adapters.audit_operations import audit_operations
from adapters.cli.audit_filter import about_options, asked_query
from adapters.cli.audit_key import key
from adapters.cli.audit_proof import export, prove, verify
from adapters.cli.audit_report import report
from adapters.cli.audit_story import story
from adapters.cli.form import Form, emit, form_options
from adapters.cli.output import print_table
from adapters.cli.session import session
from gateway.audit import AuditEvent
from mappings.texts import text


@click.group()
def audit() -> None:
    """Search and tell the audit trail, report on it, and prove it."""


for _command in (story, report, verify, export, prove, key):
    audit.add_command(_command)


@audit.command()
@about_options
@click.option(
    "--limit", default=1_000, show_default=True, type=click.IntRange(1, 100_000), help="At most so many, the newest."
)
@form_options
def search(limit: int, form: Form, output: Path | None, **asked: Any) -> None:
    """Show audit events, oldest first; a patient's story follows merges. The search is itself audited.

    To write them down as CSV or NDJSON needs the right `audit:report`.

    \b
    Examples:
      gateway audit search --patient 8001234567
      gateway audit search --message 12
      gateway audit search --action user: --since 2h --json
      gateway audit search --principal account:martin --since 30d --format csv -o martin.csv
    """
    with session() as current:
        site = current.assembly.site
        query = asked_query(asked, site.time_zone, limit)
        answers = audit_operations(current.assembly, current.principal)
        found = answers.write(query) if form.written else answers.search(query)
    if form is not Form.TABLE:
        emit([event_json(event) for event in found], form, output)
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
    print_table(("n°", "quand", "qui", "quoi", "message", "sur", "précisions"), rows, site.time_zone)


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
