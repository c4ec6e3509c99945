"""Exports: work in the background, seen from the page, the API and the archive."""

import re
import time
from collections.abc import Iterator
from urllib.parse import urljoin
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from bs4 import BeautifulSoup

from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.exports import KEYS
from tests.support.exports import ORDER
from tests.support.exports import Export
from tests.support.processes import wait_until
from tests.support.server import Server

pytestmark = [pytest.mark.since(5), pytest.mark.usefixtures("worker")]

SEEDED = 800
# Posts that a careless export would break on, or run.
TRICKY = {
    "Colons: and --- dashes": "---\ntitle: not this one\n---\n\nText.",
    'Quotes " and \\ backslashes': "C:\\new\\table",
    "<script>alert('title')</script>": "<img src=x onerror=alert(1)>\n\n<script>x()</script>",
    "学习日志 📚": "写作 *强调* 👩🏽‍💻",
    "../../escape": "[x](javascript:alert(1))",
    "Code": "```python\nprint('<b>')\n```\n\n| a | b |\n| - | - |\n| 1 | 2 |",
}


@pytest.fixture(scope="session")
def author(server: Server) -> Person:
    """Somebody with many posts."""
    person = Person(server)
    server.project.flask(
        *("seed", "--username", person.username, "--password", person.password),
        *("--posts", str(SEEDED)),
    )
    person.login(person.username, person.password)
    for title, body in TRICKY.items():
        person.write(title, body)
    return person


@pytest.fixture(scope="session")
def big(author: Person, worker: None) -> Export:
    """An export of many posts, from its start to its end."""
    return Export.start(author).until_end(every=0.02)


@pytest.fixture
def running(author: Person) -> Iterator[Export]:
    """An export of many posts that has just been started."""
    export = Export.start(author)
    yield export
    author.api("DELETE", export.path)


def assert_error(page: Page, status: int) -> None:
    """Check for an error as programs want it: a status and JSON with a message."""
    assert page.status == status, f"{page} instead of {status}"
    assert page.json().get("message"), f"{page} without a message: {page.text[:300]}"


# The first export, before there is more than a button

# Runs in the step's folder, as one types it in `flask shell`.
EXPORT = """
from flask.cli import ScriptInfo
with ScriptInfo().load_app().app_context():
    from app.extensions import db
    from app.models import Export
    from app.models import User
    export = Export(owner=User.find({name!r}))
    db.session.add(export)
    db.session.commit()
    from app.tasks import export_posts
    export_posts.delay(export.id)
    print("export", export.id)
"""


@pytest.mark.ours
@pytest.mark.since("5.table")
def test_exports_have_a_table(server):
    """`flask db upgrade` makes a table of exports, and one account has many."""
    database = server.project.inspect()
    assert database.has_table("export")
    (key,) = database.get_foreign_keys("export")
    assert key["referred_table"] == "user"


@pytest.mark.ours
@pytest.mark.since("5.pieces")
def test_the_pieces_of_archives_have_a_table(server):
    """`flask db upgrade` makes a table for the pieces of archives."""
    assert server.project.inspect().has_table("export_chunk")


@pytest.mark.ours
@pytest.mark.since("5.queue")
def test_the_queue_has_a_table(server):
    """`flask db upgrade` makes a table with the name of the queue."""
    assert server.project.inspect().has_table("queue")


@pytest.mark.ours
@pytest.mark.since("5.task")
def test_a_task_stores_an_archive(server, join):
    """The task ends an export as SUCCESS and stores the pieces of its archive."""
    person = join()
    person.write()
    result = server.project.python("-c", EXPORT.format(name=person.username))
    assert result.code == 0, str(result)
    number = result.output.split("export ")[1].strip()

    def row() -> dict:
        return server.project.rows("SELECT * FROM export WHERE id = :id", id=number)[0]

    wait_until(lambda: row()["state"] == "SUCCESS", "the export ends as SUCCESS")
    chunks = server.project.rows("SELECT data FROM export_chunk WHERE export_id = :id", id=number)
    assert sum(len(chunk["data"]) for chunk in chunks) == row()["size"]


