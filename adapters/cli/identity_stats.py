"""`gateway identity stats`."""

from typing import Any

import click

from adapters.cli.output import json_option, print_json, print_table
from adapters.cli.period import age
from adapters.cli.session import session
from adapters.pipeline import identity_operations
from gateway.decision import DecisionKind, Standing
from mappings.texts import text


@click.command()
@json_option
def stats(*, as_json: bool) -> None:
    """Count open questions by kind, those that are late, and decisions by where they stand; nobody is named.

    Of the links decided, those undone since tell how often the desk was wrong.

    \b
    Example:
      gateway identity stats --json
    """
    with session() as current:
        tally = identity_operations(current.assembly, current.principal).tally()
    waiting: list[dict[str, Any]] = [
        {"question": q.title, "label": text("title", q.title), "open": q.questions, "late": q.late, "since": q.since}
        for q in tally.questions
    ]
    decided: list[dict[str, Any]] = [
        {"decision": kind.value, **{s.value: tally.decisions.get((kind, s), 0) for s in Standing}}
        for kind in DecisionKind
        if any((kind, s) in tally.decisions for s in Standing)
    ]
    if as_json:
        print_json({"questions": waiting, "decisions": decided})
        return
    rows = [
        {"question": w["label"], "ouvertes": w["open"], "en retard": w["late"], "la plus ancienne": age(w["since"])}
        for w in waiting
    ]
    print_table(("question", "ouvertes", "en retard", "la plus ancienne"), rows)
    click.echo("")
    standings = {text("standing", s): s.value for s in Standing}
    said = [
        {"décision": text("decision", d["decision"]), **{name: d[s] for name, s in standings.items()}} for d in decided
    ]
    print_table(("décision", *standings), said)
