"""`gateway messages`."""

import json
from typing import Any

import click

from adapters.cli.output import NUMBER, json_option, print_json, print_segments, print_table
from adapters.cli.session import session
from adapters.cli.worklist import item_json
from adapters.hl7v2.display import describe, read_for_display
from adapters.store.inbox import StoredMessage
from adapters.store.worklist import ItemView
from gateway.reception import Format, State
from mappings.texts import text


@click.group()
def messages() -> None:
    """List, show and replay received messages."""


@messages.command("list")
@click.option("--summary", is_flag=True, help="Only how many came in and how they ended.")
@click.option("--state", type=click.Choice([s.value for s in State]), help="Only those in this state.")
@click.option("--source", default="", help="Only this source's.")
@click.option("--control-id", default="", help="Only those with this MSH-10 or X-Request-Id.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def list_(*, summary: bool, state: str | None, source: str, control_id: str, limit: int, as_json: bool) -> None:
    """List received messages, oldest first, or count them: received = all the others, at any time.

    \b
    Examples:
      gateway messages list --state quarantined
      gateway messages list --summary --json
    """
    with session() as current:
        if summary:
            counts = current.operations.summary()
            print_json(counts) if as_json else print_table(tuple(counts), [counts])
            return
        found = current.operations.list_messages(state=state or "", source=source, control_id=control_id, limit=limit)
    if as_json:
        print_json([message_json(stored) for stored in found])
        return
    rows = [
        {
            "n": m.id,
            "received": m.received_at,
            "source": m.source or "?",
            "type": m.message_type,
            "control id": m.control_id,
            "answer": m.code,
            "state": m.outcome.state,
            "why": _why(m),
        }
        for m in found
    ]
    print_table(
        ("n", "received", "source", "type", "control id", "answer", "state", "why"),
        rows,
        current.assembly.site.time_zone,
    )


def _why(stored: StoredMessage) -> str:
    if stored.duplicate_of is not None:
        return f"same as {stored.duplicate_of}"
    if stored.waiting:
        return _waiting(stored)
    outcome = stored.outcome
    where = f"{outcome.path}: " if outcome.path else ""
    return f"{outcome.error} {where}{outcome.rule}".strip()


def _waiting(stored: StoredMessage) -> str:
    return f"facts that wait for an object that has not come: {stored.waiting}"


def message_json(stored: StoredMessage) -> dict[str, Any]:
    """Give a message for a program."""
    return {
        "id": stored.id,
        "received_at": stored.received_at,
        "transport": stored.transport,
        "format": stored.format,
        "source": stored.source,
        "type": stored.message_type,
        "control_id": stored.control_id,
        "size": stored.size,
        "answer": stored.code,
        "purged": stored.purged,
        "state": stored.outcome.state,
        "error": stored.outcome.error or None,
        "path": stored.outcome.path or None,
        "rule": stored.outcome.rule or None,
        "duplicate_of": stored.duplicate_of,
        "waiting": stored.waiting,
        "notes": stored.notes,
    }


@messages.command()
@click.argument("number", type=NUMBER)
@click.option("--reveal", metavar="REASON", default="", help="Show values, with the reason that the audit trail keeps.")
@json_option
def show(number: int, reveal: str, *, as_json: bool) -> None:
    """Show one message: how it ended, its segments (values masked), the items that it changed.

    \b
    Examples:
      gateway messages show 12
      gateway messages show 12 --reveal "ticket 4711: accents lost in the name"
    """
    with session() as current:
        stored, raw, items = current.operations.show_message(number, reveal)
        content = [] if raw is None else _content(stored, raw, reveal=bool(reveal))
    if as_json:
        print_json({**message_json(stored), "content": content, "items": [item_json(view) for view in items]})
        return
    for key, value in message_json(stored).items():
        if value not in (None, "", {}) and key not in {"notes", "purged", "waiting"}:
            click.echo(f"{key:13} {value}")
    for name, note in stored.notes.items():
        click.echo(f"{name:13} {json.dumps(note, ensure_ascii=False)}")
    if stored.waiting:
        click.echo(f"{'waiting':13} {_waiting(stored)}")
    click.echo("")
    if stored.purged:
        click.echo(
            "the body was purged when its retention time had passed; the record above and the audit trail remain"
        )
    print_segments(content)
    for view in items:
        click.echo(_item_line(view))


def _content(stored: StoredMessage, raw: bytes, *, reveal: bool) -> list[dict[str, Any]]:
    if stored.format == Format.HL7V2 and (message := read_for_display(raw)):
        return describe(message, reveal=reveal)
    value = raw.decode("utf-8", "backslashreplace") if reveal else f"({len(raw)} bytes)"
    return [{"segment": "body", "label": stored.format, "fields": [{"path": "", "label": "", "value": value}]}]


def _item_line(view: ItemView) -> str:
    item = view.item
    title = text("title", item.title)
    return f"-> {item.secretariat}: {title} [{item.priority}, {item.state}] {item.rule} {item.id}"


@messages.command()
@click.argument("number", type=NUMBER)
@click.option("--reason", required=True, help="Why; the audit trail keeps it.")
@json_option
def replay(number: int, reason: str, *, as_json: bool) -> None:
    """Process a stored message again, under the rules as they are now; the running service takes it.

    What it changed already is not changed twice; what is newer is not overwritten.

    \b
    Example:
      gateway messages replay 12 --reason "unit 3204 is mapped now"
    """
    if not reason.strip():
        raise click.BadParameter("a reason is expected", param_hint="--reason")
    with session() as current:
        current.operations.replay_message(number, reason)
    if as_json:
        print_json({"message": number, "state": State.PENDING})
    else:
        click.echo(f"message {number} is pending again")
