"""What a sender is answered over a real connection, and when: intake, listener and due acknowledgments together."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from sites import ADMISSIONS, DEPARTMENT, PID, demo_site, frame, header
from structlog.testing import capture_logs

from adapters import due_acknowledgments
from adapters.cli.send import read_answers
from adapters.due_acknowledgments import DueAcknowledgments
from adapters.intake import GroupCommit, Hl7Intake
from adapters.mllp import framing
from adapters.mllp.listener import Limits, Listener
from adapters.store.work import PendingMessage
from adapters.worker import translate_stored
from gateway import er7, pace
from gateway.errors import DataTypeInvalid, StorageUnavailable
from gateway.reception import Format, Objection, Outcome, Recorded, State
from gateway.site import OnError


class Kept:
    """An inbox in memory: numbers receptions, knows repetitions by their bytes, and ends them when it is told to."""

    def __init__(self):
        self.receptions, self.ended, self.trouble = [], {}, False

    def record(self, receptions):
        """Keep a group."""
        if self.trouble:
            raise StorageUnavailable("the disk is full")
        return [self._one(reception) for reception in receptions]

    def _one(self, reception):
        known = [r.raw for r in self.receptions]
        self.receptions.append(reception)
        number = len(self.receptions)
        if reception.error:
            return Recorded(number, State.QUARANTINED, reception.code, reception.answer)
        if reception.raw in known:
            first = known.index(reception.raw)
            answer = self.receptions[first].answer
            return Recorded(number, State.DUPLICATE, reception.code, answer, duplicate_of=first + 1)
        return Recorded(number, State.PENDING, reception.code, reception.answer)

    def outcomes(self, numbers):
        """Give how they ended."""
        return {n: self.ended[n] for n in numbers if n in self.ended}

    def end(self, number, state=State.PROCESSED, **why):
        """The pipeline has ended with a message."""
        self.ended[number] = Outcome(number, state, **why)


@asynccontextmanager
async def receiving(site=None):
    kept = Kept()
    group, due = GroupCommit(kept.record), DueAcknowledgments(kept.outcomes)
    intake = Hl7Intake(site or demo_site(), group, lambda: None, due)
    listener = Listener(intake.receive, intake.refuse_oversize, Limits(settle_seconds=0.05))
    group.start()
    telling = asyncio.create_task(due.run())
    await listener.start("127.0.0.1", 0)
    kept.address, kept.due, kept.group = listener.address, due, group
    try:
        yield kept
    finally:
        await listener.stop(1)
        telling.cancel()
        await group.stop()


class Talk:
    """One connection: what is told, in order."""

    def __init__(self, reader, writer):
        self._reader, self.writer, self._framing, self._told = reader, writer, framing.FrameReader(1 << 20), []

    def send(self, *payloads):
        """Send each in a frame."""
        self.writer.write(b"".join(map(framing.frame, payloads)))

    async def told(self):
        """Give the next answer; ConnectionError once the gateway has hung up."""
        async with asyncio.timeout(5):
            while not self._told:
                data = await self._reader.read(65_536)
                if not data:
                    raise ConnectionError
                self._told += self._framing.feed(data)
        return er7.read(self._told.pop(0).payload)

    async def codes(self, count):
        """Give MSA-1 and MSA-2 of the next answers."""
        answers = [await self.told() for _ in range(count)]
        return [(answer.text("MSA-1"), answer.text("MSA-2")) for answer in answers]


@asynccontextmanager
async def talking(kept):
    reader, writer = await asyncio.open_connection(*kept.address)
    try:
        yield Talk(reader, writer)
    finally:
        writer.close()


def adt(control_id, accept="", application="", *, patient=PID):
    return frame(header("ADT^A28", control_id=control_id, rest=f"|||{accept}|{application}"), patient)


BROKEN = "PID|||||DURAND^ANNE"


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for is seen from outside
            await asyncio.sleep(0.005)


async def test_the_application_acknowledgment_follows_the_pipelines_end():
    """CA at the commit; AA once the pipeline has ended, though other messages came and were answered meanwhile."""
    async with receiving() as kept, talking(kept) as talk:
        talk.send(adt("1", "AL", "AL"), adt("2"))
        assert await talk.codes(2) == [("CA", "1"), ("AA", "2")]
        kept.end(1)
        answer = await talk.told()
        assert [answer.text(p) for p in ("MSA-1", "MSA-2", "MSH-15", "MSH-16")] == ["AA", "1", "NE", "NE"]


async def test_the_accept_acknowledgment_comes_first():
    """A pipeline that has ended before the commit's answer is out does not overtake it."""
    async with receiving() as kept, talking(kept) as talk:
        for number in range(1, 21):
            kept.end(number)
        talk.send(*(adt(str(n), "AL", "AL") for n in range(20)))
        told = await talk.codes(40)
        for number in map(str, range(20)):
            assert [code for code, named in told if named == number] == ["CA", "AA"]


