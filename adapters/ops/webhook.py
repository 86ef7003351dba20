"""The alarm webhook: notices are posted in order, each until it is taken, and nothing waits for it.

A notice is removed once the receiver has answered 2xx: it is told at least once, under an id of its own.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import structlog

from adapters.store.watch import AlarmNotice, WatchStore
from gateway.errors import TroubleError

log = structlog.get_logger()

TIMEOUT_SECONDS = 5.0
BACKOFF_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
"""Waits while the receiver does not answer 2xx; the last one repeats."""

PATIENCE = timedelta(hours=24)
"""A notice that nobody took for so long is given up."""

LOOK_SECONDS = 1.0


class Webhook:
    """Tells a receiver of alarms.

    Args:
        url: where to; it may hold a secret and is never logged.
        site: id of the site, told with each notice.
        store: where the notices are.
        mine: whether this process is the one that tells.

    """

    def __init__(self, url: str, site: str, store: WatchStore, mine: Callable[[], bool]) -> None:
        self._url = url
        self._site = site
        self._store = store
        self._mine = mine

    def run(self, stop: threading.Event) -> None:
        """Tell until told to stop."""
        failures = 0
        with httpx.Client(timeout=TIMEOUT_SECONDS) as client:
            while not stop.is_set():
                taken = self._mine() and self._tell_next(client)
                failures = failures + 1 if taken is None else 0
                if taken is not True:
                    stop.wait(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1] if failures else LOOK_SECONDS)

    def _tell_next(self, client: httpx.Client) -> bool | None:
        """Tell the oldest notice; give whether there was one, None if it could not be told."""
        try:
            notice = self._store.next_notice()
            if notice is None:
                return False
            if not self._is_given_up(notice) and not self._post(client, notice):
                return None
            self._store.end_notice(notice)
        except TroubleError:
            return None
        return True

    def _is_given_up(self, notice: AlarmNotice) -> bool:
        late = datetime.now(UTC) - notice.at > PATIENCE
        if late:
            log.error("alarm.notice-given-up", alarm=notice.key.name, subject=notice.key.subject, notice=notice.id)
        return late

    def _post(self, client: httpx.Client, notice: AlarmNotice) -> bool:
        began = time.monotonic()
        try:
            with client.stream("POST", self._url, json=body(notice, self._site)) as response:
                status = response.status_code  # what it says beyond that is not read
        except httpx.HTTPError as error:
            log.warning("alarm.notice-failed", notice=notice.id, fault=type(error).__name__)
            return False
        if not httpx.codes.is_success(status):
            log.warning("alarm.notice-failed", notice=notice.id, status=status)
            return False
        log.info("alarm.notified", notice=notice.id, milliseconds=round((time.monotonic() - began) * 1000, 1))
        return True


def body(notice: AlarmNotice, site: str) -> dict[str, Any]:
    """Give what is posted: names and numbers, nothing of a patient."""
    return {
        "id": notice.id,
        "site": site,
        "alarm": notice.key.name,
        "subject": notice.key.subject or None,
        "state": "raised" if notice.raised else "resolved",
        "at": notice.at.isoformat(),
        "value": notice.value,
        "limit": notice.threshold,
    }
