"""What people decide of identities, on whole persons in memory; and any order of decisions and undos."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from facts import ANNE, PAUL
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.decision import Circle, Decision, DecisionKind, Standing, enacted, needs_second, weighed
from gateway.errors import ResourceNotFound, StateConflict
from gateway.facts import Identifier, IdentityStatus, Patient
from gateway.identity import Identity, apart, settled
from gateway.told import NEVER
from gateway.undo import undo_needs_second, undone

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
LINK, NOT_SAME, UNLINK, REQUEST, FLAG, FREEZE, LIFT, _, UNDO = DecisionKind


def record(name: str, domain: str = "", *, person: str = "", vouched: bool = False, traits=ANNE) -> Identity:
    """A record of a domain (its own unless told otherwise), alone in its person unless told otherwise."""
    key = Identifier(domain or f"domain-{name}", name)
    patient = Patient((key,), traits, IdentityStatus.VALIDEE)
    return Identity(name, key, person or f"p-{name}", NEVER, vouched, patient)


def circle(*records: Identity) -> Circle:
    return Circle({r.id: r for r in records})


def decide(found: Circle, kind: DecisionKind, one: str, other: str = "", subject: str = "") -> Circle:
    """Take a decision; its number is the next, and a person of its own is named after it."""
    number = len(found.decisions) + 1
    asked = Decision(number, kind, one, other, "nadia", NOW, "a test", subject=subject)
    return enacted(found, weighed(found, asked, f"fresh-{number}"))


def undo(found: Circle, number: int) -> Circle:
    return undone(found, number, "nadia", NOW, "a test").circle


def persons(found: Circle) -> dict[str, str]:
    return {i.id: i.person for i in found.identities.values()}


def joined(found: Circle, one: str, other: str) -> bool:
    return found.identities[one].person == found.identities[other].person


ADM, LAB, RIS = record("adm", vouched=True), record("lab"), record("ris")


def test_a_link_makes_one_person_and_admissions_stays():
    """Whichever is named first, the person whom admissions vouches for is the one that stays."""
    for one, other in (("adm", "lab"), ("lab", "adm")):
        assert persons(decide(circle(ADM, LAB), LINK, one, other)) == {"adm": "p-adm", "lab": "p-adm"}


def test_a_link_takes_the_whole_person_along():
    """What belonged to the one person belongs to the other."""
    linked = decide(circle(ADM, LAB, replace(RIS, person="p-lab")), LINK, "lab", "adm")
    assert set(persons(linked).values()) == {"p-adm"}


def test_two_numbers_of_one_domain_are_never_linked():
    """That is a merge, which is for admissions (EXI SI 37): it can be requested, and that moves nothing."""
    both = circle(record("a", "d"), record("b", "d"), LAB)
    with pytest.raises(StateConflict, match="request a merge"):
        decide(both, LINK, "a", "b")
    with pytest.raises(StateConflict, match="request a merge"):
        decide(decide(both, LINK, "a", "lab"), LINK, "lab", "b")
    requested = decide(both, REQUEST, "a", "b")
    assert persons(requested) == persons(both)
    with pytest.raises(StateConflict, match="already"):
        decide(requested, REQUEST, "b", "a")
    with pytest.raises(StateConflict, match="one domain"):
        decide(both, REQUEST, "a", "lab")


def test_what_cannot_be_is_refused():
    """One with itself, one person again (a cycle), an unknown record, the only record of its person."""
    linked = decide(circle(ADM, LAB, RIS), LINK, "lab", "adm")
    for kind, one, other in ((LINK, "adm", "adm"), (LINK, "adm", "lab"), (LINK, "lab", "adm"), (UNLINK, "ris", "")):
        with pytest.raises(StateConflict):
            decide(linked, kind, one, other)
    with pytest.raises(StateConflict, match="unlink"):
        decide(linked, NOT_SAME, "adm", "lab")
    with pytest.raises(ResourceNotFound):
        decide(linked, LINK, "adm", "nobody")
    with pytest.raises(ResourceNotFound):
        undo(linked, 7)


def test_a_retired_number_takes_nothing_and_gives_nothing():
    """Its survivor is the one to decide on; only who merged it can be told that it was no such person."""
    merged = circle(ADM, replace(LAB, person="p-adm", retired=True), RIS)
    for kind in (LINK, NOT_SAME):
        with pytest.raises(StateConflict, match="retired"):
            decide(merged, kind, "lab", "ris")
    assert persons(decide(merged, UNLINK, "lab"))["lab"] == "fresh-1"


def test_a_chain_of_links_is_one_person():
    """Links of links end in one person, and so does a link of two who were linked before."""
    chain = decide(decide(circle(ADM, LAB, RIS, record("pac")), LINK, "pac", "ris"), LINK, "lab", "adm")
    assert set(persons(decide(chain, LINK, "pac", "lab")).values()) == {"p-adm"}


def test_a_link_against_a_strict_trait_says_so():
    """The traits on which the two contradict each other are named: a second person must see it."""
    against = decide(circle(ADM, record("lab", traits=PAUL)), LINK, "adm", "lab").decisions[0]
    assert "birth_family_name" in against.discordant
    assert decide(circle(ADM, LAB), LINK, "adm", "lab").decisions[0].discordant == ()


def test_not_the_same_is_settled_until_a_strict_trait_changes():
    """A changed trait asks anew; until people say otherwise the two are kept apart all the same."""
    ruled = decide(circle(ADM, LAB), NOT_SAME, "adm", "lab")
    one, other = ruled.identities["adm"], ruled.identities["lab"]
    assert settled(one, other)
    assert settled(other, one)
    spelt = replace(one.patient.traits, birth_family_name=one.patient.traits.birth_family_name.lower())
    assert settled(replace(one, patient=replace(one.patient, traits=spelt)), other)
    moved = replace(one, patient=replace(one.patient, traits=replace(ANNE, birth_date="1999-01-01")))
    assert not settled(moved, other)
    assert apart(moved, other)
    with pytest.raises(StateConflict, match="undo"):
        decide(ruled, LINK, "adm", "lab")
    assert joined(decide(undo(ruled, 1), LINK, "adm", "lab"), "adm", "lab")


def test_many_are_not_one_person_by_one_act_of_two():
    """One decision rules on each pair, needs a second person, and is undone as a whole."""
    known = circle(ADM, LAB, RIS)
    asked = Decision(1, NOT_SAME, "adm", "lab", "nadia", NOW, "three sisters", further=("ris",))
    decided = weighed(known, asked, "fresh")
    assert decided.pairs == (("adm", "lab"), ("adm", "ris"))
    assert needs_second(known, decided, ())
    after = enacted(known, decided)
    assert all(apart(after.identities["adm"], after.identities[other]) for other in ("lab", "ris"))
    assert not apart(after.identities["lab"], after.identities["ris"])
    back = undone(after, 1, "nadia", NOW, "a test").circle
    assert not any(apart(back.identities["adm"], back.identities[other]) for other in ("lab", "ris"))
    for wrong in (replace(asked, further=("lab",)), replace(asked, further=("adm",)), replace(asked, kind=LINK)):
        with pytest.raises(StateConflict):
            weighed(known, wrong, "fresh")


def test_what_admissions_retired_while_it_was_frozen_is_lifted_all_the_same():
    """A number merged away is frozen no more by anybody, but what is frozen may be let go."""
    frozen = enacted(circle(ADM, LAB), Decision(1, FREEZE, "adm", "", "nadia", NOW, "two people", prints={"adm": "x"}))
    gone = replace(frozen, identities={**frozen.identities, "adm": replace(frozen.identities["adm"], retired=True)})
    lifted = enacted(gone, weighed(gone, Decision(2, LIFT, "adm", "", "nadia", NOW, "one person"), "fresh"))
    assert not lifted.identities["adm"].frozen
    with pytest.raises(StateConflict):
        weighed(lifted, Decision(3, FREEZE, "adm", "", "nadia", NOW, "again"), "fresh")


def test_an_unlinked_record_stays_apart_from_its_former_family():
    """It has a person of its own, and no link brings it back before the decision is undone."""
    apart_ = decide(decide(circle(ADM, LAB), LINK, "lab", "adm"), UNLINK, "lab")
    assert persons(apart_) == {"adm": "p-adm", "lab": "fresh-2"}
    with pytest.raises(StateConflict, match="undo"):
        decide(apart_, LINK, "lab", "adm")
    assert persons(undo(apart_, 2)) == {"adm": "p-adm", "lab": "p-adm"}


def test_an_undo_leaves_what_would_be_without_the_decision():
    """A record that only went along with a link goes back; what a later decision says of others stands."""
    both = decide(decide(circle(ADM, LAB, RIS), LINK, "lab", "ris"), LINK, "lab", "adm")
    assert set(persons(both).values()) == {"p-adm"}
    first = undo(both, 1)
    assert persons(first) == {"adm": "p-adm", "lab": "p-adm", "ris": "p-ris"}
    assert persons(undo(first, 2)) == persons(circle(ADM, LAB, RIS))
    with pytest.raises(StateConflict, match="already"):
        undo(first, 1)


def test_an_undo_leaves_what_admissions_has_moved_since():
    """A record that a merge moved again stays where the merge put it, and is named."""
    linked = decide(circle(ADM, LAB, RIS), LINK, "lab", "adm")
    moved = {**linked.identities, "lab": replace(linked.identities["lab"], person="p-ris")}
    undoing = undone(replace(linked, identities=moved), 1, "nadia", NOW, "a test")
    assert undoing.stays == ("lab",)
    assert persons(undoing.circle)["lab"] == "p-ris"
    came = replace(linked, identities={**linked.identities, "new": record("new", person="p-adm")})
    assert undone(came, 1, "nadia", NOW, "a test").joined == ("new",)


def test_an_undone_unlink_leaves_what_was_linked_elsewhere_since():
    """The later decision stands; once that is undone too, the record is back in its former family."""
    start = circle(record("a", "d"), LAB, record("b", "d"))
    other = decide(decide(decide(start, LINK, "a", "lab"), UNLINK, "lab"), LINK, "lab", "b")
    again = undo(other, 2)
    assert joined(again, "lab", "b")
    assert not joined(again, "a", "b")
    assert joined(undo(again, 3), "a", "lab")


def test_an_undo_joins_nothing_that_is_kept_apart_since():
    """What was unlinked took part in a link since that its former family may not be in: that one is undone first."""
    start = circle(record("a", "z"), LAB, RIS, record("b", "z"))
    known = decide(decide(start, LINK, "lab", "ris"), LINK, "ris", "a")
    elsewhere = decide(decide(known, UNLINK, "a"), LINK, "ris", "b")
    with pytest.raises(StateConflict, match="later decision"):
        undo(elsewhere, 3)
    assert persons(undo(undo(elsewhere, 4), 3)) == persons(known)


def test_a_frozen_record_is_joined_with_nobody_until_it_is_lifted():
    """A link of any record of its person is refused, and so is an undo that would join it; each freeze is one."""
    frozen = decide(decide(circle(ADM, LAB, RIS), LINK, "lab", "adm"), FREEZE, "adm")
    assert frozen.identities["adm"].frozen
    for one, other in (("adm", "ris"), ("ris", "lab")):
        with pytest.raises(StateConflict, match="frozen"):
            decide(frozen, LINK, one, other)
    with pytest.raises(StateConflict, match="already"):
        decide(frozen, FREEZE, "adm")
    parted = decide(frozen, UNLINK, "lab")
    with pytest.raises(StateConflict):
        undo(parted, 3)
    lifted = decide(parted, LIFT, "adm")
    assert not lifted.identities["adm"].frozen
    with pytest.raises(StateConflict, match="not frozen"):
        decide(lifted, LIFT, "adm")
    assert joined(undo(lifted, 3), "lab", "adm")
    assert undo(lifted, 4).identities["adm"].frozen
    assert not undo(frozen, 2).identities["adm"].frozen


def test_a_flag_is_requested_of_admissions_and_never_set():
    """One of admissions' own records, of an attribute that it has not; douteuse is never asked of a fictive one."""
    asked = decide(circle(ADM, LAB), FLAG, "adm", subject="DOUT")
    assert asked.identities["adm"].patient == ADM.patient
    assert [(r.attribute, r.other) for r in asked.identities["adm"].requests] == [("DOUT", "")]
    with pytest.raises(StateConflict, match="requested already"):
        decide(asked, FLAG, "adm", subject="DOUT")
    with pytest.raises(StateConflict, match="of admissions"):
        decide(asked, FLAG, "lab", subject="HOMA")
    with pytest.raises(StateConflict, match="HOMA, DOUT"):
        decide(asked, FLAG, "adm", subject="FICT")
    fictive = replace(ADM, patient=replace(ADM.patient, attributes=frozenset({"FICT"})))
    with pytest.raises(StateConflict, match="EXI SI 09"):
        decide(circle(fictive), FLAG, "adm", subject="DOUT")
    assert undo(asked, 1).identities["adm"].requests == ()


