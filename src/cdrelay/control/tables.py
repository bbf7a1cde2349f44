"""The tables of the control database, both halves'. Rows are read and written by the stores of each half."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC, also where the database (SQLite) knows no zones. Refuses naive times."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError("a time without a zone does not go into the database")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)  # type: ignore[no-any-return]


# --- publisher -------------------------------------------------------------------------------------------------------

partners = Table(
    "partners",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
)

organizations = Table(
    "organizations",
    metadata,
    Column("org_uuid", String(36), primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

relations = Table(
    "relations",
    metadata,
    Column("partner_id", ForeignKey("partners.id", ondelete="CASCADE"), primary_key=True),
    Column("org_uuid", ForeignKey("organizations.org_uuid", ondelete="CASCADE"), primary_key=True),
    comment="Which customer organizations a partner has a Webex Calling relationship with.",
)

webhooks = Table(
    "webhooks",
    metadata,
    # The key is the partner: the seed allows one webhook per partner organization.
    Column("partner_id", ForeignKey("partners.id", ondelete="CASCADE"), primary_key=True),
    Column("url", Text, nullable=False),
    Column("secret", LargeBinary, comment="encrypted; none means unsigned deliveries"),
    Column("resource_type", String(16), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("switched_off_because", Text),
    Column("created_at", UtcDateTime, nullable=False, comment="ticks after this moment are delivered"),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("partner_id", ForeignKey("partners.id", ondelete="CASCADE"), nullable=False),
    Column("label", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)

intake_keys = Table(
    "intake_keys",
    metadata,
    Column("key_sha256", String(64), primary_key=True),
    Column("label", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)

cuts = Table(
    "cuts",
    metadata,
    Column("tick", UtcDateTime, primary_key=True),
    Column("cutoff", UtcDateTime, nullable=False, comment="calls that ended before it are due"),
    Column("load_seq", BigInteger, nullable=False, comment="the last load that the cut sees"),
    Column("spread_at", UtcDateTime, comment="when every partner's deliveries of it were written; none: still to do"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("partner_id", ForeignKey("partners.id", ondelete="CASCADE"), nullable=False),
    Column("tick", UtcDateTime, nullable=False),
    Column("window_start", UtcDateTime, nullable=False),
    Column("window_end", UtcDateTime, nullable=False),
    Column("part", Integer, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("records", Integer, nullable=False),
    Column("body_bytes", BigInteger, nullable=False),
    Column("state", String(16), nullable=False, comment="pending, delivered, failed"),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime, comment="none once the state is final"),
    Column("finished_at", UtcDateTime),
    UniqueConstraint("partner_id", "tick", "part"),
    Index(None, "state", "next_attempt_at"),
    Index(None, "tick"),  # the latest deliveries, for the page
    comment="One row a POST; its body lies in the outbox folder under the id.",
)

attempts = Table(
    "attempts",
    metadata,
    Column("delivery_id", ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("status", Integer, comment="HTTP status; none when no answer came"),
    Column("outcome", Text, nullable=False, comment="delivered, or what went wrong"),
    Column("answer", Text, nullable=False, comment="the first 200 characters of the answer"),
)

# --- collector -------------------------------------------------------------------------------------------------------

sources = Table(
    "sources",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("secret", LargeBinary, comment="encrypted; none means unsigned deliveries are taken"),
    Column("previous_secret", LargeBinary, comment="encrypted; still valid during a rotation"),
    Column("api", Text, comment="base address of the provider's partner endpoints"),
    Column("token", LargeBinary, comment="encrypted partner access token"),
    Column("created_at", UtcDateTime, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("source", ForeignKey("sources.name", ondelete="CASCADE"), primary_key=True),
    Column("org_uuid", String(36), primary_key=True),
    Column("window_start", UtcDateTime, primary_key=True, comment="the whole hour"),
    Column("window_end", UtcDateTime, nullable=False),
    Column("expected", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("state", String(16), nullable=False, comment="open, matched, short, repaired, surplus, lost"),
    Column("fetched", BigInteger, nullable=False, comment="records that repairs of this window brought"),
    Column("checked_at", UtcDateTime, nullable=False),
    Index(None, "window_start"),
)

reconciliations = Table(
    "reconciliations",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("source", ForeignKey("sources.name", ondelete="CASCADE"), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("requests", Integer, nullable=False),
    Column("windows", Integer, nullable=False, comment="organization windows compared"),
    Column("short", Integer, nullable=False),
    Column("repaired", Integer, nullable=False),
    Column("problem", Text, comment="what kept it from being complete"),
)

# --- both ------------------------------------------------------------------------------------------------------------

payloads = Table(
    "payloads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("half", String(16), nullable=False, comment="publisher or collector"),
    Column("source", Text, nullable=False),
    Column("channel", String(16), nullable=False, comment="intake, webhook or repair"),
    Column("received_at", UtcDateTime, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("records", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("corrected", Integer, nullable=False),
    Column("repeated", Integer, nullable=False),
    Column("quarantined", Integer, nullable=False),
    Column("load_seq", BigInteger, nullable=False),
    Column("loaded_at", UtcDateTime, nullable=False),
    Index(None, "half", "received_at"),
    comment="What became of every payload that was loaded.",
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("part", String(32), nullable=False, comment="intake, load, tick, send, receive, reconcile"),
    Column("what", Text, nullable=False),
    comment="The last things that went wrong, for the page and the status.",
)
