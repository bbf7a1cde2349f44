from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_IMODE

import pytest

from cdrelay.control.secrets_at_rest import SecretBox, SecretUnreadable, fresh_token, token_hash

SECRET = "Gräbe tief: 42"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "secrets.key"


def test_the_key_file_is_its_owners_alone(key_file: Path) -> None:
    SecretBox(key_file)
    assert S_IMODE(key_file.stat().st_mode) == 0o600


def test_a_sealed_secret_opens_with_the_key_of_the_file(key_file: Path) -> None:
    sealed = SecretBox(key_file).seal(SECRET)
    assert SecretBox(key_file).open(sealed) == SECRET


def test_a_sealed_secret_does_not_show(key_file: Path) -> None:
    assert SECRET.encode() not in SecretBox(key_file).seal(SECRET)


def test_another_key_does_not_open_it(key_file: Path, tmp_path: Path) -> None:
    sealed = SecretBox(key_file).seal(SECRET)
    with pytest.raises(SecretUnreadable, match=r"does not fit the key in .*other\.key"):
        SecretBox(tmp_path / "other.key").open(sealed)


def test_a_damaged_secret_is_unreadable(key_file: Path) -> None:
    box = SecretBox(key_file)
    with pytest.raises(SecretUnreadable):
        box.open(box.seal(SECRET)[:-4])


@pytest.mark.parametrize("content", [b"", b"half a ke"])
def test_a_key_file_that_holds_no_key_is_told_by_its_name(key_file: Path, content: bytes) -> None:
    key_file.write_bytes(content)
    with pytest.raises(SecretUnreadable, match=r"secrets\.key holds no key"):
        SecretBox(key_file)


def test_making_a_key_leaves_nothing_but_the_key(key_file: Path) -> None:
    SecretBox(key_file)
    assert list(key_file.parent.iterdir()) == [key_file]


def test_boxes_that_start_together_share_one_key(key_file: Path) -> None:
    """One found the file of the other before the key was in it, when the file was made first and filled then."""
    with ThreadPoolExecutor(8) as pool:
        boxes = list(pool.map(SecretBox, [key_file] * 8))
    sealed = boxes[0].seal(SECRET)
    assert [box.open(sealed) for box in boxes] == [SECRET] * 8


def test_fresh_tokens_differ_and_say_what_they_are_for() -> None:
    one, other = fresh_token("intake"), fresh_token("intake")
    assert one.startswith("intake_")
    assert one != other


def test_what_is_stored_of_a_token_is_its_hash() -> None:
    assert token_hash("intake_1") == "fe8ffb446870e75d50a941efbbed0e999fac020c382b8ede0cd7a0262342bc99"


def test_a_box_that_is_shown_shows_neither_key_nor_secret(key_file: Path) -> None:
    box = SecretBox(key_file)
    box.seal(SECRET)
    shown = f"{box!r} {box}"
    assert key_file.read_text("ascii") not in shown
    assert SECRET not in shown
