import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import struct
import time
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs

from adapters.mllp.client import BlockingClient, Client, PeerUnavailable
from adapters.mllp.framing import Frame, FrameReader, frame
from adapters.mllp.listener import Limits, Listener, Peer

SECRET = b"MARTIN"


async def echo(payload, peer):
    return b"ACK " + payload


def too_large(limit, peer):
    return b"NAK %d" % limit


@asynccontextmanager
async def listening(handler=echo, oversize=too_large, *, tls=None, grace=1.0, **limits):
    listener = Listener(handler, oversize, Limits(**{"settle_seconds": 0.05} | limits))
    await listener.start("127.0.0.1", 0, (lambda: tls) if tls else None)
    try:
        yield listener
    finally:
        await listener.stop(grace)


class Sender:
    """A peer that writes what it likes, and reads frames."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.framing = FrameReader(1 << 20)
        self.events = []

    async def write(self, data):
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, seconds=5.0):
        """Give the next answer, None when the listener has closed."""
        async with asyncio.timeout(seconds):
            while not self.events:
                try:
                    data = await self.reader.read(65536)
                except ConnectionError:
                    data = b""
                if not data:
                    return None
                self.events += self.framing.feed(data)
        event = self.events.pop(0)
        assert isinstance(event, Frame)
        return event.payload

    def reset(self):
        """Drop the connection without a farewell."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


