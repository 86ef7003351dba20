"""What `gateway status` says of a certificate follows from its end."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.ops.status import CERTIFICATE_WARNING_DAYS, _process
from adapters.store.watch import Serving

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SERVING = Serving("p", "all", "h", 1, "0", NOW, NOW, "open")


@pytest.mark.parametrize(
    ("days", "state"),
    [(CERTIFICATE_WARNING_DAYS + 1, "good"), (CERTIFICATE_WARNING_DAYS - 1, "soon"), (0.5, "soon"), (-1, "ended")],
)
def test_a_certificate_near_its_end_is_told_of(days, state):
    """Thirty days before its end it is time to renew it."""
    ends = NOW + timedelta(days=days)
    shown = _process(asdict(replace(SERVING, certificate_ends=ends)), NOW)
    assert shown["certificate"] == {"ends": ends, "days": days, "state": state}


def test_who_shows_no_certificate_says_so():
    """By null."""
    assert _process(asdict(SERVING), NOW)["certificate"] is None
