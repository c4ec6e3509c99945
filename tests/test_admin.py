"""The admin page: who gets in, what can be done there, and what can not."""

import re
import threading
from collections.abc import Callable
from collections.abc import Iterator
from urllib.parse import quote
from urllib.parse import urlsplit

import pytest

from tests.support import hostile
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.browser import new_name
from tests.support.browser import walk
from tests.support.chromium import Chromium
from tests.support.server import Server

# Most is seen in the step that brings the page, and in the last one. What takes long is seen in the
# last one alone: app/admin.py is the same there, byte by byte.
pytestmark = [
    pytest.mark.since("4.admin"),
    pytest.mark.about("app/admin.py"),
    pytest.mark.xdist_group("admin"),
]

PASSWORD = "a long password"
TABLES = ("user", "post")
UNKNOWN = "2000000000"

# What `flask routes` says: endpoint, methods, rule.
ROUTE = re.compile(r"^\S+ +([A-Z, ]+?) +(/admin\b\S*) *$", re.M)


@pytest.fixture(scope="session")
def routes(server: Server) -> list[tuple[str, str]]:
    """Each method and path of the admin page that `flask routes` knows, but those of files."""
    found = ROUTE.findall(server.project.flask("routes").output)
    assert any(rule == "/admin/" for _, rule in found), f"no /admin/ in `flask routes`: {found}"
    return [
        (method, re.sub("<[^>]*>", "csv", rule))
        for methods, rule in found
        for method in methods.split(", ")
        if "static" not in rule
    ]


@pytest.fixture
def boss(admin: tuple[Person, str]) -> Iterator[Person]:
    """The only admin there is, in a browser for this test."""
    person = admin[0].again()
    yield person
    person.close()


def send(browser: Browser, method: str, path: str, **fields: object) -> Page:
    """Send a request as a page of the site would: with a token."""
    fields["csrf_token"] = browser.token()
    return browser.request(method, path, data=fields if method != "GET" else None, follow=False)


def row_of(server: Server, username: str) -> dict[str, object] | None:
    rows = server.project.rows("SELECT * FROM user WHERE username = :value", value=username)
    return rows[0] if rows else None


def new_user(boss: Person, **fields: object) -> Person:
    """Make a user on the admin page, and return them, not logged in."""
    person = Person(boss.server)
    page = boss.submit(
        "/admin/user/new/", username=person.username, password=person.password, **fields
    )
    assert page.status == 200, f"{page} when a new user was sent"
    assert row_of(boss.server, person.username), f"{page}, but there is no such user"
    return person


def edit_path(table: str, number: object) -> str:
    return f"/admin/{table}/edit/?id={number}"


def edit_user(boss: Person, person: Person, **fields: object) -> Page:
    """Fill in the form of a user and send it."""
    number = row_of(boss.server, person.username)["id"]
    return boss.submit(edit_path("user", number), **fields)


def cells(page: Page) -> list[list[str]]:
    """What the table of a page shows, without the boxes and buttons."""
    rows = page.soup.select("tbody tr, table.model-list > tr")
    texts = ([td.get_text(" ", strip=True) for td in row("td")] for row in rows)
    return [row[1:-1] for row in texts if len(row) > 2]


def filtered(boss: Person, table: str, name: str, value: str = "") -> list[list[str]]:
    """What the table shows with the filter of that name, chosen and sent as a person does it."""
    page = boss.get(f"/admin/{table}/")
    values = {" ".join(one.get_text().split()): one["value"] for one in page.soup("option")}
    assert name in values, f"{page} has no filter “{name}” among {sorted(values)}"
    page = boss.get(f"/admin/{table}/?filter={quote(values[name])}&value={quote(value)}")
    assert page.status == 200, f"{page} for the filter “{name}”"
    return cells(page)


def counts(server: Server) -> list[int]:
    tables = [server.project.rows(f"SELECT count(*) AS n FROM {table}") for table in TABLES]
    return [rows[0]["n"] for rows in tables]


# Who may open the admin page


def test_an_admin_opens_the_admin_page(boss):
    """An admin can open the admin page."""
    page = boss.get("/admin/")
    assert page.status == 200, f"{page} for an admin"
    assert page.path == "/admin/"


@pytest.mark.since("4.admin-link")
def test_an_admin_finds_the_admin_page(boss):
    """An admin finds a link to the admin page in the navigation."""
    assert "/admin/" in boss.get("/").links(), "no page links an admin to the admin page"


def test_others_see_no_link_to_the_admin_page(person, visitor, routes):
    """Other users see no link to the admin page."""
    for browser in (person, visitor):
        assert "/admin/" not in browser.get("/").links(), "a link that only leads to a 403"


def test_every_admin_route_sends_anonymous_users_to_the_login(visitor, routes):
    """Every route of the admin page sends anonymous users to the login page."""
    for method, path in routes:
        page = send(visitor, method, path, id="1", rowid="1", action="delete")
        where = page.headers.get("Location", "")
        assert page.status in (302, 303), f"{page} for a visitor who sends a {method}"
        assert urlsplit(where).path == "/auth/login", f"{page} sends a visitor to {where}"


def test_the_login_returns_to_the_admin_page(visitor, boss):
    """After the login an admin returns to the admin page."""
    page = visitor.get("/admin/")
    assert page.messages, f"{page}, but no message says why there is a login now"
    page = visitor.submit_on(page, username=boss.username, password=boss.password)
    assert page.path == "/admin/", f"{page}; after the login an admin wanted to go to /admin/"


