"""Whom a record resembles: linked only where nothing speaks against it, asked about in doubt, and never delayed."""

from dataclasses import replace

import pytest
from facts import ANNE, CLINIC, IMAGING, LAB, PAUL, SITE, Gateway, ins, ipp, merged, own, patient, result, told
from sites import ADMISSIONS

from gateway.audit import AuditAction
from gateway.decision import Circle, Decision, DecisionKind, enacted, weighed
from gateway.evidence import Hindrance
from gateway.facts import Identifier, IdentityStatus
from gateway.focus import Doubt, FocusKind, Question, question_key
from gateway.identity import Ruling, fingerprint
from gateway.identity_desk import Asked, questions_after, questions_before
from gateway.pipeline import Needs
from gateway.site import Environment, Matching, Source
from gateway.undo import undone
from gateway.worklist import ItemKind

TRUSTED = replace(LAB, trust_contract=True)
TRUSTED_IMAGING = replace(IMAGING, trust_contract=True)
LAB_7, IMAGING_9 = own(LAB, "7"), own(IMAGING, "9")
LINK, NOT_SAME = DecisionKind.LINK, DecisionKind.NOT_SAME
RARE = replace(ANNE, birth_family_name="KERVADEC")


def matching(*, automatic: bool = True, sources: tuple[Source, ...] = (TRUSTED, TRUSTED_IMAGING)) -> Gateway:
    """Give a gateway that compares records."""
    site = replace(SITE, sources=(ADMISSIONS, *sources, CLINIC), matching=Matching(automatic=automatic))
    return Gateway(site)


def asked(gateway: Gateway, key: Identifier) -> Question:
    """Give the question about the record with this key."""
    question = gateway.question(gateway.identity(key))
    assert question is not None
    return question


def hindrances(gateway: Gateway, key: Identifier) -> tuple[Hindrance, ...]:
    """Give what hindered the link of a record."""
    evidence = asked(gateway, key).evidence
    assert evidence is not None
    return evidence.hindrances


def joined(gateway: Gateway, one: Identifier, other: Identifier) -> bool:
    """Whether two records are of one person."""
    return gateway.identity(one).person == gateway.identity(other).person


# -- links -------------------------------------------------------------------------------------------------------------


def test_a_match_is_linked_where_the_site_says_so_and_the_link_says_why():
    """A department's own number is the person of admissions; the evidence is kept, and nobody is asked."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    assert joined(gateway, ipp("1"), LAB_7)
    assert gateway.questions() == []
    linked = next(e for e in gateway.audit if e.action is AuditAction.IDENTITY_LINKED)
    assert (linked.detail["by"], linked.detail["model"]) == ("score", "shipped-1")
    assert set(linked.patients) == {gateway.identity(ipp("1")).id, gateway.identity(LAB_7).id}
    question = asked(gateway, LAB_7)
    assert question.answered
    assert question.evidence is not None
    (weighed,) = question.evidence.candidates
    assert weighed.identity == gateway.identity(ipp("1")).id
    assert sum(bits for *_, bits in weighed.contributions) == pytest.approx(weighed.score, abs=0.1)


def test_what_is_kept_of_a_comparison_holds_no_value_of_a_trait():
    """Identifiers of records, levels and bits, and nothing that a patient is called or was born as."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    kept = repr(asked(gateway, LAB_7).evidence)
    assert not any(value in kept for value in ("KERVADEC", "ANNE", "1958", "63220"))


def test_admissions_that_comes_after_the_department_is_linked_alike():
    """The department's question is answered by the link, and its item is told again under the confirmed person."""
    gateway = matching()
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    before = gateway.only(ItemKind.RESULT)
    gateway.send(told(patient(ipp("1"), of=RARE)))
    assert joined(gateway, ipp("1"), LAB_7)
    assert gateway.person(LAB_7).confirmed
    assert gateway.questions() == []
    assert gateway.only(ItemKind.RESULT).version == before.version + 1


