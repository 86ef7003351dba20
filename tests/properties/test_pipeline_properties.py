"""Whatever comes, in whatever order and however often: one queue, one person, one truth."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from facts import (
    AGENDA,
    ANNE,
    CLINIC,
    IMAGING,
    LAB,
    NIR,
    PAUL,
    SITE,
    Gateway,
    at,
    book,
    cancel,
    change,
    document,
    ins,
    ipp,
    merged,
    own,
    patient,
    result,
    told,
    visit,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sites import ADMISSIONS

from gateway.facts import (
    Abnormality,
    AppointmentReported,
    AppointmentStatus,
    DocumentAct,
    Fact,
    Identifier,
    IdentifierKind,
    IdentityStatus,
    Patient,
    PatientMerged,
    PatientReported,
    ResultStatus,
    Traits,
    VisitState,
)
from gateway.focus import Question
from gateway.identity import contradictions, golden_record, normalise
from gateway.naming import PROVISIONAL_AUTHORITY
from gateway.reception import State as MessageState
from gateway.site import Matching, Site, Source
from gateway.state import State
from gateway.worklist import ItemKind

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# -- one appointment, one source: any order, any repetition ------------------------------------------------------------

_WHERE = st.sampled_from(["3010", "3020", "9999"])
_CHANGES = st.fixed_dictionaries(
    {"unit": _WHERE, "start": st.integers(0, 3).map(at), "location": st.sampled_from(["Box 1", "Box 2"])}
)


def _appointment(kind: str, fields: dict[str, Any]) -> AppointmentReported:
    who = patient(ipp("1"))
    match kind:
        case "book":
            return book(who, **fields)
        case "cancel":
            return cancel(who, **fields)
        case "change":
            return change(who, **fields)
    return change(who, status=AppointmentStatus(kind), **fields)


_KINDS = ["book", "change", "cancel", "arrived", "fulfilled", "noshow", "pending"]
_LIVES = st.lists(st.builds(_appointment, st.sampled_from(_KINDS), _CHANGES), max_size=4).map(
    lambda later: [book(patient(ipp("1"))), *later]
)


@st.composite
def _told_twice(draw: st.DrawFn) -> tuple[list[AppointmentReported], list[int]]:
    """Give an appointment's life, one fact a minute, and an order in which it is received, with repetitions."""
    life = draw(_LIVES)
    again = draw(st.lists(st.sampled_from(range(len(life))), max_size=2))
    return life, draw(st.permutations([*range(len(life)), *again]))


def _lived(life: Sequence[AppointmentReported], order: Sequence[int]) -> tuple[object, object]:
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    for minute in order:
        gateway.send(life[minute], source=AGENDA, minute=minute)
    (focus,) = gateway.store.foci.values()
    return focus.fact, gateway.live()


_CAME_THEN_CANCELLED = [_appointment(kind, {}) for kind in ("book", "arrived", "cancel")]


@quick
@given(_told_twice())
@example((_CAME_THEN_CANCELLED, [2, 1, 0]))
@example((_CAME_THEN_CANCELLED, [0, 1, 2, 2]))
def test_any_order_and_repetition_of_an_appointments_messages_ends_in_the_same_convocation(told_twice):
    """Facts carry their own time: what is live at the end is what their own order makes (promise P3)."""
    life, order = told_twice
    assert _lived(life, order) == _lived(life, range(len(life)))


# -- a few patients, many sources: nothing ever breaks -----------------------------------------------------------------

_TWIN = replace(ANNE, first_given_name="LOUISE", given_names="LOUISE", multiple_birth_rank="2")
_PEOPLE = st.sampled_from(
    [ANNE, PAUL, _TWIN, Traits(), replace(ANNE, birth_family_name="MOREL"), replace(ANNE, birth_date="1958")]
)
_EVERY_NUMBER = (*map(ipp, "123"), own(LAB, "7"), own(IMAGING, "9"))
_NUMBERS = st.sampled_from(_EVERY_NUMBER)
_FURTHER = st.sampled_from(
    [ins(), ins("171116938300155"), own(LAB, "7"), own(IMAGING, "9"), Identifier(NIR, "1", IdentifierKind.OTHER)]
)
_SOURCES = st.sampled_from([ADMISSIONS, ADMISSIONS, LAB, IMAGING, AGENDA, CLINIC])


def _patient(number: Identifier, further: list[Identifier], of: Traits, *, qualified: bool) -> Patient:
    status = IdentityStatus.QUALIFIEE if qualified else IdentityStatus.VALIDEE
    return patient(*dict.fromkeys((number, *further)), of=of, status=status)


