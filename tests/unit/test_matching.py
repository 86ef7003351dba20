"""Two records are one person as the French rules and the evidence say; where there is doubt, a person is asked."""

import json
from dataclasses import replace
from datetime import date
from itertools import product

import pytest

from gateway.matching.blocking import keys
from gateway.matching.comparison import compare, levels
from gateway.matching.dates import compare_dates, read_birth_date
from gateway.matching.guards import Guard
from gateway.matching.linkage import Index, duplicates, link
from gateway.matching.matcher import Grade, Verdict, match, weigh
from gateway.matching.model import Model
from gateway.matching.phonetics import skeleton
from gateway.matching.record import Record, prepare
from gateway.matching.training import train

ON = date(2026, 6, 1)
MODEL = Model()
NIR = "1.2.250.1.213.1.4.8"
JEANNE = Record(
    id="1",
    birth_family_name="VERDELHAN",
    first_given_name="JEANNE",
    given_names="JEANNE ODETTE",
    birth_date="1958-03-21",
    sex="F",
    birth_place_code="34172",
)
MAX = replace(JEANNE, first_given_name="MAX", given_names="MAX PATRICK", sex="M")


def decided(one: Record, *others: Record, model: Model = MODEL) -> Verdict:
    return match(prepare(one), [prepare(other) for other in others], model, ON)


def spoken(one: Record, other: Record) -> tuple[Guard, ...]:
    """Give the guards that speak, which must not depend on who is held against whom."""
    forth = weigh(prepare(one), prepare(other), MODEL, ON)
    back = weigh(prepare(other), prepare(one), MODEL, ON)
    assert forth
    assert back
    assert forth.guards == back.guards
    assert forth.score == pytest.approx(back.score)
    return forth.guards


def level(trait: str, one: Record, other: Record) -> str:
    found = levels(compare(prepare(one), prepare(other), MODEL.given_names))
    assert found == levels(compare(prepare(other), prepare(one), MODEL.given_names))
    return found.get(trait, "")


def test_a_record_is_itself():
    """A record that holds the strict traits is linked to its like."""
    assert decided(JEANNE, replace(JEANNE, id="2")).grade is Grade.MATCH


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"birth_family_name": "Verdelhan"}, "same"),
        ({"birth_family_name": "MOREL", "used_family_name": "VERDELHAN"}, "crossed"),
        ({"birth_family_name": "VERDELAN"}, "close"),
        ({"birth_family_name": "VERDLEHAN"}, "close"),
        ({"birth_family_name": "VERDELHAN-MOREL"}, "part"),
        ({"birth_family_name": "DE VERDELHAN"}, "close"),
        ({"birth_family_name": "JEANNE", "first_given_name": "VERDELHAN", "given_names": ""}, "inverted"),
        ({"birth_family_name": "MOREL"}, "other"),
        ({"birth_family_name": "SANSNOM"}, ""),
    ],
)
def test_family_names(change: dict[str, str], expected: str):
    """A family name agrees across birth and used name, particle, compound, slip and inversion."""
    assert level("family_name", JEANNE, replace(JEANNE, **change)) == expected


