"""Alarms: when one is raised and when it is resolved. Pure: who reads the values and who is told is the adapters'.

An alarm is raised once, when its value is beyond its limit, and resolved once, when the value has been well within it
for a while without a break. Time is told by a monotonic clock: the wall clock may jump either way and changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

FALL_SHARE = 0.8
"""What was too much is well again below this share of its limit; what was too little, above the limit by as much."""


class AlarmName(StrEnum):
    """What may go wrong: the stable codes that logs, metrics and webhooks carry."""

    SOURCE_SILENT = "source_silent"
    """A source has sent nothing for as long as its ``silence_minutes``; the subject is the source."""
    OLDEST_PENDING = "oldest_pending"
    """A message waits for the pipeline for too many seconds."""
    BACKLOG = "backlog"
    """Too many messages wait for the pipeline."""
    QUARANTINE = "quarantine"
    """Too many messages in quarantine are not resolved."""
    OUTBOX = "outbox"
    """An item version waits for the broker for too many seconds."""
    BROKER_AWAY = "broker_away"
    """The relay has been without its broker for too many seconds."""
    DISK_LOW = "disk_low"
    """Too few bytes are free where the database is."""
    AUDIT_UNSEALED = "audit_unsealed"
    """An audit event waits for its seal for too many seconds."""
    REPLIES = "replies"
    """An application acknowledgment waits too long for an address of its source's own; the subject is the source."""
    CHECKPOINT_BEHIND = "checkpoint_behind"
    """A checkpoint waits for a sink (the subject), or sealed events for a checkpoint, for too many seconds."""
    UNANSWERED = "unanswered"
    """Items have been late up to the end of their ladder, and nobody answers; the subject is the secretariat."""
    KEYS_LEFT_OUT = "keys_left_out"
    """Too many blocking keys were left out of look-ups within an hour: too many records share them."""
    INTAKE_REFUSING = "intake_refusing"
    """Nothing is taken in: the backlog or the disk is at its limit."""


@dataclass(frozen=True, slots=True)
class AlarmKey:
    """One alarm: what, and of which subject (a source id); the subject is empty where there is only one."""

    name: AlarmName
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """Where an alarm rises and where it falls.

    Attributes:
        rise: at this value and beyond, the alarm is raised.
        fall: strictly on the good side of this value, it may be resolved.

    """

    rise: float
    fall: float

    @classmethod
    def at_most(cls, rise: float) -> "Limit":
        """A limit to what should be small."""
        return cls(rise, rise * FALL_SHARE)

    @classmethod
    def at_least(cls, rise: float) -> "Limit":
        """A limit to what should be large."""
        return cls(rise, rise / FALL_SHARE)

    def beyond(self, value: float) -> bool:
        """Whether this value raises the alarm."""
        return value >= self.rise if self.fall <= self.rise else value <= self.rise

    def within(self, value: float) -> bool:
        """Whether this value lets it be resolved."""
        return value < self.fall if self.fall <= self.rise else value > self.fall


@dataclass(frozen=True, slots=True)
class Reading:
    """One value with its limit; the value is None while it cannot be known, which changes nothing."""

    key: AlarmKey
    value: float | None
    limit: Limit


@dataclass(frozen=True, slots=True)
class AlarmChange:
    """An alarm that is raised or resolved now.

    Attributes:
        key: which.
        raised: whether it is raised; resolved otherwise.
        value: what was read; None where nothing watches it any more.
        limit: the value from which it rises; None as above.

    """

    key: AlarmKey
    raised: bool
    value: float | None
    limit: float | None


@dataclass(slots=True)
class Calm:
    """Remembers since when the value of each alarm under way has been well, on the monotonic clock.

    Attributes:
        seconds: how long a value must be well before its alarm is resolved.

    """

    seconds: float
    _since: dict[AlarmKey, float] = field(default_factory=dict)

    def changes(
        self, readings: Sequence[Reading], under_way: Iterable[AlarmKey], monotonic: float
    ) -> list[AlarmChange]:
        """Give what is raised or resolved now.

        Nothing but the calm is remembered here: what is under way is told anew each time, from where it is kept, so a
        change that could not be written comes again.

        Args:
            readings: every value that is watched.
            under_way: the alarms raised and not resolved.
            monotonic: the monotonic clock, in seconds.

        """
        risen = set(under_way)
        read = {reading.key: reading for reading in readings}
        found = [_change(r, raised=True) for r in readings if r.key not in risen and _beyond(r)]
        found += [_change(read[k], raised=False) for k in risen & read.keys() if self._is_over(read[k], monotonic)]
        found += [AlarmChange(key, raised=False, value=None, limit=None) for key in risen - read.keys()]
        self._since = {key: since for key, since in self._since.items() if key in risen}
        return sorted(found, key=lambda change: (change.key.name, change.key.subject))

    def _is_over(self, reading: Reading, monotonic: float) -> bool:
        if reading.value is None or not reading.limit.within(reading.value):
            self._since.pop(reading.key, None)
            return False
        return monotonic - self._since.setdefault(reading.key, monotonic) >= self.seconds


def _beyond(reading: Reading) -> bool:
    return reading.value is not None and reading.limit.beyond(reading.value)


def _change(reading: Reading, *, raised: bool) -> AlarmChange:
    return AlarmChange(reading.key, raised, reading.value, reading.limit.rise)


@dataclass(slots=True)
class Ages:
    """How long things have stood, whatever the wall clock does meanwhile.

    The wall clock is read once for each instant, when it is first met; from then on the monotonic one counts.
    """

    _met: dict[AlarmKey, tuple[datetime, float, float]] = field(default_factory=dict)

    def age(self, key: AlarmKey, since: datetime | None, now: datetime, monotonic: float) -> float:
        """Give how many seconds a thing has stood since an instant; 0 where there is none, never less."""
        if since is None:
            self._met.pop(key, None)
            return 0.0
        met = self._met.get(key)
        if met is None or met[0] != since:
            met = self._met[key] = (since, max(0.0, (now - since).total_seconds()), monotonic)
        return met[1] + monotonic - met[2]
