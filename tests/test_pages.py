"""What every page keeps to, and the pages that are there from the first step on."""

import re
from urllib.parse import quote
from urllib.parse import urljoin
from urllib.parse import urlsplit

import pytest
from werkzeug.exceptions import default_exceptions
from werkzeug.http import HTTP_STATUS_CODES

from common.steps import STEPS
from common.steps import Step
from tests.support import hostile
from tests.support.browser import NO_PAGES
from tests.support.browser import REFUSED_FORM
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.inline import Inline

pytestmark = pytest.mark.since(1)

# Where a page names something that the browser fetches by itself.
FETCHED = (
    ("link", "href"),
    ("script", "src"),
    ("img", "src"),
    ("source", "src"),
    ("iframe", "src"),
    ("object", "data"),
    ("form", "action"),
)


@pytest.fixture
def person_if_any(step: Step, request: pytest.FixtureRequest) -> Person | None:
    """A logged-in user, where the step has users."""
    return request.getfixturevalue("person") if step.has("accounts") else None


def faults(pages: list[Page], is_right) -> list[Page]:
    return [page for page in pages if not is_right(page)]


@pytest.mark.since("1.list")
def test_every_link_leads_somewhere(site):
    """Every link leads to a page that exists."""
    broken = [
        f"{source} links to {link}, which answers {page.status}"
        for source, link, page in site
        if page.status >= 400 and source not in NO_PAGES
    ]
    assert not broken, "\n".join(broken)
    assert site[0][2].status == 200, f"{site[0][2]}; the start page should be there"
    for path in ("/posts/", "/about", "/hello/"):
        assert any(link.startswith(path) for _, link, _ in site), f"no link leads to {path}"


@pytest.mark.since("1.template")
def test_every_page_says_that_it_is_html5(pages):
    """Every page begins with <!doctype html>."""
    bad = faults(pages, lambda page: page.text.lstrip().lower().startswith("<!doctype html>"))
    assert not bad, f"these pages do not begin with <!doctype html>: {bad}"


@pytest.mark.since("1.template")
def test_every_page_names_its_language(pages):
    """Every page names its language."""
    bad = faults(pages, lambda page: page.soup.html and page.soup.html.get("lang"))
    assert not bad, f"these pages have no <html lang=…>, which screen readers need: {bad}"


@pytest.mark.since("1.template")
def test_every_page_has_a_title(pages):
    """Every page has a title."""
    bad = faults(pages, lambda page: page.soup.title and page.soup.title.get_text(strip=True))
    assert not bad, f"these pages have no <title>, or an empty one: {bad}"


@pytest.mark.since("1.errors")
def test_every_page_has_a_description(pages):
    """Every page has a description for search engines, of its own."""
    texts: dict[str, str] = {}
    for page in pages:
        tag = page.soup.find("meta", {"name": "description"})
        text = tag.get("content", "").strip() if tag else ""
        assert text, f'{page} has no <meta name="description" content=…>'
        other = texts.setdefault(text, page.heading)
        assert other == page.heading, f"“{other}” and “{page.heading}” have one description: {text}"


@pytest.mark.since("1.template")
def test_every_page_has_one_h1(pages):
    """Every page has one <h1>."""
    bad = faults(pages, lambda page: len(page.soup("h1")) == 1 and page.heading)
    assert not bad, f"these pages have no <h1>, an empty one or several: {bad}"


@pytest.mark.since("1.errors")
def test_every_page_has_a_nav(pages):
    """Every page has a <nav> with links."""
    bad = faults(pages, lambda page: page.soup.select("nav a[href]"))
    assert not bad, f"these pages have no <nav> with links in it: {bad}"


@pytest.mark.since("1.hello")
def test_no_page_has_inline_scripts_or_styles(site):
    """No page has inline scripts or styles, which a strict Content-Security-Policy forbids."""
    for _, _, page in site:
        parser = Inline()
        parser.feed(page.text if page.is_html else "")
        assert not parser.found, f"{page}, and has, instead of a file in static/: {parser.found}"


@pytest.mark.since("1.hello")
def test_every_field_has_a_label(pages):
    """Every field has a label."""
    bad = [
        f"{page} has no label for <{field.name} name={field.get('name')}>"
        for page in pages
        for field in page.fields
        if not (
            field.get("aria-label")
            or field.get("aria-labelledby")
            or field.find_parent("label")
            or (field.get("id") and page.soup.find("label", {"for": field["id"]}))
        )
    ]
    assert not bad, "\n".join(bad)


