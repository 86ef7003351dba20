"""The general acknowledgment (2.5.1 §2.14.1, ACK): in the sender's version, delimiters and character set."""

import re
from datetime import datetime
from functools import lru_cache

from gateway import er7, terser
from gateway.er7 import DEFAULT_SEPARATORS, Message, Segment, Separators
from gateway.errors import AckCode, CharsetUndecodable, GatewayError
from gateway.reception import CONTROL_ID_LENGTH
from gateway.site import Site
from mappings.hl7v2 import mfn, times
from mappings.hl7v2.examination import Examination
from mappings.hl7v2.mode import Wanted
from mappings.hl7v2.tables import (
    APPLICATION_ERRORS,
    APPLICATION_TABLE,
    CONDITIONS,
    MASTER_FILES,
    PROCESSING_IDS,
    VERSIONS,
)

APPLICATION = "SECRETARIAT"
"""MSH-3 of what the gateway sends to one who named no receiver."""

DEFAULT_VERSION = "2.5"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EVENT = re.compile(r"[A-Z]\d\d", re.ASCII)
_LONGEST_ECHO = 250
_LONGEST_KEPT = 1_000
"""Characters of a header whose answer's is kept for the sender's next message."""

_TIME_FIELD, _BEHIND_CONTROL_ID, _SEQUENCE_FIELD, _BEHIND_POINTER = 7, 11, 13, 15
_EVENT_ADDED, _STRUCTURE_ADDED = (2, 2), (2, 3, 1)
"""MSH-9 was a type alone, then a type and an event; the structure came last."""

_TEXT_ADDED = (2, 3)
"""In ERR-1 the condition was a bare code, then a coded element."""

_ERR_CHANGED = (2, 5)
"""From 2.5 on ERR has fields of its own for location, condition, severity and text; before, one component list."""


def acknowledge(
    examination: Examination,
    code: AckCode,
    error: GatewayError | None,
    *,
    site: Site,
    now: datetime,
    control_id: str,
    answered: bool = False,
) -> bytes:
    """Give the acknowledgment's bytes, CR behind each segment.

    Args:
        examination: what the frame showed; without a readable header the answer is a 2.5 ACK to nobody in particular.
        code: MSA-1; an application acknowledgment of enhanced mode wants no answer of its own (MSH-15, MSH-16).
        error: what was wrong; its path and rule are told, no value is.
        site: the establishment.
        now: aware instant, for MSH-7.
        control_id: the answer's own MSH-10.
        answered: it is told on a connection of ours, and asks for an accept acknowledgment itself (2.5.1 §2.9.3).

    """
    echoed = _Echo.of(examination)
    wants = (Wanted.ALWAYS, Wanted.NEVER) if answered else _wants(examination, code)
    lines = [_msh(echoed, examination, code, wants, site, now, control_id), _msa(echoed, code, error)]
    if error is not None:
        lines.append(_err(echoed, error))
    if examination.message is not None and _answers_by_record(examination, code):
        records = mfn.answered(examination.message, accepted=error is None)
        lines += [echoed.separators.field.join(fields).rstrip(echoed.separators.field) for fields in records]
    return "".join(f"{line}\r" for line in lines).encode(echoed.codec, errors="replace")


def envelope(
    name: str, header: Message | None, trailer: str, count: int, *, site: Site, now: datetime, control_id: str
) -> tuple[bytes, bytes]:
    """Give the first and the last segment of a batch's or file's acknowledgment (2.5.1 §2.15.2, §2.15.3, §2.15.6).

    Args:
        name: FHS or BHS.
        header: what is answered; None: nobody in particular.
        trailer: FTS or BTS.
        count: its first field.
        site: the establishment.
        now: aware instant.
        control_id: the envelope's own.

    """
    segment = (header.first("FHS") or header.first("BHS")) if header else None
    separators = header.separators if header else DEFAULT_SEPARATORS
    echoed = _Echo(segment, separators, "iso8859-1", read=False)
    fields = [
        name,
        encoding_characters(separators),
        *_parties(echoed, site.facility),
        times.written(now, times.zone(site.time_zone)),
        *("", "", ""),
        echoed.written(control_id),
        echoed.field(11),
    ]
    lines = (separators.field.join(fields).rstrip(separators.field), f"{trailer}{separators.field}{count}")
    first, last = (f"{line}\r".encode(echoed.codec, errors="replace") for line in lines)
    return first, last


