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

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from email import message_from_string
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from . import git
from . import lessons
from .steps import ROOT
from .steps import STEPS
from .steps import State
from .steps import Step

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
        """The name of its file, which gives it away."""
        return self.path.stem

    @property
    def state(self) -> State:
        """The state in which it is made."""
        return lessons.find_state(self.part) if self.part else self.step

    @property
    def code(self) -> str:
        """What the list calls it, which does not give it away: its step and a letter, ``3c``."""
        of_step = [other.name for other in all_mistakes() if other.step == self.step]
        return f"{self.step.number}{chr(ord('a') + of_step.index(self.name))}"


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
    """Return the mistakes, in the order of the course."""
    found = [read_mistake(path) for path in sorted(FOLDER.glob("*.patch"))]
    return tuple(sorted(found, key=lambda mistake: mistake.step.number))


def find_mistake(text: str) -> Mistake:
    """Return the mistake that ``text`` names: 3c, or an unambiguous part of its name.

    Raises LookupError, with a message for the person who typed it, if none or several fit.
    """
    wanted = text.strip().lower()
    found = [m for m in all_mistakes() if wanted in (m.code, m.name)]
    found = found or [m for m in all_mistakes() if len(wanted) > 2 and wanted in m.name]
    if len(found) == 1:
        return found[0]
    if found:
        known = ", ".join(mistake.code for mistake in found)
        raise LookupError(f"“{text}” could be any of these mistakes: {known}.")
    raise LookupError(f"There is no mistake “{text}”; python3 learn.py break lists them.")


def git_apply(diff: str, folder: Path) -> str:
    """Apply a diff to a folder. Return what git says against it, nothing if it fits."""
    # In a folder below a repository, git would look for the repository's files, and find none.
    env = git.environment() | {"GIT_CEILING_DIRECTORIES": str(folder.resolve().parent)}
    command = [git.program(), "apply", "-C1", "--whitespace=nowarn", "-"]
    run = subprocess.run(
        command, cwd=folder, env=env, input=diff, capture_output=True, encoding="utf-8"
    )
    return run.stderr


def files_with(mistake: Mistake) -> lessons.Files:
    """Return the files of a mistake's state, with the mistake in them."""
    files = lessons.files_after(mistake.state)
    if not mistake.diff.strip():
        return files
    with TemporaryDirectory() as folder:
        lessons.write(files, Path(folder))
        if problem := git_apply(mistake.diff, Path(folder)):
            raise click.ClickException(f"{mistake.path.name} does not fit its step:\n{problem}")
        return lessons.files_in(Path(folder))
