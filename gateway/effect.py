"""What a fact does: to the identity that it is about, to its object, and so to the work that follows.

Everything happens in the State that was loaded for the batch; whoever decides the message makes it final or undoes it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce

from gateway.act import Act
from gateway.asking import ask_about_filing
from gateway.audit import AuditAction
from gateway.completion import completed
from gateway.convoking import convoke, join, review
from gateway.directory import EntryKey, entries, entry_key, is_newer
from gateway.discharge import follow_letters, forget_stay
from gateway.dispatch import dispatch, retell, withdraw
from gateway.errors import MessageIncoherent, PersonNeeded, PreconditionFailed
from gateway.facts import (
    AppointmentAct,
    AppointmentReported,
    DirectoryTold,
    DocumentAct,
    DocumentAnswered,
    DocumentReported,
    EntryKind,
    Fact,
    Identifier,
    Movement,
    MovementAct,
    OrderAct,
    OrderReported,
    PatientMerged,
    PatientReported,
    PatientsLinked,
    Remark,
    ResultReported,
    StayMoved,
    VisitReported,
)
from gateway.focus import (
    Focus,
    FocusKind,
    Held,
    ObjectFact,
    OwnFact,
    keys_of,
    late_order_key,
    late_order_keys,
    result_keys,
)
from gateway.identity import Identity
from gateway.joining import link, merge, require_vouched
from gateway.naming import primary_identifier
from gateway.reconciliation import reconcile
from gateway.state import State
from gateway.stay import movement_told, stands, stood, with_movement
from gateway.told import NEVER
from gateway.worklist import WorkItem


def apply(act: Act, fact: Fact, ordinal: int) -> Identity | None:
    """Let one fact, by its place in the message, take effect and give the identity that it is about; None if of nobody.

    Raises:
        PersonNeeded: a document that nobody knows did not arrive; a stay cannot be moved as the message says.
        FieldMissing: no patient identifier.
        MessageIncoherent: the object belongs to another patient.
        PreconditionFailed: the object is not the one, or not of the version, that the message is meant to change.

    """
    match fact:
        case PatientReported():
            if fact.change is not None:
                act.count(fact.change)
            return reconcile(act, fact.patient, correction=fact.correction, change=fact.change)
        case PatientMerged() | PatientsLinked():
            return merge(act, fact) if isinstance(fact, PatientMerged) else link(act, fact)
        case StayMoved():
            return _move_stay(act, fact)
        case DocumentAnswered():
            return _answered(act, fact)
        case DirectoryTold():
            _list(act, fact)
            return None
        case _:
            identity = reconcile(act, fact.patient)
            if isinstance(fact, ResultReported):
                fact = _of_requester(act, _answering(act, fact, identity))
            elif isinstance(fact, OrderReported):
                fact = replace(fact, asked_at=act.told_at or act.received_at or act.now)
            _apply_to_object(act, fact, identity, ordinal)
            if isinstance(fact, OrderReported):
                _route_late(act, fact, identity)
                _note_answered(act, fact, identity)
            return identity


def _answering(act: Act, result: ResultReported, identity: Identity) -> ResultReported:
    """Give a result with what its order says of who asked for it, and let the order know that it has come.

    An order of another patient says nothing, and is a question to the identity desk (the trade's filing error).
    """
    order = next((f for f in act.state.foci_with(FocusKind.ORDER, result.orders) if f.fact is not None), None)
    if order is None or not isinstance(order.fact, OrderReported):
        return result
    asked = order.fact
    if act.state.person_of(order.identity) != identity.person and _undoubted(act, order, identity) is None:
        ask_about_filing(act, identity, order.identity)
        return result
    if not asked.resulted:
        _result_came(act, order, asked)
    return replace(
        result,
        ordering_unit=result.ordering_unit or asked.ordering_unit,
        requester=result.requester or asked.requester,
    )


def _route_late(act: Act, order: OrderReported, identity: Identity) -> None:
    """Let a result that came before its order go to the unit that ordered, while nobody is done with it there.

    A result goes to the unit that ordered it, and the first who read it where it went meanwhile keep what they read.
    """
    if not order.ordering_unit or order.act is OrderAct.CANCEL:
        return
    for known in act.state.foci_with(FocusKind.RESULT, late_order_keys(order)):
        result = known.fact
        if not isinstance(result, ResultReported) or result.ordering_unit:
            continue
        if act.state.person_of(known.identity) != identity.person:
            ask_about_filing(act, act.state.identities[known.identity], identity.id)
        elif any(item.open for item in act.state.items_about(known.id)):
            told = replace(result, ordering_unit=order.ordering_unit, requester=result.requester or order.requester)
            after = replace(known, fact=told, version=known.version + 1, updated_at=act.now)
            act.state.put_focus(after, ())
            dispatch(act, known, after)
            act.objects.setdefault(f"{known.kind}/{known.id}", False)
            act.count("rerouted")


def _note_answered(act: Act, order: OrderReported, identity: Identity) -> None:
    """An order whose result came before it expects none."""
    came = act.state.foci_with(FocusKind.RESULT, (*late_order_keys(order), *result_keys(order)))
    if not any(isinstance(f.fact, ResultReported) and _is_of(act, f, identity) for f in came):
        return
    for known in act.state.foci_with(FocusKind.ORDER, order.keys):
        if isinstance(known.fact, OrderReported) and not known.fact.resulted and _is_of(act, known, identity):
            _result_came(act, known, known.fact)


def _result_came(act: Act, known: Focus, order: OrderReported) -> None:
    """An order expects no result any more, and nobody is to see that it had not come."""
    after = replace(known, fact=replace(order, resulted=True))
    act.state.put_focus(after, ())
    dispatch(act, known, after)


def _is_of(act: Act, focus: Focus, identity: Identity) -> bool:
    return act.state.person_of(focus.identity) == identity.person


def _of_requester(act: Act, result: ResultReported) -> ResultReported:
    """Give a result with the unit of who asked for it, as the directory knows it, where nothing else names one."""
    if result.ordering_unit:
        return result
    found = (act.state.directory.get(key) for key in asked_for(result))
    unit = next((entry.unit for entry in found if entry is not None and entry.active), "")
    return replace(result, ordering_unit=unit) if unit else result


def _list(act: Act, told: DirectoryTold) -> None:
    """Let the directory know a practitioner or a unit as it was told."""
    listed = []
    for entry in entries(told, act.source.id, act.told_at):
        key = entry_key(entry.kind, entry.key)
        if is_newer(act.state.directory.get(key), entry):
            act.state.directory.put(key, entry)
            act.count("listed")
            listed.append("/".join(key))
        else:
            act.count("stale")
    if listed:
        act.record(AuditAction.DIRECTORY_UPDATED, entities=tuple(listed), active=told.active)


def _answered(act: Act, answer: DocumentAnswered) -> Identity | None:
    """Let the document that a message carried be known to have arrived, or not; a good answer for another's is counted.

    Raises:
        PersonNeeded: nobody knows the document, and it did not arrive.

    """
    known = next(iter(act.state.foci_with(FocusKind.DOCUMENT, (answer.message,))), None)
    if known is None or not isinstance(known.fact, DocumentReported):
        if not answer.arrived:
            raise PersonNeeded("a document that did not arrive, and that is not known here", path="OBX-4")
        act.count("unmatched")
        return None
    others = known.fact.undelivered - {answer.carrier}
    fact = replace(known.fact, undelivered=others if answer.arrived else others | {answer.carrier})
    act.objects.setdefault(f"{known.kind}/{known.id}", False)
    if fact != known.fact:
        after = replace(known, fact=fact, version=known.version + 1, updated_at=act.now)
        act.state.put_focus(after, ())
        dispatch(act, known, after)
    return act.state.identities[known.identity]


def dispatch_questions(act: Act) -> None:
    """Let the work follow the identity desk's questions that the message asked or answered, and what differs."""
    for focus_id in act.state.foci.touched():
        focus = act.state.foci[focus_id]
        if focus.kind in {FocusKind.QUESTION, FocusKind.DISCREPANCY}:
            dispatch(act, act.state.foci.before(focus_id), focus)


def _apply_to_object(act: Act, fact: ObjectFact, identity: Identity, ordinal: int) -> None:
    kind, keys = keys_of(fact)
    found = act.state.foci_with(kind, keys)
    misfiled = next((f for f in found if act.state.person_of(f.identity) != identity.person), None)
    if misfiled is not None and (settled := _settled(act, misfiled, identity)) is not None:
        misfiled, identity = None, settled
    if misfiled is not None:
        _guard_filing(act, misfiled, identity)
        keys = (misfiled_key(act.message, ordinal),)
        found = act.state.foci_with(kind, keys)
    _require_condition(act, fact, found)
    known = _gather(act, found)
    if isinstance(fact, VisitReported):
        _follow(act, fact, known, identity, keys)
        return
    if known is not None and known.fact is not None and _is_stale(act, known, fact):
        _leave(act, known, identity)
        if known.held:
            _settle(act, known, replace(known, held=()), keys)
        return
    if _waits(fact) and (known is None or known.fact is None) and misfiled is None:
        _hold(act, fact, known, identity, keys)
        return
    _place(act, fact, known, identity, keys)


def _require_condition(act: Act, fact: ObjectFact, found: Sequence[Focus]) -> None:
    """A whole state is that of one object, and of the version that its sender has seen (FHIR R4 http.html#concurrency).

    Decided here and not only as the request came: another may have taken effect since. A replay has had its effect.

    Raises:
        PreconditionFailed: it is not.

    """
    there = [f for f in found if f.fact is not None]
    if isinstance(fact, AppointmentReported) and fact.act is AppointmentAct.DECLARE and len(there) > 1:
        raise PreconditionFailed("the identifiers find several appointments")
    known = there[0] if there else None
    if act.expects is None or (known is not None and known.told.message >= act.message):
        return
    if known is None or known.version != act.expects:
        raise PreconditionFailed("the appointment is of another version than If-Match names")


def _gather(act: Act, found: Sequence[Focus]) -> Focus | None:
    """Give the object among those found; what is found beside it becomes one with it.

    A placeholder gives what it held. A message that names two objects of one person by their numbers (an appointment's
    by placer and filler, a document's and the one that it replaces) says that they are one.
    """
    real = [f for f in found if f.fact is not None]
    known = next(iter(real or found), None)
    if known is None:
        return None
    if known.kind is FocusKind.APPOINTMENT:
        known = reduce(_newer, real, known)
    for other in found:
        same = other.fact is None or act.state.person_of(other.identity) == act.state.person_of(known.identity)
        if other.id != known.id and same and (other.fact or other.held):
            known = _absorb(act, known, other)
    return known


def _newer(one: Focus, other: Focus) -> Focus:
    """Give the one of two objects that was told last."""
    told = other.told
    return one if one.told.makes_stale(told.source, told.message, told.times.get(told.source)) else other


def _absorb(act: Act, known: Focus, other: Focus) -> Focus:
    """Give the object with what the other held and was told; the other's keys find it, and its items are no more."""
    held = tuple(sorted((*known.held, *other.held), key=lambda h: h.message))
    told = known.told if other.fact is None else known.told.beside(other.told)
    overdue = known.fact is None and (known.overdue or other.overdue)
    joined = replace(known, held=held, told=told, overdue=overdue)
    keys = [key for h in other.held for key in keys_of(h.fact)[1]]
    if other.fact is not None and not isinstance(other.fact, OwnFact):
        keys += keys_of(other.fact)[1]
        entities = (f"{known.kind}/{known.id}", f"{other.kind}/{other.id}")
        act.record(AuditAction.OBJECT_JOINED, patients=(known.identity,), entities=entities)
    join(act, known, other)
    withdraw(act, other)
    act.state.put_focus(replace(other, fact=None, held=(), overdue=False), ())
    act.state.put_focus(joined, keys)
    return joined


def _settled(act: Act, known: Focus, identity: Identity) -> Identity | None:
    """Give whose an object is that its number finds under another patient, where that is no question."""
    return _undoubted(act, known, identity) or _before_its_move(act, known, identity)


def _undoubted(act: Act, known: Focus, identity: Identity) -> Identity | None:
    """Give the identity that an object is settled on where one side is only a doubt about the other; None otherwise.

    An object that came on a doubt's record follows the record that was doubted. An appointment or a stay does not leave
    it for a doubt; a result or document does not reach another's reader by one, so nothing is settled for it.
    """
    held = act.state.identities[known.identity]
    if _doubts(act, held, identity):
        return identity
    follows = known.kind not in {FocusKind.RESULT, FocusKind.DOCUMENT}
    return held if follows and _doubts(act, identity, held) else None


def _doubts(act: Act, doubt: Identity, other: Identity) -> bool:
    """Whether a record is the provisional one of a contradiction to a record of the other's person."""
    return doubt.origin is not None and any(m.key == doubt.origin for m in act.state.family_of(other.person))


def _guard_filing(act: Act, known: Focus, identity: Identity) -> None:
    """The patient of the message must be the patient of the object (the trade's filing error).

    A result or document is delivered at once all the same, as an object of its own, with a question to the identity
    desk: doubt never delays. An appointment or a stay of another patient is for a person to sort out first.

    Raises:
        MessageIncoherent: the appointment or stay belongs to another patient.

    """
    if known.kind not in {FocusKind.RESULT, FocusKind.DOCUMENT}:
        raise MessageIncoherent(f"the {known.kind} belongs to another patient", path="PID-3")
    ask_about_filing(act, identity, known.identity)


def _leave(act: Act, known: Focus, identity: Identity) -> None:
    """Say that an object stands as it did: what came is older, or of its past."""
    about = f"{known.kind}/{known.id}"
    act.count("stale")
    act.objects.setdefault(about, False)
    act.record(AuditAction.FACT_STALE, patients=(identity.id,), entities=(about,))


def _follow(act: Act, fact: VisitReported, known: Focus | None, identity: Identity, keys: Sequence[Identifier]) -> None:
    """Let a movement take its place among those of its stay; the stay is shown otherwise only if it stands otherwise.

    Where two sources tell of one stay, it stands where the one says whose word changed its place last (promise P3).
    """
    stay = known.fact if known is not None and isinstance(known.fact, VisitReported) else None
    told_at = act.told_at or act.received_at or act.now
    told = movement_told(fact, act.source.id, act.message, told_at)
    movements = with_movement(_movements(known), told)
    now = stands(movements, act.source.id)
    other = known is not None and stay is not None and known.told.source != act.source.id
    decides = now is not None and now.message == act.message
    if known is not None and stay is not None and other and (not decides or act.message < known.told.message):
        now = stands(movements, known.told.source)
        decides = False
    after = stood(fact if stay is None or decides else stay, now, movements)
    if known is not None and stay is not None and not decides:
        unmoved = replace(after, movements=(), remarks=()) == replace(stay, movements=(), remarks=())
        if unmoved:
            _leave(act, known, identity)
        act.objects.setdefault(f"{known.kind}/{known.id}", False)
        if Remark.MOVEMENT_LATE in stay.remarks or (unmoved and not other and _is_late(told, stay)):
            after = replace(after, remarks=tuple(dict.fromkeys((*after.remarks, Remark.MOVEMENT_LATE))))
        shown = replace(known, fact=after, version=known.version + (after != stay))
        _settle(act, known, shown, keys)
        return
    _place(act, after, known, identity, keys)


def _is_late(told: Movement, stay: VisitReported) -> bool:
    """Whether a movement comes behind later ones of its source for the first time; history is told as such.

    It does not where the same message, or another that says the very same, came before.
    """
    own = (m for m in stay.movements if m.source == told.source)
    again = any(m.message == told.message or replace(m, message=told.message) == told for m in own)
    return told.act is MovementAct.INSERT and not told.historic and not again


def _move_stay(act: Act, moved: StayMoved) -> Identity:
    """Let a stay, with its items, be that of the patient to whom admissions moves it (PAM.FR, ITI-31, A44).

    What was done, and the items of what else came of the former patient, stay where they are: no other object names
    its stay. The audit event names both, so that another move gives it back.

    Raises:
        PersonNeeded: the stay is not known, or not the former patient's; or it is doubtful who the other is.

    """
    require_vouched(act, moved.patient, moved.former)
    identity = reconcile(act, moved.patient)
    if identity.key != primary_identifier(act, moved.patient):
        raise PersonNeeded("the patient to whom a stay is moved is in doubt", path="PID-3")
    found = act.state.foci_with(FocusKind.VISIT, moved.numbers)
    known = found[0] if len(found) == 1 else None
    if known is None or not isinstance(known.fact, VisitReported):
        raise PersonNeeded("one stay that is known here, by its number", path="PID-18")
    about = (f"{known.kind}/{known.id}",)
    act.objects.setdefault(*about, False)
    if _is_moved_since(act, known):
        _leave(act, known, identity)
        return identity
    person, holder = act.state.person_of(known.identity), act.state.identity(moved.former)
    if person == identity.person:
        _renumber(act, moved, known, known.fact)
        return identity
    if holder is None or holder.person != person:
        raise PersonNeeded("the stay is of another patient than the one from whom it is moved", path="MRG-1")
    stay = replace(
        known.fact, visit=moved.numbers[0], former=tuple(dict.fromkeys((*known.fact.former, known.identity)))
    )
    told = replace(known.told.then(act.source.id, act.message, act.told_at), source=known.told.source)
    after = replace(known, identity=identity.id, fact=stay, version=known.version + 1, told=told, updated_at=act.now)
    act.state.put_focus(after, moved.numbers)
    act.record(AuditAction.STAY_MOVED, patients=(identity.id, known.identity), entities=about)
    convoke(act, after)
    dispatch(act, known, after)
    forget_stay(act, known)
    follow_letters(act, after)
    return identity


def _renumber(act: Act, moved: StayMoved, known: Focus, stay: VisitReported) -> None:
    """A stay has another number of the same patient (A49, A50); the one it had goes on finding it."""
    if stay.visit == moved.numbers[0]:
        return
    told = replace(known.told.then(act.source.id, act.message, act.told_at), source=known.told.source)
    fact = replace(stay, visit=moved.numbers[0])
    after = replace(known, fact=fact, version=known.version + 1, told=told, updated_at=act.now)
    act.state.put_focus(after, moved.numbers)
    about = (f"{known.kind}/{known.id}",)
    act.record(AuditAction.STAY_RENUMBERED, patients=(known.identity,), entities=about)
    dispatch(act, known, after)


def _is_moved_since(act: Act, known: Focus) -> bool:
    """Whether a stay was moved by a message that tells of later than this one."""
    moved = isinstance(known.fact, VisitReported) and known.fact.former
    return bool(moved) and known.told.makes_stale(act.source.id, act.message, act.told_at, act.claimed_at)


def _before_its_move(act: Act, known: Focus, identity: Identity) -> Identity | None:
    """Give whose a stay is now, to a message from before it was moved from the patient that the message names."""
    former = known.fact.former if isinstance(known.fact, VisitReported) else ()
    names_former = any(member.id in former for member in act.state.family_of(identity.person))
    return act.state.identities[known.identity] if names_former and _is_moved_since(act, known) else None


def _movements(known: Focus | None) -> tuple[Movement, ...]:
    """The movements that are known of a stay; one that was stored without them stands where its last one left it."""
    if known is None or not isinstance(known.fact, VisitReported):
        return ()
    told, stay = known.told, known.fact
    if stay.movements:
        return stay.movements
    return (movement_told(stay, told.source, known.message, told.times.get(told.source) or known.updated_at),)


def _is_stale(act: Act, known: Focus, fact: ObjectFact) -> bool:
    """Whether the fact is older than what is known.

    What is told of a document that was replaced never touches its replacement.
    """
    return _is_superseded(fact, known) or known.told.makes_stale(
        act.source.id, act.message, act.told_at, act.claimed_at
    )


def _is_superseded(fact: ObjectFact, known: Focus) -> bool:
    if not isinstance(fact, DocumentReported) or not isinstance(known.fact, DocumentReported):
        return False
    return fact.act is not DocumentAct.REPLACE and not set(fact.numbers) & set(known.fact.numbers)


def _waits(fact: ObjectFact) -> bool:
    """Whether a fact has an effect only on an object that is there."""
    match fact:
        case AppointmentReported(act=AppointmentAct.CHANGE | AppointmentAct.CANCEL):
            return True
        case DocumentReported(act=DocumentAct.REPLACE | DocumentAct.WITHDRAW | DocumentAct.STATUS):
            return True
    return False


MOST_HELD = 100
"""Facts that wait for one object; another is quarantined, for a replay once the object is there."""


def _hold(act: Act, fact: ObjectFact, known: Focus | None, identity: Identity, keys: Sequence[Identifier]) -> None:
    kind, _ = keys_of(fact)
    held = Held(fact, act.told_at, act.source.id, act.message, act.received_at, act.claimed_at)
    if known is None:
        told = NEVER.then(act.source.id, act.message, None)
        known = Focus(act.new_id(), kind, identity.id, 0, None, act.message, told, act.now)
    if any(h.message == act.message and h.fact == fact for h in known.held):
        return
    if len(known.held) >= MOST_HELD:
        raise PersonNeeded(f"{MOST_HELD} facts wait already for this object, which has not come")
    after = replace(known, held=(*known.held, held), updated_at=act.now)
    act.state.put_focus(after, keys)
    dispatch(act, known, after)
    act.count("held")
    act.objects.setdefault(f"{kind}/{known.id}", False)
    act.record(AuditAction.FACT_HELD, patients=(identity.id,), entities=(f"{kind}/{known.id}",))


def _place(act: Act, fact: ObjectFact, known: Focus | None, identity: Identity, keys: Sequence[Identifier]) -> None:
    kind, _ = keys_of(fact)
    told = known.told if known and known.fact else NEVER
    fact = completed(fact, known.fact if known else None)
    placed = Focus(
        id=known.id if known else act.new_id(),
        kind=kind,
        identity=identity.id,
        version=known.version + (known.fact != fact) if known else 1,
        fact=fact,
        message=act.message,
        told=told.then(act.source.id, act.message, act.told_at),
        updated_at=act.now,
        overdue=known is not None and known.kind is FocusKind.ORDER and known.overdue,
    )
    act.objects.setdefault(f"{kind}/{placed.id}", known is None or known.fact is None)
    _settle(act, known, placed, keys)


def _settle(act: Act, known: Focus | None, placed: Focus, keys: Sequence[Identifier]) -> None:
    """Let what waited for the object take effect on it as it stands now, and make the items follow."""
    after = _release(act, placed, known.held if known else ())
    act.state.put_focus(after, (*keys, *_further_keys(after)))
    convoke(act, after)
    dispatch(act, known, after)
    follow_letters(act, after)


def _further_keys(focus: Focus) -> Iterator[Identifier]:
    """What else finds an object: a document by its message, a result of nobody's order by the one that comes late."""
    match focus.fact:
        case DocumentReported(carried_by=Identifier() as carrier):
            yield carrier
        case ResultReported(ordering_unit="", orders=numbers, code=code):
            yield from (late_order_key(number, code) for number in numbers)


def _release(act: Act, placed: Focus, waiting: Sequence[Held]) -> Focus:
    """Let what waited for the object take effect, in order, but for what is older than it."""
    for held in waiting:
        latest, own = placed.told.times.get(held.source), held.claimed_at or held.told_at
        if latest and own and own < latest:
            act.count("stale")
            act.record(AuditAction.FACT_STALE, patients=(placed.identity,), entities=(f"{placed.kind}/{placed.id}",))
            continue
        told = placed.told.then(held.source, held.message, held.told_at)
        placed = replace(
            placed, fact=completed(held.fact, placed.fact), message=held.message, told=told, version=placed.version + 1
        )
        act.count("released")
        act.record(AuditAction.FACT_RELEASED, patients=(placed.identity,), entities=(f"{placed.kind}/{placed.id}",))
    return placed


def convoke_otherwise(act: Act) -> None:
    """Let the convocations, and their items, follow what the message told of their patients."""
    for focus in review(act):
        dispatch(act, focus, focus)


def retell_open_items(act: Act) -> None:
    """What is open on a person who is shown otherwise now, or on another person than before, gets a new version."""
    for item in shown_otherwise(act.state):
        retell(act, item)


def shown_otherwise(state: State) -> list[WorkItem]:
    """Give the open items, not changed otherwise, whose person is another one or is shown otherwise since the mark."""
    told = set(state.items.touched())
    shown = (p for p in state.persons.touched() if state.persons.before(p) != state.persons[p])
    changed = {m.id for person in shown for m in state.family_of(person)}
    for identity in state.identities.touched():
        before = state.identities.before(identity)
        if before is not None and before.person != state.person_of(identity):
            changed.add(identity)
    about = (item_id for identity in sorted(changed) for item_id in sorted(state.items_of_identity.get(identity) or ()))
    return [state.items[item_id] for item_id in about if state.items[item_id].open and item_id not in told]


def asked_for(result: ResultReported) -> Iterator[EntryKey]:
    """The entry of who asked for a result, where nothing else says to which unit it goes."""
    if result.requester_key and not (result.ordering_unit or result.stay_unit):
        yield entry_key(EntryKind.PRACTITIONER, result.requester_key)


def misfiled_key(message: int, ordinal: int) -> Identifier:
    """Give the key of the object that a message's fact makes when its own key belongs to another patient."""
    return Identifier("misfiled", f"{message}/{ordinal}")
