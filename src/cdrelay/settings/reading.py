"""Shipped defaults, then settings.toml in the home folder, then CDRELAY_… variables; read at the entry."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cdrelay.settings.defaults import defaults
from cdrelay.settings.fitting import fit
from cdrelay.settings.sense import require_sense
from cdrelay.settings.values import SettingError, Settings


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
    values = {name: fit(name, value, "defaults") for name, value in defaults().items()}
    if "CDRELAY_HOME" in environment:
        values["home"] = fit("home", environment["CDRELAY_HOME"], "CDRELAY_HOME")
    if overrides.get("home") is not None:
        values["home"] = fit("home", overrides["home"], "--home")
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
            values[name] = fit(name, value, origin)
        except SettingError as error:
            problems.append(error)
    settings = Settings(**values)
    try:
        require_sense(settings)
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
