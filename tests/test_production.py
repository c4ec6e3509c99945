"""Production: the settings, headers, limits and logs of a server on the internet."""

import json
import re
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from select import select
from urllib.parse import urlencode
from uuid import uuid4

import psutil
import pytest
import requests
from requests.cookies import RequestsCookieJar

from common.stack import free_port
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.browser import new_name
from tests.support.exports import Export
from tests.support.faults import send_signal
from tests.support.processes import Process
from tests.support.processes import wait_until
from tests.support.project import SECRET_KEY
from tests.support.project import Project
from tests.support.server import FLASK_RUN
from tests.support.server import GUNICORN
from tests.support.server import Server
from tests.support.server import require_gunicorn

pytestmark = [
    pytest.mark.since("6.gunicorn"),
    pytest.mark.xdist_group("production"),
    pytest.mark.not_on_mysql("headers, settings, logs and limits"),
]

HOST = "study.example"
HEADERS = {
    "Content-Security-Policy": r"default-src 'none'|default-src 'self'",
    "X-Content-Type-Options": r"nosniff",
    "Referrer-Policy": r"same-origin|strict-origin|strict-origin-when-cross-origin",
    "Strict-Transport-Security": r"max-age=\d{7,}",
}
# Seconds until a server should have ended a request whose body does not arrive.
BODY_PATIENCE = 30
# More wrong passwords than any limit should allow.
MANY = 30
# Seconds: for a page while Redis hangs, and for a stream to end when its server stops.
PATIENCE = 4
SOON = 10


class Jar(RequestsCookieJar):
    """Sends secure cookies over HTTP: the tests have no certificate."""

    def set_cookie(self, cookie, *args: object, **options: object):
        cookie.secure = False
        return super().set_cookie(cookie, *args, **options)


class Visitor(Person):
    """A client behind the proxy, with an address of its own."""

    def __init__(self, server: Server, address: str = "") -> None:
        super().__init__(server)
        self.http.cookies = Jar()
        self.http.headers["X-Forwarded-For"] = address or f"2001:db8:{uuid4().hex[:4]}::1"

    def try_to_log_in(self, name: str, password: str = "not the password") -> Page:
        return self.login(name, password)

    def headers(self) -> dict[str, str]:
        """Return the headers of a form that this client sends without its browser."""
        return {
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies),
            "X-Forwarded-For": str(self.http.headers["X-Forwarded-For"]),
        }

    def until_refused(self, name: str) -> tuple[int, Page]:
        """Try wrong passwords until the server answers 429; return how many it checked."""
        for number in range(MANY):
            if (page := self.try_to_log_in(name)).status == 429:
                return number, page
        raise AssertionError(f"After {MANY} wrong passwords: {page}; 429 was expected")


@pytest.fixture(scope="session")
def production(server: Server) -> Iterator[Server]:
    """The step with APP_CONFIG=production under gunicorn; the tests act as its proxy."""
    require_gunicorn()
    settings = {
        "APP_CONFIG": "production",
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": f"sqlite:///{server.project.database}",
        "TRUSTED_HOSTS": f"127.0.0.1,{HOST}",
        "TRUSTED_PROXIES": "1",
    }
    with server.beside((*GUNICORN, "--workers", "1"), **settings) as gunicorn:
        page = Browser(gunicorn).get("/about")
        assert page.status == 200, f"{page} in production"
        yield gunicorn


@pytest.fixture
def guest(production: Server) -> Iterator[Visitor]:
    visitor = Visitor(production)
    yield visitor
    visitor.close()


@pytest.fixture(scope="session")
def member(production: Server) -> Visitor:
    """A logged-in user."""
    return Visitor(production).join()


# Settings


