"""Log in with WeChat: a stand-in, in its own process, acts as WeChat's servers."""

import json
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable
from collections.abc import Iterator
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy.exc import IntegrityError

from common.stack import free_port
from common.wechat_standin import FAULTS
from tests.support import hostile
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.browser import new_name
from tests.support.project import Project
from tests.support.project import tail
from tests.support.server import Server
from tests.support.wechat import LOGIN
from tests.support.wechat import StandIn
from tests.support.wechat import answer
from tests.support.wechat import log_in
from tests.support.wechat import to_wechat

CALLBACK = "/auth/wechat/callback"

pytestmark = pytest.mark.xdist_group("wechat")


@pytest.fixture
def visit(wechat: Server) -> Iterator[Callable[[], Browser]]:
    """Create browsers of anonymous clients."""
    browsers: list[Browser] = []

    def new_browser() -> Browser:
        browsers.append(Browser(wechat))
        return browsers[-1]

    yield new_browser
    for browser in browsers:
        browser.close()


@pytest.fixture
def browser(visit: Callable[[], Browser]) -> Browser:
    return visit()


@pytest.fixture
def member(wechat: Server) -> Iterator[Person]:
    """A user with a password, logged in."""
    person = Person(wechat).join()
    yield person
    person.close()


def assert_refused(page: Page, browser: Browser) -> None:
    """Check that the page has a message and the client is still anonymous."""
    assert page.status == 200, f"{page}; a message on the login page was expected"
    assert page.soup.select('[role="alert"]'), f"{page} says nothing of what went wrong"
    assert not browser.is_logged_in(), f"{page}, but somebody is logged in"


# What is stored


@pytest.mark.since("6.openid")
def test_an_openid_belongs_to_one_user(server):
    """A user may have an openid, and no two users have the same one."""
    openid = f"o{secrets.token_hex(8)}"
    people = [Person(server).join() for _ in range(2)]
    give = "UPDATE user SET wechat_openid = :openid WHERE username = :name"
    server.project.change(give, openid=openid, name=people[0].username)
    with pytest.raises(IntegrityError):
        server.project.change(give, openid=openid, name=people[1].username)
    assert all(person.get("/posts/").status == 200 for person in people)


# Configured or not


@pytest.mark.since("6.wechat")
@pytest.mark.parametrize("path", [LOGIN, CALLBACK])
def test_the_routes_exist_only_with_an_app_id(visitor, browser, path):
    """The login with WeChat exists only with a WECHAT_APP_ID."""
    assert browser.get(path, follow=False).status == 302, "configured, and it does not redirect"
    assert visitor.get(path).status == 404, "not configured, but it is there"


@pytest.mark.since("6.wechat")
@pytest.mark.parametrize("path", ["/auth/login", "/auth/register"])
def test_the_button_exists_only_with_an_app_id(visitor, browser, path):
    """The button for WeChat is shown only with a WECHAT_APP_ID, and keeps ?next=."""
    links = browser.get(f"{path}?next=/posts/new").links()
    assert any(link.startswith(LOGIN) and "posts" in link for link in links), (
        f"{path} has no link to {LOGIN} that remembers ?next="
    )
    assert LOGIN not in visitor.get(path).text, f"{path} offers what is not there"


@pytest.mark.since("6.person")
@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"WECHAT_APP_ID": "wx1"}, "WECHAT_APP_SECRET"),
        ({"WECHAT_APP_ID": "wx1", "WECHAT_APP_SECRET": "x", "WECHAT_URL": "e.x"}, "WECHAT_URL"),
    ],
    ids=["no secret", "no address"],
)
def test_an_incomplete_configuration_is_one_clear_line(server, variables, name):
    """Half a configuration gets one clear line."""
    result = server.project.try_flask("routes", **variables)
    assert result.code != 0, f"it starts without a good {name}"
    assert name in result.output, f"it does not say what is wrong: {result}"
    assert "Traceback" not in result.output, f"one clear line would do: {result}"


# Runs in the step's folder: where does the redirect lead, and what if no server answers?
WITHOUT_A_SERVER = """
import json
from urllib.parse import parse_qs, urlsplit
from app import create_app

client = create_app().test_client()
begin = client.get("/auth/wechat/login")
state = parse_qs(urlsplit(begin.location).query)["state"][0]
end = client.get(f"/auth/wechat/callback?code=1&state={state}")
print(json.dumps([begin.status_code, begin.location, end.status_code, end.location]))
"""


