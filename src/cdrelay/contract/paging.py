"""Pages of counts and their headers, written by one half and read by the other (seed: num-pages and its kin)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing. There is always at least one page, though it may be empty."""

    items: Sequence[T]
    number: int
    pages: int
    total: int

    def headers(self) -> dict[str, str]:
        """The three headers; written on single pages too (FACTS 2.1)."""
        return {"num-pages": str(self.pages), "total-orgs": str(self.total), "current-page": str(self.number)}


def cut_page(items: Sequence[T], number: int, size: int) -> Page[T]:
    """Page `number` (from 1) of `items`; a page past the end is empty and says how many there are."""
    return Page(items[(number - 1) * size : number * size], number, max(1, -(-len(items) // size)), len(items))


@dataclass(frozen=True, slots=True)
class PageHeaders:
    """What the headers of an answer say; all are optional when reading (FACTS 2.1)."""

    pages: int
    total: int | None

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> "PageHeaders":
        """Lenient: what is missing or no number is taken for a single page of unknown total."""

        def number(name: str) -> int | None:
            text = headers.get(name, "").strip()
            return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None

        return cls(pages=max(1, number("num-pages") or 1), total=number("total-orgs"))