@asynccontextmanager
async def connected(listener, **options):
    reader, writer = await asyncio.open_connection(*listener.address, **options)
    try:
        yield Sender(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def until(condition, seconds=5.0):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is seen from outside
            await asyncio.sleep(0.005)


async def writes_for_ever(sender, data, pause):
    """Return when the listener has closed the connection."""
    with suppress(ConnectionError):
        while True:
            await sender.write(data)
            await asyncio.sleep(pause)


async def answers_until_unavailable(answers):
    given = []
    with pytest.raises(PeerUnavailable):
        await gather_into(given, answers)
    return given


async def gather_into(given, answers):
    async for answer in answers:
        given.append(answer)


# Framing over a socket


async def test_a_frame_of_one_byte_a_write_is_answered_once():
    async with listening() as listener, connected(listener) as sender:
        payload = "MSH|é|1".encode()
        for byte in frame(payload):
            await sender.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await sender.answer() == b"ACK " + payload
        assert listener.frames == 1


async def test_several_frames_in_one_write_are_answered_in_order():
    async with listening() as listener, connected(listener) as sender:
        await sender.write(b"".join(frame(b"%d" % n) for n in range(200)))
        assert [await sender.answer() for _ in range(200)] == [b"ACK %d" % n for n in range(200)]


async def test_junk_before_a_frame_is_counted_and_the_frame_answered():
    async with listening() as listener, connected(listener) as sender:
        await sender.write(b"\r\nhello\r\n" + frame(b"1"))
        assert await sender.answer() == b"ACK 1"
        assert listener.junk_bytes == 5


async def test_a_sender_that_never_writes_cr_is_answered():
    async with listening() as listener, connected(listener) as sender:
        for n in range(3):
            await sender.write(b"\x0b%d\x1c" % n)
            assert await sender.answer() == b"ACK %d" % n


async def test_a_delay_of_our_own_is_no_silence_of_the_sender():
    """What has come while we were held up belongs to the frame, whose FS was a byte of its payload."""
    async with listening() as listener, connected(listener) as sender:
        await sender.write(b"\x0bMSH|1\x1c")
        await until(lambda: any(c._framing.undecided for c in listener._connections))
        sender.writer.write(b"MSH|2\x1c\r")
        time.sleep(0.2)  # noqa: ASYNC251 - the loop is held up beyond the time that ends a frame
        assert await sender.answer() == b"ACK MSH|1\x1cMSH|2"
        assert (listener.frames, listener.junk_bytes) == (1, 0)


async def test_a_sender_that_closes_its_side_after_its_last_frame_still_gets_the_answers():
    async with listening() as listener, connected(listener) as sender:
        await sender.write(frame(b"1") + b"\x0b2\x1c")
        sender.writer.write_eof()
        assert [await sender.answer() for _ in range(3)] == [b"ACK 1", b"ACK 2", None]


async def test_an_oversize_frame_is_refused_in_its_turn_and_the_next_one_taken():
    async with listening(max_frame=1000) as listener, connected(listener) as sender:
        await sender.write(frame(b"1") + frame(b"x" * 300_000) + frame(b"3"))
        assert [await sender.answer() for _ in range(3)] == [b"ACK 1", b"NAK 1000", b"ACK 3"]
        assert (listener.frames, listener.oversize) == (2, 1)


async def test_a_frame_dropped_in_the_middle_reaches_no_handler():
    taken = []

    async def handler(payload, peer):
        taken.append(payload)
        return payload

    async with listening(handler) as listener:
        for leave in (lambda s: s.writer.transport.abort(), Sender.reset):
            async with connected(listener) as sender:
                await sender.write(frame(b"whole"))
                assert await sender.answer() == b"whole"
                await sender.write(b"\x0bhalf")
                await until(lambda: listener.connections_open == 1)
                leave(sender)
                await until(lambda: listener.connections_open == 0)
        assert taken == [b"whole", b"whole"]


async def test_a_connection_reset_right_after_fs_is_no_complete_frame():
    """Only silence or an orderly end proves that the FS was the last byte."""
    async with listening(settle_seconds=5) as listener, connected(listener) as sender:
        await sender.write(frame(b"1") + b"\x0b2\x1c")
        assert await sender.answer() == b"ACK 1"
        sender.reset()
        await until(lambda: listener.connections_open == 0)
        assert (listener.frames, listener.truncated) == (1, 1)


# Order, concurrency, back-pressure


async def test_frames_are_handed_over_in_order_together_and_answered_in_order():
    """They can share a commit; the slowest first does not let a later answer pass."""
    begun = []
    all_in = asyncio.Event()

    async def handler(payload, peer):
        begun.append(payload)
        if len(begun) == 5:
            all_in.set()
        await all_in.wait()
        await asyncio.sleep(0.02 * (5 - int(payload)))
        return payload

    async with listening(handler) as listener, connected(listener) as sender:
        await sender.write(b"".join(frame(b"%d" % n) for n in range(5)))
        answers = [await sender.answer() for _ in range(5)]
    assert begun == answers == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize(("size", "limits"), [(10, {"pipelined": 3}), (400, {"max_frame": 1200})])
async def test_no_more_frames_are_taken_than_may_await_their_answer(size, limits):
    """Three by their number, or three by their bytes."""
    release = asyncio.Event()
    running = most = 0

    async def handler(payload, peer):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1
        return b"ok"

    async with listening(handler, **limits) as listener, connected(listener) as sender:
        await sender.write(frame(b"x" * size) * 20)
        await until(lambda: running == 3)
        await asyncio.sleep(0.05)
        assert (running, listener.frames) == (3, 3)
        release.set()
        assert [await sender.answer() for _ in range(20)] == [b"ok"] * 20
        assert most == 3


async def test_the_handler_is_told_the_peer():
    seen = []

    async def handler(payload, peer):
        seen.append(peer)
        return b"heard"

    async with listening(handler) as listener:
        for _ in range(2):
            async with connected(listener) as sender:
                await sender.write(frame(b"a"))
                assert await sender.answer() == b"heard"
    assert seen == [Peer("127.0.0.1", 1), Peer("127.0.0.1", 2)]


async def test_an_empty_answer_is_not_sent():
    """A handler that has nothing to say leaves the next answer to be the first thing said."""

    async def handler(payload, peer):
        return payload.strip()

    async with listening(handler) as listener, connected(listener) as sender:
        await sender.write(frame(b" ") + frame(b"a"))
        assert await sender.answer() == b"a"


async def test_what_is_said_beside_the_answers_stands_behind_those_owed():
    """A line may be told more than answers; an answer that is owed goes first, and the frames do not mix."""
    lines, release = [], asyncio.Event()

    async def handler(payload, peer):
        lines.append(peer.line)
        await release.wait()
        return payload

    async with listening(handler) as listener:
        async with connected(listener) as sender:
            await sender.write(frame(b"a"))
            await until(lambda: lines)
            lines[0].say(b"more")
            release.set()
            assert [await sender.answer(), await sender.answer()] == [b"a", b"more"]
            assert lines[0].open
        await until(lambda: not lines[0].open)


# Hostile, slow and stuck peers


@asynccontextmanager
async def served_promptly(listener, seconds=2):
    """All the while the block runs, another peer gets each of its answers within so many seconds."""
    done = asyncio.Event()

    async def keep_asking(other):
        asked = 0
        while asked < 2 or not done.is_set():
            await other.write(frame(b"%d" % asked))
            assert await other.answer(seconds) == b"ACK %d" % asked
            asked += 1
            await asyncio.sleep(0.01)

    async with connected(listener) as other:
        asking = asyncio.create_task(keep_asking(other))
        try:
            yield
        finally:
            done.set()
            await asking


async def test_a_frame_that_takes_too_long_ends_its_connection_and_delays_no_other():
    async with listening(frame_seconds=1) as listener, served_promptly(listener), connected(listener) as slow:
        await slow.write(frame(b"1") + b"\x0b")
        assert await slow.answer() == b"ACK 1"
        for byte in b"abc\x1c":
            await slow.write(bytes([byte]))
            await asyncio.sleep(0.03)
        await slow.write(b"d")
        assert await slow.answer() is None
        assert listener.truncated == 1


async def test_a_drip_of_fs_does_not_put_off_the_end_of_a_frame():
    async with listening(frame_seconds=0.3, settle_seconds=10) as listener, connected(listener) as slow:
        await slow.write(b"\x0b")
        async with asyncio.timeout(2):
            await writes_for_ever(slow, b"a\x1c", 0.02)
        assert await slow.answer() is None
        assert (listener.frames, listener.truncated) == (0, 1)


async def test_floods_of_junk_of_marks_and_of_oversize_delay_no_other():
    async with listening(max_frame=1 << 20) as listener, served_promptly(listener), connected(listener) as flood:
        for unit, size in (
            (b"x", 1 << 22),
            (b"\x1c", 1 << 22),
            (b"\x0b", 1 << 22),
            (b"\x0bMSH", 1 << 18),
            (b"\r", 1 << 20),
        ):
            await flood.write(unit * (size // len(unit)))
        await flood.write(b"\x1c\r" + frame(b"MSH|last"))
        async with asyncio.timeout(20):
            while await flood.answer() != b"ACK MSH|last":
                pass
        assert listener.oversize > 0


async def test_a_silent_peer_and_a_peer_of_junk_are_closed_when_idle():
    async with listening(idle_seconds=0.3) as listener, connected(listener) as silent, connected(listener) as noisy:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(5):
            await writes_for_ever(noisy, b"junk", 0.02)
            assert await silent.answer() is None
        assert loop.time() - began >= 0.25
        assert listener.junk_bytes > 0


async def test_waiting_for_an_answer_is_not_being_idle():
    async def handler(payload, peer):
        await asyncio.sleep(0.8)
        return b"late"

    async with listening(handler, idle_seconds=0.5, frame_seconds=0.5) as listener, connected(listener) as sender:
        for _ in range(2):
            await sender.write(frame(b"1"))
            assert await sender.answer() == b"late"


async def test_our_own_delay_does_not_count_against_the_frame_that_waits():
    """A frame that stands half read while earlier ones wait for storage keeps its own time."""

    async def handler(payload, peer):
        await asyncio.sleep(0.8)
        return b"late"

    async with listening(handler, frame_seconds=0.5, pipelined=1) as listener, connected(listener) as sender:
        whole = frame(b"1") + frame(b"2") + frame(b"3")
        await sender.write(whole[:-2])
        assert await sender.answer() == b"late"
        await sender.write(whole[-2:])
        assert [await sender.answer() for _ in range(2)] == [b"late", b"late"]


async def test_a_peer_that_does_not_read_its_answers_is_closed_and_delays_no_other():
    async def handler(payload, peer):
        return b"ACK " + payload if len(payload) < 100 else b"y" * 200_000

    async with (
        listening(handler, write_seconds=0.3) as listener,
        served_promptly(listener),
        connected(listener, limit=1024) as deaf,
        asyncio.timeout(5),
    ):
        await writes_for_ever(deaf, frame(b"x" * 1000), 0)
        await until(lambda: listener.connections_open == 1)


async def test_a_handler_that_never_ends_holds_only_its_own_connection():
    async def handler(payload, peer):
        if payload == b"stuck":
            await asyncio.Event().wait()
        return b"ACK " + payload

    async with listening(handler, grace=0.05) as listener, connected(listener) as stuck:
        await stuck.write(frame(b"stuck"))
        async with served_promptly(listener):
            await until(lambda: listener.frames > 5)


async def test_a_connection_beyond_the_limit_is_closed_at_once_and_room_is_given_again():
    async with listening(connections=2) as listener, connected(listener) as second:
        async with connected(listener) as first:
            await first.write(frame(b"1"))
            assert await first.answer() == b"ACK 1"
            await until(lambda: listener.connections_open == 2)
            with capture_logs() as logs:
                async with connected(listener) as third:
                    assert await third.answer(1) is None
            assert [entry["event"] for entry in logs] == ["mllp.refused"]
            await second.write(frame(b"2"))
            assert await second.answer() == b"ACK 2"
        await until(lambda: listener.connections_open == 1)
        async with connected(listener) as third:
            await third.write(frame(b"3"))
            assert await third.answer() == b"ACK 3"


async def test_one_address_takes_no_more_than_its_share_and_others_are_served():
    async with listening(connections=3, per_address=2) as listener:
        async with (
            connected(listener, local_addr=("127.0.0.2", 0)) as first,
            connected(listener, local_addr=("127.0.0.2", 0)) as second,
        ):
            await until(lambda: listener.connections_open == 2)
            with capture_logs() as logs:
                for _ in range(5):
                    async with connected(listener, local_addr=("127.0.0.2", 0)) as third:
                        assert await third.answer(1) is None
            assert [(entry["event"], entry["limit"]) for entry in logs] == [("mllp.refused", "per_address")]
            async with connected(listener) as other:
                for n, sender in enumerate((first, second, other)):
                    await sender.write(frame(b"%d" % n))
                    assert await sender.answer() == b"ACK %d" % n
        await until(lambda: listener.connections_open == 0)
        async with connected(listener, local_addr=("127.0.0.2", 0)) as again:
            await again.write(frame(b"1"))
            assert await again.answer() == b"ACK 1"


# Failures of ours


async def test_a_failed_handler_closes_its_connection_without_a_promise():
    """What was answered before stands; nothing after the failure is answered, and other peers do not notice."""

    async def handler(payload, peer):
        if payload == b"bad":
            await asyncio.sleep(0.02)
            raise RuntimeError(SECRET.decode())
        return b"ACK " + payload

    with capture_logs() as logs:
        async with listening(handler) as listener, served_promptly(listener), connected(listener) as sender:
            await sender.write(frame(b"1") + frame(b"bad") + frame(b"3"))
            assert [await sender.answer() for _ in range(2)] == [b"ACK 1", None]
    failures = [entry for entry in logs if entry["event"] == "mllp.handler_failed"]
    assert [entry["error"] for entry in failures] == ["RuntimeError"]
    assert SECRET.decode() not in repr(logs)


async def test_a_refusal_that_fails_or_an_answer_that_cannot_be_framed_closes_the_connection():
    async def unframable(payload, peer):
        return b"\x1c\r"

    def failing(limit, peer):
        raise RuntimeError

    async with listening(unframable, failing, max_frame=10) as listener:
        for message in (frame(b"1"), frame(b"x" * 100)):
            async with connected(listener) as sender:
                await sender.write(message)
                assert await sender.answer() is None


async def test_no_log_line_holds_a_byte_of_a_payload():
    with capture_logs() as logs:
        async with listening(max_frame=50) as listener, connected(listener) as sender:
            await sender.write(SECRET + frame(b"MSH|" + SECRET) + frame(SECRET * 20) + b"\x0b" + SECRET)
            assert await sender.answer() == b"ACK MSH|" + SECRET
            assert await sender.answer() == b"NAK 50"
            sender.writer.write_eof()
            assert await sender.answer() is None
    events = {entry["event"]: entry for entry in logs}
    assert set(events) == {
        "mllp.listening",
        "mllp.connected",
        "mllp.junk",
        "mllp.oversize",
        "mllp.truncated",
        "mllp.closed",
    }
    assert events["mllp.closed"]["junk_bytes"] == events["mllp.junk"]["length"] == len(SECRET)
    assert SECRET.decode() not in repr(logs)


async def test_a_peer_cannot_fill_the_disk_with_log_lines():
    with capture_logs() as logs:
        async with listening() as listener, connected(listener) as sender:
            await sender.write(b"x\x0bMSH" * 500 + frame(b"MSH|1"))
            assert await sender.answer() == b"ACK MSH|1"
            assert listener.truncated == 500
    assert len(logs) < 10


# Stopping


async def test_frames_in_hand_are_answered_before_the_listener_stops():
    release = asyncio.Event()

    async def handler(payload, peer):
        await release.wait()
        return b"ACK " + payload

    async with listening(handler) as listener, connected(listener) as sender, connected(listener) as idle:
        address = listener.address
        await sender.write(frame(b"1") + frame(b"2") + b"\x0bhalf")
        await until(lambda: listener.frames == 2)
        stopping = asyncio.create_task(listener.stop(5))
        assert await idle.answer() is None, "an idle connection is not waited for"
        with pytest.raises(OSError):
            await asyncio.open_connection(*address)
        release.set()
        assert [await sender.answer() for _ in range(3)] == [b"ACK 1", b"ACK 2", None]
        await stopping
        assert listener.connections_open == 0


async def test_what_is_not_answered_within_the_grace_gets_no_answer():
    cancelled = asyncio.Event()

    async def handler(payload, peer):
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with listening(handler) as listener, connected(listener) as sender:
        await sender.write(frame(b"1"))
        await until(lambda: listener.frames == 1)
        await listener.stop(0.05)
        assert cancelled.is_set()
        assert await sender.answer() is None
        with pytest.raises(RuntimeError):
            listener.address  # noqa: B018 - a property that refuses


async def test_a_stopped_listener_can_start_again():
    async with listening() as listener:
        await listener.stop(1)
        await listener.start("127.0.0.1", 0)
        async with Client(*listener.address) as client:
            assert await client.send(b"1", 2) == b"ACK 1"


# The client


async def test_the_client_keeps_one_connection_for_many_messages():
    async with listening() as listener, Client(*listener.address) as client:
        assert [await client.send(b"%d" % n, 2) for n in range(5)] == [b"ACK %d" % n for n in range(5)]
        together = await asyncio.gather(*(client.send(b"%d" % n, 2) for n in range(5)))
        assert together == [b"ACK %d" % n for n in range(5)]
        assert listener.connections_open == 1


async def test_a_late_answer_is_never_taken_for_the_next_message():
    async def handler(payload, peer):
        if payload == b"slow":
            await asyncio.sleep(0.2)
        return b"ACK " + payload

    async with listening(handler) as listener, Client(*listener.address) as client:
        with pytest.raises(PeerUnavailable) as caught:
            await client.send(b"slow", 0.05)
        assert caught.value.http_status == 503
        assert await client.send(b"next", 2) == b"ACK next"
        await asyncio.sleep(0.25)
        assert await client.send(b"last", 2) == b"ACK last"


async def test_a_sender_that_gives_up_waiting_leaves_no_answer_behind():
    async def handler(payload, peer):
        await asyncio.sleep(0.1)
        return b"ACK " + payload

    async with listening(handler) as listener, Client(*listener.address) as client:
        sending = asyncio.create_task(client.send(b"dropped", 2))
        await until(lambda: listener.frames == 1)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert await client.send(b"next", 2) == b"ACK next"


@asynccontextmanager
async def receiving(*script):
    """A receiver that answers each frame of a connection with the next bytes of the script; None closes."""
    remaining = list(script)
    tasks = set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        framing = FrameReader(1000)
        try:
            while data := await reader.read(1000):
                for _ in framing.feed(data):
                    answer = remaining.pop(0)
                    if answer is None:
                        return
                    writer.write(answer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def test_an_answer_that_nobody_asked_for_is_never_taken_for_the_next_message():
    script = frame(b"one") + frame(b"one again"), frame(b"two")
    async with receiving(*script) as port, Client("127.0.0.1", port) as client:
        assert await client.send(b"1", 2) == b"one"
        await asyncio.sleep(0.05)
        assert await client.send(b"2", 2) == b"two"


async def test_an_answer_that_never_comes_shifts_no_other():
    script = b"", frame(b"two"), b"", frame(b"four")
    async with receiving(*script) as port, Client("127.0.0.1", port) as client:
        with pytest.raises(PeerUnavailable):
            await client.send(b"1", 0.1)
        assert await client.send(b"2", 2) == b"two"
        assert await answers_until_unavailable(client.send_all([b"3"], 2, 0.1)) == []
        assert await client.send(b"4", 2) == b"four"


async def test_the_client_connects_again_after_the_receiver_closed():
    async with receiving(frame(b"one"), None, frame(b"three")) as port, Client("127.0.0.1", port) as client:
        assert await client.send(b"1", 2) == b"one"
        with pytest.raises(PeerUnavailable):
            await client.send(b"2", 2)
        assert await client.send(b"3", 2) == b"three"


async def test_an_answer_without_cr_is_taken():
    async with receiving(b"\x0bone\x1c", b"\x0btwo\x1c") as port, Client("127.0.0.1", port) as client:
        assert [await client.send(b"1", 2), await client.send(b"2", 2)] == [b"one", b"two"]


async def test_an_endless_answer_is_refused():
    async with receiving(b"\x0b" + b"x" * (2 << 20)) as port, Client("127.0.0.1", port) as client:
        with pytest.raises(PeerUnavailable):
            await client.send(b"1", 5)


async def test_a_receiver_that_is_not_there_is_unavailable():
    async with listening() as listener:
        address = listener.address
    async with Client(*address) as client:
        with pytest.raises(PeerUnavailable):
            await client.send(b"1", 1)
        with pytest.raises(PeerUnavailable):
            [answer async for answer in client.send_all([b"1"], 2, 1)]


async def test_delivering_asks_again_until_an_answer_comes():
    asked = []

    async def handler(payload, peer):
        asked.append(payload)
        if len(asked) < 3:
            raise RuntimeError
        return b"ACK"

    async with listening(handler) as listener, Client(*listener.address) as client:
        assert await client.deliver(b"1", 2, first_pause=0.01) == b"ACK"
        assert asked == [b"1"] * 3
        asked.clear()
        with pytest.raises(PeerUnavailable):
            await client.deliver(b"2", 2, attempts=2, first_pause=0.01)
        assert asked == [b"2"] * 2


async def test_a_connection_that_is_never_ready_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as mute:  # TCP is made by the kernel, and nobody shakes hands
        client = Client(*mute.getsockname(), ssl=ssl.create_default_context(), connect_seconds=0.2)
        async with asyncio.timeout(10):
            with pytest.raises(PeerUnavailable):
                await client.send(b"1", 30)


async def test_the_blocking_client_serves_a_program_without_a_loop():
    def ask(address):
        with BlockingClient(*address) as client:
            return [client.send(b"%d" % n, 2) for n in range(3)] + [client.deliver(b"3", 2)]

    async with listening() as listener:
        assert await asyncio.to_thread(ask, listener.address) == [b"ACK %d" % n for n in range(4)]


async def test_pipelined_answers_come_in_the_order_of_the_messages():
    async with listening() as listener, Client(*listener.address) as client:
        payloads = [b"%d" % n for n in range(500)]
        assert [a async for a in client.send_all(payloads, 32, 2)] == [b"ACK " + p for p in payloads]
        assert await client.send(b"x", 2) == b"ACK x"
        assert listener.connections_open == 1


async def test_pipelining_that_is_left_early_leaves_no_answer_behind():
    async with listening() as listener, Client(*listener.address) as client:
        async with aclosing(client.send_all([b"1", b"2", b"3"], 3, 2)) as answers:
            assert await anext(answers) == b"ACK 1"
        assert await client.send(b"next", 2) == b"ACK next"


async def test_answers_before_a_broken_connection_stand():
    async with receiving(frame(b"one"), frame(b"two"), None) as port, Client("127.0.0.1", port) as client:
        answers = client.send_all([b"1", b"2", b"3", b"4"], 2, 2)
        assert await answers_until_unavailable(answers) == [b"one", b"two"]


async def test_a_late_answer_ends_a_pipeline():
    async def handler(payload, peer):
        await asyncio.sleep(0.3 if payload == b"2" else 0)
        return payload

    async with listening(handler) as listener, Client(*listener.address) as client:
        assert await answers_until_unavailable(client.send_all([b"1", b"2", b"3"], 2, 0.1)) == [b"1"]
        assert await client.send(b"4", 2) == b"4"


# TLS


def certificate(folder, name):
    """A self-signed certificate for loopback, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{name}.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls(tmp_path):
    """Settings of a listener that asks for a certificate, of a client that has one, and of one that has not."""
    ours, theirs = certificate(tmp_path, "gateway"), certificate(tmp_path, "sender")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=theirs)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(ours)
    known = ssl.create_default_context(cafile=ours)
    known.load_cert_chain(theirs)
    return server, known, ssl.create_default_context(cafile=ours)


async def test_messages_pass_over_mutual_tls(tls):
    server, known, _ = tls
    async with listening(tls=server) as listener, Client(*listener.address, ssl=known) as client:
        payloads = [b"%d" % n * 50_000 for n in range(1, 9)]
        assert [a async for a in client.send_all(payloads, 4, 5)] == [b"ACK " + p for p in payloads]


async def test_a_sender_without_a_certificate_is_not_heard(tls):
    server, known, stranger = tls
    async with listening(tls=server) as listener:
        async with Client(*listener.address, ssl=stranger) as client:
            with pytest.raises(PeerUnavailable):
                await client.send(b"1", 2)
        async with Client(*listener.address, ssl=known) as client:
            assert await client.send(b"2", 2) == b"ACK 2"
        assert listener.frames == 1


async def test_a_peer_that_stops_in_its_tls_handshake_delays_no_other(tls):
    server, known, _ = tls
    async with listening(tls=server, handshake_seconds=0.3) as listener, connected(listener) as stuck:
        async with Client(*listener.address, ssl=known) as client:
            assert await client.send(b"1", 5) == b"ACK 1"
        assert await stuck.answer() is None


async def test_a_tls_peer_that_does_not_read_is_closed(tls):
    server, known, _ = tls

    async def handler(payload, peer):
        return b"y" * 200_000

    async with (
        listening(handler, tls=server, write_seconds=0.3) as listener,
        connected(listener, ssl=known, limit=1024) as deaf,
        asyncio.timeout(5),
    ):
        await writes_for_ever(deaf, frame(b"x" * 1000), 0)
        await until(lambda: listener.connections_open == 0)


async def test_listeners_that_share_a_port_share_its_peers():
    """The kernel deals the connections out; a listener that does not share finds the port taken."""
    first, second, alone = (Listener(echo, too_large) for _ in range(3))
    try:
        await first.start("127.0.0.1", 0, shared=True)
        await second.start(*first.address, shared=True)
        with pytest.raises(OSError, match="in use"):
            await alone.start(*first.address)
        async with AsyncExitStack() as peers:
            for number in range(60):
                sender = await peers.enter_async_context(connected(first))
                await sender.write(frame(b"%d" % number))
                assert await sender.answer() == b"ACK %d" % number
            assert min(first.frames, second.frames) > 0
            assert first.frames + second.frames == 60
    finally:
        for listener in (first, second):
            await listener.stop(1.0)
