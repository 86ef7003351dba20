"""The service: what runs while the gateway serves, in one process or in several that share a PostgreSQL database."""

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec

import structlog

from adapters import configuring, online, pipeline, proof, sinks
from adapters.appointments import StoredExchange
from adapters.assembly import Assembly
from adapters.bus.embedded import EmbeddedPublisher
from adapters.bus.rabbitmq import RabbitPublisher
from adapters.bus.relay import Publisher, Relay
from adapters.bus.turn import RelayTurn
from adapters.due_acknowledgments import DueAcknowledgments
from adapters.fhir.app import create_app
from adapters.files.purge import FolderPurge
from adapters.files.watcher import Watcher
from adapters.intake import Hl7Intake
from adapters.mllp.listener import Limits, Listener
from adapters.mllps import certificate, renewing
from adapters.ops import observation
from adapters.ops.commit import WatchedCommit
from adapters.ops.endpoints import observed
from adapters.replies import REPLIES_LOCK, Replies
from adapters.retention import run_retention
from adapters.sealer import run_sealer
from adapters.settings import EMBEDDED
from adapters.store.database import SessionLock
from adapters.store.listening import listen
from adapters.store.news import PENDING, PUBLISHED
from adapters.store.replies import StoredReplies
from adapters.supervisor import WorkerProcesses
from adapters.web.server import Server
from adapters.web.tokens import require_keys
from adapters.worker import Worker
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import ConfigurationError, TroubleError
from gateway.outbox import IDENTITY_QUEUE
from gateway.principal import Principal

log = structlog.get_logger()
P = ParamSpec("P")

GRACE_SECONDS = 10.0
"""How long frames and requests in hand may take once the service is told to stop."""


READ = 1 << 12
"""Bytes of standard input thrown away at a time, while its end is waited for."""


class Role(StrEnum):
    """What one process does; several processes of one database make one gateway (PostgreSQL)."""

    ALL = "all"
    INTAKE = "intake"
    """Takes HL7 v2 in by MLLP."""
    WORK = "work"
    """Translates, reconciles and routes; any number of processes."""
    RELAY = "relay"
    """Publishes to the bus; of several, one at a time."""
    WEB = "web"
    """Serves HTTP: FHIR."""

    def does(self, *roles: "Role") -> bool:
        """Whether a process of this role does what one of these is for."""
        return self is Role.ALL or self in roles


