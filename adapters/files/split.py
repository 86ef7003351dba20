"""The messages in a file: one, several one after another, or a batch (FHS, BHS; 2.5.1 §2.10.3)."""

import re

_START = re.compile(rb"(?:^|(?<=[\r\n]))MSH(?=[^A-Za-z0-9\r\n])")
_ENVELOPE = re.compile(rb"(?:^|(?<=[\r\n]))(?:FHS|BHS|BTS|FTS)(?=[^A-Za-z0-9])[^\r\n]*[\r\n]*")
_BOM = b"\xef\xbb\xbf"


def messages_of(content: bytes) -> list[bytes]:
    """Give each message's bytes, cut where MSH begins a line; MLLP frames and a batch's envelope are left out.

    What holds neither message nor envelope is given whole: whoever examines it says what is wrong.
    """
    plain = content.replace(b"\x0b", b"").replace(b"\x1c", b"").removeprefix(_BOM)
    bare = _ENVELOPE.sub(b"", plain)
    starts = [match.start() for match in _START.finditer(bare)]
    if not starts:
        return [content] if bare.strip() or bare == plain else []
    if bare[: starts[0]].strip():
        starts[0] = 0  # what stands before belongs to nobody else
    return [bare[a:b] for a, b in zip(starts, [*starts[1:], len(bare)], strict=True)]
