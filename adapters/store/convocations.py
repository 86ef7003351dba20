"""Convocations in the store: listed with their patients, and acted on beside the workers."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, exists, select

from adapters.store import rows, schema
from adapters.store.database import Database
from adapters.store.keys import among
from adapters.store.work import Work
from gateway.convocation import Convocations
from gateway.focus import FocusKind
from gateway.identity import Person
from gateway.pipeline import Changes, Needs
from gateway.state import State

_known, _item, _key = schema.convocation, schema.work_item, schema.focus_key
_record, _person = schema.identity, schema.person


@dataclass(frozen=True, slots=True)
class ConvocationView:
    """The convocations of one appointment with the person whom they are about now."""

    convocations: Convocations
    person: Person


class ConvocationDesk:
    """What people see and do of the convocations of one database.

    Args:
        database: the database.
        work: loads what an act may touch, and flushes what it did.

    """

    def __init__(self, database: Database, work: Work) -> None:
        self._database = database
        self._work = work

    def listed(
        self,
        secretariats: Sequence[str] | None,
        *,
        states: Sequence[str] = (),
        channel: str = "",
        kind: str = "",
        limit: int,
    ) -> list[ConvocationView]:
        """Give convocations, those that start first before others.

        Args:
            secretariats: whose items tell of them; None: anybody's.
            states: states of the live one, or the last; empty: any.
            channel: how they are told; empty: anyhow.
            kind: what to; empty: anything.
            limit: at most so many.

        """
        statement = _viewing().order_by(_known.c.starts, _known.c.focus_id).limit(limit)
        if states:
            statement = statement.where(_known.c.state.in_(states))
        for column, wanted in ((_known.c.channel, channel), (_known.c.kind, kind)):
            if wanted:
                statement = statement.where(column == wanted)
        if secretariats is not None:
            own = exists().where(_item.c.focus_id == _known.c.focus_id, _item.c.secretariat.in_(secretariats))
            statement = statement.where(own)
        with self._database.read() as connection:
            return [_view(row) for row in connection.execute(statement).mappings()]

    def one(self, appointment: str) -> tuple[ConvocationView, frozenset[str]] | None:
        """Give the convocations of an appointment or stay, and the secretariats whose items tell of them."""
        queues = select(_item.c.secretariat).where(_item.c.focus_id == appointment)
        with self._database.read() as connection:
            row = connection.execute(_viewing().where(_known.c.focus_id == appointment)).mappings().first()
            return (_view(row), frozenset(connection.execute(queues).scalars())) if row else None

    def read(self, appointments: Collection[str]) -> State:
        """Give all that is known of appointments, to look at."""
        with self._database.read() as connection:
            return self._work.load(connection, _needs(connection, appointments))

    def act(self, appointments: Collection[str], decide: Callable[[State], Changes], now: datetime) -> None:
        """Let an act take effect while nobody else changes these appointments or their people.

        Args:
            appointments: ids of the objects whose convocations are acted on.
            decide: given all that is known of them; what it raises leaves everything as it is.
            now: aware instant of the act.

        """
        with self._database.write() as connection:
            self._database.share_pipeline(connection)
            needs = _needs(connection, appointments)
            if connection.dialect.name != "sqlite":
                self._work.hold(connection, needs)
            state = self._work.load(connection, needs)
            self._work.flush(connection, state, decide(state), now)


def _needs(connection: Connection, appointments: Collection[str]) -> Needs:
    found = connection.execute(select(_key).where(among(connection, _key.c.focus_id, appointments))).mappings()
    foci = frozenset((FocusKind(row["kind"]), row["authority"], row["value"]) for row in found)
    return Needs(frozenset(), frozenset(), foci)


def _viewing() -> Select[Any]:
    return (
        select(_known.c.content, _person.c.golden)
        .join_from(_known, _record, _record.c.id == _known.c.identity_id)
        .join(_person, _person.c.id == _record.c.person_id)
    )


def _view(row: Any) -> ConvocationView:
    return ConvocationView(rows.convocations(row["content"]), rows.person(row["golden"]))
