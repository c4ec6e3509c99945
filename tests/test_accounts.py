"""Accounts: register, log in, log out, stay logged in."""

import json
import shutil
from urllib.parse import urlsplit

import pytest

from tests.support.browser import Browser
from tests.support.browser import Person
from tests.support.browser import new_name

pytestmark = pytest.mark.since("2.login")

PASSWORD = "correct horse"


@pytest.mark.since("2.register")
def test_a_form_that_is_taken_is_answered_by_a_redirect(visitor):
    """A form that is taken is answered by a redirect: to reload the page sends nothing again."""
    page = visitor.submit("/auth/register", follow=False, username=new_name(), password=PASSWORD)
    assert page.status in (302, 303), f"{page}; a reload would send the form once more"
    assert visitor.get(urlsplit(page.headers["Location"]).path).status == 200


@pytest.mark.since("2.refused")
@pytest.mark.parametrize(
    ("name", "password"), [(" ", PASSWORD), ("x" * 300, PASSWORD), ("Ada", ""), ("Ada", "x" * 300)]
)
def test_a_name_or_password_of_no_use_is_refused_with_a_message(visitor, name, password):
    """A name or password that is too short or too long is refused with a message."""
    page = visitor.register(name, password)
    assert page.status in (200, 400, 422)
    assert page.messages, f"{page}, but no message says what is wrong"
    assert name.strip() in str(page.soup.find("input", {"name": "username"})), f"{page} lost it"


@pytest.mark.since("2.taken")
def test_the_second_of_a_name_is_refused_with_a_message(server):
    """Who registers with a name that is taken gets a message, and no account."""
    name = new_name()
    first, second = (Browser(server) for _ in range(2))
    first.register(name, PASSWORD)
    page = second.register(name, "another password")
    assert page.status in (200, 400, 409, 422)
    assert page.messages, f"{page}, but no message says that the name is taken"
    assert name not in second.get("/").words, "the second of a name is logged in"


@pytest.mark.since("2.session")
def test_a_new_user_is_greeted_by_name(visitor):
    """After the registration every page names the current user, in this browser alone."""
    name = new_name()
    page = visitor.register(name, PASSWORD)
    assert page.messages, f"{page}, but no message says that it worked"
    assert name in visitor.get("/about").words, "the page does not name the current user"
    with Browser(visitor.server) as other:
        assert name not in other.get("/about").words, "another browser has the same user"


@pytest.mark.since("2.logout")
def test_registering_logs_in(visitor):
    """Registering creates the account, logs in and shows a message."""
    name = new_name()
    page = visitor.register(name, "correct horse")
    assert page.status == 200
    assert page.messages, f"{page}, but no message says that it worked"
    assert visitor.is_logged_in(), f"{page}; registering should also log in"
    assert name in visitor.get("/").words, "no page names the current user"


def test_anonymous_pages_link_to_login_and_registration(visitor):
    """Anonymous users find links to log in and to register."""
    links = visitor.get("/").links()
    assert any(link.startswith("/auth/login") for link in links)
    assert "/auth/register" in links
    assert not visitor.is_logged_in()


def test_a_username_is_taken_once(visitor, account):
    """A username that is taken is refused with a message."""
    page = visitor.register(account.username, "another password")
    assert page.status in (200, 400, 409, 422)
    assert page.messages, f"{page}, but no message says that the name is taken"
    assert not visitor.is_logged_in(), "somebody else's name let a visitor in"
    account.come_back()


def test_log_out_and_in_again(person):
    """Logging out ends the session, and the password starts a new one."""
    page = person.logout()
    assert page.status == 200
    assert page.messages, f"{page}, but no message says that it worked"
    assert not person.is_logged_in(), f"{page}; logging out did not log out"
    page = person.login(person.username, person.password)
    assert page.path == "/", f"{page}; without ?next= a login leads to the start page"
    assert person.is_logged_in()


@pytest.mark.since("2.logout")
def test_logging_out_needs_post(person):
    """Logging out needs a POST; a GET is answered by 405."""
    page = person.get("/auth/logout", follow=False)
    assert page.status == 405, (
        f"{page}; if a GET logs out, every picture on another site can do it: allow POST alone"
    )
    assert person.is_logged_in()


def test_a_wrong_password_and_an_unknown_name_look_the_same(server, account):
    """A wrong password and an unknown name get the same answer."""
    wrong = Browser(server).login(account.username, "not the password")
    unknown = Browser(server).login(new_name(), "not the password")
    assert wrong.messages, f"{wrong}, but no message says that it did not work"
    assert wrong.messages == unknown.messages, "the messages tell which names exist"
    assert wrong.status == unknown.status, "the status tells which names exist"


