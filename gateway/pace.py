"""How fast a source sends, and whether it sends in sequence."""

PATIENCE_SECONDS = 10.0
"""The longest that a sender is slowed: shorter than the time in which one expects an answer."""


class Pace:
    """Lets messages through at a rate, up to a second's worth of them at once; the others wait their turn.

    Args:
        per_second: messages a second.

    """

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._slack = max(1.0, self._interval) - self._interval
        self._next = float("-inf")

    def wait(self, now: float) -> float | None:
        """Give the seconds after which a message that has come may be taken, and reckon with it.

        None if that is beyond patience: it is not reckoned with, for it is not taken.
        """
        turn = max(self._next, now - self._slack)
        if turn - now > PATIENCE_SECONDS:
            return None
        self._next = turn + self._interval
        return max(0.0, turn - now)

    def reckon(self) -> None:
        """Reckon with a message that is taken without waiting: those behind it wait the longer."""
        self._next += self._interval


class Sequence:
    """The numbers of a sender's messages, in the order of their coming (MSH-13; 2.5.1 §2.10.1)."""

    def __init__(self) -> None:
        self._last: int | None = None

    def missing(self, number: int) -> int:
        """Give how many numbers are missing before this one; a start (0), a repetition or an older one misses none."""
        last, self._last = self._last, number
        return max(0, number - last - 1) if last is not None and number > 0 else 0
