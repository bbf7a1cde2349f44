"""What a check finds, and what checks are given to look at."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.secrets_at_rest import SecretBox, SecretUnreadable
from cdrelay.errors import CdrelayError
from cdrelay.settings import Settings
from cdrelay.wiring.foundation import HALVES, HalfName

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. Names no person and no secret."""

    check: str
    state: State
    what: str
    advice: str = ""
    """What to do; empty when there is nothing to do."""
    page: str = ""
    """Where it is explained."""


@dataclass(frozen=True)
class Examined:
    """The installation, and how thoroughly it is looked at."""

    settings: Settings
    clock: Clock
    setting_problems: Sequence[str] = ()
    deep: bool = False
    """Also read every record."""
    online: bool = False
    """Also ask providers and the mail server."""
    repair: bool = False
    """Mend what can be mended without loss."""
    progress: Callable[[str], None] = field(default=lambda what: None)
    """Told of each check, and of each file that is read."""

    @property
    def home(self) -> Path:
        """The home folder."""
        return self.settings.home

    @cached_property
    def database(self) -> Database:
        """The control database; where it is gone, questions raise DatabaseUnavailable."""
        return Database(self.home / "control.db", busy_milliseconds=2_000)

    def halves(self) -> list[HalfName]:
        """The halves that this home has."""
        return [half for half in HALVES if (self.home / half).is_dir()]

    def secrets(self) -> SecretBox | None:
        """The key; None when its file is not there, which must not make a new one, or holds none."""
        key_file = self.home / "secret.key"
        with suppress(SecretUnreadable):
            return SecretBox(key_file) if key_file.exists() else None
        return None


Check = Callable[[Examined], Iterable[Finding]]


def examine(examined: Examined, checks: Sequence[Check]) -> Iterator[Finding]:
    """All findings. A check that cannot be done is one too."""
    for check in checks:
        name = check.__name__.replace("_", " ")
        examined.progress(name)
        try:
            yield from check(examined)
        except CdrelayError as error:
            yield Finding(name, "failed", f"cannot be checked: {error}", "mend what else has failed, and look again")
        except OSError as error:
            yield Finding(name, "failed", f"cannot be checked: {error.strerror}", "look at the rights of the folder")
        except Exception as error:  # noqa: BLE001  # the outermost: the other checks are wanted all the more
            yield Finding(name, "failed", f"cannot be checked: {type(error).__name__}", "report this as a defect")


def worst(findings: Iterable[Finding]) -> State:
    """The worst state there is."""
    states = {finding.state for finding in findings}
    return "failed" if "failed" in states else "warning" if "warning" in states else "ok"


def some(names: Sequence[str]) -> str:
    """The first few of many."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
