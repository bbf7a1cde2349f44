"""What is kept in mind of a quarantine's folder is what lies there, whoever changes it and however fast."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cdrelay.lake import quarantine_listing
from cdrelay.lake.files import write_durably
from cdrelay.lake.prepare import Refused
from cdrelay.lake.quarantine import Quarantine
from cdrelay.lake.quarantine_heads import HeadUnreadable, read_heads
from cdrelay.lake.quarantine_listing import Listing


def put(folder: Path, payload: str, records: int = 1, *, at: int | None = None) -> Path:
    """Written as a quarantine does; `at` seconds since 1970."""
    file = folder / f"{payload}.ndjson"
    write_durably(file, [b"{}\n"] * records)
    if at is not None:
        os.utime(file, (at, at))
    return file


def shown(listing: Listing) -> list[tuple[str, int]]:
    return [(one.payload, listing.lines(one)) for one in listing.newest_first()]


def settle(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What lets the time pass after which a folder's time can be trusted."""
    passed = [0.0]
    monkeypatch.setattr(quarantine_listing, "perf_counter", lambda: passed[0])

    def wait() -> None:
        passed[0] += 10

    return wait


def test_files_are_listed_the_last_written_first(tmp_path: Path) -> None:
    for name, at in (("b", 20), ("a", 20), ("old", 10), ("new", 30)):
        put(tmp_path, name, at=at)
    (tmp_path / "half.ndjson.part").write_bytes(b"")
    assert [name for name, _ in shown(Listing(tmp_path))] == ["new", "b", "a", "old"]


def test_each_change_shows_at_the_next_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wait, listing = settle(monkeypatch), Listing(tmp_path)
    assert shown(listing) == []
    put(tmp_path, "one", 2, at=10)
    put(tmp_path, "between", at=20)
    put(tmp_path, "other", 3, at=30)
    for _ in range(3):
        assert shown(listing) == [("other", 3), ("between", 1), ("one", 2)]
        wait()
    (tmp_path / "between.ndjson").unlink()
    assert shown(listing) == [("other", 3), ("one", 2)]
    wait()
    put(tmp_path, "one", 5, at=40)  # takes the place of the one before
    assert shown(listing) == [("one", 5), ("other", 3)]
    put(tmp_path, "older", at=1)
    assert shown(listing) == [("one", 5), ("other", 3), ("older", 1)]
    found = listing.find("other")
    assert found is not None
    assert listing.path(found) == tmp_path / "other.ndjson"
    assert listing.find("../other") is None


def test_a_change_that_the_folders_time_does_not_tell_of_shows_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait, listing = settle(monkeypatch), Listing(tmp_path)
    put(tmp_path, "one")
    moment = tmp_path.stat().st_mtime_ns
    assert len(shown(listing)) == 1
    put(tmp_path, "other")
    os.utime(tmp_path, ns=(moment, moment))
    assert len(shown(listing)) == 2
    wait()
    assert len(shown(listing)) == 2


def test_a_folder_as_it_was_is_not_listed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wait, listing = settle(monkeypatch), Listing(tmp_path)
    put(tmp_path, "one")
    listing.newest_first()
    wait()
    listing.newest_first()
    monkeypatch.setattr(os, "scandir", lambda _folder: pytest.fail("it was listed"))
    assert shown(listing) == [("one", 1)]


def test_a_folder_that_is_gone_has_nothing(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "quarantine")
    put(tmp_path / "quarantine", "one", 4)
    assert (quarantine.payloads(), quarantine.number()) == (["one"], 4)
    (tmp_path / "quarantine" / "one.ndjson").unlink()
    (tmp_path / "quarantine").rmdir()
    assert (quarantine.payloads(), quarantine.number()) == ([], 0)


def test_a_file_that_goes_between_listing_and_reading_counts_nothing(tmp_path: Path) -> None:
    listing = Listing(tmp_path)
    file = put(tmp_path, "one")
    (one,) = listing.newest_first()
    file.unlink()
    assert listing.lines(one) == 0


@pytest.mark.parametrize("size", [0, 1, 2, 3, 100_000])
def test_heads_say_how_large_a_record_is_and_not_what_is_in_it(tmp_path: Path, size: int) -> None:
    quarantine = Quarantine(tmp_path)
    rule = 'has ,"record":" in it'
    refused = [Refused(number, b"x" * (size + number), "Report ID", rule) for number in range(3)]
    quarantine.keep("one", "webex", refused)
    heads = read_heads(tmp_path / "one.ndjson", 2)
    assert [(one.index, one.field, one.rule, one.bytes) for one in heads] == [
        (0, "Report ID", rule, size),
        (1, "Report ID", rule, size + 1),
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"[]\n", b'{"payload":"one"}\n', b'{"payload":"a","record":""}\n'])
def test_a_damaged_file_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "one.ndjson").write_bytes(content)
    with pytest.raises(HeadUnreadable, match=r"one\.ndjson is damaged"):
        read_heads(tmp_path / "one.ndjson", 10)
