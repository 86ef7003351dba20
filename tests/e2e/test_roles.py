"""One gateway of several processes: each role apart, any number of workers, each ended without harm to the others."""

import os
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from gateways import Gateway, gateway_in
from test_crash import Sender, assert_promises_kept, load


def test_every_role_apart_makes_one_gateway(tmp_path, postgres_database):
    """Intake, two workers, relay and web in processes of their own do what one process does."""
    with ExitStack() as running:
        processes = {}
        for name, role in (("intake", "intake"), ("one", "work"), ("two", "work"), ("relay", "relay"), ("web", "web")):
            (tmp_path / name).mkdir()
            gateway = Gateway(tmp_path / name, database_url=postgres_database)
            running.callback(gateway.kill)
            gateway.start("--role", role)
            processes[name] = gateway
        assert [processes[n].ready["mllp"] is None for n in processes] == [False, True, True, True, True]
        assert [processes[n].ready["http"] is None for n in processes] == [True, True, True, True, False]
        senders = [Sender(name) for name in "abcd"]
        load(processes["intake"], senders, 2.0, kill=False)
        processes["intake"].settled()
        assert_promises_kept(processes["intake"], senders)
        assert [gateway.terminate() for gateway in processes.values()] == [0] * len(processes)


def test_a_killed_worker_loses_and_doubles_nothing(tmp_path, postgres_database):
    """Worker processes killed in mid-batch are started again, and what they had in hand takes effect once."""
    gateway = Gateway(tmp_path, database_url=postgres_database, GATEWAY_WORKERS="2")
    senders = [Sender(name) for name in "abcd"]
    try:
        gateway.start()
        loading = threading.Thread(target=load, args=(gateway, senders, 4.0), kwargs={"kill": False})
        loading.start()
        for _ in range(3):
            time.sleep(1.0)
            for pid in workers_of(gateway)[:1]:
                os.kill(pid, signal.SIGKILL)
        loading.join(60)
        gateway.settled()
        assert gateway.log.count('"worker.process-ended"') == 3
        assert gateway.terminate() == 0
        assert_promises_kept(gateway, senders)
    finally:
        gateway.kill()


def workers_of(gateway):
    """Give the process ids of a service's worker processes."""
    pid = gateway.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_workers_end_with_their_parent(tmp_path, postgres_database):
    """A service killed at once leaves no worker behind."""
    with gateway_in(tmp_path, database_url=postgres_database, GATEWAY_WORKERS="2") as gateway:
        deadline = time.monotonic() + 20
        while len(pids := workers_of(gateway)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        gateway.kill()
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < deadline + 20
            time.sleep(0.1)


@pytest.mark.parametrize("role", ["intake", "work", "relay", "web"])
def test_a_sqlite_file_has_one_process(tmp_path, role):
    """A role apart needs a store that can be shared, and the refusal says so."""
    gateway = Gateway(tmp_path)
    done = gateway.run("serve", "--role", role, exit_code=2)
    assert "SQLite" in done.stderr
