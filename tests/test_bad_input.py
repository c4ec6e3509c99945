"""Bad input is answered by a page: never an error of ours, never half an effect."""

import threading
from http.client import HTTPConnection
from urllib.parse import quote

import pytest

from common.steps import State
from tests.support import hostile
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.browser import new_name

pytestmark = pytest.mark.since("2.login")
# Many values for what is the same code in most of the steps.
of_forms = pytest.mark.about("app/auth.py", "app/forms.py", "app/names.py", "app/posts.py")

PASSWORD = "a long password"
texts = pytest.mark.parametrize("text", hostile.TEXTS.values(), ids=hostile.TEXTS.keys())
# Each password is hashed, which is slow on purpose: here a choice has to do.
passwords = pytest.mark.parametrize(
    "text", [hostile.TEXTS[name] for name in hostile.PASSWORDS], ids=hostile.PASSWORDS
)


def filled_in(text: str) -> str:
    """Make a text of the table one that nobody has used yet."""
    return text.format(unique=new_name("x")) if "{" in text else text


def assert_refused(page: Page, what: str) -> None:
    assert page.status in (200, 400, 409, 413, 422), f"{page} for {what}"
    assert page.status == 413 or page.messages, f"{page} for {what}, but no message says why"


def assert_shown_as_text(page: Page, text: str) -> None:
    """Check that a page shows ``text`` and does not obey it."""
    seen = " ".join(text.split())
    assert seen in page.words or seen in " ".join(page.text.split()), f"{page} without {text!r}"
    assert not page.soup.find(onerror=True), f"{page} obeys {text!r}"
    assert not page.soup.find("script", string=lambda code: code and "alert" in code)


@of_forms
@texts
def test_any_text_may_be_typed_as_a_username(visitor, text):
    """Any text typed as a username makes an account that works, or is refused with a message."""
    name = filled_in(text)
    page = visitor.register(name, PASSWORD)
    assert page.status < 500
    if not visitor.is_logged_in():
        assert_refused(page, f"the name {name[:40]!r}")
        visitor.login(name, PASSWORD)
        assert not visitor.is_logged_in(), f"{page}, yet there is an account {name[:40]!r} now"
        return
    assert name.strip(), "there is an account without a name"
    assert len(name) <= 300, "an account has a name of 100,000 characters"
    assert_shown_as_text(visitor.get("/"), name)
    if not name.isascii():
        visitor.logout()
        visitor.login(name, PASSWORD)
        assert visitor.is_logged_in(), f"{name!r} could register, but cannot log in"


@pytest.mark.since("2.limits")
@of_forms
@texts
def test_any_text_may_be_typed_as_a_title(person, visitor, text):
    """Any text typed as a title is published as text, or refused with a message."""
    before = visitor.get("/posts/").post_ids()
    page = person.submit("/posts/new", title=text, body="text")
    assert page.status < 500
    listing = visitor.get("/posts/")
    assert listing.status == 200
    new = [number for number in listing.post_ids() if number not in before]
    if not new:
        return assert_refused(page, f"the title {text[:40]!r}")
    assert len(new) == 1, f"{page}, and there are {len(new)} new posts"
    assert text.strip(), "there is a post without a title, which nobody can click on"
    assert len(text) <= 300, "a post has a title of 100,000 characters"
    assert_shown_as_text(visitor.get(f"/posts/{new[0]}"), text)
    return None


@pytest.mark.since("2.limits")
@of_forms
@texts
def test_any_text_may_be_typed_as_a_body(person, visitor, text):
    """Any text typed as a post is published and runs nothing, or is refused with a message."""
    title = new_name("body")
    page = person.submit("/posts/new", title=title, body=text)
    assert page.status < 500
    number = person.find(title)
    if number is None:
        return assert_refused(page, f"the text {text[:40]!r}")
    assert text.strip(), "there is a post without a text"
    shown = visitor.get(f"/posts/{number}")
    assert shown.status == 200
    assert not shown.soup.find(onerror=True), f"{shown} obeys {text!r}"
    return None


