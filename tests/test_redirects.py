"""A login goes on to where the person wanted to go, and never to another site."""

from urllib.parse import quote
from urllib.parse import urlsplit

import pytest

from tests.support import hostile

pytestmark = [
    pytest.mark.since("2.login"),
    pytest.mark.about("app/auth.py", "app/redirects.py"),
    pytest.mark.not_on_mysql("where a login leads"),
]


def login_location(browser, account, path: str) -> str:
    """Log in at ``path`` and return where the answer sends the browser, and only that."""
    page = browser.login(account.username, account.password, path=path, follow=False)
    assert page.status in (302, 303), f"{page}; a login that worked is answered by a redirect"
    assert "stolen" not in page.headers.get("Set-Cookie", ""), f"{path} sets a cookie"
    return page.headers["Location"]


def assert_stays(location: str, server, because: str) -> None:
    here = urlsplit(server.url).netloc
    host = hostile.host_in_browser(location, here)
    assert host == here, f"{because} sends people to {host}: Location: {location!r}"


@pytest.mark.parametrize("target", hostile.ELSEWHERE)
def test_a_login_never_leads_to_another_site(server, visitor, account, target):
    """After a login, ?next= never leads to another site."""
    target = target.replace("{here}", urlsplit(server.url).netloc)
    location = login_location(visitor, account, f"/auth/login?next={quote(target, safe='')}")
    assert_stays(location, server, f"?next={target!r}")
    assert visitor.is_logged_in(), "a hostile ?next= should not stop the login"


@pytest.mark.since("2.back")
@pytest.mark.parametrize("target", hostile.HERE)
def test_a_login_goes_on_to_pages_of_this_site(visitor, account, target):
    """After a login, ?next= leads to any page of this site."""
    location = login_location(visitor, account, f"/auth/login?next={quote(target, safe='')}")
    parts = urlsplit(location)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    assert path == target, f"?next={target} should be followed; it led to {location}"


@pytest.mark.parametrize("target", ["", "/auth/login"])
def test_an_empty_next_is_ignored(server, visitor, account, target):
    """An empty ?next=, or one to the login page, is ignored."""
    location = login_location(visitor, account, f"/auth/login?next={quote(target, safe='')}")
    assert_stays(location, server, f"?next={target!r}")


def test_a_repeated_next_never_leads_to_another_site(server, visitor, account):
    """A repeated ?next= never leads to another site."""
    for query in ("next=/posts/&next=//e.x", "next=//e.x&next=/posts/"):
        location = login_location(visitor, account, f"/auth/login?{query}")
        assert_stays(location, server, f"?{query}")
        visitor.logout()


@pytest.mark.since("2.register")
def test_registering_never_leads_to_another_site(server, visitor):
    """After a registration, ?next= never leads to another site."""
    page = visitor.submit(
        "/auth/register?next=//e.x/",
        follow=False,
        username=f"eve{server.port}",
        password="a long password",
    )
    assert_stays(page.headers.get("Location", "/"), server, "?next=//e.x/ of /auth/register")


@pytest.mark.parametrize("referrer", ["http://{here}.e.x/", "http://{here}//e.x"])
def test_the_referer_never_leads_to_another_site(server, visitor, account, referrer):
    """The Referer header never leads to another site."""
    referrer = referrer.replace("{here}", urlsplit(server.url).netloc)
    visitor.http.headers["Referer"] = referrer
    assert_stays(login_location(visitor, account, "/auth/login"), server, f"Referer: {referrer}")
    page = visitor.submit("/", to="/auth/logout", follow=False)
    assert_stays(page.headers.get("Location", "/"), server, f"Referer: {referrer}, at logout,")
