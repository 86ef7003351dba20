"""HL7 times: TS and DTM, as precise as they were sent (2.5.1, DTM: YYYY[MM[DD[HH[MM[SS[.S]]]]]][+/-ZZZZ])."""

import re
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

_TIME = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?(?:([+-])(\d\d)(\d\d))?", re.ASCII
)
_DATE_DIGITS = 8


@lru_cache(maxsize=16)
def zone(name: str) -> ZoneInfo:
    """Give the time zone of this IANA name."""
    return ZoneInfo(name)


def instant(text: str, local: ZoneInfo) -> datetime | None:
    """Give the instant as an aware datetime with a fixed offset; None if the text is empty.

    What was not sent is its earliest: a date alone is its midnight. A time without offset is read in ``local``.

    Raises:
        ValueError: the text is no HL7 time.

    """
    if not text:
        return None
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("an HL7 time")
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = found.groups()
    naive = datetime(  # noqa: DTZ001 -- its offset follows at once
        int(year),
        int(month or 1),
        int(day or 1),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int((fraction or "").ljust(6, "0")),
    )
    if sign is None:
        return _on_the_time_line(naive.replace(tzinfo=_fixed(local.utcoffset(naive))))
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return _on_the_time_line(naive.replace(tzinfo=timezone(-offset if sign == "-" else offset)))


def _on_the_time_line(moment: datetime) -> datetime:
    """Return the instant if it has a UTC time; the first and last day of the calendar may lack one."""
    if MINYEAR < moment.year < MAXYEAR:
        return moment
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("an instant between the years 1 and 9999") from None
    return moment


@lru_cache(maxsize=64)
def _fixed(offset: timedelta | None) -> timezone:
    """Comparing and storing need an offset, not a rule of summer time."""
    return timezone(offset or timedelta())


def has_time_of_day(text: str) -> bool:
    """Whether an HL7 time says more than a date."""
    return len(re.split(r"[+-]", text, maxsplit=1)[0]) > _DATE_DIGITS


def date(text: str) -> str:
    """Give the date in ISO form, as precise as it was sent (``1958``, ``1958-03``, ``1958-03-21``); "" if empty.

    Zeros for an unknown year, month or day, as some senders write them, are "not known". A time of day is left out.

    Raises:
        ValueError: the text is no HL7 time.

    """
    if not text:
        return ""
    digits = text[:_DATE_DIGITS]
    if digits == "0" * _DATE_DIGITS:
        return ""
    if len(digits) == _DATE_DIGITS and digits.endswith("00"):
        text = digits[:4] if digits.endswith("0000") else digits[:6]
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("an HL7 date")
    year, month, day = found.group(1, 2, 3)
    datetime(int(year), int(month or 1), int(day or 1))  # noqa: DTZ001 -- only to see that the day exists
    return "-".join(part for part in (year, month, day) if part)


def written(moment: datetime, local: ZoneInfo) -> str:
    """Give an instant as HL7 writes it, to the second, with its offset."""
    return _written(moment.replace(microsecond=0), local)


@lru_cache(maxsize=64)
def _written(second: datetime, local: ZoneInfo) -> str:
    return second.astimezone(local).strftime("%Y%m%d%H%M%S%z")
