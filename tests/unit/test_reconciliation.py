"""Which person a message is about: exact matches only, and every doubt is a provisional record and a question."""

from dataclasses import replace

import pytest
from facts import (
    ANNE,
    CLINIC,
    IMAGING,
    LAB,
    NIA,
    NIR,
    PAUL,
    Gateway,
    book,
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
from sites import ADMISSIONS

from gateway.audit import AuditAction
from gateway.facts import Identifier, IdentifierKind, IdentityStatus, Patient, Traits
from gateway.focus import Doubt, Question
from gateway.identity import Identity, Ruling, fingerprint
from gateway.naming import PROVISIONAL_AUTHORITY
from gateway.outbox import IDENTITY_QUEUE
from gateway.reception import State
from gateway.worklist import ItemKind, ItemState

LAB_7, IMAGING_9 = own(LAB, "7"), own(IMAGING, "9")


def of_doubt(gateway: Gateway) -> list[Identity]:
    """Give the provisional records of the gateway's own authority."""
    return [i for i in gateway.store.identities.values() if i.key.authority == PROVISIONAL_AUTHORITY]


def refused(gateway: Gateway, *facts, source=ADMISSIONS) -> str:
    """Give the error with which a message went to quarantine."""
    outcome = gateway.process([gateway.job(*facts, source=source)]).endings[0].outcome
    assert outcome.state is State.QUARANTINED
    return outcome.error


# -- first sight and confirmation --------------------------------------------------------------------------------------


def test_admissions_makes_an_identity_without_a_question():
    """A patient whom admissions names first is known."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    assert gateway.person(ipp("1")).confirmed
    assert gateway.person(ipp("1")).identifiers == (ipp("1"),)
    assert gateway.questions() == []


def test_a_department_makes_a_provisional_identity_and_asks_once():
    """A patient whom only a department names is provisional, whatever status it claims; the desk is asked once."""
    gateway = Gateway()
    gateway.send(result(patient(ipp("1"), ins())), source=LAB)
    gateway.send(result(patient(ipp("1"), ins()), key="EX2"), source=LAB)
    assert not gateway.person(ipp("1")).confirmed
    assert gateway.person(ipp("1")).status is IdentityStatus.PROVISOIRE
    assert gateway.questions() == [Question(Doubt.UNKNOWN)]
    assert gateway.only(ItemKind.IDENTITY).secretariat == "identite"


def test_admissions_of_another_domain_does_not_vouch():
    """Admissions is authoritative in its own identification domain only."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))), source=CLINIC)
    assert not gateway.identity(ipp("1")).authoritative


def test_admissions_confirms_what_a_department_told_before():
    """Confirmed after all: the same record, the same person, the question answered, the items kept and told again."""
    gateway = Gateway()
    gateway.send(result(patient(ipp("1"))), source=LAB)
    before, item = gateway.identity(ipp("1")), gateway.only(ItemKind.RESULT)
    gateway.send(told(patient(ipp("1"))))
    after = gateway.identity(ipp("1"))
    assert (after.id, after.person, after.authoritative) == (before.id, before.person, True)
    assert gateway.questions() == []
    assert gateway.items(ItemKind.IDENTITY) == []
    assert gateway.only(ItemKind.RESULT).version == item.version + 1


def test_admissions_contradicting_a_provisional_record_sets_it_aside_with_its_items():
    """The IPP is admissions' from now on; the department's record keeps its items, under a question."""
    gateway = Gateway()
    gateway.send(result(patient(ipp("1"))), source=LAB)
    aside, item = gateway.identity(ipp("1")), gateway.only(ItemKind.RESULT)
    gateway.send(told(patient(ipp("1"), of=PAUL)))
    known = gateway.identity(ipp("1"))
    assert known.id != aside.id
    assert known.person != aside.person
    assert gateway.person(ipp("1")).traits == PAUL
    assert [i.id for i in of_doubt(gateway)] == [aside.id]
    assert gateway.only(ItemKind.RESULT).identity == item.identity == aside.id
    question = gateway.question(aside)
    assert question is not None
    assert (question.doubt, question.other) == (Doubt.COLLISION, known.id)


def test_a_record_set_aside_is_found_again_by_the_department_that_made_it():
    """The department's next message with the same traits goes to its own record, and nothing is asked again."""
    gateway = Gateway()
    gateway.send(result(patient(ipp("1"))), source=LAB)
    aside = gateway.identity(ipp("1"))
    gateway.send(told(patient(ipp("1"), of=PAUL)))
    version = gateway.only(ItemKind.IDENTITY).version
    gateway.send(result(patient(ipp("1")), value="5.9"), source=LAB)
    assert gateway.only(ItemKind.RESULT).identity == aside.id
    assert gateway.only(ItemKind.IDENTITY).version == version


def test_a_record_set_aside_never_takes_the_key_of_another():
    """Two provisional records with the same traits for one IPP keep different keys, so that the store can hold both."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))), source=LAB)
    gateway.send(told(patient(ipp("1"), of=PAUL)), source=IMAGING)
    gateway.send(told(patient(ipp("1"), of=PAUL), correction=True), source=LAB)
    gateway.send(told(patient(ipp("1"), of=replace(ANNE, birth_family_name="MOREL"))))
    assert gateway.person(ipp("1")).traits.birth_family_name == "MOREL"


# -- collision ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ("birth_family_name", "MOREL"),
        ("first_given_name", "LOUISE"),
        ("birth_date", "1958-03-22"),
        ("sex", "M"),
        ("birth_place_code", "75056"),
    ],
)
def test_one_differing_strict_trait_of_a_department_is_a_collision(trait: str, value: str):
    """The result is delivered at once, on a provisional record of another person, and the desk is asked."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    known = gateway.identity(ipp("1"))
    gateway.send(result(patient(ipp("1"), given_names="", **{trait: value})), source=LAB)
    (doubtful,) = of_doubt(gateway)
    assert doubtful.person != known.person
    assert gateway.only(ItemKind.RESULT).identity == doubtful.id
    assert gateway.question(doubtful) == Question(Doubt.COLLISION, known.id, (trait,))
    assert gateway.person(ipp("1")).traits == ANNE


def test_the_same_contradiction_told_again_finds_the_same_record_and_asks_once():
    """Ten results of a wrongly labelled patient are one record and one question."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    for number in range(4):
        gateway.send(result(patient(ipp("1"), birth_family_name="Le-Goff"), key=f"EX{number}"), source=LAB)
        gateway.send(result(patient(ipp("1"), birth_family_name="LE GOFF"), key=f"EY{number}"), source=IMAGING)
    assert len(of_doubt(gateway)) == 1
    assert len(gateway.questions()) == 1
    assert gateway.only(ItemKind.IDENTITY).version == 1


def test_two_different_contradictions_are_two_records():
    """Two wrong labels on one IPP are not taken for one person."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    gateway.send(result(patient(ipp("1"), of=PAUL)), source=LAB)
    gateway.send(result(patient(ipp("1"), birth_family_name="MOREL"), key="EX2"), source=LAB)
    assert len({i.person for i in of_doubt(gateway)}) == 2


def test_three_ranks_of_one_birth_are_three_records():
    """Triplets sent under one identifier, told apart by their rank alone, are never one record."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), multiple_birth_rank="1")))
    for rank in "23":
        gateway.send(result(patient(ipp("1"), multiple_birth_rank=rank), key=f"EX{rank}"), source=LAB)
    assert len({i.person for i in gateway.store.identities.values()}) == 3


@pytest.mark.parametrize(
    ("trait", "value"), [("birth_date", "1958-03-12"), ("first_given_name", "CLAIRE"), ("multiple_birth_rank", "2")]
)
def test_only_a_correction_of_admissions_changes_a_strict_trait(trait: str, value: str):
    """One strict trait that differs in an A01 is a collision (twins differ by one); the A31 that follows corrects."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), multiple_birth_rank="1")))
    other = patient(ipp("1"), given_names="", **{"multiple_birth_rank": "1", trait: value})
    gateway.send(told(other))
    assert getattr(gateway.person(ipp("1")).traits, trait) != value
    assert gateway.questions()[0].doubt is Doubt.COLLISION
    gateway.send(told(other, correction=True))
    assert getattr(gateway.person(ipp("1")).traits, trait) == value


def test_two_differing_strict_traits_of_admissions_without_correction_are_a_collision():
    """An A01 that reuses an IPP for somebody else leaves the record as it was (table 0445, COLP)."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    gateway.send(told(patient(ipp("1"), of=PAUL)))
    assert gateway.person(ipp("1")).traits == ANNE
    assert gateway.questions()[0].doubt is Doubt.COLLISION


def test_a_correction_by_admissions_changes_every_trait_and_retells_open_items():
    """An A31 is meant to change traits; open items show the patient as corrected."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    gateway.send(result(patient(ipp("1"))), source=LAB)
    gateway.send(told(patient(ipp("1"), of=PAUL), correction=True))
    assert gateway.person(ipp("1")).traits == PAUL
    assert gateway.questions() == []
    assert gateway.only(ItemKind.RESULT).version == 2
    assert b"LEROY" in gateway.outbox[-1].body


def test_only_a_word_takes_a_death_or_a_consent_back():
    """A correction that is silent on them leaves them; nobody who died is summoned because an A31 left PID-30 out."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), deceased=True, sms_consent=True)))
    gateway.send(told(patient(ipp("1")), correction=True))
    held = gateway.identity(ipp("1")).patient
    assert (held.deceased, held.sms_consent) == (True, True)
    gateway.send(told(patient(ipp("1"), deceased=False, sms_consent=False)))
    assert gateway.person(ipp("1")).deceased
    gateway.send(told(patient(ipp("1"), deceased=False, sms_consent=False), correction=True))
    held = gateway.identity(ipp("1")).patient
    assert (held.deceased, held.sms_consent) == (False, False)


def test_a_correction_by_a_department_never_changes_what_admissions_vouches_for():
    """A department's A08 about a record of admissions is a collision."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    gateway.send(told(patient(ipp("1"), birth_date="1958-03-12"), correction=True), source=LAB)
    assert gateway.person(ipp("1")).traits == ANNE
    assert gateway.questions()[0].doubt is Doubt.COLLISION


def test_a_department_corrects_only_its_own_provisional_record():
    """Whoever told a provisional record may correct it; another department may not."""
    gateway = Gateway()
    gateway.send(told(patient(LAB_7)), source=LAB)
    gateway.send(told(patient(LAB_7, birth_date="1958-03-12"), correction=True), source=LAB)
    assert gateway.person(LAB_7).traits.birth_date == "1958-03-12"
    gateway.send(told(patient(LAB_7, birth_date="1958-03-13"), correction=True), source=IMAGING)
    assert gateway.person(LAB_7).traits.birth_date == "1958-03-12"


def test_a_trait_that_admissions_does_not_send_is_kept():
    """A message with fewer traits erases none: an empty field is "not sent" (2.5.1 §2.5.3)."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    gateway.send(told(patient(ipp("1"), birth_place_code="", given_names="", used_family_name="MOREL")))
    traits = gateway.person(ipp("1")).traits
    assert (traits.birth_place_code, traits.given_names, traits.used_family_name) == ("63220", "ANNE MARIE", "MOREL")


# -- order -------------------------------------------------------------------------------------------------------------


def test_a_correction_that_leaves_a_trait_out_does_not_forget_it():
    """An A31 without the date of birth is no deletion: whoever has another date is still somebody else."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), used_family_name="MOREL", multiple_birth_rank="1")))
    short = Traits("DURAND", first_given_name="ANNE")
    gateway.send(told(patient(ipp("1"), of=short), correction=True))
    assert gateway.person(ipp("1")).traits == replace(ANNE, given_names="")
    gateway.send(result(patient(ipp("1"), birth_date="1971-11-02")), source=LAB)
    assert gateway.only(ItemKind.RESULT).identity != gateway.identity(ipp("1")).id


def test_a_stale_correction_never_overwrites_a_newer_one():
    """An A31 that comes late changes nothing, and is counted."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))), minute=1)
    gateway.send(told(patient(ipp("1"), used_family_name="MOREL"), correction=True), minute=9)
    late = gateway.send(told(patient(ipp("1"), used_family_name="PETIT"), correction=True), minute=5)
    assert gateway.person(ipp("1")).traits.used_family_name == "MOREL"
    assert late.endings[0].notes["stale"] == 1


def test_a_newer_message_without_changes_makes_older_ones_stale():
    """What admissions repeated at 9:00 is not undone by what it said at 8:05."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))), minute=1)
    gateway.send(told(patient(ipp("1"))), minute=60)
    gateway.send(told(patient(ipp("1"), used_family_name="PETIT"), correction=True), minute=5)
    assert gateway.person(ipp("1")).traits.used_family_name == ""


def test_a_replayed_correction_keeps_its_first_place():
    """Of two corrections told at the same minute the later received stands, also when the first is replayed."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))), minute=1)
    first = gateway.job(told(patient(ipp("1"), used_family_name="PETIT"), correction=True), minute=5)
    gateway.process([first])
    gateway.send(told(patient(ipp("1"), used_family_name="MOREL"), correction=True), minute=5)
    gateway.process([first])
    assert gateway.person(ipp("1")).traits.used_family_name == "MOREL"


# -- identifiers -------------------------------------------------------------------------------------------------------


def test_the_admissions_domain_is_found_in_any_place():
    """A department that sends its own number first still speaks of the IPP."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    gateway.send(result(patient(LAB_7, ipp("1"))), source=LAB)
    assert gateway.only(ItemKind.RESULT).identity == gateway.identity(ipp("1")).id


def test_no_other_kind_of_identifier_finds_a_person():
    """A billing NIR or a stay's number is no patient identifier: the message goes to quarantine."""
    gateway = Gateway()
    known = Identifier(NIR, "258036322000123", IdentifierKind.OTHER)
    gateway.send(told(patient(ipp("1"), known)))
    assert refused(gateway, result(Patient((known,), ANNE)), source=LAB) == "FieldMissing"


@pytest.mark.parametrize("status", [IdentityStatus.QUALIFIEE, IdentityStatus.VALIDEE])
def test_an_ins_alone_is_delivered_and_joins_only_as_an_ins_does(status: IdentityStatus):
    """A message that names nothing but an INS is delivered; it is the known patient's if both are qualifiée."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins(), status=IdentityStatus.QUALIFIEE)))
    gateway.send(result(patient(ins(), status=status)), source=LAB)
    item = gateway.only(ItemKind.RESULT)
    person = gateway.store.identities[item.identity].person
    joined = person == gateway.identity(ipp("1")).person
    assert joined is (status is IdentityStatus.QUALIFIEE)


def test_a_shared_billing_nir_joins_nobody():
    """A child under the insured parent's NIR (NH) is not the parent."""
    gateway = Gateway()
    billing = Identifier(NIR, "258036322000123", IdentifierKind.OTHER)
    gateway.send(told(patient(ipp("1"), billing)))
    gateway.send(told(patient(LAB_7, billing, of=Traits("DURAND"), status=IdentityStatus.QUALIFIEE)), source=LAB)
    assert gateway.identity(LAB_7).person != gateway.identity(ipp("1")).person


def test_the_gateways_own_authority_is_refused_from_a_sender():
    """Nobody reaches a provisional record by naming it."""
    own_key = Identifier(PROVISIONAL_AUTHORITY, "x")
    assert refused(Gateway(), told(patient(own_key))) == "MessageIncoherent"
    assert refused(Gateway(), told(patient(ipp("1"), own_key))) == "MessageIncoherent"


def test_the_gateways_own_authority_is_refused_as_a_retired_identifier():
    """No merge retires a provisional record by naming it."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    gateway.send(result(patient(ipp("1"), of=PAUL)), source=LAB)
    (doubtful,) = of_doubt(gateway)
    assert refused(gateway, merged(patient(ipp("1")), doubtful.key)) == "MessageIncoherent"


# -- INS and other identifiers -----------------------------------------------------------------------------------------


def test_one_qualified_ins_without_contradiction_links_two_domains():
    """Both qualifiée, same matricule, nothing contradicts: one person, at once and without a question."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())))
    gateway.send(result(patient(LAB_7, ins())), source=LAB)
    assert gateway.identity(LAB_7).person == gateway.identity(ipp("1")).person
    assert gateway.questions() == []
    assert AuditAction.IDENTITY_LINKED in gateway.actions()


@pytest.mark.parametrize("status", [s for s in IdentityStatus if s is not IdentityStatus.QUALIFIEE])
@pytest.mark.parametrize("unqualified", [ipp("1"), LAB_7])
def test_an_ins_that_one_side_does_not_hold_as_qualified_links_nothing(unqualified: Identifier, status: IdentityStatus):
    """Only qualifiée on both sides (RNIV 1 EXI SI 08)."""
    gateway = Gateway()
    for key, source in ((ipp("1"), ADMISSIONS), (LAB_7, LAB)):
        qualified = IdentityStatus.QUALIFIEE if key != unqualified else status
        gateway.send(told(patient(key, ins(), status=qualified)), source=source)
    assert gateway.identity(LAB_7).person != gateway.identity(ipp("1")).person


def test_one_ins_with_contradicting_traits_asks_and_links_nothing():
    """One INS on two people is a collision for the desk (RNIV 1 EXI SI 32)."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())))
    gateway.send(result(patient(LAB_7, ins(), sex="M")), source=LAB)
    holder = gateway.identity(ipp("1"))
    assert gateway.identity(LAB_7).person != holder.person
    assert gateway.question(gateway.identity(LAB_7)) == Question(Doubt.INS_COLLISION, holder.id, ("sex",))


def test_two_vouched_records_of_one_domain_are_never_joined_by_ins():
    """Two IPP of one domain with one INS are admissions' to merge: never joined here, and the desk is asked (SI 32)."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())))
    gateway.send(told(patient(ipp("2"), ins())))
    assert gateway.identity(ipp("1")).person != gateway.identity(ipp("2")).person
    assert len(gateway.questions()) == 1


def test_two_records_of_one_domain_are_never_joined_by_a_departments_number():
    """A laboratory that uses one number for two IPP joins nobody (RNIV 1 EXI SI 37)."""
    gateway = Gateway()
    gateway.send(told(patient(LAB_7)), source=LAB)
    gateway.send(told(patient(ipp("1"), LAB_7)))
    gateway.send(told(patient(ipp("2"), LAB_7)))
    assert gateway.identity(ipp("1")).person != gateway.identity(ipp("2")).person


def test_an_ins_that_came_with_a_correction_and_contradicts_its_holder_asks():
    """An A31 that brings an INS which somebody else holds is a collision, as at first sight (RNIV 1 EXI SI 32)."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())))
    gateway.send(told(patient(ipp("2"), of=PAUL)))
    gateway.send(told(patient(ipp("2"), ins(), of=PAUL), correction=True))
    assert [q.doubt for q in gateway.questions()] == [Doubt.INS_COLLISION]


def test_an_ins_that_counts_by_what_is_held_is_asked_about():
    """An INS beside a thin PID is qualified by the traits already held, and a collision with its holder is seen."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())))
    gateway.send(told(patient(ipp("2"), of=PAUL)))
    gateway.send(told(patient(ipp("2"), ins(), of=PAUL, birth_date="")))
    assert gateway.identity(ipp("2")).ins == ins()
    assert [q.doubt for q in gateway.questions()] == [Doubt.INS_COLLISION]


def test_a_correction_that_contradicts_a_linked_record_asks():
    """A link whose ground is gone is not left in silence: the desk is asked (promise P7)."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())))
    gateway.send(told(patient(LAB_7, ins())), source=LAB)
    gateway.send(told(patient(LAB_7, ins(), of=PAUL), correction=True), source=LAB)
    apart = gateway.identity(LAB_7).person != gateway.identity(ipp("1")).person
    assert apart or gateway.questions() != []


def test_an_ins_collision_is_asked_also_where_another_identifier_links():
    """A known further identifier does not silence an INS that contradicts its holder."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())))
    gateway.send(told(patient(LAB_7, of=PAUL)), source=LAB)
    gateway.send(told(patient(IMAGING_9, LAB_7, ins(), of=PAUL)), source=IMAGING)
    assert Doubt.INS_COLLISION in {q.doubt for q in gateway.questions()}


def test_a_further_identifier_that_is_known_joins_and_answers_the_question():
    """Admissions names the laboratory's number: the laboratory's patient is known now."""
    gateway = Gateway()
    gateway.send(result(patient(LAB_7)), source=LAB)
    gateway.send(told(patient(ipp("1"), LAB_7)))
    assert gateway.identity(LAB_7).person == gateway.identity(ipp("1")).person
    assert gateway.questions() == []
    assert gateway.only(ItemKind.RESULT).version == 2


def test_admissions_answers_the_question_about_every_record_of_the_person():
    """Whichever record it links to, « inconnue du bureau des entrées » is no longer true of any of that person's."""
    gateway = Gateway()
    gateway.send(told(patient(LAB_7)), source=LAB)
    gateway.send(told(patient(IMAGING_9, LAB_7)), source=IMAGING)
    gateway.send(told(patient(ipp("1"), IMAGING_9)))
    assert gateway.identity(LAB_7).person == gateway.identity(ipp("1")).person
    assert gateway.questions() == []


def test_a_record_without_traits_joins_no_two_people():
    """A number known without a name agrees with everybody: it must not make one person of two (promise P7)."""
    gateway = Gateway()
    gateway.send(told(patient(LAB_7, of=Traits())), source=LAB)
    gateway.send(told(patient(IMAGING_9, LAB_7)), source=IMAGING)
    gateway.send(told(patient(ipp("1"), LAB_7, of=PAUL)))
    assert gateway.identity(IMAGING_9).person != gateway.identity(ipp("1")).person


def test_a_further_identifier_with_contradicting_traits_joins_nobody():
    """A number that is known for somebody else joins nothing."""
    gateway = Gateway()
    gateway.send(told(patient(LAB_7, of=PAUL)), source=LAB)
    gateway.send(told(patient(ipp("1"), LAB_7)))
    assert gateway.identity(LAB_7).person != gateway.identity(ipp("1")).person


def test_identifiers_of_several_people_in_one_message_are_a_question():
    """A known IPP beside a number that belongs to another person: provisional record and question."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    gateway.send(told(patient(LAB_7)), source=LAB)
    gateway.send(result(patient(ipp("1"), LAB_7)), source=IMAGING)
    doubtful = gateway.store.identities[gateway.only(ItemKind.RESULT).identity]
    people = {i.person for i in gateway.store.identities.values()}
    assert len(people) == 3
    assert doubtful.person not in {gateway.identity(ipp("1")).person, gateway.identity(LAB_7).person}
    assert gateway.question(doubtful) == Question(Doubt.SEVERAL, gateway.identity(ipp("1")).id)


def test_identifiers_of_several_people_at_first_sight_are_a_question_too():
    """A new IPP beside two numbers of two people joins neither, and the desk is told why."""
    gateway = Gateway()
    gateway.send(told(patient(LAB_7)), source=LAB)
    gateway.send(told(patient(IMAGING_9)), source=IMAGING)
    gateway.send(told(patient(ipp("1"), LAB_7, IMAGING_9)))
    known = gateway.identity(ipp("1"))
    assert known.person not in {gateway.identity(LAB_7).person, gateway.identity(IMAGING_9).person}
    question = gateway.question(known)
    assert question is not None
    assert question.doubt is Doubt.SEVERAL


# -- merges ------------------------------------------------------------------------------------------------------------


def two_patients() -> Gateway:
    """Give a gateway where IPP 2, with a result and a laboratory number, is a double of IPP 1."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    gateway.send(told(patient(LAB_7)), source=LAB)
    gateway.send(told(patient(ipp("2"), LAB_7)))
    gateway.send(result(patient(ipp("2"))), source=LAB)
    return gateway


def test_a_merge_moves_every_identity_of_the_retired_person():
    """What was linked to the retired IPP follows it; the survivor's identifier is the one in force."""
    gateway = two_patients()
    gateway.send(merged(patient(ipp("1")), ipp("2")))
    survivor = gateway.identity(ipp("1"))
    assert gateway.identity(ipp("2")).person == gateway.identity(LAB_7).person == survivor.person
    assert gateway.identity(ipp("2")).retired
    assert not gateway.identity(LAB_7).retired
    assert gateway.person(ipp("2")).identifiers == (ipp("1"),)


def test_a_merge_retells_the_open_items_of_the_retired_patient():
    """An open item of the retired IPP shows the survivor: whoever holds it is told."""
    gateway = two_patients()
    item = gateway.only(ItemKind.RESULT)
    changes = gateway.send(merged(patient(ipp("1")), ipp("2")))
    assert [(e.item, e.version) for e in changes.outbox if e.about_item] == [(item.id, item.version + 1)]
    assert [e.secretariat for e in changes.outbox if not e.about_item] == [IDENTITY_QUEUE]
    assert changes.outbox[0].order_key == gateway.identity(ipp("1")).person


def test_late_messages_for_the_retired_identifier_reach_the_survivor():
    """A result under the retired IPP is the survivor's, without a question (PAM.FR A40)."""
    gateway = two_patients()
    gateway.send(merged(patient(ipp("1")), ipp("2")))
    gateway.send(result(patient(ipp("2")), key="EX9"), source=LAB)
    late = gateway.store.identities[max(gateway.items(ItemKind.RESULT), key=lambda i: i.id).identity]
    assert late.person == gateway.identity(ipp("1")).person
    assert gateway.questions() == []


def test_a_retired_identifier_with_the_survivors_traits_reaches_the_survivor():
    """A merge often ends a misspelt double: the right spelling under the old number contradicts nobody."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    gateway.send(told(patient(ipp("2"), birth_family_name="DURANT")))
    gateway.send(merged(patient(ipp("1")), ipp("2")))
    gateway.send(result(patient(ipp("2"))), source=LAB)
    assert gateway.questions() == []


def test_a_merge_of_an_unknown_identifier_retires_it_all_the_same():
    """What comes later under an IPP that was retired before we knew it reaches the survivor."""
    gateway = Gateway()
    gateway.send(merged(patient(ipp("1")), ipp("2")))
    gateway.send(result(patient(ipp("2"))), source=LAB)
    assert gateway.identity(ipp("2")).retired
    assert gateway.store.identities[gateway.only(ItemKind.RESULT).identity].person == gateway.identity(ipp("1")).person
    assert gateway.person(ipp("1")).identifiers == (ipp("1"),)


def test_admissions_speaking_late_of_a_retired_identifier_reaches_the_survivor():
    """A retired record that only a department had named is not made a person anew by a late message of admissions."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    gateway.send(result(patient(ipp("2"), birth_family_name="DURANT")), source=LAB)
    gateway.send(merged(patient(ipp("1")), ipp("2")))
    gateway.send(told(patient(ipp("2"))))
    assert gateway.identity(ipp("2")).person == gateway.identity(ipp("1")).person


def test_a_chain_of_merges_ends_at_the_last_survivor():
    """A into B, B into C: all of A's and B's is C's."""
    gateway = Gateway()
    for value in "123":
        gateway.send(told(patient(ipp(value))))
        gateway.send(result(patient(ipp(value)), key=f"EX{value}"), source=LAB)
    gateway.send(merged(patient(ipp("2")), ipp("1")))
    gateway.send(merged(patient(ipp("3")), ipp("2")))
    assert len({gateway.identity(ipp(v)).person for v in "123"}) == 1
    assert [gateway.identity(ipp(v)).retired for v in "123"] == [True, True, False]
    assert gateway.person(ipp("1")).identifiers == (ipp("3"),)


def test_a_merge_into_itself_changes_nothing():
    """An A40 that retires the identifier which survives retires nobody."""
    gateway = two_patients()
    before = gateway.identity(ipp("1"))
    changes = gateway.send(merged(patient(ipp("1")), ipp("1")))
    after = gateway.identity(ipp("1"))
    assert replace(after, told=before.told) == before
    assert changes.outbox == []


def test_a_merge_told_again_moves_nobody_and_says_so():
    """A repeated A40 leaves no second trace of a move: the list of moved identities serves to undo it."""
    gateway = two_patients()
    gateway.send(merged(patient(ipp("1")), ipp("2")))
    changes = gateway.send(merged(patient(ipp("1")), ipp("2")))
    assert [e for e in changes.audit if e.action is AuditAction.IDENTITY_MERGED] == []


def test_the_audit_of_a_merge_names_each_moved_identity_once():
    """Who moved, from which person to which: enough to undo it."""
    gateway = two_patients()
    moved = {gateway.identity(ipp("2")).id, gateway.identity(LAB_7).id}
    former = gateway.identity(ipp("2")).person
    changes = gateway.send(merged(patient(ipp("1")), ipp("2")))
    (event,) = [e for e in changes.audit if e.action is AuditAction.IDENTITY_MERGED]
    assert set(event.patients) == {gateway.identity(ipp("1")).id, *moved}
    assert len(event.patients) == 3
    assert event.detail["former_person"] == former


def test_a_merge_taken_back_the_other_way_leaves_one_identifier_in_force():
    """Admissions merged the wrong way round and merges back: the last survivor is in force."""
    gateway = Gateway()
    for value in "12":
        gateway.send(told(patient(ipp(value))))
    gateway.send(merged(patient(ipp("1")), ipp("2")))
    gateway.send(merged(patient(ipp("2")), ipp("1")))
    assert gateway.person(ipp("1")).identifiers == (ipp("2"),)


def test_a_merge_asked_for_by_a_department_is_only_a_question():
    """Only the référentiel merges (RNIV 1 EXI SI 36 / 37)."""
    gateway = two_patients()
    gateway.send(merged(patient(ipp("1")), ipp("2")), source=LAB)
    assert gateway.identity(ipp("1")).person != gateway.identity(ipp("2")).person
    assert not gateway.identity(ipp("2")).retired
    assert gateway.questions() == [Question(Doubt.MERGE_REFUSED, gateway.identity(ipp("2")).id)]


def test_a_merge_asked_for_by_the_admissions_of_another_domain_is_only_a_question():
    """An admissions office is the référentiel of its own domain only."""
    gateway = two_patients()
    gateway.send(merged(patient(ipp("1")), ipp("2")), source=CLINIC)
    assert gateway.identity(ipp("1")).person != gateway.identity(ipp("2")).person
    assert [q.doubt for q in gateway.questions()] == [Doubt.MERGE_REFUSED]


def test_a_merge_whose_survivor_contradicts_its_record_moves_nobody_to_a_doubtful_record():
    """With traits of somebody else in the PID, the retired patient must not land on the provisional record."""
    gateway = two_patients()
    gateway.send(merged(patient(ipp("1"), of=PAUL), ipp("2")))
    survivor, retired = gateway.identity(ipp("1")), gateway.identity(ipp("2"))
    assert retired.person == survivor.person or not retired.retired
    assert retired.person not in {i.person for i in of_doubt(gateway)}


def test_a_merge_into_itself_with_contradicting_traits_retires_nobody():
    """An A40 that names one identifier twice, with somebody else's traits, leaves the record in force."""
    gateway = two_patients()
    gateway.send(merged(patient(ipp("1"), of=PAUL), ipp("1")))
    assert not gateway.identity(ipp("1")).retired


def test_a_refused_merge_never_wipes_the_collision_that_came_with_it():
    """A department's A40 with contradicting traits leaves the graver question; told again, nothing."""
    gateway = two_patients()
    fact = merged(patient(ipp("1"), of=PAUL), ipp("2"))
    gateway.send(fact, source=LAB)
    assert Doubt.COLLISION in {q.doubt for q in gateway.questions()}
    again = gateway.send(fact, source=LAB)
    assert again.outbox == []


def test_a_question_closed_by_the_desk_is_not_opened_by_its_answer():
    """The desk has dealt with an unknown identity; when admissions confirms it there is nothing left to do."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))), source=LAB)
    gateway.work(gateway.only(ItemKind.IDENTITY), ItemState.DONE)
    gateway.send(told(patient(ipp("1"))))
    assert gateway.items(ItemKind.IDENTITY) == []


def test_a_message_of_several_facts_asks_once():
    """An ORU of three orders for an unknown patient is one question in its first version."""
    gateway = Gateway()
    who = patient(ipp("1"))
    gateway.send(*(result(who, key=f"EX{n}") for n in range(3)), source=LAB)
    assert gateway.only(ItemKind.IDENTITY).version == 1


@pytest.mark.parametrize("fact", [told, book, result, document, visit, lambda who: merged(who, who.identifiers[0])])
def test_every_kind_of_fact_is_reconciled(fact):
    """No kind of fact escapes reconciliation: each leaves one identity, provisional as only a department told it."""
    gateway = Gateway()
    gateway.send(fact(patient(ipp("1"))), source=LAB)
    assert [i.authoritative for i in gateway.store.identities.values()] == [False]


# -- the matricule INS is a strict trait -------------------------------------------------------------------------------

OTHER_INS = ins("258036322000999")


def test_another_qualified_ins_under_a_known_number_is_a_collision():
    """A namesake of the same day, under the wrong IPP: the INS tells them apart (RNIV 1 §3.1.4.1)."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())))
    gateway.send(result(patient(ipp("1"), OTHER_INS)), source=LAB)
    delivered = gateway.store.identities[gateway.only(ItemKind.RESULT).identity]
    assert delivered.person != gateway.identity(ipp("1")).person
    assert gateway.question(delivered) == Question(Doubt.COLLISION, gateway.identity(ipp("1")).id, ("ins",))


def test_only_a_correction_of_admissions_changes_an_ins():
    """An A01 with another INS leaves the record as it was; an A31 or A47 changes it."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())))
    gateway.send(told(patient(ipp("1"), OTHER_INS)))
    assert gateway.identity(ipp("1")).ins == ins()
    gateway.send(told(patient(ipp("1"), OTHER_INS), correction=True))
    assert gateway.identity(ipp("1")).ins == OTHER_INS


def test_a_further_number_joins_nobody_whose_ins_differs():
    """Two qualified INS are two people, whatever number a third system believes they share."""
    gateway = Gateway()
    gateway.send(told(patient(LAB_7, ins())), source=LAB)
    gateway.send(told(patient(IMAGING_9, LAB_7, OTHER_INS)), source=IMAGING)
    assert gateway.identity(LAB_7).person != gateway.identity(IMAGING_9).person


@pytest.mark.parametrize("same", [ins("258036322000999", NIA), ins("2580363220001"), ins("258036322000199")])
def test_a_nia_or_another_key_is_no_other_ins(same: Identifier):
    """The NIA of a person differs from the NIR, and senders get the key wrong."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())))
    gateway.send(result(patient(ipp("1"), same)), source=LAB)
    assert gateway.only(ItemKind.RESULT).identity == gateway.identity(ipp("1")).id


def test_a_known_number_beside_the_ins_of_somebody_else_is_a_question():
    """A department's message whose IPP and INS are of two people is delivered on neither."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    gateway.send(told(patient(ipp("2"), ins())))
    gateway.send(result(patient(ipp("1"), ins())), source=LAB)
    delivered = gateway.store.identities[gateway.only(ItemKind.RESULT).identity]
    assert delivered.person not in {gateway.identity(ipp("1")).person, gateway.identity(ipp("2")).person}
    assert [q.doubt for q in gateway.questions()] == [Doubt.SEVERAL]


def test_a_department_that_learns_an_ins_stays_on_its_own_record():
    """A result that was first told without the INS is completed where it is; the desk has its question already."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())))
    gateway.send(result(patient(LAB_7)), source=LAB)
    gateway.send(result(patient(LAB_7, ins()), value="5.9"), source=LAB)
    assert gateway.only(ItemKind.RESULT).identity == gateway.identity(LAB_7).id


def test_an_ins_that_two_records_hold_does_not_hold_up_either_of_them():
    """Two IPP of one person, not merged yet: what names either with its INS is that record's."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())))
    gateway.send(told(patient(ipp("2"), ins())))
    gateway.send(result(patient(ipp("1"), ins())), source=LAB)
    assert gateway.only(ItemKind.RESULT).identity == gateway.identity(ipp("1")).id


# -- what is known in part ---------------------------------------------------------------------------------------------


def test_a_provisional_record_learns_the_traits_that_it_lacks():
    """A number first told with a name alone is not the record of each one who bears that name."""
    gateway = Gateway()
    paul, jean = (Traits("LEROY", first_given_name=n, birth_date=d) for n, d in (("PAUL", "1971"), ("JEAN", "1980")))
    gateway.send(told(patient(LAB_7, of=Traits("LEROY"))), source=LAB)
    gateway.send(result(patient(LAB_7, of=paul), key="EX1"), source=LAB)
    gateway.send(result(patient(LAB_7, of=jean), key="EX2"), source=LAB)
    first, second = gateway.items(ItemKind.RESULT)
    assert gateway.store.identities[first.identity].person != gateway.store.identities[second.identity].person


def test_the_record_of_a_doubt_learns_as_well():
    """Two people behind one wrong label are two records, even if the first was told with a name alone."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    for key, traits in enumerate((Traits("LEROY"), PAUL, replace(PAUL, first_given_name="JEAN", given_names="JEAN"))):
        gateway.send(result(patient(ipp("1"), of=traits), key=f"EX{key}"), source=LAB)
    assert len({i.identity for i in gateway.items(ItemKind.RESULT)}) == 2


def test_a_less_precise_message_of_admissions_takes_no_precision_away():
    """An A01 with a year alone, and sex U, leaves the date and sex that are known."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    gateway.send(told(patient(ipp("1"), birth_date="1958", sex="U", birth_place_code="99999")))
    assert gateway.person(ipp("1")).traits == ANNE


# -- merges out of order, and numbers used again -----------------------------------------------------------------------


def test_a_correction_of_a_retired_number_to_somebody_else_is_a_collision():
    """An IPP used again after its merge: what comes under it does not reach the survivor."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))))
    gateway.send(told(patient(ipp("2"))))
    gateway.send(merged(patient(ipp("1")), ipp("2")))
    gateway.send(told(patient(ipp("2"), of=PAUL), correction=True))
    gateway.send(result(patient(ipp("2"), of=PAUL)), source=LAB)
    delivered = gateway.store.identities[gateway.only(ItemKind.RESULT).identity]
    assert delivered.person != gateway.identity(ipp("1")).person
    assert [q.doubt for q in gateway.questions()] == [Doubt.COLLISION]


@pytest.mark.parametrize("order", ["late", "replayed"])
def test_a_merge_that_was_taken_back_is_not_made_again_by_an_older_message(order: str):
    """Whether it comes late or is replayed, the older of two opposite merges changes nothing (promise P3)."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"))), minute=1)
    gateway.send(told(patient(ipp("2"))), minute=2)
    older = gateway.job(merged(patient(ipp("1")), ipp("2")), minute=10)
    newer = gateway.job(merged(patient(ipp("2")), ipp("1")), minute=20)
    gateway.process([newer, older] if order == "late" else [older, newer, older])
    assert gateway.person(ipp("1")).identifiers == (ipp("2"),)


def test_an_older_merge_into_another_patient_leaves_the_newer_one():
    """Of two merges of one number the newer says where it goes (promise P3)."""
    gateway = Gateway()
    for number in "123":
        gateway.send(told(patient(ipp(number))), minute=int(number))
    gateway.send(merged(patient(ipp("3")), ipp("2")), minute=20)
    gateway.send(merged(patient(ipp("1")), ipp("2")), minute=10)
    assert gateway.identity(ipp("2")).person == gateway.identity(ipp("3")).person


def test_a_chain_of_merges_received_backwards_ends_at_the_last_survivor():
    """B into C, then, late, A into B: all of A's is C's."""
    gateway = Gateway()
    for number in "123":
        gateway.send(told(patient(ipp(number))), minute=int(number))
    gateway.send(merged(patient(ipp("3")), ipp("2")), minute=20)
    gateway.send(merged(patient(ipp("2")), ipp("1")), minute=10)
    assert gateway.person(ipp("1")).identifiers == (ipp("3"),)


# -- what people decided -----------------------------------------------------------------------------------------------


def part(gateway: Gateway, one: Identifier, other: Identifier) -> None:
    """Let it be decided that two records are not one person."""
    held = {i.key: i for i in gateway.store.identities.values()}
    a, b = held[one], held[other]
    for own_, apart_ in ((a, b), (b, a)):
        prints = (fingerprint(own_.patient), fingerprint(apart_.patient))
        gateway.store.identities[own_.id] = replace(own_, rulings=(Ruling(apart_.id, same=False, prints=prints),))


def test_a_message_that_names_two_whom_people_parted_joins_nobody():
    """One by its INS, the other by its number: the new record is nobody's yet, and a question."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())))
    gateway.send(result(patient(LAB_7)), source=LAB)
    part(gateway, ipp("1"), LAB_7)
    asked = len(gateway.questions())
    gateway.send(result(patient(IMAGING_9, LAB_7, ins()), key="EX9"), source=IMAGING)
    persons = {gateway.person(key).id for key in (ipp("1"), LAB_7, IMAGING_9)}
    assert len(persons) == 3
    assert len(gateway.questions()) == asked + 1


def test_one_ins_on_two_whom_people_parted_is_asked_about_once():
    """What people have answered is not asked again while the strict traits stay; a third holder of the INS still is."""
    gateway = Gateway()
    gateway.send(told(patient(ipp("1"), ins())))
    gateway.send(told(patient(ipp("2"), ins())))
    part(gateway, ipp("1"), ipp("2"))
    before = len([e for e in gateway.audit if e.action is AuditAction.IDENTITY_DOUBTED])
    gateway.send(told(patient(ipp("2"), ins(), used_family_name="DURAND"), correction=True))
    gateway.send(told(patient(ipp("2")), correction=True))
    gateway.send(told(patient(ipp("2"), ins(), used_family_name="DURAND"), correction=True))
    assert len([e for e in gateway.audit if e.action is AuditAction.IDENTITY_DOUBTED]) == before
    gateway.send(told(patient(ipp("2")), correction=True))
    gateway.send(told(patient(ipp("3"), ins())))
    gateway.send(told(patient(ipp("2"), ins()), correction=True))
    doubted = [e.patients for e in gateway.audit if e.action is AuditAction.IDENTITY_DOUBTED]
    records = {i.key: i.id for i in gateway.store.identities.values()}
    assert doubted[-1] == (records[ipp("2")], records[ipp("3")])
