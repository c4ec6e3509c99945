"""The pages in a real browser, with scripts at work."""

import io
import re
import time
import zipfile
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest

from tests.support.browser import Browser
from tests.support.browser import Person
from tests.support.browser import new_name
from tests.support.chromium import Chromium
from tests.support.processes import wait_until
from tests.support.server import Server

pytestmark = [
    pytest.mark.since(5),
    pytest.mark.one_step,
    pytest.mark.usefixtures("worker"),
    pytest.mark.xdist_group("browser"),
    pytest.mark.not_on_mysql("what the browser does with the pages"),
    pytest.mark.timed,
]

SEEDED = 4000  # posts: an export of some seconds
FINAL = ("SUCCESS", "FAILURE", "REVOKED")
# What a person sees and hears of the newest export.
SIGHT = """(() => {
    const article = document.querySelector("article[data-url]");
    return article && {
        state: article.dataset.state,
        percent: article.querySelector("progress")?.value ?? 100,
        heading: article.querySelector("h2").textContent,
        left: article.querySelector(".left").textContent,
        text: article.querySelector(".text").textContent,
        status: document.getElementById("status").textContent,
    };
})()"""

Condition = Callable[[list[dict]], object]


def with_posts(person: Person) -> Person:
    """Give a person an account with many posts, and log in on the way to the page of exports."""
    account = ("--username", person.username, "--password", person.password)
    person.server.project.flask("seed", *account, "--posts", str(SEEDED))
    page = person.login(person.username, person.password, path="/auth/login?next=/exports/")
    there = page.status == 200 and page.path == "/exports/"
    assert there, f"{page}; the page of exports was expected after the login"
    return person


@pytest.fixture(scope="session")
def author(server: Server) -> Person:
    """Somebody with many posts."""
    return with_posts(Person(server))


@pytest.fixture
def tab(author: Person, chromium: Chromium) -> Iterator[Chromium]:
    """The browser, with ``author`` logged in. What goes wrong in it fails the test."""
    yield chromium.reset(author)
    forget_exports(author)
    chromium.check_logs()
    chromium.open_nothing()


def forget_exports(person: Person) -> None:
    """Delete all exports; one that was running needs to be told twice."""
    for _ in range(2):
        for export in person.get("/api/exports").json():
            person.api("DELETE", f"/api/exports/{export['id']}")


def look(tab: Chromium, until: Condition, seconds: float = 40) -> list[dict]:
    """Look at the newest export until it is as it should be; return all that was seen."""
    sights: list[dict] = []
    deadline = time.monotonic() + seconds
    while not sights or not until(sights):
        sight = tab.js(SIGHT)
        if sight and sight not in sights[-1:]:
            sights.append(sight)
        assert time.monotonic() < deadline, (
            f"after {seconds:g} s the page still shows {sights[-1:]}"
        )
        time.sleep(0.1)
    return sights


def ended(sights: list[dict]) -> bool:
    return sights[-1]["state"] in FINAL


def begun(sights: list[dict]) -> bool:
    return ended(sights) or sights[-1]["percent"] > 0


def between(sights: list[dict]) -> list[int]:
    """Return where the bar was seen on its way, each place once."""
    return list(dict.fromkeys(s["percent"] for s in sights if 0 < s["percent"] < 100))


def moving(sights: list[dict]) -> bool:
    return ended(sights) or len(between(sights)) >= 3


def archive_of(person: Browser, path: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(person.get(path).response.content))


# One export without a mouse, from the login to the archive


@dataclass(frozen=True)
class Walk:
    """What was met on the way."""

    stops: list[str]
    name: str
    before: list[dict]
    after: list[dict]
    archive: zipfile.ZipFile
    paths: list[str]
    trouble: str

    @property
    def sights(self) -> list[dict]:
        return self.before + self.after


