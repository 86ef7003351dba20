"""ER7, the vertical-bar encoding of HL7 v2 (2.5.1 chapter 2): read lazily, without loss, with no silent guess.

``bytes(read(raw)) == raw`` for every frame that is accepted; every line of it is a segment, in order, or blank. What
is odd but readable is kept and flagged; what cannot be read raises NotHl7, HeaderInvalid, CharsetUndecodable or
LimitExceeded, and nothing else. No repr shows a value.
"""

import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gateway import terser
from gateway.errors import CharsetUndecodable, HeaderInvalid, LimitExceeded, NotHl7
from gateway.facts import Flag

HEADERS: Final = frozenset({"MSH", "FHS", "BHS"})
"""The segments whose first field is the field separator itself."""

NULL: Final = '""'
"""The HL7 null: "delete what you hold", as opposed to an empty value, "nothing said" (2.5.1 §2.5.3)."""

CODECS: Final[Mapping[str, str]] = {
    "ASCII": "ascii",
    "USASCII": "ascii",
    "ISOIR6": "ascii",
    "UNICODEUTF8": "utf-8",
    "UNICODE": "utf-8",
    "UTF8": "utf-8",
    "88591": "iso8859-1",
    "ISO88591": "iso8859-1",
    "ISOIR100": "iso8859-1",
    "LATIN1": "iso8859-1",
    "885915": "iso8859-15",
    "ISO885915": "iso8859-15",
    "ISOIR203": "iso8859-15",
    "LATIN9": "iso8859-15",
    "CP1252": "cp1252",
    "1252": "cp1252",
    "WINDOWS1252": "cp1252",
    "WIN1252": "cp1252",
}
"""Codes of HL7 table 0211, stripped to capitals and digits, and the codec that reads them.

UNICODE (deprecated in 2.5) is UTF-8 here: a frame in a wider Unicode form would not start with the bytes ``MSH``.
"""

