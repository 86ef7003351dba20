"""What the FHIR interface needs of the gateway behind it."""

from collections.abc import Sequence
from typing import Protocol

from gateway.facts import Identifier
from gateway.focus import StoredAppointment
from gateway.principal import Principal
from gateway.reception import Outcome, Reception, Recorded


class Exchange(Protocol):
    """The inbox, the outcomes and the appointments. Every method raises TroubleError when the store is in trouble."""

    async def record(self, reception: Reception) -> Recorded:
        """Give the reception's record once it is on disk (promise P1)."""
        ...

    async def outcome(self, message: int, within: float) -> Outcome:
        """Give how a message ended; pending if it has not within so many seconds.

        Raises:
            ResourceNotFound: no message has this number.

        """
        ...

    async def appointment_of(self, message: int) -> StoredAppointment | None:
        """Give the appointment that a processed message is about, as it stands; None while it waits for its booking."""
        ...

    async def appointment(self, principal: Principal, appointment_id: str) -> StoredAppointment | None:
        """Give the appointment with this id (audited)."""
        ...

    async def appointments(self, principal: Principal, identifier: Identifier) -> Sequence[StoredAppointment]:
        """Give the appointments that this business identifier finds, by authority and value (audited)."""
        ...

    async def refused(self, principal_id: str, act: str) -> None:
        """Leave an audit event of a refused act; the principal is empty where nobody was authenticated."""
        ...
