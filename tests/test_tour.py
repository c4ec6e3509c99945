"""The tour: the lessons in the browser, as a learner reads them."""

import os
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urldefrag
from urllib.parse import urlsplit

import click
import lxml.html
import pytest
import requests

from common import lessons
from common.check import Promise
from common.lessons import Part
from common.lessons import parts_of
from common.steps import STEPS
from common.tour import changes
from common.tour.app import create_app
from common.tour.export import MARK
from common.tour.export import prepare
from common.tour.own import Own
from common.tour.runs import Runs
from tests.support.axe import axe_source
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.chromium import Chromium
from tests.support.processes import answers
from tests.support.processes import wait_until
from tests.support.tour import Drawn
from tests.support.tour import Tour
from tests.support.tour import lines_in
from tests.support.tour import lines_on
from tests.support.tour import pages_of

pytestmark = [pytest.mark.xdist_group("tour")]


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
    """The pages of lesson 1; tests/deep/test_tour.py has those of the others."""
    return Drawn(reader, [*pages_of(STEPS[0]), "/", "/text/glossary", "/docs/api"])


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


def test_a_part_has_each_line_of_its_patch_once(drawn):
    """The page of a part has each line of its patch once, in the order of the patch."""
    drawn.check_lines(STEPS[0])


def test_a_lesson_lists_its_parts(drawn):
    """The page of a lesson, and of each part, has a link to each part of the lesson."""
    drawn.check_lists(STEPS[0])


def test_a_text_is_beside_what_it_quotes(drawn):
    """The text of a part is that of NOTES.md, and what it quotes leads to the lines themselves."""
    drawn.check_texts(STEPS[0])


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


def test_words_are_not_marked_where_a_line_is_another_one():
    """Brackets and signs that most lines have do not make two lines alike."""
    before = {"a.py": b"celery_app = celery_init_app(app)\n"}
    (file,) = changes.between(before, {"a.py": b"app = Flask(__name__)\n"})
    assert not any(line.marks for line in file.lines)


def test_lines_that_are_indented_anew_are_known():
    """A line that only moves to the right can be left out; one with new words cannot."""
    before = {"a.py": b"zero()\none()\n\ntwo()\n"}
    after = {"a.py": b"def all():\n    zero()\n\n    one()\n    three()\n"}
    (file,) = changes.between(before, after)
    spaces = {(line.sign, line.text.strip()) for line in file.lines if line.only_space}
    assert spaces == {("-", "zero()"), ("+", "zero()"), ("-", "one()"), ("+", "one()")}
    assert all(
        line.marks == ((0, 4 if line.sign == "+" else 0),) for line in file.lines if line.only_space
    )


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
    drawn.check_policy()