@pytest.fixture(scope="session")
def walk(author: Person, chromium: Chromium) -> Walk:
    """Log in, start an export, reload in the middle, wait for the link, fetch what it leads to."""
    visitor = Browser(author.server)
    tab = chromium.reset(visitor)
    tab.open("/auth/login?next=/exports/")
    stops = tab.tab_to("[name=username]")
    tab.press(author.username, "Tab", author.password, "Enter")
    tab.wait("location.pathname === '/exports/'", "the page of exports, after the login")
    stops += tab.tab_to("main > form button")
    tab.press("Enter")
    before = look(tab, moving)
    name = tab.tab.find_element("css selector", "progress").accessible_name
    tab.tab.refresh()
    after = look(tab, ended)
    stops += tab.tab_to("article .archive")
    link = tab.js("document.activeElement.getAttribute('href')")
    for cookie in tab.tab.get_cookies():
        visitor.http.cookies.set(cookie["name"], cookie["value"])
    archive = archive_of(visitor, link)
    walk = Walk(stops, name, before, after, archive, tab.paths, tab.trouble())
    forget_exports(author)
    visitor.close()
    return walk


def test_an_export_needs_no_mouse(walk):
    """An export works with the keyboard alone, from the login to the download."""
    assert walk.stops[0] == "Skip to the content", f"the first stop of Tab is {walk.stops[0]!r}"
    assert "Export my posts" in walk.stops
    assert walk.stops[-1] == "Download"


def test_the_progress_bar_rises(walk):
    """The progress bar rises while the export runs."""
    values = between(walk.before)
    assert len(values) >= 3, f"the bar was seen at {values}: that is not moving"
    assert values == sorted(values), f"the bar fell: {values}"


def test_the_progress_bar_goes_on_after_a_reload(walk):
    """After a reload the progress bar goes on where it was."""
    left, found = walk.before[-1]["percent"], walk.after[0]["percent"]
    assert found >= left, f"the bar was at {left} before the reload, and at {found} after it"
    values = between(walk.after)
    assert len(values) >= 2, f"after the reload the bar was seen at {values}"
    assert values == sorted(values), f"the bar fell: {values}"
    assert walk.after[-1]["state"] == "SUCCESS", walk.after[-1]
    assert walk.after[-1]["percent"] == 100


def test_the_download_link_leads_to_the_whole_archive(walk):
    """The download link leads to the whole archive."""
    assert walk.archive.testzip() is None
    texts = [name for name in walk.archive.namelist() if name.endswith(".md")]
    assert len(texts) == SEEDED


def test_the_progress_bar_has_an_accessible_name(walk):
    """The progress bar has a name for screen readers."""
    assert walk.name.startswith("Export of "), f"a screen reader calls the bar “{walk.name}”"


def test_changes_are_announced_but_not_each_number(walk):
    """Screen readers announce what happens to the export, but not each number."""
    heard = list(dict.fromkeys(sight["status"] for sight in walk.sights if sight["status"]))
    texts = {sight["text"] for sight in walk.sights}
    assert len(heard) >= 3, f"of {len(texts)} changes only these were announced: {heard}"
    assert len(heard) <= 8, f"too much to listen to: {heard}"
    assert walk.after[-1]["text"] in heard[-1], f"the end was not announced, only {heard}"


def test_state_and_percentage_are_the_heading(walk):
    """The heading says state and percentage as long as the export runs, then the state alone."""
    on_the_way = [sight for sight in walk.sights if 0 < sight["percent"] < 100]
    wrong = [s for s in on_the_way if f"{s['percent']}%" not in s["heading"]]
    assert on_the_way, walk.sights
    assert not wrong, f"the heading does not say how far it is: {wrong[:3]}"
    assert walk.after[-1]["heading"] == "Finished", walk.after[-1]


@pytest.mark.since("5.time-left")
def test_the_time_left_is_told_once_it_is_known(walk):
    """How long it will take is told in round numbers, once there is a rate, until the end."""
    told = [sight["left"] for sight in walk.sights if sight["left"]]
    assert told, f"no time left in {walk.sights[:3]} …"
    assert walk.before[0]["left"] == walk.after[0]["left"] == "", "a time that nobody can know yet"
    assert walk.after[-1]["left"] == "", f"it has ended, and has {walk.after[-1]['left']!r} left"
    round_number = r"About (a minute|\d+ minutes|\d*0 seconds) left\."
    odd = [text for text in told if not re.fullmatch(round_number, text)]
    assert not odd, f"not in round numbers: {odd[:3]}"


def test_the_pages_need_no_other_host_and_log_no_error(walk):
    """The pages load nothing from other hosts, and the console has no errors."""
    assert not walk.trouble, walk.trouble
    assert any(path.endswith("/static/progress.js") for path in walk.paths), "what was loaded?"


# Cancel, and Redis away


