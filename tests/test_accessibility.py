"""Every page for everybody: with a keyboard, a screen reader, large text, in the dark.

What the HTML alone tells is in test_pages.py. This file looks at the pages in a browser.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from hashlib import sha256
from urllib.parse import urljoin
from urllib.parse import urlsplit

import pytest
from pygments.token import STANDARD_TYPES

from tests.support.axe import axe_source
from tests.support.axe import violations
from tests.support.browser import MARKDOWN
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.browser import new_name
from tests.support.chromium import Chromium
from tests.support.exports import Export
from tests.support.server import Server

pytestmark = [
    pytest.mark.since(1),
    pytest.mark.xdist_group("accessibility"),
    pytest.mark.not_on_mysql("what the browser does with the pages"),
]

# What is wrong depends on the width or on the colours: each of them with one of the others.
LOOKS = ((360, "light"), (1000, "dark"))
# A screen of 1280 pixels, four times enlarged.
SMALLEST = 320

WIDTH = """(() => {
    document.documentElement.style.fontSize = arguments[0];
    return document.documentElement.scrollWidth;
})()"""
# A document that a script writes can be complete before its stylesheets are there.
STYLED = """document.readyState === "complete"
    && [...document.querySelectorAll("link[rel=stylesheet]")].every((link) => link.sheet)"""
GROUND = "getComputedStyle(document.documentElement).backgroundColor"
# Fields with a text in them and without a picture behind it: axe-core cannot judge others.
FILL_IN = """
document.querySelectorAll("input, textarea, select").forEach((field) => {
    if (["text", "password", "textarea", "select-one"].includes(field.type)) {
        field.value ||= "text";
        field.style.backgroundImage = "none";
    }
});
"""
# Shows each operation of Swagger UI in full.
OPEN_ALL = "document.querySelectorAll('.opblock-summary-control').forEach((one) => one.click())"
# Gives the focus to one element after the other; returns what nobody would see of it.
FOCUS = r"""(() => {
    const stops = "a[href], button, input:not([type=hidden]), select, textarea, [tabindex='0']";
    const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
    const light = (colour) => {
        const [r, g, b] = numbers(colour).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    };
    const ground = getComputedStyle(document.documentElement).backgroundColor;
    const problems = [];
    for (const element of document.querySelectorAll(stops)) {
        if (!element.checkVisibility()) continue;
        const name = element.outerHTML.slice(0, 100);
        element.blur();
        const before = getComputedStyle(element).boxShadow;
        element.focus();
        const style = getComputedStyle(element);
        const outline = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
        const shadow = style.boxShadow !== "none" && style.boxShadow !== before;
        const box = element.getBoundingClientRect();
        if (document.activeElement !== element) {
            problems.push(`takes no focus: ${name}`);
        } else if (box.right <= 0 || box.left >= innerWidth || !box.width || !box.height) {
            problems.push(`has the focus outside of the screen: ${name}`);
        } else if (!outline && !shadow) {
            problems.push(`looks the same with the focus and without: ${name}`);
        } else if (outline && style.outlineStyle !== "auto") {
            const [one, other] = [light(style.outlineColor), light(ground)];
            const contrast = Math.max(one, other) / Math.min(one, other);
            if (contrast < 3) problems.push(`has a pale outline, ${contrast.toFixed(1)}: ${name}`);
        }
    }
    document.activeElement.blur();
    scrollTo(0, 0);
    return problems;
})()"""


@dataclass
class Findings:
    """What stands in somebody's way, a line each."""

    violations: list[str] = field(default_factory=list)
    sideways: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    bright: list[str] = field(default_factory=list)

    def add(self, tab: Chromium, name: str) -> None:
        """Look at the page in the tab: narrow and wide, with large text, light and dark."""
        tab.tab.execute_script(FILL_IN)
        self._add_width(tab, name, SMALLEST, "100%")
        for width, scheme in LOOKS:
            self._add_width(tab, name, width, "200%")
            self._add_width(tab, name, width, "100%")
            tab.prefer(color_scheme=scheme, reduced_motion="reduce")
            where = f"{name}, {width} pixels, {scheme}: "
            self.violations += [where + text for text in violations(tab)]
            self.unseen += [where + text for text in tab.js(FOCUS)]
        ground = tab.js(GROUND)
        if ground == "rgba(0, 0, 0, 0)" or brightness(ground) > 0.2:
            self.bright.append(f"{name} has the background {ground}")

    def _add_width(self, tab: Chromium, name: str, width: int, size: str) -> None:
        tab.set_width(width)
        if (needed := tab.js(WIDTH, size)) > width:
            where = f"{name} on a screen of {width} pixels, text at {size}"
            self.sideways.append(f"{where}: it is {needed} pixels wide")

    @property
    def all(self) -> list[str]:
        """All lines."""
        return self.violations + self.sideways + self.unseen + self.bright

    def check(self) -> None:
        """Fail if there is anything."""
        assert not self.all, report(self.all)


