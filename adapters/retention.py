"""The retention while the gateway serves: soon after the start and then every hour, a small batch at a time."""

import threading
from datetime import UTC, datetime

import structlog

from adapters.store.retention import Retention
from gateway.errors import StoreInUse, TroubleError
from gateway.principal import WORKER

log = structlog.get_logger()

START_SECONDS = 60.0
"""Before the first purge: whoever starts has more urgent things to do."""

EVERY_SECONDS = 3600.0
PAUSE_SECONDS = 0.2
"""Between two batches: the pipeline has the store for most of the time."""


def run_retention(retention: Retention, stop: threading.Event, start_seconds: float = START_SECONDS) -> None:
    """Purge until told to stop; the batch in hand is finished."""
    wait = start_seconds
    while not stop.wait(wait):
        try:
            purge(retention, stop)
        except StoreInUse:
            log.info("retention.elsewhere")
        except TroubleError as trouble:
            log.warning("retention.trouble", error=trouble.name)
        wait = EVERY_SECONDS


def purge(retention: Retention, stop: threading.Event) -> None:
    """Purge what is due now, with pauses, unless told to stop."""
    for done in retention.run(WORKER.id, datetime.now(UTC)):
        if done.count:
            log.info("retention.purged", matter=done.matter.value, count=done.count, first=done.first, last=done.last)
        if stop.wait(PAUSE_SECONDS):
            return
