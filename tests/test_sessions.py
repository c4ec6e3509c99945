"""Sessions: how they end, in all browsers, and what they leave behind."""

import re
import stat
import sys

import pytest

from tests.support.browser import Browser
from tests.support.browser import Person

pytestmark = pytest.mark.since("3.change-password")

NEW_PASSWORD = "another long password"


def change_password(person: Browser, old: str, new: str):
    return person.submit("/auth/account", password=old, new_password=new)


def test_a_new_password_logs_in_and_the_old_one_does_not(server, join):
    """After a change of the password only the new one logs in."""
    ada = join()
    page = change_password(ada, ada.password, NEW_PASSWORD)
    assert page.messages, f"{page}, but no message says that it worked"
    assert ada.is_logged_in(), f"{page}; the browser that changed the password was logged out"
    with Browser(server) as other:
        other.login(ada.username, ada.password)
        assert not other.is_logged_in(), "the old password still logs in"
        other.login(ada.username, NEW_PASSWORD)
        assert other.is_logged_in(), "the new password does not log in"


def sessions_of(server, person: Person) -> dict[str, Browser]:
    """Return three more browsers in which somebody is logged in."""
    copied, remembered, forgetful = (Browser(server) for _ in range(3))
    copied.http.cookies.update(person.http.cookies)
    person.come_back(remembered, remember=True)
    person.come_back(forgetful, remember=True)
    forgetful.http.cookies.clear_session_cookies()
    return {
        "a copied session": copied,
        "a remembered session": remembered,
        "a remember cookie alone": forgetful,
    }


def assert_all_ended(sessions: dict[str, Browser], how: str) -> None:
    for name, browser in sessions.items():
        assert not browser.is_logged_in(), f"{how} left {name} valid"
        page = browser.get("/posts/new")
        assert page.path.startswith("/auth/login"), f"{page} for {name}"
        browser.close()


def test_a_new_password_ends_all_other_sessions(server, join):
    """A new password ends every other session, remembered ones too."""
    ada = join()
    sessions = sessions_of(server, ada)
    change_password(ada, ada.password, NEW_PASSWORD)
    assert_all_ended(sessions, "a new password")


@pytest.mark.since("3.logout-everywhere")
def test_log_out_everywhere_ends_all_sessions(server, join):
    """“Log out everywhere” ends every session, remembered ones and the present one too."""
    ada = join()
    sessions = sessions_of(server, ada)
    page = ada.submit("/auth/account", to="/auth/logout-everywhere")
    assert page.messages, f"{page}, but no message says that it worked"
    assert not ada.is_logged_in()
    assert_all_ended(sessions, "“Log out everywhere”")


def test_a_remembered_browser_stays_so_after_a_new_password(join):
    """The browser in which the password is changed stays logged in, and stays remembered."""
    ada = join()
    ada.logout()
    ada.login(ada.username, ada.password, remember=True)
    change_password(ada, ada.password, NEW_PASSWORD)
    ada.http.cookies.clear_session_cookies()
    assert ada.is_logged_in(), "a new password logged this browser out"


@pytest.mark.parametrize(
    ("old", "new"), [("not it", NEW_PASSWORD), (None, "short"), (None, ""), ("", NEW_PASSWORD)]
)
def test_a_password_is_not_changed_by_mistake(server, join, old, new):
    """Without the present password, or with a bad new one, the password stays as it is."""
    ada = join()
    page = change_password(ada, ada.password if old is None else old, new)
    assert page.messages, f"{page}, and no message says why"
    with Browser(server) as other:
        ada.come_back(other)


def test_the_account_is_for_its_owner(visitor):
    """Anonymous clients are sent to the login, and change nothing."""
    assert_for_its_owner(visitor, "/auth/account")


@pytest.mark.since("3.logout-everywhere")
def test_log_out_everywhere_is_for_its_owner(visitor):
    """Anonymous clients who log out everywhere are sent to the login."""
    assert_for_its_owner(visitor, "/auth/logout-everywhere")


