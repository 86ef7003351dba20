"""The identity desk over HTTP, as JSON: what ``gateway identity`` lists, shows and decides, by the same acts.

No rule stands here: rights, reasons, four eyes and audit are the acts' own. Records and decisions are named by opaque
ids, so no address holds anything of a patient; values are masked unless a reason is given, in a header or the body.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote, urlencode

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.identity_operations import IdentityOperations, Outcome
from adapters.identity_view import (
    KINDS,
    QUESTION_LISTS,
    decision_shown,
    evidence_shown,
    lines_shown,
    outcome_shown,
    provenance_shown,
    question_shown,
    record_shown,
)
from adapters.store.audit import AuditTrail
from adapters.web import openapi
from adapters.web.admission import admitted
from adapters.web.exchange import Handler, media_type, read_body, refusal_headers, route
from gateway.audit import AuditAction
from gateway.decision import MOST_FURTHER, OF_TWO, Decision, DecisionKind, Standing
from gateway.errors import DecidedMeanwhile, FieldMissing, GatewayError, ResourceNotFound, SenderError
from gateway.focus import Doubt
from gateway.identity import Identity
from gateway.notes import Note
from gateway.principal import Principal
from gateway.site import Site
from gateway.wording import REASON_LENGTH

MAX_BODY = 16 * 1024
"""Bytes of a request body."""

MOST_COMPARED = 20
"""Records compared at once."""

PAGE = 100
MOST_IN_PAGE = 1_000

REVEAL_HEADER = "X-Reveal-Reason"
"""Why values are shown: percent-encoded UTF-8 (RFC 3986), as a header holds no accents."""

_log = structlog.get_logger("identity-desk")

_ENTITY_TAG = re.compile(r'"([0-9a-f]{24})"')
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_IDENTITY = re.compile(r"[0-9A-Za-z-]{1,36}")

_Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,36}$")]
_Body = TypeVar("_Body", bound=BaseModel)


class MediaTypeUnsupported(SenderError):
    """The body is not declared as JSON in plain."""

    http_status = 415
    issue_type = "not-supported"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Comparison(_Strict):
    """Records to show side by side."""

    identities: Annotated[list[_Id], Field(min_length=1, max_length=MOST_COMPARED)]
    reveal: Annotated[str, Field(max_length=REASON_LENGTH)] = ""


class Asked(_Strict):
    """A decision to take, or to preview."""

    kind: DecisionKind
    identity: _Id
    other: _Id | None = None
    further: Annotated[tuple[_Id, ...], Field(max_length=MOST_FURTHER)] = ()
    subject: Annotated[str, Field(max_length=64)] = ""
    reason: str


class Undo(_Strict):
    """Why a decision is undone."""

    reason: str


class ProblemResponse(JSONResponse):
    """A refusal (RFC 9457)."""

    media_type = "application/problem+json"


def create_routes(
    operations: Callable[[Principal], IdentityOperations], trail: AuditTrail, site: Site, clock: Callable[[], datetime]
) -> list[Route]:
    """Give the routes of the identity desk.

    Args:
        operations: gives the acts of a principal.
        trail: takes the refusals of whoever does not say who they are.
        site: the establishment.
        clock: gives the aware present.

    """
    desk = _Desk(operations, trail, site, clock)
    return [
        _route("/identity/openapi.json", GET=desk.describe),
        _route("/identity/questions", GET=desk.questions),
        _route("/identity/records", GET=desk.records),
        _route("/identity/records/{identity}", GET=desk.record),
        _route("/identity/comparisons", POST=desk.compare),
        _route("/identity/decisions", GET=desk.decisions, POST=desk.decide),
        _route("/identity/decisions/preview", POST=desk.preview),
        _route("/identity/decisions/{number}", GET=desk.decision),
        _route("/identity/decisions/{number}/approval", POST=desk.approve),
        _route("/identity/decisions/{number}/approval/preview", POST=desk.preview_approval),
        _route("/identity/decisions/{number}/undo", POST=desk.undo),
        _route("/identity/decisions/{number}/undo/preview", POST=desk.preview_undo),
    ]


def _route(path: str, **handlers: Handler) -> Route:
    return route(path, problem, _log, **handlers)


def problem(error: GatewayError, *, status: int = 0, headers: Mapping[str, str] | None = None) -> ProblemResponse:
    """Give the refusal: its class, rule and place, and for a conflict who decided last, and when."""
    status = status or error.http_status
    told: dict[str, Any] = {
        "type": f"urn:secretariat-gateway:error:{error.name}",
        "title": error.name,
        "status": status,
        "detail": error.rule,
    }
    if error.path:
        told["path"] = error.path
    if isinstance(error, DecidedMeanwhile) and error.decision:
        told["latest"] = {"decision": error.decision, "by": error.by, "at": error.at}
    return ProblemResponse(told, status, {"Cache-Control": "no-store", **refusal_headers(error, status, headers)})


@dataclass(frozen=True, slots=True)
class _Desk:
    """The acts, by their addresses."""

    operations: Callable[[Principal], IdentityOperations]
    trail: AuditTrail
    site: Site
    clock: Callable[[], datetime]

    async def describe(self, _: Request) -> Response:
        """Answer what is offered (OpenAPI 3.1); open to all."""
        return _json(openapi.document(self.site.label, {m.__name__: m for m in (Comparison, Asked, Undo)}))

    async def questions(self, request: Request) -> Response:
        """Answer a page of the open questions, oldest first."""
        acts = await self._acts(request, AuditAction.IDENTITY_LISTED)
        kind, limit, after = _chosen(request, {"kind", "limit", "after"})
        if kind and kind not in QUESTION_LISTS:
            raise SenderError(f"one of {', '.join(sorted(QUESTION_LISTS))} is expected", path="kind")
        reveal, place = _reveal(request), _place(after)
        doubts = KINDS[kind] if kind else tuple(Doubt)

        def read() -> list[Any]:
            narrow = {"minors": kind == "minors", "stale": kind == "stale"}
            return acts.list_questions(doubts, limit + 1, reveal, **narrow, after=place)

        found = await run_in_threadpool(read)
        shown = [question_shown(q, reveal=bool(reveal)) for q in found[:limit]]
        last = found[limit - 1].item if len(found) > limit else None
        more = {"kind": kind, "limit": limit, "after": _cursor(last.created_at, last.id)} if last else {}
        return _json({"questions": shown, "next": _next("/identity/questions", more)})

    async def records(self, request: Request) -> Response:
        """Answer a page of the records of which something is notable, what was told last first."""
        acts = await self._acts(request, AuditAction.IDENTITY_LISTED)
        _, limit, after = _chosen(request, {"about", "limit", "after"})
        about = _one_of(Note, request.query_params.get("about", ""), "about")
        reveal, place = _reveal(request), _record_place(after)

        def read() -> list[Identity]:
            return acts.list_records(about, limit + 1, reveal, after=place)

        found = await run_in_threadpool(read)
        shown = [record_shown(record, reveal=bool(reveal)) for record in found[:limit]]
        last = found[limit - 1] if len(found) > limit else None
        more = {"about": about, "limit": limit, "after": f"{last.told.message}.{last.id}"} if last else {}
        return _json({"records": shown, "next": _next("/identity/records", more)})

    async def record(self, request: Request) -> Response:
        """Answer one record, the others of its person, and what was decided of them."""
        acts = await self._acts(request, AuditAction.IDENTITY_SHOWN)
        reveal = _reveal(request)
        found = await run_in_threadpool(acts.show, _identity(request), reveal)
        seen = bool(reveal)
        shown = {
            **record_shown(found.record, reveal=seen),
            "family": [record_shown(r, reveal=seen) for r in found.family if r.id != found.record.id],
            "decisions": [
                {**self._shown(d, reveal=seen), "followed": d.number in found.followed} for d in found.decisions
            ],
            "evidence": evidence_shown(found.evidence) if found.evidence else None,
            "provenance": provenance_shown(found.record),
        }
        return _json(shown, version=found.version)

    async def compare(self, request: Request) -> Response:
        """Answer records side by side, trait by trait."""
        acts = await self._acts(request, AuditAction.IDENTITY_COMPARED)
        asked = await _read(request, Comparison)
        if len(set(asked.identities)) < len(asked.identities):
            raise SenderError("each record once is expected", path="identities")
        reveal = asked.reveal or _reveal(request)
        found = await run_in_threadpool(acts.comparison, asked.identities, reveal)
        lines = lines_shown(found.lines, reveal=bool(reveal))
        if len(found.records) < 2:  # noqa: PLR2004 - one is not compared
            raise SenderError("two records, or one of which departments tell otherwise", path="identities")
        return _json({"identities": [r.id for r in found.records], "traits": lines}, version=found.version)

    async def decisions(self, request: Request) -> Response:
        """Answer a page of the decisions that stand so, oldest first."""
        acts = await self._acts(request, AuditAction.IDENTITY_LISTED)
        kind, limit, after = _chosen(request, {"kind", "limit", "after", "standing"})
        standing = _one_of(Standing, request.query_params.get("standing", Standing.PROPOSED), "standing")
        of = _one_of(DecisionKind, kind, "kind") if kind else None
        if after and not _NUMBER.fullmatch(after):
            raise SenderError("what an answer's next names is expected", path="after")

        def read() -> list[Any]:
            return acts.list_decisions(standing, of, limit + 1, after=int(after or 0))

        found = await run_in_threadpool(read)
        more = (
            {"standing": standing, "kind": kind, "limit": limit, "after": found[limit - 1].number}
            if len(found) > limit
            else {}
        )
        shown = [self._shown(d) for d in found[:limit]]
        return _json({"decisions": shown, "next": _next("/identity/decisions", more)})

    async def decision(self, request: Request) -> Response:
        """Answer one decision."""
        acts = await self._acts(request, AuditAction.IDENTITY_SHOWN)
        reveal = _reveal(request)
        found, version = await run_in_threadpool(acts.show_decision, _number(request), reveal)
        return _json(self._shown(found, reveal=bool(reveal)), version=version)

    async def decide(self, request: Request) -> Response:
        """Take a decision; where a second person is needed, it is proposed."""
        return await self._decide(request, really=True)

    async def preview(self, request: Request) -> Response:
        """Answer what a decision would do; nothing is decided."""
        return await self._decide(request, really=False)

    async def approve(self, request: Request) -> Response:
        """Let what somebody else proposed take effect."""
        return await self._approve(request, really=True)

    async def preview_approval(self, request: Request) -> Response:
        """Answer what an approval would do; nothing is decided."""
        return await self._approve(request, really=False)

    async def undo(self, request: Request) -> Response:
        """Let things be as if a decision had never been taken."""
        return await self._undo(request, really=True)

    async def preview_undo(self, request: Request) -> Response:
        """Answer what an undo would do; nothing is undone."""
        return await self._undo(request, really=False)

    async def _decide(self, request: Request, *, really: bool) -> Response:
        acts = await self._acts(request, AuditAction.IDENTITY_DECISION_PROPOSED)
        asked, expects = await _read(request, Asked), _expects(request)
        if (asked.other is not None) is not (asked.kind in OF_TWO):
            raise SenderError(f"{', '.join(sorted(OF_TWO))}: two records; any other: one", path="other")

        def do() -> Outcome:
            return acts.decide(
                asked.kind,
                asked.identity,
                asked.other or "",
                asked.reason,
                further=asked.further,
                subject=asked.subject,
                really=really,
                expects=expects,
            )

        return self._done(await run_in_threadpool(do), really=really, made=True)

    async def _approve(self, request: Request, *, really: bool) -> Response:
        acts = await self._acts(request, AuditAction.IDENTITY_DECISION_APPROVED)
        number, expects = _number(request), _expects(request)
        outcome = await run_in_threadpool(lambda: acts.approve(number, really=really, expects=expects))
        return self._done(outcome, really=really)

    async def _undo(self, request: Request, *, really: bool) -> Response:
        acts = await self._acts(request, AuditAction.IDENTITY_DECISION_UNDONE)
        number, asked, expects = _number(request), await _read(request, Undo), _expects(request)

        def do() -> Outcome:
            return acts.undo(number, asked.reason, really=really, expects=expects)

        return self._done(await run_in_threadpool(do), really=really)

    def _shown(self, decision: Decision, *, reveal: bool = False) -> dict[str, Any]:
        return decision_shown(decision, reveal=reveal, late=self._late)

    @property
    def _late(self) -> datetime:
        """When a request that is overdue by now was made at the latest."""
        return self.clock() - self.site.desk_limit

    def _done(self, outcome: Outcome, *, really: bool, made: bool = False) -> Response:
        """Give the answer to an act; a new decision that is only previewed has no number yet."""
        shown = outcome_shown(outcome, done=really, late=self._late)
        if not really:
            return _json(shown | ({"decision": None} if made else {}), version=outcome.version)
        headers = {"Location": f"/identity/decisions/{outcome.decision.number}"} if made else {}
        return _json(shown, 201 if made else 200, headers)

    async def _acts(self, request: Request, act: AuditAction) -> IdentityOperations:
        """Give the acts of whoever the request acts for; one that does not say it is refused, which is audited."""
        return self.operations(await admitted(request, self.site, self.trail, self.clock(), act))


def _json(
    shown: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None, *, version: str = ""
) -> Response:
    told = {"Cache-Control": "no-store", **({"ETag": f'"{version}"'} if version else {}), **(headers or {})}
    body = json.dumps(shown, ensure_ascii=False, separators=(",", ":"), default=datetime.isoformat).encode()
    return Response(body, status, told, media_type="application/json")


def _next(path: str, more: Mapping[str, Any]) -> str | None:
    """Give the address of the next page: filter, size and place, nothing of a patient."""
    return f"{path}?{urlencode({name: value for name, value in more.items() if value})}" if more else None


def _chosen(request: Request, known: set[str]) -> tuple[str, int, str]:
    """Give kind, limit and place asked for; what is not understood is refused, for it would list too much."""
    asked = request.query_params
    if any(name not in known for name in asked) or len(asked.multi_items()) > len(asked):
        raise SenderError(f"each of {', '.join(sorted(known))} at most once is expected", path="query")
    limit = asked.get("limit", str(PAGE))
    if not limit.isascii() or not limit.isdecimal() or not 1 <= int(limit[:9]) <= MOST_IN_PAGE:
        raise SenderError(f"a number from 1 to {MOST_IN_PAGE} is expected", path="limit")
    return asked.get("kind", ""), int(limit), asked.get("after", "")


_Word = TypeVar("_Word", bound=StrEnum)


def _one_of(words: type[_Word], said: str, path: str) -> _Word:
    try:
        return words(said)
    except ValueError:
        raise SenderError(f"one of {', '.join(words)} is expected", path=path) from None


def _cursor(at: datetime, item: str) -> str:
    return urlsafe_b64encode(f"{at.isoformat()} {item}".encode()).decode()


def _place(cursor: str) -> tuple[datetime, str] | None:
    if not cursor:
        return None
    try:
        at, _, item = urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").partition(" ")
        place = datetime.fromisoformat(at)
    except ValueError:
        place, item = datetime.min, ""  # noqa: DTZ901 - told from a place of ours by its want of an offset
    if place.tzinfo is None or not _IDENTITY.fullmatch(item):
        raise SenderError("what an answer's next names is expected", path="after")
    return place, item


def _record_place(cursor: str) -> tuple[int, str] | None:
    if not cursor:
        return None
    message, _, record = cursor.partition(".")
    if not _NUMBER.fullmatch(message) or not _IDENTITY.fullmatch(record):
        raise SenderError("what an answer's next names is expected", path="after")
    return int(message), record


def _reveal(request: Request) -> str:
    """Give why values are to be shown; empty: they are not."""
    reason = unquote(request.headers.get(REVEAL_HEADER, "")).strip()
    if len(reason) > REASON_LENGTH:
        raise SenderError(f"a reason of at most {REASON_LENGTH} characters is expected", path=REVEAL_HEADER)
    return reason


def _identity(request: Request) -> str:
    identity: str = request.path_params["identity"]
    if not _IDENTITY.fullmatch(identity):
        raise ResourceNotFound("no identity has this id")
    return identity


def _number(request: Request) -> int:
    number: str = request.path_params["number"]
    if not _NUMBER.fullmatch(number):
        raise ResourceNotFound("no decision has this number")
    return int(number)


def _expects(request: Request) -> str:
    """Give the version that If-Match names; empty where it names none, or any."""
    given = request.headers.get("if-match", "*").strip()
    if given == "*":
        return ""
    if not (tag := _ENTITY_TAG.fullmatch(given)):
        raise SenderError("one ETag as it was answered is expected", path="If-Match")
    return tag[1]


async def _read(request: Request, kind: type[_Body]) -> _Body:
    """Give the body; what is wrong in it is named by place and rule, never by value."""
    if media_type(request) != "application/json" or request.headers.get("content-encoding"):
        raise MediaTypeUnsupported("application/json, not encoded, is expected")
    body = await read_body(request, MAX_BODY)
    try:
        return kind.model_validate_json(body)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_context=False, include_input=False)[0]
    place = [str(step) for step in first["loc"]]
    if not place or place[0] not in kind.model_fields:
        raise SenderError(f"an object of {', '.join(kind.model_fields)} is expected")
    if first["type"] == "missing":
        raise FieldMissing("it is needed", path=place[0])
    raise SenderError(first["msg"], path=".".join(place))
