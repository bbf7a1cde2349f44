"""The tables of the control database, both halves'. Rows are read and written by the stores of each half."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
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
    literal,
    text,
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
    Column("region", String(16), nullable=False, comment="whose publisher holds its records; empty: every one's"),
    Column("created_at", UtcDateTime, nullable=False),
)

relations = Table(
    "relations",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("partner_id", ForeignKey("partners.id", ondelete="CASCADE"), nullable=False),
    Column("org_uuid", ForeignKey("organizations.org_uuid", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False, comment="managed: full administrator role; subscription: calling"),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, comment="none: it lasts"),
    Index(None, "partner_id"),
    Index(None, "org_uuid"),
    comment="Which customer organizations a partner has a Webex Calling relationship with, why and when.",
)

licences = Table(
    "licences",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("org_uuid", ForeignKey("organizations.org_uuid", ondelete="CASCADE"), nullable=False),
    Column("holder_uuid", String(36), nullable=False, comment="User UUID of the records: of a user or a workspace"),
    Column("holder_kind", String(16), nullable=False, comment="user or workspace"),
    Column("partner_id", ForeignKey("partners.id", ondelete="CASCADE"), nullable=False, comment="who sold it"),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, comment="none: it lasts"),
    Index(None, "holder_uuid"),
    Index(None, "partner_id"),
    Index(None, "org_uuid"),
    comment="Calling licences of users and workspaces.",
)

administrators = Table(
    "administrators",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("partner_id", ForeignKey("partners.id", ondelete="CASCADE"), nullable=False),
    Column("email", Text, nullable=False, unique=True, comment="lower case"),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False, comment="full, read_only or assigned"),
    Column("password", Text, comment="argon2 hash; none: signs in elsewhere, or not at all"),
    Column("failures", Integer, nullable=False, comment="sign-ins that failed since the last good one"),
    Column("locked_until", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "partner_id"),
    comment="Who may sign in at the hub for a partner organization.",
)

administrator_organizations = Table(
    "administrator_organizations",
    metadata,
    Column("administrator_id", ForeignKey("administrators.id", ondelete="CASCADE"), primary_key=True),
    Column("org_uuid", ForeignKey("organizations.org_uuid", ondelete="CASCADE"), primary_key=True),
    comment="The customers that an administrator of role assigned reaches; others reach all of the partner's.",
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("administrator_id", ForeignKey("administrators.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "administrator_id"),
)

webhooks = Table(
    "webhooks",
    metadata,
    # The key is the partner: the seed allows one webhook per partner organization.
    Column("partner_id", ForeignKey("partners.id", ondelete="CASCADE"), primary_key=True),
    Column("url", Text, nullable=False),
    Column("secret", LargeBinary, comment="encrypted; none means unsigned deliveries"),
    Column("previous_secret", LargeBinary, comment="encrypted; what the callback may still know during a rotation"),
    Column("previous_secret_until", UtcDateTime),
    Column("resource_type", String(16), nullable=False),
    Column("alert_url", Text, comment="a second webhook, told when this one is switched off"),
    Column("active", Boolean, nullable=False),
    Column("switched_off_because", Text),
    Column("failing_since", UtcDateTime, comment="the first failed attempt since the last delivery that arrived"),
    Column("created_at", UtcDateTime, nullable=False, comment="ticks after this moment are delivered"),
)

integrations = Table(
    "integrations",
    metadata,
    Column("client_id", String(64), primary_key=True),
    Column("client_secret_sha256", String(64), nullable=False),
    Column("partner_id", ForeignKey("partners.id", ondelete="CASCADE"), comment="whose it is; none: the operator's"),
    Column("name", Text, nullable=False),
    Column("redirect_uris", Text, nullable=False, comment="one a line"),
    Column("scopes", Text, nullable=False, comment="separated by blanks"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    comment="OAuth clients that may ask an administrator for tokens.",
)

grants = Table(
    "grants",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("client_id", ForeignKey("integrations.client_id", ondelete="CASCADE"), nullable=False),
    Column("administrator_id", ForeignKey("administrators.id", ondelete="CASCADE"), nullable=False),
    Column("scope", Text, nullable=False, comment="separated by blanks"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Index(None, "administrator_id"),
    comment="What an administrator has consented to; all tokens that follow from it end with it.",
)

authorization_codes = Table(
    "authorization_codes",
    metadata,
    Column("code_sha256", String(64), primary_key=True),
    Column("grant_id", ForeignKey("grants.id", ondelete="CASCADE"), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("code_challenge", Text),
    Column("code_challenge_method", String(8)),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime, comment="a second use revokes the grant"),
    Index(None, "grant_id"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("grant_id", ForeignKey("grants.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Index(None, "grant_id"),
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
    Column("scope", Text, nullable=False, comment="separated by blanks"),
    Column("administrator_id", ForeignKey("administrators.id", ondelete="CASCADE"), comment="whose reach it has"),
    Column("grant_id", ForeignKey("grants.id", ondelete="CASCADE"), comment="none: made by hand"),
    Index(None, "grant_id"),
)

intake_keys = Table(
    "intake_keys",
    metadata,
    Column("key_sha256", String(64), primary_key=True),
    Column("label", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)

operator_keys = Table(
    "operator_keys",
    metadata,
    Column("key_sha256", String(64), primary_key=True),
    Column("label", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    comment="Keys of the operator's own programs: they may manage the directory.",
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
    Column("round", Integer, nullable=False, comment="0; 1 and up when the window is sent again"),
    Column("window_start", UtcDateTime, nullable=False),
    Column("window_end", UtcDateTime, nullable=False),
    Column("part", Integer, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("records", Integer, nullable=False),
    Column("digest", String(64), nullable=False, comment="of its Report IDs, as in the manifest"),
    Column("body_bytes", BigInteger, nullable=False),
    Column("state", String(16), nullable=False, comment="pending, delivered, failed"),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime, comment="none once the state is final"),
    Column("finished_at", UtcDateTime),
    UniqueConstraint("partner_id", "tick", "round", "part"),
    Index(None, "tick"),  # the latest deliveries, for the page
    # What a partner is owed, the oldest first, however much it has had already.
    Index(
        "ix_deliveries_pending",
        "partner_id",
        "window_end",
        "round",
        "part",
        "next_attempt_at",
        sqlite_where=text("state = 'pending'"),
    ),
    Index("ix_deliveries_failed", "partner_id", "finished_at", sqlite_where=text("state = 'failed'")),
    comment="One row a POST; its body lies in the outbox folder under the id.",
)

PENDING, FAILED = (deliveries.c.state == literal(state, literal_execute=True) for state in ("pending", "failed"))
"""The conditions as their indexes say them: SQLite uses an index of some rows only where it sees that it fits."""

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

record_sources = Table(
    "record_sources",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("kind", String(16), nullable=False, comment="folder, follow, cdr_stream, cdr_feed or push"),
    Column("format", String(16), nullable=False, comment="of what it gives: record, freeswitch or asterisk"),
    Column("location", Text, nullable=False, comment="the folder, the file, or the base address of the provider"),
    Column("org_uuid", String(36), comment="whose calls they are, where they do not say it themselves"),
    Column("org_map", Text, nullable=False, comment="rules that tell whose calls they are, as CSV"),
    Column("time_zone", String(64), nullable=False, comment="of times that say none"),
    Column("token", LargeBinary, comment="encrypted access token of the provider"),
    Column("cursor", Text, nullable=False, comment="how far it has been read; empty: not at all"),
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("read_at", UtcDateTime, comment="when it was last read to its end"),
    Column("problem", Text, comment="what kept it from being read since"),
    comment="Where call records are fetched, beside those that are handed in.",
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("partner_id", ForeignKey("partners.id", ondelete="CASCADE")),
    Column("channel", String(16), nullable=False, comment="mail or webhook"),
    Column("target", Text, nullable=False, comment="address or URL"),
    Column("subject", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime, comment="none once it was sent or given up"),
    Column("sent_at", UtcDateTime),
    Column("problem", Text, comment="why the last attempt failed"),
    Index(None, "next_attempt_at"),
    comment="What people must be told, until they are.",
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
    Column("kind", String(16), nullable=False, server_default="webhook", comment="webhook, or cdr_stream: is pulled"),
    Column(
        "feed_type",
        String(16),
        nullable=False,
        server_default=text("''"),
        comment="analytics, billing; empty: not said",
    ),
    Column("history_api", Text, comment="base address of cdr_feed and cdr_stream, where it is another one"),
    Column("org_uuid", String(36), comment="the one customer of a source that is pulled; none: the token's own"),
    Column(
        "cursor", Text, nullable=False, server_default=text("''"), comment="how far it was pulled; empty: not at all"
    ),
    Column("pulled_at", UtcDateTime, comment="when it was last pulled to its end"),
    Column("pull_problem", Text, comment="what kept it from being pulled since"),
    Column("gap_from", UtcDateTime, comment="beginning of what could not be pulled any more, lately"),
    Column("gap_until", UtcDateTime, comment="its end"),
    Column("gap_found_at", UtcDateTime, comment="when that was last found"),
    Column("token_url", Text, comment="where its tokens are refreshed"),
    Column("client_id", Text, comment="of the integration or service app"),
    Column("client_secret", LargeBinary, comment="encrypted"),
    Column("refresh_token", LargeBinary, comment="encrypted; the newest that was given"),
    Column("token_expires_at", UtcDateTime, comment="of the access token; none: not known"),
    Column("refresh_expires_at", UtcDateTime, comment="of the refresh token; none: not known"),
    Column("refreshed_at", UtcDateTime, comment="when the tokens were last replaced"),
    Column("token_problem", Text, comment="what kept them from being refreshed since"),
)

manifests = Table(
    "manifests",
    metadata,
    Column("source", ForeignKey("sources.name", ondelete="CASCADE"), primary_key=True),
    Column("window_start", UtcDateTime, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("payload", String(64), primary_key=True, comment="a part that came twice has two rows"),
    Column("window_end", UtcDateTime, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("records", Integer, nullable=False, comment="as the manifest says"),
    Column("digest", String(64), nullable=False, comment="as the manifest says; empty: it says none"),
    Column("state", String(16), nullable=False, comment="verified, differs, counted or quarantined: contract/manifest"),
    Column("received_at", UtcDateTime, nullable=False),
    comment="What deliveries said of themselves, once their records are in the lake.",
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
    Column("proof", String(16), nullable=False, server_default="counts", comment="counts, ids, or none: not proved"),
    Column(
        "ways",
        Text,
        nullable=False,
        server_default=text("''"),
        comment="how records were brought: repair history report",
    ),
    Column("reason", Text, comment="why it is not complete, or why nothing could be asked"),
    Column("completed_at", UtcDateTime, comment="since when nothing is missing; none: something is"),
    Column("recheck_at", UtcDateTime, comment="when it is to be compared again at the latest; none: it need not be"),
    Column("history_tries", Integer, nullable=False, server_default="0", comment="how often cdr_feed was asked for it"),
    Index(None, "window_start"),
    Index(None, "source", "state"),  # a year of 283 organizations is counted at each look at the page
    Index("ix_ledger_incomplete", "window_start", "source", sqlite_where=text("state IN ('short', 'lost')")),
)

INCOMPLETE = ledger.c.state.in_([literal(state, literal_execute=True) for state in ("short", "lost")])
"""The condition as its index says it; see PENDING."""

FORGETTABLE = ("open", "matched", "repaired", "surplus")
"""States of windows that go from the ledger once they are old: in the others records are missing."""

ledger_forgotten = Table(
    "ledger_forgotten",
    metadata,
    Column("source", ForeignKey("sources.name", ondelete="CASCADE"), primary_key=True),
    Column("until", UtcDateTime, nullable=False, comment="hours that ended by then are gone; what is missing stays"),
    *(Column(state, BigInteger, nullable=False, server_default="0") for state in FORGETTABLE),
    comment="How far back the ledger of a source goes, and how many windows in each state went from it.",
)

compared_hours = Table(
    "compared_hours",
    metadata,
    Column("source", ForeignKey("sources.name", ondelete="CASCADE"), primary_key=True),
    Column("window_start", UtcDateTime, primary_key=True, comment="the whole hour"),
    Column("tried_at", UtcDateTime, nullable=False, comment="when the provider was last asked for its counts"),
    Column("failures", Integer, nullable=False, comment="how often in a row that failed"),
    Column("problem", Text, comment="why it failed last"),
    Column("compared_at", UtcDateTime, comment="when counts from its beginning on were last compared; none: never"),
    comment="Which hours of a source were compared, so that a process that starts anew knows.",
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
    Column(
        "cause", String(16), nullable=False, server_default="schedule", comment="schedule, start, outage, window, hand"
    ),
    Index(None, "source", "started_at"),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(32), nullable=False, comment="names its page in docs/operations"),
    Column(
        "subject", Text, nullable=False, comment="what it is about: a source, an organization, a window; may be empty"
    ),
    Column("what", Text, nullable=False),
    Column("raised_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False, comment="when its cause was last there"),
    Column("told_at", UtcDateTime, comment="when people were last told"),
    Column("cleared_at", UtcDateTime, comment="when its cause had gone; none: it stands"),
    Index("uq_alarms_standing", "kind", "subject", unique=True, sqlite_where=text("cleared_at IS NULL")),
    Index(None, "raised_at"),
    comment="What the collector's operator must look after.",
)

drift = Table(
    "drift",
    metadata,
    Column("kind", String(16), primary_key=True, comment="key: not documented; value: not one of the documented"),
    Column("field", Text, primary_key=True, comment="key or field as on the wire"),
    Column("value", Text, primary_key=True, comment="of an enumeration, at most 200 characters; empty for a key"),
    Column("source", String(64), primary_key=True),
    Column("records", BigInteger, nullable=False),
    Column("payload", String(64), nullable=False, comment="the first that had it"),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    Column("told_at", UtcDateTime, comment="when it was reported"),
    comment="How records differ from the documents.",
)

retentions = Table(
    "retentions",
    metadata,
    Column("org_uuid", String(36), primary_key=True),
    Column("keep_days", Float, nullable=False, comment="days of the contract that its records are kept"),
    Column("created_at", UtcDateTime, nullable=False),
    comment="Organizations whose records are kept for a time of their own.",
)

erasures = Table(
    "erasures",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("org_uuid", String(36), comment="of whose records; none: of all"),
    Column(
        "label", Text, nullable=False, comment="the operator's own words, such as a ticket; never the person's data"
    ),
    Column("records", BigInteger, nullable=False),
    Column("finished_at", UtcDateTime),
    comment="That something was erased, when, and how much; not what.",
)

erased_keys = Table(
    "erased_keys",
    metadata,
    Column("erasure_id", ForeignKey("erasures.id", ondelete="CASCADE"), primary_key=True),
    Column("keyed_hash", String(64), primary_key=True, comment="of a number, name or id, with the key of this home"),
    comment="By what old records of an erased person are known, should they come again.",
)

# --- both ------------------------------------------------------------------------------------------------------------

payloads = Table(
    "payloads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("half", String(16), nullable=False, comment="publisher or collector"),
    Column("source", Text, nullable=False),
    Column("channel", String(16), nullable=False, comment="intake, webhook, repair, history, report or stream"),
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

forgotten_sums = Table(
    "forgotten_sums",
    metadata,
    Column("name", String(64), primary_key=True, comment="of what was counted"),
    Column("number", BigInteger, nullable=False),
    comment="What rows that are gone had added to numbers that only grow.",
)

clock_seen = Table(
    "clock_seen",
    metadata,
    Column("id", Integer, primary_key=True, comment="1: there is one row"),
    Column("seen_at", UtcDateTime, nullable=False, comment="what the clock said when it was last seen"),
    Column("leapt_from", UtcDateTime, comment="what it said before a leap that is not believed yet"),
    Column("leapt_to", UtcDateTime, comment="and after it"),
    Column("until", UtcDateTime, comment="nothing is removed by its age before; none: no leap"),
    comment="What this machine's clock said, for what is removed by its age.",
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
