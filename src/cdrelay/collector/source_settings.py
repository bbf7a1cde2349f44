"""One source of the collector, and what it may be. Pure."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal, get_args

from cdrelay.collector.errors import SourceRefused
from cdrelay.contract.addresses import AddressRefused, checked_base
from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.contract.windows import Period

Kind = Literal["webhook", "cdr_stream"]
"""It delivers, or its records are pulled from the history APIs of one customer."""
KINDS: tuple[Kind, ...] = get_args(Kind)
FeedType = Literal["", "analytics", "billing"]
"""What a partner's webhook was set to (FACTS section 7); empty: not said."""
FEED_TYPES: tuple[FeedType, ...] = get_args(FeedType)

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
# Forgotten when an access token is set by hand: they belong to the login before it.
_OF_A_LOGIN: dict[str, None] = dict.fromkeys(
    (
        "token_url",
        "client_id",
        "client_secret",
        "refresh_token",
        "token_expires_at",
        "refresh_expires_at",
        "refreshed_at",
        "token_problem",
    )
)


class Unreadable(str):
    """Stands for a secret that cannot be opened with the key that is there: the text is the sealed one, as stored."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where records come from. Its secrets and tokens do not show when it is printed."""

    name: str
    kind: Kind = "webhook"
    feed_type: FeedType = ""
    secret: str | None = field(default=None, repr=False)
    """Signs the deliveries; None: unsigned deliveries are taken."""
    previous_secret: str | None = field(default=None, repr=False)
    """Valid beside `secret` while a rotation is under way."""
    api: str | None = None
    """Scheme and host of the provider's endpoints, such as `https://analytics.webexapis.com`."""
    history_api: str | None = None
    """The same for `cdr_feed` and `cdr_stream`, where they are elsewhere."""
    org_uuid: str | None = None
    """The one customer of a source that is pulled; None: the token's own organization."""
    cursor: str = ""
    """The time up to which a source was pulled; empty: not at all."""
    pulled_at: datetime | None = None
    """When it was last pulled to its end."""
    pull_problem: str | None = None
    """What kept it from being pulled since."""
    gap_from: datetime | None = None
    gap_until: datetime | None = None
    """What could not be pulled any more, lately."""
    gap_found_at: datetime | None = None
    """When that was last found; None: never."""
    token: str | None = field(default=None, repr=False)
    """Access token for the provider's endpoints. `Tokens` gives one that is valid."""
    token_url: str | None = None
    """Where its tokens are refreshed."""
    client_id: str | None = None
    """Of the integration or service app that the tokens were given to."""
    client_secret: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    token_expires_at: datetime | None = None
    """None: not known."""
    refresh_expires_at: datetime | None = None
    """None: not known."""
    refreshed_at: datetime | None = None
    """When the tokens were last replaced."""
    token_problem: str | None = None
    """What kept them from being refreshed since."""
    created_at: datetime

    @property
    def gap(self) -> Period | None:
        """What could not be pulled any more, lately."""
        return gap_of(self)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets that are valid now; none means that nothing is verified."""
        return tuple(secret for secret in (self.secret, self.previous_secret) if secret)

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Which of its secrets and tokens stand there as `Unreadable`, in their order; they are of no use."""
        return tuple(one.name for one in fields(self) if isinstance(getattr(self, one.name), Unreadable))

    @property
    def has_token(self) -> bool:
        """Whether it has an access token, or can get one."""
        return has_token(self)

    @property
    def renewable(self) -> bool:
        """Whether its tokens can be refreshed."""
        return is_renewable(self)

    @property
    def reconcilable(self) -> bool:
        """Whether its provider's partner endpoints can be asked; one customer's token has no right to them."""
        return is_reconcilable(self)

    @property
    def history_base(self) -> str | None:
        """Where `cdr_feed` and `cdr_stream` are asked."""
        return self.history_api or self.api


