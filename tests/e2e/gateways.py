"""A gateway of our own: the real `serve` process on free loopback ports, and the commands beside it.

What is started here is ended here, by its own process id.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from services import guarded
from sqlalchemy import text

from adapters.store.database import Database
from adapters.store.inbox import Inbox
from adapters.store.outbox import StoredOutbox
from mappings.site import DEMO

REPOSITORY = Path(__file__).parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 30.0
ANSWER_SECONDS = 20.0
COMMAND_SECONDS = 120.0
SETTLE_SECONDS = 60.0
LOG_TAIL_CHARACTERS = 4_000

_SITE = """\
id = "essai"
label = "Hôpital d’essai"
environment = "test"
facility = "CHU"
default_secretariat = "general{suffix}"
identity_desk = "entrees{suffix}"

[authorities]
"CHU" = "1.2.250.1.999.1"
"1.2.250.1.999.1" = "1.2.250.1.999.1"
"1.2.250.1.999.11" = "1.2.250.1.999.11"

[matching]
enabled = {matching}
"""
_SOURCES = """\
[[source]]
id = "admissions"
role = "admissions"
applications = ["ADM"]
authority = "1.2.250.1.999.1"

[[source]]
id = "laboratory"
role = "department"
applications = ["LAB"]
authority = "1.2.250.1.999.20"

[[source]]
id = "imaging"
role = "department"
applications = ["RIS"]
authority = "1.2.250.1.999.21"

[[source]]
id = "agenda"
role = "department"
applications = ["AGENDA"]
authority = "1.2.250.1.999.22"

[[source]]
id = "agenda-fhir"
role = "department"
clients = ["anonymous"]
authority = "1.2.250.1.999.11"
"""
_ANY_SOURCE = """
[[source]]
id = "anybody"
role = "department"
authority = "anybody"
"""
_SECRETARIATS = """\
[[secretariat]]
id = "cardiology{suffix}"
label = "Cardiologie"
units = ["3201"]

[[secretariat]]
id = "entrees{suffix}"
label = "Bureau des entrées"

[[secretariat]]
id = "general{suffix}"
label = "Secrétariat général"
"""
_ACCESS = """\
[accounts."*"]
profession = "secretary"
secretariats = ["cardiology{suffix}", "entrees{suffix}", "general{suffix}"]
rights = ["*"]

[anonymous]
rights = ["send", "appointment:read"]
"""


class GatewayFailed(Exception):
    """The gateway did not come up, or did not go."""


def write_site(
    folder: Path, *, suffix: str = "", any_source: bool = False, matching: bool = False, convening: bool = False
) -> Path:
    """Write a test site's files and give their folder.

    Args:
        folder: made if it is not there.
        suffix: ends each secretariat's id, so that a test may have queues of its own on a shared broker.
        any_source: a last source takes every sender that the others do not.
        matching: records are compared; most messages of these tests have the same traits, and only a number differs.
        convening: patients are convened, by the demonstration's letters.

    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "site": _SITE.format(suffix=suffix, matching=str(matching).lower()),
        "sources": _SOURCES + (_ANY_SOURCE if any_source else ""),
        "secretariats": _SECRETARIATS.format(suffix=suffix),
        "routing": "",
        "access": _ACCESS.format(suffix=suffix),
    }
    for name, content in files.items():
        (folder / f"{name}.toml").write_text(content, encoding="utf-8")
    if convening:
        rules = f'sender = ["CHU"]\ncompletion = "entrees{suffix}"\n'
        (folder / "convocations.toml").write_text(rules, encoding="utf-8")
        shutil.copytree(DEMO / "letters", folder / "letters", dirs_exist_ok=True)
    return folder


