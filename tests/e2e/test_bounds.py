"""What one peer, one message, one account or one process may take from the others, and what is left of it."""

import asyncio
import json
import socket
import time
import uuid
from collections import Counter
from contextlib import ExitStack, asynccontextmanager, suppress

import httpx
import pytest
from gateways import SETTLE_SECONDS, Gateway, Wire, code, fields, gateway_in, write_site
from messages import message, patient_told, pid, result
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from adapters.bus.turn import RELAY_LOCK
from adapters.web import server

TURN_SECONDS = 10.0
"""By then another relay has taken the turn of one that is gone."""

PROMPT_SECONDS = 2.0
"""Longest that a small message may wait for its answer while a large one is in hand."""

HEADER_SECONDS = 0.4
LARGE_ANSWER = 32 * 1024 * 1024
"""Bytes of an answer that no system's buffers hold."""


def until(holds, seconds=TURN_SECONDS):
    """Return once something holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, holds
        time.sleep(0.05)


# -- two services on one database --------------------------------------------------------------------------------------


@pytest.fixture
def pair(postgres_database, rabbitmq, tmp_path):
    """Two services of one site on one database and one broker."""
    suffix = f"-{uuid.uuid4().hex[:6]}"
    site = write_site(tmp_path / "site", suffix=suffix)
    shared = {"site": site, "database_url": postgres_database, "broker_url": rabbitmq.url}
    with ExitStack() as stack:
        both = []
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            both.append(stack.enter_context(gateway_in(tmp_path / name, **shared)))
            both[-1].desk = f"cardiology{suffix}"
        yield both


def turns(gateway):
    """Count how often this service's relay has begun to publish."""
    return gateway.log.count('"relay.turn"')


def send(gateway, numbers):
    """Send a result of its own for each number."""
    with Wire(gateway.mllp) as wire:
        assert {code(wire.ask(result(f"C{n}", f"8{n:03}", f"O{n}"))) for n in numbers} == {"AA"}


def delivered(gateway, count):
    """Give the message ids that followers are given: one takes so many, and the next waits a while for one more."""
    shown = [
        gateway.run("worklist", "follow", gateway.desk, "--json", "--count", most, "--for", seconds).stdout
        for most, seconds in ((count, SETTLE_SECONDS), (1, 3))
    ]
    return [json.loads(line)["message_id"] for line in "".join(shown).splitlines()]


def written(gateway):
    """Give the message ids that were written for the bus, oldest first."""
    statement = "SELECT message_id FROM outbox WHERE secretariat = :desk ORDER BY sequence"
    return [row[0] for row in gateway.rows(statement, desk=gateway.desk)]


def test_of_two_services_one_publishes_and_the_other_takes_over(pair):
    """Both take messages in; one alone publishes, each once; when it is killed, the other publishes what is left."""
    until(lambda: sum(map(turns, pair)) == 1)
    publishing, waiting = sorted(pair, key=turns, reverse=True)
    send(publishing, range(10))
    send(waiting, range(10, 20))
    waiting.settled()
    before = written(waiting)
    assert len(before) == 20
    assert Counter(delivered(waiting, 20)) == Counter(before)
    assert (turns(publishing), turns(waiting)) == (1, 0)
    publishing.kill()
    send(waiting, range(20, 30))
    until(lambda: turns(waiting) == 1)
    waiting.settled()
    after = written(waiting)[20:]
    assert len(after) == 10
    assert Counter(delivered(waiting, 10)) == Counter(after)


def test_a_relay_whose_session_is_cut_publishes_again(postgres_database, tmp_path):
    """A service that loses the lock's database session takes its turn anew, and the outbox is emptied as before."""
    with gateway_in(tmp_path, database_url=postgres_database) as gateway:
        until(lambda: turns(gateway) == 1)
        send(gateway, range(5))
        gateway.settled()
        with gateway.database() as database, database.write() as connection:
            cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND objid = :lock"
            here = " AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            assert connection.execute(text(cut + here), {"lock": RELAY_LOCK}).scalar_one() == 1
        until(lambda: '"relay.turn-lost"' in gateway.log and turns(gateway) == 2)
        send(gateway, range(5, 10))
        assert gateway.settled(TURN_SECONDS)["processed"] == 10


