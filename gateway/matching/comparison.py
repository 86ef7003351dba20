"""How two records agree, trait by trait: a level for each trait that both hold."""

from collections.abc import Mapping
from typing import NamedTuple

from rapidfuzz.distance import OSA
from rapidfuzz.fuzz import token_sort_ratio

from gateway.matching.dates import compare_dates
from gateway.matching.names import NameLevel, begins, likeness, only_ending_differs, part_of
from gateway.matching.record import Prepared

SAME, CLOSE, OTHER = "same", "close", "other"
"""Levels of the traits that are neither names nor dates."""


class Agreement(NamedTuple):
    """How two records agree in one trait.

    Attributes:
        trait: family_name, given_name, birth_date, sex, birth_place, ins, local_identifier, phone, postal_code, city,
            address or multiple_birth_rank.
        level: one of the trait's levels.
        values: the agreeing value, whose frequency counts; empty where frequency does not.

    """

    trait: str
    level: str
    values: tuple[str, ...] = ()


Comparison = tuple[Agreement, ...]
GivenNames = Mapping[str, float]
"""Given names that people have, by how frequent they are."""

_FAMILY_ORDER = (NameLevel.SAME, NameLevel.CROSSED, NameLevel.CLOSE, NameLevel.PART, NameLevel.NEAR, NameLevel.OTHER)
_GOOD = frozenset({NameLevel.SAME, NameLevel.CLOSE})
_CUT = 4
"""Letters from which what stays of a given name tells it."""


def compare(a: Prepared, b: Prepared, known: GivenNames) -> Comparison:
    """Say how two records agree; a trait that either does not hold says nothing.

    Args:
        a: one record.
        b: the other.
        known: given names that people have; two of them are two names, however near.

    """
    found = [*_names(a, b, known)]
    if date := compare_dates(a.date, b.date):
        found.append(Agreement("birth_date", date))
    if a.sex and b.sex:
        found.append(Agreement("sex", SAME if a.sex == b.sex else OTHER))
    found += _places(a, b)
    found += _numbers(a, b)
    found += _whereabouts(a, b)
    return tuple(found)


def levels(comparison: Comparison) -> dict[str, str]:
    """Give the level of each trait."""
    return {one.trait: one.level for one in comparison}


def _names(a: Prepared, b: Prepared, known: GivenNames) -> list[Agreement]:
    family, given = _family(a, b), _given(a, b, known)
    weak = {NameLevel.OTHER, NameLevel.NEAR}
    if (family is None or family.level in weak) and (given is None or given.level in weak) and _inverted(a, b):
        return [
            Agreement("family_name", NameLevel.INVERTED, (a.family, b.given)),
            Agreement("given_name", NameLevel.INVERTED, (a.given, b.family)),
        ]
    return [one for one in (family, given) if one]


def _inverted(a: Prepared, b: Prepared) -> bool:
    if not (a.family and b.family and a.given and b.given):
        return False
    return likeness(a.family, b.given) in _GOOD and likeness(a.given, b.family) in _GOOD


def _family(a: Prepared, b: Prepared) -> Agreement | None:
    if not (a.family and b.family):
        return None
    best = likeness(a.family, b.family)
    if best is NameLevel.SAME:
        return Agreement("family_name", best, (a.family,))
    if crossed := ({a.family, a.family_used} & {b.family, b.family_used}) - {""}:
        return Agreement("family_name", NameLevel.CROSSED, (min(crossed),))
    if any(part_of(one, other) for one in a.families for other in b.families):
        best = min(best, NameLevel.PART, key=_FAMILY_ORDER.index)
    return Agreement("family_name", best, (a.family, b.family))


def _given(a: Prepared, b: Prepared, known: GivenNames) -> Agreement | None:
    if not (a.given and b.given):
        return None
    values = (a.given, b.given)
    if a.given == b.given:
        return Agreement("given_name", NameLevel.SAME, values[:1])
    if begins(a.first, b.listed) and begins(b.first, a.listed):
        return Agreement("given_name", NameLevel.BEGINS, (min(values, key=len),))
    return Agreement("given_name", _differing(a, b, known), values)


