"""What a message leaves unsaid about a known object stays as it was (HL7 2.5.1 §2.5.3: an empty field is unchanged)."""

from dataclasses import fields, replace

from gateway.facts import (
    Abnormality,
    AppointmentAct,
    AppointmentReported,
    DocumentAct,
    DocumentReported,
    Priority,
    ResultReported,
    ResultStatus,
    graver,
)
from gateway.focus import ObjectFact, Question


def completed(fact: ObjectFact, known: ObjectFact | Question | None) -> ObjectFact:
    """Give the fact with what is known of its object where it says nothing.

    A change or cancellation of an appointment and a change of a document's status tell only what they change; a result
    is told line by line. Every other fact tells its object whole.
    """
    match fact, known:
        case AppointmentReported(act=AppointmentAct.CHANGE | AppointmentAct.CANCEL), AppointmentReported():
            return _filled(fact, known)
        case DocumentReported(act=DocumentAct.STATUS), DocumentReported():
            return _filled(fact, known)
        case ResultReported(), ResultReported():
            return _with_other_lines(fact, known)
        case _:
            return fact


def _filled(fact: ObjectFact, known: ObjectFact) -> ObjectFact:
    empty = {f.name: getattr(known, f.name) for f in fields(fact) if getattr(fact, f.name) in ("", None, 0)}
    return replace(fact, **empty)


def _with_other_lines(fact: ResultReported, known: ResultReported) -> ResultReported:
    """A laboratory sends lines as they are ready, and a correction with the corrected line alone.

    A line is (OBX-3, OBX-4) of its report; withdrawing the report without naming lines withdraws them all.
    """
    told = {(o.code, o.sub_id) for o in fact.observations}
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
