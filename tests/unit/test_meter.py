"""What is counted is counted once, under labels that are bounded."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from adapters.ops.commit import WatchedCommit
from adapters.ops.meter import Meter, Metrics, counters
from gateway.errors import AckCode, IntakePaused, StorageUnavailable
from gateway.pipeline import Ending
from gateway.pressure import Pressure
from gateway.reception import Format, Outcome, Reception, Recorded, State, Transport

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def samples(meter):
    """Give what a scrape finds: (name, labels) -> value."""
    taken = meter.take_traffic()
    meter.return_traffic(taken)
    registry = CollectorRegistry()
    registry.register(Metrics(lambda: counters(taken.tallies)))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(s.name, *sorted(s.labels.items())): s.value for f in families for s in f.samples}


def test_keys_left_out_are_counted_by_kind():
    """A kind is one letter; no key is told."""
    meter = Meter(["laboratory"])
    meter.left_out({"i": 2, "a": 1})
    meter.left_out({"i": 1})
    found = samples(meter)
    assert found["gateway_matching_keys_left_out_total", ("kind", "i")] == 3
    assert found["gateway_matching_keys_left_out_total", ("kind", "a")] == 1


def reception(source="laboratory", transport=Transport.MLLP):
    return Reception(b"x", transport, Format.HL7V2, source, "C1", "ORU^R01", NOW, source)


def recorded(receptions):
    return [Recorded(n, State.PENDING, AckCode.AA, b"yes") for n, _ in enumerate(receptions)]


def answers(found):
    return {tuple(v for _, v in key[1:]): value for key, value in found.items() if key[0] == "gateway_answers_total"}


def test_a_stranger_is_other():
    """A source that the site does not name makes no series of its own."""
    meter = Meter(["laboratory"])
    for name in ("laboratory", "stranger", "another stranger", ""):
        meter.answered(name, Transport.MLLP, Recorded(1, State.PENDING, AckCode.AA, b""))
    assert answers(samples(meter)) == {("AA", "laboratory", "mllp"): 1, ("AA", "other", "mllp"): 3}


def test_what_sequence_numbers_miss_is_counted_by_source():
    """Each gap adds to it, also where the message behind the gap is refused."""
    meter = Meter(["laboratory"])
    for source, missing in (("laboratory", 0), ("laboratory", 2), ("laboratory", 3), ("stranger", 1)):
        meter.seen(source, NOW, missing=missing)
    found = {key[1][1]: value for key, value in samples(meter).items() if key[0] == "gateway_sequence_missing_total"}
    assert found == {"laboratory": 5, "other": 1}


def test_ends_at_intake_and_in_the_pipeline_are_counted_together():
    """A duplicate ends at intake, a processed message in the pipeline; what is pending has not ended."""
    meter = Meter([])
    for state in (State.DUPLICATE, State.QUARANTINED, State.PENDING):
        meter.answered("", Transport.MLLP, Recorded(1, state, AckCode.AA, b""))
    endings = [Ending(Outcome(n, State.PROCESSED), {}) for n in range(3)]
    meter.ended(endings, [NOW - timedelta(seconds=2), NOW + timedelta(hours=1), None], NOW)
    found = samples(meter)
    ended = {
        state.value: found[("gateway_messages_ended_total", ("state", state.value))]
        for state in State
        if state != "pending"
    }
    assert ended == {"processed": 3, "duplicate": 1, "ignored": 0, "quarantined": 1}
    assert found[("gateway_end_to_end_seconds_count",)] == 2
    assert found[("gateway_end_to_end_seconds_sum",)] == 2


def test_traffic_that_could_not_be_written_is_kept():
    """What is given back is added to what came since; the later sight of a source stands."""
    meter = Meter(["laboratory", "imaging"])
    later = NOW + timedelta(seconds=1)
    meter.seen("laboratory", NOW)
    meter.seen("imaging", NOW)
    meter.answered("laboratory", Transport.MLLP, Recorded(1, State.PENDING, AckCode.AA, b""))
    taken = meter.take_traffic()
    meter.seen("laboratory", later)
    meter.answered("laboratory", Transport.MLLP, Recorded(2, State.PENDING, AckCode.AA, b""))
    meter.return_traffic(taken)
    traffic = meter.take_traffic()
    assert traffic.seen == {"laboratory": later, "imaging": NOW}
    assert traffic.counted == {"laboratory": 2}
    assert meter.take_traffic().counted == {}


async def test_intake_is_refused_under_pressure_and_counted():
    """Nothing reaches the store while there is pressure; the source was seen all the same."""
    meter, pressure, committed = Meter(["laboratory"]), [Pressure.BACKLOG], []

    def commit(receptions):
        committed.extend(receptions)
        return recorded(receptions)

    group = WatchedCommit(commit, meter, lambda: pressure[0])
    group.start()
    with pytest.raises(IntakePaused):
        await group.record(reception())
    assert committed == []
    pressure[0] = None
    await group.record(reception(transport=Transport.HTTP))
    await group.stop()
    assert len(committed) == 1
    found = samples(meter)
    assert answers(found) == {("AE", "laboratory", "mllp"): 1, ("AA", "laboratory", "http"): 1}
    assert found[("gateway_acknowledgment_seconds_count", ("transport", "http"))] == 1
    assert meter.take_traffic().seen == {"laboratory": NOW}


async def test_trouble_is_counted_as_its_answer():
    """A reception that the store did not take was answered AE."""
    meter = Meter(["laboratory"])

    def fail(_):
        raise StorageUnavailable("a test")

    group = WatchedCommit(fail, meter, lambda: None)
    group.start()
    with pytest.raises(StorageUnavailable):
        await group.record(reception())
    await group.stop()
    assert answers(samples(meter)) == {("AE", "laboratory", "mllp"): 1}
    assert meter.take_traffic().counted == {}


def test_a_frame_beyond_the_limit_is_counted():
    """Nothing of it is kept, and nobody knows whose it was."""
    meter = Meter([])
    assert meter.counted(lambda *_: b"no")(10, None) == b"no"
    assert answers(samples(meter)) == {("AR", "other", "mllp"): 1}
    assert meter.take_traffic().counted == {}


async def test_an_answer_is_timed_and_comes_through():
    """The timed handler gives the handler's own answer."""
    meter = Meter([])

    async def handle(frame, _peer):
        return frame + b"!"

    assert await meter.timed(handle)(b"x", None) == b"x!"
    assert samples(meter)[("gateway_acknowledgment_seconds_count", ("transport", "mllp"))] == 1
