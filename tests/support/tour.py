"""The tour at work: `learn.py tour`, and a browser that has opened its address."""

import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import lxml.html

from common import stack
from common.steps import ROOT
from tests.support.browser import Browser
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


def lines_on(page: str) -> list[tuple[str, str]]:
    """Return the lines of all hunks on a page: a space, + or -, and the code."""
    signs = {"added": "+", "removed": "-", "same": " "}
    found = []
    for row in lxml.html.fromstring(page).xpath('//div[@class="hunk"]/table/tbody/tr'):
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
