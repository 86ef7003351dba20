"""Acts of one principal: each needs a right and leaves an audit event, a refusal too (promise P8)."""

from collections.abc import Iterable
from datetime import UTC, datetime

from adapters.store.audit import AuditTrail
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import AccessRefused
from gateway.principal import Principal, Right


class Audited:
    """What all acts of a principal share.

    Args:
        principal: who acts; no method names an actor.
        trail: the audit trail.

    """

    def __init__(self, principal: Principal, trail: AuditTrail) -> None:
        self._principal = principal
        self._trail = trail

    def require(self, right: Right, act: AuditAction) -> None:
        """Return when the principal has the right; a refusal is audited.

        Raises:
            AccessRefused: it has not.

        """
        try:
            self._principal.require(right)
        except AccessRefused:
            self._refuse(act)
            raise

    def _refuse(self, act: AuditAction) -> None:
        self._record(AuditAction.ACCESS_REFUSED, act=act.value)

    def _record(
        self,
        action: AuditAction,
        *,
        patients: Iterable[str] = (),
        message: int | None = None,
        entities: Iterable[str] = (),
        **detail: str | int | bool,
    ) -> None:
        self._trail.record(self._event(action, patients=patients, message=message, entities=entities, **detail))

    def _event(
        self,
        action: AuditAction,
        *,
        patients: Iterable[str] = (),
        message: int | None = None,
        entities: Iterable[str] = (),
        **detail: str | int | bool,
    ) -> AuditEvent:
        acting = self._principal
        touched = tuple(dict.fromkeys(patients))
        return AuditEvent(
            datetime.now(UTC),
            action,
            acting.id,
            touched,
            message,
            tuple(entities),
            acting.reference,
            detail | called_from(acting),
        )


def called_from(principal: Principal) -> dict[str, str]:
    """Give the detail that says where somebody calls from; nothing on this machine."""
    return {"address": principal.address} if principal.address else {}
