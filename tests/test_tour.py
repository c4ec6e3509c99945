"""The tour: the lessons in the browser, as a learner reads them."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote
from urllib.parse import urldefrag
from urllib.parse import urljoin
from urllib.parse import urlsplit

import click
import lxml.html
import pytest
import requests

from common import lessons
from common.lessons import all_parts
from common.lessons import has_series
from common.lessons import parts_of
from common.steps import STEPS
from common.tour import changes
from common.tour import notes
from common.tour.app import create_app
from common.tour.app import file_of
from common.tour.export import MARK
from common.tour.export import export
from common.tour.export import prepare
from common.tour.own import Own
from common.tour.runs import Runs
from tests.support.axe import axe_source
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.chromium import Chromium
from tests.support.processes import answers
from tests.support.processes import wait_until
from tests.support.tour import Tour
from tests.support.tour import lines_in
from tests.support.tour import lines_on
from tests.test_accessibility import Findings

pytestmark = [pytest.mark.xdist_group("tour")]

PARTS = [f"/{part.number}/{part.place}" for part in all_parts()]
LESSONS = [f"/{step.number}" for step in STEPS]


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
def drawn(reader: Browser) -> dict[str, Page]:
    """The page of each lesson and each part, and all pages that they link to."""
    found: dict[str, Page] = {}
    left = ["/", *LESSONS, *PARTS]
    while left:
        path = left.pop(0)
        if path in found or path.startswith(("/diff/", "/search")):
            continue
        page = found[path] = reader.get(path)
        assert page.status == 200, page
        if page.is_html:
            links = lxml.html.fromstring(page.text).xpath("//a/@href | //img/@src | //link/@href")
            left += [urldefrag(urljoin(path, link))[0] for link in links if "://" not in link]
    return found


@pytest.fixture
def tab(reader: Browser, request: pytest.FixtureRequest) -> Iterator[Chromium]:
    """A real browser that has opened the address of the tour."""
    axe_source()  # skips where there is none, before a browser is started
    chromium = request.getfixturevalue("chromium")
    chromium.reset(reader, width=1440).open("/")
    chromium.tab.execute_script("localStorage.clear()")
    yield chromium
    trouble = chromium.trouble()
    chromium.open_nothing()
    assert not trouble, trouble


# -- What is on the pages --------------------------------------------------------------------------


@pytest.mark.slow
def test_each_line_of_each_patch_is_on_its_page_once(drawn):
    """The page of a part has each line of its patch once, in the order of the patch."""
    for part in all_parts():
        if has_series(part.step):
            page = drawn[f"/{part.number}/{part.place}"]
            (heading,) = lxml.html.fromstring(page.text).xpath("//h1")
            assert heading.text_content() == f"{part.name} {part.title}"
            assert lines_on(page.text) == lines_in(part.patch), f"{part.code} on {page}"


def test_each_lesson_lists_its_parts(drawn):
    """The page of a lesson, and of each part, has a link to each part of the lesson."""
    for step in STEPS:
        pages = [f"/{step.number}/{part.place}" for part in parts_of(step)]
        for path in (f"/{step.number}", *pages):
            missing = set(pages) - set(lxml.html.fromstring(drawn[path].text).xpath("//a/@href"))
            assert not missing, f"{path} has no link to {missing}"


@pytest.mark.slow
def test_every_link_leads_to_something(drawn):
    """Each link and anchor of the tour leads to a page, and to a place on it, that is there."""
    names: dict[str, set[str]] = {}
    for path, page in drawn.items():
        if page.is_html:
            ids = lxml.html.fromstring(page.text).xpath("//@id")
            assert len(ids) == len(set(ids)), f"{path} has a name twice"
            names[path] = set(ids)
    for path in names:
        for link in lxml.html.fromstring(drawn[path].text).xpath("//a/@href"):
            if not link.startswith(("http", "mailto:", "/diff", "/search")):
                target, fragment = urldefrag(urljoin(path, link))
                known = names.get(target, set())
                assert not fragment or unquote(fragment) in known, f"{path}: {link} leads nowhere"


@pytest.mark.slow
def test_a_text_is_beside_what_it_quotes(drawn):
    """The text of a part is that of NOTES.md, and what it quotes leads to the lines themselves."""
    quotes = 0
    for path, sections in notes.texts().pages.items():
        if path not in PARTS:
            continue
        tree = lxml.html.fromstring(drawn[path].text)
        words = " ".join(
            tree.xpath('//section[contains(@class, "text")]')[0].text_content().split()
        )
        first = sections[0].text.partition(".")[0]
        assert " ".join(first.split()) in words, f"{path} has no text"
        for figure in tree.xpath('//figure[@class="quote"]'):
            (link,) = figure.xpath("figcaption/a/@href")
            (target,) = tree.xpath("//*[@id=$name]", name=unquote(link[1:]))
            line = figure.xpath("pre")[0].text_content().split("\n")[0]
            assert line.strip() in target.text_content(), f"{path}: {link}"
            quotes += 1
    assert quotes or not any(path in PARTS for path in notes.texts().pages)


def test_lines_that_move_lead_to_each_other():
    """A line that moves is marked in both places; an import that many files have is not."""
    body = b"def add(one, other):\n    return one + other\n"
    before = {"a.py": b"import os\nimport sys\n\n\n" + body, "b.py": b"x = 1\n"}
    after = {"a.py": b"import os\n", "b.py": b"import sys\n\nx = 1\n\n\n" + body}
    lines = [line for file in changes.between(before, after) for line in file.lines]
    moved = {line.text: line for line in lines if line.sign == "+" and line.twin}
    assert set(moved) == {"def add(one, other):", "    return one + other"}
    assert all(line.twin.path == "a.py" and line.twin.sign == "-" for line in moved.values())


def test_words_that_change_are_marked():
    """Inside a line that replaces a similar one, only what has changed is marked."""
    before, after = {"a.py": b'x = greet("you", 1)\n'}, {"a.py": b'x = greet("me", 1)\n'}
    (file,) = changes.between(before, after)
    assert [str(line.html).count("<mark>") for line in file.lines] == [1, 1]
    assert [line.text[slice(*line.marks[0])] for line in file.lines] == ["you", "me"]


def test_lines_that_are_indented_anew_are_known():
    """A line that only moves to the right can be left out; one with new words cannot."""
    before = {"a.py": b"one()\ntwo()\n"}
    after = {"a.py": b"if yes:\n    one()\n    three()\n"}
    (file,) = changes.between(before, after)
    spaces = {(line.sign, line.text.strip()) for line in file.lines if line.only_space}
    assert spaces == {("-", "one()"), ("+", "one()")}


def test_any_text_is_shown_as_it_is():
    """Whatever is in a file, its lines are on the page as text, and as many as they are."""
    hostile = (
        "<script>alert(1)</script>\n'\" &amp; {{ x }}\r\n\x0cend\u2028of line\x85x\n\n\tno newline"
    )
    for name in ("a.py", "a.html", "a.txt", "a.js"):
        (file,) = changes.between({}, {name: hostile.encode()})
        assert [line.text for line in file.lines] == hostile.split("\n")
        html = "".join(line.html for line in file.lines)
        assert "<script" not in html
        text = lxml.html.fromstring(f"<pre>{html.replace(chr(12), '')}</pre>").text_content()
        assert "<script>alert(1)</script>" in text


# -- Two states, and words -------------------------------------------------------------------------


def test_any_two_states_can_be_compared(reader):
    """From any state to any other, by file or by part."""
    first, last = parts_of(STEPS[0])[2], parts_of(STEPS[0])[5]
    page = reader.get(f"/diff/{first.name}/{last.code}")
    before, after = lessons.files_after(first), lessons.files_after(last)
    assert rebuilt(page, before) == rebuilt(page, before, new=True, after=after)
    page = reader.get(f"/diff/{first.name}/{last.name}?by=part")
    patches = [line for part in parts_of(STEPS[0])[3:6] for line in lines_in(part.patch)]
    assert lines_on(page.text) == patches
    back = reader.get("/diff/2/1")
    assert ("+", "app = Flask(__name__)") in lines_on(back.text)
    assert reader.get("/diff/?from=1.2&to=2").path == "/diff/1.2/2"
    assert reader.get("/diff/1/1").words.endswith("No file is different.")
    for wrong in ("/diff/1/99", "/diff/x/2", "/9", "/1/99", "/3/nothing"):
        assert reader.get(wrong).status == 404, wrong


def rebuilt(page: Page, before: dict, *, new: bool = False, after: dict | None = None) -> list[str]:
    """Return the lines that come and go, as the page or as the files have it."""
    if not new:
        signs = {"+": [], "-": []}
        for sign, text in lines_on(page.text):
            signs.get(sign, []).append(text)
        return [f"+{text}" for text in sorted(signs["+"])] + [
            f"-{text}" for text in sorted(signs["-"])
        ]
    found = changes.between(before, after or {})
    lines = [line for file in found for line in file.lines]
    return [f"+{t}" for t in sorted(line.text for line in lines if line.sign == "+")] + [
        f"-{t}" for t in sorted(line.text for line in lines if line.sign == "-")
    ]


def test_search_finds_texts_code_and_terms(reader):
    """A search finds words in texts, in code and in the glossary, and leads to their places."""
    page = reader.get("/search?q=ROUTE")
    assert page.status == 200
    assert "In the glossary" in page.words
    assert "路由" in page.words
    page = reader.get("/search?q=def+about")
    link = next(link for link in page.soup("a") if "line" in link.text and "app.py" in link.text)
    path, fragment = urldefrag(link["href"])
    (line,) = lxml.html.fromstring(reader.get(path).text).xpath("//*[@id=$name]", name=fragment)
    assert "def about" in line.text_content()
    page = reader.get("/search?q=<script>alert(1)</script>")
    assert "<script>alert" not in page.text
    assert "Nothing has all these words" in page.words
    assert reader.get("/search").status == 200


# -- For this machine alone ------------------------------------------------------------------------


def test_the_tour_is_for_who_has_its_address(tour, reader):
    """Without the token nothing is shown, and the address loses it as soon as it is opened."""
    assert requests.get(tour.url + "/1/1", timeout=9).status_code == 403
    assert requests.get(tour.url + "/1/1?token=x", timeout=9).status_code == 403
    answer = requests.get(tour.address, timeout=9, allow_redirects=False)
    assert answer.headers["Location"] == "/"
    assert re.search("HttpOnly.*SameSite=Lax", answer.headers["Set-Cookie"])
    assert tour.token not in reader.get("/1/1").text
    assert tour.token not in tour.process.output.replace(tour.address, "")


def test_other_hosts_and_forms_of_other_sites_are_refused(tour, reader):
    """A name that another site has for this machine is refused, and so are its forms."""
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example"):
        assert reader.get("/1/1", headers={"Host": host}).status == 400
        assert reader.get(f"/?token={tour.token}", headers={"Host": host}).status == 400
    for origin in ("http://evil.example", "http://127.0.0.1:1", "null"):
        assert reader.post("/1/1", headers={"Origin": origin}).status == 403
    assert reader.post("/1/1").status == 403


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/../NOTES.md",
            "/%2e%2e/NOTES.md",
            "/pictures/../learn.py",
            "/pictures/%2e%2e%2flearn.py",
        ),
        *(
            "/docs/..%2fNOTES",
            "/static/../app.py",
            "/static/%2e%2e/app.py",
            "/ui/..%2frendering.py",
        ),
        *(
            "/pictures//etc/passwd",
            "/text/%2fetc%2fpasswd",
            "/pictures/bench.json",
            "/docs/mysql.md",
        ),
    ],
)
def test_no_file_is_served_but_those_of_the_tour(tour, reader, path):
    """Addresses that leave their folder lead nowhere."""
    request = requests.Request("GET", tour.url, cookies=reader.http.cookies).prepare()
    request.url = tour.url + path  # as it is: requests would tidy it up
    assert reader.http.send(request, timeout=9).status_code == 404


def test_pages_are_strict(drawn):
    """Each page forbids scripts and styles inside of it, and has none."""
    for path, page in drawn.items():
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "same-origin"
        if page.is_html:
            tree = lxml.html.fromstring(page.text)
            inline = tree.xpath("//script[not(@src)] | //style | //@style | //@onclick")
            assert not inline, f"{path}: {inline}"


# -- In a real browser -----------------------------------------------------------------------------


def test_keys(tab):
    """All of the tour can be done with keys; the address says where one is, and Back goes back."""
    tab.open("/1/2")
    tab.press("j")
    tab.wait("location.pathname === '/1/3'", "j goes to the next part")
    tab.press("Arrow_Right")
    tab.wait("location.pathname === '/1/4'", "→ goes to the next part")
    tab.press("k")
    tab.wait("location.pathname === '/1/3'", "k goes to the part before")
    tab.tab.back()
    tab.wait("location.pathname === '/1/4'", "Back goes to where one was")
    tab.open("/1/7")
    hunks = tab.js("[...document.querySelectorAll('.hunk')].map((hunk) => hunk.id)")
    for expected in (hunks[0], hunks[1]):
        tab.press("n")
        assert tab.js("document.activeElement.id") == expected
    tab.press("p")
    assert tab.js("document.activeElement.id") == hunks[0]
    tab.press("f")
    assert tab.js("document.activeElement.className") == "name"
    tab.press("x")
    done = "document.querySelector('li[data-part] [aria-current]').parentNode.className"
    assert tab.js(done) == "done"
    tab.press("j")
    tab.wait("location.pathname === '/1/8'", "the next part")
    assert tab.js("document.querySelectorAll('li.done').length") == 1, "done is forgotten"
    tab.press("?")
    assert tab.js("document.querySelector('#keys').open"), "? shows the keys"
    tab.click("[name=keys]")
    tab.press("k")
    assert tab.js("location.pathname") == "/1/8", "the keys are off, and k works"
    tab.open("/search")
    tab.click("[type=search]")
    tab.press("j", "x")
    assert tab.js("document.querySelector('[type=search]').value") == "jx"


def test_columns_and_white_space(tab):
    """Replaced lines are in two columns or in one; changes of white space can be left out."""
    tab.open("/1/3")
    tab.set_width(1800)
    place = """(() => {
        const block = document.querySelector(".replaced");
        const old = block.querySelector(".removed").getBoundingClientRect();
        const now = block.querySelector(".added").getBoundingClientRect();
        return old.top === now.top && old.right <= now.left + 1;
    })()"""
    for wanted in ("one", "two"):
        tab.press("s")
        assert tab.js("document.querySelector('[name=columns]:checked').value") == wanted
        assert tab.js(place) == (wanted == "two"), wanted
    shown = (
        "[...document.querySelectorAll('.space.removed')].filter(l => l.checkVisibility()).length"
    )
    before = tab.js(shown)
    assert before
    tab.press("w")
    assert tab.js(shown) == 0
    tab.open("/1/2")
    tab.open("/1/3")
    assert tab.js(shown) == 0, "the choice is forgotten on the next page"
    tab.tab.execute_script("localStorage.clear()")


SELECT = """(() => {
    const table = document.querySelector(".hunk table");
    getSelection().selectAllChildren(table.tBodies[0]);
    getSelection().extend(table, table.childNodes.length);
    return getSelection().toString();
})()"""


def test_code_is_copied_without_numbers_and_marks(tab):
    """Whoever selects lines of a hunk copies the code alone; so does the button."""
    tab.open("/1/1")
    expected = "\n".join(text for _, text in lines_in(parts_of(STEPS[0])[0].patch)[:1])
    assert str(tab.js(SELECT)).strip() == expected
    tab.open("/1/7")
    code = [text for sign, text in lines_in(parts_of(STEPS[0])[6].patch)][:30]
    assert str(tab.js(SELECT)).splitlines()[:28] == code[:28]
    allowed = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    tab.cdp("Browser.grantPermissions", permissions=allowed, origin=tab.base)
    tab.click(".copy")
    tab.wait("document.querySelector('.copy').textContent === 'copied'", "the hunk is copied")
    script = "navigator.clipboard.readText().then(arguments[0])"
    copied = tab.tab.execute_async_script(script)
    assert copied.split("\n")[:28] == code[:28]


def test_100_columns_fit(tab):
    """On a screen of 1440 pixels a line of 100 characters is not broken."""
    tab.open("/1/2")
    height = """(() => {
        const code = document.querySelector(".hunk .code code");
        code.textContent = arguments[0];
        return code.getBoundingClientRect().height;
    })()"""
    assert tab.js(height, "x" * 100) == tab.js(height, "x")
    assert tab.js(height, "x" * 200) > tab.js(height, "x"), "a longer one is cut off"


def test_text_stays_in_sight_and_comes_first_on_a_phone(tab):
    """Beside a long diff the text stays where it is; on a phone it is above the code."""
    tab.open("/1/7")
    top = "document.querySelector('h1').getBoundingClientRect().top"
    tab.tab.execute_script("scrollTo(0, 400)")
    assert tab.js("scrollY") > 100
    assert 0 <= tab.js(top) < 300
    tab.set_width(360)
    order = """["h1", ".hunk", "#parts"].map(
        (name) => document.querySelector(name).getBoundingClientRect().top)"""
    assert tab.js(order) == sorted(tab.js(order))


def test_paper_has_text_and_code(tab):
    """Printed, a part is its text and its hunks, with nothing to click on."""
    tab.open("/1/7")
    tab.cdp("Emulation.setEmulatedMedia", media="print")
    try:
        visible = "[...document.querySelectorAll(arguments[0])].some((e) => e.checkVisibility())"
        assert tab.js(visible, "h1") and tab.js(visible, ".hunk tr.added")
        for name in (".top", "#parts", ".view", ".copy", "button", "details"):
            assert not tab.js(visible, name), f"{name} is printed"
    finally:
        tab.cdp("Emulation.setEmulatedMedia", media="")


def test_it_works_without_script(tab):
    """Without scripts there is the same to read, and nothing that does not work."""
    tab.cdp("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open("/1/7")
        tab.click("a[rel=next]")
        assert tab.tab.current_url.endswith("/1/8")
        for name in (".copy", "button.done", "#keys"):
            found = tab.tab.find_elements("css selector", name)
            assert not any(element.is_displayed() for element in found), name
    finally:
        tab.cdp("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/1/3", "/1"])
def test_the_tour_is_accessible(tab, path):
    """Axe finds nothing, and nothing is wider than the screen: narrow, wide, large, light, dark."""
    tab.open(path)
    tab.tab.execute_script("document.querySelectorAll('details').forEach((one) => one.open = true)")
    findings = Findings()
    findings.add(tab, path)
    findings.check()


# -- As files --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tour as files, in a folder below the one that a host would serve."""
    folder = tmp_path_factory.mktemp("web") / "some path" / "tour"
    export(folder)
    return folder