@pytest.mark.since("6.production")
def test_production_names_missing_settings_and_invents_none(project):
    """Without its settings production names each one that is missing, and creates nothing."""
    result = project.try_flask("db", "upgrade", APP_CONFIG="production")
    assert result.code != 0, "production starts without SECRET_KEY and DATABASE_URL"
    for name in ("SECRET_KEY", "DATABASE_URL"):
        named = [line for line in result.output.splitlines() if name in line]
        assert len(named) == 1, f"one line should say that {name} is missing. {result}"
    assert "Traceback" not in result.output, str(result)
    made = [path.name for path in project.folder.glob("instance/*")]
    assert not made, f"production has created {made}: a key or a database that nobody asked for"


def assert_refused_setting(project: Project, name: str, value: str) -> None:
    """Check that production does not start with a setting, and says why in one line."""
    good = {"APP_CONFIG": "production", "SECRET_KEY": SECRET_KEY, "DATABASE_URL": "sqlite:///p.db"}
    result = project.try_flask("routes", **good | {name: value})
    assert result.code != 0, f"{name}={value} is taken"
    assert name in result.output, f"it does not say what is wrong. {result}"
    assert "Traceback" not in result.output, f"one clear line would do. {result}"


@pytest.mark.since("6.production")
def test_production_refuses_a_short_key(project):
    """A key that could be guessed is refused with one clear line."""
    assert_refused_setting(project, "SECRET_KEY", "x" * 31)


@pytest.mark.since("6.proxy")
@pytest.mark.parametrize("value", ["many", "-1"])
def test_a_wrong_number_of_proxies_is_refused(project, value):
    """TRUSTED_PROXIES that is no number is refused with one clear line."""
    assert_refused_setting(project, "TRUSTED_PROXIES", value)


@pytest.mark.ours
def test_passwords_are_hashed_with_full_cost(production, member):
    """Password hashes of a server under gunicorn have their full cost."""
    query = "SELECT password_hash FROM user WHERE username = :name"
    (row,) = production.project.rows(query, name=member.username)
    method, _, _ = row["password_hash"].partition("$")
    assert method == "scrypt:32768:8:1", f"the hash is {method}"


# Headers and cookies


def check_headers(page: Page) -> None:
    for name, pattern in HEADERS.items():
        value = page.headers.get(name, "")
        assert re.search(pattern, value), f"{page} has {name}: {value!r}; {pattern!r} was expected"
    policy = page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy, f"{page} can be put into a frame: {policy}"
    assert "unsafe" not in policy, f"{page} lets scripts or styles inside the HTML work: {policy}"


@pytest.mark.since("6.headers")
def test_every_response_has_the_security_headers(production, member, guest):
    """Every response has the security headers."""
    post = member.write()
    icon = next(tag["href"] for tag in member.get("/").soup("link") if "icon" in tag["rel"])
    age = member.get(icon).headers["ETag"]
    pages = [guest.get(path) for path in ("/", "/posts/", f"/posts/{post}", "/auth/login", icon)]
    pages += [guest.get(icon, headers={"If-None-Match": age})]
    pages += [guest.get(path, follow=False) for path in ("/posts", "/posts/new", "/no-such-page")]
    pages += [guest.get("/api/exports"), guest.get("/api/docs/"), guest.get("/healthz")]
    pages += [guest.post("/auth/logout"), member.get("/exports/"), guest.request("PUT", "/about")]
    seen = {page.status for page in pages}
    assert {200, 302, 304, 308, 400, 401, 404, 405} <= seen, f"not all kinds of answers: {seen}"
    for page in pages:
        check_headers(page)


def test_cookies_are_secure_httponly_and_samesite(production, member):
    """All cookies are Secure, HttpOnly and SameSite=Lax."""
    visitor = Visitor(production)
    page = visitor.submit(
        "/auth/login",
        follow=False,
        username=member.username,
        password=member.password,
        remember=True,
    )
    cookies = page.response.raw.headers.getlist("Set-Cookie")
    assert len(cookies) >= 2, f"a session and “remember” were expected: {cookies}"
    for cookie in cookies:
        for word in ("Secure", "HttpOnly", "SameSite=Lax"):
            assert word.lower() in cookie.lower(), f"a cookie is not {word}: {cookie}"


