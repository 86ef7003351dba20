"""Which identity a message is about: exact matches only; any doubt is a new provisional record and a question.

RNIV 1 §4.9: if the receiver cannot be sure that both are the same person, a new identity must be created. Doubt never
delays: the facts are delivered on the provisional record at once.
"""

from collections.abc import Iterable
from dataclasses import replace
from uuid import NAMESPACE_OID, uuid5

from gateway.act import Act
from gateway.audit import AuditAction
from gateway.errors import FieldMissing, MessageIncoherent
from gateway.facts import Identifier, IdentifierKind, Patient, PatientMerged
from gateway.focus import Doubt, Focus, FocusKind, Question, question_key
from gateway.identity import Identity, contradictions, normalise, qualified_ins
from gateway.site import SourceRole

PROVISIONAL_AUTHORITY = "urn:secretariat-gateway:provisional"
"""Assigning authority of records that only this gateway knows; never emitted, and refused from a sender."""

GRAVE = 2
"""Admissions may correct one strict trait in any message; from two on it is more likely another person (COLP)."""


def provisional_key(key: Identifier, patient: Patient) -> Identifier:
    """Give the key of the record that holds what contradicts ``key``'s own record.

    It follows from the identifier and the strict traits: the same contradiction told again finds the same record.
    """
    traits = patient.traits
    names = map(normalise, (traits.birth_family_name, traits.first_given_name))
    told = "|".join((key.authority, key.value, *names, traits.birth_date, traits.sex, traits.birth_place_code))
    return Identifier(PROVISIONAL_AUTHORITY, str(uuid5(NAMESPACE_OID, told)))


def primary_identifier(act: Act, patient: Patient) -> Identifier:
    """Give the identifier to find the patient by: the admissions domain's if there is one, else the first.

    Raises:
        FieldMissing: the message has no patient identifier at all.
        MessageIncoherent: it claims an assigning authority that is ours.

    """
    candidates = patient.of_kind(IdentifierKind.PATIENT)
    if not candidates:
        raise FieldMissing("a patient identifier (PI) is needed", path="PID-3")
    if any(c.authority == PROVISIONAL_AUTHORITY for c in candidates):
        raise MessageIncoherent("this assigning authority is the gateway's own", path="PID-3")
    domains = {s.authority for s in act.site.sources if s.role is SourceRole.ADMISSIONS}
    return next((c for c in candidates if c.authority in domains), candidates[0])


def reconcile(act: Act, patient: Patient, *, correction: bool = False) -> Identity:
    """Give the identity that the message's facts belong to, made or changed as the rules say.

    Args:
        act: the message taking effect.
        patient: the patient as it shows them.
        correction: the message is meant to change traits (A31, A08, A47).

    """
    key = primary_identifier(act, patient)
    record = act.state.identity(key)
    vouched = act.source.role is SourceRole.ADMISSIONS and key.authority == act.source.authority
    if record is None:
        return _first_sight(act, patient, key, vouched=vouched)
    if vouched:
        return _told_by_admissions(act, patient, record, correction=correction)
    return _told_by_department(act, patient, record, correction=correction)


def _first_sight(act: Act, patient: Patient, key: Identifier, *, vouched: bool) -> Identity:
    linked = _linked_by_ins(act, patient) or _linked_by_other_identifier(act, patient, key)
    identity = _create(act, patient, key, person=linked.person if linked else act.new_id(), vouched=vouched)
    if linked is not None:
        act.record(AuditAction.IDENTITY_LINKED, patients=(identity.id, linked.id), by=_link_rule(linked, patient))
        if vouched:
            _answer(act, linked)
        return identity
    if holder := _contradicted_holder(act, patient):
        traits = contradictions(holder.patient.traits, patient.traits)
        _ask(act, identity, Question(Doubt.INS_COLLISION, holder.id, traits))
    elif not vouched:
        _ask(act, identity, Question(Doubt.UNKNOWN))
    return identity


def _link_rule(linked: Identity, patient: Patient) -> str:
    return "qualified-ins" if linked.ins and linked.ins == qualified_ins(patient) else "identifier"


