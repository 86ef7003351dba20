"""`gateway identity`: what the identity desk (cellule d'identitovigilance) sees and decides."""

from typing import Any

import click

from adapters.cli.output import json_option, print_json, print_table, said
from adapters.cli.period import age
from adapters.cli.reason import decision_option, reveal_option
from adapters.cli.session import session
from adapters.identity_operations import MOST_LOOKED_AT, Outcome
from adapters.pipeline import identity_operations
from adapters.store.identity_desk import OpenQuestion
from gateway.decision import Decision, DecisionKind, Standing
from gateway.differences import INS, STATUS
from gateway.focus import Doubt
from gateway.identity import Identity
from mappings.texts import text

_KINDS: dict[str, tuple[Doubt, ...]] = {
    "doubles": (Doubt.SEVERAL,),
    "collisions": (Doubt.COLLISION,),
    "ins": (Doubt.INS_COLLISION,),
    "misfiled": (Doubt.MISFILED,),
    "unknown": (Doubt.UNKNOWN,),
    "merges": (Doubt.MERGE_REFUSED,),
    "links": (Doubt.LINK_ASKED, Doubt.UNLINK_ASKED),
    "minors": tuple(Doubt),
    "proposed": (),
}
_MASK = "***"

_yes = click.option("--yes", is_flag=True, help="Do it: the preview was read.")


@click.command("list")
@click.option("--kind", type=click.Choice(list(_KINDS)), help="Only these; proposed: decisions for a second person.")
@click.option("--limit", default=1_000, show_default=True, type=click.IntRange(1, MOST_LOOKED_AT))
@reveal_option
@json_option
def list_(kind: str | None, limit: int, reveal: str, *, as_json: bool) -> None:
    """List open questions, oldest first, then merges that admissions is still to make, then proposed decisions.

    \b
    Examples:
      gateway identity list
      gateway identity list --kind collisions --json
    """
    doubts = _KINDS[kind] if kind else tuple(Doubt)
    with session() as current:
        operations = identity_operations(current.assembly, current.principal)
        questions = operations.list_questions(doubts, limit, reveal, minors=kind == "minors")
        requests = _decisions(kind, "merges", Standing.IN_FORCE, DecisionKind.REQUEST_MERGE, operations, limit)
        proposed = _decisions(kind, "proposed", Standing.PROPOSED, None, operations, limit)
    decisions = [*requests, *proposed]
    if as_json:
        asked = [_question(q, reveal=bool(reveal)) for q in questions]
        print_json({"questions": asked, "decisions": [_decision(d) for d in decisions]})
        return
    columns = ("question", "identité", "contre", "traits", "patient", "âge")
    print_table(columns, [_row(q, reveal=bool(reveal)) for q in questions], current.assembly.site.time_zone)
    _print_decisions(decisions, current.assembly.site.time_zone)


def _decisions(
    kind: str | None, own: str, standing: Standing, of: DecisionKind | None, operations: Any, limit: int
) -> list[Decision]:
    return operations.list_decisions(standing, of, limit) if kind in {None, own} else []


def _question(asked: OpenQuestion, *, reveal: bool) -> dict[str, Any]:
    return {
        "doubt": asked.question.doubt,
        "label": text("title", asked.item.title),
        "identity": asked.record.id,
        "other": asked.question.other or None,
        "traits": list(asked.question.traits),
        "since": asked.item.created_at,
        "item": asked.item.id,
        "patient": _record(asked.record, reveal=reveal),
    }


def _row(asked: OpenQuestion, *, reveal: bool) -> dict[str, object]:
    traits = asked.record.patient.traits
    name = f"{traits.birth_family_name} {traits.first_given_name} {traits.birth_date}" if reveal else _MASK
    return {
        "question": text("title", asked.item.title),
        "identité": asked.record.id,
        "contre": asked.question.other,
        "traits": ", ".join(text("trait", t) for t in asked.question.traits),
        "patient": name,
        "âge": age(asked.item.created_at),
    }


