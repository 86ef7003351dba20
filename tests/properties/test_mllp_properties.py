from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from adapters.mllp.framing import Frame, FrameReader, Junk, Oversize, Truncated, frame

LIMIT = 12
PIECES = [b"\x0b", b"\x1c", b"\r", b"\n", b"\xef\xbb\xbf", b"MSH", b"FHS", b"M", b"x", b"\x1c\r", b"\x0bMSH|", b"y" * 9]

streams = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)
cuts = st.lists(st.integers(min_value=0, max_value=200), max_size=30)


def framable(payload):
    try:
        frame(payload)
    except ValueError:
        return False
    return True


payloads = st.one_of(st.binary(max_size=40), streams).filter(framable)


def pieces(data, places):
    bounds = [0, *sorted(p for p in places if p < len(data)), len(data)]
    return [data[a:b] for a, b in pairwise(bounds)]


def events(chunks, max_frame):
    reader = FrameReader(max_frame)
    found = [event for chunk in chunks for event in reader.feed(chunk)]
    last = reader.eof()
    return [*found, last] if last else found


@given(streams, cuts)
def test_how_the_bytes_are_cut_changes_nothing(stream, places):
    """The same stream gives the same events, whole, cut anywhere or byte by byte."""
    whole = events([stream], LIMIT)
    assert events(pieces(stream, places), LIMIT) == whole
    assert events([bytes([byte]) for byte in stream], LIMIT) == whole


@given(st.lists(payloads, max_size=6), cuts, st.sampled_from([b"", b"\r", b"\n\r\n"]))
def test_every_payload_framed_comes_back_once_and_in_order(messages, places, between):
    stream = between.join(map(frame, messages))
    assert events(pieces(stream, places), 10_000) == [Frame(message) for message in messages]


@given(payloads, payloads, st.integers(min_value=0, max_value=60))
def test_a_cut_message_never_reaches_into_the_next(first, second, cut):
    """Wherever a sender gives a message up, the next one comes whole and alone."""
    second = b"MSH|" + second
    if not framable(second) or not framable(first + b"\x0b"):
        return
    found = events([frame(first)[: 1 + min(cut, len(first))] + frame(second)], 10_000)
    assert found[-1] == Frame(second)
    assert all(isinstance(event, Truncated | Frame) for event in found)
    assert sum(len(e.payload) if isinstance(e, Frame) else e.length for e in found[:-1]) <= len(first)


@given(streams, cuts)
def test_what_is_kept_never_passes_the_limit(stream, places):
    reader = FrameReader(LIMIT)
    for chunk in pieces(stream, places):
        for event in reader.feed(chunk):
            assert not isinstance(event, Frame) or len(event.payload) <= LIMIT
        assert len(reader._held) <= LIMIT + 6


@given(streams)
def test_bytes_in_are_bytes_told_of(stream):
    """No byte vanishes: what is no line end or framing is in a frame, counted as junk, cut or refused."""
    found = events([stream], 10_000)
    told = sum(len(e.payload) if isinstance(e, Frame) else e.length for e in found if not isinstance(e, Oversize))
    framing = sum(isinstance(e, Frame) for e in found) * 2 + sum(isinstance(e, Truncated) for e in found)
    silent = stream.count(b"\r") + stream.count(b"\n")
    assert len(stream) - silent <= told + framing <= len(stream)
    assert not any(isinstance(e, Junk) and e.length == 0 for e in found)