def test_what_admissions_has_done_on_request_is_not_undone_here():
    """Once the request is off the record, it was followed; it can be made again, and the first stays as it was."""
    asked = decide(circle(record("a", "d"), record("b", "d")), REQUEST, "a", "b")
    assert not asked.is_followed(asked.decisions[0])
    merged = {**asked.identities, "a": replace(asked.identities["a"], requests=())}
    done = replace(asked, identities=merged)
    assert done.is_followed(done.decisions[0])
    with pytest.raises(StateConflict, match="admissions has done"):
        undo(done, 1)
    again = decide(done, REQUEST, "a", "b")
    assert [r.decision for r in again.identities["a"].requests] == [2]
    assert not again.is_followed(again.decisions[1])


@pytest.mark.parametrize(
    ("kind", "told", "wanted"),
    [(LINK, (), False), (NOT_SAME, ("lab",), False), (FREEZE, (), True), (LIFT, (), True), (UNLINK, (), False)],
)
def test_four_eyes_are_for_what_cannot_simply_be_taken_back(kind, told, wanted):
    """A collision always; the rest by what it does (the other tests)."""
    asked = Decision(1, kind, "lab", "adm", "nadia", NOW, "a test")
    assert needs_second(circle(ADM, LAB), asked, told) is wanted