@pytest.mark.since("5.start")
def test_a_button_starts_an_export(join):
    """The button on the page of exports starts one, and the page shows it."""
    person = join()
    person.write()
    page = person.submit("/exports/")
    assert page.path == "/exports/", f"{page}; after starting, back to the list"
    assert page.messages, f"{page} does not say that it has begun"
    assert len(page.soup("article")) == 1, f"{page} does not show the export"


@pytest.mark.since("5.no-redis")
def test_without_redis_no_export_begins(own_server):
    """Without Redis, the page says that no export can begin, and no half of one is left."""
    with Person(own_server).join() as person:
        person.write()
        own_server.redis.kill()
        page = person.submit("/exports/")
        assert page.status == 200, f"{page}; without Redis, the page itself should say so"
        assert page.messages, f"{page} does not say that Redis is away"
        assert not page.soup("article"), f"{page} shows an export that no worker can ever get"
    own_server.forget_logs()


@pytest.mark.since("5.status")
def test_a_finished_export_says_how_large_it_is(join):
    """The page of exports tells in words how an export is."""
    person = join()
    person.write()
    person.submit("/exports/")
    wait_until(lambda: "1 post, " in person.get("/exports/").words, "“1 post, … Bytes.”")


@pytest.mark.since("5.api")
def test_the_api_lists_exports(join, visitor):
    """The API lists the exports of the current user as JSON; without login it answers 401."""
    person = join()
    person.write()
    assert person.get("/api/exports").json() == []
    person.submit("/exports/")
    (export,) = person.get("/api/exports").json()
    assert str(UUID(export["id"])) == export["id"]
    assert_error(visitor.get("/api/exports"), 401)


@pytest.mark.since("5.one")
def test_the_api_tells_of_one_export(join):
    """One export has an address, which answers 404 to other users."""
    ada, ben = join(), join()
    ada.write()
    ada.submit("/exports/")
    (export,) = ada.get("/api/exports").json()
    path = f"/api/exports/{export['id']}"
    assert ada.get(path).json()["created_at"] == export["created_at"]
    assert_error(ben.get(path), 404)


# From the POST to the archive


@pytest.mark.since("5.create")
def test_starting_an_export_is_answered_at_once(big):
    """Starting an export is answered at once, by 202 and its address."""
    answer = big.accepted.json()
    assert set(answer) == KEYS
    assert str(UUID(answer["id"])) == answer["id"]
    assert urlsplit(big.path).path == f"/api/exports/{answer['id']}"
    assert answer["archive_url"] is None, "there is an archive before anything was done"
    assert big.accepted.response.elapsed.total_seconds() < 2, "the answer waited for the work"


@pytest.mark.since("5.create")
def test_every_response_has_the_documented_fields(big):
    """Every response about an export has the documented fields."""
    for answer in big.seen:
        assert set(answer) == KEYS
        assert answer["state"] in ORDER
        for number in ("current", "total", "percent"):
            assert type(answer[number]) is int, f"{number} is no whole number: {answer}"
        assert 0 <= answer["current"] <= answer["total"], answer
        assert 0 <= answer["percent"] <= 100, answer
        assert answer["message"], f"no message for people: {answer}"
        assert not answer["message"].startswith("0 of"), f"a message that says nothing: {answer}"
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d", answer["created_at"]), answer
        ready = answer["state"] == "SUCCESS"
        assert bool(answer["archive_url"]) == ready, f"archive_url does not fit the state: {answer}"
    assert {answer["id"] for answer in big.seen} == {big.accepted.json()["id"]}
    assert len({answer["created_at"] for answer in big.seen}) == 1


@pytest.mark.since("5.create")
def test_the_states_come_in_order(big):
    """An export is PENDING, STARTED, PROGRESS and SUCCESS, in this order."""
    states = [answer["state"] for answer in big.seen]
    ranks = [ORDER.index(state) for state in states]
    assert ranks == sorted(ranks), f"a state came back: {list(dict.fromkeys(states))}"


@pytest.mark.since("5.create")
def test_progress_never_goes_back(big):
    """The progress of an export never goes back."""
    for number in ("current", "percent"):
        values = [answer[number] for answer in big.seen]
        assert values == sorted(values), f"{number} fell: {values}"