_PATIENTS = st.builds(_patient, _NUMBERS, st.lists(_FURTHER, max_size=2), _PEOPLE, qualified=st.booleans())
_KEYS = st.sampled_from(["1", "2", "3"])
_FACTS: st.SearchStrategy[Fact] = st.one_of(
    st.builds(told, _PATIENTS, correction=st.booleans()),
    st.builds(merged, _PATIENTS, _NUMBERS),
    st.builds(book, _PATIENTS, st.sampled_from(["1", "2", "1+2"]), unit=_WHERE),
    st.builds(change, _PATIENTS, _KEYS, unit=_WHERE, status=st.sampled_from(AppointmentStatus)),
    st.builds(cancel, _PATIENTS, _KEYS),
    st.builds(result, _PATIENTS, st.sampled_from(ResultStatus), st.sampled_from("45"), _KEYS, ordering_unit=_WHERE),
    st.builds(result, _PATIENTS, abnormality=st.sampled_from(Abnormality)),
    st.builds(document, _PATIENTS, st.sampled_from(DocumentAct), _KEYS, st.sampled_from(["", "1", "2"])),
    st.builds(visit, _PATIENTS, st.sampled_from(VisitState), _KEYS, unit=_WHERE, historic=st.booleans()),
)
_MESSAGES = st.lists(
    st.tuples(st.lists(_FACTS, min_size=1, max_size=2), _SOURCES, st.integers(0, 9) | st.none()),
    min_size=1,
    max_size=6,
)
Messages = list[tuple[list[Fact], Source, int | None]]


_SITES = pytest.mark.parametrize(
    "site",
    [
        SITE,
        replace(
            SITE,
            sources=tuple(replace(s, trust_contract=True) for s in SITE.sources),
            matching=Matching(automatic=True),
        ),
    ],
    ids=["exact rules", "matcher"],
)


def _received(messages: Messages, site: Site = SITE) -> Gateway:
    gateway = Gateway(site)
    for facts, source, minute in messages:
        gateway.process([gateway.job(*facts, source=source, minute=minute)])
    return gateway


def _check_queues(gateway: Gateway) -> None:
    """No item is on no queue or an unknown one, none is doubled, and no object is open twice on one queue."""
    items = gateway.store.items.values()
    assert {i.secretariat for i in items} <= set(SITE.secretariats)
    assert all(count == 1 for count in Counter((i.focus, i.secretariat) for i in items if i.open).values())
    assert {i.focus for i in items} <= set(gateway.store.foci)
    assert {i.identity for i in items} <= set(gateway.store.identities)


def _check_publication(gateway: Gateway) -> None:
    """The last version published is the one in the store, versions rise, and no message id is used twice."""
    published = defaultdict(list)
    for entry in gateway.outbox:
        published[entry.item].append(entry.version)
    assert all(versions == sorted(set(versions)) for versions in published.values())
    assert {i: v[-1] for i, v in published.items()} == {i.id: i.version for i in gateway.store.items.values()}
    assert len({e.message_id for e in gateway.outbox}) == len(gateway.outbox)


def _check_questions(gateway: Gateway) -> None:
    """An item about a question is open exactly while the question is."""
    questions = {f.id: f.fact for f in gateway.store.foci.values() if isinstance(f.fact, Question)}
    open_items = {i.focus for i in gateway.store.items.values() if i.open and i.kind is ItemKind.IDENTITY}
    assert {f for f, question in questions.items() if not question.answered} == open_items


def _check_persons(gateway: Gateway) -> None:
    """The members index follows from the identities, and the golden record from the members; ours are never shown."""
    members = defaultdict(list)
    for identity in gateway.store.identities.values():
        members[identity.person].append(identity)
        assert identity.key.authority != PROVISIONAL_AUTHORITY or not identity.authoritative
    for person, identities in members.items():
        assert gateway.store.persons[person] == golden_record(person, identities)
        assert all(i.authority != PROVISIONAL_AUTHORITY for i in gateway.store.persons[person].identifiers)


@_SITES
@quick
@given(messages=_MESSAGES)
def test_no_sequence_of_facts_breaks_anything(site: Site, messages: Messages):
    """Each message ends once, processed or refused for a reason of its own (P4); queues, bus and persons hold."""
    gateway = _received(messages, site)
    assert [e.outcome.message for e in gateway.endings] == [j.message for j in gateway.jobs]
    for ending in gateway.endings:
        assert ending.outcome.state in {MessageState.PROCESSED, MessageState.QUARANTINED}
        assert ending.outcome.error in {"", "MessageIncoherent"}
    for check in (_check_queues, _check_publication, _check_questions, _check_persons):
        check(gateway)


