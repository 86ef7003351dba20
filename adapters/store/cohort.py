"""The stored identities as training reads them: few at a time, by transactions of their own that hold nobody up.

Their ids are random (UUID), so the first ones in that order are a fair sample of all.
"""

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import Connection, func, select

from adapters.store import rows, schema
from adapters.store.alike import find_alike
from adapters.store.database import Database
from adapters.store.keys import among
from gateway.identity import Identity
from gateway.likeness import filed_keys, likeness
from gateway.matching.record import Prepared
from gateway.recognition import FICTITIOUS

BATCH = 500

_record = schema.identity


class Cohort:
    """The identities of one database.

    Args:
        database: the database.

    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def size(self) -> int:
        """Give how many records are stored."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(_record)).scalar_one()

    def records(self) -> Iterator[list[Prepared]]:
        """Give the records, those aside of whom there is nothing to learn: retired, of a doubt, fictitious, frozen."""
        for batch in self._batches():
            yield [likeness(one.id, one.patient) for one in batch]

    def pairs(self) -> Iterator[tuple[int, list[tuple[Prepared, Prepared]]]]:
        """Give, batch by batch, how many records were looked at, and their candidate pairs, each pair once."""
        for batch in self._batches():
            with self._database.read() as connection:
                keys = {one.id: filed_keys(one) for one in batch}
                found: dict[str, set[str]] = {}
                for key, other in find_alike(connection, frozenset().union(*keys.values())).pairs:
                    found.setdefault(key, set()).add(other)
                near = {i: {o for key in own for o in found.get(key, ()) if o > i} for i, own in keys.items()}
                others = _of(connection, set().union(*near.values()))
            yield len(batch), list(_paired(batch, near, others))

    def _batches(self) -> Iterator[Sequence[Identity]]:
        after = ""
        while True:
            wanted = select(_record).where(_record.c.id > after).order_by(_record.c.id).limit(BATCH)
            with self._database.read() as connection:
                found = [rows.identity(dict(row)) for row in connection.execute(wanted).mappings()]
            if not found:
                return
            after = found[-1].id
            yield [one for one in found if _teaches(one)]


def _teaches(one: Identity) -> bool:
    return not (one.retired or one.frozen or one.origin is not None or FICTITIOUS in one.patient.attributes)


def _of(connection: Connection, ids: Collection[str]) -> dict[str, Prepared]:
    found = connection.execute(select(_record).where(among(connection, _record.c.id, ids))).mappings()
    identities = (rows.identity(dict(row)) for row in found)
    return {one.id: likeness(one.id, one.patient) for one in identities if _teaches(one)}


def _paired(
    batch: Sequence[Identity], near: dict[str, set[str]], others: dict[str, Prepared]
) -> Iterator[tuple[Prepared, Prepared]]:
    for one in batch:
        known = [others[other] for other in near[one.id] if other in others]
        own = likeness(one.id, one.patient) if known else None
        yield from ((own, other) for other in known if own is not None)
