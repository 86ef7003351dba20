"""AuditEvents over HTTP: searched as ITI-81 asks, read by id; each answer is itself audited."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.audit_operations import AuditOperations
from adapters.fhir.interaction import MAX_FORM, FhirResponse, refusal
from adapters.store.audit import AuditTrail
from adapters.web.admission import admitted
from adapters.web.exchange import read_body, route
from gateway.audit import AuditAction
from gateway.errors import ResourceNotFound, SenderError
from gateway.principal import Principal, Right
from gateway.site import Site
from mappings.fhir.audit_event import logical
from mappings.fhir.audit_search import asked_for, searchset

MOST_PARAMETERS = 60
"""Parameters of one search."""

_log = structlog.get_logger("fhir-audit")


def create_routes(
    operations: Callable[[Principal], AuditOperations], trail: AuditTrail, site: Site, clock: Callable[[], datetime]
) -> list[Route]:
    """Give the routes of AuditEvent.

    Args:
        operations: gives the answers that a principal may have.
        trail: takes the refusals of whoever does not say who they are.
        site: the establishment.
        clock: gives the aware present.

    """
    answers = _Answers(operations, trail, site, clock)
    return [
        route("/fhir/AuditEvent", refusal, _log, GET=answers.search),
        route("/fhir/AuditEvent/_search", refusal, _log, POST=answers.search_by_form),
        route("/fhir/AuditEvent/{id}", refusal, _log, GET=answers.read),
    ]


@dataclass(frozen=True, slots=True)
class _Answers:
    """The interactions, by their FHIR names."""

    operations: Callable[[Principal], AuditOperations]
    trail: AuditTrail
    site: Site
    clock: Callable[[], datetime]

    async def search(self, request: Request) -> Response:
        """Answer a page of the events that match."""
        return await self._found(request, await self._acts(request), request.url.query.encode())

    async def search_by_form(self, request: Request) -> Response:
        """Answer the same, asked for by a form: so nothing of a patient stands in a URL."""
        operations = await self._acts(request)
        form = await read_body(request, MAX_FORM)
        query = request.url.query.encode()
        return await self._found(request, operations, b"&".join(part for part in (query, form) if part))

    async def _found(self, request: Request, operations: AuditOperations, query: bytes) -> Response:
        try:
            asked = parse_qsl(query.decode(), keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict")
        except ValueError:
            raise SenderError(f"at most {MOST_PARAMETERS} parameters in UTF-8 are expected") from None
        search = asked_for(asked, self.site)
        found = await run_in_threadpool(operations.find, search, query)
        bundle = searchset(
            f"{request.base_url}fhir",
            search,
            found.resources,
            identities=found.identities,
            total=found.total,
            cursor=found.cursor,
        )
        return FhirResponse(bundle)

    async def read(self, request: Request) -> Response:
        """Answer one AuditEvent."""
        operations = await self._acts(request)
        logical_id: str = request.path_params["id"]
        if (number := logical(logical_id)) is None:
            raise ResourceNotFound("no audit event has this id")
        return FhirResponse(await run_in_threadpool(operations.read, number, logical_id))

    async def _acts(self, request: Request) -> AuditOperations:
        """Give the answers of whoever the request acts for, once they may have any; a refusal is audited."""
        act = AuditAction.AUDIT_SEARCHED
        principal = await admitted(request, self.site, self.trail, self.clock(), act)
        operations = self.operations(principal)
        await run_in_threadpool(operations.require, Right.AUDIT_READ, act)
        return operations
