"""Which identity a message is about: by exact rules, then by likeness; any doubt is a new record and a question.

RNIV 1 §4.9: if the receiver cannot be sure that both are the same person, a new identity must be created. Doubt never
delays: the facts are delivered on the provisional record at once.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from gateway.act import Act
from gateway.audit import AuditAction
from gateway.discrepancy import note, review
from gateway.errors import FieldMissing, MessageIncoherent, PersonNeeded
from gateway.facts import NO_PROOF, Identifier, IdentifierKind, Patient, PatientMerged, PatientsLinked
from gateway.focus import BY_LIKENESS, Doubt, Focus, FocusKind, Question, question_key
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
from gateway.recognition import Newcomer, recognise
from gateway.request import end_flag_requests, end_merge_requests
from gateway.site import SourceRole
from gateway.told import NEVER

PROVISIONAL_AUTHORITY = "urn:secretariat-gateway:provisional"
"""Assigning authority of records that only this gateway knows; never emitted, and refused from a sender."""


def primary_identifier(act: Act, patient: Patient) -> Identifier:
    """Give the identifier to find the patient by: the admissions domain's if there is one, else the first.

    An INS alone is a number in a domain of its own: it finds that domain's record, and joins only as an INS does.

    Raises:
        FieldMissing: the message has no patient identifier at all.
        MessageIncoherent: it claims an assigning authority that is ours.

    """
    found = primary_of(patient, act.site.admissions_domains)
    if found is None:
        raise FieldMissing("a patient identifier (PI) or an INS is needed", path="PID-3")
    for candidate in _naming(patient):
        _refuse_ours(candidate, "PID-3")
    return found


def _naming(patient: Patient) -> tuple[Identifier, ...]:
    """The identifiers that a patient may be found by."""
    return patient.of_kind(IdentifierKind.PATIENT) or patient.of_kind(IdentifierKind.INS)


def primary_of(patient: Patient, domains: Collection[str]) -> Identifier | None:
    """Give the identifier to find a patient by, one of the domains of admissions if there is one; None if none."""
    candidates = _naming(patient)
    return next((c for c in candidates if c.authority in domains), next(iter(candidates), None))


def _refuse_ours(identifier: Identifier, path: str) -> None:
    if identifier.authority == PROVISIONAL_AUTHORITY:
        raise MessageIncoherent("this assigning authority is the gateway's own", path=path)


def reconcile(act: Act, patient: Patient, *, correction: bool = False) -> Identity:
    """Give the identity that the message's facts belong to, made or changed as the rules say.

    Args:
        act: the message taking effect.
        patient: the patient as it shows them.
        correction: the message is meant to change traits (A31, A08, A47).

    """
    key = primary_identifier(act, patient)
    vouched = _vouches(act, key)
    identity = _found_or_made(act, patient, key, vouched=vouched, correction=correction)
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


def _vouches(act: Act, key: Identifier) -> bool:
    return act.source.role is SourceRole.ADMISSIONS and key.authority == act.source.authority


# -- a key that is not known yet ---------------------------------------------------------------------------------------


def _first_sight(act: Act, patient: Patient, key: Identifier, *, vouched: bool) -> Identity:
    linked, named = _linked(act, patient, key), _known(act, patient)
    person = linked.person if linked else ""
    like = recognise(act, Newcomer(patient, key, vouched, act.source.id, person=person, named=named))
    alike = like.link if linked is None else None
    joined = linked or alike
    identity = _create(act, patient, key, person=joined.person if joined else act.new_id(), vouched=vouched)
    if linked is not None:
        act.record(AuditAction.IDENTITY_LINKED, patients=(identity.id, linked.id), by=_link_rule(linked, patient))
        if vouched:
            _answer(act, identity.person)
    elif alike is not None and like.question is not None:
        _note_link(act, identity, like.question)
    if _ask_about_ins(act, identity):
        return identity
    strangers = [k for k in named if k.person != identity.person]
    if strangers:
        traits = disagreements(strangers[0].patient, patient)
        _ask(act, identity, Question(Doubt.SEVERAL, strangers[0].id, traits))
    elif like.question is not None and alike is None:
        _ask(act, identity, like.question)
    elif not vouched and joined is None:
        _ask(act, identity, Question(Doubt.UNKNOWN))
    return identity


def _note_link(act: Act, identity: Identity, known: Question) -> None:
    """Keep why a record was linked by score; nobody need ask any more who the people of the person are."""
    _put_question(act, identity, known)
    score = known.evidence.candidates[0].score if known.evidence else 0.0
    version = known.evidence.version if known.evidence else ""
    patients = (identity.id, known.other)
    act.record(AuditAction.IDENTITY_LINKED, patients=patients, by="score", model=version, score=f"{score:.1f}")
    _answer(act, identity.person)


def _compare_anew(act: Act, record: Identity, before: Identity) -> Identity:
    """Let a provisional record that has learnt traits be compared again."""
    same = record.patient.traits == before.patient.traits and record.ins == before.ins
    return record if same or record.authoritative else _compare(act, record)


def _compare(act: Act, record: Identity) -> Identity:
    """Let a stored record be compared, unless something else is asked of it; give it, linked if it is."""
    asked = _open_question(act, record)[1]
    other_doubt = asked is not None and asked.doubt not in BY_LIKENESS | {Doubt.UNKNOWN}
    if other_doubt or record.retired or record.origin is not None:
        return record
    newcomer = Newcomer(record.patient, record.key, record.authoritative, act.source.id, record, record.person)
    like = recognise(act, newcomer)
    if like.question is None:
        return record
    if like.link is None:
        _ask(act, record, like.question)
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
    same_domain = any(_in_force(m, key.authority) for m in family)
    unlike = any(disagreements(m.patient, patient) for m in family if not m.retired)
    return None if same_domain or unlike else candidates[0]


def _in_force(identity: Identity, authority: str) -> bool:
    return identity.key.authority == authority and not identity.retired


def _link_rule(linked: Identity, patient: Patient) -> str:
    return "qualified-ins" if linked.ins and linked.ins == qualified_ins(patient) else "identifier"


def _create(
    act: Act, patient: Patient, key: Identifier | None, *, person: str, vouched: bool, origin: Identifier | None = None
) -> Identity:
    """Make a record; one without a key of the outside world gets a key of ours."""
    new = act.new_id()
    told = NEVER.then(act.source.id, act.message, act.told_at)
    own = key or Identifier(PROVISIONAL_AUTHORITY, new)
    identity = Identity(new, own, person, told, vouched, patient, origin=origin)
    act.state.put_identity(identity)
    act.record(AuditAction.IDENTITY_CREATED, patients=(identity.id,), vouched=vouched, status=patient.status)
    return identity


# -- a key that is known -----------------------------------------------------------------------------------------------


def _contradicted(act: Act, patient: Patient, record: Identity) -> tuple[str, ...]:
    """The traits on which a message contradicts a record; a retired one may be told with its survivor's traits."""
    found = disagreements(record.patient, patient)
    if found and record.retired:
        survivor = act.state.persons[record.person]
        shown = Patient(survivor.identifiers, survivor.traits, survivor.status)
        return found if disagreements(shown, patient) else ()
    return found


