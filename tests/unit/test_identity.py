"""Strict traits contradict each other exactly where RNIV 1 says so, and the golden record is of the record in force."""

from dataclasses import replace
from datetime import date

import pytest
from facts import ANNE, NIA, NIR, PAUL, ins, ipp, own, patient
from hypothesis import given
from hypothesis import strategies as st
from sites import DEPARTMENT

from gateway.facts import Identifier, IdentifierKind, IdentityStatus, Patient, Traits
from gateway.identity import Identity, contradictions, golden_record, may_be_minor, normalise, qualified_ins
from gateway.told import Told

LAB_KEY = own(DEPARTMENT, "L7")


def both_ways(a: Traits, b: Traits) -> tuple[str, ...]:
    """Give the contradictions, which must not depend on who is held against whom."""
    assert contradictions(a, b) == contradictions(b, a)
    return contradictions(a, b)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MARTIN-DUPONT", "Martin Dupont"),
        ("D'ARTAGNAN", "D’ARTAGNAN"),
        ("D'ARTAGNAN", "d artagnan"),
        ("LEFÈVRE", "LEFEVRE"),
        ("Lefe\u0300vre", "LEFÈVRE"),
        ("NOËL", "noel"),
        ("ÇAĞLAR", "CAGLAR"),
        ("LE  GOFF ", "LE GOFF"),
        ("LE GOFF", "LEGOFF"),
        ("D'ARTAGNAN", "DARTAGNAN"),
        ("Œuvrard", "OEUVRARD"),
        ("CŒUR", "cœur"),
        ("Æschlimann", "AESCHLIMANN"),
        ("LÆMMEL", "Læmmel"),
        ("SAINT/ANDRE", "SAINT ANDRE"),
    ],
)
def test_writing_a_name_otherwise_is_no_discordance(one: str, other: str):
    """Hyphens, apostrophes, diacritics, ligatures and case are no discordance (RNIV 1 EXI PP 20, annexe III)."""
    assert both_ways(replace(ANNE, birth_family_name=one), replace(ANNE, birth_family_name=other)) == ()


@pytest.mark.parametrize(("one", "other"), [("DURAND", "DURANT"), ("MARTIN DUPONT", "MARTIN"), ("LE GOFF", "LEGOFFE")])
def test_another_birth_name_is_a_discordance(one: str, other: str):
    """A birth name that differs in its letters is another one; a part of it is not enough."""
    found = both_ways(replace(ANNE, birth_family_name=one), replace(ANNE, birth_family_name=other))
    assert found == ("birth_family_name",)


def test_used_names_are_no_strict_traits():
    """Used names differ with marriage and habit: they contradict nothing."""
    assert both_ways(replace(ANNE, used_family_name="MOREL", used_given_name="NANOU"), ANNE) == ()


LISTED = Traits(first_given_name="MAX", given_names="MAX PATRICK")


@pytest.mark.parametrize("first", ["MAX", "MAX PATRICK", "MAX-PATRICK", "max patrick"])
def test_first_given_name_may_be_any_beginning_of_the_list(first: str):
    """The list MAX PATRICK gives MAX, MAX PATRICK and MAX-PATRICK (RNIV 1 EXI SI 29)."""
    assert both_ways(LISTED, Traits(first_given_name=first)) == ()
    assert both_ways(LISTED, Traits(first_given_name=first, given_names="MAX PATRICK")) == ()


@pytest.mark.parametrize("first", ["PATRICK", "MA", "MAXIME", "MAX-OLIVIER", "PATRICK MAX"])
def test_first_given_name_is_never_another_part_of_the_list(first: str):
    """The list MAX PATRICK never gives PATRICK, nor a part of a name (RNIV 1 EXI SI 29)."""
    assert both_ways(LISTED, Traits(first_given_name=first)) == ("first_given_name",)


def test_first_given_names_without_lists_agree_where_one_begins_the_other():
    """Without lists JEAN agrees with JEAN-PAUL; PAUL does not."""
    assert both_ways(Traits(first_given_name="JEAN"), Traits(first_given_name="JEAN-PAUL")) == ()
    assert both_ways(Traits(first_given_name="PAUL"), Traits(first_given_name="JEAN-PAUL")) == ("first_given_name",)


