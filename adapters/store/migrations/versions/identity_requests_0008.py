"""What the identity desk froze, and what it has requested of admissions, on each record."""

import sqlalchemy as sa
from alembic import op

from adapters.store.schema import Json

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_decision = sa.table("identity_decision", *map(sa.column, ("id", "kind", "standing", "one", "other")))
_record = sa.table("identity", sa.column("id"), sa.column("retired"), sa.column("requests", Json))


def upgrade() -> None:
    """Bring the schema here; merges requested before, and not made yet, stand on their records."""
    op.add_column("identity", sa.Column("frozen", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("identity", sa.Column("requests", Json, nullable=False, server_default="[]"))
    connection = op.get_bind()
    asked = sa.select(_decision).where(_decision.c.kind == "request-merge", _decision.c.standing == "in-force")
    requests: dict[str, list[dict[str, object]]] = {}
    for row in connection.execute(asked.order_by(_decision.c.id)).all():
        gone = sa.select(_record.c.id).where(_record.c.id.in_([row.one, row.other]), _record.c.retired)
        if connection.execute(gone).first() is None:
            for own, other in ((row.one, row.other), (row.other, row.one)):
                requests.setdefault(own, []).append({"decision": row.id, "other": other, "attribute": ""})
    for own, asked_of_it in requests.items():
        connection.execute(sa.update(_record).where(_record.c.id == own).values(requests=asked_of_it))


def downgrade() -> None:
    """Go back: what was frozen is no longer, and what was requested is listed until a merge comes."""
    op.drop_column("identity", "requests")
    op.drop_column("identity", "frozen")
