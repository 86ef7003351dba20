"""Dates of birth: as precise as known, sometimes imputed, sometimes mistyped."""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

from rapidfuzz.distance import OSA


class DateLevel(StrEnum):
    """How two dates of birth agree."""

    SAME = "same"
    SAME_FIRST = "same, first of a month"
    """01/MM: the day may be imputed (RNIV 1, EXI PP 19)."""
    SAME_IMPUTED = "same, imputed"
    """31/12 or 01/01, which stand for an unknown day and month, or a year alone."""
    CONTINUES = "continues"
    """One is known in part, or imputed, and the other goes on from it."""
    SWAPPED = "day and month swapped"
    SLIP = "one slip"
    TWO_PARTS = "two of three parts"
    NEAR = "two slips"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class BirthDate:
    """A date of birth.

    Attributes:
        text: digits, ``YYYYMMDD`` or fewer; the text as it stands if it is no date.
        year: four digits; empty if unknown.
        month: two digits; empty if unknown.
        day: two digits; empty if unknown.
        valid: such a day exists, as far as it is known.

    """

    text: str = ""
    year: str = ""
    month: str = ""
    day: str = ""
    valid: bool = False

    @property
    def imputed(self) -> bool:
        """Day and month stand for unknown ones, or are not there."""
        return self.valid and (not self.month or (self.day, self.month) in {("31", "12"), ("01", "01")})

    @property
    def month_start(self) -> bool:
        """The day stands for an unknown one, or is not there."""
        return self.valid and bool(self.month) and self.day in {"", "01"}


_FORMS = (
    re.compile(r"(?P<y>\d{4})(?:(?P<m>\d{2})(?P<d>\d{2})?)?(?:\d{4,6}.*)?"),
    re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})(?:[-/.](?P<d>\d{1,2}))?(?:[T ].*)?"),
    re.compile(r"(?:(?P<d>\d{1,2})[-/. ])?(?P<m>\d{1,2})[-/. ](?P<y>\d{4})(?: .*)?"),
)
"""YYYYMMDD, YYYY-MM-DD, DD/MM/YYYY; each also without the day, the first two without the month."""


@lru_cache(maxsize=1 << 17)
def read_birth_date(said: str) -> BirthDate:
    """Give the date of birth that a text says; one that exists nowhere is kept as text, for it may be a slip."""
    found = next((m for m in (form.fullmatch(said) for form in _FORMS) if m), None)
    if found is None:
        return BirthDate("".join(c for c in said if c.isalnum()))
    year, month, day = found["y"], (found["m"] or "").zfill(2), (found["d"] or "").zfill(2)
    month, day = "" if month == "00" else month, "" if day == "00" or month == "00" else day
    return BirthDate(year + month + day, year, month, day, _exists(year, month, day))


def _exists(year: str, month: str, day: str) -> bool:
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1 << 18)
def compare_dates(a: BirthDate, b: BirthDate) -> DateLevel | None:
    """Say how two dates of birth agree; None if either is not known."""
    if not a.text or not b.text:
        return None
    if a.text == b.text:
        return _same(a)
    if _continues(a, b) or _continues(b, a):
        return DateLevel.CONTINUES
    if a.year == b.year and a.day == b.month and a.month == b.day:
        return DateLevel.SWAPPED
    return _slipped(a, b)


def _same(one: BirthDate) -> DateLevel:
    if one.imputed:
        return DateLevel.SAME_IMPUTED
    return DateLevel.SAME_FIRST if one.month_start else DateLevel.SAME


def _continues(one: BirthDate, other: BirthDate) -> bool:
    if one.year != other.year or not (one.valid and other.valid):
        return False
    return one.imputed or (one.month_start and one.month == other.month)


def _slipped(a: BirthDate, b: BirthDate) -> DateLevel:
    slips = OSA.distance(a.text, b.text, score_cutoff=2)
    if slips <= 1:
        return DateLevel.SLIP
    if sum((a.year == b.year, a.month == b.month, a.day == b.day)) == 2:  # noqa: PLR2004 - of three
        return DateLevel.TWO_PARTS
    return DateLevel.NEAR if slips == 2 else DateLevel.OTHER  # noqa: PLR2004 - two slips
