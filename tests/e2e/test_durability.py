"""Promise P1 as the kernel sees it: a message's bytes are written and synced to the disk before its AA is sent."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from gateways import Wire, code, gateway_in
from messages import patient_told

ATTACH_SECONDS = 20
CALLS = "pwrite64,pwritev,write,fdatasync,fsync,sendto,sendmsg"
WRITES, SYNCS, SENDS = {"pwrite64", "pwritev", "write"}, {"fdatasync", "fsync"}, {"sendto", "sendmsg"}
MESSAGES = 12
FRAME = '"\\vMSH|'
"""How strace shows the beginning of an MLLP frame."""

_LINE = re.compile(r"^(?P<pid>\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<call>\w+)\()(?P<rest>.*)$")
_PLACE = re.compile(r"^\d+<(?P<place>[^>]*)>")


@dataclass(frozen=True)
class Call:
    """A system call: when it began and ended (lines of the trace), what it was about, and whether it succeeded."""

    name: str
    place: str
    begun: int
    ended: int
    text: str
    good: bool


@contextmanager
def traced(pids: Callable[[], list[int]], file: Path) -> Iterator[None]:
    """The processes' writes, syncs and sends go to a file while the block lasts; skipped where that cannot be."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    deadline = time.monotonic() + ATTACH_SECONDS
    while (tracer := attached(pids(), file)) is None:  # one of them had just ended
        assert time.monotonic() < deadline
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=ATTACH_SECONDS)


def attached(pids: list[int], file: Path) -> "subprocess.Popen[bytes] | None":
    """Give what traces all these processes; None if one of them is no more."""
    words = [word for pid in pids for word in ("-p", str(pid))]
    command = ["strace", "-f", "-y", "-s", "16384", "-e", f"trace={CALLS}", "-o", str(file), *words]
    tracer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not all(traced_by(pid) for pid in pids):
            if tracer.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return tracer
    except FileNotFoundError:
        tracer.send_signal(signal.SIGINT)
    said = tracer.communicate(timeout=ATTACH_SECONDS)[1].decode()
    if "not permitted" in said:
        pytest.skip(f"strace may not attach here: {said[-200:]}")
    return None


def traced_by(pid: int) -> bool:
    """Whether every thread of a process is traced."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return all("TracerPid:\t0\n" not in (thread / "status").read_text() for thread in threads)


def calls(file: Path) -> list[Call]:
    """Give the calls of a trace, those that others interrupted put together."""
    found, begun = [], {}
    for number, line in enumerate(file.read_text(errors="replace").splitlines()):
        match = _LINE.match(line)
        if match is None:
            continue
        start, text = number, match["rest"]
        if match["resumed"]:
            start, text = begun.pop((match["pid"], match["resumed"]), (number, ""))
            text += match["rest"]
        elif text.endswith("<unfinished ...>"):
            begun[match["pid"], match["call"]] = (number, text)
            continue
        place = _PLACE.match(text)
        good = re.search(r"\) += -1 ", text) is None
        name = match["resumed"] or match["call"]
        found.append(Call(name, place["place"] if place else "", start, number, text, good))
    return found


def assert_synced_before_the_answer(trace: list[Call], control_ids: list[str], log: str) -> None:
    """Between the write of each message's bytes and its AA, the log that they are in was synced, and had no error.

    Args:
        trace: what the processes did.
        control_ids: of the messages.
        log: what the name of the database's write-ahead log holds.

    """
    for control_id in control_ids:
        sent = (c for c in trace if c.name in SENDS and FRAME in c.text)  # not to the server, which keeps the answer
        (answer,) = (c for c in sent if f"|AA|{control_id}" in c.text)
        written = [c for c in trace if c.name in WRITES and log in c.place and control_id in c.text]
        assert written, "its bytes were seen on their way to the log"
        first = min(c.ended for c in written)
        synced = [c for c in trace if c.name in SYNCS and log in c.place and c.good and c.begun > first]
        assert any(c.ended < answer.begun for c in synced), f"{control_id} was answered before its log was synced"


def ask(address: tuple[str, int]) -> list[str]:
    """Send messages, some one by one and some at once; give their control IDs."""
    control_ids = [f"SYNCED-{n:03}-{n * 7919:06}" for n in range(MESSAGES)]
    raws = [patient_told(control_id, f"8{n:03}") for n, control_id in enumerate(control_ids)]
    with Wire(address) as wire:
        for raw in raws[: MESSAGES // 2]:
            assert code(wire.ask(raw)) == "AA"
        wire.send(*raws[MESSAGES // 2 :])
        for _ in raws[MESSAGES // 2 :]:
            assert code(wire.answer()) == "AA"
    return control_ids


def test_sqlite_syncs_its_log_before_the_answer(tmp_path):
    """The service's own process syncs the write-ahead log."""
    with gateway_in(tmp_path) as gateway:
        with traced(lambda: [gateway.process.pid], tmp_path / "trace"):
            control_ids = ask(gateway.mllp)
        gateway.settled()
    assert_synced_before_the_answer(calls(tmp_path / "trace"), control_ids, "gateway.db-wal")


def test_postgresql_syncs_its_log_before_the_answer(tmp_path, postgres, postgres_database):
    """The server syncs its write-ahead log before the service, which is traced with it, sends its answer."""
    with gateway_in(tmp_path, database_url=postgres_database) as gateway:
        gateway.settled()
        with traced(lambda: [gateway.process.pid, *postgres.processes()], tmp_path / "trace"):
            control_ids = ask(gateway.mllp)
        gateway.settled()
    assert_synced_before_the_answer(calls(tmp_path / "trace"), control_ids, "pg_wal/")