def _told_by_admissions(act: Act, patient: Patient, record: Identity, *, correction: bool) -> Identity:
    contradicted = _contradicted(act, patient, record)
    if not record.authoritative:
        return _admitted_after_all(act, patient, record, contradicted)
    if _stale(act, record):
        return record
    if contradicted and (record.retired or not correction):  # a retired number is corrected to its survivor's traits
        return _doubt(act, patient, record, contradicted)
    told = _corrected(patient, record.patient) if correction else _completed(patient, record.patient)
    updated = _update(act, told, record, contradicted)
    if updated.ins != record.ins:
        _ask_about_ins(act, updated)
    return updated


def _corrected(patient: Patient, held: Patient) -> Patient:
    return _with_circumstances(replace(patient, traits=corrected_by(patient.traits, held.traits)), patient, held)


def _with_circumstances(told: Patient, patient: Patient, held: Patient) -> Patient:
    """What a message leaves unsaid beside the identity stays as it was, in a correction too (HL7 2.5.1 §2.5.3)."""
    corrected = held.birth_date_corrected if patient.birth_date_corrected is None else patient.birth_date_corrected
    kept = replace(
        told,
        mother=patient.mother or held.mother,
        lunar_birth_date=patient.lunar_birth_date or held.lunar_birth_date,
        sms_consent=held.sms_consent if patient.sms_consent is None else patient.sms_consent,
        gestation_weeks=patient.gestation_weeks or held.gestation_weeks,
        birth_date_corrected=corrected,
        proof=held.proof if patient.proof == NO_PROOF else patient.proof,
        national_record=patient.national_record or held.national_record,
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
        deceased=held.deceased or patient.deceased,
    )
    return _with_circumstances(told, patient, held)


