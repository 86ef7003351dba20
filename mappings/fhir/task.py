"""Work items as R4 Tasks over HTTP: what a worklist outside reads, and what it asks for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import SenderError
from gateway.facts import Priority
from gateway.identity import Person
from gateway.site import Site
from gateway.worklist import ItemKind, ItemState, WorkItem
from mappings.fhir.bundle import NAMESPACE, TASK_STATUS, task_of
from mappings.fhir.patient import shown_patient
from mappings.toml_file import expectation


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


@dataclass(frozen=True, slots=True)
class TaskAsked:
    """What a Task that is sent asks for: an item made by hand.

    Attributes:
        kind: code of the item's kind.
        secretariat: whose queue it goes to.
        authority: domain of the patient's number.
        patient: number of the patient.
        text: what it is about.
        priority: urgency.
        due: when it is to be done by (aware instant).

    """

    kind: ItemKind
    secretariat: str
    authority: str
    patient: str
    text: str
    priority: Priority = Priority.ROUTINE
    due: datetime | None = None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Coding(_Strict):
    system: Literal["urn:secretariat-gateway:item-kind"] = "urn:secretariat-gateway:item-kind"
    code: str


class _Concept(_Strict):
    coding: Annotated[list[_Coding], Field(min_length=1, max_length=1)]


class _Identifier(_Strict):
    system: Annotated[str, Field(min_length=1, max_length=200)]
    value: Annotated[str, Field(min_length=1, max_length=64)]


class _Named(_Strict):
    identifier: _Identifier
    type: str = ""


class _Period(_Strict):
    end: str


class _Restriction(_Strict):
    period: _Period


class _Task(_Strict):
    resource_type: Literal["Task"] = Field(alias="resourceType")
    status: Literal["requested"]
    intent: Literal["order"]
    code: _Concept
    description: Annotated[str, Field(min_length=1)]
    patient: _Named = Field(alias="for")
    owner: _Named
    priority: str = Priority.ROUTINE.value
    restriction: _Restriction | None = None


def asked_of(resource: object, site: Site) -> TaskAsked:
    """Give what a Task that is sent asks for; what is not understood in it is refused.

    Raises:
        SenderError: it is none, or says what is not understood here; says where.

    """
    try:
        task = _Task.model_validate(resource)
        kind, priority = ItemKind(task.code.coding[0].code), Priority(task.priority)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SenderError(expectation(first), path=f"Task.{where}" if where else "Task") from None
    except ValueError:
        raise SenderError("a kind of item and stat, urgent or routine are expected", path="Task.code") from None
    if task.owner.identifier.system != f"{NAMESPACE}:{site.id}:secretariat":
        raise SenderError(f"a secretariat ({NAMESPACE}:{site.id}:secretariat) is expected", path="Task.owner")
    due = _instant(task.restriction.period.end) if task.restriction else None
    patient, owner = task.patient.identifier, task.owner.identifier
    return TaskAsked(kind, owner.value, site.authority(patient.system), patient.value, task.description, priority, due)


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
