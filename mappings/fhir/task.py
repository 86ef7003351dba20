"""Work items as R4 Tasks over HTTP: what a worklist outside reads, and what it asks for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.errors import SenderError
from gateway.identity import Person
from gateway.site import Site
from gateway.worklist import ItemState, WorkItem
from mappings.fhir.bundle import TASK_STATUS, task_of
from mappings.fhir.patient import shown_patient


@dataclass(frozen=True, slots=True)
class TaskParameters:
    """What an operation on a Task is given; empty where it is not.

    Attributes:
        note: words that the item's history keeps: a reason, a comment.
        to: a secretariat, or a principal.
        until: until when it is on hold (aware instant).

    """

    note: str = ""
    to: str = ""
    until: datetime | None = None


def task_resource(item: WorkItem, person: Person, *, site: Site, title: str) -> dict[str, Any]:
    """Give the Task of an item that stands alone: its patient is contained in it (RNIV 1, EXI SI 16), unless masked."""
    task = task_of(item, person, site, title)
    if not person.id:  # masked: neither whose it is nor what it is about
        return {name: value for name, value in task.items() if name not in {"for", "focus"}}
    patient = shown_patient(person)
    return task | {"contained": [patient], "for": {"reference": f"#{patient['id']}"}}


def states_of(status: str) -> tuple[ItemState, ...]:
    """Give the states that a Task status asked for stands for.

    Raises:
        SenderError: it is none that a Task here has.

    """
    found = tuple(state for state, code in TASK_STATUS.items() if code == status)
    if not found:
        raise SenderError(f"one of {', '.join(sorted(TASK_STATUS.values()))} is expected", path="status")
    return found


def parameters_of(resource: object) -> TaskParameters:
    """Give what a Parameters resource says.

    Raises:
        SenderError: it is none, or holds what no operation takes.

    """
    given = resource.get("parameter", []) if isinstance(resource, dict) else None
    if not isinstance(resource, dict) or resource.get("resourceType") != "Parameters" or not isinstance(given, list):
        raise SenderError("a Parameters resource is expected")
    told = dict(map(_parameter, given))
    if len(told) < len(given):
        raise SenderError("each parameter once is expected", path="parameter")
    return TaskParameters(
        told.get("note", ""), told.get("to", ""), _instant(told["until"]) if "until" in told else None
    )


_TYPES = {"note": "valueString", "to": "valueString", "until": "valueDateTime"}


def _parameter(one: object) -> tuple[str, str]:
    """Give a parameter's name and value."""
    if isinstance(one, dict) and (kind := _TYPES.get(name := str(one.get("name")))):
        value = one.get(kind)
        if isinstance(value, str) and one.keys() == {"name", kind}:
            return name, value
    raise SenderError("note and to (valueString) and until (valueDateTime) are expected", path="parameter")


def _instant(value: str) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise SenderError("a time with its offset is expected", path="until")
    return at
