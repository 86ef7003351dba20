"""`gateway messages`: what came in, found and shown."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from adapters.cli import message_acts
from adapters.cli.item_lines import item_json
from adapters.cli.message_filter import asked_filter, filter_options
from adapters.cli.message_lines import LIST_COLUMNS, message_json, message_row, reused_control_id, waiting_facts
from adapters.cli.output import NUMBER, json_option, path_option, print_json, print_segments, print_table, said
from adapters.cli.reason import reveal_option
from adapters.cli.session import Session, session
from adapters.hl7v2.display import describe, read_for_display
from adapters.operations import ShownMessage
from adapters.store.inbox import PURGED, StoredMessage
from adapters.store.search import Page
from adapters.store.worklist import ItemView
from gateway.errors import ResourcePurged
from gateway.reception import Format
from gateway.terser import Place
from mappings.texts import title

_before = click.option("--before", type=click.IntRange(1), metavar="ID", help="Only those before this number.")
_limit = click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))


@click.group()
def messages() -> None:
    """Find and show received messages, and act on them: each act with a reason, and a right of its own."""


for act in message_acts.COMMANDS:
    messages.add_command(act)


@messages.command("list")
@click.option("--summary", is_flag=True, help="Only how many came in and how they ended.")
@filter_options("state", "held")
@_before
@_limit
@json_option
def list_(*, summary: bool, before: int | None, limit: int, as_json: bool, **asked: Any) -> None:
    """List received messages, the newest that match, oldest first; or count all: received = the others, at any time.

    Where older ones match, or may, the last line says how to ask for them.

    \b
    Examples:
      gateway messages list --state quarantined --since 2h
      gateway messages list --patient 8001234567 --type ORU^R01
      gateway messages list --source laboratory --since 2026-03-01 --until 2026-03-02T12:00 --before 4711
      gateway messages list --summary --json
    """
    with session() as current:
        if summary:
            counts = current.operations.summary()
            print_json(counts) if as_json else print_table(tuple(counts), [counts])
            return
        page = current.operations.list_messages(asked_filter(current, asked), before=before, limit=limit)
        _print_page(current, page, LIST_COLUMNS, as_json=as_json)


@messages.command()
@filter_options()
@_before
@_limit
@json_option
def errors(*, before: int | None, limit: int, as_json: bool, **asked: Any) -> None:
    """Show the error list: what is quarantined and not resolved, counted by error and rule, then line by line.

    The counts are of all open errors, with the numbers of the first and the last; the lines, the newest that match,
    oldest first. What was answered AE or AR was refused: bulk replay leaves it out.

    \b
    Examples:
      gateway messages errors
      gateway messages errors --error MessageIncoherent --owner account:martin
    """
    with session() as current:
        wanted = asked_filter(current, asked)
        groups, page = current.operations.list_errors(wanted, before=before, limit=limit)
        if as_json:
            print_json(
                {"groups": [asdict(group) for group in groups], "messages": list(map(message_json, page.messages))}
            )
            _say_more(page)
            return
        print_table(("count", "error", "rule", "first", "last"), [asdict(group) for group in groups])
        click.echo("")
        _print_page(
            current, page, ("n", "age", "source", "type", "control id", "answer", "why", "owner", "held"), as_json=False
        )


@messages.command()
@filter_options("state")
@_before
@_limit
@json_option
def held(*, before: int | None, limit: int, as_json: bool, **asked: Any) -> None:
    """Show the hold list: what operators keep out of the pipeline, by whom, why and for how long.

    \b
    Examples:
      gateway messages held
      gateway messages held --owner account:martin --json
    """
    with session() as current:
        wanted = asked_filter(current, asked | {"held": True})
        page = current.operations.list_messages(wanted, before=before, limit=limit)
        columns = ("n", "age", "state", "source", "type", "control id", "held by", "held", "owner")
        _print_page(current, page, columns, as_json=as_json)


def _print_page(current: Session, page: Page, columns: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json([message_json(stored) for stored in page.messages])
    else:
        print_table(columns, [message_row(stored) for stored in page.messages], current.assembly.site.time_zone)
    _say_more(page)


def _say_more(page: Page) -> None:
    """Say where an older page begins, beside what a program reads."""
    if page.before is not None:
        click.echo(f"older ones: --before {page.before}", file=sys.stderr)


@messages.command()
@click.argument("number", type=NUMBER)
@reveal_option
@click.option("--raw", is_flag=True, help="Only the bytes as received, e.g. to edit them; needs --reveal.")
@path_option
@json_option
def show(number: int, reveal: str, place: Place | None, *, raw: bool, as_json: bool) -> None:
    """Show one message: how it ended, its segments (values masked), the items that it changed.

    \b
    Examples:
      gateway messages show 12
      gateway messages show 12 --path PID-3
      gateway messages show 12 --reveal "ticket 4711: accents lost in the name"
      gateway messages show 12 --raw --reveal "ticket 4711: to be edited" > edited.hl7
    """
    if raw and not reveal:
        raise click.UsageError("--raw shows values: give the reason with --reveal")
    with session() as current:
        shown, site = current.operations.show_message(number, reveal), current.assembly.site
    if raw:
        _give(shown)
        return
    source = site.source(shown.stored.source)
    charset = source.charset if source else ""
    content = [] if shown.raw is None else _content(shown.stored, shown.raw, charset, place, reveal=bool(reveal))
    told = {**message_json(shown.stored), "edited_as": shown.edits}
    if as_json:
        print_json({**told, "content": content, "items": [item_json(view) for view in shown.items]})
        return
    _tell(shown.stored, told, site.time_zone)
    print_segments(content)
    for view in shown.items:
        click.echo(_item_line(view))


def _give(shown: ShownMessage) -> None:
    if shown.raw is None:
        raise ResourcePurged(PURGED)
    sys.stdout.buffer.write(shown.raw)


def _tell(stored: StoredMessage, told: dict[str, Any], zone: str) -> None:
    for key, value in told.items():
        if value not in (None, "", {}, []) and key not in {"notes", "purged", "waiting"}:
            click.echo(f"{key:13} {said(value, zone)}")
    for name, note in stored.notes.items():
        click.echo(f"{name:13} {json.dumps(note, ensure_ascii=False)}")
    if stored.waiting:
        click.echo(f"{'waiting':13} {waiting_facts(stored)}")
    if stored.reuses:
        click.echo(f"{'reuses':13} {reused_control_id(stored)}")
    click.echo("")
    if stored.purged:
        click.echo(f"{PURGED}; the record above and the audit trail remain")


def _content(
    stored: StoredMessage, raw: bytes, charset: str, place: Place | None, *, reveal: bool
) -> list[dict[str, Any]]:
    if stored.format == Format.HL7V2 and (message := read_for_display(raw, charset)):
        return describe(message, reveal=reveal, place=place)
    value = raw.decode("utf-8", "backslashreplace") if reveal else f"({len(raw)} bytes)"
    return [{"segment": "body", "label": stored.format, "fields": [{"path": "", "label": "", "value": value}]}]


def _item_line(view: ItemView) -> str:
    item = view.item
    return f"-> {item.secretariat}: {title(item.title)} [{item.priority}, {item.state}] {item.rule} {item.id}"
