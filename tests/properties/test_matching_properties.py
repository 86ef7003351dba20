"""Whatever two records hold, the matcher does not depend on their order, and no guard is overridden."""

from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from gateway.matching.blocking import keys
from gateway.matching.matcher import Grade, match, weigh
from gateway.matching.model import Model
from gateway.matching.record import Record, prepare

ON = date(2026, 6, 1)
OPEN = replace(Model(), automatic=-1e9, review=-1e9)
"""A model that would link anybody."""
NAMES = st.sampled_from(["", "VERDELHAN", "VERDELAN", "DE VERDELHAN-MOREL", "Morel", "JEANNE", "JULIE", "JULIA", "O'É"])
DATES = st.sampled_from(["", "1958", "1958-03", "1958-03-21", "1985-03-21", "1958-12-31", "1958-13-45", "2015-03-21"])
RECORDS = st.builds(
    Record,
    id=st.just("1"),
    birth_family_name=NAMES | st.text(max_size=8),
    used_family_name=NAMES,
    first_given_name=NAMES | st.text(max_size=8),
    given_names=NAMES,
    used_given_name=NAMES,
    birth_date=DATES | st.text(max_size=10),
    sex=st.sampled_from(["", "F", "M", "U"]),
    birth_place_code=st.sampled_from(["", "34172", "34127", "99999", "99352"]),
    ins=st.sampled_from(["", "2580334172001", "2580334172999"]),
    phone=st.sampled_from(["", "0600000001", "0600000002"]),
    address=st.sampled_from(["", "1 RUE DES ESSAIS", "1 RUE DE L'ESSAI"]),
    multiple_birth_rank=st.sampled_from(["", "1", "2"]),
    qualified=st.booleans(),
    deceased=st.booleans(),
)


@given(RECORDS, RECORDS)
def test_the_order_of_two_records_changes_nothing(one: Record, other: Record):
    """Score, guards and grade are the same from either side."""
    a, b = prepare(one), prepare(other)
    for model in (Model(), OPEN):
        forth, back = weigh(a, b, model, ON), weigh(b, a, model, ON)
        assert (forth is None) == (back is None)
        if forth and back:
            assert abs(forth.score - back.score) < 1e-6
            assert forth.guards == back.guards
            assert forth.grade(model) is back.grade(model)


@given(RECORDS, RECORDS)
def test_a_guard_is_never_overridden(one: Record, other: Record):
    """Where a guard speaks there is no link without a person, even if any score would do."""
    a, b = prepare(one), prepare(other)
    candidate = weigh(a, b, OPEN, ON)
    if candidate and candidate.guards:
        assert match(a, [b], OPEN, ON).grade is not Grade.MATCH


@given(RECORDS)
def test_a_record_shares_its_keys_with_itself(record: Record):
    """A record is found by its own keys, and nothing contradicts it outright."""
    prepared = prepare(record)
    assert keys(prepared) == keys(prepare(record))
    candidate = weigh(prepared, prepared, OPEN, ON)
    assert candidate


@given(RECORDS)
def test_a_record_with_strict_traits_is_itself(record: Record):
    """A record with enough traits is linked to its like."""
    whole = replace(
        record,
        birth_family_name="VERDELHAN",
        first_given_name="JEANNE",
        birth_date="1958-03-21",
        sex="F",
        birth_place_code="34172",
        deceased=False,
    )
    assert match(prepare(whole), [prepare(replace(whole, id="2"))], Model(), ON).grade is Grade.MATCH