@pytest.mark.parametrize(
    ("leaves", "told", "wanted"),
    [("lab", "lab", True), ("lab", "adm", False), ("adm", "adm", True), ("adm", "lab", True), ("lab", "", False)],
)
def test_whose_items_others_were_told_is_not_parted_from_who_they_were_shown_as_by_one_alone(leaves, told, wanted):
    """Whichever of the two leaves: a department's items are of somebody else once admissions' record has left, too."""
    linked = circle(ADM, replace(LAB, person="p-adm"))
    parting = weighed(linked, Decision(1, UNLINK, leaves, "", "nadia", NOW, "a test"), "fresh")
    assert needs_second(linked, parting, {told}) is wanted


def test_a_decision_keeps_nothing_that_it_has_no_use_for():
    """A second record where one is decided on, a flag where none is requested."""
    for kind, other, subject in ((FREEZE, "lab", ""), (FLAG, "lab", "HOMA"), (LINK, "lab", "HOMA"), (UNLINK, "", "x")):
        with pytest.raises(StateConflict, match=r"one record|neither"):
            decide(circle(ADM, replace(LAB, person="p-adm")), kind, "adm", other, subject)


def test_an_undo_needs_a_second_person_where_its_effect_would():
    """Of a link: where others were told of what leaves; of an unlink: where strict traits contradict."""
    linked = decide(circle(ADM, LAB), LINK, "lab", "adm")
    undoing = undone(linked, 1, "nadia", NOW, "a test")
    assert not undo_needs_second(linked, undoing, ())
    assert undo_needs_second(linked, undoing, {"lab"})
    assert not undo_needs_second(linked, undoing, {"adm"})
    for other, wanted in ((LAB, False), (record("lab", traits=PAUL), True)):
        parted = decide(circle(ADM, replace(other, person="p-adm")), UNLINK, "lab")
        assert undo_needs_second(parted, undone(parted, 1, "nadia", NOW, "a test"), {"lab"}) is wanted
    frozen = decide(circle(ADM, LAB), FREEZE, "adm")
    assert undo_needs_second(frozen, undone(frozen, 1, "nadia", NOW, "a test"), ())