def test_the_cancel_button_cancels(tab):
    """The cancel button cancels the export, and the page says so."""
    tab.open("/exports/")
    tab.click("main > form button")
    look(tab, begun)
    tab.click("article .cancel button")
    sight = look(tab, ended, seconds=5)[-1]
    assert sight["state"] == "REVOKED", f"cancelled, and the page shows {sight}"
    assert not tab.tab.find_element("css selector", "article .archive").is_displayed()
    time.sleep(1)
    assert tab.js(SIGHT) == sight, "it went on after the end"


@pytest.mark.slow
def test_the_progress_bar_survives_an_outage_of_redis(chromium, own_server):
    """The open page waits during an outage of Redis, and then shows the export to its end."""
    own_server.start_worker()
    person = with_posts(Person(own_server))
    tab = chromium.reset(person)
    tab.open("/exports/")
    tab.click("main > form button")
    look(tab, begun)
    own_server.redis.kill()
    away = look(tab, lambda sights: "aiting for the server" in sights[-1]["text"], seconds=10)
    assert not ended(away), away
    own_server.start_redis()
    back = look(tab, ended)
    print(
        "Redis killed. The page showed:", *dict.fromkeys(s["text"] for s in away + back), sep="\n"
    )
    assert back[-1]["state"] == "SUCCESS", back[-1]
    counts = [s for s in back if s["state"] == "PROGRESS" and f"of {SEEDED:,}" in s["text"]]
    assert counts, f"the bar did not go on, it was only there at the end: {back}"
    with archive_of(person, tab.js("document.querySelector('.archive').pathname")) as archive:
        assert archive.testzip() is None
    tab.check_logs()
    own_server.forget_logs()  # the worker says, with a traceback, that Redis is away


# The description of the API


def try_out(tab: Chromium, method: str, *values: str) -> str:
    """Press “Try it out” for the first operation of a method; return the status of the answer."""
    operation = f".opblock-{method}"
    tab.click(f"{operation} .opblock-summary-control")
    tab.click(f"{operation} .try-out__btn")
    for value in values:
        tab.click(f"{operation} .parameters input")
        tab.press(value)
    tab.click(f"{operation} .execute")
    status = f"{operation} .live-responses-table tbody .response-col_status"
    tab.wait(f"document.querySelector({status!r})", f"an answer to {method} in Swagger UI")
    return tab.js(f"document.querySelector({status!r}).innerText").split()[0]


@pytest.mark.slow
def test_try_it_out_sends_the_token(tab, author):
    """“Try it out” in the API's documentation sends the CSRF token."""
    tab.open("/api/docs/")
    assert try_out(tab, "post") == "202"
    exports = author.get("/api/exports").json()
    assert len(exports) == 1
    assert try_out(tab, "delete", exports[0]["id"]) == "204"


@pytest.mark.slow
def test_try_it_out_asks_anonymous_users_to_log_in(tab, author):
    """“Try it out” answers 401 to anonymous users, who can log in and return."""
    tab.reset(Browser(author.server))
    tab.open("/api/docs/")
    assert try_out(tab, "get") == "401"
    tab.forget_console()  # Chromium reports the 401
    tab.click("nav a[href*='/auth/login']")
    tab.wait("document.querySelector('#username')", "the login form")
    tab.click("#username")
    tab.press(author.username, "Tab", author.password, "Enter")
    tab.wait("location.pathname === '/api/docs/'", "the way back to the description")
    assert try_out(tab, "get") == "200"


def test_the_api_documentation_is_a_page_of_the_site(tab):
    """The API's documentation has a title, a language, a heading and the site's navigation."""
    tab.open("/api/docs/")
    tab.wait("document.querySelector('.opblock')", "the operations in Swagger UI")
    page = "[document.title, document.documentElement.lang, document.querySelectorAll('h1').length]"
    title, language, headings = tab.js(page)
    assert title, "the page has no title"
    assert language == "en"
    assert headings == 1, f"{headings} headings of the first rank, after Swagger UI has started"
    tab.click("nav a[href='/']")
    tab.wait("location.pathname === '/'", "the way back to the site")


