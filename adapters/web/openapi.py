"""The identity desk's interface as an OpenAPI 3.1 document: what developers of screens read, and make clients from."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel

from adapters.identity_view import QUESTION_LISTS
from gateway.decision import DecisionKind, Standing
from gateway.differences import Grade
from gateway.facts import IdentifierChange, IdentityStatus, Traits
from gateway.focus import Doubt
from gateway.notes import Note

_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_TEXTS = {"type": "array", "items": _TEXT}
_WHEN = {"type": "string", "format": "date-time"}
_TRUTH = {"type": "boolean"}

_READS = (400, 401, 403, 413, 431, 500, 503)
"""What any reading act may be refused by."""
_FOUND = (*_READS, 404)
_BODY = (408, 415, 422)
_ACTS = (*_FOUND, *_BODY, 409, 412)

_SAID = {
    400: "the request is not understood: `path` says where",
    401: "no token, or one that does not hold; audited",
    403: "the right is missing, or who proposed a decision would approve it; audited",
    404: "no record or decision is called so",
    408: "the body did not come in time",
    409: "a rule forbids it; `latest` is the last decision on these records: which, by whom, when",
    412: "what is known has changed since the version that If-Match names; `latest` as for 409",
    413: "the body is too large, or the decision concerns too many records",
    415: "the body is not JSON in plain",
    422: "the reason, or another member, is missing",
    431: "the headers are too large",
    500: "a fault of the gateway",
    503: "the store is in trouble: come again after Retry-After",
}


def document(label: str, bodies: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Give the document.

    Args:
        label: the establishment's name for people.
        bodies: what is sent, by name.

    """
    schemas = {name: _schema(body) for name, body in bodies.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{label}: identity desk",
            "version": version("secretariat-gateway"),
            "description": "Open questions about who is who, records side by side, decisions. Values are masked (***)"
            " unless a reason is given; it is kept in the audit trail.",
        },
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": schemas | _SCHEMAS,
        },
    }


def _schema(body: type[BaseModel]) -> dict[str, Any]:
    made = body.model_json_schema(ref_template="#/components/schemas/{model}")
    made.pop("$defs", None)  # the vocabularies, which stand among the schemas
    return made