async def test_what_the_pipeline_refuses_is_told_with_place_and_rule():
    """A message that ends in quarantine is answered by its error's code, condition, place and rule."""
    async with receiving() as kept, talking(kept) as talk:
        talk.send(adt("1", "NE", "AL"))
        await until(lambda: kept.receptions)
        kept.end(1, State.QUARANTINED, error="MessageIncoherent", path="PV1-19", rule="one stay")
        answer = await talk.told()
        assert [answer.text(p) for p in ("MSA-1", "ERR-2.1", "ERR-3", "ERR-7", "ERR-8")] == [
            "AE",
            "PV1",
            "207",
            "MessageIncoherent",
            "PV1-19: one stay",
        ]


async def test_a_condition_that_is_not_met_stays_silent():
    """ER is not told of success, SU not of failure."""
    async with receiving() as kept, talking(kept) as talk:
        talk.send(adt("1", "NE", "ER"), adt("2", "NE", "SU"), adt("3", "NE", "SU"), adt("4", "NE", "ER"))
        await until(lambda: len(kept.receptions) == 4)
        kept.end(1)
        kept.end(2, State.QUARANTINED, error="PersonNeeded")
        kept.end(3, State.IGNORED, rule="adt-tracking")
        kept.end(4, State.QUARANTINED, error="PersonNeeded")
        assert sorted(await talk.codes(2)) == [("AA", "3"), ("AE", "4")]
        talk.send(adt("5"))
        assert await talk.codes(1) == [("AA", "5")]


async def test_who_wants_no_answer_gets_none_and_is_kept():
    """NE and NE: the next message's answer is the first thing said, whether the silent one was good or bad."""
    async with receiving() as kept, talking(kept) as talk:
        talk.send(adt("1", "NE", "NE"), adt("2", "NE", "", patient=BROKEN), adt("3"))
        assert await talk.codes(1) == [("AA", "3")]
        assert [(r.control_id, r.code) for r in kept.receptions] == [("1", "CA"), ("2", "CE"), ("3", "AA")]


async def test_a_repetition_is_told_the_first_ones_end():
    """Who missed the application acknowledgment sends again, and gets both."""
    async with receiving() as kept:
        async with talking(kept) as talk:
            talk.send(adt("1", "AL", "AL"))
            assert await talk.codes(1) == [("CA", "1")]
        kept.end(1)
        async with talking(kept) as talk:
            talk.send(adt("1", "AL", "AL"))
            assert await talk.codes(2) == [("CA", "1"), ("AA", "1")]


@pytest.mark.parametrize(("accept", "told"), [("AL", "CE"), ("ER", "CE"), ("", "AE")])
async def test_trouble_is_told_as_it_is_asked_for(accept, told):
    """What could not be kept is answered negatively where the sender takes such an answer."""
    async with receiving() as kept, talking(kept) as talk:
        kept.trouble = True
        talk.send(adt("1", accept, "AL" if accept else ""))
        assert await talk.codes(1) == [(told, "1")]


