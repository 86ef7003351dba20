"""Which identity a message is about: by exact rules, then by likeness; any doubt is a new record and a question.

RNIV 1 §4.9: if the receiver cannot be sure that both are the same person, a new identity must be created. Doubt never
delays: the facts are delivered on the provisional record at once.
"""

from collections.abc import Sequence
from dataclasses import replace

from gateway.act import Act
from gateway.asking import answer, ask, ask_about_family, ask_about_ins, open_question, put_question
from gateway.audit import AuditAction
from gateway.discrepancy import note, review
from gateway.facts import NO_PROOF, Identifier, IdentifierChange, IdentifierKind, Patient
from gateway.focus import BY_LIKENESS, Doubt, Question
from gateway.identity import (
    STATUS_ORDER,
    Identity,
    apart,
    corrected_by,
    disagreements,
    qualified_ins,
    settled,
    told_with,
    unqualified,
)
from gateway.naming import PROVISIONAL_AUTHORITY, primary_identifier, vouches
from gateway.provenance import Trace, traced
from gateway.recognition import Newcomer, recognise
from gateway.request import end_flag_requests
from gateway.told import NEVER


def reconcile(
    act: Act, patient: Patient, *, correction: bool = False, change: IdentifierChange | None = None
) -> Identity:
    """Give the identity that the message's facts belong to, made or changed as the rules say.

    Args:
        act: the message taking effect.
        patient: the patient as it shows them.
        correction: the message is meant to change traits (A31, A08, A47).
        change: what it is meant to do to the identifiers (A47).

    """
    key = primary_identifier(act, patient)
    vouched = vouches(act, key)
    identity = _found_or_made(act, patient, key, vouched=vouched, correction=correction)
    if change is not None and identity.change is not change and identity.told.message == act.message:
        identity = replace(identity, change=change)
        act.state.put_identity(identity)
    if vouched:
        review(act, identity.person)
    else:
        note(act, patient, identity)
    return identity


def _found_or_made(act: Act, patient: Patient, key: Identifier, *, vouched: bool, correction: bool) -> Identity:
    record = act.state.identity(key)
    if record is None:
        return _first_sight(act, patient, key, vouched=vouched)
    if vouched:
        return _told_by_admissions(act, patient, record, correction=correction)
    return _told_by_department(act, patient, record, correction=correction)


# -- a key that is not known yet ---------------------------------------------------------------------------------------


def _first_sight(act: Act, patient: Patient, key: Identifier, *, vouched: bool) -> Identity:
    linked, named = _linked(act, patient, key), _known(act, patient)
    person = linked.person if linked else ""
    like = recognise(act, Newcomer(patient, key, vouched, act.source.id, person=person, named=named))
    alike = like.link if linked is None else None
    joined = linked or alike
    identity = create(act, patient, key, person=joined.person if joined else act.new_id(), vouched=vouched)
    if linked is not None:
        act.record(AuditAction.IDENTITY_LINKED, patients=(identity.id, linked.id), by=_link_rule(linked, patient))
        if vouched:
            answer(act, identity.person)
    elif alike is not None and like.question is not None:
        _note_link(act, identity, like.question)
    if ask_about_ins(act, identity):
        return identity
    strangers = [k for k in named if k.person != identity.person]
    if strangers:
        traits = disagreements(strangers[0].patient, patient)
        ask(act, identity, Question(Doubt.SEVERAL, strangers[0].id, traits))
    elif like.question is not None and alike is None:
        ask(act, identity, like.question)
    elif not vouched and joined is None:
        ask(act, identity, Question(Doubt.UNKNOWN))
    return identity


def _note_link(act: Act, identity: Identity, known: Question) -> None:
    """Keep why a record was linked by score; nobody need ask any more who the people of the person are."""
    put_question(act, identity, known)
    score = known.evidence.candidates[0].score if known.evidence else 0.0
    version = known.evidence.version if known.evidence else ""
    patients = (identity.id, known.other)
    act.record(AuditAction.IDENTITY_LINKED, patients=patients, by="score", model=version, score=f"{score:.1f}")
    answer(act, identity.person)


