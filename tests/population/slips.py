"""What goes wrong between a person and the file of a secretariat."""

import random
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace

AZERTY = ("AZERTYUIOP", "QSDFGHJKLM", "WXCVBN")
"""Rows of letters of the French keyboard."""

OCR = {"O": "0", "I": "1", "S": "5", "B": "8", "RN": "M", "M": "RN", "U": "V", "C": "G", "E": "F", "CL": "D", "L": "I"}
"""What a reader of scanned forms takes for something else."""

_SOUNDS = """
PH/F EAU/AUX AULT/AUD AUD/AULT EAU/AU AU/O QU/K Y/I TH/T LL/L RR/R TT/T NN/N SS/S ET/AIT AI/E EN/AN
C/K GN/NI IN/AIN AIN/IN ZZ/Z H/ OUX/OU MM/M K/C IER/IET CH/SH Z/S OU/U I/Y N/NN L/LL T/TT R/RR
"""

SOUNDS = tuple(tuple(pair.split("/")) for pair in _SOUNDS.split())
"""Spellings that sound alike in French."""

PARTICLES = ("LE ", "LA ", "DE LA ", "DE ", "DU ", "D'", "L'", "EL ", "BEN ", "DA ", "DOS ", "DI ", "AIT ", "VAN ")


@dataclass(frozen=True)
class Errors:
    """How often each error stands in a record of a secretariat; a share of the records where the trait is held.

    The mistakes: of either name, ``typing`` (a neighbour on the AZERTY keyboard, a letter left out or doubled),
    ``transposition``, ``ocr``, ``phonetic``; of the family name, ``particle`` (left out or run together),
    ``used_as_birth`` (the used name sent as birth name), ``double_cut`` (half of a double name); of the given name,
    ``truncated``, ``compound_split``, ``second_given``; both names ``swapped``. Of the date, ``day_month`` (swapped),
    ``year_digit``, ``day_digit``, ``imputed`` (01/01 or 31/12 of the year). ``sex_wrong``; ``place_old`` (an older code
    of the same place), ``place_wrong`` (where they live). The gaps: everything that ends in ``missing``. Contacts:
    ``phone_other``, ``phone_slip``, ``moved`` (another address since).
    """

    typing: float = 0.012
    transposition: float = 0.005
    ocr: float = 0.003
    phonetic: float = 0.010
    particle: float = 0.06
    used_as_birth: float = 0.10
    double_cut: float = 0.15
    truncated: float = 0.012
    compound_split: float = 0.10
    second_given: float = 0.012
    swapped: float = 0.003
    day_month: float = 0.004
    year_digit: float = 0.005
    day_digit: float = 0.006
    imputed: float = 0.003
    sex_wrong: float = 0.004
    sex_missing: float = 0.01
    place_old: float = 0.05
    place_wrong: float = 0.01
    place_missing: float = 0.40
    date_missing: float = 0.002
    used_missing: float = 0.30
    given_names_missing: float = 0.70
    ins_missing: float = 0.90
    phone_missing: float = 0.15
    phone_other: float = 0.12
    phone_slip: float = 0.01
    moved: float = 0.08
    address_missing: float = 0.20
    rank_missing: float = 0.80

    def scaled(self, factor: float, **exact: float) -> "Errors":
        """These rates times a factor, but for those given exactly."""
        rates = {one.name: min(1.0, getattr(self, one.name) * factor) for one in fields(self)}
        return replace(self, **{**rates, **exact})


SECRETARIAT = Errors()

ADMISSIONS = Errors().scaled(
    0.08, place_missing=0.03, given_names_missing=0.1, used_missing=0.05, ins_missing=0.3, moved=0.0, phone_other=0.0
)
"""Admissions look at a document of identity: few mistakes, most traits."""

DUPLICATE = Errors().scaled(0.7, place_missing=0.2, given_names_missing=0.4, ins_missing=0.8)
"""A second record of one domain: made in a hurry, mostly at the emergency department."""

Record = dict[str, str]


def plain(name: str) -> str:
    """Capitals without diacritics, hyphens and apostrophes kept (RNIV 1, annexe III)."""
    return "".join(c for c in unicodedata.normalize("NFKD", name.upper()) if not unicodedata.combining(c))