@pytest.mark.slow
def test_the_tour_as_files_is_the_same(files, drawn):
    """The files have the same texts and lines as the pages that are served."""
    for path in ("/", *LESSONS, *PARTS):
        html = (files / file_of(path)).read_text(encoding="utf-8")
        assert lines_on(html) == lines_on(drawn[path].text), path
        assert words_of(html) == words_of(drawn[path].text), path


def words_of(page: str) -> list[str]:
    """Return what there is to read, without what only a program can do."""
    main = lxml.html.fromstring(page).xpath("//main")[0]
    for live in main.xpath('//*[@id="live"]'):
        live.drop_tree()
    return main.text_content().split()


@pytest.mark.slow
def test_links_of_the_files_lead_to_files(files):
    """Every link between the files is relative, and leads to a file and to a place in it."""
    trees = {
        file: lxml.html.fromstring(file.read_text(encoding="utf-8"))
        for file in files.rglob("*.html")
    }
    names = {file: set(tree.xpath("//@id")) for file, tree in trees.items()}
    count = 0
    for file, tree in trees.items():
        for link in tree.xpath("//*/@href | //*/@src"):
            if "://" in link:
                continue
            path, fragment = urldefrag(link)
            target = (file.parent / unquote(path)).resolve() if path else file
            assert target.is_relative_to(files) and target.is_file(), f"{file}: {link}"
            assert not fragment or unquote(fragment) in names[target], f"{file}: {link}"
            count += 1
    assert count > 500


