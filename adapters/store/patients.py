"""Patients as other systems may find them: by number, by the day of birth, by likeness; whole persons, in one state."""

from collections.abc import Collection
from datetime import date

from sqlalchemy import Connection, and_, exists, or_, select

from adapters.store import rows, schema
from adapters.store.database import Database
from adapters.store.keys import among
from adapters.store.work import Work
from gateway.errors import SearchTooBroad
from gateway.facts import Identifier, Patient
from gateway.patients import KnownPatient, Likely, Sought, known_patient, likely
from gateway.pipeline import Needs
from gateway.site import Environment

MOST_BORN = 10_000
"""Persons born on one day that are looked through."""

MOST_FOUND = 200
"""Patients that a search may find."""

_record, _person = schema.identity, schema.person


class Patients:
    """The patients of one database.

    Args:
        database: the database.
        work: loads what is alike.

    """

    def __init__(self, database: Database, work: Work) -> None:
        self._database = database
        self._work = work

    def numbered(self, number: Identifier) -> list[KnownPatient]:
        """Give who bears a number, or holds it as the INS of a qualified identity; more than one is a collision."""
        by_key = and_(_record.c.authority == number.authority, _record.c.value == number.value)
        by_ins = and_(_record.c.ins_value == number.value, _record.c.ins_authority == number.authority)
        with self._database.read() as connection:
            found = connection.execute(select(_record.c.person_id).where(or_(by_key, by_ins)).distinct()).scalars()
            return _whole(connection, list(found))

    def knows(self, authority: str) -> bool:
        """Whether any number of a domain is stored."""
        with self._database.read() as connection:
            return bool(connection.execute(select(exists().where(_record.c.authority == authority))).scalar())

    def persons(self, ids: Collection[str]) -> list[KnownPatient]:
        """Give the persons with these ids; one whose records are all another's by now is none."""
        with self._database.read() as connection:
            return _whole(connection, ids)

    def born(self, on: str, sought: Sought) -> list[KnownPatient]:
        """Give who was born on a day, ISO, and is as sought; not the provisional records of doubts.

        Raises:
            SearchTooBroad: they are too many to be looked through.

        """
        born = and_(_record.c.birth_date == on, ~_record.c.retired, _record.c.origin_value.is_(None))
        ids = select(_record.c.person_id).where(born).distinct().limit(MOST_BORN + 1)
        golden = select(_person.c.golden).where(_person.c.id.in_(ids.scalar_subquery()))
        with self._database.read() as connection:
            stored = connection.execute(golden).scalars().all()
            found = [person for person in map(rows.person, stored) if sought.finds(person.traits)]
            if len(stored) > MOST_BORN or len(found) > MOST_FOUND:
                raise SearchTooBroad(f"more than {MOST_FOUND} patients fit: more of the names is expected")
            return _whole(connection, [person.id for person in found])

    def like(self, described: Patient, on: date, environment: Environment) -> list[Likely]:
        """Give who is like a patient, the surest first, by the matcher's weights in force."""
        needs = Needs(frozenset(), frozenset(), frozenset(), patients={("", ""): (described,)})
        with self._work.read() as connection:
            state = self._work.load(connection, needs)
        return likely(state, described, on, testing=environment is Environment.TEST)


def _whole(connection: Connection, persons: Collection[str]) -> list[KnownPatient]:
    """Give persons with all their records, in the order of their ids."""
    if not persons:
        return []
    whole = select(_record, _person.c.golden).join_from(_record, _person, _person.c.id == _record.c.person_id)
    found: dict[str, list[dict[str, object]]] = {}
    for row in connection.execute(whole.where(among(connection, _record.c.person_id, persons))).mappings():
        found.setdefault(row["person_id"], []).append(dict(row))
    return [
        known_patient(rows.person(members[0]["golden"]), [rows.identity(row) for row in members])
        for _, members in sorted(found.items())
    ]