@pytest.mark.parametrize(("accept", "application"), [("NE", "NE"), ("SU", "NE"), ("SU", "SU")])
async def test_trouble_that_may_not_be_told_ends_the_connection(accept, application):
    """What could not be kept is never passed over in silence: the sender is hung up on."""
    async with receiving() as kept, talking(kept) as talk:
        kept.trouble = True
        talk.send(adt("1", accept, application))
        with pytest.raises(ConnectionError):
            await talk.told()


async def test_what_is_due_is_bounded(monkeypatch):
    """Beyond the bound a message that asks for a further answer is not taken, and others are; room makes it taken."""
    monkeypatch.setattr(due_acknowledgments, "MOST_DUE", 1)
    async with receiving() as kept, talking(kept) as talk:
        talk.send(adt("1", "AL", "AL"))
        assert await talk.codes(1) == [("CA", "1")]
        talk.send(adt("2", "AL", "AL"), adt("3"))
        assert await talk.codes(2) == [("CE", "2"), ("AA", "3")]
        kept.end(1)
        assert await talk.codes(1) == [("AA", "1")]
        talk.send(adt("2", "AL", "AL"))
        assert await talk.codes(1) == [("CA", "2")]


async def test_a_connection_that_ends_is_owed_nothing(monkeypatch):
    """Who hangs up before the end leaves no room taken."""
    monkeypatch.setattr(due_acknowledgments, "MOST_DUE", 1)
    async with receiving() as kept:
        async with talking(kept) as talk:
            talk.send(adt("1", "AL", "AL"))
            await talk.codes(1)
            assert kept.due.full
        await until(lambda: not kept.due.full)


# What the site says of a source


def site_with(**policy):
    return demo_site(sources=(replace(ADMISSIONS, **policy),))


async def test_a_source_is_known_by_where_it_sends_from():
    """What says that it is a source's and comes from another network is refused, whatever it is, and is nobody's."""
    async with receiving(site_with(addresses=("192.0.2.0/24",))) as kept, talking(kept) as talk:
        talk.send(adt("1"), adt("2", patient=BROKEN))
        told = await talk.told()
        assert [told.text(p) for p in ("MSA-1", "MSA-2", "ERR-7")] == ["AR", "1", "AccessRefused"]
        assert (await talk.told()).text("ERR-7") == "AccessRefused"
        assert [(r.source, r.principal) for r in kept.receptions] == [("", "undeclared")] * 2
    async with receiving(site_with(addresses=("127.0.0.0/8",))) as kept, talking(kept) as talk:
        talk.send(adt("1"))
        assert await talk.codes(1) == [("AA", "1")]


async def test_a_source_is_known_by_its_certificate():
    """Without the certificate that the site names, nothing of a source's is taken."""
    async with receiving(site_with(subjects=("CN=gam",))) as kept, talking(kept) as talk:
        talk.send(adt("1"))
        assert await talk.codes(1) == [("AR", "1")]


async def test_who_is_spared_errors_is_answered_as_if_all_were_well():
    """AA or CA without ERR, an application acknowledgment alike; the reception is refused all the same."""
    async with receiving(site_with(on_error=OnError.ACCEPT)) as kept, talking(kept) as talk:
        kept.end(2, State.QUARANTINED, error="SegmentMissing")
        talk.send(adt("1", patient=BROKEN), adt("2", "AL", "AL", patient=BROKEN))
        answers = [await talk.told() for _ in range(3)]
        assert [a.text("MSA-1") for a in answers] == ["AA", "CA", "AA"]
        assert not any(a.first("ERR") for a in answers)
        assert [r.error.name for r in kept.receptions] == ["FieldMissing"] * 2


