"""Rows into the core's values, and back."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from gateway.convocation import Convocations
from gateway.decision import Decision
from gateway.directory import Entry
from gateway.facts import (
    AppointmentReported,
    DocumentReported,
    EntryKind,
    Identifier,
    IdentifierChange,
    IdentifierKind,
    OrderReported,
    Patient,
    Priority,
    ResultReported,
    VisitReported,
)
from gateway.focus import Discrepancies, Focus, FocusKind, Held, Letters, Noted, Question
from gateway.identity import Identity, Person, Request, Ruling
from gateway.notes import Note, noted
from gateway.provenance import Trace
from gateway.told import Told
from gateway.worklist import CALM, UNTOUCHED, Escalation, Former, Hand, ItemKind, ItemState, WorkItem

Row = dict[str, Any]
Found = Mapping[str, Any]

_FACTS = {
    kind.__name__: kind
    for kind in (
        AppointmentReported,
        OrderReported,
        ResultReported,
        DocumentReported,
        VisitReported,
        Question,
        Discrepancies,
        Letters,
        Noted,
    )
}
_HELD = tuple[Held, ...]
_RULINGS = tuple[Ruling, ...]
_REQUESTS = tuple[Request, ...]
_PROVENANCE = tuple[Trace, ...]


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Give what reads and writes a type; made when the first such value is met, for it takes milliseconds."""
    return TypeAdapter(kind)


def identity_row(identity: Identity) -> Row:
    """Give the row of an identity."""
    ins = identity.ins
    return {
        "id": identity.id,
        "authority": identity.key.authority,
        "value": identity.key.value,
        "person_id": identity.person,
        "authoritative": identity.authoritative,
        "retired": identity.retired,
        "ins_authority": ins.authority if ins else None,
        "ins_value": ins.value if ins else None,
        "origin_authority": identity.origin.authority if identity.origin else None,
        "origin_value": identity.origin.value if identity.origin else None,
        "patient": _adapter(Patient).dump_python(identity.patient, mode="json"),
        "rulings": _adapter(_RULINGS).dump_python(identity.rulings, mode="json") if identity.rulings else [],
        "frozen": identity.frozen,
        "requests": _adapter(_REQUESTS).dump_python(identity.requests, mode="json") if identity.requests else [],
        "birth_date": identity.patient.traits.birth_date[:10],
        "notes": notes_text(noted(identity)),
        "identifier_change": identity.change,
        "provenance": _adapter(_PROVENANCE).dump_python(identity.provenance, mode="json"),
        **_told_row(identity.told),
    }


def notes_text(notes: Iterable[Note]) -> str:
    """Give what is notable of a record as it is stored: each word between spaces."""
    words = " ".join(notes)
    return f" {words} " if words else ""


def _told_row(told: Told) -> Row:
    times = {source: at.isoformat() for source, at in told.times.items()}
    return {"source": told.source, "told_message": told.message, "times": times}


def _told(row: Found) -> Told:
    times = {source: datetime.fromisoformat(at) for source, at in row["times"].items()}
    return Told(row["source"], row["told_message"], times)


def identity(row: Found) -> Identity:
    """Give the identity of a row."""
    return Identity(
        id=row["id"],
        key=Identifier(row["authority"], row["value"]),
        person=row["person_id"],
        told=_told(row),
        authoritative=row["authoritative"],
        patient=_adapter(Patient).validate_python(row["patient"]),
        retired=row["retired"],
        origin=Identifier(row["origin_authority"], row["origin_value"]) if row["origin_authority"] else None,
        rulings=_adapter(_RULINGS).validate_python(row["rulings"]) if row["rulings"] else (),
        frozen=row["frozen"],
        requests=_adapter(_REQUESTS).validate_python(row["requests"]) if row["requests"] else (),
        change=IdentifierChange(row["identifier_change"]) if row["identifier_change"] else None,
        provenance=_adapter(_PROVENANCE).validate_python(row["provenance"]) if row["provenance"] else (),
    )


def decision_row(decision: Decision) -> Row:
    """Give the row of a decision on identities."""
    return {
        "id": decision.number,
        "kind": decision.kind,
        "standing": decision.standing,
        "one": decision.one,
        "other": decision.other or None,
        "content": _adapter(Decision).dump_python(decision, mode="json"),
    }


def decision(content: object) -> Decision:
    """Give the decision of its content as stored."""
    found: Decision = _adapter(Decision).validate_python(content)
    return found


def person_row(person: Person) -> Row:
    """Give the row of a person."""
    return {"id": person.id, "golden": _adapter(Person).dump_python(person, mode="json")}


def person(golden: object) -> Person:
    """Give the person of a golden record as stored."""
    found: Person = _adapter(Person).validate_python(golden)
    return found


def focus_row(focus: Focus) -> Row:
    """Give the row of an object."""
    fact_type = type(focus.fact).__name__ if focus.fact else None
    return {
        "id": focus.id,
        "kind": focus.kind,
        "identity_id": focus.identity,
        "version": focus.version,
        "fact_type": fact_type,
        "fact": _adapter(_FACTS[fact_type]).dump_python(focus.fact, mode="json") if fact_type else None,
        "message_id": focus.message,
        **_told_row(focus.told),
        "held": _adapter(_HELD).dump_python(focus.held, mode="json"),
        "overdue": focus.overdue,
        "updated_at": focus.updated_at,
    }