def _cut(a: Prepared, b: Prepared, known: GivenNames) -> bool:
    """Whether one first given name is the other's, cut between two words, or within one where nobody is called so."""
    short, long = sorted((a.first, b.first), key=len)
    if begins(short, long):
        return True
    return len(short) >= _CUT and long.startswith(short) and short not in known and len(long) - len(short) > 1


def _differing(a: Prepared, b: Prepared, known: GivenNames) -> NameLevel:
    if _cut(a, b, known):
        return NameLevel.CUT
    level = likeness(a.given, b.given)
    if level is NameLevel.CLOSE:
        return _slip_or_rival(a.given, b.given, known)
    if _is_initial(a.given, b.given):
        return NameLevel.INITIAL
    if level is not NameLevel.NEAR and _listed(a, b):
        return NameLevel.LISTED
    return level


def _slip_or_rival(a: str, b: str, known: GivenNames) -> NameLevel:
    """A slip makes a name that nobody has; two names that people have are two names.

    What only sounds alike, or is two slips apart, is no slip but a question: twins' names are often so.
    """
    if OSA.distance(a, b, score_cutoff=1) > 1:
        return NameLevel.NEAR
    if a in known and b in known:
        return NameLevel.RIVAL
    clear = a[0] == b[0] or max(len(a), len(b)) > 5  # noqa: PLR2004 - THEO, LEO
    return NameLevel.CLOSE if clear and not only_ending_differs(a, b) else NameLevel.ENDING


def _is_initial(a: str, b: str) -> bool:
    return 1 in {len(a), len(b)} and a[0] == b[0]


def _listed(a: Prepared, b: Prepared) -> bool:
    one = {a.given, a.given_used, *a.listed.split(), *a.first.split()} - {""}
    other = {b.given, b.given_used, *b.listed.split(), *b.first.split()} - {""}
    return not one.isdisjoint(other)


def _places(a: Prepared, b: Prepared) -> list[Agreement]:
    """The COG code where both hold one, the name of the place otherwise."""
    if a.place and b.place:
        if a.place == b.place:
            return [Agreement("birth_place", SAME, (a.place,))]
        near = a.place[:2] == b.place[:2] != "99" or OSA.distance(a.place, b.place) == 1
        return [Agreement("birth_place", CLOSE if near else OTHER)]
    if a.place_name and b.place_name:
        return [Agreement("birth_place", _text(a.place_name, b.place_name), (a.place_name,))]
    return []


def _numbers(a: Prepared, b: Prepared) -> list[Agreement]:
    found = []
    if a.ins and b.ins and a.record.ins_domain == b.record.ins_domain:
        found.append(Agreement("ins", _number(a.ins, b.ins)))
    if a.local_identifier and b.local_identifier and a.record.authority == b.record.authority:
        found.append(Agreement("local_identifier", _number(a.local_identifier, b.local_identifier)))
    if a.phone and b.phone:
        found.append(Agreement("phone", _number(a.phone, b.phone)))
    if a.rank and b.rank:
        found.append(Agreement("multiple_birth_rank", SAME if a.rank == b.rank else OTHER))
    return found


def _number(a: str, b: str) -> str:
    if a == b:
        return SAME
    return CLOSE if OSA.distance(a, b, score_cutoff=2) <= 2 and len(a) > 4 else OTHER  # noqa: PLR2004 - two slips


def _whereabouts(a: Prepared, b: Prepared) -> list[Agreement]:
    found = []
    if a.postal_code and b.postal_code:
        slips = OSA.distance(a.postal_code, b.postal_code, score_cutoff=1)
        level = (SAME, CLOSE, OTHER)[min(slips, 2)]
        found.append(Agreement("postal_code", level, (a.postal_code,)))
    if a.city and b.city:
        found.append(Agreement("city", _text(a.city, b.city), (a.city,)))
    if a.address and b.address:
        found.append(Agreement("address", _text(a.address, b.address)))
    return found


def _text(a: str, b: str) -> str:
    if a == b:
        return SAME
    return CLOSE if token_sort_ratio(a, b) >= 80 else OTHER  # noqa: PLR2004 - four letters of five
