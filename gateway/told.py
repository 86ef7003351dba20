"""Who told a thing last, and when: the order of facts (promise P3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Told:
    """The last telling of an identity or an object.

    Attributes:
        source: who told it last.
        message: in which message; numbers rise with reception.
        times: for each source that gave times, the latest of its facts.

    """

    source: str
    message: int
    times: Mapping[str, datetime] = field(default_factory=dict)

    def makes_stale(
        self, source: str, message: int, told_at: datetime | None, claimed_at: datetime | None = None
    ) -> bool:
        """Whether a fact is older than what was told.

        Within a source by the fact's own time; ties and different sources by reception, where a replay keeps the place
        of its message.

        Args:
            source: who tells it.
            message: in which message.
            told_at: its own time, but none after its reception.
            claimed_at: its own time as the source gives it. It counts where our own clock has gone back: a message that
                came later cannot have been received before an earlier one told its facts.

        """
        latest = self.times.get(source)
        if latest and told_at and claimed_at and message >= self.message and told_at < latest:
            told_at = claimed_at
        if latest is not None and told_at is not None and told_at != latest:
            if told_at < latest:
                return True
            if source == self.source:
                return False
        return message < self.message

    def then(self, source: str, message: int, told_at: datetime | None) -> "Told":
        """Give the telling that follows this one."""
        latest = max(filter(None, (self.times.get(source), told_at)), default=None)
        times = {**self.times, source: latest} if latest is not None else self.times
        return Told(source, max(message, self.message), times)

    def beside(self, other: "Told") -> "Told":
        """Give the telling of two things that prove to be one."""
        times = {s: max(filter(None, (self.times.get(s), other.times.get(s)))) for s in {*self.times, *other.times}}
        return Told(self.source, max(self.message, other.message), times)


NEVER = Told("", 0)
"""What has not been told yet."""