def _paths() -> dict[str, Any]:
    number, version_held = _in("number", "path", {"type": "integer", "minimum": 1}), _IF_MATCH
    page = [
        _in("limit", "query", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
        _in("after", "query", _TEXT),
    ]
    return {
        "/identity/openapi.json": {"get": _open()},
        "/identity/questions": {
            "get": _act("A page of the open questions, oldest first", "Questions", _READS, _kind(), *page, _REVEAL)
        },
        "/identity/records": {
            "get": _act(
                "A page of the records of which something is notable, what was told last first",
                "Records",
                _READS,
                {**_in("about", "query", {"enum": sorted(Note)}), "required": True},
                *page,
                _REVEAL,
            )
        },
        "/identity/records/{identity}": {
            "get": _act(
                "One record, its person's others, what was decided",
                "Record",
                _FOUND,
                _in("identity", "path", _TEXT),
                _REVEAL,
            )
        },
        "/identity/comparisons": {
            "post": _act("Records side by side", "Compared", (*_FOUND, *_BODY), _REVEAL, body="Comparison")
        },
        "/identity/decisions": {
            "get": _act(
                "A page of the decisions that stand so, oldest first", "Decisions", _READS, *_standing(), *page
            ),
            "post": _act(
                "Take a decision, or propose it where a second person is needed",
                "Outcome",
                _ACTS,
                version_held,
                body="Asked",
                status=201,
            ),
        },
        "/identity/decisions/preview": {
            "post": _act("What a decision would do; nothing is decided", "Outcome", _ACTS, version_held, body="Asked")
        },
        "/identity/decisions/{number}": {"get": _act("One decision", "Decision", _FOUND, number, _REVEAL)},
        "/identity/decisions/{number}/approval": {
            "post": _act("Approve what somebody else proposed", "Outcome", _ACTS, number, version_held)
        },
        "/identity/decisions/{number}/approval/preview": {
            "post": _act("What an approval would do", "Outcome", _ACTS, number, version_held)
        },
        "/identity/decisions/{number}/undo": {
            "post": _act("Undo a decision", "Outcome", _ACTS, number, version_held, body="Undo")
        },
        "/identity/decisions/{number}/undo/preview": {
            "post": _act("What an undo would do", "Outcome", _ACTS, number, version_held, body="Undo")
        },
    }


def _in(name: str, place: str, schema: Mapping[str, Any], said: str = "") -> dict[str, Any]:
    described = {"description": said} if said else {}
    return {"name": name, "in": place, "required": place == "path", "schema": dict(schema), **described}


_REVEAL = _in("X-Reveal-Reason", "header", _TEXT, "why values are shown, percent-encoded UTF-8; needs identity:reveal")
_IF_MATCH = _in(
    "If-Match",
    "header",
    _TEXT,
    "the ETag of a preview or a comparison of the same records, of the record to unlink, or of the decision",
)


def _kind() -> dict[str, Any]:
    return _in("kind", "query", {"enum": sorted(QUESTION_LISTS)})


def _standing() -> list[dict[str, Any]]:
    standing = {"enum": sorted(Standing), "default": "proposed"}
    return [_in("standing", "query", standing), _in("kind", "query", {"enum": sorted(DecisionKind)})]


def _act(
    summary: str, answer: str, refused: tuple[int, ...], *parameters: dict[str, Any], body: str = "", status: int = 200
) -> dict[str, Any]:
    sent = {"requestBody": {"required": True, "content": _content("application/json", body)}} if body else {}
    said = {str(status): {"description": "done", "content": _content("application/json", answer)}}
    return {"summary": summary, "parameters": list(parameters), **sent, "responses": said | _refusals(refused)}


def _open() -> dict[str, Any]:
    answer = {"200": {"description": "this document", "content": {"application/json": {"schema": {"type": "object"}}}}}
    return {"summary": "This document", "security": [], "responses": answer | _refusals((431, 500))}


def _refusals(statuses: tuple[int, ...]) -> dict[str, Any]:
    content = _content("application/problem+json", "Problem")
    return {str(status): {"description": _SAID[status], "content": content} for status in sorted(statuses)}


def _content(media: str, schema: str) -> dict[str, Any]:
    return {media: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _object(**members: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(members), "properties": members}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _ref(name)}


_TRAITS = dict.fromkeys(Traits.__dataclass_fields__, _TEXT)
_BARE_RECORD = {
    "identity": _TEXT,
    "person": _TEXT,
    "authority": _TEXT,
    "value": _TEXT,
    **_TRAITS,
    "identity_status": {"enum": sorted(IdentityStatus)},
    "vouched_for": _TRUTH,
    "frozen": _TRUTH,
    "retired": _TRUTH,
    "notes": {"type": "array", "items": {"enum": sorted(Note)}},
    "identifier_change": {"enum": [*sorted(IdentifierChange), None], "description": "what the last A47 did"},
}
_DECISION = {
    "decision": {"type": ["integer", "null"], "description": "null: a preview"},
    "kind": _ref("DecisionKind"),
    "standing": {"enum": sorted(Standing)},
    "identity": _TEXT,
    "other": _MAYBE_TEXT,
    "further": {**_TEXTS, "description": "records beside the other one that are not its person either"},
    "subject": {**_MAYBE_TEXT, "description": "the flag requested, or the secretariat asked"},
    "undoes": {"type": ["integer", "null"], "description": "the decision that is undone once approved"},
    "discordant": _TEXTS,
    "moves": {"type": "array", "items": _object(identity=_TEXT, before=_TEXT, after=_TEXT)},
    "reason": _TEXT,
    "by": _TEXT,
    "at": _WHEN,
    "second": _MAYBE_TEXT,
    "overdue": _TRUTH,
    "undone_by": _MAYBE_TEXT,
    "undone_second": _MAYBE_TEXT,
}
_TOLD = _object(item=_TEXT, secretariat=_TEXT, state=_TEXT, version={"type": "integer"})

_BITS = {"type": "number", "description": "bits: log2 of the odds"}
_WEIGHED = _object(
    identity=_TEXT,
    bits=_BITS,
    grade=_TEXT,
    guards=_TEXTS,
    contributions={"type": "array", "items": _object(trait=_TEXT, level=_TEXT, bits=_BITS)},
)
_EVIDENCE = {
    "anyOf": [
        {"type": "null"},
        _object(
            model=_TEXT,
            automatic_bits=_BITS,
            review_bits=_BITS,
            margin_bits=_BITS,
            found={"type": "integer"},
            hindrances=_TEXTS,
            candidates={"type": "array", "items": _WEIGHED},
        ),
    ],
    "description": "what the matcher knew when it last asked about the record or linked it; no value of a trait",
}

_SCHEMAS: dict[str, Any] = {
    "DecisionKind": {"enum": sorted(DecisionKind)},
    "Problem": {
        **_object(type=_TEXT, title=_TEXT, status={"type": "integer"}, detail=_TEXT),
        "properties": {
            "type": _TEXT,
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "the rule that was broken; never a value"},
            "path": {"type": "string", "description": "where: a member, a parameter or a header"},
            "latest": _object(decision={"type": "integer"}, by=_TEXT, at=_WHEN),
        },
    },
    "BareRecord": _object(**_BARE_RECORD),
    "Record": _object(
        **_BARE_RECORD,
        family=_list("BareRecord"),
        decisions=_list("OwnDecision"),
        evidence=_EVIDENCE,
        provenance={
            "type": "array",
            "items": _object(source=_TEXT, message={"type": "integer"}, at=_WHEN, traits=_TEXTS),
        },
    ),
    "Records": _object(records=_list("BareRecord"), next=_MAYBE_TEXT),
    "Question": _object(
        doubt={"enum": sorted(Doubt)},
        label=_TEXT,
        identity=_TEXT,
        other=_MAYBE_TEXT,
        further=_TEXTS,
        traits=_TEXTS,
        waits_for=_TEXTS,
        since=_WHEN,
        item=_TEXT,
        patient=_ref("BareRecord"),
    ),
    "Questions": _object(questions=_list("Question"), next=_MAYBE_TEXT),
    "Compared": _object(identities=_TEXTS, traits=_list("Line")),
    "Line": _object(trait=_TEXT, label=_TEXT, values=_TEXTS, grade={"enum": [*sorted(Grade), None]}),
    "Decision": _object(**_DECISION),
    "OwnDecision": _object(**_DECISION, followed=_TRUTH),
    "Decisions": _object(decisions=_list("Decision"), next=_MAYBE_TEXT),
    "Outcome": _object(
        done=_TRUTH,
        **_DECISION,
        items=_TEXTS,
        already_told={"type": "array", "items": _TOLD},
        stays=_TEXTS,
        joined_since=_TEXTS,
    ),
}
