"""The demonstration's run: a real `gateway serve` of its own, the morning played into it, the page about it."""

import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from adapters.assembly import Assembly
from adapters.demo.aftermath import look
from adapters.demo.check import differences
from adapters.demo.correction import FILE, corrected
from adapters.demo.page import correction, page
from adapters.demo.play import Answer, Progress, ignore, play
from adapters.demo.scenario import Scenario, morning, move
from adapters.demo.steps import PARIS
from adapters.settings import PREFIX, load_settings
from gateway.errors import ConfigurationError, TroubleError
from mappings.site import DEMO

READY_SECONDS = 30.0
"""How long the service may take until it listens."""
STOP_SECONDS = 20.0
"""How long it may take to end."""
QUIET_SECONDS = 30.0
"""How long the last messages may take to their end, with the embedded bus."""
BROKER_SECONDS = 120.0
"""The same with a broker, which may be restarting."""

_LOG_LINES = 15
_POLL_SECONDS = 0.05


class ServiceFailed(TroubleError):
    """The demonstration's own service did not come up, or did not end what it was given, in its time."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What a run gave.

    Attributes:
        page: the page to print.
        summary: messages received and how they ended.
        differences: what is not as the scenario says.
        answers: the answer of each step.
        log: the service's log; None where its folder was temporary and nothing is left to look into.

    """

    page: str
    summary: Mapping[str, int]
    differences: tuple[str, ...]
    answers: tuple[Answer, ...]
    log: Path | None

    @property
    def ok(self) -> bool:
        """Whether everything is as the scenario says."""
        return not self.differences


def run_demo(
    *,
    keep: Path | None,
    pace: float,
    environment: Mapping[str, str],
    progress: Progress = ignore,
    letter: bool = False,
) -> DemoResult:
    """Give what a morning leads to, played into a `gateway serve` that is started and ended here.

    Args:
        keep: folder in which database and log stay; None: a temporary one, which stays only if something is wrong.
        pace: seconds between two messages.
        environment: GATEWAY_DATABASE_URL (an empty database) and GATEWAY_BROKER_URL are taken from it; the site is the
            demo's, the ports are free ones.
        progress: told of each step once it is answered.
        letter: once the morning is over, an appointment is moved of which the patient holds the letter.

    Raises:
        ConfigurationError: the database is not empty.
        TroubleError: the service did not come up, or did not end what it was given.

    """
    folder = keep or Path(tempfile.mkdtemp(prefix="gateway-demo-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        result = _run(folder, pace, service_environment(environment, folder), progress, letter=letter)
    except OSError as error:
        raise ConfigurationError(f"a writable folder is expected: {error.strerror}", path=str(folder)) from None
    except (KeyboardInterrupt, SystemExit, ConfigurationError):
        if keep is None:
            shutil.rmtree(folder)
        raise
    if keep is None and result.ok:
        shutil.rmtree(folder)
        return replace(result, log=None)
    return result


def _run(folder: Path, pace: float, environment: Mapping[str, str], progress: Progress, *, letter: bool) -> DemoResult:
    log = folder / "service.log"
    assembly = Assembly(load_settings(environment))
    try:
        if not assembly.database.is_empty():
            rule = f"the demonstration needs an empty database, and {assembly.database.name} holds something"
            raise ConfigurationError(rule, path="GATEWAY_DATABASE_URL")
        with _serving(environment, folder, log) as addresses:
            result, scenario = _morning(assembly, addresses, pace, progress, log)
            return replace(result, page=result.page + _letter(assembly, addresses, scenario, log)) if letter else result
    finally:
        assembly.close()


def last_morning(now: datetime) -> date:
    """Give the date of the last morning that is over: no message of it comes from the future."""
    return (now.astimezone(PARIS) - timedelta(hours=13)).date()


def service_environment(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Give the service's environment: of the operator's settings only the database, the broker and the log level."""
    kept = {"DATABASE_URL", "BROKER_URL", "LOG_LEVEL"}
    others = {k: v for k, v in environment.items() if not k.startswith(PREFIX) or k.removeprefix(PREFIX) in kept}
    database = f"sqlite:///{(folder / 'gateway.db').resolve()}"
    ports = {"GATEWAY_MLLP_PORT": "0", "GATEWAY_HTTP_PORT": "0"}
    return {"GATEWAY_DATABASE_URL": database, **others, **ports, "GATEWAY_SITE": str(DEMO)}


def _morning(
    assembly: Assembly, addresses: Mapping[str, str], pace: float, progress: Progress, log: Path
) -> tuple[DemoResult, Scenario]:
    scenario = morning(last_morning(datetime.now(PARIS)))
    answers = asyncio.run(play(scenario, addresses["mllp"], addresses["http"], pace, progress))
    with_broker = not assembly.settings.broker_url.startswith("embedded")
    _wait_until_quiet(assembly, BROKER_SECONDS if with_broker else QUIET_SECONDS)
    aftermath = look(assembly, assembly.account_principal(), scenario)
    found = differences(scenario, answers, aftermath)
    told = page(assembly.site, scenario, answers, aftermath, found)
    return DemoResult(told, aftermath.summary, found, answers, log), scenario


def _letter(assembly: Assembly, addresses: Mapping[str, str], scenario: Scenario, log: Path) -> str:
    """Give what is told of the letter that corrects another one, which lies beside the log."""

    def move_appointment() -> None:
        asyncio.run(play(replace(scenario, steps=(move(scenario.today),)), addresses["mllp"], addresses["http"]))
        _wait_until_quiet(assembly, BROKER_SECONDS)

    return correction(assembly.site, corrected(assembly, move_appointment, log.parent), log.parent / FILE)


def _wait_until_quiet(assembly: Assembly, seconds: float) -> None:
    """Wait until nothing is pending and the bus has confirmed all; what is late after that shows in the page."""
    with contextlib.suppress(ServiceFailed):
        _wait(lambda: not assembly.inbox.summary()["pending"] and not assembly.outbox.waiting(), seconds)


def _wait(done: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise ServiceFailed(f"not done within {seconds:.0f} seconds")
        time.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def _serving(environment: Mapping[str, str], folder: Path, log: Path) -> Iterator[Mapping[str, str]]:
    """The addresses of a service of our own, for the time of the block."""
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "adapters.cli", "serve", "--ready-file", str(ready)]
    ready.unlink(missing_ok=True)
    with log.open("ab") as told:
        process = subprocess.Popen(command, env=dict(environment), stdout=told, stderr=told)  # noqa: S603 - our own program
    try:
        yield _addresses(process, ready, log)
    finally:
        _end(process)


def _addresses(process: "subprocess.Popen[bytes]", ready: Path, log: Path) -> Mapping[str, str]:
    try:
        _wait(lambda: ready.exists() or process.poll() is not None, READY_SECONDS)
        addresses: Mapping[str, str] = json.loads(ready.read_text(encoding="utf-8"))
    except (ServiceFailed, FileNotFoundError):
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        raise ServiceFailed("\n".join(("the service did not come up; its log ends with:", *last))) from None
    return addresses


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
