"""The sources' traffic as intake meets it: slowed to the rate that the site allows, gaps in sequence numbers told."""

import asyncio
import time
from collections import defaultdict

import structlog

from gateway.pace import Pace, Sequence
from mappings.hl7v2 import Examination

log = structlog.get_logger()

TELL_SECONDS = 60.0
"""A source that goes on being too fast is told of in the log this often."""

BEYOND_RATE = "more messages a second than the site takes from this source: nothing was kept, send again later"


class Traffic:
    """What this process takes from each source; another process reckons for itself."""

    def __init__(self) -> None:
        self._paces: dict[str, Pace] = {}
        self._sequences: defaultdict[str, Sequence] = defaultdict(Sequence)
        self._told: dict[str, float] = {}

    async def turn(self, examination: Examination, *, waits: bool = True) -> bool:
        """Return when it is a message's turn; false if that would take too long, and it is not to be taken.

        What does not wait, for it came in one frame with others, is reckoned with all the same.
        """
        source = examination.source
        if source is None:
            return True
        if source.messages_per_second is None:
            return True
        pace = self._paces.setdefault(source.id, Pace(source.messages_per_second))
        if not waits:
            pace.reckon()
            return True
        wait = pace.wait(asyncio.get_running_loop().time())
        if wait != 0:
            self._tell(source.id)
            await asyncio.sleep(wait or 0)
        return wait is not None

    def missing(self, examination: Examination) -> int:
        """Give how many messages of its source are missing before a message, by its sequence number (MSH-13); told."""
        source, message = examination.source, examination.message
        number = message.text("MSH-13").strip() if message else ""
        if source is None or not (number.isascii() and number.isdigit()):
            return 0
        missing = self._sequences[source.id].missing(int(number[:18]))
        if missing:
            log.warning("source.sequence-gap", source=source.id, missing=missing)
        return missing

    def _tell(self, source: str) -> None:
        now = time.monotonic()
        if now - self._told.get(source, -TELL_SECONDS) >= TELL_SECONDS:
            self._told[source] = now
            log.warning("source.too-fast", source=source)
