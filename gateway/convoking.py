"""Convocations follow their appointment, and what is learnt of its patient, in the message's own transaction."""

from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from gateway.act import Act
from gateway.audit import AuditAction
from gateway.convening import Convening, KindRule
from gateway.convocation import (
    STANDINGS,
    Content,
    Convocation,
    ConvocationKind,
    Convocations,
    ConvocationState,
    Holds,
    Notice,
    Outcome,
    Standing,
    Wanted,
    follow,
    held,
    holding,
    outcome,
)
from gateway.demand import BESIDE, demand
from gateway.facts import AppointmentReported, VisitReported
from gateway.focus import Focus
from gateway.identity import may_be_minor
from gateway.postal import Correspondent, correspondent
from gateway.reach import NEVER, Addressee, Reach, Situation, reach
from gateway.routing import route
from gateway.worklist import IN_HOUSE, ItemKind, ItemState

Convened = AppointmentReported | VisitReported
"""What a patient is convened to."""

_FICTITIOUS = "FICT"
_CONFIDENTIAL = frozenset({"CACH", "ANOM"})
"""Attributes (PID-32, table 0445) of a patient of whose stay nobody at home is to learn."""

_FROM_REPRESENTATIVES = frozenset({"INVISIBLE_REP_LEGAUX", "CONNEXION_SECRETE"})

_OF_VISITS = (ConvocationKind.ADMISSION, ConvocationKind.SURGERY)
_OF_APPOINTMENTS = (
    ConvocationKind.CONSULTATION,
    ConvocationKind.EXAMINATION,
    ConvocationKind.SURGERY,
    ConvocationKind.VIRTUAL,
)
"""Kinds that may be of each, the one that is meant where no rule says so first."""


def convoke(act: Act, focus: Focus) -> None:
    """Make the convocations of an appointment or planned stay what it asks for now; none on a site without rules."""
    rules, fact = act.site.convening, focus.fact
    if rules is None or not isinstance(fact, Convened):
        return
    known, standing = act.state.convocations.get(focus.id), _standing(fact)
    if standing is None or (known is None and not _begins(fact, standing, told_at(focus))):
        return
    before = known or _none_yet(focus)
    if any(i.state is ItemState.DONE and i.rule not in BESIDE for i in act.state.items_about(focus.id)):
        before = _told_otherwise(before, act)
    rule = rule_of(rules, focus, fact)
    wanted = _wanted(act, rules, rule, focus, fact, standing, before)
    found, reached = _decided(act, rule, focus, fact, wanted, before)
    after = replace(follow(before, wanted, found, reached, act.now, act.principal), identity=focus.identity)
    if after != known:
        act.state.convocations.put(focus.id, after)
        _record(act, before, after)


def review(act: Act) -> list[Focus]:
    """Let the convocations of whoever is known otherwise now follow; give the objects of those that changed."""
    rows = act.state.convocations.rows()
    if act.site.convening is None or not rows:
        return []
    people, found = _known_otherwise(act), list[Focus]()
    for appointment, known in rows if people else ():
        focus = act.state.foci.get(appointment)
        if known.open and focus is not None and _owner(act, focus) in people:
            convoke(act, focus)
            if act.state.convocations[appointment] != known:
                found.append(focus)
    return found


def _owner(act: Act, focus: Focus) -> str:
    """Give whose an object is; empty if that is no person whom the batch may touch."""
    record = act.state.identities.get(focus.identity)
    return record.person if record is not None else ""


def _known_otherwise(act: Act) -> set[str]:
    """The people of whom the message told something, or who came, or one of whose convocations changed."""
    state = act.state
    people = {p for p in state.persons.touched() if state.persons.before(p) != state.persons[p]}
    moved = (state.items[i] for i in state.items.touched())
    records = {
        *(i for i in state.identities.touched() if state.identities.before(i) != state.identities[i]),
        *(item.identity for item in moved if item.kind is ItemKind.ADMISSION),
        *(state.convocations[c].identity for c in state.convocations.touched()),
    }
    return people | {state.person_of(record) for record in records}


def join(act: Act, known: Focus, other: Focus) -> None:
    """Let the convocations of an object that proves to be another be that one's, if the patient has had one of them."""
    theirs, own = act.state.convocations.get(other.id), act.state.convocations.get(known.id)
    if theirs is None:
        return
    if held(theirs) is not None and held(own) is None:
        adopted = replace(theirs, appointment=known.id, identity=known.identity)
        act.state.convocations.put(known.id, adopted)
        _record(act, own or _none_yet(known), adopted)
    each = tuple(c.came_to(ConvocationState.SUPERSEDED, act.now, act.principal) if c.live else c for c in theirs.each)
    gone = replace(theirs, each=each, outcome=Outcome.WITHDRAW, version=theirs.version + 1, updated_at=act.now)
    act.state.convocations.put(other.id, gone)
    _record(act, theirs, gone)


