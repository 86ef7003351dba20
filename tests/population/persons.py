"""The people of a hospital as they are, before anyone writes them down."""

import random
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from .draw import Draw
from .mixes import Mix
from .names import Origin, close_twins, french_families, given_names, origins
from .places import Place, Places, places

TODAY = date(2026, 1, 1)
"""The day on which the files were drawn; ages count from it."""

MAJORITY = 18

ABSENT_TWIN = "absent_twin"
NEWBORN = "newborn"

LEFT, RIGHT, BOTH = "left", "right", "both"


@dataclass(frozen=True, slots=True)
class Contact:
    """How a household is reached.

    Attributes:
        phone: telephone, of a range kept for fiction (ARCEP, decision 2018-0881).
        postal: postal code.
        city: commune.
        address: address line.

    """

    phone: str
    postal: str
    city: str
    address: str


@dataclass(frozen=True, slots=True)
class Human:
    """One invented person.

    Attributes:
        family: birth name, in capitals with its accents.
        given: given names at birth, the first one first.
        sex: ``M`` or ``F``.
        born: date of birth as civil status holds it, ISO; imputed ones included.
        place: place of birth.
        contact: how they are reached.
        used_family: used name; empty if it is the birth name.
        used_given: used given name; empty if it is the first one.
        rank: rank of a multiple birth; empty of a single one.
        ins: matricule INS with its key.
        kind: what makes the person hard to match: the stratum, where age and birth do not say it.
        case: which form of it.
        seen: which of the two files the person is in.
        then: the same person as civil status had them before a change; None where nothing changed.

    """

    family: str
    given: tuple[str, ...]
    sex: str
    born: str
    place: Place
    contact: Contact
    used_family: str = ""
    used_given: str = ""
    rank: str = ""
    ins: str = ""
    kind: str = ""
    case: str = ""
    seen: str = ""
    then: "Human | None" = None

    @property
    def age(self) -> int:
        """Years lived on the day of the files."""
        return TODAY.year - int(self.born[:4]) - (self.born[5:] > f"{TODAY:%m-%d}")

    @property
    def stratum(self) -> str:
        """What the person is reported under; a person of several is under the most dangerous."""
        if self.kind:
            return self.kind
        if self.age < MAJORITY:
            return "minor"
        if self.case.startswith("imputed"):
            return "imputed_date"
        if self.place.cog.startswith("99"):
            return "foreign"
        return "married" if self.used_family else "adult"


@dataclass(frozen=True)
class Shares:
    """Shares of the persons who belong to each dangerous stratum; more of them than in life, so that each is measured.

    Attributes:
        twin: of a pair in which each may be in either file, or both.
        absent_twin: of a pair of which one is in the first file alone and the other in the second alone.
        namesake: with the name of somebody else of the file, and a birth that is near, or the same.
        parent_child: father and son, or mother and daughter, of one name and one household.
        newborn: of the last ten days, many without a given name.
        changed: whose civil status changed between the two files.
        both: of all other people, those who are in both files.
        left_only: in the first file alone; the rest is in the second alone.

    """

    twin: float = 0.04
    absent_twin: float = 0.03
    namesake: float = 0.04
    parent_child: float = 0.01
    newborn: float = 0.015
    changed: float = 0.01
    both: float = 0.5
    left_only: float = 0.35


SHARES = Shares()

_AGES = Draw([((0, 17), 16), ((18, 39), 20), ((40, 64), 29), ((65, 79), 22), ((80, 101), 13)])
"""Patients of a hospital by age."""

_STREETS = [
    "DE LA GARE",
    "DES LILAS",
    "VICTOR HUGO",
    "DU MOULIN",
    "DE L'ÉGLISE",
    "JEAN JAURÈS",
    "DES ÉCOLES",
    "PASTEUR",
    "DU STADE",
    "DE PARIS",
    "DES TILLEULS",
    "DU 8 MAI 1945",
]
_WAYS = ["RUE", "AVENUE", "BOULEVARD", "ALLEE", "IMPASSE", "CHEMIN"]


