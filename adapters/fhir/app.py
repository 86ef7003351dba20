"""The FHIR R4 interface over HTTP: appointments in, appointments out, every error an OperationOutcome.

An answer promises what it says: the request is on disk before anything is answered, and 200 / 201 come with the
resource as the pipeline left it; what takes longer is answered 202 with a status URL.

Logs name method, route template, status and milliseconds: no path, no query string, no body (promise P6). The server
under it must not log requests either (uvicorn: ``access_log=False``).
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from importlib.metadata import version
from typing import Any
from uuid import uuid4

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.fhir import validation
from adapters.fhir.exchange import Exchange
from adapters.fhir.interaction import FhirResponse, asked_by_form, refusal, require_json
from adapters.web.exchange import RETRY_SECONDS, Handler, calling, read_body, request_id, route, tell
from adapters.web.tokens import authenticate
from gateway.errors import (
    AccessRefused,
    AckCode,
    PreconditionFailed,
    ResourceNotFound,
    ResourceUnsupported,
    SenderError,
    SourceUndeclared,
)
from gateway.facts import Identifier, IdentifierKind
from gateway.focus import StoredAppointment
from gateway.principal import Principal, Right
from gateway.reception import Format, Outcome, Reception, State, Transport, storable
from gateway.site import Site, Source
from mappings.fhir.appointment import Interaction, keys, render
from mappings.fhir.bundle import searchset
from mappings.fhir.capability import capability
from mappings.fhir.outcome import error_of, note
from mappings.fhir.subject import subjects

MAX_BODY = validation.MAX_BODY
"""Bytes of a request body."""
PATIENCE = 10.0
"""Seconds to wait for a message's outcome before answering 202."""
_HELD = "the change waits for the booking of its appointment"

_log = structlog.get_logger("fhir")

_LOGICAL_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_MESSAGE = re.compile(r"[1-9][0-9]{0,17}")
_ENTITY_TAG = re.compile(r'(?:W/)?"([1-9][0-9]{0,17})"')


def create_app(
    exchange: Exchange,
    site: Site,
    *,
    clock: Callable[[], datetime],
    patience: float = PATIENCE,
    beside: Sequence[Route] = (),
) -> Starlette:
    """Give the application.

    Args:
        exchange: the gateway behind it.
        site: the establishment.
        clock: gives the aware present.
        patience: seconds to wait for an outcome before answering 202.
        beside: routes that are served with it.

    """
    interface = _Interface(exchange, site, clock, patience)
    routes = [
        *beside,
        _route("/fhir/metadata", GET=interface.metadata),
        _route("/fhir/Appointment", GET=interface.search, POST=interface.create, PUT=interface.update),
        _route("/fhir/Appointment/_search", POST=interface.search_by_form),
        _route("/fhir/Appointment/{id}", GET=interface.read),
        _route("/fhir/_status/{message}", GET=interface.status),
        _route("/fhir", GET=_not_offered, POST=interface.refuse_resource),
        _route("/fhir/{resource}", GET=_not_offered, POST=interface.refuse_resource, PUT=interface.refuse_resource),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _not_routed})
    app.router.redirect_slashes = False  # a redirect would repeat the query string in a header
    return app


def _route(path: str, **handlers: Handler) -> Route:
    return route(path, refusal, _log, **handlers)


async def _not_offered(_: Request) -> Response:
    return refusal(ResourceUnsupported("this resource is not offered here"))


def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    rule = "this interaction is not offered here" if error.status_code == 405 else "this resource is not offered here"  # noqa: PLR2004 - HTTP's own number
    tell(_log, request.method, "unmatched", error.status_code, time.perf_counter())
    return refusal(ResourceUnsupported(rule), status=error.status_code, headers=error.headers)


