"""The settings as values, and what follows from them."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from cdrelay.contract.history import HistoryRules, PageSizes
from cdrelay.contract.rules import RequestRate, Rules
from cdrelay.errors import CdrelayError


class SettingError(CdrelayError):
    """A setting that does not exist or a value that does not fit; the message names it and where it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The effective settings. What each does is said once, in settings.default.toml."""

    home: Path
    host: str
    port: int
    tls_certificate_file: str
    tls_key_file: str
    trusted_proxies: str
    head_seconds: float
    compress: float
    body_limit_bytes: int
    unpacked_limit_bytes: int
    body_idle_seconds: float
    body_slowest_bytes_per_second: int
    bodies_at_once: int
    webhook_requests_per_minute: int
    answer_when: str
    answer_seconds: float
    disk_reserve_bytes: int
    record_max_age_days: int
    record_max_ahead_minutes: int
    load_batch_bytes: int
    engine_memory_megabytes: int
    engine_threads: int
    version_reach_hours: int
    publisher_keep_hours: float
    delivery_log_days: float
    collector_keep_days: float
    ledger_keep_days: float
    replaced_files_minutes: float
    encrypt_lake: bool
    records_per_post: int
    send_empty_windows: bool
    allow_http_callbacks: bool
    allow_callbacks_to_private_addresses: bool
    callback_connect_seconds: float
    callback_send_seconds: float
    callback_answer_seconds: float
    callback_total_seconds: float
    callback_ca_file: str
    sign_sha256: bool
    retry_first_seconds: float
    retry_longest_seconds: float
    deliveries_at_once: int
    switch_off_after_hours: float
    mail_server: str
    mail_from: str
    mail_starttls: bool
    mail_user: str
    mail_password: str = field(repr=False)
    alarm_mail: str
    alarm_log_days: float
    alarm_webhook: str
    alarm_webhook_secret: str = field(repr=False)
    alarm_webhook_to_private_address: bool
    instance_name: str
    reconcile_every_minutes: float
    reconcile_at_once: int
    api_seconds: float
    api_retry_longest_seconds: float
    api_attempts: int
    region: str
    region_hosts: str
    partner_reach_hours: float
    partner_count_span_minutes: float
    partner_organizations_per_page: int
    partner_requests_per_minute: int
    history_feed_span_hours: float
    history_feed_reach_hours: float
    history_stream_span_hours: float
    history_stream_reach_hours: float
    history_max_smallest: int
    history_max_largest: int
    history_first_requests_per_minute: int
    history_page_requests_per_minute: int
    sign_in_failures: int
    sign_in_lock_minutes: float
    sign_in_requests_per_minute: int
    session_idle_minutes: float
    session_hours: float
    access_token_days: float
    refresh_token_days: float
    token_renewals_per_hour: int
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str

    @property
    def alarm_mail_addresses(self) -> tuple[str, ...]:
        """The addresses of `alarm_mail`."""
        return tuple(address.strip() for address in self.alarm_mail.split(",") if address.strip())

    @property
    def rules(self) -> Rules:
        """The contract's numbers, compressed as set."""
        rules = Rules(records_per_post=self.records_per_post)
        return rules if self.compress == 1 else rules.compressed(self.compress)

    @property
    def partner_rules(self) -> Rules:
        """The numbers of the partner endpoints, as set and compressed."""
        return replace(
            self.rules,
            reach=timedelta(hours=self.partner_reach_hours) / self.compress,
            count_span=timedelta(minutes=self.partner_count_span_minutes) / self.compress,
            organizations_per_page=self.partner_organizations_per_page,
        )

    @property
    def webhook_rate(self) -> RequestRate:
        """How often a source of the collector may deliver, as set and compressed."""
        return RequestRate(self.webhook_requests_per_minute, timedelta(minutes=1) / self.compress)

    @property
    def partner_rate(self) -> RequestRate:
        """How often a token may ask each of the partner endpoints, as set and compressed."""
        return RequestRate(self.partner_requests_per_minute, timedelta(minutes=1) / self.compress)

    @property
    def history_rules(self) -> HistoryRules:
        """The numbers of the Detailed Call History APIs, as set and compressed."""
        documented = HistoryRules()
        pages = PageSizes(self.history_max_smallest, self.history_max_largest)
        feed = timedelta(hours=self.history_feed_span_hours), timedelta(hours=self.history_feed_reach_hours)
        stream = timedelta(hours=self.history_stream_span_hours), timedelta(hours=self.history_stream_reach_hours)
        return replace(
            documented,
            feed=replace(documented.feed, span=feed[0], reach=feed[1], pages=pages),
            stream=replace(documented.stream, span=stream[0], reach=stream[1], pages=pages),
            first_requests=self.history_first_requests_per_minute,
            page_requests=self.history_page_requests_per_minute,
        ).compressed(self.compress)