def _admitted_after_all(act: Act, patient: Patient, record: Identity, contradicted: tuple[str, ...]) -> Identity:
    """What departments sent before the admission: confirmed if it agrees, set aside as a collision if it does not."""
    told = record.told.then(act.source.id, act.message, act.told_at)
    if not contradicted:
        confirmed = replace(record, patient=patient, authoritative=True, told=told)
        act.state.put_identity(confirmed)
        act.record(AuditAction.IDENTITY_CONFIRMED, patients=(record.id,))
        _answer(act, record.person)
        return confirmed if _ask_about_ins(act, confirmed) else _compare(act, confirmed)
    aside = replace(record, key=Identifier(PROVISIONAL_AUTHORITY, record.id), origin=record.key)
    act.state.put_identity(aside)
    identity = _create(act, patient, record.key, person=act.new_id(), vouched=True)
    _ask(act, aside, Question(Doubt.COLLISION, identity.id, contradicted))
    return identity if _ask_about_ins(act, identity) else _compare(act, identity)


def _told_by_department(act: Act, patient: Patient, record: Identity, *, correction: bool) -> Identity:
    own_correction = correction and record.told.source == act.source.id and not record.authoritative
    contradicted = _contradicted(act, patient, record)
    if contradicted and not own_correction:
        return _doubt(act, patient, record, contradicted)
    if _names_another(act, patient, record):
        return _doubt(act, patient, record, (), Doubt.SEVERAL)
    if record.frozen:
        return _doubt(act, patient, record, (), Doubt.FROZEN)
    if own_correction and not _stale(act, record):
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
    """Match a record; a provisional one learns the traits it lacks, so that who contradicts them later is seen.

    What admissions vouches for learns nothing from a department.
    """
    traits = told_with(record.patient.traits, patient.traits)
    if record.authoritative or traits == record.patient.traits:
        _matched(act, record)
        return record
    learned = replace(record, patient=replace(record.patient, traits=traits))
    act.state.put_identity(learned)
    act.record(AuditAction.IDENTITY_UPDATED, patients=(record.id,), corrected="")
    return learned


def _stale(act: Act, record: Identity) -> bool:
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
    updated = replace(record, patient=patient, told=record.told.then(act.source.id, act.message, act.told_at))
    act.state.put_identity(updated)
    if patient == record.patient:
        _matched(act, record)
    else:
        act.record(AuditAction.IDENTITY_UPDATED, patients=(record.id,), corrected=",".join(changed))
        _ask_about_family(act, updated)
    return end_flag_requests(act, updated)


def _ask_about_family(act: Act, identity: Identity) -> None:
    """Ask where a record no longer agrees with another of the same person: perhaps they were never one."""
    for other in act.state.family_of(identity.person):
        traits = disagreements(other.patient, identity.patient)
        if traits and not other.retired and not identity.retired and not settled(identity, other):
            _ask(act, identity, Question(Doubt.COLLISION, other.id, traits))
            return


# -- doubt -------------------------------------------------------------------------------------------------------------


def _doubt(
    act: Act, patient: Patient, record: Identity, contradicted: tuple[str, ...], doubt: Doubt = Doubt.COLLISION
) -> Identity:
    """Give the provisional record for what does not fit a record; the same told again finds the same."""
    alike = (d for d in act.state.doubts_about(record.key) if not disagreements(d.patient, patient))
    known = next(alike, None)
    if known is not None:
        identity = _recognised(act, patient, known)
    else:
        identity = _create(act, patient, None, person=act.new_id(), vouched=False, origin=record.key)
    _ask(act, identity, Question(doubt, record.id, contradicted))
    return identity


def _ask_about_ins(act: Act, identity: Identity) -> bool:
    """Ask where another person, or another number of this domain, holds the same INS (RNIV 1, EXI SI 32)."""
    holders = act.state.identities_with(identity.ins) if identity.ins else []
    for holder in holders:
        if holder.person != identity.person and not holder.retired and not settled(identity, holder):
            traits = disagreements(holder.patient, identity.patient)
            _ask(act, identity, Question(Doubt.INS_COLLISION, holder.id, traits))
            return True
    return False


