"""`gateway identity decide` and `undo`: what the identity desk decides, each with a reason, a preview and ``--yes``."""

from collections.abc import Callable
from datetime import UTC, datetime

import click

from adapters.cli.output import json_option, print_json, print_table
from adapters.cli.reason import decision_option
from adapters.cli.session import Session, session
from adapters.identity_operations import Outcome
from adapters.identity_view import is_overdue, outcome_shown
from adapters.pipeline import identity_operations
from gateway.decision import Decision, DecisionKind, Flag
from mappings.texts import text

_yes = click.option("--yes", is_flag=True, help="Do it: the preview was read.")


@click.group()
def decide() -> None:
    """Decide who is who. Each decision has a reason; without --yes it is only shown what it would do (exit 2)."""


_Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def _command(kind: DecisionKind, says: str, example: str, *names: str, subject: _Decorator | None = None) -> None:
    """Make a decision a command: the records named, a reason, --yes and --json."""

    def run(reason: str, *, yes: bool, as_json: bool, subject: str = "", **records: str | tuple[str, ...]) -> None:
        named = [i for given in records.values() for i in ((given,) if isinstance(given, str) else given)]
        one, other, *further = (*named, "")[: max(len(named), 2)]
        with session() as current:
            operations = identity_operations(current.assembly, current.principal)
            outcome = operations.decide(kind, one, other, reason, further=further, subject=subject, really=yes)
        _say(outcome, current, done=yes, as_json=as_json)

    run.__doc__ = f"{says}\n\n\b\nExample:\n  gateway identity decide {kind} {example} --yes\n"
    options: list[_Decorator] = [json_option, _yes, decision_option, *([subject] if subject else [])]
    arguments: list[_Decorator] = [_argument(name) for name in reversed(names)]
    command: Callable[..., None] = run
    for decorate in options + arguments:
        command = decorate(command)
    decide.command(kind.value)(command)


def _argument(name: str) -> _Decorator:
    """Give the argument that names a record; with dots, that names one or more."""
    return click.argument(name.rstrip("."), nargs=-1 if name.endswith("...") else 1, required=True)


_command(
    DecisionKind.LINK,
    "The two are one person. Against a strict trait, it is proposed to a second person.",
    'ID OTHER --reason "same address and phone"',
    "identity",
    "other",
)
_command(
    DecisionKind.NOT_SAME,
    "The two are not one person; it is not asked again unless a strict trait changes. Of several others at once, it is"
    " proposed to a second person.",
    'ID OTHER --reason "two sisters"',
    "identity",
    "other...",
)
_command(
    DecisionKind.UNLINK,
    "The record gets a person of its own. Where others were told of its items, it is proposed to a second person.",
    'ID --reason "another patient"',
    "identity",
)
_command(
    DecisionKind.REQUEST_MERGE,
    "Admissions is to merge two numbers of one domain; it is listed until the merge comes (A40).",
    'RETIRED KEPT --reason "a double"',
    "retire",
    "into",
)
_command(
    DecisionKind.REQUEST_FLAG,
    "Admissions is to mark an identity as homonyme (HOMA) or douteuse (DOUT); it is listed until it has.",
    'ID --flag HOMA --reason "a namesake"',
    "identity",
    subject=click.option("--flag", "subject", required=True, type=click.Choice([f.value for f in Flag])),
)
_command(
    DecisionKind.FREEZE,
    "The record may be two people's: nothing of it is joined, printed or sent by us. Proposed to a second person.",
    'ID --reason "two patients under one number"',
    "identity",
)
_command(
    DecisionKind.LIFT,
    "A frozen record is one person's after all. Proposed to a second person.",
    'ID --reason "the file was corrected"',
    "identity",
)
_command(
    DecisionKind.ASK,
    "A secretariat (that of the record's source unless named) is to say what it knows; the question stays open.",
    'ID --of cardiology --reason "which of the two sisters came"',
    "identity",
    subject=click.option("--of", "subject", default="", help="The secretariat that is asked."),
)


@decide.command()
@click.argument("decision", type=click.IntRange(1))
@_yes
@json_option
def approve(decision: int, *, yes: bool, as_json: bool) -> None:
    """Approve what somebody else proposed.

    \b
    Example:
      gateway identity decide approve 12 --yes
    """
    with session() as current:
        outcome = identity_operations(current.assembly, current.principal).approve(decision, really=yes)
    _say(outcome, current, done=yes, as_json=as_json)


@click.command()
@click.argument("decision", type=click.IntRange(1))
@decision_option
@_yes
@json_option
def undo(decision: int, reason: str, *, yes: bool, as_json: bool) -> None:
    """Let things be as if a decision had never been taken; say what others were told because of it.

    Where that would need a second person if it were decided directly, it is proposed.

    \b
    Example:
      gateway identity undo 12 --reason "two sisters" --yes
    """
    with session() as current:
        outcome = identity_operations(current.assembly, current.principal).undo(decision, reason, really=yes)
    _say(outcome, current, done=yes, as_json=as_json)


def print_decisions(decisions: list[Decision], zone: str, *, late: datetime | None = None) -> None:
    """Print decisions, one a line, behind what stands above; none is nothing."""
    if decisions:
        click.echo("")
        columns = ("décision", "genre", "objet", "état", "identité", "autre", "par", "le")
        print_table(columns, [_decision_row(d, late) for d in decisions], zone)


def _decision_row(decision: Decision, late: datetime | None) -> dict[str, object]:
    standing = text("standing", "overdue" if is_overdue(decision, late) else decision.standing)
    return {
        "décision": decision.number,
        "genre": text("decision", decision.kind),
        "objet": text("flag", decision.subject),
        "état": standing,
        "identité": decision.one,
        "autre": decision.other,
        "par": decision.by,
        "le": decision.at,
    }


def _say(outcome: Outcome, current: Session, *, done: bool, as_json: bool) -> None:
    decision = outcome.decision
    if as_json:
        print_json(outcome_shown(outcome, done=done, late=datetime.now(UTC) - current.assembly.site.desk_limit))
    else:
        number = f" {decision.number}" if done else ""
        click.echo(f"décision{number} : {text('decision', decision.kind)}, {text('standing', decision.standing)}")
        for trait in decision.discordant:
            click.echo(f"trait discordant : {text('trait', trait)}")
        for move in decision.moves:
            click.echo(f"identité {move.identity} : {move.before} -> {move.after}")
        click.echo(f"tâches à jour : {len(outcome.items)}")
        for item in outcome.told:
            click.echo(f"déjà transmis : {item.id} ({item.secretariat}, {text('state', item.state)})")
        for kept in (*outcome.stays, *outcome.joined):
            click.echo(f"reste où il est : {kept}")
    if not done:
        raise click.UsageError("nothing is decided yet: add --yes")


COMMANDS = (decide, undo)