@of_forms
@passwords
def test_any_text_may_be_typed_as_a_new_password(server, visitor, text):
    """Any text typed as a new password works at the next login, or is refused with a message."""
    name = new_name()
    page = visitor.register(name, text)
    assert page.status < 500
    other = Browser(server)
    if visitor.is_logged_in():
        assert text, "an account has an empty password"
        other.login(name, text)
        assert other.is_logged_in(), f"the password {text[:40]!r} was taken, but does not work"
        return
    assert_refused(page, f"the password {text[:40]!r}")
    other.register(name, PASSWORD)
    assert other.is_logged_in(), f"{page}, yet the name {name} is taken now"


@of_forms
@passwords
def test_any_text_may_be_typed_at_the_login(visitor, join, text):
    """Any text typed at the login is answered by a page with a message."""
    person = join()  # an account of its own: of one account, only so many wrong tries are taken
    for name, password in ((text, "no such password"), (person.username, text)):
        page = visitor.login(name, password)
        assert_refused(page, f"{name[:40]!r} with {password[:40]!r}")
        assert not visitor.is_logged_in()


@pytest.mark.since("1.hello")
@texts
def test_any_text_may_be_in_the_url(visitor, text):
    """Any text in the URL is answered without a server error."""
    text = text[:2000]
    for path in ("/hello/{}", "/hello/Ada?greeting={}", "/posts/?page={}", "/auth/login?next={}"):
        page = visitor.get(path.format(quote(text, safe="")))
        assert page.status < 500


@of_forms
@pytest.mark.parametrize("missing", ["username", "password", "both"])
@pytest.mark.parametrize("path", ["/auth/register", "/auth/login"])
def test_a_form_without_a_field_is_refused(visitor, path, missing):
    """A login or registration without one of its fields is refused."""
    token = visitor.get(path).csrf_token or ""
    fields = {"username": new_name(), "password": PASSWORD, "csrf_token": token}
    for name in ("username", "password") if missing == "both" else (missing,):
        del fields[name]
    page = visitor.post(path, fields)
    assert page.status in (200, 400, 409, 422), f"{page} where {missing} was missing"
    assert not visitor.is_logged_in()


@pytest.mark.since("2.write")
@pytest.mark.parametrize("missing", ["title", "body", "both"])
def test_a_post_without_a_field_is_refused(person, visitor, missing):
    """A post without a title or a text is refused, and nothing is published."""
    before = visitor.get("/posts/").post_ids()
    fields = {"title": "t", "body": "b", "csrf_token": person.get("/posts/new").csrf_token or ""}
    for name in ("title", "body") if missing == "both" else (missing,):
        del fields[name]
    page = person.post("/posts/new", fields)
    assert page.status in (200, 400, 422), f"{page} where {missing} was missing"
    assert visitor.get("/posts/").post_ids() == before, f"{page}, yet there is a new post"


@pytest.mark.since("2.write")
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"title": "a", "body": "b"}', "application/json"),
        (b"\xff\xfe=\x00&%zz=%", "application/x-www-form-urlencoded"),
        (b"title=%ff%fe&body=%c3%28", "application/x-www-form-urlencoded"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"nothing", "multipart/form-data"),
        (b"title=a&title=b&body=c&body=d", "application/x-www-form-urlencoded"),
    ],
    ids=["json", "bytes", "no utf-8", "broken parts", "no boundary", "twice"],
)
def test_a_request_body_that_is_no_form_is_no_server_error(person, body, kind):
    """A request body that is no form is never a server error."""
    token = person.get("/posts/new").csrf_token or ""
    headers = {"Content-Type": kind, "X-CSRFToken": token}
    page = person.post("/posts/new", body, headers=headers)
    assert page.status < 500
    assert page.status != 404, f"{page}; the form is not there"


FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
JSON = "application/json"
FIELDS = ("username", "password", "title", "body")


