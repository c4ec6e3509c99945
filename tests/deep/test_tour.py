"""All of the tour: every part of every lesson is drawn, as a page and as a file."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from urllib.parse import unquote
from urllib.parse import urldefrag

import lxml.html
import pytest

from common import lessons
from common.lessons import Part
from common.lessons import all_parts
from common.lessons import parts_of
from common.steps import STEPS
from common.tour import changes
from common.tour.app import file_of
from common.tour.export import export
from tests.support.axe import axe_source
from tests.support.axe import violations
from tests.support.browser import Browser
from tests.support.chromium import Chromium
from tests.support.tour import Drawn
from tests.support.tour import Tour
from tests.support.tour import address_of
from tests.support.tour import lines_on
from tests.support.tour import pages_of
from tests.test_accessibility import LOOKS
from tests.test_accessibility import Findings

pytestmark = [pytest.mark.xdist_group("tour")]

# How far the page of a part is: its hunks are there, its title has room, and nothing is wider than
# the screen.
DRAWN = """[
    document.querySelector("h1").offsetWidth > 250,
    document.querySelectorAll(".hunk tr").length > 0,
    document.documentElement.scrollWidth <= innerWidth,
    document.querySelector("button.done").checkVisibility(),
]"""
# What one sees of a search.
FOUND = "[...document.querySelectorAll('main h2, .hits li')].map((e) => e.innerText)"


@pytest.fixture(scope="module")
def tour() -> Iterator[Tour]:
    """The tour at work."""
    tour = Tour()
    yield tour
    tour.close()


@pytest.fixture(scope="module")
def reader(tour: Tour) -> Browser:
    """Somebody who reads it."""
    return tour.visitor()


@pytest.fixture(scope="module")
def drawn(reader: Browser) -> Drawn:
    """The page of each lesson and each part, and all pages that they link to."""
    paths = [path for step in STEPS for path in pages_of(step)]
    return Drawn(reader, ["/", *paths], follow=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tour as files, in a folder below the one that a host would serve."""
    folder = tmp_path_factory.mktemp("web") / "some path" / "tour"
    export(folder)
    return folder


@pytest.fixture
def tab(reader: Browser, request: pytest.FixtureRequest) -> Iterator[Chromium]:
    """A real browser that has opened the address of the tour."""
    axe_source()  # skips where there is none, before a browser is started
    chromium = request.getfixturevalue("chromium").reset(reader, width=1440)
    yield chromium
    trouble = chromium.trouble()
    chromium.open_nothing()
    assert not trouble, trouble


# -- What is on the pages --------------------------------------------------------------------------


@pytest.mark.parametrize("lesson", STEPS, ids=lambda lesson: lesson.name)
def test_each_line_of_each_patch_is_on_its_page_once(drawn, lesson):
    """The page of a part has each line of its patch once, its text, and links to the others."""
    drawn.check_lines(lesson)
    drawn.check_lists(lesson)
    drawn.check_texts(lesson)


def test_every_link_leads_to_something(drawn):
    """Each link and anchor of the tour leads to a page, and to a place on it, that is there."""
    drawn.check_links()


def test_every_page_is_strict(drawn):
    """Each page forbids scripts and styles inside of it, and has none."""
    drawn.check_policy()


# -- In a real browser -----------------------------------------------------------------------------


@pytest.mark.parametrize("lesson", STEPS, ids=lambda lesson: lesson.name)
def test_each_part_is_drawn(tab, lesson):
    """Every part is drawn, without a word in the console, on a wide and on a narrow screen."""
    for part in parts_of(lesson):
        tab.open(address_of(part))
        for width in (1440, 360):
            tab.set_width(width)
            assert tab.js(DRAWN) == [True] * 4, f"{part.name}, {width} pixels"
        tab.check_logs()


def sample(number: int) -> list[Part]:
    """Return the parts of a lesson that differ most: the first, the largest, those with most marks.

    Marks are at lines that have moved, and in lines of which some words have changed.
    """
    parts = [part for part in all_parts() if part.number == number]
    lines = {
        part: [line for file in changes.of_part(part) for line in file.lines] for part in parts
    }
    chosen = [
        parts[0],
        max(parts, key=lambda part: len(lines[part])),
        max(parts, key=lambda part: sum(bool(line.marks) for line in lines[part])),
        max(parts, key=lambda part: sum(bool(line.twin) for line in lines[part])),
    ]
    return list(dict.fromkeys(chosen))


@pytest.mark.parametrize("number", [step.number for step in STEPS])
def test_lessons_are_accessible(tab, number):
    """Axe finds nothing on the page of a lesson, and on those parts: narrow, wide, light, dark."""
    findings = Findings()
    tab.open(f"/{number}")
    findings.add(tab, f"/{number}")
    for path, (width, scheme) in zip(map(address_of, sample(number)), cycle(LOOKS), strict=False):
        tab.set_width(width)
        tab.prefer(color_scheme=scheme)
        tab.open(path)
        where = f"{path}, {width} pixels, {scheme}: "
        findings.violations += [where + text for text in violations(tab)]
    findings.check()


def test_a_part_with_all_that_it_has_is_accessible(tab):
    """Axe finds nothing where whole files are unfolded: wide, narrow, light, dark, large text."""
    tab.open("/1/3")
    tab.tab.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    findings = Findings()
    findings.add(tab, "/1/3")
    findings.check()


@pytest.mark.parametrize(
    "path", ["/", "/diff/1.2/1.4", "/diff/1/1.4?by=part", "/search?q=route", "/9"]
)
def test_other_pages_are_accessible(tab, path):
    """Axe finds nothing on the pages beside the lessons."""
    tab.open(path)
    if path == "/9":
        tab.forget_console()  # it says that this is a 404
    findings = Findings()
    findings.add(tab, path)
    findings.check()


