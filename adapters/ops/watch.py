"""The watch: once a second it looks how the gateway is, and what follows from that is decided and told.

Scrapes and health checks answer from the last look, so they cost the store nothing however many there are.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from uuid import uuid4

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from adapters.mllp.tls import Renewal
from adapters.ops.meter import Meter, Metrics, counters, gauge, gauges
from adapters.ops.readings import INTAKE_OPEN, Readings, age, broker_up, free_bytes
from adapters.store.checkpoints import Checkpointing
from adapters.store.database import Database, SessionLock
from adapters.store.watch import Serving, Tallies, Vitals, WatchStore
from gateway.alarm import AlarmChange, AlarmName, Calm
from gateway.errors import TroubleError
from gateway.pressure import IntakeLimits, Pressure
from gateway.site import Site

log = structlog.get_logger()

ALARM_LOCK = 0xA1A4
LOOK_SECONDS = 1.0
"""Between two looks, at least; a look that took long is followed by a longer pause."""

LOOK_SHARE = 20
"""The store is read for at most one part in so many of the time, however large the backlog to count."""

BEAT_SECONDS = 2.0
"""How often a process tells that it serves, and what came."""

STALE_SECONDS = 10.0
"""A look older than this says nothing any more: the store, or the watch itself, hangs."""


MOST_REPLIES = 10_000
"""Application acknowledgments that one source's own address may still be told; beyond, what asks for one is refused."""


