"""283 organizations are two pages (TRAPS 5), and the headers that say so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdrelay.contract.paging import PageHeaders, cut_page
from cdrelay.contract.rules import Rules

SIZE = Rules().organizations_per_page


def test_283_organizations_are_a_page_of_200_and_one_of_83() -> None:
    assert [len(cut_page(range(283), number, SIZE).items) for number in (1, 2)] == [200, 83]


def test_the_headers_of_the_first_of_two_pages_are_those_of_the_seed() -> None:
    headers = cut_page(range(283), 1, SIZE).headers()
    assert headers == {"num-pages": "2", "total-orgs": "283", "current-page": "1"}


@pytest.mark.parametrize(("organizations", "pages"), [(0, 1), (1, 1), (200, 1), (201, 2), (400, 2), (401, 3)])
def test_a_page_is_full_before_the_next_begins(organizations: int, pages: int) -> None:
    assert cut_page(range(organizations), 1, SIZE).pages == pages


def test_a_page_past_the_end_is_empty_and_says_how_many_there_are() -> None:
    page = cut_page(range(283), 3, SIZE)
    assert (list(page.items), page.headers()["num-pages"]) == ([], "2")


@given(st.integers(0, 500), st.integers(1, 50))
def test_the_pages_together_are_the_whole_in_order(organizations: int, size: int) -> None:
    whole = range(organizations)
    pages = [cut_page(whole, number + 1, size) for number in range(cut_page(whole, 1, size).pages)]
    assert [item for page in pages for item in page.items] == list(whole)


def test_headers_are_read_as_they_are_written() -> None:
    assert PageHeaders.read(cut_page(range(283), 1, SIZE).headers()) == PageHeaders(pages=2, total=283)


@pytest.mark.parametrize("text", ["", "many", "-2", "2.0", "²", "1" * 10, "0"])
def test_headers_that_say_nothing_sensible_are_those_of_a_single_page(text: str) -> None:
    assert PageHeaders.read({"num-pages": text}) == PageHeaders(pages=1, total=None)


def test_missing_headers_are_those_of_a_single_page() -> None:
    assert PageHeaders.read({}) == PageHeaders(pages=1, total=None)


def test_blanks_around_a_number_do_no_harm() -> None:
    assert PageHeaders.read({"num-pages": " 2 ", "total-orgs": "283\t"}) == PageHeaders(pages=2, total=283)
