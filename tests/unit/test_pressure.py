"""Intake stops at its limits, says why, and begins again only when there is room worth the name."""

import pytest

from gateway.errors import AckCode
from gateway.pressure import IntakeLimits, Pressure, refusal

LIMITS = IntakeLimits(backlog=100, free_bytes=1_000)
ENOUGH = 10_000


@pytest.mark.parametrize(
    ("before", "backlog", "free", "after"),
    [
        (None, 99, ENOUGH, None),
        (None, 100, ENOUGH, Pressure.BACKLOG),
        (Pressure.BACKLOG, 90, ENOUGH, Pressure.BACKLOG),
        (Pressure.BACKLOG, 89, ENOUGH, None),
        (None, 0, 1_000, None),
        (None, 0, 999, Pressure.DISK),
        (Pressure.DISK, 0, 1_099, Pressure.DISK),
        (Pressure.DISK, 0, 1_101, None),
        (Pressure.DISK, 100, ENOUGH, Pressure.BACKLOG),
        (None, 100, 0, Pressure.DISK),
        (None, None, ENOUGH, None),
        (Pressure.BACKLOG, None, ENOUGH, Pressure.BACKLOG),
        (None, 0, None, None),
    ],
)
def test_limits_hold_with_room_between_stopping_and_beginning(before, backlog, free, after):
    """At a limit intake stops; it begins again when a tenth of it is free."""
    assert LIMITS.pressure(before, backlog, free) is after


def test_no_limit_stops_nothing():
    """A limit of 0 is none."""
    assert IntakeLimits(0, 0).pressure(None, 10**9, 0) is None


@pytest.mark.parametrize("pressure", Pressure)
def test_a_refusal_says_to_send_again(pressure):
    """AE with condition 207, 503, and a text that tells a person what to do."""
    error = refusal(pressure)
    assert (error.acknowledgment, error.condition, error.http_status) == (AckCode.AE, 207, 503)
    assert "send again later" in error.rule
