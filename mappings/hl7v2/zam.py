"""ZAM into facts: a document that was sent out arrived, was read, or was not (CI-SIS, accusés métier 2.1)."""

from gateway.er7 import Segment
from gateway.errors import FieldMissing, ValueUnknown
from gateway.facts import DocumentAnswered, Fact
from mappings.hl7v2.documents import message_key
from mappings.hl7v2.reading import Reading
from mappings.hl7v2.tables import BUSINESS_ACKNOWLEDGMENTS


def facts(reading: Reading) -> tuple[Fact, ...]:
    """Give what a business acknowledgment says of the message that it names.

    Raises:
        FieldMissing, ValueUnknown: as in ``check``.

    """
    answer = check(reading)
    message = reading.message
    creator = reading.site.source_of(message.text("MSH-5").strip(), message.text("MSH-6").strip()) or reading.source
    carrier = BUSINESS_ACKNOWLEDGMENTS[answer.text(3).strip().upper()]
    key = message_key(creator.id, answer.text(4).strip())
    return (DocumentAnswered(key, carrier, arrived=answer.text(5).strip().upper() == "Y"),)


def check(reading: Reading) -> Segment:
    """Give the OBX with the answer.

    Raises:
        FieldMissing: there is none, or it names no message.
        ValueUnknown: it says neither Y nor N.

    """
    lines = reading.message.all("OBX")
    answer = next((s for s in lines if s.text(3).strip().upper() in BUSINESS_ACKNOWLEDGMENTS), None)
    if answer is None:
        raise FieldMissing(f"one of {', '.join(BUSINESS_ACKNOWLEDGMENTS)}", path="OBX-3")
    if not answer.text(4).strip():
        raise FieldMissing("the control ID of the message that carried the document", path=reading.path(answer, 4))
    if answer.text(5).strip().upper() not in {"Y", "N"}:
        raise ValueUnknown("Y or N", path=reading.path(answer, 5))
    return answer
