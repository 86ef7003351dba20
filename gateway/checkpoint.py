"""Checkpoints: signed statements of what the audit chain was, which leave the machine and cannot be taken back.

A checkpoint covers a segment of the chain: the Merkle root over its seals' digests, and the chain's digest at its end,
which binds everything before it. Each names the one before it by its hash. A log that was rewritten as a whole, or cut
off, may hold in itself, but not against a checkpoint that somebody else keeps.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.canonical_json import encoded

CHECKPOINT_PREFIX = b"secretariat-gateway audit checkpoint 1\n"
KEY_PREFIX = b"secretariat-gateway audit key 1\n"
"""What is signed begins so, and is followed by canonical JSON: no signature can stand for another kind's."""

NOTHING = "0" * 64
"""What the first checkpoint follows."""

OVERLAP = timedelta(days=1)
"""How long a key still signs after its successor's time has begun: as long as a process may not know of the other."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the chain was.

    Attributes:
        number: from 1, without gaps.
        log: id of the installation whose log it is.
        first: sequence of the segment's first seal.
        count: how many seals the segment has.
        root: hex Merkle root over the seals' digests.
        digest: hex digest of the last seal.
        first_at: aware instant of the first event.
        last_at: that of the last event.
        previous: hex SHA-256 of the checkpoint before.
        key: id of the key that signs.
        at: aware instant of its making.

    """

    number: int
    log: str
    first: int
    count: int
    root: str
    digest: str
    first_at: datetime
    last_at: datetime
    previous: str
    key: str
    at: datetime

    @property
    def last(self) -> int:
        """Sequence of the segment's last seal."""
        return self.first + self.count - 1


_INSTANTS = ("first_at", "last_at", "at")


def checkpoint_form(checkpoint: Checkpoint) -> bytes:
    """Give the canonical JSON that is signed, after CHECKPOINT_PREFIX, and hashed for the one that follows."""
    record = {name: getattr(checkpoint, name) for name in Checkpoint.__slots__}
    return encoded(record | {name: instant(record[name]) for name in _INSTANTS})


def instant(at: datetime) -> str:
    """Give an instant as the log writes it: UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint with its hex Ed25519 signature."""

    checkpoint: Checkpoint
    signature: str

    @property
    def form(self) -> bytes:
        """The canonical JSON of the checkpoint."""
        return checkpoint_form(self.checkpoint)

    @property
    def line(self) -> bytes:
        """What leaves the machine, without a line's end."""
        return b'{"checkpoint":%b,"signature":"%b"}' % (self.form, self.signature.encode())

    @property
    def hash(self) -> str:
        """What the next one follows."""
        return hashlib.sha256(self.form).hexdigest()


def signed_of(record: Any) -> Signed:
    """Give a checkpoint from its line as read by a JSON reader.

    Raises:
        ValueError: it is none.

    """
    try:
        told = dict(record["checkpoint"])
        told |= {name: datetime.fromisoformat(told[name]) for name in _INSTANTS}
        signed = Signed(Checkpoint(**told), record["signature"])
        bytes.fromhex(signed.signature + signed.checkpoint.root + signed.checkpoint.digest)
        same = encoded(record["checkpoint"]) == signed.form
    except (TypeError, KeyError, AttributeError, ValueError, OverflowError) as error:
        raise ValueError("a checkpoint is expected") from error
    if not same:
        raise ValueError("a checkpoint in canonical form is expected")
    return signed


def checkpoints_in(lines: Iterable[bytes]) -> list[Signed]:
    """Give the checkpoints that lines hold, by number, each once; what else there is (a syslog header) is passed over.

    Raises:
        ValueError: a line begins as a checkpoint and is none.

    """
    found: dict[bytes, Signed] = {}
    for line in lines:
        start = line.find(b'{"checkpoint":')
        if start >= 0:
            signed = signed_of(json.loads(line[start:]))
            found[signed.line] = signed
    return sorted(found.values(), key=lambda each: each.checkpoint.number)