@pytest.mark.since("5.progress")
def test_progress_is_reported_on_the_way(big):
    """The progress of an export is reported on the way, not only at its end."""
    between = {
        answer["current"]
        for answer in big.seen
        if answer["state"] == "PROGRESS" and 0 < answer["current"] < answer["total"]
    }
    assert between, "no answer between 0 and all posts: does the task report its progress?"


@pytest.mark.since("5.create")
def test_a_finished_export_counts_all_posts(big):
    """A finished export counts all posts, and is at 100 percent."""
    last = big.last
    assert last["current"] == last["total"] == SEEDED + len(TRICKY)
    assert last["percent"] == 100


@pytest.mark.since("5.create")
def test_a_finished_export_stays_finished(author, big):
    """A finished export stays as it is."""
    assert author.get(big.path).json() == big.last


@pytest.mark.since("5.create")
def test_the_archive_is_offered_as_a_file(author, big):
    """The archive is downloaded as a file, with the extension .zip."""
    page = author.get(big.last["archive_url"])
    assert page.headers["Content-Type"] == "application/zip"
    assert page.headers["Content-Disposition"].startswith("attachment")
    assert ".zip" in page.headers["Content-Disposition"]


@pytest.mark.since("5.create")
def test_the_archive_is_whole(big):
    """The archive is whole, and its names stay in the folder where it is unpacked."""
    names = big.archive().namelist()
    bad = [name for name in names if name.startswith("/") or ".." in name or "\\" in name]
    assert not bad, f"these names lead out of the folder that it is unpacked into: {bad}"


@pytest.mark.since("5.create")
def test_the_archive_has_every_post_once_as_markdown(big):
    """The archive has every post once as Markdown, with front matter and as it was written."""
    texts = big.texts()
    assert len(texts) == len(set(texts)) == SEEDED + len(TRICKY)
    for text in texts:
        head = re.match(r"---\n(.*?)\n---\n", text, re.S)
        assert head, f"no front matter at the start of: {text[:80]!r}"
        assert re.search(r"^title: *\S", head[1], re.M), f"no title in {head[0]!r}"
    for title, body in TRICKY.items():
        found = [text for text in texts if text.rstrip().endswith("\n" + body)]
        assert len(found) == 1, f"the text of {title!r} is in {len(found)} files, not as written"


@pytest.mark.since("5.contents")
def test_the_archive_has_every_post_once_as_a_page(big):
    """The archive has every post once as a page, and an index that links them all."""
    with big.archive() as archive:
        names = [n for n in archive.namelist() if n.endswith(".html") and n != "index.html"]
        index = BeautifulSoup(archive.read("index.html"), "html.parser")
        headings = [
            BeautifulSoup(archive.read(name), "html.parser").h1.get_text() for name in names[-20:]
        ]
    assert len(names) == SEEDED + len(TRICKY)
    links = [urljoin("", a["href"]) for a in index("a", href=True)]
    assert sorted(links) == sorted(names), "index.html does not link each page once"
    linked = {a.get_text(strip=True) for a in index("a", href=True)}
    assert linked >= {title.strip() for title in TRICKY}
    assert set(headings) >= set(TRICKY), "the pages of the newest posts lack their titles"


@pytest.mark.since("5.pages")
def test_the_pages_of_the_archive_run_nothing_and_fetch_nothing(big):
    """The pages of the archive run no scripts, and need nothing from outside."""
    with big.archive() as archive:
        names = set(archive.namelist())
        pages = [name for name in names if name.endswith(".html")]
        assert pages, f"the archive has no pages: {sorted(names)[:5]}"
        newest = sorted(pages, key=lambda name: archive.getinfo(name).header_offset)[-30:]
        for name in newest:
            soup = BeautifulSoup(archive.read(name), "html.parser")
            assert not soup("script"), f"{name} runs a script: {soup('script')}"
            assert not soup.find(onerror=True), f"{name} runs what somebody wrote"
            assert not soup.find("a", href=re.compile("^javascript:", re.I)), f"{name} runs a link"
            for tag in soup("link", href=True) + soup("img", src=True):
                file = urljoin(f"https://zip/{name}", tag.get("href") or tag.get("src"))
                assert urlsplit(file).path[1:] in names, f"{name} needs {file}, which is not there"