# -- HTTP: a request begins in time ------------------------------------------------------------------------------------


async def _told(request):
    body = await request.body()
    return PlainTextResponse(f"{request.client.port} {len(body)}")


async def _large(_):
    return PlainTextResponse(b"x" * LARGE_ANSWER)


@asynccontextmanager
async def http_server():
    """The HTTP server with an application that tells the peer's port and the length of the body, or gives much."""
    app = Starlette(routes=[Route("/", _told, methods=["GET", "POST"]), Route("/large", _large)])
    serving = server.Server(app, 20)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        task = asyncio.create_task(serving.serve(sockets=[bound]))
        try:
            yield bound.getsockname()[1]
        finally:
            serving.should_exit = True
            await task


async def closed_after(port, begun, *, then=b""):
    """Give the seconds from the last whole request to the server's close, for a peer that goes on byte by byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(begun)
        await writer.drain()
        if begun.endswith(b"\r\n\r\n"):
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        began = time.monotonic()
        dribble = asyncio.create_task(_dribble(writer, then))
        with suppress(ConnectionError):
            await asyncio.wait_for(reader.read(-1), 20 * HEADER_SECONDS)
        seconds = time.monotonic() - began
        dribble.cancel()
        await asyncio.wait([dribble])
        return seconds
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _dribble(writer, content):
    with suppress(ConnectionError):
        for byte in content:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(HEADER_SECONDS / 8)


LATE = {
    "nothing at all": (b"", b""),
    "half a request line": (b"GET /fhir/Appo", b""),
    "headers byte by byte": (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ", b"x" * 1_000),
    "half a second request": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GE"),
}


@pytest.mark.parametrize(("begun", "then"), LATE.values(), ids=LATE)
async def test_a_request_that_does_not_begin_is_cut(monkeypatch, begun, then):
    """A connection on which no request has begun in time is closed within about twice that time, and not at once."""
    monkeypatch.setattr(server, "HEADER_SECONDS", HEADER_SECONDS)
    async with http_server() as port:
        assert HEADER_SECONDS / 2 < await closed_after(port, begun, then=then) < 2 * HEADER_SECONDS + 1


async def test_a_live_connection_is_served_while_another_is_late(monkeypatch):
    """Beside a late peer a keep-alive client keeps its one connection through many such times."""
    monkeypatch.setattr(server, "HEADER_SECONDS", HEADER_SECONDS)
    async with http_server() as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        late = asyncio.create_task(closed_after(port, b"GET /fhir/Appo"))
        ports = set()
        for _ in range(20):
            ports.add((await client.get("/")).text.split()[0])
            await asyncio.sleep(HEADER_SECONDS / 4)
        assert len(ports) == 1
        assert await late < 2 * HEADER_SECONDS + 1


async def read_after(port, pause):
    """Give how many bytes of a large answer come to a peer that reads nothing for so long, and then all."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    count = 0
    try:
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with suppress(ConnectionError):
            await asyncio.sleep(pause)
            while data := await reader.read(1 << 20):
                count += len(data)
        return count
    finally:
        writer.transport.abort()


async def test_an_answer_that_nobody_reads_is_given_up(monkeypatch):
    """A peer that takes nothing of its answer for long loses the connection; one that reads with pauses gets it all."""
    monkeypatch.setattr(server, "HEADER_SECONDS", HEADER_SECONDS)
    async with http_server() as port:
        assert await read_after(port, 4 * HEADER_SECONDS) < LARGE_ANSWER
        assert await read_after(port, HEADER_SECONDS / 4) > LARGE_ANSWER