def _standing(fact: Convened) -> Standing | None:
    """Give how it stands; None where what was told leaves that as it was."""
    if isinstance(fact, AppointmentReported):
        return STANDINGS[fact.status]
    return None if fact.state is None or fact.historic else STANDINGS[fact.state]


def _begins(fact: Convened, standing: Standing, at: datetime) -> bool:
    """Whether there is anything to tell; a stay that has begun, or whose day is not told, convenes nobody."""
    if isinstance(fact, VisitReported):
        return standing is Standing.BOOKED and fact.start is not None and fact.start > at
    return True


def told_at(focus: Focus) -> datetime:
    """Give when an object was told last: a replay, months later, decides as on the day."""
    return max(focus.told.times.values(), default=focus.updated_at)


def _none_yet(focus: Focus) -> Convocations:
    kind, at = ConvocationKind.CONSULTATION, focus.updated_at
    return Convocations(focus.id, focus.identity, kind, Outcome.SCHEDULE, Reach(), (), 0, at)


def _told_otherwise(known: Convocations, act: Act) -> Convocations:
    """A secretary who was done with the item has told the patient."""
    each = tuple(
        c.came_to(ConvocationState.SENT, act.now, act.principal) if c.state is ConvocationState.TO_PREPARE else c
        for c in known.each
    )
    return replace(known, each=each)


# -- what is wanted ----------------------------------------------------------------------------------------------------


def rule_of(rules: Convening, focus: Focus, fact: Convened) -> KindRule:
    """Give the site's rule for an appointment or planned stay."""
    code = fact.service_code if isinstance(fact, AppointmentReported) else ""
    kinds = _OF_APPOINTMENTS if isinstance(fact, AppointmentReported) else _OF_VISITS
    return rules.rule_for(kinds, {"source": focus.told.source, "unit": fact.unit, "code": code})


def content_of(fact: Convened) -> Content:
    """Give what a patient is told."""
    if isinstance(fact, VisitReported):
        return Content(fact.start, fact.unit, fact.location)
    return Content(
        fact.start,
        fact.unit,
        fact.location,
        fact.practitioner,
        fact.service_code,
        fact.service_text,
        fact.notes,
    )


def _wanted(
    act: Act,
    rules: Convening,
    rule: KindRule,
    focus: Focus,
    fact: Convened,
    standing: Standing,
    before: Convocations,
) -> Wanted:
    content = content_of(fact)
    asked = isinstance(fact, AppointmentReported) and rules.asked_by_patient(fact.reason_code)
    double = _is_double(act, focus, content, before)
    return Wanted(standing, content, rule.kind, at_request=asked, follow_up=rule.follow_up, double=double)


def _is_double(act: Act, focus: Focus, content: Content, own: Convocations) -> bool:
    """Whether another agenda tells of an appointment of the patient there and then, for which a letter is under way."""
    live = own.live
    if content.start is None or (live is not None and (live.left or live.content.start == content.start)):
        return False
    person = act.state.person_of(focus.identity)
    for appointment, other in act.state.convocations.rows():
        there, told = act.state.foci.get(appointment), other.live
        if told is None or there is None or appointment == focus.id or told.notice is Notice.CANCELLATION:
            continue
        elsewhere = _owner(act, there) != person or there.told.source == focus.told.source
        if not elsewhere and told.content.start == content.start and _one_place(told.content, content):
            return True
    return False


def _one_place(one: Content, other: Content) -> bool:
    if one.unit and other.unit:
        return one.unit == other.unit
    return one.place.casefold() == other.place.casefold()


# -- what is decided ---------------------------------------------------------------------------------------------------


def _decided(
    act: Act,
    rule: KindRule,
    focus: Focus,
    fact: Convened,
    wanted: Wanted,
    before: Convocations,
) -> tuple[Outcome, Reach]:
    told, at = held(before), told_at(focus).astimezone(_zone(act.site.time_zone))
    holds = holding(told, wanted, at)
    starts = [wanted.content.start] if wanted.standing is Standing.BOOKED else []
    if told is not None and holds is not Holds.CANCELLATION:
        starts.append(told.content.start)
    reached = reach(_situation(act, rule, focus, fact, tuple(filter(None, starts)), at, before))
    again = holds is Holds.THIS and wanted.standing is Standing.BOOKED and reached.reason not in NEVER
    if told is not None and told.missed_by_hand and again:
        return before.outcome, reached
    return outcome(wanted, holds, reached), reached


