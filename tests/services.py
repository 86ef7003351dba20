"""Private PostgreSQL and RabbitMQ servers, made from the installed binaries: loopback, free ports, temporary folders.

Nothing here touches a server that already runs on the machine, and each process started is ended by its own id.
"""

import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pika
import psycopg
from pika.exceptions import AMQPError

# pika tells every failed attempt to connect at length; a probe fails until it succeeds.
logging.getLogger("pika").setLevel(logging.CRITICAL)

START_SECONDS = 90.0
STOP_SECONDS = 30.0
LOG_TAIL_CHARACTERS = 2_000

_starter = ThreadPoolExecutor(1)
"""The guard goes off when the *thread* that started the process ends; a test may restart a server in a short one."""


class ServiceAbsent(Exception):
    """The server's binaries are not installed here."""


class ServiceFailed(Exception):
    """The server is installed and did not come up."""


def find_program(name: str, *folders: str) -> Path:
    """Give the newest program of that name in these folders (glob patterns), else on the PATH; else ServiceAbsent."""
    found = [p for folder in folders for p in sorted(Path("/").glob(f"{folder.lstrip('/')}/{name}"), reverse=True)]
    on_path = shutil.which(name)
    if not found and not on_path:
        raise ServiceAbsent(f"{name} is not installed")
    return found[0] if found else Path(str(on_path))


def free_port() -> int:
    """Give a TCP port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the server answers; ServiceFailed, with the end of its log, when it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServiceFailed(log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:])
        time.sleep(0.05)


def guarded(command: Sequence[object], with_signal: str) -> list[str]:
    """Give the command such that the kernel ends it if the test run itself is killed (Linux's setpriv, where it is)."""
    guard = ["setpriv", "--pdeathsig", with_signal] if shutil.which("setpriv") else []
    return [*guard, *map(str, command)]


def end(process: subprocess.Popen[bytes], with_signal: signal.Signals) -> None:
    """End a process of ours and wait until it is gone; kill it when it does not go."""
    if process.poll() is None:
        process.send_signal(with_signal)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class PostgresServer:
    """A PostgreSQL cluster of our own, with fsync on; as root it runs under the ``postgres`` account (initdb asks).

    Args:
        folder: where its files stand; the system's temporary folder by default.

    """

    def __init__(self, folder: Path | None = None) -> None:
        folders = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
        self._initdb, self._postgres = (find_program(name, *folders) for name in ("initdb", "postgres"))
        self._account = "postgres" if os.geteuid() == 0 else None
        self._home = Path(tempfile.mkdtemp(prefix="gateway-postgresql-", dir=folder))
        if self._account:
            shutil.chown(self._home, self._account)
        self._log = self._home / "server.log"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of a database of this cluster."""
        return f"postgresql+psycopg://gateway@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        """Make the cluster, start it, and return once it takes connections."""
        data = str(self._home / "data")
        self._run(
            [self._initdb, "--pgdata", data, "--username=gateway", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        )
        self.go_on()

    def halt(self) -> None:
        """End the server (fast shutdown); its files stay."""
        if self._process:
            end(self._process, signal.SIGINT)

    def go_on(self) -> None:
        """Start the server on the cluster that is there, and return once it takes connections."""
        data = str(self._home / "data")
        settings = ["listen_addresses=127.0.0.1", f"port={self._port}", "unix_socket_directories=", "fsync=on"]
        options = [word for setting in settings for word in ("-c", setting)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                guarded([self._postgres, "-D", data, *options], "QUIT"), stdout=log, stderr=log, **self._identity()
            )
        until(self._answers, self._process, self._log)

    def runs(self) -> bool:
        """Whether the server has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def processes(self) -> list[int]:
        """Give the process ids of the server and of its lasting children: those of clients, and the log's writer."""
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        titles = {child: Path(f"/proc/{child}/cmdline") for child in children}
        lasting = [c for c, title in titles.items() if title.exists() and b"worker" not in title.read_bytes()]
        return [pid, *map(int, lasting)]

    def stop(self) -> None:
        """End the server and remove its files."""
        self.halt()
        shutil.rmtree(self._home, ignore_errors=True)

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """A database's URL, empty or a copy; the database is dropped afterwards, whoever is still connected."""
        name = f"gateway_{uuid.uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _identity(self) -> dict[str, object]:
        account = {"user": self._account, "group": self._account, "extra_groups": []} if self._account else {}
        return {"cwd": self._home, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, **account}

    def _run(self, command: Sequence[object]) -> None:
        with self._log.open("ab") as log:
            done = subprocess.run([str(c) for c in command], stdout=log, stderr=log, check=False, **self._identity())
        if done.returncode:
            raise ServiceFailed(self._log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:])

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self._port, user="gateway", dbname="postgres", autocommit=True, connect_timeout=5
        )

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError), self._connect():
            return True
        return False

    def _execute(self, statement: str) -> None:
        with self._connect() as connection:
            connection.execute(statement)


