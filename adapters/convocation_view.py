"""How convocations are said to a program."""

from typing import Any

from adapters.person_view import person_json
from adapters.store.convocations import ConvocationView
from gateway.convocation import Convocation, Convocations


def view_json(view: ConvocationView) -> dict[str, Any]:
    """Give the convocations of an appointment or stay, with their patient."""
    return {**convocation_json(view.convocations), "patient": person_json(view.person)}


def convocation_json(known: Convocations) -> dict[str, Any]:
    """Give the convocations of an appointment or stay, without their patient."""
    live = known.live
    return {
        "id": known.appointment,
        "kind": known.kind,
        "outcome": known.outcome,
        "to_do": known.to_do,
        "channel": known.reach.channel,
        "addressee": known.reach.addressee,
        "reason": known.reach.reason or None,
        "incomplete": known.reach.incomplete,
        "live": live.number if live else None,
        "convocations": [_one(one) for one in known.each],
        "version": known.version,
        "updated_at": known.updated_at,
    }


def _one(one: Convocation) -> dict[str, Any]:
    return {
        "number": one.number,
        "notice": one.notice,
        "state": one.state,
        "replaces": one.replaces or None,
        "start": one.content.start,
        "unit": one.content.unit,
        "place": one.content.place,
        "steps": [{"state": step.state, "at": step.at, "by": step.by} for step in one.steps],
        "letters": [
            {"at": p.at, "by": p.by, "template": p.template, "version": p.version, "sha256": p.sha256}
            for p in one.printings
        ],
    }