def without_a_server(project: Project, **variables: str) -> tuple[str, list]:
    secret = secrets.token_hex(16)
    variables |= {"WECHAT_APP_ID": "wx1234", "WECHAT_APP_SECRET": secret}
    result = project.python("-c", WITHOUT_A_SERVER, **variables)
    assert result.code == 0, str(result)
    assert secret not in result.output, f"the secret is in the log: {result}"
    assert "Traceback" not in result.output, str(result)
    return result.output, json.loads(result.output.splitlines()[-1])


@pytest.mark.since("6.wechat")
def test_the_redirect_to_wechat_has_the_documented_form(server):
    """The redirect to WeChat has the documented parameters, in the documented order."""
    # The callback uses a proxy that does not exist, so no request leaves this machine.
    nowhere = f"http://127.0.0.1:{free_port()}"
    _, (status, location, *_) = without_a_server(
        server.project, HTTPS_PROXY=nowhere, https_proxy=nowhere
    )
    assert status == 302
    assert location.startswith("https://open.weixin.qq.com/connect/qrconnect?appid=wx1234&")
    assert location.endswith("#wechat_redirect"), location
    parts = parse_qsl(urlsplit(location).query)
    order = ["appid", "redirect_uri", "response_type", "scope", "state"]
    assert [name for name, _ in parts] == order, "WeChat takes the parameters in this order only"
    values = dict(parts)
    assert values["redirect_uri"] == "http://localhost/auth/wechat/callback"
    assert "redirect_uri=http%3A%2F%2Flocalhost%2F" in location, "redirect_uri has to be encoded"
    assert (values["response_type"], values["scope"]) == ("code", "snsapi_login")
    assert re.fullmatch(r"[A-Za-z0-9]{16,128}", values["state"]), values["state"]


@pytest.mark.since("6.wechat")
def test_an_unreachable_wechat_is_a_message(server):
    """If WeChat cannot be reached, the login page shows a message."""
    nobody = f"http://127.0.0.1:{free_port()}/"
    output, (_, location, *end) = without_a_server(server.project, WECHAT_URL=nobody)
    assert location.startswith(f"{nobody}connect/qrconnect?"), f"WECHAT_URL is {nobody}: {location}"
    assert end[0] == 302, f"the callback answered {end}:\n{tail(output)}"
    assert end[1].startswith("/auth/login"), f"the callback answered {end}:\n{tail(output)}"


# Log in, and link


@pytest.mark.since("6.first-login")
def test_the_first_login_creates_an_account_and_later_ones_find_it(visit):
    """The first login makes an account, and the next ones find it."""
    account, nickname = new_name(), new_name("Lin")
    browser = visit()
    page = log_in(browser, account, nickname, path=f"{LOGIN}?next=/posts/new")
    assert page.path == "/posts/new", f"{page}; the login should lead to the page that was wanted"
    assert page.messages, f"{page}, but no message says that it worked"
    assert browser.is_logged_in()
    assert nickname in browser.get("/").words, "the name should be the nickname"
    browser.submit("/posts/new", title=f"By {account}", body="text")
    again = visit()
    page = log_in(again, account, "Another nickname by now")
    assert urlsplit(page.url).path == "/"
    assert nickname in page.words, f"{page}; the same person in WeChat is the same person here"
    assert "Another nickname" not in page.words


@pytest.mark.since("6.wechat")
def test_the_state_is_new_each_time(browser):
    """Each login has a new state."""
    states = {dict(parse_qsl(urlsplit(to_wechat(browser).url).query))["state"] for _ in range(3)}
    assert len(states) == 3


# Nicknames, and the usernames that they become.
NICKNAMES = {
    "chinese": ("李雷{n}", "李雷{n}"),
    "emoji": ("📚🎉{n}", "📚🎉{n}"),
    "joined emoji": ("👩🏽‍💻{n}", "👩🏽💻{n}"),
    "gaps": (" Han \u3000 Meimei\n{n} ", "Han Meimei {n}"),
    "fullwidth": ("Ｈａｎ{n}", "Han{n}"),
    "hidden characters": ("\u202eHan\u200b\x00{n}\ufeff", "Han{n}"),
    "markup": ("<b>{n}</b>", "<b>{n}</b>"),
}