def test_files_of_others_are_left_alone(files, tmp_path):
    """A folder that holds something else is refused; an older tour is replaced."""
    (tmp_path / "mine.txt").touch()
    with pytest.raises(click.ClickException, match="is there already"):
        prepare(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
    copy = shutil.copytree(files, tmp_path / "copy")
    (copy / "1" / "99.html").touch()
    (copy / ".git").mkdir()
    prepare(copy)
    assert {file.name for file in copy.iterdir()} == {".git", MARK}


def test_the_files_work_in_a_browser(files, tab):
    """Opened from a disk or from a host, the files are as the pages are: styles, keys, links."""
    tab.tab.get((files / "1" / "3.html").as_uri())
    tab.press("j")
    tab.wait("location.pathname.endsWith('/1/4.html')", "j goes to the next part")
    assert tab.js("getComputedStyle(document.querySelector('.columns')).display") == "grid"
    tab.requests.clear()


# -- The learner's own app -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tour, Path]]:
    """A tour of lesson 1, for an app that has done the first two parts but for one line."""
    folder = tmp_path_factory.mktemp("own") / "my app"
    lessons.write(lessons.files_after(parts_of(STEPS[0])[1]), folder)
    app = folder / "app.py"
    app.write_text(app.read_text().replace('@app.get("/")', '@app.get("/start")'))
    tour = Tour("1", "--app", folder)
    yield tour, folder
    tour.close()


@pytest.mark.slow
def test_parts_are_done_as_they_are_saved(mine, request):
    """While the page is open, an app that is saved goes from red to green."""
    tour, folder = mine
    reader = tour.visitor()
    tab = request.getfixturevalue("chromium").reset(reader, width=1440)
    tab.open("/1/2")
    item = "document.querySelector('li[data-part=\"%s\"]').className"
    tab.wait(f"{item % '1.hello'} === 'broken'", "the first part is not kept", 120)
    assert "the home page" in str(tab.js("document.querySelector('.own').textContent")).lower()
    app = folder / "app.py"
    app.write_text(app.read_text().replace("/start", "/"))
    tab.wait(f"{item % '1.hello'} === 'done'", "the first part is kept", 120)
    tab.wait(f"{item % '1.template'} === 'done'", "the second part is kept", 120)
    tab.wait(f"{item % '1.about'} === 'broken'", "the page says what is next", 120)
    trouble = tab.trouble()
    tab.open_nothing()
    assert not trouble, trouble


def test_ours_is_shown_to_who_has_tried(tmp_path):
    """Their file is shown against ours once they have tried, as text, whatever is in it."""
    lessons.write(lessons.files_after(parts_of(STEPS[0])[2]), tmp_path)
    client = create_app(None, runs=Runs(), own=Own(STEPS[0], tmp_path)).test_client()
    page = client.get("/1/4/mine")
    assert page.status_code == 403
    assert "Try 1.4 yourself first" in page.text
    assert "/1/4/mine" not in client.get("/1/4").text
    (tmp_path / "templates" / "about.html").write_text("<script>alert(1)</script>\n")
    assert "/1/4/mine" in client.get("/1/4").text
    page = client.get("/1/4/mine")
    assert ("-", "<script>alert(1)</script>") in lines_on(page.text)
    assert "<script>alert" not in page.text
    assert ("+", "def about() -> str:") in lines_on(page.text)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such links for everybody")
def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    """What a link in the folder leads to is not shown if it is elsewhere."""
    (tmp_path / "secret").write_text("a secret")
    folder = tmp_path / "app"
    (folder / "templates").mkdir(parents=True)
    (folder / "templates" / "about.html").symlink_to(tmp_path / "secret")
    (folder / "app.py").symlink_to("../secret")
    own = Own(STEPS[0], folder)
    assert own.files({"app.py", "templates/about.html", "../secret"}) == {}
    assert not own.has_tried(parts_of(STEPS[0])[3])


@pytest.mark.slow
@pytest.mark.timed
def test_a_part_runs_beside_its_page(mine):
    """“Run this part” starts it, and the page has a link to it and its log; “Stop” ends it."""
    tour, _ = mine
    reader = tour.visitor()
    page = reader.post("/1/4/run", headers={"Origin": tour.url})
    assert page.path == "/1/4"

    def running() -> str | None:
        found = re.search(r'runs: <a href="(http://127.0.0.1:\d+/)"', reader.get("/1/4/live").text)
        return found[1] if found else None

    url = str(wait_until(running, "part 1.4 runs", seconds=60))
    assert "Study Log" in requests.get(f"{url}about", timeout=9).text
    assert requests.get(f"{url}posts/", timeout=9).status_code == 404, "a later part runs"
    wait_until(lambda: "GET /about" in reader.get("/1/4/live").text, "its log is on the page")
    reader.post("/1/4/stop", headers={"Origin": tour.url})
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=9)


@pytest.mark.slow
def test_what_ends_the_tour_ends_what_it_started():
    """A part that runs ends with the tour, even if that is killed."""
    tour = Tour("1")
    reader = tour.visitor()
    reader.post("/1/1/run", headers={"Origin": tour.url})

    def running() -> str | None:
        found = re.search(r'runs: <a href="(http://127.0.0.1:\d+/)"', reader.get("/1/1/live").text)
        return found[1] if found else None

    url = str(wait_until(running, "part 1.1 runs", seconds=60))
    tour.process.terminate()
    tour.close()
    port = urlsplit(url).port
    wait_until(lambda: not answers(port), "the part has ended with the tour")
