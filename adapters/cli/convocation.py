"""`gateway convocation`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from adapters.cli.item_lines import person_line
from adapters.cli.output import json_option, print_json, print_table, said
from adapters.cli.session import Session, session
from adapters.convocation_operations import MOST_LETTERS, ConvocationOperations
from adapters.convocation_view import view_json
from adapters.store.convocations import ConvocationView
from gateway.convocation import ConvocationAct, ConvocationKind, ConvocationState
from gateway.errors import SenderError
from gateway.reach import Channel
from mappings.texts import text

_ids = click.argument("ids", nargs=-1, required=True)
_out = click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Where the PDF goes."
)


def _operations(current: Session) -> ConvocationOperations:
    from adapters.pipeline import convocation_operations  # noqa: PLC0415 - what processes messages, where it is used

    return convocation_operations(current.assembly, current.principal)


@click.group()
def convocation() -> None:
    """Convene patients: letters, what became of them, and who did not come.

    An ID is that of the appointment or stay, which its work items name as focus.
    """


@convocation.command("list")
@click.argument("secretariat", default="")
@click.option("--state", "states", multiple=True, type=click.Choice([s.value for s in ConvocationState]))
@click.option("--channel", default="", type=click.Choice(["", *(c.value for c in Channel)]), help="How it is told.")
@click.option("--kind", default="", type=click.Choice(["", *(k.value for k in ConvocationKind)]), help="What to.")
@click.option("--limit", default=1_000, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def list_(secretariat: str, states: tuple[str, ...], channel: str, kind: str, limit: int, *, as_json: bool) -> None:
    """List convocations, those that start first before others, of one's own secretariats or of one.

    \b
    Examples:
      gateway convocation list radiology --state to-prepare
      gateway convocation list --channel phone --json
    """
    with session() as current:
        views = _operations(current).listed(secretariat, states=states, channel=channel, kind=kind, limit=limit)
    if as_json:
        print_json([view_json(view) for view in views])
        return
    columns = ("début", "nature", "envoi", "état", "à faire", "par", "patient", "id")
    print_table(columns, [_row(view) for view in views], current.assembly.site.time_zone)


def _row(view: ConvocationView) -> dict[str, object]:
    known, last = view.convocations, view.convocations.last
    return {
        "début": last.content.start if last else None,
        "nature": text("convocation-kind", known.kind),
        "envoi": text("notice", last.notice) if last else "",
        "état": text("convocation-state", last.state) if last else "",
        "à faire": text("outcome", known.outcome),
        "par": text("channel", known.reach.channel),
        "patient": person_line(view.person),
        "id": known.appointment,
    }


@convocation.command()
@click.argument("id")
@json_option
def show(id: str, *, as_json: bool) -> None:  # noqa: A002 - the argument's name
    """Show all convocations of an appointment: what each says, and what became of it.

    \b
    Example:
      gateway convocation show 0d9c5b55-4f6e-4d0b-9a52-0d8a3a1f0c77
    """
    with session() as current:
        view = _operations(current).show(id)
    if as_json:
        print_json(view_json(view))
        return
    known, zone = view.convocations, current.assembly.site.time_zone
    click.echo(person_line(view.person))
    reason = f" ({text('reach', known.reach.reason)})" if known.reach.reason else ""
    to = text("addressee", known.reach.addressee)
    click.echo(f"{text('outcome', known.outcome)} : {text('channel', known.reach.channel)}, {to}{reason}")
    for one in known.each:
        click.echo(f"{one.number}. {text('notice', one.notice)}, {said(one.content.start, zone)}, {one.content.place}")
        for step in one.steps:
            click.echo(f"   {said(step.at, zone)}  {text('convocation-state', step.state)}  {step.by}")
        for printing in one.printings:
            letter = f"{printing.template} {printing.version} sha256 {printing.sha256}"
            click.echo(f"   {said(printing.at, zone)}  {letter}  {printing.by}")


@convocation.command()
@click.argument("id")
@_out
@click.option("--preview", is_flag=True, help="Only look: the letter is not counted as printed.")
@click.option("--number", default=0, type=click.IntRange(min=0), help="Make that letter again as it was printed.")
def letter(id: str, output: Path, number: int, *, preview: bool) -> None:  # noqa: A002 - the argument's name
    """Print one letter as PDF, the first time or again: each time is counted.

    \b
    Examples:
      gateway convocation letter ID -o letter.pdf --preview
      gateway convocation letter ID -o letter.pdf
      gateway convocation letter ID -o same.pdf --number 1
    """
    with session() as current:
        operations = _operations(current)
        if preview or number:
            keep(output)(operations.preview(id, number))
        else:
            operations.print_one(id, keep(output))
    click.echo(output)


@convocation.command("print")
@click.argument("secretariat", default="")
@_out
@click.option("--limit", default=MOST_LETTERS, show_default=True, type=click.IntRange(1, MOST_LETTERS))
@json_option
def print_(secretariat: str, output: Path, limit: int, *, as_json: bool) -> None:
    """Print the letters that are to be prepared into one PDF, and say which were left out, and why.

    \b
    Example:
      gateway convocation print radiology -o today.pdf
    """
    with session() as current:
        printed = _operations(current).print_all(secretariat, keep(output), limit=limit)
    if as_json:
        print_json({"printed": [view_json(view) for view in printed.views], "left_out": printed.left_out})
        return
    for view in printed.views:
        click.echo(f"{view.convocations.appointment}  {person_line(view.person)}")
    for appointment, why in printed.left_out.items():
        click.echo(f"! {appointment}  {why}")
    click.echo(f"{len(printed.views)} : {output if printed.views else '-'}")


def keep(path: Path) -> Callable[[bytes], None]:
    """Give what keeps a PDF at a place, readable by its owner alone, whole or not at all."""

    def write(pdf: bytes) -> None:
        part = path.with_name(f"{path.name}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(pdf)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    return write


def _say(act: ConvocationAct, ids: tuple[str, ...], *, as_json: bool) -> None:
    """Do one act on each, by a transaction of its own; exit 1 if one could not be done."""
    came: dict[str, ConvocationView | SenderError] = {}
    with session() as current:
        operations = _operations(current)
        for each in dict.fromkeys(ids):
            try:
                came[each] = operations.do(act, each)
            except SenderError as error:
                if len(ids) == 1:
                    raise
                came[each] = error
    if as_json:
        print_json([_outcome(each, outcome) for each, outcome in came.items()])
    else:
        for each, outcome in came.items():
            click.echo(f"{each}  {_line(outcome)}")
    if any(isinstance(outcome, SenderError) for outcome in came.values()):
        raise click.exceptions.Exit(1)


def _outcome(each: str, outcome: ConvocationView | SenderError) -> dict[str, Any]:
    if isinstance(outcome, SenderError):
        return {"id": each, "done": False, "error": outcome.name, "rule": outcome.rule}
    return {"id": each, "done": True, "convocation": view_json(outcome)}


def _line(outcome: ConvocationView | SenderError) -> str:
    if isinstance(outcome, SenderError):
        return f"! {outcome.name}: {outcome.rule}"
    last = outcome.convocations.last
    return text("convocation-state", last.state) if last else text("outcome", outcome.convocations.outcome)


@convocation.command()
@_ids
@json_option
def sent(ids: tuple[str, ...], *, as_json: bool) -> None:
    """Say that patients were told: a letter posted, or told otherwise. The items that asked for it are done.

    \b
    Example:
      gateway convocation sent ID OTHER
    """
    _say(ConvocationAct.SEND, ids, as_json=as_json)


@convocation.command()
@_ids
@json_option
def confirmed(ids: tuple[str, ...], *, as_json: bool) -> None:
    """Say that patients have confirmed, as by telephone. The items that asked for it are done.

    \b
    Example:
      gateway convocation confirmed ID
    """
    _say(ConvocationAct.CONFIRM, ids, as_json=as_json)


@convocation.command()
@_ids
@json_option
def returned(ids: tuple[str, ...], *, as_json: bool) -> None:
    """Say that letters came back: the patients are to be told again, at another address.

    \b
    Example:
      gateway convocation returned ID
    """
    _say(ConvocationAct.RETURN, ids, as_json=as_json)


@convocation.command("no-show")
@_ids
@json_option
def no_show(ids: tuple[str, ...], *, as_json: bool) -> None:
    """Say that patients did not come; a rule of the site says whether they are to be called.

    \b
    Example:
      gateway convocation no-show ID
    """
    _say(ConvocationAct.MISS, ids, as_json=as_json)
