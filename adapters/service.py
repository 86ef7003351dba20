"""The service: everything that runs while the gateway serves, in one process."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec

import structlog

from adapters.appointments import StoredExchange
from adapters.assembly import Assembly
from adapters.bus.embedded import EmbeddedPublisher
from adapters.bus.rabbitmq import RabbitPublisher
from adapters.bus.relay import Publisher, Relay
from adapters.bus.turn import RelayTurn
from adapters.fhir.app import create_app
from adapters.intake import GroupCommit, Hl7Intake
from adapters.mllp.listener import Limits, Listener
from adapters.sealer import run_sealer
from adapters.settings import EMBEDDED
from adapters.web.server import Server
from adapters.web.tokens import require_keys
from adapters.worker import Worker
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import ConfigurationError
from gateway.principal import Principal

log = structlog.get_logger()
P = ParamSpec("P")

GRACE_SECONDS = 10.0
"""How long frames and requests in hand may take once the service is told to stop."""


async def serve(assembly: Assembly, principal: Principal, ready_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT; what is in hand is finished.

    Args:
        assembly: the gateway's parts.
        principal: who starts it.
        ready_file: written when everything listens, removed at the end.

    Raises:
        StoreInUse: another process serves this SQLite file.
        ConfigurationError: an address cannot be bound, or the schema is another program's.

    """
    assembly.require_operator(principal, AuditAction.SERVICE_STARTED)
    require_keys(assembly.site.access, assembly.settings.site / "access.toml")
    assembly.database.claim_service()
    if ready_file is not None:
        _forget_ready(ready_file)
    assembly.prepare_database(principal)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    assembly.trail.record(AuditEvent(datetime.now(UTC), AuditAction.SERVICE_STARTED, principal.id))
    async with _processing(assembly, principal) as worker, _receiving(assembly, worker) as addresses:
        if ready_file is not None:
            _write_ready(ready_file, addresses)
        log.info("service.ready", **addresses)
        await stop.wait()
        log.info("service.stopping")
        if ready_file is not None:
            await asyncio.to_thread(ready_file.unlink, missing_ok=True)
    log.info("service.stopped")


@asynccontextmanager
async def _processing(assembly: Assembly, principal: Principal) -> AsyncIterator[Worker]:
    """The worker, the relay and the sealer, each ended after what feeds it."""
    relay = Relay(assembly.outbox, _publisher(assembly))
    turn = RelayTurn(relay, assembly.database)
    worker = assembly.worker(relay.wake)
    working, sealing = threading.Event(), threading.Event()
    tasks = [
        asyncio.create_task(_in_own_thread(worker.run, working), name="worker"),
        asyncio.create_task(turn.run(), name="relay"),
        asyncio.create_task(_in_own_thread(run_sealer, assembly.trail, sealing), name="sealer"),
    ]
    for task in tasks:
        task.add_done_callback(_end_on_fault)
    try:
        yield worker
    finally:
        working.set()
        worker.wake()
        await asyncio.wait([tasks[0]])
        await turn.stop()
        await asyncio.wait([tasks[1]])
        event = AuditEvent(datetime.now(UTC), AuditAction.SERVICE_STOPPED, principal.id)
        await asyncio.to_thread(assembly.trail.record, event)
        sealing.set()
        await asyncio.wait([tasks[2]])


def _publisher(assembly: Assembly) -> Publisher:
    """Give the bus that the settings name."""
    settings = assembly.settings
    if settings.broker_url == EMBEDDED:
        return EmbeddedPublisher()
    return RabbitPublisher(settings.broker_url, assembly.site.secretariats, declares=settings.broker_declares)


@asynccontextmanager
async def _receiving(assembly: Assembly, worker: Worker) -> AsyncIterator[dict[str, str]]:
    """The listeners and the group commit behind them."""
    settings = assembly.settings
    group = GroupCommit(assembly.inbox.record)
    intake = Hl7Intake(assembly.site, group, worker.wake)
    limits = Limits(max_frame=settings.max_frame_bytes, connections=settings.max_connections)
    listener = Listener(intake.receive, intake.refuse_oversize, limits)
    exchange = StoredExchange(group, worker.wake, assembly.inbox, assembly.worklist, assembly.trail)
    app = create_app(exchange, assembly.site, clock=lambda: datetime.now(UTC))
    http = Server(app, settings.max_connections)
    with _bound(settings.http_host, settings.http_port, "GATEWAY_HTTP_PORT") as http_socket:
        try:
            await listener.start(settings.mllp_host, settings.mllp_port)
        except OSError as error:
            raise ConfigurationError(
                f"the address cannot be bound: {error.strerror}", path="GATEWAY_MLLP_PORT"
            ) from None
        group.start().add_done_callback(_end_on_fault)
        serving = asyncio.create_task(http.serve(sockets=[http_socket]), name="http")
        serving.add_done_callback(_end_on_fault)
        host, port = http_socket.getsockname()[:2]
        try:
            yield {"mllp": "{}:{}".format(*listener.address), "http": f"http://{host}:{port}"}
        finally:
            http.should_exit = True
            await listener.stop(GRACE_SECONDS)
            await serving
            await group.stop()


@contextlib.contextmanager
def _bound(host: str, port: int, setting: str) -> Iterator[socket.socket]:
    try:
        bound = socket.create_server((host, port), reuse_port=False)
    except OSError as error:
        raise ConfigurationError(f"the address cannot be bound: {error.strerror}", path=setting) from None
    with bound:
        yield bound


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


def _write_ready(path: Path, addresses: dict[str, str]) -> None:
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
