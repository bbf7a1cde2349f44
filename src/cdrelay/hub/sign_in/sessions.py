"""Who is signed in: sessions in the control database, known by a cookie of which only the hash is stored."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request, Response
from sqlalchemy import delete, insert, select, update

from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.secrets_at_rest import fresh_token, token_hash
from cdrelay.control.tables import sessions
from cdrelay.errors import CdrelayError
from cdrelay.hub.sign_in.cookies import cookie_of, delete_cookie, set_cookie
from cdrelay.publisher.access.administrators import Administrators
from cdrelay.publisher.errors import AdministratorUnknown
from cdrelay.publisher.parties import Administrator, Role

COOKIE = "cdrelay_session"
_SEEN_EVERY = timedelta(minutes=1)
"""How often it is noted that somebody is there; a page more often than that writes nothing."""

_RISING: tuple[Role, ...] = ("assigned", "read_only", "full")
"""The roles, each with all that the one before it may see."""


class NotSignedIn(CdrelayError):
    """The page is for administrators who have signed in; the answer leads to the sign-in page."""


class Forbidden(CdrelayError):
    """Not for this administrator, or not from this page; the message says why."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in, and the CSRF token that each form of their pages carries as the hidden field `csrf`."""

    administrator: Administrator
    csrf: str


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """A session ends when nothing was asked for `idle` (to the minute), and in any case after `longest`."""

    idle: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=12)


class SignIn:
    """Begins, recognizes and ends sessions. All methods block; all raise DatabaseUnavailable."""

    def __init__(
        self, database: Database, administrators: Administrators, clock: Clock, limits: SessionLimits | None = None
    ) -> None:
        self._database = database
        self.administrators = administrators
        self._clock = clock
        self._limits = limits or SessionLimits()

    def begin(self, administrator: Administrator, request: Request, response: Response) -> None:
        """A session with a token of its own, never one that the browser brought; ends the one that it had.

        Sessions that have run out, anyone's, are forgotten on the occasion.
        """
        token, now = fresh_token("cdrs"), self._clock.now()
        values = {
            "token_sha256": token_hash(token),
            "administrator_id": administrator.id,
            "created_at": now,
            "seen_at": now,
            "expires_at": now + self._limits.longest,
        }
        over = (sessions.c.expires_at <= now) | (sessions.c.seen_at <= now - self._limits.idle)
        before = sessions.c.token_sha256 == token_hash(cookie_of(request, COOKIE))
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(over | before))
            connection.execute(insert(sessions).values(values))
        set_cookie(request, response, COOKIE, token)

    def end(self, request: Request, response: Response) -> None:
        """Sign out; without a session nothing happens."""
        this = sessions.c.token_sha256 == token_hash(cookie_of(request, COOKIE))
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(this))
        delete_cookie(request, response, COOKIE)

    def find(self, request: Request) -> SignedIn | None:
        """Whose session the request carries; None without one, or when it has run out."""
        token = cookie_of(request, COOKIE)
        if not token:
            return None
        now, this = self._clock.now(), sessions.c.token_sha256 == token_hash(token)
        with self._database.read() as connection:
            row = connection.execute(select(sessions).where(this)).one_or_none()
        if row is None or row.expires_at <= now or row.seen_at <= now - self._limits.idle:
            return None
        if row.seen_at <= now - _SEEN_EVERY:
            with self._database.write() as connection:
                connection.execute(update(sessions).where(this).values(seen_at=now))
        try:
            return SignedIn(self.administrators.get(row.administrator_id), _csrf(token))
        except AdministratorUnknown:  # removed between the two questions
            return None

    def require(self, request: Request, *, role: Role | None = None) -> SignedIn:
        """Who is signed in; with `role`, one who may at least what that role may. Raises NotSignedIn, Forbidden."""
        signed_in = self.find(request)
        if signed_in is None:
            raise NotSignedIn("sign in first")
        own = signed_in.administrator.role
        if role is not None and _RISING.index(own) < _RISING.index(role):
            raise Forbidden(f"this needs the role {_in_words(role)}; yours is {_in_words(own)}")
        return signed_in

    def check_csrf(self, signed_in: SignedIn, given: str | None) -> None:
        """That a form comes from a page that this session was given. Raises Forbidden."""
        if not hmac.compare_digest(signed_in.csrf.encode(), (given or "").encode()):
            raise Forbidden("the form is not of this session; open the page again and repeat")


def _in_words(role: Role) -> str:
    return role.replace("_", "-")


def _csrf(token: str) -> str:
    """Follows from the session's token, which only its browser has; nothing more needs to be stored."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()