@dataclass
class Maker:
    """Makes the people of a mix from a stream of chance."""

    rng: random.Random
    mix: Mix
    _common: Draw[str] = field(init=False)
    _rare: Draw[str] = field(init=False)
    _origins: Draw[Origin] = field(init=False)
    _places: Places = field(init=False)
    _numbers: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._common, self._rare = french_families(self.mix)
        self._origins, self._places = origins(self.mix), places(self.mix)

    def chance(self, share: float) -> bool:
        """True as often as the share says."""
        return self.rng.random() < share

    def human(self, born: str = "", *, common: bool = False) -> Human:
        """Somebody; of the given date of birth, or with a common French name, if it is asked."""
        sex = self.rng.choice("MF")
        born = born or self._date(*_AGES.one(self.rng))
        origin = self._origins.one(self.rng) if not common and self.chance(self.mix.foreign) else None
        if origin and self.chance(self.mix.born_abroad):
            return self._foreigner(origin, sex, born)
        family = origin.family.one(self.rng) if origin else self.family(common=common)
        own = origin.given[sex] if origin and self.chance(0.6) else None
        given = self.given(sex, born, own)
        return self._settled(Human(family, given, sex, born, self._places.births.one(self.rng), self.contact()))

    def _foreigner(self, origin: Origin, sex: str, born: str) -> Human:
        imputed = self.chance(origin.imputed)
        born = f"{born[:4]}-{self.rng.choice(('01-01', '01-01', '01-01', '12-31'))}" if imputed else born
        given = tuple(dict.fromkeys(origin.given[sex].one(self.rng) for _ in range(1 + self.chance(0.2))))
        place = Place(origin.cog, origin.country)
        human = Human(origin.family.one(self.rng), given, sex, born, place, self.contact())
        return self._settled(replace(human, case="imputed abroad" if imputed else ""))

    def _settled(self, human: Human) -> Human:
        """The person with a used name, if they took one, and a matricule."""
        human = self._married(human)
        if len(human.given) > 1 and self.chance(0.03):
            human = replace(human, used_given=human.given[1])
        if not human.case and self.chance(0.001):
            human = replace(human, born=f"{human.born[:4]}-{self.rng.choice(('01-01', '12-31'))}", case="imputed here")
        return replace(human, ins=self.matricule(human))

    def _married(self, human: Human) -> Human:
        """Women of older generations mostly use their husband's name; men seldom use their wife's."""
        year, rate = int(human.born[:4]), 0.0
        if human.age >= 22 and human.sex == "F":
            rate = 0.78 if year < 1955 else 0.6 if year < 1975 else 0.3
        elif human.age >= 22:
            rate = 0.01
        if not self.chance(rate):
            return human
        spouse = self.family()
        return replace(human, used_family=f"{human.family}-{spouse}" if self.chance(0.08) else spouse)

    def family(self, *, common: bool = False) -> str:
        """A French family name."""
        name = (self._common if common or self.chance(self.mix.common) else self._rare).one(self.rng)
        double = not common and self.chance(0.012)
        return f"{name}-{self.family(common=True)}" if double else name

    def given(self, sex: str, born: str, own: Draw[str] | None = None) -> tuple[str, ...]:
        """Given names of a birth: mostly three in the older generations, the later ones those of grandparents."""
        year = int(born[:4])
        first = (own or given_names(sex, year)).one(self.rng)
        count = self.rng.choices((0, 1, 2, 3), (22, 28, 42, 8))[0]
        later = [(own or given_names(sex, max(1905, year - 45))).one(self.rng) for _ in range(count)]
        return tuple(dict.fromkeys([first, *later]))

    def contact(self) -> Contact:
        """A household's."""
        home = self._places.homes.one(self.rng)
        start = self.rng.choice(("0639 98", "0199 00", "0261 91", "0353 01", "0465 71", "0536 49")).replace(" ", "")
        phone = f"{start}{self.rng.randrange(10_000):04d}"
        line = f"{self.rng.randint(1, 120)} {self.rng.choice(_WAYS)} {self.rng.choice(_STREETS)}"
        return Contact(phone, home.postal, home.name, line)

    def home_code(self) -> str:
        """The COG of a commune where people live."""
        return self._places.homes.one(self.rng).cog

    def place(self) -> Place:
        """A place of birth in France."""
        return self._places.births.one(self.rng)

    def matricule(self, human: Human) -> str:
        """A NIR with its key; its commune (999) exists nowhere, so it is nobody's (INSEE, structure of the NIR)."""
        department = human.place.cog[:3] if human.place.cog.startswith("97") else human.place.cog[:2]
        commune = "9" * (5 - len(department))
        start = f"{'1' if human.sex == 'M' else '2'}{human.born[2:4]}{human.born[5:7]}{department}{commune}"
        self._numbers[start] = number = self._numbers.get(start, 0) + 1
        thirteen = f"{start}{number % 1000:03d}"
        return f"{thirteen}{97 - int(_numeric(thirteen)) % 97:02d}"

    def _date(self, youngest: int, oldest: int) -> str:
        days = self.rng.randint(youngest * 365 + 15, oldest * 365 + 364)
        return (TODAY - timedelta(days=days)).isoformat()