@pytest.mark.slow
def test_the_api_documentation_is_seen_before_its_large_files_have_come(tab):
    """The API's documentation shows what page it is before Swagger UI has been fetched."""
    slow = {"latency": 20, "downloadThroughput": 400_000, "uploadThroughput": 400_000}
    tab.cdp("Network.enable")
    tab.cdp("Network.setCacheDisabled", cacheDisabled=True)
    tab.cdp("Network.emulateNetworkConditions", offline=False, **slow)
    try:
        tab.open("/api/docs/")
        tab.wait("document.querySelector('.opblock')", "the operations in Swagger UI", seconds=30)
        first = tab.js("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        ends = tab.js(
            "performance.getEntriesByType('resource')"
            ".filter(file => file.name.includes('/swagger-ui')).map(file => file.responseEnd)"
        )
    finally:
        full = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        tab.cdp("Network.emulateNetworkConditions", offline=False, **full)
        tab.cdp("Network.setCacheDisabled", cacheDisabled=False)
    assert len(ends) == 2, (
        f"a style sheet and a script of Swagger UI were expected, not {len(ends)}"
    )
    assert first < min(ends), f"nothing was seen for {first:.0f} ms; the files came after {ends} ms"


def test_the_api_documentation_has_no_authorize_button(tab):
    """Swagger UI has no button “Authorize”: the browser sends the cookie, the page the token."""
    tab.open("/api/docs/")
    tab.wait("document.querySelector('.opblock')", "the operations in Swagger UI")
    words = tab.js("document.body.innerText")
    assert "Authorize" not in words, words
    locks = tab.js("document.querySelectorAll('[class*=authoriz], [class*=auth-btn]').length")
    assert locks == 0, f"{locks} buttons to authorize"


# The stream of events


@pytest.fixture(scope="session")
def events(author: Person) -> None:
    """A step without a stream of events fails here, before the browser starts."""
    paths = author.get("/api/openapi.json").json()["paths"]
    assert any(path.endswith("/events") for path in paths), f"no events among {sorted(paths)}"


@pytest.mark.since("6.source")
def test_the_page_listens_to_the_event_stream(events, walk):
    """The page listens to the event stream instead of polling."""
    of_exports = [path.rpartition("/")[2] for path in walk.paths if "/api/exports/" in path]
    assert of_exports == ["events"] * 2, (
        f"one stream before the reload and one after, not {of_exports}"
    )


@pytest.mark.slow
@pytest.mark.since("6.stream")
def test_without_events_the_page_polls(events, tab, author):
    """Without the event stream the page polls, and its bar still moves."""
    tab.cdp("Network.enable")
    tab.cdp("Network.setBlockedURLs", urls=["*/events"])
    tab.open("/exports/")
    tab.click("main > form button")
    values = between(look(tab, ended))
    identity = author.get("/api/exports").json()[0]["id"]
    assert f"/api/exports/{identity}" in tab.paths
    tab.forget_console()  # it says that something was blocked
    assert len(values) >= 3, f"the bar was seen at {values}: that is not moving"


def open_streams(server: Server) -> int:
    """Return how many connections the server holds: `flask run` closes all but the streams."""
    connections = psutil.Process(server.web.pid).net_connections("tcp")
    established = [c for c in connections if c.status == psutil.CONN_ESTABLISHED]
    return sum(c.laddr.port == server.port for c in established)


STATES = "[...document.querySelectorAll('article[data-url]')].map(a => a.dataset.state)"


@pytest.fixture
def tabs(chromium: Chromium, own_server: Server) -> Iterator[tuple[Chromium, Person, list[str]]]:
    """Two tabs with the same three exports, which wait for a worker. The second one is seen."""
    person = Person(own_server).join()
    person.write()
    for _ in range(3):
        assert person.api("POST", "/api/exports").status == 202
    tab = chromium.reset(person)
    tab.cdp("Emulation.setFocusEmulationEnabled", enabled=False)  # it hides that a tab is hidden
    tab.open("/exports/")
    names = [tab.tab.current_window_handle]
    tab.tab.switch_to.new_window("tab")
    tab.open("/exports/")
    names.append(tab.tab.current_window_handle)
    yield tab, person, names
    tab.check_logs()
    tab.tab.switch_to.window(names[1])
    tab.tab.close()
    tab.tab.switch_to.window(names[0])
    tab.open_nothing()