def test_what_a_spared_source_sent_is_examined_again_when_it_is_replayed():
    """It was answered as if it were good; a replay is no way round what is wrong with it."""
    site = site_with(on_error=OnError.ACCEPT)
    broken = PendingMessage(1, "admissions", Format.HL7V2, "ADT^A28", "1", frame(header("ADT^A28"), PID + "|a\0b"))
    assert isinstance(translate_stored(broken, site.sources[0], site), DataTypeInvalid)


async def test_a_fast_source_is_slowed_and_told_of_once():
    """Beyond its rate a source's answers come later; nothing is refused or lost, and another source is not slowed."""
    with capture_logs() as logs:
        site = site_with(messages_per_second=20, applications=("GAM",))
        site = replace(site, sources=(*site.sources, DEPARTMENT))
        other = frame(header("ADT^A28", application="OTHER", control_id="other"), PID)
        async with receiving(site) as kept, talking(kept) as talk, talking(kept) as beside:
            began = time.monotonic()
            talk.send(*(adt(str(n)) for n in range(30)))
            beside.send(other)
            assert await beside.codes(1) == [("AA", "other")]
            quick = time.monotonic() - began
            assert {code for code, _ in await talk.codes(30)} == {"AA"}
            assert time.monotonic() - began >= 0.45 > quick
    assert [entry["source"] for entry in logs if entry["event"] == "source.too-fast"] == ["admissions"]


async def test_beyond_patience_a_fast_source_is_refused(monkeypatch):
    """Who would wait for too long is answered AE, to send again later; nothing of theirs is kept."""
    monkeypatch.setattr(pace, "PATIENCE_SECONDS", 0.1)
    async with receiving(site_with(messages_per_second=1)) as kept:
        async with talking(kept) as talk:
            talk.send(adt("1"), adt("2"), adt("3", "AL", "AL"))
            assert await talk.codes(3) == [("AA", "1"), ("AE", "2"), ("CE", "3")]
        assert [r.control_id for r in kept.receptions] == ["1"]


async def test_a_gap_in_sequence_numbers_is_logged_and_counted():
    """MSH-13 is the sender's count: numbers that did not come are told, with no value of a message."""
    with capture_logs() as logs:
        async with receiving() as kept, talking(kept) as talk:
            for number in ("1", "2", "5", "x", "", "6"):
                msh = header("ADT^A28", control_id=f"C{number}", rest=f"|{number}")
                talk.send(frame(msh, PID))
            assert {code for code, _ in await talk.codes(6)} == {"AA"}
    gaps = [(entry["source"], entry["missing"]) for entry in logs if entry["event"] == "source.sequence-gap"]
    assert gaps == [("admissions", 2)]
    assert [(r.control_id, r.missing) for r in kept.receptions if r.missing] == [("C5", 2)]


# Batches


def batch(*messages, count=""):
    return frame("BHS|^~\\&|GAM|CHU|||20260310||||B1") + b"".join(messages) + frame(f"BTS|{count or len(messages)}")


def in_batch(answer):
    """Give MSA-1 and MSA-2 of each acknowledgment in a batch's."""
    return [(row["code"], row["control_id"]) for row in read_answers(answer)]


async def test_each_message_of_a_batch_is_decided_by_itself():
    """Good, bad and repeated ones each get their own answer, once all are on disk, each an entry of its own."""
    async with receiving() as kept, talking(kept) as talk:
        talk.send(batch(adt("1"), adt("2", patient=BROKEN), adt("1"), adt("3", "AL", "AL"), adt("4", "NE", "NE")))
        told = in_batch((await talk.told()).raw)
        assert told == [("AA", "1"), ("AE", "2"), ("AA", "1"), ("CA", "3")]
        assert [r.control_id for r in kept.receptions] == ["1", "2", "1", "3", "4"]
        assert all(r.raw.startswith(b"MSH") and r.raw.endswith(b"PROV\r") for r in kept.receptions[2:])
        kept.end(4)
        assert await talk.codes(1) == [("AA", "3")]


