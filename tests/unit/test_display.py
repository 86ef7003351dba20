"""A message as `gateway explain` and `gateway messages show` put it before people."""

import pytest
from click.testing import CliRunner

from adapters.cli.explain import explain
from adapters.hl7v2.display import describe, read_for_display
from gateway.terser import parse

MESSAGE = read_for_display(
    b"MSH|^~\\&|LAB|CHU|||||ORU^R01|C1|P|2.5\r"
    b"PID|||8^^^CHU&1.2&ISO^PI~9^^^CHU&1.3&ISO^PI||TEST^A\\T\\B\r"
    b"OBX|1|NM|K||4.1\rOBX|2|NM|NA||140\ra stray line\r"
)


def shown(path: str = "", *, reveal: bool = True) -> list[tuple[str, str]]:
    told = describe(MESSAGE, reveal=reveal, place=parse(path) if path else None)
    return [(field["path"], field["value"]) for segment in told for field in segment["fields"]]


def test_each_field_has_a_path_of_its_own():
    """A second OBX is not shown under the paths of the first; a line that is no segment has none."""
    paths = [path for path, _ in shown()]
    assert paths[-9:] == ["OBX-1", "OBX-2", "OBX-3", "OBX-5", "OBX[2]-1", "OBX[2]-2", "OBX[2]-3", "OBX[2]-5", ""]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("OBX-5", [("OBX-5", "4.1"), ("OBX[2]-5", "140")]),
        ("OBX[2]-5", [("OBX[2]-5", "140")]),
        ("OBX[1]-5.1", [("OBX-5.1", "4.1")]),
        ("PID-3", [("PID-3", "8^^^CHU&1.2&ISO^PI~9^^^CHU&1.3&ISO^PI")]),
        ("PID-3[2]", [("PID-3[2]", "9^^^CHU&1.3&ISO^PI")]),
        ("PID-3.4.2", [("PID-3.4.2", "1.2"), ("PID-3[2].4.2", "1.3")]),
        ("PID-3[1].4.2", [("PID-3.4.2", "1.2")]),
        ("PID-5", [("PID-5", "TEST^A\\T\\B")]),
        ("PID-5.2", [("PID-5.2", "A&B")]),
        ("PID-3.9", []),
        ("PID-99", []),
        ("ZBE", []),
        ("OBX[3]-1", []),
    ],
)
def test_a_path_shows_what_stands_there(path, values):
    """A path shows its place alone: as sent where it is a field, as understood where it goes deeper."""
    assert shown(path) == values


def test_a_path_reveals_nothing():
    """Values are masked at whatever depth; those of the header are not."""
    assert shown("PID-5.2", reveal=False) == [("PID-5.2", "(3)")]
    assert shown("MSH-9.2", reveal=False) == [("MSH-9.2", "R01")]


def test_the_sources_character_set_reads_the_message():
    """A message whose label is untrue is shown as its source's setting reads it, not left out."""
    raw = b"MSH|^~\\&|LAB|||||||||||||||UNICODE UTF-8\rPID|||||\xc9lise\r"
    assert read_for_display(raw) is None
    assert read_for_display(raw, "8859/1").text("PID-5") == "Élise"


def test_a_wrong_path_is_a_wrong_call(tmp_path):
    """What is no path ends with exit code 2 and says what a path is."""
    (tmp_path / "message.hl7").write_bytes(MESSAGE.raw)
    ended = CliRunner().invoke(explain, [str(tmp_path / "message.hl7"), "--path", "PID.3"])
    assert ended.exit_code == 2
    assert "a path is a segment name and a field, such as PID-3[2].4.1" in ended.output
