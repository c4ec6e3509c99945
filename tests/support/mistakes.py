"""Real mistakes: the patches in lessons/mistakes/, and what one sees after each.

The first line of such a file is its title. Then there are lines ``Name: value`` as in a mail:

- ``Step`` (a number) or ``Part`` (``3.forms``): the state in which people make it;
- ``Try`` (any number of them): what to do, one thing a line;
- ``Symptom``: what is seen then, word for word, and ``Where``: ``page``, ``terminal`` or ``check``;
- ``Cause`` and ``Fix``: one line each, for the table "What goes wrong";
- ``Noticed-by``: the promise that fails, such as ``tests/test_pages.py::test_hello``, or ``none``
  where nothing in the code is wrong (another folder, another program on the port).

After an empty line comes a unified diff against the folder of that state. A mistake that is made in
the terminal has none.

What can be tried:

- ``$ command``: type it in the folder (``flask run`` stays at work);
- ``open /path``: look at a page; ``register``: make an account, and stay logged in;
- ``send /path name=value name=value``: fill in the form there, and send it;
- ``post /path name=value``: send it as a program does, which has not seen the form;
- ``start``: start the step (and keep what it says if it does not start); the others do this too;
- ``start without upgrade``: the same, with the database as it is;
- ``worker``: start a worker; ``stop redis``: end Redis; ``wait 6``: wait so many seconds;
- ``make the mistake``: now, and not before all else; ``restart``: stop and start the web server.

``{port}`` in a line is the port of the step, which is 5000 in a symptom.
"""

import contextlib
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from email import message_from_string
from functools import cache
from pathlib import Path

from common.steps import ROOT
from common.steps import STEPS
from common.steps import Step
from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.server import Server
from tests.support.states import folder_of
from tests.support.typed import tidy

FOLDER = ROOT / "lessons" / "mistakes"
# Mistakes that are made while the step is at work.
LATER = "make the mistake"
PLACES = ("page", "terminal", "check")
HEADERS = {"Step", "Part", "Try", "Symptom", "Where", "Cause", "Fix", "Noticed-by"}


@dataclass(frozen=True)
class Mistake:
    """One mistake; the module says what each field means."""

    path: Path
    title: str
    step: Step
    part: str | None
    tries: tuple[str, ...]
    symptom: str
    where: str
    cause: str
    fix: str
    noticed_by: str
    diff: str

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def folder(self) -> Path:
        """The folder of the state in which it is made."""
        return folder_of(self.step, self.part)


def read_mistake(path: Path) -> Mistake:
    """Read a file of the form that this module describes; ValueError says what is wrong with it."""
    title, _, rest = path.read_text(encoding="utf-8").partition("\n")
    message = message_from_string(rest)
    if unknown := set(message.keys()) - HEADERS:
        raise ValueError(f"{path.name}: there is no header {', '.join(sorted(unknown))}")
    for name in ("Symptom", "Where", "Cause", "Fix", "Noticed-by"):
        if not message[name]:
            raise ValueError(f"{path.name} has no line “{name}: …”")
    part = message["Part"]
    number = part.partition(".")[0] if part else message["Step"]
    if not number or message["Where"] not in PLACES:
        raise ValueError(f"{path.name}: Step or Part, and Where, one of {', '.join(PLACES)}")
    return Mistake(
        path=path,
        title=title,
        step=STEPS[int(number) - 1],
        part=part,
        tries=tuple(message.get_all("Try", ())),
        symptom=message["Symptom"],
        where=message["Where"],
        cause=message["Cause"],
        fix=message["Fix"],
        noticed_by=message["Noticed-by"],
        diff=str(message.get_payload()),
    )


@cache
def all_mistakes() -> tuple[Mistake, ...]:
    return tuple(read_mistake(path) for path in sorted(FOLDER.glob("*.patch")))


def git_apply(diff: str, folder: Path) -> str:
    """Apply a diff to a folder. Return what git says against it, nothing if it fits."""
    # In a folder below a repository, git would look for the repository's files, and find none.
    env = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    command = ["git", "apply", "-C1", "--whitespace=nowarn", "-"]
    run = subprocess.run(
        command, cwd=folder, env=env, input=diff, capture_output=True, text=True, check=False
    )
    return run.stderr


class Trial:
    """A copy of the state in which a mistake was made, and what is seen there."""

    def __init__(self, mistake: Mistake) -> None:
        self.mistake = mistake
        self.server = Server(mistake.step, mistake.folder)
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
