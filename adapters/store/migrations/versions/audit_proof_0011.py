"""Keys, checkpoints and sinks of the audit trail; the trail refuses to be changed."""

import sqlalchemy as sa
from alembic import op

from adapters.store.schema import Instant

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INSERT_ONLY = ("audit_event", "audit_patient", "audit_seal", "audit_key", "audit_checkpoint")
_REFUSED = "the audit trail is only ever added to"


def upgrade() -> None:
    """Bring the schema here."""
    op.create_table(
        "audit_key",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_key")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_key_id")),
        comment="Public keys that sign checkpoints, as they are exported, insert-only",
    )
    op.create_table(
        "audit_checkpoint",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_checkpoint")),
        sa.UniqueConstraint("last", name=op.f("uq_audit_checkpoint_last")),
        comment="Signed checkpoints of the chain, as they leave the machine, insert-only",
    )
    op.create_table(
        "audit_sink",
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("told_at", Instant()),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_sink")),
        comment="Which checkpoint each place outside has taken last",
    )
    op.create_table(
        "audit_purge",
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("reason", name=op.f("pk_audit_purge")),
        comment="A row lets the transaction that inserts it, and removes it, change the audit trail (a purge by law)",
    )
    for statement in _guards() if op.get_bind().dialect.name == "sqlite" else _postgresql_guards():
        op.execute(statement)


def _guards() -> list[str]:
    """Give SQLite's triggers; REPLACE deletes without a trigger of its own, so a number that is there is refused."""
    allowed = "NOT EXISTS (SELECT 1 FROM audit_purge)"
    refuse = f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
    made = [
        f"CREATE TRIGGER {table}_{act} BEFORE {act} ON {table} WHEN {allowed} {refuse}"
        for table in INSERT_ONLY
        for act in ("UPDATE", "DELETE")
    ]
    keys = {"audit_event": "id", "audit_seal": "sequence", "audit_checkpoint": "number", "audit_key": "number"}
    for table, key in keys.items():
        there = f"EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608 - our own names
        made.append(f"CREATE TRIGGER {table}_REPLACE BEFORE INSERT ON {table} WHEN {there} AND {allowed} {refuse}")
    return made


def _postgresql_guards() -> list[str]:
    function = (
        "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NOT EXISTS (SELECT 1 FROM audit_purge) THEN "
        "RAISE EXCEPTION 'the audit trail is only ever added to' USING ERRCODE = 'insufficient_privilege'; "
        "END IF; RETURN NULL; END $$"
    )
    triggers = [
        f"CREATE TRIGGER {table}_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
        for table in INSERT_ONLY
    ]
    return [function, *triggers]


def downgrade() -> None:
    """Go back: checkpoints and keys are forgotten here; what left the machine is not."""
    if op.get_bind().dialect.name == "sqlite":
        for table in INSERT_ONLY:
            for act in ("UPDATE", "DELETE", "REPLACE"):
                op.execute(f"DROP TRIGGER IF EXISTS {table}_{act}")
    else:
        for table in INSERT_ONLY:
            op.execute(f"DROP TRIGGER {table}_guard ON {table}")
        op.execute("DROP FUNCTION refuse_audit_change()")
    for table in ("audit_purge", "audit_sink", "audit_checkpoint", "audit_key"):
        op.drop_table(table)