async def test_a_slow_body_is_not_cut(monkeypatch):
    """A request whose headers came in time is read to its end, though its body takes many times as long."""
    monkeypatch.setattr(server, "HEADER_SECONDS", HEADER_SECONDS)

    async def body():
        for _ in range(8):
            await asyncio.sleep(HEADER_SECONDS / 2)
            yield b"x" * 100

    async with http_server() as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        answer = await client.post("/", content=body())
        assert answer.text.split()[1] == "800"


# -- MLLP: a large frame, and too much of one thing --------------------------------------------------------------------


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """A gateway as it is set by default."""
    with gateway_in(tmp_path_factory.mktemp("bounds")) as gateway:
        yield gateway


def observations(control_id, ipp, count, length):
    """Give a result with so many lines of so much text each."""
    first = result(control_id, ipp, f"O{control_id}")
    return first + b"".join(b"OBX|%d|TX|T^Texte||%s||||||F\r" % (n, b"y" * length) for n in range(2, count + 2))


LARGE = {
    "escapes": lambda: patient_told("L1", "8701", family="\\T\\" * 499_000),
    "segments": lambda: observations("L3", "8703", 49_000, 140),
}


@pytest.mark.parametrize("large", LARGE.values(), ids=LARGE)
def test_a_large_frame_in_hand_keeps_nobody_waiting(gateway, large):
    """From its first byte until it has ended, what others send is answered at once."""
    waits, meanwhile = [], 0
    with Wire(gateway.mllp, SETTLE_SECONDS) as wire, Wire(gateway.mllp) as other:
        raw = large()
        wire.send(raw)
        sent = time.monotonic()
        wire.socket.settimeout(0)
        while not _answered(wire) or gateway.summary()["pending"]:
            asked = time.monotonic()
            assert code(other.ask(patient_told(uuid.uuid4().hex, "8799"))) == "AA"
            waits.append(time.monotonic() - asked)
            meanwhile += not _answered(wire)
            assert time.monotonic() - sent < SETTLE_SECONDS
        wire.socket.settimeout(SETTLE_SECONDS)
        answer = wire.answer()
    control_id = fields(raw[:200], "MSH")[9]
    assert fields(answer, "MSA")[1:3] == ["AA", control_id]
    assert meanwhile
    assert max(waits) < PROMPT_SECONDS
    assert gateway.rows("SELECT size FROM message WHERE control_id = :id", id=control_id) == [(len(raw),)]


def _answered(wire):
    with suppress(BlockingIOError):
        return bool(wire.socket.recv(1, socket.MSG_PEEK))
    return False


def test_frames_of_one_connection_are_kept_in_their_order(gateway):
    """A large frame and the small ones sent right behind it are recorded, and answered, as they came."""
    raws, order = [], [f"P{n}" for n in range(12)]
    for n, control_id in enumerate(order):
        large = n % 3 == 0
        raws.append(observations(control_id, "8710", 4_000, 200) if large else patient_told(control_id, "8710"))
    with Wire(gateway.mllp) as wire:
        wire.send(*raws)
        answers = [wire.answer() for _ in order]
    assert len(raws[0]) > 10 * 64 * 1024
    assert [(code(a), fields(a, "MSA")[2]) for a in answers] == [("AA", control_id) for control_id in order]
    recorded = gateway.rows("SELECT control_id FROM message WHERE control_id LIKE 'P%' ORDER BY id")
    assert [row[0] for row in recorded] == order


def results(control_id, patients, orders):
    """Give one message with so many patients and, in all, so many orders."""
    obr = "OBR|1|P{0}^SIL|F{0}^SIL|K^Potassium|||20260302080000|||||||||||||||||||F"
    lines = [pid(f"88{n:03}") for n in range(patients)] + [obr.format(n) for n in range(orders)]
    return message("ORU^R01^ORU_R01", control_id, *lines, application="LAB")


