"""`gateway worklist claim`, `done`, `forward` and the other acts on work items."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

import click

from adapters.cli.item_lines import item_json
from adapters.cli.output import json_option, print_json, said
from adapters.cli.session import Session, session
from adapters.item_operations import ByHand, ItemOperations
from adapters.store.worklist import ItemView
from gateway.errors import SenderError
from gateway.facts import Priority
from gateway.worklist import MADE_BY_HAND, ItemKind
from mappings.texts import text

_items = click.argument("items", nargs=-1, required=True)
_reason = click.option("--reason", required=True, help="Why; the item's history keeps it.")
_note = click.option("--note", default="", help="Words that the item's history keeps.")

Act = Callable[[ItemOperations, str], ItemView]


def _operations(current: Session) -> ItemOperations:
    from adapters.pipeline import item_operations  # noqa: PLC0415 - what processes messages, where it is used

    return item_operations(current.assembly, current.principal)


def _acting(function: Callable[..., Act]) -> Callable[..., None]:
    """Make of what gives an act the command that does it to each item named."""

    @wraps(function)
    def command(items: tuple[str, ...], *, as_json: bool, **options: Any) -> None:
        with session() as current:
            act, operations = function(current, **options), _operations(current)
            outcomes = operations.several(items, lambda item: act(operations, item))
        _say(outcomes, current.assembly.site.time_zone, as_json=as_json)

    return _items(json_option(command))


def _say(outcomes: list[tuple[str, ItemView | SenderError]], zone: str, *, as_json: bool) -> None:
    """Say what came of each item; one alone that could not be acted on is an error like any other's."""
    if len(outcomes) == 1 and isinstance(outcomes[0][1], SenderError):
        raise outcomes[0][1]
    if as_json:
        print_json([_outcome_json(item, came) for item, came in outcomes])
    else:
        for item, came in outcomes:
            click.echo(f"{item}  {_outcome(came, zone)}")
    if any(isinstance(came, SenderError) for _, came in outcomes):
        raise click.exceptions.Exit(1)


def _outcome_json(item: str, came: ItemView | SenderError) -> dict[str, Any]:
    if isinstance(came, SenderError):
        return {"id": item, "done": False, "error": came.name, "rule": came.rule}
    return {"id": item, "done": True, "item": item_json(came)}


def _outcome(came: ItemView | SenderError, zone: str) -> str:
    if isinstance(came, SenderError):
        return f"! {came.name}: {came.rule}"
    item = came.item
    held = f", {item.hand.holder}" if item.hand.holder else ""
    until = f", {said(item.hand.until, zone)}" if item.hand.until else ""
    return f"{item.secretariat} : {text('state', item.state)}{held}{until}, version {item.version}"


@click.command()
@_acting
def claim(_current: Session) -> Act:
    """Take items in hand. Of several who do so at once one gets the item; the others are told who (exit 1).

    \b
    Example:
      gateway worklist claim 0b9f6c1e-7d0c-4b4e-9d53-5f2f6f0a3c11
    """
    return lambda operations, item: operations.claim(item)


@click.command()
@_note
@_acting
def release(_current: Session, note: str) -> Act:
    """Give items back that one has claimed.

    \b
    Example:
      gateway worklist release ID --note "en congé demain"
    """
    return lambda operations, item: operations.release(item, note)


@click.command()
@click.option("--to", required=True, help="Principal: account:NAME.")
@_reason
@_acting
def reassign(_current: Session, to: str, reason: str) -> Act:
    """Give items to somebody else, whoever holds them.

    \b
    Example:
      gateway worklist reassign ID --to account:nadia --reason "absence"
    """
    return lambda operations, item: operations.reassign(item, to, reason)


@click.command()
@_note
@_acting
def done(_current: Session, note: str) -> Act:
    """Be done with items. A critical result is done once a physician has acknowledged it.

    \b
    Example:
      gateway worklist done ID OTHER --note "convocation envoyée"
    """
    return lambda operations, item: operations.done(item, note)


