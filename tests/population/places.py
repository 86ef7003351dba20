"""Places of birth and of living: communes with their COG, arrondissements, overseas, villages; their older codes."""

import random
from dataclasses import dataclass
from functools import cache

from .draw import Draw
from .mixes import Mix
from .names import DATA

VILLAGES = 1_500
OVERSEAS = "97"
_SEINE = ("92", "93", "94")
_WHOLE_CITIES = {"751": ("75056", "PARIS"), "132": ("13055", "MARSEILLE"), "693": ("69123", "LYON")}
_ALGERIA = "99352"


@dataclass(frozen=True)
class Place:
    """A commune or country.

    Attributes:
        cog: INSEE code (RNIV 1 §3.1.4.1).
        name: its label in capitals.
        postal: postal code; empty abroad.

    """

    cog: str
    name: str
    postal: str = ""


@dataclass(frozen=True)
class Places:
    """Where people of a mix are born and live."""

    births: Draw[Place]
    homes: Draw[Place]


@cache
def _towns() -> tuple[tuple[Place, float], ...]:
    lines = (line for line in (DATA / "places.txt").read_text("utf-8").splitlines() if not line.startswith("#"))
    rows = (line.split(maxsplit=3) for line in lines)
    return tuple((Place(cog, name, postal), float(weight)) for cog, weight, postal, name in rows)


def _villages(mix: Mix) -> list[tuple[Place, float]]:
    """Communes that are in no list, a third of them in the department of the mix; many births before 1960."""
    rng = random.Random(mix.syllables + 1)
    saints = [
        "MARTIN",
        "PIERRE",
        "JEAN",
        "GERMAIN",
        "AUBIN",
        "HILAIRE",
        "CYR",
        "MAURICE",
        "LAURENT",
        "GEORGES",
        "VINCENT",
        "SYLVAIN",
        "AMAND",
        "OUEN",
    ]
    waters = [
        "LOIRE",
        "SEINE",
        "CHER",
        "ORNE",
        "VIENNE",
        "SARTHE",
        "MAYENNE",
        "EURE",
        "OISE",
        "AISNE",
        "ALLIER",
        "INDRE",
    ]
    found: dict[str, tuple[Place, float]] = {}
    while len(found) < VILLAGES:
        department = mix.home if rng.random() < 0.33 else f"{rng.choice([n for n in range(1, 96) if n != 20]):02d}"
        number = rng.randint(1, 400)
        name = f"SAINT-{rng.choice(saints)}-SUR-{rng.choice(waters)}"
        cog = f"{department}{number:03d}"
        found[cog] = (
            Place(cog, name, f"{department}{rng.randint(1, 9)}{rng.randint(1, 9)}0"),
            min(rng.paretovariate(1.2), 30.0),
        )
    return list(found.values())


def places(mix: Mix) -> Places:
    """The places of a mix: its own department comes as often as ``home_births`` says."""
    towns = [(place, weight * (mix.overseas if place.cog.startswith(OVERSEAS) else 1)) for place, weight in _towns()]
    villages = _villages(mix)
    scale = 0.3 * sum(weight for _, weight in towns) / sum(weight for _, weight in villages)
    everywhere = towns + [(place, weight * scale) for place, weight in villages]
    home = [pair for pair in everywhere if pair[0].cog.startswith(mix.home)]
    away = [pair for pair in everywhere if not pair[0].cog.startswith(mix.home)]
    return Places(_weighed(home, away, mix.home_births), _weighed(home, away, 0.85))


def _weighed(home: list[tuple[Place, float]], away: list[tuple[Place, float]], part: float) -> Draw[Place]:
    at_home, elsewhere = (sum(weight for _, weight in pairs) for pairs in (home, away))
    scaled = [(place, weight * part / at_home) for place, weight in home]
    return Draw(scaled + [(place, weight * (1 - part) / elsewhere) for place, weight in away])


def older(cog: str, born: str) -> str:
    """Another code that software holds for the same place; the same code where there is none.

    The whole city for an arrondissement; the Seine (75) of before 1968 for 92 to 94; Corsica's 20 of before 1976;
    Algeria's departments (91 to 94) of before 1962 (INSEE, history of the COG; RNIV 1, EXI SI 20).
    """
    if cog[:3] in _WHOLE_CITIES:
        return _WHOLE_CITIES[cog[:3]][0]
    if cog[:2] in {"2A", "2B"}:
        return "20" + cog[2:]
    if cog[:2] in _SEINE and born < "1968":
        return "75" + cog[2:]
    if cog == _ALGERIA and born < "1962":
        return "92352"
    return cog
