"""The invented population is what patient matching may be measured on."""

import csv
import random
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from population.files import ABOUT, NO_GIVEN_NAME, TRAITS, Files, Row, fields_toml, one_file, two_files, write
from population.mixes import MIXES
from population.places import older
from population.slips import AZERTY, Errors, misheard, mistyped, plain, transposed

from mappings.ins import nir_key_holds

PERSONS = 12_000
STRATA = {
    "adult",
    "married",
    "minor",
    "foreign",
    "imputed_date",
    "twin",
    "absent_twin",
    "namesake",
    "parent_child",
    "newborn",
    "changed",
}
NONE = Errors().scaled(0)


@pytest.fixture(scope="module")
def files() -> Files:
    """A population of the mix to freeze on."""
    return two_files(1, MIXES["plaine"], PERSONS)


def pairs_of(rows: list[Row], stratum: str) -> list[tuple[Row, Row]]:
    """The records of a stratum whose people were born together: same true name, date and place."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row.human.stratum == stratum:
            found.setdefault((row.human.family, row.human.born, row.human.place.cog), []).append(row)
    return [(pair[0], pair[1]) for pair in found.values() if len(pair) == 2]


def share(rows: list[Row], error: str) -> float:
    return sum(error in row.errors for row in rows) / len(rows)


@pytest.mark.parametrize("make", [two_files, one_file])
def test_one_seed_gives_the_same_bytes(make, tmp_path: Path):
    """The same seed, mix and number of persons give the same bytes; another seed or mix gives others."""
    asked = {"a": (3, "plaine"), "b": (3, "plaine"), "c": (4, "plaine"), "d": (3, "port")}
    for name, (seed, mix) in asked.items():
        write(make(seed, MIXES[mix], 300), tmp_path / name)
    content = {name: {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in asked}
    assert content["a"] == content["b"]
    assert content["a"] != content["c"]
    assert content["a"] != content["d"]


def test_two_files_are_as_asked(files: Files):
    """As many persons as asked, or one more; each record has one name, and nobody is twice in a file."""
    people = {row.person for row in files.left + files.right}
    assert PERSONS <= len(people) <= PERSONS + 1
    for rows in (files.left, files.right):
        assert len({row.rec_id for row in rows}) == len({row.person for row in rows}) == len(rows)


def test_truth_names_each_person_of_both_files(files: Files):
    """A pair of the truth is one person, and everybody who is in both files is in it."""
    left, right = ({row.rec_id: row.person for row in rows} for rows in (files.left, files.right))
    assert all(left[a] == right[b] for a, b in files.truth)
    assert len(files.truth) == len(set(left.values()) & set(right.values()))


def test_every_stratum_is_in_both_files(files: Files):
    """Each stratum is there, the dangerous ones often enough to be measured."""
    for rows in (files.left, files.right):
        seen = Counter(row.human.stratum for row in rows)
        assert set(seen) == STRATA
        assert min(seen.values()) > 30


def test_twins_are_born_together_under_two_given_names(files: Files):
    """Twins share name, date and place of birth, and have another given name, rank and matricule."""
    pairs = pairs_of(files.left, "twin")
    assert len(pairs) > 100
    for one, other in pairs:
        assert one.human.given[0] != other.human.given[0]
        assert {one.human.rank, other.human.rank} == {"1", "2"}
        assert one.human.ins != other.human.ins
    assert {one.human.sex == other.human.sex for one, other in pairs} == {True, False}
    assert any("close names" in one.human.case for one, _ in pairs)


def test_of_absent_twins_each_file_knows_another(files: Files):
    """One twin is on the left alone, the other on the right alone, so no pair of the truth holds either."""
    left = {row.rec_id: row.human for row in files.left if row.human.stratum == "absent_twin"}
    right = {row.rec_id: row.human for row in files.right if row.human.stratum == "absent_twin"}
    assert not {a for a, _ in files.truth} & set(left)
    assert not {b for _, b in files.truth} & set(right)
    births = [Counter((h.family, h.born, h.place.cog) for h in humans.values()) for humans in (left, right)]
    assert births[0] == births[1]


def test_namesakes_share_a_name_and_not_a_birth(files: Files):
    """Namesakes have one name and first given name, and never one date and one place."""
    known: dict[tuple[str, str], list[Row]] = {}
    people = {row.person: row for row in files.left + files.right if row.human.stratum == "namesake"}
    for row in people.values():
        known.setdefault((row.human.family, row.human.given[0]), []).append(row)
    assert all(len(rows) > 1 for rows in known.values())
    for rows in known.values():
        births = [(row.human.born, row.human.place.cog) for row in rows]
        assert len(births) == len(set(births))
    assert {row.human.case for row in people.values()} == {"same year", "near date", "same date"}


def test_parent_and_child_have_one_name(files: Files):
    """Somebody bears the name of his father, who is at least twenty years older."""
    people = {row.person: row.human for row in files.left + files.right if row.human.stratum == "parent_child"}
    parents = {(h.family, h.given): h for h in people.values() if h.case == "parent"}
    children = [h for h in people.values() if h.case == "child"]
    assert children
    assert all(parents[(h.family, h.given)].age - h.age >= 19 for h in children)


def test_newborns_may_have_no_name_yet(files: Files):
    """Some newborns are SANS PRENOM in either file, and have no matricule then; twins of them have ranks."""
    for rows in (files.left, files.right):
        newborns = [row for row in rows if row.human.stratum == "newborn"]
        unnamed = [row for row in newborns if row.traits["first_given_name"].upper() == NO_GIVEN_NAME]
        assert 0.2 < len(unnamed) / len(newborns) < 0.6
        assert not any(row.traits["ins"] for row in unnamed)
    assert any(row.human.rank == "2" for row in files.left if row.human.stratum == "newborn")


def test_family_names_are_as_unequal_as_in_france(files: Files):
    """MARTIN comes first with about one in a hundred; a thousand names and more are borne by one person alone."""
    names = Counter(row.human.family for row in files.left if row.human.stratum in {"adult", "minor", "married"})
    (first, borne), *_ = names.most_common(1)
    assert first == "MARTIN"
    assert 0.003 < borne / names.total() < 0.02
    assert sum(1 for count in names.values() if count == 1) > 1000


@pytest.mark.parametrize(
    ("since", "until", "sex", "expected"),
    [
        ("1940", "1950", "F", "MONIQUE"),
        ("1948", "1956", "M", "MICHEL"),
        ("1968", "1976", "M", "CHRISTOPHE"),
        ("1968", "1976", "F", "NATHALIE"),
        ("2015", "2022", "M", "GABRIEL"),
        ("2015", "2022", "F", "EMMA"),
    ],
)
def test_given_names_are_those_of_their_decade(files: Files, since: str, until: str, sex: str, expected: str):
    """A given name is among the first five of the decade that it was the fashion of, in France."""
    born = (row.human for row in files.left if since <= row.human.born < until and row.human.sex == sex)
    assert expected in [name for name, _ in Counter(human.given[0] for human in born).most_common(5)]


def test_places_are_those_of_the_code(files: Files):
    """Births stand in arrondissements, in Corsica, overseas and abroad; dates are imputed abroad far more often."""
    births = [row.human for row in files.left if row.human.stratum != "newborn"]
    starts = Counter(human.place.cog[:3] for human in births)
    assert all(starts[start] for start in ("751", "132", "693", "2A0", "2B0", "974", "993"))
    abroad = [human for human in births if human.place.cog.startswith("99")]
    imputed = sum(human.born[5:] in {"01-01", "12-31"} for human in abroad)
    assert imputed / len(abroad) > 0.08
    assert sum(human.born[5:] in {"01-01", "12-31"} for human in births) - imputed < 0.02 * len(births)


def test_older_codes_are_of_the_same_place():
    """The history of the COG: whole cities, the Seine, Corsica, Algeria; what has no older code keeps its own."""
    assert older("75114", "1980-01-01") == "75056"
    assert older("13205", "1980-01-01") == "13055"
    assert older("69384", "1980-01-01") == "69123"
    assert older("2A004", "1980-01-01") == "20004"
    assert older("92012", "1950-01-01") == "75012"
    assert older("92012", "1970-01-01") == "92012"
    assert older("99352", "1950-01-01") == "92352"
    assert older("35238", "1950-01-01") == "35238"


def test_used_names_are_of_married_women_mostly(files: Files):
    """Most women of the older generations use another name than their birth name; men hardly ever."""
    women = [row.human for row in files.left if row.human.sex == "F" and row.human.born < "1955"]
    men = [row.human for row in files.left if row.human.sex == "M"]
    assert 0.6 < sum(bool(human.used_family) for human in women) / len(women) < 0.9
    assert 0 < sum(bool(human.used_family) for human in men) / len(men) < 0.03


def test_matricules_have_their_key_and_are_nobodys(files: Files):
    """A matricule has the key of the NIR, agrees with sex and birth, is of one person, and of no real commune."""
    held = {row.human.ins: row for row in files.left + files.right}
    assert len({row.person for row in files.left + files.right}) == len(held)
    for ins, row in held.items():
        assert nir_key_holds(ins)
        if row.human.stratum != "changed":
            assert ins[0] == "12"[row.human.sex == "F"]
        assert ins[1:5] == row.human.born[2:4] + row.human.born[5:7]
        assert ins[5:10].endswith(("999", "99"))


def test_errors_are_made_at_their_rates():
    """Each error is as frequent as its rate says, among the records that can have it."""
    rates = {"typing": 0.2, "year_digit": 0.1, "sex_wrong": 0.1, "phone_other": 0.3, "place_missing": 0.5}
    rows = two_files(5, MIXES["plaine"], 4_000, errors=(NONE, NONE.scaled(1, **rates))).right
    assert share(rows, "birth_family_name:typing") == pytest.approx(0.2, abs=0.03)
    assert share(rows, "birth_date:year_digit") == pytest.approx(0.1, abs=0.03)
    assert share(rows, "sex:wrong") == pytest.approx(0.1, abs=0.03)
    assert share(rows, "phone:other") == pytest.approx(0.3, abs=0.04)
    assert sum(not row.traits["birth_place_name"] for row in rows) / len(rows) == pytest.approx(0.5, abs=0.04)


def test_without_errors_the_files_say_what_is_true():
    """At no rate of error, both files hold one value per trait, but for spelling, given names to come and changes."""
    files = two_files(5, MIXES["plaine"], 2_000, errors=(NONE, NONE))
    left, right = ({row.rec_id: row for row in rows} for rows in (files.left, files.right))
    assert not any(row.errors for row in files.left + files.right)
    for a, b in files.truth:
        if left[a].human.stratum not in {"changed", "newborn"}:
            for trait in set(TRAITS) - {"local_identifier"}:
                one, other = (plain(rows.traits[trait]) for rows in (left[a], right[b]))
                assert one.replace("-", " ").replace("'", " ") == other.replace("-", " ").replace("'", " ")


def test_an_error_changes_what_it_says(files: Files):
    """A record without an error holds the birth name, first given name, date and sex of its person."""
    for row in files.left:
        human, traits = row.human, row.traits
        if not row.errors and human.stratum != "newborn":
            true = (plain(human.family), plain(human.given[0]), human.born)
            assert (traits["birth_family_name"], traits["first_given_name"], traits["birth_date"]) == true
            assert traits["sex"] in {human.sex, ""}


def test_slips_are_those_of_a_french_keyboard():
    """A key's neighbours on AZERTY, a letter less or twice; two letters exchanged; another spelling of one sound."""
    rng = random.Random(1)
    for _ in range(200):
        assert abs(len(mistyped(rng, "DURAND")) - 6) <= 1
        assert sorted(transposed(rng, "DURAND")) == sorted("DURAND")
    assert AZERTY[0].startswith("AZERTY")
    assert {misheard(rng, "PHILIPPE") for _ in range(50)} >= {"FILIPPE"}


def test_one_file_holds_duplicates_in_one_domain():
    """The truth of one file names each pair of records of one person once, and nobody else's."""
    files = one_file(2, MIXES["port"], 3_000)
    person = {row.rec_id: row.person for row in files.left}
    assert not files.right
    assert all(person[a] == person[b] and a < b for a, b in files.truth)
    counts = Counter(person.values())
    assert len(files.truth) == len(set(files.truth)) == sum(n * (n - 1) // 2 for n in counts.values())
    assert 0.05 < sum(n > 1 for n in counts.values()) / len(counts) < 0.12


def test_files_can_be_mapped(tmp_path: Path):
    """fields.toml names a column of the files for every trait, and none that tells the truth."""
    write(two_files(1, MIXES["bocage"], 50), tmp_path)
    with (tmp_path / "right.csv").open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    fields = tomllib.loads(fields_toml())
    assert fields["id"] == "rec_id"
    assert set(fields["traits"].values()) == set(header) - set(ABOUT)