def _compare_anew(act: Act, record: Identity, before: Identity) -> Identity:
    """Let a provisional record that has learnt traits be compared again."""
    same = record.patient.traits == before.patient.traits and record.ins == before.ins
    return record if same or record.authoritative else _compare(act, record)


def _compare(act: Act, record: Identity) -> Identity:
    """Let a stored record be compared, unless something else is asked of it; give it, linked if it is."""
    asked = open_question(act, record)[1]
    other_doubt = asked is not None and asked.doubt not in BY_LIKENESS | {Doubt.UNKNOWN}
    if other_doubt or record.retired or record.origin is not None:
        return record
    newcomer = Newcomer(record.patient, record.key, record.authoritative, act.source.id, record, record.person)
    like = recognise(act, newcomer)
    if like.question is None:
        return record
    if like.link is None:
        ask(act, record, like.question)
        return record
    linked = replace(record, person=like.link.person)
    act.state.put_identity(linked)
    _note_link(act, linked, like.question)
    return linked


def _known(act: Act, patient: Patient) -> list[Identity]:
    """The records that the message's patient identifiers name."""
    found = (act.state.identity(i) for i in patient.of_kind(IdentifierKind.PATIENT))
    return [f for f in found if f is not None]


def _linked(act: Act, patient: Patient, key: Identifier) -> Identity | None:
    """Give the record to whose person a new one belongs: by INS, else by a further identifier of the same message.

    What names two records of which people decided that they are not one person joins nobody.
    """
    ins = qualified_ins(patient)
    holders, known = act.state.identities_with(ins) if ins else [], _known(act, patient)
    named = [m for n in (*holders, *known) for m in act.state.family_of(n.person)]
    if any(one.frozen or apart(one, other) for one in named for other in named):
        return None
    return _one_person(act, patient, key, holders) or _one_person(act, patient, key, known)


def _one_person(act: Act, patient: Patient, key: Identifier, candidates: Sequence[Identity]) -> Identity | None:
    """The first candidate, if all are of one person whom nothing keeps the new record from.

    Two numbers of one domain are never joined by us: that is for admissions (RNIV 1, EXI SI 37). No record of the
    person may contradict the message.
    """
    if len({c.person for c in candidates}) != 1:
        return None
    family = act.state.family_of(candidates[0].person)
    same_domain = any(in_force(m, key.authority) for m in family)
    unlike = any(disagreements(m.patient, patient) for m in family if not m.retired)
    return None if same_domain or unlike else candidates[0]


def in_force(identity: Identity, authority: str) -> bool:
    """Whether a record is a number of a domain that admissions has not retired."""
    return identity.key.authority == authority and not identity.retired


def _link_rule(linked: Identity, patient: Patient) -> str:
    return "qualified-ins" if linked.ins and linked.ins == qualified_ins(patient) else "identifier"


def create(
    act: Act, patient: Patient, key: Identifier | None, *, person: str, vouched: bool, origin: Identifier | None = None
) -> Identity:
    """Make a record; one without a key of the outside world gets a key of ours."""
    new = act.new_id()
    told = NEVER.then(act.source.id, act.message, act.told_at)
    own = key or Identifier(PROVISIONAL_AUTHORITY, new)
    traces = _traced(act, (), Patient(), patient)
    identity = Identity(new, own, person, told, vouched, patient, origin=origin, provenance=traces)
    act.state.put_identity(identity)
    act.record(AuditAction.IDENTITY_CREATED, patients=(identity.id,), vouched=vouched, status=patient.status)
    return identity


def _traced(act: Act, known: Sequence[Trace], held: Patient, told: Patient) -> tuple[Trace, ...]:
    """Give where the traits of a record come from once the message has taken effect on it."""
    return traced(known, held.traits, told.traits, act.source.id, act.message, act.told_at or act.now)


# -- a key that is known -----------------------------------------------------------------------------------------------


