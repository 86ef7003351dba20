"""What a stranger can make us say again and again is said once in a while: nobody fills the disk with log lines."""

PAUSE_SECONDS = 60.0
"""Between two lines about one address."""

MOST_ADDRESSES = 1_024
"""Addresses remembered; the one that was told of first is forgotten first."""


class Quiet:
    """Says when a line about an address is due."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[float, int]] = {}

    def told(self, address: str, now: float) -> int | None:
        """Give how often the same happened untold since the last line, if one is due; None if not.

        Args:
            address: whom it is about.
            now: seconds on the monotonic clock.

        """
        at, untold = self._told.pop(address, (now - PAUSE_SECONDS, 0))
        due = now - at >= PAUSE_SECONDS
        self._told[address] = (now, 0) if due else (at, untold + 1)
        if len(self._told) > MOST_ADDRESSES:
            del self._told[next(iter(self._told))]
        return untold if due else None
