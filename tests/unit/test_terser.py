"""Terser paths, as people, rules and errors write them."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.er7 import read
from gateway.terser import Place, parse

numbers = st.integers(1, 999_999)
maybe = st.just(0) | numbers
names = st.text(string.ascii_uppercase + string.digits, min_size=3, max_size=3)


@st.composite
def places(draw):
    """Any place: what stands behind a part that is left out is left out too."""
    field = draw(maybe)
    component = draw(maybe) if field else 0
    return Place(
        draw(names),
        draw(maybe),
        field,
        draw(maybe) if field else 0,
        component,
        draw(maybe) if component else 0,
    )


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("PID", Place("PID")),
        ("OBX[2]", Place("OBX", 2)),
        ("OBX[2]-5", Place("OBX", 2, 5)),
        ("PID-3[1].4.2", Place("PID", 0, 3, 1, 4, 2)),
        ("pid-3.4", Place("PID", 0, 3, 0, 4)),
        ("2AB-1", Place("2AB", 0, 1)),
    ],
)
def test_a_path_says_its_place(path, place):
    """Segment, occurrence, field, repetition, component and sub-component; 0 is what the path leaves out."""
    assert parse(path) == place


@settings(max_examples=200, deadline=None, database=None)
@given(places())
def test_what_is_written_is_read_back(place):
    """A place's path is read as that place, and is the shortest that says it."""
    assert parse(str(place)) == place
    assert parse(str(place).lower()) == place


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "PI",
            "PIDX",
            "PID-",
            "PID-0",
            "PID[0]",
            "PID[-1]",
            "PID-3.0",
            "PID-3.1.1.1",
            "PID.3",
            "PID-3\n",
            " PID-3",
        ),
        *("PÏD-3", "PID-٣", "PID-3[2", "PID[1234567]-1", "#3", "Patient.name[0]"),
    ],
)
def test_what_is_no_path_is_refused(path):
    """Anything else raises ValueError, in words that hold nothing of it."""
    with pytest.raises(ValueError, match=r"^a path is a segment name and a field, such as PID-3\[2\].4.1$"):
        parse(path)


def test_a_segment_gives_the_path_of_its_fields():
    """The first segment of a name needs no number, nor does the first repetition; a stray line has its place."""
    message = read(b"MSH|^~\\&|A\rOBX|1\rOBX|2\ra stray line\r")
    first, second, stray = message.segments[1:]
    assert [first.path(), first.path(5), second.path(), second.path(5)] == ["OBX", "OBX-5", "OBX[2]", "OBX[2]-5"]
    assert [second.path(5, 2), second.path(5, 2, repetition=1)] == ["OBX[2]-5.2", "OBX[2]-5.2"]
    assert [second.path(5, 2, repetition=3), stray.path(2)] == ["OBX[2]-5[3].2", "#4"]
    assert all(message.at(parse(s.path())) is s for s in message.segments if s.name)
    assert message.at(parse("OBX[3]")) is message.at(parse("NTE")) is None
