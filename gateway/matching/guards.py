"""What no score overrides: where one of these speaks, a person decides."""

from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from gateway.identity import may_be_minor
from gateway.matching.comparison import CLOSE, OTHER, SAME
from gateway.matching.dates import DateLevel
from gateway.matching.names import NameLevel
from gateway.matching.namesakes import later_names
from gateway.matching.record import Prepared

Levels = Mapping[str, str]


class Guard(StrEnum):
    """Why a link is not made without a person."""

    GIVEN_NAME = "given-name"
    """The given names are two names (RNIV 1, EXI PP 20, EXI SI 29)."""
    SEX = "sex"
    INS = "ins"
    """Two matricules INS of one domain (EXI SI 32)."""
    TEST_INS = "test-ins"
    """A matricule of test or demonstration met a real one."""
    TWIN = "twin"
    """Another rank at birth, or a multiple birth of which one side alone knows: a twin's name cut short, or his second
    given name, may be the other's first."""
    NAMESAKE = "namesake"
    """Same names and date, but another place of birth, or other given names after the first; or nothing but names and
    date agrees, no place of birth on one side, and somebody else of that name may be born on that day."""
    BIRTH_DATE = "birth-date"
    """The dates of birth are more than a slip apart, or a slip with no place of birth to bear them out."""
    IMPUTED_DATE = "imputed-date"
    """Both dates stand for an unknown one, and nothing but names goes with them."""
    FAMILY_NAME = "family-name"
    """The family names have nothing in common."""
    INCOMPLETE = "incomplete"
    """One of family name, given name and date of birth is not known (EXI PP 02)."""
    MINOR = "minor"
    """Complementary traits do not tell children apart (RNIV 1 §4.9)."""
    DECEASED = "deceased"
    """A death was told of one of the two."""


_GROWN = 25
"""Years from which brothers and sisters mostly have households of their own."""
_GIVEN_IN_DOUBT = frozenset({NameLevel.CUT, NameLevel.ENDING})
_GIVEN_IN_ORDER = frozenset({NameLevel.SAME, NameLevel.BEGINS, NameLevel.CLOSE})
_DATE_IN_ORDER = frozenset(DateLevel) - {DateLevel.OTHER, DateLevel.NEAR, DateLevel.TWO_PARTS}
_IMPUTED = frozenset({DateLevel.SAME_IMPUTED, DateLevel.CONTINUES})
_FAMILY_IN_ORDER = frozenset(NameLevel) - {NameLevel.OTHER, NameLevel.NEAR}
_STRICT = ("family_name", "given_name", "birth_date")


def _vouched(found: Levels) -> bool:
    """A number of the person's own agrees."""
    return SAME in {found.get("ins"), found.get("local_identifier")}


def _sides_agree(found: Levels) -> bool:
    """Something that namesakes do not share agrees."""
    return _vouched(found) or SAME in {found.get("phone"), found.get("address")}


class _Pair(NamedTuple):
    """Two records, how they agree, and what is known of it beside.

    Attributes:
        on: the day on which it is asked, for who is a minor.
        unique: hardly anybody else is expected to agree so in names and date of birth.

    """

    a: Prepared
    b: Prepared
    found: Levels
    on: date
    unique: bool


def _given_name(pair: _Pair) -> bool:
    level = pair.found.get("given_name", NameLevel.SAME)
    if level == NameLevel.LISTED and (_later(pair.a, pair.b) or _later(pair.b, pair.a)):
        return not _one_grown_household(pair)
    if level == NameLevel.INVERTED:
        return (pair.a.family, pair.a.given) != (pair.b.given, pair.b.family)
    if level in _GIVEN_IN_DOUBT:
        return not _one_grown_household(pair)
    return level not in _GIVEN_IN_ORDER


def _later(one: Prepared, other: Prepared) -> bool:
    """Whether the first given name of one is a later one of the other, or its used one, and no list says otherwise."""
    listed = later_names(other) | {other.given_used} - {""}
    return one.given in listed and other.given not in one.listed.split()


def _one_grown_household(pair: _Pair) -> bool:
    """Whether it cannot be a namesake, and hardly a twin: grown up, no multiple birth known, and one household.

    Names in doubt aside, all strict traits that both hold agree. Twins have the same of all this as children; grown
    up, few of them share a telephone or an address.
    """
    found = pair.found
    if pair.a.rank or pair.b.rank or not (_grown(pair.a, pair.on) and _grown(pair.b, pair.on)):
        return False
    strict = found.get("sex") == SAME and found.get("birth_place", SAME) == SAME
    names = found.get("family_name") in {NameLevel.SAME, NameLevel.CROSSED} and not _later_names_differ(pair)
    return strict and names and _date_same(found) and SAME in {found.get("phone"), found.get("address")}


def _grown(one: Prepared, on: date) -> bool:
    return bool(one.date.year) and one.date.valid and on.year - int(one.date.year) > _GROWN


def _sex(pair: _Pair) -> bool:
    return pair.found.get("sex") == OTHER


def _ins(pair: _Pair) -> bool:
    return pair.found.get("ins", SAME) != SAME


