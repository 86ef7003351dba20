"""The discharge letter (lettre de liaison): expected of every stay that ends, the same day (CSP R1112-1-2).

An in-patient's discharge (A03) lets it be expected, its cancellation (A13) takes that back, and the signed document
(LOINC 11490-0) ends it, whichever of the two comes first.
"""

from dataclasses import replace
from datetime import timedelta

from gateway.act import Act
from gateway.demand import LOOP_TITLES
from gateway.dispatch import dispatch
from gateway.facts import DISCHARGE_LETTER, DocumentAct, DocumentReported, VisitReported, VisitState
from gateway.focus import EndedStay, Focus, FocusKind, Letter, Letters, letters_key
from gateway.told import NEVER

MOST = 20
"""Stays and letters of one patient that are kept; older ones are no more asked for."""

LATE = timedelta(days=30)
"""A discharge that is told so long after it happened is history: nobody waits for its letter."""

_IN_PATIENT = "I"
"""PV1-2."""


def follow_letters(act: Act, after: Focus) -> None:
    """Let the letters that are expected of a patient follow what has become of a stay or a document."""
    known = _known(act, after.identity)
    letters = _content(known)
    match after.fact:
        case VisitReported() as stay:
            others = tuple(s for s in letters.stays if s.stay != after.id)
            ended = _ended(act, after, stay)
            _keep(act, known, after, replace(letters, stays=(*others, *ended)[-MOST:]))
        case DocumentReported(type_code=code) as document if code == DISCHARGE_LETTER:
            others_ = tuple(w for w in letters.written if w.document != after.id)
            written = _written(act, after, document, letters)
            _keep(act, known, after, replace(letters, written=(*others_, *written)[-MOST:]))


def forget_stay(act: Act, moved: Focus) -> None:
    """Let no letter be expected any more, of the patient whose it was, of a stay that is another's."""
    known = _known(act, moved.identity)
    letters = _content(known)
    _keep(act, known, moved, replace(letters, stays=tuple(s for s in letters.stays if s.stay != moved.id)))


def _known(act: Act, identity: str) -> Focus | None:
    """Give what is known of the letters of a record's person."""
    members = act.state.family_of(act.state.person_of(identity))
    found = act.state.foci_with(FocusKind.LETTERS, (letters_key(member.id) for member in members))
    return next(iter(found), None)


def _content(known: Focus | None) -> Letters:
    return known.fact if known is not None and isinstance(known.fact, Letters) else Letters()


def _ended(act: Act, focus: Focus, stay: VisitReported) -> tuple[EndedStay, ...]:
    """Give the end of a stay of which a letter is expected; nothing of another."""
    told_at = act.received_at or act.now
    left_at = stay.moved_at or stay.start or told_at
    ended = stay.state is VisitState.DISCHARGED and not stay.historic and stay.patient_class == _IN_PATIENT
    if not ended or left_at < told_at - LATE:
        return ()
    return (EndedStay(focus.id, left_at, stay.unit, stay.location, stay.patient_class),)


def _written(act: Act, focus: Focus, document: DocumentReported, before: Letters) -> tuple[Letter, ...]:
    """Give a letter that is signed and stands, with when it was first told; nothing of another."""
    if document.act is DocumentAct.WITHDRAW or document.completion in LOOP_TITLES:
        return ()
    first = next((w.at for w in before.written if w.document == focus.id), act.told_at or act.received_at or act.now)
    return (Letter(focus.id, first),)


def _keep(act: Act, known: Focus | None, about: Focus, letters: Letters) -> None:
    if letters == _content(known):
        return
    if known is None:
        told = NEVER.then(act.source.id, act.message, None)
        kept = Focus(act.new_id(), FocusKind.LETTERS, about.identity, 1, letters, act.message, told, act.now)
    else:
        kept = replace(known, fact=letters, version=known.version + 1, message=act.message, updated_at=act.now)
    act.state.put_focus(kept, (letters_key(kept.identity),))
    dispatch(act, known, kept)
