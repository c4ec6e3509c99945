"""Posts: write, read, change, delete, page through."""

import re
from urllib.parse import urlsplit

import pytest
from bs4 import Tag

from tests.support import hostile
from tests.support.browser import POST_PATH
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.browser import Person

pytestmark = pytest.mark.since("2.write")

PER_PAGE = 20


def test_a_post_is_published(person, visitor):
    """A new post has a page and is in the list, with its author's name."""
    number = person.write("On routes", "A function answers a URL.")
    page = visitor.get(f"/posts/{number}")
    assert page.heading == "On routes"
    assert "A function answers a URL." in page.words
    assert person.username in page.words, f"{page} does not say who wrote it"
    assert number in visitor.get("/posts/").post_ids(), "/posts/ does not list the new post"


def test_writing_needs_a_login(visitor):
    """Writing a post needs a login."""
    before = visitor.get("/posts/").post_ids()
    token = visitor.token()
    page = visitor.post(
        "/posts/new",
        {"title": "Anonymous", "body": "text", "csrf_token": token},
        headers={"X-CSRFToken": token},
    )
    assert page.path.startswith("/auth/login"), f"{page}; visitors should be sent to the login"
    assert visitor.get("/posts/").post_ids() == before, "a visitor could write a post"


def test_markup_in_a_post_is_shown_as_text(person, visitor):
    """HTML in a post is shown as text, and not run."""
    markup = "<script>alert(1)</script> <img src=x onerror=alert(1)>"
    number = person.write(f"Title {markup}", f"Text {markup}")
    for path in (f"/posts/{number}", "/posts/"):
        page = visitor.get(path)
        assert markup in page.words, f"{page} does not show the markup as it was typed"
        assert not page.soup.find(onerror=True), f"{page} runs what somebody wrote"
        scripts = [script.get_text() for script in page.soup("script")]
        assert "alert(1)" not in scripts, f"{page} runs what somebody wrote"


@pytest.mark.since("2.markdown")
def test_markdown_is_shown_as_html(person, visitor):
    """Markdown in a post is shown as HTML."""
    number = person.write(body="Some *stress* and `code`.\n\n- one\n- two\n")
    page = visitor.get(f"/posts/{number}")
    assert page.soup.find("em", string="stress"), f"{page} shows *stress* without <em>"
    assert page.soup.find("code", string="code"), f"{page} shows `code` without <code>"
    assert page.soup.find("li", string="two"), f"{page} shows a list without <li>"


@pytest.mark.parametrize(
    "link", ["[x](javascript:alert(1))", "[x](<java\nscript:alert(1)>)", "<javascript:alert(1)>"]
)
def test_a_link_in_a_post_runs_no_script(person, visitor, link):
    """A link in a post cannot run a script."""
    page = visitor.get(f"/posts/{person.write(body=link)}")
    hrefs = [tag["href"].lower() for tag in page.soup("a", href=True)]
    assert not [href for href in hrefs if href.startswith("javascript:")], f"{page} has {link}"


def test_new_posts_come_first(person):
    """The newest post comes first."""
    numbers = [person.write() for _ in range(3)]
    listed = person.get("/posts/").post_ids()
    assert listed[:3] == numbers[::-1], f"written as {numbers}, but listed as {listed[:3]}"


@pytest.mark.since("2.limits")
def test_what_was_typed_is_not_lost_when_a_post_is_refused(person):
    """A refused form keeps what was typed."""
    page = person.submit("/posts/new", title="", body="A long text that took an hour")
    assert page.messages, f"{page}, but no message says what is wrong"
    assert "A long text that took an hour" in page.text, f"{page} has lost the text"


@pytest.mark.since("3.preview")
def test_a_preview_shows_the_text_and_saves_nothing(person, visitor):
    """The button “Preview” shows the text as it will look; nothing is saved, nothing is lost."""
    number = person.write("Before", "The old text.")
    before = visitor.get("/posts/").post_ids()
    for path in ("/posts/new", f"/posts/{number}/edit"):
        typed = {"title": "A <b>title</b>", "body": "Some *stress*, <i>no tag</i>."}
        page = person.submit(path, button="preview", **typed)
        assert page.status == 200, f"{page} when a preview was asked for"
        stressed = page.soup.main.find("em", string="stress")
        assert stressed, f"{page}; the preview should show *stress* as <em>, as the post will"
        assert not page.soup.main.find(["i", "b"]), f"{page} obeys the markup in a text"
        assert "<i>no tag</i>" in page.words, f"{page} does not show the markup as it was typed"
        field = page.soup.find("textarea", {"name": "body"})
        assert typed["body"] in field.get_text(), f"{page} has lost the text"
        assert page.soup.find("input", {"name": "title"})["value"] == typed["title"]
        assert visitor.get("/posts/").post_ids() == before, f"{page}, and there is a new post"
        assert visitor.get(f"/posts/{number}").heading == "Before", f"{page}, and a post is changed"
        page = person.submit_on(page)
        assert page.heading == typed["title"], f"{page}; after the preview it can be published"
        before = visitor.get("/posts/").post_ids()
        person.submit(f"/posts/{number}/edit", title="Before", body="The old text.")


