"""The first schema: publisher, collector and what both keep."""

import sqlalchemy as sa
from alembic import op

from cdrelay.control.tables import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of release 0.1."""
    op.create_table(
        "cuts",
        sa.Column("tick", UtcDateTime(), nullable=False),
        sa.Column("cutoff", UtcDateTime(), nullable=False, comment="calls that ended before it are due"),
        sa.Column("load_seq", sa.BigInteger(), nullable=False, comment="the last load that the cut sees"),
        sa.Column(
            "spread_at",
            UtcDateTime(),
            nullable=True,
            comment="when every partner's deliveries of it were written; none: still to do",
        ),
        sa.PrimaryKeyConstraint("tick", name=op.f("pk_cuts")),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("part", sa.String(length=32), nullable=False, comment="intake, load, tick, send, receive, reconcile"),
        sa.Column("what", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        comment="The last things that went wrong, for the page and the status.",
    )
    op.create_table(
        "intake_keys",
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("key_sha256", name=op.f("pk_intake_keys")),
    )
    op.create_table(
        "organizations",
        sa.Column("org_uuid", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("org_uuid", name=op.f("pk_organizations")),
    )
    op.create_table(
        "partners",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partners")),
        sa.UniqueConstraint("name", name=op.f("uq_partners_name")),
    )
    op.create_table(
        "payloads",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("half", sa.String(length=16), nullable=False, comment="publisher or collector"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False, comment="intake, webhook or repair"),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("corrected", sa.Integer(), nullable=False),
        sa.Column("repeated", sa.Integer(), nullable=False),
        sa.Column("quarantined", sa.Integer(), nullable=False),
        sa.Column("load_seq", sa.BigInteger(), nullable=False),
        sa.Column("loaded_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payloads")),
        comment="What became of every payload that was loaded.",
    )
    op.create_index(op.f("ix_payloads_half_received_at"), "payloads", ["half", "received_at"], unique=False)
    op.create_table(
        "sources",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column(
            "secret", sa.LargeBinary(), nullable=True, comment="encrypted; none means unsigned deliveries are taken"
        ),
        sa.Column(
            "previous_secret", sa.LargeBinary(), nullable=True, comment="encrypted; still valid during a rotation"
        ),
        sa.Column("api", sa.Text(), nullable=True, comment="base address of the provider's partner endpoints"),
        sa.Column("token", sa.LargeBinary(), nullable=True, comment="encrypted partner access token"),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sources")),
    )
    op.create_table(
        "access_tokens",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("partner_id", sa.String(length=36), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_access_tokens_partner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_access_tokens")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("partner_id", sa.String(length=36), nullable=False),
        sa.Column("tick", UtcDateTime(), nullable=False),
        sa.Column("window_start", UtcDateTime(), nullable=False),
        sa.Column("window_end", UtcDateTime(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("body_bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False, comment="pending, delivered, failed"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=True, comment="none once the state is final"),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_deliveries_partner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("partner_id", "tick", "part", name=op.f("uq_deliveries_partner_id_tick_part")),
        comment="One row a POST; its body lies in the outbox folder under the id.",
    )
    op.create_index(
        op.f("ix_deliveries_state_next_attempt_at"), "deliveries", ["state", "next_attempt_at"], unique=False
    )
    op.create_index(op.f("ix_deliveries_tick"), "deliveries", ["tick"], unique=False)
    op.create_table(
        "ledger",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("org_uuid", sa.String(length=36), nullable=False),
        sa.Column("window_start", UtcDateTime(), nullable=False, comment="the whole hour"),
        sa.Column("window_end", UtcDateTime(), nullable=False),
        sa.Column("expected", sa.BigInteger(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column(
            "state", sa.String(length=16), nullable=False, comment="open, matched, short, repaired, surplus, lost"
        ),
        sa.Column("fetched", sa.BigInteger(), nullable=False, comment="records that repairs of this window brought"),
        sa.Column("checked_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_ledger_source"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source", "org_uuid", "window_start", name=op.f("pk_ledger")),
    )
    op.create_index(op.f("ix_ledger_window_start"), "ledger", ["window_start"], unique=False)
    op.create_table(
        "reconciliations",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("windows", sa.Integer(), nullable=False, comment="organization windows compared"),
        sa.Column("short", sa.Integer(), nullable=False),
        sa.Column("repaired", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True, comment="what kept it from being complete"),
        sa.ForeignKeyConstraint(
            ["source"], ["sources.name"], name=op.f("fk_reconciliations_source"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliations")),
    )
    op.create_table(
        "relations",
        sa.Column("partner_id", sa.String(length=36), nullable=False),
        sa.Column("org_uuid", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_uuid"], ["organizations.org_uuid"], name=op.f("fk_relations_org_uuid"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_relations_partner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("partner_id", "org_uuid", name=op.f("pk_relations")),
        comment="Which customer organizations a partner has a Webex Calling relationship with.",
    )
    op.create_table(
        "webhooks",
        sa.Column("partner_id", sa.String(length=36), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True, comment="encrypted; none means unsigned deliveries"),
        sa.Column("resource_type", sa.String(length=16), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("switched_off_because", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False, comment="ticks after this moment are delivered"),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_webhooks_partner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("partner_id", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "attempts",
        sa.Column("delivery_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True, comment="HTTP status; none when no answer came"),
        sa.Column("outcome", sa.Text(), nullable=False, comment="delivered, or what went wrong"),
        sa.Column("answer", sa.Text(), nullable=False, comment="the first 200 characters of the answer"),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["deliveries.id"], name=op.f("fk_attempts_delivery_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("pk_attempts")),
    )
    # ### end Alembic commands ###