def test_no_trait_goes_from_one_record_to_another():
    """A link changes the pointer to the person alone: both records say what they said."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE)))
    thin = replace(RARE, given_names="")
    gateway.send(result(patient(LAB_7, of=thin)), source=TRUSTED)
    assert joined(gateway, ipp("1"), LAB_7)
    assert gateway.identity(ipp("1")).patient.traits == RARE
    assert gateway.identity(LAB_7).patient.traits == thin


def test_a_provisional_record_that_learns_traits_is_compared_again():
    """What was not enough on the first day is linked once the rest is told."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE)))
    thin = replace(RARE, birth_date="", sex="", birth_place_code="")
    gateway.send(result(patient(LAB_7, of=thin)), source=TRUSTED)
    assert not joined(gateway, ipp("1"), LAB_7)
    gateway.send(result(patient(LAB_7, of=RARE), value="5.0"), source=TRUSTED)
    assert joined(gateway, ipp("1"), LAB_7)
    assert gateway.questions() == []


# -- what hinders ------------------------------------------------------------------------------------------------------


def test_a_vouched_identity_is_compared_again_once_admissions_has_corrected_it():
    """Whom a correction makes like a department's record is asked about; one that changes no trait asks nothing."""
    gateway = matching(automatic=False)
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    gateway.send(told(patient(ipp("1"), of=PAUL)))
    assert asked(gateway, LAB_7).doubt is Doubt.UNKNOWN
    gateway.send(told(patient(ipp("1"), of=PAUL), correction=True))
    assert gateway.question(gateway.identity(ipp("1"))) is None
    gateway.send(told(patient(ipp("1"), of=RARE), correction=True))
    assert asked(gateway, ipp("1")).doubt is Doubt.LINK_PROPOSED
    assert asked(gateway, ipp("1")).other == gateway.identity(LAB_7).id
    assert not joined(gateway, ipp("1"), LAB_7)


def test_a_site_that_has_not_said_so_is_asked():
    """By default every match is a question: link proposed, delivered at once on a record of its own."""
    gateway = matching(automatic=False)
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    assert not joined(gateway, ipp("1"), LAB_7)
    assert asked(gateway, LAB_7) == Question(Doubt.LINK_PROPOSED, gateway.identity(ipp("1")).id)
    assert hindrances(gateway, LAB_7) == (Hindrance.SETTING,)
    assert gateway.only(ItemKind.RESULT).identity == gateway.identity(LAB_7).id


def test_without_a_contract_of_trust_nothing_is_linked_and_no_status_changes():
    """The new record is provisoire, and the known one keeps its status (RNIV 1, EXI SI 33, EXI SI 34)."""
    gateway = matching(sources=(LAB,))
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(result(patient(LAB_7, of=RARE, status=IdentityStatus.VALIDEE)), source=LAB)
    assert hindrances(gateway, LAB_7) == (Hindrance.TRUST,)
    assert gateway.person(LAB_7).status is IdentityStatus.PROVISOIRE
    assert gateway.person(ipp("1")).status is IdentityStatus.VALIDEE


def test_two_departments_are_never_linked_without_admissions():
    """Nobody vouches for either."""
    gateway = matching()
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    gateway.send(result(patient(IMAGING_9, of=RARE)), source=TRUSTED_IMAGING)
    assert hindrances(gateway, IMAGING_9) == (Hindrance.VOUCHING,)


def test_an_identity_that_nobody_has_checked_is_not_linked():
    """Admissions vouches for a provisoire identity, but nobody has seen a document."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE, status=IdentityStatus.PROVISOIRE)))
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    assert hindrances(gateway, LAB_7) == (Hindrance.PROVISIONAL,)


@pytest.mark.parametrize("attribute", ["HOMA", "DOUT", "DPOT"])
def test_a_marked_identity_is_not_linked(attribute: str):
    """Who has a known homonym is asked about, with the candidate named."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE, attributes=frozenset({attribute}))))
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    assert hindrances(gateway, LAB_7) == (Hindrance.ATTRIBUTES,)
    assert asked(gateway, LAB_7).doubt is Doubt.POSSIBLE_MATCH


