"""What operators type: reasons that must be given, periods as people say them, ages as they read them."""

from datetime import UTC, datetime, timedelta

import click
import pytest
from click.testing import CliRunner

from adapters.cli.message_acts import COMMANDS
from adapters.cli.messages import messages
from adapters.cli.period import age, instant

ZONE = "Europe/Paris"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_act_needs_a_reason(command):
    """An act without --reason is a wrong call, before anything is opened."""
    arguments = {"assign": ["--to", "martin"], "edit-and-replay": ["--file", __file__]}.get(command.name, [])
    done = CliRunner().invoke(messages, [command.name, "1", *arguments])
    assert done.exit_code == 2
    assert "--reason" in done.output


@pytest.mark.parametrize(
    "arguments",
    [["replay"], ["replay", "1", "--state", "quarantined"], ["replay", "--dry-run"], ["show", "1", "--raw"]],
)
def test_a_call_that_could_mean_two_things_is_refused(arguments):
    """One or many, not both and not neither; bytes are given out with a reason only."""
    reason = [] if arguments[0] == "show" else ["--reason", "a test"]
    assert CliRunner().invoke(messages, [*arguments, *reason]).exit_code == 2


@pytest.mark.parametrize(
    ("said", "ago"),
    [
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("3d", timedelta(days=3)),
        ("1w", timedelta(weeks=1)),
        ("9999w", timedelta(weeks=9999)),
    ],
)
def test_a_relative_time_is_that_long_ago(said, ago):
    """Minutes, hours, days and weeks before now."""
    found = instant(said, ZONE, "--since")
    assert found is not None
    assert abs(datetime.now(UTC) - ago - found) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2026-03-02", datetime(2026, 3, 1, 23, tzinfo=UTC)),
        ("2026-07-02T08:30", datetime(2026, 7, 2, 6, 30, tzinfo=UTC)),
        ("2026-07-02T08:30:00Z", datetime(2026, 7, 2, 8, 30, tzinfo=UTC)),
        ("", None),
    ],
)
def test_an_iso_time_is_the_sites_unless_it_says_otherwise(said, expected):
    """Without an offset it is read in the site's zone."""
    assert instant(said, ZONE, "--since") == expected


@pytest.mark.parametrize("said", ["yesterday", "2y", "-2h", "2026-13-01", "h"])
def test_any_other_time_is_a_wrong_call_that_names_its_option(said):
    """The option is named, and what is expected."""
    with pytest.raises(click.UsageError) as refusal:
        instant(said, ZONE, "--until")
    assert "--until" in refusal.value.message


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        (timedelta(seconds=5), "0m"),
        (timedelta(minutes=119), "119m"),
        (timedelta(hours=3), "3h"),
        (timedelta(days=12), "12d"),
        (timedelta(minutes=-9), "0m"),
    ],
)
def test_an_age_is_one_number_and_a_unit(passed, expected):
    """Minutes up to two hours, hours up to two days, then days; a clock that jumped back makes no negative age."""
    assert age(datetime.now(UTC) - passed) == expected
