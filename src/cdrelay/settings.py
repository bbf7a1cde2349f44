"""Settings: shipped defaults, then settings.toml in the home folder, then CDRELAY_… variables; read at the entry."""

import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from functools import cache
from importlib.resources import files
from ipaddress import ip_network
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Described:
    """A setting as `cdrelay settings` shows it."""

    name: str
    help: str
    default: Any


def default_text() -> str:
    """The shipped defaults file, comments and all."""
    return (files("cdrelay") / "settings.default.toml").read_text("utf-8")


def described() -> list[Described]:
    """Every setting with its help and default, in the order of the defaults file."""
    defaults = _defaults()
    found, comment = [], []
    for line in default_text().splitlines():
        if line.startswith("#"):
            comment.append(line.lstrip("# "))
        elif match := re.match(r"(\w+) *=", line):
            found.append(Described(match[1], " ".join(comment), defaults[match[1]]))
            comment = []
        else:
            comment = []
    return found


# With 0 of these nothing would ever happen, or, as with a time limit, nothing would ever end.
_MORE_THAN_NOTHING = {
    "head_seconds",
    "body_limit_bytes",
    "unpacked_limit_bytes",
    "body_idle_seconds",
    "bodies_at_once",
    "answer_seconds",
    "load_batch_bytes",
    "engine_memory_megabytes",
    "engine_threads",
    "replaced_files_minutes",
    "records_per_post",
    "callback_connect_seconds",
    "callback_send_seconds",
    "callback_answer_seconds",
    "callback_total_seconds",
    "deliveries_at_once",
    "reconcile_every_minutes",
    "reconcile_at_once",
    "api_seconds",
    "api_attempts",
    "partner_reach_hours",
    "partner_count_span_minutes",
    "partner_organizations_per_page",
    "history_feed_span_hours",
    "history_feed_reach_hours",
    "history_stream_span_hours",
    "history_stream_reach_hours",
    "history_max_smallest",
    "history_max_largest",
}


_OF_A_CENTURY = {"days": 36_500, "hours": 876_000, "minutes": 52_560_000, "seconds": 3_153_600_000}
_MOST = {"port": 65_535, "engine_threads": 1_024, "compress": 300_000}

# Text for which nothing means something: that there is none.
_MAY_BE_EMPTY = {
    "tls_certificate_file",
    "tls_key_file",
    "trusted_proxies",
    "region",
    "instance_name",
    "region_hosts",
    "callback_ca_file",
    "mail_server",
    "mail_from",
    "mail_user",
    "mail_password",
    "alarm_mail",
    "alarm_webhook",
    "alarm_webhook_secret",
    "oidc_issuer",
    "oidc_client_id",
    "oidc_client_secret",
}

NOT_SHOWN = frozenset({"mail_password", "alarm_webhook_secret", "oidc_client_secret"})
"""Settings that hold a secret; whether they are set is all that is told of them."""


def _fit(name: str, value: Any, origin: str) -> Any:
    kind = {one.name: one.type for one in fields(Settings)}.get(name)
    if kind is None:
        raise SettingError(f"{origin}: there is no setting {name!r}; `cdrelay settings` lists them")
    try:
        fitted = _converted(kind, value, empty=name in _MAY_BE_EMPTY)
    except (TypeError, ValueError):
        given = "" if name in NOT_SHOWN else f", not {value!r}"
        raise SettingError(f"{origin}: {name} must be {_in_words(kind)}{_example(name)}{given}") from None
    if kind not in (int, float):
        return fitted
    if fitted < 0:
        raise SettingError(f"{origin}: {name} must not be negative{_example(name)}, but is {value!r}")
    if name in _MORE_THAN_NOTHING and fitted == 0:
        raise SettingError(f"{origin}: {name} must be more than 0{_example(name)}")
    if fitted > (most := _most(name)):
        raise SettingError(f"{origin}: {name} must be at most {most:,}{_example(name)}, but is {value!r}")
    return fitted


def _converted(kind: Any, value: Any, *, empty: bool) -> Any:
    """Of the type of a setting; `empty` says whether its text may be. Raises TypeError, ValueError."""
    if kind is bool:
        return _truth(value)
    if kind in (Path, str):
        # A variable that is set to nothing: home would be wherever one stands, and host every address there is.
        if "\0" in str(value) or not (empty or str(value).strip()):
            raise ValueError(value)
        return Path(str(value)).expanduser().absolute() if kind is Path else str(value)
    if isinstance(value, bool) or (kind is int and isinstance(value, float)):
        raise ValueError(value)
    fitted = kind(value)
    if kind is float and not math.isfinite(fitted):
        raise ValueError(value)
    return fitted