class RabbitServer:
    """A RabbitMQ node of our own, with its own epmd, cookie and files; it may be stopped, restarted and frozen."""

    def __init__(self) -> None:
        # Debian's wrapper in /usr/sbin changes the account; the script it wraps does not.
        self._program = find_program("rabbitmq-server", "/usr/lib/rabbitmq/bin")
        self._control_program = find_program("rabbitmqctl", "/usr/lib/rabbitmq/bin")
        self._epmd_program = find_program("epmd", "/usr/lib/erlang/erts-*/bin")
        self._home = Path(tempfile.mkdtemp(prefix="gateway-rabbitmq-"))
        self._log = self._home / "server.log"
        self._port, self._dist_port, self._epmd_port = free_port(), free_port(), free_port()
        self._node = f"gw{uuid.uuid4().hex[:8]}@localhost"
        self._epmd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        (self._home / "rabbitmq.conf").write_text("loopback_users.guest = true\ndisk_free_limit.absolute = 50MB\n")
        (self._home / "enabled_plugins").write_text("[].\n")

    @property
    def url(self) -> str:
        """The AMQP URL of the default virtual host."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Start the node, and return once it takes connections."""
        environment = self._environment()
        with self._log.open("ab") as log:
            if self._epmd is None:
                command = [self._epmd_program, "-address", "127.0.0.1", "-port", self._epmd_port]
                self._epmd = subprocess.Popen(guarded(command, "TERM"), stdout=log, stderr=log, env=environment)
            command = guarded([self._program], "KILL")
            self._process = _starter.submit(
                subprocess.Popen, command, stdout=log, stderr=log, env=environment, cwd=self._home
            ).result()
        until(self._answers, self._process, self._log)

    def stop(self) -> None:
        """End the node in order; its queues stay on disk."""
        if self._process:
            self.resume()
            end(self._process, signal.SIGTERM)
            self._process = None

    def kill(self) -> None:
        """End the node at once, as a power cut does; its queues stay on disk."""
        if self._process:
            end(self._process, signal.SIGKILL)
            self._process = None

    def restart(self) -> None:
        """Stop and start the node."""
        self.stop()
        self.start()

    def suspend(self) -> None:
        """Freeze the node: its sockets stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen node go on."""
        self._signal(signal.SIGCONT)

    def control(self, *arguments: str) -> str:
        """Run `rabbitmqctl` on this node, and give what it printed; ServiceFailed when it does not do it."""
        done = subprocess.run(
            [str(self._control_program), "--quiet", *arguments],
            capture_output=True,
            text=True,
            env=self._environment(),
            cwd=self._home,
            timeout=STOP_SECONDS,
            check=False,
        )
        if done.returncode:
            raise ServiceFailed((done.stdout + done.stderr)[-LOG_TAIL_CHARACTERS:])
        return done.stdout

    def remove(self) -> None:
        """Stop everything and remove its files."""
        self.stop()
        if self._epmd:
            end(self._epmd, signal.SIGTERM)
        shutil.rmtree(self._home, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def _environment(self) -> dict[str, str]:
        home = str(self._home)
        return {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "LC_ALL": "C.UTF-8",
            # The script then becomes the Erlang machine instead of standing before it: our process id is the node's.
            "RUNNING_UNDER_SYSTEMD": "true",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE": f"{home}/no-such-file",
            "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{home}/no-such-file.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/enabled_plugins",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{home}/config",
            "RABBITMQ_MNESIA_BASE": f"{home}/mnesia",
            "RABBITMQ_LOG_BASE": f"{home}/log",
            "RABBITMQ_PID_FILE": f"{home}/pid",
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _answers(self) -> bool:
        with suppress(AMQPError, OSError):
            socket.create_connection(("127.0.0.1", self._port), timeout=5).close()
            pika.BlockingConnection(pika.URLParameters(self.url)).close()
            return True
        return False


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the time of the block."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def running_rabbitmq() -> Iterator[RabbitServer]:
    """A RabbitMQ server for the time of the block."""
    server = RabbitServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()