async def serve(
    assembly: Assembly,
    principal: Principal,
    ready_file: Path | None,
    role: Role = Role.ALL,
    *,
    while_stdin: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT; what is in hand is finished.

    Args:
        assembly: the gateway's parts.
        principal: who starts it.
        ready_file: written when everything listens, removed at the end.
        role: what this process does.
        while_stdin: end also when standard input closes.

    Raises:
        StoreInUse: another process serves this SQLite file.
        ConfigurationError: an address cannot be bound, the schema is another program's, or the store cannot be shared.

    """
    assembly.require_operator(principal, AuditAction.SERVICE_STARTED)
    require_keys(assembly.site.access, assembly.settings.site / "access.toml")
    if role is not Role.ALL and assembly.database.sqlite:
        raise ConfigurationError("a SQLite file is served by one process, of the role all", path="--role")
    assembly.database.claim_service()
    if ready_file is not None:
        _forget_ready(ready_file)
    assembly.prepare_database(principal)
    if role.does(Role.RELAY):
        proof.keys(assembly).prepare(assembly.database.installation(), principal.id)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # a process that is told of rules before it has read any
    if while_stdin:
        loop.add_reader(sys.stdin.fileno(), _stop_at_end_of_input, loop, stop)
    service = _Service(assembly, role)
    _tell_audit(assembly, AuditAction.SERVICE_STARTED, principal, role)
    await asyncio.to_thread(configuring.record, assembly.database, assembly.site, principal.id)
    loop.add_signal_handler(signal.SIGHUP, service.renew, principal)
    async with service.processing(principal), service.watching(), service.receiving() as addresses:
        _settle()
        if ready_file is not None:
            _write_ready(ready_file, addresses)
        log.info("service.ready", role=role.value, **addresses)
        await stop.wait()
        log.info("service.stopping")
        if ready_file is not None:
            await asyncio.to_thread(ready_file.unlink, missing_ok=True)
    log.info("service.stopped")


def _settle() -> None:
    """Leave what stands once everything runs, modules and the site above all, out of every later collection of garbage.

    A full one, due every thousand messages, looks at each object while every thread waits: 80 to 130 ms on a busy
    machine with these, 1 ms without.
    """
    gc.collect()
    gc.freeze()


def _stop_at_end_of_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), READ):
        loop.remove_reader(sys.stdin.fileno())
        stop.set()


def _tell_audit(assembly: Assembly, action: AuditAction, principal: Principal, role: Role) -> None:
    assembly.trail.record(AuditEvent(datetime.now(UTC), action, principal.id, detail={"role": role}))


class _Part:
    """A part that runs until it is told to stop."""

    def __init__(self, name: str, running: Coroutine[Any, Any, None], stop: Callable[[], object]) -> None:
        self._stop = stop
        self._task = asyncio.create_task(running, name=name)
        self._task.add_done_callback(_end_on_fault)

    def runs(self) -> bool:
        """Whether it has not ended."""
        return not self._task.done()

    async def stop(self) -> None:
        """Return once it has finished what it has in hand."""
        stopping = self._stop()
        if asyncio.iscoroutine(stopping):
            await stopping
        await asyncio.wait([self._task])


class _Service:
    """The parts that one process runs, by its role."""

    def __init__(self, assembly: Assembly, role: Role) -> None:
        self._assembly = assembly
        self._role = role
        self._watch = observation.watch(assembly, role)
        self._processes: WorkerProcesses | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._relay = Relay(assembly.outbox, _publisher(assembly)) if role.does(Role.RELAY) else None
        meter = self._watch.meter
        works = self._works_here
        self._worker = pipeline.worker(assembly, self._published, meter.ended, meter.left_out) if works else None

    @property
    def _works_here(self) -> bool:
        """Whether the worker runs in this process; beside one that listens it has processes of its own."""
        return self._role.does(Role.WORK) and not self._worker_processes

    @property
    def _worker_processes(self) -> int:
        apart = self._role is Role.ALL and not self._assembly.database.sqlite
        return self._assembly.settings.workers if apart else 0

    def renew(self, principal: Principal) -> None:
        """Take up the rules as the site's folder has them now; where something in it is wrong, go on with the old."""
        self._renewing = asyncio.create_task(self._renew(principal))

    async def _renew(self, principal: Principal) -> None:
        parts = self._assembly
        try:
            site = await asyncio.to_thread(configuring.renewed, parts.settings.site, parts.site)
            await asyncio.to_thread(configuring.record, parts.database, site, principal.id)
        except (ConfigurationError, TroubleError) as error:
            log.error("configuration.refused", error=error.name, path=error.path, rule=error.rule)
            return
        parts.site = site
        if self._worker is not None:
            self._worker.renew(pipeline.decider(parts), site)
        if self._processes is not None:
            self._processes.renew()
        log.info("configuration.renewed", version=site.version)

    def _published(self) -> None:
        if self._relay is not None:
            self._relay.wake()

    def _recorded(self) -> None:
        if self._worker is not None:
            self._worker.wake()

    @asynccontextmanager
    async def processing(self, principal: Principal) -> AsyncIterator[None]:
        """The workers, the relay, the purge and what proves the audit trail, each ended after what feeds it."""
        parts = [part for part in (*self._working(), self._relaying(), self._purging()) if part is not None]
        hearing, proving = self._hearing(), list(self._proving())
        try:
            yield
        finally:
            for part in parts:
                await part.stop()
            await asyncio.to_thread(_tell_audit, self._assembly, AuditAction.SERVICE_STOPPED, principal, self._role)
            await hearing.stop()
            for part in proving:
                await part.stop()

    def _working(self) -> Iterator[_Part]:
        if self._worker is not None:
            worker, stopping = self._worker, threading.Event()
            part = _Part("worker", _in_own_thread(worker.run, stopping), partial(_end_work, worker, stopping))
            self._watch.probes.worker = part.runs
            yield part
            ends = threading.Event()
            keeper = pipeline.timekeeper(self._assembly, self._published, self._watch.meter.stepped)
            yield _Part("clockwork", _in_own_thread(keeper.run, ends), ends.set)
        if self._worker_processes:
            self._processes = WorkerProcesses(self._worker_processes)
            yield _Part("workers", self._processes.run(), self._processes.stop)

    def _relaying(self) -> _Part | None:
        if self._relay is None:
            return None
        relay = self._relay
        turn = RelayTurn(relay, self._assembly.database)
        self._watch.probes.broker = lambda: relay.broker
        return _Part("relay", turn.run(), turn.stop)

    def _hearing(self) -> _Part:
        stopping = threading.Event()
        told = {PENDING: self._recorded, PUBLISHED: self._published}
        return _Part("news", _in_own_thread(listen, self._assembly.database, told, stopping), stopping.set)

    def _purging(self) -> _Part | None:
        if not self._role.does(Role.RELAY):
            return None
        stopping = threading.Event()
        return _Part("retention", _in_own_thread(run_retention, self._assembly.retention(), stopping), stopping.set)

    def _proving(self) -> Iterator[_Part]:
        """The sealer, and what makes checkpoints of its chain and takes them away, each ended before the next."""
        if self._role.does(Role.WORK, Role.RELAY):
            stopping = threading.Event()
            yield _Part("sealer", _in_own_thread(run_sealer, self._assembly.trail, stopping), stopping.set)
        if self._role.does(Role.RELAY):
            for name, runs in (("notary", proof.notary(self._assembly)), ("courier", sinks.courier(self._assembly))):
                stopping = threading.Event()
                yield _Part(name, _in_own_thread(runs.run, stopping), stopping.set)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """The watch, which has looked once before anything is taken in, and the alarms' webhook."""
        watch, webhook, stopping = self._watch, observation.webhook(self._assembly, self._watch), threading.Event()
        watch.probes.takes_in = self._role.does(Role.INTAKE, Role.WEB)
        await asyncio.to_thread(watch.look)
        parts = [_Part("watch", _in_own_thread(watch.run, stopping), stopping.set)]
        if webhook is not None:
            parts.append(_Part("webhook", _in_own_thread(webhook.run, stopping), stopping.set))
        try:
            yield
        finally:
            for part in parts:
                await part.stop()

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[dict[str, str | None]]:
        """The listeners and the group commit behind them; None where this role has no such listener."""
        group = WatchedCommit(self._assembly.inbox.record, self._watch.meter, self._watch.pressure)
        async with AsyncExitStack() as listeners:
            group.start().add_done_callback(_end_on_fault)
            listeners.push_async_callback(group.stop)
            http = await listeners.enter_async_context(self._http(group)) if self._role.does(Role.WEB) else None
            mllp, mllps = None, None
            if self._role.does(Role.INTAKE):
                mllp, mllps = await listeners.enter_async_context(self._mllp(group))
                await listeners.enter_async_context(self._folders(group))
                await listeners.enter_async_context(self._replying())
            yield {"mllp": mllp, "mllps": mllps, "http": http}

    @asynccontextmanager
    async def _mllp(self, group: WatchedCommit) -> AsyncIterator[tuple[str | None, str | None]]:
        settings = self._assembly.settings
        due = DueAcknowledgments(self._assembly.inbox.outcomes)
        intake = Hl7Intake(
            self._assembly.site, group, self._recorded, due, backlogged=self._watch.owes_too_many_replies
        )
        limits = Limits(
            max_frame=settings.max_frame_bytes,
            connections=settings.max_connections,
            per_address=settings.max_connections_per_address,
        )
        meter = self._watch.meter
        listener = Listener(meter.timed(intake.receive), meter.counted(intake.refuse_oversize), limits)
        self._watch.probes.connections = lambda: listener.connections_open
        renewal = certificate(settings)
        telling = asyncio.create_task(due.run(), name="due-acknowledgments")
        telling.add_done_callback(_end_on_fault)
        try:
            listen = partial(listener.start, shared=settings.mllp_shared)
            plain = secure = None
            if settings.mllp_plain:
                plain = await _bound(listen(settings.mllp_host, settings.mllp_port), "GATEWAY_MLLP_PORT")
            if renewal:
                listening = listen(settings.mllps_host, settings.mllps_port, renewal.current)
                secure = await _bound(listening, "GATEWAY_MLLPS_PORT")
                self._watch.probes.certificate = renewal
            async with renewing(renewal, _end_on_fault):
                yield plain, secure
        finally:
            await listener.stop(GRACE_SECONDS)
            telling.cancel()

    @asynccontextmanager
    async def _folders(self, group: WatchedCommit) -> AsyncIterator[None]:
        """The folders of the sources that send files."""
        site, most = self._assembly.site, self._assembly.settings.max_frame_bytes
        purge = FolderPurge(self._assembly.retention_terms, self._assembly.trail.record)
        watchers = [
            Watcher(source, site, group, self._recorded, max_bytes=most, purge=purge)
            for source in site.sources
            if source.folder
        ]
        parts = [_Part("folder", watcher.run(), watcher.stop) for watcher in watchers]
        try:
            yield
        finally:
            for part in parts:
                await part.stop()

    @asynccontextmanager
    async def _replying(self) -> AsyncIterator[None]:
        """What tells sources that have an address of their own how their messages ended."""
        parts = self._assembly
        replies = Replies(parts.site, StoredReplies(parts.database), SessionLock(parts.database, REPLIES_LOCK))
        part = _Part("replies", replies.run(), replies.stop)
        try:
            yield
        finally:
            await part.stop()

    @asynccontextmanager
    async def _http(self, group: WatchedCommit) -> AsyncIterator[str]:
        parts, settings = self._assembly, self._assembly.settings
        exchange = StoredExchange(group, self._recorded, parts.inbox, parts.worklist, parts.trail)
        beside = [
            *online.desk_routes(parts, _now),
            *online.patient_routes(parts, _now),
            *online.audit_routes(parts, _now),
            *online.task_routes(parts, _now),
        ]
        app = create_app(exchange, parts.site, clock=_now, beside=beside)
        server = Server(observed(app, self._watch.ready, self._watch.exposition), settings.max_connections)
        try:
            bound = socket.create_server((settings.http_host, settings.http_port), reuse_port=False)
        except OSError as error:
            raise ConfigurationError(_unbindable(error), path="GATEWAY_HTTP_PORT") from None
        with bound:
            serving = asyncio.create_task(server.serve(sockets=[bound]), name="http")
            serving.add_done_callback(_end_on_fault)
            try:
                yield "http://{}:{}".format(*bound.getsockname()[:2])
            finally:
                server.should_exit = True
                await serving


def _now() -> datetime:
    return datetime.now(UTC)


async def _bound(listening: Coroutine[Any, Any, tuple[str, int]], setting: str) -> str:
    try:
        return "{}:{}".format(*await listening)
    except OSError as error:
        raise ConfigurationError(_unbindable(error), path=setting) from None


def _end_work(worker: Worker, stopping: threading.Event) -> None:
    stopping.set()
    worker.wake()


def _unbindable(error: OSError) -> str:
    return f"the address cannot be bound: {error.strerror}"


def _publisher(assembly: Assembly) -> Publisher:
    """Give the bus that the settings name."""
    settings = assembly.settings
    if settings.broker_url == EMBEDDED:
        return EmbeddedPublisher()
    queues = (*assembly.site.secretariats, IDENTITY_QUEUE)
    return RabbitPublisher(settings.broker_url, queues, declares=settings.broker_declares)


async def _in_own_thread(call: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run a part that blocks, in a thread that ends with the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def run() -> None:
        try:
            call(*args, **kwargs)
        except BaseException as fault:  # noqa: BLE001 - handed to whoever waits
            loop.call_soon_threadsafe(done.set_exception, fault)
        else:
            loop.call_soon_threadsafe(done.set_result, None)

    threading.Thread(target=run, daemon=True).start()
    await done


def _end_on_fault(task: "asyncio.Task[None]") -> None:
    """A part that dies of a fault of ours ends the process: started again, it loses nothing; half alive, it lies."""
    if not task.cancelled() and (fault := task.exception()) is not None:
        log.critical("service.failed", part=task.get_name(), fault=type(fault).__name__)
        os._exit(70)


def _write_ready(path: Path, addresses: Mapping[str, str | None]) -> None:
    """Make the ready file appear whole."""
    partial = path.with_name(path.name + ".partial")
    with _ready_file(path):
        partial.write_text(json.dumps({**addresses, "pid": os.getpid()}) + "\n", encoding="utf-8")
        partial.replace(path)


def _forget_ready(path: Path) -> None:
    """Take away what a killed service left: it tells of a process that is no more."""
    with _ready_file(path):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _ready_file(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        rule = f"a file in a writable folder is expected: {error.strerror}"
        raise ConfigurationError(rule, path=f"--ready-file {path}") from None
