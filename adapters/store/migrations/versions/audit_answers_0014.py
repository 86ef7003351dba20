"""What one actor did is found among all that was done; what the gateway does by itself is left out of that index."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_NAME = "ix_audit_event_principal_at"


def upgrade() -> None:
    """Bring the schema here."""
    somebody = sa.text("principal NOT IN ('gateway', 'relay')")
    op.create_index(op.f(_NAME), "audit_event", ["principal", "at"], sqlite_where=somebody, postgresql_where=somebody)


def downgrade() -> None:
    """Go back."""
    op.drop_index(op.f(_NAME), table_name="audit_event")
