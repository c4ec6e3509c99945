"""People and their browsers: pages are read, forms are filled in, as on a screen."""

import functools
import itertools
import re
import secrets
import threading
from collections.abc import Iterator
from typing import ClassVar
from typing import Self
from urllib.parse import urljoin
from urllib.parse import urlsplit

import mechanicalsoup
import requests
from bs4 import BeautifulSoup
from bs4 import Tag

from tests.support.server import Server

MAX_REDIRECTS = 5
POST_PATH = re.compile(r"/posts/(\d+)$")
# Where `walk` and the fixture `site` got to a page, if not by a link on another page.
ADDRESS_BAR = "the address bar"
REFUSED_FORM = "a form that was refused"
NO_PAGES = (ADDRESS_BAR, REFUSED_FORM)
# Every kind of Markdown that a post may have, some of it wider than a narrow screen.
MARKDOWN = f"""# Heading

Some `code`, **bold** and *slanted* words, and [a link](https://example.org/).

## Below it

1. one
   - deep
2. two

> A quotation.

| a | b |
| :- | -: |
| {"x" * 99} | {"y" * 99} |

| c |
| - |
| a second table |

```python
class A:  # a comment
    text = "{"z" * 200}"
```

---

{"long" * 50}
"""
# The fields of the contract: a test that leaves one of these empty means it.
FIELDS = {
    "username",
    "password",
    "new_password",
    "email",
    "title",
    "body",
    "remember",
    "csrf_token",
}
# What a person does not type into.
NO_FIELDS = {"hidden", "submit", "button", "reset", "image"}


class NoAnswer(AssertionError):
    """The app did not answer a request in time."""


