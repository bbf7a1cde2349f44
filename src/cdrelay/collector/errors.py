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


class ProviderError(CollectorError):
    """The provider did not give what was asked for; `status` is that of HTTP, None without answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ProviderRefused(ProviderError):
    """The provider does not let this token in (401) or does not let it do this (403): asking on is of no use."""


class ProviderRejected(ProviderError):
    """The provider calls this request wrong, such as a period out of its reach: the next request may still succeed."""


class ProviderUnavailable(ProviderError):
    """No sensible answer came in all attempts: unreachable, too busy, an error page, or a body that makes no sense."""
