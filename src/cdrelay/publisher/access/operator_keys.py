"""Keys with which the operator's own programs manage the directory.

They are a kind of their own: a calling platform that hands in records, or a partner that reads them, manages nothing.
"""

from cdrelay.clock import Clock
from cdrelay.control.database import Database
from cdrelay.control.tables import operator_keys
from cdrelay.publisher.access.keys import Keys


class OperatorKeys(Keys):
    """Who may manage."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock, operator_keys, "cdro")
