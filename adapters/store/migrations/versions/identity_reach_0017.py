"""Identities are found by day of birth and by what is notable of them, and say where each trait came from.

The outbox also tells of identities: an entry is about an item or, as its subject, about a change of identities.
"""

import sqlalchemy as sa
from alembic import op

from adapters.store.schema import NOTABLE, Instant, Json

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_BORN = "ix_identity_birth_date"
_NOTED = "ix_identity_told_message_id"

_PLACES = {
    "sqlite": {
        "birth_date": "coalesce(json_extract(patient, '$.traits.birth_date'), '')",
        "rank": "coalesce(json_extract(patient, '$.traits.multiple_birth_rank'), '')",
        "status": "coalesce(json_extract(patient, '$.status'), '')",
        "lunar": "coalesce(json_extract(patient, '$.lunar_birth_date'), '')",
        "corrected": "coalesce(json_extract(patient, '$.birth_date_corrected'), 0) = 1",
        "patient": "patient",
        "requests": "requests",
    },
    "postgresql": {
        "birth_date": "coalesce(patient->'traits'->>'birth_date', '')",
        "rank": "coalesce(patient->'traits'->>'multiple_birth_rank', '')",
        "status": "coalesce(patient->>'status', '')",
        "lunar": "coalesce(patient->>'lunar_birth_date', '')",
        "corrected": "coalesce(patient->>'birth_date_corrected', '') = 'true'",
        "patient": "CAST(patient AS text)",
        "requests": "CAST(requests AS text)",
    },
}
"""Where a stored record says what is noted of it."""


def upgrade() -> None:
    """Bring the schema here; what is notable of stored records is noted, where their traits came from is not known."""
    op.add_column("identity", sa.Column("birth_date", sa.String(10), nullable=False, server_default=""))
    op.add_column("identity", sa.Column("notes", sa.Text, nullable=False, server_default=""))
    op.add_column("identity", sa.Column("identifier_change", sa.String(16)))
    op.add_column("identity", sa.Column("provenance", Json, nullable=False, server_default="[]"))
    _note(_PLACES[op.get_bind().dialect.name])
    op.create_index(op.f(_BORN), "identity", ["birth_date"])
    place = ["told_message", "id"]
    op.create_index(op.f(_NOTED), "identity", place, sqlite_where=NOTABLE, postgresql_where=NOTABLE)
    if op.get_bind().dialect.name == "sqlite":
        _make_outbox_anew(sa.Column("item_id", sa.String(36)), sa.Column("subject", sa.String(36)))
    else:
        op.alter_column("outbox", "item_id", nullable=True)
        op.add_column("outbox", sa.Column("subject", sa.String(36)))


def _note(place: dict[str, str]) -> None:
    imputed = (
        f"(born <> '' AND (length(born) < 10 OR born LIKE '%-12-31' OR born LIKE '%-01-01')) OR {place['lunar']} <> ''"
        f" OR {place['corrected']}"
    )
    words = {
        "homonyms": f"{place['patient']} LIKE '%\"HOMA\"%' OR {place['patient']} LIKE '%\"HOMD\"%'",
        "imputed-dates": imputed.replace("born", place["birth_date"]),
        "ins-unqualified": f'({place["patient"]} LIKE \'%"kind": "INS"%\''
        f" OR {place['patient']} LIKE '%\"ins_left_out\": true%') AND {place['status']} <> 'qualifiée'",
        "merges-to-follow": f'{place["requests"]} LIKE \'%"attribute": ""%\'',
        "twins": f"{place['rank']} <> ''",
    }
    noted = " || ".join(f"CASE WHEN {said} THEN ' {word}' ELSE '' END" for word, said in words.items())
    op.execute(f"UPDATE identity SET birth_date = substr({place['birth_date']}, 1, 10)")  # noqa: S608 - our own names
    op.execute(f"UPDATE identity SET notes = {noted} WHERE NOT retired AND origin_value IS NULL")  # noqa: S608 - our own names
    op.execute("UPDATE identity SET notes = notes || ' ' WHERE notes <> ''")


def _make_outbox_anew(*about: sa.Column[str]) -> None:
    """SQLite changes no column: the outbox is copied, with its numbers, and what waits in it too."""
    last = op.get_bind().execute(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")).scalar()
    op.execute("CREATE TABLE waiting_0016 AS SELECT sequence FROM outbox_pending")
    op.drop_table("outbox_pending")
    op.drop_index(op.f("ix_outbox_secretariat_sequence"), table_name="outbox")
    op.rename_table("outbox", "outbox_0016")
    op.create_table(
        "outbox",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("secretariat", sa.String(length=64), nullable=False),
        sa.Column("order_key", sa.String(length=36), nullable=False),
        *about,
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["work_item.id"], name=op.f("fk_outbox_item_id")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox_message_id")),
        sqlite_autoincrement=True,
    )
    kept = "sequence, message_id, secretariat, order_key, item_id, version, body, created_at"
    op.execute(f"INSERT INTO outbox ({kept}) SELECT {kept} FROM outbox_0016 WHERE item_id IS NOT NULL")  # noqa: S608 - our own names
    op.drop_table("outbox_0016")
    op.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = 'outbox'"))
    op.execute(sa.text("INSERT INTO sqlite_sequence VALUES ('outbox', :last)").bindparams(last=last or 0))
    op.create_index(op.f("ix_outbox_secretariat_sequence"), "outbox", ["secretariat", "sequence"])
    op.create_table(
        "outbox_pending",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["sequence"], ["outbox.sequence"], name=op.f("fk_outbox_pending_sequence")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_outbox_pending")),
    )
    op.execute("INSERT INTO outbox_pending SELECT w.sequence FROM waiting_0016 w JOIN outbox USING (sequence)")
    op.drop_table("waiting_0016")


def downgrade() -> None:
    """Go back: what the bus was to be told of identities is forgotten, and where traits came from."""
    if op.get_bind().dialect.name == "sqlite":
        _make_outbox_anew(sa.Column("item_id", sa.String(36), nullable=False))
    else:
        op.execute(
            "DELETE FROM outbox_pending USING outbox"
            " WHERE outbox.sequence = outbox_pending.sequence AND outbox.item_id IS NULL"
        )
        op.execute("DELETE FROM outbox WHERE item_id IS NULL")
        op.drop_column("outbox", "subject")
        op.alter_column("outbox", "item_id", nullable=False)
    op.drop_index(op.f(_NOTED), table_name="identity")
    op.drop_index(op.f(_BORN), table_name="identity")
    for column in ("provenance", "identifier_change", "notes", "birth_date"):
        op.drop_column("identity", column)