@pytest.mark.since("5.create")
def test_an_archive_holds_the_posts_of_its_owner_alone(join):
    """An archive has the posts of its owner, and no others."""
    ada, ben = join(), join()
    ada.write("By Ada")
    ben.write("By Ben")
    texts = Export.start(ada).until_end().texts()
    assert len(texts) == 1
    assert "By Ada" in texts[0]


@pytest.mark.since("5.create")
def test_an_export_of_no_posts_is_refused(join):
    """A user without posts gets no export, but a message that says what to do."""
    person = join()
    page = person.api("POST", "/api/exports")
    assert_error(page, 409)
    assert "write" in page.json()["message"], f"what to do? {page.json()}"
    page = person.submit("/exports/")
    assert page.status == 200, f"{page}; the page itself should say what to do"
    assert any("write" in message for message in page.messages), f"{page} says {page.messages}"
    assert person.get("/api/exports").json() == [], "there is an export of no posts"
    person.write()
    Export.start(person).until_end()


@pytest.mark.since("5.contents")
def test_the_index_of_an_archive_has_the_newest_post_first_by_month(join):
    """The index of an archive lists the newest post first, under the name of its month."""
    person = join()
    months = {"2025-12-31": "December 2025", "2026-01-01": "January 2026", "2026-03-09": "March"}
    for day in months:
        number = person.write(f"Written on {day}")
        statement = "UPDATE post SET created_at = :time WHERE id = :id"
        person.server.project.change(statement, time=f"{day} 12:00:00.000000", id=number)
    with Export.start(person).until_end().archive() as archive:
        index = BeautifulSoup(archive.read("index.html"), "html.parser")
    found = [tag.get_text(" ", strip=True) for tag in index(["h2", "a"])]
    wanted = [text for day in sorted(months, reverse=True) for text in (months[day], day)]
    assert len(found) == len(wanted), f"months and posts, the newest first: {found}"
    for text, part in zip(found, wanted, strict=True):
        assert part in text, f"“{part}” was expected where “{text}” is, in {found}"


@pytest.mark.since("5.neighbours")
def test_the_pages_of_an_archive_link_to_the_posts_before_and_after(join):
    """Each post of an archive links to the one before it and the one after it, and to the index."""
    person = join()
    numbers = [person.write(f"Post {name}") for name in ("one", "two", "three")]
    with Export.start(person).until_end().archive() as archive:
        pages = {
            number: BeautifulSoup(archive.read(f"posts/{number}.html"), "html.parser")
            for number in numbers
        }
    one, two, three = numbers
    for number, wanted in {one: {two}, two: {one, three}, three: {two}}.items():
        links = {a["href"]: a.get_text() for a in pages[number].select("nav a[href]")}
        assert "../index.html" in links, f"post {number} has no way back to the index: {links}"
        others = {link for link in links if link != "../index.html"}
        assert others == {f"{other}.html" for other in wanted}, f"post {number} links to {links}"
    assert "Post two" in pages[one].nav.get_text(), "a link says where it leads"


@pytest.mark.since("5.pages")
def test_the_pages_of_an_archive_have_a_description(big):
    """Each page of an archive has a description of its own, which is short and plain text."""
    with big.archive() as archive:
        names = [name for name in archive.namelist() if name.endswith(".html")][-20:]
        soups = {name: BeautifulSoup(archive.read(name), "html.parser") for name in names}
    for name, soup in soups.items():
        tag = soup.find("meta", {"name": "description"})
        text = tag["content"].strip() if tag else ""
        assert 0 < len(text) <= 160, f"the description of {name} is {text!r}"
    texts = {
        soup.h1.get_text(): soup.find("meta", {"name": "description"}) for soup in soups.values()
    }
    assert texts["学习日志 📚"]["content"] == "写作 强调 👩🏽‍💻", "not as a reader sees it"


@pytest.mark.since("5.create")
def test_a_user_may_run_two_exports_at_once(join):
    """A user may run two exports at once."""
    person = join()
    person.write()
    exports = [Export.start(person) for _ in range(2)]
    assert exports[0].path != exports[1].path
    for export in exports:
        export.until_end()


# Cancel and delete


@pytest.mark.since("5.create")
def test_there_is_no_archive_before_the_end(own_server):
    """There is no archive before the export has finished: 409."""
    with Person(own_server).join() as person:
        person.write()
        export = Export.start(person)  # no worker runs
        assert_error(person.get(f"{export.path}/archive"), 409)


