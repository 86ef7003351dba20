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
    """A tree that grows at its right end, and remembers only what its root needs: one full subtree a level."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._full: list[bytes | None] = []
        self.extend(leaves)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves: at each level, pairs close to a node of the next, and one that has no pair waits."""
        hashed = hashlib.sha256
        tops = [hashed(b"\x00" + data).digest() for data in leaves]
        self.size += len(tops)
        level = 0
        while tops:
            if level == len(self._full):
                self._full.append(None)
            waiting = self._full[level]
            if waiting is not None:
                tops.insert(0, waiting)
            self._full[level] = tops.pop() if len(tops) & 1 else None
            tops = [hashed(b"\x01" + left + right).digest() for left, right in zip(tops[::2], tops[1::2], strict=True)]
            level += 1

    def root(self) -> bytes:
        """Give the root; of an empty tree, the hash of nothing."""
        top: bytes | None = None
        for full in self._full:
            if full is not None:
                top = full if top is None else node(full, top)
        return hashlib.sha256().digest() if top is None else top


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
