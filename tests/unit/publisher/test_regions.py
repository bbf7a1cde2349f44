"""Which region's publisher holds what, and the words that send a client there."""

import pytest

from cdrelay.contract.addresses import redirected_base
from cdrelay.publisher.api.regions import NO_REGIONS, Regions
from cdrelay.publisher.errors import RegionRefused

ORG = "11111111-2222-4333-8444-555555555555"


def test_without_a_region_a_publisher_holds_all() -> None:
    assert [NO_REGIONS.holds(region) for region in ("", "eu", "us")] == [True, True, True]


def test_a_publisher_holds_its_region_and_what_has_none() -> None:
    assert [Regions("eu").holds(region) for region in ("", "eu", "us")] == [True, True, False]


def test_settings_are_read_with_blanks_and_capitals() -> None:
    regions = Regions.read(" EU ", "us=https://cdr-us.example.com, in = https://cdr-in.example.com:8443/ ,")
    assert regions == Regions("eu", {"us": "cdr-us.example.com", "in": "cdr-in.example.com:8443"})


def test_nothing_set_is_no_region() -> None:
    assert Regions.read("", "") == NO_REGIONS


def test_the_message_ends_in_the_host_as_clients_look_for_it() -> None:
    said = Regions("us", {"eu": "analytics-calling-eu.example.com"}).directions(ORG, "eu")
    assert said == f"organization {ORG} belongs to region eu. Please use analytics-calling-eu.example.com"


def test_a_region_whose_host_is_not_known_is_said_to_be_so() -> None:
    assert Regions("us").directions(ORG, "eu").endswith("region eu. Its host is not known here")


def test_the_collector_reads_the_host_out_of_the_message() -> None:
    said = Regions("us", {"eu": "analytics-calling-eu.webexapis.com"}).directions(ORG, "eu")
    assert redirected_base(said, "https://analytics.webexapis.com") == "https://analytics-calling-eu.webexapis.com"


@pytest.mark.parametrize(
    "hosts",
    [
        "eu",
        "eu=",
        "eu=cdr-eu.example.com",
        "eu=http://cdr-eu.example.com",
        "eu=https://",
        "eu=https://cdr-eu.example.com/v1",
        "eu=https://cdr-eu.example.com?x=1",
        "eu=https://user@cdr-eu.example.com",
        "eu=https://cdr-eu.example.com:port",
        "eu=https://cdr-eu.example.com:0",
        "=https://cdr-eu.example.com",
        "e u=https://cdr-eu.example.com",
    ],
)
def test_a_host_that_cannot_be_told_to_clients_is_refused(hosts: str) -> None:
    with pytest.raises(RegionRefused):
        Regions.read("us", hosts)


@pytest.mark.parametrize("region", ["e u", "eu.", "-eu", "x" * 17, "é"])
def test_a_region_that_is_no_name_is_refused(region: str) -> None:
    with pytest.raises(RegionRefused, match="a region is"):
        Regions.read(region, "")