@pytest.mark.since("5.progress")
def test_a_running_export_can_be_cancelled(author, running):
    """A running export can be cancelled, and stays cancelled."""
    running.wait(lambda a: a["state"] not in ("PENDING", "STARTED"), "it begins", every=0.02)
    assert running.last["state"] == "PROGRESS", f"it ended before that: {running.last}"
    running.cancel()
    running.until_end("REVOKED", seconds=10)
    assert_error(author.get(f"{running.path}/archive"), 409)
    time.sleep(0.5)  # the worker may be at its last post: it must not win afterwards
    answer = running.look()
    assert answer["state"] == "REVOKED", f"a cancelled export went on: {answer}"
    assert answer["archive_url"] is None


@pytest.mark.since("5.cancel")
def test_a_waiting_export_can_be_cancelled(author, running, join):
    """A waiting export can be cancelled."""
    person = join()
    person.write()
    export = Export.start(person)  # the worker is busy with the other one
    export.cancel()
    export.until_end("REVOKED", seconds=10)


@pytest.mark.since("5.remove")
def test_a_finished_export_can_be_deleted(join):
    """A finished export can be deleted, and its archive with it."""
    person = join()
    person.write()
    export = Export.start(person).until_end()
    export.cancel()
    assert_error(person.get(export.path), 404)
    assert_error(person.get(f"{export.path}/archive"), 404)
    assert person.get("/api/exports").json() == []


# Whose exports


@pytest.mark.since("5.create")
def test_the_list_has_the_current_users_exports_newest_first(join, author, big):
    """The list has the current user's exports only, the newest first."""
    person = join()
    assert person.get("/api/exports").json() == []
    person.write()
    ids = [Export.start(person).id for _ in range(3)]
    listed = person.get("/api/exports").json()
    assert [export["id"] for export in listed] == ids[::-1]
    assert all(set(export) == KEYS for export in listed)
    assert big.accepted.json()["id"] in [e["id"] for e in author.get("/api/exports").json()]


@pytest.mark.since("5.cancel")
def test_exports_of_other_users_are_404(person, author, big):
    """Exports of other users are 404."""
    for method, path in (("GET", ""), ("GET", "/archive"), ("DELETE", "")):
        assert_error(person.api(method, big.path + path), 404)
    assert author.get(big.path).json()["state"] == "SUCCESS", "somebody else could delete it"


@pytest.mark.since("5.cancel")
@pytest.mark.parametrize(
    "unknown", ["8dc92a5e-6a3f-4d0b-9d43-0a7c51f2b6e1", "1", "none", "0" * 36, "%00", "9" * 500]
)
def test_an_unknown_export_is_404(person, unknown):
    """An unknown export is 404."""
    for method, path in (("GET", ""), ("GET", "/archive"), ("DELETE", "")):
        assert_error(person.api(method, f"/api/exports/{unknown}{path}"), 404)


@pytest.mark.since("5.cancel")
def test_anonymous_requests_get_401(visitor, big):
    """Anonymous requests to the API get 401."""
    for method, path in (
        ("GET", "/api/exports"),
        ("POST", "/api/exports"),
        ("GET", big.path),
        ("GET", f"{big.path}/archive"),
        ("DELETE", big.path),
    ):
        assert_error(visitor.api(method, path, follow=False), 401)


# The API's description, and its errors


@pytest.mark.since("5.openapi")
def test_the_api_is_documented(visitor, person):
    """The OpenAPI document has every operation on exports."""
    page = person.get("/api/openapi.json")
    assert page.status == 200
    paths = {re.sub(r"\{.*?\}", "{}", path): what for path, what in page.json()["paths"].items()}
    for path, methods in {
        "/api/exports": {"get", "post"},
        "/api/exports/{}": {"get", "delete"},
        "/api/exports/{}/archive": {"get"},
    }.items():
        described = set(paths.get(path, {})) - {"parameters"}
        assert described >= methods, f"openapi.json has {sorted(described)} for {path}"
    post = paths["/api/exports"]["post"]
    assert "202" in post["responses"], f"POST /api/exports is described as {post['responses']}"


