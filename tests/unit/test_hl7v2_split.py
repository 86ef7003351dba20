"""What stands in a file: one message, several, a batch, or none."""

import pytest

from mappings.hl7v2.batch import split

ONE, TWO = b"MSH|^~\\&|A|1\rPID|1\r", b"MSH|^~\\&|A|2\rPID|2"
BATCH = b"FHS|^~\\&|F\rBHS|^~\\&|B\r" + ONE + TWO + b"\rBTS|2\rFTS|1\r"


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        (ONE, [ONE]),
        (ONE + TWO, [ONE, TWO]),
        (b"\xef\xbb\xbf" + ONE, [b"\xef\xbb\xbf" + ONE]),
        (b"\xef\xbb\xbf" + ONE + TWO, [b"\xef\xbb\xbf" + ONE, TWO]),
        (b"\x0b" + ONE + b"\x1c\r\x0b" + TWO + b"\x1c\r", [ONE + b"\r", TWO + b"\r"]),
        (BATCH, [BATCH]),
        (b"\x0b" + BATCH + b"\x1c\r", [BATCH + b"\r"]),
        (ONE.replace(b"\r", b"\r\n") + TWO, [ONE.replace(b"\r", b"\r\n"), TWO]),
        (b"\r\n" + ONE, [b"\r\n" + ONE]),
        (b"PID|0\r" + ONE + TWO, [b"PID|0\r" + ONE, TWO]),
        (b"", [b""]),
        (b"FHS|^~\\&\rFTS|0\r", [b"FHS|^~\\&\rFTS|0\r"]),
        (b"NTE|1|MSH|is a segment\r", [b"NTE|1|MSH|is a segment\r"]),
        (b"MSHA|\rMSH", [b"MSHA|\rMSH"]),
    ],
)
def test_each_message_is_cut_out_as_its_bytes_came(content, messages):
    """Nothing but frames is left out; a batch, and what holds no message, is given whole."""
    assert split(content) == messages
