"""What is due is purged, and what somebody still needs is not."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.reception import State
from gateway.retention import Matter, Terms, releases_bus_message

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TERMS = Terms(30 * DAY, 180 * DAY, 10 * DAY, DAY)


def days_ago(days):
    return NOW - days * DAY


def test_each_matter_has_its_own_term():
    """Bodies, bus messages and first answers are due by their own time, or never."""
    assert [TERMS.cutoff(m, NOW) for m in Matter] == [days_ago(30), days_ago(10), days_ago(1)]
    kept = Terms(None, 180 * DAY, None, DAY)
    assert [kept.cutoff(m, NOW) for m in Matter] == [None, None, days_ago(1)]


@pytest.mark.parametrize("state", [State.PROCESSED, State.DUPLICATE, State.IGNORED])
def test_the_body_of_what_has_ended_is_due_after_its_term(state):
    """An ended message's body is kept for the term, to the instant."""
    assert TERMS.releases_body(state, days_ago(31), NOW, waits=False)
    assert not TERMS.releases_body(state, days_ago(30), NOW, waits=False)
    assert not Terms(None, None, None, DAY).releases_body(state, days_ago(9_999), NOW, waits=False)


@pytest.mark.parametrize(("state", "waits"), [(State.QUARANTINED, False), (State.PROCESSED, True)], ids=str)
def test_what_a_person_may_need_has_a_limit_of_its_own(state, waits):
    """In quarantine, or with facts that wait: kept until the hard limit, and for ever where there is none."""
    assert not TERMS.releases_body(state, days_ago(179), NOW, waits=waits)
    assert TERMS.releases_body(state, days_ago(181), NOW, waits=waits)
    assert not Terms(DAY, None, None, DAY).releases_body(state, days_ago(9_999), NOW, waits=waits)


def test_the_hard_limit_is_never_shorter_than_the_term():
    """A limit set below the term keeps nothing shorter than other bodies."""
    terms = Terms(30 * DAY, 5 * DAY, None, DAY)
    assert not terms.releases_body(State.QUARANTINED, days_ago(29), NOW, waits=False)
    assert terms.releases_body(State.QUARANTINED, days_ago(31), NOW, waits=False)


def test_what_a_subscription_has_not_read_stays():
    """The slowest reader of a secretariat holds back what it has not read; another secretariat's does not."""
    assert releases_bus_message(7, {"cardiologie": 7}, "cardiologie")
    assert not releases_bus_message(8, {"cardiologie": 7}, "cardiologie")
    assert releases_bus_message(8, {"accueil": 7}, "cardiologie")