HOSTILE = {
    "html": b"<script>alert(1)</script><img src=x onerror=alert(1)>\n</code></pre><h1>big</h1>\n",
    "jinja": b"{{ 7 * 7 }}{% raw %}{# x #}\n",
    "binary": bytes(range(256)) * 8,
    "zeros": b"\0" * 1000,
    "latin": "d\xe9j\xe0 vu\n".encode("latin-1"),
    "utf-16": "text\n".encode("utf-16"),
    "line ends": b"one\rtwo\r\nthree\x0cfour\x85five",
    "one long line": b"x" * 60_000,
    "many lines": b"\n" * 3000,
    "too large": b"x" * 1_000_000,
    "a patch": b"--- a/app.py\n+++ b/app.py\n@@ -1 +1 @@\n-x\n+y\n",
    "empty": b"",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_whatever_is_in_a_file_of_the_learner_is_text(tmp_path, content):
    """A file with markup, with bytes that are no text, or of any size is shown as text or named."""
    lessons.write(lessons.files_after(parts_of(STEPS[0])[2]), tmp_path)
    (tmp_path / "app.py").write_bytes(content)
    client = create_app(None, runs=Runs(), own=Own(STEPS[0], tmp_path)).test_client()
    page = client.get("/1/4/mine")
    assert page.status_code == 200
    tree = lxml.html.fromstring(page.data)
    assert not tree.xpath("//main//script | //main//img | //main//@onerror")
    assert len(tree.xpath("//h1")) == 1
    assert "49" not in tree.xpath("//main")[0].text_content() or content != HOSTILE["jinja"]
    is_large = len(content) > 64 * 1024 or content.count(b"\n") > 2000
    assert ("app.py is too large to be shown" in page.text) == is_large
    assert ("app.py is not text" in page.text) == (b"\0" in content)
    assert client.get("/1/4").status_code == 200


def test_the_address_with_the_token_leads_to_this_host_only(tour):
    """Opening an address with the token never redirects to another host."""
    request = requests.Request("GET", tour.url).prepare()
    request.url = f"{tour.url}//evil.example/1?token={tour.token}"
    with requests.Session() as session:
        answer = session.send(request, timeout=9, allow_redirects=False)
    assert answer.headers["Location"] == "/evil.example/1"


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


@pytest.mark.timed
def test_a_part_is_quick(tour):
    """A part takes no more than 0.3 seconds at the first look, and 50 ms after."""
    fresh = Tour()  # where nobody has looked at anything yet
    try:
        reader = fresh.visitor()
        first, later = [], []
        for path in pages_of(STEPS[2])[1:6]:
            for times in (first, later):
                began = time.perf_counter()
                assert reader.get(path).status == 200
                times.append(time.perf_counter() - began)
    finally:
        fresh.close()
    # The median, since this machine does other things too; the first one reads all the texts.
    assert sorted(first)[2] < 0.3, first
    assert sorted(later)[2] < 0.05, later


# -- As files --------------------------------------------------------------------------------------


def test_files_of_others_are_left_alone(tmp_path):
    """A folder that holds something else is refused; an older tour is replaced."""
    (tmp_path / "mine.txt").touch()
    with pytest.raises(click.ClickException, match="is there already"):
        prepare(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
    old = tmp_path / "old"
    (old / "1").mkdir(parents=True)
    for name in (MARK, "1/99.html", ".git"):
        (old / name).touch()
    prepare(old)
    assert {file.name for file in old.iterdir()} == {".git", MARK}


# -- The learner's own app -------------------------------------------------------------------------


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


def test_ours_is_not_shown_to_who_has_not_come_there(tmp_path):
    """A file that an earlier part has changed too is no reason to show how a later one does it."""
    parts = parts_of(STEPS[0])
    lessons.write(lessons.files_after(parts[2]), tmp_path)
    own = Own(STEPS[0], tmp_path)
    app = tmp_path / "app.py"
    own.open(parts[2])
    app.write_text(app.read_text() + "# an app of my own\n")
    for part in parts[3:6]:
        own.open(part)
        assert not own.has_tried(part), f"{part.name} is shown before they have changed anything"
    app.write_text(app.read_text() + "# part 1.4\n")
    own.results.promises = [promise(parts[3], failure={"kind": "promise"})]
    assert own.has_tried(parts[3])
    assert not own.has_tried(parts[4]), "1.5 is shown to somebody who is at 1.4"


def promise(part: Part, **values: Any) -> Promise:
    answer = {"title": "", "worker": False, "site": False, "asked": True, **values}
    return Promise(number=part.place, id=part.code, part=part.name, code=part.code, **answer)


def test_parts_are_done_when_all_that_they_promise_is_kept(tmp_path):
    """A part without a promise is done with the next one that has; a broken promise undoes one."""
    parts = parts_of(STEPS[0])
    own = Own(STEPS[0], tmp_path)
    own.open(parts[4])
    own.is_running = True
    own.results.promises = [promise(parts[0]), promise(parts[2]), promise(parts[4], asked=False)]
    assert own.parts() == {part.code for part in parts[:3]}
    own.results.promises[2].asked = True
    own.is_running = False
    assert own.parts() == {part.code for part in parts[:5]}
    own.results.promises[0].failure = own.results.promises[2].failure = {"kind": "promise"}
    assert own.parts() == {part.code for part in parts[1:3]}
    assert own.broken_part == parts[4].code, "what the open part promises is to be mended first"


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


@pytest.mark.timed
def test_a_part_runs_beside_its_page(tour, reader):
    """“Run this part” starts it, and the page has a link to it and its log; “Stop” ends it."""
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