@pytest.mark.slow
@pytest.mark.since("6.source")
def test_two_tabs_with_three_exports_use_one_stream(tabs, own_server):
    """A page has one stream for all its exports, and a hidden one has none."""
    tab, person, (first, second) = tabs
    for name in (second, first, second):
        tab.tab.switch_to.window(name)
        assert tab.js(STATES) == ["PENDING"] * 3
        time.sleep(2)  # so that a stream too many would be there
        wait_until(lambda: open_streams(own_server) == 1, "the two tabs have one stream in all")
    tab.open("/about")
    wait_until(lambda: open_streams(own_server) == 0, "a hidden tab has no stream")
    own_server.start_worker()
    wait_until(
        lambda: {export["state"] for export in person.get("/api/exports").json()} == {"SUCCESS"},
        "the worker has done all three exports",
        seconds=40,
    )
    tab.tab.switch_to.window(first)
    tab.wait(f"{STATES}.every(state => state === 'SUCCESS')", "the tab catches up when it is seen")
    links = tab.js("[...document.querySelectorAll('.archive')].map(link => link.hidden)")
    assert links == [False] * 3, "each finished export has its link"
    assert "/api/exports/events" in tab.paths, "the page polls, it has no stream"


@pytest.mark.since("6.source")
def test_an_export_that_was_deleted_leaves_a_tab_that_was_hidden(tabs, own_server):
    """A tab that is shown again drops the exports that were deleted meanwhile."""
    tab, person, (first, _) = tabs
    newest, *_ = person.get("/api/exports").json()
    for _ in range(2):
        person.api("DELETE", f"/api/exports/{newest['id']}")
    tab.tab.switch_to.window(first)
    tab.wait(f"{STATES}.length === 2", "two of three exports are left on the page")
    assert newest["id"] not in tab.js("document.body.innerHTML")


@pytest.mark.slow
@pytest.mark.since(5)
def test_the_page_says_so_when_its_session_has_ended(tabs, own_server):
    """After a logout everywhere, an open page of exports does not wait for ever."""
    tab, person, _ = tabs
    person.submit("/auth/account", to="/auth/logout-everywhere")
    text = "[...document.querySelectorAll('article .text')].map(p => p.innerText)"
    tab.wait(f"{text}.every(text => text.includes('log in'))", f"each export says “log in”: {text}")
    assert open_streams(own_server) == 0
    tab.forget_console()  # Chromium reports the 401


@pytest.mark.since("6.bounded")
def test_a_page_whose_stream_is_refused_polls(tabs, own_server):
    """A page that gets no stream, since its user has too many, polls."""
    tab, person, (first, _) = tabs
    streams = [
        person.http.get(f"{own_server.url}/api/exports/events", stream=True) for _ in range(30)
    ]
    assert streams[-1].status_code == 429
    tab.tab.switch_to.window(first)
    own_server.start_worker()
    tab.wait(f"{STATES}.every(state => state === 'SUCCESS')", "all exports reach their end", 40)
    asked = {f"/api/exports/{export['id']}" for export in person.get("/api/exports").json()}
    assert asked <= set(tab.paths), f"the page asked for {tab.paths}"
    tab.forget_console()  # Chromium reports the 429
    for stream in streams:
        stream.close()


# Log in with WeChat


@pytest.mark.since("6.first-login")
def test_a_login_with_wechat_works_in_a_browser(chromium, wechat):
    """A login with WeChat works in a browser, and returns to the requested page."""
    visitor = Browser(wechat)
    page = visitor.get("/auth/login")
    assert "/auth/wechat/login" in page.text, f"{page} has no link to log in with WeChat"
    tab = chromium.reset(visitor, width=360)
    tab.open("/auth/login?next=/posts/")
    tab.click("main a[href^='/auth/wechat/login']")
    tab.wait("document.querySelector('[name=nickname]')", "WeChat's page")
    name = new_name("李雷")
    for field in ("account", "nickname"):
        tab.click(f"[name={field}]")
        tab.js("document.activeElement.select()")
        tab.press(name)
    width = tab.js("document.documentElement.scrollWidth")
    assert width <= 360, f"WeChat's page is {width} pixels wide, the screen 360"
    tab.press("Tab", "Tab", "Enter")
    tab.wait("location.pathname === '/posts/'", "the page that was wanted")
    assert name in tab.js("document.querySelector('header').innerText")
    assert name in tab.js("document.querySelector('[role=status]').innerText")
    tab.read_logs()
    assert not tab.console, tab.console
    visitor.close()
