from datetime import datetime

import pytest
from sites import ADMISSIONS, PID, demo_site, frame, header

from gateway import er7
from gateway.errors import MessageIncoherent, ProductionGuard, UnsupportedMessageType
from gateway.facts import MovementAct
from gateway.site import Environment
from mappings.hl7v2 import translate

PRODUCTION = demo_site(environment=Environment.PRODUCTION)


def told(*segments, site=None):
    return translate(er7.read(frame(*segments)), ADMISSIONS, site or demo_site())


@pytest.mark.parametrize(
    ("segments", "iso"),
    [
        ((PID,), "2026-03-10T10:15:00+01:00"),
        (("EVN||202603100930", PID), "2026-03-10T09:30:00+01:00"),
        (("EVN||202603100930", PID, "ZBE|1|202603100800"), "2026-03-10T09:30:00+01:00"),
        (("EVN||half past nine", PID), "2026-03-10T10:15:00+01:00"),
    ],
)
def test_the_facts_own_time(segments, iso):
    """EVN-2, else MSH-7: who a patient is was told when the message was, whenever the movement began."""
    assert told(header("ADT^A01"), *segments).occurred_at == datetime.fromisoformat(iso)


@pytest.mark.parametrize(
    ("event", "zbe", "act"),
    [
        ("ADT^A02", "ZBE|1|202603100800||INSERT|N", MovementAct.INSERT),
        ("ADT^A12", "ZBE|1|202603100800||CANCEL|N|A02", MovementAct.CANCEL),
        ("ADT^Z99", "ZBE|1|202603100800||UPDATE|N|A02", MovementAct.UPDATE),
        ("ADT^A11", "ZBE|1|202603100800", MovementAct.CANCEL),
    ],
)
def test_a_movement_has_a_time_of_its_own(event, zbe, act):
    """ZBE-2 orders movements; what takes one back or changes it says so, for its ZBE-2 is that of what it corrects."""
    visit = told(header(event), PID, "PV1|1|I|2110" + "|" * 16 + "V1", zbe).facts[-1]
    assert visit.moved_at == datetime.fromisoformat("2026-03-10T08:00:00+01:00")
    assert visit.act is act


def test_a_message_may_have_no_time():
    """Without any time there is none, and nothing is invented."""
    assert told(header("ADT^A28").replace("20260310101500", ""), PID).occurred_at is None


def test_every_segment_is_counted_and_what_no_rule_reads_is_named():
    """Segments in are segments understood: Z segments and stray lines are kept and counted."""
    found = told(header("ADT^A28"), PID, "ZFS|1", "AL1|1", "ZFS|2", "a stray line")
    assert found.segments == (("MSH", 1), ("PID", 1), ("ZFS", 2), ("AL1", 1), ("", 1))
    assert found.kept == ("ZFS", "AL1", "")


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("DFT^P03", "billing"),
        ("BAR^P01", "billing"),
        ("ACK^A01", "acknowledgment"),
        ("ADT^A20", "adt-bed-status"),
        ("ADT^A10", "adt-tracking"),
        ("ADT^A60", "adt-allergies"),
        ("SIU^S23", "siu-slots"),
    ],
)
def test_what_is_left_aside_names_its_rule(kind, rule):
    """A message out of scope has no facts and says by which rule."""
    found = told(header(kind), PID)
    assert (found.facts, found.ignored) == ((), rule)


def test_an_unknown_type_is_refused_even_unexamined():
    """A stored message of a type that is no longer taken does not end in nothing."""
    with pytest.raises(UnsupportedMessageType):
        told(header("RDE^O11"), PID)


def test_oddities_of_the_header_are_flagged():
    """What the examination tolerates is told with the facts."""
    found = told(header("ADT", control_id="", version="").replace("|P|", "||"), "EVN|A28", PID)
    assert {flag.path for flag in found.flags} == {"MSH-9.2", "MSH-10", "MSH-11", "MSH-12"}


def test_an_event_segment_that_contradicts_the_header_is_flagged():
    """MSH-9.2 is taken, EVN-1 is told."""
    assert {flag.path for flag in told(header("ADT^A28"), "EVN|A31", PID).flags} == {"EVN-1"}


INS = "~279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.{}&ISO^INS"


@pytest.mark.parametrize("oid", ["10", "11"])
@pytest.mark.parametrize("pid_32", ["VALI", "PROV"])
def test_a_test_ins_never_meets_production(oid, pid_32):
    """An INS of test or demonstration is quarantined in production, qualified or not; a test site takes it."""
    pid = PID.replace("^PI|", "^PI" + INS.format(oid) + "|").replace("PROV", pid_32)
    with pytest.raises(ProductionGuard) as caught:
        told(header("ADT^A28"), pid, site=PRODUCTION)
    assert caught.value.path == "PID-3"
    assert told(header("ADT^A28"), pid).facts


@pytest.mark.parametrize("processing_id", ["T", "D"])
def test_test_messages_never_meet_production(processing_id):
    """MSH-11 T and D are quarantined in production, and taken by a test site."""
    msh = header("ADT^A28").replace("|P|", f"|{processing_id}|")
    with pytest.raises(ProductionGuard):
        told(msh, PID, site=PRODUCTION)
    assert told(msh, PID).facts


def test_production_takes_what_is_meant_for_it():
    """A real INS and MSH-11 P pass."""
    pid = PID.replace("^PI|", "^PI" + INS.format("8") + "|").replace("PROV", "VALI")
    assert told(header("ADT^A28"), pid, site=PRODUCTION).facts


def test_a_message_that_says_nothing_is_not_silent():
    """A merge that reached translation without any PID is for a person."""
    with pytest.raises(MessageIncoherent):
        told(header("ADT^A40"))
