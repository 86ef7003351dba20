"""Where the traits of a record came from: which source told each, by which message, and when (EXI SI 14)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

from gateway.facts import Traits

_NAMES = tuple(f.name for f in fields(Traits))


@dataclass(frozen=True, slots=True)
class Trace:
    """What one message told of a record, as far as it stands.

    Attributes:
        source: who told it.
        message: number of the message.
        at: aware instant at which it was told, by the sender's clock if it says so.
        traits: names of the traits that are as it told them.

    """

    source: str
    message: int
    at: datetime
    traits: tuple[str, ...]


def traced(
    known: Sequence[Trace], held: Traits, told: Traits, source: str, message: int, at: datetime
) -> tuple[Trace, ...]:
    """Give where traits come from once a message has changed some of them: those that it leaves keep their origin.

    Args:
        known: where those held came from.
        held: as they were.
        told: as they are by now.
        source: who told it.
        message: number of the message.
        at: aware instant.

    """
    changed = tuple(name for name in _NAMES if getattr(told, name) and getattr(told, name) != getattr(held, name))
    gone = {name for name in _NAMES if getattr(told, name) != getattr(held, name)}
    if not gone:
        return tuple(known)
    kept = (replace(each, traits=tuple(t for t in each.traits if t not in gone)) for each in known)
    return tuple(each for each in (*kept, Trace(source, message, at, changed)) if each.traits)
