r"""MLLP frames out of a byte stream, and into one. Knows bytes and events, never sockets.

A frame is ``VT payload FS CR`` (HL7 Transport Specification: MLLP, release 1). Senders stretch that, so these are the
rules for what it leaves open. They give the same events however the bytes are cut into reads.

- **FS** ends the frame when CR or VT follows it, or nothing (silence, end of the stream). Any other FS is a byte of the
  payload: to end there would acknowledge half a message.
- **VT inside a frame** starts a new one when a header segment follows it (MSH, FHS or BHS, a UTF-8 BOM before it
  allowed): the sender gave up the first message, which is reported as truncated and never glued to the next. Any other
  VT is a byte of the payload: word processors put them into pasted text, and the message around it is complete.
- **Outside a frame** CR and LF are silent; anything else is counted as junk and not kept.
- **Beyond the limit** a frame is reported once, let go by up to its end by the same rules, and reading goes on.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

VT = b"\x0b"
FS = b"\x1c"
CR = b"\r"

_BOUNDARY = re.compile(rb"\x1c(?=[\r\x0b])|\x0b(?=(?:\xef\xbb\xbf)?(?:MSH|FHS|BHS))")
_UNDECIDED = len(b"\x0b\xef\xbb\xbfMSH") - 1
"""How many last bytes may be the beginning of a boundary that the next read completes."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A complete frame arrived.

    Attributes:
        payload: the bytes between its VT and its FS, as sent; may be empty.

    """

    payload: bytes


@dataclass(frozen=True, slots=True)
class Oversize:
    """A frame passed the limit; its bytes are not kept.

    Attributes:
        limit: the largest payload taken, in bytes.

    """

    limit: int


@dataclass(frozen=True, slots=True)
class Junk:
    """Bytes that belong to no frame were let go by.

    Attributes:
        length: how many; CR and LF not counted.

    """

    length: int


@dataclass(frozen=True, slots=True)
class Truncated:
    """A frame began and never ended: the stream stopped, or another frame began inside it.

    Attributes:
        length: bytes of its payload that came.

    """

    length: int


FrameEvent = Frame | Oversize | Junk | Truncated


def frame(payload: bytes) -> bytes:
    """Give the payload as one MLLP frame.

    Raises:
        ValueError: the payload holds a frame boundary, so a receiver would read two messages.

    """
    if _BOUNDARY.search(payload):
        raise ValueError("the payload holds an MLLP frame boundary")
    return b"%b%b%b%b" % (VT, payload, FS, CR)


class _Place(Enum):
    OUTSIDE = auto()
    INSIDE = auto()
    SKIPPING = auto()


class FrameReader:
    """What has been read of one stream, by the rules at the top of this module.

    Keeps at most ``max_frame`` bytes, a few bytes of look-ahead, and the chunk it is being fed (a security limit). Time
    is linear in the bytes fed, however small the chunks.

    Attributes:
        max_frame: the largest payload taken, in bytes.
        begun: frames that have begun so far.

    """

    def __init__(self, max_frame: int) -> None:
        self.max_frame = max_frame
        self.begun = 0
        self._place = _Place.OUTSIDE
        self._held = bytearray()
        self._searched = 0
        self._junk = 0

    @property
    def in_frame(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._place is not _Place.OUTSIDE

    @property
    def undecided(self) -> bool:
        """Whether silence would settle something: the end of a frame, or of junk."""
        return self._ends_in_fs() if self.in_frame else self._junk > 0

    def feed(self, data: bytes) -> list[FrameEvent]:
        """Give what these bytes completed, in the order of the stream."""
        self._held += data
        return list(self._read())

    def flush_idle(self) -> list[FrameEvent]:
        """Give what silence completes: a frame whose FS no CR followed, or junk that nothing followed."""
        event = self.eof() if self.undecided else None
        return [event] if event else []

    def eof(self) -> FrameEvent | None:
        """Give what the end of the stream completes or cuts; the reader is as new after it.

        An oversize frame has been told of already, so its end is no event.
        """
        event = self._last_event()
        self._place = _Place.OUTSIDE
        self._held.clear()
        self._searched = self._junk = 0
        return event

    def _last_event(self) -> FrameEvent | None:
        if self._place is _Place.OUTSIDE:
            return Junk(self._junk) if self._junk else None
        if self._place is _Place.SKIPPING:
            return None
        if not self._ends_in_fs():
            return Truncated(len(self._held))
        length = len(self._held) - len(FS)
        return Frame(bytes(self._held[:length])) if length <= self.max_frame else Oversize(self.max_frame)

    def _ends_in_fs(self) -> bool:
        return self._held.endswith(FS)

    def _read(self) -> Iterator[FrameEvent]:
        while self._held:
            if self._place is _Place.OUTSIDE:
                yield from self._read_outside()
                continue
            boundary = self._boundary()
            decided = boundary.start() if boundary else max(0, len(self._held) - _UNDECIDED)
            if self._place is _Place.INSIDE and decided > self.max_frame:
                self._place = _Place.SKIPPING
                yield Oversize(self.max_frame)
            if boundary is None:
                self._wait_after(decided)
                return
            if self._place is _Place.INSIDE:
                yield self._ended_at(decided)
            self._leave(decided)

    def _read_outside(self) -> Iterator[FrameEvent]:
        start = self._held.find(VT)
        end = len(self._held) if start < 0 else start
        self._junk += end - self._held.count(b"\r", 0, end) - self._held.count(b"\n", 0, end)
        del self._held[: end + 1]
        if start < 0:
            return
        self._place = _Place.INSIDE
        self._searched = 0
        self.begun += 1
        if self._junk:
            yield Junk(self._junk)
            self._junk = 0

    def _boundary(self) -> re.Match[bytes] | None:
        # Finding a byte is ten times as fast as the pattern, and most reads hold neither.
        fs = self._held.find(FS, self._searched)
        vt = self._held.find(VT, self._searched, fs if fs >= 0 else len(self._held))
        mark = fs if vt < 0 else vt
        return _BOUNDARY.search(self._held, mark) if mark >= 0 else None

    def _wait_after(self, decided: int) -> None:
        if self._place is _Place.SKIPPING:
            del self._held[:decided]
            decided = 0
        self._searched = decided

    def _ended_at(self, length: int) -> FrameEvent:
        if self._held.startswith(FS, length):
            return Frame(bytes(self._held[:length]))
        return Truncated(length)

    def _leave(self, length: int) -> None:
        # The FS goes with its frame; its CR is silent outside, and a VT opens the next frame there.
        self._place = _Place.OUTSIDE
        del self._held[: length + self._held.startswith(FS, length)]
