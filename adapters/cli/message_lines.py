"""A message as lists show it: a line for a person, an object for a program."""

from datetime import datetime
from typing import Any

from adapters.cli.period import age
from adapters.store.inbox import StoredMessage

LIST_COLUMNS = ("n", "received", "source", "type", "control id", "answer", "state", "why")


def message_row(stored: StoredMessage) -> dict[str, object]:
    """Give a message's line for a person."""
    return {
        "n": stored.id,
        "received": stored.received_at,
        "age": age(_waiting_since(stored)),
        "source": stored.source or "?",
        "type": stored.message_type,
        "control id": stored.control_id,
        "answer": stored.code,
        "state": stored.outcome.state,
        "why": _why(stored),
        "owner": stored.owner,
        "held": stored.held_for,
        "held by": stored.held_by,
    }


def _waiting_since(stored: StoredMessage) -> datetime:
    """Since when a person is needed: held, else ended, else received."""
    return stored.held_at or stored.ended_at or stored.received_at


def _why(stored: StoredMessage) -> str:
    if stored.duplicate_of is not None:
        return f"same as {stored.duplicate_of}"
    if stored.waiting:
        return waiting_facts(stored)
    if stored.held_at and not stored.outcome.error:
        return f"held: {stored.held_for}"
    outcome = stored.outcome
    where = f"{outcome.path}: " if outcome.path else ""
    ended = f"{outcome.error} {where}{outcome.rule}".strip()
    return ended or departures(stored) or (reused_control_id(stored) if stored.reuses else "")


def departures(stored: StoredMessage) -> str:
    """Say at how many places, as far as was looked, a message departs from its source's profile; "" if at none."""
    found = len(stored.notes.get("departures", ()))
    return f"departs from its source's profile, at {found} place{'s' if found > 1 else ''}" if found else ""


def waiting_facts(stored: StoredMessage) -> str:
    """Say how many facts of a message wait for their object."""
    return f"facts that wait for an object that has not come: {stored.waiting}"


def reused_control_id(stored: StoredMessage) -> str:
    """Say that a message came under a control ID that its source had used for another."""
    return f"its control ID was used before, for message {stored.reuses}, with other content"


def message_json(stored: StoredMessage) -> dict[str, Any]:
    """Give a message for a program."""
    return {
        "id": stored.id,
        "received_at": stored.received_at,
        "transport": stored.transport,
        "format": stored.format,
        "source": stored.source,
        "type": stored.message_type,
        "control_id": stored.control_id,
        "size": stored.size,
        "answer": stored.code,
        "purged": stored.purged,
        "state": stored.outcome.state,
        "error": stored.outcome.error or None,
        "path": stored.outcome.path or None,
        "rule": stored.outcome.rule or None,
        "duplicate_of": stored.duplicate_of,
        "reuses": stored.reuses,
        "waiting": stored.waiting,
        "edited_from": stored.edited_from,
        "ended_at": stored.ended_at,
        "resolved_at": stored.resolved_at,
        "owner": stored.owner or None,
        "held_at": stored.held_at,
        "held_by": stored.held_by or None,
        "held_for": stored.held_for or None,
        "notes": stored.notes,
    }
