"""The whole collector: pulled sources, the life of tokens, manifests, proof in the ledger, alarms, drift, erasure."""

import sqlalchemy as sa
from alembic import op

from cdrelay.control.tables import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring a database of the second schema to this one; what is in it stays."""
    op.create_table(
        "alarms",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False, comment="names its page in docs/operations"),
        sa.Column(
            "subject",
            sa.Text(),
            nullable=False,
            comment="what it is about: a source, an organization, a window; may be empty",
        ),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("raised_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False, comment="when its cause was last there"),
        sa.Column("told_at", UtcDateTime(), nullable=True, comment="when people were last told"),
        sa.Column(
            "cleared_at",
            UtcDateTime(),
            nullable=True,
            comment="when its cause had gone; none: it stands",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
        comment="What the collector's operator must look after.",
    )
    with op.batch_alter_table("alarms") as batch:
        batch.create_index(batch.f("ix_alarms_raised_at"), ["raised_at"], unique=False)
        batch.create_index(
            "uq_alarms_standing", ["kind", "subject"], unique=True, sqlite_where=sa.text("cleared_at IS NULL")
        )

    op.create_table(
        "drift",
        sa.Column(
            "kind",
            sa.String(length=16),
            nullable=False,
            comment="key: not documented; value: not one of the documented",
        ),
        sa.Column("field", sa.Text(), nullable=False, comment="key or field as on the wire"),
        sa.Column(
            "value", sa.Text(), nullable=False, comment="of an enumeration, at most 200 characters; empty for a key"
        ),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.String(length=64), nullable=False, comment="the first that had it"),
        sa.Column("first_seen", UtcDateTime(), nullable=False),
        sa.Column("last_seen", UtcDateTime(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=True, comment="when it was reported"),
        sa.PrimaryKeyConstraint("kind", "field", "value", "source", name=op.f("pk_drift")),
        comment="How records differ from the documents.",
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("org_uuid", sa.String(length=36), nullable=True, comment="of whose records; none: of all"),
        sa.Column(
            "label",
            sa.Text(),
            nullable=False,
            comment="the operator's own words, such as a ticket; never the person's data",
        ),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        comment="That something was erased, when, and how much; not what.",
    )
    op.create_table(
        "erased_keys",
        sa.Column("erasure_id", sa.String(length=36), nullable=False),
        sa.Column(
            "keyed_hash",
            sa.String(length=64),
            nullable=False,
            comment="of a number, name or id, with the key of this home",
        ),
        sa.ForeignKeyConstraint(
            ["erasure_id"],
            ["erasures.id"],
            name=op.f("fk_erased_keys_erasure_id_erasures"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("erasure_id", "keyed_hash", name=op.f("pk_erased_keys")),
        comment="By what old records of an erased person are known, should they come again.",
    )
    op.create_table(
        "retentions",
        sa.Column("org_uuid", sa.String(length=36), nullable=False),
        sa.Column("keep_days", sa.Float(), nullable=False, comment="days of the contract that its records are kept"),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("org_uuid", name=op.f("pk_retentions")),
        comment="Organizations whose records are kept for a time of their own.",
    )
    op.create_table(
        "manifests",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("window_start", UtcDateTime(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("payload", sa.String(length=64), nullable=False, comment="a part that came twice has two rows"),
        sa.Column("window_end", UtcDateTime(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False, comment="as the manifest says"),
        sa.Column("digest", sa.String(length=64), nullable=False, comment="as the manifest says; empty: it says none"),
        sa.Column(
            "state",
            sa.String(length=16),
            nullable=False,
            comment="verified; differs: the records are others; counted: no digest",
        ),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_manifests_source"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source", "window_start", "part", "payload", name=op.f("pk_manifests")),
        comment="What deliveries said of themselves, once their records are in the lake.",
    )
    with op.batch_alter_table("ledger") as batch:
        batch.add_column(
            sa.Column(
                "proof",
                sa.String(length=16),
                server_default="counts",
                nullable=False,
                comment="counts, ids, or none: not proved",
            )
        )
        batch.add_column(
            sa.Column(
                "ways",
                sa.Text(),
                server_default=sa.text("''"),
                nullable=False,
                comment="how records were brought: repair history report",
            )
        )
        batch.add_column(
            sa.Column(
                "reason", sa.Text(), nullable=True, comment="why it is not complete, or why nothing could be asked"
            )
        )
        batch.add_column(
            sa.Column(
                "completed_at",
                UtcDateTime(),
                nullable=True,
                comment="since when nothing is missing; none: something is",
            )
        )
        batch.add_column(
            sa.Column(
                "recheck_at",
                UtcDateTime(),
                nullable=True,
                comment="when it is to be compared again at the latest; none: it need not be",
            )
        )
        batch.add_column(
            sa.Column(
                "history_tries",
                sa.Integer(),
                server_default="0",
                nullable=False,
                comment="how often cdr_feed was asked for it",
            )
        )
        batch.create_index(
            "ix_ledger_incomplete",
            ["window_start", "source"],
            unique=False,
            sqlite_where=sa.text("state IN ('short', 'lost')"),
        )

    op.create_table(
        "compared_hours",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("window_start", UtcDateTime(), nullable=False, comment="the whole hour"),
        sa.Column("tried_at", UtcDateTime(), nullable=False, comment="when the provider was last asked for its counts"),
        sa.Column("failures", sa.Integer(), nullable=False, comment="how often in a row that failed"),
        sa.Column("problem", sa.Text(), nullable=True, comment="why it failed last"),
        sa.Column(
            "compared_at", UtcDateTime(), nullable=True, comment="when its counts were last compared; none: never"
        ),
        sa.ForeignKeyConstraint(
            ["source"], ["sources.name"], name=op.f("fk_compared_hours_source_sources"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source", "window_start", name=op.f("pk_compared_hours")),
        comment="Which hours of a source were compared, so that a process that starts anew knows.",
    )

    with op.batch_alter_table("reconciliations") as batch:
        batch.add_column(
            sa.Column(
                "cause",
                sa.String(length=16),
                server_default="schedule",
                nullable=False,
                comment="schedule, start, outage, window, hand",
            )
        )
        batch.create_index(batch.f("ix_reconciliations_source_started_at"), ["source", "started_at"], unique=False)

    with op.batch_alter_table("sources") as batch:
        batch.add_column(
            sa.Column(
                "kind",
                sa.String(length=16),
                server_default="webhook",
                nullable=False,
                comment="webhook, or cdr_stream: is pulled",
            )
        )
        batch.add_column(
            sa.Column(
                "feed_type",
                sa.String(length=16),
                server_default=sa.text("''"),
                nullable=False,
                comment="analytics, billing; empty: not said",
            )
        )
        batch.add_column(
            sa.Column(
                "history_api",
                sa.Text(),
                nullable=True,
                comment="base address of cdr_feed and cdr_stream, where it is another one",
            )
        )
        batch.add_column(
            sa.Column(
                "org_uuid",
                sa.String(length=36),
                nullable=True,
                comment="the one customer of a source that is pulled; none: the token's own",
            )
        )
        batch.add_column(
            sa.Column(
                "cursor",
                sa.Text(),
                server_default=sa.text("''"),
                nullable=False,
                comment="how far it was pulled; empty: not at all",
            )
        )
        batch.add_column(
            sa.Column(
                "pulled_at",
                UtcDateTime(),
                nullable=True,
                comment="when it was last pulled to its end",
            )
        )
        batch.add_column(
            sa.Column("pull_problem", sa.Text(), nullable=True, comment="what kept it from being pulled since")
        )
        batch.add_column(sa.Column("token_url", sa.Text(), nullable=True, comment="where its tokens are refreshed"))
        batch.add_column(sa.Column("client_id", sa.Text(), nullable=True, comment="of the integration or service app"))
        batch.add_column(sa.Column("client_secret", sa.LargeBinary(), nullable=True, comment="encrypted"))
        batch.add_column(
            sa.Column("refresh_token", sa.LargeBinary(), nullable=True, comment="encrypted; the newest that was given")
        )
        batch.add_column(
            sa.Column(
                "token_expires_at",
                UtcDateTime(),
                nullable=True,
                comment="of the access token; none: not known",
            )
        )
        batch.add_column(
            sa.Column(
                "refresh_expires_at",
                UtcDateTime(),
                nullable=True,
                comment="of the refresh token; none: not known",
            )
        )
        batch.add_column(
            sa.Column(
                "refreshed_at",
                UtcDateTime(),
                nullable=True,
                comment="when the tokens were last replaced",
            )
        )
        batch.add_column(
            sa.Column("token_problem", sa.Text(), nullable=True, comment="what kept them from being refreshed since")
        )
