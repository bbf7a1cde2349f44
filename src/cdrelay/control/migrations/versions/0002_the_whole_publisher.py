"""The whole publisher: entitlement in time, administrators, OAuth, alerts, sources of records, windows sent again."""

from datetime import UTC, datetime
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

from cdrelay.control.tables import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring a database of the first schema to this one; what is in it stays."""
    _new_tables()
    _relations_in_time()
    _add("organizations", sa.Column("region", sa.String(length=16), nullable=False, server_default=""))
    _add("deliveries", sa.Column("round", sa.Integer(), nullable=False, server_default="0"))
    _add("deliveries", sa.Column("digest", sa.String(length=64), nullable=False, server_default=""))
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_constraint("uq_deliveries_partner_id_tick_part", type_="unique")
        deliveries.create_unique_constraint(
            op.f("uq_deliveries_partner_id_tick_round_part"), ["partner_id", "tick", "round", "part"]
        )
    op.create_index(
        "ix_deliveries_pending",
        "deliveries",
        ["partner_id", "window_end", "round", "part", "next_attempt_at"],
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_deliveries_failed", "deliveries", ["partner_id", "finished_at"], sqlite_where=sa.text("state = 'failed'")
    )
    op.drop_index("ix_deliveries_state_next_attempt_at", "deliveries")
    with op.batch_alter_table("webhooks") as webhooks:
        webhooks.add_column(sa.Column("previous_secret", sa.LargeBinary(), nullable=True))
        webhooks.add_column(sa.Column("previous_secret_until", UtcDateTime(), nullable=True))
        webhooks.add_column(sa.Column("alert_url", sa.Text(), nullable=True))
        webhooks.add_column(sa.Column("failing_since", UtcDateTime(), nullable=True))
    _add("access_tokens", sa.Column("scope", sa.Text(), nullable=False, server_default="spark-admin:calling_cdr_read"))
    with op.batch_alter_table("access_tokens") as access_tokens:
        access_tokens.add_column(sa.Column("administrator_id", sa.String(length=36), nullable=True))
        access_tokens.add_column(sa.Column("grant_id", sa.String(length=36), nullable=True))
        for column, table in (("administrator_id", "administrators"), ("grant_id", "grants")):
            access_tokens.create_foreign_key(
                op.f(f"fk_access_tokens_{column}"), table, [column], ["id"], ondelete="CASCADE"
            )
        access_tokens.create_index(op.f("ix_access_tokens_grant_id"), ["grant_id"])


def _add(table: str, column: "sa.Column[object]") -> None:
    """A column whose default fills the rows that are there, and no later one."""
    with op.batch_alter_table(table) as batch:
        batch.add_column(column)
    with op.batch_alter_table(table) as batch:
        batch.alter_column(column.name, server_default=None)


def _relations_in_time() -> None:
    """What was a relation so far has always been one: managed, without an end."""
    before = op.get_bind().execute(sa.text("SELECT partner_id, org_uuid FROM relations")).all()
    op.drop_table("relations")
    relations = op.create_table(
        "relations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("partner_id", sa.String(length=36), nullable=False),
        sa.Column("org_uuid", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["org_uuid"], ["organizations.org_uuid"], name=op.f("fk_relations_org_uuid"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_relations_partner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relations")),
    )
    op.create_index(op.f("ix_relations_partner_id"), "relations", ["partner_id"])
    op.create_index(op.f("ix_relations_org_uuid"), "relations", ["org_uuid"])
    always = {"kind": "managed", "starts_at": datetime(1970, 1, 1, tzinfo=UTC), "ends_at": None}
    for partner_id, org_uuid in before:
        row = {"id": str(uuid4()), "partner_id": partner_id, "org_uuid": org_uuid, **always}
        op.execute(relations.insert().values(row))


def _new_tables() -> None:
    op.create_table(
        "operator_keys",
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("key_sha256", name=op.f("pk_operator_keys")),
        comment="Keys of the operator's own programs: they may manage the directory.",
    )
    op.create_table(
        "record_sources",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False, comment="folder, follow, cdr_stream, cdr_feed or push"),
        sa.Column(
            "format", sa.String(length=16), nullable=False, comment="of what it gives: record, freeswitch or asterisk"
        ),
        sa.Column(
            "location",
            sa.Text(),
            nullable=False,
            comment="the folder, the file, or the base address of the provider",
        ),
        sa.Column(
            "org_uuid",
            sa.String(length=36),
            nullable=True,
            comment="whose calls they are, where they do not say it themselves",
        ),
        sa.Column("org_map", sa.Text(), nullable=False, comment="rules that tell whose calls they are, as CSV"),
        sa.Column("time_zone", sa.String(length=64), nullable=False, comment="of times that say none"),
        sa.Column("token", sa.LargeBinary(), nullable=True, comment="encrypted access token of the provider"),
        sa.Column("cursor", sa.Text(), nullable=False, comment="how far it has been read; empty: not at all"),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=True, comment="when it was last read to its end"),
        sa.Column("problem", sa.Text(), nullable=True, comment="what kept it from being read since"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_record_sources")),
        comment="Where call records are fetched, beside those that are handed in.",
    )
    op.create_table(
        "administrators",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("partner_id", sa.String(length=36), nullable=False),
        sa.Column("email", sa.Text(), nullable=False, comment="lower case"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False, comment="full, read_only or assigned"),
        sa.Column("password", sa.Text(), nullable=True, comment="argon2 hash; none: signs in elsewhere, or not at all"),
        sa.Column("failures", sa.Integer(), nullable=False, comment="sign-ins that failed since the last good one"),
        sa.Column("locked_until", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_administrators_partner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_administrators")),
        sa.UniqueConstraint("email", name=op.f("uq_administrators_email")),
        comment="Who may sign in at the hub for a partner organization.",
    )
    op.create_index(op.f("ix_administrators_partner_id"), "administrators", ["partner_id"], unique=False)
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("partner_id", sa.String(length=36), nullable=True),
        sa.Column("channel", sa.String(length=16), nullable=False, comment="mail or webhook"),
        sa.Column("target", sa.Text(), nullable=False, comment="address or URL"),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=True, comment="none once it was sent or given up"),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True, comment="why the last attempt failed"),
        sa.ForeignKeyConstraint(["partner_id"], ["partners.id"], name=op.f("fk_alerts_partner_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        comment="What people must be told, until they are.",
    )
    op.create_index(op.f("ix_alerts_next_attempt_at"), "alerts", ["next_attempt_at"], unique=False)
    op.create_table(
        "integrations",
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("client_secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("partner_id", sa.String(length=36), nullable=True, comment="whose it is; none: the operator's"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("redirect_uris", sa.Text(), nullable=False, comment="one a line"),
        sa.Column("scopes", sa.Text(), nullable=False, comment="separated by blanks"),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_integrations_partner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_integrations")),
        comment="OAuth clients that may ask an administrator for tokens.",
    )
    op.create_table(
        "licences",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("org_uuid", sa.String(length=36), nullable=False),
        sa.Column(
            "holder_uuid",
            sa.String(length=36),
            nullable=False,
            comment="User UUID of the records: of a user or a workspace",
        ),
        sa.Column("holder_kind", sa.String(length=16), nullable=False, comment="user or workspace"),
        sa.Column("partner_id", sa.String(length=36), nullable=False, comment="who sold it"),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime(), nullable=True, comment="none: it lasts"),
        sa.ForeignKeyConstraint(
            ["org_uuid"], ["organizations.org_uuid"], name=op.f("fk_licences_org_uuid"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_licences_partner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_licences")),
        comment="Calling licences of users and workspaces.",
    )
    op.create_index(op.f("ix_licences_holder_uuid"), "licences", ["holder_uuid"], unique=False)
    op.create_index(op.f("ix_licences_org_uuid"), "licences", ["org_uuid"], unique=False)
    op.create_index(op.f("ix_licences_partner_id"), "licences", ["partner_id"], unique=False)
    op.create_table(
        "administrator_organizations",
        sa.Column("administrator_id", sa.String(length=36), nullable=False),
        sa.Column("org_uuid", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["administrator_id"],
            ["administrators.id"],
            name=op.f("fk_administrator_organizations_administrator_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["org_uuid"],
            ["organizations.org_uuid"],
            name=op.f("fk_administrator_organizations_org_uuid"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("administrator_id", "org_uuid", name=op.f("pk_administrator_organizations")),
        comment="The customers that an administrator of role assigned reaches; others reach all of the partner's.",
    )
    op.create_table(
        "grants",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("administrator_id", sa.String(length=36), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False, comment="separated by blanks"),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["administrator_id"], ["administrators.id"], name=op.f("fk_grants_administrator_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["integrations.client_id"], name=op.f("fk_grants_client_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        comment="What an administrator has consented to; all tokens that follow from it end with it.",
    )
    op.create_index(op.f("ix_grants_administrator_id"), "grants", ["administrator_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("administrator_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["administrator_id"], ["administrators.id"], name=op.f("fk_sessions_administrator_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_administrator_id"), "sessions", ["administrator_id"], unique=False)
    op.create_table(
        "authorization_codes",
        sa.Column("code_sha256", sa.String(length=64), nullable=False),
        sa.Column("grant_id", sa.String(length=36), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("code_challenge", sa.Text(), nullable=True),
        sa.Column("code_challenge_method", sa.String(length=8), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True, comment="a second use revokes the grant"),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["grants.id"], name=op.f("fk_authorization_codes_grant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("code_sha256", name=op.f("pk_authorization_codes")),
    )
    op.create_index(op.f("ix_authorization_codes_grant_id"), "authorization_codes", ["grant_id"], unique=False)
    op.create_table(
        "refresh_tokens",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("grant_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["grants.id"], name=op.f("fk_refresh_tokens_grant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_refresh_tokens")),
    )
    op.create_index(op.f("ix_refresh_tokens_grant_id"), "refresh_tokens", ["grant_id"], unique=False)