# The proxy in front


@pytest.mark.since("6.proxy")
def test_headers_of_a_trusted_proxy_are_used(guest):
    """Behind a trusted proxy, redirects use the scheme and host that the client used."""
    page = guest.get(
        "/posts",
        follow=False,
        headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": HOST},
    )
    assert page.headers["Location"] == f"https://{HOST}/posts/"


@pytest.mark.since("6.request-id")
def test_without_a_proxy_its_headers_are_ignored(visitor):
    """Without a trusted proxy, such headers of a client are ignored."""
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "e.x", "X-Request-ID": "e" * 20}
    page = visitor.get("/posts", follow=False, headers=headers)
    assert page.headers["Location"].removeprefix(visitor.server.url) == "/posts/", (
        "a header of the client decides where a redirect leads"
    )
    given = page.headers.get("X-Request-ID")
    assert given, f"{page} has no X-Request-ID"
    assert given != "e" * 20, "a client can choose the request id in our log"


@pytest.mark.since("6.proxy")
@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host"])
def test_an_untrusted_host_is_refused(step, guest, header):
    """A request for an untrusted host is refused: 400."""
    for path in ("/", "/posts/", "/api/exports", "/no-such-page"):
        page = guest.get(path, headers={header: "e.x"})
        assert page.status == 400, f"{page}, though this is not the site e.x"
        if step.is_at_or_after("6.headers"):
            check_headers(page)
    assert guest.get("/", headers={header: HOST}).status == 200


# Too much


@pytest.mark.since("6.full")
@pytest.mark.parametrize("path", ["/posts/new", "/auth/login", "/api/exports"])
def test_a_request_that_is_too_large_gets_an_error_page(member, path):
    """A request that is too large is refused with 413 and a message."""
    page = member.post(path, {"body": "x" * 3_000_000})
    assert page.status == 413, f"{page}; 3 MB in a form are too much"
    text = page.words if page.is_html else page.json()["message"]
    assert "too much" in text.lower() or "too large" in text.lower(), f"{page} says only: {text}"
    check_headers(page)


def test_the_longest_post_is_not_too_large(member):
    """The longest post is not too large."""
    number = member.write("Long", "😀" * 10_000)
    assert member.get(f"/posts/{number}").heading == "Long"


@pytest.mark.since("6.body")
@pytest.mark.slow
def test_half_a_request_body_ends_in_time(production, guest):
    """A request body that does not arrive in time gets a 408, as a page of the site."""
    guest.get("/auth/login")
    ways = {
        "nothing more": ({"Content-Length": "500"}, b"abc"),
        "half a chunk": ({"Transfer-Encoding": "chunked"}, b"5\r\nabc"),
        "a byte a second": ({"Content-Length": "500"}, b"a"),
    }
    connections = [HTTPConnection("127.0.0.1", production.port, timeout=60) for _ in ways]
    try:
        for connection, (headers, begin) in zip(connections, ways.values(), strict=True):
            connection.putrequest("POST", "/auth/login")
            for header in {**guest.headers(), **headers}.items():
                connection.putheader(*header)
            connection.endheaders(begin)
        began = time.monotonic()
        while not select([connection.sock for connection in connections], [], [], 1)[0]:
            waited = time.monotonic() - began
            assert waited < BODY_PATIENCE, f"half a body is waited for {waited:.0f} s and more"
            connections[-1].send(b"a")
        for connection, way in zip(connections, ways, strict=True):
            response = connection.getresponse()
            page = response.read().decode()
            assert response.status == 408, f"{way}: {response.status}; 408 was expected"
            assert "<nav" in page, f"{way}: the 408 is not a page of the site"
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.since("6.body")
def test_a_broken_chunk_at_gunicorn_is_a_client_error(production, guest):
    """A broken chunk gets a 400 from gunicorn, too, as a page of the site."""
    guest.get("/auth/login")
    for body in (b"zz\r\nabc\r\n", b"-1\r\na\r\n", b"5\r\nabc\r\n0\r\n\r\n", b"3\r\nabcX0\r\n\r\n"):
        connection = HTTPConnection("127.0.0.1", production.port, timeout=30)
        try:
            headers = {**guest.headers(), "Transfer-Encoding": "chunked"}
            connection.request("POST", "/auth/login", body, headers)
            response = connection.getresponse()
            page = response.read().decode()
        finally:
            connection.close()
        assert response.status == 400, f"{body!r}: {response.status}; 400 was expected"
        assert "<nav" in page, f"{body!r}: the 400 is not a page of the site"


