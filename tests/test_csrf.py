"""Every request that changes something carries the token of a page of ours."""

import pytest

from common.steps import State
from tests.support.browser import Browser
from tests.support.browser import Person

pytestmark = [
    pytest.mark.since("3.csrf"),
    pytest.mark.not_on_mysql("what the app refuses before it asks the database"),
]

# What has to be there, and then what changes it. `{post}` is a post of the person's own.
UNSAFE = (
    ("accounts", "POST", "/auth/register"),
    ("accounts", "POST", "/auth/login"),
    ("posts", "POST", "/posts/new"),
    ("edit", "POST", "/posts/{post}/edit"),
    ("delete", "POST", "/posts/{post}/delete"),
    ("api", "POST", "/api/exports"),
    ("cancel", "DELETE", "/api/exports/00000000-0000-4000-8000-000000000000"),
    ("change-password", "POST", "/auth/account"),
    ("logout-everywhere", "POST", "/auth/logout-everywhere"),
    ("delete-account", "POST", "/auth/delete"),
    ("forgot", "POST", "/auth/forgot"),
    ("exports", "POST", "/exports/"),
    ("cancel", "POST", "/exports/00000000-0000-4000-8000-000000000000/cancel"),
    ("remove-export", "POST", "/exports/00000000-0000-4000-8000-000000000000/remove"),
    ("accounts", "POST", "/auth/logout"),
)
FIELDS = {"title": "Changed", "body": "Changed", "username": "mallory", "password": "m" * 12}


def test_a_request_without_a_token_changes_nothing(step: State, person: Person):
    """A request without a CSRF token changes nothing: 400."""
    post = person.write("Unchanged")
    for feature, method, path in UNSAFE:
        if not step.has(feature):
            continue
        path = path.replace("{post}", str(post))
        page = person.request(method, path, data=FIELDS, follow=False)
        assert page.status == 400, f"{page}; without a CSRF token it should be 400"
    assert person.get(f"/posts/{post}").heading == "Unchanged"
    assert person.get("/posts/").post_ids()[0] == post, "a post was written without a token"
    assert person.is_logged_in(), "a request without a token logged out"


@pytest.mark.parametrize("token", ["", "x", "null", "IjAwMDAi.aaaa.bbbb", "é", "\x00", "9" * 5000])
def test_a_forged_token_is_refused(person, token):
    """A forged CSRF token is refused: 400."""
    data = {"title": "Forged", "body": "text", "csrf_token": token}
    page = person.post("/posts/new", data, follow=False)
    assert page.status == 400, f"{page}; with a false CSRF token it should be 400"


def test_another_users_token_is_refused(join):
    """Another user's CSRF token is refused: 400."""
    ada, ben = join(), join()
    token = ben.get("/posts/new").csrf_token
    data = {"title": "Forged", "body": "text", "csrf_token": token}
    assert ada.post("/posts/new", data, follow=False).status == 400


def test_every_page_with_a_form_has_the_token_for_scripts(person, visitor):
    """A page with something to post has the CSRF token in a meta element, for scripts."""
    post = person.write()
    pages = [visitor.get(path) for path in ("/auth/login", "/auth/register")]
    paths = ("/", "/about", "/hello/Ada", "/posts/", f"/posts/{post}", "/posts/new")
    for page in (*pages, *map(person.get, paths)):
        assert page.csrf_token, f'{page} has no <meta name="csrf-token">'


def test_a_visitors_page_without_a_form_sets_no_cookie(server, person):
    """A visitor who only reads gets neither token nor cookie, so their pages cost no session."""
    assert person.get("/").csrf_token, "somebody who is logged in has something to post"
    post = person.write()
    for path in ("/", "/about", "/hello/Ada", "/posts/", f"/posts/{post}", "/no-such-page"):
        with Browser(server) as browser:
            page = browser.get(path)
        names = [cookie.name for cookie in browser.http.cookies]
        assert not page.csrf_token, f"{page} has a token, for a visitor who has nothing to post"
        assert not names, f"{page} sets {names}, for a visitor who has nothing to post"


def test_the_token_works_in_a_header(person):
    """The CSRF token may be sent in the header X-CSRFToken."""
    token = person.get("/").csrf_token
    assert token, "no page has a token for scripts"
    page = person.post(
        "/posts/new", {"title": "By a script", "body": "text"}, headers={"X-CSRFToken": token}
    )
    assert page.heading == "By a script", f"{page}; X-CSRFToken should do as well as the field"


@pytest.mark.since("3.old-form")
def test_a_form_of_another_session_is_explained(person):
    """A form whose session has ended gets a page that says that nothing is saved."""
    page = person.post("/posts/new", FIELDS | {"csrf_token": "of another session"})
    assert page.status == 400
    assert "nothing is saved" in page.words, f"{page} does not say that “nothing is saved”"


def test_a_request_without_a_token_gets_a_page_of_the_site(person):
    """A request without a CSRF token gets an error page of the site."""
    page = person.post("/posts/new", FIELDS)
    assert page.status == 400
    assert page.soup.select("nav a[href]"), f"{page} without the site's <nav>"