def _linked_by_ins(act: Act, patient: Patient) -> Identity | None:
    """INS joins only when both sides are qualifiée and no strict trait contradicts (RNIV 1, EXI SI 08)."""
    ins = qualified_ins(patient)
    holders = act.state.identities_with(ins) if ins else []
    if any(contradictions(h.patient.traits, patient.traits) for h in holders):
        return None
    return _one_person(h for h in holders if not h.retired)


def _contradicted_holder(act: Act, patient: Patient) -> Identity | None:
    ins = qualified_ins(patient)
    holders = act.state.identities_with(ins) if ins else []
    return next((h for h in holders if contradictions(h.patient.traits, patient.traits)), None)


def _linked_by_other_identifier(act: Act, patient: Patient, key: Identifier) -> Identity | None:
    """A further identifier of the same message that is already known, by its own source's word, joins."""
    others = (act.state.identity(i) for i in patient.of_kind(IdentifierKind.PATIENT) if i != key)
    known = [o for o in others if o is not None and not contradictions(o.patient.traits, patient.traits)]
    # Two records that admissions vouches for in one domain are for admissions alone to merge (EXI SI 37).
    return _one_person(o for o in known if o.key.authority != key.authority)


def _one_person(identities: Iterable[Identity]) -> Identity | None:
    found = list(identities)
    return found[0] if len({i.person for i in found}) == 1 else None


def _create(act: Act, patient: Patient, key: Identifier, *, person: str, vouched: bool) -> Identity:
    identity = Identity(act.new_id(), key, person, act.source.id, vouched, patient, told_at=act.told_at)
    act.state.put_identity(identity)
    act.record(AuditAction.IDENTITY_CREATED, patients=(identity.id,), vouched=vouched, status=patient.status)
    return identity


def _told_by_admissions(act: Act, patient: Patient, record: Identity, *, correction: bool) -> Identity:
    contradicted = contradictions(record.patient.traits, patient.traits)
    if not record.authoritative:
        return _admitted_after_all(act, patient, record, contradicted)
    if _stale(act, record):
        act.count("stale")
        act.record(AuditAction.FACT_STALE, patients=(record.id,))
        return record
    if not correction and len(contradicted) >= GRAVE:
        return _doubt(act, patient, record, contradicted)
    return _update(act, patient, record, contradicted)


def _admitted_after_all(act: Act, patient: Patient, record: Identity, contradicted: tuple[str, ...]) -> Identity:
    """What departments sent before the admission: confirmed if it agrees, set aside as a collision if it does not."""
    if not contradicted:
        confirmed = replace(record, patient=patient, authoritative=True, source=act.source.id, told_at=act.told_at)
        act.state.put_identity(confirmed)
        act.record(AuditAction.IDENTITY_CONFIRMED, patients=(record.id,))
        _answer(act, record)
        return confirmed
    aside = replace(record, key=provisional_key(record.key, record.patient))
    act.state.put_identity(aside)
    identity = _create(act, patient, record.key, person=act.new_id(), vouched=True)
    _ask(act, aside, Question(Doubt.COLLISION, identity.id, contradicted))
    return identity


def _told_by_department(act: Act, patient: Patient, record: Identity, *, correction: bool) -> Identity:
    own_correction = correction and record.source == act.source.id and not record.authoritative
    contradicted = contradictions(record.patient.traits, patient.traits)
    if contradicted and not own_correction:
        return _doubt(act, patient, record, contradicted)
    if _several_people(act, patient, record):
        return _doubt(act, patient, record, (), Doubt.SEVERAL)
    if own_correction and not _stale(act, record):
        return _update(act, patient, record, contradicted)
    _matched(act, record)
    return record


def _matched(act: Act, record: Identity) -> None:
    """Say once a message that an identity was recognised, however many of its facts are about it."""
    if all(e.action is not AuditAction.IDENTITY_MATCHED or e.patients != (record.id,) for e in act.events):
        act.record(AuditAction.IDENTITY_MATCHED, patients=(record.id,), retired=record.retired)