def ask_about_filing(act: Act, identity: Identity, other: str) -> None:
    """Ask whether a result or document under another patient's number is misfiled, unless more is asked already."""
    if _open_question(act, identity)[1] is None:
        _ask(act, identity, Question(Doubt.MISFILED, other))


def _open_question(act: Act, identity: Identity) -> tuple[Focus | None, Question | None]:
    known = next(iter(act.state.foci_with(FocusKind.QUESTION, (question_key(identity.id),))), None)
    question = known.fact if known is not None and isinstance(known.fact, Question) else None
    return known, question if question is not None and not question.answered else None


def _ask(act: Act, identity: Identity, question: Question) -> None:
    """Ask, unless people have answered it, and nothing that they decided on has changed."""
    other = act.state.identities.get(question.other)
    if other is not None and settled(identity, other):
        return
    _, open_question = _open_question(act, identity)
    if open_question is not None:
        question = replace(question, waits_for=open_question.waits_for)
    if open_question == question:
        return
    _put_question(act, identity, question)
    patients = (identity.id, question.other, *question.further) if question.other else (identity.id,)
    act.record(AuditAction.IDENTITY_DOUBTED, patients=patients, doubt=question.doubt, traits=",".join(question.traits))


def _put_question(act: Act, identity: Identity, question: Question) -> None:
    known, _ = _open_question(act, identity)
    told = (known.told if known else NEVER).then(act.source.id, act.message, act.told_at)
    focus = Focus(
        id=known.id if known else act.new_id(),
        kind=FocusKind.QUESTION,
        identity=identity.id,
        version=known.version + 1 if known else 1,
        fact=question,
        message=act.message,
        told=told,
        updated_at=act.now,
    )
    act.state.put_focus(focus, (question_key(identity.id),))


def _answer(act: Act, person: str) -> None:
    """Nobody need ask any more who a person is whom admissions has named, or if two are one who are one by now."""
    family = act.state.family_of(person)
    members = {member.id for member in family}
    for identity in family:
        known, question = _open_question(act, identity)
        if known is None or question is None:
            continue
        joined = question.doubt in BY_LIKENESS and question.other in members
        if question.doubt is not Doubt.UNKNOWN and not joined:
            continue
        told = known.told.then(act.source.id, act.message, act.told_at)
        answered = replace(
            known,
            fact=replace(question, answered=True),
            version=known.version + 1,
            message=act.message,
            told=told,
            updated_at=act.now,
        )
        act.state.put_focus(answered, ())


# -- links -------------------------------------------------------------------------------------------------------------


def link(act: Act, fact: PatientsLinked) -> Identity:
    """Follow a link or unlink of two domains by admissions; any other is a question with both numbers.

    2.5.1 §3.3.24, §3.3.37: a link joins no records. Only pointers to the person change, and the audit event names
    them, so that the other event takes it back. Two numbers of one domain are one by a merge alone (RNIV 1, EXI SI 37).
    """
    keys = primary_identifier(act, fact.patient), primary_identifier(act, fact.other)
    known = [record for key in keys if _vouches(act, key) and (record := act.state.identity(key))]
    stale = any(r.told.makes_stale(act.source.id, act.message, act.told_at, act.claimed_at) for r in known)
    one, other = reconcile(act, fact.patient), reconcile(act, fact.other)
    if stale or (one.person == other.person) is not fact.apart:
        return one
    ours = any(_vouches(act, key) for key in keys) and (one.key, other.key) == keys
    if not ours or one.key.authority == other.key.authority or not (fact.apart or _fit(act, one, other)):
        _ask_about_link(act, one, other, Doubt.UNLINK_ASKED if fact.apart else Doubt.LINK_ASKED)
        return one
    former, person = other.person, act.new_id() if fact.apart else one.person
    moved = [other] if fact.apart else act.state.family_of(former)
    for each in moved:
        act.state.put_identity(replace(each, person=person))
    action = AuditAction.IDENTITY_UNLINKED if fact.apart else AuditAction.IDENTITY_LINKED
    patients = (one.id, *(m.id for m in moved))
    act.record(action, patients=patients, former_person=former, person=person, by="message")
    if not fact.apart:
        _answer(act, person)
    for touched in dict.fromkeys((former, person)):
        review(act, touched)
    return act.state.identities[one.id]


