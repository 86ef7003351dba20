"""What the alarms are decided on: vitals turned into values with their limits."""

import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from adapters.store.watch import KEYS_LEFT_OUT, Serving, Vitals
from gateway.alarm import Ages, AlarmKey, AlarmName, Limit, Reading
from gateway.site import Site

INTAKE_OPEN = "open"
_MINUTE, _HOUR = 60.0, 3_600.0


@dataclass(frozen=True, slots=True)
class AlarmLimits:
    """From which values alarms are raised; 0 turns one off.

    Attributes:
        oldest_pending: seconds.
        backlog: messages.
        quarantine: messages.
        outbox: seconds.
        broker_away: seconds.
        disk_free: bytes.
        unsealed: seconds.
        replies: seconds.
        checkpoint: seconds.
        keys_left_out: blocking keys left out within an hour.

    """

    oldest_pending: float
    backlog: float
    quarantine: float
    outbox: float
    broker_away: float
    disk_free: float
    unsealed: float
    replies: float
    checkpoint: float
    keys_left_out: float = 0.0


@dataclass(slots=True)
class Readings:
    """Gives the readings of one site, and remembers since when what it reads has stood.

    Attributes:
        site: the establishment.
        limits: from which values alarms are raised.

    """

    site: Site
    limits: AlarmLimits
    _ages: Ages = field(default_factory=Ages)
    _began: datetime | None = None
    _away_since: datetime | None = None
    _left_out: deque[tuple[float, float]] = field(default_factory=deque)

    def forget(self) -> None:
        """The watch is interrupted: what was not seen meanwhile is no silence."""
        self._began = None

    def read(self, vitals: Vitals, free_bytes: int | None, now: datetime, monotonic: float) -> list[Reading]:
        """Give every value that is watched, with its limit."""
        self._began = self._began or now
        return [
            *self._of_sources(vitals, now, monotonic),
            *self._of_pipeline(vitals, now, monotonic),
            *self._of_bus(vitals, now, monotonic),
            *self._of_replies(vitals, now, monotonic),
            *self._of_checkpoints(vitals, now, monotonic),
            *self._of_items(vitals),
            *_reading(AlarmName.KEYS_LEFT_OUT, self._lately_left_out(vitals, monotonic), self.limits.keys_left_out),
            *_reading(AlarmName.DISK_LOW, free_bytes, self.limits.disk_free, low=True),
            Reading(AlarmKey(AlarmName.INTAKE_REFUSING), _refusing(vitals.serving), Limit.at_most(1)),
        ]

    def _of_sources(self, vitals: Vitals, now: datetime, monotonic: float) -> Iterator[Reading]:
        """A source is silent since it was last seen; one that no alarm names, at the earliest since the watch began."""
        risen = {alarm.key for alarm in vitals.alarms}
        for source in self.site.sources:
            if source.silence_minutes is None:
                continue
            key, seen = AlarmKey(AlarmName.SOURCE_SILENT, source.id), vitals.seen.get(source.id)
            if key not in risen:
                seen = max(at for at in (seen, self._began) if at is not None)
            value = None if seen is None else self._ages.age(key, seen, now, monotonic)
            yield Reading(key, value, Limit(source.silence_minutes * 60, source.silence_minutes * 60))

    def _of_replies(self, vitals: Vitals, now: datetime, monotonic: float) -> Iterator[Reading]:
        for source in self.site.sources:
            if source.reply_to is None or not self.limits.replies:
                continue
            key, due = AlarmKey(AlarmName.REPLIES, source.id), vitals.replies.get(source.id)
            value = self._ages.age(key, due.oldest if due else None, now, monotonic)
            yield Reading(key, value, Limit.at_most(self.limits.replies))

    def _of_pipeline(self, vitals: Vitals, now: datetime, monotonic: float) -> Iterator[Reading]:
        for name, since, limit in (
            (AlarmName.OLDEST_PENDING, vitals.oldest_pending, self.limits.oldest_pending),
            (AlarmName.AUDIT_UNSEALED, vitals.oldest_unsealed, self.limits.unsealed),
        ):
            yield from _reading(name, self._ages.age(AlarmKey(name), since, now, monotonic), limit)
        yield from _reading(AlarmName.BACKLOG, vitals.backlog, self.limits.backlog)
        yield from _reading(AlarmName.QUARANTINE, vitals.quarantined, self.limits.quarantine)

    def _of_bus(self, vitals: Vitals, now: datetime, monotonic: float) -> Iterator[Reading]:
        waiting = self._ages.age(AlarmKey(AlarmName.OUTBOX), vitals.oldest_outbox, now, monotonic)
        yield from _reading(AlarmName.OUTBOX, waiting, self.limits.outbox)
        broker = broker_up(vitals.serving)
        if broker is not None:
            self._away_since = None if broker else self._away_since or now
        away = self._ages.age(AlarmKey(AlarmName.BROKER_AWAY), self._away_since, now, monotonic)
        yield from _reading(AlarmName.BROKER_AWAY, None if broker is None else away, self.limits.broker_away)

    def _of_items(self, vitals: Vitals) -> Iterator[Reading]:
        """Each secretariat's items at the end of their ladder; one is too many."""
        for secretariat in dict.fromkeys((*self.site.secretariats, *vitals.late)):
            late = vitals.late.get(secretariat)
            key = AlarmKey(AlarmName.UNANSWERED, secretariat)
            yield Reading(key, late.alarmed if late else 0, Limit.at_most(1))

    def _lately_left_out(self, vitals: Vitals, monotonic: float) -> float:
        """Blocking keys left out within the last hour, or since the watch began; remembered minute by minute."""
        total = sum(amount for (name, _), amount in vitals.tallies.items() if name == KEYS_LEFT_OUT)
        known = self._left_out
        if not known or monotonic - known[-1][0] >= _MINUTE:
            known.append((monotonic, total))
        while monotonic - known[0][0] > _HOUR and len(known) > 1:
            known.popleft()
        return max(0.0, total - known[0][1])

    def _of_checkpoints(self, vitals: Vitals, now: datetime, monotonic: float) -> Iterator[Reading]:
        """Each sink that lacks a checkpoint, and what no checkpoint covers: also where no key signs at all."""
        limit = self.limits.checkpoint
        if not limit:
            return
        for subject, since in {"": vitals.checkpoints.bare_since, **vitals.checkpoints.waiting_since}.items():
            key = AlarmKey(AlarmName.CHECKPOINT_BEHIND, subject)
            yield Reading(key, self._ages.age(key, since, now, monotonic), Limit.at_most(limit))


def _reading(name: AlarmName, value: float | None, limit: float, *, low: bool = False) -> Iterator[Reading]:
    if limit:
        yield Reading(AlarmKey(name), value, Limit.at_least(limit) if low else Limit.at_most(limit))


def broker_up(serving: Sequence[Serving]) -> bool | None:
    """Whether the process that relays has its broker; None while none relays."""
    told = [process.broker for process in serving if process.broker is not None]
    return any(told) if told else None


def _refusing(serving: Sequence[Serving]) -> float | None:
    told = [process.intake for process in serving if process.intake]
    return float(any(intake != INTAKE_OPEN for intake in told)) if told else None


def age(since: datetime | None, now: datetime) -> float:
    """Give how many seconds ago something was; 0 if nothing was, never less."""
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def free_bytes(file: Path | None) -> int | None:
    """Give how many bytes are free on the filesystem of a file; None without one."""
    return shutil.disk_usage(file.absolute().parent).free if file else None
