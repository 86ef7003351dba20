"""The batch protocol: many messages in one frame, between FHS, BHS and BTS, FTS (2.5.1 §2.10.3).

Each message is cut out as its bytes came and is one of its own; the envelope tells how many there ought to be.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway import er7
from gateway.er7 import Message
from gateway.errors import AckCode, GatewayError, LimitExceeded, SegmentMissing, SenderError
from gateway.site import Site
from mappings.hl7v2.acknowledgment import acknowledge, envelope
from mappings.hl7v2.examination import Examination
from mappings.hl7v2.header import peek

MOST_MESSAGES = 5_000
"""Messages in one frame (promise P9)."""

_START = re.compile(rb"(?:^(?:\xef\xbb\xbf)?|(?<=[\r\n]))MSH(?=[^A-Za-z0-9\r\n])")
_BATCH = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:FHS|BHS)[^A-Z0-9\s]", re.IGNORECASE)
_LINE = re.compile(rb"[^\r\n]+")
_ENVELOPE = frozenset({b"FHS", b"BHS", b"MSH", b"BTS", b"FTS"})
_LONGEST = er7.Limits(bytes_=64 * 1024)


@dataclass(frozen=True, slots=True)
class Batch:
    """What stands between BHS and BTS.

    Attributes:
        header: BHS, read byte for byte; None if the file goes without.
        messages: each message's bytes, in order.
        error: what the envelope says that is not so; None if it is sound.

    """

    header: Message | None
    messages: tuple[bytes, ...]
    error: SenderError | None


@dataclass(frozen=True, slots=True)
class File:
    """What stands between FHS and FTS; a single batch is a file without either.

    Attributes:
        header: FHS, read byte for byte; None if there is none.
        batches: in order.
        error: what the envelope says that is not so; None if it is sound.

    """

    header: Message | None
    batches: tuple[Batch, ...]
    error: SenderError | None

    @property
    def messages(self) -> tuple[bytes, ...]:
        """Every message's bytes, in order."""
        return tuple(message for batch in self.batches for message in batch.messages)

    @property
    def errors(self) -> tuple[SenderError, ...]:
        """What the envelopes say that is not so."""
        return tuple(error for error in (*(batch.error for batch in self.batches), self.error) if error)

    @property
    def examination(self) -> Examination:
        """The file as a whole, to be answered by one acknowledgment: MSA-2 is its control ID, else its batch's."""
        return _as_message(self.header or next((b.header for b in self.batches), None))


def split(content: bytes) -> list[bytes]:
    """Give what a file holds: messages, cut where MSH begins a line, without MLLP frames; a batch (FHS, BHS) is whole.

    What stands before the first MSH goes with it; what holds no message is given whole.
    """
    unframed = content.replace(b"\x0b", b"").replace(b"\x1c", b"")
    starts = [] if is_batch(unframed) else [match.start() for match in _START.finditer(unframed)]
    return [unframed[a:b] for a, b in zip([0, *starts[1:]], [*starts[1:], len(unframed)], strict=True)]


def is_batch(raw: bytes) -> bool:
    """Whether a frame holds a batch or a file of batches."""
    return _BATCH.match(raw) is not None


def read_file(raw: bytes) -> File:
    """Give the messages of a batch or file, and what its envelope says that is not so.

    Raises:
        SegmentMissing: a segment stands where no message and no envelope holds it.
        HeaderInvalid: FHS or BHS has no delimiters.
        LimitExceeded: it holds too many messages.

    """
    reader = _Reader(raw)
    for line in _LINE.finditer(raw):
        reader.take(line[0].lstrip(b"\xef\xbb\xbf \t") if line.start() == 0 else line[0], line.start())
    return reader.end()


def acknowledge_file(
    file: File, answers: Sequence[bytes], *, site: Site, now: datetime, control_ids: Iterator[str]
) -> bytes:
    """Give the batch acknowledgment: the messages' acknowledgments in their batches' order, and what is wrong with it.

    Args:
        file: what was read.
        answers: the acknowledgment of each message in order; empty where its sender wants none.
        site: the establishment.
        now: aware instant.
        control_ids: gives each envelope and acknowledgment of its own a control ID.

    """

    def refusal(header: Message | None, error: GatewayError) -> bytes:
        told, control_id = _as_message(header), next(control_ids)
        return acknowledge(told, AckCode.AE, error, site=site, now=now, control_id=control_id)

    def enveloped(name: str, header: Message | None, contents: bytes, trailer: str, count: int) -> bytes:
        first, last = envelope(name, header, trailer, count, site=site, now=now, control_id=next(control_ids))
        return first + contents + last

    waiting, parts = iter(answers), []
    for batch in file.batches:
        own = [answer for _, answer in zip(batch.messages, waiting, strict=False) if answer]
        own += [refusal(batch.header, batch.error)] if batch.error else []
        parts.append(enveloped("BHS", batch.header or file.header, b"".join(own), "BTS", len(own)))
    if file.error:
        parts.append(enveloped("BHS", file.header, refusal(file.header, file.error), "BTS", 1))
    whole = b"".join(parts)
    return enveloped("FHS", file.header, whole, "FTS", len(parts)) if file.header else whole