def _record(record: Identity, *, reveal: bool) -> dict[str, Any]:
    traits = {name: getattr(record.patient.traits, name) for name in record.patient.traits.__dataclass_fields__}
    shown = {"value": record.key.value, **traits}
    return {
        "identity": record.id,
        "person": record.person,
        "authority": record.key.authority,
        **{name: value if reveal or not value else _MASK for name, value in shown.items()},
        "identity_status": record.patient.status,
        "vouched_for": record.authoritative,
        "retired": record.retired,
    }


@click.command()
@click.argument("identity")
@reveal_option
@json_option
def show(identity: str, reveal: str, *, as_json: bool) -> None:
    """Show one record, the others of its person, and what was decided of it.

    \b
    Example:
      gateway identity show 0b9f6c1e-7d0c-4b4e-9d53-5f2f6f0a3c11 --reveal "question of the laboratory"
    """
    with session() as current:
        found = identity_operations(current.assembly, current.principal).show(identity, reveal)
    record = _record(found.record, reveal=bool(reveal))
    others = [_record(r, reveal=bool(reveal)) for r in found.family if r.id != identity]
    if as_json:
        print_json(
            {**record, "family": others, "decisions": [_decision(d, reveal=bool(reveal)) for d in found.decisions]}
        )
        return
    for name, value in record.items():
        click.echo(f"{text('trait', name):20} {said(value, current.assembly.site.time_zone)}")
    for other in others:
        click.echo(f"même personne : {other['identity']} ({other['authority']})")
    _print_decisions(list(found.decisions), current.assembly.site.time_zone)


@click.command()
@click.argument("identities", nargs=-1, required=True)
@reveal_option
@json_option
def compare(identities: tuple[str, ...], reveal: str, *, as_json: bool) -> None:
    """Show the traits of records side by side, and how much each difference matters (RNIV 1, EXI SI 28, EXI PP 20).

    \b
    Example:
      gateway identity compare ID OTHER --reveal "possible double"
    """
    if len(set(identities)) != len(identities) or len(identities) < 2:  # noqa: PLR2004 - one is not compared
        raise click.UsageError("two records or more are expected, each once")
    with session() as current:
        _, lines = identity_operations(current.assembly, current.principal).compare(identities, reveal)
    told: list[dict[str, Any]] = [
        {
            "trait": line.trait,
            "label": text("trait", line.trait),
            "values": [v if reveal or not v or line.trait == STATUS else _MASK for v in line.values],
            "grade": line.grade,
        }
        for line in lines
        if any(line.values) or line.trait == INS
    ]
    if as_json:
        print_json({"identities": list(identities), "traits": told})
        return
    columns = ("trait", *identities, "différence")
    print_table(
        columns,
        [
            {
                "trait": row["label"],
                **dict(zip(identities, row["values"], strict=True)),
                "différence": text("grade", row["grade"]) if row["grade"] else "",
            }
            for row in told
        ],
    )


@click.group()
def decide() -> None:
    """Decide who is who. Each decision has a reason; without --yes it is only shown what it would do (exit 2)."""


@decide.command()
@click.argument("identity")
@click.argument("other")
@decision_option
@_yes
@json_option
def link(identity: str, other: str, reason: str, *, yes: bool, as_json: bool) -> None:
    """The two are one person. Against a strict trait, it is proposed to a second person.

    \b
    Example:
      gateway identity decide link ID OTHER --reason "same address and phone" --yes
    """
    _decide(DecisionKind.LINK, identity, other, reason, yes=yes, as_json=as_json)


@decide.command("not-same")
@click.argument("identity")
@click.argument("other")
@decision_option
@_yes
@json_option
def not_same(identity: str, other: str, reason: str, *, yes: bool, as_json: bool) -> None:
    """The two are not one person; it is not asked again unless a strict trait changes.

    \b
    Example:
      gateway identity decide not-same ID OTHER --reason "two sisters" --yes
    """
    _decide(DecisionKind.NOT_SAME, identity, other, reason, yes=yes, as_json=as_json)


