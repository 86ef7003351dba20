"""How two names agree: written alike, heard alike, crossed, in part, or not."""

from enum import StrEnum
from functools import lru_cache

from rapidfuzz.distance import OSA, JaroWinkler

from gateway.matching.phonetics import skeleton


class NameLevel(StrEnum):
    """How two names agree."""

    SAME = "same"
    CROSSED = "crossed"
    """The birth name of one is the used name of the other: a woman who married, mostly."""
    BEGINS = "begins"
    """The first given name begins the other's list, word by word (RNIV 1, EXI SI 29)."""
    CUT = "cut"
    """A given name cut short: JEAN of JEAN-PIERRE, MARGU of MARGUERITE."""
    PART = "part"
    """The words of one are among the words of the other: a compound name cut short."""
    CLOSE = "close"
    """One slip of the hand, the ear or the scanner apart."""
    INVERTED = "inverted"
    """Family and given name stand in each other's place."""
    LISTED = "listed"
    """A given name that is not the first of the other."""
    INITIAL = "initial"
    RIVAL = "rival"
    """As near as a slip, but both are names that people have (JULIE, JULIA)."""
    ENDING = "ending"
    """A slip apart in the last letter, or in the first one of a short name; at most one is a name that people have."""
    NEAR = "near"
    OTHER = "other"


_OCR = (("RN", "M"), ("VV", "W"), ("CL", "D"), ("II", "U"), ("0", "O"), ("1", "I"), ("5", "S"), ("8", "B"))
"""What a scanner takes for one another."""

_ONE_SLIP = 4
"""Letters that a name has at least where one slip leaves it close."""
_TWO_SLIPS = 8
"""The same of two slips."""
_ALIKE = 0.88
"""Jaro-Winkler similarity from which two names are near."""
_PARTICLES = frozenset({"DE", "DU", "DES", "LE", "LA", "LES", "D", "L", "DA", "DOS", "VAN", "VON", "EL", "AL", "BEN"})
"""Words that say nothing on their own."""


def _scanned(name: str) -> str:
    for seen, read in _OCR:
        name = name.replace(seen, read)
    return name


@lru_cache(maxsize=1 << 18)
def likeness(a: str, b: str) -> NameLevel:
    """Say how two solid names agree, letter by letter and as they are heard: same, close, near or other."""
    if a == b:
        return NameLevel.SAME
    slips = OSA.distance(a, b, score_cutoff=3)
    longest = max(len(a), len(b))
    if (slips == 1 and longest >= _ONE_SLIP) or (slips == 2 and longest >= _TWO_SLIPS):  # noqa: PLR2004 - two slips
        return NameLevel.CLOSE
    if _scanned(a) == _scanned(b) or (slips <= 3 and _heard_alike(a, b)):  # noqa: PLR2004 - as the cutoff
        return NameLevel.CLOSE
    if slips == 1 or JaroWinkler.similarity(a, b) >= _ALIKE or (longest > _TWO_SLIPS and slips <= 3):  # noqa: PLR2004
        return NameLevel.NEAR
    return NameLevel.OTHER


def _heard_alike(a: str, b: str) -> bool:
    heard = skeleton(a)
    return len(heard) > 1 and heard == skeleton(b)


@lru_cache(maxsize=1 << 16)
def _words(name: str) -> frozenset[str]:
    return frozenset(name.split()) - _PARTICLES


def part_of(a: str, b: str) -> bool:
    """Whether the words of one name, particles left aside, are among the words of the other."""
    one, other = _words(a), _words(b)
    return bool(one and other) and (one <= other or other <= one)


def begins(first: str, listed: str) -> bool:
    """Whether a first given name begins a list of given names, word by word (RNIV 1, EXI SI 29)."""
    return f"{listed} ".startswith(f"{first} ")


def only_ending_differs(a: str, b: str) -> bool:
    """Whether two given names part at their last letter: LUCIE, LUCIA; RENE, RENEE. Two people, as often as not."""
    short, long = sorted((a, b), key=len)
    return long[:-1] == short or (len(a) == len(b) and a[:-1] == b[:-1])