def brightness(colour: str) -> float:
    """Return how bright a colour such as ``rgb(19, 23, 31)`` is: 0 is black, 1 white."""
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3 / 255


def report(problems: list[str]) -> str:
    """Return the problems as lines; most are on every page, so not all of them."""
    more = f"\n… and {len(problems) - 15} more" if len(problems) > 15 else ""
    return "\n".join(problems[:15]) + more


def show(tab: Chromium, page: Page) -> None:
    """Put a page that is here already into the tab, without its scripts: it stays as it is."""
    if not tab.js("location.href.startsWith(arguments[0])", tab.base):
        tab.open("/about")
    html = re.sub(r"(?s)<script\b.*?</script>", "", page.text)
    write = "document.open(); document.write(arguments[0]); document.close()"
    tab.tab.execute_script(write, html)
    tab.wait(STYLED, f"{page} is there with its styles")


def style_paths(page: Page) -> list[str]:
    """Return where the stylesheets of a page are."""
    links = page.soup("link", rel="stylesheet", href=True)
    return [urlsplit(urljoin(page.url, link["href"])).path for link in links]


def parts(page: Page, styles: str) -> set[str]:
    """Return of what a page is built: each kind of element, with what it is in, and the outline."""
    found = {f"{styles} {[tag.name for tag in page.soup(re.compile('^h[1-6]$'))]}"}
    for tag in page.soup.find_all(True):
        path = [
            (one.name, sorted(one.attrs), [one.get(name) for name in ("class", "role", "type")])
            for one in (tag, *tag.parents)
        ]
        has_long_words = any(len(word) > 25 for word in tag.get_text(" ").split())
        found.add(f"{styles} {path} {tag.get('style')} {has_long_words}")
    return found


@pytest.fixture(scope="session")
def tab(server: Server, request: pytest.FixtureRequest) -> Iterator[Chromium]:
    """The browser, with a page of the step in it. Pages are put in its place."""
    axe_source()  # skips where there is none, before a browser is started
    chromium = request.getfixturevalue("chromium")
    chromium.reset(Browser(server)).open("/about")
    yield chromium
    chromium.open_nothing()


@pytest.fixture(scope="session")
def fine() -> set[str]:
    """Of what those pages of any step are built that nothing was wrong with."""
    return set()


@pytest.fixture(scope="session")
def found(tab: Chromium, server: Server, pages: list[Page], fine: set[str]) -> Findings:
    """What stands in somebody's way on the pages of the step. What was fine before still is."""
    findings = Findings()
    visitor = Browser(server)
    styles: dict[str, str] = {}
    for page in pages:
        for path in (paths := style_paths(page)):
            styles[path] = styles.get(path) or visitor.get(path).text
        used = "".join(styles[path] for path in paths)
        kinds = parts(page, sha256(used.encode()).hexdigest())
        if not fine.issuperset(kinds):
            show(tab, page)
            here = len(findings.all)
            findings.add(tab, str(page))
            if len(findings.all) == here:
                fine |= kinds
    visitor.close()
    return findings


@pytest.mark.since("1.static")
def test_axe_finds_no_violations(found):
    """Every page follows the rules for accessible pages that axe-core can check."""
    assert not found.violations, report(found.violations)


@pytest.mark.since("1.static")
def test_no_page_scrolls_sideways(found):
    """No page scrolls sideways, not even on a narrow screen or with large text."""
    assert not found.sideways, report(found.sideways)


@pytest.mark.since("1.hello")
def test_the_focus_is_always_visible(found):
    """Every link and field shows that it has the focus."""
    assert not found.unseen, report(found.unseen)


@pytest.mark.since("1.static")
@pytest.mark.ours
def test_the_dark_color_scheme_is_dark(found):
    """With the dark color scheme every page is dark."""
    assert not found.bright, report(found.bright)


