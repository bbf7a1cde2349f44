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


class TokenMissing(CollectorError):
    """A source has no access token, or none that is valid and no way to get another."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{why}; `cdrelay collector login {name}` gets one")


class TokenRefused(CollectorError):
    """The provider gives no tokens for what it was shown; only a person can mend that, by logging in again."""


class TokenUnavailable(CollectorError):
    """The provider gave no sensible answer when it was asked for tokens; another attempt may mend it."""


class LoginRefused(CollectorError):
    """Nobody consented in time, or the provider said no; nothing was changed."""


class CertificateRefused(CollectorError):
    """A period that no certificate can be made of; the message says why."""


class NoReportId(CollectorError):
    """A text that is no Report ID."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r} is no Report ID, which is a UUID of 36 characters such as"
            " 0a1b2c3d-1111-4222-8333-444455556666; a part of one cannot be looked up"
        )


class ReportRefused(CollectorError):
    """A file that is no Detailed Call History report, or that cannot be read; the message says why."""