@dataclass(frozen=True, slots=True)
class _Interface:
    """The interactions, by their FHIR names."""

    exchange: Exchange
    site: Site
    clock: Callable[[], datetime]
    patience: float

    async def metadata(self, _: Request) -> Response:
        """Answer what is offered; open to all, as R4 http.html#capabilities has it."""
        statement = capability(label=self.site.label, version=version("secretariat-gateway"))
        return FhirResponse(statement)

    async def create(self, request: Request) -> Response:
        """Take in a new appointment."""
        return await self._receive(request, "create")

    async def update(self, request: Request) -> Response:
        """Take in an appointment's whole state, found by its business identifier (GAP flow 6b)."""
        return await self._receive(request, "update")

    async def read(self, request: Request) -> Response:
        """Answer one appointment."""
        principal = await self._admit(request, "Appointment:read", Right.APPOINTMENT_READ)
        logical_id = request.path_params["id"]
        known = bool(_LOGICAL_ID.fullmatch(logical_id))
        stored = await self.exchange.appointment(principal, logical_id) if known else None
        if stored is None:
            raise ResourceNotFound("no appointment has this id")
        return FhirResponse(render(stored), 200, _version_of(stored))

    async def search(self, request: Request) -> Response:
        """Answer the appointments that a business identifier finds."""
        principal = await self._admit(request, "Appointment:search", Right.APPOINTMENT_READ)
        return await self._found(principal, request.query_params.multi_items())

    async def search_by_form(self, request: Request) -> Response:
        """Answer the same, asked for by a form: so the identifier stands in no URL."""
        principal = await self._admit(request, "Appointment:search", Right.APPOINTMENT_READ)
        return await self._found(principal, await asked_by_form(request))

    async def _found(self, principal: Principal, asked: list[tuple[str, str]]) -> Response:
        identifier = _asked_identifier(asked, self.site.source_of_client(principal.id), self.site)
        found = await self.exchange.appointments(principal, identifier)
        return FhirResponse(searchset([render(stored) for stored in found]))

    async def status(self, request: Request) -> Response:
        """Answer how a message ended: states and opaque ids only, for message numbers can be guessed."""
        await self._admit(request, "Appointment:status", Right.SEND)
        if not _MESSAGE.fullmatch(number := request.path_params["message"]):
            raise ResourceNotFound("no message has this number")
        ending = await self.exchange.outcome(int(number), 0.0)
        if ending.state is not State.PROCESSED:
            return _unprocessed(ending)
        stored = await self.exchange.appointment_of(ending.message)
        if stored is None:
            return _accepted(ending.message, _HELD)
        return FhirResponse(note("informational", "processed"), 200, _version_of(stored) | _place_of(stored))

    async def _admit(self, request: Request, act: str, *rights: Right) -> Principal:
        """Give who acts, with the rights to; a refusal is audited."""
        principal_id = ""
        try:
            principal = authenticate(
                request.headers.get("authorization"), self.site.access, self.clock(), audience=self.site.id
            )
            principal_id = principal.id
            for right in rights:
                principal.require(right)
        except AccessRefused:
            await self.exchange.refused(principal_id, act)
            raise
        return calling(principal, request)

    async def _receive(self, request: Request, act: Interaction) -> Response:
        searching = (Right.APPOINTMENT_READ,) if act == "update" else ()  # its condition is a search, and tells what is
        principal = await self._admit(request, f"Appointment:{act}", Right.SEND, *searching)
        body = await read_body(request, MAX_BODY)
        source = self.site.source_of_client(principal.id)
        error, business_id, about = await self._examine(request, act, principal, source, body)
        control_id = request_id(request) or business_id or str(uuid4())
        reception = self._reception(f"Appointment:{act}", control_id, principal, source, body, error, about)
        if act == "update" and (tag := _ENTITY_TAG.fullmatch(request.headers.get("if-match", "").strip())):
            reception = replace(reception, expects=int(tag[1]))  # kept also of a refused one: a replay is held to it
        recorded = await self.exchange.record(reception)
        if error is not None:
            return refusal(error)
        message = recorded.message if recorded.duplicate_of is None else recorded.duplicate_of
        return await self._settled(message, act)

    async def _examine(
        self, request: Request, act: Interaction, principal: Principal, source: Source | None, body: bytes
    ) -> tuple[SenderError | None, str, tuple[str, ...]]:
        """Give why the request is refused (None: nothing speaks against it), its business identifier and its subjects.

        The same body under the same business identifier is the same creation. An update states how things stand: the
        same statement after another one is news, so it has no such identifier.
        """
        try:
            require_json(request)
            if source is None:
                raise SourceUndeclared("no source of the site has this client")
            resource = await run_in_threadpool(validation.appointment, body)
            await self._check_condition(request, act, resource, principal, source)
            named = keys(resource, source, self.site) if act == "create" else ()
        except SenderError as error:
            return error, "", ()
        return None, f"{named[0].authority}|{named[0].value}" if named else "", subjects(resource)

    async def _check_condition(
        self, request: Request, act: Interaction, resource: dict[str, Any], principal: Principal, source: Source
    ) -> None:
        """Return when an update's query names the body, finds at most one, and of the version expected."""
        if act == "create":
            if "if-none-exist" in request.headers:
                raise SenderError("conditional create is not offered: a known business identifier is found by itself")
            return
        asked = _asked_identifier(request.query_params.multi_items(), source, self.site)
        if (asked.authority, asked.value) not in {(k.authority, k.value) for k in keys(resource, source, self.site)}:
            raise SenderError("the query's identifier must be one of the body's", path="Appointment.identifier")
        found = await self.exchange.appointments(principal, asked)
        if len(found) > 1:
            raise PreconditionFailed("the identifier finds several appointments")
        expected = request.headers.get("if-match")
        if expected is not None and entity_version(expected) != (found[0].version if found else None):
            raise PreconditionFailed("the appointment is of another version than If-Match names")

    async def refuse_resource(self, request: Request) -> Response:
        """Keep what was sent as a resource that is not offered, and refuse it."""
        principal = await self._admit(request, "Resource:send", Right.SEND)
        body = await read_body(request, MAX_BODY)
        source = self.site.source_of_client(principal.id)
        error = ResourceUnsupported("this resource is not offered here")
        control_id = request_id(request) or str(uuid4())
        await self.exchange.record(self._reception("Resource:unsupported", control_id, principal, source, body, error))
        return refusal(error)

    def _reception(
        self,
        message_type: str,
        control_id: str,
        principal: Principal,
        source: Source | None,
        body: bytes,
        error: SenderError | None,
        about: tuple[str, ...] = (),
    ) -> Reception:
        return Reception(
            raw=body,
            transport=Transport.HTTP,
            format=Format.FHIR,
            source=source.id if source else "",
            control_id=storable(control_id),
            message_type=message_type,
            received_at=self.clock(),
            principal=principal.id,
            code=error.acknowledgment if error else AckCode.AA,
            error=error,
            subjects=about,
        )

    async def _settled(self, message: int, act: Interaction) -> Response:
        """Answer by how the message ended, once it has or patience is at its end."""
        ending = await self.exchange.outcome(message, self.patience)
        if ending.state is not State.PROCESSED:
            return _unprocessed(ending)
        stored = await self.exchange.appointment_of(message)
        if stored is None:
            return _accepted(message, _HELD)
        status = 201 if act == "create" or stored.made else 200
        return FhirResponse(render(stored), status, _version_of(stored) | _place_of(stored))


