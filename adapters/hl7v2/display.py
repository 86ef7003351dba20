"""A message for people: segments and fields by name, values masked unless their reader says why."""

from typing import Any

from adapters.hl7v2.dictionary import field_name, segment_name
from gateway import er7
from gateway.errors import GatewayError

PLAIN_SEGMENTS = frozenset({"MSH", "EVN", "MSA", "ERR", "FHS", "BHS", "BTS", "FTS"})
"""Segments that name systems and events, not patients."""

LONGEST_VALUE = 200
"""Characters of a value shown; a document's base64 is told by its length."""


def read_for_display(raw: bytes) -> er7.Message | None:
    """Give the message as far as it can be read; None if it cannot."""
    try:
        return er7.read(raw)
    except GatewayError:
        return None


def describe(message: er7.Message, *, reveal: bool) -> list[dict[str, Any]]:
    """Give each segment with its fields' paths, names and values; a masked value tells its length only."""
    version = message.text("MSH-12.1")
    return [_segment(version, segment, reveal=reveal) for segment in message.segments]


def _segment(version: str, segment: er7.Segment, *, reveal: bool) -> dict[str, Any]:
    shown = reveal or segment.name in PLAIN_SEGMENTS
    if not segment.name:
        fields = [{"path": "", "label": "stray line", "value": _value(segment.raw, shown=shown)}]
        return {"segment": "?", "label": "", "fields": fields}
    fields = [
        {
            "path": f"{segment.name}-{n}",
            "label": field_name(version, segment.name, n),
            "value": _value(segment.whole(n), shown=shown),
        }
        for n in range(1, segment.field_count + 1)
        if segment.whole(n)
    ]
    return {"segment": segment.name, "label": segment_name(version, segment.name), "fields": fields}


def _value(value: str, *, shown: bool) -> str:
    if not shown:
        return f"({len(value)})"
    return value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}… ({len(value)})"