_BOM: Final = b"\xef\xbb\xbf"
_DEFAULTS: Final = "^~\\&"
_PUNCTUATION: Final = frozenset(string.punctuation) - {'"'}
_MOST_ENCODING_CHARACTERS: Final = 5
_NAME_LENGTH: Final = 3
_ENCODING_FIELD: Final = 2
_CHARSET_FIELD: Final = 18
_SHORT_ESCAPE: Final = 8
_MOST_MEANINGS: Final = 1_000
_NOT_C1: Final = bytes(set(range(256)) - set(range(0x80, 0xA0)))
_HEADER_LINE: Final = re.compile(rb"(?:MSH|FHS|BHS)[^\r\n]*", re.IGNORECASE)
_MSH_LINE: Final = re.compile(rb"(?<![^\r\n])MSH[^\r\n]*", re.IGNORECASE)
_HEXADECIMAL: Final = re.compile(r"X([0-9A-Fa-f]+)")
_COMMAND: Final = re.compile(r"\.(br|ce|fi|nf|in|ti|sp|sk)[+-]?([0-9]{0,4})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one frame is read (promise P9).

    Attributes:
        bytes_: length of the frame.
        segments: lines, blank ones included.
        fields: fields in one segment.
        repetitions: repetitions in one field.
        components: components in one field, all repetitions together; the same for sub-components.
        escapes: escape characters in the frame: an escape takes a hundred times as long to read as plain text.

    """

    bytes_: int = 64 * 1024 * 1024
    segments: int = 50_000
    fields: int = 1_000
    repetitions: int = 10_000
    components: int = 100_000
    escapes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Separators:
    """The delimiters that the header declares (2.5.1 §2.5.4); all differ.

    Attributes:
        field: MSH-1.
        component: first character of MSH-2.
        repetition: second.
        escape: third.
        subcomponent: fourth.
        truncation: fifth, of v2.7 and later; empty if not declared.

    """

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""


@dataclass(frozen=True, slots=True)
class Charset:
    """In what the frame was read.

    Attributes:
        label: MSH-18 as sent, first repetition; empty if none.
        codec: the Python codec that read it.
        guessed: the label did not decide it.

    """

    label: str
    codec: str
    guessed: bool


DEFAULT_LIMITS: Final = Limits()
DEFAULT_SEPARATORS: Final = Separators()


def read(raw: bytes, *, charset: str = "", limits: Limits = DEFAULT_LIMITS) -> "Message":
    """Every segment of the frame can be asked for, and the frame's bytes are kept as they are.

    Args:
        raw: one frame, without its MLLP envelope.
        charset: overrides MSH-18 where the source's label is known to be untrue; a code of HL7 table 0211.
        limits: how much is read.

    Raises:
        NotHl7: it does not start with MSH, FHS or BHS (a byte order mark and blank lines may stand before it).
        HeaderInvalid: the delimiters are missing, doubled, or no punctuation.
        CharsetUndecodable: MSH-18, or the override, is unknown here, or the bytes are not of it.
        LimitExceeded: it is larger than the limits.

    """
    if len(raw) > limits.bytes_:
        raise LimitExceeded(f"{len(raw)} bytes; at most {limits.bytes_} are read")
    body = raw.removeprefix(_BOM)
    flags = [Flag("", "a byte order mark stands before the header")] if len(body) < len(raw) else []
    stripped = body.lstrip(b"\r\n\t ")
    if len(stripped) < len(body):
        flags.append(Flag("", "blank lines stand before the header"))
    separators = _separators(stripped)
    text, read_as = _decoded(stripped, _label(stripped, separators), charset, flags, marked=len(body) < len(raw))
    if len(text) > limits.escapes and text.count(separators.escape) > limits.escapes:
        raise LimitExceeded(f"at most {limits.escapes} escape characters in a frame are read")
    segments = _segments(_lines(text, limits, flags), separators, flags)
    _check(segments, separators, limits)
    return Message(raw, separators, read_as, tuple(flags), segments)


def read_header(line: bytes) -> "Message":
    """A header's line can be asked for, byte for byte, whatever its frame is written in; ASCII only.

    Raises:
        NotHl7, HeaderInvalid, LimitExceeded: as `read`.

    """
    separators = _separators(line)
    name = line[:_NAME_LENGTH].decode("ascii").upper()
    segment = Segment(name, 1, 1, line.decode("ascii"), separators)
    _check((segment,), separators, DEFAULT_LIMITS)
    return Message(line, separators, Charset(_label(line, separators), "iso8859-1", guessed=False), (), (segment,))


def _separators(body: bytes) -> Separators:
    """Take the delimiters from the header's first bytes; those left out of MSH-2 have their usual characters."""
    header = _HEADER_LINE.match(body)
    if header is None:
        raise NotHl7("the frame starts with MSH, FHS or BHS")
    name, rest = header[0][:_NAME_LENGTH].upper(), header[0][_NAME_LENGTH:].decode("latin-1")
    encoding = rest[1:].split(rest[0], 1)[0] if rest else ""
    return _declared(rest[:1], encoding, f"{name.decode('ascii')}-2")


@lru_cache(maxsize=64)
def _declared(field: str, encoding: str, path: str) -> Separators:
    """MSH-1 and MSH-2 as separators; the path names the header for errors."""
    if not encoding or len(encoding) > _MOST_ENCODING_CHARACTERS:
        raise HeaderInvalid("a field separator and one to five encoding characters", path=path)
    if not _PUNCTUATION.issuperset(field + encoding):
        raise HeaderInvalid("delimiters are ASCII punctuation other than the quotation mark", path=path)
    separators = field + encoding + _DEFAULTS[len(encoding) :]
    if len(set(separators)) < len(separators):
        raise HeaderInvalid("no delimiter stands for two things", path=path)
    return Separators(*separators)


def _label(body: bytes, separators: Separators) -> str:
    """MSH-18 of the first MSH, first repetition, as sent."""
    header = _MSH_LINE.search(body)
    fields = header[0].split(separators.field.encode(), _CHARSET_FIELD) if header else []
    if len(fields) < _CHARSET_FIELD:  # MSH-1 is the separator itself, so MSH-18 is the eighteenth part
        return ""
    label = fields[_CHARSET_FIELD - 1].decode("latin-1").split(separators.repetition, 1)[0].strip()
    return "" if label == NULL else label


@lru_cache(maxsize=256)
def codec_of(code: str) -> str:
    """The Python codec for a code of HL7 table 0211 in any obvious spelling.

    Raises:
        CharsetUndecodable: it is none of the character sets read here.

    """
    codec = CODECS.get("".join(c for c in code.upper() if c.isalnum()))
    if codec is None:
        rule = "a character set that is read here: UTF-8, 8859/1, 8859/15, CP1252 or ASCII"
        raise CharsetUndecodable(rule, path="MSH-18")
    return codec


def _decoded(body: bytes, label: str, override: str, flags: list[Flag], *, marked: bool) -> tuple[str, Charset]:
    """The frame's text; nothing is replaced, and what the label did not decide is flagged."""
    codec = codec_of(override or label) if override or label else "ascii"
    if body.isascii():
        return body.decode("ascii"), Charset(label, codec, guessed=False)
    if codec == "ascii" or (marked and codec != "utf-8" and not override):
        return _guessed(body, label, flags)
    if codec != "utf-8" and _is_utf8(body):
        flags.append(Flag("MSH-18", f"read as {codec} as labelled, though every byte also fits UTF-8"))
    if codec in {"iso8859-1", "cp1252"}:
        return _western(body, label, codec, flags)
    if codec == "iso8859-15" and body.translate(None, _NOT_C1):
        flags.append(Flag("MSH-18", "bytes 0x80-0x9F are no text in 8859/15; they are kept as control characters"))
    try:
        return body.decode(codec), Charset(label, codec, guessed=False)
    except UnicodeDecodeError as error:
        raise CharsetUndecodable(f"bytes of {codec}; those at offset {error.start} are not", path="MSH-18") from None


def _is_utf8(body: bytes) -> bool:
    """Whether the bytes are well-formed UTF-8."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _guessed(body: bytes, label: str, flags: list[Flag]) -> tuple[str, Charset]:
    """UTF-8 if the bytes are well-formed UTF-8, which western text hardly ever is by chance; else Windows' western."""
    if _is_utf8(body):
        flags.append(Flag("MSH-18", "does not name the character set of the bytes; read as UTF-8"))
        return body.decode("utf-8"), Charset(label, "utf-8", guessed=True)
    flags.append(Flag("MSH-18", "does not name the character set of the bytes; read as Windows-1252"))
    text, charset = _western(body, label, "cp1252", flags)
    return text, Charset(label, charset.codec, guessed=True)


def _western(body: bytes, label: str, codec: str, flags: list[Flag]) -> tuple[str, Charset]:
    """8859/1, read as Windows-1252 where bytes 0x80-0x9F show that it is; ISO's own where Windows has no character."""
    if codec == "iso8859-1":
        if not body.translate(None, _NOT_C1):
            return body.decode(codec), Charset(label, codec, guessed=False)
        flags.append(Flag("MSH-18", "bytes 0x80-0x9F are no text in 8859/1; read as Windows-1252"))
    try:
        return body.decode("cp1252"), Charset(label, "cp1252", guessed=codec != "cp1252")
    except UnicodeDecodeError:
        flags.append(Flag("MSH-18", "bytes that Windows-1252 does not define; read as 8859/1"))
        return body.decode("iso8859-1"), Charset(label, "iso8859-1", guessed=True)


def _lines(text: str, limits: Limits, flags: list[Flag]) -> list[str]:
    """The frame's lines, ended by CR as the standard wants, or by LF or CRLF as some send them."""
    if "\n" in text:
        pairs, feeds, returns = text.count("\r\n"), text.count("\n"), text.count("\r")
        ends = "CRLF" if pairs == feeds == returns else "LF" if returns == 0 else "CR, LF and CRLF mixed"
        flags.append(Flag("", f"lines end in {ends}; the standard wants CR"))
        text = text.replace("\r\n", "\r").replace("\n", "\r")
    lines = text.split("\r", limits.segments + 1)
    if len(lines) > limits.segments + (lines[-1] == ""):
        raise LimitExceeded(f"at most {limits.segments} lines are read")
    return lines


def _segments(lines: list[str], separators: Separators, flags: list[Flag]) -> tuple["Segment", ...]:
    """Every line that is not blank, in order; one flag for the first of each oddity."""
    found: list[Segment] = []
    counts: dict[str, int] = {}
    lower = stray = False
    field = separators.field
    for line in lines:
        if not line or line.isspace():
            continue
        sent = _name(line, field)
        name = sent if sent.isupper() else sent.upper()
        counts[name] = occurrence = counts.get(name, 0) + 1
        segment = Segment(name, occurrence, len(found) + 1, line, separators)
        found.append(segment)
        if name != sent and not lower:
            lower = True
            flags.append(Flag(segment.path(), "a segment name is written in lower case"))
        if not name and not stray:
            stray = True
            flags.append(Flag(segment.path(), "a line is no segment; it is kept as text"))
    return tuple(found)


def _name(line: str, separator: str) -> str:
    """The line's segment name as sent: three ASCII letters or digits before a separator or the end; else empty."""
    name, behind = line[:_NAME_LENGTH], line[_NAME_LENGTH : _NAME_LENGTH + 1]
    if not (name.isalnum() and name.isascii()) or (behind and behind != separator):
        return ""
    return name if len(name) == _NAME_LENGTH else ""


def _check(segments: Iterable["Segment"], separators: Separators, limits: Limits) -> None:
    """Return when no segment and no field is larger than the limits; most segments are too short to be."""
    smallest = min(limits.fields, limits.repetitions, limits.components)
    for segment in segments:
        if len(segment.raw) < smallest:
            continue
        if _many(segment.raw, separators.field, limits.fields + 1):  # the name is a part too
            raise LimitExceeded(f"at most {limits.fields} fields in a segment are read", path=segment.path())
        _check_fields(segment, separators.repetition, limits.repetitions, "repetitions")
        _check_fields(segment, separators.component, limits.components, "components")
        _check_fields(segment, separators.subcomponent, limits.components, "sub-components")


def _check_fields(segment: "Segment", separator: str, limit: int, parts: str) -> None:
    """Return when no field has more parts than the limit; the fields are split only if the segment has as many."""
    if not _many(segment.raw, separator, limit):
        return
    for number in range(1, segment.field_count + 1):
        if not segment.opaque(number) and _many(segment.whole(number), separator, limit):
            raise LimitExceeded(f"at most {limit} {parts} in a field are read", path=segment.path(number))


def _many(text: str, separator: str, limit: int) -> bool:
    """Whether the text has more parts than the limit; one search after the other is the fastest way through base64."""
    if len(text) < limit:
        return False
    at = -1
    for _ in range(limit):
        at = text.find(separator, at + 1)
        if at < 0:
            return False
    return True


class Message:
    """One frame, as sent and as understood.

    Attributes:
        raw: the frame's bytes.
        separators: its delimiters.
        charset: in what it was read.
        flags: what was odd and tolerated; each oddity once, at its first place. The path is terser, or ``#n`` for the
            n-th segment where it has no name.
        segments: in order, the header included. A line that is no segment has the name ``""``; blank lines are none.

    """

    __slots__ = ("_by_name", "charset", "flags", "raw", "segments", "separators")

    def __init__(
        self,
        raw: bytes,
        separators: Separators,
        charset: Charset,
        flags: tuple[Flag, ...],
        segments: tuple["Segment", ...],
    ) -> None:
        self.raw = raw
        self.separators = separators
        self.charset = charset
        self.flags = flags
        self.segments = segments
        self._by_name: dict[str, list[Segment]] = {}
        for segment in segments:
            self._by_name.setdefault(segment.name, []).append(segment)

    def __bytes__(self) -> bytes:
        return self.raw

    def __repr__(self) -> str:
        return f"<Message of {len(self.segments)} segments, {len(self.raw)} bytes>"

    def first(self, name: str) -> "Segment | None":
        """The first segment of this name (in capitals), if any."""
        found = self._by_name.get(name)
        return found[0] if found else None

    def all(self, name: str) -> tuple["Segment", ...]:
        """The segments of this name (in capitals), in order."""
        return tuple(self._by_name.get(name, ()))

    def counts(self) -> tuple[tuple[str, int], ...]:
        """How many segments of each name came in, in order of first sight; stray lines count under ``""``."""
        return tuple((name, len(found)) for name, found in self._by_name.items())

    def text(self, path: str) -> str:
        """The decoded, unescaped value at a terser path (``PID-3[2].4.1``, ``OBX[3]-5``); "" if absent or null.

        Numbers start at 1; a component or sub-component that is left out is the first.

        Raises:
            ValueError: the path is none.

        """
        place = terser.parse(path)
        if not place.field:
            raise ValueError("a path is that of a field here, such as PID-3")
        segment = self.at(place)
        if segment is None:
            return ""
        return segment.text(
            place.field, place.component or 1, place.subcomponent or 1, repetition=place.repetition or 1
        )

    def at(self, place: terser.Place) -> "Segment | None":
        """The segment of a place, if it came; the first of its name where the place does not say which."""
        found = self._by_name.get(place.segment, ())
        return found[(place.occurrence or 1) - 1] if place.occurrence <= len(found) > 0 else None


class Segment:
    """One line of the frame; its fields are split when the first is asked for, and deeper only where asked.

    Attributes:
        name: in capitals; ``""`` for a line that is no segment.
        occurrence: place among the segments of its name, from 1.
        position: place in the message, from 1.
        raw: the line, decoded, without its end.

    """

    __slots__ = ("_fields", "_separators", "name", "occurrence", "position", "raw")

    def __init__(self, name: str, occurrence: int, position: int, raw: str, separators: Separators) -> None:
        self.name = name
        self.occurrence = occurrence
        self.position = position
        self.raw = raw
        self._separators = separators
        self._fields: list[str] | None = None

    def __repr__(self) -> str:
        return f"<Segment {self.name or 'unnamed'} #{self.position} of {len(self.raw)} characters>"

    def path(self, field: int = 0, component: int = 0, subcomponent: int = 0, *, repetition: int = 0) -> str:
        """The terser path of a place in it, as short as can be; ``#n`` for the n-th line, which is no segment."""
        if not self.name:
            return f"#{self.position}"
        occurrence = self.occurrence if self.occurrence > 1 else 0
        again = repetition if repetition > 1 else 0
        return str(terser.Place(self.name, occurrence, field, again, component, subcomponent))

    @property
    def field_count(self) -> int:
        """The number of the last field sent, empty ones included; 0 for a line that is no segment."""
        return len(self._split()) - 1

    def whole(self, field: int) -> str:
        """The field as sent, separators and escapes untouched; "" if absent."""
        fields = self._fields or self._split()
        if 0 < field < len(fields):
            return fields[field]
        if field < 1:
            raise ValueError("fields are numbered from 1")
        return ""

    def text(self, field: int, component: int = 1, subcomponent: int = 1, *, repetition: int = 1) -> str:
        """The value, decoded and unescaped; "" if absent or null."""
        fields = self._fields or self._split()
        whole = fields[field] if 0 < field < len(fields) else self.whole(field)
        if not whole or (component == subcomponent == repetition == 1 and whole.isalnum()):
            return whole  # no delimiter, escape or null is a letter or digit
        if field == _ENCODING_FIELD and self.opaque(field):
            return whole
        separators = self._separators
        if repetition != 1 or separators.repetition in whole:
            whole = _nth(whole, separators.repetition, repetition)
        return _text(whole, component, subcomponent, separators)

    def is_null(self, field: int, component: int = 1, *, repetition: int = 1) -> bool:
        """Whether the value is the HL7 null: the sender wants it deleted."""
        part = _nth(self.whole(field), self._separators.repetition, repetition)
        return _nth(part, self._separators.component, component) == NULL

    def repetitions(self, field: int) -> "tuple[Repetition, ...]":
        """The field's repetitions, in order; none if it is empty or absent."""
        whole = self.whole(field)
        if not whole:
            return ()
        parts = [whole] if self.opaque(field) else whole.split(self._separators.repetition)
        return tuple(Repetition(part, self._separators) for part in parts)

    def opaque(self, field: int) -> bool:
        """Whether the field is the encoding characters themselves."""
        return field == _ENCODING_FIELD and self.name in HEADERS

    def _split(self) -> list[str]:
        """The fields by number, the name at 0."""
        if self._fields is None:
            separator = self._separators.field
            self._fields = self.raw.split(separator) if self.name else [""]
            if self.name in HEADERS:
                self._fields.insert(1, separator)
        return self._fields


class Repetition:
    """One repetition of a field.

    Attributes:
        whole: as sent, separators and escapes untouched.

    """

    __slots__ = ("_components", "_separators", "whole")

    def __init__(self, whole: str, separators: Separators) -> None:
        self.whole = whole
        self._separators = separators
        self._components: list[str] | None = None

    def __repr__(self) -> str:
        return f"<Repetition of {len(self.whole)} characters>"

    @property
    def component_count(self) -> int:
        """How many components were sent, empty ones included; 0 for an empty repetition."""
        return self.whole.count(self._separators.component) + 1 if self.whole else 0

    @property
    def blank(self) -> bool:
        """Whether it holds nothing but separators and spaces."""
        return not self.whole.strip(f"{self._separators.component}{self._separators.subcomponent} ")

    def text(self, component: int = 1, subcomponent: int = 1) -> str:
        """The value, decoded and unescaped; "" if absent or null."""
        if component < 1:
            raise ValueError("components are numbered from 1")
        if self._components is None:
            self._components = self.whole.split(self._separators.component)
        found = self._components
        value = found[component - 1] if component <= len(found) else ""
        if not value or (subcomponent == 1 and value.isalnum()):
            return value
        return _text(value, 1, subcomponent, self._separators)

    def plain(self, component: int = 1) -> str:
        """The value of a component whose type has no parts (ST, ID): a sub-component separator in it is a character.

        What is cut there would be another identifier; "" if absent or null.
        """
        value = _nth(self.whole, self._separators.component, component)
        if self._separators.subcomponent not in value:
            return self.text(component)
        return unescape(value, self._separators)

    def is_null(self, component: int = 1) -> bool:
        """Whether the component is the HL7 null."""
        return _nth(self.whole, self._separators.component, component) == NULL


def _nth(text: str, separator: str, number: int) -> str:
    """The n-th part of the text, from 1; "" if it has fewer. Parts behind it are not looked at."""
    if number == 1:
        end = text.find(separator)
        return text if end < 0 else text[:end]
    if number < 1:
        raise ValueError("repetitions, components and sub-components are numbered from 1")
    parts = text.split(separator, number)
    return parts[number - 1] if number <= len(parts) else ""


def _text(repetition: str, component: int, subcomponent: int, separators: Separators) -> str:
    """The unescaped value inside one repetition; "" if absent or null."""
    if component == subcomponent == 1:
        end = repetition.find(separators.component)
        part = repetition if end < 0 else repetition[:end]
        end = part.find(separators.subcomponent)
        value = part if end < 0 else part[:end]
    else:
        value = _nth(_nth(repetition, separators.component, component), separators.subcomponent, subcomponent)
    if value == NULL:
        return ""
    return unescape(value, separators) if separators.escape in value else value


def escape(text: str, separators: Separators = DEFAULT_SEPARATORS) -> str:
    r"""The text can stand in a field: ``unescape`` gives it back (2.5.1 §2.7).

    Delimiters become \F\ and its kin, line ends \X0D\ and \X0A\; the two characters of the null, alone, become hex.
    """
    if text == NULL:
        return f"{separators.escape}X2222{separators.escape}"
    return text.translate(_escapes(separators))


@lru_cache(maxsize=256)
def _escapes(separators: Separators) -> dict[int, str]:
    mark = separators.escape
    codes = {character: code for code, character in _delimiters(separators).items()} | {"\r": "X0D", "\n": "X0A"}
    return {ord(character): f"{mark}{code}{mark}" for character, code in codes.items()}


def _delimiters(separators: Separators) -> dict[str, str]:
    """Escape code -> delimiter (2.5.1 §2.7.1; P from 2.7)."""
    pairs = {
        "F": separators.field,
        "S": separators.component,
        "T": separators.subcomponent,
        "R": separators.repetition,
        "E": separators.escape,
        "P": separators.truncation,
    }
    return {code: character for code, character in pairs.items() if character}


def unescape(text: str, separators: Separators = DEFAULT_SEPARATORS) -> str:
    r"""The text as a person reads it (2.5.1 §2.7).

    \F\ \S\ \T\ \R\ \E\ \P\ give the delimiter, \Xdd..\ the characters of these bytes, \.br\ and its kin line ends and
    spaces, \H\ and \N\ nothing. What is no known escape stays as it is, and so do the character set switches \C..\ and
    \M..\: what follows one is in a set that is not read here, and dropping the mark would hide that.
    """
    if separators.escape not in text:
        return text
    pattern, meanings, delimiters = _escape_syntax(separators)

    def meaning(found: re.Match[str]) -> str:
        as_sent = found[0]
        known = meanings.get(as_sent)
        if known is None:
            known = _meaning(found[1], as_sent, delimiters)
            if len(as_sent) <= _SHORT_ESCAPE and len(meanings) < _MOST_MEANINGS:
                meanings[as_sent] = known
        return known

    return pattern.sub(meaning, text)


@lru_cache(maxsize=64)
def _escape_syntax(separators: Separators) -> tuple[re.Pattern[str], dict[str, str], dict[str, str]]:
    """How escapes are found, what short ones were seen to mean, and what the delimiters' mean."""
    mark = re.escape(separators.escape)
    return re.compile(rf"{mark}((?!{mark})[A-Z.][^{mark}\s]*){mark}"), {}, _delimiters(separators)


def _meaning(code: str, as_sent: str, delimiters: dict[str, str]) -> str:
    """What one escape stands for; itself if it is unknown."""
    if code in delimiters:
        return delimiters[code]
    if code in {"H", "N"}:
        return ""
    if len(code) % 2 and (hexadecimal := _HEXADECIMAL.fullmatch(code)):  # X and whole bytes
        text = _characters(bytes.fromhex(hexadecimal[1]))
        return as_sent if "\0" in text else text  # a NUL is in no text: the escape stays visible
    if command := _COMMAND.fullmatch(code):
        return _layout(command[1].lower(), int(command[2] or 1))
    return as_sent


def _characters(data: bytes) -> str:
    r"""The bytes of an \Xdd..\ escape as text, by the rule for frames without a label."""
    return _guessed(data, "", [])[0]


def _layout(command: str, count: int) -> str:
    """A formatting command of 2.5.1 §2.7.6 in plain text; indents and fill modes have none.

    At most nine spaces or lines are skipped, so that a text hardly outgrows its field (promise P9).
    """
    if command in {"br", "ce"}:
        return "\n"
    return {"sp": "\n", "sk": " "}.get(command, "") * min(count, 9)
