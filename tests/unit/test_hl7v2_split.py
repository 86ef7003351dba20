"""What stands in a file: one message, several, a batch, or none."""

import pytest

from adapters.files.split import messages_of

ONE, TWO = b"MSH|^~\\&|A|1\rPID|1\r", b"MSH|^~\\&|A|2\rPID|2"


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        (ONE, [ONE]),
        (ONE + TWO, [ONE, TWO]),
        (b"\xef\xbb\xbf" + ONE, [ONE]),
        (b"\x0b" + ONE + b"\x1c\r\x0b" + TWO + b"\x1c\r", [ONE + b"\r", TWO + b"\r"]),
        (b"FHS|^~\\&|F\rBHS|^~\\&|B\r" + ONE + TWO + b"\rBTS|2\rFTS|1\r", [ONE, TWO + b"\r"]),
        (ONE.replace(b"\r", b"\r\n") + TWO, [ONE.replace(b"\r", b"\r\n"), TWO]),
        (b"\r\n" + ONE, [ONE]),
        (b"PID|0\r" + ONE + TWO, [b"PID|0\r" + ONE, TWO]),
        (b"", [b""]),
        (b"FHS|^~\\&\rFTS|0\r", []),
        (b"NTE|1|MSH|is a segment\r", [b"NTE|1|MSH|is a segment\r"]),
        (b"MSHA|\rMSH", [b"MSHA|\rMSH"]),
    ],
)
def test_each_message_is_cut_out_as_its_bytes_came(content, messages):
    """Nothing but frames and the envelope is left out; what holds no message is given whole."""
    assert messages_of(content) == messages