def test_every_page_begins_with_a_link_to_its_content(pages):
    """Every page begins with a link that skips the navigation."""

    def is_right(page: Page) -> bool:
        first = page.soup.body.find(["a", "button", "input", "select", "textarea"])
        target = page.soup.find(id=first.get("href", "").removeprefix("#")) if first else None
        return bool(target) and target.name == "main"

    bad = faults(pages, is_right)
    assert not bad, (
        'the first link of these pages should be <a href="#main">, to <main id="main">, so that '
        f"who uses the keyboard need not go through the navigation each time: {bad}"
    )


@pytest.mark.since("1.hello")
def test_descriptions_of_fields_exist(pages):
    """Every field that names a description on the page has one."""
    bad = [
        f"{page}: {name}={tag[name]!r}, but there is no such id"
        for page in pages
        for name in ("aria-describedby", "aria-labelledby")
        for tag in page.soup.find_all(attrs={name: True})
        if not all(page.soup.find(id=one) for one in tag[name].split())
    ]
    assert not bad, "\n".join(bad)


@pytest.mark.since("2.limits")
def test_an_error_is_tied_to_its_field(site):
    """A refused form marks the wrong field, and ties the message to it."""
    refused = [page for source, _, page in site if source == REFUSED_FORM]
    assert refused, "no form refused anything"
    for page in refused:
        fields = page.soup.select('main [aria-invalid="true"]')
        assert fields, f"{page}, but no field says that it is wrong, with aria-invalid"
        for field in fields:
            names = field.get("aria-describedby", "").split()
            texts = [tag.get_text(strip=True) for name in names for tag in page.soup(id=name)]
            assert any(texts), (
                f"{page}, but <{field.name} name={field.get('name')}> is tied to no error"
            )


@pytest.mark.since("1.hello")
def test_every_id_is_unique(pages):
    """Every id is unique on its page."""
    for page in pages:
        ids = [tag["id"] for tag in page.soup.find_all(id=True)]
        twice = {name for name in ids if ids.count(name) > 1}
        assert not twice, f"{page} uses these ids more than once: {twice}"


@pytest.mark.since("1.static")
def test_pages_load_nothing_from_other_hosts(site, visitor):
    """Pages load styles, scripts and pictures from this server only, and all of them exist."""
    fetched = {
        (urljoin(page.url, tag[attribute]), link)
        for _, link, page in site
        if page.is_html
        for name, attribute in FETCHED
        for tag in page.soup(name, {attribute: True})
        if name != "form" and not tag[attribute].startswith("data:")
    }
    assert fetched, "no page has a stylesheet"
    here = urlsplit(visitor.server.url).netloc
    strangers = [f"{link} fetches {url}" for url, link in fetched if urlsplit(url).netloc != here]
    assert not strangers, "\n".join(strangers)
    for url in {url for url, _ in fetched}:
        parts = urlsplit(url)
        page = visitor.get(f"{parts.path}?{parts.query}")
        users = sorted(link for used, link in fetched if used == url)
        assert page.status == 200, f"{page}, but it is used by {users}"
        if page.headers.get("Content-Type", "").startswith("text/css"):
            far = re.findall(r"""(?:url\(|@import)\s*["']?(?:https?:)?//[^"')]*""", page.text)
            assert not far, f"{parts.path} fetches from elsewhere: {far}"


@pytest.mark.since("1.hello")
def test_forms_are_sent_to_this_server(site):
    """Forms are sent to this server only."""
    for _, link, page in site:
        for form in page.soup("form", action=True) if page.is_html else ():
            there = urlsplit(urljoin(page.url, form["action"]))
            assert there.netloc == urlsplit(page.url).netloc, f"{link} sends a form to {there}"


@pytest.mark.since("1.hello")
def test_home_is_html(visitor):
    """The home page is HTML."""
    page = visitor.get("/")
    assert page.status == 200
    assert page.is_html, f"{page} with the type {page.headers.get('Content-Type')}"


@pytest.mark.since("1.frame")
@pytest.mark.ours
@pytest.mark.about("app/templates/main/home.html", "templates/home.html")
def test_home_says_which_step_it_is(visitor, step):
    """The home page says which step it is."""
    titles = [tag.get_text() for tag in visitor.get("/").soup.select("main h2")]
    assert titles == [f"Step {step.number} of {len(STEPS)}: {STEPS[step.number - 1].idea}"]


