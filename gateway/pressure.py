"""Back-pressure: when the gateway takes nothing more in, and when it takes again."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import IntakePaused

REOPEN_BACKLOG = 0.9
REOPEN_DISK = 1.1
"""Intake begins again below this share of the backlog's limit, and above this share of the disk's."""


class Pressure(StrEnum):
    """Why nothing is taken in."""

    BACKLOG = "backlog"
    DISK = "disk"


_RULES = {
    Pressure.BACKLOG: "too many messages wait to be processed: nothing was kept, send again later",
    Pressure.DISK: "too little disk is free: nothing was kept, send again later",
}


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How far intake goes.

    Attributes:
        backlog: messages that may wait for the pipeline; 0: any number.
        free_bytes: bytes that must be free where the database is; 0: none.

    """

    backlog: int
    free_bytes: int

    def pressure(self, before: Pressure | None, backlog: int | None, free_bytes: int | None) -> Pressure | None:
        """Give why nothing is taken in from now on; None while there is no reason.

        Args:
            before: what the answer was the last time: what stopped intake must be well gone before it begins again.
            backlog: how many messages wait; None if that is not known, and then nothing changes in this respect.
            free_bytes: how many bytes are free; None where the gateway cannot see the disk.

        """
        if self._disk_is_short(before is Pressure.DISK, free_bytes):
            return Pressure.DISK
        if self._backlog_is_long(before is Pressure.BACKLOG, backlog):
            return Pressure.BACKLOG
        return None

    def _disk_is_short(self, before: bool, free: int | None) -> bool:  # noqa: FBT001 - two private questions alike
        if free is None or not self.free_bytes:
            return False
        return free < self.free_bytes * (REOPEN_DISK if before else 1)

    def _backlog_is_long(self, before: bool, backlog: int | None) -> bool:  # noqa: FBT001 - as above
        if not self.backlog:
            return False
        if backlog is None:
            return before
        return backlog >= self.backlog * (REOPEN_BACKLOG if before else 1)


def refusal(pressure: Pressure) -> IntakePaused:
    """Give the error that a sender is answered."""
    return IntakePaused(_RULES[pressure])