@pytest.mark.since("3.preview")
def test_a_preview_keeps_to_the_limits_of_a_post(person):
    """What cannot be published gets a message instead of a preview."""
    page = person.submit("/posts/new", button="preview", title="Long", body="*x* " * 2501)
    assert page.messages, f"{page}, but no message says that the text is too long"
    assert not page.soup.main.find("em"), f"{page} shows a text that is too long to be published"


@pytest.mark.since("2.markdown")
def test_the_form_says_that_a_text_is_markdown(person):
    """The form of a post says that the text is Markdown, and how that looks."""
    form = person.get("/posts/new").soup.main
    assert "Markdown" in form.get_text(), "nobody can know that a text is Markdown"
    assert "**" in form.get_text(), "an example says more: **bold**"


@pytest.mark.since("3.edit")
def test_an_author_edits_their_post(person, visitor):
    """An author can edit their post."""
    number = person.write("Draft", "First thoughts")
    form = person.get(f"/posts/{number}/edit")
    assert "First thoughts" in form.text, f"{form} does not begin with the present text"
    page = person.submit(f"/posts/{number}/edit", title="Final", body="Second thoughts")
    assert page.status == 200
    page = visitor.get(f"/posts/{number}")
    assert page.heading == "Final"
    assert "Second thoughts" in page.words


@pytest.mark.since("3.delete")
def test_an_author_deletes_their_post(person, visitor):
    """An author can delete their post."""
    number = person.write()
    page = person.submit(f"/posts/{number}/delete")
    assert page.messages, f"{page}, but no message says that it worked"
    assert visitor.get(f"/posts/{number}").status == 404
    assert number not in visitor.get("/posts/").post_ids()


@pytest.mark.since("3.delete")
def test_a_page_asks_before_a_post_is_deleted(person):
    """Before a post is deleted a page asks: it names the post, and has a way back."""
    number = person.write("On second thoughts")
    page = person.get(f"/posts/{number}")
    assert f"/posts/{number}/delete" in page.links(), f"{page} has no link to the question"
    page = person.get(f"/posts/{number}/delete")
    assert page.status == 200, f"{page}; a GET asks, and a POST to the same address deletes"
    assert "On second thoughts" in page.soup.main.get_text(), f"{page} does not name the post"
    assert page.forms_to(f"/posts/{number}/delete"), f"{page} has no button that deletes"
    assert page.soup.select(f"main a[href$='/posts/{number}']"), f"{page} has no way back"
    person.request("HEAD", f"/posts/{number}/delete")
    assert person.get(f"/posts/{number}").status == 200, "a GET or HEAD has deleted the post"


@pytest.mark.since("3.edit")
def test_other_users_cannot_edit_a_post(join):
    """Other users cannot edit a post: 403."""
    author, other = join(), join()
    assert_for_the_author_alone(author, other, "edit")
    number = author.write()
    assert f"/posts/{number}/edit" in author.get(f"/posts/{number}").links()
    assert f"/posts/{number}/edit" not in other.get(f"/posts/{number}").links()


@pytest.mark.since("3.delete")
def test_other_users_cannot_delete_a_post(join):
    """Other users cannot delete a post: 403."""
    assert_for_the_author_alone(join(), join(), "delete")


def assert_for_the_author_alone(author: Person, other: Person, what: str) -> None:
    number = author.write("Mine", "my words")
    path = f"/posts/{number}/{what}"
    page = other.get(path)
    assert page.status == 403, f"{page}; only its author may change a post"
    page = other.api("POST", path, data={"title": "Yours", "body": "your words"})
    assert page.status == 403, f"{page}; only its author may change a post"
    page = other.get(f"/posts/{number}")
    assert page.heading == "Mine"
    assert "my words" in page.words


@pytest.mark.since("3.edit")
def test_anonymous_users_cannot_edit_a_post(person, visitor):
    """Anonymous users who edit a post are sent to the login page."""
    assert_not_for_visitors(person, visitor, "edit")


@pytest.mark.since("3.delete")
def test_anonymous_users_cannot_delete_a_post(person, visitor):
    """Anonymous users who delete a post are sent to the login page."""
    assert_not_for_visitors(person, visitor, "delete")


def assert_not_for_visitors(person: Person, visitor: Browser, what: str) -> None:
    number = person.write("Mine")
    path = f"/posts/{number}/{what}"
    page = visitor.get(path)
    assert page.path.startswith("/auth/login"), f"{page}; visitors should be sent to the login"
    page = visitor.api("POST", path, data={"title": "Yours", "body": "your words"})
    assert page.path.startswith("/auth/login"), f"{page}; visitors should be sent to the login"
    assert visitor.get(f"/posts/{number}").heading == "Mine"


@pytest.mark.since("3.delete")
@pytest.mark.parametrize("what", ["edit", "delete"])
def test_editing_or_deleting_an_unknown_post_is_404(person, what):
    """Editing or deleting an unknown post is a 404."""
    gone = person.write()
    assert person.api("POST", f"/posts/{gone}/delete").status == 200
    for number in (gone, "9" * 30):
        page = person.api("POST", f"/posts/{number}/{what}", data={"title": "a", "body": "b"})
        assert page.status == 404
        assert person.get(f"/posts/{number}/{what}").status == 404


