"""Work items over FHIR: read as Tasks, and acted on by operations, by the very acts of ``gateway worklist``.

No rule stands here: rights, the one holder, reasons and audit are the acts' own. An address names opaque ids and a
secretariat, nothing of a patient. If-Match holds an act to the version that its caller has seen; without it, of several
who claim at once one still gets the item, and the others are told who has it (409).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.fhir.app import entity_version
from adapters.fhir.interaction import FhirResponse, refusal, require_json
from adapters.item_operations import ByHand, ItemOperations
from adapters.operations import Operations
from adapters.store.audit import AuditTrail
from adapters.store.worklist import ItemView
from adapters.web.admission import admitted
from adapters.web.exchange import read_body, route
from gateway.audit import AuditAction
from gateway.errors import ResourceNotFound, SenderError
from gateway.principal import Principal
from gateway.site import Site
from gateway.worklist import ItemKind, ItemState
from mappings.fhir.bundle import searchset
from mappings.fhir.task import TaskParameters, asked_of, parameters_of, states_of, task_resource
from mappings.texts import title

MAX_BODY = 16 * 1024
"""Bytes of a request body."""

PAGE = 100
MOST_IN_PAGE = 1_000

_log = structlog.get_logger("fhir")
_ITEM = re.compile(r"[0-9A-Za-z-]{1,36}")
_COUNT = re.compile(r"[1-9][0-9]{0,3}")

Act = Callable[[ItemOperations, str, TaskParameters, int | None], ItemView]


def _until(given: TaskParameters) -> datetime:
    if given.until is None:
        raise SenderError("until is expected", path="parameter")
    return given.until


OPERATIONS: Mapping[str, tuple[AuditAction, Act]] = {
    "claim": (AuditAction.ITEM_CLAIMED, lambda o, i, _, v: o.claim(i, expects=v)),
    "release": (AuditAction.ITEM_RELEASED, lambda o, i, p, v: o.release(i, p.note, expects=v)),
    "reassign": (AuditAction.ITEM_REASSIGNED, lambda o, i, p, v: o.reassign(i, p.to, p.note, expects=v)),
    "done": (AuditAction.ITEM_DONE, lambda o, i, p, v: o.done(i, p.note, expects=v)),
    "acknowledge": (AuditAction.ITEM_RECEIVED, lambda o, i, _, v: o.acknowledge(i, expects=v)),
    "acknowledge-clinically": (
        AuditAction.ITEM_READ,
        lambda o, i, p, v: o.acknowledge_clinically(i, p.note, expects=v),
    ),
    "hold": (AuditAction.ITEM_HELD, lambda o, i, p, v: o.hold(i, _until(p), p.note, expects=v)),
    "comment": (AuditAction.ITEM_COMMENTED, lambda o, i, p, v: o.comment(i, p.note, expects=v)),
    "forward": (AuditAction.ITEM_FORWARDED, lambda o, i, p, v: o.forward(i, p.to, p.note, expects=v)),
    "reopen": (AuditAction.ITEM_REOPENED, lambda o, i, p, v: o.reopen(i, p.note, expects=v)),
    "undo": (AuditAction.ITEM_UNDONE, lambda o, i, p, v: o.undo(i, p.note, expects=v)),
}
"""Operations on a Task: ``POST Task/ID/$claim``, with the parameters that the act takes."""


def create_routes(
    reading: Callable[[Principal], Operations],
    acting: Callable[[Principal], ItemOperations],
    trail: AuditTrail,
    site: Site,
    clock: Callable[[], datetime],
) -> list[Route]:
    """Give the routes.

    Args:
        reading: gives what a principal may read.
        acting: gives what a principal may do.
        trail: takes the refusals of whoever does not say who they are.
        site: the establishment.
        clock: gives the aware present.

    """
    tasks = _Tasks(reading, acting, trail, site, clock)
    acts = [route(f"/fhir/Task/{{id}}/${name}", refusal, _log, POST=tasks.act(name)) for name in OPERATIONS]
    return [
        route("/fhir/Task", refusal, _log, GET=tasks.search, POST=tasks.create),
        route("/fhir/Task/{id}", refusal, _log, GET=tasks.read),
        *acts,
    ]


@dataclass(frozen=True, slots=True)
class _Tasks:
    """The interactions, by their FHIR names."""

    reading: Callable[[Principal], Operations]
    acting: Callable[[Principal], ItemOperations]
    trail: AuditTrail
    site: Site
    clock: Callable[[], datetime]

    async def search(self, request: Request) -> Response:
        """Answer a secretariat's items, or those of all that one may read, in the order of every list."""
        operations = self.reading(await self._admit(request, AuditAction.WORKLIST_LISTED))
        asked = _asked(request)
        owner, kind = asked.get("owner", ""), asked.get("code", "")
        if owner and owner not in self.site.secretariats:
            raise SenderError("the id of a secretariat is expected", path="owner")
        if kind and kind not in set(ItemKind):
            raise SenderError(f"one of {', '.join(ItemKind)} is expected", path="code")
        states = [s for status in filter(None, asked.get("status", "").split(",")) for s in states_of(status)]

        def read() -> list[ItemView]:
            wanted = ItemKind(kind) if kind else None
            return operations.list_worklist(owner, kind=wanted, states=states or _OPEN, limit=_count(asked))

        return FhirResponse(searchset([self._task(view) for view in await run_in_threadpool(read)]))

    async def read(self, request: Request) -> Response:
        """Answer one item."""
        operations = self.reading(await self._admit(request, AuditAction.ITEM_SHOWN))
        view, _ = await run_in_threadpool(operations.show_item, _named(request))
        return self._shown(view)

    async def create(self, request: Request) -> Response:
        """Make an item by hand: a call, a visit, a note to a physician."""
        operations = self.acting(await self._admit(request, AuditAction.ITEM_ADDED))
        asked = asked_of(await _resource(request), self.site)
        wanted = ByHand(
            asked.kind, asked.secretariat, asked.patient, asked.text, asked.priority, asked.due, asked.authority
        )
        view = await run_in_threadpool(operations.add, wanted)
        return self._shown(view, 201, {"Location": f"/fhir/Task/{view.item.id}"})

    def act(self, name: str) -> Callable[[Request], Any]:
        """Give the handler of an operation."""
        action, act = OPERATIONS[name]

        async def handle(request: Request) -> Response:
            operations = self.acting(await self._admit(request, action))
            item, expects, given = _named(request), _expected(request), await _parameters(request)
            return self._shown(await run_in_threadpool(act, operations, item, given, expects))

        return handle

    def _task(self, view: ItemView) -> dict[str, Any]:
        return task_resource(view.item, view.person, site=self.site, title=title(view.item.title))

    def _shown(self, view: ItemView, status: int = 200, more: Mapping[str, str] | None = None) -> Response:
        updated = format_datetime(view.item.updated_at.astimezone(UTC), usegmt=True)
        headers = {"ETag": f'W/"{view.item.version}"', "Last-Modified": updated, **(more or {})}
        return FhirResponse(self._task(view), status, headers)

    async def _admit(self, request: Request, act: AuditAction) -> Principal:
        """Give whoever the request acts for; one that does not say it is refused, which is audited."""
        return await admitted(request, self.site, self.trail, self.clock(), act)


