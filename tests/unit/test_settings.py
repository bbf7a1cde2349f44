import os
import re
import tomllib
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from cdrelay.contract.history import PageSizes
from cdrelay.contract.rules import NO_LIMIT, RequestRate, Rules
from cdrelay.settings import SettingError, Settings, default_text, described, read_settings


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def _read(home: Path, file: str | None = None, /, **environment: str) -> Settings:
    if file is not None:
        (home / "settings.toml").write_text(file, "utf-8")
    return read_settings({"CDRELAY_HOME": str(home)} | environment)


def test_every_setting_has_a_default_and_every_default_is_a_setting() -> None:
    assert sorted(tomllib.loads(default_text())) == sorted(field.name for field in fields(Settings))


def test_every_default_is_described_in_whole_sentences() -> None:
    assert [one.name for one in described()] == list(tomllib.loads(default_text()))
    assert [one.name for one in described() if not re.search(r"^[A-Z].{15,}\.$", one.help)] == []


def test_without_anything_set_the_defaults_hold() -> None:
    settings = read_settings({})
    shown = {name: default for name, default in tomllib.loads(default_text()).items() if name != "home"}
    assert {name: getattr(settings, name) for name in shown} == shown


def test_the_home_folder_is_in_that_of_the_user_unless_told() -> None:
    assert read_settings({}).home == Path("~/.cdrelay").expanduser()


def test_every_value_has_the_type_that_it_is_declared_with(home: Path) -> None:
    settings = _read(home)
    assert [field.name for field in fields(Settings) if not isinstance(getattr(settings, field.name), field.type)] == []  # type: ignore[arg-type]


def test_the_file_in_the_home_folder_wins_over_the_defaults(home: Path) -> None:
    assert _read(home, "port = 9001").port == 9001


def test_a_variable_wins_over_the_file(home: Path) -> None:
    assert _read(home, "port = 9001", CDRELAY_PORT="9002").port == 9002


def test_the_command_line_wins_over_all(home: Path) -> None:
    assert read_settings({"CDRELAY_HOME": str(home), "CDRELAY_PORT": "9002"}, port=9003).port == 9003


def test_an_option_that_was_not_given_changes_nothing(home: Path) -> None:
    assert read_settings({"CDRELAY_HOME": str(home), "CDRELAY_PORT": "9002"}, port=None).port == 9002


def test_the_file_is_that_of_the_home_from_the_command_line(home: Path) -> None:
    (home / "settings.toml").write_text("port = 9001", "utf-8")
    assert read_settings({"CDRELAY_HOME": "/nowhere"}, home=home).port == 9001


def test_a_relative_home_is_made_absolute_once() -> None:
    assert read_settings({"CDRELAY_HOME": "here"}).home == Path.cwd() / "here"


@pytest.mark.parametrize("name", ["PATH", "cdrelay_port", "XCDRELAY_PORT"])
def test_variables_of_others_are_none_of_its_business(home: Path, name: str) -> None:
    assert _read(home, **{name: "9002"}).port == 8000


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("TRUE", True), ("1", True), ("yes", True), ("false", False), ("0", False), ("No", False)],
)
def test_a_truth_is_told_in_several_words(home: Path, text: str, *, value: bool) -> None:
    assert _read(home, CDRELAY_SEND_EMPTY_WINDOWS=text).send_empty_windows is value


def test_an_unknown_variable_is_named(home: Path) -> None:
    with pytest.raises(SettingError, match=r"^CDRELAY_PROT: there is no setting 'prot'; `cdrelay settings` lists them"):
        _read(home, CDRELAY_PROT="9002")


def test_an_unknown_name_in_the_file_is_named_with_the_file(home: Path) -> None:
    with pytest.raises(SettingError, match=f"^{re.escape(os.fspath(home / 'settings.toml'))}: .*'prot'"):
        _read(home, "prot = 9001")


