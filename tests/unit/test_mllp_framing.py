import time
from pathlib import Path

import pytest

from adapters.mllp.framing import Frame, FrameReader, Junk, Oversize, Truncated, frame

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "mllp"
ADT = b"MSH|^~\\&|ADM|CHX|GW|CHX|20260105080000||ADT^A08|1|T|2.5\rPID|||77^^^CHX^PI||MARTIN\r"
ORU = b"MSH|^~\\&|LAB|CHX|GW|CHX|20260105080100||ORU^R01|2|T|2.5\rOBX|1|TX|||"


def read(data, max_frame=1000):
    return FrameReader(max_frame).feed(data)


def read_by_byte(reader, data):
    return [event for byte in data for event in reader.feed(bytes([byte]))]


def test_a_frame_is_vt_payload_fs_cr():
    assert frame(ADT) == b"\x0b" + ADT + b"\x1c\r"
    assert read(frame(ADT)) == [Frame(ADT)]


def test_bytes_fed_one_by_one_give_the_frame_once():
    reader = FrameReader(1000)
    assert read_by_byte(reader, frame(ADT) + frame(ORU)) == [Frame(ADT), Frame(ORU)]
    assert reader.begun == 2
    assert reader.eof() is None


def test_an_empty_frame_is_a_frame():
    """A sender of nothing gets an answer too."""
    assert read(frame(b"")) == [Frame(b"")]


def test_a_character_cut_between_two_reads_stays_whole():
    payload = ORU + "Élévation".encode()
    framed = frame(payload)
    cut = framed.index("É".encode()) + 1
    reader = FrameReader(1000)
    assert reader.feed(framed[:cut]) == []
    assert reader.feed(framed[cut:]) == [Frame(payload)]


def test_line_ends_between_frames_are_silent():
    reader = FrameReader(1000)
    assert reader.feed(b"\r\n" + frame(ADT) + b"\n\r\r\n" + frame(ORU) + b"\n") == [Frame(ADT), Frame(ORU)]
    assert not reader.undecided
    assert reader.eof() is None


def test_junk_is_counted_without_its_line_ends_before_the_frame_it_precedes():
    assert read(b"GET /\r\nhost\r\n" + frame(ADT)) == [Junk(9), Frame(ADT)]


def test_junk_that_nothing_follows_is_told_in_silence():
    reader = FrameReader(1000)
    assert reader.feed(ADT) == []
    assert reader.undecided
    assert reader.flush_idle() == [Junk(len(ADT) - ADT.count(b"\r"))]
    assert reader.flush_idle() == []
    assert not reader.undecided


def test_junk_is_told_at_the_end_of_the_stream():
    reader = FrameReader(1000)
    reader.feed(b"abc")
    assert reader.eof() == Junk(3)


def test_fs_without_cr_ends_the_frame_where_the_next_begins():
    assert read(b"\x0b" + ADT + b"\x1c" + frame(ORU)) == [Frame(ADT), Frame(ORU)]


def test_fs_without_cr_ends_the_frame_in_silence():
    reader = FrameReader(1000)
    assert reader.feed(b"\x0b" + ADT + b"\x1c") == []
    assert reader.undecided
    assert reader.flush_idle() == [Frame(ADT)]
    assert not reader.in_frame
    assert reader.feed(b"\r" + frame(ORU)) == [Frame(ORU)], "the late CR is silent"


def test_fs_without_cr_ends_the_frame_at_the_end_of_the_stream():
    reader = FrameReader(1000)
    reader.feed(b"\x0b" + ADT + b"\x1c")
    assert reader.eof() == Frame(ADT)


def test_silence_does_not_end_a_frame_without_fs():
    reader = FrameReader(1000)
    reader.feed(b"\x0b" + ADT)
    assert not reader.undecided
    assert reader.flush_idle() == []
    assert reader.feed(b"\x1c\r") == [Frame(ADT)]


def test_fs_inside_text_is_a_byte_of_the_payload():
    """Half a message is never taken for a whole one."""
    payload = ORU + b"before\x1cafter\r"
    assert read(frame(payload)) == [Frame(payload)]
    assert read_by_byte(FrameReader(1000), frame(payload)) == [Frame(payload)]


