"""Gaps in what was pulled, and what rows that are gone had added to counters."""

import sqlalchemy as sa
from alembic import op

from cdrelay.control.tables import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring a database of the third schema to this one; what is in it stays."""
    op.create_table(
        "forgotten_sums",
        sa.Column("name", sa.String(length=64), nullable=False, comment="of what was counted"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_forgotten_sums")),
        comment="What rows that are gone had added to numbers that only grow.",
    )
    with op.batch_alter_table("compared_hours") as batch:
        batch.alter_column(
            "compared_at",
            existing_type=UtcDateTime(),
            comment="when counts from its beginning on were last compared; none: never",
        )
    with op.batch_alter_table("sources") as batch:
        batch.add_column(
            sa.Column(
                "gap_from",
                UtcDateTime(),
                nullable=True,
                comment="beginning of what could not be pulled any more, lately",
            )
        )
        batch.add_column(sa.Column("gap_until", UtcDateTime(), nullable=True, comment="its end"))
        batch.add_column(sa.Column("gap_found_at", UtcDateTime(), nullable=True, comment="when that was last found"))