class _Reader:
    """Cuts a frame at the segments of the envelope."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._file_header: Message | None = None
        self._batches: list[Batch] = []
        self._header: Message | None = None
        self._messages: list[bytes] = []
        self._begun: int | None = None
        self._count = 0
        self._in_batch = self._ended = False
        self._file_error: SenderError | None = None

    def take(self, line: bytes, start: int) -> None:
        """Take a line of the frame."""
        name = line[:3].upper()
        if name not in _ENVELOPE or line[3:4].isalnum():
            if self._begun is None and line.strip():
                raise SegmentMissing("FHS, BHS, MSH, BTS or FTS begins each line outside a message")
            return
        self._end_message(start)
        if self._ended:
            raise SegmentMissing("nothing stands behind FTS", path=name.decode("ascii"))
        match name:
            case b"FHS":
                self._begin_file(line)
            case b"BHS":
                self._end_batch(None)
                self._header, self._in_batch = _read(line), True
            case b"MSH":
                self._begun, self._in_batch = start, True
                self._count += 1
                if self._count > MOST_MESSAGES:
                    raise LimitExceeded(f"at most {MOST_MESSAGES} messages in a batch are taken", path="MSH")
            case b"BTS":
                self._end_batch(line)
            case _:
                self._end_file(line)

    def end(self) -> File:
        """Give what was read."""
        self._end_message(len(self._raw))
        self._end_batch(None)
        if self._file_header and not self._ended:
            self._file_error = SegmentMissing("a file that begins with FHS ends with FTS", path="FTS")
        return File(self._file_header, tuple(self._batches), self._file_error)

    def _begin_file(self, line: bytes) -> None:
        if self._file_header or self._batches or self._in_batch:
            raise SegmentMissing("FHS stands once, before all else", path="FHS")
        self._file_header = _read(line)

    def _end_message(self, end: int) -> None:
        if self._begun is not None:
            self._messages.append(self._raw[self._begun : end])
            self._begun = None

    def _end_batch(self, trailer: bytes | None) -> None:
        if not self._in_batch and trailer is None:
            return
        error = _miscounted(trailer, self._header or self._file_header, "BTS", len(self._messages))
        if trailer is None and self._header is not None:
            error = SegmentMissing("a batch that begins with BHS ends with BTS", path="BTS")
        self._batches.append(Batch(self._header, tuple(self._messages), error))
        self._header, self._messages, self._in_batch = None, [], False

    def _end_file(self, trailer: bytes) -> None:
        self._end_batch(None)
        if self._file_header is None:
            raise SegmentMissing("FTS ends what FHS begins", path="FTS")
        self._file_error = _miscounted(trailer, self._file_header, "FTS", len(self._batches))
        self._ended = True


def _read(line: bytes) -> Message:
    return er7.read(line, charset="8859/1", limits=_LONGEST)


def _miscounted(trailer: bytes | None, header: Message | None, name: str, count: int) -> SenderError | None:
    """The error of a trailer whose first field, which may be left out, tells another number than there is."""
    if trailer is None or header is None:
        return None
    told = trailer.decode("latin-1").split(header.separators.field)
    number = told[1].split(header.separators.component)[0].strip() if told[1:] else ""
    if not number or (number.isdecimal() and int(number[:18]) == count):
        return None
    contents = "messages as there are in the batch" if name == "BTS" else "batches as there are in the file"
    return SegmentMissing(f"as many {contents}; those that came were taken", path=f"{name}-1")


def _as_message(header: Message | None) -> Examination:
    """Give FHS or BHS as the header of a message, so that it can be answered: MSH-10 is its control ID."""
    found = (header.first("FHS") or header.first("BHS")) if header else None
    if header is None or found is None:
        return Examination(None, None, None)
    fields = ["MSH", *(found.whole(n) for n in range(2, 8)), "", "", found.whole(11), "P", ""]
    return Examination(None, peek(header.separators.field.join(fields).encode("latin-1")), None)
