"""The spool: all of a payload or no trace, oldest first."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cdrelay.lake.spool import Envelope, Incoming, NoRoom, Spool

NOW = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)
MORE_THAN_ANY_DISK = 2**60


def envelope(name: str, received: datetime = NOW) -> Envelope:
    return Envelope(id=name, source="test", channel="webhook", received=received, signature="ab" * 20)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def test_a_payload_comes_out_byte_for_byte(spool: Spool) -> None:
    body = b'{"items":[]}\r\n\n\x00\xff'
    spooled = Spool.open(spool.put(envelope("a"), body))
    assert (spooled.envelope, spooled.body(), spooled.size) == (envelope("a"), body, len(body))


def test_payloads_wait_oldest_first(spool: Spool) -> None:
    ages = {"b": 0, "z": 3, "a": 2, "c": 1}
    for name, age in ages.items():
        spool.put(envelope(name, NOW - age * timedelta(microseconds=1)), b"")
    assert [Spool.open(path).envelope.id for path in spool.waiting()] == ["z", "a", "c", "b"]


def test_only_a_whole_payload_that_came_before_a_moment_is_held_from_before_it(spool: Spool) -> None:
    after = NOW + timedelta(microseconds=1)
    (spool.folder / "20261124T160000000000-half.part").write_bytes(b"{")
    Spool.set_aside(spool.put(envelope("damaged"), b""))
    assert not spool.holds_from_before(after)
    path = spool.put(envelope("a"), b"")
    spool.put(envelope("b", NOW + timedelta(days=400)), b"")
    assert (spool.holds_from_before(NOW), spool.holds_from_before(after)) == (False, True)
    spool.remove([path])
    assert not spool.holds_from_before(after)


def test_a_payload_on_its_way_does_not_wait_yet(spool: Spool) -> None:
    with spool.incoming(envelope("a")) as incoming:
        incoming.write(b"half")
        incoming.sync()
        assert spool.waiting() == []
        incoming.commit()
        assert len(spool.waiting()) == 1


def test_what_was_written_can_be_read_before_it_is_kept(spool: Spool) -> None:
    with spool.incoming(envelope("a")) as incoming:
        incoming.write(b"one ")
        incoming.write(memoryview(b"two"))
        assert (incoming.body(), incoming.size) == (b"one two", 7)


@pytest.mark.parametrize("synced", [False, True])
def test_a_payload_that_is_given_up_leaves_no_trace(spool: Spool, synced: bool) -> None:
    with pytest.raises(ConnectionResetError), spool.incoming(envelope("a")) as incoming:  # noqa: PT012
        incoming.write(b"half")
        if synced:
            incoming.sync()
        raise ConnectionResetError
    assert list(spool.folder.iterdir()) == []


def test_what_a_crash_left_half_written_can_be_swept_away(spool: Spool) -> None:
    spool.put(envelope("whole"), b"")
    (spool.folder / "20261124T170000000000-half.part").write_bytes(b"{")
    assert (spool.sweep(), len(spool.waiting()), len(list(spool.folder.iterdir()))) == (1, 1, 1)


def test_what_is_being_written_is_not_swept_away(spool: Spool) -> None:
    with spool.incoming(envelope("a")) as incoming:
        incoming.write(b"half")
        assert spool.sweep() == 0
        incoming.write(b" and half")
        incoming.commit()
    assert len(spool.waiting()) == 1


def test_the_reserve_of_the_disk_is_kept_free(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", reserve_bytes=MORE_THAN_ANY_DISK)
    with pytest.raises(NoRoom):
        spool.put(envelope("a"), b"x")
    assert list(spool.folder.iterdir()) == []


def test_a_body_larger_than_the_disk_is_refused_at_once(spool: Spool) -> None:
    with pytest.raises(NoRoom):
        spool.incoming(envelope("a"), size=MORE_THAN_ANY_DISK)
    assert list(spool.folder.iterdir()) == []


def test_a_reserve_that_is_used_up_meanwhile_stops_the_commit(spool: Spool) -> None:
    needed = []

    def full(size: int) -> None:
        needed.append(size)
        raise NoRoom("the disk has filled up")

    with pytest.raises(NoRoom), Incoming(spool.folder, envelope("a"), full) as incoming:  # noqa: PT012
        incoming.write(b"x")
        incoming.commit()
    assert (list(spool.folder.iterdir()), needed) == ([], [0])


def test_a_folder_that_is_gone_is_no_room(spool: Spool) -> None:
    spool.folder.rmdir()
    with pytest.raises(NoRoom):
        spool.put(envelope("a"), b"x")


def test_a_folder_that_goes_meanwhile_is_no_room(spool: Spool) -> None:
    with pytest.raises(NoRoom), spool.incoming(envelope("a")) as incoming:  # noqa: PT012
        incoming.write(b"x")
        for path in spool.folder.iterdir():
            path.unlink()
        spool.folder.rmdir()
        incoming.commit()


def test_a_disk_that_has_no_room_for_what_it_took_says_so_on_sync(spool: Spool) -> None:
    """/dev/full takes every write and has no room for any."""
    (spool.folder / "20261124T170000000000-a.part").symlink_to("/dev/full")
    with pytest.raises(NoRoom), spool.incoming(envelope("a")) as incoming:  # noqa: PT012
        incoming.write(b"x")
        incoming.sync()
    assert list(spool.folder.iterdir()) == []


def test_removing_what_is_gone_already_is_no_error(spool: Spool) -> None:
    path = spool.put(envelope("a"), b"")
    spool.remove([path, path])
    assert spool.waiting() == []


def test_opening_what_is_gone_says_so(spool: Spool) -> None:
    path = spool.put(envelope("a"), b"")
    spool.remove([path])
    with pytest.raises(FileNotFoundError):
        Spool.open(path)