@decide.command()
@click.argument("identity")
@decision_option
@_yes
@json_option
def unlink(identity: str, reason: str, *, yes: bool, as_json: bool) -> None:
    """The record gets a person of its own. Where others were told of its items, it is proposed to a second person.

    \b
    Example:
      gateway identity decide unlink ID --reason "another patient" --yes
    """
    _decide(DecisionKind.UNLINK, identity, "", reason, yes=yes, as_json=as_json)


@decide.command("request-merge")
@click.argument("retire")
@click.argument("into")
@decision_option
@_yes
@json_option
def request_merge(retire: str, into: str, reason: str, *, yes: bool, as_json: bool) -> None:
    """Admissions is to merge two numbers of one domain; it is listed until the merge comes (A40).

    \b
    Example:
      gateway identity decide request-merge RETIRED KEPT --reason "a double" --yes
    """
    _decide(DecisionKind.REQUEST_MERGE, retire, into, reason, yes=yes, as_json=as_json)


def _decide(kind: DecisionKind, one: str, other: str, reason: str, *, yes: bool, as_json: bool) -> None:
    with session() as current:
        operations = identity_operations(current.assembly, current.principal)
        outcome = operations.decide(kind, one, other, reason, really=yes)
    _say(outcome, done=yes, as_json=as_json)


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
    _say(outcome, done=yes, as_json=as_json)


@click.command()
@click.argument("decision", type=click.IntRange(1))
@decision_option
@_yes
@json_option
def undo(decision: int, reason: str, *, yes: bool, as_json: bool) -> None:
    """Let things be as if a decision had never been taken; say what others were told because of it.

    \b
    Example:
      gateway identity undo 12 --reason "two sisters" --yes
    """
    with session() as current:
        outcome = identity_operations(current.assembly, current.principal).undo(decision, reason, really=yes)
    _say(outcome, done=yes, as_json=as_json)


def _decision(decision: Decision, *, reveal: bool = False) -> dict[str, Any]:
    return {
        "decision": decision.number,
        "kind": decision.kind,
        "standing": decision.standing,
        "identity": decision.one,
        "other": decision.other or None,
        "discordant": list(decision.discordant),
        "moves": [{"identity": m.identity, "before": m.before, "after": m.after} for m in decision.moves],
        "reason": decision.reason if reveal else _MASK,
        "by": decision.by,
        "at": decision.at,
        "second": decision.second or None,
        "undone_by": decision.undone_by or None,
    }


def _print_decisions(decisions: list[Decision], zone: str) -> None:
    if decisions:
        click.echo("")
        columns = ("décision", "genre", "état", "identité", "autre", "par", "le")
        print_table(columns, [_decision_row(d) for d in decisions], zone)


def _decision_row(decision: Decision) -> dict[str, object]:
    return {
        "décision": decision.number,
        "genre": text("decision", decision.kind),
        "état": text("standing", decision.standing),
        "identité": decision.one,
        "autre": decision.other,
        "par": decision.by,
        "le": decision.at,
    }


def _say(outcome: Outcome, *, done: bool, as_json: bool) -> None:
    decision = outcome.decision
    told = [{"item": i.id, "secretariat": i.secretariat, "state": i.state, "version": i.version} for i in outcome.told]
    if as_json:
        parts = {"items": list(outcome.items), "already_told": told}
        print_json(
            {"done": done, **_decision(decision), **parts, "stays": outcome.stays, "joined_since": outcome.joined}
        )
    else:
        number = f" {decision.number}" if done else ""
        click.echo(f"décision{number} : {text('decision', decision.kind)}, {text('standing', decision.standing)}")
        for trait in decision.discordant:
            click.echo(f"trait discordant : {text('trait', trait)}")
        for move in decision.moves:
            click.echo(f"identité {move.identity} : {move.before} -> {move.after}")
        click.echo(f"tâches à jour : {len(outcome.items)}")
        for item in told:
            click.echo(f"déjà transmis : {item['item']} ({item['secretariat']}, {text('state', str(item['state']))})")
        for kept in (*outcome.stays, *outcome.joined):
            click.echo(f"reste où il est : {kept}")
    if not done:
        raise click.UsageError("nothing is decided yet: add --yes")


COMMANDS = (list_, show, compare, decide, undo)
