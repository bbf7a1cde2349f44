"""Values on the command line that do not fit: the option is named, with its rule and an example, in our own words."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cdrelay.cli.main import app
from cdrelay.settings import read_settings
from cdrelay.wiring import open_collector, open_foundation, open_publisher

ORG = "41e2a389-fd3e-5b1c-b6ba-53ba7d840c96"
LIBRARY = re.compile(r"Input should|Value error|pydantic|unable to parse", re.IGNORECASE)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with an empty lake and a partner."""
    folder = tmp_path / "home"
    foundation = open_foundation(read_settings({"CDRELAY_HOME": str(folder)}))
    open_collector(foundation)
    directory = open_publisher(foundation).directory
    directory.add_organization(ORG, partner_id=directory.add_partner("Someone").id)
    foundation.close()
    return folder


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
        ("up --rate nan", "--rate", "must be at most 1,000,000, not 'nan'"),
        ("export --format pdf", "--format", "'pdf' is not one of 'parquet'"),
        ("export --from 2026-13-01", "--from", "write 2026-11-24 or 2026-11-24T10:00Z"),
        ("export --from 0001-01-01T00:00+14:00", "--from", "'0001-01-01T00:00+14:00' is no time"),
        ("trace 0a1b2c3d-1111-4222-8333-444455556666 --day 9999-12-31", "--day", "between 1970-01-01 and 9999-01-01"),
        ("traffic --rate inf", "--rate", "must be at most 1,000,000"),
        ("traffic --organizations 99999999999999", "--organizations", "must be at most 100,000"),
        ("traffic --seconds 5", "--seconds", "only with --to"),
        ("traffic --to http://127.0.0.1:1 --key k --seconds inf", "--seconds", "must be at most 100,000,000"),
        ("traffic --to http://127.0.0.1:1 --key k --records 5", "--records", "only for calls that are printed"),
        ("traffic --to http://127.0.0.1:1", "--key", "an intake key is needed"),
        ("traffic --to nonsense --key k", "--to", "'nonsense' is no http or https address"),
        ("traffic --to http://127.0.0.1:0 --key k", "--to", "has port 0, to which nobody listens"),
        ("conformance receiver http://127.0.0.1:0/", "URL", "has port 0, to which nobody listens"),
        ("traffic --to http://127.0.0.1:99999 --key k", "--to", "Port out of range"),
        ("publisher token create Someone --days inf", "--days", "must be at most 36,500"),
        (f"publisher organization add {ORG} --from 2026-01-01", "--from", "give --partner, too"),
        ("conformance receiver http://127.0.0.1:1 --answer-within inf", "--answer-within", "must be at most 3,600"),
        ("conformance receiver http://127.0.0.1:1 --junit /no/such/folder/x", "--junit", "there is no folder"),
        (
            "conformance publisher http://127.0.0.1:1 --token t --compress inf",
            "--compress",
            "must be a positive number",
        ),
        ("conformance publisher http://127.0.0.1:1 --token t --compress 1e-300", "--compress", "that are too long"),
        ("conformance publisher http://127.0.0.1:1 --token t --seconds 5", "--callback-listen", "are about deliveries"),
        ("backup /etc/passwd", "TARGET", "is a file; name a folder, or a file ending in .tar"),
        (
            "collector source add one --secret-file /no/such",
            "--secret-file",
            "cannot be read: No such file or directory",
        ),
    ],
)
def test_the_option_its_rule_and_an_example(words: str, option: str, said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--home", str(tmp_path / "home"), *words.split()])
    told = " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.stderr).split())
    assert done.exit_code == 2, done.output
    assert option in told
    assert said in told
    assert not LIBRARY.search(told)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("export --from", "--from"),
        ("export --to", "--to"),
        ("export --org", "--organization"),
        ("lake erase --org", "--organization"),
        ("traffic --until", "--until"),
        (f"publisher relation add {ORG} Someone --from", "--from"),
        ("publisher relation list --at", "--at"),
        (f"publisher relation end {ORG} --at", "--at"),
        ("conformance publisher http://127.0.0.1:1 --token t --org", "--org"),
    ],
)
def test_an_option_that_is_empty_is_not_one_that_was_left_out(command: str, option: str, home: Path) -> None:
    """As a script gives it whose variable is unset; it would mean everything."""
    done = CliRunner().invoke(app, ["--home", str(home), *command.split(), ""])
    assert done.exit_code == 2, done.output
    assert f"Invalid value for {option}" in done.stderr


@pytest.mark.parametrize("command", ["traffic --to http://127.0.0.1:1 --key", "conformance publisher http://x --token"])
def test_what_goes_into_a_header_is_one_line(command: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--home", str(tmp_path), *command.split(), "a\nb"])
    assert done.exit_code == 2, done.output
    assert "line" in done.stderr


def test_a_file_that_is_no_text_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for option in ("--token-file", "--org-map"):
        words = f"publisher source add p --kind push {option} {tmp_path / 'binary'}"
        done = CliRunner().invoke(app, ["--home", str(tmp_path / "home"), *words.split()])
        assert done.exit_code == 2
        assert "it is no text in UTF-8" in " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.stderr).split())


def test_a_source_is_where_its_kind_says(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "file"
    file.write_text("", "ascii")
    for words, said in (
        (f"--kind folder --location {file}", "is no folder"),
        (f"--kind follow --location {tmp_path}", "is no file to which lines are added"),
        ("--kind follow --location /dev/zero", "is no file to which lines are added"),
        (f"--kind follow --location {file} --token t", "only a source that is pulled has a token"),
    ):
        done = CliRunner().invoke(app, ["--home", str(home), "publisher", "source", "add", "p", *words.split()])
        assert done.exit_code != 0
        assert said in str(done.exception)
    inside = ["publisher", "source", "add", "p", "--kind", "folder", "--location", str(home / "publisher" / "spool")]
    done = CliRunner().invoke(app, ["--home", str(home), *inside])
    assert done.exit_code == 2
    assert "Invalid value for --location" in done.stderr
    listed = CliRunner().invoke(app, ["--home", str(home), "publisher", "source", "list", "--json"])
    assert listed.stdout == "[]\n"


def test_an_address_with_a_control_character_is_none(tmp_path: Path) -> None:
    words = ["collector", "source", "add", "one", "--secret", "s", "--api", "https://provider.example/\x01"]
    done = CliRunner().invoke(app, ["--home", str(tmp_path / "home"), *words])
    assert "must look like https://" in str(done.exception)


def test_restoring_over_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", "ascii")
    done = CliRunner().invoke(app, ["restore", str(tmp_path), "--home", str(tmp_path / "file")])
    assert "is no folder" in str(done.exception)
    assert (tmp_path / "file").read_text("ascii") == "mine"


def test_a_home_that_can_be_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "ascii")
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        done = CliRunner().invoke(app, ["--home", str(home), "ledger"])
        assert f"home: {home} cannot be a folder of ours" in str(done.exception)