def _cut(header: str, separator: str) -> tuple[str, str]:
    """What stands before MSH-7, and what behind MSH-10, without the number in sequence and the pointer behind it."""
    fields = header.split(separator, _BEHIND_POINTER - 1)
    fields[_SEQUENCE_FIELD - 1 : _BEHIND_POINTER - 1] = ("", "")
    return separator.join(fields[: _TIME_FIELD - 1]), separator.join(fields[_BEHIND_CONTROL_ID - 1 :])


class _Echo:
    """The sender's header, in the text that its bytes are.

    Attributes:
        separators: the sender's delimiters.
        codec: the Python codec that gives back the sender's bytes.
        read: the whole frame was read in it; otherwise only the header was, byte for byte.

    """

    def __init__(self, header: Segment | None, separators: Separators, codec: str, *, read: bool) -> None:
        self._header = header
        self.separators = separators
        self.codec = codec
        self.read = read
        self._cut = _cut(header.raw, separators.field) if header else ("", "")

    @classmethod
    def of(cls, examination: Examination) -> "_Echo":
        """Prefer the message as it was read; its header byte for byte where it could not be."""
        for message in (examination.message, examination.header):
            if message is not None and (header := message.first("MSH")) is not None:
                return cls(header, message.separators, message.charset.codec, read=message is examination.message)
        return cls(None, DEFAULT_SEPARATORS, "ascii", read=False)

    @property
    def before(self) -> str:
        """The header as sent, before MSH-7; empty without one."""
        return self._cut[0]

    @property
    def behind(self) -> str:
        """The header as sent, behind MSH-10, but for MSH-13 and MSH-14."""
        return self._cut[1]

    def field(self, number: int, limit: int = _LONGEST_ECHO) -> str:
        """A field as sent; control characters, which would break the frame, are left out."""
        sent = self._header.whole(number) if self._header else ""
        return (sent if sent.isprintable() else _CONTROL.sub("", sent))[:limit]

    def first(self, number: int) -> str:
        """Its first component."""
        return self._header.text(number).strip() if self._header else ""

    @property
    def version(self) -> tuple[int, ...]:
        """The sender's version as numbers; that of the default if it is none that is read here."""
        told = self.first(12)
        return tuple(int(n) for n in (told if told in VERSIONS else DEFAULT_VERSION).split("."))

    @property
    def charset(self) -> str:
        """MSH-18 as the sender has it, first repetition; none if the bytes were not read or the set is unknown."""
        label = self.field(18).split(self.separators.repetition)[0] if self.read else ""
        try:
            er7.codec_of(label)
        except CharsetUndecodable:
            return ""
        return label

    def written(self, text: str) -> str:
        """A text of ours, escaped for a field."""
        return er7.escape(_CONTROL.sub(" ", text), self.separators)


def _msh(
    echoed: _Echo,
    examination: Examination,
    code: AckCode,
    wants: tuple[str, str],
    site: Site,
    now: datetime,
    control_id: str,
) -> str:
    """MSH: sender and receiver exchanged; processing ID, version, country and character set as the sender has them."""
    event = examination.message_type.partition("^")[2]
    by_record = _answers_by_record(examination, code)
    around = _around if len(echoed.before) + len(echoed.behind) < _LONGEST_KEPT else _around.__wrapped__
    before, between, behind = around(
        echoed.before, echoed.behind, echoed.separators, echoed.read, (event, by_record, wants), site.facility
    )
    return f"{before}{times.written(now, times.zone(site.time_zone))}{between}{echoed.written(control_id)}{behind}"


@lru_cache(maxsize=256)
def _around(
    before: str,
    behind: str,
    separators: Separators,
    read: bool,  # noqa: FBT001 - a key of the cache
    answered: tuple[str, bool, tuple[str, str]],
    facility: str,
) -> tuple[str, str, str]:
    """What an MSH says around its time and its control ID: the same for all messages of a kind from one sender.

    Args:
        before: what stands before MSH-7 in the header that is answered; empty if there is none.
        behind: what stands behind its MSH-10; MSH-13 and MSH-14, which no answer repeats, left out.
        separators: the sender's delimiters.
        read: the whole frame was read, not only its header.
        answered: its event, whether it is answered record by record, and our MSH-15 and MSH-16.
        facility: ours.

    """
    event, by_record, wants = answered
    blank = separators.field * (_BEHIND_CONTROL_ID - _TIME_FIELD)
    header = Segment("MSH", 1, 1, f"{before}{blank}{separators.field}{behind}", separators) if before else None
    echoed = _Echo(header, separators, "", read=read)
    kind = separators.component.join(_kind(echoed, event, by_record=by_record))
    fields = [
        echoed.field(11) if echoed.first(11) in PROCESSING_IDS else "P",
        echoed.field(12) if echoed.first(12) in VERSIONS else DEFAULT_VERSION,
        *("", ""),
        *wants,
        echoed.field(17),
        echoed.charset,
    ]
    field = separators.field
    first = field.join(("MSH", encoding_characters(separators), *_parties(echoed, facility), ""))
    return first, f"{field}{field}{kind}{field}", field + field.join(fields).rstrip(field)