# Registering


@pytest.mark.since("6.address")
def test_new_accounts_of_one_address_are_limited(production):
    """Too many new accounts from one address get a 429."""
    address = f"2001:db8:3:{uuid4().hex[:4]}::1"
    for _ in range(MANY):
        page = Visitor(production, address).register(new_name(), "a long password")
        if page.status == 429:
            assert "too many new accounts" in page.words.lower(), f"{page}: {page.words}"
            break
    else:
        raise AssertionError(f"{MANY} accounts from one address, and {page}")
    assert Visitor(production).register(new_name(), "a long password").status == 200


@pytest.mark.since("6.crowd")
@pytest.mark.slow
def test_hashing_passwords_does_not_stop_other_requests(production, guest):
    """While many passwords are hashed, other clients get their pages."""
    people = [Visitor(production) for _ in range(20)]
    forms = [person.get("/auth/register") for person in people]
    with ThreadPoolExecutor(len(people)) as threads:
        registering = [
            threads.submit(person.submit_on, form, username=new_name(), password="long enough")
            for person, form in zip(people, forms, strict=True)
        ]
        pages = 0
        while not all(future.done() for future in registering):
            assert guest.get("/about").status == 200
            pages += 1
    assert all(future.result().status == 200 for future in registering)
    assert pages >= len(people), f"{pages} pages while {len(people)} passwords were hashed"


# Logins


@pytest.mark.since("6.attempts")
def test_too_many_wrong_passwords_are_refused(guest, member):
    """After some wrong passwords of one name a client has to wait: 429, for the right one too."""
    guest.until_refused(member.username)
    page = guest.try_to_log_in(f"  {member.username.upper()} ")
    assert page.status == 429, f"{page}; another spelling of the name is the same name"
    page = guest.try_to_log_in(member.username, member.password)
    assert page.status == 429, f"{page}; a right guess must wait too"
    assert not guest.is_logged_in()


@pytest.mark.since("6.full")
def test_too_many_wrong_passwords_have_to_wait(guest, member):
    """The 429 says how many seconds to wait, to people and to programs."""
    _, page = guest.until_refused(member.username)
    seconds = page.headers.get("Retry-After", "")
    assert re.fullmatch(r"[1-9]\d*", seconds), f"{page} has Retry-After: {seconds!r}"
    numbers = [int(number) for number in re.findall(r"\d+", page.words)]
    assert int(seconds) in numbers, f"{page} does not say how long to wait: {page.words}"
    assert page.soup.select("nav a[href]"), f"{page} without the site's <nav>"
    assert page.soup.select("main a[href='/auth/login']"), f"{page} does not lead to the login"


@pytest.mark.since("6.attempts")
def test_nobody_can_lock_out_another_user(production, guest, member):
    """A client that guesses passwords does not lock the owner of the account out."""
    guest.until_refused(member.username)
    owner = Visitor(production)
    page = owner.try_to_log_in(member.username, member.password)
    assert owner.is_logged_in(), f"{page}; anybody can lock out a user whose name they know"
    page = guest.try_to_log_in(new_name())
    assert page.status == 200, f"{page}; another name from the same address, one try"


