"""The worker: takes what is pending, translates it, lets it take effect, flushes it, batch by batch."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from adapters.fhir import validation
from adapters.store.work import Crowded, PendingMessage, Work
from gateway import er7
from gateway.audit import AuditAction
from gateway.errors import GatewayError, ProcessingFailed, SourceUndeclared, TroubleError
from gateway.facts import Translation
from gateway.pipeline import Changes, Decider, Ending, Job
from gateway.reception import Format
from gateway.reception import State as MessageState
from gateway.site import OnError, Site, Source, SourceRole
from gateway.state import State
from mappings.fhir import appointment
from mappings.fhir.appointment import Interaction
from mappings.hl7v2 import examine, translate
from mappings.naming import named_patients

log = structlog.get_logger()

IDLE_SECONDS = 0.5
"""How long the worker sleeps when nothing wakes it: what another process made pending is taken by then."""

LOOK_SECONDS = 5.0
"""Between two looks at what has waited for its object for too long."""

BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits of the whole worker while the store is in trouble; the last one repeats."""

Ended = Callable[[Sequence[Ending], Sequence[datetime | None], datetime], None]
"""Told of each batch that was committed: how its messages ended, when they were received, and when that was."""

LeftOut = Callable[[Mapping[str, int]], None]

_REFUSALS = (DBAPIError, ValueError, OverflowError)
"""What says that data cannot be stored: a server's answer, or a driver's that cannot even write it."""

_UNDECLARED = Source("", SourceRole.DEPARTMENT)


