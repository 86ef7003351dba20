"""In whatever order messages come: the same persons, or a question; and never a join that a guard forbids."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import combinations

from facts import ANNE, CLINIC, IMAGING, LAB, SITE, Gateway, ipp, own, patient, result, told
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sites import ADMISSIONS

from gateway.facts import Fact, Identifier, IdentityStatus, Traits
from gateway.focus import Question
from gateway.identity import Identity, disagreements
from gateway.likeness import likeness
from gateway.matching.matcher import explained
from gateway.matching.model import Model
from gateway.site import Matching, Source

quick = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])

RARE = replace(ANNE, birth_family_name="KERVADEC", multiple_birth_rank="1")
TWIN = replace(RARE, first_given_name="LOUISE", given_names="LOUISE", multiple_birth_rank="2")
PEOPLE = (
    RARE,
    replace(RARE, multiple_birth_rank="", birth_place_code=""),
    replace(RARE, birth_family_name="KERVADIC"),
    TWIN,
    replace(TWIN, multiple_birth_rank=""),
    replace(RARE, given_names="ANNE SOPHIE", birth_place_code="75056"),
    replace(RARE, birth_date="2020-03-21"),
    replace(RARE, birth_date="1958-12-31"),
    replace(RARE, birth_date="", sex=""),
)
"""One who is told badly, her twin, a namesake, a child, and who is known in part."""

TRUSTING = tuple(replace(source, trust_contract=True) for source in (ADMISSIONS, LAB, IMAGING, CLINIC))
LINKING = replace(SITE, sources=TRUSTING, matching=Matching(automatic=True))

Told = tuple[Source, str, Traits, IdentityStatus]
_STATUS = st.sampled_from([IdentityStatus.VALIDEE, IdentityStatus.VALIDEE, IdentityStatus.PROVISOIRE])
_TOLD = st.tuples(st.sampled_from(TRUSTING), st.sampled_from("12"), st.sampled_from(PEOPLE), _STATUS)
_DAYS = st.lists(_TOLD, min_size=2, max_size=5, unique_by=lambda t: (t[0].id, t[1]))


def number(source: Source, value: str) -> Identifier:
    """Give a number of the source's own."""
    return ipp(value) if source.authority == ADMISSIONS.authority else own(source, value)


def lived(day: Sequence[Told]) -> Gateway:
    """Give the gateway that has had these messages, each about a record of its own."""
    gateway = Gateway(LINKING)
    for source, value, traits, status in day:
        who = patient(number(source, value), of=traits, status=status)
        fact: Fact = told(who) if source.role is ADMISSIONS.role else result(who, key=f"{source.id}{value}")
        gateway.send(fact, source=source)
    return gateway


def joined(gateway: Gateway) -> set[frozenset[Identifier]]:
    """Give the pairs of numbers that are of one person."""
    records = gateway.store.identities.values()
    return {frozenset((a.key, b.key)) for a, b in combinations(records, 2) if a.person == b.person}


def doubted(gateway: Gateway) -> set[Identifier]:
    """Give the numbers about which something is asked: those that a question is about, and those that it names."""
    found = set()
    for focus in gateway.store.foci.values():
        if isinstance(focus.fact, Question) and not focus.fact.answered:
            found |= {focus.identity, focus.fact.other, *focus.fact.further}
    return {gateway.store.identities[i].key for i in found if i}


def forbidden(one: Identity, other: Identity, on: date) -> bool:
    """Whether a guard speaks against their being one person, or a strict trait contradicts."""
    a, b = likeness(one.id, one.patient), likeness(other.id, other.patient)
    return bool(explained(a, b, Model(), on).guards or disagreements(one.patient, other.patient))


@quick
@given(_DAYS)
def test_no_person_holds_two_records_that_a_guard_keeps_apart(day: list[Told]):
    """Not even by a third that fits both; and never two numbers of one domain (promise P7)."""
    gateway = lived(day)
    records = gateway.store.identities.values()
    together = [(a, b) for a, b in combinations(records, 2) if a.person == b.person]
    assert not [(a, b) for a, b in together if forbidden(a, b, gateway.now.date())]
    assert all(a.key.authority != b.key.authority for a, b in together)


@quick
@given(_DAYS, st.randoms(use_true_random=False))
@example([(LAB, "1", RARE, IdentityStatus.VALIDEE), (ADMISSIONS, "1", RARE, IdentityStatus.VALIDEE)], None)
def test_any_order_ends_in_the_same_persons_or_in_a_question(day: list[Told], chance):
    """Whom one order joins and another does not, somebody is asked about."""
    again = list(reversed(day))
    if chance is not None:
        chance.shuffle(again)
    one, other = lived(day), lived(again)
    for pair in joined(one) ^ joined(other):
        unsure = one if pair in joined(other) else other
        assert pair & doubted(unsure), pair


@quick
@given(_DAYS)
def test_every_message_is_delivered_whatever_the_doubt(day: list[Told]):
    """Each department's result is on a queue (doubt never delays)."""
    gateway = lived(day)
    of_departments = [source for source, *_ in day if source.role is not ADMISSIONS.role]
    assert len([i for i in gateway.store.items.values() if i.open and i.kind == "result"]) == len(of_departments)
