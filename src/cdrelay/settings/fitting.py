"""Whether a single value fits its setting: its type and its bounds."""

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

from cdrelay.settings.defaults import defaults
from cdrelay.settings.values import SettingError, Settings

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


def fit(name: str, value: Any, origin: str) -> Any:
    """The value in the type of the setting; `origin` says where it stands. Raises SettingError."""
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
    default = defaults()[name]
    return "" if default == "" else f", such as {str(default).lower() if isinstance(default, bool) else default}"


def _truth(value: Any) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        return words[str(value).lower()]
    except KeyError:
        raise ValueError(value) from None


def _in_words(kind: Any) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "text")