@click.command()
@click.option("--clinically", is_flag=True, help="Take note of it as a physician.")
@_note
@_acting
def acknowledge(_current: Session, note: str, *, clinically: bool) -> Act:
    """Acknowledge that results were received; --clinically, as a physician only, what they say.

    \b
    Examples:
      gateway worklist acknowledge ID
      gateway worklist acknowledge ID --clinically --note "patient prévenu"
    """
    if clinically:
        return lambda operations, item: operations.acknowledge_clinically(item, note)
    return lambda operations, item: operations.acknowledge(item)


@click.command()
@click.option("--until", required=True, type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="In the site's time.")
@_reason
@_acting
def hold(current: Session, until: datetime, reason: str) -> Act:
    """Put items aside until a day or time, which their queue shows; nobody holds them meanwhile.

    \b
    Example:
      gateway worklist hold ID --until 2026-03-09T08:00 --reason "attend le planning du bloc"
    """
    at = until.replace(tzinfo=ZoneInfo(current.assembly.site.time_zone))
    return lambda operations, item: operations.hold(item, at, reason)


@click.command()
@click.option("--text", "words", required=True, help="What to say; the item's history keeps it.")
@_acting
def comment(_current: Session, words: str) -> Act:
    """Add words to items' histories.

    \b
    Example:
      gateway worklist comment ID --text "rappelé, pas de réponse"
    """
    return lambda operations, item: operations.comment(item, words)


@click.command()
@click.option("--to", required=True, help="Secretariat.")
@click.option("--note", required=True, help="What the other secretariat is told.")
@_acting
def forward(_current: Session, to: str, note: str) -> Act:
    """Give items to another secretariat. They may be sent back; a third pass through one queue is refused (exit 1).

    \b
    Example:
      gateway worklist forward ID --to radiology --note "examen à reprogrammer chez vous"
    """
    return lambda operations, item: operations.forward(item, to, note)


@click.command()
@_reason
@_acting
def reopen(_current: Session, reason: str) -> Act:
    """Open again what was done.

    \b
    Example:
      gateway worklist reopen ID --reason "courrier revenu"
    """
    return lambda operations, item: operations.reopen(item, reason)


@click.command()
@_note
@_acting
def undo(_current: Session, note: str) -> Act:
    """Let items be as they were before one's own last act on them.

    \b
    Example:
      gateway worklist undo ID
    """
    return lambda operations, item: operations.undo(item, note)


@click.command()
@click.argument("kind", type=click.Choice(sorted(kind.value for kind in MADE_BY_HAND)))
@click.argument("secretariat")
@click.option("--patient", required=True, help="Number of the patient (IPP), or id of a record.")
@click.option("--text", "words", required=True, help="What it is about.")
@click.option("--priority", default=Priority.ROUTINE.value, type=click.Choice([p.value for p in Priority]))
@click.option("--due", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="By when, in the site's time.")
@json_option
def add(
    kind: str, secretariat: str, patient: str, words: str, priority: str, due: datetime | None, *, as_json: bool
) -> None:
    """Make an item by hand: a call, a visit, a note to a physician.

    \b
    Example:
      gateway worklist add call cardiology --patient 8001234567 --text "rappeler pour le rendez-vous du 12"
    """
    with session() as current:
        zone = ZoneInfo(current.assembly.site.time_zone)
        by = due.replace(tzinfo=zone) if due else None
        wanted = ByHand(ItemKind(kind), secretariat, patient, words, Priority(priority), by)
        view = _operations(current).add(wanted)
    if as_json:
        print_json(item_json(view))
    else:
        click.echo(f"{view.item.id}  {_outcome(view, current.assembly.site.time_zone)}")


COMMANDS = (claim, release, reassign, done, acknowledge, hold, comment, forward, reopen, undo, add)
