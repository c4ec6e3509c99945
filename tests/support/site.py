"""A walk through all pages of a step: by every link, and by what has no link."""

from collections.abc import Callable
from contextlib import ExitStack
from contextlib import nullcontext
from contextlib import suppress

from tests.support.browser import ADDRESS_BAR
from tests.support.browser import MARKDOWN
from tests.support.browser import REFUSED_FORM
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.browser import walk
from tests.support.server import Server

# Where the link was, the link, and the page that it leads to.
Visit = tuple[str, str, Page]


def every_page(
    server: Server, fixture: Callable[[str], object], *, has_all: bool = True
) -> list[Visit]:
    """Visit every kind of page that the step has, as a visitor, as users and as an admin.

    A learner's app may not have come to all of them yet: unless it ``has_all``, what is missing and
    what comes after it in the course is left out here, and missed by the promise that it is for.
    """
    step = server.step
    may_be_missing = nullcontext() if has_all else suppress(AssertionError)
    with ExitStack() as browsers:
        visitor = browsers.enter_context(Browser(server))
        found = list(walk(visitor))
        found.append(typed(visitor, "/no-such-page"))
        if step.has("seed"):
            with may_be_missing:
                fixture("seeded")  # so that the list of posts has pages
        with may_be_missing:
            if step.has("posts"):
                person = browsers.enter_context(Person(server)).join()
                post = person.write(f"A title {'that is long ' * 4}{'x' * 60}", MARKDOWN)
                found += walk(person)
                found += [
                    (REFUSED_FORM, page.path, page) for page in refused_forms(visitor, person)
                ]
            if step.has("edit"):
                other = browsers.enter_context(Person(server)).join()
                found.append(typed(other, f"/posts/{post}/edit"))
            if step.has("preview"):
                preview = person.submit("/posts/new", button="preview", title="A", body=MARKDOWN)
                found.append((ADDRESS_BAR, preview.path, preview))
                without_token = person.post("/posts/new")
                found.append((ADDRESS_BAR, without_token.path, without_token))
            if step.has("admin"):
                admin, _ = fixture("admin")
                if any(link.startswith("/admin/") for link in admin.get("/").links()):
                    # Its lists have a link for each order.
                    visits = walk(admin, "/admin/", per_kind=1)
                    found += (visit for visit in visits if visit[1].startswith("/admin"))
                    found.append(typed(admin, "/admin/post/?flt0_0=title"))  # with a filter
            if step.has("exports"):
                found.append((ADDRESS_BAR, "/exports/", person.submit("/exports/")))
    return found


def typed(browser: Browser, path: str) -> Visit:
    return ADDRESS_BAR, path, browser.get(path)


def refused_forms(visitor: Browser, person: Person) -> list[Page]:
    return [
        visitor.submit("/auth/register", username=" ", password="long enough"),
        visitor.submit("/auth/register", username="Ada", password="short"),
        visitor.register(person.username, "long enough"),
        visitor.login(person.username, "wrong password"),
        person.submit("/posts/new", title="x" * 121, body="Text."),
        person.submit("/posts/new", title="Title", body=" "),
    ]
