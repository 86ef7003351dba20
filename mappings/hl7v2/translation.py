"""An HL7 v2 message into facts."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from gateway.er7 import Message
from gateway.errors import MessageIncoherent, ProductionGuard
from gateway.facts import Fact, Flag, Translation
from gateway.site import Environment, Site, Source
from mappings.hl7v2 import adt, mdm, mfn, orm, oru, siu, zam
from mappings.hl7v2.content import with_whole_contents
from mappings.hl7v2.documents import follows_cda_profile
from mappings.hl7v2.examination import check_type, departures_of, left_aside
from mappings.hl7v2.header import Header, header_of
from mappings.hl7v2.patient import identifier_of
from mappings.hl7v2.reading import Reading
from mappings.hl7v2.tables import ORDERS, READ_SEGMENTS, TEST_PROCESSING_IDS
from mappings.ins import is_test_ins

_FACTS: Final[Mapping[str, Callable[[Reading], tuple[Fact, ...]]]] = {
    "ADT": adt.facts,
    "MDM": mdm.facts,
    "MFN": mfn.facts,
    **dict.fromkeys(ORDERS, orm.facts),
    "ORU": oru.facts,
    "OUL": oru.facts,
    "SIU": siu.facts,
    "ZAM": zam.facts,
}


def translate(message: Message, source: Source, site: Site) -> Translation:
    """Give what a message says, in the hospital's words.

    Raises:
        SenderError: as in ``examine``, and what only shows on reading (content not in its encoding).
        UndecidedError: a person must look: test matter in production, moves between patients, several patients.

    """
    found = header_of(message)
    check_type(found)
    message = with_whole_contents(message)
    reading = Reading(message, source, site, found.event)
    _guard(reading, found)
    ignored = left_aside(found, message)
    facts = () if ignored else _FACTS[found.type](reading)
    if not facts and not ignored:
        raise MessageIncoherent("the message says nothing that a rule of its event reads", path="MSH-9")
    _flag_header(reading, found)
    counts = message.counts()
    read = READ_SEGMENTS.get(found.type, frozenset({"MSH"}))
    return Translation(
        facts=facts,
        occurred_at=_occurred_at(reading),
        ignored=ignored,
        flags=(*message.flags, *dict.fromkeys(reading.flags)),
        segments=counts,
        kept=tuple(name for name, _ in counts if name not in read),
        departures=tuple(Flag(d.path, d.rule) for d in departures_of(message, found, source)),
        checked=follows_cda_profile(message),
    )


def _guard(reading: Reading, found: Header) -> None:
    """Test matter never takes effect in production: MSH-11 T / D, an INS of test or demonstration (ANS, OID list)."""
    if reading.site.environment is not Environment.PRODUCTION:
        return
    if found.processing_id in TEST_PROCESSING_IDS:
        raise ProductionGuard("P in production", path="MSH-11")
    for name, number in (("PID", 3), ("MRG", 1)):
        for segment in reading.message.all(name):
            sent = (identifier_of(r, reading.source, reading.site) for r in segment.repetitions(number))
            if any(i is not None and is_test_ins(i) for i in sent):
                raise ProductionGuard("no INS of test or demonstration in production", path=segment.path(number))


def _flag_header(reading: Reading, found: Header) -> None:
    message = reading.message
    if not found.version:
        reading.flag("MSH-12", "no version")
    if not message.text("MSH-11"):
        reading.flag("MSH-11", "no processing ID: read as P")
    if not message.text("MSH-10"):
        reading.flag("MSH-10", "no control ID: a repetition cannot be told by it")
    if found.deduced:
        reading.flag("MSH-9.2", "no trigger event: taken from EVN-1, MSH-9.3 or the type")
    elif message.text("EVN-1").strip().upper() not in {"", found.event}:
        reading.flag("EVN-1", "another event than MSH-9.2, which is taken")


def _occurred_at(reading: Reading) -> datetime | None:
    """When the facts were told: EVN-2, else MSH-7. A movement's own time (ZBE-2) goes with its fact."""
    first = reading.message.first
    return reading.readable_instant(first("EVN"), 2) or reading.readable_instant(first("MSH"), 7)