def test_a_wrong_password_does_not_log_in(visitor, join):
    """A wrong password does not log in, whatever part of it is right."""
    person = join()
    for password in ("", person.password.upper(), person.password + " x"):
        visitor.login(person.username, password)
        assert not visitor.is_logged_in(), f"the password “{password}” let a visitor in"


@pytest.mark.since("2.logout")
def test_users_have_separate_sessions(join):
    """Two users have separate sessions: each sees their own name, and logs out alone."""
    ada, ben = join(), join()
    assert ada.username in ada.get("/").words
    assert ben.username not in ada.get("/").words
    ben.logout()
    assert ada.is_logged_in()


@pytest.mark.since("2.required")
def test_the_login_page_says_why(visitor):
    """Who is sent to the login page is told why."""
    page = visitor.get("/posts/new")
    assert page.path.startswith("/auth/login"), f"{page}; visitors should be sent to the login"
    assert page.messages, f"{page}, but no message says why"


@pytest.mark.since("2.back")
def test_the_login_page_returns_to_the_requested_page(visitor, account):
    """A page that needs a login sends anonymous users to the login page, and back after it."""
    page = visitor.get("/posts/new")
    assert page.path.startswith("/auth/login?"), f"{page}; visitors should be sent to the login"
    page = visitor.submit_on(page, username=account.username, password=account.password)
    assert page.path == "/posts/new", f"{page}; the login should lead to the page that was wanted"
    assert page.status == 200


@pytest.mark.since("2.back")
def test_a_failed_login_keeps_the_requested_page(visitor, account):
    """After a failed login, the next try still leads to the requested page."""
    page = visitor.get("/posts/new")
    page = visitor.submit_on(page, username=account.username, password="wrong password")
    page = visitor.submit_on(page, username=account.username, password=account.password)
    assert page.path == "/posts/new", f"{page}; a mistyped password lost the way back"


@pytest.mark.since("2.cookie")
def test_the_session_cookie_is_httponly_and_samesite(visitor):
    """The session cookie is HttpOnly and SameSite=Lax."""
    page = visitor.submit("/auth/register", follow=False, username=new_name(), password="p" * 12)
    cookie = page.headers.get("Set-Cookie", "").lower()
    assert cookie, f"{page} without a cookie"
    assert "httponly" in cookie, f"scripts can read the cookie: {cookie}"
    assert "samesite=lax" in cookie, f"the cookie has no SameSite=Lax: {cookie}"


def test_no_page_shows_a_password(visitor):
    """No page contains a password that was typed."""
    password = "tell nobody 123"
    pages = [visitor.register(new_name(), password), visitor.get("/")]
    pages.append(visitor.login(new_name(), password))
    pages.append(visitor.submit("/auth/register", username="", password=password))
    for page in pages:
        assert password not in page.text, f"{page} holds the password"


def test_password_fields_hide_what_is_typed(visitor):
    """Password fields hide what is typed."""
    for path in ("/auth/login", "/auth/register"):
        fields = {field.get("name"): field.get("type") for field in visitor.get(path).fields}
        assert fields.get("password") == "password", f"the password is readable at {path}"


def test_a_forged_session_cookie_does_not_log_in(server, account):
    """A forged session cookie does not log in, and causes no error."""
    browser = account.come_back()
    name, value = next((cookie.name, cookie.value) for cookie in browser.http.cookies)
    for fake in (value[:-4] + "AAAA", value.partition(".")[0], "", "x" * 3000, "e30.e30.e30"):
        faker = Browser(server)
        faker.http.cookies.set(name, fake, domain="127.0.0.1", path="/")
        page = faker.get("/")
        assert page.status == 200
        assert not page.forms_to("/auth/logout"), f"the cookie {fake[:40]} logged somebody in"


# Signs sessions with the key of the app, as another step or an older version of it may have done.
SIGN = """
import json
from flask.cli import ScriptInfo

app = ScriptInfo().load_app()
serializer = app.session_interface.get_signing_serializer(app)
values = {values!r}
cookies = [serializer.dumps({{"_user_id": value}}) for value in values]
print(json.dumps([app.config["SESSION_COOKIE_NAME"], cookies]))
"""
ODD = (
    *(1, "1", "1 2026-01-05T10:00:00", -1, 2**70, 1.5, True, None, "", "None", "'", "\0"),
    *("x" * 3000, "a" * 32, "\U0001f600", ["1"], [], {"id": 1}),
)


