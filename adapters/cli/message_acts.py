"""`gateway messages`: what operators do with a message; the audit trail keeps why."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from adapters.cli.message_filter import asked_filter, filter_options
from adapters.cli.message_lines import LIST_COLUMNS, message_row
from adapters.cli.output import NUMBER, json_option, print_json, print_table
from adapters.cli.reason import reason_option
from adapters.cli.session import Session, session
from adapters.operations import BulkReplay, Operations
from adapters.store.desk import LeftOut
from adapters.store.search import MessageFilter
from gateway.reception import State

_number = click.argument("number", type=NUMBER)


_REPLAYED = [state.value for state in (State.PROCESSED, State.IGNORED, State.QUARANTINED)]

_LEFT_OUT: Mapping[LeftOut, str] = {
    LeftOut.REFUSED: "refused with a NAK: their sender may have corrected and sent again (replay them singly)",
    LeftOut.HELD: "held (release them first)",
    LeftOut.DUPLICATE: "duplicates: the first ones count",
    LeftOut.DISCARDED: "discarded or edited (replay them singly)",
    LeftOut.RESOLVED: "resolved (replay them singly)",
    LeftOut.PENDING: "pending as it is",
    LeftOut.PURGED: "purged: their bytes are gone",
    LeftOut.CHANGED: "ended otherwise in the meantime",
}


def _act(number: int, reason: str, done: str, *, as_json: bool, act: Callable[[Operations], None]) -> None:
    with session() as current:
        act(current.operations)
    print_json({"message": number, "done": done, "reason": reason}) if as_json else click.echo(
        f"message {number} is {done}"
    )


@click.command()
@_number
@reason_option
@json_option
def hold(number: int, reason: str, *, as_json: bool) -> None:
    """Keep a pending message out of the pipeline, or a quarantined one out of bulk replay, until it is released.

    It stays counted as it is. What ended a moment ago is refused (exit 1).

    \b
    Example:
      gateway messages hold 12 --reason "the laboratory is asked about it"
    """
    _act(number, reason, "held", as_json=as_json, act=lambda o: o.hold_message(number, reason))


@click.command()
@_number
@reason_option
@json_option
def release(number: int, reason: str, *, as_json: bool) -> None:
    """Let a held message go on; it takes the place that its number has.

    \b
    Example:
      gateway messages release 12 --reason "the laboratory confirms it"
    """
    _act(number, reason, "released", as_json=as_json, act=lambda o: o.release_message(number, reason))


@click.command()
@_number
@reason_option
@json_option
def discard(number: int, reason: str, *, as_json: bool) -> None:
    """End a pending, held or quarantined message without effect: it is ignored by rule "discarded".

    It is kept and can still be shown, and be replayed singly.

    \b
    Example:
      gateway messages discard 12 --reason "a test of the vendor"
    """
    _act(number, reason, "discarded", as_json=as_json, act=lambda o: o.discard_message(number, reason))


@click.command()
@_number
@reason_option
@json_option
def resolve(number: int, reason: str, *, as_json: bool) -> None:
    """Take an error off the error list: it needs nothing more. It still counts as quarantined.

    \b
    Example:
      gateway messages resolve 12 --reason "the sender has sent it again as 15"
    """
    _act(number, reason, "resolved", as_json=as_json, act=lambda o: o.resolve_message(number, reason))


@click.command()
@_number
@click.option("--to", required=True, metavar="ACCOUNT", help="An operating-system account of the site's access.toml.")
@reason_option
@json_option
def assign(number: int, to: str, reason: str, *, as_json: bool) -> None:
    """Say who looks after an error or a held message.

    \b
    Example:
      gateway messages assign 12 --to martin --reason "knows the laboratory's interface"
    """
    with session() as current:
        owner = current.assembly.require_account(to)
        current.operations.assign_message(number, owner, reason)
    print_json({"message": number, "owner": owner}) if as_json else click.echo(f"message {number} is {owner}'s")


@click.command("edit-and-replay")
@_number
@click.option(
    "--file",
    "-f",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The edited bytes (gateway messages show NUMBER --raw gives the original's).",
)
@reason_option
@json_option
def edit_and_replay(number: int, file: Path, reason: str, *, as_json: bool) -> None:
    """Let edited bytes take effect in a message's place, as a message of their own that refers to it.

    They are examined as what a sender sends, and refused for the same reasons (exit 1). The original keeps its
    bytes; if it was quarantined, it is resolved.

    \b
    Example:
      gateway messages edit-and-replay 12 --file edited.hl7 --reason "the unit was mistyped"
    """
    from adapters.correction import edited  # noqa: PLC0415 - the readers of every format, for this act alone

    with session() as current:
        limit = current.assembly.settings.max_frame_bytes
        with file.open("rb") as opened:
            raw = opened.read(limit + 1)
        site, principal = current.assembly.site, current.principal.id
        new = current.operations.edit_and_replay(
            number, lambda original: edited(original, raw, site=site, principal=principal, limit=limit), reason
        )
    if as_json:
        print_json({"message": new, "edited_from": number, "state": State.PENDING})
    else:
        click.echo(f"message {new}, edited from {number}, is pending")


@click.command()
@click.argument("number", type=NUMBER, required=False)
@filter_options()
@click.option("--state", type=click.Choice(_REPLAYED), help="Only those that ended so.")
@click.option("--dry-run", is_flag=True, help="Only say which messages it would be.")
@click.option("--yes", is_flag=True, help="Replay many: the dry run was read.")
@reason_option
@json_option
def replay(number: int | None, reason: str, *, dry_run: bool, yes: bool, as_json: bool, **asked: Any) -> None:
    """Process stored messages again, under the rules as they are now: one by NUMBER, or all that match.

    What they changed already is not changed twice, what is newer is not overwritten, and each keeps its place by its
    number. Many need --yes; they are taken batch by batch, and what is interrupted may be asked for again. Left out of
    many are those refused with a NAK (their sender may have corrected and sent again), held, discarded, resolved.

    \b
    Examples:
      gateway messages replay 12 --reason "unit 3204 is mapped now"
      gateway messages replay --state quarantined --error ValueUnknown --since 2d --reason "codes added" --dry-run
      gateway messages replay --state quarantined --error ValueUnknown --since 2d --reason "codes added" --yes
    """
    given = any(asked.values())
    if (number is None) == (not given):
        raise click.UsageError("either one message's number or a filter of many is expected")
    with session() as current:
        if number is None:
            _replay_many(current, asked_filter(current, asked), reason, dry_run=dry_run, yes=yes, as_json=as_json)
            return
        if dry_run:
            raise click.UsageError("--dry-run is for a filter of many; gateway explain tells what one would do")
        current.operations.replay_message(number, reason)
    if as_json:
        print_json({"message": number, "state": State.PENDING})
    else:
        click.echo(f"message {number} is pending again")


def _replay_many(
    current: Session, wanted: MessageFilter, reason: str, *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    operations = current.operations
    really = yes and not dry_run
    total = operations.replay_messages(wanted, reason) if really else operations.preview_replay(wanted)
    if as_json:
        left_out = {cause.value: count for cause, count in total.left_out.items()}
        first = [stored.id for stored in total.first]
        print_json({"replayed": really, "count": total.count, "first": first, "left_out": left_out})
    else:
        _say(total, "are pending again" if really else "would be replayed", current.assembly.site.time_zone)
    if not really and not dry_run:
        raise click.UsageError("nothing is replayed yet: add --yes to replay them")


def _say(total: BulkReplay, what: str, zone: str) -> None:
    click.echo(f"{total.count} messages {what}")
    for cause, count in sorted(total.left_out.items()):
        click.echo(f"left out: {count} {_LEFT_OUT[cause]}")
    if total.first:
        click.echo("")
        print_table(LIST_COLUMNS, list(map(message_row, total.first)), zone)
    if total.count > len(total.first) > 0:
        click.echo("...")


COMMANDS = (hold, release, discard, resolve, assign, edit_and_replay, replay)
