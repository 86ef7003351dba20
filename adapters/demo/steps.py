"""The steps of a scenario, and the day in whose order they are written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adapters.demo import messages, resources
from adapters.demo.messages import Envelope, Line, Stay
from adapters.demo.patients import DemoPatient
from gateway.reception import State

PARIS = ZoneInfo("Europe/Paris")
OPENING = time(7, 30)
BETWEEN = timedelta(minutes=3)

APPLICATIONS = {
    "admissions": "GAM",
    "laboratory": "SGL",
    "imaging": "RIS",
    "agenda-hl7": "AGENDA",
    "cardiology-app": "CARDIO",
    "other": "OFFICINE",
}
"""Source of the demo site -> MSH-3 that it sends under."""


@dataclass(frozen=True, slots=True)
class Step:
    """One message of the scenario.

    Attributes:
        source: the site's source that sends it; empty for a stranger whose frame cannot be read.
        method: ``MLLP``, ``POST`` or ``PUT``.
        payload: the frame's content, or the request's body.
        tells: what happens, in one French sentence.
        answer: the answer expected: AA, AE, AR, or an HTTP status.
        ending: how it must end.
        target: path of the request.
        search: the identifier by which a PUT finds the resource.
        request: X-Request-Id.

    """

    source: str
    method: str
    payload: bytes
    tells: str
    answer: str = "AA"
    ending: State = State.PROCESSED
    target: str = ""
    search: str = ""
    request: str = ""

    def ends(self, answer: str, ending: State) -> "Step":
        """Give the step with another answer and ending than AA, processed."""
        return replace(self, answer=answer, ending=ending)

    def again(self, tells: str) -> "Step":
        """Give the same message once more: a duplicate, answered as the first was."""
        return replace(self, tells=tells, ending=State.DUPLICATE)


class Day:
    """One morning: the time goes on with each message, and each gets a number of its own."""

    def __init__(self, today: date, opening: time = OPENING, sent: int = 0) -> None:
        self._now = datetime.combine(today, opening, PARIS)
        self._sent = sent

    def on(self, days: int, hour: int, minute: int = 0) -> datetime:
        """Give a moment so many days from today."""
        there = self._now.date() + timedelta(days=days)
        return datetime.combine(there, time(hour, minute), PARIS)

    def envelope(self, source: str, *, earlier: timedelta = timedelta(), charset: str = messages.UTF_8) -> Envelope:
        """Give the header of the next message, a few minutes after the last."""
        self._now += BETWEEN
        self._sent += 1
        application = APPLICATIONS[source]
        facility = "CHU-DEMO" if source != "other" else "VILLE"
        number = f"{application}{self._sent:04d}"
        return Envelope(application, self._now - earlier, number, facility, charset)

    def frame(self, source: str, payload: bytes, tells: str) -> Step:
        """Give the step of a frame whose content is written already."""
        return Step(source, "MLLP", payload, tells)

    def identity(self, event: str, patient: DemoPatient, tells: str) -> Step:
        """Admissions creates or corrects an identity."""
        return self.frame("admissions", messages.identity(self.envelope("admissions"), event, patient), tells)

    def merge(self, patient: DemoPatient, retired: str, tells: str, *, source: str = "admissions") -> Step:
        """A source merges a retired IPP into a patient."""
        return self.frame(source, messages.merge(self.envelope(source), patient, retired), tells)

    def movement(self, event: str, patient: DemoPatient, stay: Stay, tells: str, **more: Any) -> Step:
        """Admissions tells of a stay (further arguments: messages.movement)."""
        envelope = self.envelope("admissions")
        return self.frame("admissions", messages.movement(envelope, event, patient, stay, **more), tells)

    def agenda(
        self,
        event: str,
        patient: DemoPatient,
        booking: "Booking",
        tells: str,
        *,
        earlier: timedelta = timedelta(),
        **more: Any,
    ) -> Step:
        """The HL7 agenda tells of an appointment (further arguments: messages.appointment)."""
        envelope = self.envelope("agenda-hl7", earlier=earlier)
        made = messages.appointment(
            envelope, event, patient, booking.number, booking.start, booking.unit, booking.service, **more
        )
        return self.frame("agenda-hl7", made, tells)

    def result(
        self,
        patient: DemoPatient,
        order: str,
        battery: str,
        lines: Sequence[Line],
        tells: str,
        *,
        source: str = "laboratory",
        charset: str = messages.UTF_8,
        **more: Any,
    ) -> Step:
        """A laboratory or department tells of a result (further arguments: messages.result)."""
        envelope = self.envelope(source, charset=charset)
        return self.frame(source, messages.result(envelope, patient, order, battery, lines, **more), tells)

    def document(
        self,
        event: str,
        patient: DemoPatient,
        number: str,
        kind: str,
        stay: Stay,
        tells: str,
        *,
        source: str = "imaging",
        replaces: str = "",
    ) -> Step:
        """Imaging or a department tells of a document."""
        made = messages.document(
            self.envelope(source), event, patient, number, kind, stay, f"Document {number}", replaces=replaces
        )
        return self.frame(source, made, tells)

    def declared(self, method: str, patient: DemoPatient, booking: "Booking", tells: str, **more: Any) -> Step:
        """The FHIR agenda tells of an appointment (further arguments: resources.appointment)."""
        made = resources.appointment(patient, booking.number, booking.start, booking.unit, booking.service, **more)
        step = self.request(method, made, tells)
        return replace(step, search=resources.query(booking.number)) if method == "PUT" else step

    def request(
        self, method: str, resource: Mapping[str, Any], tells: str, *, target: str = "/fhir/Appointment"
    ) -> Step:
        """The FHIR agenda sends a resource."""
        self._now += BETWEEN
        self._sent += 1
        answer = "201" if method == "POST" else "200"
        payload = json.dumps(resource, ensure_ascii=False).encode()
        return Step("agenda-fhir", method, payload, tells, answer, target=target, request=f"GAP{self._sent:04d}")


@dataclass(frozen=True, slots=True)
class Booking:
    """An appointment as an agenda holds it.

    Attributes:
        number: its business number.
        start: start.
        unit: unit that receives the patient.
        service: what for: ``code^text`` in HL7, text in FHIR.

    """

    number: str
    start: datetime
    unit: str
    service: str