def _unprocessed(ending: Outcome) -> Response:
    match ending.state:
        case State.QUARANTINED:
            error = error_of(ending)
            return refusal(error, status=error.http_status if isinstance(error, SenderError) else 422)
        case State.IGNORED:
            return refusal(ResourceUnsupported("out of scope by a rule of the gateway"), status=422)
        case State.DUPLICATE:
            return FhirResponse(note("duplicate", "a duplicate of an earlier message"))
        case _:
            return _accepted(ending.message, "recorded, not processed yet")


def _accepted(message: int, rule: str) -> Response:
    headers = {"Content-Location": f"/fhir/_status/{message}", "Retry-After": str(RETRY_SECONDS)}
    return FhirResponse(note("informational", rule), 202, headers)


def _version_of(stored: StoredAppointment) -> dict[str, str]:
    updated = format_datetime(stored.updated_at.astimezone(UTC), usegmt=True)
    return {"ETag": f'W/"{stored.version}"', "Last-Modified": updated}


def _place_of(stored: StoredAppointment) -> dict[str, str]:
    return {"Location": f"/fhir/Appointment/{stored.id}"}


def entity_version(entity_tag: str) -> int:
    """Give the version that If-Match names."""
    if not (tag := _ENTITY_TAG.fullmatch(entity_tag.strip())):
        raise SenderError('If-Match names one version: W/"1"')
    return int(tag[1])


def _asked_identifier(asked: list[tuple[str, str]], source: Source | None, site: Site) -> Identifier:
    """Give the identifier asked for: what is not understood is refused, for it would find too much."""
    if any(name not in {"identifier", "_format", "_pretty"} for name, _ in asked):
        raise SenderError("the only search parameter offered is identifier")
    values = [value for name, value in asked if name == "identifier"]
    system, bar, value = values[0].partition("|") if len(values) == 1 else ("", "", "")
    authority = site.authority(system) or (source.authority if source else "")
    if not bar or not value or not authority or not (system + value).isprintable():
        raise SenderError("one identifier is expected, as system|value")
    return Identifier(authority, value, IdentifierKind.OTHER)
