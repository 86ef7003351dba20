"""What a message leaves unsaid about a known object stays as it was (HL7 2.5.1 §2.5.3: an empty field is unchanged)."""

from dataclasses import fields, replace
from typing import TypeVar

from gateway.facts import (
    Abnormality,
    AppointmentAct,
    AppointmentReported,
    DocumentAct,
    DocumentReported,
    Identifier,
    Observation,
    OrderAct,
    OrderReported,
    Priority,
    ResourceKind,
    ResultReported,
    ResultStatus,
    graver,
)
from gateway.focus import ObjectFact, OwnFact


def completed(fact: ObjectFact, known: ObjectFact | OwnFact | None) -> ObjectFact:
    """Give the fact with what is known of its object where it says nothing.

    A change or cancellation of an appointment or an order and a change of a document's status tell only what they
    change; a result is told line by line. Every other fact tells its object whole. What is known of an order whose
    result has come goes on being so.
    """
    match fact, known:
        case AppointmentReported(act=AppointmentAct.CHANGE | AppointmentAct.CANCEL), AppointmentReported():
            filled = replace(_filled(fact, known), emptied=frozenset())
            return _with_other_resources(fact, filled, known)
        case DocumentReported(act=DocumentAct.STATUS | DocumentAct.WITHDRAW), DocumentReported():
            others = tuple(n for n in _joined(fact.renditions, known.numbers) if n != fact.key)
            return replace(_filled(fact, known), renditions=others)
        case OrderReported(), OrderReported():
            told = fact if fact.act is OrderAct.REQUEST else _filled(fact, known)
            asked_at = known.asked_at or fact.asked_at
            return replace(told, keys=_joined(known.keys, fact.keys), resulted=known.resulted, asked_at=asked_at)
        case ResultReported(), ResultReported():
            return _with_other_lines(fact, known)
        case _:
            return fact


_UNSAID: tuple[object, ...] = ("", None, 0, (), frozenset())

_OWN = frozenset({"remarks", "reason_code"})
"""What a message says of itself: why it cancels is not why another one did."""

_Told = TypeVar("_Told", AppointmentReported, DocumentReported, OrderReported)


def _filled(fact: _Told, known: _Told) -> _Told:
    said = {*_OWN, *(fact.emptied if isinstance(fact, AppointmentReported) else ())}
    unsaid = (f.name for f in fields(fact) if getattr(fact, f.name) in _UNSAID and f.name not in said)
    empty = {name: getattr(known, name) for name in unsaid}
    return replace(fact, **empty)


def _with_other_resources(
    told: AppointmentReported, filled: AppointmentReported, known: AppointmentReported
) -> AppointmentReported:
    """A change names all resources of the kinds that it names, or, told as changes, only those that change.

    What people are shown of places and practitioners follows; what was shown of a resource that is taken off goes.
    """
    if not (told.resources or told.taken_off):
        return replace(filled, taken_off=(), partial=False)
    gone = {(r.kind, r.code) for r in (*told.taken_off, *told.resources)}
    kinds = set() if told.partial else {r.kind for r in told.resources}
    others = tuple(r for r in known.resources if (r.kind, r.code) not in gone and r.kind not in kinds)
    joined = replace(filled, resources=(*others, *told.resources), taken_off=(), partial=False)
    off = {r.kind for r in told.taken_off}
    places, people = joined.named(ResourceKind.PLACE), joined.named(ResourceKind.PERSON)
    if places or ResourceKind.PLACE in off:
        joined = replace(
            joined,
            location=next((r.text for r in places), told.location),
            unit=next((r.code for r in places if r.code), told.unit or filled.unit),
        )
    if people or ResourceKind.PERSON in off:
        joined = replace(joined, practitioner=", ".join(dict.fromkeys(r.text for r in people if r.text)))
    return joined


def _joined(*several: tuple[Identifier, ...]) -> tuple[Identifier, ...]:
    return tuple(dict.fromkeys(key for keys in several for key in keys))


def _with_other_lines(fact: ResultReported, known: ResultReported) -> ResultReported:
    """A laboratory sends lines as they are ready, and a correction with the corrected line alone.

    A line is (OBX-3, OBX-4) of its report; withdrawing the report without naming lines withdraws them all. Who asked
    for the report stays known.
    """
    told = {(o.code, o.sub_id) for o in fact.observations}
    fact = _standing(fact, known)
    others = tuple(o for o in known.observations if (o.code, o.sub_id) not in told)
    withdrawn = fact.status is ResultStatus.WITHDRAWN
    if not others or (withdrawn and not told):
        return fact
    live = [o for o in others if o.status is not ResultStatus.WITHDRAWN]
    abnormality = graver([fact.abnormality, *(o.abnormality for o in live)]) if told else known.abnormality
    return replace(
        fact,
        observations=(*others, *fact.observations),
        status=ResultStatus.CORRECTED if withdrawn and live else fact.status,
        abnormality=abnormality,
        priority=Priority.STAT if abnormality is Abnormality.CRITICAL else fact.priority,
    )


def _standing(fact: ResultReported, known: ResultReported) -> ResultReported:
    """A line made final without being sent again keeps its value (table 0085, U); what a report leaves unsaid stays."""
    before = {(o.code, o.sub_id): o for o in known.observations}
    lines = tuple(_line_standing(o, before.get((o.code, o.sub_id))) for o in fact.observations)
    unsaid = {n: getattr(known, n) for n in _OF_ORDER if not getattr(fact, n)}
    if lines != fact.observations:
        live = [o for o in lines if o.status is not ResultStatus.WITHDRAWN]
        unsaid["abnormality"] = abnormality = graver(o.abnormality for o in live)
        unsaid["priority"] = Priority.STAT if abnormality is Abnormality.CRITICAL else fact.priority
    return replace(fact, observations=lines, **unsaid) if unsaid else fact


_OF_ORDER = ("ordering_unit", "requester", "location", "stay_unit", "specimen")


def _line_standing(line: Observation, known: Observation | None) -> Observation:
    if not line.stands or known is None:
        return line
    return replace(known, status=line.status, notes=line.notes or known.notes)
