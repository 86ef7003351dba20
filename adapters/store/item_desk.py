"""The secretaries' side of the store: items taken in hand, one transaction an act, beside the workers."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, select

from adapters.store import rows, schema
from adapters.store.database import Database
from adapters.store.keys import among, lock_all
from adapters.store.work import OBJECT, PERSON, Work
from gateway.pipeline import Changes
from gateway.state import State
from gateway.worklist import Former

_item, _record, _person, _step = schema.work_item, schema.identity, schema.person, schema.work_item_history

Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class LastStep:
    """The last step in an item's life: who took it, and what undoing it restores."""

    principal: str
    former: Former | None


@dataclass(frozen=True, slots=True)
class Seen:
    """Items as they stand with their records and people, and the last step of each."""

    state: State
    steps: Mapping[str, LastStep]


class ItemDesk:
    """What people do with the items of one database.

    Args:
        database: the database.
        work: flushes what they did.

    """

    def __init__(self, database: Database, work: Work) -> None:
        self._database = database
        self._work = work

    def act(
        self,
        items: Collection[str],
        decide: Callable[[Seen], Changes],
        now: datetime,
        *,
        identities: Collection[str] = (),
    ) -> None:
        """Let an act take effect while nobody else changes these items, nor the people of these records.

        Args:
            items: ids of the items acted on; those that are not there are not in the state.
            decide: given the items, their records and people; what it raises leaves everything as it is.
            now: aware instant of the act.
            identities: ids of further records that the act is about.

        """
        with self._database.write() as connection:
            self._database.share_pipeline(connection)
            self._hold(connection, items, identities)
            state = load_items(connection, among(connection, _item.c.id, items), identities)
            changes = decide(Seen(state, _last_steps(connection, items)))
            self._work.flush(connection, state, changes, now)

    def records(self, named: str, authority: str = "") -> list[str]:
        """Give the ids of the records with this id or number; retired ones are none.

        Args:
            named: id, or number.
            authority: domain of the number, which it then is; empty: whichever.

        """
        found = select(_record.c.id).where((_record.c.value == named) | (_record.c.id == named), ~_record.c.retired)
        if authority:
            found = found.where(_record.c.value == named, _record.c.authority == authority)
        with self._database.read() as connection:
            return list(connection.execute(found).scalars())

    def _hold(self, connection: Connection, items: Collection[str], identities: Collection[str]) -> None:
        """Keep the people and objects of these items from the workers, by the names that these lock (PostgreSQL).

        Whom an item concerns may change while its lock is waited for: then that person's is taken, too.
        """
        if connection.dialect.name == "sqlite":
            return
        held: set[Name] = set()
        while missing := self._names(connection, items, identities) - held:
            lock_all(connection, missing)
            held |= missing

    @staticmethod
    def _names(connection: Connection, items: Collection[str], identities: Collection[str]) -> set[Name]:
        about = select(_record.c.person_id, _item.c.focus_id).join(_record, _record.c.id == _item.c.identity_id)
        found = connection.execute(about.where(among(connection, _item.c.id, items))).all()
        further = select(_record.c.person_id).where(among(connection, _record.c.id, identities))
        people = {row.person_id for row in found} | set(connection.execute(further).scalars())
        return {(PERSON, person) for person in people} | {(OBJECT, row.focus_id) for row in found}


def load_items(connection: Connection, where: ColumnElement[bool], identities: Collection[str] = ()) -> State:
    """Give the items under a condition with their records and people, and those of further records."""
    state, wanted = State(), set(identities)
    for row in connection.execute(select(_item).where(where)).mappings():
        item = rows.item(dict(row))
        state.load_item(item)
        wanted.add(item.identity)
    known = select(_record, _person.c.golden).join(_person, _person.c.id == _record.c.person_id)
    for row in connection.execute(known.where(among(connection, _record.c.id, wanted))).mappings():
        state.load_identity(rows.identity(dict(row)))
        state.persons.load(row["person_id"], rows.person(row["golden"]))
    return state


def _last_steps(connection: Connection, items: Collection[str]) -> dict[str, LastStep]:
    newest = select(_step.c.item_id, _step.c.principal, _step.c.former).join(
        _item, (_item.c.id == _step.c.item_id) & (_item.c.version == _step.c.version)
    )
    found = connection.execute(newest.where(among(connection, _item.c.id, items)))
    return {row.item_id: LastStep(row.principal, rows.former(row.former)) for row in found}
