"""A message for people: segments and fields by name, values masked unless their reader says why."""

from collections.abc import Iterator
from typing import Any

from adapters.hl7v2.dictionary import field_name, segment_name
from gateway import er7
from gateway.errors import GatewayError
from gateway.terser import Place

PLAIN_SEGMENTS = frozenset({"MSH", "EVN", "MSA", "ERR", "FHS", "BHS", "BTS", "FTS"})
"""Segments that name systems and events, not patients."""

LONGEST_VALUE = 200
"""Characters of a value shown; a document's base64 is told by its length."""


def read_for_display(raw: bytes, charset: str = "") -> er7.Message | None:
    """Give the message as far as it can be read, in its source's character set; None if it cannot."""
    try:
        return er7.read(raw, charset=charset)
    except GatewayError:
        return None


def describe(message: er7.Message, *, reveal: bool, place: Place | None = None) -> list[dict[str, Any]]:
    """Give each segment with its fields' paths, names and values; a masked value tells its length only.

    Args:
        message: the message.
        reveal: show the values.
        place: only what stands there: in each segment of the name and each repetition, where it does not say which.

    """
    version = message.text("MSH-12.1")
    segments = message.segments if place is None else message.all(place.segment)
    return [
        _segment(version, segment, place or Place(segment.name), reveal=reveal)
        for segment in segments
        if place is None or place.occurrence in {0, segment.occurrence}
    ]


def _segment(version: str, segment: er7.Segment, place: Place, *, reveal: bool) -> dict[str, Any]:
    shown = reveal or segment.name in PLAIN_SEGMENTS
    if not segment.name:
        fields = [{"path": "", "label": "stray line", "value": _value(segment.raw, shown=shown)}]
        return {"segment": "?", "label": "", "fields": fields}
    numbers = [place.field] if place.field else range(1, segment.field_count + 1)
    fields = [
        {"path": path, "label": field_name(version, segment.name, n), "value": _value(value, shown=shown)}
        for n in numbers
        for path, value in _values(segment, n, place)
    ]
    return {"segment": segment.name, "label": segment_name(version, segment.name), "fields": fields}


def _values(segment: er7.Segment, number: int, place: Place) -> Iterator[tuple[str, str]]:
    """The field as sent; where the place goes deeper, its repetitions as sent, or the values there as understood."""
    if not place.repetition and not place.component:
        if whole := segment.whole(number):
            yield segment.path(number), whole
        return
    for n, repetition in enumerate(segment.repetitions(number), 1):
        if place.repetition in {0, n}:
            deep = place.subcomponent or 1
            value = repetition.text(place.component, deep) if place.component else repetition.whole
            if value:
                yield segment.path(number, place.component, place.subcomponent, repetition=n), value


def _value(value: str, *, shown: bool) -> str:
    if not shown:
        return f"({len(value)})"
    return value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}… ({len(value)})"
