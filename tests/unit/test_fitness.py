"""Weights learnt from records that are read one by one: bounded, never bolder than shipped, refused where doubtful."""

from dataclasses import replace

import pytest
from population.files import two_files
from population.mixes import MIXES

from gateway.matching.fitness import Course, Learnt, Unfit, unfit, unusable
from gateway.matching.linkage import Index, pairs
from gateway.matching.model import Model
from gateway.matching.record import Prepared, Record, prepare
from gateway.matching.training import Fit

SHIPPED = Model()
_CONTACTS = {"phone", "postal_code", "city", "address", "ins", "local_identifier"}


@pytest.fixture(scope="module")
def records() -> list[Prepared]:
    """What two departments hold of one hospital's people, without numbers and contacts."""
    files = two_files(7, MIXES["plaine"], 1_500)
    return [
        prepare(Record(id=row.rec_id, **{t: v for t, v in row.traits.items() if t not in _CONTACTS}))
        for row in (*files.left, *files.right)
    ]


def learnt_from(records: list[Prepared], *, stored: int = 0) -> Learnt:
    """Read them one by one, then their candidate pairs."""
    course = Course(SHIPPED)
    for one in records:
        course.count(one)
    for here, there in pairs(records, Index(records), one_file=True):
        course.compare(records[here], records[there])
    return course.learnt(len(records) * (len(records) - 1) / 2, stored or len(records))


@pytest.fixture(scope="module")
def learnt(records) -> Learnt:
    """What is learnt from them."""
    return learnt_from(records)


def test_what_a_hospital_shows_is_learnt(learnt, records):
    """Enough records give a model that is used, and that knows the names of its own people."""
    assert unfit(learnt, SHIPPED) == ()
    assert learnt.records == len(records)
    assert learnt.model.weights != SHIPPED.weights
    assert "birth_place" in learnt.model.frequencies


def test_what_is_learnt_is_never_bolder_than_shipped(learnt):
    """Limits and prior stay, no chance agreement is rarer than shipped, no difference speaks less against."""
    model = learnt.model
    for limit in ("automatic", "review", "margin", "namesakes", "prior", "persons"):
        assert getattr(model, limit) == getattr(SHIPPED, limit), limit
    for trait, of in SHIPPED.weights.items():
        for level, bits in of.items():
            assert model.u[trait][level] >= SHIPPED.u[trait][level]
            assert bits >= 0 or model.weights[trait][level] <= bits + 1e-9, (trait, level)


def test_no_name_or_place_is_taken_to_be_rarer_than_shipped(learnt):
    """A rarer name would make a namesake less likely, and relax the guard that counts them."""
    model = learnt.model
    for trait, of in SHIPPED.frequencies.items():
        assert all(model.frequency(trait, value) >= share for value, share in of.items())
    assert model.rare["birth_place"] >= SHIPPED.u["birth_place"]["same"]
    rarer = {**model.frequencies, "family_name": {**model.frequencies["family_name"], "MARTIN": 1e-6}}
    assert unusable(replace(model, frequencies=rarer), SHIPPED) == (Unfit.RELAXED,)


def test_a_larger_hospital_asks_for_more(records):
    """Among two million records an agreement by chance is more likely than among half a million."""
    model = learnt_from(records, stored=2_000_000).model
    assert model.prior < SHIPPED.prior
    assert model.persons == 2_000_000


def test_few_records_or_pairs_teach_nothing(records):
    """Fewer than 2,000 records, or too few that are one person, are refused, and both reasons named."""
    assert set(unfit(learnt_from(records[:300]), SHIPPED)) >= {Unfit.FEW_RECORDS, Unfit.FEW_MATCHES}
    assert unfit(Course(SHIPPED).learnt(0, 0), SHIPPED)[:2] == (Unfit.FEW_RECORDS, Unfit.FEW_MATCHES)


def test_an_estimate_that_does_not_rest_is_refused(learnt):
    """What the last round still moved is not known yet."""
    moving = replace(learnt, fit=replace(learnt.fit, moved=0.5))
    assert unfit(moving, SHIPPED) == (Unfit.UNSETTLED,)


@pytest.mark.parametrize(
    ("trait", "level", "m"), [("sex", "same", 0.01), ("given_name", "other", 0.999), ("birth_date", "other", 0.2)]
)
def test_an_estimate_turned_round_is_refused(learnt, trait, level, m):
    """An agreement that speaks against, a difference that speaks for, or that counts for far less than shipped."""
    raw = learnt.fit.model
    turned = replace(raw, m={**raw.m, trait: {**raw.m[trait], level: m}})
    assert unfit(replace(learnt, fit=Fit(turned, 500, 9, 0)), SHIPPED) == (Unfit.OUT_OF_BOUNDS,)


@pytest.mark.parametrize(
    "bolder",
    [{"automatic": 5.0}, {"margin": 0.0}, {"review": 3.0}, {"namesakes": 1.0}, {"prior": -5.0}, {"persons": 10.0}],
)
def test_a_model_that_relaxes_a_limit_is_refused(bolder):
    """Whoever made it: no model is put in force that lets pass what the shipped one does not."""
    assert unusable(replace(SHIPPED, **bolder), SHIPPED) == (Unfit.RELAXED,)


def test_a_model_of_other_levels_is_refused():
    """What another version of the program compared otherwise decides nothing."""
    former = {trait: of for trait, of in SHIPPED.m.items() if trait != "sex"}
    assert unusable(replace(SHIPPED, m=former), SHIPPED) == (Unfit.OUTDATED,)


def test_a_model_is_kept_and_given_back_as_it_was(learnt):
    """As JSON and back, nothing is lost."""
    assert Model.from_dict(learnt.model.to_dict()).weights == learnt.model.weights
