"""Whom and what a message is about, told cheaply and before it is understood: what its partition follows from."""

from collections.abc import Iterator

from gateway.er7 import Message

_PATIENTS = (("PID", 3), ("MRG", 1))
_OBJECTS = (("SCH", 1), ("SCH", 2), ("ORC", 2), ("ORC", 3), ("OBR", 2), ("OBR", 3), ("TXA", 12), ("PV1", 19))


def subjects(message: Message) -> tuple[str, ...]:
    """Give every identifier of the patients named (PID-3, MRG-1); where none is, the numbers of what it is about."""
    return tuple(_values(message, _PATIENTS)) or tuple(_values(message, _OBJECTS))


def _values(message: Message, places: tuple[tuple[str, int], ...]) -> Iterator[str]:
    for name, field in places:
        for segment in message.all(name):
            for repetition in segment.repetitions(field):
                if value := repetition.plain().strip():
                    yield value