class Page:
    """One answer of the server, and what a person sees in it."""

    latest: ClassVar["Page | None"] = None

    def __init__(self, response: requests.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.headers = response.headers
        self.url = response.url
        self.text = response.content.decode("utf-8", "replace")
        Page.latest = self

    def __repr__(self) -> str:
        request = self.response.request
        says = f" and says {self.messages}" if self.is_html and self.messages else ""
        return f"<{request.method} {request.path_url} answered {self.status}{says}>"

    @property
    def path(self) -> str:
        """The address of the page on its server, after all redirects."""
        parts = urlsplit(self.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def is_html(self) -> bool:
        return "text/html" in self.headers.get("Content-Type", "")

    @functools.cached_property
    def soup(self) -> BeautifulSoup:
        return BeautifulSoup(self.text, "html.parser")

    def json(self) -> object:
        kind = self.headers.get("Content-Type", "")
        assert "json" in kind, f"{self} with the type “{kind}” instead of JSON:\n{self.text[:300]}"
        return self.response.json()

    @property
    def words(self) -> str:
        """The visible text, with single spaces."""
        return " ".join((self.soup.body or self.soup).get_text(" ").split())

    @property
    def heading(self) -> str:
        return " ".join(h1.get_text(" ", strip=True) for h1 in self.soup("h1"))

    @property
    def messages(self) -> list[str]:
        """The texts that tell a person how it went: flashed ones, and those tied to a field."""
        found = self.soup.select('[role="alert"], [role="status"]')
        for field in self.soup.select('[aria-invalid="true"][aria-describedby]'):
            found += [self.soup.find(id=name) for name in field["aria-describedby"].split()]
        texts = (tag.get_text(" ", strip=True) for tag in found if tag)
        return list(dict.fromkeys(text for text in texts if text))

    @property
    def csrf_token(self) -> str | None:
        tag = self.soup.find("meta", {"name": "csrf-token"})
        return tag.get("content") if tag else None

    @property
    def fields(self) -> list[Tag]:
        """What a person can type into, tick or choose from."""
        tags = self.soup(["input", "textarea", "select"])
        return [tag for tag in tags if tag.get("type", "").lower() not in NO_FIELDS]

    def links(self) -> list[str]:
        """The paths on this server that the page links to, without fragments."""
        here = urlsplit(self.url)
        found = []
        for tag in self.soup("a", href=True):
            there = urlsplit(urljoin(self.url, tag["href"]))
            if there.netloc == here.netloc and there.scheme == here.scheme:
                found.append(there.path + (f"?{there.query}" if there.query else ""))
        return list(dict.fromkeys(found))

    def post_ids(self) -> list[int]:
        """The numbers of the posts that the page links to, in the order of the page."""
        matches = (POST_PATH.match(link) for link in self.links())
        return list(dict.fromkeys(int(match[1]) for match in matches if match))

    def forms_to(self, path: str) -> list[Tag]:
        """The forms of the page that are sent to ``path`` by POST."""
        return [
            form
            for form in self.soup("form")
            if form.get("method", "get").lower() == "post"
            and urlsplit(urljoin(self.url, form.get("action") or self.url)).path == path
        ]


class Browser:
    """A visitor's browser: it keeps cookies, follows redirects and fills in forms."""

    seconds: ClassVar[float] = 30  # how long it waits for an answer
    # Whether to end a server that sends a little from time to time, and comes to no end.
    ends_servers: ClassVar[bool] = False
    # What was sent last: method, path, and the fields of the form.
    latest: ClassVar[tuple[str, str, list[tuple[str, object]]] | None] = None

    def __init__(self, server: Server) -> None:
        self.server = server
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.max_redirects = MAX_REDIRECTS

    def close(self) -> None:
        self.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(self, method: str, path: str, *, follow: bool = True, **options: object) -> Page:
        return self._send(method, self.server.url + path, allow_redirects=follow, **options)

    def _send(self, method: str, url: str, **options: object) -> Page:
        path = url.removeprefix(self.server.url)
        data = options.get("data")
        fields = list(data.items()) if isinstance(data, dict) else data
        Browser.latest = (method.upper(), path, fields if isinstance(fields, list) else [])
        seconds = options.setdefault("timeout", self.seconds)
        is_late = threading.Event()
        watch = threading.Timer(seconds + 1, self._end_server, [is_late])
        if self.ends_servers:
            watch.start()
        try:
            return Page(self.http.request(method, url, **options))
        except requests.TooManyRedirects as loop:
            raise AssertionError(f"{method} {path} redirects in a circle") from loop
        except requests.RequestException as problem:
            if isinstance(problem, requests.Timeout) or is_late.is_set():
                what = f"{method} {path} got no answer in {seconds:g} seconds"
                raise NoAnswer(what) from problem
            raise
        finally:
            watch.cancel()

    def _end_server(self, is_late: threading.Event) -> None:
        is_late.set()
        if self.server.web:
            self.server.web.abort()

    def get(self, path: str, **options: object) -> Page:
        return self.request("GET", path, **options)

    def post(self, path: str, data: object = None, **options: object) -> Page:
        """Send a bare POST, as a script does that has never seen the form."""
        return self.request("POST", path, data=data, **options)

    def submit(
        self,
        path: str,
        *,
        to: str | None = None,
        button: str | None = None,
        follow: bool = True,
        **values: object,
    ) -> Page:
        """Open the page at ``path``, fill in its form and send it.

        ``to`` names the path that the form is sent to, where that is not the page itself, and
        ``button`` the button to click, where that has a name.
        """
        page = self.get(path)
        assert page.status == 200, f"{page}; a page with a form was expected there"
        return self.submit_on(page, to=to, button=button, follow=follow, **values)

    def submit_on(
        self,
        page: Page,
        *,
        to: str | None = None,
        button: str | None = None,
        follow: bool = True,
        **values: object,
    ) -> Page:
        """Fill in and send the form on a page that is open already."""
        target = to or urlsplit(page.url).path
        forms = page.forms_to(target)
        assert forms, f"{page}, but with no form that sends a POST to {target}"
        form = mechanicalsoup.Form(forms[0])
        for name, value in values.items():
            try:
                form.set(name, value)
            except mechanicalsoup.LinkNotFoundError:
                raise AssertionError(f"{page}, but its form has no field “{name}”") from None
        fill_in_what_is_left(form, forms[0], values)
        names = [tag.get("name") for tag in forms[0](["button", "input"])]
        assert button is None or button in names, f"{page}, but no button has the name “{button}”"
        form.choose_submit(button)
        request = mechanicalsoup.Browser.get_request_kwargs(form.form, page.url)
        return self._send(**request, allow_redirects=follow)

    def is_logged_in(self) -> bool:
        """Tell whether the pages offer to log out."""
        return bool(self.get("/").forms_to("/auth/logout"))

    def token(self) -> str:
        """Return the CSRF token of a page that has one: all pages after a login, and its form."""
        return self.get("/").csrf_token or self.get("/auth/login").csrf_token or ""

    def api(self, method: str, path: str, **options: object) -> Page:
        """Send what a script on one of the pages sends: with the CSRF token in a header."""
        headers = {"X-CSRFToken": self.token(), "Accept": "application/json"}
        return self.request(method, path, headers=headers, **options)

    def register(self, username: str, password: str) -> Page:
        return self.submit("/auth/register", username=username, password=password)

    def login(
        self, username: str, password: str, *, path: str = "/auth/login", **more: object
    ) -> Page:
        return self.submit(path, username=username, password=password, **more)

    def logout(self) -> Page:
        return self.submit("/", to="/auth/logout")


class Person(Browser):
    """Somebody with an account and a browser that is logged in."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.username = new_name()
        self.password = f"secret {secrets.token_hex(8)}"

    def join(self) -> "Person":
        """Make the account."""
        page = self.register(self.username, self.password)
        assert page.status == 200, f"{page} when “{self.username}” registered"
        assert self.is_logged_in(), f"{page}; registering should also log in"
        return self

    def again(self) -> "Person":
        """Return the same person in a browser of their own, logged in without the password."""
        twin = Person(self.server)
        twin.username, twin.password = self.username, self.password
        twin.http.cookies.update(self.http.cookies)
        if not twin.is_logged_in():
            twin.login(twin.username, twin.password)
        if not twin.is_logged_in():  # without a database, a restart has lost the account
            twin.register(twin.username, twin.password)
        return twin

    def come_back(self, browser: Browser | None = None, **more: object) -> Browser:
        """Log in from another browser, and return that."""
        browser = browser or Browser(self.server)
        page = browser.login(self.username, self.password, **more)
        assert browser.is_logged_in(), f"{page} when “{self.username}” logged in"
        return browser

    def write(self, title: str | None = None, body: str = "What I learned today.") -> int:
        """Write a post and return its number."""
        title = title or f"Note {secrets.token_hex(4)}"
        page = self.submit("/posts/new", title=title, body=body)
        assert page.status == 200, f"{page} when a post was sent"
        if match := POST_PATH.match(urlsplit(page.url).path):
            return int(match[1])
        number = self.find(title)
        assert number, f"{page} when “{title}” was sent, but /posts/ does not list it"
        return number

    def find(self, title: str) -> int | None:
        """Return the number of the post with this title, looked for on the newest page."""
        listing = self.get("/posts/")
        for link in listing.soup("a", href=True):
            match = POST_PATH.match(urlsplit(urljoin(listing.url, link["href"])).path)
            if match and title.split() == link.get_text().split():
                return int(match[1])
        return None


def fill_in_what_is_left(form: mechanicalsoup.Form, tag: Tag, values: dict[str, object]) -> None:
    """Fill in what an app asks for beyond the contract, such as the password a second time."""
    password = values.get("new_password") or values.get("password")
    for field in tag(["input", "textarea"]):
        name, kind = field.get("name"), field.get("type", "text").lower()
        if not name or name in values or name in FIELDS or field.get("value") or not values:
            continue
        if kind == "password" and password:
            form.set(name, password)
        elif field.has_attr("required") and kind == "checkbox":
            form.set(name, True)
        elif field.has_attr("required") and kind not in NO_FIELDS:
            form.set(name, "ada@example.org" if kind == "email" else "1")


def new_name(stem: str = "ada") -> str:
    """Return a name that nobody has taken yet."""
    return f"{stem}{secrets.token_hex(4)}"


def walk(browser: Browser, start: str = "/", per_kind: int = 3) -> Iterator[tuple[str, str, Page]]:
    """Follow every link from ``start`` on; yield the linking page, the link and the answer.

    Of links that differ in numbers alone or in the values of their query, only a few are opened.
    """
    queue = [(ADDRESS_BAR, start)]
    seen: set[str] = set()
    kinds: dict[str, int] = {}
    while queue:
        source, link = queue.pop(0)
        path, _, query = link.partition("?")
        names = sorted(part.partition("=")[0] for part in query.split("&"))
        kind = f"{re.sub(r'[0-9]+', 'N', path)}?{names}"
        if link in seen or kinds.setdefault(kind, 0) >= per_kind:
            continue
        seen.add(link)
        kinds[kind] += 1
        page = browser.get(link)
        yield source, link, page
        if page.is_html:
            queue += zip(itertools.repeat(link), page.links(), strict=False)