# -- keys --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeyStatement:
    """A public key of the log, as its log tells it.

    Attributes:
        key: id, from the public key (see `key_id`).
        public: the raw public key, hex.
        log: id of the installation.
        previous: id of the key before; empty for the first.
        valid_from: aware instant since when it signs.
        proof: hex signature of this statement by the key itself.
        endorsement: hex signature of this statement by the key before; empty for the first.

    """

    key: str
    public: str
    log: str
    previous: str
    valid_from: datetime
    proof: str = ""
    endorsement: str = ""

    @property
    def form(self) -> bytes:
        """The canonical JSON that both keys sign, after KEY_PREFIX."""
        names = ("key", "public", "log", "previous")
        return encoded(
            {name: getattr(self, name) for name in names} | {"valid_from": self.valid_from.astimezone(UTC).isoformat()}
        )

    @property
    def line(self) -> bytes:
        """What an export holds of it."""
        signatures = (self.endorsement.encode(), self.form, self.proof.encode())
        return b'{"endorsement":"%b","key":%b,"proof":"%b"}' % signatures


def key_of(record: Any) -> KeyStatement:
    """Give a key from its line as read by a JSON reader.

    Raises:
        ValueError: it is none.

    """
    try:
        told = record["key"]
        valid_from = datetime.fromisoformat(told["valid_from"])
        signatures = {"proof": record["proof"], "endorsement": record["endorsement"]}
        return KeyStatement(**{**told, "valid_from": valid_from}, **signatures)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("a key is expected") from error


def key_id(public: bytes) -> str:
    """Give the id of a raw public key."""
    return hashlib.sha256(public).hexdigest()[:32]


Verify = Callable[[bytes, bytes, bytes], bool]
"""Whether a raw public key has signed these bytes so: (public key, bytes, signature)."""


@dataclass(slots=True)
class KeyRing:
    """The keys of a log, and which of them are trusted.

    Args:
        keys: what the log tells of its keys.
        verify: checks signatures.
        trusted: hex public keys that the reader has from elsewhere; None: whatever the log tells.

    """

    keys: Sequence[KeyStatement]
    verify: Verify
    trusted: set[str] | None = None
    _known: dict[str, str] = field(init=False)
    _ends: dict[str, datetime] = field(init=False)

    def __post_init__(self) -> None:
        told = {each.key: each for each in self.keys if self._proves(each, each.public, each.proof)}
        trusted = {k for k, each in told.items() if self.trusted is None or each.public in self.trusted}
        while more := {k for k, each in told.items() if k not in trusted and self._follows(each, told, trusted)}:
            trusted |= more
        untold = {key_id(bytes.fromhex(public)): public for public in self.trusted or ()}
        self._known = untold | {key: told[key].public for key in trusted}
        self._ends = {}
        for each in (told[key] for key in trusted):
            end = each.valid_from + OVERLAP
            self._ends[each.previous] = min(self._ends.get(each.previous, end), end)

    def _follows(self, each: KeyStatement, told: dict[str, KeyStatement], trusted: set[str]) -> bool:
        """Whether a trusted key has signed this one, or names it as the one before itself."""
        if any(told[key].previous == each.key for key in trusted):
            return True
        before = told.get(each.previous)
        return each.previous in trusted and before is not None and self._proves(each, before.public, each.endorsement)

    def _proves(self, each: KeyStatement, public: str, signature: str) -> bool:
        try:
            own, raw, proof = (bytes.fromhex(given) for given in (each.public, public, signature))
        except ValueError:
            return False
        return key_id(own) == each.key and self.verify(raw, KEY_PREFIX + each.form, proof)

    def has_signed(self, signed: Signed) -> bool:
        """Whether a trusted key has signed a checkpoint, in its time: until a day after its successor's began."""
        told, public = signed.checkpoint, self._known.get(signed.checkpoint.key)
        until = self._ends.get(told.key)
        if public is None or (until is not None and told.at > until):
            return False
        return self.verify(bytes.fromhex(public), CHECKPOINT_PREFIX + signed.form, bytes.fromhex(signed.signature))

    def may_not_know(self, signed: Signed) -> bool:
        """Whether a checkpoint's key is none that the log tells, and nobody said which keys are trusted."""
        return self.trusted is None and signed.checkpoint.key not in self._known