async def test_a_batch_that_is_miscounted_is_taken_and_told():
    """What came is taken; that something may be missing is told to the batch's control ID."""
    async with receiving() as kept, talking(kept) as talk:
        talk.send(batch(adt("1"), count="2"))
        assert in_batch((await talk.told()).raw) == [("AA", "1"), ("AE", "B1")]


async def test_a_batch_is_answered_positively_only_when_all_of_it_is_kept():
    """Trouble with one message answers the whole batch with one AE; sent again, all of it is answered."""
    async with receiving() as kept, talking(kept) as talk:
        sent = batch(*(adt(str(n)) for n in range(20)))
        one, record = [], kept.record

        def fails_once(receptions):
            if not one:
                one.append(record(receptions[:1]))
                raise StorageUnavailable("the disk is full")
            return record(receptions)

        kept.group._commit = fails_once
        talk.send(sent)
        assert await talk.codes(1) == [("AE", "B1")]
        talk.send(sent)
        assert in_batch((await talk.told()).raw) == [("AA", str(n)) for n in range(20)]


async def test_a_batch_that_cannot_be_cut_up_is_kept_as_one():
    """A stray segment refuses the batch as it stands: nothing of it is lost, nothing taken apart."""
    async with receiving() as kept, talking(kept) as talk:
        raw = batch(b"NTE|1\r", adt("1"))
        talk.send(raw)
        answer = await talk.told()
        assert [answer.text(p) for p in ("MSA-1", "ERR-3", "ERR-7")] == ["AE", "100", "SegmentMissing"]
        assert [r.raw for r in kept.receptions] == [raw]


async def test_a_batch_is_taken_at_once_from_a_slowed_source():
    """A batch is not torn by the rate: it is taken, reckoned with, and what comes next waits the longer."""
    async with receiving(site_with(messages_per_second=1)) as kept, talking(kept) as talk:
        talk.send(batch(*(adt(str(n)) for n in range(20))))
        assert [code for code, _ in in_batch((await talk.told()).raw)] == ["AA"] * 20
        talk.send(adt("next"), batch(adt("20"), adt("21")))
        assert await talk.codes(2) == [("AE", "next"), ("AE", "B1")]
        assert len(kept.receptions) == 20


async def test_messages_of_one_connection_keep_their_order_around_a_batch():
    """What came before and after a batch is recorded before and after its messages."""
    async with receiving() as kept, talking(kept) as talk:
        talk.send(adt("1"), batch(*(adt(str(n)) for n in range(2, 300))), adt("300"))
        answers = [await talk.told() for _ in range(3)]
        assert [a.segments[0].name for a in answers] == ["MSH", "BHS", "MSH"]
        assert [r.control_id for r in kept.receptions] == [str(n) for n in range(1, 301)]


async def test_what_is_objected_to_a_document_is_told_by_the_application_acknowledgment():
    """CI-SIS 900 to 905: AE with ERR-3 207 and ERR-5 the code, once it has taken effect; AA where errors are spared."""
    objection = Objection("PatientUnknown", "PID-3", "a patient who is known here")
    async with receiving() as kept, talking(kept) as talk:
        kept.end(1, objection=objection)
        talk.send(adt("1", "AL", "AL"), adt("2"))
        kept.end(2, objection=objection)
        told = {(a.text("MSA-2"), a.text("MSA-1")): a for a in [await talk.told() for _ in range(3)]}
        assert set(told) == {("1", "CA"), ("1", "AE"), ("2", "AA")}
        shown = [told["1", "AE"].text(p) for p in ("ERR-2.1", "ERR-3", "ERR-5.1", "ERR-5.2", "ERR-7")]
        assert shown == ["PID", "207", "902", "Identifiant patient inconnu", "PatientUnknown"]
    async with receiving(site_with(on_error=OnError.ACCEPT)) as kept, talking(kept) as talk:
        kept.end(1, objection=objection)
        talk.send(adt("1", "AL", "AL"))
        assert await talk.codes(2) == [("CA", "1"), ("AA", "1")]