def test_every_admin_route_answers_403_to_other_users(person, routes, server):
    """Every route of the admin page answers 403 to users who are no admins."""
    before = counts(server)
    for method, path in routes:
        page = send(person, method, path, id="1", rowid="1", action="delete")
        assert page.status == 403, f"{page} for somebody who is no admin"
        assert page.soup.select("nav a[href]"), f"{page} without the site's <nav>"
    assert counts(server) == before


@pytest.mark.since("4.admin-posts")
def test_the_admin_page_needs_the_csrf_token(boss, routes, server):
    """Without a CSRF token the admin page changes nothing: 400."""
    before = counts(server)
    unsafe = [(method, path) for method, path in routes if method != "GET"]
    assert unsafe, "no route changes anything"
    for method, path in unsafe:
        data = {"id": "1", "rowid": "1", "action": "delete", "username": "x", "password": PASSWORD}
        page = boss.request(method, f"{path}?id=1", data=data, follow=False)
        assert page.status == 400, f"{page}; without a CSRF token it should be 400"
    assert counts(server) == before


@pytest.mark.ours
@pytest.mark.since("4.new-user")
def test_a_former_admin_is_locked_out_at_once(boss):
    """A user who is no longer an admin is locked out at once."""
    ada = new_user(boss, is_admin=True)
    assert ada.login(ada.username, ada.password).status == 200
    assert ada.get("/admin/").status == 200
    edit_user(boss, ada, is_admin=False)
    assert ada.get("/admin/").status == 403, "who was an admin still gets in"


# The tables


@pytest.mark.ours
@pytest.mark.since("4.search")
def test_the_posts_can_be_searched_filtered_sorted_and_paged(boss, seeded, person):
    """The posts can be searched, filtered, sorted and paged through."""
    title = new_name("needle")
    person.write(title)
    for query in (f"search={title}", f"search={title[:8].upper()}+{title[8:]}", f"flt0_0={title}"):
        found = cells(boss.get(f"/admin/post/?{query}"))
        assert [row[1:3] for row in found] == [[title, person.username]], f"?{query} finds {found}"
    page = boss.get(f"/admin/post/?search={person.username}&filter=0%3D&value={title}")
    assert "flt0_0=" in page.url, f"{page}: the filter is not in the address"
    assert person.username in page.url, f"{page}: the filter has replaced the search"
    assert f"Title contains {title} Remove" in page.words, f"{page} does not show its filter"
    (remove,) = [a["href"] for a in page.soup("a") if a.get_text() == "Remove"]
    assert "flt" not in remove, f"“Remove” leads to {remove}"
    assert person.username in remove, f"“Remove” leads to {remove}"
    assert len(cells(boss.get("/admin/post/"))) == 20
    first, second = (
        [int(row[0]) for row in cells(boss.get(f"/admin/post/?page={page}"))] for page in (0, 1)
    )
    assert first[0] > first[-1] > second[0], "the pages should go from the newest to the oldest"
    author = f"search={seeded.username}"
    titles = [row[1] for row in cells(boss.get(f"/admin/post/?{author}&sort=1"))]
    assert titles == sorted(titles), "?sort=1 should sort by title"
    assert len(titles) == 20
    page = boss.get(f"/admin/post/?{author}")
    assert "45 in all" in page.words, f"{page} does not say how many posts there are"
    (following,) = [link["href"] for link in page.soup.select("a[rel=next]")]
    assert seeded.username in following, "the next page forgets the search"


@pytest.mark.ours
@pytest.mark.since("4.search")
def test_the_users_can_be_searched_and_filtered(boss, person):
    """The users can be searched and filtered."""
    found = cells(boss.get(f"/admin/user/?search={person.username}"))
    assert [row[1:3] for row in found] == [[person.username, ""]]
    admins = filtered(boss, "user", "Admin equals Yes")
    assert [row[1:3] for row in admins] == [[boss.username, "yes"]]
    assert filtered(boss, "user", "Since (UTC) greater than", "2000-01-31 12:00:00")
    assert not filtered(boss, "user", "Since (UTC) smaller than", "2000-01-31 12:00:00")
    page = boss.get("/admin/user/?filter=nothing&value=x")
    assert page.status == 200, f"{page} for a filter that is not there"


def found(boss: Person, table: str, column: str, text: str) -> list[list[str]]:
    """What the search and the filter "contains" find; both have to find the same."""
    rows = cells(boss.get(f"/admin/{table}/?search={quote(text)}"))
    assert rows == filtered(boss, table, f"{column} contains", text)
    others = filtered(boss, table, f"{column} not contains", text)
    assert not any(row in others for row in rows), f"“not contains {text}” shows what contains it"
    return rows


@pytest.mark.ours
@pytest.mark.since("4.search")
@pytest.mark.one_step
@pytest.mark.parametrize(("stored", "typed"), hostile.SAME_TEXTS.values(), ids=hostile.SAME_TEXTS)
def test_the_search_finds_capital_and_small_letters(boss, person, stored, typed):
    """The search finds capital and small letters alike."""
    unique = new_name("")
    title = f"{stored}{unique}"
    person.write(title)
    rows = found(boss, "post", "Title", f"{typed}{unique}")
    assert [row[1] for row in rows] == [title], f"“{typed}” does not find “{stored}”"


