"""The files that two sources have of one population, the truth about them, and what maps them to traits."""

import csv
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .mixes import Mix
from .persons import BOTH, LEFT, NEWBORN, RIGHT, SHARES, Contact, Human, Maker, Shares, population
from .places import older
from .slips import ADMISSIONS, DUPLICATE, SECRETARIAT, Clerk, Errors, Record, plain

TRAITS = {
    "birth_family_name": "nom_naissance",
    "used_family_name": "nom_utilise",
    "first_given_name": "prenom_naissance",
    "given_names": "prenoms_naissance",
    "used_given_name": "prenom_utilise",
    "birth_date": "date_naissance",
    "sex": "sexe",
    "birth_place_code": "lieu_naissance_cog",
    "birth_place_name": "lieu_naissance",
    "ins": "ins",
    "local_identifier": "numero",
    "phone": "telephone",
    "postal_code": "code_postal",
    "city": "ville",
    "address": "adresse",
    "multiple_birth_rank": "rang_gemellaire",
}
"""Trait -> column of the files."""

NO_GIVEN_NAME = "SANS PRENOM"

ABOUT = ("rec_id", "person", "stratum", "case", "age_group", "errors")
"""Columns that tell of the record what no source knows; not to be matched on."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file.

    Attributes:
        rec_id: its name in the truth file.
        person: number of the person.
        human: the person.
        traits: what was written.
        errors: what is wrong in it, as ``trait:kind``.

    """

    rec_id: str
    person: int
    human: Human
    traits: Record
    errors: tuple[str, ...]

    def cells(self) -> list[str]:
        """The row as it stands in the file."""
        human = self.human
        about = [self.rec_id, str(self.person), human.stratum, human.case, "minor" if human.age < 18 else "adult"]
        return [*about, " ".join(self.errors), *(self.traits[trait] for trait in TRAITS)]


@dataclass(frozen=True, slots=True)
class Files:
    """Two files, and which records of them are one person."""

    left: list[Row]
    right: list[Row]
    truth: list[tuple[str, str]]


def _record(human: Human, number: str) -> Record:
    """All that is true of a person, typed by the rules (RNIV 1, annexe III)."""
    given = [plain(name) for name in human.given]
    return {
        "birth_family_name": plain(human.family),
        "used_family_name": plain(human.used_family),
        "first_given_name": given[0],
        "given_names": " ".join(given),
        "used_given_name": plain(human.used_given),
        "birth_date": human.born,
        "sex": human.sex,
        "birth_place_code": human.place.cog,
        "birth_place_name": human.place.name,
        "ins": human.ins,
        "local_identifier": number,
        "phone": human.contact.phone,
        "postal_code": human.contact.postal,
        "city": human.contact.city,
        "address": plain(human.contact.address),
        "multiple_birth_rank": human.rank,
    }


def _elsewhere(human: Human, other: Contact, home_code: str) -> Record:
    return {
        "phone": other.phone,
        "postal_code": other.postal,
        "city": other.city,
        "address": plain(other.address),
        "home_code": home_code,
        "old_code": older(human.place.cog, human.born),
    }


def _styled(rng: random.Random, record: Record, human: Human) -> Record:
    """The spelling of a secretariat: capitals, or a capital and accents; hyphens and apostrophes as it happens."""
    styled = dict(record)
    if rng.random() < 0.35:
        for trait, true in (("birth_family_name", human.family), ("first_given_name", human.given[0])):
            styled[trait] = (true if plain(true) == record[trait] else record[trait]).title()
        for trait in ("used_family_name", "given_names", "used_given_name", "city", "address"):
            styled[trait] = record[trait].title()
    if rng.random() < 0.25:
        for trait in ("birth_family_name", "used_family_name", "first_given_name"):
            styled[trait] = styled[trait].replace("-", " ").replace("'", " ")
    return styled


