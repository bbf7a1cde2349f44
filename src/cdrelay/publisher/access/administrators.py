"""Administrators: who may sign in for a partner organization, in which role, and whether a password is theirs.

All methods block and may be used from any thread; all raise DatabaseUnavailable when the database is gone.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from argon2 import PasswordHasher
from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from cdrelay.clock import Clock
from cdrelay.contract.organization_ids import organization_uuid
from cdrelay.contract.query import in_words
from cdrelay.control.database import Database
from cdrelay.control.tables import administrator_organizations, administrators, organizations, partners, sessions
from cdrelay.publisher.access.passwords import Passwords
from cdrelay.publisher.access.values import fit_email, fit_name, folded
from cdrelay.publisher.errors import (
    AdministratorExists,
    AdministratorRefused,
    AdministratorUnknown,
    LockedOut,
    OrganizationIdRefused,
    OrganizationUnknown,
    PartnerUnknown,
    SignInRefused,
)
from cdrelay.publisher.parties import Administrator, Role

_UNKNOWN = "there is no such administrator; `cdrelay publisher administrator list` shows them"


@dataclass(frozen=True, slots=True)
class SignInPolicy:
    """After `failures` wrong passwords in a row nobody signs in with that address for `lock`, which does not grow.

    That is 480 guesses a day at the documented numbers: hopeless against 12 characters, and an administrator whom
    somebody keeps locked out can still be let in by the operator.
    """

    failures: int = 5
    lock: timedelta = timedelta(minutes=15)


class Administrators:
    """The administrators."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        policy: SignInPolicy | None = None,
        hasher: PasswordHasher | None = None,
    ) -> None:
        """`hasher` says what a hash costs; a test may use a cheap one."""
        self._database = database
        self._clock = clock
        self.policy = policy or SignInPolicy()
        self._passwords = Passwords(hasher)

    # --- who there is ---

    def add(
        self,
        partner_id: str,
        email: str,
        name: str,
        role: Role,
        password: str | None = None,
        organizations: Collection[str] = (),
        *,
        administrator_id: str | None = None,
    ) -> Administrator:
        """A new one; without a password they sign in at the company's provider, or not at all.

        Raises AdministratorRefused, AdministratorExists, PasswordRefused, PartnerUnknown, OrganizationUnknown.
        """
        values: dict[str, Any] = {
            "id": administrator_id or str(uuid4()),
            "partner_id": partner_id,
            "email": fit_email(email),
            "name": fit_name(name, AdministratorRefused),
            "role": role,
            "password": None if password is None else self._passwords.hash(password),
            "failures": 0,
            "created_at": self._clock.now(),
        }
        _require_assignable(role, organizations)
        try:
            with self._database.write() as connection:
                if connection.execute(select(partners.c.id).where(partners.c.id == partner_id)).first() is None:
                    raise PartnerUnknown(partner_id)
                connection.execute(insert(administrators).values(values))
                _assign(connection, values["id"], organizations)
        except IntegrityError as error:
            raise AdministratorExists(f"there is an administrator {values['email']} already") from error
        return self.get(values["id"])

    def get(self, administrator_id: str) -> Administrator:
        """The one with that id. Raises AdministratorUnknown."""
        return self._one(administrators.c.id == administrator_id)

    def by_email(self, email: str) -> Administrator:
        """The one with that e-mail address, in any case. Raises AdministratorUnknown."""
        return self._one(administrators.c.email == folded(email))

    def of_partner(self, partner_id: str | None = None) -> list[Administrator]:
        """Those of a partner, or all; by e-mail address."""
        return self._listed() if partner_id is None else self._listed(administrators.c.partner_id == partner_id)

    def change(
        self,
        administrator_id: str,
        *,
        name: str | None = None,
        role: Role | None = None,
        organizations: Collection[str] | None = None,
    ) -> Administrator:
        """Change what is given, from the next request on; with another role than `assigned`, nothing stays assigned.

        Raises AdministratorUnknown, AdministratorRefused, OrganizationUnknown.
        """
        this = administrators.c.id == administrator_id
        with self._database.write() as connection:
            before = connection.execute(select(administrators).where(this)).one_or_none()
            if before is None:
                raise AdministratorUnknown(_UNKNOWN)
            role = role or before.role
            _require_assignable(role, organizations or ())
            if role != "assigned":
                organizations = ()
            values = {"role": role, "name": before.name if name is None else fit_name(name, AdministratorRefused)}
            connection.execute(update(administrators).where(this).values(values))
            if organizations is not None:
                _assign(connection, administrator_id, organizations)
        return self.get(administrator_id)

    def set_password(self, administrator_id: str, password: str) -> None:
        """From now on that one; ends the sessions there are, and a lock.

        Raises PasswordRefused, AdministratorUnknown.
        """
        self.get(administrator_id)
        values = {"password": self._passwords.hash(password), "failures": 0, "locked_until": None}
        with self._database.write() as connection:
            connection.execute(update(administrators).where(administrators.c.id == administrator_id).values(values))
            connection.execute(delete(sessions).where(sessions.c.administrator_id == administrator_id))

    def unlock(self, administrator_id: str) -> None:
        """Let them try again at once; again changes nothing. Raises AdministratorUnknown."""
        self.get(administrator_id)
        with self._database.write() as connection:
            connection.execute(_standing(administrator_id, failures=0, locked_until=None))

    def remove(self, administrator_id: str) -> None:
        """Forget them, with their sessions, consents and tokens. Raises AdministratorUnknown."""
        self.get(administrator_id)
        with self._database.write() as connection:
            connection.execute(delete(administrators).where(administrators.c.id == administrator_id))

    # --- whether a password is theirs ---

    def check_password(self, email: str, password: str) -> Administrator:
        """Whose password it is. Raises SignInRefused, the same for an unknown address, and LockedOut.

        Every attempt counts as a failure until its password has proved right, so that many at once are no way round
        the lock. Something is hashed in every case, so that the time it takes hardly tells which addresses are known.
        """
        row, locked = self._begin_attempt(folded(email))
        stored = None if row is None or locked else row.password
        right = self._passwords.matches(stored, password)
        if locked:
            raise LockedOut(f"too many failures: nobody signs in with that address for {in_words(self.policy.lock)}")
        if row is None or stored is None or not right:
            raise SignInRefused("the e-mail address or the password is wrong")
        fresh = self._passwords.renewed(stored, password)
        # Only in place of the hash that was looked at: the password may have been changed meanwhile.
        same = (administrators.c.id == row.id) & (administrators.c.password == stored)
        with self._database.write() as connection:
            values = {"password": fresh, "failures": 0, "locked_until": None}
            if not connection.execute(update(administrators).where(same).values(values)).rowcount:
                raise SignInRefused("the password has just been changed")
        return self.get(row.id)

    def _begin_attempt(self, email: str) -> tuple[Row[Any] | None, bool]:
        now = self._clock.now()
        with self._database.write() as connection:
            row = connection.execute(select(administrators).where(administrators.c.email == email)).one_or_none()
            if row is None:
                return None, False
            if row.locked_until is not None and row.locked_until > now:
                return row, True
            failures = row.failures + 1
            if failures < self.policy.failures:
                connection.execute(_standing(row.id, failures=failures, locked_until=None))
            else:
                connection.execute(_standing(row.id, failures=0, locked_until=now + self.policy.lock))
            return row, False

    def _one(self, condition: Any) -> Administrator:
        found = self._listed(condition)
        if not found:
            raise AdministratorUnknown(_UNKNOWN)
        return found[0]

    def _listed(self, *conditions: Any) -> list[Administrator]:
        query = select(administrators).where(*conditions).order_by(administrators.c.email)
        assigned: dict[str, list[str]] = {}
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            links = select(administrator_organizations).order_by(administrator_organizations.c.org_uuid)
            if len(rows) == 1:
                links = links.where(administrator_organizations.c.administrator_id == rows[0].id)
            for link in connection.execute(links):
                assigned.setdefault(link.administrator_id, []).append(link.org_uuid)
        return [_administrator(row, assigned.get(row.id, ()), self._clock.now()) for row in rows]


