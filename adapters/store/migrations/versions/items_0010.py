"""What people make of work items: who holds one, until when, where it was forwarded to, and its place on the list.

The queue that the rules named is an item's origin; an object has one item for each, wherever people forwarded it to.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.store.schema import OPEN_ITEM, Instant, Json

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None

_BY_STATE = "ix_work_item_secretariat_state_created_at"
_BY_PLACE = "ix_work_item_secretariat_place_id"
_STEP = ("secretariat", "holder", "deed", "note", "changed", "former")
_ITEM = ("due", "place", "holder", "hand")


def upgrade() -> None:
    """Bring the schema here."""
    op.drop_index(op.f(_BY_STATE), table_name="work_item")
    op.execute("ALTER TABLE work_item RENAME COLUMN secretariat TO origin")
    op.add_column("work_item", sa.Column("secretariat", sa.String(64), nullable=False, server_default=""))
    op.add_column("work_item", sa.Column("due", Instant))
    op.add_column("work_item", sa.Column("place", sa.String(33), nullable=False, server_default=""))
    op.add_column("work_item", sa.Column("holder", sa.String(64), nullable=False, server_default=""))
    op.add_column("work_item", sa.Column("hand", Json, nullable=False, server_default="{}"))
    op.execute("UPDATE work_item SET secretariat = origin")
    _place()
    op.create_index(op.f(_BY_STATE), "work_item", ["secretariat", "state", "created_at"])
    places = ["secretariat", "place", "id"]
    op.create_index(op.f(_BY_PLACE), "work_item", places, sqlite_where=OPEN_ITEM, postgresql_where=OPEN_ITEM)
    step = "work_item_history"
    op.add_column(step, sa.Column("secretariat", sa.String(64), nullable=False, server_default=""))
    op.add_column(step, sa.Column("holder", sa.String(64), nullable=False, server_default=""))
    op.add_column(step, sa.Column("deed", sa.String(32), nullable=False, server_default=""))
    op.add_column(step, sa.Column("note", sa.Text, nullable=False, server_default=""))
    op.add_column(step, sa.Column("changed", Json, nullable=False, server_default="[]"))
    op.add_column(step, sa.Column("former", Json))


def _place() -> None:
    """Give every item its place: by priority, without a due time, by age (gateway.worklist.WorkItem.place)."""
    item: Any = sa.table(
        "work_item", *(sa.column(n) for n in ("id", "priority", "place")), sa.column("created_at", Instant)
    )
    ranks = {"stat": 0, "urgent": 1, "routine": 2}
    connection = op.get_bind()
    after = ""
    while True:
        page = sa.select(item.c.id, item.c.priority, item.c.created_at).where(item.c.id > after)
        if not (found := connection.execute(page.order_by(item.c.id).limit(1_000)).all()):
            return
        places = [{"one": i, "at": f"{ranks[p]}{'9' * 16}{_microseconds(c):016d}"} for i, p, c in found]
        update = sa.update(item).where(item.c.id == sa.bindparam("one")).values(place=sa.bindparam("at"))
        connection.execute(update, places)
        after = found[-1].id


def _microseconds(at: datetime) -> int:
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def downgrade() -> None:
    """Go back: what people made of items is forgotten, and each is where the rules had sent it."""
    for column in _STEP:
        op.drop_column("work_item_history", column)
    op.drop_index(op.f(_BY_PLACE), table_name="work_item")
    op.drop_index(op.f(_BY_STATE), table_name="work_item")
    for column in (*_ITEM, "secretariat"):
        op.drop_column("work_item", column)
    op.execute("ALTER TABLE work_item RENAME COLUMN origin TO secretariat")
    op.create_index(op.f(_BY_STATE), "work_item", ["secretariat", "state", "created_at"])