@pytest.mark.ours
@pytest.mark.since("4.search")
@pytest.mark.one_step
def test_the_search_finds_a_name_in_another_spelling(boss):
    """The search finds a username in any spelling that is the same name."""
    ada = Person(boss.server)
    name = f"Ärger{new_name('')}"
    ada.register(name, PASSWORD)
    ada.submit("/posts/new", title="By Ada", body="text")
    for typed in (name, name.upper(), name.lower(), name.replace("Är", "ａ\u0308ｒ")):
        for table, column, index in (("user", "Name", 1), ("post", "Author", 2)):
            rows = found(boss, table, column, typed)
            assert [row[index] for row in rows] == [name], f"“{typed}” finds {rows} in {table}"


@pytest.mark.slow
@pytest.mark.ours
@pytest.mark.since("4.search")
@pytest.mark.one_step
def test_what_is_searched_for_is_a_text_and_no_pattern(boss, person):
    """The search looks for the text as it was typed, not for a pattern."""
    unique = new_name("")
    titles = {char: f"{unique}{char}z" for char in hostile.PATTERN_CHARACTERS}
    for title in titles.values():
        person.write(title)
    person.write(f"{unique}az")
    for char, title in titles.items():
        rows = found(boss, "post", "Title", f"{unique}{char}z")
        assert [row[1] for row in rows] == [title], f"“{char}” finds {rows}"


@pytest.mark.ours
@pytest.mark.since("4.admin-posts")
def test_an_edited_post_keeps_its_author(boss, person):
    """An admin can edit a post, which keeps its author."""
    number = person.write("Before")
    page = boss.submit(edit_path("post", number), title="  After   all ", body="one\r\ntwo\r\n")
    assert page.path == "/admin/post/", f"{page}; after saving, back to the list"
    assert page.messages
    row = boss.server.project.rows("SELECT * FROM post WHERE id = :value", value=number)[0]
    assert row["title"] == "After all", "a title is spelled as in the form of the site"
    assert row["body"] == "one\ntwo", "lines end with one character"
    assert person.username in person.get(f"/posts/{number}").words


@pytest.mark.ours
@pytest.mark.since("4.new-user")
@pytest.mark.one_step
@pytest.mark.parametrize("text", hostile.TEXTS.values(), ids=hostile.TEXTS.keys())
def test_any_text_may_be_typed_as_a_title_or_a_username(boss, text):
    """Any text typed as a title or a username is saved as text, or refused with a message."""
    name = text.format(unique=new_name("x")) if "{" in text else text
    database = boss.server.project
    last = database.rows("SELECT max(id) AS id FROM user")[0]["id"]
    post = boss.write("Before")
    for path, fields in (
        (edit_path("post", post), {"title": name}),
        ("/admin/user/new/", {"username": name, "password": PASSWORD}),
    ):
        page = boss.submit(path, **fields)
        assert page.status == 200, f"{page} for {name[:40]!r}"
        assert page.messages, f"{page} for {name[:40]!r}, and no message says how it went"
        assert not page.soup.find(onerror=True), f"{page} obeys {name!r}"
        assert not page.soup.find("script", string=lambda code: code and "alert" in code)
    database.change("DELETE FROM user WHERE id > :last", last=last)  # other tests want the name
    row = database.rows("SELECT title FROM post WHERE id = :value", value=post)[0]
    shown = boss.get(f"/posts/{post}")
    assert " ".join(row["title"].split()) == shown.heading, f"{shown} for {name[:40]!r}"


@pytest.mark.ours
@pytest.mark.since("4.admin-posts")
def test_a_text_that_is_too_long_is_refused(boss):
    """A title or a text that is too long is refused with a message."""
    post = boss.write("Before")
    for field, length in (("title", 121), ("body", 10_001)):
        page = boss.submit(edit_path("post", post), **{field: "x" * length})
        assert any(str(length - 1) in message for message in page.messages), f"{page}"
    row = boss.server.project.rows("SELECT title, body FROM post WHERE id = :value", value=post)[0]
    assert row["title"] == "Before"
    assert len(row["body"]) < 100


@pytest.mark.ours
@pytest.mark.since("4.admin-users")
def test_markup_in_a_name_is_shown_as_text(boss, visitor):
    """Markup in usernames and titles is shown as text."""
    name = f"<script>{new_name('')}</script>"
    visitor.register(name, PASSWORD)
    visitor.submit("/posts/new", title=name, body="text")
    number = row_of(boss.server, name)["id"]
    for path in ("/admin/user/", "/admin/post/", edit_path("user", number)):
        page = boss.get(path)
        assert page.status == 200
        assert not page.soup.find("script", string=lambda code: code and "ada" in code)
        assert "<script>" not in page.text.replace("<script>\n", ""), f"{page} has markup of users"
    assert name in boss.get("/admin/user/").words


# Users


@pytest.mark.ours
@pytest.mark.since("4.new-user")
def test_a_new_user_can_log_in_and_the_password_is_hashed(boss, server):
    """A user created by an admin can log in, and their password is stored as a hash."""
    ada = new_user(boss)
    ada.come_back()
    row = row_of(server, ada.username)
    assert row["password_hash"].startswith("scrypt:")
    assert not any(ada.password in str(value) for value in row.values())
    assert row["is_admin"] == 0, "a new user is no admin unless the box is ticked"


