"""Values on the command line that do not fit: the option is named, with its rule and an example, in our own words."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from cdrelay.cli.main import app

ORG = "41e2a389-fd3e-5b1c-b6ba-53ba7d840c96"
LIBRARY = re.compile(r"Input should|Value error|pydantic|unable to parse", re.IGNORECASE)


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """As it was: the entry of the commands sends it to the stderr of its run, which is closed afterwards."""
    former, handlers = structlog.get_config(), list(logging.root.handlers)
    yield
    structlog.configure(**former)
    logging.root.handlers[:] = handlers


@pytest.mark.parametrize(
    ("words", "option", "said"),
    [
        ("publisher deliveries --number abc", "--number", "must be a whole number, such as 20, not 'abc'"),
        ("publisher deliveries -n 0", "--number", "must be at least 1, not '0'"),
        ("publisher deliveries -n 99999999999999999999", "--number", "must be at most 1,000,000"),
        ("ledger --hours 1.5", "--hours", "must be a whole number, such as 10, not '1.5'"),
        ("ledger --hours 10001", "--hours", "must be at most 10,000, not '10001'"),
        ("ledger windows --limit x", "--limit", "must be a whole number, such as 100, not 'x'"),
        ("ledger --state fine", "--state", "'fine' is not one of 'lost', 'short'"),
        (f"collector retention set {ORG} soon", "DAYS", "must be a number, such as 1.5, not 'soon'"),
        ("up --rate nan", "--rate", "must be at least 0.01, not 'nan'"),
        ("export --format pdf", "--format", "'pdf' is not one of 'parquet'"),
        ("export --from 2026-13-01", "--from", "write 2026-11-24 or 2026-11-24T10:00Z"),
        ("export --from 0001-01-01T00:00+14:00", "--from", "'0001-01-01T00:00+14:00' is no time"),
        ("trace 0a1b2c3d-1111-4222-8333-444455556666 --day 9999-12-31", "--day", "between 1970-01-01 and 9999-01-01"),
    ],
)
def test_the_option_its_rule_and_an_example(words: str, option: str, said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--home", str(tmp_path / "home"), *words.split()])
    told = " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.stderr).split())
    assert done.exit_code == 2, done.output
    assert option in told
    assert said in told
    assert not LIBRARY.search(told)


def test_a_home_that_can_be_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "ascii")
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        done = CliRunner().invoke(app, ["--home", str(home), "ledger"])
        assert f"home: {home} cannot be a folder of ours" in str(done.exception)
