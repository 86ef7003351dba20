"""Embedded content: what an OBX of type ED holds (2.5.1, ED), known by type, size and digest."""

import binascii
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from gateway.er7 import Message, Repetition, Segment, Separators
from gateway.errors import DataTypeInvalid
from mappings.hl7v2.tables import ENCAPSULATED, MEDIA_TYPES

_SPACES = str.maketrans("", "", " \t\r\n")
_SLICE: Final = 48 * 1024
"""Characters decoded at a time: a document of many megabytes is never whole in memory a second time."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a message carries.

    Attributes:
        media_type: e.g. ``application/pdf``; empty if there is none.
        size: decoded size in bytes.
        sha256: hex digest of the decoded bytes.

    """

    media_type: str = ""
    size: int = 0
    sha256: str = ""


def media_type(value: Repetition) -> str:
    """Give the MIME type of an ED: its type (table 0191) and subtype; ``application/octet-stream`` if it has none."""
    kind, subtype = value.text(2).strip(), value.text(3).strip().lower()
    kind = MEDIA_TYPES.get(kind.upper(), kind.lower())
    if "/" in kind:
        return kind
    if kind == "text":
        return f"text/{subtype or 'plain'}"
    return f"{kind or 'application'}/{subtype}" if subtype else "application/octet-stream"


def with_whole_contents(message: Message) -> Message:
    """Give the message with each embedded content in one piece: an ED that its sender cut is one value all the same.

    Base64 is broken into lines by many encoders (RFC 2045 §6.8), which HL7 takes for segments or, written as ``~``, for
    repetitions: a line that is no segment goes on where the OBX before it ended, the fields behind it included; so does
    a repetition that is no ED of its own.
    """
    whole: dict[int, Segment] = {}
    cut = message.first("") is not None
    for obx in message.all("OBX"):
        if obx.text(2).strip().upper() != ENCAPSULATED:
            continue
        raw = "\n".join([obx.raw, *_lines_behind(message, obx)]) if cut else obx.raw
        joined = Segment(obx.name, obx.occurrence, obx.position, raw, message.separators)
        raw = _without_repetitions(joined, message.separators)
        if raw is not obx.raw:
            whole[obx.position] = Segment(obx.name, obx.occurrence, obx.position, raw, message.separators)
    if not whole:
        return message
    segments = tuple(whole.get(s.position, s) for s in message.segments)
    return Message(message.raw, message.separators, message.charset, message.flags, segments)


def _lines_behind(message: Message, obx: Segment) -> Iterator[str]:
    return (s.raw for s in takewhile(lambda s: not s.name, message.segments[obx.position :]))


def _without_repetitions(obx: Segment, separators: Separators) -> str:
    """The segment, its content without a repetition separator where what follows is no ED of its own."""
    value = obx.whole(5)
    if separators.repetition not in value:
        return obx.raw
    _, *others = value.split(separators.repetition)
    if any(separators.component in other for other in others):
        return obx.raw
    fields = obx.raw.split(separators.field)
    fields[5] = value.replace(separators.repetition, "\n")
    return separators.field.join(fields)


def content_of(lines: Sequence[Segment], path: str) -> Content:
    """Give the first embedded content of the OBX, else their text as one; nothing if they hold nothing.

    Raises:
        DataTypeInvalid: the content is not in the encoding that ED-4 names; ``path`` is where it is looked for.

    """
    embedded = next((s for s in lines if s.text(2).strip().upper() == ENCAPSULATED), None)
    if embedded is not None:
        return _embedded(embedded.repetitions(5), path)
    text = "\n".join(r.text() for s in lines for r in s.repetitions(5))
    return _content("text/plain", text.encode()) if text.strip() else Content()


def _embedded(values: Sequence[Repetition], path: str) -> Content:
    if not values or not values[0].text(5).strip():
        return Content()
    size, digest = 0, hashlib.sha256()
    for piece in pieces_of(values[0], path):
        size += len(piece)
        digest.update(piece)
    return Content(media_type(values[0]), size, digest.hexdigest())


def pieces_of(value: Repetition, path: str) -> Iterator[bytes]:
    """Give the decoded content of an ED in pieces, by table 0299: Base64, Hex, or A for none.

    Raises:
        DataTypeInvalid: the content is not in the encoding that its fourth component names; ``path`` is where it is.

    """
    encoding, data = value.text(4).strip().upper(), value.text(5)
    try:
        yield from _DECODERS.get(encoding, _plain)(data)
    except ValueError:
        rule = f"content of {len(data)} characters in the encoding that its fourth component names"
        raise DataTypeInvalid(rule, path=path) from None


def _slices(data: str) -> Iterator[str]:
    """The text in slices without white space."""
    for at in range(0, len(data), _SLICE):
        piece = data[at : at + _SLICE]
        yield piece if piece.isalnum() else piece.translate(_SPACES)


def _base64(data: str) -> Iterator[bytes]:
    kept, ended = "", False
    for piece in _slices(data):
        kept += piece
        if kept and ended:
            raise ValueError("content behind the padding")
        whole = len(kept) - len(kept) % 4
        if whole:
            yield binascii.a2b_base64(kept[:whole].encode("ascii"), strict_mode=True)
            ended, kept = kept[whole - 1] == "=", kept[whole:]
    if kept:
        raise ValueError("content that ends within four characters")


def _hexadecimal(data: str) -> Iterator[bytes]:
    yield bytes.fromhex(data)


def _plain(data: str) -> Iterator[bytes]:
    for at in range(0, len(data), _SLICE):
        yield data[at : at + _SLICE].encode()


_DECODERS: Final[Mapping[str, Callable[[str], Iterator[bytes]]]] = {"BASE64": _base64, "HEX": _hexadecimal}


def _content(kind: str, data: bytes) -> Content:
    return Content(kind, len(data), hashlib.sha256(data).hexdigest())