def _most(name: str) -> int:
    """The largest number that makes sense; of a time, a century."""
    if name in _MOST:
        return _MOST[name]
    unit = next((unit for unit in _OF_A_CENTURY if name.endswith(f"_{unit}")), None)
    return _OF_A_CENTURY[unit] if unit else 10**15


def _example(name: str) -> str:
    default = _defaults()[name]
    return "" if default == "" else f", such as {str(default).lower() if isinstance(default, bool) else default}"


@cache
def _defaults() -> dict[str, Any]:
    return tomllib.loads(default_text())


def _truth(value: Any) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        return words[str(value).lower()]
    except KeyError:
        raise ValueError(value) from None


def _in_words(kind: Any) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "text")


def read_settings(environment: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """The effective settings; `overrides` come from the command line and win. Raises SettingError.

    `environment` is that of the process when it is None.
    """
    settings, problems = look_at_settings(environment, **overrides)
    if problems:
        raise problems[0]
    return settings


def look_at_settings(
    environment: Mapping[str, str] | None = None, **overrides: Any
) -> tuple[Settings, list[SettingError]]:
    """The effective settings without those that are wrong, and all that is wrong. `cdrelay doctor` wants to see it all.

    Raises SettingError only for the home folder.
    """
    environment = os.environ if environment is None else environment
    values = {name: _fit(name, value, "defaults") for name, value in _defaults().items()}
    if "CDRELAY_HOME" in environment:
        values["home"] = _fit("home", environment["CDRELAY_HOME"], "CDRELAY_HOME")
    if overrides.get("home"):
        values["home"] = _fit("home", overrides["home"], "--home")
    file, problems = values["home"] / "settings.toml", []
    try:
        given = [(name, value, str(file)) for name, value in _in_file(file).items()]
    except SettingError as error:
        given, problems = [], [error]
    for variable, text in environment.items():
        name = variable.removeprefix("CDRELAY_").lower()
        if variable.startswith("CDRELAY_") and name != "home":
            given.append((name, text, variable))
    given += [(name, value, "command line") for name, value in overrides.items() if value is not None]
    for name, value, origin in given:
        try:
            values[name] = _fit(name, value, origin)
        except SettingError as error:
            problems.append(error)
    settings = Settings(**values)
    try:
        _require_sense(settings)
    except SettingError as error:
        problems.append(error)
    return settings, problems


def _in_file(file: Path) -> dict[str, Any]:
    try:
        given = tomllib.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SettingError(f"{file}: it cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise SettingError(
            f'{file}: it is no TOML in UTF-8, with lines such as port = 8000 and host = "127.0.0.1": {error}'
        ) from error
    if "home" in given:
        raise SettingError(f"{file}: home cannot be set in a file inside it; set CDRELAY_HOME")
    return given


def _require_sense(settings: Settings) -> None:
    """Raises SettingError for values that are right each by itself."""
    if settings.history_max_smallest > settings.history_max_largest:
        raise SettingError("history_max_smallest must be no more than history_max_largest")
    if settings.answer_when not in ("spooled", "committed"):
        raise SettingError(f"answer_when must be spooled or committed, not {settings.answer_when!r}")
    if settings.tls_key_file and not settings.tls_certificate_file:
        raise SettingError('tls_certificate_file must be set when there is a tls_key_file, such as "cdrelay.pem"')
    _require_networks(settings.trusted_proxies)
    if settings.mail_server:
        _require_mail_server(settings)
    _require_alarm_mail(settings)
    try:
        _ = settings.rules
    except ValueError as error:
        raise SettingError(f"compress: {error}; it must divide 5 minutes, such as 1 or 60") from error


def _require_alarm_mail(settings: Settings) -> None:
    if settings.alarm_mail and not settings.mail_server:
        raise SettingError('mail_server must be set when there is an alarm_mail, such as "mail.example.com:587"')
    for address in settings.alarm_mail_addresses:
        if address.count("@") != 1 or not address.isprintable() or " " in address:
            raise SettingError(
                f'alarm_mail must be addresses, such as "ops@example.com, night@example.com", and {address!r} is none'
            )


def _require_networks(trusted_proxies: str) -> None:
    for one in filter(None, map(str.strip, trusted_proxies.split(","))):
        try:
            ip_network(one)
        except ValueError as error:
            raise SettingError(
                f'trusted_proxies must be addresses or networks, such as "127.0.0.1, 10.0.0.0/8", and {one!r} is none'
            ) from error


def _require_mail_server(settings: Settings) -> None:
    host, _, port = settings.mail_server.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= 65_535:
        raise SettingError('mail_server must be a host and a port, such as "mail.example.com:587"')
    if "@" not in settings.mail_from:
        raise SettingError('mail_from must be an address when there is a mail_server, such as "cdrelay@example.com"')
    if settings.mail_user and not settings.mail_password:
        raise SettingError("mail_password must be set when there is a mail_user")