_OPEN = (ItemState.NEW, ItemState.CLAIMED, ItemState.ON_HOLD)
_PARAMETERS = ("owner", "status", "code", "_count", "_format", "_pretty")


def _asked(request: Request) -> dict[str, str]:
    """Give what a search asks for: what is not understood is refused, for it would find too much."""
    items = request.query_params.multi_items()
    if any(name not in _PARAMETERS for name, _ in items) or len({name for name, _ in items}) < len(items):
        raise SenderError("owner, status, code and _count are offered, each once")
    return dict(items)


def _count(asked: Mapping[str, str]) -> int:
    count = asked.get("_count", str(PAGE))
    if not _COUNT.fullmatch(count) or int(count) > MOST_IN_PAGE:
        raise SenderError(f"a number up to {MOST_IN_PAGE} is expected", path="_count")
    return int(count)


def _named(request: Request) -> str:
    if not _ITEM.fullmatch(item := str(request.path_params["id"])):
        raise ResourceNotFound("no work item has this id")
    return item


def _expected(request: Request) -> int | None:
    tag = request.headers.get("if-match")
    return None if tag is None else entity_version(tag)


async def _parameters(request: Request) -> TaskParameters:
    """Give what an operation is given; no body is nothing."""
    resource = await _resource(request)
    return TaskParameters() if resource is None else parameters_of(resource)


async def _resource(request: Request) -> Any:
    """Give the body's JSON; None without a body."""
    body = await read_body(request, MAX_BODY)
    if not body:
        return None
    require_json(request)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise SenderError("JSON is expected") from None
