"""What every FHIR interaction shares: resources as answers, refusals as OperationOutcome, searches sent as forms."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse

from adapters.web.exchange import media_type, read_body, refusal_headers
from gateway.errors import GatewayError, SenderError
from mappings.fhir.outcome import outcome

MAX_FORM = 8 * 1024
"""Bytes of a search sent as a form."""

_MOST_PARAMETERS = 20
_JSON_TYPES = frozenset({"application/fhir+json", "application/json"})


class MediaTypeUnsupported(SenderError):
    """The body is not declared as FHIR JSON in plain."""

    http_status = 415
    issue_type = "not-supported"


class FhirResponse(JSONResponse):
    """A resource as FHIR JSON, which no cache keeps."""

    media_type = "application/fhir+json"

    def __init__(self, resource: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(resource, status, {"Cache-Control": "no-store", **(headers or {})})


def refusal(error: GatewayError, *, status: int = 0, headers: Mapping[str, str] | None = None) -> FhirResponse:
    """Give the answer to a request that is refused; of the error's own status unless another one is told."""
    status = status or error.http_status
    return FhirResponse(outcome(error), status, refusal_headers(error, status, headers))


def require_json(request: Request) -> None:
    """Return when the body is declared as FHIR JSON in plain.

    Raises:
        MediaTypeUnsupported: it is not.

    """
    if media_type(request) not in _JSON_TYPES or request.headers.get("content-encoding"):
        raise MediaTypeUnsupported("application/fhir+json, not encoded, is expected")


async def asked_by_form(request: Request) -> list[tuple[str, str]]:
    """Give the parameters of a search that is sent as a form: so no value stands in a URL.

    Raises:
        LimitExceeded: it is too long.
        SenderError: it is no form.

    """
    form = await read_body(request, MAX_FORM)
    try:
        asked = parse_qsl(form.decode(), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise SenderError("application/x-www-form-urlencoded in UTF-8 is expected") from None
    return [*request.query_params.multi_items(), *asked]
