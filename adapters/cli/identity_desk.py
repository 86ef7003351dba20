"""`gateway identity`: what the identity desk (cellule d'identitovigilance) sees."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from adapters.cli.identity_decisions import print_decisions
from adapters.cli.output import json_option, print_json, print_table, said
from adapters.cli.period import age
from adapters.cli.reason import reveal_option
from adapters.cli.session import session
from adapters.identity_operations import MOST_LOOKED_AT
from adapters.identity_view import (
    KINDS,
    MASK,
    decision_shown,
    evidence_shown,
    lines_shown,
    provenance_shown,
    question_shown,
    record_shown,
)
from adapters.pipeline import identity_operations
from adapters.store.identity_desk import OpenQuestion
from gateway.decision import Decision, DecisionKind, Standing
from gateway.evidence import Evidence
from gateway.focus import Doubt
from gateway.notes import Note
from mappings.texts import text

_DECISIONS: dict[str, tuple[tuple[Standing, DecisionKind | None], ...]] = {
    "merges": ((Standing.IN_FORCE, DecisionKind.REQUEST_MERGE),),
    "requests": ((Standing.IN_FORCE, DecisionKind.REQUEST_MERGE), (Standing.IN_FORCE, DecisionKind.REQUEST_FLAG)),
    "frozen": ((Standing.IN_FORCE, DecisionKind.FREEZE),),
    "proposed": ((Standing.PROPOSED, None),),
}


@click.command("list")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only these; proposed: decisions for a second person.")
@click.option("--about", type=click.Choice([note.value for note in Note]), help="Records, by what is notable of them.")
@click.option("--limit", default=1_000, show_default=True, type=click.IntRange(1, MOST_LOOKED_AT))
@reveal_option
@json_option
def list_(kind: str | None, about: str | None, limit: int, reveal: str, *, as_json: bool) -> None:
    """List open questions, oldest first, then what admissions is still to do, what is frozen, and what is proposed.

    Stale: open for longer than the site's `desk_days`; a request that old is overdue. With --about, records are listed
    instead, what was told last first: homonyms, twins, imputed dates, an INS of who is not qualifiée, an A47 that came,
    and merges that admissions was asked for.

    \b
    Examples:
      gateway identity list
      gateway identity list --kind collisions --json
      gateway identity list --about ins-unqualified
    """
    if about is not None:
        if kind is not None:
            raise click.UsageError("--about lists records, --kind questions: one of the two is expected")
        _list_records(Note(about), limit, reveal, as_json=as_json)
        return
    doubts = KINDS[kind] if kind else tuple(Doubt)
    with session() as current:
        operations = identity_operations(current.assembly, current.principal)
        questions = operations.list_questions(doubts, limit, reveal, minors=kind == "minors", stale=kind == "stale")
        decisions = _decisions(kind, operations, limit)
    late = datetime.now(UTC) - current.assembly.site.desk_limit
    if as_json:
        asked = [question_shown(q, reveal=bool(reveal)) for q in questions]
        print_json({"questions": asked, "decisions": [decision_shown(d, late=late) for d in decisions]})
        return
    columns = ("question", "identité", "contre", "traits", "patient", "attend", "âge")
    print_table(columns, [_row(q, reveal=bool(reveal)) for q in questions], current.assembly.site.time_zone)
    print_decisions(decisions, current.assembly.site.time_zone, late=late)


def _list_records(about: Note, limit: int, reveal: str, *, as_json: bool) -> None:
    with session() as current:
        found = identity_operations(current.assembly, current.principal).list_records(about, limit, reveal)
    shown = [record_shown(record, reveal=bool(reveal)) for record in found]
    if as_json:
        print_json({"about": about, "records": shown})
        return
    print_table(("identité", "domaine", "statut", "patient", "à noter"), [_noted_row(each) for each in shown])


def _noted_row(shown: dict[str, Any]) -> dict[str, object]:
    told = ("birth_family_name", "first_given_name", "birth_date")
    return {
        "identité": shown["identity"],
        "domaine": shown["authority"],
        "statut": shown["identity_status"],
        "patient": " ".join(shown[name] for name in told if shown[name]),
        "à noter": _notes(shown["notes"]),
    }


def _notes(notes: Sequence[Note]) -> str:
    return ", ".join(text("note", note) for note in notes)


def _decisions(kind: str | None, operations: Any, limit: int) -> list[Decision]:
    """Give the decisions of a list, each once."""
    wanted = _DECISIONS.get(kind, ()) if kind else tuple(dict.fromkeys(w for each in _DECISIONS.values() for w in each))
    found = [d for standing, of in wanted for d in operations.list_decisions(standing, of, limit)]
    return sorted(found, key=lambda d: d.number)


def _row(asked: OpenQuestion, *, reveal: bool) -> dict[str, object]:
    traits = asked.record.patient.traits
    name = f"{traits.birth_family_name} {traits.first_given_name} {traits.birth_date}" if reveal else MASK
    return {
        "question": text("title", asked.item.title),
        "identité": asked.record.id,
        "contre": asked.question.other,
        "traits": ", ".join(text("trait", t) for t in asked.question.traits),
        "patient": name,
        "attend": ", ".join(asked.question.waits_for),
        "âge": age(asked.item.created_at),
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
    record = record_shown(found.record, reveal=bool(reveal))
    others = [record_shown(r, reveal=bool(reveal)) for r in found.family if r.id != identity]
    if as_json:
        print_json(
            {
                **record,
                "family": others,
                "decisions": [
                    {**decision_shown(d, reveal=bool(reveal)), "followed": d.number in found.followed}
                    for d in found.decisions
                ],
                "evidence": evidence_shown(found.evidence) if found.evidence else None,
                "provenance": provenance_shown(found.record),
            }
        )
        return
    for name, value in {**record, "notes": _notes(record["notes"])}.items():
        click.echo(f"{text('trait', name):20} {said(value, current.assembly.site.time_zone)}")
    for trace in provenance_shown(found.record):
        traits = ", ".join(text("trait", trait) for trait in trace["traits"])
        at = said(trace["at"], current.assembly.site.time_zone)
        click.echo(f"provenance : {trace['source']}, message {trace['message']}, {at} : {traits}")
    for other in others:
        click.echo(f"même personne : {other['identity']} ({other['authority']})")
    if found.evidence:
        _print_evidence(found.evidence)
    print_decisions(list(found.decisions), current.assembly.site.time_zone)


def _print_evidence(evidence: Evidence) -> None:
    """Print why the matcher asked or linked: signed bits by trait that add up to the score, and what spoke against."""
    click.echo("")
    limits = f"automatique dès {evidence.automatic:g} bits, question dès {evidence.review:g}"
    click.echo(f"rapprochement : modèle {evidence.version}, {limits}, {evidence.found} candidat(s)")
    for hindrance in evidence.hindrances:
        click.echo(f"non automatique : {text('hindrance', hindrance)}")
    for weighed in evidence.candidates:
        click.echo(f"candidat {weighed.identity} : {weighed.score:+.1f} bits")
        for guard in weighed.guards:
            click.echo(f"  garde-fou : {text('guard', guard)}")
        for trait, level, bits in weighed.contributions:
            said_level = text("level", level) if trait != "prior" else ""
            click.echo(f"  {text('compared', trait):20} {bits:+6.1f}  {said_level}".rstrip())


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
    if len(set(identities)) != len(identities):
        raise click.UsageError("records are expected, each once")
    with session() as current:
        records, lines = identity_operations(current.assembly, current.principal).compare(identities, reveal)
    if len(records) < 2:  # noqa: PLR2004 - one is not compared
        raise click.UsageError("two records are expected, or one of which departments tell otherwise")
    names = [r.id for r in records]
    told = lines_shown(lines, reveal=bool(reveal))
    if as_json:
        print_json({"identities": names, "traits": told})
        return
    columns = ("trait", *names, "différence")
    print_table(
        columns,
        [
            {
                "trait": row["label"],
                **dict(zip(names, row["values"], strict=True)),
                "différence": text("grade", row["grade"]) if row["grade"] else "",
            }
            for row in told
        ],
    )


COMMANDS = (list_, show, compare)
