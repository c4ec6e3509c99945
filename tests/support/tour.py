"""The tour at work: `learn.py tour`, and a browser that has opened its address."""

import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from urllib.parse import urldefrag
from urllib.parse import urljoin
from urllib.parse import urlsplit

import lxml.html

from common import stack
from common.lessons import Part
from common.lessons import parts_of
from common.steps import ROOT
from common.steps import Step
from common.tour import notes
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.processes import Log
from tests.support.processes import Process
from tests.support.processes import new_folder
from tests.support.processes import remove_folder
from tests.support.processes import wait_until
from tests.support.project import tail


class Tour:
    """A tour on a free port, from the start to ``close``."""

    def __init__(self, *words: object) -> None:
        self.folder = new_folder()
        port = stack.free_port()
        command = [sys.executable, "-P", "-m", "common.cli", "tour", *map(str, words)]
        command += ["--no-browser", "--port", str(port)]
        env = {
            **{"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"},
            "PYTHONPATH": str(ROOT),
        }
        self.process = Process(command, cwd=self.folder, env=env, log=Log(self.folder / "tour.txt"))
        self.address = str(wait_until(self._find_address, "the address of the tour", seconds=30))
        parts = urlsplit(self.address)
        self.url = f"{parts.scheme}://{parts.netloc}"
        self.token = parts.query.removeprefix("token=")

    def _find_address(self) -> str | None:
        assert self.process.running, f"learn.py tour ended:\n{tail(self.process.output)}"
        found = re.search(r"http://\S+", self.process.output)
        return found[0] if found else None

    def visitor(self) -> Browser:
        """Return a browser that has opened the address."""
        browser = Browser(self)  # type: ignore[arg-type]  # it only asks for the address
        page = browser.get(self.address.removeprefix(self.url))
        assert page.status == 200, page
        return browser

    def close(self) -> None:
        self.process.kill()
        remove_folder(self.folder)


class Drawn:
    """Pages of the tour, as a reader gets them, and what has to be true of them."""

    def __init__(self, reader: Browser, paths: list[str], *, follow: bool = False) -> None:
        self.pages: dict[str, Page] = {}
        self.trees: dict[str, Any] = {}
        left = list(paths)
        while left:
            path = left.pop(0)
            if path in self.pages or path.startswith(("/diff/", "/search")):
                continue
            page = self.pages[path] = reader.get(path)
            assert page.status == 200, page
            if page.is_html:
                tree = self.trees[path] = lxml.html.fromstring(page.text)
                if follow:
                    links = tree.xpath("//a/@href | //img/@src | //link/@href")
                    left += [urldefrag(urljoin(path, link))[0] for link in links if is_near(link)]

    def check_lines(self, step: Step) -> None:
        """Each part has each line of its patch once, in that order."""
        for part in parts_of(step):
            tree = self.trees[address_of(part)]
            (heading,) = tree.xpath("//h1")
            assert heading.text_content() == f"{part.name} {part.title}"
            assert lines_of(tree) == lines_in(part.patch), f"{part.code} on its page"

    def check_lists(self, step: Step) -> None:
        """The lesson, and each of its parts, has a link to each part."""
        first, *others = pages_of(step)
        for path in (first, *others):
            missing = set(others) - set(self.trees[path].xpath("//a/@href"))
            assert not missing, f"{path} has no link to {missing}"

    def check_texts(self, step: Step) -> None:
        """Each part has its text, and what that quotes leads to the lines themselves."""
        for path in pages_of(step)[1:]:
            tree, sections = self.trees[path], notes.texts().pages[path]
            (text,) = tree.xpath('//section[contains(@class, "text")]')
            first = sections[0].text.partition(".")[0]
            words = " ".join(text.text_content().split())
            assert " ".join(first.split()) in words, f"{path} has no text"
            for figure in tree.xpath('//figure[@class="quote"]'):
                (link,) = figure.xpath("figcaption/a/@href")
                (target,) = tree.xpath("//*[@id=$name]", name=unquote(link[1:]))
                line = figure.xpath("pre")[0].text_content().split("\n")[0]
                assert line.strip() in target.text_content(), f"{path}: {link}"

    def check_policy(self) -> None:
        """Each page forbids scripts and styles inside of it, and has none."""
        for page in self.pages.values():
            policy = page.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy
            assert page.headers["X-Content-Type-Options"] == "nosniff"
            assert page.headers["Referrer-Policy"] == "same-origin"
        for path, tree in self.trees.items():
            inline = tree.xpath("//script[not(@src)] | //style | //@style | //@onclick")
            assert not inline, f"{path}: {inline}"

    def check_links(self) -> None:
        """Each link leads to a page, and to a place on it, that is there."""
        names = {path: tree.xpath("//@id") for path, tree in self.trees.items()}
        for path, ids in names.items():
            assert len(ids) == len(set(ids)), f"{path} has a name twice"
        known = {path: set(ids) for path, ids in names.items()}
        for path, tree in self.trees.items():
            for link in tree.xpath("//a/@href"):
                if is_near(link) and not link.startswith(("/diff", "/search")):
                    target, fragment = urldefrag(urljoin(path, link))
                    assert target in self.pages, f"{path}: {link} leads nowhere"
                    there = known.get(target, set())
                    assert not fragment or unquote(fragment) in there, f"{path}: {link}"


def is_near(link: str) -> bool:
    return "://" not in link and not link.startswith("mailto:")


def address_of(part: Part) -> str:
    """Return the page of a part."""
    return f"/{part.number}/{part.place}"


def pages_of(step: Step) -> list[str]:
    """Return the page of a lesson, and those of its parts."""
    return [f"/{step.number}", *map(address_of, parts_of(step))]


def lines_on(page: str) -> list[tuple[str, str]]:
    """Return the lines of all hunks on a page: a space, + or -, and the code."""
    return lines_of(lxml.html.fromstring(page))


def lines_of(tree: Any) -> list[tuple[str, str]]:
    signs = {"added": "+", "removed": "-", "same": " "}
    found = []
    for row in tree.xpath('//div[@class="hunk"]/table/tbody/tr'):
        kind = next(name for name in row.get("class").split() if name in signs)
        code = row.xpath('td[@class="code"]')[0].text_content()
        found.append((signs[kind], code.removesuffix("\n")))
    return found


def lines_in(patch: Path) -> list[tuple[str, str]]:
    """Return the lines of all hunks of a patch, in the same form."""
    found: list[tuple[str, str]] = []
    left = [0, 0]
    for line in patch.read_text(encoding="utf-8").split("\n"):
        if head := re.match(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@", line):
            left = [1 if count is None else int(count) for count in head.groups()]
        elif any(left) and line[:1] in (" ", "+", "-"):
            found.append((line[:1], line[1:]))
            left = [left[0] - (line[0] != "+"), left[1] - (line[0] != "-")]
    return found
