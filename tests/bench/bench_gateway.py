"""The gateway as its senders and its broker see it: acknowledged a second, confirmed a second, and how long it takes.

Beside each, what the machine itself can do in the same run. Figures are printed, never asserted by time; run by
``make bench`` on an idle machine, for the sender, PostgreSQL and RabbitMQ share it with the gateway.
"""

import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from gateways import Gateway, gateway_in
from services import free_port
from stored import multiply

from adapters.mllp.listener import Listener
from adapters.store.listening import session

RUNS = 3
CONNECTIONS = (1, 8, 32, 128)
MESSAGES = 6_400
WARM_UP = 640
LOAD = Path(__file__).with_name("load.py")


def sent(address, connections, messages, *, rate=0.0, name):
    """Send from a process of its own, and give what came of it."""
    each = max(1, messages // connections)
    command = [sys.executable, LOAD, address[0], str(address[1]), str(connections), str(each), str(rate), name]
    done = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert done["refused"] == 0
    return done


def middle(results, of):
    """Give the median over runs."""
    return statistics.median(of(each) for each in results)


def syncs_a_second(folder):
    """Give how often this disk takes a small write for good, one after the other: what a connection alone can reach."""
    handle = os.open(folder / "sync", os.O_WRONLY | os.O_CREAT)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < 1.0:
        os.pwrite(handle, b"x" * 4096, 0)
        os.fdatasync(handle)
        count += 1
    os.close(handle)
    return count / (time.perf_counter() - began)


def without_a_store(connections):
    """Give what the same listener acknowledges a second, and its latencies, when it keeps nothing."""
    listening, stop, found = threading.Event(), threading.Event(), {}

    async def serve():
        async def answer(frame, _peer):
            return b"MSH|^~\\&|||||||ACK|1|P|2.5\rMSA|AA|" + frame.split(b"|", 10)[9] + b"\r"

        listener = Listener(answer, lambda _limit, _peer: b"")
        await listener.start("127.0.0.1", 0)
        found["address"] = listener.address
        listening.set()
        await asyncio.to_thread(stop.wait)
        await listener.stop(1)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    listening.wait(10)
    try:
        return sent(found["address"], connections, MESSAGES, name="n")
    finally:
        stop.set()
        thread.join()


def row(label, results, baseline):
    """Give a line of the table: medians of the runs, and the ratio to the baseline of the same run."""
    rate = middle(results, lambda r: r["messages"] / r["seconds"])
    p50, p99 = (middle(results, lambda r, p=p: r[p]) for p in ("p50_ms", "p99_ms"))
    return f"{label:<34}{rate:>9.0f}/s{p50:>9.1f}{p99:>9.1f}{rate / baseline:>9.2f} x"


@contextmanager
def taking_in(folder, processes, **settings):
    """Give the address on which so many intake processes listen together; on SQLite the one process does all."""
    options = ("--role", "intake") if settings else ()
    settings["GATEWAY_MAX_CONNECTIONS_PER_ADDRESS"] = str(max(CONNECTIONS))
    port = {"GATEWAY_MLLP_PORT": str(free_port()), "GATEWAY_MLLP_SHARED": "true"} if processes > 1 else {}
    gateways = []
    try:
        for number in range(processes):
            (folder / str(number)).mkdir()
            gateways.append(Gateway(folder / str(number), **settings, **port))
            gateways[-1].start(*options)
        yield gateways[0].mllp
    finally:
        for gateway in gateways:
            gateway.kill()


@pytest.mark.parametrize(("engine", "processes"), [("sqlite", 1), ("postgresql", 1), ("postgresql", 2)])
def test_acknowledged_a_second(engine, processes, request, tmp_path, capsys):
    """MLLP to durable to AA: on PostgreSQL by intake processes alone, on SQLite by the one process that does all."""
    settings = {"database_url": request.getfixturevalue("postgres_database")} if engine == "postgresql" else {}
    disk = syncs_a_second(tmp_path)
    lines = []
    with taking_in(tmp_path, processes, **settings) as address:
        sent(address, 8, WARM_UP, name="w")
        for connections in CONNECTIONS:
            bare = without_a_store(connections)
            rate = bare["messages"] / bare["seconds"]
            messages = min(MESSAGES, 640 * connections)
            runs = [sent(address, connections, messages, name=f"{engine[0]}{connections}r{n}") for n in range(RUNS)]
            lines += [row(f"{connections} connections, no store", [bare], rate)]
            lines += [row(f"{connections} connections, {engine} x {processes}", runs, rate)]
    with capsys.disabled():
        print(f"\n{'MLLP to AA; disk ' + format(disk, '.0f') + ' syncs/s':<34}{'acks':>11}{'p50 ms':>9}{'p99 ms':>9}")  # noqa: T201
        print(*lines, sep="\n")  # noqa: T201


LATENCIES = """
    SELECT extract(epoch FROM published.at - message.received_at) * 1000
    FROM audit_event published
    JOIN work_item_history step
      ON step.item_id = substr(published.entities ->> 0, 6) AND step.version = (published.detail ->> 'version')::int
    JOIN message ON message.id = step.message_id
    WHERE published.action = 'relay:item:published' AND message.id > %(after)s
    ORDER BY 1
"""


def latencies(gateway, after):
    """Give how long each item took from its message's reception to the broker's confirm, in ms, sorted."""
    with gateway.database() as database, session(database) as by_hand:  # plans of its own: nothing here goes by keys
        return [float(each) for (each,) in by_hand.execute(LATENCIES, {"after": after})]


def through(gateway, rate, name, messages=MESSAGES):
    """Send all the way to the broker's confirm, and give seconds and latencies."""
    (after,) = gateway.rows("SELECT coalesce(max(id), 0) FROM message")[0]
    began = time.perf_counter()
    done = sent(gateway.mllp, 32, messages, rate=rate, name=name)
    gateway.settled(600)
    done["seconds"] = time.perf_counter() - began
    taken = latencies(gateway, after)
    done["p50_ms"], done["p99_ms"] = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
    return done


@pytest.mark.parametrize("workers", [1, 2])
def test_through_to_the_broker_a_second(workers, postgres_database, rabbitmq, tmp_path, capsys):
    """MLLP to work item to RabbitMQ's confirm: at full load, and at 350 messages a second."""
    settings = {"database_url": postgres_database, "broker_url": rabbitmq.url, "GATEWAY_WORKERS": str(workers)}
    with gateway_in(tmp_path, **settings) as gateway:
        through(gateway, 0.0, "w", WARM_UP)
        full = [through(gateway, 0.0, f"f{n}") for n in range(RUNS)]
        calm = [through(gateway, 350.0, f"c{n}", 3_500) for n in range(RUNS)]
    rate = middle(full, lambda r: r["messages"] / r["seconds"])
    with capsys.disabled():
        print(f"\n{'MLLP to confirm, end to end':<34}{'through':>11}{'p50 ms':>9}{'p99 ms':>9}")  # noqa: T201
        print(row(f"{workers} worker(s), full load", full, rate), row("at 350/s", calm, rate), sep="\n")  # noqa: T201


STORED = 1_000
COPIES = 999
SNAPSHOT_SECONDS = 60.0


def test_cost_does_not_grow_with_what_is_stored(postgres, rabbitmq, tmp_path, capsys):
    """The whole way beside a thousand stored messages, beside a million, and with a snapshot held open elsewhere."""
    found = {}
    with postgres.database() as small, postgres.database() as large:
        for label, url in (("1,000 stored", small), ("1,000,000 stored", large)):
            (tmp_path / label).mkdir()
            with gateway_in(tmp_path / label, database_url=url, broker_url=rabbitmq.url) as gateway:
                through(gateway, 0.0, "w", STORED)
                if url == large:
                    gateway.terminate()  # the sealer would go on numbering from where the copies begin
                    with gateway.database() as database:
                        multiply(database, COPIES)
                    gateway.start()
                found[label] = [through(gateway, 0.0, f"f{n}") for n in range(RUNS)]
                if url == large:
                    with gateway.database() as database, database.read() as connection:
                        connection.exec_driver_sql("SET idle_in_transaction_session_timeout = 0")
                        connection.exec_driver_sql("SELECT count(*) FROM installation")
                        began, runs = time.monotonic(), []
                        while time.monotonic() - began < SNAPSHOT_SECONDS:
                            runs.append(through(gateway, 0.0, f"s{len(runs)}"))
                        found["1,000,000, open snapshot"] = runs[-RUNS:]
    rate = middle(found["1,000 stored"], lambda r: r["messages"] / r["seconds"])
    with capsys.disabled():
        print(f"\n{'MLLP to confirm, full load':<34}{'through':>11}{'p50 ms':>9}{'p99 ms':>9}")  # noqa: T201
        print(*(row(label, runs, rate) for label, runs in found.items()), sep="\n")  # noqa: T201


def test_memory_stays_flat(postgres_database, tmp_path, capsys):
    """Resident memory of the service and its worker over 200,000 messages, then with 100,000 waiting."""
    lines = []
    gateway = Gateway(tmp_path, database_url=postgres_database)
    try:
        gateway.start()
        for count in (10_000, 90_000, 100_000):
            sent(gateway.mllp, 32, count, name=f"m{count}")
            gateway.settled(900)
            lines.append((f"after {count:,} more", resident(gateway.process.pid)))
        gateway.terminate()
        gateway.start("--role", "intake")
        sent(gateway.mllp, 32, 100_000, name="b")
        lines.append(("intake, 100,000 waiting", resident(gateway.process.pid)))
        gateway.terminate()
        gateway.start()
        time.sleep(10)
        lines.append(("working them off", resident(gateway.process.pid)))
        gateway.settled(900)
    finally:
        gateway.kill()
    with capsys.disabled():
        print(f"\n{'resident memory':<34}{'MiB: service, worker':>24}")  # noqa: T201
        print(*(f"{label:<34}{' '.join(f'{mib:.0f}' for mib in each):>24}" for label, each in lines), sep="\n")  # noqa: T201


def resident(pid):
    """Give the resident memory of a process and its children, in MiB."""
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    texts = (Path(f"/proc/{each}/status").read_text() for each in pids)
    return [int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024 for text in texts]
