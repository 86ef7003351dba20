"""An alarm rises once, falls once, and neither a value that wavers nor a clock that jumps makes it do either again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm import Ages, AlarmKey, AlarmName, Calm, Limit, Reading

BACKLOG = AlarmKey(AlarmName.BACKLOG)
SILENT = AlarmKey(AlarmName.SOURCE_SILENT, "laboratory")
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
CALM_SECONDS = 60.0
LIMIT = Limit.at_most(100)


class Board:
    """Carries out what is decided, as the store does."""

    def __init__(self):
        self.calm = Calm(CALM_SECONDS)
        self.under_way = set()
        self.told = []

    def read(self, value, monotonic, key=BACKLOG, limit=LIMIT):
        """Decide on one reading; give whether the alarm stands."""
        for change in self.calm.changes([Reading(key, value, limit)], self.under_way, monotonic):
            (self.under_way.add if change.raised else self.under_way.remove)(change.key)
            self.told.append(change.raised)
        return key in self.under_way


def test_an_alarm_rises_at_its_limit_and_once():
    """Below the limit nothing, at the limit an alarm, beyond it no second one."""
    board = Board()
    assert [board.read(value, at) for at, value in enumerate((99, 100, 101, 500))] == [False, True, True, True]
    assert board.told == [True]


def test_an_alarm_falls_once_its_value_has_been_well_for_long_enough():
    """It stands until the value has been well without a break, and is then resolved once."""
    board = Board()
    board.read(100, 0)
    assert board.read(79, 10)
    assert board.read(79, 69)
    assert not board.read(79, 70)
    assert not board.read(79, 200)
    assert board.told == [True, False]


def test_between_fall_and_rise_nothing_changes():
    """A value that is better than the limit, but not well, neither raises nor resolves."""
    board = Board()
    assert not board.read(90, 0)
    board.read(100, 1)
    assert all(board.read(90, at) for at in range(2, 1_000, 50))
    assert board.told == [True]


def test_a_break_begins_the_calm_anew():
    """A value that wavers keeps its alarm."""
    board = Board()
    board.read(100, 0)
    for place, at in enumerate(range(1, 2_000, 30)):
        assert board.read(90 if place % 2 else 70, at)
    assert board.told == [True]


@given(st.lists(st.floats(0, 200), max_size=300))
def test_no_alarm_flaps(values):
    """Whatever the values, two changes of one kind never follow each other, and a resolution takes the whole calm."""
    board, changed = Board(), []
    for at, value in enumerate(values):
        before = len(board.told)
        board.read(value, float(at))
        changed += [at] * (len(board.told) - before)
    assert all(one != other for one, other in zip(board.told, board.told[1:], strict=False))
    resolved = [(raised, done) for raised, done in zip(changed[::2], changed[1::2], strict=False)]
    assert all(done - raised >= CALM_SECONDS for raised, done in resolved)


def test_what_should_be_large_rises_when_it_is_small():
    """Free bytes raise an alarm at the limit and below, and resolve it a fifth above."""
    limit = Limit.at_least(800)
    assert [limit.beyond(value) for value in (801, 800, 0)] == [False, True, True]
    assert [limit.within(value) for value in (1_000, 1_001)] == [False, True]


def test_what_is_not_known_changes_nothing():
    """While a value cannot be read, its alarm neither rises nor falls."""
    board = Board()
    assert not board.read(None, 0)
    board.read(100, 1)
    assert all(board.read(None, at) for at in (2, 500, 1_000))
    assert board.told == [True]


def test_what_is_not_known_is_no_calm():
    """A value that could not be read meanwhile was not well without a break."""
    board = Board()
    board.read(100, 0)
    board.read(10, 1)
    board.read(None, 50)
    assert board.read(10, 100)
    assert not board.read(10, 160)


def test_what_is_watched_no_more_is_resolved():
    """An alarm whose limit was turned off, or whose source left the site, does not stand for ever."""
    (change,) = Calm(CALM_SECONDS).changes([], [SILENT], 0)
    assert (change.key, change.raised, change.value) == (SILENT, False, None)


def test_a_restart_neither_raises_again_nor_forgets():
    """What is under way is told from where it is kept, so a new process goes on with it."""
    board, after = Board(), Board()
    board.read(100, 0)
    after.under_way = board.under_way
    assert after.read(100, 10_000)
    assert after.told == []


def test_a_change_that_could_not_be_written_comes_again():
    """Deciding changes nothing by itself."""
    calm = Calm(CALM_SECONDS)
    for at in (0, 1):
        (change,) = calm.changes([Reading(BACKLOG, 100, LIMIT)], [], at)
        assert change.raised


@pytest.mark.parametrize("jump", [timedelta(hours=-5), timedelta(0), timedelta(hours=5)], ids=str)
def test_an_age_counts_real_seconds(jump):
    """From when a thing is known, its age grows by the monotonic clock, wherever the wall clock jumps."""
    ages, since = Ages(), NOW - timedelta(seconds=30)
    assert ages.age(SILENT, since, NOW, 1_000) == 30
    assert ages.age(SILENT, since, NOW + jump, 1_007) == 37


def test_an_instant_to_come_is_new():
    """What the wall clock says will be has an age of 0, and grows from there."""
    ages, since = Ages(), NOW + timedelta(hours=1)
    assert ages.age(SILENT, since, NOW, 5) == 0
    assert ages.age(SILENT, since, NOW, 15) == 10


def test_another_instant_is_another_age():
    """A new instant begins anew, and none at all has no age."""
    ages = Ages()
    ages.age(SILENT, NOW - timedelta(seconds=30), NOW, 0)
    assert ages.age(SILENT, NOW, NOW, 100) == 0
    assert ages.age(SILENT, None, NOW, 200) == 0