@pytest.mark.since("3.seed")
def test_seed_makes_a_user_with_posts(seeded, visitor):
    """`flask seed` makes a user who can log in, with posts."""
    visitor.login(seeded.username, seeded.password)
    assert visitor.is_logged_in(), "who was made by `flask seed` cannot log in"
    number, listing = find_by(visitor, seeded.username)
    assert number, f"{listing} and the pages before name no post of {seeded.username}"
    page = visitor.get(f"/posts/{number}")
    assert f"{page.path}/edit" in page.links(), f"{page}; its author cannot edit it"


def find_by(browser, author: str) -> tuple[int | None, Page]:
    """Look through the list for a post by ``author``; return its number and the last page."""
    path: str | None = "/posts/"
    while path:
        page = browser.get(path)
        if author in page.soup.main.get_text():
            links = page.soup.main("a", href=POST_PATH)
            entry = next(tag for tag in links if author in entry_of(tag).get_text())
            return int(POST_PATH.search(entry["href"])[1]), page
        path = older(page)
    return None, page


def entry_of(link: Tag) -> Tag:
    """Return what belongs to one post in the list: all around its link, but no other post."""
    entry = link
    while entry.parent and len(entry.parent("a", href=POST_PATH)) == 1:
        entry = entry.parent
    return entry


def older(page: Page) -> str | None:
    """Return the link from a page of the list to the next one, which has older posts.

    It goes by ``?page=``, or by ``?before=`` and the number of the last post of this page.
    """
    number = int((re.search(r"[?&]page=(\d+)", page.url) or (0, 1))[1])
    wanted = {f"/posts/?page={number + 1}", *(f"/posts/?before={n}" for n in page.post_ids()[-1:])}
    return next((link for link in page.links() if link in wanted), None)


@pytest.mark.ours
@pytest.mark.since("3.seed")
def test_seed_may_use_the_name_of_an_author_of_the_samples(project):
    """`flask seed` makes a user of any name, also that of an author of the sample texts."""
    if project.step.migrates:
        project.flask("db", "upgrade")
    names = ("--username", "Ada Lovelace", "--password", "a long password")
    project.flask("seed", *names, "--posts", "3")
    project.flask("seed", *names, "--posts", "3")


@pytest.mark.since("3.pages")
def test_posts_are_paged_20_at_a_time_newest_first(seeded, visitor):
    """The list has 20 posts a page, the newest first, and links to the pages around."""
    page = visitor.get("/posts/")
    seen = page.post_ids()
    assert len(seen) == PER_PAGE, f"{page} has {len(seen)} posts, not 20"
    for _ in range(3):  # the rest is the same, and other tests may have written much
        path = older(page)
        if path is None:
            break
        assert len(page.post_ids()) == PER_PAGE, f"{page} has {len(page.post_ids())} posts, not 20"
        before, page = page, visitor.get(path)
        assert page.status == 200, f"{page}, to which {before} links"
        assert page.post_ids(), f"{page} has no posts, and {before} links to it"
        seen += page.post_ids()
        newer = {urlsplit(before.url).path, before.path, "/posts/?page=1"}
        assert newer & set(page.links()), f"{page} has no link to the page before"
    assert len(seen) > 2 * PER_PAGE, f"45 posts fill three pages, but {page} is the last"
    assert seen == sorted(set(seen), reverse=True), f"up to {page}, the list has these: {seen}"


@pytest.mark.since("3.pages")
def test_the_last_page_links_to_no_older_one(seeded, visitor):
    """The oldest post is at the end of the list, and nothing leads on from there."""
    page = visitor.get("/posts/")
    seen = page.post_ids()
    assert older(page), f"{page} has 45 posts on one page, or no link to the older ones"
    while path := older(page):
        page = visitor.get(path)
        seen += page.post_ids()
        assert seen == sorted(set(seen), reverse=True), f"{page} lists a post again, or a newer one"
    assert len(seen) > 45, f"{page} has no link to older posts"


@pytest.mark.since("3.pages")
@pytest.mark.parametrize("number", (*hostile.BAD_NUMBERS, "1%20OR%201=1"))
def test_an_unknown_page_of_the_list_is_404(seeded, visitor, number):
    """An unknown page of the list is a 404, however it is named."""
    name = "before" if "before=" in (older(visitor.get("/posts/")) or "") else "page"
    page = visitor.get(f"/posts/?{name}={number}")
    assert page.status == 404, f"{page}; there is no such page, so it should be 404"


@pytest.mark.since("3.pages")
def test_after_the_last_page_is_404(seeded, visitor):
    """What is after the last page is a 404."""
    page = visitor.get("/posts/")
    by_number = "before=" not in (older(page) or "")
    while path := older(page):
        page = visitor.get(path)
    oldest = page.post_ids()[-1]
    page = visitor.get("/posts/?page=100000000" if by_number else f"/posts/?before={oldest}")
    assert page.status == 404, f"{page}; there are no posts on it, so it should be 404"
