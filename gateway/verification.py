"""Verification of a log: the chain against its events, and against checkpoints, its own and those kept elsewhere.

A log is read as a stream: its links by sequence, each of its own checkpoints behind the last link that it covers. What
does not hold is found where it first shows, and named by walking the stream a second time.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

from gateway.audit import GENESIS, Break, Problem, fingerprint, seal
from gateway.checkpoint import NOTHING, Checkpoint, KeyRing, Signed
from gateway.merkle import Tree

SKEW = timedelta(minutes=1)
"""How far the clocks of two hosts of one gateway may be apart."""

PROGRESS = 50_000
"""Links between two words of progress."""

_BUFFER = 4_096
"""Digests hashed into the tree at a time; a power of two."""

_AHEAD = 131_072
"""Links behind a break among which the digest of the checkpoint over it is looked for."""


class Link(NamedTuple):
    """One link of the chain as it stands.

    Attributes:
        sequence: place in the chain.
        event: number of the event; None where only its form tells it.
        digest: the seal's.
        form: the event's canonical form; None where the event is gone, empty where it cannot be read any more.
        indexed: whether the event is found under exactly the patients that it names.
        again: gives the form of an event by its number, where `form` is only what it most likely is.

    """

    sequence: int
    event: int | None
    digest: str
    form: bytes | None
    indexed: bool = True
    again: Callable[[int], bytes | None] | None = None


Entry = Link | Signed | None
"""What a log holds; None is what cannot be read."""

Read = Callable[[], Iterable[Entry]]
"""Begins the stream anew."""


class Blind(StrEnum):
    """What a verification cannot see."""

    KEY = "no trusted key"
    """Signatures were held against the keys that the log itself tells: checkpoints, counted."""
    OUTSIDE = "no checkpoint from outside"
    """The events, counted, that no checkpoint kept elsewhere covers could have been rewritten by who has the key."""
    UNCOVERED = "no checkpoint"
    """The last events, counted, that no checkpoint covers yet could have been cut off or rewritten."""
    LATER = "checkpoint later than the export"
    """Checkpoints kept elsewhere, counted, that were made after the export: what they cover is not in it."""
    UNSEALED = "not sealed yet"
    """Events, counted, that wait for the sealer."""


@dataclass(frozen=True, slots=True)
class Unchecked:
    """What was not checked, and how many."""

    what: Blind
    count: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found.

    Attributes:
        events: events in the log.
        sealed: links that hold.
        first_bad: the first break; None if all holds.
        checkpoints: the log's own checkpoints that hold.
        outside: checkpoints kept elsewhere that it was held against.
        unchecked: what was not checked.

    """

    events: int
    sealed: int
    first_bad: Break | None
    checkpoints: int = 0
    outside: int = 0
    unchecked: tuple[Unchecked, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing was found that does not hold."""
        return self.first_bad is None


class Witness:
    """Holds a chain, as it is walked, against checkpoints.

    Args:
        ring: the keys.
        outside: checkpoints that somebody else kept.
        log: id of the installation; empty: that of the first checkpoint.
        as_of: aware instant up to which the log claims to be whole; None: now.

    """

    def __init__(
        self, ring: KeyRing, outside: Sequence[Signed] = (), *, log: str = "", as_of: datetime | None = None
    ) -> None:
        self.outside = sorted(outside, key=lambda signed: signed.checkpoint.number)
        self.heard = 0
        self._ring = ring
        self._log = log
        self._as_of = as_of
        self._by_number = {signed.checkpoint.number: signed for signed in self.outside}
        self._claims: dict[int, list[Signed]] = {}
        for signed in self.outside:
            self._claims.setdefault(signed.checkpoint.last, []).append(signed)
        self._before: Signed | None = None
        self._ahead = 0
        self._held = self._covered = self._last = 0
        self._digest = GENESIS
        self._buffer: list[str] = []
        self._tree = Tree()

    def begin(self) -> Break | None:
        """Give what is wrong with the checkpoints from outside, whatever the chain is."""
        for signed in self.outside:
            told = signed.checkpoint
            self._log = self._log or told.log
            if told.log != self._log:
                return _on(told, Problem.OTHER_LOG)
        for one, other in pairwise(self.outside):
            if one.checkpoint.number == other.checkpoint.number and one.form != other.form:
                return _on(one.checkpoint, Problem.CHECKPOINT_CHANGED)
        return None

    def see(self, sequence: int, digest: str) -> Break | None:
        """Take the next link, which follows the one before; give what a checkpoint from outside says against it."""
        self._buffer.append(digest)
        if not sequence & _BUFFER - 1:
            self._flush()
        self._last, self._digest = sequence, digest
        if sequence not in self._claims:
            return None
        for signed in self._claims[sequence]:
            if signed.checkpoint.digest != digest:
                return self._contradicted(signed)
        self._held = sequence
        return None

    def _contradicted(self, signed: Signed) -> Break:
        """A chain that holds in itself is another than somebody saw; or nobody who is known has seen that one."""
        if self._ring.has_signed(signed) or self._ring.may_not_know(signed):
            return Break(self._held + 1, None, Problem.REWRITTEN, signed.checkpoint.last)
        return _on(signed.checkpoint, Problem.CHECKPOINT_UNSIGNED)

    def hear(self, signed: Signed) -> Break | None:
        """Take the log's next own checkpoint; give what is wrong with it, or what it says against the chain."""
        told, problem = signed.checkpoint, self._unfounded(signed)
        if problem is not None:
            return _on(told, problem)
        self._before = signed
        if told.last > self._last:
            self._ahead = max(self._ahead, told.last)
            self._claims.setdefault(told.last, []).append(signed)
            return None
        self._flush()
        if told.last < self._last or told.digest != self._digest or told.root != self._tree.root().hex():
            return Break(self._held + 1, None, Problem.REWRITTEN, told.last)
        self._tree = Tree()
        self._held = self._covered = told.last
        self.heard += 1
        return None

    def _unfounded(self, signed: Signed) -> Problem | None:
        told, before = signed.checkpoint, self._before
        self._log = self._log or told.log
        if told.log != self._log:
            return Problem.OTHER_LOG
        if told.number != (before.checkpoint.number if before else 0) + 1:
            return Problem.CHECKPOINT_MISSING
        if not self._ring.has_signed(signed):
            return Problem.CHECKPOINT_UNSIGNED
        follows = (before.hash, before.checkpoint.last + 1) if before else (NOTHING, 1)
        other = self._by_number.get(told.number)
        same = follows == (told.previous, told.first) and (other is None or other.form == signed.form)
        return None if same else Problem.CHECKPOINT_CHANGED

    def _flush(self) -> None:
        self._tree.extend(map(bytes.fromhex, self._buffer))
        self._buffer.clear()

    def end(self) -> Break | None:
        """Give what is missing at the end: checkpoints cover more than there is, or the log lacks some of its own."""
        unmet = [signed for signed in self._unheard() if not self._is_later(signed)]
        if forged := next((signed for signed in unmet if not self._ring.has_signed(signed)), None):
            return _on(forged.checkpoint, Problem.CHECKPOINT_UNSIGNED)
        most = max([self._ahead, *(signed.checkpoint.last for signed in unmet)])
        if most > self._last:
            return Break(self._last + 1, None, Problem.TAIL_CUT, most)
        return _on(unmet[0].checkpoint, Problem.CHECKPOINT_MISSING) if unmet else None

    def _unheard(self) -> list[Signed]:
        last = self._before.checkpoint.number if self._before else 0
        return [signed for signed in self.outside if signed.checkpoint.number > last]

    def _is_later(self, signed: Signed) -> bool:
        return self._as_of is not None and signed.checkpoint.at > self._as_of - SKEW

    def unchecked(self) -> Iterator[Unchecked]:
        """Give what these checkpoints and keys leave unchecked."""
        if self._ring.trusted is None and self.heard:
            yield Unchecked(Blind.KEY, self.heard)
        known = [signed.checkpoint.last for signed in self.outside if signed.checkpoint.last <= self._last]
        if bare := self._last - max(known, default=0):
            yield Unchecked(Blind.OUTSIDE, bare)
        if bare := self._last - max([self._covered, *known]):
            yield Unchecked(Blind.UNCOVERED, bare)
        if later := sum(map(self._is_later, self._unheard())):
            yield Unchecked(Blind.LATER, later)


def _on(told: Checkpoint, problem: Problem) -> Break:
    return Break(told.first, None, problem, told.last)


def verify(
    read: Read, witness: Witness, events: int, unsealed: int = 0, progress: Callable[[int], None] = lambda _: None
) -> Verification:
    """Walk the chain from its start; stop at the first place that does not hold, and say what was done there.

    Args:
        read: gives the log, as often as asked.
        witness: the checkpoints and keys that it is held against.
        events: how many events the log holds.
        unsealed: how many of them wait for the sealer; every other must have its seal.
        progress: told now and then how many links were walked.

    """
    sealed, bad = _walk(read, witness, progress)
    if bad is None:
        bad = witness.end()
    if bad is None and sealed != events - unsealed:
        bad = Break(sealed + 1, None, Problem.SEAL_MISSING)
    unchecked = () if bad else tuple(witness.unchecked())
    if unsealed and not bad:
        unchecked += (Unchecked(Blind.UNSEALED, unsealed),)
    return Verification(events, sealed, bad, witness.heard, len(witness.outside), unchecked)


def _walk(read: Read, witness: Witness, progress: Callable[[int], None]) -> tuple[int, Break | None]:
    """Give how many links hold, and what does not at the next."""
    digest, sealed, bad = GENESIS, 0, witness.begin()
    for entry in read() if bad is None else ():
        if not isinstance(entry, Link):
            bad = Break(sealed + 1, None, Problem.UNREADABLE) if entry is None else witness.hear(entry)
        elif entry.sequence != sealed + 1:
            bad = _misplaced(read, entry, sealed + 1)
        elif entry.form is None:
            bad = Break(entry.sequence, entry.event, Problem.EVENT_MISSING)
        elif not _follows(entry, digest):
            bad = _named(read, witness, entry, digest)
        elif not entry.indexed:
            bad = Break(entry.sequence, entry.event, Problem.PATIENTS_CHANGED)
        else:
            digest, sealed = entry.digest, entry.sequence
            bad = witness.see(sealed, digest)
            if sealed % PROGRESS == 0:
                progress(sealed)
        if bad is not None:
            break
    return sealed, bad


def _follows(link: Link, before: str) -> bool:
    """Whether a link's digest binds its event to the digest before it, as `seal` and `fingerprint` make it.

    Without their calls: this is done for each event of years.
    """
    own = sha256(link.form or b"").hexdigest()
    if sha256((before + own).encode()).hexdigest() == link.digest:
        return True
    return link.again is not None and seal(before, fingerprint(_form(link))) == link.digest


def _form(link: Link) -> bytes:
    form = link.form if link.again is None or link.event is None else link.again(link.event)
    return form or b""


def exact(chain: Iterable[Entry]) -> Iterator[Link | Signed]:
    """Give what of a chain can be read, with the forms of the events' values, be they what was sealed or not."""
    before = GENESIS
    for entry in chain:
        if isinstance(entry, Link):
            own = sha256(entry.form or b"").hexdigest()
            same = sha256((before + own).encode()).hexdigest() == entry.digest
            before = entry.digest
            yield entry if same or entry.form is None else entry._replace(form=_form(entry), again=None)
        elif entry is not None:
            yield entry


# -- what was done -----------------------------------------------------------------------------------------------------


def _misplaced(read: Read, found: Link, expected: int) -> Break:
    """Say why another place of the chain comes where this one is expected."""
    if found.sequence < expected:
        return Break(expected, found.event, Problem.EVENT_INSERTED)
    later = next((link for link in _links(read) if link.sequence == expected), None)
    problem = Problem.EVENTS_REORDERED if later else Problem.SEAL_MISSING
    return Break(expected, later.event if later else None, problem)


def _links(read: Read) -> Iterator[Link]:
    return (entry for entry in read() if type(entry) is Link)


def _named(read: Read, witness: Witness, bad: Link, before: str) -> Break:
    """Say what was done where a link does not follow the one before it."""
    traces, claims = _Traces(bad, before), [signed.checkpoint for signed in witness.outside]
    for entry in read():
        if isinstance(entry, Link):
            traces.take(entry)
        elif entry is not None:
            claims.append(entry.checkpoint)
    return traces.named() or traces.held_against(claims)


class _Traces:
    """What the links of a chain tell of one that does not follow the one before it.

    Links that were sealed after one another still say so by their digests. So the link that the bad one was sealed
    after, and the one that was sealed where the bad one stands, tell of insertions and exchanges; a checkpoint's digest
    that stands earlier than it says tells of a removal, which nothing else tells from a change.

    Args:
        bad: the link.
        before: the digest of the one before it.

    """

    def __init__(self, bad: Link, before: str) -> None:
        self._bad = bad
        self._before = before
        self._own = fingerprint(_form(bad))
        self._after = 0 if seal(GENESIS, self._own) == bad.digest else None
        """Place of the link that the bad one was sealed after."""
        self._then: int | None = None
        """Number of the event that stands behind that one."""
        self._instead: int | None = None
        """Place of the link that was sealed where the bad one stands."""
        self._is_copy = False
        self._places = {bad.digest: bad.sequence}

    def take(self, link: Link) -> None:
        """Take the next link of the whole chain."""
        place, bad = link.sequence, self._bad
        if place == bad.sequence or link.form is None:
            return
        if self._after is not None and place == self._after + 1:
            self._then = link.event
        self._is_copy = self._is_copy or link.digest == bad.digest
        if place > bad.sequence:
            if self._instead is None and seal(self._before, fingerprint(_form(link))) == link.digest:
                self._instead = place
            if len(self._places) < _AHEAD:
                self._places.setdefault(link.digest, place)
        if self._after is None and seal(link.digest, self._own) == bad.digest:
            self._after = place

    def named(self) -> Break | None:
        """Give what was inserted or exchanged; None if that is not what was done."""
        place, event, after = self._bad.sequence, self._bad.event, self._after
        if after is not None and not self._is_copy:
            if after > place:
                return Break(place, event, Problem.EVENTS_REORDERED)
            return Break(after + 1, self._then, Problem.EVENT_INSERTED, _until(after + 1, place - 1))
        if self._instead is not None or self._is_copy:
            last = (self._instead or place + 1) - 1
            return Break(place, event, Problem.EVENT_INSERTED, _until(place, last))
        return None

    def held_against(self, claims: Iterable[Checkpoint]) -> Break:
        """Give what was removed or changed, as far as a checkpoint over that place tells."""
        place = self._bad.sequence
        over = min((told for told in claims if told.last >= place), key=lambda told: told.last, default=None)
        shift = self._places.get(over.digest, over.last) - over.last if over else 0
        if shift < 0:
            return Break(place, None, Problem.EVENT_REMOVED)
        return Break(place, self._bad.event, Problem.EVENT_INSERTED if shift else Problem.EVENT_CHANGED)


def _until(first: int, last: int) -> int | None:
    return last if last > first else None