@pytest.mark.since("6.first-login")
@pytest.mark.parametrize(("nickname", "name"), NICKNAMES.values(), ids=NICKNAMES.keys())
def test_the_username_is_the_nickname(browser, nickname, name):
    """The username of a new account is the nickname."""
    n = secrets.token_hex(4)
    page = log_in(browser, new_name(), nickname.replace("{n}", n))
    assert page.status == 200
    assert name.replace("{n}", n) in browser.get("/").words


SPELLINGS = {
    "empty": "",
    "spaces": " \u3000 ",
    "hidden": "\u200b\u200d\ufeff\x01",
    "long": "x" * 200,
    "long and chinese": "学习" * 50,
    "many accents": "a" + "\u0301" * 60,
    "one long joined emoji": "👩\u200d" * 30 + "👩",
    "families": "👨\u200d👩\u200d👧\u200d👦" * 9,
    "ligature of 18 letters": "\ufdfa" * 20,
    "no letter": "\U0010ffff",
}


@pytest.mark.since("6.first-login")
@pytest.mark.ours
@pytest.mark.parametrize("nickname", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_any_nickname_gives_a_valid_unique_username(visit, nickname):
    """Any nickname gives a username that is valid and unique."""
    names = []
    for browser in (visit(), visit()):
        page = log_in(browser, new_name(), nickname)
        assert page.status == 200
        assert browser.is_logged_in(), f"{page} for the nickname {nickname!r}"
        names.append(browser.get("/").soup.select_one("nav summary").get_text(strip=True))
    assert names[0] != names[1]
    for name in names:
        assert 1 <= len(name) <= 30, f"the nickname {nickname!r} became {name!r}"
        assert not unicodedata.category(name[0]).startswith("M"), f"a part of a character: {name!r}"
        assert name[-1] != "\u200d", f"{name!r} ends in the middle of a character"


@pytest.mark.since("6.first-login")
def test_half_an_emoji_in_a_nickname_is_dropped(browser):
    """Half an emoji in a nickname does no harm."""
    name = new_name("Half")
    page = log_in(browser, new_name(), name, fault="person-half-emoji")
    assert page.status == 200
    assert name in browser.get("/").words


@pytest.mark.since("6.first-login")
@pytest.mark.ours
def test_a_taken_username_gets_a_number(visit, member):
    """A nickname that is taken as a username gets a number."""
    taken = member.username
    for nickname, name in ((taken, f"{taken} 2"), (taken.upper(), f"{taken.upper()} 3")):
        browser = visit()
        log_in(browser, new_name(), nickname)
        assert name in browser.get("/").words
    assert member.come_back(visit()).is_logged_in(), "the password of who had the name is lost"


@pytest.mark.since("6.first-login")
def test_the_new_account_has_an_unknown_password(visit, browser):
    """An account made by WeChat has no password that can be guessed."""
    name = new_name("Nopass")
    log_in(browser, new_name(), name)
    assert browser.is_logged_in()
    for password in ("", "None", name):
        other = visit()
        other.login(name, password)
        assert not other.is_logged_in(), f"the password “{password}” lets anybody in"


@pytest.mark.since("6.link")
def test_the_current_user_can_link_wechat(visit, member):
    """The current user can link WeChat to their account, and then log in by both."""
    account = new_name()
    assert any(link.startswith(LOGIN) for link in member.get("/").links()), "no page offers to link"
    page = log_in(member, account, "Nickname")
    assert page.status == 200
    assert page.messages, f"{page}, but no message says that it worked"
    assert not any(link.startswith(LOGIN) for link in member.get("/").links())
    other = visit()
    log_in(other, account, "Nickname")
    assert member.username in other.get("/").words, "WeChat should lead to the account now"
    assert member.come_back(visit()).is_logged_in(), "the password should work as before"


@pytest.mark.since("6.link")
def test_a_wechat_account_of_another_user_cannot_be_linked(visit, member):
    """A WeChat account that is linked to another user cannot be linked."""
    account, nickname = new_name(), new_name("Lin")
    log_in(visit(), account, nickname)
    page = log_in(member, account, nickname)
    assert page.soup.select('[role="alert"]'), f"{page} says nothing of what went wrong"
    assert member.username in member.get("/").words, "it should stay logged in as before"
    owner = visit()
    log_in(owner, account, nickname)
    assert nickname in owner.get("/").words, "the account in WeChat has changed hands"


@pytest.mark.since("6.link")
@pytest.mark.ours
def test_linking_another_wechat_account_replaces_the_first(visit, member):
    """Linking another WeChat account replaces the first."""
    old, new = new_name(), new_name()
    log_in(member, old)
    log_in(member, new)
    for account, expected in ((new, True), (old, False)):
        other = visit()
        log_in(other, account, new_name("Old"))
        assert (member.username in other.get("/").words) is expected


# state


@pytest.mark.since("6.wechat")
@pytest.mark.parametrize(
    "state", ["", "0" * 32, "é" * 32, "\x00", "x" * 5000], ids=["none", "wrong", "é", "NUL", "long"]
)
def test_a_wrong_state_is_refused(browser, state):
    """A wrong state does not log in, and ends the try."""
    path = answer(browser, to_wechat(browser), new_name())
    code = dict(parse_qsl(urlsplit(path).query))["code"]
    assert_refused(browser.get(CALLBACK, params={"code": code, "state": state}), browser)
    assert_refused(browser.get(path), browser)  # a state is valid once, also after a failure


@pytest.mark.since("6.wechat")
def test_a_callback_of_another_browser_logs_nobody_in(visit):
    """Or victims would use the attacker's account, and write their posts there."""
    sender = visit()
    path = answer(sender, to_wechat(sender), new_name())
    for link in (path, path.partition("&state=")[0], re.sub("state=.*", "state=", path)):
        victim = visit()
        assert_refused(victim.get(link), victim)
        to_wechat(victim)
        assert_refused(victim.get(link), victim)


@pytest.mark.since("6.wechat")
def test_a_callback_of_another_browser_links_nothing(visit, member):
    """Or the attacker could log in to the victim's account."""
    sender, account = visit(), new_name()
    member.get(answer(sender, to_wechat(sender), account))
    log_in(sender, account, "Sender")
    assert member.username not in sender.get("/").words


@pytest.mark.since("6.first-login")
def test_a_callback_is_valid_once(visit, browser):
    """A callback works once."""
    path = answer(browser, to_wechat(browser), new_name())
    browser.get(path)
    assert browser.is_logged_in()
    page = browser.get(path)
    assert page.soup.select('[role="alert"]'), f"{page} says nothing of what went wrong"
    browser.logout()
    assert_refused(browser.get(path), browser)


@pytest.mark.since("6.first-login")
def test_an_old_cookie_does_not_make_a_code_valid_again(browser):
    """An old session cookie does not make a callback work again."""
    path = answer(browser, to_wechat(browser), new_name())
    cookies = browser.http.cookies.copy()
    browser.get(path)
    assert browser.is_logged_in()
    browser.http.cookies = cookies
    assert_refused(browser.get(path), browser)


@pytest.mark.since("6.wechat")
@pytest.mark.ours
def test_the_user_must_not_change_during_the_login(visit, member):
    """One user starts the login and leaves; another logs in with a password in that browser."""
    account = new_name()
    browser = visit()
    page = to_wechat(browser)
    member.come_back(browser)
    browser.get(answer(browser, page, account))
    other = visit()
    log_in(other, account, "Other")
    assert member.username not in other.get("/").words


@pytest.mark.since("6.first-login")
@pytest.mark.parametrize("target", ["//e.x", "/\t/e.x", "https:e.x", "\\e.x", "http://e.x/"])
def test_next_stays_on_this_site(wechat, browser, target):
    """After a login with WeChat, ?next= never leads to another site."""
    begin = browser.get(LOGIN, params={"next": target})
    page = browser.get(answer(browser, begin, new_name()), follow=False)
    here = urlsplit(wechat.url).netloc
    host = hostile.host_in_browser(page.headers["Location"], here)
    assert host == here, f"?next={target!r} leads to {page.headers['Location']!r}"
    assert browser.is_logged_in(), "a bad ?next= should not stop the login"


# Refusal and faults


@pytest.mark.since("6.wechat")
def test_a_refusal_in_wechat_logs_nobody_in(browser):
    """Refusing on WeChat's page does not log in, and keeps ?next=."""
    page = log_in(browser, new_name(), answer="refuse", path=f"{LOGIN}?next=/posts/new")
    assert_refused(page, browser)
    assert any("posts" in link for link in page.links() if link.startswith(LOGIN)), (
        f"{page}; who tries again should still come to the page that was wanted"
    )


@pytest.mark.since("6.first-login")
def test_wrong_and_used_codes_are_refused(visit, browser):
    """A code that is wrong or used does not log in."""
    path = answer(browser, to_wechat(browser), new_name())
    browser.get(path)
    assert browser.is_logged_in()
    used = dict(parse_qsl(urlsplit(path).query))["code"]
    for code in (used, "0" * 32, "", "é\x00", "x" * 2000):
        other = visit()
        state = dict(parse_qsl(urlsplit(to_wechat(other).url).query))["state"]
        assert_refused(other.get(CALLBACK, params={"code": code, "state": state}), other)


SLOW = pytest.param("code-timeout", marks=pytest.mark.slow)
QUICK = [fault for fault in FAULTS if not fault.endswith(("timeout", "half-emoji"))]


@pytest.mark.slow
@pytest.mark.since("6.wechat")
@pytest.mark.parametrize("fault", [*QUICK, SLOW])
def test_a_fault_of_wechat_is_a_message(wechat, browser, fault):
    """An error or a delay of WeChat's servers is a message on the login page."""
    wechat.web_log.unread()
    began = time.monotonic()
    page = log_in(browser, new_name(), fault=fault)
    waited = time.monotonic() - began
    assert_refused(page, browser)
    assert waited < 12, f"the page came after {waited:.0f} s; give requests.get a timeout"
    log = wechat.web_log.unread()
    assert "Traceback" not in log, tail(log)
    assert wechat.web.running


@pytest.mark.since("6.wechat")
def test_a_fault_while_linking_changes_nothing(member):
    """An error of WeChat's servers while linking changes nothing."""
    page = log_in(member, new_name(), fault="code-500")
    assert page.status == 200
    assert page.soup.select('[role="alert"]'), f"{page} says nothing of what went wrong"
    assert member.username in member.get("/").words


# At the same moment


def at_once(browsers: list[Browser], paths: list[str]) -> list[Page]:
    """Open one path in each browser, all at the same moment."""
    pages: list[Page] = []
    ready = threading.Barrier(len(browsers))

    def open_page(browser: Browser, path: str) -> None:
        ready.wait()
        pages.append(browser.get(path))

    threads = [
        threading.Thread(target=open_page, args=pair) for pair in zip(browsers, paths, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return pages


@pytest.mark.since("6.first-login")
def test_simultaneous_first_logins_create_one_account(visit):
    """Simultaneous first logins with one WeChat account make one user."""
    account, nickname = new_name(), new_name("Twin")
    browsers = [visit() for _ in range(4)]
    pages = at_once(browsers, [answer(b, to_wechat(b), account, nickname) for b in browsers])
    assert all(page.status == 200 for page in pages), pages
    browsers[0].submit("/posts/new", title=account, body="text")
    link = next(a["href"] for a in browsers[0].get("/posts/").soup("a") if a.text == account)
    for browser in browsers:
        page = browser.get(f"{link}/edit")
        assert page.status == 200, f"{page}; one person in WeChat has several accounts here"


@pytest.mark.since("6.first-login")
def test_simultaneous_logins_with_one_nickname_all_succeed(visit):
    """Simultaneous first logins with one nickname all succeed."""
    nickname = new_name("Same")
    browsers = [visit() for _ in range(4)]
    pages = at_once(browsers, [answer(b, to_wechat(b), new_name(), nickname) for b in browsers])
    assert all(page.status == 200 for page in pages), pages
    assert all(browser.is_logged_in() for browser in browsers), "not everybody is logged in"


@pytest.mark.since("6.first-login")
@pytest.mark.ours
def test_the_user_row_has_the_openid_and_a_hash(server, browser):
    """The account stores the openid, and a password hash."""
    name = new_name("Row")
    log_in(browser, new_name(), name)
    row = server.project.rows("SELECT * FROM user WHERE username = :value", value=name)[0]
    assert re.fullmatch(r"o[\w-]{27}", row["wechat_openid"])
    assert row["password_hash"].startswith("scrypt:")


# The stand-in itself


def ask(standin: StandIn, path: str, **query: str) -> dict:
    """Ask as an app's server does."""
    response = requests.get(standin.url + path, params=query, timeout=30)
    assert response.status_code == 200, "WeChat's errors have status 200 as well"
    assert response.headers["Content-Type"] == "text/plain"
    return json.loads(response.content)


def code_of(standin: StandIn, **form: str) -> str:
    query = {
        "appid": standin.variables["WECHAT_APP_ID"],
        "redirect_uri": "http://127.0.0.1:1/back?x=1",
        "response_type": "code",
        "scope": "snsapi_login",
        "state": "abc",
    }
    form = {"account": "ada", "nickname": "Ada 学习", "answer": "approve"} | form
    url = f"{standin.url}/connect/qrconnect"
    back = requests.post(url, params=query, data=form, allow_redirects=False, timeout=30)
    assert back.headers["Location"].startswith("http://127.0.0.1:1/back?x=1&")
    values = dict(parse_qsl(urlsplit(back.headers["Location"]).query))
    assert values["state"] == "abc"
    return values.get("code", "")


def exchange(standin: StandIn, code: str, changes: dict[str, str] | None = None) -> dict:
    query = {
        "appid": standin.variables["WECHAT_APP_ID"],
        "secret": standin.variables["WECHAT_APP_SECRET"],
        "code": code,
        "grant_type": "authorization_code",
    }
    return ask(standin, "/sns/oauth2/access_token", **query | (changes or {}))


def test_the_standin_accepts_a_code_once(standin):
    """The stand-in takes each code once."""
    code = code_of(standin)
    token = exchange(standin, code)
    assert token.keys() >= {"access_token", "expires_in", "refresh_token", "openid", "scope"}
    assert exchange(standin, code)["errcode"] == 40163
    query = {"access_token": token["access_token"], "openid": token["openid"]}
    person = ask(standin, "/sns/userinfo", **query)
    assert (person["nickname"], person["openid"]) == ("Ada 学习", token["openid"])
    assert person["unionid"] == token["unionid"]
    again = exchange(standin, code_of(standin, nickname="Ada"))
    other = exchange(standin, code_of(standin, account="ben"))
    assert again["openid"] == token["openid"] != other["openid"]


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"appid": "wx0"}, 40013),
        ({"appid": ""}, 41002),
        ({"secret": "wrong"}, 40125),
        ({"code": "wrong"}, 40029),
        ({"code": ""}, 41008),
        ({"grant_type": "password"}, 40002),
    ],
    ids=lambda value: str(value),
)
def test_the_standin_says_what_is_wrong(standin, changes, errcode):
    """The stand-in answers errors with WeChat's numbers."""
    assert exchange(standin, code_of(standin), changes)["errcode"] == errcode


