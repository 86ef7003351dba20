"""What processes messages, put together from a gateway's parts."""

from collections.abc import Callable
from functools import partial
from uuid import uuid4

from adapters.assembly import Assembly
from adapters.worker import Ended, Worker
from gateway.identity import Person
from gateway.pipeline import Decider
from gateway.site import Site
from gateway.worklist import WorkItem
from mappings.fhir.bundle import message_bundle
from mappings.texts import text


def worker(parts: Assembly, published: Callable[[], None], ended: Ended = lambda *_: None) -> Worker:
    """Give the worker."""
    site, installation = parts.site, parts.database.installation()
    decider = Decider(site, installation, partial(render, site), lambda: str(uuid4()))
    return Worker(parts.work, decider, site, published, ended)


def render(site: Site, item: WorkItem, person: Person, message_id: str) -> bytes:
    """Give the bus message's body for an item."""
    return message_bundle(item, person, site=site, message_id=message_id, title=text("title", item.title))