@pytest.mark.parametrize(
    ("name", "text", "must"),
    [
        ("PORT", "http", "must be a whole number"),
        ("PORT", "80.5", "must be a whole number"),
        ("PORT", "", "must be a whole number"),
        ("PORT", "-1", "must not be negative"),
        ("COMPRESS", "fast", "must be a number"),
        ("CALLBACK_TOTAL_SECONDS", "nan", "must be a number"),
        ("CALLBACK_TOTAL_SECONDS", "inf", "must be a number"),
        ("SEND_EMPTY_WINDOWS", "perhaps", "must be true or false"),
        ("HOST", "", "must be text"),
        ("HOST", " ", "must be text"),
        ("HOME", "", "must be text"),
        ("ENGINE_THREADS", "0", "must be more than 0"),
        ("CALLBACK_TOTAL_SECONDS", "0", "must be more than 0"),
        ("RECONCILE_EVERY_MINUTES", "0.0", "must be more than 0"),
        ("HOST", "a\0b", "must be text"),
        ("COLLECTOR_KEEP_DAYS", "1e20", "must be at most 36,500, such as 0.0, but is '1e20'"),
        ("API_SECONDS", "1e20", "must be at most 3,153,600,000"),
        ("PORT", "65536", "must be at most 65,535, such as 8000"),
        ("BODY_LIMIT_BYTES", "9" * 30, "must be at most 1,000,000,000,000,000"),
    ],
)
def test_a_value_that_does_not_fit_is_told_by_name_origin_and_kind(home: Path, name: str, text: str, must: str) -> None:
    with pytest.raises(SettingError, match=f"^CDRELAY_{name}: {name.lower()} {must}"):
        _read(home, **{f"CDRELAY_{name}": text})


def test_an_example_goes_with_the_rule_and_a_secret_does_not(home: Path) -> None:
    with pytest.raises(SettingError, match=r"must be a whole number, such as 8000, not 'http'$"):
        _read(home, CDRELAY_PORT="http")
    with pytest.raises(SettingError, match=r"must be true or false, such as true, not 'x'$"):
        _read(home, CDRELAY_SEND_EMPTY_WINDOWS="x")
    with pytest.raises(SettingError, match=r"^CDRELAY_MAIL_PASSWORD: mail_password must be text$"):
        _read(home, CDRELAY_MAIL_PASSWORD="secret\0word")


@pytest.mark.parametrize("name", ["PORT", "PUBLISHER_KEEP_HOURS", "COLLECTOR_KEEP_DAYS", "DISK_RESERVE_BYTES"])
def test_nothing_is_a_value_where_it_means_something(home: Path, name: str) -> None:
    assert getattr(_read(home, **{f"CDRELAY_{name}": "0"}), name.lower()) == 0


@pytest.mark.parametrize("line", ["port = 80.5", "port = true", 'port = "http"', "port = [1]"])
def test_a_value_in_the_file_that_does_not_fit_is_told_too(home: Path, line: str) -> None:
    with pytest.raises(SettingError, match=r"settings\.toml: port must be a whole number"):
        _read(home, line)


@pytest.mark.parametrize("factor", ["0", "7", "1e30"])
def test_a_compression_that_the_contract_cannot_take_is_refused(home: Path, factor: str) -> None:
    with pytest.raises(SettingError, match=r"compress(: a factor|: the factor| must be at most 300,000)"):
        _read(home, CDRELAY_COMPRESS=factor)


def test_home_cannot_be_set_in_a_file_inside_it(home: Path) -> None:
    with pytest.raises(SettingError, match="home cannot be set in a file inside it; set CDRELAY_HOME"):
        _read(home, 'home = "/elsewhere"')


@pytest.mark.parametrize("content", [b"port 9001", b"host = '\xff'"])
def test_a_file_that_cannot_be_read_is_named(home: Path, content: bytes) -> None:
    (home / "settings.toml").write_bytes(content)
    with pytest.raises(SettingError, match=r"settings\.toml: "):
        _read(home)


def test_compressed_time_reaches_the_rules(home: Path) -> None:
    assert _read(home, CDRELAY_COMPRESS="60").rules.tick == timedelta(seconds=5)