class Gateway:
    """One gateway's settings; its service while it runs; its commands at any time.

    Attributes:
        folder: where its site, database, ready file and log stand.
        database_url: its database.
        environment: what its processes are given.
        ready: what the ready file said; empty while it does not serve.
        program: what Python runs as the ``gateway`` command.

    """

    program: tuple[str, ...] = ("-m", "adapters.cli")

    def __init__(
        self, folder: Path, *, site: Path | None = None, database_url: str = "", broker_url: str = "", **settings: str
    ) -> None:
        self.folder = folder
        self.ready_file = folder / "ready.json"
        self.log_file = folder / "gateway.log"
        self.database_url = database_url or f"sqlite:///{folder / 'gateway.db'}"
        self.ready: dict[str, Any] = {}
        self.process: subprocess.Popen[bytes] | None = None
        foreign = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        self.environment = {
            **foreign,
            "GATEWAY_SITE": str(site or write_site(folder / "site")),
            "GATEWAY_DATABASE_URL": self.database_url,
            "GATEWAY_BROKER_URL": broker_url or "embedded://",
            "GATEWAY_MLLP_PORT": "0",
            "GATEWAY_HTTP_PORT": "0",
            "PYTHONUNBUFFERED": "1",
            **settings,
        }

    # -- the service -----------------------------------------------------------------------------------------------

    def start(self, *options: str) -> None:
        """Start `gateway serve` and return once it is ready; GatewayFailed, with the end of its log, otherwise."""
        self.ready_file.unlink(missing_ok=True)
        command = [sys.executable, *self.program, "serve", "--ready-file", self.ready_file, *options]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                guarded(command, "KILL"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                cwd=REPOSITORY,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.ready_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise GatewayFailed(self.log[-LOG_TAIL_CHARACTERS:])
            time.sleep(0.01)
        self.ready = json.loads(self.ready_file.read_text(encoding="utf-8"))

    def terminate(self) -> int:
        """Ask the service to end, and give its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Give the exit code of a service that is ending; kill it when it does not."""
        assert self.process is not None
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise GatewayFailed("it did not end") from None

    def kill(self) -> None:
        """End the service at once, as a power cut does (SIGKILL); nothing if it does not run."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def mllp(self) -> tuple[str, int]:
        """Address and port of the MLLP listener."""
        host, _, port = self.ready["mllp"].rpartition(":")
        return host, int(port)

    @property
    def http(self) -> str:
        """Base URL of the HTTP server."""
        return str(self.ready["http"])

    @property
    def log(self) -> str:
        """All that the service has written so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    def hung_up(self) -> None:
        """Return once every MLLP connection is over, and what it brought is on disk; fail when that takes long."""
        deadline = time.monotonic() + STOP_SECONDS
        while (log := self.log).count('"mllp.connected"') != log.count('"mllp.closed"'):
            assert time.monotonic() < deadline, "a connection stays open"
            time.sleep(0.05)

    # -- the commands ----------------------------------------------------------------------------------------------

    def run(self, *arguments: object, exit_code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a command beside the service; fail when it ends otherwise (None: in any way)."""
        done = subprocess.run(
            [sys.executable, "-m", "adapters.cli", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=self.environment,
            cwd=REPOSITORY,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if exit_code is not None:
            assert done.returncode == exit_code, (done.args[3:], done.returncode, done.stderr[-LOG_TAIL_CHARACTERS:])
        return done

    def json(self, *arguments: object, exit_code: int | None = 0) -> Any:
        """Run a command with ``--json`` and give what it printed."""
        return json.loads(self.run(*arguments, "--json", exit_code=exit_code).stdout)

    def begin(self, *arguments: object) -> subprocess.Popen[str]:
        """Start a command that goes on; whoever starts it waits for it, or kills it."""
        return subprocess.Popen(
            guarded([sys.executable, "-m", "adapters.cli", *arguments], "KILL"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=self.environment,
            cwd=REPOSITORY,
        )

    # -- the database ----------------------------------------------------------------------------------------------

    @contextmanager
    def database(self) -> Iterator[Database]:
        """The database, read beside the service."""
        database = Database(self.database_url)
        try:
            yield database
        finally:
            database.close()

    def rows(self, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Give all rows of an SQL statement."""
        with self.database() as database, database.read() as connection:
            return [tuple(row) for row in connection.execute(text(statement), parameters)]

    def summary(self) -> dict[str, int]:
        """Count what came in and how it ended."""
        with self.database() as database:
            return Inbox(database).summary()

    def settled(self, seconds: float = SETTLE_SECONDS) -> dict[str, int]:
        """Give the summary once nothing is pending and nothing waits for the bus; fail when that takes long."""
        deadline = time.monotonic() + seconds
        with self.database() as database:
            inbox, outbox = Inbox(database), StoredOutbox(database)
            while (summary := inbox.summary())["pending"] or outbox.waiting():
                assert time.monotonic() < deadline, (summary, outbox.waiting(), self.log[-LOG_TAIL_CHARACTERS:])
                assert self.process is not None
                assert self.process.poll() is None, self.log[-LOG_TAIL_CHARACTERS:]
                time.sleep(0.05)
        return summary


@contextmanager
def gateway_in(folder: Path, **settings: Any) -> Iterator[Gateway]:
    """A gateway that serves; killed at the end of the block, if it still runs."""
    gateway = Gateway(folder, **settings)
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.kill()


class Wire:
    """One MLLP connection by hand: what is sent is what goes out, byte for byte."""

    def __init__(self, address: tuple[str, int], seconds: float = ANSWER_SECONDS) -> None:
        self.socket = socket.create_connection(address, timeout=seconds)
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *payloads: bytes) -> None:
        """Send each payload in a frame of its own."""
        self.socket.sendall(b"".join(b"\x0b" + payload + b"\x1c\r" for payload in payloads))

    def answer(self) -> bytes:
        """Give the next answer without its frame; ConnectionError once the peer has closed."""
        while b"\x1c\r" not in self._received:
            data = self.socket.recv(65_536)
            if not data:
                raise ConnectionError("closed by the peer")
            self._received += data
        frame, _, self._received = self._received.partition(b"\x1c\r")
        return frame.lstrip(b"\x0b")

    def answers_to_the_end(self) -> list[bytes]:
        """Give the answers that come until the peer closes."""
        answers = []
        with suppress(ConnectionError):
            while True:
                answers.append(self.answer())
        return answers

    def ask(self, payload: bytes) -> bytes:
        """Send a payload and give its answer."""
        self.send(payload)
        return self.answer()


def fields(answer: bytes, segment: str) -> list[str]:
    """Give the fields of an answer's segment; empty if it has none."""
    lines = (line.split("|") for line in answer.decode("latin-1").split("\r"))
    return next((line for line in lines if line[0] == segment), [])


def code(answer: bytes) -> str:
    """Give MSA-1."""
    return fields(answer, "MSA")[1]
