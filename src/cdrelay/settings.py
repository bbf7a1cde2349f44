"""Settings: shipped defaults, then settings.toml in the home folder, then CDRELAY_… variables; read at the entry."""

import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from cdrelay.contract.history import HistoryRules
from cdrelay.contract.rules import Rules
from cdrelay.errors import CdrelayError


class SettingError(CdrelayError):
    """A setting that does not exist or a value that does not fit; the message names it and where it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The effective settings. What each does is said once, in settings.default.toml."""

    home: Path
    host: str
    port: int
    compress: float
    body_limit_bytes: int
    unpacked_limit_bytes: int
    disk_reserve_bytes: int
    record_max_age_days: int
    record_max_ahead_minutes: int
    load_batch_bytes: int
    engine_memory_megabytes: int
    engine_threads: int
    version_reach_hours: int
    publisher_keep_hours: float
    collector_keep_days: float
    send_empty_windows: bool
    allow_http_callbacks: bool
    allow_callbacks_to_private_addresses: bool
    callback_connect_seconds: float
    callback_total_seconds: float
    retry_first_seconds: float
    retry_longest_seconds: float
    deliveries_at_once: int
    reconcile_every_minutes: float
    api_seconds: float
    api_retry_longest_seconds: float
    api_attempts: int
    history_feed_reach_hours: float
    history_first_requests_per_minute: int
    history_page_requests_per_minute: int

    @property
    def rules(self) -> Rules:
        """The contract's numbers, compressed as set."""
        return Rules() if self.compress == 1 else Rules().compressed(self.compress)

    @property
    def history_rules(self) -> HistoryRules:
        """The numbers of the Detailed Call History APIs, as set and compressed."""
        documented = HistoryRules()
        return replace(
            documented,
            feed=replace(documented.feed, reach=timedelta(hours=self.history_feed_reach_hours)),
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
    defaults = tomllib.loads(default_text())
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
    "body_limit_bytes",
    "unpacked_limit_bytes",
    "load_batch_bytes",
    "engine_memory_megabytes",
    "engine_threads",
    "callback_connect_seconds",
    "callback_total_seconds",
    "deliveries_at_once",
    "reconcile_every_minutes",
    "api_seconds",
    "api_attempts",
    "history_feed_reach_hours",
}


def _fit(name: str, value: Any, origin: str) -> Any:
    kind = {field.name: field.type for field in fields(Settings)}.get(name)
    if kind is None:
        raise SettingError(f"{origin}: there is no setting {name!r}; `cdrelay settings` lists them")
    try:
        if kind is bool:
            return _truth(value)
        if kind in (Path, str) and not str(value).strip():
            # A variable that is set to nothing: home would be wherever one stands, and host every address there is.
            raise ValueError(value)
        if kind is Path:
            return Path(str(value)).expanduser().absolute()
        if isinstance(value, bool) or (kind is int and isinstance(value, float)):
            raise ValueError(value)
        fitted = kind(value)  # type: ignore[operator]
        if kind is float and not math.isfinite(fitted):
            raise ValueError(value)
    except (TypeError, ValueError):
        raise SettingError(f"{origin}: {name} must be {_in_words(kind)}, not {value!r}") from None
    if kind in (int, float) and fitted < 0:
        raise SettingError(f"{origin}: {name} must not be negative, but is {value!r}")
    if name in _MORE_THAN_NOTHING and fitted == 0:
        raise SettingError(f"{origin}: {name} must be more than 0")
    return fitted


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
    environment = os.environ if environment is None else environment
    values = {name: _fit(name, value, "defaults") for name, value in tomllib.loads(default_text()).items()}
    if "CDRELAY_HOME" in environment:
        values["home"] = _fit("home", environment["CDRELAY_HOME"], "CDRELAY_HOME")
    if overrides.get("home"):
        values["home"] = _fit("home", overrides["home"], "--home")
    file = values["home"] / "settings.toml"
    if file.exists():
        try:
            given = tomllib.loads(file.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise SettingError(f"{file}: {error}") from error
        if "home" in given:
            raise SettingError(f"{file}: home cannot be set in a file inside it; set CDRELAY_HOME")
        values |= {name: _fit(name, value, str(file)) for name, value in given.items()}
    for variable, text in environment.items():
        name = variable.removeprefix("CDRELAY_").lower()
        if variable.startswith("CDRELAY_") and name != "home":
            values[name] = _fit(name, text, variable)
    values |= {name: _fit(name, value, "command line") for name, value in overrides.items() if value is not None}
    settings = Settings(**values)
    if settings.port > 65_535:
        raise SettingError(f"port must be at most 65535, but is {settings.port}")
    try:
        _ = settings.rules
    except ValueError as error:
        raise SettingError(f"compress: {error}") from error
    return settings