@pytest.mark.since("1.list")
@pytest.mark.ours
@pytest.mark.about("app/templates/main/home.html", "templates/home.html")
def test_home_says_what_to_try(visitor, person_if_any, step):
    """The home page says three things to try, with links to those of their pages that are there."""
    for browser in filter(None, (visitor, person_if_any)):
        page = browser.get("/")
        assert len(page.soup.select("main li")) == 3
        links = [link["href"] for link in page.soup.select("main li a[href]")]
        is_whole = isinstance(step, Step)
        assert len(links) >= 3 or not is_whole, f"three things to try, with links, not {links}"
        for link in links:
            there = browser.get(link)
            assert there.status == 200, f"the home page says to try {link}, and it is {there}"


@pytest.mark.ours
@pytest.mark.since("2.nav")
@pytest.mark.about("app/templates/base.html")
def test_the_navigation_marks_the_open_page(site, visitor, step):
    """The link to the open page says aria-current="page", and no other link does."""
    linked = {"/", "/posts/", "/about", *(["/auth/login"] if step.has("accounts") else [])}
    marked = set()
    # The view of /hello/ at another address, which no link of the navigation leads to.
    pages = [*(page for _, _, page in site), visitor.get("/hello/Ada")]
    for page in pages:
        if not page.is_html or page.path.startswith("/api/") or page.status != 200:
            continue
        links = page.soup.select("header nav a[href]")
        current = {a["href"] for a in links if a.get("aria-current") == "page"}
        here = urlsplit(page.url).path
        wanted = {here} & {a["href"] for a in links}
        assert current == wanted, f"{page} marks {current} as the page that is open"
        marked |= current
    assert linked <= marked, f"only these were marked: {marked}"


@pytest.mark.since("1.path")
def test_hello_greets(visitor):
    """/hello/ says hello."""
    page = visitor.get("/hello/")
    assert page.status == 200
    assert "Hello" in page.words, f"{page} without “Hello” in it"


@pytest.mark.since("1.path")
def test_hello_greets_by_name(visitor):
    """/hello/Ada greets Ada."""
    page = visitor.get("/hello/Ada")
    assert page.status == 200
    assert "Hello, Ada" in page.words, f"{page} without “Hello, Ada” in it"


@pytest.mark.since("1.query")
def test_hello_takes_the_greeting_from_the_query(visitor):
    """?greeting= replaces “Hello”."""
    page = visitor.get("/hello/Ada?greeting=Good+morning")
    assert "Good morning, Ada" in page.words, f"{page} without “Good morning, Ada” in it"


@pytest.mark.since("1.path")
@pytest.mark.parametrize(
    "name", ["Zoë", "李雷", "👩🏽‍💻", "Ada Lovelace", "Ada+Bob", "100%", "a;b"]
)
def test_hello_greets_any_name(visitor, name):
    """A name may have spaces, signs, emoji and letters of any language."""
    page = visitor.get(f"/hello/{quote(name, safe='')}")
    assert page.status == 200
    assert f"Hello, {name}" in page.words, f"{page} without “Hello, {name}” in it"


MARKUP = ["<script>alert(1)", "<b>Ada", "<img src=x onerror=alert(1)>", "{{ 7*7 }}"]


@pytest.mark.since("1.path")
@pytest.mark.parametrize("markup", MARKUP)
def test_hello_shows_markup_as_text(visitor, markup):
    """Markup in the URL is shown as text, and not run."""
    page = visitor.get(f"/hello/{quote(markup, safe='')}")
    assert page.status == 200
    is_shown_as_text(page, markup, 1)


@pytest.mark.since("1.query")
@pytest.mark.parametrize("markup", MARKUP)
def test_hello_shows_markup_in_the_query_as_text(visitor, markup):
    """Markup in ?greeting= is shown as text, and not run."""
    page = visitor.get(f"/hello/{quote(markup, safe='')}?greeting={quote(markup)}")
    assert page.status == 200
    is_shown_as_text(page, markup, 2)


def is_shown_as_text(page, markup, times):
    assert page.words.count(markup) >= times, (
        f"{page}, but {markup} is not shown as it was typed: is it escaped, once?"
    )
    ran = page.soup.find(onerror=True) or page.soup.find("script", string="alert(1)")
    assert not ran, f"{page} runs what the URL says: {ran}"