@pytest.mark.ours
@pytest.mark.since("4.admin-users")
def test_no_page_shows_a_password_hash(boss, routes, server):
    """No page shows a password hash, and the search does not look at them."""
    stored = row_of(server, boss.username)["password_hash"]
    assert cells(boss.get("/admin/user/")), "there is no list of users"
    salt = stored.split("$")[1]
    for method, path in routes:
        if method == "GET":
            for query in (f"?id={row_of(server, boss.username)['id']}", "?search=scrypt", ""):
                page = boss.get(path + query)
                shown = page.text.replace("&#36;", "$")
                assert salt not in shown, f"{page} shows the hash of a password"
                assert 'name="password_hash"' not in shown
    assert cells(boss.get("/admin/user/?search=scrypt")) == [], "one can search in the hashes"


@pytest.mark.ours
@pytest.mark.since("4.new-user")
def test_fields_that_the_form_lacks_are_ignored(boss, server):
    """Fields that a form does not have are ignored."""
    ada = new_user(boss)
    before = row_of(server, ada.username)
    forged = {"password_hash": "x", "password": "x" * 9, "name_key": "x", "id": "7", "posts": ""}
    page = send(boss, "POST", edit_path("user", before["id"]), username=ada.username, **forged)
    assert page.status == 302
    assert row_of(server, ada.username) == before
    post = ada.come_back() and boss.write("Mine")
    send(boss, "POST", edit_path("post", post), title="t", body="b", author_id=before["id"])
    row = server.project.rows("SELECT * FROM post WHERE id = :value", value=post)[0]
    assert row["title"] == "t"
    assert row["author_id"] != before["id"], "a post was given to somebody else"


@pytest.mark.ours
@pytest.mark.since("4.new-user")
@pytest.mark.one_step
@pytest.mark.parametrize(
    ("first", "second"), hostile.SAME_NAMES.values(), ids=hostile.SAME_NAMES.keys()
)
def test_a_username_is_taken_once(boss, first, second):
    """Two usernames that look the same are refused with a message at the field."""
    unique = new_name("")
    first, second = first.format(unique=unique), second.format(unique=unique)
    ben = new_user(boss)
    assert boss.submit("/admin/user/new/", username=first, password=PASSWORD).status == 200
    refused = (
        boss.submit("/admin/user/new/", username=second, password=PASSWORD),
        edit_user(boss, ben, username=second),
    )
    for page in refused:
        assert "This name is taken. Please choose another." in page.messages, f"{page}"
        assert page.soup.select_one("[name=username][aria-invalid=true]"), f"{page}: which field?"
        assert not re.search(r"SQL|INSERT|UPDATE|Integrity", page.text), f"{page} shows SQL"
    ben.come_back()


@pytest.mark.ours
@pytest.mark.since("4.admin-users")
def test_a_renamed_user_logs_in_with_the_new_name(boss, join, visitor):
    """A renamed user logs in with the new name, and the old one is free."""
    ada = join()
    old, ada_new = ada.username, new_name("Ｎｅｗ ")
    edit_user(boss, ada, username=ada_new)
    visitor.login(old, ada.password)
    assert not visitor.is_logged_in(), "the old name still works"
    visitor.login(ada_new.upper(), ada.password)
    assert visitor.is_logged_in(), "the new name does not work in another spelling"
    other = Browser(boss.server)
    other.register(old, PASSWORD)
    assert other.is_logged_in(), "the old name should be free now"


@pytest.mark.ours
@pytest.mark.since("4.new-user")
def test_error_messages_are_beside_their_fields(boss):
    """A refused form has its messages beside the fields, and sends no password back."""
    page = boss.submit("/admin/user/new/", username="", password="short")
    assert page.status == 200
    for name in ("username", "password"):
        field = page.soup.find("input", {"name": name})
        assert field["aria-invalid"] == "true"
        assert page.soup.find(id=field["aria-describedby"]).get_text(strip=True)
    assert "short" not in page.text, "the page sends a password back"
    assert not page.soup.select("#messages > *"), f"{page}: the message belongs to the fields"


@pytest.mark.since("5.email")
@pytest.mark.ours
def test_the_list_of_users_has_a_column_for_mail_addresses(boss):
    """Admins see the mail addresses of the accounts."""
    page = boss.get("/admin/user/")
    assert "Mail" in page.soup.thead.get_text(" "), f"{page} has no column for mail addresses"


# Deleting


@pytest.mark.ours
@pytest.mark.since("4.last-admin")
def test_a_page_asks_before_a_user_is_deleted(boss, join, server, step):
    """Before a user is deleted a page asks: it names them, and says what goes with them."""
    ada = join()
    for _ in range(2):
        ada.write()
    if step.has("api"):
        assert ada.api("POST", "/api/exports").status == 202
    number = row_of(server, ada.username)["id"]
    path = f"/admin/user/delete/?id={number}"
    page = boss.get(f"/admin/user/?search={ada.username}")
    assert any(link.startswith(path) for link in page.links()), f"{page} has no link to {path}"
    page = boss.get(path)
    assert page.status == 200, f"{page}; a GET asks"
    text = page.soup.main.get_text(" ")
    for words in (ada.username, "2 posts", *(["1 export"] if step.has("api") else [])):
        assert words in text, f"{page} does not name “{words}”: {text}"
    assert page.soup.select("main a[href^='/admin/user/']"), f"{page} has no way back"
    assert ada.is_logged_in(), "a GET has deleted an account"
    page = boss.submit_on(page)
    assert any(ada.username in message for message in page.messages), f"{page}: who is deleted?"