def contradicted_by(act: Act, patient: Patient, record: Identity) -> tuple[str, ...]:
    """The traits on which a message contradicts a record; a retired one may be told with its survivor's traits."""
    found = disagreements(record.patient, patient)
    if found and record.retired:
        survivor = act.state.persons[record.person]
        shown = Patient(survivor.identifiers, survivor.traits, survivor.status)
        return found if disagreements(shown, patient) else ()
    return found


def _told_by_admissions(act: Act, patient: Patient, record: Identity, *, correction: bool) -> Identity:
    contradicted = contradicted_by(act, patient, record)
    if not record.authoritative:
        return _admitted_after_all(act, patient, record, contradicted)
    if found_stale(act, record):
        return record
    if contradicted and (record.retired or not correction):  # a retired number is corrected to its survivor's traits
        return doubt_about(act, patient, record, contradicted)
    told = _corrected(patient, record.patient) if correction else _completed(patient, record.patient)
    updated = _update(act, told, record, contradicted)
    if updated.ins != record.ins and ask_about_ins(act, updated):
        return updated
    same = updated.patient.traits == record.patient.traits and updated.ins == record.ins
    return _compare(act, updated) if correction and not same else updated


def _corrected(patient: Patient, held: Patient) -> Patient:
    return _with_circumstances(replace(patient, traits=corrected_by(patient.traits, held.traits)), patient, held)


def _with_circumstances(told: Patient, patient: Patient, held: Patient) -> Patient:
    """What a message leaves unsaid beside the identity stays as it was, in a correction too (HL7 2.5.1 §2.5.3)."""
    corrected = held.birth_date_corrected if patient.birth_date_corrected is None else patient.birth_date_corrected
    kept = replace(
        told,
        deceased=held.deceased if patient.deceased is None else patient.deceased,
        mother=patient.mother or held.mother,
        lunar_birth_date=patient.lunar_birth_date or held.lunar_birth_date,
        sms_consent=held.sms_consent if patient.sms_consent is None else patient.sms_consent,
        gestation_weeks=patient.gestation_weeks or held.gestation_weeks,
        birth_date_corrected=corrected,
        proof=held.proof if patient.proof == NO_PROOF else patient.proof,
        national_record=patient.national_record or held.national_record,
        contact=patient.contact.over(held.contact),
        representatives=held.representatives if patient.representatives is None else patient.representatives,
    )
    return unqualified(kept) if corrected else kept


def _completed(patient: Patient, held: Patient) -> Patient:
    """What a message that is no correction adds to what is held: a field left empty is unchanged (HL7 2.5.1 §2.5.3).

    Such a message raises a status, and never lowers it or takes an INS or an attribute away: that is for A31 and A47.
    """
    traits = told_with(patient.traits, held.traits)
    lower = STATUS_ORDER.index(patient.status) > STATUS_ORDER.index(held.status)
    told = replace(
        held if lower else patient,
        traits=traits,
        attributes=held.attributes | patient.attributes,
        ins_left_out=held.ins_left_out or patient.ins_left_out,
    )
    kept = _with_circumstances(told, patient, held)
    return replace(kept, deceased=held.deceased or kept.deceased)


def _admitted_after_all(act: Act, patient: Patient, record: Identity, contradicted: tuple[str, ...]) -> Identity:
    """What departments sent before the admission: confirmed if it agrees, set aside as a collision if it does not."""
    told = record.told.then(act.source.id, act.message, act.told_at)
    if not contradicted:
        traces = _traced(act, record.provenance, record.patient, patient)
        confirmed = replace(record, patient=patient, authoritative=True, told=told, provenance=traces)
        act.state.put_identity(confirmed)
        act.record(AuditAction.IDENTITY_CONFIRMED, patients=(record.id,))
        answer(act, record.person)
        return confirmed if ask_about_ins(act, confirmed) else _compare(act, confirmed)
    aside = replace(record, key=Identifier(PROVISIONAL_AUTHORITY, record.id), origin=record.key)
    act.state.put_identity(aside)
    identity = create(act, patient, record.key, person=act.new_id(), vouched=True)
    ask(act, aside, Question(Doubt.COLLISION, identity.id, contradicted))
    return identity if ask_about_ins(act, identity) else _compare(act, identity)