@pytest.mark.since("6.attempts")
@pytest.mark.parametrize("kind", ["json", "multipart", "charset", "text"])
def test_no_content_type_gets_around_the_limit(guest, member, kind):
    """A login in another content type is limited as a form is, or it logs nobody in."""

    def log_in(password: str) -> Page:
        token = guest.get("/auth/login").csrf_token
        fields = {"username": member.username, "password": password, "csrf_token": token}
        headers = {"X-CSRFToken": token}
        if kind == "json":
            return guest.post("/auth/login", json=fields, headers=headers)
        if kind == "multipart":
            parts = {name: (None, value) for name, value in fields.items()}
            return guest.post("/auth/login", files=parts, headers=headers)
        types = {
            "charset": "application/x-www-form-urlencoded; charset=utf-16",
            "text": "text/plain",
        }
        headers["Content-Type"] = types[kind]
        return guest.post("/auth/login", urlencode(fields), headers=headers)

    statuses = [log_in("wrong").status for _ in range(8)]
    page = log_in(member.password)
    assert not guest.is_logged_in(), f"after {statuses}, {page}: the right guess logs in"


@pytest.mark.since("6.guess")
@pytest.mark.parametrize("path", ["/auth/account", "/auth/delete"])
def test_a_session_cannot_guess_its_password(production, path):
    """A client that guesses the password of its account has to wait, whatever else it sends."""
    with Visitor(production).join() as thief:
        pages = []
        for number in range(MANY):
            token = thief.get("/auth/account").csrf_token
            names = {"username": f"name{number}", "email": f"name{number}@example.org"}
            fields = {"password": "a wrong guess", "csrf_token": token}
            pages.append(thief.post(path, names | fields))
            if pages[-1].status == 429:
                break
        assert pages[-1].status == 429, f"after {MANY} wrong passwords: {pages[-1]}"


@pytest.mark.since("6.address")
def test_an_ipv6_network_counts_as_one_client(production, member):
    """All addresses of an IPv6 network count as one client."""
    network = f"2001:db8:1:{uuid4().hex[:4]}"
    guests = [Visitor(production, f"{network}::{number:x}") for number in range(1, 13)]
    pages = [guest.try_to_log_in(member.username) for guest in guests]
    assert pages[-1].status == 429, (
        "with IPv6 a client has more addresses than the limit has attempts"
    )


@pytest.mark.since("6.address")
def test_one_address_cannot_try_many_names(production):
    """One client cannot try many usernames: 429."""
    guest = Visitor(production)
    for number in range(150):
        token = guest.get("/auth/login").csrf_token
        # Without a password there is no slow check of it.
        fields = {"username": f"name{number}", "password": "", "csrf_token": token}
        if (page := guest.post("/auth/login", fields)).status == 429:
            return
    raise AssertionError(f"150 names were tried from one address, and {page}")


@pytest.mark.since("6.attempts")
def test_attempts_at_the_same_moment_are_counted(production, member):
    """Wrong passwords sent at the same moment are counted, too."""
    one_by_one = Visitor(production)
    limit = one_by_one.until_refused(member.username)[0]
    guest = Visitor(production)
    token = guest.get("/auth/login").csrf_token
    fields = {"username": member.username, "password": "wrong", "csrf_token": token}
    headers = guest.headers()
    tries = [HTTPConnection("127.0.0.1", production.port, timeout=60) for _ in range(MANY)]
    try:
        for connection in tries:  # all requests are sent before the first response is read
            connection.request("POST", "/auth/login", urlencode(fields), headers)
        answers = [connection.getresponse().status for connection in tries]
    finally:
        for connection in tries:
            connection.close()
    assert set(answers) == {200, 429}, f"{MANY} wrong passwords at once: {answers}"
    taken = answers.count(200)
    assert taken <= limit, f"{taken} of {MANY} at once were checked; {limit} are allowed"