@pytest.mark.ours
@pytest.mark.since("4.admin-posts")
def test_a_page_asks_before_several_posts_are_deleted(boss):
    """Before selected posts are deleted a page names them, and returns to the same list."""
    titles = [new_name("soon gone") for _ in range(3)]
    posts = [boss.write(title) for title in titles]
    back = "/admin/post/?search=soon"
    rows = [posts[0], posts[1], posts[1], UNKNOWN, "x"]
    page = send(boss, "POST", "/admin/post/action/", action="delete", rowid=rows, url=back)
    assert page.status == 200, f"{page}; it should ask"
    assert [title in page.words for title in titles] == [True, True, False], f"{page}"
    assert [boss.get(f"/posts/{number}").status for number in posts] == [200] * 3
    page = boss.submit_on(page, to="/admin/post/delete/")
    assert page.path == back, f"{page}; after deleting, back to {back}"
    assert "2 posts are deleted." in page.messages, f"{page}"
    assert [boss.get(f"/posts/{number}").status for number in posts] == [404, 404, 200]


@pytest.mark.ours
@pytest.mark.since("4.admin-posts")
def test_nothing_to_delete_is_said_in_words(boss):
    """Where nothing is selected, or no such row is left, a message says so."""
    for action, fields, word in (
        ("action/", {"action": "delete"}, "Nothing is selected"),
        ("action/", {"action": "delete", "rowid": UNKNOWN}, "nothing left"),
        ("delete/", {"id": UNKNOWN}, "nothing left"),
        ("delete/", {}, "Nothing is selected"),
    ):
        page = send(boss, "POST", f"/admin/post/{action}", **fields)
        assert page.status == 302, f"{page} for {fields}"
        page = boss.get("/admin/post/")
        assert any(word in message for message in page.messages), f"{page} for {fields}"


@pytest.mark.ours
@pytest.mark.since("4.last-admin")
def test_deleting_a_user_deletes_their_posts_and_exports(boss, join, server, step):
    """Deleting a user deletes their posts, exports and sessions, and nothing else."""
    ada, ben = join(), join()
    ada.write()
    kept = ben.write()
    if step.has("api"):
        assert ada.api("POST", "/api/exports").status == 202
    number = row_of(server, ada.username)["id"]
    page = boss.submit(f"/admin/user/delete/?id={number}")
    assert page.path.startswith("/admin/user/"), f"{page}; after deleting, back to the list"
    assert row_of(server, ada.username) is None
    assert server.project.rows("SELECT id FROM post WHERE author_id = :value", value=number) == []
    if step.has("api"):
        assert not server.project.rows("SELECT id FROM export WHERE owner_id = :id", id=number)
    assert not ada.is_logged_in(), "who is deleted is still logged in"
    assert boss.get(f"/posts/{kept}").status == 200, "posts of somebody else are gone"


@pytest.mark.ours
@pytest.mark.since("4.last-admin")
def test_a_new_user_does_not_inherit_a_deleted_ones_session(boss, server):
    """The session of a deleted user is not the session of the next new user."""
    # SQLite gives the number of a deleted row to the next one, if it was the highest.
    ada = Person(server)
    ada.submit("/auth/register", username=ada.username, password=ada.password)
    ada.login(ada.username, ada.password, remember=True)
    number = row_of(server, ada.username)["id"]
    send(boss, "POST", "/admin/user/delete/", id=number)
    assert row_of(server, ada.username) is None
    ben = Person(server).join()
    assert ben.is_logged_in()
    page = ada.get("/")
    assert ben.username not in page.words, "who was deleted is logged in as somebody else now"
    assert not ada.is_logged_in()


@pytest.mark.ours
@pytest.mark.since("4.last-admin")
def test_several_rows_are_deleted_together_or_not_at_all(boss, join, server):
    """Several rows are deleted together or not at all."""
    posts = [boss.write() for _ in range(3)]
    page = send(boss, "POST", "/admin/post/delete/", id=posts[:2])
    assert page.status == 302
    assert [boss.get(f"/posts/{number}").status for number in posts] == [404, 404, 200]
    ada = join()
    numbers = [row_of(server, name)["id"] for name in (ada.username, boss.username)]
    send(boss, "POST", "/admin/user/delete/", id=numbers)
    page = boss.get("/admin/user/")
    assert any("last admin" in message for message in page.messages), f"{page}"
    assert ada.is_logged_in(), "one of two was deleted: half an effect"


# The last admin


@pytest.mark.ours
@pytest.mark.since("4.new-user")
def test_all_admins_at_once_can_not_be_deleted(boss, server):
    """All admins together cannot be deleted, and none of them is."""
    ada = new_user(boss, is_admin=True)
    numbers = [row_of(server, name)["id"] for name in (ada.username, boss.username)]
    send(boss, "POST", "/admin/user/delete/", id=numbers)
    page = boss.get("/admin/user/")
    assert row_of(server, boss.username), "all admins were selected, and all are gone"
    assert row_of(server, ada.username), "one of two was deleted: half an effect"
    assert any("last admin" in message for message in page.messages), f"{page} does not say why"
    edit_user(boss, ada, is_admin=False)