def _fit(act: Act, one: Identity, other: Identity) -> bool:
    """Whether nothing keeps two people from being one: no two numbers of a domain, no trait against, no decision."""
    ours = [m for m in act.state.family_of(one.person) if not m.retired]
    theirs = [m for m in act.state.family_of(other.person) if not m.retired]
    return not any(
        a.key.authority == b.key.authority or a.frozen or b.frozen or apart(a, b) or disagreements(a.patient, b.patient)
        for a in ours
        for b in theirs
    )


def _ask_about_link(act: Act, one: Identity, other: Identity, doubt: Doubt) -> None:
    """Ask on whichever side nothing else is asked yet; what was asked is in the audit trail in any case."""
    for about, against in ((one, other), (other, one)):
        if _open_question(act, about)[1] is None:
            _ask(act, about, Question(doubt, against.id))
            return
    act.record(AuditAction.IDENTITY_DOUBTED, patients=(one.id, other.id), doubt=doubt, traits="")


# -- merges ------------------------------------------------------------------------------------------------------------


def merge(act: Act, fact: PatientMerged) -> Identity:
    """Follow a merge by admissions: the retired record's person becomes the survivor's, with all that belongs to it.

    Nothing else is rewritten, so that the audit event's list of moved identities is enough to undo it. A merge that
    another source asks for is a question (RNIV 1, EXI SI 36 / 37); one whose survivor is in doubt waits for the answer.

    Raises:
        MessageIncoherent: the retired identifier claims an assigning authority that is ours.

    """
    _refuse_ours(fact.retired, "MRG-1")
    primary = primary_identifier(act, fact.patient)
    survivor = reconcile(act, fact.patient)
    if survivor.key != primary or fact.retired == primary:
        return survivor
    if contradicted := _contradicted(act, fact.patient, survivor):  # a stale merge, about somebody else
        return _doubt(act, fact.patient, survivor, contradicted)
    retired = act.state.identity(fact.retired)
    if not (_vouches(act, primary) and _vouches(act, fact.retired)):
        if _open_question(act, survivor)[1] is None:
            _ask(act, survivor, Question(Doubt.MERGE_REFUSED, retired.id if retired else ""))
        return survivor
    if retired is None:
        patient = Patient((fact.retired,), fact.patient.traits)
        retired = _create(act, patient, fact.retired, person=survivor.person, vouched=True)
    elif retired.retired and _stale(act, retired):
        return survivor
    elif survivor.retired and not retired.retired and retired.person == survivor.person:
        if survivor.told.makes_stale(act.source.id, act.message, act.told_at, act.claimed_at):
            return survivor  # it was merged the other way since
        survivor = replace(survivor, retired=False)  # the merge is taken back the other way round
        act.state.put_identity(survivor)
    _retire(act, survivor, retired)
    return survivor


def require_vouched(act: Act, patient: Patient, former: Identifier) -> None:
    """Return when both patients are of the admissions that asks for a stay to be moved between them.

    Raises:
        PersonNeeded: another source asks for it, as for a merge (RNIV 1, EXI SI 36).

    """
    _refuse_ours(former, "MRG-1")
    if not (_vouches(act, primary_identifier(act, patient)) and _vouches(act, former)):
        raise PersonNeeded("a stay is moved between patients by the admissions that vouches for both", path="MRG-1")


def _retire(act: Act, survivor: Identity, retired: Identity) -> None:
    former = retired.person
    if former == survivor.person and retired.retired and retired.authoritative:
        return
    if apart(survivor, retired) and act.message <= retired.told.message:
        return  # people took this very merge back
    told = retired.told.then(act.source.id, act.message, act.told_at)
    gone = replace(retired, retired=True, authoritative=True, told=told)
    others = [m for m in act.state.family_of(former) if m.id != retired.id]
    # A number that was retired before takes nothing along: its person is the one into whom it was merged then. Nor does
    # any take along a record of which people decided that it is not the survivor's person.
    alone = former == survivor.person or any(_in_force(m, retired.key.authority) for m in others)
    kin = act.state.family_of(survivor.person)
    moved = [gone] if alone else [gone, *(o for o in others if not any(apart(o, k) for k in kin))]
    for each in moved:
        act.state.put_identity(replace(each, person=survivor.person))
    _answer(act, survivor.person)
    act.record(
        AuditAction.IDENTITY_MERGED,
        patients=(survivor.id, *(m.id for m in moved)),
        former_person=former,
        person=survivor.person,
        retired=retired.id,
    )
    end_merge_requests(act, retired.id, survivor.id)
    review(act, survivor.person)