def test_vt_inside_text_is_a_byte_of_the_payload():
    """A line break pasted from a word processor does not lose the message around it."""
    payload = ORU + b"first line\x0bsecond line\r"
    assert read(frame(payload)) == [Frame(payload)]
    assert read_by_byte(FrameReader(1000), frame(payload)) == [Frame(payload)]


@pytest.mark.parametrize("header", [b"MSH", b"FHS", b"BHS", b"\xef\xbb\xbfMSH"])
def test_a_message_begun_inside_a_frame_is_never_glued_to_the_one_before(header):
    second = header + ADT[3:]
    stream = b"\x0b" + ORU + frame(second)
    assert read(stream) == [Truncated(len(ORU)), Frame(second)]
    assert read_by_byte(FrameReader(1000), stream) == [Truncated(len(ORU)), Frame(second)]


def test_a_frame_cut_by_the_end_of_the_stream_is_reported():
    reader = FrameReader(1000)
    reader.feed(frame(ADT) + b"\x0b" + ORU)
    assert reader.in_frame
    assert reader.eof() == Truncated(len(ORU))
    assert not reader.in_frame


def test_a_payload_of_the_limit_is_taken_and_one_byte_more_is_not():
    assert read(frame(b"x" * 1000)) == [Frame(b"x" * 1000)]
    assert read(frame(b"x" * 1001)) == [Oversize(1000)]


@pytest.mark.parametrize("feed", [FrameReader.feed, read_by_byte])
def test_reading_goes_on_after_an_oversize_frame(feed):
    stream = frame(b"x" * 5000 + b"\x1cy\x0bz" * 100) + frame(ADT)
    assert feed(FrameReader(1000), stream) == [Oversize(1000), Frame(ADT)]


def test_an_oversize_frame_ends_in_silence_too():
    reader = FrameReader(10)
    assert reader.feed(b"\x0b" + b"x" * 50 + b"\x1c") == [Oversize(10)]
    assert reader.flush_idle() == []
    assert not reader.in_frame
    assert reader.feed(frame(b"short")) == [Frame(b"short")]


def test_an_oversize_frame_given_up_by_its_sender_does_not_swallow_the_next():
    assert read(b"\x0b" + b"x" * 5000 + frame(ADT)) == [Oversize(1000), Frame(ADT)]


def test_an_oversize_frame_that_only_its_last_byte_shows_is_refused_at_the_end():
    reader = FrameReader(10)
    assert reader.feed(b"\x0b" + b"x" * 11 + b"\x1c") == []
    assert reader.eof() == Oversize(10)


def test_what_is_kept_of_an_endless_frame_is_bounded():
    reader = FrameReader(1000)
    reader.feed(b"\x0b")
    for _ in range(1000):
        reader.feed(b"x" * 1000)
        assert len(reader._held) <= 1010
    assert reader.eof() is None, "its refusal has been told already"


def test_what_is_kept_of_endless_junk_is_nothing():
    reader = FrameReader(1000)
    for _ in range(100):
        reader.feed(b"x" * 1000)
        assert not reader._held
    assert reader.eof() == Junk(100_000)


@pytest.mark.parametrize("payload", [b"a\x1c\rb", b"a\x1c\x0bb", b"a\x0bMSH|", b"\x0bMSH|"])
def test_a_payload_that_would_be_read_as_two_frames_is_refused(payload):
    with pytest.raises(ValueError):
        frame(payload)


@pytest.mark.parametrize("unit", [b"x", b"\x1c", b"\x0b", b"\x1cx", b"\x0bMS"])
def test_the_time_of_a_byte_does_not_grow_with_the_frame(unit):
    """Ten times the bytes, one by one, take about ten times as long, not a hundred, whatever they are."""

    def seconds(count):
        reader = FrameReader(10_000_000)
        data = unit * count
        began = time.process_time()
        reader.feed(b"\x0b")
        for byte in range(len(data)):
            reader.feed(data[byte : byte + 1])
        return time.process_time() - began

    seconds(1000)
    assert seconds(50_000 // len(unit)) < 40 * seconds(5_000 // len(unit)) + 0.05


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside this checkout")
def test_messages_of_another_engine_come_back_byte_for_byte():
    messages = [path.read_bytes() for path in sorted(CORPUS.glob("*.hl7"))]
    assert read(b"".join(map(frame, messages))) == [Frame(message) for message in messages]