@pytest.mark.since("3.flask-login")
@pytest.mark.ours
@pytest.mark.one_step
def test_a_session_of_any_odd_form_is_anonymous(server, account):
    """A session that names no user of this database is anonymous, whatever it holds."""
    name = account.username
    (user,) = server.project.rows("SELECT session_id FROM user WHERE username = :n", n=name)
    values = [user["session_id"], *ODD]
    result = server.project.python("-c", SIGN.format(values=values))
    assert result.code == 0, str(result)
    cookie_name, cookies = json.loads(result.output.splitlines()[-1])
    for value, cookie in zip(values, cookies, strict=True):
        with Browser(server) as browser:
            browser.http.cookies.set(cookie_name, cookie, domain="127.0.0.1", path="/")
            page = browser.get("/")
            assert page.status == 200, f"{page} for a session with {value!r}"
            is_known = value == user["session_id"]
            assert browser.is_logged_in() == is_known, f"{page} for a session with {value!r}"
            page = browser.get("/posts/new")
            assert page.path.startswith("/auth/login") != is_known, f"{page} for {value!r}"


@pytest.mark.since("3.session-id")
@pytest.mark.ours
def test_a_session_of_another_database_is_anonymous(server, own_server):
    """A session of the same user in another database is anonymous."""
    here = Person(server).join()
    with Person(own_server) as there:
        there.register(here.username, here.password)
        assert there.is_logged_in()
    key = server.project.folder / "instance" / "secret_key"
    shutil.copy(key, own_server.project.folder / "instance" / "secret_key")
    own_server.restart()
    assert own_server.project.rows("SELECT id FROM user"), "no account outlives a restart"
    with Browser(own_server) as stranger:
        stranger.http.cookies.update(here.http.cookies)
        page = stranger.get("/")
        assert page.status == 200
        assert not stranger.is_logged_in(), "a session of another database was taken"


@pytest.mark.since("2.write", until=2)
def test_a_restart_loses_what_is_kept_in_memory(own_server):
    """A restart loses accounts and posts that are kept in memory."""
    person = Person(own_server).join()
    title = "Soon forgotten"
    person.write(title)
    own_server.restart()
    page = person.get("/")
    assert page.status == 200
    assert not page.forms_to("/auth/logout"), "the account is gone, yet its session still counts"
    assert title not in person.get("/posts/").words
    person.login(person.username, person.password)
    assert not person.is_logged_in(), "a dict in memory should not outlive the process"


@pytest.mark.since("3.account-row")
def test_a_restart_keeps_accounts_and_sessions(server, person):
    """A restart keeps accounts and sessions."""
    server.restart()
    assert person.is_logged_in(), "the session was lost: is SECRET_KEY a new one at each start?"
    person.come_back()


@pytest.mark.since("3.post-row")
def test_a_restart_keeps_posts(server, person):
    """A restart keeps posts."""
    number = person.write("Not forgotten")
    server.restart()
    assert person.get(f"/posts/{number}").heading == "Not forgotten"


@pytest.mark.since("3.login-form")
def test_a_login_needs_a_page_of_ours(server, account):
    """A form on another site, which has no token of ours, cannot log anybody in."""
    with Browser(server) as browser:
        data = {"username": account.username, "password": account.password}
        page = browser.post("/auth/login", data)
        assert not browser.is_logged_in(), f"{page}; a form of any site can log somebody in"


@pytest.mark.since("3.register-form")
def test_a_missing_field_has_a_message(visitor):
    """A registration that lacks a field gets the page again with a message, no bare error."""
    token = visitor.get("/auth/register").soup.find("input", {"name": "csrf_token"}) or {}
    fields = {"username": new_name(), "csrf_token": token.get("value", "")}
    page = visitor.post("/auth/register", fields)
    assert page.forms_to("/auth/register"), f"{page}, and its form is not there again"
    assert page.messages, f"{page}, but no message says what is missing"


@pytest.mark.since("3.register-fields")
def test_a_message_is_beside_its_field(visitor, account):
    """Each field of a refused form has its own message beside it, tied to it."""
    refused = visitor.register("", "short")
    taken = visitor.register(account.username, "correct horse")
    for page, names in ((refused, ("username", "password")), (taken, ("username",))):
        for name in names:
            field = page.soup.find("input", {"name": name})
            tied = str(field.get("aria-describedby")).split()
            texts = [tag.get_text(strip=True) for tag in page.soup(id=tied)]
            assert all(texts) and texts, f"{page} has no message beside “{name}”"
            assert "messages" not in tied, f"{page} has one place for the messages of all fields"


def cookies_with_expiry(browser: Browser) -> list[str]:
    return [cookie.name for cookie in browser.http.cookies if cookie.expires is not None]


def close_browser(browser: Browser) -> None:
    """Forget what a browser forgets when it is closed: the cookies without an expiry."""
    browser.http.cookies.clear_session_cookies()


