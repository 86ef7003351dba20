"""Patients over FHIR R4: IHE PIXm (ITI-83), PDQm (ITI-78) and ``$match``; every answer is audited before it leaves.

Each query may be sent as a body, so that nothing of a patient stands in a URL (promise P6).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from fhir.resources.R4B.parameters import Parameters
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.fhir import validation
from adapters.fhir.interaction import FhirResponse, asked_by_form, refusal, require_json
from adapters.patient_operations import PatientOperations
from adapters.store.audit import AuditTrail
from adapters.web.admission import admitted
from adapters.web.exchange import Handler, read_body, route
from gateway.audit import AuditAction
from gateway.errors import ResourceNotFound, SenderError
from gateway.principal import Principal
from gateway.site import Site
from mappings.fhir.element import Element
from mappings.fhir.patient import described_patient
from mappings.fhir.patient_query import (
    Parameter,
    cross_reference_answer,
    match_answer,
    query_answer,
    read_cross_reference,
    read_match,
    read_query,
    told_patient,
)

MAX_BODY = 64 * 1024
"""Bytes of a request body."""

_log = structlog.get_logger("fhir")
_LOGICAL_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


def create_routes(
    operations: Callable[[Principal], PatientOperations], trail: AuditTrail, site: Site, clock: Callable[[], datetime]
) -> list[Route]:
    """Give the routes under ``/fhir/Patient``.

    Args:
        operations: gives the acts of a principal.
        trail: takes the refusals of whoever does not say who they are.
        site: the establishment.
        clock: gives the aware present.

    """
    patients = _Patients(operations, trail, site, clock)
    return [
        _route("/fhir/Patient", GET=patients.search),
        _route("/fhir/Patient/_search", POST=patients.search_by_form),
        _route("/fhir/Patient/$ihe-pix", GET=patients.cross_reference, POST=patients.cross_reference_by_body),
        _route("/fhir/Patient/$match", POST=patients.match),
        _route("/fhir/Patient/{id}", GET=patients.read),
    ]


def _route(path: str, **handlers: Handler) -> Route:
    return route(path, refusal, _log, **handlers)


@dataclass(frozen=True, slots=True)
class _Patients:
    """The interactions, by their names."""

    operations: Callable[[Principal], PatientOperations]
    trail: AuditTrail
    site: Site
    clock: Callable[[], datetime]

    async def cross_reference(self, request: Request) -> Response:
        """Answer which other numbers are the patient's who bears one."""
        acts = await self._acts(request, AuditAction.PATIENT_CROSS_REFERENCED)
        return await self._cross_referenced(acts, request.query_params.multi_items())

    async def cross_reference_by_body(self, request: Request) -> Response:
        """Answer the same, asked for by Parameters."""
        acts = await self._acts(request, AuditAction.PATIENT_CROSS_REFERENCED)
        parameters = await _parameters(request)
        return await self._cross_referenced(acts, [_said(p) for p in parameters.each("parameter")])

    async def _cross_referenced(self, acts: PatientOperations, asked: Iterable[Parameter]) -> Response:
        query = read_cross_reference(asked)
        return FhirResponse(cross_reference_answer(*await run_in_threadpool(acts.cross_references, query)))

    async def read(self, request: Request) -> Response:
        """Answer one patient."""
        acts = await self._acts(request, AuditAction.PATIENT_READ)
        if not _LOGICAL_ID.fullmatch(request.path_params["id"]):
            raise ResourceNotFound("no patient has this id")
        return FhirResponse(told_patient(await run_in_threadpool(acts.read, request.path_params["id"])))

    async def search(self, request: Request) -> Response:
        """Answer the patients that a query finds."""
        acts = await self._acts(request, AuditAction.PATIENT_SEARCHED)
        return await self._searched(acts, request.query_params.multi_items())

    async def search_by_form(self, request: Request) -> Response:
        """Answer the same, asked for by a form."""
        acts = await self._acts(request, AuditAction.PATIENT_SEARCHED)
        return await self._searched(acts, await asked_by_form(request))

    async def _searched(self, acts: PatientOperations, asked: Iterable[Parameter]) -> Response:
        return FhirResponse(query_answer(*await run_in_threadpool(acts.search, read_query(asked))))

    async def match(self, request: Request) -> Response:
        """Answer who is like the patient described."""
        acts = await self._acts(request, AuditAction.PATIENT_MATCHED)
        query = read_match(await _parameters(request))
        described = described_patient(query.resource, self.site)
        found = await run_in_threadpool(acts.match, described, certain=query.certain, count=query.count)
        return FhirResponse(match_answer(found))

    async def _acts(self, request: Request, act: AuditAction) -> PatientOperations:
        return self.operations(await admitted(request, self.site, self.trail, self.clock(), act))


async def _parameters(request: Request) -> Element:
    """Give the Parameters of a body.

    Raises:
        SenderError: it holds none.

    """
    require_json(request)
    resource = await run_in_threadpool(_validated, await read_body(request, MAX_BODY))
    return Element(resource, "Parameters")


def _validated(body: bytes) -> dict[str, Any]:
    resource = validation.parse(body)
    validation.validate(resource, Parameters)
    return resource


def _said(parameter: Element) -> Parameter:
    """Give a parameter as its name and text: a number may come as Identifier, or as the token that a URL would hold."""
    identifier = parameter.one("valueIdentifier")
    if identifier:
        return parameter.text("name"), f"{identifier.text('system')}|{identifier.text('value')}"
    text = parameter.text("valueString") or parameter.text("valueUri")
    if not text:
        raise SenderError("a text, a URI or an Identifier is expected", path=parameter.path)
    return parameter.text("name"), text