def assert_for_its_owner(visitor: Browser, path: str) -> None:
    token = visitor.get("/auth/login").csrf_token
    page = visitor.post(path, {"csrf_token": token, "password": "a", "new_password": NEW_PASSWORD})
    assert page.path.startswith("/auth/login"), f"{page}"


@pytest.mark.since("3.logout-everywhere")
def test_log_out_everywhere_takes_a_post(person):
    """A link or an image on another site cannot log anybody out."""
    page = person.get("/auth/logout-everywhere", follow=False)
    assert page.status == 405, f"{page}"
    assert person.is_logged_in()


@pytest.mark.since("2.logout")
def test_a_page_of_a_session_is_not_kept(person, visitor):
    """After a logout, the Back button shows no page of the session."""
    for path in ("/", "/posts/new", "/posts/"):
        page = person.get(path)
        kept = page.headers.get("Cache-Control", "")
        assert "no-store" in kept, f"{page} may be shown again after a logout: {kept!r}"
    for style in visitor.get("/").soup("link", rel="stylesheet"):
        assert "no-store" not in person.get(style["href"]).headers.get("Cache-Control", "")


@pytest.mark.ours
@pytest.mark.since("2.cookie")
def test_each_step_has_cookies_of_its_own_name(person, step):
    """The cookies have the name of the project: two steps on one host keep two logins."""
    names = [cookie.name for cookie in person.http.cookies]
    assert names, "no cookie after a login"
    project = re.sub(r"\W", "_", step.folder)
    assert all(name.startswith(project) for name in names), f"{names} in {step.folder}"


# Says which key the app has.
SAY_KEY = """
from flask.cli import ScriptInfo

print(ScriptInfo().load_app().config["SECRET_KEY"])
"""


@pytest.mark.ours
@pytest.mark.since("2.config")
def test_the_secret_key_comes_from_the_environment(project):
    """The variable SECRET_KEY is the app's key, so that a server can have one of its own."""
    result = project.python("-c", SAY_KEY, SECRET_KEY="k" * 64)
    assert result.output.splitlines()[-1] == "k" * 64, str(result)


@pytest.mark.ours
@pytest.mark.since("2.key")
def test_the_secret_key_is_the_same_after_a_restart(project):
    """Without the variable, the app makes a key of its own once, and keeps it."""
    first, second = (project.python("-c", SAY_KEY).output.splitlines()[-1] for _ in range(2))
    assert len(first) >= 32, "no key, or a short one"
    assert first == second, "a new key at each start logs out everybody at each start"


@pytest.mark.ours
@pytest.mark.since("2.key")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_the_files_of_the_app_are_private(own_server):
    """Other users of the machine can read neither the secret key nor the database."""
    for path in (own_server.project.folder / "instance").iterdir():
        mode = stat.S_IMODE(path.stat().st_mode)
        assert not mode & 0o077, f"{path.name} is readable for everybody: {mode:o}"


@pytest.mark.ours
@pytest.mark.since("2.key")
@pytest.mark.parametrize("left", ["", "0123"])
def test_half_a_secret_key_is_made_anew(project, left):
    """A key that a full disk cut short does not make every page an error."""
    instance = project.folder / "instance"
    instance.mkdir()
    (instance / "secret_key").write_text(left)
    project.flask("routes")
    assert len((instance / "secret_key").read_text()) >= 32
    assert [path.name for path in instance.glob("secret_key*")] == ["secret_key"]


# Eight first starts, each of which says which key it has.
STARTS = """
import subprocess, sys
line = "import config; print(config.kept_secret_key())"
starts = [subprocess.Popen([sys.executable, "-c", line], stdout=-1, text=True) for _ in range(8)]
print(*sorted({start.communicate()[0].strip() for start in starts}))
"""


@pytest.mark.slow
@pytest.mark.ours
@pytest.mark.since("2.key")
@pytest.mark.one_step
def test_first_starts_at_once_agree_on_one_secret_key(project):
    """Two first starts at the same moment have one key."""
    result = project.python("-c", STARTS)
    assert result.code == 0, str(result)
    keys = result.output.split()
    assert len(keys) == 1, f"{len(keys)} keys for one app: {keys}"
    assert len(keys[0]) == 64