@pytest.mark.since("6.attempts")
def test_a_right_password_is_refunded(production, member):
    """Successful logins are not limited, as wrong passwords are."""
    address = f"2001:db8:2:{uuid4().hex[:4]}::1"
    for number in range(12):
        visitor = Visitor(production, address)
        page = visitor.try_to_log_in(member.username, member.password)
        assert visitor.is_logged_in(), f"login {number + 1} with the right password: {page}"
    Visitor(production, address).until_refused(member.username)


@pytest.mark.since("6.guess")
def test_an_unknown_name_takes_as_long_as_a_wrong_password(production, member):
    """An unknown name takes as long to refuse as a wrong password."""

    def seconds(name: str) -> float:
        visitor = Visitor(production)
        form = visitor.get("/auth/login")
        return visitor.submit_on(
            form, username=name, password="wrong"
        ).response.elapsed.total_seconds()

    wrong, unknown = [], []
    for _ in range(7):
        wrong.append(seconds(member.username))
        unknown.append(seconds(new_name()))
    ratio = statistics.median(unknown) / statistics.median(wrong)
    assert 0.5 < ratio < 2, (
        f"an unknown name takes {ratio:.2f} times as long: the time tells which names exist"
    )


@contextmanager
def hanging(process: Process) -> Iterator[None]:
    """Stop a process: it accepts connections, but answers nothing."""
    send_signal(process, "SIGSTOP")
    try:
        yield
    finally:
        send_signal(process, "SIGCONT")


@pytest.mark.slow
@pytest.mark.since("6.health")
def test_users_can_log_in_while_redis_hangs(production, member):
    """Users can log in while Redis hangs, and /healthz says what is wrong."""
    visitor = Visitor(production)
    form = visitor.get("/auth/login")
    with hanging(production.redis):
        page = visitor.submit_on(form, username=member.username, password=member.password)
        took = page.response.elapsed.total_seconds()
        assert visitor.is_logged_in(), f"{page}; without Redis nobody can log in"
        assert took < PATIENCE, f"{page} took {took:.1f} s"
        health = visitor.get("/healthz")
        took = health.response.elapsed.total_seconds()
        assert health.status == 503, f"{health}, while Redis hangs"
        assert took < PATIENCE, f"{health} took {took:.1f} s"
        answers = health.json()
        assert answers["database"] == "ok", answers
        assert answers["redis"] != "ok", answers
    wait_until(lambda: visitor.get("/healthz").status == 200, "/healthz is well again")


# Health


@pytest.mark.since("6.health")
def test_healthz_names_what_fails_and_nothing_more(server):
    """/healthz is a 503 that names what is away, and no details."""
    port = free_port()
    away = {
        "REDIS_URL": f"redis://:secret-word@127.0.0.1:{port}/0",
        "DATABASE_URL": "sqlite:////no-such-folder/no.db",
    }
    with server.beside(FLASK_RUN, **away) as broken:
        page = Browser(broken).get("/healthz")
        assert page.status == 503, f"{page}, though nothing is there"
        answers = page.json()
        assert set(answers) == {"database", "redis"}, answers
        assert "ok" not in answers.values(), answers
        for secret in ("secret-word", "no-such-folder", str(port), "Error", "Traceback"):
            assert secret not in page.text, f"/healthz tells everybody: {page.text}"
        assert "Set-Cookie" not in page.headers
    assert "secret-word" not in broken.web.output, "a password is in the log"
    server.forget_logs()


# The log


def request_lines(server: Server, word: str) -> list[str]:
    return [line for line in server.web.output.splitlines() if word in line]


@pytest.mark.since("6.log")
def test_each_request_is_one_line_in_the_log(production, guest, member):
    """Each request is one line of the log, with the status and the session, but no query."""
    mark = uuid4().hex
    guest.get(f"/hello/{mark}?greeting=hidden-{mark}")
    lines = request_lines(production, mark)
    assert len(lines) == 1, f"one line was expected:\n{lines}"
    assert re.search(rf"GET /hello/{mark} 200\b", lines[0]), lines[0]
    assert "hidden" not in lines[0], f"the query string may be private: {lines[0]}"
    member.get(f"/{mark}-2")
    mine, other = request_lines(production, f"{mark}-2")[0], lines[0]
    assert re.search(r" 404\b", mine), mine
    assert mine.split()[-1] != other.split()[-1], f"it does not tell whose request it was: {mine}"