def multipart(*parts: str) -> bytes:
    """Return a multipart body of these parts, each of them a header and a text."""
    lines = [f"--x\r\nContent-Disposition: form-data{part}\r\n" for part in parts]
    return "".join([*lines, "--x--\r\n"]).encode()


FILES = multipart(*(f'; name="{name}"; filename="a.txt"\r\n\r\nlong enough' for name in FIELDS))
BODIES = {
    "json list": (JSON, b"[1, 2]"),
    "json text": (JSON, b'"text"'),
    "json null": (JSON, b"null"),
    "json lists": (JSON, b'{"username": [1], "password": {}, "title": [[]], "body": 1}'),
    "json surrogate": (JSON, b'{"username": "\\ud800", "password": "\\ud800", "title": "\\ud800"}'),
    "json nested": (JSON, b"[" * 100_000),
    "broken json": (JSON, b"{"),
    "files": (MULTIPART, FILES),
    "field without a name": (MULTIPART, multipart("\r\n\r\ntext")),
    "2,000 parts": (MULTIPART, multipart(*['; name="a"\r\n\r\n'] * 2000)),
    "odd charset": (f"{FORM}; charset=utf-16", "username=a&title=b".encode("utf-16")),
    "gzip": (FORM, b"\x1f\x8b\x08\x00"),
}
CHUNKS = {
    "no number": b"zz\r\nabc\r\n0\r\n\r\n",
    "negative": b"-1\r\na\r\n0\r\n\r\n",
    "too short": b"5\r\nabc\r\n0\r\n\r\n",
    "no line end": b"3\r\nabcX0\r\n\r\n",
}


def send(person: Person, path: str, kind: str, body: bytes, name: str, value: str) -> None:
    """POST a body as it is, with one more header; check that the page is no server error."""
    connection = HTTPConnection("127.0.0.1", person.server.port, timeout=20)
    token = person.get("/posts/new").csrf_token or ""
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.http.cookies)
    headers = {"Content-Type": kind, "X-CSRFToken": token, "Cookie": cookies, name: value}
    try:
        connection.putrequest("POST", path)
        for header in headers.items():
            connection.putheader(*header)
        connection.endheaders(body)
        response = connection.getresponse()
        page = response.read().decode()
    finally:
        connection.close()
    assert response.status < 500, f"POST {path} as {kind} answers {response.status}"
    assert response.status != 404, f"there is no form at {path}"
    if response.status >= 400:
        assert "<nav" in page, f"POST {path}: {response.status} is not a page of the site"


def forms(person: Person, step: State) -> list[str]:
    """Return the paths of forms that are there, with the one to edit where there is one."""
    edit = [f"/posts/{person.write()}/edit"] if step.has("edit") else []
    return ["/auth/login", "/auth/register", "/posts/new", *edit]


@pytest.mark.since("2.write")
@pytest.mark.about("app/forms.py")
@pytest.mark.parametrize(("kind", "body"), BODIES.values(), ids=BODIES.keys())
def test_a_body_of_another_kind_is_no_server_error(person, step, kind, body):
    """JSON, files or broken parts in place of a form get a page of the site, not a 500."""
    for path in forms(person, step):
        send(person, path, kind, body, "Content-Length", str(len(body)))


@pytest.mark.since("4.admin-users")
@pytest.mark.ours
@pytest.mark.about("app/admin.py")
def test_files_instead_of_texts_in_the_admin_form_are_no_server_error(admin):
    """Files in place of the texts of the admin form get a page, not a 500."""
    send(admin[0], "/admin/user/new/", MULTIPART, FILES, "Content-Length", str(len(FILES)))


@pytest.mark.since("2.size")
@pytest.mark.about("app/forms.py")
@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS.keys())
def test_a_broken_chunk_is_no_server_error(person, step, body):
    """A request body with a broken chunk gets an answer below 500, as a page of the site."""
    for path in forms(person, step):
        send(person, path, FORM, body, "Transfer-Encoding", "chunked")


