"""Whom to compare a record with: records that share a key. Keys are short hashes, so they tell nobody's name."""

from collections.abc import Iterator
from hashlib import blake2b

from gateway.matching.phonetics import skeleton
from gateway.matching.record import Prepared, skeletons

Key = str
"""A letter that names the kind, and a hash."""


def keys(one: Prepared) -> frozenset[Key]:
    """Give the keys under which a record is found."""
    return frozenset(f"{kind}{_hash(kind, *parts)}" for kind, *parts in _keys(one) if all(parts))


def _hash(*parts: str) -> str:
    return blake2b("|".join(parts).encode(), digest_size=9).hexdigest()


def _keys(one: Prepared) -> Iterator[tuple[str, ...]]:
    yield from _of_names(one)
    yield from _of_birth(one)
    yield "f", one.ins
    yield "g", one.local_identifier
    yield "h", one.phone, one.date.year
    yield from _of_whereabouts(one)


def _of_names(one: Prepared) -> Iterator[tuple[str, ...]]:
    """What finds a record whose date of birth is lost or wrong."""
    heard = skeleton(one.given) if one.given else ""
    for family in skeletons(one):
        pair = sorted((family, heard))
        yield "d", one.date.year, family, one.family[:2]
        yield "e", *pair, one.date.year[:3]
        yield "l", *pair, one.sex or "?"
    yield "m", one.family, one.given[:2]
    yield "n", one.given, one.family[:3]


def _of_birth(one: Prepared) -> Iterator[tuple[str, ...]]:
    """What finds a record whose names were written down by somebody else."""
    born = one.date
    for family in skeletons(one):
        yield "a", born.text, family
    for given in {one.given, one.given_used}:
        yield "b", born.text, given[:3]
    for name in {one.family[:2], one.given[:2]}:
        yield "c", *sorted((born.month, born.day)), name, born.year[:2]
    yield "i", born.text, one.sex, one.place
    yield "j", born.text


def _of_whereabouts(one: Prepared) -> Iterator[tuple[str, ...]]:
    yield "k", one.postal_code, one.address
    yield "o", one.city, one.address
    yield "p", one.postal_code, one.family[:3]
    yield "q", one.city, one.family[:3]
    for name in {one.family[:2], one.given[:2]}:
        yield "r", one.city, one.postal_code, name
