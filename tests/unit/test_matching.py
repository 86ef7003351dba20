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
from gateway.matching.namesakes import learnt
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
        ("MAXIM-EMILE", "", "other"),
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
        ("ADAM", "ADEM", "rival"),
        ("JEANNE", "JEANNZ", "ending"),
        ("JEAN-PIERRE", "JEAN", "cut"),
        ("JEAN-PIERRE", "JEAN-PAUL", "listed"),
        ("MARGUERITE", "MARGU", "cut"),
        ("MARGUERITE", "MAR", "other"),
        ("MARIELLE", "MARIE", "near"),
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


HOME = replace(JEANNE, phone="0199000001")
"""JEANNE, as she is reached."""


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"first_given_name": "ODETTE", "given_names": ""}, {}),
        ({"first_given_name": "ODETTE", "given_names": ""}, {"given_names": "", "used_given_name": "ODETTE"}),
        ({"first_given_name": "JEANNE-MARIE", "given_names": ""}, {}),
        ({"first_given_name": "JEANNZ", "given_names": ""}, {}),
        ({"first_given_name": "MARG", "given_names": ""}, {"first_given_name": "MARGUERITE", "given_names": ""}),
    ],
    ids=["in the list", "used", "compound", "ending", "cut"],
)
def test_a_given_name_in_doubt_is_borne_out_by_the_household_of_a_grown_person(
    ours: dict[str, str], theirs: dict[str, str]
):
    """A second, cut or mistyped given name needs an adult's household; of twins, children and namesakes it is asked."""
    a, b = replace(HOME, **ours), replace(HOME, id="2", **theirs)
    assert decided(a, b).grade is Grade.MATCH
    for change in (
        {"phone": "0199000002"},
        {"phone": ""},
        {"birth_place_code": "59350"},
        {"birth_date": "1958-03-22"},
        {"sex": "M"},
        {"sex": ""},
        {"multiple_birth_rank": "1"},
        {"birth_family_name": "VERDELAN"},
    ):
        assert Guard.GIVEN_NAME in spoken(a, replace(b, **change)), change
    young = {"birth_date": "2004-03-21"}
    assert Guard.GIVEN_NAME in spoken(replace(a, **young), replace(b, **young))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"first_given_name": "ODETTE", "given_names": "ODETTE JEANNE"}, {}),
        ({"first_given_name": "ODETTE", "given_names": ""}, {"given_names": ""}),
        ({"first_given_name": "JEAN-PAUL"}, {"first_given_name": "JEAN-PIERRE"}),
        ({"first_given_name": "KYLIAN"}, {"first_given_name": "KILLIAN"}),
        (
            {"birth_family_name": "ADAM", "first_given_name": "LEON"},
            {"birth_family_name": "LEON", "first_given_name": "ADEM"},
        ),
    ],
    ids=["another order", "no list", "compounds", "homophones", "inverted and a slip"],
)
def test_names_that_twins_may_have_are_always_a_question(ours: dict[str, str], theirs: dict[str, str]):
    """Twins share date, place, name and household: JEANNE ODETTE's sister may be ODETTE JEANNE."""
    assert Guard.GIVEN_NAME in spoken(replace(HOME, **ours), replace(HOME, id="2", **theirs))


def test_a_twin_known_to_one_side_alone_is_a_question():
    """JEAN may be JEAN-PIERRE's record cut short, or his twin's."""
    twin = replace(HOME, multiple_birth_rank="1")
    assert Guard.TWIN in spoken(twin, HOME)
    assert decided(twin, replace(twin, id="2")).grade is Grade.MATCH


BARE = replace(JEANNE, birth_place_code="", given_names="")


@pytest.mark.parametrize("change", [{}, {"birth_place_code": "34172"}, {"birth_place_code": "99999"}])
def test_names_and_date_alone_link_nobody(change: dict[str, str]):
    """Without a place of birth on both sides, and without a contact, a namesake of the same day cannot be excluded."""
    assert Guard.NAMESAKE in spoken(BARE, replace(BARE, **change))
    assert decided(BARE, replace(BARE, id="2", **change)).grade is Grade.POSSIBLE_MATCH


@pytest.mark.parametrize(
    "shared",
    [
        {"birth_place_code": "34172"},
        {"phone": "0199000001"},
        {"address": "1 RUE DES ESSAIS"},
        {"given_names": "JEANNE PERPETUE ZEPHYRINE"},
        {"used_family_name": "QUINTALLET", "given_names": "JEANNE PERPETUE"},
    ],
)
def test_what_namesakes_do_not_share_tells_a_person(shared: dict[str, str]):
    """A place, a contact, or rare enough further names make names and date a link."""
    told = replace(BARE, **shared)
    assert decided(told, replace(told, id="2"), model=MODEL.among(20_000)).grade is Grade.MATCH


def test_more_persons_make_more_namesakes():
    """What tells a person among twenty thousand is a question among fifty millions."""
    told = replace(BARE, given_names="JEANNE PERPETUE ZEPHYRINE")
    assert decided(told, told, model=MODEL.among(50_000_000)).grade is not Grade.MATCH


@pytest.mark.parametrize("homonyms", [True, False])
def test_files_show_whether_names_and_date_tell_people_apart(homonyms: bool):  # noqa: FBT001 - two cases
    """Where a domain holds people of one name and date, these alone link nobody; where none does, they may."""
    born = [f"{1930 + n % 60}-{1 + n % 12:02}-{2 + n % 26:02}" for n in range(2_100)]
    records = [
        prepare(replace(BARE, birth_family_name=f"VERDEL{n % 997}", birth_date=date_)) for n, date_ in enumerate(born)
    ]
    records += records[:1] if homonyms else []
    assert (learnt((records, records), 1e-9) > 1e-9) is not homonyms
    assert learnt((records[:100],), 1e-9) == 1e-9


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
    first = replace(JEANNE, given_names="JEANNE ODETTE")
    second = replace(JEANNE, id="2", given_names="JEANNE LUCIE")
    records = [prepare(r) for r in (first, second, replace(JEANNE, id="3", given_names=""))]
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
