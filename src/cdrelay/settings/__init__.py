"""Settings: what there is, what was set, and whether it makes sense."""

from cdrelay.settings.defaults import Described, default_text, described
from cdrelay.settings.fitting import NOT_SHOWN
from cdrelay.settings.reading import look_at_settings, read_settings
from cdrelay.settings.values import SettingError, Settings

__all__ = [
    "NOT_SHOWN",
    "Described",
    "SettingError",
    "Settings",
    "default_text",
    "described",
    "look_at_settings",
    "read_settings",
]