@quick
@given(_MESSAGES)
def test_the_members_index_is_that_of_the_identities_within_one_large_batch(messages: Messages):
    """In memory, after any number of messages, a person's members are the identities that point at it."""
    gateway = Gateway()
    jobs = [gateway.job(*facts, source=source, minute=minute) for facts, source, minute in messages]
    state = State()
    gateway.decider.decide(jobs, state, at(0))
    indexed = {(person, i) for person, members in state.members.rows() for i in members}
    assert indexed == {(identity.person, i) for i, identity in state.identities.rows()}
    assert {i for _, i in state.identity_keys.rows()} == {i for i, _ in state.identities.rows()}


@_SITES
@quick
@given(messages=_MESSAGES)
def test_two_numbers_of_one_domain_are_one_person_only_by_a_merge_of_admissions(site: Site, messages: Messages):
    """Two records in force of one identification domain never belong to one person (RNIV 1 EXI SI 35 to 37)."""
    gateway = _received(messages, site)
    in_force = Counter(
        (i.person, i.key.authority)
        for i in gateway.store.identities.values()
        if not i.retired and i.key.authority == ADMISSIONS.authority
    )
    assert all(count == 1 for count in in_force.values())


@_SITES
@quick
@given(messages=_MESSAGES, named=st.lists(_PEOPLE, min_size=5, max_size=5))
def test_no_link_of_ours_makes_one_person_of_contradicting_traits(site: Site, messages: Messages, named: list[Traits]):
    """Where each number keeps its traits, only a merge leaves two that contradict in one person (promise P7)."""
    traits_of = dict(zip(_EVERY_NUMBER, named, strict=True))
    plain = [([_as_told(fact, traits_of) for fact in facts], source, minute) for facts, source, minute in messages]
    people = defaultdict(list)
    for identity in _received(plain, site).store.identities.values():
        people[identity.person].append(identity.patient.traits)
    for traits in people.values():
        assert all(contradictions(a, b) == () for a, b in combinations(traits, 2))


def _as_told(fact: Fact, traits_of: dict[Identifier, Traits]) -> Fact:
    who = replace(fact.patient, traits=traits_of[fact.patient.identifiers[0]])
    return told(who) if isinstance(fact, PatientReported | PatientMerged) else replace(fact, patient=who)


@_SITES
@quick
@given(messages=_MESSAGES)
def test_a_batch_of_all_and_batches_of_one_end_alike(site: Site, messages: Messages):
    """How messages are batched changes nothing: needs names all that a decision touches."""
    single = _received(messages, site)
    together = Gateway(site)
    together.process(single.jobs)
    assert [e.outcome for e in together.endings] == [e.outcome for e in single.endings]
    assert together.live() == single.live()


def _received_with_looks(messages: Messages) -> Gateway:
    gateway = Gateway()
    for facts, source, minute in messages:
        gateway.process([gateway.job(*facts, source=source, minute=minute)])
        gateway.look(25)
    return gateway


def _is_of_what_waits(title: str) -> bool:
    return title.endswith("-unknown") and not title.startswith("result.")


@quick
@given(_MESSAGES)
def test_what_waits_is_seen_while_it_waits_and_changes_nothing_else(messages: Messages):
    """Each object that facts wait for too long is open somewhere, until it comes; what has come shows as without."""
    gateway = _received_with_looks(messages)
    for check in (_check_queues, _check_publication, _check_questions, _check_persons):
        check(gateway)
    waiting = {f.id for f in gateway.store.foci.values() if f.held}
    assert all(gateway.store.foci[f].fact is None for f in waiting)
    shown = {i.focus for i in gateway.store.items.values() if i.open and gateway.store.foci[i.focus].fact is None}
    assert shown == waiting
    of_objects = [line for line in gateway.live() if not _is_of_what_waits(line[2])]
    assert of_objects == _received(messages).live()


# -- names -------------------------------------------------------------------------------------------------------------


@quick
@given(st.text(max_size=20), st.text(max_size=20))
def test_contradiction_is_symmetric_and_nobody_contradicts_himself(one: str, other: str):
    """Whatever a name holds; and the normal form is stable."""
    a, b = (replace(ANNE, birth_family_name=n, first_given_name=n, given_names="") for n in (one, other))
    assert contradictions(a, b) == contradictions(b, a)
    assert contradictions(a, a) == ()
    assert normalise(normalise(one)) == normalise(one)
