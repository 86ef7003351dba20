"""Work items and appointments as they stand, with the person of each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from adapters.store import rows, schema
from adapters.store.database import Database
from gateway.facts import AppointmentReported, Identifier, Priority
from gateway.focus import FocusKind, StoredAppointment
from gateway.identity import Person
from gateway.principal import Principal
from gateway.reception import Format
from gateway.sight import Sight, seen, sight
from gateway.worklist import ItemKind, ItemState, WorkItem

_item, _focus, _message = schema.work_item, schema.focus, schema.message
_OPEN = frozenset(s for s in ItemState if s not in {ItemState.DONE, ItemState.WITHDRAWN})


@dataclass(frozen=True, slots=True)
class ItemView:
    """A work item with the person that it concerns now.

    Attributes:
        item: the item.
        person: who it is about.
        sight: how much of both is there, for whoever asked.

    """

    item: WorkItem
    person: Person
    sight: Sight = Sight.MEDICAL

    def seen_by(self, principal: Principal, sensitive: Collection[str]) -> "ItemView":
        """Give it as a principal may see it, given the sensitive secretariats."""
        how = sight(principal, self.item.secretariat, self.person, sensitive)
        return ItemView(*seen(self.item, self.person, how), how)


@dataclass(frozen=True, slots=True)
class Step:
    """One version of an item."""

    version: int
    at: datetime
    state: ItemState
    priority: Priority
    title: str
    message: int
    principal: str
    secretariat: str = ""
    holder: str = ""
    deed: str = ""
    note: str = ""
    changed: tuple[str, ...] = ()


class Worklist:
    """The worklists of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def items(
        self,
        secretariats: Sequence[str] | None,
        *,
        kind: ItemKind | None = None,
        states: Sequence[ItemState] = (),
        limit: int = 1_000,
    ) -> list[ItemView]:
        """Give items in the order in which they are to be done (gateway.worklist.WorkItem.place).

        Args:
            secretariats: whose; None: everybody's.
            kind: of which kind; None: of any.
            states: in which states; empty: in any.
            limit: at most so many.

        """
        statement = _viewing().order_by(_item.c.place, _item.c.id).limit(limit)
        if secretariats is not None:
            statement = statement.where(_item.c.secretariat.in_(secretariats))
        if kind is not None:
            statement = statement.where(_item.c.kind == kind)
        if states and _OPEN.issuperset(states):
            statement = statement.where(schema.OPEN_ITEM)  # by the partial index, in order
        if states and set(states) != _OPEN:
            statement = statement.where(_item.c.state.in_(states))
        with self._database.read() as connection:
            return [_view(row) for row in connection.execute(statement).mappings()]

    def item(self, item_id: str) -> ItemView | None:
        """Give one item."""
        with self._database.read() as connection:
            row = connection.execute(_viewing().where(_item.c.id == item_id)).mappings().first()
            return _view(row) if row else None

    def of_message(self, number: int) -> list[ItemView]:
        """Give the items that a message changed."""
        step = schema.work_item_history
        changed = select(step.c.item_id).where(step.c.message_id == number, step.c.deed == "")
        with self._database.read() as connection:
            return [_view(row) for row in connection.execute(_viewing().where(_item.c.id.in_(changed))).mappings()]

    def history(self, item_id: str) -> list[Step]:
        """Give every version of an item, oldest first."""
        history = schema.work_item_history
        statement = select(history).where(history.c.item_id == item_id).order_by(history.c.version)
        with self._database.read() as connection:
            return [
                Step(
                    row.version,
                    row.at,
                    ItemState(row.state),
                    Priority(row.priority),
                    row.title,
                    row.message_id,
                    row.principal,
                    row.secretariat,
                    row.holder,
                    row.deed,
                    row.note,
                    tuple(row.changed),
                )
                for row in connection.execute(statement)
            ]

    def appointment(self, appointment_id: str) -> StoredAppointment | None:
        """Give the appointment with this id; None if there is none, or only facts that wait for it."""
        return next(iter(self._appointments(_focus.c.id == appointment_id)), None)

    def appointment_of(self, message: int) -> StoredAppointment | None:
        """Give the appointment that a message is about, as it stands; None while it waits for its booking."""
        outcome = schema.outcome
        with self._database.read() as connection:
            notes = connection.execute(select(outcome.c.notes).where(outcome.c.message_id == message)).scalar() or {}
        for entity, made in notes.get("objects", {}).items():
            kind, _, focus = entity.partition("/")
            if kind == FocusKind.APPOINTMENT and (found := self.appointment(focus)):
                return replace(found, made=made)
        return None

    def appointments(self, key: Identifier) -> list[StoredAppointment]:
        """Give the appointments that a business identifier finds."""
        focus_key = schema.focus_key
        found = select(focus_key.c.focus_id).where(
            focus_key.c.kind == FocusKind.APPOINTMENT,
            focus_key.c.authority == key.authority,
            focus_key.c.value == key.value,
        )
        return self._appointments(_focus.c.id.in_(found))

    def identities_of(self, foci: Sequence[str]) -> list[str]:
        """Give the identity records by which these objects came."""
        with self._database.read() as connection:
            return list(connection.execute(select(_focus.c.identity_id).where(_focus.c.id.in_(foci))).scalars())

    def _appointments(self, where: Any) -> list[StoredAppointment]:
        statement = (
            select(_focus, _message.c.format, schema.message_body.c.raw)
            .join(_message, _message.c.id == _focus.c.message_id)
            .outerjoin(schema.message_body, schema.message_body.c.message_id == _message.c.id)
            .where(where, _focus.c.kind == FocusKind.APPOINTMENT, _focus.c.fact_type.is_not(None))
        )
        with self._database.read() as connection:
            return [_appointment(row) for row in connection.execute(statement).mappings()]


def _viewing() -> Select[Any]:
    identity, person = schema.identity, schema.person
    return (
        select(_item, person.c.golden)
        .join(identity, identity.c.id == _item.c.identity_id)
        .join(person, person.c.id == identity.c.person_id)
    )


def _view(row: Any) -> ItemView:
    return ItemView(rows.item(row), rows.person(row["golden"]))


def _appointment(row: Any) -> StoredAppointment:
    focus = rows.focus(row)
    assert isinstance(focus.fact, AppointmentReported)
    resource = bytes(row["raw"] or b"") if row["format"] == Format.FHIR else b""
    return StoredAppointment(focus.id, focus.version, focus.updated_at, focus.fact, resource)