def _parties(echoed: _Echo, facility: str) -> tuple[str, str, str, str]:
    """Sender and receiver exchanged; who named no receiver hears from us by our own name."""
    ours = echoed.field(5) or echoed.written(APPLICATION), echoed.field(6) or echoed.written(facility)
    return (*ours, echoed.field(3), echoed.field(4))


def _wants(examination: Examination, code: AckCode) -> tuple[str, str]:
    """MSH-15 and MSH-16: nothing in original mode and for accept acknowledgments."""
    application = examination.mode.enhanced and code not in {AckCode.CA, AckCode.CE, AckCode.CR}
    return (Wanted.NEVER, Wanted.NEVER) if application else ("", "")


def _kind(echoed: _Echo, event: str, *, by_record: bool) -> list[str]:
    """MSH-9: ACK, or MFK; the event behind it from 2.2 on, the structure behind that from 2.3.1 on."""
    if not _EVENT.fullmatch(event) or echoed.version < _EVENT_ADDED:
        return ["ACK"]
    kind, structure = ("MFK", "MFK_M01") if by_record else ("ACK", "ACK")
    return [kind, event] if echoed.version < _STRUCTURE_ADDED else [kind, event, structure]


def _answers_by_record(examination: Examination, code: AckCode) -> bool:
    """Whether it is an MFK, record by record (2.5.1 §8.4): no accept acknowledgment, and the records are at hand."""
    kind, _, event = examination.message_type.partition("^")
    understood = kind == "MFN" and event in MASTER_FILES and code not in {AckCode.CA, AckCode.CE, AckCode.CR}
    return understood and examination.message is not None and examination.message.first("MFI") is not None


def encoding_characters(separators: Separators) -> str:
    """Give MSH-2 for these delimiters."""
    declared = (separators.component, separators.repetition, separators.escape, separators.subcomponent)
    return "".join(declared) + separators.truncation


def _msa(echoed: _Echo, code: AckCode, error: GatewayError | None) -> str:
    """MSA: the code and the sender's control ID as sent; before 2.5, where ERR has no text, MSA-3 holds the rule."""
    fields = ["MSA", code.value, echoed.field(10, CONTROL_ID_LENGTH)]
    if error is not None and echoed.version < _ERR_CHANGED:
        fields.append(echoed.written(str(error)))
    return echoed.separators.field.join(fields)


def _err(echoed: _Echo, error: GatewayError) -> str:
    """ERR: where, which condition of table 0357, severity E, our name for it, the rule (2.5.1 §2.15.5; before, ERR-1).

    Up to 2.4 there is ERR-1 alone: segment, sequence, field and condition as its components.
    """
    separators = echoed.separators
    coded = (str(error.condition), CONDITIONS.get(error.condition, ""), "HL70357")
    if echoed.version < _ERR_CHANGED:
        place = [*location(error.path)[:3], *[""] * 3][:3]
        condition = coded[0] if echoed.version < _TEXT_ADDED else separators.subcomponent.join(coded)
        return separators.field.join(("ERR", separators.component.join((*place, condition))))
    where, condition = separators.component.join(location(error.path)), separators.component.join(coded)
    own = APPLICATION_ERRORS.get(error.application, "")
    application = separators.component.join((error.application, echoed.written(own), APPLICATION_TABLE)) if own else ""
    fields = ("ERR", "", where, condition, "E", application, "", error.name, echoed.written(str(error)))
    return separators.field.join(fields)


def location(path: str) -> tuple[str, ...]:
    """Give ERR-2 of a terser path: segment, its sequence, field, repetition, component, sub-component (2.5.1, ERL).

    ``PID-3[2].4.1`` is PID, 1, 3, 2, 4, 1; what the path leaves out behind the last is left out. () if it is no path.
    """
    try:
        place = terser.parse(path)
    except ValueError:
        return ()
    steps = (place.field, place.repetition, place.component, place.subcomponent)
    told = max((n for n, step in enumerate(steps, 1) if step), default=0)
    return (place.segment, *(str(step or 1) for step in (place.occurrence, *steps[:told])))
