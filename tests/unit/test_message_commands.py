"""What operators type: reasons that must be given, periods as people say them, ages as they read them."""

import io
from datetime import UTC, datetime, timedelta

import click
import pytest
from click.testing import CliRunner

from adapters.cli.bus import bus
from adapters.cli.message_acts import COMMANDS
from adapters.cli.messages import messages
from adapters.cli.output import print_table
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


@pytest.mark.parametrize("said", ["0001-01-01", "9999-12-31T23:59:59-12:00", "1969-12-31"])
def test_a_time_beyond_every_event_is_as_good_as_the_nearest_that_every_zone_has(said):
    """The calendar's own ends are no instants everywhere: they neither fail nor match otherwise."""
    found = instant(said, ZONE, "--since")
    assert found is not None
    assert found.astimezone(UTC).year in {1970, 2999}


@pytest.mark.parametrize(
    ("group", "arguments"),
    [
        (messages, ["hold", "1", "--reason", " "]),
        (messages, ["show", "1", "--reveal", " "]),
        (bus, ["dead-letters", "show", "cardiology", "--reveal", " "]),
        (bus, ["dead-letters", "return", "cardiology", "--all", "--reason", " "]),
        (bus, ["dead-letters", "discard", "cardiology", "--all", "--reason", " "]),
    ],
)
def test_a_blank_reason_is_none(group, arguments):
    """What the audit trail could not tell anybody is refused before anything is opened."""
    done = CliRunner().invoke(group, arguments)
    assert done.exit_code == 2
    assert "a reason is expected" in done.output


def test_a_table_shows_control_characters_and_does_not_send_them():
    """A sender's control ID does not steer an operator's terminal."""

    @click.command()
    def shown():
        print_table(("control id",), [{"control id": "\x1b[31mRED"}])

    assert "\\x1b[31mRED" in CliRunner().invoke(shown, color=True).output


def test_a_table_fits_the_terminal(monkeypatch):
    """Long texts go on beneath, in their column; a file or a pipe gets each row on one line."""
    row = {"n": 1, "why": "the appointment belongs to another patient " * 4, "owner": "account:martin"}
    monkeypatch.setenv("COLUMNS", "100")

    def lines(*, terminal):
        told = io.StringIO()
        told.isatty = lambda: terminal
        monkeypatch.setattr("sys.stdout", told)
        print_table(tuple(row), [row])
        return told.getvalue().splitlines()

    assert len(lines(terminal=False)) == 2
    assert max(map(len, lines(terminal=True))) <= 100
    assert " ".join(" ".join(lines(terminal=True)).split()).count("patient") == 4
