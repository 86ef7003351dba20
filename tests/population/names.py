"""Family and given names, as frequent as in France: by rank, by origin, by year of birth and sex."""

import random
import tomllib
from dataclasses import dataclass
from functools import cache
from math import exp
from pathlib import Path

from .draw import Draw, ranked
from .mixes import Mix

DATA = Path(__file__).parent / "data"

RARE_NAMES = 24_000
"""Composed family names; with the common ones a tenth of what a hospital of 200,000 patients sees."""

GIVEN_EXPONENT = 0.55
"""Fall of a given name's frequency with its rank in a fashion: the first of twenty is five times the last."""


@dataclass(frozen=True)
class Origin:
    """The names of an immigration, and how its births come to be dated.

    Attributes:
        name: as in ``Mix.origins``.
        cog: country code of birth (COG 99xxx).
        country: its label.
        imputed: share of those born there whose date is 01/01 or 31/12 (RNIV 1, EXI PP 19).
        family: family names.
        given: given names by sex.

    """

    name: str
    cog: str
    country: str
    imputed: float
    family: Draw[str]
    given: dict[str, Draw[str]]


def _lines(file: str) -> list[str]:
    return [line for line in (DATA / file).read_text("utf-8").splitlines() if line and not line.startswith("#")]


def _spoken(name: str) -> str:
    """A family name in its usual spelling: the list writes a space of a name as a hyphen."""
    particles = ("LE-", "EL-", "DA-", "DE-", "DI-", "DOS-", "BEN-", "AIT-", "VAN-")
    return name.replace("-", " ") if name.startswith(particles) else name


def share(rank: int) -> float:
    """How frequent the family name of a rank is in France, the first one being 1 (fitted to INSEE's file of names)."""
    if rank == 1:
        return 1.0
    if rank <= 100:
        return 0.55 * rank**-0.3
    return 0.55 * 100**-0.3 * (rank / 100) ** -0.72


def _composed(seed: int) -> list[str]:
    """Rare family names, each once, composed of syllables."""
    parts = tomllib.loads((DATA / "syllables.toml").read_text("utf-8"))
    beginnings, middles, endings = (parts[name].split() for name in ("beginnings", "middles", "endings"))
    rng = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < RARE_NAMES:
        middle = rng.choice(middles) if rng.random() < 0.45 else ""
        found[rng.choice(beginnings) + middle + rng.choice(endings)] = None
    return list(found)


def french_families(mix: Mix) -> tuple[Draw[str], Draw[str]]:
    """The common family names, and the rare ones."""
    common = [_spoken(name) for name in dict.fromkeys(" ".join(_lines("surnames.txt")).split())]
    known = set(common)
    rare = [name for name in _composed(mix.syllables) if name not in known]
    return (
        Draw((name, share(rank)) for rank, name in enumerate(common, 1)),
        Draw((name, share(rank)) for rank, name in enumerate(rare, len(common) + 1)),
    )


def origins(mix: Mix) -> Draw[Origin]:
    """The immigrations, as frequent as the mix has them."""
    read = tomllib.loads((DATA / "origins.toml").read_text("utf-8"))
    return Draw((_origin(name, entry), entry["weight"] * mix.origins.get(name, 1)) for name, entry in read.items())


def _origin(name: str, entry: dict[str, object]) -> Origin:
    family, male, female = (str(entry[key]).split() for key in ("family", "male", "female"))
    return Origin(
        name,
        str(entry["cog"]),
        str(entry["country"]),
        float(str(entry["imputed"])),
        ranked([_spoken(one) for one in family], 0.6),
        {"M": ranked(male, 0.8), "F": ranked(female, 0.7)},
    )


@cache
def _fashions() -> tuple[tuple[str, int, int, float, tuple[str, ...]], ...]:
    """Sex, year, width, weight and names of every fashion of given names."""
    rows = (line.split() for line in _lines("given_names.txt"))
    return tuple((sex, int(year), int(width), float(weight), tuple(names)) for sex, year, width, weight, *names in rows)


@cache
def given_names(sex: str, year: int) -> Draw[str]:
    """Given names of those born in a year, in capitals with their accents; two fashions overlap as they do in life."""
    weights: dict[str, float] = {}
    for of, height, width, weight, names in _fashions():
        if of == sex:
            now = weight * exp(-(((year - height) / width) ** 2))
            for rank, name in enumerate(names, 1):
                weights[name] = weights.get(name, 0.0) + now * rank**-GIVEN_EXPONENT
    return Draw(weights.items())


@cache
def close_twins() -> tuple[tuple[tuple[str, str], tuple[str, str]], ...]:
    """Given names that parents give to twins and that sound or look alike: (sex, name) of either."""
    return tuple(((a, b), (c, d)) for a, b, c, d in (line.split() for line in _lines("close_twins.txt")))
