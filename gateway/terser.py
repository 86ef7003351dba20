"""Terser paths: how people, rules, errors and profiles name a place in an HL7 v2 message; read and written here alone.

``PID-3[2].4.1`` is the first sub-component of the fourth component of the second repetition of the third field of the
PID; ``OBX[2]-5`` the fifth field of the second OBX; ``ZBE`` the segment itself. Numbers start at 1.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_NUMBER: Final = "([1-9][0-9]{0,5})"
_PATH: Final = re.compile(
    rf"([A-Za-z0-9]{{3}})(?:\[{_NUMBER}\])?"
    rf"(?:-{_NUMBER}(?:\[{_NUMBER}\])?(?:\.{_NUMBER}(?:\.{_NUMBER})?)?)?"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a message. What a path leaves out is 0: the first of its kind, or all of it, as its reader has it.

    Attributes:
        segment: name in capitals.
        occurrence: among the segments of this name.
        field: 0 is the segment itself.
        repetition: of the field.
        component: 0 is the whole field or repetition.
        subcomponent: 0 is the whole component.

    """

    segment: str
    occurrence: int = 0
    field: int = 0
    repetition: int = 0
    component: int = 0
    subcomponent: int = 0

    def __str__(self) -> str:
        """The path, e.g. ``PID-3[2].4.1``."""
        path = self.segment + _bracketed(self.occurrence)
        if self.field:
            path += f"-{self.field}{_bracketed(self.repetition)}"
        if self.component:
            path += f".{self.component}"
        if self.subcomponent:
            path += f".{self.subcomponent}"
        return path


def _bracketed(number: int) -> str:
    return f"[{number}]" if number else ""


@lru_cache(maxsize=4096)
def parse(path: str) -> Place:
    """The place that a path names.

    Raises:
        ValueError: it is no path.

    """
    found = _PATH.fullmatch(path)
    if found is None:
        raise ValueError("a path is a segment name and a field, such as PID-3[2].4.1")
    return Place(found[1].upper(), *(int(n or 0) for n in found.groups()[1:]))