def _several_people(act: Act, patient: Patient, record: Identity) -> bool:
    known = (act.state.identity(i) for i in patient.of_kind(IdentifierKind.PATIENT))
    return any(k is not None and k.person != record.person for k in known)


def _stale(act: Act, record: Identity) -> bool:
    same_source = record.source == act.source.id
    return same_source and bool(act.told_at and record.told_at and act.told_at < record.told_at)


def _update(act: Act, patient: Patient, record: Identity, changed: tuple[str, ...]) -> Identity:
    updated = replace(record, patient=patient, source=act.source.id, told_at=act.told_at or record.told_at)
    if replace(updated, told_at=record.told_at) == record:
        act.state.put_identity(updated)
        _matched(act, record)
        return updated
    act.state.put_identity(updated)
    act.record(AuditAction.IDENTITY_UPDATED, patients=(record.id,), corrected=",".join(changed))
    return updated


def _doubt(
    act: Act, patient: Patient, record: Identity, contradicted: tuple[str, ...], doubt: Doubt = Doubt.COLLISION
) -> Identity:
    key = provisional_key(record.key, patient)
    identity = act.state.identity(key)
    if identity is None:
        identity = _create(act, patient, key, person=act.new_id(), vouched=False)
    _ask(act, identity, Question(doubt, record.id, contradicted))
    return identity


def _ask(act: Act, identity: Identity, question: Question) -> None:
    known = act.state.focus(FocusKind.QUESTION, (question_key(identity.id),))
    if known is not None and known.fact == question:
        return
    focus = Focus(
        id=known.id if known else act.new_id(),
        kind=FocusKind.QUESTION,
        identity=identity.id,
        version=known.version + 1 if known else 1,
        fact=question,
        told_at=act.told_at,
        source=act.source.id,
        message=act.message,
        updated_at=act.now,
    )
    act.state.put_focus(focus, (question_key(identity.id),))
    patients = (identity.id, question.other) if question.other else (identity.id,)
    act.record(AuditAction.IDENTITY_DOUBTED, patients=patients, doubt=question.doubt, traits=",".join(question.traits))


def _answer(act: Act, identity: Identity) -> None:
    known = act.state.focus(FocusKind.QUESTION, (question_key(identity.id),))
    if known is None or not isinstance(known.fact, Question) or known.fact.doubt is not Doubt.UNKNOWN:
        return
    answered = replace(known.fact, answered=True)
    act.state.put_focus(
        replace(known, fact=answered, version=known.version + 1, message=act.message, updated_at=act.now), ()
    )


def merge(act: Act, fact: PatientMerged) -> Identity:
    """Follow a merge by admissions: the retired record's person becomes the survivor's, with all that belongs to it.

    Nothing else is rewritten, so that the audit event's list of moved identities is enough to undo it. A merge that
    another source asks for is a question (RNIV 1, EXI SI 36 / 37).
    """
    survivor = reconcile(act, fact.patient)
    retired = act.state.identity(fact.retired)
    if act.source.role is not SourceRole.ADMISSIONS:
        _ask(act, survivor, Question(Doubt.MERGE_REFUSED, retired.id if retired else ""))
        return survivor
    if fact.retired == survivor.key:
        return survivor
    if retired is None:
        patient = Patient((fact.retired,), fact.patient.traits)
        retired = _create(act, patient, fact.retired, person=survivor.person, vouched=True)
    _move_together(act, survivor, retired)
    return survivor


def _move_together(act: Act, survivor: Identity, retired: Identity) -> None:
    former = retired.person
    moved = sorted(act.state.members[former])
    for each in map(act.state.identities.__getitem__, moved):
        gone = each.retired or each.id == retired.id
        act.state.put_identity(replace(each, person=survivor.person, retired=gone))
    act.record(
        AuditAction.IDENTITY_MERGED,
        patients=(survivor.id, *moved),
        former_person=former,
        person=survivor.person,
        retired=retired.id,
    )