def test_the_first_stop_of_tab_skips_the_navigation(step, tab):
    """The first stop of the Tab key is a link that skips the navigation."""
    tab.open("/auth/login" if step.has("accounts") else "/posts/")  # something to stop at in <main>
    tab.press("Tab")
    link = "document.activeElement"
    assert tab.js(f"{link}.matches('a[href^=\"#\"]')"), f"the first stop is {tab.focused()!r}"
    box = tab.js(f"{link}.getBoundingClientRect()")
    assert min(box["left"], box["top"]) >= 0, f"it has the focus, but nobody can see it: {box}"
    tab.press("Enter", "Tab")
    assert tab.js("document.activeElement.closest('main') !== null"), "Tab is still before <main>"


# How many characters the lines of a text have, the last one apart.
LINES = """(() => {
    const text = document.createElement("p");
    text.textContent = "Each function of the app has a name, a few words and one thing to do. "
        .repeat(12);
    document.querySelector("main").append(text);
    const range = document.createRange();
    const lines = new Map();
    for (let index = 0; index < text.firstChild.length; index++) {
        range.setStart(text.firstChild, index);
        range.setEnd(text.firstChild, index + 1);
        const top = range.getBoundingClientRect().top;
        lines.set(top, (lines.get(top) || 0) + 1);
    }
    return [...lines.values()].slice(0, -1);
})()"""


@pytest.mark.since("1.static")
@pytest.mark.ours
@pytest.mark.parametrize("width", [1280, 1920])
def test_lines_have_about_70_characters(tab, width):
    """On a large screen the lines of a text have about 70 characters."""
    tab.open("/about")
    tab.set_width(width)
    lines = tab.js(LINES)
    mean = sum(lines) / len(lines)
    assert 62 <= mean <= 78, f"at {width} pixels the lines have these characters: {lines}"


@pytest.mark.since("1.static")
@pytest.mark.ours
def test_headings_differ_in_size(tab):
    """A heading of the second rank is clearly smaller than one of the first: 1.35 rem."""
    tab.open("/")
    size = "parseFloat(getComputedStyle(document.querySelector(arguments[0])).fontSize)"
    root, h1, h2 = (tab.js(size, name) for name in ("html", "h1", "h2"))
    assert h2 / root == pytest.approx(1.35)
    assert h1 / h2 > 1.3, f"h1 has {h1} pixels, h2 {h2}"


@pytest.mark.since("1.static")
@pytest.mark.ours
def test_paper_has_no_navigation(tab):
    """On paper a page has its text, without the navigation."""
    tab.open("/about")
    visible = "document.querySelector(arguments[0]).checkVisibility()"
    assert tab.js(visible, "nav")
    tab.cdp("Emulation.setEmulatedMedia", media="print")
    try:
        assert not tab.js(visible, "nav"), "the navigation is printed"
        assert tab.js(visible, "main p"), "the text is not printed"
    finally:
        tab.cdp("Emulation.setEmulatedMedia", media="")


# Where the middle of each part of the navigation is, from the top.
MIDDLES = """Object.fromEntries([...document.querySelectorAll(
    "header nav > ul > li, header nav > details > summary"
)].filter(item => item.checkVisibility()).map((item) => {
    const box = item.getBoundingClientRect();
    return [item.innerText, Math.round((box.top + box.bottom) / 2)];
}))"""


@pytest.mark.slow
@pytest.mark.ours
@pytest.mark.since("2.logout")
@pytest.mark.about("app/templates/base.html", "app/templates/auth/menu.html")
def test_the_navigation_is_one_row_on_a_phone(tab, server, step):
    """On a phone the navigation is one row, for an admin with a name of 30 characters too."""
    person = Person(server)
    person.username = new_name("Ada Lovelace, Countess").ljust(30, "m")
    person.join()
    if step.has("admin"):
        server.project.flask("make-admin", person.username)
    for browser in (Browser(server), person):
        tab.reset(browser, width=360)
        tab.open("/posts/")
        middles = tab.js(MIDDLES)
        lowest, highest = min(middles.values()), max(middles.values())
        assert highest - lowest < 8, f"more than one row at 360 pixels: {middles}"
    stops = tab.tab_to("header nav summary")
    assert stops[-1] == person.username, f"the menu is called {stops[-1]!r}"
    tab.press("Enter", "Tab")
    assert tab.js("document.activeElement.closest('details[open]') !== null"), "Enter opens no menu"
    for width in (360, 1280):
        tab.set_width(width)
        menu = tab.js("document.querySelector('details[open] > ul').getBoundingClientRect()")
        assert menu["left"] >= 0, f"the menu is outside of the screen: {menu}"
        assert menu["right"] <= width, f"the menu is outside of the screen: {menu}"
        found = violations(tab, within="header")
        assert not found, report(found)
    tab.tab_to("header nav form button")
    assert tab.focused() == "Log out"
    tab.press("Enter")
    tab.wait("!document.querySelector('header nav summary')", "the menu is gone after the logout")
    person.close()


