"""Where a department and admissions do not say the same of a patient (RNIV 1, EXI SI 28): an item for both sides.

Admissions is authoritative for identity traits; what a department holds otherwise is to be put right by whichever is
wrong. A difference is told once, whatever the number of messages that show it, and closes by itself when the values
agree again. Hyphens, apostrophes, accents, case, and what only says less, are no difference. What a department sent is
kept beside the record for whoever may compare: items name traits, never values.
"""

from collections.abc import Iterator
from dataclasses import replace

from gateway.act import Act
from gateway.audit import AuditAction
from gateway.differences import differences
from gateway.facts import IdentifierKind, Patient
from gateway.focus import Discrepancies, Discrepancy, Focus, FocusKind, discrepancy_key
from gateway.identity import Identity, apart, survivorship
from gateway.site import Site, SourceRole
from gateway.state import State
from gateway.told import NEVER


def note(act: Act, patient: Patient, identity: Identity) -> None:
    """Let both sides know what a department tells otherwise than admissions, or that it no longer does.

    Args:
        act: the department's message.
        patient: the patient as it shows them.
        identity: the record that its facts belong to: admissions' own, one linked to it, or one of a doubt about it.

    """
    held = _held(act.state, identity)
    if held is None:
        return
    differs = tuple(differences(held.patient, patient).items())
    known = next(iter(act.state.foci_with(FocusKind.DISCREPANCY, (discrepancy_key(held.id),))), None)
    before = known.fact.found if known is not None and isinstance(known.fact, Discrepancies) else ()
    own = next((d for d in before if d.source == act.source.id), None)
    if own is None and not differs:
        return
    if known is not None and known.told.makes_stale(act.source.id, act.message, act.told_at, act.claimed_at):
        return
    found = tuple(d for d in before if d.source != act.source.id)
    if differs:
        found = (*found, Discrepancy(act.source.id, identity.id, _kept(patient), differs))
    told = (known.told if known else NEVER).then(act.source.id, act.message, act.told_at)
    empty = Focus(act.new_id(), FocusKind.DISCREPANCY, held.id, 0, None, act.message, told, act.now)
    _put(act, replace(known or empty, told=told, message=act.message), before, found)


def review(act: Act, person: str) -> None:
    """Let what admissions has changed of a person, or of who belongs to it, show in what differs."""
    for focus, found in _reviewed(act.state, person):
        _put(act, focus, _found(focus), found)


def reviewed(site: Site, state: State, person: str) -> list[tuple[Focus, Discrepancies]]:
    """Give the person's discrepancies, each as it is to be, but for those that are so already."""
    return [(focus, _told(site, state, focus, found)) for focus, found in _reviewed(state, person)]


def told_otherwise(state: State, identities: list[Identity]) -> list[Identity]:
    """Give, as records named after their source, what departments tell otherwise of records."""
    foci = state.foci_with(FocusKind.DISCREPANCY, (discrepancy_key(i.id) for i in identities))
    return [replace(state.identities[f.identity], id=d.source, patient=d.sent) for f in foci for d in _found(f)]


def _held(state: State, identity: Identity) -> Identity | None:
    """Give the record of admissions that a department's record is to agree with; None if there is none."""
    record = state.identity(identity.origin) if identity.origin is not None else identity
    if record is None:
        return None
    best = min(state.family_of(record.person), key=survivorship)
    return best if best.authoritative and not best.retired and not apart(identity, best) else None


def _kept(patient: Patient) -> Patient:
    """What is compared of a patient: traits, and the INS with its status."""
    return Patient(patient.of_kind(IdentifierKind.INS), patient.traits, patient.status)


def _found(focus: Focus) -> tuple[Discrepancy, ...]:
    return focus.fact.found if isinstance(focus.fact, Discrepancies) else ()


def _reviewed(state: State, person: str) -> Iterator[tuple[Focus, tuple[Discrepancy, ...]]]:
    family = state.family_of(person)
    for focus in state.foci_with(FocusKind.DISCREPANCY, (discrepancy_key(i.id) for i in family)):
        found = tuple(d for d in (_again(state, focus.identity, d) for d in _found(focus)) if d is not None)
        if found != _found(focus):
            yield focus, found


def _again(state: State, identity: str, told: Discrepancy) -> Discrepancy | None:
    """Give a discrepancy as it is with what is held by now; None if there is none any more."""
    record, held = state.identities.get(told.record), state.identities[identity]
    if record is not None and _held(state, record) != held:
        return None
    differs = tuple(differences(held.patient, told.sent).items())
    return replace(told, differs=differs) if differs else None


def _put(act: Act, focus: Focus, before: tuple[Discrepancy, ...], found: tuple[Discrepancy, ...]) -> None:
    fact = _told(act.site, act.state, focus, found)
    after = replace(focus, fact=fact, version=focus.version + 1, updated_at=act.now)
    known = act.state.foci.get(focus.id)
    if known is not None and known.fact == after.fact:
        return
    act.state.put_focus(after, (discrepancy_key(focus.identity),))
    if [d.differs for d in before] != [d.differs for d in found]:
        action = AuditAction.IDENTITY_DIFFERS if found else AuditAction.IDENTITY_AGREES
        patients = tuple(dict.fromkeys((focus.identity, *(d.record for d in found))))
        act.record(action, patients=patients, traits=",".join(fact.traits), sources=",".join(d.source for d in found))


def _told(site: Site, state: State, focus: Focus, found: tuple[Discrepancy, ...]) -> Discrepancies:
    held = state.identities[focus.identity]
    return Discrepancies(found, tuple(dict.fromkeys(s for d in found for s in _sides(site, held, d))))


def _sides(site: Site, held: Identity, discrepancy: Discrepancy) -> Iterator[str]:
    """Name the secretariats of both sides; the identity desk for a side that names none.

    Where traits contradict each other a question stands on the identity desk's queue already.
    """
    department = next((s.secretariat for s in site.sources if s.id == discrepancy.source), "")
    vouching = (s for s in site.sources if s.role is SourceRole.ADMISSIONS and s.authority == held.key.authority)
    admissions = next((s.secretariat for s in vouching), "")
    for secretariat in (department or site.identity_desk, admissions or site.identity_desk):
        if not discrepancy.doubted or secretariat != site.identity_desk:
            yield secretariat
