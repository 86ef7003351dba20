"""What the alarms are decided on follows from the vitals, the site and what stood before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sites import ADMISSIONS, DEPARTMENT, demo_site

from adapters.ops.readings import AlarmLimits, Readings
from adapters.store.checkpoints import Checkpointing
from adapters.store.watch import RepliesDue, Serving, StandingAlarm, Vitals
from gateway.alarm import AlarmKey, AlarmName
from gateway.site import ReplyAddress

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
REPLIES = replace(DEPARTMENT, reply_to=ReplyAddress("lis", 7001))
SITE = demo_site(sources=(replace(ADMISSIONS, silence_minutes=10), REPLIES))
LIMITS = AlarmLimits(300, 10_000, 100, 300, 120, 2**31, 60, 300, 900, 1_000)
WELL = Vitals(0, None, 0, None, 0, 0, None, {}, (), ())
SILENT = AlarmKey(AlarmName.SOURCE_SILENT, "admissions")


def process(**changes):
    return replace(Serving("p", "all", "h", 1, "0", NOW, NOW, "open", broker=True), **changes)


def values(readings, vitals, seconds, free=2**40):
    """Read so many seconds after NOW, on both clocks; give the values by name."""
    found = readings.read(vitals, free, NOW + timedelta(seconds=seconds), float(seconds))
    return {reading.key.name: reading.value for reading in found}


def test_only_a_source_with_a_limit_is_watched_for_silence():
    """A source without ``silence_minutes`` may be silent."""
    found = Readings(SITE, LIMITS).read(WELL, None, NOW, 0)
    assert [r.key for r in found if r.key.name is AlarmName.SOURCE_SILENT] == [SILENT]
    assert next(r for r in found if r.key == SILENT).limit.beyond(600)


def test_while_nobody_watched_is_no_silence():
    """A source seen long before the watch began is silent from then on at the earliest; so it is after trouble."""
    vitals = replace(WELL, seen={"admissions": NOW - timedelta(days=1)})
    readings = Readings(SITE, LIMITS)
    assert values(readings, vitals, 0)["source_silent"] == 0
    assert values(readings, vitals, 500)["source_silent"] == 500
    readings.forget()
    assert values(readings, vitals, 700)["source_silent"] == 0


def test_a_restart_does_not_end_a_silence():
    """An alarm under way is measured from when the source was last seen; never seen, it is not known."""
    standing = (StandingAlarm(SILENT, NOW, 600, 600),)
    vitals = replace(WELL, seen={"admissions": NOW - timedelta(days=1)}, alarms=standing)
    assert values(Readings(SITE, LIMITS), vitals, 0)["source_silent"] == 86_400
    assert values(Readings(SITE, LIMITS), replace(WELL, alarms=standing), 0)["source_silent"] is None


def test_a_broker_is_away_from_when_it_was_first_missed():
    """What the relay tells counts; while nobody relays nothing is known, and what stood still stands."""
    readings = Readings(SITE, LIMITS)
    away = replace(WELL, serving=(process(broker=None), process(broker=False)))
    assert values(readings, replace(WELL, serving=(process(),)), 0)["broker_away"] == 0
    assert values(readings, away, 10)["broker_away"] == 0
    assert values(readings, WELL, 60)["broker_away"] is None
    assert values(readings, away, 100)["broker_away"] == 90
    assert values(readings, replace(WELL, serving=(process(),)), 110)["broker_away"] == 0


def test_one_process_that_refuses_is_enough():
    """Intake refuses where any intake does; processes without one say nothing."""
    readings = Readings(SITE, LIMITS)
    some = replace(WELL, serving=(process(), process(intake="disk"), process(intake="")))
    assert values(readings, some, 0)["intake_refusing"] == 1
    assert values(readings, replace(WELL, serving=(process(),)), 0)["intake_refusing"] == 0
    assert values(readings, replace(WELL, serving=(process(intake=""),)), 0)["intake_refusing"] is None


def test_what_an_address_is_not_told_grows_old_by_source():
    """Since the first message ended of which its source's own address is still to be told; well where nothing is."""
    waiting = replace(WELL, replies={DEPARTMENT.id: RepliesDue(3, NOW - timedelta(seconds=20))})
    readings = Readings(SITE, LIMITS)
    assert values(readings, waiting, 0)["replies"] == 20
    assert values(readings, waiting, 300)["replies"] == 320
    found = readings.read(WELL, None, NOW, 301.0)
    assert [(r.key.subject, r.value) for r in found if r.key.name is AlarmName.REPLIES] == [(DEPARTMENT.id, 0)]


def test_each_sink_that_lacks_a_checkpoint_is_behind_by_itself():
    """From when the first was made that it lacks; without a subject, from the first event that no checkpoint covers."""
    made = Checkpointing(3, 1, NOW, {"file": 0, "http": 2}, {"file": None, "http": NOW - timedelta(seconds=900)})
    found = Readings(SITE, LIMITS).read(replace(WELL, checkpoints=made), None, NOW + timedelta(seconds=5), 5)
    behind = {r.key.subject: (r.value, r.limit.beyond(r.value)) for r in found if r.key.name == "checkpoint_behind"}
    assert behind == {"": (5, False), "file": (0, False), "http": (905, True)}


def test_keys_left_out_count_for_an_hour():
    """What was left out before the watch began, or longer than an hour ago, does not count."""
    readings = Readings(SITE, replace(LIMITS, keys_left_out=100))

    def left_out(total: int, monotonic: float) -> float | None:
        tallies = {("keys_left_out", "i"): total - 5.0, ("keys_left_out", "a"): 5.0, ("ended", "processed"): 9.0}
        return values(readings, replace(WELL, tallies=tallies), monotonic)["keys_left_out"]

    assert [left_out(1_000, 0), left_out(1_050, 30), left_out(1_090, 70), left_out(1_100, 3_600)] == [0, 50, 90, 100]
    assert [left_out(1_100, 3_660), left_out(1_100, 7_300)] == [10, 0]


def test_a_limit_of_0_turns_an_alarm_off():
    """What is turned off is not read."""
    found = values(Readings(SITE, AlarmLimits(0, 0, 0, 0, 0, 0, 0, 0, 0)), WELL, 0)
    assert set(found) == {"source_silent", "unanswered", "intake_refusing"}


def test_every_alarm_has_a_reading():
    """With all limits set, each name of an alarm is watched."""
    assert set(values(Readings(SITE, LIMITS), WELL, 0)) == set(AlarmName)