@pytest.mark.since("5.swagger")
def test_the_api_documentation_needs_no_other_host(person):
    """The page with the API's documentation loads nothing from other hosts."""
    page = person.get("/api/docs/")
    assert page.status == 200
    assert page.is_html
    found = [tag["src"] for tag in page.soup("script", src=True)]
    found += [tag["href"] for tag in page.soup("link", href=True)]
    assert found, f"{page} loads nothing, so it shows nothing"
    for address in found:
        parts = urlsplit(urljoin(page.url, address))
        assert parts.netloc == urlsplit(page.url).netloc, f"{page} fetches {address}"
        asset = person.get(parts.path)
        assert asset.status == 200, f"{asset}, which {page} needs"
    assert re.search(r"https?://(?!127\.0\.0\.1)[\w.-]+/", page.text) is None, "a foreign address"


@pytest.mark.since("5.api")
def test_a_method_that_an_address_does_not_have_is_an_error_in_json(person):
    """A method that an address of the API does not know is 405, in JSON."""
    assert_error(person.api("PUT", "/api/exports"), 405)


@pytest.mark.since("5.json")
def test_api_errors_are_json_and_other_errors_are_pages(person):
    """Errors below /api/ are JSON, all others are pages."""
    assert_error(person.get("/api/no-such-thing"), 404)
    page = person.get("/no-such-page")
    assert page.status == 404
    assert page.is_html


# The page


@pytest.mark.since("5.list")
def test_the_exports_page_sends_anonymous_users_to_the_login(visitor):
    """The page of exports sends anonymous users to the login page."""
    page = visitor.get("/exports/")
    assert page.path.startswith("/auth/login"), f"{page}; visitors should be sent to the login"


@pytest.mark.since("5.download")
def test_the_exports_page_works_without_scripts(join):
    """An export can be started and downloaded from the page without any script."""
    person = join()
    person.write()
    page = person.get("/exports/")
    assert page.status == 200
    assert not page.soup("progress"), f"{page} has a bar before there is an export"
    forms = [f for f in page.soup("form", method=re.compile("post", re.I)) if not_logout(f)]
    assert len(forms) == 1, f"{page} has {len(forms)} forms to start an export with, not one"
    target = urlsplit(urljoin(page.url, forms[0].get("action") or page.url)).path
    page = person.submit_on(page, to=target)
    assert page.status == 200
    exports = person.get("/api/exports").json()
    assert len(exports) == 1, f"{page}, and there are {len(exports)} exports"
    export = Export(person, f"/api/exports/{exports[0]['id']}").until_end()
    page = person.get("/exports/")
    archive = urlsplit(export.last["archive_url"]).path
    assert archive in page.links(), f"{page} does not link the finished archive {archive}"


def not_logout(form) -> bool:
    return "/auth/logout" not in (form.get("action") or "")


@pytest.mark.since("5.bar")
def test_the_exports_page_has_a_named_progress_bar_for_each_running_export(
    join, author, big, running
):
    """The page has a bar for each export that has not ended, with a name for screen readers."""
    for _ in range(2):  # it is the same after a reload
        page = author.get("/exports/")
        bars = page.soup("progress")
        assert len(author.get("/api/exports").json()) >= 2
        assert len(bars) == 1, f"{page} has {len(bars)} bars, and one export that runs"
        for bar in bars:
            name = (
                bar.get("aria-label")
                or page.soup.find(id=bar.get("aria-labelledby", "?"))
                or page.soup.find("label", {"for": bar.get("id", "?")})
                or bar.find_parent("label")
            )
            assert name, f"{page} has a bar that screen readers have no name for: {bar}"
    assert not join().get("/exports/").soup("progress"), "bars of other people's exports"


@pytest.mark.since("5.create")
def test_a_running_export_is_on_the_page_after_a_reload(author, running):
    """A running export is still on the page after a reload."""
    for _ in range(2):
        page = author.get("/exports/")
        assert running.id in page.text, f"{page} does not show the export that runs"


