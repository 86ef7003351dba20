"""Application acknowledgments at an address of the source's own, over real sockets, whoever goes and comes back."""

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
import trustme
from services import free_port
from sites import ADMISSIONS, DEPARTMENT, demo_site

from adapters import replies
from adapters.mllp import framing
from adapters.mllp.tls import TlsFiles, listener_context
from adapters.replies import Replies
from adapters.store.database import Database, SessionLock
from adapters.store.replies import ReplyDue
from gateway import er7
from gateway.reception import Objection, Outcome, State
from gateway.site import ReplyAddress


class Due:
    """What is due, in memory."""

    def __init__(self, *due):
        self._due = list(due)

    def due(self, source, limit):
        """Give the first of a source's."""
        return [each for each in self._due if source_of(each) == source][:limit]

    def told(self, messages):
        """They are due no more."""
        self._due = [each for each in self._due if each.message not in messages]

    @property
    def messages(self):
        """Numbers of what is still due."""
        return [each.message for each in self._due]


def source_of(due):
    return "admissions" if due.raw is None or b"|GAM|" in due.raw else "department"


def message(number, *, application="GAM", wants="AL"):
    msh = f"MSH|^~\\&|{application}|CHU|SECRETARIAT|CHU|20260310||ADT^A28^ADT_A05|M{number}|P|2.5|||AL|{wants}"
    return f"{msh}\rPID|||1^^^CHU^PI||DURAND^ANNE\r".encode()


def ended(number, state=State.PROCESSED, *, raw=None, **why):
    return ReplyDue(number, message(number) if raw is None else raw, Outcome(number, state, **why))


class Peer:
    """A receiver of application acknowledgments, which may be stopped, and may hang up instead of answering."""

    def __init__(self, port, tls=None):
        self.port, self.heard, self.hangs_up, self.codes = port, [], 0, []
        self._tls, self._server, self._writers = tls, None, []

    async def start(self):
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)

    async def stop(self):
        """Be away: no port, no connection."""
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader, writer):
        self._writers.append(writer)
        frames = framing.FrameReader(1 << 20)
        with suppress(OSError):
            while data := await reader.read(65_536):
                for event in frames.feed(data):
                    told = er7.read(event.payload)
                    self.heard.append(told)
                    if self.hangs_up:
                        self.hangs_up -= 1
                        writer.transport.abort()
                        return
                    code = self.codes.pop(0) if self.codes else "CA"
                    answer = f"MSH|^~\\&|GAM|CHU|X|X|20260310||ACK|P1|P|2.5\rMSA|{code}|{told.text('MSH-10')}\r"
                    writer.write(framing.frame(answer.encode()))

    def told(self, path="MSA-2"):
        """Give a field of everything heard, in order."""
        return [each.text(path) for each in self.heard]


def site_of(port, **tls):
    address = ReplyAddress("127.0.0.1", port, **tls)
    return demo_site(sources=(replace(ADMISSIONS, reply_to=address), DEPARTMENT))