def focus(row: Found) -> Focus:
    """Give the object of a row."""
    return Focus(
        id=row["id"],
        kind=FocusKind(row["kind"]),
        identity=row["identity_id"],
        version=row["version"],
        fact=_adapter(_FACTS[row["fact_type"]]).validate_python(row["fact"]) if row["fact_type"] else None,
        message=row["message_id"],
        told=_told(row),
        updated_at=row["updated_at"],
        held=_adapter(_HELD).validate_python(row["held"]),
        overdue=row["overdue"],
    )


def entry_row(entry: Entry) -> Row:
    """Give the row of an entry of the directory."""
    return {
        "kind": entry.kind,
        "authority": entry.key.authority,
        "value": entry.key.value,
        "label": entry.label,
        "unit": entry.unit,
        "active": entry.active,
        "source": entry.source,
        "told_at": entry.told_at,
    }


def entry(row: Found) -> Entry:
    """Give the entry of a row."""
    return Entry(
        kind=EntryKind(row["kind"]),
        key=Identifier(row["authority"], row["value"], IdentifierKind.OTHER),
        label=row["label"],
        unit=row["unit"],
        active=row["active"],
        source=row["source"],
        told_at=row["told_at"],
    )


def waiting_rows(focus: Focus) -> list[Row]:
    """Give a row for each message that has facts waiting on a placeholder; since when, while nobody has seen them."""
    return [
        {
            "focus_id": focus.id,
            "message_id": message,
            "facts": facts,
            "since": None if focus.overdue else focus.waits_since(message),
        }
        for message, facts in Counter(held.message for held in focus.held).items()
    ]


def convocation_row(known: Convocations) -> Row:
    """Give the row of the convocations of an appointment or planned stay."""
    last = known.last
    return {
        "focus_id": known.appointment,
        "identity_id": known.identity,
        "kind": known.kind,
        "outcome": known.outcome,
        "open": known.open,
        "notice": last.notice if last else "",
        "state": last.state if last else "",
        "channel": known.reach.channel,
        "starts": last.content.start if last else None,
        "content": _adapter(Convocations).dump_python(known, mode="json"),
        "version": known.version,
        "updated_at": known.updated_at,
    }


def convocations(content: object) -> Convocations:
    """Give the convocations of their content as stored."""
    found: Convocations = _adapter(Convocations).validate_python(content)
    return found


def expected_row(focus: Focus) -> Row:
    """Give the row of an order that expects a result."""
    assert isinstance(focus.fact, OrderReported)
    since = focus.fact.asked_at or focus.updated_at
    return {"focus_id": focus.id, "unit": focus.fact.ordering_unit, "since": since, "shown": focus.overdue}


def item_row(item: WorkItem) -> Row:
    """Give the row of a work item."""
    return {
        "id": item.id,
        "kind": item.kind,
        "secretariat": item.secretariat,
        "priority": item.priority,
        "state": item.state,
        "identity_id": item.identity,
        "focus_id": item.focus,
        "title": item.title,
        "detail": item.detail,
        "rule": item.rule,
        "reason": item.reason,
        "source_message": item.source_message,
        "version": item.version,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
        "remarks": list(item.remarks),
        "origin": item.routed_to,
        "due": item.due,
        "place": item.place,
        "holder": item.hand.holder,
        "hand": {} if item.hand == UNTOUCHED else _adapter(Hand).dump_python(item.hand, mode="json"),
        "held_until": item.hand.until,
        "active_at": item.hand.active_at if item.hand.holder else None,
        "deadline": item.escalation.deadline,
        "rungs": item.escalation.rungs,
        "escalates_at": item.escalation.next_at,
        "alarmed": item.escalation.alarmed and not item.answered,
    }


def former_json(former: Former | None) -> Any:
    """Give what undoing an act restores, to be stored."""
    return former and _adapter(Former).dump_python(former, mode="json")


def former(stored: object) -> Former | None:
    """Give what undoing an act restores, as stored."""
    found: Former | None = _adapter(Former).validate_python(stored) if stored else None
    return found


def item(row: Found) -> WorkItem:
    """Give the work item of a row."""
    return WorkItem(
        id=row["id"],
        kind=ItemKind(row["kind"]),
        secretariat=row["secretariat"],
        priority=Priority(row["priority"]),
        state=ItemState(row["state"]),
        identity=row["identity_id"],
        focus=row["focus_id"],
        title=row["title"],
        detail=row["detail"],
        rule=row["rule"],
        reason=row["reason"],
        source_message=row["source_message"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        remarks=tuple(row["remarks"]),
        origin=row["origin"],
        due=row["due"],
        hand=_adapter(Hand).validate_python(row["hand"]) if row["hand"] else UNTOUCHED,
        escalation=Escalation(row["deadline"], row["rungs"], row["escalates_at"], row["alarmed"])
        if row["deadline"]
        else CALM,
    )