@pytest.mark.since("5.bar")
def test_each_export_is_headed_by_its_state(author, big, running):
    """The heading of an export is its state, with the percentage as long as it runs."""
    running.wait(lambda a: a["percent"], "it begins")
    page = author.get("/exports/")
    states = {
        urlsplit(tag["data-url"]).path: tag.find(re.compile("^h[2-6]$")).get_text(" ", strip=True)
        for tag in page.soup("article", {"data-url": True})
    }
    assert re.search(r"\d ?%", states[running.path]), f"how far is it? {states[running.path]!r}"
    assert "%" not in states[urlsplit(big.path).path], f"this one has ended: {states}"
    assert len({re.sub(r"[\d, %]", "", state) for state in states.values()}) >= 2, states


@pytest.mark.since("5.remove")
def test_deleting_an_export_asks_on_a_page_of_its_own(join):
    """Deleting an export asks on a page that needs no script and says what it deletes."""
    person = join()
    person.write()
    export = Export.start(person).until_end()
    page = person.get("/exports/")
    assert not page.forms_to(f"/exports/{export.id}/remove"), f"{page} deletes without a question"
    (link,) = [link for link in page.links() if export.id in link and "archive" not in link]
    question = person.get(link)
    assert question.status == 200, question
    assert "1 post" in question.words, f"{question} does not say what it deletes: {question.words}"
    assert export.last["created_at"][:10] in question.words, f"which export? {question.words}"
    assert "/exports/" in question.links(), f"{question} has no way out"
    assert person.get(export.path).status == 200, "the question has deleted it"
    page = person.submit_on(question)
    assert page.path == "/exports/", f"{page}; after deleting, back to the list"
    assert page.messages, f"{page} does not say that it is deleted"
    assert_error(person.get(export.path), 404)


@pytest.mark.since("5.remove")
def test_only_its_owner_is_asked_about_an_export(author, person, big):
    """Nobody else can see or answer the question whether to delete an export: 404."""
    path = f"/exports/{big.id}"
    assert author.get(f"{path}/remove").status == 200, "its owner is not asked"
    token = {"csrf_token": person.get("/").csrf_token}
    for page in (
        person.get(f"{path}/remove"),
        person.post(f"{path}/remove", token),
        person.post(f"{path}/cancel", token),
    ):
        assert page.status == 404, f"{page} about an export of somebody else"
    assert big.look()["state"] == "SUCCESS"


@pytest.mark.since("5.cancel")
def test_a_cancel_that_comes_too_late_deletes_nothing(join):
    """A cancel button of a page that is not up to date does not delete a finished export."""
    person = join()
    person.write()
    export = Export.start(person).until_end()
    token = {"csrf_token": person.get("/").csrf_token}
    page = person.post(f"/exports/{export.id}/cancel", token)
    assert page.path == "/exports/"
    assert page.messages, f"{page} does not say that it was too late"
    assert export.look()["state"] == "SUCCESS"


@pytest.mark.since("5.swagger")
def test_the_exports_page_leads_programs_to_the_api(person):
    """The page of exports has a link to the API's documentation."""
    page = person.get("/exports/")
    assert "/api/docs/" in page.links(), f"{page} links to {page.links()}"


@pytest.mark.slow
@pytest.mark.since("5.no-worker")
@pytest.mark.ours
def test_commands_on_the_exports_page_are_code(own_server):
    """Without Redis or a worker, the page tells which command starts one, as <code>."""
    with Person(own_server).join() as person:
        person.write()
        assert person.api("POST", "/api/exports").status == 202
        time.sleep(6)  # PICKUP_TIMEOUT
        code = person.get("/exports/").soup.select_one("article code")
        assert code, "no worker is there, and the page has no command that starts one"
        assert code.get_text() == f"celery -A {own_server.step.worker} worker"
        own_server.redis.kill()
        page = person.submit("/exports/")
        code = page.soup.select_one("[role=alert] code")
        assert code, f"{page}; no Redis is there, and the message has no command that starts one"
        assert code.get_text() == "python3 learn.py redis"
        assert "`" not in page.words
    own_server.forget_logs()


@pytest.mark.since("5.bar")
def test_the_exports_page_has_its_script_in_a_file(author):
    """The page has its script in a file."""
    page = author.get("/exports/")
    assert page.status == 200, f"{page}"
    scripts = [tag.get("src") for tag in page.soup("script")]
    assert [s for s in scripts if s and s.startswith("/static/")], (
        f"{page} has no script that keeps the bars moving"
    )
    assert all(scripts), f"{page} has an inline script; put it into static/"
