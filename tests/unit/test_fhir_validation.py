"""Bodies are R4, bounded and unambiguous, and no refusal repeats them."""

import json

import pytest
from fhir.resources.appointment import Appointment as R5Appointment
from fhir.resources.R4B.operationoutcome import OperationOutcome
from pydantic import ValidationError

from adapters.fhir import validation
from gateway.errors import CharsetUndecodable, GatewayError, LimitExceeded, SenderError
from gateway.reception import Outcome, State
from mappings.fhir.outcome import error_of, outcome

CANARY = "DUPONT"
R4 = {
    "resourceType": "Appointment",
    "status": "booked",
    "start": "2031-03-04T09:00:00+01:00",
    "end": "2031-03-04T09:30:00+01:00",
    "priority": 5,
    "comment": "x",
    "participant": [{"status": "accepted", "required": "required", "actor": {"reference": "Patient/1"}}],
}


def body(**more):
    return json.dumps(R4 | more).encode()


def refusal(given):
    with pytest.raises(GatewayError) as caught:
        validation.appointment(given)
    return caught.value


def test_r4_is_read():
    """A valid R4 Appointment is given as the JSON that was sent, a byte-order mark aside."""
    assert validation.appointment(b"\xef\xbb\xbf" + body()) == R4


def test_r5_would_refuse_r4():
    """The library's default model refuses this valid R4 Appointment: only R4B may be used."""
    with pytest.raises(ValidationError):
        R5Appointment.model_validate(R4)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"start": CANARY}, "Appointment.start"),
        ({"start": 5}, "Appointment.start"),
        ({"start": "2031-03-04"}, "Appointment.start"),
        ({"status": [CANARY]}, "Appointment.status"),
        ({"status": None}, "Appointment.status"),
        ({"priority": CANARY}, "Appointment.priority"),
        ({"priority": "5"}, "Appointment.priority"),
        ({"priority": True}, "Appointment.priority"),
        ({"participant": CANARY}, "Appointment.participant"),
        ({"participant": []}, "Appointment.participant"),
        ({"participant": [{"actor": {"reference": {CANARY: 1}}}]}, "Appointment.participant[0].actor.reference"),
        ({"participant": [{"actor": {CANARY: CANARY}}]}, "Appointment.participant[0].actor"),
        ({CANARY: 1}, "Appointment"),
        ({CANARY: {"x": None}}, "Appointment"),
        ({"status__ext": {"id": CANARY}}, "Appointment"),
        ({"comment": None}, "Appointment.comment"),
        ({"comment": ""}, "Appointment.comment"),
        ({"contained": [{"resourceType": CANARY, "id": "p"}]}, "Appointment"),
        ({"contained": [CANARY]}, "Appointment.contained[0]"),
        ({"contained": ['{"resourceType": "Patient"}']}, "Appointment.contained[0]"),
        (
            {"contained": [{"resourceType": "Patient", "id": "p", "birthDate": CANARY}]},
            "Appointment.contained[0].birthDate",
        ),
        ({"extension": [{"url": "http://x", "valueString": CANARY, "valueCode": "b"}]}, "Appointment.extension[0]"),
        ({"resourceType": CANARY}, "resourceType"),
        ({"resourceType": None}, "resourceType"),
        ({"id": f"{CANARY} é"}, "Appointment.id"),
    ],
)
def test_no_refusal_repeats_a_value(more, path):
    """A broken definition is refused with 422 and its place, and nothing of what was sent is in the outcome."""
    error = refusal(body(**more))
    shown = outcome(error)
    OperationOutcome.model_validate(shown)
    assert (error.http_status, error.path) == (422, path)
    assert CANARY not in json.dumps(shown)
    assert CANARY not in repr(error.__cause__)
    assert error.__suppress_context__ or error.__context__ is None


def test_required_element_is_named():
    """An absent required element is an issue of type required."""
    error = refusal(json.dumps({k: v for k, v in R4.items() if k != "status"}).encode())
    assert (error.path, error.issue_type) == ("Appointment.status", "required")


@pytest.mark.parametrize(
    ("given", "kind", "status"),
    [
        (b"", SenderError, 400),
        (b"[]", SenderError, 400),
        (b"{", SenderError, 400),
        (b'{"a":1,"a":"DUPONT"}', SenderError, 400),
        (b'{"a":NaN}', SenderError, 400),
        (b'{"a":-Infinity}', SenderError, 400),
        (b'{"a":1e999}', SenderError, 400),
        (b'{"a":' + b"9" * 5000 + b"}", SenderError, 400),
        (b'{"a":"\\ud800"}', SenderError, 400),
        (b'{"a":["\\u0000"]}', SenderError, 400),
        ('{"a":"é"}'.encode("latin-1"), CharsetUndecodable, 400),
        (b" " * (validation.MAX_BODY + 1), LimitExceeded, 413),
        (b'{"a":' * 40 + b"1" + b"}" * 40, LimitExceeded, 413),
        (b"[" * 100_000, LimitExceeded, 413),
        (b'{"a":[' + b"0," * validation.MAX_ELEMENTS + b"0]}", LimitExceeded, 413),
    ],
)
def test_body_is_bounded_and_unambiguous(given, kind, status):
    """What is no plain JSON object within the bounds is refused before anything else looks at it."""
    error = refusal(given)
    assert isinstance(error, kind)
    assert error.http_status == status
    assert CANARY not in str(error)


def test_ending_gives_its_error_back():
    """The error of a quarantined message is of its class again; an unknown class is our own fault."""
    error = error_of(Outcome(7, State.QUARANTINED, "FieldMissing", "Appointment.start", "a start is needed"))
    assert (error.name, error.path, error.rule) == ("FieldMissing", "Appointment.start", "a start is needed")
    assert error_of(Outcome(7, State.QUARANTINED, "Gone", "", "x")).name == "ProcessingFailed"
