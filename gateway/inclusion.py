"""Proof that one event is in the log, which a third party checks without the log, by the public key alone.

The event's canonical form and the digest before it make its seal's digest; that is a leaf of the Merkle tree whose root
a signed checkpoint holds, and the audit path leads from the one to the other (RFC 6962, 2.1.1).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.audit import fingerprint, seal
from gateway.checkpoint import KeyStatement, Signed
from gateway.merkle import path, root_by_path

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Where an event stands in the log.

    Attributes:
        sequence: its place in the chain.
        form: its canonical form.
        previous: hex digest of the seal before.
        signed: the checkpoint over it.
        digests: those of all seals under that checkpoint, in order.

    """

    sequence: int
    form: bytes
    previous: str
    signed: Signed
    digests: Sequence[bytes]

    @property
    def neighbours(self) -> list[bytes]:
        """The audit path, the nearest first."""
        return path(self.digests, self.sequence - self.signed.checkpoint.first)

    @property
    def holds(self) -> bool:
        """Whether it proves what it says: of an event or a seal that was changed since there is no proof."""
        told = self.signed.checkpoint
        digest = bytes.fromhex(seal(self.previous, fingerprint(self.form)))
        root = root_by_path(digest, self.sequence - told.first, told.count, self.neighbours)
        return root is not None and root.hex() == told.root


def proof(inclusion: Inclusion, keys: Sequence[KeyStatement]) -> dict[str, Any]:
    """Give a proof for a JSON writer, with the public keys, which lead from the reader's own to the one that signed."""
    signed = json.loads(inclusion.signed.line)
    return {
        "format": FORMAT,
        "event": json.loads(inclusion.form),
        "sequence": inclusion.sequence,
        "previous": inclusion.previous,
        "path": [neighbour.hex() for neighbour in inclusion.neighbours],
        **signed,
        "keys": [json.loads(each.line) for each in keys],
    }