def _at(rng: random.Random, name: str) -> int:
    """A place of a letter in a name; the first one is seldom wrong."""
    return rng.randrange(1, len(name)) if len(name) > 1 and rng.random() < 0.93 else 0


def neighbour(rng: random.Random, letter: str) -> str:
    """The key beside a letter's on the AZERTY keyboard; what is no letter stays."""
    for row in AZERTY:
        if letter in row:
            at = row.index(letter)
            return rng.choice(row[max(at - 1, 0) : at] + row[at + 1 : at + 2])
    return letter


def mistyped(rng: random.Random, name: str) -> str:
    """A neighbour key, a letter left out, or one struck twice."""
    at, kind = _at(rng, name), rng.random()
    if kind < 0.5:
        return name[:at] + neighbour(rng, name[at]) + name[at + 1 :]
    if kind < 0.8 and len(name) > 2:
        return name[:at] + name[at + 1 :]
    return name[:at] + name[at] + name[at:]


def transposed(rng: random.Random, name: str) -> str:
    """Two letters in each other's place."""
    if len(name) < 3:
        return name
    at = rng.randrange(1, len(name) - 1)
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :]


def _one_of(rng: random.Random, name: str, pairs: Iterable[tuple[str, ...]]) -> str:
    fitting = [pair for pair in pairs if pair[0] in name]
    if not fitting:
        return name
    old, new = rng.choice(fitting)
    return name.replace(old, new, 1)


def misread(rng: random.Random, name: str) -> str:
    """A letter taken for another by a reader of scanned forms."""
    return _one_of(rng, name, OCR.items())


def misheard(rng: random.Random, name: str) -> str:
    """Another spelling of what sounds alike."""
    return _one_of(rng, name, SOUNDS)


SPELLING: dict[str, Callable[[random.Random, str], str]] = {
    "typing": mistyped,
    "transposition": transposed,
    "ocr": misread,
    "phonetic": misheard,
}
"""Errors of spelling by their name in ``Errors``."""


def without_particle(rng: random.Random, name: str) -> str:
    """The particle left out, or run together with the name."""
    found = next((one for one in PARTICLES if name.startswith(one)), "")
    if not found:
        return name
    return name.replace(" ", "").replace("'", "") if rng.random() < 0.6 else name.removeprefix(found)


def digit_slip(rng: random.Random, digits: str) -> str:
    """One of the digits is another."""
    at = rng.randrange(len(digits))
    return digits[:at] + rng.choice([d for d in "0123456789" if d != digits[at]]) + digits[at + 1 :]


