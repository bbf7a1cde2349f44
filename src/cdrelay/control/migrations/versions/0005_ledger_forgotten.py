"""How far back the ledger goes, and what went from it; an index to count it by."""

import sqlalchemy as sa
from alembic import op

from cdrelay.control.tables import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring a database of the fourth schema to this one; what is in it stays."""
    op.create_table(
        "ledger_forgotten",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column(
            "until", UtcDateTime(), nullable=False, comment="hours that ended by then are gone; what is missing stays"
        ),
        *(
            sa.Column(state, sa.BigInteger(), nullable=False, server_default="0")
            for state in ("open", "matched", "repaired", "surplus")
        ),
        sa.ForeignKeyConstraint(
            ["source"], ["sources.name"], name=op.f("fk_ledger_forgotten_source"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_ledger_forgotten")),
        comment="How far back the ledger of a source goes, and how many windows in each state went from it.",
    )
    op.create_index(op.f("ix_ledger_source_state"), "ledger", ["source", "state"], unique=False)
