"""The alarm webhook tells each notice until it is taken, in order, and nothing waits for it."""

import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from services import free_port
from sink import a_sink

from adapters.ops import webhook
from adapters.ops.webhook import PATIENCE, Webhook
from adapters.store.watch import AlarmNotice
from gateway.alarm import AlarmKey, AlarmName
from gateway.errors import StorageUnavailable


class Notices:
    """Notices in memory, and trouble when asked for."""

    def __init__(self, *names, at=None):
        at = at or datetime.now(UTC)
        self.waiting = [
            AlarmNotice(n, f"id-{n}", AlarmKey(name, "laboratory"), n % 2 == 0, at, 5.0, 4.0)
            for n, name in enumerate(names)
        ]
        self.trouble = 0

    def next_notice(self):
        if self.trouble:
            self.trouble -= 1
            raise StorageUnavailable("a test")
        return self.waiting[0] if self.waiting else None

    def end_notice(self, notice):
        assert self.waiting.pop(0) == notice


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    """Pauses of hundredths of a second."""
    monkeypatch.setattr(webhook, "BACKOFF_SECONDS", (0.01, 0.02))
    monkeypatch.setattr(webhook, "LOOK_SECONDS", 0.01)


@pytest.fixture
def sink():
    with a_sink() as sink:
        yield sink


@contextmanager
def running(url, notices, mine=lambda: True):
    """The webhook's thread, which ends with the block."""
    stop = threading.Event()
    thread = threading.Thread(target=Webhook(url, "chu", notices, mine).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def until(holds):
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_each_notice_is_told_once_in_order(sink):
    """A receiver that answers 2xx gets each body once, and its content names no more than the alarm."""
    notices = Notices(AlarmName.SOURCE_SILENT, AlarmName.SOURCE_SILENT)
    at = notices.waiting[0].at.isoformat()
    with running(sink.url, notices):
        until(lambda: not notices.waiting)
        time.sleep(0.1)
    told = {"site": "chu", "alarm": "source_silent", "subject": "laboratory", "at": at, "value": 5.0, "limit": 4.0}
    assert sink.received == [{**told, "id": "id-0", "state": "raised"}, {**told, "id": "id-1", "state": "resolved"}]


def test_what_was_not_taken_is_told_again_under_the_same_id(sink):
    """Every answer but 2xx means again, redirects included, and what comes after waits."""
    sink.answers = [500, 404, 302]
    notices = Notices(AlarmName.BACKLOG, AlarmName.BACKLOG)
    with running(sink.url, notices):
        until(lambda: not notices.waiting)
    assert [body["id"] for body in sink.received] == ["id-0"] * 4 + ["id-1"]


def test_a_receiver_that_is_away_and_a_store_in_trouble_are_outlived(capsys):
    """Nothing is lost while nobody listens; the log names neither address nor path."""
    notices = Notices(AlarmName.BACKLOG)
    notices.trouble = 3
    said, deadline = "", time.monotonic() + 10
    with running(f"http://127.0.0.1:{free_port()}/secret-path", notices):
        while "alarm.notice-failed" not in said and time.monotonic() < deadline:
            time.sleep(0.05)
            said += "".join(capsys.readouterr())
    said += "".join(capsys.readouterr())
    assert len(notices.waiting) == 1
    assert "alarm.notice-failed" in said
    assert "secret-path" not in said


def test_a_notice_that_nobody_took_for_a_day_is_given_up(sink):
    """What is too old to be of use does not hold up what is new."""
    notices = Notices(AlarmName.BACKLOG, at=datetime.now(UTC) - PATIENCE - timedelta(seconds=1))
    with running(sink.url, notices):
        until(lambda: not notices.waiting)
    assert sink.received == []


def test_only_the_process_that_leads_tells(sink):
    """A process that does not raise alarms tells of none."""
    notices = Notices(AlarmName.BACKLOG)
    with running(sink.url, notices, mine=lambda: False):
        time.sleep(0.1)
    assert sink.received == []
