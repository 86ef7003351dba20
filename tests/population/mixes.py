"""The hospitals whose people are made: what names and births they see."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mix:
    """What names and births a hospital sees.

    Attributes:
        name: what the command calls it.
        syllables: seed of the long tail of family names; another seed gives other rare names.
        common: share of the family names in French use that are in the list of common ones, the rest being rare.
        foreign: share of people whose names come from an immigration.
        born_abroad: of those, the share born there; the others were born in France, with given names of either.
        overseas: how many times more often than in the list a birth overseas comes.
        origins: how many times more often than in the list an immigration comes, by its name.
        spread: exponent of the births over the communes; a large one concentrates them on the hospital's own.
        home: COG of the department where most people live and are born.

    """

    name: str
    syllables: int
    home: str
    common: float = 0.45
    foreign: float = 0.12
    born_abroad: float = 0.55
    overseas: float = 1.0
    home_births: float = 0.4
    origins: dict[str, float] = field(default_factory=dict)


MIXES = {
    mix.name: mix
    for mix in (
        Mix("plaine", syllables=101, home="45"),
        Mix(
            "port",
            syllables=202,
            home="13",
            common=0.38,
            foreign=0.36,
            born_abroad=0.5,
            overseas=3.0,
            origins={"algerie": 1.5, "comores": 5.0, "tunisie": 1.8, "italie": 2.5},
        ),
        Mix("bocage", syllables=303, home="29", common=0.72, foreign=0.04, home_births=0.7),
        Mix("capitale", syllables=404, home="75", foreign=0.3, overseas=2.0, home_births=0.5, origins={"mali": 2.0}),
    )
}
"""By name. ``plaine`` is the one to freeze weights on; the others are to report on."""

FROZEN = "plaine"
