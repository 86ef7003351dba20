"""Checkpoints in the store: made over what is sealed, told to each place outside in order, and its public keys."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from adapters.store import schema
from adapters.store.audit import append
from adapters.store.chain import checkpoints, sealed_form, signed_in
from adapters.store.chain import keys as all_keys
from adapters.store.database import Database
from gateway.audit import GENESIS, AuditEvent
from gateway.checkpoint import NOTHING, Checkpoint, KeyStatement, Signed
from gateway.errors import ResourceNotFound, StateConflict
from gateway.inclusion import Inclusion
from gateway.merkle import Tree

MOST_LEAVES = 65_536
"""Seals that one checkpoint covers at most."""

_NOTARY_LOCK = 0xCEC4
_checkpoints, _keys, _sinks = schema.audit_checkpoint, schema.audit_key, schema.audit_sink
_seals, _events = schema.audit_seal, schema.audit_event


@dataclass(frozen=True, slots=True)
class Standing:
    """What checkpoints there are, and what none covers yet.

    Attributes:
        number: of the last one; 0 without any.
        covered: sequence of the last seal under it.
        sealed: sequence of the last seal.
        made_at: when the last one was made.

    """

    number: int
    covered: int
    sealed: int
    made_at: datetime | None


@dataclass(frozen=True, slots=True)
class Checkpointing:
    """How far checkpoints and the places outside are.

    Attributes:
        number: of the last checkpoint; 0 without any.
        bare: sealed events that no checkpoint covers.
        bare_since: when the first of them was written.
        waiting: sink -> checkpoints that it has not taken.
        waiting_since: sink -> when the first of them was made.
        keys: keys that the log knows; without one nothing signs it.

    """

    number: int = 0
    bare: int = 0
    bare_since: datetime | None = None
    waiting: Mapping[str, int] = field(default_factory=dict)
    waiting_since: Mapping[str, datetime | None] = field(default_factory=dict)
    keys: int = 0


def checkpointing(connection: Connection) -> Checkpointing:
    """Give how far they are."""
    standing = _standing(connection)
    bare = standing.sealed - standing.covered
    taken = {row.name: row.number for row in connection.execute(select(_sinks))}
    since = {
        name: connection.execute(select(_checkpoints.c.at).where(_checkpoints.c.number == number + 1)).scalar()
        for name, number in taken.items()
    }
    waiting = {name: standing.number - number for name, number in taken.items()}
    first_bare = select(_events.c.at).join(_seals, _seals.c.event_id == _events.c.id)
    wanted = first_bare.where(_seals.c.sequence == standing.covered + 1)
    bare_since = connection.execute(wanted).scalar() if bare else None
    known = connection.execute(select(func.count()).select_from(_keys)).scalar_one()
    return Checkpointing(standing.number, bare, bare_since, waiting, since, known)


class CheckpointStore:
    """The checkpoints of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- keys ------------------------------------------------------------------------------------------------------

    def keys(self) -> list[KeyStatement]:
        """Give all keys of the log, the first one first."""
        with self._database.read() as connection:
            return all_keys(connection)

    def add_key(self, statement: KeyStatement, event: AuditEvent) -> None:
        """Add a key (audited), which follows the last one.

        Raises:
            StateConflict: another key came first.

        """
        with self._database.write() as connection:
            self._take_turn(connection)
            known = all_keys(connection)
            if statement.previous != (known[-1].key if known else ""):
                raise StateConflict("the log has another key by now")
            row = {"number": len(known) + 1, "id": statement.key, "content": statement.line.decode()}
            connection.execute(insert(_keys).values(row))
            append(connection, [event])

    # -- making ----------------------------------------------------------------------------------------------------

    def standing(self) -> Standing:
        """Give what is covered, and what is not."""
        with self._database.read() as connection:
            return _standing(connection)

    def make(self, sign: Callable[[Checkpoint], Signed], key: str, now: datetime) -> Signed | None:
        """Make the checkpoint over what none covers yet, at most MOST_LEAVES seals; None if that is nothing.

        Args:
            sign: signs it.
            key: id of the key.
            now: aware instant.

        """
        with self._database.write() as connection:
            self._take_turn(connection)
            last = _last(connection)
            first = last.checkpoint.last + 1 if last else 1
            wanted = select(_seals).where(_seals.c.sequence >= first).order_by(_seals.c.sequence).limit(MOST_LEAVES)
            seals = connection.execute(wanted).all()
            if not seals:
                return None
            log = connection.execute(select(schema.installation.c.id)).scalar_one()
            checkpoint = Checkpoint(
                number=last.checkpoint.number + 1 if last else 1,
                log=log,
                first=first,
                count=len(seals),
                root=Tree(bytes.fromhex(seal.digest) for seal in seals).root().hex(),
                digest=seals[-1].digest,
                first_at=_at(connection, seals[0].event_id) or now,
                last_at=_at(connection, seals[-1].event_id) or now,
                previous=last.hash if last else NOTHING,
                key=key,
                at=now,
            )
            signed = sign(checkpoint)
            row = {"number": checkpoint.number, "last": checkpoint.last, "at": now, "content": signed.line.decode()}
            connection.execute(insert(_checkpoints).values(row))
        return signed

    def _take_turn(self, connection: Connection) -> None:
        if not self._database.sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(_NOTARY_LOCK)))

    # -- telling ---------------------------------------------------------------------------------------------------

    def after(self, number: int, limit: int) -> list[Signed]:
        """Give the checkpoints that follow a number, in order."""
        with self._database.read() as connection:
            return checkpoints(connection, number, limit)

    def taken(self, sink: str) -> int:
        """Give the number of the checkpoint that a place outside has taken last; 0 before the first."""
        with self._database.read() as connection:
            return connection.execute(select(_sinks.c.number).where(_sinks.c.name == sink)).scalar() or 0

    def expect(self, sinks: Sequence[str]) -> None:
        """Remember which places outside there are, so that what waits for them is seen; others are forgotten."""
        with self._database.write() as connection:
            known = set(connection.execute(select(_sinks.c.name)).scalars())
            for name in sorted(set(sinks) - known):
                connection.execute(insert(_sinks).values(name=name, number=0))
            for name in sorted(known - set(sinks)):
                connection.execute(_sinks.delete().where(_sinks.c.name == name))

    def took(self, sink: str, number: int, now: datetime) -> None:
        """Note that a place outside has taken the checkpoints up to a number."""
        with self._database.write() as connection:
            connection.execute(update(_sinks).where(_sinks.c.name == sink).values(number=number, told_at=now))

    # -- proving ---------------------------------------------------------------------------------------------------

    def inclusion(self, event: int) -> Inclusion:
        """Give where an event stands in the log, and the checkpoint over it.

        Raises:
            ResourceNotFound: there is no such event, or it has no seal yet.
            StateConflict: no checkpoint covers it yet.

        """
        with self._database.read() as connection:
            place, form = sealed_form(connection, event)
            if not form:
                raise ResourceNotFound("the number of a sealed audit event that can be read is expected")
            wanted = select(_checkpoints.c.content).where(_checkpoints.c.last >= place).order_by(_checkpoints.c.last)
            content = connection.execute(wanted.limit(1)).scalar()
            if content is None:
                raise StateConflict("no checkpoint covers this event yet")
            signed = signed_in(content)
            first, last = signed.checkpoint.first, signed.checkpoint.last
            under = select(_seals.c.sequence, _seals.c.digest).where(_seals.c.sequence.between(first - 1, last))
            digests = {row.sequence: row.digest for row in connection.execute(under)}
        leaves = [bytes.fromhex(digests[sequence]) for sequence in sorted(digests) if sequence >= first]
        return Inclusion(place, form, digests.get(place - 1, GENESIS), signed, leaves)


def _last(connection: Connection) -> Signed | None:
    wanted = select(_checkpoints.c.content).order_by(_checkpoints.c.number.desc()).limit(1)
    content = connection.execute(wanted).scalar()
    return signed_in(content) if content else None


def _standing(connection: Connection) -> Standing:
    wanted = select(_checkpoints.c.number, _checkpoints.c.last, _checkpoints.c.at)
    last: Any = connection.execute(wanted.order_by(_checkpoints.c.number.desc()).limit(1)).first()
    sealed = connection.execute(select(func.max(_seals.c.sequence))).scalar() or 0
    return Standing(last.number, last.last, sealed, last.at) if last else Standing(0, 0, sealed, None)


def _at(connection: Connection, event: int) -> datetime | None:
    return connection.execute(select(_events.c.at).where(_events.c.id == event)).scalar()
