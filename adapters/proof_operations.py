"""What a principal may do with what proves the audit trail: its keys, verifications, exports, proofs of one event."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from adapters.audited import Audited
from adapters.notary import Keys
from adapters.store.audit import AuditTrail
from adapters.store.checkpoints import CheckpointStore
from gateway.audit import AuditAction
from gateway.audit_export import line_of
from gateway.checkpoint import OVERLAP, KeyStatement, Signed
from gateway.errors import ResourceNotFound, StateConflict
from gateway.inclusion import proof
from gateway.principal import Principal, Right
from gateway.verification import PROGRESS, Link, Verification


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A public key of the log.

    Attributes:
        statement: what the log tells of it.
        until: aware instant when it ceases to sign; None while it has no successor.
        signs_here: whether this host's file holds its private key.

    """

    statement: KeyStatement
    until: datetime | None
    signs_here: bool


class ProofOperations(Audited):
    """The acts of one principal on what proves one log.

    Args:
        principal: who acts; no method names an actor.
        trail: the audit trail.
        checkpoints: its checkpoints and public keys.
        keys: its keys, with this host's private one.
        installation: id of the log.

    """

    def __init__(
        self, principal: Principal, trail: AuditTrail, checkpoints: CheckpointStore, keys: Keys, installation: UUID
    ) -> None:
        super().__init__(principal, trail)
        self._checkpoints = checkpoints
        self._keys = keys
        self._installation = installation

    # -- keys ------------------------------------------------------------------------------------------------------

    def list_keys(self) -> list[ShownKey]:
        """Give the public keys, the first one first (audited)."""
        self.require(Right.AUDIT_VERIFY, AuditAction.AUDIT_KEY_LISTED)
        told = self._checkpoints.keys()
        self._record(AuditAction.AUDIT_KEY_LISTED, found=len(told))
        ends = {each.previous: each.valid_from + OVERLAP for each in told}
        here = self._keys.held()
        return [ShownKey(each, ends.get(each.key), here is not None and each.key == here.key) for each in told]

    def public_key(self, key: str) -> ShownKey:
        """Give the public key whose id begins so, the last one without a beginning (audited).

        Raises:
            ResourceNotFound: there is none, or more than one.

        """
        found = [each for each in self.list_keys() if each.statement.key.startswith(key)]
        if not found or (key and len(found) > 1):
            raise ResourceNotFound("the id of one key of the audit trail, or its beginning, is expected", path="KEY")
        return found[-1]

    def new_key(self) -> KeyStatement:
        """Make the first key of a log that has none (audited); raises as `Keys.new`."""
        self.require(Right.AUDIT_KEY, AuditAction.AUDIT_KEY_MADE)
        return self._keys.new(self._installation, self._principal.id)

    def rotate_key(self) -> KeyStatement:
        """Put a new key in the old one's place (audited); raises as `Keys.rotate`."""
        self.require(Right.AUDIT_KEY, AuditAction.AUDIT_KEY_ROTATED)
        return self._keys.rotate(self._installation, self._principal.id)

    # -- verifying -------------------------------------------------------------------------------------------------

    def verify(
        self,
        trusted: set[str] | None = None,
        outside: Sequence[Signed] = (),
        progress: Callable[[int], None] = lambda _: None,
    ) -> Verification:
        """Check the whole log (audited).

        Args:
            trusted: hex public keys that the caller has from elsewhere; None: that of this host's file, which who has
                but the database cannot replace; where there is none, those that the log tells.
            outside: checkpoints that somebody else kept.
            progress: told now and then how many links were walked.

        """
        self.require(Right.AUDIT_VERIFY, AuditAction.AUDIT_VERIFIED)
        here = self._keys.held()
        if trusted is None and here is not None:
            trusted = {here.public.hex()}
        found = self._trail.verify(trusted, outside, progress)
        self._record(AuditAction.AUDIT_VERIFIED, ok=found.ok, sealed=found.sealed)
        return found

    def export(self, progress: Callable[[int], None] = lambda _: None) -> Iterator[bytes]:
        """Give the lines of an export of the whole log (audited before the first)."""
        self.require(Right.AUDIT_EXPORT, AuditAction.AUDIT_EXPORTED)
        self._record(AuditAction.AUDIT_EXPORTED, whole=True)
        with self._trail.exporting() as (header, keys, chain):
            yield header.line
            yield from (each.line for each in keys)
            for entry in chain:
                yield line_of(entry)
                if isinstance(entry, Link) and entry.sequence % PROGRESS == 0:
                    progress(entry.sequence)

    def prove(self, event: int) -> dict[str, Any]:
        """Give the proof that an event is in the log, for a JSON writer (audited).

        Raises:
            ResourceNotFound: there is no such sealed event.
            StateConflict: no checkpoint covers it yet, or it is not what was sealed.

        """
        self.require(Right.AUDIT_EXPORT, AuditAction.AUDIT_PROVEN)
        inclusion = self._checkpoints.inclusion(event)
        if not inclusion.holds:
            raise StateConflict("the event is not what was sealed: gateway audit verify names what was done")
        patients = json.loads(inclusion.form)["patients"]
        self._record(AuditAction.AUDIT_PROVEN, patients=patients, entities=[f"audit-event/{event}"])
        return proof(inclusion, self._checkpoints.keys())
