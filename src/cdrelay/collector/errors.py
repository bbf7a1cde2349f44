"""What can go wrong in the collector, named for what happened."""

from cdrelay.errors import CdrelayError


class CollectorError(CdrelayError):
    """The root of the collector's own errors."""


class SourceUnknown(CollectorError):
    """No source has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no source {name[:64]!r}; `cdrelay collector source list` shows them")
        self.name = name


class SourceExists(CollectorError):
    """A source of that name is there already."""


class SourceRefused(CollectorError):
    """A name, address, secret or token that a source cannot have; the message says why."""
