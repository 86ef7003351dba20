"""One HTTP request and its answer: bounded, told to the log without a value, refused in the form of its interface.

Logs name method, route template, status and milliseconds: no path, no query string, no body (promise P6). The server
under it must not log requests either (uvicorn: ``access_log=False``).
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.errors import GatewayError, LimitExceeded, ProcessingFailed, TroubleError
from gateway.principal import Principal

MAX_HEADERS = 16 * 1024
"""Bytes of headers; the server bounds what has not come in whole by the same (``h11_max_incomplete_event_size``)."""
BODY_SECONDS = 30.0
"""Time for a body to come in."""
RETRY_SECONDS = 5
"""What Retry-After says while we are in trouble, or a message is pending."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Handler = Callable[[Request], Awaitable[Response]]


class BodyTooSlow(LimitExceeded):
    """The body did not come in within its time."""

    http_status = 408
    issue_type = "timeout"


class Refusal(Protocol):
    """How an interface says no."""

    def __call__(self, error: GatewayError, *, status: int = 0, headers: Mapping[str, str] | None = None) -> Response:
        """Give the answer; of the error's own status unless another one is told."""
        ...


def route(path: str, refuse: Refusal, log: Any, **handlers: Handler) -> Route:
    """Give the route of a path: a handler by method, each answer timed, each error refused.

    Args:
        path: its template.
        refuse: gives the refusal of an error.
        log: takes ``request`` and ``fault``.
        handlers: by method.

    """

    async def endpoint(request: Request) -> Response:
        began = time.perf_counter()
        response = await _answer(request, handlers.get(request.method) or next(iter(handlers.values())), refuse, log)
        tell(log, request.method, path, response.status_code, began)
        return response

    return Route(path, endpoint, methods=list(handlers))


async def _answer(request: Request, handler: Handler, refuse: Refusal, log: Any) -> Response:
    if sum(len(name) + len(value) for name, value in request.headers.raw) > MAX_HEADERS:
        return refuse(LimitExceeded(f"headers have at most {MAX_HEADERS} bytes"), status=431)
    try:
        return await handler(request)
    except GatewayError as error:
        return refuse(error)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is left to read it
    except Exception as fault:  # noqa: BLE001 - a fault's text may hold values: its class is logged, nothing is told
        log.error("fault", fault=type(fault).__name__)
        return refuse(ProcessingFailed("an internal fault"), status=500)


def tell(log: Any, method: str, path: str, status: int, began: float) -> None:
    """Log a request; ``began`` is of ``time.perf_counter``, ``path`` a template."""
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    log.info("request", method=named(method), route=path, status=status, milliseconds=milliseconds)


def named(method: str) -> str:
    """Give a method of HTTP's own; any other word is the sender's."""
    return method if method in _METHODS else "other"


_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(request: Request) -> str:
    """Give X-Request-Id if it is of a form that can be kept; else nothing."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else ""


def calling(principal: Principal, request: Request) -> Principal:
    """Give a principal with where this request comes from, and its own number."""
    address = request.client.host if request.client else ""
    return replace(principal, address=address, reference=request_id(request))


def refusal_headers(error: GatewayError, status: int, headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the headers of a refusal: how to sign in (RFC 6750), or when to come again."""
    more = dict(headers or {})
    if status == 401:  # noqa: PLR2004 - HTTP's own number
        more["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TroubleError):
        more["Retry-After"] = str(RETRY_SECONDS)
    return more


async def read_body(request: Request, limit: int) -> bytes:
    """Give the body, read within the limit of bytes and time (promise P9).

    Raises:
        LimitExceeded: it is larger.
        BodyTooSlow: it does not come in in time.

    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise LimitExceeded(f"a body has at most {limit} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise LimitExceeded(f"a body has at most {limit} bytes")
    except TimeoutError:
        raise BodyTooSlow(f"a body comes within {BODY_SECONDS:.0f} seconds") from None
    return bytes(body)


def media_type(request: Request) -> str:
    """Give the media type; empty if it names a character set other than JSON's own, UTF-8."""
    media, *parameters = [part.strip().lower() for part in request.headers.get("content-type", "").split(";")]
    charsets = [p.removeprefix("charset=").strip('"') for p in parameters if p.startswith("charset=")]
    return "" if any(charset not in {"utf-8", "utf8"} for charset in charsets) else media