@pytest.mark.ours
@pytest.mark.since("4.last-admin")
def test_the_last_admin_stays_one(boss, join, server):
    """The last admin cannot be removed, on any route."""
    number = row_of(server, boss.username)["id"]
    attempts = {
        "unticking the box": lambda: edit_user(boss, boss, is_admin=False),
        "deleting": lambda: send(boss, "POST", "/admin/user/delete/", id=number),
        "deleting several": lambda: send(
            boss, "POST", "/admin/user/delete/", id=[number, number, UNKNOWN]
        ),
        "the action": lambda: send(
            boss, "POST", "/admin/user/action/", action="delete", rowid=[number, number, UNKNOWN]
        ),
        "editing in the list": lambda: send(
            boss, "POST", "/admin/user/ajax/update/", list_form_pk=number, is_admin=""
        ),
    }
    for what, attempt in attempts.items():
        page = attempt()
        assert boss.get("/admin/").status == 200, f"{page}; {what} removed the last admin"
        assert page.status < 500
    page = edit_user(boss, boss, is_admin=False)
    assert any("last admin" in message for message in page.messages), f"{page} does not say why"
    ada = join()
    edit_user(boss, ada, is_admin=True)
    assert not any("last" in message for message in edit_user(ada, ada, is_admin=False).messages)
    assert ada.get("/admin/").status == 403, "one of two admins may go"