def _numeric(nir: str) -> str:
    """Corsica's 2A counts as 19, 2B as 18 (INSEE)."""
    return nir[:5] + {"2A": "19", "2B": "18"}.get(nir[5:7], nir[5:7]) + nir[7:]


def _twins(maker: Maker, kind: str, born: str = "") -> tuple[Human, Human]:
    """Two of one birth: one date, place, name and household, two given names and ranks."""
    first = maker.human(born or maker._date(0, 85))
    if maker.chance(0.2):
        (sex, name), (other_sex, other_name) = maker.rng.choice(close_twins())
        first = replace(first, sex=sex, given=(name, *maker.given(sex, first.born)[1:]))
        return _born_together(maker, first, other_sex, other_name, kind, "close names")
    other_sex = first.sex if maker.chance(0.65) else "MF"[first.sex == "M"]
    name = first.given[0]
    while name in first.given:
        name = given_names(other_sex, int(first.born[:4])).one(maker.rng)
    return _born_together(maker, first, other_sex, name, kind, "same sex" if first.sex == other_sex else "boy and girl")


def _born_together(maker: Maker, first: Human, sex: str, name: str, kind: str, case: str) -> tuple[Human, Human]:
    shared = len(first.given) > 1 and maker.chance(0.25)
    later = first.given[1:] if shared else maker.given(sex, first.born)[1:]
    second = replace(first, sex=sex, given=tuple(dict.fromkeys((name, *later))), used_given="")
    case += ", later names shared" if shared else ""
    pair = []
    for rank, twin in enumerate((first, second), 1):
        grown = _apart(maker, maker._married(replace(twin, used_family="")))
        pair.append(replace(grown, rank=str(rank), kind=kind, case=case, ins=maker.matricule(grown)))
    return pair[0], pair[1]


def _apart(maker: Maker, twin: Human) -> Human:
    """Grown twins mostly live in two households."""
    return replace(twin, contact=maker.contact()) if twin.age >= 22 and maker.chance(0.8) else twin


def twins(maker: Maker) -> list[Human]:
    """Twins who may be in either file."""
    return list(_twins(maker, "twin"))


def absent_twins(maker: Maker) -> list[Human]:
    """Twins of whom the first file knows one alone, and the second file the other alone."""
    first, second = _twins(maker, ABSENT_TWIN)
    return [replace(first, seen=LEFT), replace(second, seen=RIGHT)]


def _near(maker: Maker, born: str) -> str:
    """A date of which one part is another: a namesake's, not a slip."""
    year, month, day = born.split("-")
    part = maker.rng.choice(("year", "month", "day"))
    if part == "year":
        return f"{int(year) + maker.rng.choice((-10, -1, 1, 10))}-{month}-{min(int(day), 28):02d}"
    if part == "month":
        return f"{year}-{maker.rng.randint(1, 12):02d}-{min(int(day), 28):02d}"
    return f"{year}-{month}-{maker.rng.randint(1, monthrange(int(year), int(month))[1]):02d}"


