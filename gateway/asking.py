"""What reconciliation asks of the identity desk, and when nobody need answer it any more."""

from dataclasses import replace

from gateway.act import Act
from gateway.audit import AuditAction
from gateway.focus import BY_LIKENESS, Doubt, Focus, FocusKind, Question, question_key
from gateway.identity import Identity, disagreements, settled
from gateway.told import NEVER


def ask_about_family(act: Act, identity: Identity) -> None:
    """Ask where a record no longer agrees with another of the same person: perhaps they were never one."""
    for other in act.state.family_of(identity.person):
        traits = disagreements(other.patient, identity.patient)
        if traits and not other.retired and not identity.retired and not settled(identity, other):
            ask(act, identity, Question(Doubt.COLLISION, other.id, traits))
            return


def ask_about_ins(act: Act, identity: Identity) -> bool:
    """Ask where another person, or another number of this domain, holds the same INS (RNIV 1, EXI SI 32)."""
    holders = act.state.identities_with(identity.ins) if identity.ins else []
    for holder in holders:
        if holder.person != identity.person and not holder.retired and not settled(identity, holder):
            traits = disagreements(holder.patient, identity.patient)
            ask(act, identity, Question(Doubt.INS_COLLISION, holder.id, traits))
            return True
    return False


def ask_about_filing(act: Act, identity: Identity, other: str) -> None:
    """Ask whether a result or document under another patient's number is misfiled, unless more is asked already."""
    if open_question(act, identity)[1] is None:
        ask(act, identity, Question(Doubt.MISFILED, other))


def open_question(act: Act, identity: Identity) -> tuple[Focus | None, Question | None]:
    """Give the object of the question about a record, if there ever was one, and the question if it is open."""
    known = next(iter(act.state.foci_with(FocusKind.QUESTION, (question_key(identity.id),))), None)
    question = known.fact if known is not None and isinstance(known.fact, Question) else None
    return known, question if question is not None and not question.answered else None


def ask(act: Act, identity: Identity, question: Question) -> None:
    """Ask, unless people have answered it, and nothing that they decided on has changed."""
    other = act.state.identities.get(question.other)
    if other is not None and settled(identity, other):
        return
    _, standing = open_question(act, identity)
    if standing is not None:
        question = replace(question, waits_for=standing.waits_for)
    if standing == question:
        return
    put_question(act, identity, question)
    patients = (identity.id, question.other, *question.further) if question.other else (identity.id,)
    act.record(AuditAction.IDENTITY_DOUBTED, patients=patients, doubt=question.doubt, traits=",".join(question.traits))


def put_question(act: Act, identity: Identity, question: Question) -> None:
    """Let a question stand about a record, whatever stood there before."""
    known, _ = open_question(act, identity)
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


def answer(act: Act, person: str) -> None:
    """Nobody need ask any more who a person is whom admissions has named, or if two are one who are one by now."""
    family = act.state.family_of(person)
    members = {member.id for member in family}
    for identity in family:
        known, question = open_question(act, identity)
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