def gap_of(source: Any) -> Period | None:
    """What of a source could not be pulled any more; its row will do."""
    known = source.gap_from is not None and source.gap_until is not None
    return Period(source.gap_from, source.gap_until) if known else None


def is_renewable(source: Any) -> bool:
    """Whether the tokens of a source can be refreshed; its row in the control database, sealed as it is, will do."""
    return None not in (source.refresh_token, source.token_url, source.client_id, source.client_secret)


def has_token(source: Any) -> bool:
    """Whether a source, or its row, has an access token or can get one."""
    return source.token is not None or is_renewable(source)


def is_reconcilable(source: Any) -> bool:
    """Whether the partner endpoints of a source's provider can be asked; its row will do."""
    return source.kind == "webhook" and source.api is not None and has_token(source)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """What to change of a source; None leaves a value as it is, and empty takes away what may be missing."""

    secret: str | None = field(default=None, repr=False)
    api: str | None = None
    token: str | None = field(default=None, repr=False)
    """An access token by itself: what a login gave before is forgotten."""
    history_api: str | None = None
    feed_type: str | None = None
    org_id: str | None = None
    """A UUID or an encoded id."""
    cursor: str | None = None
    """The time from which a source is pulled, as `write_time` writes it."""


def in_words(columns: Iterable[str]) -> list[str]:
    """Columns of a source, such as those that are unreadable, as people are told of them."""
    return [column.replace("_", " ") for column in columns]


def named(name: str, kind: str, created_at: datetime) -> Source:
    """A source without settings yet. Raises SourceRefused for a name or a kind that none has."""
    if not _NAME.fullmatch(name):
        raise SourceRefused(f"a source's name is 1 to 64 of a-z, 0-9 and -, not starting with -: {name[:70]!r} is not")
    return Source(name=name, kind=_one_of("kind", kind, KINDS), created_at=created_at)


def changed(source: Source, given: SourceChange) -> Source:
    """`source` with what is given, checked as a whole. Raises SourceRefused for what no source can have."""
    checks: dict[str, Callable[[str], Any]] = {
        "secret": lambda text: _secret("secret", text),
        "token": lambda text: _secret("token", text),
        "api": _base,
        "history_api": lambda text: _base(text) if text else None,
        "feed_type": lambda text: _one_of("feed type", text, FEED_TYPES),
        "cursor": str,
    }
    values: dict[str, Any] = {
        name: check(getattr(given, name)) for name, check in checks.items() if getattr(given, name) is not None
    }
    if given.org_id is not None:
        values["org_uuid"] = _organization(given.org_id) if given.org_id else None
    if given.token is not None:
        values |= _OF_A_LOGIN
    whole = replace(source, **values)
    _require_whole(whole)
    return whole


def _require_whole(source: Source) -> None:
    if source.kind == "cdr_stream":
        if source.history_base is None:
            raise SourceRefused("a source that is pulled needs the api address of its provider")
        if source.secret is not None or source.feed_type:
            raise SourceRefused("a source that is pulled has no webhook, and so neither secret nor feed type")
    elif source.org_uuid is not None or source.cursor:
        raise SourceRefused("only a source that is pulled is of one organization, and is told since when")


def _secret(what: str, text: str) -> str:
    if not text or not text.isprintable() or text != text.strip():
        raise SourceRefused(f"a {what} is not empty and has no line breaks, and no blanks around it")
    return text


def _base(text: str) -> str:
    try:
        return checked_base(text)
    except AddressRefused as error:
        raise SourceRefused(str(error)) from error


def _one_of(what: str, text: str, allowed: tuple[str, ...]) -> Any:
    if text not in allowed:
        raise SourceRefused(f"the {what} must be one of {', '.join(filter(None, allowed))}")
    return text


def _organization(org_id: str) -> str:
    try:
        return organization_uuid(org_id)
    except ValueError as error:
        raise SourceRefused(str(error)) from error