@lru_cache(maxsize=8)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def corresponds(act: Act, focus: Focus) -> Correspondent:
    """Give whom the patient's convocations go to."""
    person = act.state.person_of(focus.identity)
    return correspondent(act.state.persons[person], act.state.family_of(person))


def _situation(
    act: Act,
    rule: KindRule,
    focus: Focus,
    fact: Convened,
    starts: tuple[datetime, ...],
    at: datetime,
    before: Convocations,
) -> Situation:
    patient = corresponds(act, focus)
    family = act.state.family_of(patient.person.id)
    attributes = frozenset[str]().union(*(i.patient.attributes for i in family))
    minor = may_be_minor(patient.person.traits.birth_date, (starts[0] if starts else at).astimezone(at.tzinfo).date())
    represented = bool(patient.representatives)
    addressee = _addressee(minor=minor, represented=represented)
    reached = patient.reached(addressee)
    return Situation(
        told_at=at,
        starts=starts,
        lead_days=rule.lead_days,
        deceased=patient.person.deceased,
        fictitious=_FICTITIOUS in attributes,
        in_house=_is_in_house(act, [i.id for i in family]),
        confidential=fact.confidential or not _CONFIDENTIAL.isdisjoint(attributes),
        mailing=patient.contact.address.mailing,
        minor=minor,
        represented=represented,
        secret=_is_secret(act, focus, fact),
        address=reached.address.usable and patient.window(addressee) not in _came_back(before),
        phone=bool(reached.phones),
        patient_phone=bool(patient.contact.phones),
    )


def _addressee(*, minor: bool, represented: bool) -> Addressee:
    if represented:
        return Addressee.REPRESENTATIVE
    return Addressee.GUARDIANS if minor else Addressee.PATIENT


def _came_back(known: Convocations) -> list[tuple[str, ...]]:
    """The addresses from which a letter came back."""
    return [c.recipient for c in known.each if any(s.state is ConvocationState.RETURNED for s in c.steps)]


def _is_in_house(act: Act, records: list[str]) -> bool:
    about = (act.state.items[i] for record in records for i in act.state.items_of_identity.get(record) or ())
    return any(item.title in IN_HOUSE and item.state is not ItemState.WITHDRAWN for item in about)


def _is_secret(act: Act, focus: Focus, fact: Convened) -> bool:
    """Whether it is kept from representatives: the message says so, or the secretariat is a sensitive one."""
    if isinstance(fact, AppointmentReported) and not _FROM_REPRESENTATIVES.isdisjoint(fact.restrictions):
        return True
    asked = demand(focus)
    if asked is None:
        return False
    owner = route(asked.subject, act.site.rules, act.site.default_secretariat).secretariats[0]
    return owner in act.site.secretariats and act.site.secretariats[owner].sensitive


# -- the trail ---------------------------------------------------------------------------------------------------------

_ENDED = {
    ConvocationState.SUPERSEDED: AuditAction.CONVOCATION_SUPERSEDED,
    ConvocationState.CANCELLED: AuditAction.CONVOCATION_CANCELLED,
    ConvocationState.HONOURED: AuditAction.CONVOCATION_CLOSED,
    ConvocationState.NO_SHOW: AuditAction.CONVOCATION_CLOSED,
}


def _record(act: Act, before: Convocations, after: Convocations) -> None:
    """Leave an event of each convocation that was made, changed, ended or dropped."""
    was = {c.number: c for c in before.each}
    for number, dropped in was.items():
        if all(c.number != number for c in after.each):
            _tell(act, AuditAction.CONVOCATION_CANCELLED, after, dropped)
    for one in after.each:
        old = was.get(one.number)
        if old is None:
            _tell(act, AuditAction.CONVOCATION_GENERATED, after, one)
        elif old.state is not one.state and one.state in _ENDED:
            _tell(act, _ENDED[one.state], after, one)
        elif old != one:
            _tell(act, AuditAction.CONVOCATION_CHANGED, after, one)


def _tell(act: Act, action: AuditAction, known: Convocations, one: Convocation) -> None:
    act.record(
        action,
        patients=(known.identity,),
        entities=(f"convocation/{known.appointment}",),
        number=one.number,
        kind=known.kind,
        notice=one.notice,
        state=one.state,
        outcome=known.outcome,
        channel=one.reach.channel,
        reason=one.reach.reason,
    )
