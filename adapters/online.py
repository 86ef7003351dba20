"""What is served over HTTP beside appointments, put together from a gateway's parts."""

from collections.abc import Callable
from datetime import datetime

from starlette.routing import Route

from adapters.assembly import Assembly
from adapters.audit_operations import AuditOperations
from adapters.convocation_operations import ConvocationOperations
from adapters.fhir import audit, patients, tasks
from adapters.identity_operations import IdentityOperations
from adapters.item_operations import ItemOperations
from adapters.operations import Operations
from adapters.patient_operations import PatientOperations
from adapters.pipeline import decider
from adapters.store.convocations import ConvocationDesk
from adapters.store.identity_desk import IdentityDesk
from adapters.store.item_desk import ItemDesk
from adapters.store.patients import Patients
from adapters.web import convocations, identity_desk
from gateway.principal import Principal


def desk_routes(parts: Assembly, clock: Callable[[], datetime]) -> list[Route]:
    """Give the addresses of the identity desk and of the convocations."""
    desk, deciding = IdentityDesk(parts.database, parts.work), decider(parts)

    def acts(principal: Principal) -> IdentityOperations:
        return IdentityOperations(principal, desk, parts.trail, deciding)

    letters = ConvocationDesk(parts.database, parts.work)

    def convening(principal: Principal) -> ConvocationOperations:
        return ConvocationOperations(principal, letters, parts.trail, deciding)

    return [
        *identity_desk.create_routes(acts, parts.trail, parts.site, clock),
        *convocations.create_routes(convening, parts.trail, parts.site, clock),
    ]


def patient_routes(parts: Assembly, clock: Callable[[], datetime]) -> list[Route]:
    """Give the addresses by which other systems find patients."""
    stored = Patients(parts.database, parts.work)

    def acts(principal: Principal) -> PatientOperations:
        return PatientOperations(principal, stored, parts.trail, parts.site, clock)

    return patients.create_routes(acts, parts.trail, parts.site, clock)


def audit_routes(parts: Assembly, clock: Callable[[], datetime]) -> list[Route]:
    """Give the addresses of the audit trail's answers."""

    def acts(principal: Principal) -> AuditOperations:
        return AuditOperations(principal, parts.trail, parts.site)

    return audit.create_routes(acts, parts.trail, parts.site, clock)


def task_routes(parts: Assembly, clock: Callable[[], datetime]) -> list[Route]:
    """Give the addresses of work items."""
    desk, deciding = ItemDesk(parts.database, parts.work), decider(parts)

    def reads(principal: Principal) -> Operations:
        return parts.operations(principal)

    def acts(principal: Principal) -> ItemOperations:
        return ItemOperations(principal, desk, parts.trail, deciding)

    return tasks.create_routes(reads, acts, parts.trail, parts.site, clock)
