"""Where checkpoints go outside the machine: a file on another mount, a syslog server by TLS, an HTTP server.

Each place takes them in order and at least once, and has a backlog of its own: one that is away holds up no other.
"""

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import structlog

from adapters.assembly import Assembly
from adapters.store.checkpoints import CheckpointStore
from adapters.store.database import Database, SessionLock
from gateway.checkpoint import Signed
from gateway.errors import TroubleError

log = structlog.get_logger()

BATCH = 500
"""Checkpoints that a place is given at a time."""

LOOK_SECONDS = 1.0
TIMEOUT_SECONDS = 10.0
BACKOFF_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Waits while a place takes nothing; the last one repeats."""

_LOCK = 0x51C5
_TROUBLE = (OSError, httpx.HTTPError, ssl.SSLError)

Sink = Callable[[Sequence[Signed]], None]
"""Returns once the place has taken all of these; raises OSError or httpx.HTTPError if it has not."""


def file_sink(file: Path) -> Sink:
    """Give what appends to a file, one checkpoint a line, on disk when it returns."""

    def take(checkpoints: Sequence[Signed]) -> None:
        with file.open("ab") as opened:
            whole = b"\n" if _is_torn(file) else b""
            opened.write(whole + b"".join(each.line + b"\n" for each in checkpoints))
            opened.flush()
            os.fsync(opened.fileno())

    return take


def _is_torn(file: Path) -> bool:
    """Whether a line was cut off: a kill or a full disk came between."""
    with file.open("rb") as opened:
        if not opened.seek(0, os.SEEK_END):
            return False
        opened.seek(-1, os.SEEK_END)
        return opened.read(1) != b"\n"


def http_sink(url: str) -> Sink:
    """Give what posts them to a URL, one checkpoint a line; an answer of 2xx takes them."""

    def take(checkpoints: Sequence[Signed]) -> None:
        body = b"".join(each.line + b"\n" for each in checkpoints)
        headers = {"content-type": "application/x-ndjson"}
        with httpx.stream("POST", url, content=body, headers=headers, timeout=TIMEOUT_SECONDS) as response:
            response.raise_for_status()

    return take


def syslog_sink(host: str, port: int, authorities: str, site: str) -> Sink:
    """Give what sends them by syslog over TLS (RFC 5425), each a message of RFC 5424.

    Syslog has no answer: the connection is closed after each batch, and what was sent counts as taken only once the
    server, which reads to the end first, has closed it in its turn by TLS's close_notify (RFC 5425, 4.4): one that dies
    on the way closes it too, but without that word. In doubt it is sent again.

    Args:
        host: the server's name, which its certificate must hold.
        port: its port; 6514 by RFC 5425.
        authorities: PEM file of the authorities that its certificate may come from; empty: the system's.
        site: id of the site, told as the host.

    """

    def take(checkpoints: Sequence[Signed]) -> None:
        context = ssl.create_default_context(cafile=authorities or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        with (
            socket.create_connection((host, port), TIMEOUT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            secure.sendall(b"".join(syslog_frame(each, site) for each in checkpoints))
            secure.settimeout(TIMEOUT_SECONDS)
            secure.unwrap()

    return take


_PRIORITY = 13 * 8 + 5
"""Facility 13 (log audit), severity notice (RFC 5424, 6.2.1)."""


def syslog_frame(signed: Signed, site: str) -> bytes:
    """Give a checkpoint as a syslog message, counted in octets (RFC 5425, 4.3)."""
    at = signed.checkpoint.at.astimezone(UTC).isoformat(timespec="microseconds")
    header = f"<{_PRIORITY}>1 {at} {site[:255] or '-'} secretariat-gateway {os.getpid()} audit-checkpoint - "
    message = header.encode("ascii", "replace") + signed.line
    return b"%d %b" % (len(message), message)


class Courier:
    """Takes checkpoints to the places outside.

    Args:
        database: has the turn: of several processes, one goes.
        store: the checkpoints.
        sinks: the places, by name.

    """

    def __init__(self, database: Database, store: CheckpointStore, sinks: Mapping[str, Sink]) -> None:
        self._turn = SessionLock(database, _LOCK)
        self._store = store
        self._sinks = sinks
        self._failures = dict.fromkeys(sinks, 0)
        self._due = dict.fromkeys(sinks, 0.0)

    def run(self, stop: threading.Event) -> None:
        """Go until told to stop, and once more then."""
        with self._taking_turns():
            while not stop.wait(LOOK_SECONDS):
                self._go()
            self._due = dict.fromkeys(self._sinks, 0.0)
            self._go()

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._turn.release()

    def _go(self) -> None:
        try:
            if self._turn.hold():
                self._store.expect(list(self._sinks))
                for name in self._sinks:
                    if time.monotonic() >= self._due[name]:
                        self.tell(name)
        except TroubleError as trouble:
            log.warning("audit.sinks-trouble", error=trouble.name)

    def tell(self, name: str) -> bool:
        """Give a place all that it lacks; whether it has taken it."""
        try:
            while waiting := self._store.after(self._store.taken(name), BATCH):
                self._sinks[name](waiting)
                self._store.took(name, waiting[-1].checkpoint.number, datetime.now(UTC))
        except _TROUBLE as error:
            failures = self._failures[name] = self._failures[name] + 1
            self._due[name] = time.monotonic() + BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1]
            log.warning("audit.sink-failed", sink=name, fault=type(error).__name__, failures=failures)
            return False
        self._failures[name] = 0
        return True


def courier(parts: Assembly) -> Courier:
    """Give what takes checkpoints to the places outside that the settings name."""
    settings = parts.settings
    sinks: dict[str, Sink] = {}
    if settings.audit_sink_file:
        sinks["file"] = file_sink(Path(settings.audit_sink_file))
    if settings.audit_sink_syslog:
        host, _, port = settings.audit_sink_syslog.rpartition(":")
        sinks["syslog"] = syslog_sink(host, int(port), settings.audit_sink_syslog_ca, parts.site.id)
    if settings.audit_sink_http:
        sinks["http"] = http_sink(settings.audit_sink_http)
    return Courier(parts.database, CheckpointStore(parts.database), sinks)
