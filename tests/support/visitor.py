"""A person at a browser, as far as HTTP shows: cookies are kept, forms filled in, redirects seen."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from ssl import SSLContext

import aiohttp
from yarl import URL


@dataclass
class FoundForm:
    """A form of a page: where it goes, and its fields with what is in them."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[FoundForm] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(FoundForm(given["action"]))
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append(given.get("value", ""))
        elif tag == "input" and self.forms and "name" in given:
            ticked = given.get("type") not in {"checkbox", "radio"} or "checked" in dict(attrs)
            if ticked:
                self.forms[-1].fields[given["name"]] = given.get("value", "")


@dataclass(frozen=True)
class Seen:
    """An answer as the person sees it."""

    status: int
    headers: Mapping[str, str]
    text: str
    set_cookie: str

    @property
    def location(self) -> str:
        """Where a redirect leads."""
        return self.headers["Location"]

    def form(self, action: str) -> FoundForm:
        """The first form of the page that goes there."""
        return next(one for one in _Forms(self.text).forms if one.action.partition("?")[0] == action)

    def forms(self, action: str) -> list[FoundForm]:
        """All of them."""
        return [one for one in _Forms(self.text).forms if one.action.partition("?")[0] == action]


class Visitor:
    """One browser. Redirects are not followed by themselves."""

    def __init__(self, address: str, session: aiohttp.ClientSession, tls: SSLContext | None) -> None:
        self.address = address
        self._session = session
        self._tls = tls

    @property
    def cookie(self) -> str:
        """The session's, as the browser has it; empty: none."""
        return self.cookie_named("cdrelay_session")

    def cookie_named(self, name: str) -> str:
        """Another one; empty: none."""
        found = self._session.cookie_jar.filter_cookies(URL(self.address)).get(name)
        return "" if found is None else found.value

    def bring(self, cookie: str) -> None:
        """Have that cookie, from wherever."""
        self._session.cookie_jar.update_cookies({"cdrelay_session": cookie}, URL(self.address))

    async def get(self, path: str, **headers: str) -> Seen:
        """Open a page, by its path or whole address; `headers` are written with underscores."""
        return await self._ask("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})

    async def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Seen:
        """Send a form, as a page of the same site would; `headers` are written with underscores."""
        return await self._ask("POST", path, fields, {name.replace("_", "-"): text for name, text in headers.items()})

    async def send(self, form: FoundForm, **filled: str) -> Seen:
        """Fill in and send."""
        return await self.post(form.action, form.fields | filled)

    async def sign_in(self, email: str, password: str, after: str = "") -> Seen:
        """By the form of the sign-in page."""
        page = await self.get(f"/sign-in?next={after}" if after else "/sign-in")
        return await self.send(page.form("/sign-in"), email=email, password=password)

    async def _ask(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Seen:
        url = URL(path if path.startswith("http") else self.address + path, encoded=True)
        async with self._session.request(
            method, url, data=fields, headers=headers, allow_redirects=False, ssl=self._tls or True
        ) as answer:
            set_cookie = answer.headers.get("Set-Cookie", "")
            return Seen(answer.status, answer.headers, await answer.text(), set_cookie)


@asynccontextmanager
async def visiting(address: str, tls: SSLContext | None = None) -> AsyncIterator[Visitor]:
    """A browser of its own at the server of that address."""
    # IP addresses keep no cookies unless told to.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Visitor(address, session, tls)
