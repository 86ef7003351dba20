"""The FHIR interface's exchange, on the store and the group commit."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

from adapters.audited import called_from
from adapters.intake import GroupCommit
from adapters.store.audit import AuditTrail
from adapters.store.inbox import Inbox
from adapters.store.worklist import Worklist
from gateway.audit import AuditAction, AuditEvent
from gateway.facts import Identifier
from gateway.focus import StoredAppointment
from gateway.principal import Principal, Right
from gateway.reception import Outcome, Reception, Recorded, State

POLL_SECONDS = 0.02
"""How often an outcome is looked for while a request waits for it; the worker may be another process."""

P = ParamSpec("P")
R = TypeVar("R")


class StoredExchange:
    """What adapters/fhir asks for (adapters.fhir.exchange.Exchange)."""

    def __init__(
        self, group: GroupCommit, recorded: Callable[[], None], inbox: Inbox, worklist: Worklist, trail: AuditTrail
    ) -> None:
        self._group = group
        self._recorded = recorded
        self._inbox = inbox
        self._worklist = worklist
        self._trail = trail

    async def record(self, reception: Reception) -> Recorded:
        """Give the reception's record once it is on disk (promise P1)."""
        recorded = await self._group.record(reception)
        self._recorded()
        return recorded

    async def outcome(self, message: int, within: float) -> Outcome:
        """Give how a message ended; pending if it has not within so many seconds."""
        deadline = asyncio.get_running_loop().time() + within
        while True:
            outcome = await _in_thread(self._inbox.outcome, message)
            if outcome.state is not State.PENDING or asyncio.get_running_loop().time() >= deadline:
                return outcome
            await asyncio.sleep(POLL_SECONDS)

    async def appointment_of(self, message: int) -> StoredAppointment | None:
        """Give the appointment that a processed message is about, as it stands."""
        return await _in_thread(self._worklist.appointment_of, message)

    async def appointment(self, principal: Principal, appointment_id: str) -> StoredAppointment | None:
        """Give the appointment with this id (audited)."""
        principal.require(Right.APPOINTMENT_READ)
        found = await _in_thread(self._worklist.appointment, appointment_id)
        await self._audit(principal, AuditAction.APPOINTMENT_READ, [found] if found else [])
        return found

    async def appointments(self, principal: Principal, identifier: Identifier) -> Sequence[StoredAppointment]:
        """Give the appointments that this business identifier finds (audited)."""
        principal.require(Right.APPOINTMENT_READ)
        found = await _in_thread(self._worklist.appointments, identifier)
        await self._audit(principal, AuditAction.APPOINTMENT_SEARCHED, found)
        return found

    async def refused(self, principal_id: str, act: str) -> None:
        """Leave an audit event of a refused act."""
        event = AuditEvent(datetime.now(UTC), AuditAction.ACCESS_REFUSED, principal_id, detail={"act": act})
        await _in_thread(self._trail.record, event)

    async def _audit(self, principal: Principal, action: AuditAction, found: Sequence[StoredAppointment]) -> None:
        entities = tuple(f"appointment/{each.id}" for each in found)
        patients = tuple(dict.fromkeys(await _in_thread(self._worklist.identities_of, [f.id for f in found])))
        event = AuditEvent(
            datetime.now(UTC),
            action,
            principal.id,
            patients,
            entities=entities,
            correlation=principal.reference,
            detail=called_from(principal),
        )
        await _in_thread(self._trail.record, event)


async def _in_thread(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    return await asyncio.to_thread(call, *args, **kwargs)