def test_later_given_names_are_no_discordance():
    """The same first given name with other further ones is left to analysis (RNIV 1 §4.5.4)."""
    a = Traits(first_given_name="ANNE", given_names="ANNE MARIE")
    assert both_ways(a, Traits(first_given_name="ANNE", given_names="ANNE LOUISE")) == ()


def test_compound_first_given_name_that_the_other_list_excludes_is_a_discordance():
    """JEAN of the list JEAN MARC is not JEAN-PAUL of the list JEAN PAUL: twins are named so (RNIV 1 EXI SI 29)."""
    marc = Traits(first_given_name="JEAN", given_names="JEAN MARC")
    assert both_ways(marc, Traits(first_given_name="JEAN-PAUL", given_names="JEAN PAUL")) == ("first_given_name",)


@pytest.mark.parametrize("known", ["1958", "1958-03", "1958-03-21", ""])
def test_a_date_known_in_part_agrees_with_one_that_continues_it(known: str):
    """A partial date of birth says nothing of what it leaves out."""
    assert both_ways(ANNE, replace(ANNE, birth_date=known)) == ()


@pytest.mark.parametrize("other", ["1959", "1958-04", "1958-03-22", "1985-03-21", "1958-12-31"])
def test_another_date_is_a_discordance(other: str):
    """Another date of birth contradicts, a partial one as well."""
    assert both_ways(ANNE, replace(ANNE, birth_date=other)) == ("birth_date",)


@pytest.mark.parametrize(("sex", "found"), [("M", ("sex",)), ("F", ()), ("U", ()), ("", ())])
def test_sex_contradicts_only_between_m_and_f(sex: str, found: tuple[str, ...]):
    """An undetermined sex says nothing."""
    assert both_ways(ANNE, replace(ANNE, sex=sex)) == found


@pytest.mark.parametrize(("place", "found"), [("75056", ("birth_place_code",)), ("99999", ()), ("", ()), ("63220", ())])
def test_unknown_birth_place_is_missing_not_contradicting(place: str, found: tuple[str, ...]):
    """99999 is "not known" (RNIV 1 EXI SI 18)."""
    assert both_ways(ANNE, replace(ANNE, birth_place_code=place)) == found


def test_twin_rank_parts_twins_with_all_else_equal():
    """Two ranks are two children; a rank that one side lacks says nothing."""
    first, second = (replace(ANNE, multiple_birth_rank=rank) for rank in "12")
    assert both_ways(first, second) == ("multiple_birth_rank",)
    assert both_ways(first, ANNE) == ()


def test_empty_traits_contradict_nothing():
    """A trait that was not sent is no contradiction (RNIV 1 EXI SI 19)."""
    assert both_ways(ANNE, Traits()) == ()
    assert both_ways(Traits(), Traits()) == ()


def test_every_strict_trait_is_named():
    """Two different people contradict each other on each trait that both hold."""
    expected = ("birth_family_name", "first_given_name", "birth_date", "sex", "birth_place_code")
    assert both_ways(ANNE, PAUL) == expected


@given(st.text(st.characters(max_codepoint=127)))
def test_a_name_without_diacritics_is_normalised_like_one_with(name):
    """The short way for plain names ends where the long one does."""
    assert normalise(f"É {name}") == f"E {normalise(name)}".rstrip()


def test_normalised_name_normalises_to_itself():
    """Normal form is stable."""
    for name in ("Mª Á. Élodie-Anne", "D’Arc", "Ægir", "ŒDIPE", "  a  b ", "ﬁn"):
        assert normalise(normalise(name)) == normalise(name)


# -- INS ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [s for s in IdentityStatus if s is not IdentityStatus.QUALIFIEE])
def test_only_a_qualified_identity_may_be_referenced_by_its_ins(status: IdentityStatus):
    """The INS of a provisoire, récupérée or validée identity is not used (RNIV 1 EXI SI 08)."""
    assert qualified_ins(patient(ipp("1"), ins(), status=status)) is None


def test_nir_goes_before_nia_and_the_billing_nir_is_no_ins():
    """A NIR goes before a NIA whatever the order (PAM.FR 4.4.1); type NH with the same OID is no INS (6.6.1)."""
    nir, nia = ins("258036322000123", NIR), ins("858036322000199", NIA)
    assert qualified_ins(patient(ipp("1"), nia, nir)) == nir
    assert qualified_ins(patient(ipp("1"), nir, nia)) == nir
    billing = Identifier(NIR, "258036322000123", IdentifierKind.OTHER)
    assert qualified_ins(patient(ipp("1"), billing, status=IdentityStatus.QUALIFIEE)) is None


