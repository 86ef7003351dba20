"""An export of the audit log: what an auditor takes away, and verifies without the gateway that wrote it.

Lines of canonical JSON: a header, the public keys, then the chain in order, each checkpoint behind the last link that
it covers. A link's event stands in it as it was sealed, byte for byte.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.audit import Break, Problem
from gateway.canonical_json import encoded
from gateway.checkpoint import KeyRing, KeyStatement, Signed, Verify, instant, key_of, signed_of
from gateway.errors import ConfigurationError
from gateway.verification import Entry, Link, Read, Verification, Witness, verify

FORMAT = 1
MOST_KEYS = 1_000
"""Keys of an export that are read: one a month for eighty years."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an export says of itself.

    Attributes:
        log: id of the installation whose log it is.
        at: aware instant up to which it is whole.
        events: how many events it holds.

    """

    log: str
    at: datetime
    events: int

    @property
    def line(self) -> bytes:
        """The export's first line."""
        told = {"at": instant(self.at), "events": self.events, "format": FORMAT, "log": self.log}
        return encoded({"export": told})


def line_of(entry: Link | Signed) -> bytes:
    """Give the line of a link (null: its event is gone; empty: it cannot be read), or of a checkpoint."""
    if isinstance(entry, Signed):
        return entry.line
    form = b"null" if entry.form is None else entry.form or b'""'
    return b'{"digest":"%b","event":%b,"sequence":%d}' % (entry.digest.encode(), form, entry.sequence)


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the chain."""

    header: Header
    keys: list[KeyStatement]


def head_of(lines: Iterable[bytes]) -> Head:
    """Give what stands before the chain.

    Raises:
        ConfigurationError: this is no export.

    """
    given = iter(lines)
    header = _header(next(given, b""))
    keys: list[KeyStatement] = []
    for line in given:
        if not line.startswith(b'{"endorsement":') or len(keys) == MOST_KEYS:
            break
        try:
            keys.append(key_of(json.loads(line)))
        except (ValueError, RecursionError):
            raise ConfigurationError("a key of the audit trail is expected", path="--export") from None
    return Head(header, keys)


def _header(line: bytes) -> Header:
    try:
        told = json.loads(line)["export"]
        header = Header(told["log"], datetime.fromisoformat(told["at"]), told["events"])
        good = told["format"] == FORMAT and header.line == line.rstrip(b"\n") and header.events >= 0
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        good = False
    if not good:
        rule = f"an export of the audit trail by gateway audit export, of format {FORMAT}, is expected"
        raise ConfigurationError(rule, path="--export")
    return header


def entries_of(lines: Iterable[bytes]) -> Iterator[Entry]:
    """Give the chain of an export's lines, and its checkpoints; None for a line that cannot be read."""
    following = 1
    for line in lines:
        # Most lines are the next link as it was written: its members stand at their places, and nothing is looked for.
        end = b',"sequence":%d}\n' % following
        if line.endswith(end) and line.startswith(_BEFORE) and line[_DIGEST.stop : _FORM] == _BETWEEN:
            yield _link(following, line[_DIGEST], line[_FORM : -len(end)])
            following += 1
        elif found := _LINK(line):
            digest, form, number = found.groups()
            yield _link(int(number), digest, form)
        elif line.startswith(b'{"checkpoint":'):
            yield _checkpoint(line)
        elif not line.startswith((b'{"export":', b'{"endorsement":')):
            yield None


def _link(sequence: int, digest: bytes, form: bytes) -> Link:
    return Link(sequence, None, digest.decode("ascii", "replace"), None if form == b"null" else form)


_BEFORE, _BETWEEN = b'{"digest":"', b'","event":'
_DIGEST = slice(len(_BEFORE), len(_BEFORE) + 64)
_FORM = _DIGEST.stop + len(_BETWEEN)
_LINK = re.compile(rb'\{"digest":"([0-9a-f]{64})","event":(.*),"sequence":([0-9]{1,18})\}\n?', re.DOTALL).fullmatch
"""Any link: to read it as JSON would take longer than to verify it."""


def _checkpoint(line: bytes) -> Signed | None:
    try:
        return signed_of(json.loads(line))
    except (ValueError, RecursionError):
        return None


def verify_export(
    read: Read,
    head: Head,
    check: Verify,
    trusted: set[str] | None = None,
    outside: Sequence[Signed] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> Verification:
    """Verify an export by itself.

    Args:
        read: gives its entries, as often as asked.
        head: what stands before them.
        check: checks signatures.
        trusted: hex public keys that the reader has from elsewhere; None: those that the export tells.
        outside: checkpoints that somebody else kept.
        progress: told now and then how many links were walked.

    """
    header = head.header
    witness = Witness(KeyRing(head.keys, check, trusted), outside, log=header.log, as_of=header.at)
    found = verify(read, witness, header.events, progress=progress)
    bad = found.first_bad
    return replace(found, first_bad=_told(bad, read, header)) if bad else found


def _told(bad: Break, read: Read, header: Header) -> Break:
    """Give a break in the words of an export, where a seal and its event are one line, with the event's number."""
    if bad.problem is Problem.SEAL_MISSING:
        more = next((entry for entry in read() if isinstance(entry, Link) and entry.sequence >= bad.sequence), None)
        if more is None:
            return Break(bad.sequence, None, Problem.TAIL_CUT, header.events)
        inserted = more.sequence == bad.sequence
        bad = replace(bad, problem=Problem.EVENT_INSERTED if inserted else Problem.EVENT_REMOVED)
    if bad.problem is Problem.TAIL_CUT:
        return replace(bad, until=max(bad.until or 0, header.events))
    if bad.problem in _WITH_EVENT:
        here = (entry for entry in read() if isinstance(entry, Link) and entry.sequence == bad.sequence)
        return replace(bad, event=next(map(_number, here), None))
    return bad


_WITH_EVENT = frozenset({Problem.EVENT_CHANGED, Problem.EVENT_INSERTED, Problem.EVENTS_REORDERED})


def _number(link: Link) -> int | None:
    try:
        told: Any = json.loads(link.form or b"")
        return int(told["id"])
    except (ValueError, TypeError, KeyError):
        return None
