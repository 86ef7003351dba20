"""Convocations over HTTP, as JSON and PDF: what ``gateway convocation`` lists, prints and says, by the same acts.

No rule stands here: rights and audit are the acts' own. A convocation is named by the opaque id of its appointment or
stay, so no address holds anything of a patient.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.convocation_operations import MOST_LETTERS, ConvocationOperations
from adapters.convocation_view import view_json
from adapters.store.audit import AuditTrail
from adapters.store.convocations import ConvocationView
from adapters.web.admission import admitted
from adapters.web.exchange import route
from adapters.web.identity_desk import problem
from gateway.audit import AuditAction
from gateway.convocation import ConvocationAct, ConvocationKind, ConvocationState
from gateway.errors import ResourceNotFound, SenderError
from gateway.principal import Principal
from gateway.reach import Channel
from gateway.site import Site

MOST_IN_PAGE = 1_000

_log = structlog.get_logger("convocations")
_ID = re.compile(r"[0-9A-Za-z-]{1,36}")
_WORDS = {"state": ConvocationState, "channel": Channel, "kind": ConvocationKind}
_SAID = {act.value: act for act in ConvocationAct if act is not ConvocationAct.PRINT}


def create_routes(
    operations: Callable[[Principal], ConvocationOperations],
    trail: AuditTrail,
    site: Site,
    clock: Callable[[], datetime],
) -> list[Route]:
    """Give the routes.

    Args:
        operations: gives the acts of a principal.
        trail: takes the refusals of whoever does not say who they are.
        site: the establishment.
        clock: gives the aware present.

    """
    desk = _Desk(operations, trail, site, clock)
    return [
        route("/convocations", problem, _log, GET=desk.listed),
        route("/convocations/letters", problem, _log, POST=desk.print_all),
        route("/convocations/{id}", problem, _log, GET=desk.show),
        route("/convocations/{id}/letter", problem, _log, GET=desk.preview, POST=desk.print_one),
        route("/convocations/{id}/{act}", problem, _log, POST=desk.do),
    ]


@dataclass(frozen=True, slots=True)
class _Desk:
    """The acts, by their addresses."""

    operations: Callable[[Principal], ConvocationOperations]
    trail: AuditTrail
    site: Site
    clock: Callable[[], datetime]

    async def listed(self, request: Request) -> Response:
        """Answer convocations, those that start first before others."""
        acts = await self._acts(request, AuditAction.CONVOCATION_LISTED)
        asked = _asked(request, {"secretariat", "limit", *_WORDS})
        limit = _number(asked.get("limit", "100"), MOST_IN_PAGE)

        def read() -> list[ConvocationView]:
            return acts.listed(
                asked.get("secretariat", ""),
                states=[asked["state"]] if asked.get("state") else (),
                channel=asked.get("channel", ""),
                kind=asked.get("kind", ""),
                limit=limit,
            )

        return _json({"convocations": [view_json(view) for view in await run_in_threadpool(read)]})

    async def show(self, request: Request) -> Response:
        """Answer all convocations of an appointment."""
        acts = await self._acts(request, AuditAction.CONVOCATION_SHOWN)
        return _json(view_json(await run_in_threadpool(acts.show, _id(request))))

    async def preview(self, request: Request) -> Response:
        """Answer the letter as it would be printed now or, with a number, as that one was printed."""
        acts = await self._acts(request, AuditAction.CONVOCATION_PREVIEWED)
        number = _asked(request, {"number"}).get("number", "")
        place = _number(number, 10_000) if number else 0
        return _pdf(await run_in_threadpool(acts.preview, _id(request), place))

    async def print_one(self, request: Request) -> Response:
        """Answer the letter, printed once more."""
        acts, made = await self._acts(request, AuditAction.CONVOCATION_PRINTED), list[bytes]()
        await run_in_threadpool(acts.print_one, _id(request), made.append)
        return _pdf(made[-1])

    async def print_all(self, request: Request) -> Response:
        """Answer the letters that are to be prepared, in one PDF; none: 204. How many were left out is told beside."""
        acts, made = await self._acts(request, AuditAction.CONVOCATION_PRINTED), list[bytes]()
        secretariat = _asked(request, {"secretariat"}).get("secretariat", "")
        printed = await run_in_threadpool(lambda: acts.print_all(secretariat, made.append, limit=MOST_LETTERS))
        told = {"X-Letters": str(len(printed.views)), "X-Left-Out": str(len(printed.left_out))}
        return _pdf(made[-1], told) if printed.views else Response(status_code=204, headers={**_PRIVATE, **told})

    async def do(self, request: Request) -> Response:
        """Say what became of a convocation: ``sent``, ``confirmed``, ``returned``, ``no-show``."""
        act = _SAID.get(request.path_params["act"])
        if act is None:
            raise ResourceNotFound(f"one of {', '.join(_SAID)} is expected")
        acts = await self._acts(request, AuditAction.CONVOCATION_SHOWN)
        return _json(view_json(await run_in_threadpool(acts.do, act, _id(request))))

    async def _acts(self, request: Request, act: AuditAction) -> ConvocationOperations:
        """Give the acts of whoever the request acts for; one that does not say it is refused, which is audited."""
        return self.operations(await admitted(request, self.site, self.trail, self.clock(), act))


_PRIVATE = {"Cache-Control": "no-store"}


def _json(shown: Mapping[str, Any]) -> Response:
    body = json.dumps(shown, ensure_ascii=False, separators=(",", ":"), default=datetime.isoformat).encode()
    return Response(body, 200, _PRIVATE, media_type="application/json")


def _pdf(pdf: bytes, told: Mapping[str, str] | None = None) -> Response:
    return Response(pdf, 200, {**_PRIVATE, **(told or {})}, media_type="application/pdf")


def _id(request: Request) -> str:
    named: str = request.path_params["id"]
    if not _ID.fullmatch(named):
        raise ResourceNotFound("no convocation has this id")
    return named


def _asked(request: Request, known: set[str]) -> dict[str, str]:
    """Give what is asked for; what is not understood is refused, for it would list, or print, too much."""
    asked = request.query_params
    if any(name not in known for name in asked) or len(asked.multi_items()) > len(asked):
        raise SenderError(f"each of {', '.join(sorted(known))} at most once is expected", path="query")
    for name, words in _WORDS.items():
        if asked.get(name) and asked[name] not in set(words):
            raise SenderError(f"one of {', '.join(words)} is expected", path=name)
    return dict(asked)


def _number(text: str, most: int) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= most:
        raise SenderError(f"a number from 1 to {most} is expected", path="query")
    return int(text)