@dataclass
class Source:
    """A file being written: its people, its errors, its spelling."""

    name: str
    rng: random.Random
    errors: Errors
    maker: Maker
    strict: bool = False
    unnamed: float = 0.3

    def row(self, number: int, human: Human, index: int) -> Row:
        """The record that this source has of a person."""
        rec_id = f"{self.name}{index:06d}"
        record = _record(human, f"{self.name}{70_000_000 + index}")
        if human.stratum == NEWBORN and self.rng.random() < self.unnamed:
            record |= {"first_given_name": NO_GIVEN_NAME, "given_names": NO_GIVEN_NAME, "ins": ""}
        elsewhere = _elsewhere(human, self.maker.contact(), self.maker.home_code())
        traits, errors = Clerk(self.rng, self.errors).write(record, elsewhere)
        return Row(rec_id, number, human, traits if self.strict else _styled(self.rng, traits, human), errors)


def _source(name: str, seed: int, mix: Mix, errors: Errors, *, strict: bool) -> Source:
    rng = random.Random(f"source {name} {seed} {mix.name}")
    return Source(name, rng, errors, Maker(rng, mix), strict=strict, unnamed=0.5 if strict else 0.3)


def two_files(
    seed: int,
    mix: Mix,
    persons: int,
    shares: Shares = SHARES,
    errors: tuple[Errors, Errors] = (ADMISSIONS, SECRETARIAT),
) -> Files:
    """Admissions' file (left), and a secretariat's (right), each in an order of its own."""
    left = _source("A", seed, mix, errors[0], strict=True)
    right = _source("S", seed, mix, errors[1], strict=False)
    people = list(enumerate(population(seed, mix, persons, shares), 1))
    rows_left = _written(left, [(n, human) for n, human in people if human.seen in {LEFT, BOTH}])
    rows_right = _written(right, [(n, human.then or human) for n, human in people if human.seen in {RIGHT, BOTH}])
    of = {row.person: row.rec_id for row in rows_right}
    truth = [(row.rec_id, of[row.person]) for row in rows_left if row.person in of]
    return Files(rows_left, rows_right, truth)


def _written(source: Source, people: list[tuple[int, Human]]) -> list[Row]:
    """The records of a source; the order tells nothing of who is who."""
    source.rng.shuffle(people)
    return [source.row(number, human, index) for index, (number, human) in enumerate(people, 1)]


def one_file(seed: int, mix: Mix, persons: int, shares: Shares = SHARES, doubles: float = 0.08) -> Files:
    """One domain's file with duplicates in it: a share of the people have a second record, an eighth of those a third.

    The truth names each pair once, the smaller record first; ``right`` is empty.
    """
    first = _source("D", seed, mix, ADMISSIONS, strict=True)
    again = _source("D", seed + 1, mix, DUPLICATE, strict=False)
    people = list(enumerate(population(seed, mix, persons, shares), 1))
    entries = [(n, human, first) for n, human in people]
    for n, human in people:
        if first.rng.random() < doubles:
            entries += [(n, human.then or human, again)] * (2 if first.rng.random() < 1 / 8 else 1)
    first.rng.shuffle(entries)
    rows = [source.row(number, human, index) for index, (number, human, source) in enumerate(entries, 1)]
    return Files(rows, [], list(_pairs(rows)))


def _pairs(rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    known: dict[int, list[str]] = {}
    for row in rows:
        for other in known.setdefault(row.person, []):
            yield other, row.rec_id
        known[row.person].append(row.rec_id)


def fields_toml() -> str:
    """What says which column holds which trait, for ``gateway identity evaluate --fields``."""
    lines = [f'{trait} = "{column}"' for trait, column in TRAITS.items()]
    return "\n".join(['id = "rec_id"', "", "[traits]", *lines, ""])


def write(files: Files, folder: Path) -> None:
    """Write left.csv and right.csv (or records.csv, of one file), truth.csv and fields.toml into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    header = [*ABOUT, *TRAITS.values()]
    tables = {"left": files.left, "right": files.right} if files.right else {"records": files.left}
    for name, rows in tables.items():
        _write_csv(folder / f"{name}.csv", header, (row.cells() for row in rows))
    _write_csv(folder / "truth.csv", ["left_id", "right_id"], files.truth)
    (folder / "fields.toml").write_text(fields_toml(), encoding="utf-8")


def _write_csv(path: Path, header: list[str], rows: Iterable[Iterable[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
