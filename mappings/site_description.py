"""A site said in lines, one for each thing that is set: what two of them differ in, and which version one is."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial

from gateway.site import Site

DIGITS = 12
"""Hexadecimal digits that name a version."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is set otherwise.

    Attributes:
        path: where it stands: ``rules[emergency-visit].to``.
        before: what was set; empty: nothing.
        after: what is set; empty: nothing.

    """

    path: str
    before: str
    after: str


def described(site: Site) -> dict[str, str]:
    """Give a site as path -> value; what is not set is left out, so that a new setting changes no old description."""
    return dict(sorted(_lines("", site)))


def version(description: Mapping[str, str]) -> str:
    """Give the name of a description: the first digits of its SHA-256."""
    text = "\n".join(f"{path}={value!r}" for path, value in description.items())
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """Give what two descriptions differ in, by path."""
    paths = sorted({*before, *after})
    pairs = ((path, before.get(path, ""), after.get(path, "")) for path in paths)
    return [Difference(path, old, new) for path, old, new in pairs if old != new]


def _lines(path: str, value: object) -> Iterator[tuple[str, str]]:
    """Give the lines of a value; a list of named things is told by their names, and in which order they stand."""
    if is_dataclass(value):
        members = ((f.name, getattr(value, f.name)) for f in fields(value) if f.name != "version")
        for name, member in members:
            yield from _lines(f"{path}.{name}" if path else name, member)
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield from _lines(f"{path}[{key}]", member)
    elif isinstance(value, tuple) and value and is_dataclass(value[0]):
        names = [_name(member, place) for place, member in enumerate(value)]
        yield f"{path}.order", ", ".join(names)
        for name, member in zip(names, value, strict=True):
            yield from _lines(f"{path}[{name}]", member)
    elif value not in (None, "", False, (), frozenset()):
        yield path, _said(value)


def _said(value: object) -> str:
    """Give a value in one line, the same in every process."""
    if isinstance(value, partial):  # which public holidays: a function of the place
        return ", ".join(map(str, value.args))
    if isinstance(value, frozenset):
        return ", ".join(sorted(map(_said, value)))
    if isinstance(value, tuple):
        return ", ".join(f"({_said(each)})" if isinstance(each, tuple) else _said(each) for each in value)
    if is_dataclass(value):
        return "-".join(_said(getattr(value, f.name)) for f in fields(value))
    return str(value)


def _name(member: object, place: int) -> str:
    return str(getattr(member, "id", "") or getattr(member, "name", "") or place)