def _standing(administrator_id: str, *, failures: int, locked_until: datetime | None) -> Any:
    this = update(administrators).where(administrators.c.id == administrator_id)
    return this.values(failures=failures, locked_until=locked_until)


def _assign(connection: Connection, administrator_id: str, org_ids: Iterable[str]) -> None:
    links = administrator_organizations
    connection.execute(delete(links).where(links.c.administrator_id == administrator_id))
    for org_uuid in sorted({_org_uuid(org_id) for org_id in org_ids}):
        known = connection.execute(select(organizations.c.org_uuid).where(organizations.c.org_uuid == org_uuid))
        if known.first() is None:
            raise OrganizationUnknown(org_uuid)
        connection.execute(insert(links).values(administrator_id=administrator_id, org_uuid=org_uuid))


def _org_uuid(org_id: str) -> str:
    try:
        return organization_uuid(org_id)
    except ValueError as error:
        raise OrganizationIdRefused(str(error)) from error


def _require_assignable(role: Role, org_ids: Collection[str]) -> None:
    if org_ids and role != "assigned":
        raise AdministratorRefused(f"organizations are assigned to the role assigned alone; {role} reaches all of them")


def _administrator(row: Row[Any], org_uuids: Collection[str], now: datetime) -> Administrator:
    locked = row.locked_until is not None and row.locked_until > now
    return Administrator(
        id=row.id,
        partner_id=row.partner_id,
        email=row.email,
        name=row.name,
        role=row.role,
        created_at=row.created_at,
        organizations=tuple(org_uuids),
        locked_until=row.locked_until if locked else None,
    )