def test_a_strict_trait_that_contradicts_is_a_question():
    """A slip in the name is nobody's to overlook alone: a person who links against it needs a second one."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(result(patient(LAB_7, of=replace(RARE, birth_family_name="KERVADIC"))), source=TRUSTED)
    assert not joined(gateway, ipp("1"), LAB_7)
    question = asked(gateway, LAB_7)
    assert (question.doubt, question.traits) == (Doubt.POSSIBLE_MATCH, ("birth_family_name",))
    assert Hindrance.DISCORDANT in hindrances(gateway, LAB_7)


def test_two_persons_who_may_be_meant_are_both_named():
    """Namesakes of two admissions' domains: the question names the best and the other."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(told(patient(own(CLINIC, "5"), of=RARE)), source=CLINIC)
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    question = asked(gateway, LAB_7)
    named = {gateway.identity(ipp("1")).id, gateway.identity(own(CLINIC, "5")).id}
    assert {question.other, *question.further} == named
    assert hindrances(gateway, LAB_7) == (Hindrance.SEVERAL,)


@pytest.mark.parametrize(
    ("changes", "guard"),
    [
        ({"first_given_name": "LOUISE", "given_names": "LOUISE", "multiple_birth_rank": "2"}, "given-name"),
        ({"birth_date": "1958-03-04"}, "birth-date"),
        ({"sex": "M"}, "sex"),
    ],
)
def test_where_a_guard_speaks_it_is_a_question_that_says_which(changes: dict[str, str], guard: str):
    """Twins and namesakes are delivered at once, and a person decides."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(result(patient(LAB_7, of=replace(RARE, **changes))), source=TRUSTED)
    assert not joined(gateway, ipp("1"), LAB_7)
    evidence = asked(gateway, LAB_7).evidence
    assert evidence is not None
    assert guard in evidence.candidates[0].guards
    assert gateway.only(ItemKind.RESULT).identity == gateway.identity(LAB_7).id


def test_a_minor_is_never_linked_by_score():
    """Complementary traits do not tell children apart (RNIV 1 §4.9)."""
    gateway = matching()
    child = replace(RARE, birth_date="2019-05-06")
    gateway.send(told(patient(ipp("1"), of=child)))
    gateway.send(result(patient(LAB_7, of=child)), source=TRUSTED)
    evidence = asked(gateway, LAB_7).evidence
    assert evidence is not None
    assert evidence.candidates[0].guards == ("minor",)


def test_fictitious_patients_meet_each_other_alone():
    """Nobody is asked whether a patient of an exercise is a real one."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE, attributes=frozenset({"FICT"}))))
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    assert asked(gateway, LAB_7) == Question(Doubt.UNKNOWN)


def test_a_test_ins_never_meets_a_real_patient_in_production():
    """Neither link nor question, whatever else agrees."""
    site = replace(
        SITE, environment=Environment.PRODUCTION, sources=(ADMISSIONS, TRUSTED), matching=Matching(automatic=True)
    )
    gateway = Gateway(site)
    gateway.send(told(patient(ipp("1"), ins(authority="1.2.250.1.213.1.4.10"), of=RARE)))
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    assert asked(gateway, LAB_7) == Question(Doubt.UNKNOWN)


def test_a_site_without_the_matcher_decides_by_exact_rules_alone():
    """Nothing is compared."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(result(patient(LAB_7, of=RARE)), source=LAB)
    assert asked(gateway, LAB_7) == Question(Doubt.UNKNOWN)


# -- doubles of one domain ---------------------------------------------------------------------------------------------


def test_a_second_number_of_one_domain_is_a_possible_double_and_never_linked():
    """Both are confirmed, apart, and the desk is asked; admissions merges, and the question answers itself."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(told(patient(ipp("2"), of=RARE)))
    assert not joined(gateway, ipp("1"), ipp("2"))
    assert asked(gateway, ipp("2")) == Question(Doubt.POSSIBLE_DOUBLE, gateway.identity(ipp("1")).id)
    gateway.send(merged(patient(ipp("2"), of=RARE), ipp("1")))
    assert gateway.questions() == []


