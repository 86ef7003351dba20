"""Links and merges of patients that messages tell: those of admissions are followed, others are questions."""

from dataclasses import replace

from gateway.act import Act
from gateway.asking import answer, ask, open_question
from gateway.audit import AuditAction
from gateway.discrepancy import review
from gateway.errors import PersonNeeded
from gateway.facts import Identifier, Patient, PatientMerged, PatientsLinked
from gateway.focus import Doubt, Question
from gateway.identity import Identity, apart, disagreements
from gateway.naming import primary_identifier, refuse_ours, vouches
from gateway.reconciliation import contradicted_by, create, doubt_about, found_stale, in_force, reconcile
from gateway.request import end_merge_requests


def link(act: Act, fact: PatientsLinked) -> Identity:
    """Follow a link or unlink of two domains by admissions; any other is a question with both numbers.

    2.5.1 §3.3.24, §3.3.37: a link joins no records. Only pointers to the person change, and the audit event names
    them, so that the other event takes it back. Two numbers of one domain are one by a merge alone (RNIV 1, EXI SI 37).
    """
    keys = primary_identifier(act, fact.patient), primary_identifier(act, fact.other)
    known = [record for key in keys if vouches(act, key) and (record := act.state.identity(key))]
    stale = any(r.told.makes_stale(act.source.id, act.message, act.told_at, act.claimed_at) for r in known)
    one, other = reconcile(act, fact.patient), reconcile(act, fact.other)
    if stale or (one.person == other.person) is not fact.apart:
        return one
    ours = any(vouches(act, key) for key in keys) and (one.key, other.key) == keys
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
        answer(act, person)
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
        if open_question(act, about)[1] is None:
            ask(act, about, Question(doubt, against.id))
            return
    act.record(AuditAction.IDENTITY_DOUBTED, patients=(one.id, other.id), doubt=doubt, traits="")


def merge(act: Act, fact: PatientMerged) -> Identity:
    """Follow a merge by admissions: the retired record's person becomes the survivor's, with all that belongs to it.

    Nothing else is rewritten, so that the audit event's list of moved identities is enough to undo it. A merge that
    another source asks for is a question (RNIV 1, EXI SI 36 / 37); one whose survivor is in doubt waits for the answer.

    Raises:
        MessageIncoherent: the retired identifier claims an assigning authority that is ours.

    """
    refuse_ours(fact.retired, "MRG-1")
    primary = primary_identifier(act, fact.patient)
    survivor = reconcile(act, fact.patient)
    if survivor.key != primary or fact.retired == primary:
        return survivor
    if contradicted := contradicted_by(act, fact.patient, survivor):  # a stale merge, about somebody else
        return doubt_about(act, fact.patient, survivor, contradicted)
    retired = act.state.identity(fact.retired)
    if not (vouches(act, primary) and vouches(act, fact.retired)):
        if open_question(act, survivor)[1] is None:
            ask(act, survivor, Question(Doubt.MERGE_REFUSED, retired.id if retired else ""))
        return survivor
    if retired is None:
        patient = Patient((fact.retired,), fact.patient.traits)
        retired = create(act, patient, fact.retired, person=survivor.person, vouched=True)
    elif _is_overtaken(act, survivor, retired) or (retired.retired and found_stale(act, retired)):
        return survivor
    elif survivor.retired and not retired.retired and retired.person == survivor.person:
        if survivor.told.makes_stale(act.source.id, act.message, act.told_at, act.claimed_at):
            return survivor  # it was merged the other way since
        survivor = replace(survivor, retired=False)  # the merge is taken back the other way round
        act.state.put_identity(survivor)
    _retire(act, survivor, retired)
    return survivor


def _is_overtaken(act: Act, survivor: Identity, retired: Identity) -> bool:
    """Whether a merge that is processed again was taken back since, and its survivor is somebody else's by now."""
    again = act.message < retired.told.message
    overtaken = again and survivor.retired and not retired.retired and survivor.person != retired.person
    if overtaken:
        act.count("stale")
        act.record(AuditAction.FACT_STALE, patients=(survivor.id, retired.id))
    return overtaken


def require_vouched(act: Act, patient: Patient, former: Identifier) -> None:
    """Return when both patients are of the admissions that asks for a stay to be moved between them.

    Raises:
        PersonNeeded: another source asks for it, as for a merge (RNIV 1, EXI SI 36).

    """
    refuse_ours(former, "MRG-1")
    if not (vouches(act, primary_identifier(act, patient)) and vouches(act, former)):
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
    alone = former == survivor.person or any(in_force(m, retired.key.authority) for m in others)
    kin = act.state.family_of(survivor.person)
    moved = [gone] if alone else [gone, *(o for o in others if not any(apart(o, k) for k in kin))]
    for each in moved:
        act.state.put_identity(replace(each, person=survivor.person))
    answer(act, survivor.person)
    act.record(
        AuditAction.IDENTITY_MERGED,
        patients=(survivor.id, *(m.id for m in moved)),
        former_person=former,
        person=survivor.person,
        retired=retired.id,
    )
    end_merge_requests(act, retired.id, survivor.id)
    review(act, survivor.person)
