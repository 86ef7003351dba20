"""A real service tells a real peer how messages ended: the peer is away, and the service is killed meanwhile."""

import asyncio
import re
import threading
import time
from contextlib import contextmanager, suppress

import httpx
import pytest
from gateways import Gateway, Wire, code, write_site
from messages import document, message, patient_told, pid
from services import free_port

from adapters.mllp import framing
from gateway import er7

PROFILE = "2.1^CISIS_CDA_HL7_V2"


def enhanced(raw, profile=""):
    """Ask for both acknowledgments, and say which profile is followed."""
    first, _, rest = raw.partition(b"\r")
    return first + b"|||AL|AL" + (b"|||||" + profile.encode() if profile else b"") + b"\r" + rest


class Peer:
    """A receiver in a thread of its own; between `open` and `shut` it is there."""

    def __init__(self):
        self.port, self.heard = free_port(), []

    @contextmanager
    def open(self):
        """Be there."""
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(server.close)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    async def _serve(self, reader, writer):
        frames = framing.FrameReader(1 << 20)
        with suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(65_536):
                for event in frames.feed(data):
                    told = er7.read(event.payload)
                    self.heard.append(told)
                    answer = f"MSH|^~\\&|A|B|C|D|20260302||ACK|1|P|2.5\rMSA|CA|{told.text('MSH-10')}\r"
                    writer.write(framing.frame(answer.encode()))
        writer.transport.abort()

    def told(self):
        """Give what was told of which message, each once, in order."""
        return list(dict.fromkeys((m.text("MSA-2"), m.text("MSA-1"), m.text("ERR-5.1")) for m in self.heard))


def until(condition, seconds=40.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request):
    if request.param == "sqlite":
        yield ""
        return
    with request.getfixturevalue("postgres").database() as url:
        yield url


def test_nothing_is_lost_while_the_peer_is_away_and_the_gateway_is_killed(tmp_path, database_url):
    """Each message's end is told in order once the peer is there, objections included, and the backlog was seen."""
    peer, site = Peer(), write_site(tmp_path / "site")
    sources = site / "sources.toml"
    told = (
        f'id = "admissions"\nreply_to = "127.0.0.1:{peer.port}"',
        f'id = "imaging"\nreply_to = "127.0.0.1:{peer.port}"',
    )
    text = sources.read_text(encoding="utf-8")
    for old, new in zip(('id = "admissions"', 'id = "imaging"'), told, strict=True):
        text = text.replace(old, new)
    sources.write_text(text, encoding="utf-8")
    first = [enhanced(patient_told(f"C{n}", "8001", when=n)) for n in range(5)]
    bad = enhanced(message("ADT^A40^ADT_A39", "C5", pid("8001"), "MRG|", application="ADM", when=9))
    letter = enhanced(document("T02", "D1", "8009", "D2", when=10), PROFILE)
    gateway = Gateway(tmp_path, site=site, database_url=database_url, GATEWAY_ALARM_REPLY_SECONDS="1")
    try:
        gateway.start()
        with Wire(gateway.mllp) as wire:
            assert [code(wire.ask(raw)) for raw in (*first, bad)] == ["CA"] * 5 + ["CE"]
        gateway.settled()
        until(lambda: '"reply.not-taken"' in gateway.log)
        due = {r["source"]: r["waiting"] for r in gateway.json("status")["replies"]}
        assert due == {"admissions": 5, "imaging": 0}
        until(lambda: "replies" in {a["alarm"] for a in gateway.json("status")["alarms"]})
        assert "5 to tell" in gateway.run("status").stdout
        metrics = httpx.get(f"{gateway.http}/metrics").text
        assert re.search(r'^gateway_replies\{source="admissions"\} 5.0$', metrics, re.MULTILINE)
        gateway.kill()
        gateway.start()
        with Wire(gateway.mllp) as wire:
            assert code(wire.ask(letter)) == "CA"
        with peer.open():
            until(lambda: len(peer.told()) >= 2)
        gateway.kill()  # the peer is gone again, in the middle of it or not
        gateway.start()
        with peer.open():
            until(lambda: not any(r["waiting"] for r in gateway.json("status")["replies"]))
        with Wire(gateway.mllp) as wire, peer.open():
            heard = len(peer.heard)
            assert code(wire.ask(first[0])) == "CA"  # who sends again is told again
            until(lambda: len(peer.heard) > heard)
    finally:
        gateway.kill()
    assert [t for t in peer.told() if t[0].startswith("C")] == [(f"C{n}", "AA", "") for n in range(5)]
    assert [t for t in peer.told() if t[0].startswith("D")] == [("D1", "AE", "902")]
    assert peer.heard[-1].text("MSA-2") == "C0"
