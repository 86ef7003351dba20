"""One value, one sequence of bytes: the JSON Canonicalization Scheme (RFC 8785) for what the audit trail holds.

That is null, booleans, text, whole numbers that a double holds exactly, and lists and objects of these. A fraction is
refused: nothing here has one, and its canonical form is the one rule of the RFC that programs are known to get wrong.
"""

from collections.abc import Mapping
from json import encoder

quoted = encoder.encode_basestring
"""Gives a text in quotes, with the escapes of RFC 8785, 3.2.2.2, and no other."""

MOST = 2**53 - 1
"""Largest whole number that is the same in every program (RFC 8785, 3.2.2.3; RFC 7493, 2.2)."""


def encoded(value: object) -> bytes:
    """Give the canonical bytes.

    Raises:
        TypeError: a kind of value that is not ours.
        ValueError: a number beyond MOST, or text that is no Unicode (a lone surrogate).

    """
    return written(value).encode()


def written(value: object) -> str:
    """Give the canonical text; raises as `encoded`, but for what is no Unicode."""
    match value:
        case str():
            return quoted(value)
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            if not -MOST <= value <= MOST:
                raise ValueError("a number that a double holds exactly is expected")
            return int.__repr__(value)
        case list() | tuple():
            return f"[{','.join(map(written, value))}]"
        case Mapping():
            return members(value)
        case _:
            raise TypeError("null, a boolean, a text, a whole number, a list or an object is expected")


def members(record: Mapping[str, object]) -> str:
    """Give an object, its members in the order of their names' UTF-16 code units (3.2.3)."""
    if not record:
        return "{}"
    names = sorted(record, key=None if all(map(str.isascii, record)) else _units)
    return "{" + ",".join(f"{quoted(name)}:{written(record[name])}" for name in names) + "}"


def _units(name: str) -> bytes:
    return name.encode("utf-16-be")