def _told_by_department(act: Act, patient: Patient, record: Identity, *, correction: bool) -> Identity:
    own_correction = correction and record.told.source == act.source.id and not record.authoritative
    contradicted = contradicted_by(act, patient, record)
    if contradicted and not own_correction:
        return doubt_about(act, patient, record, contradicted)
    if _names_another(act, patient, record):
        return doubt_about(act, patient, record, (), Doubt.SEVERAL)
    if record.frozen:
        return doubt_about(act, patient, record, (), Doubt.FROZEN)
    if own_correction and not found_stale(act, record):
        updated = _update(act, _corrected(patient, record.patient), record, contradicted)
        return _compare_anew(act, updated, record)
    return _compare_anew(act, _recognised(act, patient, record), record)


def _names_another(act: Act, patient: Patient, record: Identity) -> bool:
    """Whether a further number of the message is another person's, or its INS is while admissions names this one."""
    if any(k.person != record.person and not settled(record, k) for k in _known(act, patient)):
        return True
    ins = qualified_ins(patient) if record.authoritative else None
    holders = {h.person for h in act.state.identities_with(ins) if not settled(record, h)} if ins else set()
    return bool(holders) and record.person not in holders


def _recognised(act: Act, patient: Patient, record: Identity) -> Identity:
    """Match a record; a provisional one learns what it lacks: traits, so that a contradiction is seen, and address.

    What admissions vouches for learns nothing from a department.
    """
    held = record.patient
    learnt = replace(
        held,
        traits=told_with(held.traits, patient.traits),
        contact=held.contact.over(patient.contact),
        representatives=patient.representatives if held.representatives is None else held.representatives,
    )
    if record.authoritative or learnt == held:
        _matched(act, record)
        return record
    traces = _traced(act, record.provenance, held, learnt)
    learned = replace(record, patient=learnt, provenance=traces)
    act.state.put_identity(learned)
    act.record(AuditAction.IDENTITY_UPDATED, patients=(record.id,), corrected="")
    return learned


def found_stale(act: Act, record: Identity) -> bool:
    """Whether the message is older than what its source told of a record since; it is counted and audited if so."""
    stale = record.told.makes_stale(act.source.id, act.message, act.told_at, act.claimed_at)
    if stale:
        act.count("stale")
        act.record(AuditAction.FACT_STALE, patients=(record.id,))
    return stale


def _matched(act: Act, record: Identity) -> None:
    """Say once a message that an identity was recognised, however many of its facts are about it."""
    if all(e.action is not AuditAction.IDENTITY_MATCHED or e.patients != (record.id,) for e in act.events):
        act.record(AuditAction.IDENTITY_MATCHED, patients=(record.id,), retired=record.retired)


def _update(act: Act, patient: Patient, record: Identity, changed: tuple[str, ...]) -> Identity:
    told = record.told.then(act.source.id, act.message, act.told_at)
    traces = _traced(act, record.provenance, record.patient, patient)
    updated = replace(record, patient=patient, told=told, provenance=traces)
    act.state.put_identity(updated)
    if patient == record.patient:
        _matched(act, record)
    else:
        act.record(AuditAction.IDENTITY_UPDATED, patients=(record.id,), corrected=",".join(changed))
        ask_about_family(act, updated)
    return end_flag_requests(act, updated)


# -- doubt -------------------------------------------------------------------------------------------------------------


def doubt_about(
    act: Act, patient: Patient, record: Identity, contradicted: tuple[str, ...], doubt: Doubt = Doubt.COLLISION
) -> Identity:
    """Give the provisional record for what does not fit a record; the same told again finds the same."""
    alike = (d for d in act.state.doubts_about(record.key) if not disagreements(d.patient, patient))
    known = next(alike, None)
    if known is not None:
        identity = _recognised(act, patient, known)
    else:
        identity = create(act, patient, None, person=act.new_id(), vouched=False, origin=record.key)
    ask(act, identity, Question(doubt, record.id, contradicted))
    return identity