NAMES = st.sampled_from([f"{domain}{n}" for domain in "abc" for n in range(3)])


def family(records: dict[str, Identity], name: str) -> list[Identity]:
    return [r for r in records.values() if r.person == records[name].person]


class Desk(RuleBasedStateMachine):
    """Nine numbers of three domains, some of one person by admissions' word, and whatever people may decide of them."""

    @initialize(together=st.lists(st.tuples(NAMES, NAMES), max_size=3))
    def begin(self, together):
        records = {f"{d}{n}": record(f"{d}{n}", d, vouched=d == "a") for d in "abc" for n in range(3)}
        for one, other in together:
            if one[0] != other[0] and all(len(family(records, o)) == 1 for o in (one, other)):
                records[one] = replace(records[one], person=records[other].person)
        self.circle = self.start = Circle(records)

    @rule(kind=st.sampled_from(DecisionKind), one=NAMES, other=NAMES)
    def decide(self, kind, one, other):
        try:
            two = kind in {LINK, NOT_SAME, REQUEST}
            self.circle = decide(self.circle, kind, one, other if two else "", "HOMA" if kind is FLAG else "")
        except StateConflict:
            return

    @rule(place=st.integers(0, 30))
    def undo(self, place):
        standing = [d.number for d in self.circle.in_force]
        if standing:
            try:
                self.circle = undo(self.circle, standing[place % len(standing)])
            except StateConflict:
                return

    @invariant()
    def no_two_numbers_of_one_domain_and_nobody_kept_apart_are_one_person(self):
        records = getattr(self, "circle", Circle({})).identities
        for one in records.values():
            for other in records.values():
                if one.id < other.id and one.person == other.person:
                    assert one.key.authority != other.key.authority
                    assert not apart(one, other)

    def teardown(self):
        """Undone in any order that the rules allow, everything is as it was at the start."""
        if not hasattr(self, "circle"):
            return
        assert set(self.circle.identities) == set(self.start.identities)
        while standing := self.circle.in_force:
            for decision in standing:
                try:
                    self.circle = undo(self.circle, decision.number)
                    break
                except StateConflict:
                    continue
            else:
                pytest.fail("nothing can be undone")
        assert persons(self.circle) == persons(self.start)
        assert all(not (i.rulings or i.frozen or i.requests) for i in self.circle.identities.values())
        assert all(d.standing is Standing.UNDONE for d in self.circle.decisions)