def test_numbers_near_each_other_are_no_evidence():
    """Two people registered one after the other have numbers that differ by a digit, and nothing else in common."""
    gateway = matching()
    gateway.send(told(patient(ipp("800123"), of=RARE)))
    gateway.send(told(patient(ipp("800124"), of=replace(PAUL, birth_date=RARE.birth_date))))
    assert gateway.questions() == []


def test_twins_of_one_domain_are_no_double():
    """Two given names of one birth are two people, each registered."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=replace(RARE, multiple_birth_rank="1"))))
    twin = replace(RARE, first_given_name="LOUISE", given_names="LOUISE", multiple_birth_rank="2")
    gateway.send(told(patient(ipp("2"), of=twin)))
    assert gateway.questions() == []


def test_nobody_is_compared_with_whom_the_desk_has_frozen():
    """Whose the frozen record is, is asked already: no link and no proposal."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE)))
    admitted = gateway.identity(ipp("1"))
    gateway.store.identities[admitted.id] = replace(admitted, frozen=True)
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    assert not joined(gateway, ipp("1"), LAB_7)
    assert asked(gateway, LAB_7).doubt is Doubt.UNKNOWN


def test_who_has_a_double_is_not_linked_before_it_is_settled():
    """Two numbers of admissions fit the department's record: the desk is asked, naming both."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(told(patient(ipp("2"), of=RARE)))
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    question = asked(gateway, LAB_7)
    assert question.doubt is Doubt.POSSIBLE_MATCH
    assert {question.other, *question.further} == {gateway.identity(ipp(n)).id for n in "12"}


# -- decisions of people -----------------------------------------------------------------------------------------------


def decided_apart(gateway: Gateway, one: Identifier, other: Identifier) -> None:
    """Let people have decided that two records are not one person."""
    a, b = gateway.identity(one), gateway.identity(other)
    prints = fingerprint(a.patient), fingerprint(b.patient)
    gateway.store.identities[a.id] = replace(a, rulings=(Ruling(b.id, same=False, prints=prints),))
    gateway.store.identities[b.id] = replace(b, rulings=(Ruling(a.id, same=False, prints=prints[::-1]),))


def test_what_people_decided_is_neither_linked_nor_asked_again():
    """A used name that comes is no strict trait: the decision stands."""
    gateway = matching(automatic=False)
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    decided_apart(gateway, LAB_7, ipp("1"))
    doubted = gateway.actions().count(AuditAction.IDENTITY_DOUBTED)
    gateway.send(result(patient(LAB_7, of=replace(RARE, used_family_name="MOREL")), value="5"), source=TRUSTED)
    assert not joined(gateway, ipp("1"), LAB_7)
    assert gateway.actions().count(AuditAction.IDENTITY_DOUBTED) == doubted


def test_what_was_decided_of_a_number_that_is_retired_since_still_hinders():
    """Decided apart, that number merged into another, then a trait changes: a question, never a link."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(result(patient(LAB_7, of=replace(RARE, birth_place_code="", sex="M"))), source=TRUSTED)
    decided_apart(gateway, LAB_7, ipp("1"))
    gateway.send(told(patient(ipp("2"), of=RARE)))
    gateway.send(merged(patient(ipp("2"), of=RARE), ipp("1")))
    gateway.send(told(patient(LAB_7, of=RARE), correction=True), source=TRUSTED)
    assert not joined(gateway, ipp("2"), LAB_7)
    assert Hindrance.DECIDED in hindrances(gateway, LAB_7)


