"""Errors and endings as FHIR R4 OperationOutcome: path and rule, never a value."""

from collections.abc import Iterator
from typing import Any

from gateway.errors import GatewayError, ProcessingFailed
from gateway.reception import Outcome


def outcome(error: GatewayError) -> dict[str, Any]:
    """Give the OperationOutcome of an error; its path, where it has one, is the FHIRPath expression."""
    return _operation_outcome("error", error.issue_type, error.name, error.rule, error.path)


def note(code: str, rule: str) -> dict[str, Any]:
    """Give an OperationOutcome that only informs; ``code`` is of FHIR R4 issue-type."""
    return _operation_outcome("information", code, "", rule, "")


def error_of(ending: Outcome) -> GatewayError:
    """Give the error by which a message ended in quarantine; a name that is no more stands for our own fault."""
    kind = next((k for k in _kinds(GatewayError) if k.__name__ == ending.error), ProcessingFailed)
    return kind(ending.rule, path=ending.path)


def _kinds(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


def _operation_outcome(severity: str, code: str, name: str, rule: str, path: str) -> dict[str, Any]:
    issue: dict[str, Any] = {"severity": severity, "code": code, "details": {"text": rule}}
    if name:
        issue["diagnostics"] = f"{name}: {rule}"
    if path:
        issue["expression"] = [path]
    return {"resourceType": "OperationOutcome", "issue": [issue]}