@pytest.mark.since("3.remember")
def test_remember_me_outlives_the_browser(account):
    """“Remember me” keeps the user logged in after the browser is closed, until they log out."""
    browser = account.come_back(remember=True)
    assert cookies_with_expiry(browser), "with “remember” ticked, no cookie has an expiry date"
    close_browser(browser)
    assert browser.is_logged_in(), "the remember cookie alone does not log in"
    browser.logout()
    assert not browser.is_logged_in(), "logging out left the remember cookie valid"


@pytest.mark.since("3.remember")
def test_without_remember_me_closing_the_browser_logs_out(account):
    """Without “remember me”, which nobody ticks for them, closing the browser logs people out."""
    browser = account.come_back()
    with Browser(account.server) as visitor:
        box = visitor.get("/auth/login").soup.find("input", {"name": "remember"})
    assert box, "the login form has no field “remember”"
    assert not box.has_attr("checked"), "“remember” is ticked from the start"
    assert not cookies_with_expiry(browser), "a cookie was kept that nobody asked for"
    close_browser(browser)
    assert not browser.is_logged_in()


@pytest.mark.since("3.remember")
def test_the_remember_cookie_is_httponly(visitor, account):
    """The “remember me” cookie is HttpOnly."""
    page = visitor.submit(
        "/auth/login",
        follow=False,
        username=account.username,
        password=account.password,
        remember=True,
    )
    cookies = page.response.raw.headers.getlist("Set-Cookie")
    assert len(cookies) >= 2, f"{page} without a cookie of its own for “remember”"
    for cookie in cookies:
        assert "httponly" in cookie.lower(), f"scripts can read the cookie: {cookie}"


@pytest.mark.ours
@pytest.mark.since("3.remember")
def test_the_session_of_a_deleted_account_is_anonymous(server, join):
    """The session of a deleted account is anonymous."""
    person = join()
    remembered = person.come_back(remember=True)
    close_browser(remembered)
    gone = server.project.change("DELETE FROM user WHERE username = :name", name=person.username)
    assert gone == 1
    for browser in (person, remembered):
        page = browser.get("/")
        assert page.status == 200
        assert not page.forms_to("/auth/logout"), "an account that is gone is still logged in"
        page = browser.get("/posts/new")
        assert page.path.startswith("/auth/login"), f"{page}; a visitor is sent to the login"
    assert person.login(person.username, person.password).messages
    assert not person.is_logged_in()


# Deleting one's account


@pytest.mark.since("4.delete-account")
def test_deleting_my_account_deletes_all_that_is_mine(join, visitor):
    """Deleting my account logs out, deletes my posts, and leaves those of others."""
    ada, ben = join(), join()
    mine, theirs = ada.write(), ben.write()
    assert "/auth/delete" in ada.get("/auth/account").links(), "no link leads to /auth/delete"
    page = ada.submit("/auth/delete", password=ada.password)
    assert page.messages, f"{page}, but no message says that it worked"
    assert not ada.is_logged_in(), f"{page}; a deleted account is still logged in"
    assert visitor.get(f"/posts/{mine}").status == 404, "the posts of a deleted account are left"
    assert visitor.get(f"/posts/{theirs}").status == 200, "posts of somebody else are gone"
    visitor.login(ada.username, ada.password)
    assert not visitor.is_logged_in(), "a deleted account can still log in"


@pytest.mark.since("4.delete-account")
def test_only_the_password_deletes_my_account(join):
    """A wrong password deletes nothing, and a message says so."""
    ada = join()
    post = ada.write()
    for password in ("", "not the password"):
        page = ada.submit("/auth/delete", password=password)
        assert page.messages, f"{page}, but no message says why nothing is deleted"
        assert ada.is_logged_in(), f"the password “{password}” deleted the account"
    assert ada.get(f"/posts/{post}").status == 200


@pytest.mark.ours
@pytest.mark.since("4.delete-account")
@pytest.mark.about("app/auth.py", "app/admin.py")
def test_the_last_admin_cannot_delete_the_account(own_server):
    """The last admin cannot delete the account; one of two can."""
    ada, ben = (Person(own_server).join() for _ in range(2))
    own_server.project.flask("make-admin", ada.username)
    page = ada.submit("/auth/delete", password=ada.password)
    assert any("last admin" in message for message in page.messages), f"{page} does not say why"
    assert ada.get("/admin/").status == 200, "the last admin is gone"
    own_server.project.flask("make-admin", ben.username)
    ada.submit("/auth/delete", password=ada.password)
    assert not ada.is_logged_in(), "one of two admins may go"
