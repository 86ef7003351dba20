"""Versions of the site's configuration that a service has run with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from adapters.store import schema
from adapters.store.audit import append
from adapters.store.database import Database
from gateway.audit import AuditEvent

_LOCK = 0xC0F1
_configuration = schema.configuration


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration as it came into force.

    Attributes:
        number: from 1, in order.
        version: its name.
        description: path -> value (mappings/site_description.py).
        principal: who started or reloaded the service with it.
        at: when.

    """

    number: int
    version: str
    description: Mapping[str, str]
    principal: str
    at: datetime


class Configurations:
    """The configurations of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Configuration]:
        """Give them in order."""
        with self._database.read() as connection:
            found = connection.execute(select(_configuration).order_by(_configuration.c.number)).mappings()
            return [Configuration(**row) for row in found]

    def take(
        self,
        version: str,
        description: Mapping[str, str],
        principal: str,
        at: datetime,
        event: Callable[[Configuration | None], AuditEvent],
    ) -> bool:
        """Keep a configuration unless it is the last one already, with its audit event; give whether it was kept.

        Args:
            version: its name.
            description: path -> value.
            principal: who brings it into force.
            at: aware instant.
            event: tells of it, given the one before it (None: it is the first).

        """
        with self._database.write() as connection:
            if not self._database.sqlite:  # several processes start at once, with one configuration
                connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            last = _last(connection)
            if last is not None and last.version == version:
                return False
            number = last.number + 1 if last else 1
            row = {"number": number, "version": version, "description": dict(description)}
            connection.execute(insert(_configuration).values(**row, principal=principal, at=at))
            append(connection, [event(last)])
            return True


def _last(connection: Connection) -> Configuration | None:
    row = (
        connection.execute(select(_configuration).order_by(_configuration.c.number.desc()).limit(1)).mappings().first()
    )
    return Configuration(**row) if row else None