def test_the_standin_gives_no_code_after_a_refusal(standin):
    """The stand-in gives no code after a refusal, and no user without a token."""
    assert code_of(standin, answer="refuse") == ""
    assert exchange(standin, code_of(standin, fault="expired"))["errcode"] == 40029
    assert ask(standin, "/sns/userinfo", access_token="x", openid="y")["errcode"] == 40001


@pytest.mark.parametrize(
    "query",
    [
        "redirect_uri=http://localhost/&appid={id}&response_type=code&scope=snsapi_login&state=1",
        "appid={id}&redirect_uri=http://e.x/&response_type=code&scope=snsapi_login&state=1",
        "appid=x&redirect_uri=http://localhost/&response_type=code&scope=snsapi_login&state=1",
        "appid={id}&redirect_uri=http://localhost/&response_type=code&scope=snsapi_base&state=1",
        "appid={id}&redirect_uri=http://localhost/&response_type=code&scope=snsapi_login&state=a-b",
        "appid={id}&redirect_uri=http://localhost/&response_type=code&scope=snsapi_login",
        "appid={id}&redirect_uri=javascript:1&response_type=code&scope=snsapi_login&state=1",
        "appid={id}&redirect_uri=http://[&response_type=code&scope=snsapi_login&state=1",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_standin_refuses_a_url_that_wechat_refuses(standin, method, query):
    """The stand-in refuses an address that WeChat would not open."""
    url = f"{standin.url}/connect/qrconnect?{query}"
    url = url.replace("{id}", standin.variables["WECHAT_APP_ID"])
    response = requests.request(method, url, data={"answer": "approve"}, timeout=30)
    assert response.status_code == 400
    assert "cannot be opened" in response.text