def known_by(control_id, identifiers):
    """Give a patient with so many identifiers."""
    more = "~".join(f"8{n:03}^^^CHU&1.2.250.1.999.1&ISO^PI" for n in range(identifiers - 1))
    return patient_told(control_id, "8720").replace(b"|8720^", f"|{more}~8720^".encode())


TOO_MUCH = {
    "PID": (lambda i, n: results(i, n, 1), 50, "PID", "50 PID"),
    "OBR": (lambda i, n: results(i, 1, n), 1_000, "OBR", "1000 OBR"),
    "PID-3": (known_by, 100, "PID-3", "100 repetitions"),
}


@pytest.mark.parametrize(("make", "most", "path", "rule"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_too_much_of_one_thing_is_refused_and_kept(gateway, make, most, path, rule):
    """The most that is allowed is taken; one more gets AR, naming place and rule, and its bytes are kept."""
    control_id = uuid.uuid4().hex[:12]
    taken, refused = make(f"{control_id}-1", most), make(f"{control_id}-2", most + 1)
    with Wire(gateway.mllp) as wire:
        assert code(wire.ask(taken)) == "AA"
        answer = wire.ask(refused)
    assert code(answer) == "AR"
    assert path.partition("-")[0] in fields(answer, "ERR")[2]
    assert rule in answer.decode()
    (row,) = gateway.rows(
        "SELECT b.raw, o.state, o.error, o.path, o.rule FROM message m JOIN message_body b ON b.message_id = m.id"
        " JOIN outcome o ON o.message_id = m.id WHERE m.control_id = :id",
        id=f"{control_id}-2",
    )
    assert (bytes(row[0]), *row[1:4]) == (refused, "quarantined", "LimitExceeded", path)
    assert rule in row[4]


# -- who is not declared -----------------------------------------------------------------------------------------------


def test_what_an_undeclared_source_sent_is_processed_once_it_is_declared(tmp_path):
    """Refused for its source, a kept message is replayed under the site's data of today and makes its work item."""
    raw = result("U1", "8801", "O1").replace(b"|LAB|", b"|NEWLAB|")
    with gateway_in(tmp_path) as gateway:
        with Wire(gateway.mllp) as wire:
            assert code(wire.ask(raw)) == "AR"
        (listed,) = gateway.json("messages", "list")
        assert (listed["state"], listed["error"], listed["path"]) == ("quarantined", "SourceUndeclared", "MSH-3")
        assert gateway.terminate() == 0
        sources = tmp_path / "site" / "sources.toml"
        declared = sources.read_text(encoding="utf-8").replace('["LAB"]', '["LAB", "NEWLAB"]')
        sources.write_text(declared, encoding="utf-8")
        gateway.start()
        gateway.run("messages", "replay", listed["id"], "--reason", "the laboratory is declared now")
        assert gateway.settled() | {"processed": 1, "quarantined": 0} == gateway.summary()
        shown = gateway.json("messages", "show", listed["id"])
        assert (shown["state"], shown["error"]) == ("processed", None)
        assert "result" in {item["kind"] for item in shown["items"]}


def test_an_account_that_is_not_named_is_refused_and_audited(tmp_path):
    """Whoever access.toml does not name gets exit code 4 from a command and from `serve`, and an event for each."""
    gateway = Gateway(tmp_path)
    gateway.run("migrate")
    (tmp_path / "site" / "access.toml").write_text('[accounts."somebody-else"]\nrights = ["*"]\n', encoding="utf-8")
    before = gateway.rows("SELECT count(*) FROM audit_event")
    for command in (["messages", "list"], ["serve"]):
        done = gateway.run(*command, exit_code=4)
        assert "AccessRefused" in done.stderr
        assert "Traceback" not in done.stderr
    events = gateway.rows("SELECT action, principal FROM audit_event ORDER BY id")[before[0][0] :]
    assert [action for action, _ in events] == ["user:access:refused"] * 2
    assert all(principal.startswith("account:") for _, principal in events)
    assert "account:somebody-else" not in {principal for _, principal in events}
