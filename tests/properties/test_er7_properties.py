"""Properties of the ER7 reader, tried on generated frames."""

import string

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.er7 import Message, Separators, escape, read, unescape
from gateway.errors import GatewayError

settings.register_profile("er7", max_examples=150, deadline=None, database=None)
modest = settings(settings.get_profile("er7"))

MARKS = sorted(set(string.punctuation) - {'"'})
PIECES = [
    b"MSH|^~\\&|",
    b"FHS|^~\\&|",
    b"\rPID|",
    b"\n",
    b"\r\n",
    b"|",
    b"^",
    b"~",
    b"\\",
    b"&",
    b'""',
    b"\\X0D\\",
    b"\\.br\\",
]
PIECES += [b"|||||||||||||||UNICODE UTF-8", b"8859/1", b"\xc3\xa9", b"\xe9", b"\x81", b"\x00", b"\xef\xbb\xbf", b"A1"]

names = st.text(string.ascii_uppercase + string.digits, min_size=3, max_size=3).filter(
    lambda name: name not in {"MSH", "FHS", "BHS"}
)
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
fields = st.lists(st.lists(st.lists(values, min_size=1, max_size=3), min_size=1, max_size=3), min_size=1, max_size=3)
separators = st.permutations(MARKS).map(lambda marks: Separators(*marks[:6]))


def read_everything(message: Message) -> None:
    """Ask for every value that can be asked for."""
    for segment in message.segments:
        for field in range(segment.field_count + 2):
            for repetition in segment.repetitions(field) if field else ():
                repetition.text(2, 2)
            assert segment.text(field + 1) == message.text(f"MSH-{field + 1}") or segment.position > 1


def check_lossless(raw: bytes) -> None:
    try:
        message = read(raw)
    except GatewayError:
        return
    read_everything(message)
    assert bytes(message) == raw
    assert sum(count for _, count in message.counts()) == len(message.segments)
    body = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\n", b"\r").decode(message.charset.codec)
    lines = [line.lstrip("\t ") if n == 0 else line for n, line in enumerate(x for x in body.split("\r") if x.strip())]
    assert [segment.raw for segment in message.segments] == lines


@modest
@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_loss_or_refused(raw):
    """Whatever comes in, it is read in full or raises an error of ours."""
    check_lossless(raw)


@modest
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=25))
@example([b"|", b"\\", b"\x85"])
def test_anything_behind_a_header_is_read_without_loss_or_refused(pieces):
    """A frame with a good header and anything behind it is read in full or raises an error of ours."""
    check_lossless(b"MSH|^~\\&|" + b"".join(pieces))


def encode(field: list[list[list[str]]], marks: Separators) -> str:
    return marks.repetition.join(
        marks.component.join(marks.subcomponent.join(escape(v, marks) for v in component) for component in repetition)
        for repetition in field
    )


@modest
@given(separators, st.lists(st.tuples(names, st.lists(fields, max_size=4)), max_size=4))
def test_what_was_written_is_read_back(marks, content):
    """Generated fields, written with any delimiters, are read back at their places."""
    encoding = marks.component + marks.repetition + marks.escape + marks.subcomponent + marks.truncation
    lines = [f"MSH{marks.field}{encoding}" + marks.field * 16 + "UTF8"]
    lines += [marks.field.join([name, *(encode(field, marks) for field in found)]) for name, found in content]
    message = read("\r".join(lines).encode())
    assert message.separators == marks
    assert [s.name for s in message.segments[1:]] == [name for name, _ in content]
    for segment, (_, found) in zip(message.segments[1:], content, strict=True):
        assert segment.field_count == len(found)
        for number, field in enumerate(found, 1):
            assert_read_back(segment, number, field)


def assert_read_back(segment, number: int, field: list[list[list[str]]]) -> None:
    for repetition, components in enumerate(field, 1):
        for component, subcomponents in enumerate(components, 1):
            for subcomponent, value in enumerate(subcomponents, 1):
                assert segment.text(number, component, subcomponent, repetition=repetition) == value
    wholes = [r.whole for r in segment.repetitions(number)]
    assert len(wholes) == (len(field) if segment.whole(number) else 0)


@modest
@given(values, separators)
def test_escaped_text_comes_back(text, marks):
    """Escaped text holds no delimiter but the escape character, no line end, and reads back as it was."""
    escaped = escape(text, marks)
    bare = {marks.field, marks.component, marks.repetition, marks.subcomponent, marks.truncation, "\r", "\n"}
    assert not bare & set(escaped)
    assert unescape(escaped, marks) == text


@modest
@given(st.text(alphabet="\\.XFSTREPHNCMZbrspk0123456789ABCDEF |", max_size=40), separators)
def test_any_text_can_be_unescaped(text, marks):
    """Whatever escapes a value seems to hold, it becomes text, and without an escape character it stays as it is."""
    assert isinstance(unescape(text), str)
    plain = text.replace(marks.escape, "")
    assert unescape(plain, marks) == plain