@dataclass(slots=True)
class Probes:
    """What a process knows of its own parts; None where it does not run that part.

    Attributes:
        connections: MLLP connections open.
        broker: whether the relay has its broker; None while another process relays.
        worker: whether the worker is alive.
        takes_in: whether the process takes messages in, by MLLP or HTTP.
        certificate: what the MLLPS listener shows.

    """

    connections: Callable[[], int] | None = None
    broker: Callable[[], bool | None] = lambda: None
    worker: Callable[[], bool] | None = None
    takes_in: bool = False
    certificate: Renewal | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found, and when on the monotonic clock."""

    at: float
    now: datetime
    vitals: Vitals | None
    schema_current: bool


class Watch:
    """Watches one process and the database behind it.

    Attributes:
        meter: what the process counts.
        probes: what its parts tell; each part adds its own.

    """

    def __init__(
        self,
        database: Database,
        site: Site,
        readings: Readings,
        intake_limits: IntakeLimits,
        calm_seconds: float,
        *,
        notify: bool,
        role: str = "all",
    ) -> None:
        self.meter = Meter([source.id for source in site.sources])
        self.probes = Probes()
        self.store = WatchStore(database)
        self._database = database
        self._site = site
        self._readings = readings
        self._intake_limits = intake_limits
        self._calm = Calm(calm_seconds)
        self._notify = notify
        self._lock = SessionLock(database, ALARM_LOCK)
        self._mine = False
        self._pressure: Pressure | None = None
        self._look = Look(-STALE_SECONDS, datetime.now(UTC), None, schema_current=False)
        self._free: int | None = None
        self._due = self._beat_due = 0.0
        self._head = database.head()
        now, host = datetime.now(UTC), socket.gethostname()[:255]
        self._serving = Serving(str(uuid4()), role, host, os.getpid(), version("secretariat-gateway"), now, now)
        self._tallies: Tallies = {}
        self._registry = CollectorRegistry()
        self._registry.register(Metrics(self._families))

    # -- asked by the parts ----------------------------------------------------------------------------------------

    def pressure(self) -> Pressure | None:
        """Give why nothing is taken in; None while there is no reason."""
        return self._pressure

    def leads(self) -> bool:
        """Whether this process is the one that raises alarms and tells of them."""
        return self._mine

    def ready(self) -> dict[str, bool]:
        """Give what must hold for messages to be taken in and to take effect, and whether it does."""
        fresh = self._fresh()
        checks = {
            "store": fresh and self._look.vitals is not None,
            "schema": fresh and self._look.schema_current,
            "intake": self._pressure is None,
        }
        if self.probes.worker is not None:
            checks["worker"] = self.probes.worker()
        return checks

    def exposition(self) -> bytes:
        """Give all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def owes_too_many_replies(self, source: str) -> bool:
        """Whether a source's own address is still to be told so much that no more may be owed to it (promise P9)."""
        vitals = self._look.vitals
        due = vitals.replies.get(source) if vitals else None
        return due is not None and due.count >= MOST_REPLIES

    # -- the look --------------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop; then the process is no more among those that serve."""
        while not stop.wait(LOOK_SECONDS):
            self.look()
        try:
            self._lock.release()
            self._beat()
            self.store.leave(self._serving.id)
        except TroubleError as trouble:
            log.warning("watch.trouble", error=trouble.name)

    def look(self) -> None:
        """Look once: at the disk always, at the store when it is due."""
        began = time.monotonic()
        free = self._free = free_bytes(self._database.file)
        if began < self._due:
            self._press(None, free)
            return
        try:
            vitals, current = self._of_store()
        except TroubleError as trouble:
            self._went_blind(trouble, began, free)
            return
        took = time.monotonic() - began
        self._due = began + took * LOOK_SHARE
        self._look = Look(time.monotonic(), datetime.now(UTC), vitals, current)
        self._press(vitals.backlog if vitals else None, free)
        if vitals is not None:
            self._tallies = vitals.tallies
            self._alarm(vitals, free)

    def _of_store(self) -> tuple[Vitals | None, bool]:
        """Write that we are there, then read how things are; another program's schema is left alone."""
        if self._database.revision() != self._head:
            return None, False
        if time.monotonic() >= self._beat_due:
            self._beat()
        return self.store.vitals(datetime.now(UTC)), True

    def _beat(self) -> None:
        connections = self.probes.connections
        intake = (self._pressure or INTAKE_OPEN) if self.probes.takes_in else ""
        self._serving = replace(
            self._serving,
            beat_at=datetime.now(UTC),
            intake=str(intake),
            broker=self.probes.broker(),
            connections=connections() if connections else 0,
            certificate_ends=self.probes.certificate.ends if self.probes.certificate else None,
        )
        traffic = self.meter.take_traffic()
        try:
            self.store.beat(self._serving, traffic.seen, traffic.counted, traffic.tallies)
        except TroubleError:
            self.meter.return_traffic(traffic)
            raise
        self._beat_due = time.monotonic() + BEAT_SECONDS

    def _went_blind(self, trouble: TroubleError, began: float, free: int | None) -> None:
        if self._look.vitals is not None:
            log.warning("watch.trouble", error=trouble.name, rule=trouble.rule)
        self._look = Look(began, datetime.now(UTC), None, self._look.schema_current)
        self._readings.forget()
        self._press(None, free)

    def _press(self, backlog: int | None, free: int | None) -> None:
        before, self._pressure = self._pressure, self._intake_limits.pressure(self._pressure, backlog, free)
        if self._pressure is not before:
            self._beat_due = 0.0
            if self._pressure is None:
                log.info("intake.resumed", after=before)
            else:
                log.warning("intake.paused", limit=self._pressure, backlog=backlog, free_bytes=free)

    # -- alarms ----------------------------------------------------------------------------------------------------

    def _alarm(self, vitals: Vitals, free: int | None) -> None:
        now, monotonic = datetime.now(UTC), time.monotonic()
        try:
            self._mine = self._lock.hold()
            if not self._mine:
                self._readings.forget()
                return
            readings = self._readings.read(vitals, free, now, monotonic)
            changes = self._calm.changes(readings, [alarm.key for alarm in vitals.alarms], monotonic)
            if changes:
                for change in self.store.change_alarms(changes, now, notify=self._notify):
                    _tell(change)
        except TroubleError as trouble:
            self._mine = False
            log.warning("watch.trouble", error=trouble.name, rule=trouble.rule)

    # -- metrics ---------------------------------------------------------------------------------------------------

    def _fresh(self) -> bool:
        return time.monotonic() - self._look.at < STALE_SECONDS

    def _families(self) -> Iterator[Metric]:
        vitals = self._look.vitals if self._fresh() else None
        yield from counters(self._tallies)
        yield from gauge(
            "gateway_store_up", "Whether the store was read and written at the last look", vitals is not None
        )
        yield from gauge("gateway_intake_open", "Whether this process takes messages in", self._pressure is None)
        connections = self.probes.connections
        yield from gauge("gateway_connections", "MLLP connections open", connections() if connections else None)
        if certificate := self.probes.certificate:
            said = "Days that the MLLPS certificate in use has left"
            yield from gauge("gateway_mllps_certificate_days", said, certificate.days_left())
            said = "Whether the certificate's files as they are now cannot be used, so that older ones serve"
            yield from gauge("gateway_mllps_certificate_refused", said, float(certificate.refused))
        yield from gauge("gateway_disk_free_bytes", "Bytes free where the SQLite database is", self._free)
        if vitals is not None:
            yield from self._of_vitals(vitals)

    def _of_vitals(self, vitals: Vitals) -> Iterator[Metric]:
        now = datetime.now(UTC)
        yield from gauge("gateway_backlog", "Messages that wait for the pipeline", vitals.backlog)
        oldest = age(vitals.oldest_pending, now)
        yield from gauge("gateway_oldest_pending_seconds", "Age of the oldest of them, 0 if none", oldest)
        yield from gauge("gateway_outbox", "Item versions that wait for the broker", vitals.outbox)
        oldest = age(vitals.oldest_outbox, now)
        yield from gauge("gateway_oldest_outbox_seconds", "Age of the oldest of them, 0 if none", oldest)
        said = "Messages in quarantine that nobody has resolved, counted up to 10000"
        yield from gauge("gateway_quarantined", said, vitals.quarantined)
        yield from gauge("gateway_audit_unsealed", "Audit events without a seal, counted up to 10000", vitals.unsealed)
        yield from self._of_checkpoints(vitals.checkpoints, now)
        yield from gauge("gateway_broker_up", "Whether the relay has its broker", broker_up(vitals.serving))
        seen = {s.id: age(vitals.seen[s.id], now) for s in self._site.sources if s.id in vitals.seen}
        due = {s.id: vitals.replies.get(s.id) for s in self._site.sources if s.reply_to is not None}
        said = "Application acknowledgments that each source's own address is still to be told"
        counts = {source: float(found.count) if found else 0.0 for source, found in due.items()}
        yield from gauges("gateway_replies", said, "source", counts)
        said = "Since each source last sent something"
        yield from gauges("gateway_source_last_seen_seconds", said, "source", seen)
        said = "Open items of each secretariat that were late, so that somebody was told, counted up to 10000 in all"
        late = {secretariat: vitals.late.get(secretariat) for secretariat in self._site.secretariats}
        escalated = {secretariat: float(found.escalated) if found else 0.0 for secretariat, found in late.items()}
        yield from gauges("gateway_items_escalated", said, "secretariat", escalated)
        yield self._of_alarms({(alarm.key.name, alarm.key.subject) for alarm in vitals.alarms})

    @staticmethod
    def _of_checkpoints(made: Checkpointing, now: datetime) -> Iterator[Metric]:
        yield from gauge("gateway_audit_checkpoints", "Checkpoints of the audit trail made so far", made.number)
        said = "Sealed audit events that no checkpoint covers"
        yield from gauge("gateway_audit_without_checkpoint", said, made.bare)
        said = "Checkpoints that a place outside has not taken"
        yield from gauges("gateway_audit_sink_waiting", said, "sink", dict(made.waiting))
        said = "Age of the oldest of them, 0 if none"
        oldest = {name: age(since, now) for name, since in made.waiting_since.items()}
        yield from gauges("gateway_audit_sink_oldest_seconds", said, "sink", oldest)

    def _of_alarms(self, risen: set[tuple[AlarmName, str]]) -> Metric:
        family = GaugeMetricFamily("gateway_alarm", "Whether an alarm is under way", labels=["name", "subject"])
        silent = {(AlarmName.SOURCE_SILENT, s.id) for s in self._site.sources if s.silence_minutes is not None}
        replies = {(AlarmName.REPLIES, s.id) for s in self._site.sources if s.reply_to is not None}
        unanswered = {(AlarmName.UNANSWERED, secretariat) for secretariat in self._site.secretariats}
        of_subjects = {AlarmName.SOURCE_SILENT, AlarmName.REPLIES, AlarmName.UNANSWERED}
        others = {(name, "") for name in AlarmName if name not in of_subjects}
        for name, subject in sorted(silent | replies | unanswered | others | risen):
            family.add_metric([name, subject], float((name, subject) in risen))
        return family


def _tell(change: AlarmChange) -> None:
    event, level = ("alarm.raised", log.warning) if change.raised else ("alarm.resolved", log.info)
    level(event, alarm=change.key.name, subject=change.key.subject, value=change.value, limit=change.limit)
