"""Request bodies as FHIR R4 resources: bounded, unambiguous JSON that keeps the resource's definition.

fhir.resources validates, by its R4B models: its default, R5, refuses R4 Appointments. It is lenient in ways that R4 is
not (numbers for dates, empty elements, properties by their Python names), so what it understood is held against what
was sent. Its messages quote the input: only the kind of error and the place are taken from them (promise P6).
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from fhir.resources.R4B.appointment import Appointment
from fhir_core.fhirabstractmodel import FHIRAbstractModel
from pydantic import ValidationError

from gateway.errors import (
    CharsetUndecodable,
    DataTypeInvalid,
    FieldMissing,
    GatewayError,
    LimitExceeded,
    ResourceInvalid,
    SenderError,
)

MAX_BODY = 2 * 1024 * 1024
"""Bytes of a request body."""
MAX_DEPTH = 32
"""Levels of JSON objects and arrays."""
MAX_ELEMENTS = 5_000
"""JSON values in one body."""

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}")


def appointment(body: bytes) -> dict[str, Any]:
    """Give the Appointment that a request body holds, as JSON values.

    Raises:
        LimitExceeded, CharsetUndecodable, SenderError: the body is no JSON that this gateway reads.
        ResourceInvalid, FieldMissing, DataTypeInvalid: it is no valid R4 Appointment.

    """
    resource = parse(body)
    validate(resource, Appointment)
    return resource


def parse(body: bytes) -> dict[str, Any]:
    """Give a body's JSON object (RFC 8259, UTF-8), within the bounds.

    Raises:
        LimitExceeded: too long, too deep or too many values.
        CharsetUndecodable: not UTF-8.
        SenderError: no JSON object, or an ambiguous one: a name twice, NaN, a character that FHIR forbids.

    """
    if len(body) > MAX_BODY:
        raise LimitExceeded(f"a body has at most {MAX_BODY} bytes")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CharsetUndecodable("UTF-8 is expected (RFC 8259 §8.1)") from None
    try:
        resource = json.loads(text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant)
    except RecursionError:
        raise LimitExceeded(f"JSON nests at most {MAX_DEPTH} deep") from None
    except ValueError:
        raise SenderError("the body is not JSON (RFC 8259)") from None
    if not isinstance(resource, dict):
        raise SenderError("a JSON object is expected")
    _bound(resource)
    return resource


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise SenderError("a JSON object has each name once")
    return values


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise SenderError("a number is beyond what can be held")
    return number


def _no_constant(_: str) -> NoReturn:
    raise SenderError("NaN and Infinity are not JSON (RFC 8259 §6)")


def _bound(resource: dict[str, Any]) -> None:
    """Return when depth, number of values and characters are within bounds."""
    level: list[Any] = [resource]
    seen = 0
    for _ in range(MAX_DEPTH + 1):
        seen += len(level)
        if seen > MAX_ELEMENTS:
            raise LimitExceeded(f"a body has at most {MAX_ELEMENTS} JSON values")
        if any(isinstance(v, str) and _FORBIDDEN.search(v) for v in level):
            raise SenderError("a string holds a control character or half a surrogate pair (R4 datatypes.html#string)")
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return
    raise LimitExceeded(f"JSON nests at most {MAX_DEPTH} deep")


def _inside(value: object) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def validate(resource: dict[str, Any], model: type[FHIRAbstractModel]) -> None:
    """Return when the resource keeps its R4 definition; the error's path is a FHIRPath.

    Args:
        resource: JSON values.
        model: the R4B model of the expected resource type.

    Raises:
        ResourceInvalid: another resource type, an unknown element, an empty one, a broken rule.
        FieldMissing: a required element is absent.
        DataTypeInvalid: an element is not of its type.

    """
    expected = model.get_resource_type()
    if resource.get("resourceType") != expected:
        raise ResourceInvalid(f"the resource must be of type {expected}", path="resourceType")
    try:
        understood = model.model_validate(resource)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise _refusal(expected, first["type"], first["loc"]) from None
    except Exception:  # noqa: BLE001 - the library fails on hostile input by any class, with the input in its text
        raise ResourceInvalid("the resource holds something of no known type", path=expected) from None
    _compare(resource, json.loads(understood.model_dump_json()), expected)


def _refusal(resource_type: str, rule: str, place: tuple[int | str, ...]) -> GatewayError:
    """Give the error of pydantic's error type and place; an unknown element's name is input, so its parent is named."""
    if rule == "extra_forbidden":
        return ResourceInvalid("an element that R4 does not define", path=_fhirpath(resource_type, place[:-1]))
    path = _fhirpath(resource_type, place)
    if rule in {"missing", "model_field_validation.missing"}:
        return FieldMissing("this element is required", path=path)
    if rule in {"list_type", "dict_type", "model_type", "model_attributes_type"}:
        return ResourceInvalid("this element has another structure in R4", path=path)
    return DataTypeInvalid("this element is not of its R4 type", path=path)


def _fhirpath(resource_type: str, place: tuple[int | str, ...]) -> str:
    path = resource_type
    for step in place:
        if isinstance(step, int):
            path += f"[{step}]"
        elif _NAME.fullmatch(name := step.removesuffix("__ext").lstrip("_")):
            path += f".{name}"
    return path


def _compare(sent: object, understood: object, path: str) -> None:
    """Return when all that was sent was understood, as what it was sent as (R4 json.html)."""
    if isinstance(sent, dict) and isinstance(understood, dict):
        _refuse_empty(sent, path)
        for name, value in sent.items():
            if not _NAME.fullmatch(name):
                raise ResourceInvalid("an element that R4 does not define", path=path)
            if name not in understood:
                raise ResourceInvalid("an element is never empty (R4 json.html)", path=f"{path}.{name}")
            _compare(value, understood[name], f"{path}.{name}")
    elif isinstance(sent, list) and isinstance(understood, list) and len(sent) == len(understood):
        _refuse_empty(sent, path)
        for place, (value, other) in enumerate(zip(sent, understood, strict=True)):
            _compare(value, other, f"{path}[{place}]")
    elif _json_type(sent) != _json_type(understood):
        raise DataTypeInvalid("this element is not of its R4 type", path=path)


def _refuse_empty(sent: dict[str, Any] | list[Any], path: str) -> None:
    if not sent:
        raise ResourceInvalid("an element is never empty (R4 json.html)", path=path)


def _json_type(value: object) -> str:
    if isinstance(value, float):
        return "int"
    return type(value).__name__