TestDesk = Desk.TestCase
TestDesk.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


class Beside(Desk):
    """The same while admissions merges numbers of its domains."""

    @rule(one=NAMES, other=NAMES)
    def merge(self, one, other):
        records = self.circle.identities
        retired, survivor = records[one], records[other]
        if one == other or one[0] != other[0] or retired.retired or survivor.retired:
            return
        gone = replace(retired, person=survivor.person, retired=True)
        self.circle = replace(self.circle, identities={**records, one: gone})

    @invariant()
    def no_two_numbers_of_one_domain_and_nobody_kept_apart_are_one_person(self):
        """But for what admissions itself has merged."""
        for one in (found := getattr(self, "circle", Circle({}))).identities.values():
            for other in found.family(one.id):
                if one.id < other.id and not one.retired and not other.retired:
                    assert one.key.authority != other.key.authority
                    assert not apart(one, other)

    def teardown(self):
        """No link is for ever, whatever was merged since."""
        if not hasattr(self, "circle"):
            return
        while standing := self.circle.in_force:
            for decision in reversed(standing):
                try:
                    self.circle = undo(self.circle, decision.number)
                    break
                except StateConflict:
                    continue
            else:
                assert not any(d.kind is LINK for d in standing)
                return


TestBeside = Beside.TestCase
TestBeside.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
