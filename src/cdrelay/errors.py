"""The root of cdrelay's own errors; each package has its own subclasses, named for what happened."""


class CdrelayError(Exception):
    """Something cdrelay knows how to explain: its text is meant for the person who reads it."""