@dataclass
class Clerk:
    """Who writes a record, at a rate of errors; the errors made are noted by trait and kind."""

    rng: random.Random
    errors: Errors

    def _errs(self, kind: str) -> bool:
        return self.rng.random() < float(getattr(self.errors, kind))

    def write(self, record: Record, elsewhere: Record) -> tuple[Record, tuple[str, ...]]:
        """The record as it was written, and the errors in it; ``elsewhere`` is another address, telephone and code."""
        written, made = dict(record), []
        steps = (self._family, self._given, self._swap, self._date, self._sex, self._place, self._contact, self._gaps)
        for step in steps:
            made += list(step(written, elsewhere))
        return written, tuple(made)

    def _spell(self, record: Record, trait: str) -> Iterator[str]:
        for kind, act in SPELLING.items():
            if self._errs(kind) and record[trait]:
                before, record[trait] = record[trait], act(self.rng, record[trait])
                if record[trait] != before:
                    yield f"{trait}:{kind}"

    def _family(self, record: Record, _: Record) -> Iterator[str]:
        if record["used_family_name"] and self._errs("used_as_birth"):
            record["birth_family_name"] = record["used_family_name"]
            record["used_family_name"] = ""
            yield "birth_family_name:used_as_birth"
        if record["birth_family_name"].startswith(PARTICLES) and self._errs("particle"):
            record["birth_family_name"] = without_particle(self.rng, record["birth_family_name"])
            yield "birth_family_name:particle"
        if "-" in record["birth_family_name"] and self._errs("double_cut"):
            record["birth_family_name"] = record["birth_family_name"].partition("-")[0]
            yield "birth_family_name:double_cut"
        yield from self._spell(record, "birth_family_name")
        yield from self._spell(record, "used_family_name")

    def _given(self, record: Record, _: Record) -> Iterator[str]:
        name = record["first_given_name"]
        if name == "SANS PRENOM":
            return
        later = record["given_names"][len(name) :].split()
        if later and self._errs("second_given"):
            record["first_given_name"] = later[0]
            yield "first_given_name:second_given"
        elif "-" in name and self._errs("compound_split"):
            record["first_given_name"] = name.partition("-")[0]
            yield "first_given_name:compound_split"
        elif len(name) > 4 and self._errs("truncated"):
            record["first_given_name"] = name[: self.rng.randint(1, 4)]
            yield "first_given_name:truncated"
        made = list(self._spell(record, "first_given_name"))
        yield from made
        if made or record["first_given_name"] != name:
            record["given_names"] = " ".join([record["first_given_name"], *later])

    def _swap(self, record: Record, _: Record) -> Iterator[str]:
        if record["first_given_name"] != "SANS PRENOM" and self._errs("swapped"):
            family, given = record["birth_family_name"], record["first_given_name"]
            record |= {"birth_family_name": given, "first_given_name": family, "given_names": family}
            yield "names:swapped"

    def _date(self, record: Record, _: Record) -> Iterator[str]:
        year, month, day = record["birth_date"].split("-")
        if self._errs("imputed"):
            record["birth_date"] = year + self.rng.choice(("-01-01", "-12-31"))
            yield "birth_date:imputed"
        elif day <= "12" and day != month and self._errs("day_month"):
            record["birth_date"] = f"{year}-{day}-{month}"
            yield "birth_date:day_month"
        elif self._errs("year_digit"):
            record["birth_date"] = f"{self._year(year)}-{month}-{min(int(day), 28):02d}"
            yield "birth_date:year_digit"
        elif self._errs("day_digit"):
            record["birth_date"] = f"{year}-{month}-{self._day(day)}"
            yield "birth_date:day_digit"

    def _year(self, year: str) -> str:
        """A year with another digit, in no future and within a lifetime."""
        while True:
            other = year[:2] + digit_slip(self.rng, year[2:])
            if "1905" < other < "2026" or year in {"1900", "2000"}:
                return other if other < "2026" else str(int(year) - 1)

    def _day(self, day: str) -> str:
        """A day with another digit, in every month."""
        while True:
            other = digit_slip(self.rng, day)
            if "01" <= other <= "28":
                return other

    def _sex(self, record: Record, _: Record) -> Iterator[str]:
        if self._errs("sex_wrong"):
            record["sex"] = "MF"[record["sex"] == "M"]
            yield "sex:wrong"
        elif self._errs("sex_missing"):
            record["sex"] = ""

    def _place(self, record: Record, elsewhere: Record) -> Iterator[str]:
        if self._errs("place_missing"):
            record["birth_place_code"] = self.rng.choice(("", "", "", "99999"))
            record["birth_place_name"] = ""
        elif self._errs("place_wrong"):
            record |= {"birth_place_code": elsewhere["home_code"], "birth_place_name": record["city"]}
            yield "birth_place:wrong"
        elif elsewhere["old_code"] != record["birth_place_code"] and self._errs("place_old"):
            record["birth_place_code"] = elsewhere["old_code"]
            yield "birth_place:old"

    def _contact(self, record: Record, elsewhere: Record) -> Iterator[str]:
        if self._errs("moved"):
            record |= {trait: elsewhere[trait] for trait in ("postal_code", "city", "address")}
            yield "address:moved"
        if self._errs("phone_other"):
            record["phone"] = elsewhere["phone"]
            yield "phone:other"
        elif self._errs("phone_slip"):
            record["phone"] = record["phone"][:4] + digit_slip(self.rng, record["phone"][4:])
            yield "phone:slip"

    def _gaps(self, record: Record, _: Record) -> Iterator[str]:
        gaps = {
            "date_missing": ("birth_date",),
            "used_missing": ("used_family_name", "used_given_name"),
            "given_names_missing": ("given_names",),
            "ins_missing": ("ins",),
            "phone_missing": ("phone",),
            "address_missing": ("address", "postal_code", "city"),
            "rank_missing": ("multiple_birth_rank",),
        }
        for kind, traits in gaps.items():
            if self._errs(kind):
                if any(record[trait] for trait in traits) and kind in {"date_missing", "used_missing"}:
                    yield f"{traits[0]}:missing"
                record |= dict.fromkeys(traits, "")
