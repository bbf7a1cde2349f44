"""When the clock was last seen, and whether it leapt: nothing is removed by its age right after."""

import sqlalchemy as sa
from alembic import op

from cdrelay.control.tables import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring a database of the fifth schema to this one; what is in it stays."""
    op.create_table(
        "clock_seen",
        sa.Column("id", sa.Integer(), nullable=False, comment="1: there is one row"),
        sa.Column("seen_at", UtcDateTime(), nullable=False, comment="what the clock said when it was last seen"),
        sa.Column(
            "leapt_from", UtcDateTime(), nullable=True, comment="what it said before a leap that is not believed yet"
        ),
        sa.Column("leapt_to", UtcDateTime(), nullable=True, comment="and after it"),
        sa.Column("until", UtcDateTime(), nullable=True, comment="nothing is removed by its age before; none: no leap"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_seen")),
        comment="What this machine's clock said, for what is removed by its age.",
    )
