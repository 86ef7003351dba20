"""What processes messages, put together from a gateway's parts."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import uuid4

from adapters.assembly import Assembly
from adapters.clockwork import CLOCKWORK_LOCK, Counted, Timekeeper
from adapters.convocation_operations import ConvocationOperations
from adapters.identity_operations import IdentityOperations
from adapters.item_operations import ItemOperations
from adapters.model_operations import ModelOperations
from adapters.store.clock import ItemClock
from adapters.store.cohort import Cohort
from adapters.store.convocations import ConvocationDesk
from adapters.store.database import SessionLock
from adapters.store.identity_desk import IdentityDesk
from adapters.store.item_desk import ItemDesk
from adapters.store.models import Models
from adapters.worker import Ended, LeftOut, Worker
from gateway.clockwork import Clockwork
from gateway.identity import Person
from gateway.identity_event import IdentityEvent
from gateway.pipeline import Decider
from gateway.principal import Principal
from gateway.site import Site
from gateway.worklist import WorkItem
from mappings.fhir.bundle import message_bundle
from mappings.fhir.identity_event import event_bundle
from mappings.texts import text


def worker(
    parts: Assembly,
    published: Callable[[], None],
    ended: Ended = lambda *_: None,
    left_out: LeftOut = lambda _: None,
) -> Worker:
    """Give the worker."""
    return Worker(parts.work, decider(parts), parts.site, published, ended, left_out)


def decider(parts: Assembly) -> Decider:
    """Give what decides batches."""
    site = parts.site
    told = partial(render_event, site)
    return Decider(site, parts.database.installation(), partial(render, site), lambda: str(uuid4()), told)


def timekeeper(parts: Assembly, published: Callable[[], None], counted: Counted = lambda *_: None) -> Timekeeper:
    """Give what turns the clock of items."""
    minutes = parts.settings.claim_lease_minutes
    clockwork = Clockwork(decider(parts), timedelta(minutes=minutes) if minutes else None)
    lock = SessionLock(parts.database, CLOCKWORK_LOCK)
    return Timekeeper(ItemClock(parts.database, parts.work), clockwork, lock, published, counted)


def identity_operations(parts: Assembly, principal: Principal) -> IdentityOperations:
    """Give the acts of a principal at the identity desk."""
    parts.operations(principal)  # an empty database gets its schema
    desk = IdentityDesk(parts.database, parts.work)
    return IdentityOperations(principal, desk, parts.trail, decider(parts))


def model_operations(parts: Assembly, principal: Principal) -> ModelOperations:
    """Give what a principal may do with the matcher's models."""
    parts.operations(principal)  # an empty database gets its schema
    return ModelOperations(principal, Models(parts.database), Cohort(parts.database), parts.trail)


def item_operations(parts: Assembly, principal: Principal) -> ItemOperations:
    """Give what a principal may do with work items."""
    parts.operations(principal)  # an empty database gets its schema
    return ItemOperations(principal, ItemDesk(parts.database, parts.work), parts.trail, decider(parts))


def convocation_operations(parts: Assembly, principal: Principal) -> ConvocationOperations:
    """Give what a principal may do with convocations."""
    parts.operations(principal)  # an empty database gets its schema
    desk = ConvocationDesk(parts.database, parts.work)
    return ConvocationOperations(principal, desk, parts.trail, decider(parts))


def render(site: Site, item: WorkItem, person: Person, message_id: str) -> bytes:
    """Give the bus message's body for an item; of a sensitive secretariat's, its title tells the kind alone."""
    title = text("kind", item.kind) if item.secretariat in site.sensitive else text("title", item.title)
    return message_bundle(item, person, site=site, message_id=message_id, title=title)


def render_event(site: Site, event: IdentityEvent, message_id: str) -> bytes:
    """Give the bus message's body for what happened to identities."""
    return event_bundle(event, site=site, message_id=message_id)
