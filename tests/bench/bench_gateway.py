"""The gateway as its senders and its broker see it: acknowledged a second, confirmed a second, and how long it takes.

Beside each, what the machine itself can do in the same run. Figures are printed, never asserted by time; run by
``make bench`` on an idle machine, for the sender, PostgreSQL and RabbitMQ share it with the gateway.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from gateways import Gateway, gateway_in

from adapters.mllp.listener import Listener

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


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_acknowledged_a_second(engine, request, tmp_path, capsys):
    """MLLP to durable to AA: on PostgreSQL by an intake process alone, on SQLite by the one process that does all."""
    settings = {"database_url": request.getfixturevalue("postgres_database")} if engine == "postgresql" else {}
    options = ("--role", "intake") if engine == "postgresql" else ()
    disk = syncs_a_second(tmp_path)
    lines = []
    gateway = Gateway(tmp_path, **settings)
    try:
        gateway.start(*options)
        sent(gateway.mllp, 8, WARM_UP, name="w")
        for connections in CONNECTIONS:
            bare = without_a_store(connections)
            rate = bare["messages"] / bare["seconds"]
            messages = min(MESSAGES, 640 * connections)
            runs = [
                sent(gateway.mllp, connections, messages, name=f"{engine[0]}{connections}r{n}") for n in range(RUNS)
            ]
            lines += [row(f"{connections} connections, no store", [bare], rate)]
            lines += [row(f"{connections} connections, {engine}", runs, rate)]
    finally:
        gateway.kill()
    with capsys.disabled():
        print(f"\n{'MLLP to AA; disk ' + format(disk, '.0f') + ' syncs/s':<34}{'acks':>11}{'p50 ms':>9}{'p99 ms':>9}")  # noqa: T201
        print(*lines, sep="\n")  # noqa: T201


LATENCIES = """
    SELECT extract(epoch FROM published.at - message.received_at) * 1000
    FROM audit_event published
    JOIN work_item_history step
      ON step.item_id = substr(published.entities ->> 0, 6) AND step.version = (published.detail ->> 'version')::int
    JOIN message ON message.id = step.message_id
    WHERE published.action = 'relay:item:published' AND message.id > :after
    ORDER BY 1
"""


def through(gateway, rate, name, messages=MESSAGES):
    """Send all the way to the broker's confirm, and give seconds and latencies."""
    (after,) = gateway.rows("SELECT coalesce(max(id), 0) FROM message")[0]
    began = time.perf_counter()
    done = sent(gateway.mllp, 32, messages, rate=rate, name=name)
    gateway.settled(600)
    done["seconds"] = time.perf_counter() - began
    taken = [float(each) for (each,) in gateway.rows(LATENCIES, after=after)]
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
