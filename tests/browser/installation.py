"""A cdrelay process with partners whose administrators can sign in."""

from pathlib import Path

from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.parties import Role
from cdrelay.settings import read_settings
from cdrelay.wiring import open_administrators, open_foundation
from tests.support.process import Cdrelay

PASSWORD = "correct horse battery"


class Installation:
    """The process, and its control database, which tests fill beside it."""

    def __init__(self, home: Path) -> None:
        self._process = Cdrelay(home)
        with (home / "settings.toml").open("a") as settings:
            settings.write("sign_in_requests_per_minute = 0\n")
        self._foundation = open_foundation(read_settings({}, home=home))
        self._process.start("serve", "--roles", "publisher,hub")
        self._partners = 0

    @property
    def address(self) -> str:
        """Where its pages are."""
        return self._process.address

    def administrator(self, role: Role = "full") -> tuple[str, str]:
        """A new partner's administrator: the e-mail address to sign in with, and the partner's id."""
        self._partners += 1
        database, clock = self._foundation.database, self._foundation.clock
        partner = Directory(database, clock).add_partner(f"Example Reseller {self._partners}")
        email = f"ada{self._partners}@example.com"
        open_administrators(self._foundation).add(partner.id, email, "Ada Example", role, PASSWORD)
        return email, partner.id

    def stop(self) -> None:
        """End it."""
        self._process.stop()
        self._foundation.close()