@pytest.mark.slow
@pytest.mark.ours
@pytest.mark.since("4.last-admin")
@pytest.mark.one_step
@pytest.mark.parametrize("database", ["sqlite", "mariadb"])
def test_two_admins_cannot_remove_each_other_at_the_same_time(idle_server, database, request):
    """When two admins remove each other at the same time, one of them stays."""
    if database == "mariadb":
        mariadb = request.getfixturevalue("mariadb")
        idle_server.project.env["DATABASE_URL"] = mariadb.new_database()
    idle_server.start()
    people = [Person(idle_server).join() for _ in range(2)]
    numbers = (1, 2)
    idle_server.project.flask_all(*[("make-admin", person.username) for person in people])
    for _ in range(4):
        tokens = [person.get("/admin/").csrf_token for person in people]
        barrier = threading.Barrier(2)
        pages: list[Page | None] = [None, None]

        def remove(me: int, barrier=barrier, tokens=tokens, pages=pages) -> None:
            fields = {"csrf_token": tokens[me], "username": people[1 - me].username}
            barrier.wait(timeout=10)
            path = edit_path("user", numbers[1 - me])
            pages[me] = people[me].post(path, fields, follow=False)

        threads = [threading.Thread(target=remove, args=[me]) for me in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert sorted(page.status for page in pages) in ([200, 302], [302, 403]), f"{pages}"
        left = [person for person in people if person.get("/admin/").status == 200]
        assert len(left) == 1, f"{len(left)} of two admins are left after {pages}"
        other = 1 - people.index(left[0])
        left[0].submit(edit_path("user", numbers[other]), is_admin=True)


# Bad input


@pytest.mark.ours
@pytest.mark.since("4.admin-users")
@pytest.mark.one_step
def test_bad_queries_are_no_server_error(boss):
    """A bad query in the address is never a server error."""
    numbers = (*hostile.BAD_NUMBERS, *hostile.BAD_PAGES, UNKNOWN, "9" * 5000, "1,2", "1&id=2")
    for table in TABLES:
        assert boss.get(f"/admin/{table}/").status == 200
        queries = [f"{name}={value}" for name in ("id", "page", "sort") for value in numbers]
        queries += [f"flt0_{n}={v}" for n in (0, 7, 9, 99, "x") for v in ("", "x", "%00", "a,,b")]
        queries += ["flt", "flt0_", "flt_0=x", "desc=x", "page_size=-1", "search=" + "a+" * 5000]
        queries += ["search=%25%5f%00", "endpoint=x", "self=x"]
        queries += ["_method=x", "_scheme=x", "_anchor=x"]
        for query in queries:
            path = f"/admin/{table}/{'edit/' if query.startswith('id') else ''}"
            page = boss.get(f"{path}?{query}")
            assert page.status < 500, f"{page}"
        for path in ("details/", "ajax/lookup/?name=author&query=a", "export/csv/", "export/x/"):
            assert boss.get(f"/admin/{table}/{path}").status < 500


@pytest.mark.ours
@pytest.mark.since("4.admin-users")
@pytest.mark.one_step
def test_bad_forms_are_no_server_error(boss, server):
    """A bad form is never a server error, and changes nothing."""
    before = counts(server)
    for table in TABLES:
        assert boss.get(f"/admin/{table}/").status == 200
        for fields in (
            {},
            {"id": "x", "rowid": "x", "action": "delete"},
            {"id": "9" * 30, "rowid": ["9" * 30, "\x00", "", "1,2"], "action": "delete"},
            {"id": UNKNOWN, "rowid": [UNKNOWN] * 3000, "action": "delete"},
            {"id": ["1", "2"], "action": "__class__", "rowid": "1", "url": "http://[/"},
        ):
            for path in ("delete/", "action/", "ajax/update/", "new/", "edit/?id=x"):
                page = send(boss, "POST", f"/admin/{table}/{path}", **fields)
                if "url" in fields or path != "delete/" or fields.get("id") != ["1", "2"]:
                    assert page.status < 500, f"{page} for {str(fields)[:80]}"
    assert counts(server) == before


@pytest.fixture
def trigger(server: Server) -> Iterator[Callable[[str], None]]:
    """Let the database do something else too, before it changes a post."""

    def add(statement: str) -> None:
        server.project.change(f"CREATE TRIGGER t BEFORE UPDATE ON post BEGIN {statement}; END")

    yield add
    server.project.change("DROP TRIGGER t")


@pytest.mark.ours
@pytest.mark.since("4.admin-posts")
@pytest.mark.expects_traceback
@pytest.mark.not_on_mysql("a trigger in SQLite's words")
def test_database_errors_are_not_shown(boss, trigger):
    """A database error is a 503 page without the database's words."""
    post = boss.write("Before")
    trigger("INSERT INTO nowhere VALUES (1)")
    page = boss.submit(edit_path("post", post), title="After")
    assert page.status == 503, f"{page}; the database did not do what it should"
    assert "nowhere" not in page.text, f"{page} shows what the database answered"
    assert "UPDATE" not in page.text, f"{page} shows SQL"


@pytest.mark.ours
@pytest.mark.since("4.admin-posts")
@pytest.mark.not_on_mysql("a trigger in SQLite's words")
def test_editing_a_post_that_was_just_deleted_says_so(boss, trigger):
    """Saving a post that was deleted meanwhile shows a message."""
    post = boss.write("Before")
    trigger("DELETE FROM post WHERE id = OLD.id")
    page = boss.submit(edit_path("post", post), title="After")
    assert page.status == 200
    assert any("deleted" in message for message in page.messages), f"{page} does not say why"


@pytest.mark.ours
@pytest.mark.since("4.admin-users")
def test_the_query_does_not_get_into_links(boss):
    """Unknown parts of the query do not get into the links of the page."""
    page = boss.get("/admin/user/?_scheme=javascript&_external=1&foo=bar")
    assert page.status == 200, f"{page}"
    links = [link["href"] for link in page.soup("a", href=True)]
    assert links
    for link in links:
        assert not link.startswith("javascript:"), f"{page} has the link {link}"
        assert "foo" not in link, f"{page} has the link {link}"


@pytest.mark.ours
@pytest.mark.since("4.new-user")
@pytest.mark.one_step
def test_the_url_parameter_never_leads_to_another_site(boss, server):
    """The parameter ?url= never leads to another site."""
    here = urlsplit(server.url).netloc
    assert boss.get("/admin/user/new/").path == "/admin/user/new/"
    for text in hostile.ELSEWHERE:
        target = quote(text.format(here=here), safe="")
        for path in ("/admin/user/edit/", "/admin/post/new/"):
            page = boss.get(f"{path}?url={target}", follow=False)
            assert page.status < 500
            where = hostile.host_in_browser(page.headers.get("Location", "/"), here)
            assert where == here, f"{path}?url={target} leads to {where}"
        for link in boss.get(f"/admin/user/new/?url={target}").soup("a", href=True):
            assert hostile.host_in_browser(link["href"], here) == here, f"{link} on {target}"


@pytest.mark.ours
@pytest.mark.since("4.admin-users")
def test_before_the_upgrade_the_admin_page_says_what_to_do(own_server):
    """Before `flask db upgrade` the admin page is a 503 that names this command."""
    ada = Person(own_server).join()
    own_server.project.flask_all(("make-admin", ada.username), ("db", "downgrade", "0001"))
    for path in ("/admin/", "/admin/user/", "/admin/post/", "/posts/"):
        page = ada.get(path)
        assert page.status == 503, f"{page}; with older tables it should be 503"
        assert "flask db upgrade" in page.words, f"{page} does not name `flask db upgrade`"
    own_server.forget_logs()  # the log may say in full what the database answered


# Counts the queries of some pages, with a post and with many.
QUERIES = """
import re
from flask.cli import ScriptInfo
from sqlalchemy import event

app = ScriptInfo().load_app()
client = app.test_client()
found = re.search(r'name="csrf-token" content="([^"]*)"', client.get("/auth/login").text)
fields = {"username": "ada", "password": "12345678", "csrf_token": found[1]}
client.post("/auth/login", data=fields)
queries = []
with app.app_context():
    engine = app.extensions["sqlalchemy"].engine
event.listen(engine, "before_cursor_execute", lambda c, cursor, sql, *more: queries.append(sql))

def look():
    numbers = []
    for query in "", "?page=0&sort=1", "?sort=2", "?search=day":
        queries.clear()
        assert client.get("/admin/post/" + query).status_code == 200
        selects = [sql for sql in queries if "FROM post" in sql and "count(" not in sql]
        assert selects and all("LIMIT" in sql for sql in selects), selects
        numbers.append(len(queries))
    return numbers

few = look()
for author, posts in ("ada", "2000"), ("ben", "2"), ("cleo", "2"), ("dora", "2"):
    seed = ["seed", "--username", author, "--password", "12345678", "--posts", posts]
    app.test_cli_runner().invoke(args=seed, catch_exceptions=False)
many = look()
assert many == few, f"{few} queries with one post, {many} with many posts of four authors"
"""


@pytest.mark.slow
@pytest.mark.ours
@pytest.mark.since("4.admin-posts")
@pytest.mark.one_step
def test_many_posts_take_no_more_queries(project):
    """The list of posts needs as many queries for thousands of posts as for one."""
    seed = ("seed", "--username", "ada", "--password", "12345678", "--posts", "1")
    project.flask_all(("db", "upgrade"), seed, ("make-admin", "ada"))
    result = project.python("-c", QUERIES)
    assert result.code == 0, str(result)


# The pages


@pytest.mark.slow
@pytest.mark.ours
@pytest.mark.since("4.admin-users")
def test_admin_pages_keep_the_rules_of_all_pages(boss, person):
    """The pages of the admin page keep the rules of all other pages."""
    post = person.write()
    pages = [
        page
        for _, link, page in walk(boss, "/admin/")
        if link.startswith("/admin/") and page.is_html
    ]
    pages += [boss.get(edit_path("post", post)), boss.get("/admin/post/?search=nothing-like-it")]
    assert len({urlsplit(page.url).path for page in pages}) >= 6, f"few pages: {pages}"
    for page in pages:
        assert page.status == 200, f"{page}"
        assert page.soup.html.get("lang"), f"{page} has no <html lang=…>"
        assert page.soup.title.get_text(strip=True), f"{page} has no title"
        assert len(page.soup("h1")) == 1, f"{page} has {len(page.soup('h1'))} <h1>"
        assert page.soup.select("nav a[href='/']"), f"{page} has no way back to the site"
        assert page.csrf_token, f'{page} has no <meta name="csrf-token">'
        for field in page.fields:
            label = field.get("id") and page.soup.find("label", {"for": field["id"]})
            assert label or field.get("aria-label"), f"{page}: {field} has no label"
        for tag in page.soup(["script", "link", "img", "a"]):
            address = tag.get("src") or tag.get("href") or ""
            assert urlsplit(address).netloc == "", f"{page} needs another host: {tag}"
            assert not address.startswith("javascript:"), f"{page}: {tag}"
        for path in (tag["src"] for tag in page.soup("script", src=True)):
            assert boss.get(path).status == 200, f"{page} needs {path}, which is not there"
        inline = [script for script in page.soup("script") if not script.get("src")]
        assert not inline, f"{page} has scripts in the HTML"
        assert not page.soup.find(onclick=True), f"{page} has scripts in the HTML"


@pytest.mark.ours
@pytest.mark.since("4.admin-users")
def test_admin_pages_are_pages_of_the_site(boss, person):
    """The admin page has the site's frame and files; a name in its lists is the link to the row."""
    number = person.write("A title to click on")
    home = boss.get("/")
    for path in ("/admin/", "/admin/user/", "/admin/post/", edit_path("post", number)):
        page = boss.get(path)
        names = [tag.get_text(strip=True) for tag in page.soup.select("header nav summary")]
        assert names == [boss.username], f"{page} without the name of the user in its navigation"
        assert page.forms_to("/auth/logout"), f"{page} without a way to log out"
        files = [tag.get("href") or tag["src"] for tag in page.soup(["link", "script"])]
        known = [tag.get("href") or tag["src"] for tag in home.soup(["link", "script"])]
        more = [file for file in files if file not in known]
        assert set(more) <= {"/ui/admin.js", "/ui/writing.js"}, (
            f"{page} loads {more} besides what home loads"
        )
    page = boss.get("/admin/post/")
    (link,) = [a["href"] for a in page.soup("a") if a.get_text() == "A title to click on"]
    form = boss.get(link)
    assert form.soup.find(attrs={"name": "title"})["value"] == "A title to click on"
    assert form.soup.select('nav[aria-label="Admin"] a[href="/admin/post/"]')


# Where a text in the table is on the screen.
PLACE = """[...document.querySelectorAll("td")].find(
    cell => cell.innerText.trim() === arguments[0]
).getBoundingClientRect()"""


@pytest.mark.slow
@pytest.mark.ours
@pytest.mark.since("4.search")
@pytest.mark.one_step
def test_the_admin_page_works_in_a_browser(boss, person):
    """Filters, the question before deleting and narrow screens work in a real browser."""
    title = new_name("needle")
    post = person.write(title)
    browser = Chromium()
    try:
        tab = browser.reset(boss, width=360)
        for path in ("/admin/", "/admin/user/", "/admin/user/new/", edit_path("post", post)):
            tab.open(path)
            wide = tab.js("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{path} is {wide} pixels too wide for a narrow screen"
        tab.wait("document.querySelector('.left')", "the form says how much of a text still fits")
        tab.open("/admin/post/")
        tab.click(".filters summary")
        tab.click("#value")
        tab.press(title, "Enter")
        tab.wait("location.search.includes('flt')", "the filter is sent")
        assert tab.js("document.querySelectorAll('.action-checkbox').length") == 1
        tab.click("td a[href*='/delete/']")
        tab.wait("location.pathname.endsWith('/delete/')", "a page asks first")
        tab.click("main a.secondary")
        tab.wait("location.search.includes('flt')", "the way back leads to the same list")
        for name in (title, person.username):
            place = tab.js(PLACE, name)
            assert 0 <= place["left"] < place["right"] <= 360, f"on a phone “{name}” is at {place}"
        tab.click("#all")
        assert tab.js("document.querySelector('.action-checkbox').checked"), "no row is ticked"
        assert boss.get(f"/posts/{post}").status == 200, "it was deleted though the answer was no"
        tab.click("#selected button")
        tab.click("main form button")
        tab.wait("document.querySelector('[role=status]')", "a message says that it is deleted")
        assert boss.get(f"/posts/{post}").status == 404
        tab.check_logs()
    finally:
        browser.close()
