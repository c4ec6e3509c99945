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
    server: Server, fixture: Callable[[str], object], *, unfinished: bool = False
) -> list[Visit]:
    """Visit every kind of page that the step has, as a visitor, as users and as an admin.

    What is missing in a learner's ``unfinished`` app is left out: another promise asks for it.
    """
    step = server.step
    maybe = suppress(AssertionError) if unfinished else nullcontext()
    with ExitStack() as browsers:
        visitor = browsers.enter_context(Browser(server))
        person = browsers.enter_context(Person(server))
        post = 0
        found = list(walk(visitor))
        found.append(typed(visitor, "/no-such-page"))
        if step.has("seed"):
            with maybe:
                fixture("seeded")  # so that the list of posts has pages
        if step.has("posts"):
            with maybe:
                person.join()
                post = person.write(f"A title {'that is long ' * 4}{'x' * 60}", MARKDOWN)
                found += walk(person)
                found += [(REFUSED_FORM, p.path, p) for p in refused_forms(visitor, person)]
        if step.has("preview"):
            with maybe:
                preview = person.submit("/posts/new", button="preview", title="A", body=MARKDOWN)
                found.append((ADDRESS_BAR, preview.path, preview))
            refused = person.post("/posts/new")  # without a token
            found.append((ADDRESS_BAR, refused.path, refused))
        if step.has("edit"):
            with maybe:
                other = browsers.enter_context(Person(server)).join()
                found.append(typed(other, f"/posts/{post}/edit"))
        if step.has("admin"):
            with maybe:
                admin, _ = fixture("admin")
                if any(link.startswith("/admin/") for link in admin.get("/").links()):
                    visits = walk(admin, "/admin/", per_kind=1)  # its lists link to each order
                    found += (visit for visit in visits if visit[1].startswith("/admin"))
                    found.append(typed(admin, "/admin/post/?flt0_0=title"))  # with a filter
        if step.has("exports"):
            with maybe:
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
