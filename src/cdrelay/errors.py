"""The root of cdrelay's own errors; each package has its own subclasses, named for what happened.

And those of the JSON parser for bytes of others, which every place that reads such bytes has to expect all of.
"""

import msgspec


class CdrelayError(Exception):
    """Something cdrelay knows how to explain: its text is meant for the person who reads it."""


UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""Broken or nested too deeply, and, where the parser makes text, bytes that are none."""
