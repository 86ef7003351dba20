"""Merkle trees as certificate transparency builds them (RFC 6962, section 2.1): a root that binds every leaf's bytes.

A leaf's hash begins with 0x00 and a node's with 0x01, so that neither can stand for the other; a tree that is not full
is split at the largest power of two below its size.
"""

import hashlib
from collections.abc import Iterable, Sequence


def leaf(data: bytes) -> bytes:
    """Give the hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Give the hash of a node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows by one leaf at a time, and remembers only what its root needs."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._full: list[bytes] = []
        for each in leaves:
            self.add(each)

    def add(self, data: bytes) -> None:
        """Add a leaf: it closes as many full subtrees as its number has trailing ones."""
        top, number, full = leaf(data), self.size, self._full
        while number & 1:
            top, number = node(full.pop(), top), number >> 1
        full.append(top)
        self.size += 1

    def root(self) -> bytes:
        """Give the root; of an empty tree, the hash of nothing."""
        if not self._full:
            return hashlib.sha256().digest()
        *others, top = self._full
        for left in reversed(others):
            top = node(left, top)
        return top


def path(leaves: Sequence[bytes], place: int) -> list[bytes]:
    """Give the audit path of a leaf: the neighbours that lead from it to the root, the nearest first (2.1.1).

    Args:
        leaves: the data of all leaves.
        place: the leaf's, from 0.

    """
    if len(leaves) <= 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if place < split:
        return [*path(leaves[:split], place), Tree(leaves[split:]).root()]
    return [*path(leaves[split:], place - split), Tree(leaves[:split]).root()]


def root_by_path(data: bytes, place: int, size: int, neighbours: Sequence[bytes]) -> bytes | None:
    """Give the root that a leaf's audit path leads to (RFC 9162, 2.1.3.2); None where the path is none of this size."""
    if not 0 <= place < size:
        return None
    here, last, top = place, size - 1, leaf(data)
    for neighbour in neighbours:
        if last == 0:
            return None
        if here & 1 or here == last:
            top = node(neighbour, top)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            top = node(top, neighbour)
        here, last = here >> 1, last >> 1
    return top if last == 0 else None