class Worker:
    """Processes one database's pending messages.

    Args:
        work: the store's side.
        decider: decides batches.
        site: the establishment.
        published: told after each flush, so that the relay and the sealer wake.
        ended: told of each batch that was committed, so that it is counted.
        left_out: told of the blocking keys that a batch left out, by kind.

    """

    def __init__(
        self,
        work: Work,
        decider: Decider,
        site: Site,
        published: Callable[[], None],
        ended: Ended = lambda *_: None,
        left_out: LeftOut = lambda _: None,
    ) -> None:
        self._work = work
        self._decider = decider
        self._site = site
        self._published = published
        self._ended = ended
        self._left_out = left_out
        self._arrived = threading.Event()
        self._next_look = 0.0
        self._renewed: tuple[Decider, Site] | None = None

    def wake(self) -> None:
        """Tell that something is pending."""
        self._arrived.set()

    def renew(self, decider: Decider, site: Site) -> None:
        """Decide by another configuration from the next batch on."""
        self._renewed = decider, site

    def run(self, stop: threading.Event) -> None:
        """Process until told to stop; the batch in hand is finished."""
        failures = 0
        while not stop.is_set():
            self._arrived.clear()
            try:
                processed = self.run_once() + self._look()
                failures = 0
            except TroubleError as trouble:
                log.warning("worker.trouble", error=trouble.name, rule=trouble.rule)
                stop.wait(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
                failures += 1
                continue
            if not processed:
                self._arrived.wait(IDLE_SECONDS)

    def run_once(self) -> int:
        """Process one batch; give how many messages."""
        if self._renewed is not None:
            (self._decider, self._site), self._renewed = self._renewed, None
        jobs: Sequence[Job] = ()
        try:
            with self._work.claim() as claim:
                jobs = [self._job(message) for message in claim.messages]
                changes = self._process(jobs, claim.transaction(), alone=claim.alone) if jobs else None
        except (*_REFUSALS, Crowded):
            if not jobs:
                raise
            self._process_alone(jobs)
        else:
            self._tell(jobs, changes)
        if jobs:
            self._published()
        return len(jobs)

    def _look(self) -> int:
        if time.monotonic() < self._next_look:
            return 0
        try:
            shown = self.show_overdue()
        except _REFUSALS as error:  # what waits waits on; the messages that come do not wait for it
            log.error("facts.overdue-refused", fault=_fault(error))
            shown = 0
        if not shown:
            self._next_look = time.monotonic() + LOOK_SECONDS
        return shown

    def show_overdue(self) -> int:
        """Let a person see what has waited for its object, or result, too long: a bounded number, which it gives."""
        now = datetime.now(UTC)
        due = self._work.overdue(now - self._site.held_limit, now - self._site.expected_limit)
        if not due.foci:
            return 0
        with self._work.alone(()) as connection:
            assert connection is not None
            state = self._work.load(connection, due)
            changes = self._decider.show_overdue(state, now)
            self._work.flush(connection, state, changes, now)
        self._published()
        shown = sum(event.action is AuditAction.FACT_OVERDUE for event in changes.audit)
        log.info("facts.overdue", objects=shown)
        return shown

    def explain(self, message: PendingMessage) -> tuple[Job, State, Changes]:
        """Decide one message as it would take effect now, and change nothing."""
        job = self._job(message)
        with self._work.read() as connection:
            state = self._work.load(connection, self._decider.needs([job]))
        return job, state, self._decider.decide([job], state, datetime.now(UTC))

    def _job(self, message: PendingMessage) -> Job:
        source = self._site.source(message.source) if message.source else self._declared_since(message)
        translation: Translation | GatewayError
        if source is None:
            translation = SourceUndeclared("a source of the site's data is expected", path="MSH-3")
        else:
            translation = translate_stored(message, source, self._site)
        idle = isinstance(translation, GatewayError) or translation.ignored
        return Job(
            message.number,
            source or _UNDECLARED,
            message.correlation,
            translation,
            message.received_at,
            expects=message.expects,
            named=named_patients(message.raw, message.format, source.charset if source else "") if idle else (),
        )

    def _declared_since(self, message: PendingMessage) -> Source | None:
        """Give the source of a message that was refused because no source had sent it, if the site has one by now."""
        return examine(message.raw, self._site).source if message.format is Format.HL7V2 else None

    def _process(
        self, jobs: Sequence[Job], transaction: AbstractContextManager[Connection | None], *, alone: bool
    ) -> Changes | None:
        """Let a batch take effect once its transaction is committed; None if somebody else has taken its messages."""
        # Nothing ends before it came, though our clock has gone back.
        now = max([datetime.now(UTC), *(job.received_at for job in jobs if job.received_at)])
        with transaction as connection:
            if connection is None:
                return None
            needed = self._decider.needs(jobs)
            found = None if alone else self._work.hold(connection, needed)
            state = self._work.load(connection, needed, found)
            changes = self._decider.decide(jobs, state, now)
            self._work.flush(connection, state, changes, now)
        return changes

    def _process_alone(self, jobs: Sequence[Job]) -> None:
        """Let a batch take effect; where the store refuses its data, halve it until the one bad message is alone."""
        try:
            changes = self._process(jobs, self._work.alone([job.message for job in jobs]), alone=True)
        except _REFUSALS as error:
            self._halve(jobs, error)
        else:
            self._tell(jobs, changes)

    def _halve(self, jobs: Sequence[Job], error: Exception) -> None:
        if len(jobs) > 1:
            middle = len(jobs) // 2
            self._process_alone(jobs[:middle])
            self._process_alone(jobs[middle:])
            return
        only = jobs[0]
        if isinstance(only.translation, ProcessingFailed):
            raise error
        fault = ProcessingFailed(f"the store refused its data with {_fault(error)}")
        self._process_alone([replace(only, translation=fault)])

    def _tell(self, jobs: Sequence[Job], changes: Changes | None) -> None:
        """Count and log a batch that was committed: before that, it has not ended."""
        if changes is not None:
            self._ended(changes.endings, [job.received_at for job in jobs], datetime.now(UTC))
            self._left_out(changes.left_out)
            _tell(changes)


def _fault(error: Exception) -> str:
    """Name what a store, or its driver, said; the text may hold a value."""
    return type(error.orig if isinstance(error, DBAPIError) else error).__name__


def translate_stored(message: PendingMessage, source: Source, site: Site) -> Translation | GatewayError:
    """Give what a stored message says, or why it cannot be told."""
    try:
        if message.refused or source.on_error is OnError.ACCEPT:
            _examine_again(message, site)
        if message.format is Format.FHIR:
            act: Interaction = "update" if message.message_type.endswith(":update") else "create"
            return appointment.translate(json.loads(message.raw), act, source, site)
        return translate(er7.read(message.raw, charset=source.charset), source, site)
    except GatewayError as error:
        return error
    except Exception as fault:  # noqa: BLE001 - one message's fault must not stop the others; it is quarantined
        return ProcessingFailed(f"translation failed with {type(fault).__name__}")


def _examine_again(message: PendingMessage, site: Site) -> None:
    """Return when nothing speaks any more against what was refused as it came: a replay is no way round the bounds."""
    if message.format is Format.FHIR:
        validation.appointment(message.raw)
    elif error := examine(message.raw, site).error:
        raise error


def _tell(changes: Changes) -> None:
    for ending in changes.endings:
        outcome = ending.outcome
        level = log.warning if outcome.state is MessageState.QUARANTINED else log.info
        level(
            "message.ended",
            message=outcome.message,
            state=outcome.state.value,
            error=outcome.error or None,
            path=outcome.path or None,
            rule=outcome.rule or None,
        )
