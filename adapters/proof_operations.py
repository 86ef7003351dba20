"""What a principal may do with what proves the audit trail: its keys."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from adapters.audited import Audited
from adapters.notary import Keys
from adapters.store.audit import AuditTrail
from adapters.store.checkpoints import CheckpointStore
from gateway.audit import AuditAction
from gateway.checkpoint import OVERLAP, KeyStatement
from gateway.errors import ResourceNotFound
from gateway.principal import Principal, Right


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
        return [ShownKey(each, ends.get(each.key), each.key == here) for each in told]

    def public_key(self, key: str) -> KeyStatement:
        """Give the public key whose id begins so, the last one without a beginning (audited).

        Raises:
            ResourceNotFound: there is none, or more than one.

        """
        found = [each.statement for each in self.list_keys() if each.statement.key.startswith(key)]
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
