"""Real mistakes, made in a copy of their state; `common.mistakes` reads their files."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from common.mistakes import LATER
from common.mistakes import Mistake
from common.mistakes import git_apply
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.server import Server
from tests.support.states import folder_of
from tests.support.typed import tidy


def source_of(mistake: Mistake) -> Path:
    """Return the folder of the state in which a mistake is made."""
    return folder_of(mistake.step, mistake.part)


class Trial:
    """A copy of the state in which a mistake was made, and what is seen there."""

    def __init__(self, mistake: Mistake) -> None:
        self.mistake = mistake
        self.server = Server(mistake.step, source_of(mistake))
        self.server.project.env["PATH"] = (
            f"{Path(sys.executable).parent}{os.pathsep}{self.server.project.env['PATH']}"
        )
        self.browser: Browser | None = None
        self.pages: list[Page] = []
        self.printed = ""

    def make_mistake(self) -> None:
        folder = self.server.project.folder
        problem = git_apply(self.mistake.diff, folder) if self.mistake.diff else ""
        assert not problem, f"{self.mistake.path.name} does not fit its folder any more:\n{problem}"

    def look(self) -> str:
        """Do what the mistake says; return all that was seen at its place."""
        if LATER not in self.mistake.tries:
            self.make_mistake()
        for line in self.mistake.tries:
            self._try(line.replace("{port}", str(self.server.port)))
        if self.mistake.where == "page":
            return "\n".join(f"{page.status}: {page.words}\n{page.text}" for page in self.pages)
        logs = [self.server.web_log.text(), *(worker.output for worker in self.server.workers)]
        seen = tidy(self.printed + "".join(logs))
        return seen.replace(str(self.server.port), "5000") if self.server.port else seen

    def _try(self, line: str) -> None:
        if line.startswith("$ "):
            self._type(line[2:])
            return
        verb, *words = shlex.split(line)
        if line == LATER:
            self.make_mistake()
        elif verb == "start" or self.server.web is None:
            try:
                self.server.start(upgrade="without" not in words)
            except AssertionError as problem:
                if verb != "start":
                    raise
                self.printed += str(problem)
        if verb == "worker":
            self.server.start_worker()
        elif verb == "restart":
            self.server.restart()
        elif verb == "stop":
            self.server.redis.kill()
        elif verb == "wait":
            time.sleep(float(words[0]))
        elif verb in ("open", "register", "send", "post"):
            self._browse(verb, words)
        elif verb not in ("start", "make"):
            raise ValueError(f"{self.mistake.path.name}: nobody knows how to “{line}”")

    def _browse(self, verb: str, words: list[str]) -> None:
        if self.browser is None:
            kind = Person if "register" in self.mistake.tries else Browser
            self.browser = kind(self.server)
        if verb == "register":
            self.browser.join()
            return
        path, *values = words
        data = dict(value.split("=", 1) for value in values)
        if verb == "open":
            self.pages.append(self.browser.get(path))
        elif verb == "send":
            self.pages.append(self.browser.submit(path, **data))
        else:
            self.pages.append(self.browser.post(path, data))

    def _type(self, command: str) -> None:
        project = self.server.project
        if re.fullmatch(r"(?:flask|celery) [^&|;<>$'\"]*", command):
            self.printed += project.python("-m", *command.split()).output  # forked, so faster
            return
        run = subprocess.run(
            ["bash", "-c", command],
            cwd=project.folder,
            env=project.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        self.printed += run.stdout

    def close(self) -> None:
        if self.browser:
            self.browser.close()
        self.server.forget_logs()
        self.server.close()


@contextlib.contextmanager
def trial(mistake: Mistake):
    """Make a mistake in a copy of its state."""
    found = Trial(mistake)
    try:
        yield found
    finally:
        found.close()


def quoted(cell: str) -> str:
    """Return a cell of a table without the marks of Markdown."""
    return re.sub(r"\\([|`*_<>])", r"\1", cell.replace("`", ""))