MAIL = 'mail_server = "mail.example.com:587"\nmail_from = "cdrelay@example.com"\n'


def test_a_mail_server_is_a_host_and_a_port(home: Path) -> None:
    assert _read(home, MAIL).mail_server == "mail.example.com:587"
    assert _read(home, MAIL, CDRELAY_MAIL_SERVER="[2001:db8::1]:25").mail_server == "[2001:db8::1]:25"


@pytest.mark.parametrize("server", ["mail.example.com", ":25", "mail.example.com:", "mail.example.com:0", "host:70000"])
def test_a_mail_server_that_is_none_is_refused(home: Path, server: str) -> None:
    with pytest.raises(SettingError, match="mail_server must be a host and a port"):
        _read(home, MAIL, CDRELAY_MAIL_SERVER=server)


def test_mail_needs_an_address_that_it_is_from_and_a_password_for_its_user(home: Path) -> None:
    with pytest.raises(SettingError, match="mail_from must be an address"):
        _read(home, MAIL, CDRELAY_MAIL_FROM="")
    with pytest.raises(SettingError, match="mail_password must be set"):
        _read(home, MAIL, CDRELAY_MAIL_USER="cdrelay")


def test_a_password_is_not_in_the_text_of_the_settings(home: Path) -> None:
    assert "mail-password-9431" not in repr(_read(home, MAIL, CDRELAY_MAIL_PASSWORD="mail-password-9431"))


def test_the_numbers_of_the_partner_endpoints_are_the_documented_ones_unless_set(home: Path) -> None:
    settings = _read(home)
    assert settings.partner_rules == Rules()
    assert settings.partner_rate == NO_LIMIT


def test_the_numbers_of_the_partner_endpoints_are_settings(home: Path) -> None:
    settings = _read(
        home,
        CDRELAY_PARTNER_REACH_HOURS="24",
        CDRELAY_PARTNER_COUNT_SPAN_MINUTES="30",
        CDRELAY_PARTNER_ORGANIZATIONS_PER_PAGE="50",
        CDRELAY_PARTNER_REQUESTS_PER_MINUTE="6",
        CDRELAY_COMPRESS="60",
    )
    asked = settings.partner_rules
    assert (asked.reach, asked.count_span) == (timedelta(minutes=24), timedelta(seconds=30))
    assert asked.organizations_per_page == 50
    assert settings.partner_rate == RequestRate(6, timedelta(seconds=1))
    # What is delivered does not change with what can be asked.
    assert settings.rules.reach == timedelta(minutes=48)


def test_how_many_records_a_delivery_has_is_a_setting_in_compressed_time_too(home: Path) -> None:
    assert _read(home).rules == Rules()
    assert _read(home, CDRELAY_RECORDS_PER_POST="15").rules.records_per_post == 15
    assert _read(home, CDRELAY_RECORDS_PER_POST="15", CDRELAY_COMPRESS="60").rules.records_per_post == 15


def test_the_numbers_of_the_history_apis_are_settings(home: Path) -> None:
    settings = _read(
        home,
        CDRELAY_HISTORY_FEED_SPAN_HOURS="6",
        CDRELAY_HISTORY_STREAM_SPAN_HOURS="1",
        CDRELAY_HISTORY_STREAM_REACH_HOURS="24",
        CDRELAY_HISTORY_MAX_SMALLEST="1",
        CDRELAY_HISTORY_MAX_LARGEST="500",
    )
    feed, stream = settings.history_rules.feed, settings.history_rules.stream
    assert (feed.span, stream.span, stream.reach) == (timedelta(hours=6), timedelta(hours=1), timedelta(hours=24))
    assert feed.pages == stream.pages == PageSizes(1, 500)


def test_a_smallest_page_above_the_largest_is_refused(home: Path) -> None:
    with pytest.raises(SettingError, match="history_max_smallest must be no more than history_max_largest"):
        _read(home, CDRELAY_HISTORY_MAX_SMALLEST="5001")