@pytest.mark.ours
@pytest.mark.one_step
@pytest.mark.since("2.markdown")
def test_highlighted_code_has_enough_contrast(tab, person):
    """Every color of highlighted code has enough contrast, in both color schemes."""
    number = person.write(body="```python\nprint()\n```")
    tab.open(f"/posts/{number}")
    names = sorted({*STANDARD_TYPES.values()} - {"", "w"})  # w is white space
    shown = tab.js(
        """arguments[0].map((name) => {
            const word = document.createElement("span");
            word.className = name;
            word.textContent = `word ${name}`;
            document.querySelector(".markdown pre code").append(word, " ");
            return getComputedStyle(word).color;
        })""",
        names,
    )
    assert len(set(shown)) > 5, f"code has only these colours: {set(shown)}"
    findings = Findings()
    findings.add(tab, "code")
    findings.check()


@pytest.mark.since("5.bar")
@pytest.mark.ours
@pytest.mark.one_step
def test_the_exports_page_is_accessible_in_every_state(tab, join):
    """The page of exports is accessible in every state that an export can have."""
    person = join()
    person.write()
    for _ in range(4):  # the last one is refused, with a message
        page = person.submit("/exports/")
    states = {
        "PENDING": "attempts = 1, current = 30, total = 70, seen_at = '9999-01-01 00:00:00'",
        "FAILURE": "error = 'Something went wrong here. Please try again.'",
        "SUCCESS": "current = 70, total = 70, size = 70000",
    }
    ids = [export["id"] for export in person.get("/api/exports").json()]
    for identity, (state, values) in zip(ids, states.items(), strict=False):
        statement = f"UPDATE export SET state = :state, {values} WHERE id = :id"
        person.server.project.change(statement, state=state, id=identity)
    page = person.get("/exports/")
    show(tab, page)
    findings = Findings()
    findings.add(tab, str(page))
    findings.check()
    tab.prefer(forced_colors="active")  # no background of ours is left, and a bar is just that
    bar = tab.js("getComputedStyle(document.querySelector('progress')).borderTopWidth")
    assert bar == "1px", f"where the system chooses the colours the bar has no border: {bar}"


@pytest.mark.since("5.contents")
@pytest.mark.one_step
def test_the_pages_of_an_archive_are_accessible(tab, join, worker, tmp_path):
    """The pages in an archive are accessible, too."""
    person = join()
    person.write(body=MARKDOWN)
    person.write("A title" + " that is long" * 8)
    with Export.start(person).until_end().archive() as archive:
        archive.extractall(tmp_path)
    files = [tmp_path / "index.html", *sorted(tmp_path.glob("posts/*.html"))]
    assert len(files) == 3, f"an index and two posts were expected, not {files}"
    findings = Findings()
    for file in files:
        tab.tab.get(file.as_uri())
        assert tab.js("document.documentElement.lang && document.title"), file.name
        findings.add(tab, file.name)
    findings.check()


@pytest.mark.slow
@pytest.mark.since("5.swagger")
@pytest.mark.one_step
def test_the_api_documentation_is_accessible(visitor, tab):
    """The page with the API's documentation is accessible, and fits a narrow screen."""
    page = visitor.get("/api/docs/")
    assert page.status == 200, page
    for width, scheme in LOOKS:
        tab.set_width(width)
        tab.prefer(color_scheme=scheme)
        tab.open("/api/docs/")
        tab.wait("document.querySelector('.opblock')", "the page of Swagger UI")
        assert tab.js("document.querySelectorAll('h1').length") == 1, "one <h1>"
        found = violations(tab)
        assert not found, f"{width} pixels, {scheme}:\n{report(found)}"
        tab.tab.execute_script(OPEN_ALL)
        tab.wait("document.querySelector('.responses-table')", "an operation in full")
        needed = tab.js("document.documentElement.scrollWidth")
        assert needed <= width, f"the page is {needed} pixels wide, the screen {width}"
        pale = [text for text in violations(tab) if "(color-contrast)" in text]
        unsure = [text for text in pale if "could not be determined" in text]
        assert pale == unsure, report(pale)