# -- golden record -----------------------------------------------------------------------------------------------------


def identity(
    name: str, key: Identifier, who: Patient, *, authoritative: bool = True, retired: bool = False
) -> Identity:
    """Give a record of person P."""
    return Identity(name, key, "P", Told("source", 1), authoritative, who, retired)


def test_admissions_wins_over_a_higher_status_of_a_department():
    """What a department claims never shows over what admissions vouches for."""
    department = identity("a", LAB_KEY, patient(LAB_KEY, ins(), birth_family_name="DURANT"), authoritative=False)
    admissions = identity("b", ipp("1"), patient(ipp("1"), status=IdentityStatus.PROVISOIRE))
    for order in ((department, admissions), (admissions, department)):
        golden = golden_record("P", order)
        assert golden.traits == ANNE
        assert golden.status is IdentityStatus.PROVISOIRE
        assert golden.confirmed
        assert golden.identifiers == (ipp("1"),)


def test_a_retired_record_never_wins():
    """A record merged away shows neither its traits, nor its status, nor its identifier, nor its INS."""
    retired = identity("a", ipp("1"), patient(ipp("1"), ins(), birth_family_name="DURANT"), retired=True)
    survivor = identity("b", ipp("2"), patient(ipp("2"), status=IdentityStatus.PROVISOIRE))
    golden = golden_record("P", (retired, survivor))
    assert (golden.traits, golden.status, golden.identifiers) == (ANNE, IdentityStatus.PROVISOIRE, (ipp("2"),))


def test_qualified_record_goes_before_a_validated_one_and_shows_its_ins():
    """Among records that admissions vouches for the more reliable status wins (RNIV 1 EXI SI 12)."""
    validated = identity("a", ipp("1"), patient(ipp("1"), birth_family_name="DURANT"))
    qualified = identity("b", own(DEPARTMENT, "2"), patient(own(DEPARTMENT, "2"), ins()))
    golden = golden_record("P", (validated, qualified))
    assert golden.traits == ANNE
    assert ins() in golden.identifiers


@pytest.mark.parametrize("authoritative", [True, False])
@pytest.mark.parametrize("status", list(IdentityStatus))
def test_a_person_shows_an_ins_only_if_it_is_shown_as_qualified(status: IdentityStatus, *, authoritative: bool):
    """A matricule INS beside any status but qualifiée is a fault (RNIV 1 EXI SI 08, SI 33)."""
    who = patient(ipp("1"), ins(), status=status)
    golden = golden_record("P", [identity("a", ipp("1"), who, authoritative=authoritative)])
    shown = any(i.kind is IdentifierKind.INS for i in golden.identifiers)
    assert shown == (golden.status is IdentityStatus.QUALIFIEE)


def test_what_only_departments_told_is_provisional_and_shows_no_identifier():
    """« Identité à confirmer »: no number is shown as an IPP, and the status is provisoire."""
    golden = golden_record("P", [identity("a", LAB_KEY, patient(LAB_KEY), authoritative=False)])
    assert (golden.confirmed, golden.status, golden.identifiers) == (False, IdentityStatus.PROVISOIRE, ())


def test_a_death_told_by_anyone_is_kept():
    """A death told on any of a person's records is the person's."""
    dead = identity("b", LAB_KEY, patient(LAB_KEY, deceased=True), authoritative=False)
    assert golden_record("P", [identity("a", ipp("1"), patient(ipp("1"))), dead]).deceased


def test_golden_record_does_not_depend_on_the_order_of_records():
    """The same records in any order make the same person."""
    records = [identity(str(n), ipp(str(n)), patient(ipp(str(n)), birth_family_name=f"N{n}")) for n in range(4)]
    assert golden_record("P", records) == golden_record("P", records[::-1])


@pytest.mark.parametrize(
    ("born", "minor"),
    [
        ("2008-06-02", True),
        ("2008-06-01", False),
        ("2008-05", False),
        ("2008-06", True),
        ("2008", True),
        ("2007", False),
        ("", False),
    ],
)
def test_who_may_be_a_minor_is_one(born: str, *, minor: bool):
    """A date known in part is that of the youngest whom it allows; at 18 nobody is a minor (Code civil, art. 414)."""
    assert may_be_minor(born, date(2026, 6, 1)) is minor
