"""What no score overrides: where one of these speaks, a person decides."""

from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum

from gateway.identity import may_be_minor
from gateway.matching.comparison import CLOSE, OTHER, SAME
from gateway.matching.dates import DateLevel
from gateway.matching.names import NameLevel
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
    """Another rank at birth, or a multiple birth and a given name that is not quite the same."""
    NAMESAKE = "namesake"
    """Same names and date, but another place of birth, or other given names after the first; or nothing but names and
    date agrees: no place of birth on one side, and another phone, address or town."""
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


_GIVEN_IN_ORDER = frozenset({NameLevel.SAME, NameLevel.BEGINS, NameLevel.CLOSE, NameLevel.INVERTED})
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


def _given_name(_a: Prepared, _b: Prepared, found: Levels, _on: date) -> bool:
    return found.get("given_name", NameLevel.SAME) not in _GIVEN_IN_ORDER


def _sex(_a: Prepared, _b: Prepared, found: Levels, _on: date) -> bool:
    return found.get("sex") == OTHER


def _ins(_a: Prepared, _b: Prepared, found: Levels, _on: date) -> bool:
    return found.get("ins", SAME) != SAME


def _test_ins(a: Prepared, b: Prepared, _found: Levels, _on: date) -> bool:
    return a.test != b.test


def _twin(a: Prepared, b: Prepared, found: Levels, _on: date) -> bool:
    if found.get("multiple_birth_rank") == OTHER:
        return True
    return bool(a.rank or b.rank) and found.get("given_name") == NameLevel.CLOSE


def _namesake(a: Prepared, b: Prepared, found: Levels, _on: date) -> bool:
    apart = found.get("birth_place", SAME) != SAME or _later_names_differ(a, b) or _nothing_beside(found)
    return apart and not _sides_agree(found)


_CONTACTS = ("phone", "address", "postal_code", "city")


def _nothing_beside(found: Levels) -> bool:
    """Whether no place of birth bears names and date out, and a contact is another."""
    return "birth_place" not in found and any(found.get(trait) == OTHER for trait in _CONTACTS)


def _later_names_differ(a: Prepared, b: Prepared) -> bool:
    """Whether both hold given names after the first, and none in common."""
    one, other = set(a.listed.split()[1:]), set(b.listed.split()[1:])
    return bool(one and other) and one.isdisjoint(other)


def _birth_date(_a: Prepared, _b: Prepared, found: Levels, _on: date) -> bool:
    level = found.get("birth_date", DateLevel.SAME)
    if level in {DateLevel.SLIP, DateLevel.SWAPPED}:
        return found.get("birth_place") != SAME and not _sides_agree(found)
    return level not in _DATE_IN_ORDER


def _imputed_date(a: Prepared, b: Prepared, found: Levels, _on: date) -> bool:
    both_imputed = a.date.imputed and b.date.imputed
    if not (both_imputed or found.get("birth_date") in _IMPUTED) or _sides_agree(found):
        return False
    return found.get("birth_place") != SAME or a.place.startswith("99")


def _family_name(_a: Prepared, _b: Prepared, found: Levels, _on: date) -> bool:
    return found.get("family_name", NameLevel.SAME) not in _FAMILY_IN_ORDER and not _vouched(found)


def _incomplete(_a: Prepared, _b: Prepared, found: Levels, _on: date) -> bool:
    return not all(trait in found for trait in _STRICT) and not _vouched(found)


def _minor(a: Prepared, b: Prepared, found: Levels, on: date) -> bool:
    if not (_is_minor(a, on) or _is_minor(b, on)):
        return False
    same_record = found.get("local_identifier") == SAME and bool(a.record.authority)
    both_vouched = a.record.qualified and b.record.qualified
    return not (same_record or both_vouched)


def _is_minor(one: Prepared, on: date) -> bool:
    """As far as the date tells: who may be one is one."""
    return may_be_minor("-".join(filter(None, (one.date.year, one.date.month, one.date.day))), on)


def _deceased(a: Prepared, b: Prepared, _found: Levels, _on: date) -> bool:
    return a.record.deceased or b.record.deceased


_GUARDS: Mapping[Guard, Callable[[Prepared, Prepared, Levels, date], bool]] = {
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


def guards(a: Prepared, b: Prepared, found: Levels, on: date) -> tuple[Guard, ...]:
    """Name the guards that speak against a link without a person.

    Args:
        a: one record.
        b: the other.
        found: how they agree.
        on: the day on which it is asked, for who is a minor.

    """
    return tuple(guard for guard, speaks in _GUARDS.items() if speaks(a, b, found, on))