@pytest.mark.since("6.request-id")
def test_each_request_has_an_id(production, guest):
    """Each request has an id of its own, in the log and in a header of the response."""
    mark = uuid4().hex
    pages = [guest.get(f"/hello/{mark}") for _ in range(2)]
    ids = [page.headers.get("X-Request-ID", "") for page in pages]
    assert all(re.fullmatch(r"[\w.-]{8,64}", id) for id in ids), f"{pages[0]} has the ids {ids}"
    assert ids[0] != ids[1]
    for id, line in zip(ids, request_lines(production, mark), strict=True):
        assert id in line, f"the line of the request {id}: {line}"


@pytest.mark.since("6.log")
def test_the_link_for_a_new_password_is_not_in_the_log(production, guest):
    """The log does not keep the secret of a link for a new password."""
    secret, mark = uuid4().hex, uuid4().hex
    guest.get(f"/auth/reset/{secret}.{mark}")
    guest.get(f"/auth/reset/{secret}%20%2B{mark}")
    assert request_lines(production, "/auth/reset/"), "the request is not in the log"
    assert not request_lines(production, secret), "who reads the log can set a new password"


@pytest.mark.since("6.request-id")
def test_a_request_keeps_the_id_of_a_trusted_proxy(production, guest):
    """A request keeps the X-Request-ID that the proxy gives it, if it is a good one."""
    given = uuid4().hex
    assert guest.get("/about", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given
    assert len(request_lines(production, given)) == 1
    for bad in ("short", "x" * 200, "a b c d e f g", "<script>alert(1)", "é" * 10):
        page = guest.get("/about", headers={"X-Request-ID": bad})
        assert page.status == 200, page
        assert page.headers["X-Request-ID"] != bad, f"the id {bad!r} went into the log"


@pytest.mark.since("6.log")
def test_a_request_cannot_forge_log_lines(production, guest):
    """Clients cannot forge lines of the log."""
    mark = uuid4().hex
    guest.get(f"/hello/{mark}%0A%0D%1b%5B31m%E2%80%A8{mark}")
    lines = request_lines(production, mark)
    assert len(lines) == 1, f"a line break in the path forges a log line: {lines}"
    assert lines[0].isprintable(), f"colour codes in the path go into the log: {lines[0]!r}"


@pytest.mark.since("6.task-id")
def test_the_worker_logs_the_id_of_the_request(server, member, worker):
    """The worker logs the id of the request that started the export."""
    given = uuid4().hex
    member.http.headers["X-Request-ID"] = given
    try:
        member.write()
        export = Export.start(member).until_end()
    finally:
        del member.http.headers["X-Request-ID"]
    wait_until(
        lambda: [
            line
            for line in server.worker.output.splitlines()
            if given in line and export.id in line and "succeeded" in line
        ],
        f"the worker's line that the task succeeded has the id {given} of the request",
    )


# Open files

# Runs in the step's folder: a system that limits nothing, yet refuses each number, as macOS may.
REFUSING = """
import resource
import runpy

def refuse(what, limits):
    print("asked for", limits[0])
    raise ValueError("not allowed to raise maximum limit")

resource.getrlimit = lambda what: (256, resource.RLIM_INFINITY)
resource.setrlimit = refuse
print("connections", runpy.run_path("gunicorn.conf.py")["worker_connections"])
"""


@pytest.mark.since("6.crowd")
@pytest.mark.ours
def test_gunicorn_starts_where_the_system_refuses_more_open_files(project):
    """gunicorn asks for no more open files than it needs, and goes on if that is refused."""
    require_gunicorn()
    result = project.python("-c", REFUSING)
    assert result.code == 0, str(result)
    asked, connections = (int(line.split()[-1]) for line in result.output.splitlines())
    assert 2 * connections <= asked <= 10_240, f"{connections} connections, {asked} files"


# Restarts


class Stream:
    """An open event stream, as a browser has it."""

    def __init__(self, person: Person, path: str) -> None:
        url = f"{person.server.url}{path}/events"
        self.answer = person.http.get(url, stream=True, timeout=20)
        self.lines = self.answer.iter_lines(chunk_size=1)
        assert self.answer.status_code == 200, f"GET {path}/events is {self.answer.status_code}"
        assert next(line for line in self.lines if line.startswith(b"data:"))

    def until_end(self) -> float:
        """Return the seconds until the server ends the stream; fail if it is cut off."""
        began = time.monotonic()
        try:
            for _ in self.lines:
                pass
        except requests.RequestException as problem:
            raise AssertionError(f"the stream was cut off, not ended: {problem}") from None
        return time.monotonic() - began


@pytest.mark.since("6.bounded")
@pytest.mark.slow
def test_a_reload_ends_streams_and_loses_no_request(server, worker):
    """A restart of the web server ends open streams, and loses no request and no export."""
    require_gunicorn()
    with (
        server.beside((*GUNICORN, "--workers", "1")) as gunicorn,
        hanging(server.worker),  # so that the export does not end before we are through
    ):
        person = Person(gunicorn).join()
        person.write()
        path = person.api("POST", "/api/exports").headers["Location"]
        master = psutil.Process(gunicorn.web.pid)
        (old,) = master.children()

        stream = Stream(person, path)
        send_signal(gunicorn.web, "SIGHUP")  # what `systemctl reload` sends
        took = stream.until_end()
        assert took < SOON, f"after a reload the stream went on for {took:.1f} s"
        while old.is_running() and old.status() != psutil.STATUS_ZOMBIE:
            assert person.get("/about").status == 200
        stream = Stream(person, path)
        assert master.is_running(), "a reload has ended gunicorn"

        # A stream that does not end is cut off after graceful_timeout. After one that ends, the
        # connection may stay open for keepalive seconds.
        code = gunicorn.web.terminate(seconds=20)
        assert code == 0, f"SIGTERM ended gunicorn with {code}"
        stream.until_end()
    person.server = server
    wait_until(
        lambda: person.get(path).json()["state"] == "SUCCESS",
        "the export goes on while the web server restarts",
    )


# The database

FULL = """
import json
from app import create_app
from config import Testing

class Small(Testing):
    SQLALCHEMY_DATABASE_URI = "sqlite:///small.db"
    SQLALCHEMY_ENGINE_OPTIONS = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.1}

app = create_app(Small)
client = app.test_client()
database = app.extensions["sqlalchemy"]
with app.app_context():
    database.create_all()
    engine = database.engine
assert client.post("/auth/register", data={"username": "ada", "password": "correct horse"})
with engine.connect():
    pages = [client.get(path) for path in ("/posts/", "/api/exports", "/healthz")]
pages.append(client.get("/posts/"))
print(json.dumps([[page.status_code, page.text] for page in pages]))
"""


@pytest.mark.since("6.full")
@pytest.mark.ours
def test_a_full_connection_pool_gets_an_error_page(project: Project):
    """When all database connections are in use, the answer is a 503 with a message."""
    result = project.python("-c", FULL)
    assert result.code == 0, f"all connections to the database are in use: {result}"
    pages = json.loads(result.output.splitlines()[-1])
    assert [status for status, _ in pages] == [503, 503, 503, 200], pages
    assert "try again" in pages[0][1], pages[0]
    assert "try again" in json.loads(pages[1][1])["message"]
    assert json.loads(pages[2][1])["database"] != "ok"
    assert "Traceback" not in result.output, str(result)