# -- As files --------------------------------------------------------------------------------------


def test_the_tour_as_files_is_the_same(files, drawn):
    """The files have the same texts and lines as the pages that are served."""
    for step in STEPS:
        for path in pages_of(step)[::5]:
            html = (files / file_of(path)).read_text(encoding="utf-8")
            assert lines_on(html) == lines_on(drawn.pages[path].text), path
            assert words_of(html) == words_of(drawn.pages[path].text), path


def words_of(page: str) -> list[str]:
    """Return what there is to read, without what only a program can do."""
    main = lxml.html.fromstring(page).xpath("//main")[0]
    for live in main.xpath('//*[@id="live"]'):
        live.drop_tree()
    return main.text_content().split()


def test_links_of_the_files_lead_to_files(files):
    """Every link between the files is relative, and leads to a file and to a place in it."""
    trees = {
        file: lxml.html.fromstring(file.read_text(encoding="utf-8"))
        for file in files.rglob("*.html")
    }
    names = {file: set(tree.xpath("//@id")) for file, tree in trees.items()}
    count = 0
    for file, tree in trees.items():
        for link in tree.xpath("//*/@href | //*/@src | //*/@action"):
            if "://" in link:
                continue
            path, fragment = urldefrag(link)
            target = (file.parent / unquote(path)).resolve() if path else file
            assert target.is_relative_to(files) and target.is_file(), f"{file}: {link}"
            assert not fragment or unquote(fragment) in names[target], f"{file}: {link}"
            count += 1
    assert count > 500


def test_the_files_work_in_a_browser(files, tab):
    """Opened from a disk, the files are as the pages are: styles, keys, links."""
    tab.tab.get((files / "1" / "3.html").as_uri())
    tab.press("j")
    tab.wait("location.pathname.endsWith('/1/4.html')", "j goes to the next part")
    assert tab.js("getComputedStyle(document.querySelector('.columns')).display") == "grid"
    tab.requests.clear()  # they are files, and of no host


@pytest.mark.parametrize("words", ["session", "def about", "Flask", "none of it", "<script> 1"])
def test_a_search_in_the_files_finds_the_same(files, tab, words):
    """A script finds in the files what the program finds, and each link leads to its place."""
    tab.open("/search")
    tab.click("[type=search]")
    tab.press(words, "Enter")
    tab.wait("location.search", "the search is sent")
    expected = tab.js(FOUND)
    tab.tab.get((files / "1" / "3.html").as_uri())
    tab.click("[type=search]")
    tab.press(words, "Enter")
    tab.wait("location.pathname.endsWith('search.html')", "the page of the search is there")
    assert tab.js(FOUND) == expected
    if expected:
        tab.click(".hits a")
        tab.wait("!location.pathname.endsWith('search.html')", "the first hit leads to its page")
    tab.requests.clear()  # they are files, and of no host


def test_without_a_script_there_is_an_index(files):
    """The page of the search lists all terms and all parts with their files."""
    tree = lxml.html.fromstring((files / "search.html").read_text(encoding="utf-8"))
    words = tree.xpath('//*[@id="index"]')[0].text_content()
    for part in all_parts():
        assert f"{part.name} {part.title}" in words
    assert "app/extensions.py" in words
    assert "blueprint" in words


# -- The learner's own app -------------------------------------------------------------------------


# As a learner may write it: the page is not made by a template, as ours is.
ABOUT = """

@app.get("/about")
def about() -> str:
    return render_template("home.html")
"""


@pytest.mark.slow
def test_parts_are_done_as_they_are_saved(tmp_path, request):
    """While the page is open, an app that is saved goes from red to green."""
    folder = tmp_path / "my app"
    lessons.write(lessons.files_after(parts_of(STEPS[0])[1]), folder)
    app = folder / "app.py"
    app.write_text(app.read_text().replace('@app.get("/")', '@app.get("/start")'))
    tour = Tour("1", "--app", folder)
    try:
        tab = request.getfixturevalue("chromium").reset(tour.visitor(), width=1440)
        tab.open("/1/2")
        item = "document.querySelector('li[data-part=\"%s\"]').className"
        own = "document.querySelector('.own').textContent"
        tab.wait(f"{item % '1.hello'} === 'broken'", "the first part is not kept", 120)
        assert "home page" in str(tab.js(own))
        found = violations(tab)
        app.write_text(app.read_text().replace("return ", "return (", 1))
        tab.wait(f"/does not start.*SyntaxError/s.test({own})", "it does not start", 120)
        app.write_text(app.read_text().replace("return (", "return ", 1).replace("/start", "/"))
        tab.wait(f"{item % '1.hello'} === 'done'", "the first part is kept", 120)
        tab.wait(f"{item % '1.template'} === 'done'", "the second part is kept", 120)
        tab.open("/1/4")
        tab.wait(f"{item % '1.about'} === 'broken'", "the page says what is next", 120)
        assert not tab.js("document.querySelector('a[href=\"/1/4/mine\"]')")
        text = app.read_text()
        app.write_text(
            f'{text}\n\n@app.get("/about")\ndef about() -> str:\n    return "<h1>1</h1>"\n'
        )
        tab.wait("document.querySelector('a[href=\"/1/4/mine\"]')", "“show me” is there", 120)
        tab.wait(f"{item % '1.about'} === 'done'", "the part is kept, in words of their own", 120)
        tab.click("a[href='/1/4/mine']")
        tab.wait("document.querySelector('.hunk')", "their file is beside ours")
        found += violations(tab)
        trouble = tab.trouble()
        tab.open_nothing()
    finally:
        tour.close()
    assert not trouble, trouble
    assert not found, found
