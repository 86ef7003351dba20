"""How time presses on work items: deadline, ladder, and when the clockwork is to look at each again.

Items that stand already have no deadline; what people hold, and have put on hold, is seen by the clockwork.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from adapters.store.schema import DEED, ESCALATES, IN_HAND, LATE, ON_HOLD, UNSHOWN, Instant, Json

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_INDEXES = {
    ("escalates_at",): ESCALATES,
    ("held_until",): ON_HOLD,
    ("active_at",): IN_HAND,
    ("secretariat", "alarmed"): LATE,
}
_ACT = ["secretariat", "deed", "at"]
_ACTS = f"ix_work_item_history_{'_'.join(_ACT)}"
_ORDERS = "ix_order_expected_unshown"
_COLUMNS = ("held_until", "active_at", "deadline", "rungs", "escalates_at", "alarmed")


def upgrade() -> None:
    """Bring the schema here."""
    op.add_column("work_item", sa.Column("held_until", Instant))
    op.add_column("work_item", sa.Column("active_at", Instant))
    op.add_column("work_item", sa.Column("deadline", sa.String(64), nullable=False, server_default=""))
    op.add_column("work_item", sa.Column("rungs", sa.Integer, nullable=False, server_default="0"))
    op.add_column("work_item", sa.Column("escalates_at", Instant))
    op.add_column("work_item", sa.Column("alarmed", sa.Boolean, nullable=False, server_default=sa.false()))
    _copy_hands()
    for columns, where in _INDEXES.items():
        name = op.f(f"ix_work_item_{'_'.join(columns)}")
        op.create_index(name, "work_item", list(columns), sqlite_where=where, postgresql_where=where)
    # What was ordered before is on the list of what is expected, and not suddenly an item each.
    op.add_column("order_expected", sa.Column("shown", sa.Boolean, nullable=False, server_default=sa.true()))
    op.create_index(_ORDERS, "order_expected", ["since"], sqlite_where=UNSHOWN, postgresql_where=UNSHOWN)
    op.create_index(op.f(_ACTS), "work_item_history", _ACT, sqlite_where=DEED, postgresql_where=DEED)


def _copy_hands() -> None:
    """Let what people hold, and have put on hold, be found by its time."""
    instants = [sa.column(name, Instant) for name in ("held_until", "active_at")]
    item: Any = sa.table("work_item", sa.column("id"), sa.column("state"), sa.column("hand", Json), *instants)
    connection = op.get_bind()
    after = ""
    while True:
        page = sa.select(item.c.id, item.c.hand).where(item.c.id > after, item.c.state.in_(("claimed", "on-hold")))
        if not (found := connection.execute(page.order_by(item.c.id).limit(1_000)).all()):
            return
        update = sa.update(item).where(item.c.id == sa.bindparam("one"))
        update = update.values(held_until=sa.bindparam("until"), active_at=sa.bindparam("active"))
        hands = [{"one": i, "until": _instant(h, "until"), "active": _instant(h, "active_at")} for i, h in found]
        connection.execute(update, hands)
        after = found[-1].id


def _instant(hand: dict[str, Any], name: str) -> Any:
    told = hand.get(name)
    return datetime.fromisoformat(told) if told else None


def downgrade() -> None:
    """Go back: no time presses on any item."""
    op.drop_index(_ORDERS, table_name="order_expected")
    op.drop_column("order_expected", "shown")
    op.drop_index(op.f(_ACTS), table_name="work_item_history")
    for columns in _INDEXES:
        op.drop_index(op.f(f"ix_work_item_{'_'.join(columns)}"), table_name="work_item")
    for column in _COLUMNS:
        op.drop_column("work_item", column)