@asynccontextmanager
async def telling(site, due):
    database = Database("sqlite:///unused.db")  # its lock is free on SQLite: no file is made
    part = Replies(site, due, SessionLock(database, 1))
    running = asyncio.create_task(part.run())
    try:
        yield
    finally:
        await part.stop()
        await asyncio.wait_for(running, 10)
        database.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nobody waits for a minute."""
    monkeypatch.setattr(replies, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(replies, "BACKOFF_SECONDS", (0.05, 0.1))


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for is seen from outside
            await asyncio.sleep(0.005)


@asynccontextmanager
async def peer_at(port, tls=None):
    peer = Peer(port, tls)
    await peer.start()
    try:
        yield peer
    finally:
        await peer.stop()


async def test_what_is_due_is_told_in_order_and_taken_by_an_accept_acknowledgment():
    """Each ends as it did: AA, AE with its error, AE with what is objected to; the peer is asked for CA alone."""
    due = Due(
        ended(1),
        ended(2, State.QUARANTINED, error="MessageIncoherent", path="PID-3", rule="one patient"),
        ended(3, objection=Objection("InsMissing", "PID-3", "an INS")),
        ended(4, State.IGNORED, rule="tracking"),
    )
    async with peer_at(free_port()) as peer, telling(site_of(peer.port), due):
        await until(lambda: not due.messages)
    assert peer.told() == ["M1", "M2", "M3", "M4"]
    assert peer.told("MSA-1") == ["AA", "AE", "AE", "AA"]
    assert peer.told("ERR-5.1") == ["", "", "903", ""]
    assert peer.told("MSH-10") == ["A1", "A2", "A3", "A4"]
    assert {(a.text("MSH-15"), a.text("MSH-16")) for a in peer.heard} == {("AL", "NE")}


async def test_a_peer_that_is_away_is_told_when_it_is_back():
    """Away from the start, killed in between without an answer, away again: in order, at least once, nothing lost."""
    due = Due(*(ended(n) for n in range(1, 8)))
    peer = Peer(free_port())
    async with telling(site_of(peer.port), due):
        await asyncio.sleep(0.2)
        assert due.messages == [1, 2, 3, 4, 5, 6, 7]
        peer.hangs_up = 1
        await peer.start()
        await until(lambda: len(peer.heard) > 1)
        await peer.stop()
        await asyncio.sleep(0.1)
        await peer.start()
        await until(lambda: not due.messages)
        await peer.stop()
    assert list(dict.fromkeys(peer.told())) == [f"M{n}" for n in range(1, 8)]
    assert peer.told()[:2] == ["M1", "M1"]
    assert peer.told() == sorted(peer.told())


async def test_the_same_is_told_again_under_the_same_control_id():
    """So that a peer that took it before its connection broke can tell."""
    due = Due(ended(7))
    async with peer_at(free_port()) as peer, telling(site_of(peer.port), due):
        peer.hangs_up = 2
        await until(lambda: not due.messages)
    assert peer.told("MSH-10") == ["A7", "A7", "A7"]


async def test_one_sources_peer_that_is_away_holds_up_no_other():
    """Each source is told on its own."""
    due = Due(ended(1), ended(2, raw=message(2, application="LIS")))
    async with peer_at(free_port()) as peer:
        gone = replace(ADMISSIONS, reply_to=ReplyAddress("127.0.0.1", free_port()))
        there = replace(DEPARTMENT, reply_to=ReplyAddress("127.0.0.1", peer.port))
        async with telling(demo_site(sources=(gone, there)), due):
            await until(lambda: due.messages == [1])
    assert peer.told() == ["M2"]


async def test_what_the_peer_refuses_is_told_again_a_few_times_and_given_up():
    """CE may pass; CR does not: neither stands in the others' way for ever."""
    due = Due(ended(1), ended(2), ended(3))
    async with peer_at(free_port()) as peer:
        peer.codes = ["CE", "CA", "CR", *["CE"] * replies.MOST_REFUSALS]
        async with telling(site_of(peer.port), due):
            await until(lambda: not due.messages)
    assert peer.told() == ["M1", "M1", "M2", *["M3"] * replies.MOST_REFUSALS]


async def test_what_nobody_wants_or_what_was_purged_is_not_told():
    """MSH-16 = ER is not told of success; of a message without bytes nothing can be told."""
    due = Due(ended(1, raw=message(1, wants="ER")), ReplyDue(2, None, Outcome(2, State.PROCESSED)), ended(3))
    async with peer_at(free_port()) as peer, telling(site_of(peer.port), due):
        await until(lambda: not due.messages)
    assert peer.told() == ["M3"]


async def test_an_answer_to_something_else_takes_nothing():
    """A peer that acknowledges another message has not taken this one."""
    due = Due(ended(1))
    async with peer_at(free_port()) as peer, telling(site_of(peer.port), due):
        peer.codes = ["CA|other\r", "XX"]
        await until(lambda: not due.messages)
    assert peer.told() == ["M1"] * 3


async def test_it_goes_by_tls_where_the_site_says_so(tmp_path):
    """The peer's certificate is checked, ours is shown; a peer of another authority is told nothing."""
    authority, other = trustme.CA(), trustme.CA()
    names = {n: str(tmp_path / n) for n in ("ca.pem", "peer.pem", "ours.pem", "other.pem")}
    authority.cert_pem.write_to_path(names["ca.pem"])
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(names["peer.pem"])
    authority.issue_cert("gateway").private_key_and_cert_chain_pem.write_to_path(names["ours.pem"])
    other.cert_pem.write_to_path(names["other.pem"])
    files = TlsFiles(tmp_path / "peer.pem", None, tmp_path / "ca.pem")
    due = Due(ended(1))
    async with peer_at(free_port(), listener_context(files)) as peer:
        wrong = site_of(peer.port, tls=True, authorities=names["other.pem"], certificate=names["ours.pem"])
        async with telling(wrong, due):
            await asyncio.sleep(0.3)
        assert (due.messages, peer.heard) == ([1], [])
        right = site_of(peer.port, tls=True, authorities=names["ca.pem"], certificate=names["ours.pem"])
        async with telling(right, due):
            await until(lambda: not due.messages)
    assert peer.told() == ["M1"]