@pytest.mark.since("1.about")
def test_about_has_no_slash(visitor):
    """/about is a page, and /about/ is a 404."""
    assert visitor.get("/about").status == 200
    page = visitor.get("/about/", follow=False)
    assert page.status == 404, (
        f"GET /about/ answered {page.status}; the rule '/about' without a trailing slash "
        "makes it 404"
    )


@pytest.mark.since("1.list")
def test_posts_has_a_slash(visitor):
    """/posts redirects to /posts/."""
    page = visitor.get("/posts", follow=False)
    assert page.status == 308, (
        f"GET /posts answered {page.status}; the rule '/posts/' with a trailing slash "
        "makes it a redirect, 308"
    )
    assert urlsplit(page.headers["Location"]).path == "/posts/"
    assert visitor.get("/posts").status == 200


@pytest.mark.since("1.post")
def test_a_post_has_a_page(server, step, visitor, request):
    """A post has a page, which the list links to."""
    if step.has("posts"):  # before that, posts stand in the file
        request.getfixturevalue("person").write()
    numbers = visitor.get("/posts/").post_ids()
    assert numbers, "/posts/ links to no post such as /posts/1"
    page = visitor.get(f"/posts/{numbers[0]}")
    assert page.status == 200
    assert page.heading


@pytest.mark.since("1.hello")
@pytest.mark.parametrize("number", hostile.BAD_NUMBERS)
def test_an_unknown_post_is_404(visitor, number):
    """An unknown post is a 404, however large its number."""
    page = visitor.get(f"/posts/{number}")
    assert page.status == 404, f"{page}; there is no such post, so it should be 404"


@pytest.mark.since("1.errors")
@pytest.mark.parametrize("path", ["/no-such-page", "/posts/999999999", "/about/", "/hello/a/b"])
def test_a_404_is_a_page_of_the_site(visitor, path):
    """A 404 is a page with the site's navigation and styles."""
    page = visitor.get(path)
    assert page.status == 404
    assert page.is_html
    assert page.soup.select("nav a[href]"), f"{page} without the site's <nav>"
    home = visitor.get("/")
    styles = {tag.get("href") for tag in home.soup("link", rel="stylesheet")}
    assert styles == {tag.get("href") for tag in page.soup("link", rel="stylesheet")}, (
        f"{page} with other stylesheets than the start page"
    )


@pytest.mark.since("3.no-database")
@pytest.mark.ours
@pytest.mark.about("app/errors.py", "app/templates/error.html")
def test_an_error_page_needs_no_database(own_server):
    """An error page has the look of the site for a logged-in user too when a table is gone."""
    person = Person(own_server).join()
    own_server.project.change("ALTER TABLE user RENAME TO gone")
    page = person.get("/")
    assert page.status in (500, 503), f"{page} without the table of users"
    assert page.soup.select("nav a[href]"), f"{page} without the site's <nav>"
    page = person.get("/no-such-page")
    assert page.status == 404, f"{page}; no database is needed to know that"
    assert page.soup.select("nav a[href]"), f"{page} without the site's <nav>"
    own_server.project.change("ALTER TABLE gone RENAME TO user")
    assert person.is_logged_in()
    own_server.forget_logs()


@pytest.mark.since("1.about")
def test_a_method_that_is_not_there_is_405(visitor):
    """A POST to a page that only answers GET is a 405."""
    page = visitor.post("/about", data={"a": "b"})
    assert page.status in (400, 405), f"{page}; /about takes no POST"


# Error pages


def links_in(page: Page) -> list[str]:
    """Return where the links of a page lead, without those of the navigation."""
    return [link["href"] for link in page.soup.select("main a[href]")]


@pytest.mark.since("1.errors")
@pytest.mark.parametrize("path", ["/no-such-page", "/posts/999999999", "/about/"])
def test_an_error_page_leads_on(visitor, path):
    """An error page has a link in its content that leads on; that of a post leads to the list."""
    page = visitor.get(path)
    paths = [urlsplit(urljoin(page.url, link)).path for link in links_in(page)]
    assert paths, f"{page} has no link in <main>: where can one go from there?"
    if path.startswith("/posts/"):
        assert "/posts/" in paths, f"{page} does not lead to the list of posts"
    for path in paths:
        assert visitor.get(path).status == 200, f"{page} leads to {path}"