def _test_ins(pair: _Pair) -> bool:
    return pair.a.test != pair.b.test


def _twin(pair: _Pair) -> bool:
    rank = pair.found.get("multiple_birth_rank")
    if rank is None:
        return bool(pair.a.rank or pair.b.rank) and not _vouched(pair.found)
    return rank == OTHER or pair.found.get("given_name") == NameLevel.CLOSE


def _namesake(pair: _Pair) -> bool:
    if _sides_agree(pair.found):
        return False
    if _later_names_differ(pair):
        return True
    return pair.found["birth_place"] != SAME if "birth_place" in pair.found else not pair.unique


def _later_names_differ(pair: _Pair) -> bool:
    """Whether both hold given names after the first, and none in common."""
    one, other = later_names(pair.a), later_names(pair.b)
    return bool(one and other) and one.isdisjoint(other)


def _birth_date(pair: _Pair) -> bool:
    level = pair.found.get("birth_date", DateLevel.SAME)
    if level in {DateLevel.SLIP, DateLevel.SWAPPED}:
        return pair.found.get("birth_place") != SAME and not _sides_agree(pair.found)
    return level not in _DATE_IN_ORDER


def _imputed_date(pair: _Pair) -> bool:
    both_imputed = pair.a.date.imputed and pair.b.date.imputed
    if not (both_imputed or pair.found.get("birth_date") in _IMPUTED) or _sides_agree(pair.found):
        return False
    return pair.found.get("birth_place") != SAME or pair.a.place.startswith("99")


def _family_name(pair: _Pair) -> bool:
    return pair.found.get("family_name", NameLevel.SAME) not in _FAMILY_IN_ORDER and not _vouched(pair.found)


def _incomplete(pair: _Pair) -> bool:
    return not all(trait in pair.found for trait in _STRICT) and not _vouched(pair.found)


def _minor(pair: _Pair) -> bool:
    if not (_is_minor(pair.a, pair.on) or _is_minor(pair.b, pair.on)):
        return False
    same_record = pair.found.get("local_identifier") == SAME and bool(pair.a.record.authority)
    both_vouched = pair.a.record.qualified and pair.b.record.qualified
    return not (same_record or both_vouched)


def _is_minor(one: Prepared, on: date) -> bool:
    """As far as the date tells: who may be one is one."""
    return may_be_minor("-".join(filter(None, (one.date.year, one.date.month, one.date.day))), on)


def _deceased(pair: _Pair) -> bool:
    return pair.a.record.deceased or pair.b.record.deceased


_GUARDS: Mapping[Guard, Callable[[_Pair], bool]] = {
    Guard.GIVEN_NAME: _given_name,
    Guard.SEX: _sex,
    Guard.INS: _ins,
    Guard.TEST_INS: _test_ins,
    Guard.TWIN: _twin,
    Guard.NAMESAKE: _namesake,
    Guard.BIRTH_DATE: _birth_date,
    Guard.IMPUTED_DATE: _imputed_date,
    Guard.FAMILY_NAME: _family_name,
    Guard.INCOMPLETE: _incomplete,
    Guard.MINOR: _minor,
    Guard.DECEASED: _deceased,
}


CONTRADICTING = frozenset(
    {Guard.GIVEN_NAME, Guard.SEX, Guard.INS, Guard.TEST_INS, Guard.TWIN, Guard.NAMESAKE, Guard.BIRTH_DATE}
)
"""Guards that say that the two are more likely two people than one told badly."""


def hopeless(found: Levels) -> bool:
    """Whether two strict traits contradict each other outright, and no number or address is alike.

    A twin of the other sex, a namesake born elsewhere on another day: nobody is asked.
    """
    outright = (
        found.get("given_name") == NameLevel.OTHER,
        found.get("family_name") == NameLevel.OTHER,
        found.get("sex") == OTHER,
        found.get("birth_place") == OTHER,
        found.get("birth_date") == DateLevel.OTHER,
    )
    alike = {found.get(trait) for trait in ("ins", "local_identifier", "phone", "address", "postal_code", "city")}
    return sum(outright) > 1 and not alike & {SAME, CLOSE}


def strictly_same(found: Levels) -> bool:
    """Whether nothing in names and date is even a slip apart."""
    family_same = found.get("family_name") in {NameLevel.SAME, NameLevel.CROSSED}
    return family_same and _given_same(found) and _date_same(found)


def _given_same(found: Levels) -> bool:
    return found.get("given_name") in {NameLevel.SAME, NameLevel.BEGINS}


def _date_same(found: Levels) -> bool:
    return found.get("birth_date") in {DateLevel.SAME, DateLevel.SAME_FIRST}


def guards(a: Prepared, b: Prepared, found: Levels, on: date, *, unique: bool = False) -> tuple[Guard, ...]:
    """Name the guards that speak against a link without a person.

    Args:
        a: one record.
        b: the other.
        found: how they agree.
        on: the day on which it is asked, for who is a minor.
        unique: hardly anybody else is expected to agree so in names and date of birth (``namesakes.expected``).

    """
    pair = _Pair(a, b, found, on, unique)
    return tuple(guard for guard, speaks in _GUARDS.items() if speaks(pair))
