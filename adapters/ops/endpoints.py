"""Health and metrics over HTTP, without sign-in: numbers and yes or no, nothing secret, nothing of a patient."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format."""

_FRESH = {"Cache-Control": "no-store"}


def observed(app: ASGIApp, ready: Callable[[], dict[str, bool]], exposition: Callable[[], bytes]) -> Starlette:
    """Give an application with ``/health/live``, ``/health/ready`` and ``/metrics`` before it.

    Args:
        app: what answers everything else.
        ready: gives what must hold for the gateway to be of use, and whether it does.
        exposition: gives the metrics in Prometheus' text format.

    """

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True}, headers=_FRESH)

    async def readiness(_: Request) -> Response:
        checks = ready()
        well = all(checks.values())
        return JSONResponse({"ready": well, "checks": checks}, 200 if well else 503, _FRESH)

    async def metrics(_: Request) -> Response:
        return Response(exposition(), media_type=CONTENT_TYPE, headers=_FRESH)

    routes = [
        Route("/health/live", live, methods=["GET"]),
        Route("/health/ready", readiness, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Mount("", app=app),
    ]
    together = Starlette(routes=routes)
    together.router.redirect_slashes = False
    return together