@pytest.mark.parametrize(
    ("first", "listed", "expected"),
    [
        ("MAX", "MAX PATRICK", "same"),
        ("MAX PATRICK", "MAX PATRICK", "begins"),
        ("MAX-PATRICK", "", "begins"),
        ("PATRICK", "MAX PATRICK", "listed"),
        ("M", "", "initial"),
        ("SANS PRENOM", "", ""),
        ("GUSTAVE", "", "other"),
    ],
)
def test_the_first_given_name_begins_the_list(first: str, listed: str, expected: str):
    """MAX PATRICK gives MAX, MAX PATRICK, MAX-PATRICK, never PATRICK (RNIV 1, EXI SI 29)."""
    assert level("given_name", MAX, replace(MAX, first_given_name=first, given_names=listed)) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("CAROLINE", "CARLOINE", "close"),
        ("MARGUERITE", "MARGUERITTE", "close"),
        ("JULIE", "JULIA", "rival"),
        ("LUCIE", "LUCIA", "rival"),
        ("RENE", "RENEE", "rival"),
        ("MANON", "MARION", "other"),
        ("KYLIAN", "KILLIAN", "near"),
        ("ENZO", "KENZO", "rival"),
    ],
)
def test_a_slip_is_no_other_name(one: str, other: str, expected: str):
    """A slip makes a name that nobody has; two names that people have stay two names."""
    a, b = (replace(JEANNE, first_given_name=name, given_names="") for name in (one, other))
    assert level("given_name", a, b) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("1958-03-21", "19580321", "same"),
        ("21/03/1958", "1958-03-21", "same"),
        ("1958-03-01", "1958-03-01", "same, first of a month"),
        ("1958-12-31", "1958-12-31", "same, imputed"),
        ("1958-01-01", "1958-01-01", "same, imputed"),
        ("1958", "1958", "same, imputed"),
        ("1958-03", "1958-03-21", "continues"),
        ("1958-12-31", "1958-06-04", "continues"),
        ("1958-03-01", "1958-03-21", "continues"),
        ("1958-03-05", "1958-05-03", "day and month swapped"),
        ("1958-03-21", "1985-03-21", "one slip"),
        ("1958-03-21", "1958-03-12", "one slip"),
        ("1958-03-21", "1958-03-07", "two of three parts"),
        ("19580321", "19583021", "one slip"),
        ("1958-03-21", "1971-10-02", "other"),
        ("", "1958-03-21", None),
    ],
)
def test_dates(one: str, other: str, expected: str | None):
    """Imputed and partial dates say less, and a slip is told from another date (RNIV 1, EXI PP 19)."""
    a, b = read_birth_date(one), read_birth_date(other)
    assert compare_dates(a, b) == compare_dates(b, a) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [("DUPOND", "DUPONT"), ("LEFEBVRE", "LEFEBVRES"), ("PHILIPPE", "FILIPE"), ("GAUTHIER", "GAUTIER")],
)
def test_names_that_sound_alike_have_one_skeleton(one: str, other: str):
    """What is heard alike is filed alike."""
    assert skeleton(one) == skeleton(other)


GUARDED = {
    Guard.GIVEN_NAME: ({}, {"first_given_name": "ODETTE", "given_names": "ODETTE JEANNE"}),
    Guard.SEX: ({}, {"sex": "M"}),
    Guard.INS: ({"ins": "2580334172001", "ins_domain": NIR}, {"ins": "2580334172999", "ins_domain": NIR}),
    Guard.TEST_INS: ({}, {"ins": "2580334172001", "ins_domain": "1.2.250.1.213.1.4.10"}),
    Guard.TWIN: ({"multiple_birth_rank": "1"}, {"multiple_birth_rank": "2"}),
    Guard.NAMESAKE: ({}, {"birth_place_code": "59350"}),
    Guard.BIRTH_DATE: ({}, {"birth_date": "1958-03-07"}),
    Guard.IMPUTED_DATE: (
        {"birth_date": "1958-12-31", "birth_place_code": "99352"},
        {"birth_date": "1958-12-31", "birth_place_code": "99352"},
    ),
    Guard.FAMILY_NAME: ({}, {"birth_family_name": "MOREL"}),
    Guard.INCOMPLETE: ({}, {"first_given_name": "", "given_names": ""}),
    Guard.MINOR: ({"birth_date": "2015-03-21"}, {"birth_date": "2015-03-21"}),
    Guard.DECEASED: ({"deceased": True}, {}),
}


@pytest.mark.parametrize("guard", Guard)
def test_no_score_overrides_a_guard(guard: Guard):
    """Where a guard speaks a person is asked, however much the rest agrees."""
    ours, theirs = GUARDED[guard]
    a, b = replace(JEANNE, **ours), replace(JEANNE, id="2", **theirs)
    assert guard in spoken(a, b)
    assert decided(a, b, model=replace(MODEL, automatic=-1e9, review=-1e9)).grade is Grade.POSSIBLE_MATCH


def test_later_given_names_tell_namesakes_apart():
    """Given names after the first that have nothing in common are a question."""
    assert Guard.NAMESAKE in spoken(JEANNE, replace(JEANNE, given_names="JEANNE LUCIE"))


def test_a_slip_between_imputed_dates_is_a_question():
    """01/01/1944 and 01/01/1945 stand for an unknown day and month both, so nothing bears out the slip."""
    abroad = replace(JEANNE, birth_place_code="99352", birth_date="1944-01-01")
    assert Guard.IMPUTED_DATE in spoken(abroad, replace(abroad, birth_date="1945-01-01"))


