"""Application acknowledgments that are still to be told at an address of their source's own, in the store.

A row is made by the commit that receives the message and removed once the peer has taken what is told, so that neither
a kill of ours nor a peer that is away loses one. What is told follows from how the message ended.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, select

from adapters.store import schema
from adapters.store.bulk import within
from adapters.store.database import Database
from adapters.store.inbox import ENDED, ending
from adapters.store.keys import among
from gateway.reception import Outcome

BATCH_BYTES = 16 * 1024 * 1024
"""Bytes of the messages that are read at a time."""

_due, _message, _body, _outcome = schema.reply_due, schema.message, schema.message_body, schema.outcome


@dataclass(frozen=True, slots=True)
class ReplyDue:
    """What is to be told.

    Attributes:
        message: number of the message.
        raw: its bytes; None: they were purged, and nothing can be told of it any more.
        outcome: how it ended.

    """

    message: int
    raw: bytes | None
    outcome: Outcome


class StoredReplies:
    """The application acknowledgments that one database has still to tell."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self, source: str, limit: int) -> list[ReplyDue]:
        """Give what is due to a source, in the order of its messages, of those that have ended.

        At most so many, and of more than BATCH_BYTES together only one.
        """
        number, own = _due.c.message_id, _due.c.source == source
        ended = _due.join(_outcome, _outcome.c.message_id == number)
        sized = select(number, _message.c.size).select_from(ended.join(_message, _message.c.id == number))
        kept = ended.outerjoin(_body, _body.c.message_id == number)
        statement = select(*ENDED, _body.c.raw).select_from(kept).order_by(number)
        with self._database.read() as connection:
            wanted = list(within(BATCH_BYTES, connection.execute(sized.where(own).order_by(number).limit(limit))))
            found = connection.execute(statement.where(among(connection, number, wanted))).all() if wanted else []
        return [ReplyDue(r.message_id, None if r.raw is None else bytes(r.raw), ending(r)) for r in found]

    def told(self, messages: Collection[int]) -> None:
        """What is due for these messages was told, or is given up."""
        with self._database.write() as connection:
            connection.execute(delete(_due).where(among(connection, _due.c.message_id, messages)))
