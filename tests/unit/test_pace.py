"""A source is slowed to its rate, never beyond patience; a gap in its sequence numbers is seen."""

import pytest

from gateway.pace import PATIENCE_SECONDS, Pace, Sequence


def test_a_second_worth_of_messages_goes_at_once_and_the_others_wait_their_turn():
    """At 10 a second ten go through, the eleventh waits a tenth of a second, the twelfth two."""
    pace = Pace(10)
    waits = [pace.wait(100.0) for _ in range(12)]
    assert waits[:10] == [0.0] * 10
    assert waits[10:] == [pytest.approx(0.1), pytest.approx(0.2)]


def test_what_has_waited_is_not_slowed_again():
    """A sender that keeps to its rate is never slowed, however long it goes on."""
    pace = Pace(4)
    assert [pace.wait(n / 4) for n in range(1_000)] == [0.0] * 1_000


def test_a_rate_below_one_a_second_lets_single_messages_through():
    """Six a minute: the second message of a minute waits for its ten seconds, no less."""
    pace = Pace(0.1)
    assert pace.wait(0.0) == 0.0
    assert pace.wait(2.0) == pytest.approx(8.0)
    assert pace.wait(60.0) == 0.0


def test_beyond_patience_nothing_is_taken_and_nothing_reckoned():
    """Who would wait longer than patience is refused; refusals do not make the others wait longer."""
    pace = Pace(1)
    waits = [pace.wait(0.0) for _ in range(12)]
    assert waits[:11] == [pytest.approx(float(n)) for n in range(11)]
    assert waits[10] == PATIENCE_SECONDS
    assert waits[11] is None
    assert all(pace.wait(0.0) is None for _ in range(1_000))
    assert pace.wait(1.0) == pytest.approx(PATIENCE_SECONDS)


def test_a_gap_is_counted_once_and_a_start_or_a_repetition_is_none():
    """Numbers that are missing are counted at the next; 0 begins anew; older and repeated numbers miss nothing."""
    sequence = Sequence()
    assert [sequence.missing(n) for n in (7, 8, 11, 12, 12, 3, 4, 0, 1, 3)] == [0, 0, 2, 0, 0, 0, 0, 0, 0, 1]
