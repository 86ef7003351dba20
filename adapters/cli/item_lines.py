"""How an item and its patient are said: in a line for a person, as JSON for a program."""

from datetime import UTC, datetime
from typing import Any

from adapters.person_view import person_json
from adapters.store.worklist import ItemView
from gateway.identity import Person
from gateway.routing import DEFAULT_RULE
from gateway.worklist import BY_HAND, ESCALATED, MADE_BY_HAND, ItemKind, Signature, WorkItem
from mappings.texts import text


def person_line(person: Person) -> str:
    """Give a person in one line, each trait named (EXI SI 11, EXI SI 16)."""
    traits = person.traits
    if not person.id:
        return text("sight", "patient")
    used = f", nom utilisé {traits.used_family_name}" if traits.used_family_name else ""
    given = f", prénom utilisé {traits.used_given_name}" if traits.used_given_name else ""
    status = person.status if person.confirmed else f"{person.status}, à confirmer"
    status = f"{status}, gelée" if person.frozen else status
    return (
        f"né(e) {traits.birth_family_name} (1er prénom {traits.first_given_name}{used}{given}) "
        f"le {traits.birth_date} [{traits.sex}] {status}"
    )


def item_json(view: ItemView) -> dict[str, Any]:
    """Give an item for a program."""
    item = view.item
    return {
        "id": item.id,
        "kind": item.kind,
        "secretariat": item.secretariat,
        "priority": item.priority,
        "state": item.state,
        "title": item.title or None,
        "sight": view.sight,
        "patient": person_json(view.person),
        "focus": item.focus or None,
        "rule": item.rule,
        "reason": reason(item),
        "remarks": list(item.remarks),
        "source_message": None if item.kind in MADE_BY_HAND else item.source_message,
        "due": item.due,
        "deadline": item.escalation.deadline or None,
        "overdue": item.overdue(datetime.now(UTC)),
        "escalated": item.escalation.rungs if item.escalated else 0,
        "holder": item.hand.holder or None,
        "on_hold_until": item.hand.until,
        "receipt": _signature(item.hand.receipt),
        "clinical_acknowledgment": _signature(item.hand.reading),
        "saw_before_correction": list(item.hand.saw),
        "forwarded_from": list(item.hand.passed),
        "version": item.version,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }


def lateness(item: WorkItem) -> str:
    """Give, in the reader's words, whether an item's time has passed, and whether somebody was told."""
    if not item.overdue(datetime.now(UTC)):
        return ""
    return text("late", "escalated" if item.escalated else "overdue")


def _signature(signature: Signature | None) -> dict[str, Any] | None:
    return {"by": signature.by, "at": signature.at} if signature else None


def reason(item: WorkItem) -> str:
    """Give, in the reader's words, why an item is where it is."""
    if item.rule in {BY_HAND, ESCALATED}:
        return text("reason", item.rule)
    if item.rule != DEFAULT_RULE:
        return item.reason or text("reason", item.rule)
    return text("reason", "default-identity" if item.kind is ItemKind.IDENTITY else "default")