@pytest.mark.since("3.pages")
def test_an_unknown_page_of_the_list_leads_to_the_first_one(visitor):
    """An unknown page of the list links to the first page."""
    tried = [visitor.get(f"/posts/?{query}") for query in ("page=99999", "before=0")]
    page = next((page for page in tried if page.status == 404), None)
    assert page, f"one of these should be 404: {tried}"
    paths = [link.removesuffix("?page=1") for link in links_in(page)]
    assert "/posts/" in paths, f"{page} does not lead to the first page of the list"


@pytest.mark.since("3.csrf")
def test_a_form_without_its_token_leads_back_to_the_form(visitor, person):
    """The page that refuses a form without its token links to the form."""
    for browser, path in ((person, "/posts/new"), (visitor, "/auth/login?next=/posts/new")):
        page = browser.post(path, {"title": "Old", "body": "text", "username": "a"})
        assert page.status == 400
        assert path in links_in(page), f"{page} does not lead back to the form"


@pytest.mark.since("3.csrf")
def test_a_refused_button_leads_to_no_dead_end(person):
    """Where an address takes only a POST, the error page does not link to it."""
    page = person.post("/auth/logout")
    assert page.status == 400
    assert links_in(page), f"{page} has no link in <main>"
    for link in links_in(page):
        assert person.get(link).status == 200, f"{page} leads to {link}"


# A form with a field that has no name, which no browser sends.
UNNAMED = {
    "data": b"--x\r\nContent-Disposition: form-data\r\n\r\ntext\r\n--x--\r\n",
    "headers": {"Content-Type": "multipart/form-data; boundary=x"},
}
# What has to be there, if anything; then by whom a request is sent that is refused, and with which
# status.
REFUSED = (
    ("", "visitor", "GET", "/no-such-page", {}, 404),
    ("", "visitor", "GET", "/posts/999999999", {}, 404),
    ("", "visitor", "POST", "/about", {"data": {"a": "b"}}, 405),
    ("accounts", "visitor", "GET", "/auth/logout", {}, 405),
    ("accounts", "visitor", "POST", "/auth/login", UNNAMED, 400),
    ("csrf", "visitor", "POST", "/auth/login", {"data": {}}, 400),
    ("size", "visitor", "POST", "/auth/login", {"data": {"username": "x" * 2_000_000}}, 413),
    ("", "visitor", "GET", "/ui/ui.css", {"headers": {"Range": "bytes=9999999-"}}, 416),
    ("edit", "person", "GET", "/posts/{others}/edit", {}, 403),
    ("delete", "person", "POST", "/posts/{others}/delete", {"data": {}}, 400),
    ("admin", "person", "GET", "/admin/", {}, 403),
    ("admin", "admin", "GET", f"/admin/post/?search={'x' * 1200}", {}, 414),
    ("admin", "admin", "GET", "/admin/post/?page=100000", {}, 404),
)


@pytest.mark.since("2.words")
@pytest.mark.ours
def test_an_error_page_is_in_our_words(step, visitor, join, request):
    """An error page says in plain words what happened and what to do, and leads on."""
    people = {"visitor": visitor}
    others = 0
    if step.has("edit"):
        people["person"], others = join(), join().write()
    if step.has("admin"):
        people["admin"] = request.getfixturevalue("admin")[0]
    for feature, who, method, path, options, status in REFUSED:
        if feature and not step.has(feature):
            continue
        page = people[who].request(method, path.format(others=others), **options)
        assert page.status == status, f"{page}; {status} was expected"
        standard = default_exceptions[status]
        assert page.heading != HTTP_STATUS_CODES[status], f"{page} has Werkzeug's words"
        assert standard.description[:40] not in page.words, f"{page} has Werkzeug's words"
        assert links_in(page), f"{page} has no link in <main>"
        assert "page=" not in str(links_in(page)), f"{page} leads to where it came from"


@pytest.mark.since("2.words")
@pytest.mark.ours
@pytest.mark.expects_traceback
@pytest.mark.about("app/errors.py", "app/templates/error.html")
def test_a_fault_of_ours_is_a_page_that_offers_to_try_again(own_server):
    """A 500 is a page of the site that says whose fault it is, with a link to try again."""
    template = own_server.project.folder / "app/templates/main/about.html"
    template.write_text("{{ 1 / 0 }}")
    with Browser(own_server) as visitor:
        page = visitor.get("/about")
    assert page.status == 500
    assert "ours" in page.words, f"{page} does not say whose fault it is"
    assert "/about" in links_in(page), f"{page} has no link to try again"
    own_server.forget_logs()
