"""Checkpoints reach a real syslog server by TLS and a real HTTP server, whole and in order, whatever befalls these."""

import re
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme
from services import free_port

from adapters import sinks
from adapters.notary import Keys, Notary
from adapters.sinks import Courier, http_sink, syslog_sink
from adapters.store.audit import AuditTrail
from adapters.store.checkpoints import CheckpointStore
from adapters.store.database import Database
from gateway.audit import AuditAction, AuditEvent
from gateway.checkpoint import checkpoints_in

SYSLOG = re.compile(
    rb"<109>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00 chu-demo secretariat-gateway \d+ audit-checkpoint - \{"
)
"""RFC 5424, section 6: PRI and version, timestamp, host, application, process, MSGID, no structured data, message."""


def frames(stream: bytes) -> list[bytes]:
    """Give the messages of a stream by their octet counts alone (RFC 5425, 4.3.1); what is cut off is left out."""
    found = []
    while (counted := re.match(rb"([1-9][0-9]*) ", stream)) and len(stream) >= counted.end() + int(counted[1]):
        end = counted.end() + int(counted[1])
        found.append(stream[counted.end() : end])
        stream = stream[end:]
    return found


class SyslogServer:
    """A receiver of syslog over TLS, which keeps what it has taken over restarts.

    Attributes:
        port: where it listens, each time.
        taken: messages of connections that ended in order.
        dies_after: octets after which it goes away without a word; 0: never.

    """

    def __init__(self, folder, name="127.0.0.1"):
        authority = trustme.CA()
        self.authorities = folder / "authorities.pem"
        authority.cert_pem.write_to_path(str(self.authorities))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self._context)
        self.port, self.taken, self.dies_after = free_port(), [], 0

    @contextmanager
    def running(self):
        """It listens for the time of the block."""
        stop = threading.Event()
        with socket.create_server(("127.0.0.1", self.port)) as listener:
            listener.settimeout(0.05)
            thread = threading.Thread(target=self._serve, args=(listener, stop))
            thread.start()
            try:
                yield self
            finally:
                stop.set()
                thread.join()

    def _serve(self, listener, stop):
        while not stop.is_set():
            with suppress(TimeoutError, OSError):
                plain, _ = listener.accept()
                plain.settimeout(5)
                with plain, self._context.wrap_socket(plain, server_side=True) as secure:
                    self._take(secure)

    def _take(self, secure):
        stream = b""
        while data := secure.recv(512):
            stream += data
            if self.dies_after and len(stream) > self.dies_after:
                self.dies_after = 0
                return
        self.taken += frames(stream)
        secure.unwrap()


class Collector:
    """A receiver of checkpoints by HTTP, which keeps what it has taken over restarts."""

    def __init__(self):
        self.port, self.taken, self.answers, self.types = free_port(), [], [], set()

    @contextmanager
    def running(self):
        """It listens for the time of the block."""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = collector.answers.pop(0) if collector.answers else 204
                if status < 300:
                    collector.taken += body.splitlines()
                    collector.types.add(self.headers["Content-Type"])
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", self.port), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


class Log:
    """A log that grows by a checkpoint at a time."""

    def __init__(self, folder):
        self.database = Database(f"sqlite:///{folder / 'gateway.db'}")
        self.database.migrate()
        self.trail = AuditTrail(self.database)
        self.store = CheckpointStore(self.database)
        keys = Keys(self.store, folder / "key.pem")
        keys.prepare(self.database.installation(), "account:tester")
        self._notary = Notary(self.store, keys, 1, 60)

    def grow(self):
        """Make a checkpoint over a new event."""
        now = datetime.now(UTC)
        self.trail.record(AuditEvent(now, AuditAction.STATUS_SHOWN, "account:tester"))
        self.trail.seal()
        assert len(self._notary.make(now, at_once=True)) == 1

    def made(self):
        """Give all its checkpoints."""
        return self.store.after(0, 1_000)

    def courier(self, sink):
        """What takes them to a place."""
        self.store.expect(["place"])
        return Courier(self.database, self.store, {"place": sink})


@pytest.fixture
def log(tmp_path):
    log = Log(tmp_path)
    yield log
    log.database.close()


@pytest.fixture
def syslog(tmp_path):
    return SyslogServer(tmp_path)


def to(server):
    return syslog_sink("127.0.0.1", server.port, str(server.authorities), "chu-demo")


def test_syslog_takes_each_in_a_message_of_its_own(log, syslog):
    """Counted in octets, with the header of RFC 5424; the server's file is what a verification reads."""
    for _ in range(3):
        log.grow()
    with syslog.running():
        assert log.courier(to(syslog)).tell("place")
    assert len(syslog.taken) == 3
    assert all(SYSLOG.match(message) for message in syslog.taken)
    assert checkpoints_in(syslog.taken) == log.made()
    assert log.trail.verify(outside=checkpoints_in(syslog.taken)).outside == 3


def test_a_syslog_server_that_goes_away_gets_all_when_it_is_back(log, syslog):
    """What it did not take to the end counts as untold: it comes again, and nothing is left out."""
    courier = log.courier(to(syslog))
    log.grow()
    assert not courier.tell("place")
    log.grow()
    syslog.dies_after = 900
    with syslog.running():
        assert not courier.tell("place")
    assert syslog.taken == []
    log.grow()
    with syslog.running():
        assert courier.tell("place")
    assert checkpoints_in(syslog.taken) == log.made()


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_a_syslog_server_that_cannot_be_trusted_gets_nothing(log, tmp_path, wrong):
    """Another authority's certificate, or one for another name."""
    log.grow()
    server = SyslogServer(tmp_path, name="127.0.0.1" if wrong == "authority" else "syslog.example.org")
    if wrong == "authority":
        trustme.CA().cert_pem.write_to_path(str(server.authorities))
    with server.running():
        assert not log.courier(to(server)).tell("place")
    assert server.taken == []
    assert log.store.taken("place") == 0


def test_http_takes_them_and_refusals_are_tried_again(log):
    """An answer that is not 2xx, and a server that is away, leave them untold; a restart loses none."""
    collector = Collector()
    courier = log.courier(http_sink(f"http://127.0.0.1:{collector.port}/checkpoints"))
    log.grow()
    assert not courier.tell("place")
    collector.answers = [503, 302]
    with collector.running():
        assert [courier.tell("place") for _ in range(3)] == [False, False, True]
    log.grow()
    assert not courier.tell("place")
    with collector.running():
        assert courier.tell("place")
    assert checkpoints_in(collector.taken) == log.made()
    assert collector.types == {"application/x-ndjson"}


def test_the_courier_goes_on_by_itself(log, syslog, monkeypatch):
    """Running, it takes what comes, waits while the place is away, and goes once more when it is told to stop."""
    monkeypatch.setattr(sinks, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(sinks, "BACKOFF_SECONDS", (0.05,))
    stop, courier = threading.Event(), log.courier(to(syslog))
    thread = threading.Thread(target=courier.run, args=(stop,))
    log.grow()
    thread.start()
    try:
        with syslog.running():
            _until(lambda: log.store.taken("place") == 1)
        log.grow()
        with syslog.running():
            _until(lambda: log.store.taken("place") == 2)
            log.grow()
            stop.set()
            thread.join(20)
    finally:
        stop.set()
        thread.join(20)
    assert checkpoints_in(syslog.taken) == log.made()


def _until(done):
    for _ in range(1_000):
        if done():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it did not come")