def namesakes(maker: Maker) -> list[Human]:
    """Two people of one common name: born the same year, on a near date, or on the same day in another place."""
    first = maker.human(maker._date(18, 95), common=maker.chance(0.8))
    case = maker.rng.choices(("same year", "near date", "same date"), (5, 3, 2))[0]
    born = {"same year": _same_year, "near date": _near, "same date": lambda _, born: born}[case](maker, first.born)
    place = first.place
    while place == first.place:
        place = maker.place()
    given = tuple(dict.fromkeys((first.given[0], *maker.given(first.sex, born)[1:])))
    second = Human(first.family, given, first.sex, born, place, maker.contact())
    if first.used_family and case != "same date":
        second = replace(second, used_family=maker.family())
    second = replace(second, ins=maker.matricule(second))
    return [replace(one, kind="namesake", case=case) for one in (first, second)]


def _same_year(maker: Maker, born: str) -> str:
    return (date(int(born[:4]), 1, 1) + timedelta(days=maker.rng.randrange(365))).isoformat()


def parent_and_child(maker: Maker) -> list[Human]:
    """Father and son of one name, mostly of one household (Jean MARTIN and Jean MARTIN, junior)."""
    parent = replace(maker.human(maker._date(45, 95)), used_family="", used_given="")
    if parent.sex == "F":
        parent = replace(parent, sex="M", given=maker.given("M", parent.born))
    years = maker.rng.randint(20, 36)
    born = f"{int(parent.born[:4]) + years}-{_same_year(maker, parent.born)[5:7]}-{maker.rng.randint(1, 28):02d}"
    child = replace(parent, born=born, place=maker.place())
    child = child if maker.chance(0.6) else replace(child, contact=maker.contact())
    pair = [replace(one, case="", ins=maker.matricule(one)) for one in (parent, child)]
    return [replace(one, kind="parent_child", case=case) for one, case in zip(pair, ("parent", "child"), strict=True)]


def newborns(maker: Maker) -> list[Human]:
    """A child of the last ten days, or twins; what is not given yet is SANS PRENOM in the files."""
    born = (TODAY - timedelta(days=maker.rng.randint(0, 10))).isoformat()
    if maker.chance(0.12):
        return list(_twins(maker, NEWBORN, born))
    return [replace(maker.human(born), kind=NEWBORN, case="single birth")]


def changed(maker: Maker) -> list[Human]:
    """Somebody whom the second file knows from before a change of civil status."""
    now = replace(maker.human(maker._date(20, 85)), kind="changed")
    case = maker.rng.choices(("used name", "birth name", "given name", "sex and given name"), (60, 22, 15, 3))[0]
    if case == "used name":
        then = replace(now, used_family="" if now.used_family and maker.chance(0.5) else maker.family())
    elif case == "birth name":
        then = replace(now, family=maker.family())
    elif case == "given name":
        then = replace(now, given=(maker.given(now.sex, now.born)[0], *now.given[1:]))
    else:
        sex = "MF"[now.sex == "M"]
        then = replace(now, sex=sex, given=maker.given(sex, now.born))
    return [replace(now, case=case, then=replace(then, case=case))]


def anybody(maker: Maker) -> list[Human]:
    """One person of no dangerous stratum."""
    return [maker.human()]


def _households(shares: Shares) -> Draw[tuple[Callable[[Maker], list[Human]], int]]:
    """What is made, and how many people of it; the weight counts makings, not people."""
    pairs = [
        (twins, shares.twin / 2),
        (absent_twins, shares.absent_twin / 2),
        (namesakes, shares.namesake / 2),
        (parent_and_child, shares.parent_child / 2),
        (newborns, shares.newborn / 1.12),
        (changed, shares.changed),
    ]
    rest = (
        1 - shares.twin - shares.absent_twin - shares.namesake - shares.parent_child - shares.newborn - shares.changed
    )
    return Draw([*pairs, (anybody, rest)])


def population(seed: int, mix: Mix, persons: int, shares: Shares = SHARES) -> Iterator[Human]:
    """The people of a hospital, each with the files that know them; at most one more than asked, for twins are two."""
    rng = random.Random(f"population {seed} {mix.name}")
    maker, kinds, made = Maker(rng, mix), _households(shares), 0
    while made < persons:
        for human in kinds.one(rng)(maker):
            made += 1
            yield human if human.seen else replace(human, seen=_seen(rng, shares))


def _seen(rng: random.Random, shares: Shares) -> str:
    draw = rng.random()
    if draw < shares.both:
        return BOTH
    return LEFT if draw < shares.both + shares.left_only else RIGHT
