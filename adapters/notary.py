"""The notary: makes checkpoints of the audit chain, with the key of this host's file."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from uuid import UUID

import structlog

from adapters.audit_key import SETTING, Signer, new_signer, read_signer
from adapters.store.checkpoints import CheckpointStore, Standing
from gateway.audit import AuditAction, AuditEvent
from gateway.checkpoint import OVERLAP, KeyStatement, Signed
from gateway.errors import ConfigurationError, TroubleError

log = structlog.get_logger()

LOOK_SECONDS = 1.0
"""Between two looks at what no checkpoint covers."""


class Keys:
    """The keys of one log, and the private one in a file.

    Args:
        store: the log's checkpoints.
        file: of the private key; None: checkpoints are not signed here.

    """

    def __init__(self, store: CheckpointStore, file: Path | None) -> None:
        self._store = store
        self.file = file
        self._read: tuple[int, Signer] | None = None

    def prepare(self, installation: UUID, principal: str) -> None:
        """Make the first key of a log that has none (audited), in the file or of what it holds already; else warn."""
        if self._store.keys():
            return
        if self.file is None:
            log.warning("audit.no-key", setting=SETTING, rule="without a key the audit trail has no checkpoints")
            return
        self.new(installation, principal)

    def new(self, installation: UUID, principal: str) -> KeyStatement:
        """Make the log's first key (audited).

        Raises:
            ConfigurationError: no file is named, or it cannot be used.
            StateConflict: the log has a key.

        """
        file = self._named()
        signer = read_signer(file) if file.exists() else new_signer()
        if not file.exists():
            signer.write(file)
        return self._add(signer, None, installation, principal)

    def rotate(self, installation: UUID, principal: str) -> KeyStatement:
        """Put a new key into the file, signed by the old one, which is gone then (audited).

        Killed on the way, it is ended by being asked for again: until the new file has the old one's name, the old key
        signs on.

        Raises:
            ConfigurationError: the file cannot be used.
            StateConflict: the file's key is not the log's last one.

        """
        file = self._named()
        with _alone_in(file.parent):
            return self._rotate(file, installation, principal)

    def _rotate(self, file: Path, installation: UUID, principal: str) -> KeyStatement:
        following = file.with_name(file.name + ".new")
        old, known = read_signer(file), self._store.keys()
        if following.exists() and known and known[-1].key == read_signer(following).key:
            statement = known[-1]
        else:
            following.unlink(missing_ok=True)
            new = new_signer()
            new.write(following)
            statement = self._add(new, old, installation, principal)
        following.replace(file)
        return statement

    def _add(self, signer: Signer, before: Signer | None, installation: UUID, principal: str) -> KeyStatement:
        now = datetime.now(UTC)
        statement = signer.statement(str(installation), now, before)
        action = AuditAction.AUDIT_KEY_ROTATED if before else AuditAction.AUDIT_KEY_MADE
        detail = {"key": statement.key, "previous": statement.previous}
        self._store.add_key(statement, AuditEvent(now, action, principal, detail=detail))
        return statement

    def _named(self) -> Path:
        if self.file is None:
            raise ConfigurationError("the file of the private key is expected", path=SETTING)
        return self.file

    def held(self) -> Signer | None:
        """Give the key in the file; None where there is no file that can be read."""
        with suppress(ConfigurationError):
            return read_signer(self.file) if self.file is not None else None
        return None

    def signer(self, now: datetime) -> Signer | None:
        """Give the key that signs; None where there is no file, or its key is not, or no longer, the log's."""
        if self.file is None:
            return None
        try:
            changed = self.file.stat().st_mtime_ns
        except OSError:
            return None
        if self._read is None or self._read[0] != changed:
            self._read = changed, read_signer(self.file)
        signer, keys = self._read[1], self._store.keys()
        late = any(each.previous == signer.key and now > each.valid_from + OVERLAP for each in keys)
        return None if late or signer.key not in {each.key for each in keys} else signer


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """No other process of this host changes the key meanwhile: one would put away what the other has just made."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigurationError(f"a file in a readable folder is expected: {error.strerror}", path=SETTING) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class Notary:
    """Makes checkpoints when they are due.

    Args:
        store: where they go.
        keys: the log's keys.
        events: a checkpoint is due when so many seals have none,
        seconds: or when the last one is so old and any seal has none.

    """

    def __init__(self, store: CheckpointStore, keys: Keys, events: int, seconds: float) -> None:
        self._store = store
        self._keys = keys
        self._events = events
        self._seconds = seconds
        self._told = ""

    def run(self, stop: Event) -> None:
        """Make what is due until told to stop, and one over all that is left then."""
        while not stop.wait(LOOK_SECONDS):
            self._look(last=False)
        self._look(last=True)

    def _look(self, *, last: bool) -> None:
        try:
            self.make(datetime.now(UTC), at_once=last)
            self._told = ""
        except (TroubleError, ConfigurationError) as error:
            self._warn(error.name)

    def make(self, now: datetime, *, at_once: bool = False) -> list[Signed]:
        """Make the checkpoints that are due; none without a key.

        Args:
            now: aware instant.
            at_once: over all that is sealed, due or not.

        """
        made: list[Signed] = []
        while self._is_due(self._store.standing(), now, at_once=at_once or bool(made)):
            signer = self._keys.signer(now)
            if signer is None:
                self._warn("no key of this log's")
                break
            signed = self._store.make(signer.signed, signer.key, now)
            if signed is None:
                break
            made.append(signed)
            told = signed.checkpoint
            log.info("audit.checkpoint", number=told.number, first=told.first, count=told.count)
        return made

    def _is_due(self, standing: Standing, now: datetime, *, at_once: bool) -> bool:
        bare = standing.sealed - standing.covered
        if bare <= 0:
            return False
        age = None if standing.made_at is None else (now - standing.made_at).total_seconds()
        # A clock that was put back makes the last one younger than nothing: it is old enough then.
        return at_once or bare >= self._events or age is None or not 0 <= age < self._seconds

    def _warn(self, why: str) -> None:
        """Say once why no checkpoint is made."""
        if why != self._told:
            log.warning("audit.no-checkpoint", reason=why)
            self._told = why