@pytest.mark.since("2.size")
@pytest.mark.about("config.py")
def test_a_large_form_is_read_to_the_same_limit_in_each_encoding(person):
    """A form of 600 kB is read, whether it comes as multipart or not."""
    token = person.get("/posts/new").csrf_token or ""
    fields = {"title": "Large", "body": "x" * 600_000, "csrf_token": token}
    parts = {name: (None, value) for name, value in fields.items()}
    for page in person.post("/posts/new", fields), person.post("/posts/new", files=parts):
        assert page.status in (200, 400, 422), f"{page} for a text of 600 kB"


@pytest.mark.since("2.limits")
def test_a_text_of_2_megabytes_is_refused(person, visitor):
    """A text of 2 megabytes is refused."""
    before = visitor.get("/posts/").post_ids()
    token = person.get("/posts/new").csrf_token or ""
    fields = {"title": "Large", "body": "x" * 2_000_000, "csrf_token": token}
    page = person.post("/posts/new", fields, headers={"X-CSRFToken": token})
    assert page.status in (200, 400, 413, 422), f"{page} for a text of 2 MB"
    assert visitor.get("/posts/").post_ids() == before, "a text of 2 MB was taken"


@pytest.mark.since("3.names")
@of_forms
@pytest.mark.parametrize(
    ("first", "second"), hostile.SAME_NAMES.values(), ids=hostile.SAME_NAMES.keys()
)
def test_usernames_that_look_the_same_are_the_same(server, visitor, first, second):
    """Usernames that look the same are the same."""
    unique = new_name("")
    first, second = first.format(unique=unique), second.format(unique=unique)
    other = Browser(server)
    page = visitor.register(first, PASSWORD)
    if not visitor.is_logged_in():  # an app may ask for plain letters
        return assert_refused(page, f"the name {first!r}")
    page = other.register(second, PASSWORD)
    assert not other.is_logged_in(), f"there are both {first!r} and {second!r} now"
    return assert_refused(page, f"{second!r}, where {first!r} is taken")


@pytest.mark.parametrize("attempt", range(2))
def test_of_two_who_register_one_name_at_once_one_wins(server, step, attempt):
    """Both send the form at the same moment; with a database, one time in other spellings."""
    name = new_name()
    spellings = [name, name.upper() if attempt % 2 and step.has("names") else name]
    people = [Browser(server) for _ in spellings]
    forms = [browser.get("/auth/register") for browser in people]
    pages: list[Page | Exception] = [None] * len(people)
    barrier = threading.Barrier(len(people))

    def send(number: int) -> None:
        barrier.wait(timeout=10)
        try:
            pages[number] = people[number].submit_on(
                forms[number], username=spellings[number], password=f"{PASSWORD} {number}"
            )
        except Exception as problem:
            pages[number] = problem

    threads = [threading.Thread(target=send, args=[number]) for number in range(len(people))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    winners = [number for number, browser in enumerate(people) if browser.is_logged_in()]
    assert len(winners) == 1, f"{len(winners)} of {len(people)} got the name: {pages}"
    for number, page in enumerate(pages):
        assert isinstance(page, Page), f"one request got no answer: {page!r}"
        if number not in winners:
            assert_refused(page, "the second of the name")
    again = Browser(server)
    again.login(name, f"{PASSWORD} {winners[0]}")
    assert again.is_logged_in(), "who won cannot log in again"


@pytest.mark.since("1.hello")
def test_large_cookies_and_headers_are_no_server_error(visitor):
    """Large cookies, odd headers and long queries are never a server error."""
    page = visitor.get("/", headers={"Cookie": "session=" + "x" * 4000, "X-Odd": "\x7f" * 100})
    assert page.status < 500
    assert visitor.get("/?" + "a=b&" * 500).status < 500


@pytest.mark.since("1.hello")
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"])
def test_unusual_methods_are_no_server_error(visitor, method):
    """An unusual HTTP method is never a server error."""
    for path in ("/", "/posts/", "/auth/login", "/posts/new", "/no-such-page"):
        page = visitor.request(method, path, follow=False)
        assert page.status in (200, 204, 302, 400, 404, 405, 501), f"{page}"