def test_two_candidates_that_are_near_are_a_question():
    """One of several is never automatic."""
    decision = decided(JEANNE, replace(JEANNE, id="2"), replace(JEANNE, id="3"))
    assert decision.grade is Grade.POSSIBLE_MATCH
    assert [c.id for c in decision.candidates] == ["2", "3"]


def test_a_twin_is_no_rival_of_the_same():
    """The twin beside the very record does not make it a question."""
    twin = replace(JEANNE, id="3", first_given_name="SOLANGE", given_names="SOLANGE")
    assert decided(JEANNE, replace(JEANNE, id="2"), twin).grade is Grade.MATCH


def test_the_same_qualified_ins_is_certain():
    """Two identities qualifiées with one INS and compatible traits are one, minors too, whatever the score."""
    child = replace(JEANNE, ins="215033417200112", ins_domain=NIR, qualified=True, birth_date="2015-03-21")
    decision = decided(child, replace(child, id="2"), model=replace(MODEL, automatic=1e9))
    assert decision.grade is Grade.MATCH
    assert decision.candidates[0].certain


def test_a_frequent_name_weighs_less():
    """MARTIN says less than VERDELHAN."""
    martin = replace(JEANNE, birth_family_name="MARTIN")
    common, rare = (weigh(prepare(r), prepare(r), MODEL, ON) for r in (martin, JEANNE))
    assert common
    assert rare
    assert common.score < rare.score - 5


def test_contributions_add_up_to_the_score():
    """The explanation is the score."""
    candidate = weigh(prepare(JEANNE), prepare(replace(JEANNE, sex="M")), MODEL, ON)
    assert candidate
    assert sum(bits for *_, bits in candidate.contributions(MODEL)) == pytest.approx(candidate.score)


def test_an_unknown_place_is_no_agreement():
    """99999 says nothing (RNIV 1, EXI SI 18)."""
    unknown = replace(JEANNE, birth_place_code="99999")
    assert level("birth_place", unknown, unknown) == ""


def test_a_married_name_shares_a_key():
    """A woman who married is found by the name that both records hold; a key tells no name."""
    found = keys(prepare(JEANNE)) & keys(
        prepare(replace(JEANNE, birth_family_name="MOREL", used_family_name="VERDELHAN"))
    )
    assert found
    assert not any("VERD" in key.upper() for key in found)


def test_the_model_survives_json():
    """A model that was kept is the same model."""
    assert Model.from_dict(json.loads(json.dumps(MODEL.to_dict()))) == MODEL


def test_two_domains_are_linked_one_to_one():
    """Of two identifiers of one domain neither is linked without a person."""
    left = [prepare(JEANNE)]
    right = [prepare(replace(JEANNE, id=i)) for i in ("2", "3")]
    grades = [found.grade for found in link(left, Index(right), MODEL, ON, lambda _: None)]
    assert grades == [Grade.POSSIBLE_MATCH, Grade.POSSIBLE_MATCH]
    backwards = [found.grade for found in link(right, Index(left), MODEL, ON, lambda _: None)]
    assert backwards == grades


def test_duplicates_are_joined_only_if_all_agree():
    """Two records that a guard keeps apart are not joined through a third."""
    first = replace(JEANNE, multiple_birth_rank="1")
    second = replace(JEANNE, id="2", multiple_birth_rank="2")
    records = [prepare(r) for r in (first, second, replace(JEANNE, id="3"))]
    links = duplicates(records, Index(records), MODEL, ON, lambda _: None)
    joined = {(found.left, found.right) for found in links if found.grade is Grade.MATCH}
    assert len(joined) == 1
    assert (0, 1) not in joined


def test_training_keeps_what_is_too_rare_out_of_the_model():
    """Weights are learnt, and a name that few hold is not kept."""
    names = ("VERDELHAN", "MOREL", "SABATIER", "CAZALS", "PUECH", "FABREGUE", "ROQUES", "BOUSQUET")
    records = [
        prepare(replace(JEANNE, id=str(n), birth_family_name=name, birth_date=f"19{40 + n % 50}-03-{10 + n % 17}"))
        for n, name in enumerate(name for name, _ in product(names, range(6)))
    ]
    alone = prepare(replace(JEANNE, id="x", birth_family_name="QUINTALLET"))
    model = train([*records, alone], Index([*records, alone]), MODEL.among(49), one_file=True)
    assert model.version == "trained-on-49"
    assert "MOREL" in model.frequencies["family_name"]
    assert "QUINTALLET" not in model.frequencies["family_name"]
