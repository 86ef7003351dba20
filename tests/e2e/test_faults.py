"""The ground goes: the disk is full, or the server stops. Nothing is promised meanwhile; nothing promised is lost."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from gateways import Gateway, Wire, code, gateway_in
from messages import document
from services import PostgresServer, ServiceAbsent

from adapters.store.audit import AuditTrail

PDF_BYTES = 24_000
GIVEN_UP = 400
"""Messages after which a disk should have been full."""

REFUSALS = 12
"""Refused messages after which the disk is full enough."""

SQLITE_DISK, POSTGRESQL_DISK = "6m", "128m"
NO_LIMITS = {"GATEWAY_MIN_FREE_BYTES": "0"}
"""The gateway's own limit would refuse long before: here the disk itself is to refuse."""


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A file system of this size, for the time of the block; skipped where none may be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
    try:
        if os.geteuid() != 0 or shutil.which("mount") is None:
            pytest.skip("only root may mount a small file system")
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        if mounted.returncode:
            pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        folder.rmdir()


def ballast(folder: Path, but: int) -> None:
    """Take what room there is, but for so many bytes."""
    free = shutil.disk_usage(folder).free
    (folder / "ballast").write_bytes(bytes(free - but))


def widen(folder: Path, size: str) -> None:
    """Give the file system more room."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


class Source:
    """A sender that keeps what it was refused, and counts what it was promised."""

    def __init__(self) -> None:
        self.promised: set[str] = set()
        self.refused: dict[str, bytes] = {}
        self.codes: list[str] = []
        self._sent = 0

    def send(self, gateway: Gateway) -> str:
        """Send a fresh message; give the answer."""
        self._sent += 1
        control_id = f"D{self._sent}"
        pdf = b"%PDF-1.4" + os.urandom(PDF_BYTES)
        return self._ask(gateway, control_id, document("T02", control_id, f"8{self._sent % 9:03}", control_id, pdf=pdf))

    def send_again(self, gateway: Gateway) -> None:
        """Send again what was refused."""
        for control_id, raw in list(self.refused.items()):
            self._ask(gateway, control_id, raw)

    def _ask(self, gateway: Gateway, control_id: str, raw: bytes) -> str:
        with Wire(gateway.mllp, seconds=60) as wire:
            answer = code(wire.ask(raw))
        self.codes.append(answer)
        if answer == "AA":
            self.promised.add(control_id)
            self.refused.pop(control_id, None)
        else:
            self.refused[control_id] = raw
        return answer


def fill(gateway: Gateway) -> Source:
    """Send until the disk is full; give the sender."""
    source = Source()
    while len(source.refused) < REFUSALS:
        source.send(gateway)
        assert len(source.codes) < GIVEN_UP, "the disk was not filled"
    assert set(source.codes) == {"AA", "AE"}
    return source


def assert_nothing_lost(gateway: Gateway, source: Source) -> None:
    """What was promised took effect once, and nothing that was refused left anything but its second coming."""
    assert not source.refused
    summary = gateway.settled(120)
    assert summary["processed"] == len(source.promised)
    assert summary["received"] == summary["processed"] + summary["duplicate"]
    processed = "SELECT m.control_id FROM message m JOIN outcome o ON o.message_id = m.id WHERE o.state = 'processed'"
    assert sorted(control_id for (control_id,) in gateway.rows(processed)) == sorted(source.promised)
    assert gateway.rows("SELECT count(*) FROM work_item WHERE kind = 'correspondence'") == [(len(source.promised),)]
    assert gateway.terminate() == 0
    with gateway.database() as database:
        assert AuditTrail(database).verify().ok


def test_a_full_disk_under_sqlite_is_answered_with_ae(tmp_path):
    """No AA without the bytes; killed on the full disk and started again with room, it has all that it promised."""
    with small_disk(SQLITE_DISK) as disk:
        gateway = Gateway(tmp_path, database_url=f"sqlite:///{disk / 'gateway.db'}", **NO_LIMITS)
        try:
            gateway.start()
            source = fill(gateway)
            assert gateway.process.poll() is None
            gateway.kill()
            widen(disk, "256m")
            gateway.start()
            source.send_again(gateway)
            assert source.send(gateway) == "AA"
            assert_nothing_lost(gateway, source)
        finally:
            gateway.kill()


def test_a_full_disk_of_sqlites_that_gets_room_needs_no_restart(tmp_path):
    """The same process takes in again as soon as there is room."""
    with (
        small_disk(SQLITE_DISK) as disk,
        gateway_in(tmp_path, database_url=f"sqlite:///{disk / 'gateway.db'}", **NO_LIMITS) as gateway,
    ):
        source = fill(gateway)
        widen(disk, "256m")
        source.send_again(gateway)
        assert_nothing_lost(gateway, source)


def test_a_full_disk_under_postgresql_is_answered_with_ae(tmp_path):
    """The server refuses, or ends, on its full disk: no AA; with room it goes on, and so does the gateway."""
    with small_disk(POSTGRESQL_DISK) as disk:
        try:
            server = PostgresServer(disk)
        except ServiceAbsent as absent:
            if os.environ.get("GATEWAY_REQUIRE_SERVICES") == "1":
                pytest.fail(str(absent))
            pytest.skip(str(absent))
        try:
            server.start()
            with server.database() as url, gateway_in(tmp_path, database_url=url, **NO_LIMITS) as gateway:
                ballast(disk, but=8 * 1024 * 1024)
                source = fill(gateway)
                widen(disk, "512m")
                again(partial(with_server, server, partial(source.send_again, gateway)), source)
                assert_nothing_lost(gateway, source)
        finally:
            server.stop()


def with_server(server: PostgresServer, act: Callable[[], None]) -> None:
    """Do it, with the server started again if it has ended on its full disk."""
    if not server.runs():
        server.go_on()
    act()


def again(act: Callable[[], None], source: Source, seconds: float = 60) -> None:
    """Do it until nothing is refused any more."""
    deadline = time.monotonic() + seconds
    while source.refused:
        assert time.monotonic() < deadline
        act()
        time.sleep(0.2)


def test_a_postgresql_server_that_stops_under_load_loses_nothing(tmp_path, postgres, postgres_database):
    """While it is away everything is refused; once it is back everything promised is there, and the rest comes."""
    with gateway_in(tmp_path, database_url=postgres_database) as gateway:
        source, stop = Source(), threading.Event()

        def load() -> None:
            while not stop.is_set():
                source.send(gateway)

        thread = threading.Thread(target=load)
        thread.start()
        try:
            time.sleep(0.5)
            postgres.halt()
            time.sleep(0.5)
            postgres.go_on()
        finally:
            stop.set()
            thread.join(60)
        assert not thread.is_alive()
        assert {"AA", "AE"} == set(source.codes)
        again(partial(source.send_again, gateway), source)
        assert_nothing_lost(gateway, source)
