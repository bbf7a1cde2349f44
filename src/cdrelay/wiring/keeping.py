"""What a backup needs of a home folder: its halves, and by what its key is known again."""

from pathlib import Path

from cdrelay.backup.snapshot import HalfToCopy
from cdrelay.control.secrets_at_rest import SecretBox
from cdrelay.publisher.delivery.outbox import Outbox
from cdrelay.wiring.foundation import Foundation, HalfName, open_store, used_halves


def halves_to_copy(foundation: Foundation) -> list[HalfToCopy]:
    """The halves that were ever used on this home. Raises LakeUnreadable: no backup leaves one out because of that."""
    return [_half(foundation, name) for name in used_halves(foundation)]


def _half(foundation: Foundation, name: HalfName) -> HalfToCopy:
    store = open_store(foundation, name)
    alone = None
    if name == "publisher":
        alone = Outbox(foundation.database, store.folder / "outbox", foundation.clock).alone
    return HalfToCopy(name, store.table, store.loader.exclusively, alone)


def installation_of(key_file: Path) -> str:
    """By what the key of a home is known again; it says nothing of the key. Raises SecretUnreadable."""
    return SecretBox(key_file, make=False).keyed_hash("the installation that a backup is of")