def test_a_strict_trait_that_changed_asks_again_and_links_nothing():
    """Decided on other traits than these: a question, never a link."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(result(patient(LAB_7, of=replace(RARE, birth_place_code="", sex="M"))), source=TRUSTED)
    decided_apart(gateway, LAB_7, ipp("1"))
    gateway.send(told(patient(LAB_7, of=RARE), correction=True), source=TRUSTED)
    assert not joined(gateway, ipp("1"), LAB_7)
    assert Hindrance.DECIDED in hindrances(gateway, LAB_7)


class Sitting:
    """Decisions and undos about one record's question, one after another, as the desk takes them."""

    def __init__(self, gateway: Gateway, key: Identifier) -> None:
        self.own = gateway.identity(key).id
        named = (self.own, *asked(gateway, key).names)
        self.circle = Circle({i: gateway.store.identities[i] for i in named})
        keys = frozenset((i.key.authority, i.key.value) for i in self.circle.identities.values())
        self.state = gateway.store.load(Needs(keys, frozenset(), frozenset()))
        self.now = gateway.now

    @property
    def question(self) -> Question:
        """As it stands."""
        (focus,) = self.state.foci_with(FocusKind.QUESTION, (question_key(self.own),))
        assert isinstance(focus.fact, Question)
        return focus.fact

    def decide(self, kind: DecisionKind, other: str) -> None:
        """Take a decision on the record and another; its number is the next."""
        number = len(self.circle.decisions) + 1
        plain = Decision(number, kind, self.own, other, "account:nadia", self.now, "a test")
        decision = weighed(self.circle, plain, "fresh")
        circle = enacted(self.circle, decision)
        questions, answered = questions_after(self.state, circle, decision)
        self._stand(circle.decided(replace(decision, answered=answered)), questions)

    def undo(self, number: int) -> None:
        """Undo a decision."""
        done = undone(self.circle, number, "account:nadia", self.now, "a test")
        self._stand(done.circle, questions_before(self.state, done.circle, done.decision))

    def _stand(self, circle: Circle, questions: Asked) -> None:
        self.circle = circle
        for identity in circle.identities.values():
            self.state.put_identity(identity)
        for focus, question in questions:
            self.state.put_focus(replace(focus, fact=question), ())


def two_candidates() -> tuple[Sitting, str, str]:
    """Give the sitting on a record that may be either of two, and the two."""
    gateway = matching()
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(told(patient(ipp("2"), of=RARE)))
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    sitting = Sitting(gateway, LAB_7)
    one, other = sitting.question.names
    return sitting, one, other


def test_that_one_candidate_is_another_person_leaves_the_question_of_the_others():
    """Not the same as the likelier of two: the other is still asked about; only once both are decided nothing is."""
    sitting, one, other = two_candidates()
    sitting.decide(NOT_SAME, one)
    assert (sitting.question.names, sitting.question.answered) == ((other,), False)
    sitting.decide(NOT_SAME, other)
    assert sitting.question.answered


@pytest.mark.parametrize("second", [NOT_SAME, LINK])
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_undone_in_any_order_a_decision_brings_its_candidate_back(order, second):
    """Whatever the second decision was, and whichever is undone first, the question is as it was."""
    sitting, one, other = two_candidates()
    before = sitting.question
    sitting.decide(NOT_SAME, one)
    sitting.decide(second, other)
    for number in order:
        sitting.undo(number)
    assert sitting.question == before


def test_a_link_leaves_the_question_of_a_double():
    """Who is linked with a department's record may still be a double of the own domain: that is for admissions."""
    gateway = matching(automatic=False)
    gateway.send(told(patient(ipp("1"), of=RARE)))
    gateway.send(result(patient(LAB_7, of=RARE)), source=TRUSTED)
    gateway.send(told(patient(ipp("2"), of=RARE)))
    sitting, lab, double = Sitting(gateway, ipp("2")), gateway.identity(LAB_7).id, gateway.identity(ipp("1")).id
    before = sitting.question
    assert {*before.names} == {double, lab}
    sitting.decide(LINK, lab)
    assert (sitting.question.names, sitting.question.answered) == ((double,), False)
    sitting.undo(1)
    assert sitting.question == before
