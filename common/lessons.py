"""The parts of each lesson, read from `lessons/`, and the app as it is after each of them.

`lessons/step03/series` names the patches of lesson 3 in order, as quilt has it; a comment begins a
group of parts. The number of a part, 3.4, comes from this order; its name, 3.edit, from the patch.
All patches from the first on, applied in order to an empty folder, give each step byte for byte.
So what somebody changed in a step's folder is never in the way here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from . import patches
from .steps import ROOT
from .steps import STEPS
from .steps import State
from .steps import Step
from .steps import find_step

LESSONS = ROOT / "lessons"
# Where `learn.py run 3.4` puts a part: with the data that it gathers, which stay there.
PLAYGROUND = ROOT / ".venv" / "parts"
# Files of editors; .gitignore names the other generated files.
LEFTOVERS = ("*.swp", "*~", ".idea", ".vscode")

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Part(State):
    """One part of a lesson: a small change of one idea. As a state, the app after it."""

    step: Step
    place: int  # in the lesson; the first is 1
    slug: str
    title: str
    group: str = ""  # “3A Accounts in a table”, or nothing

    @property
    def number(self) -> int:  # type: ignore[override]
        """The number of the step."""
        return self.step.number

    @property
    def name(self) -> str:
        """Its number in the course, such as ``3.4``, which changes when one is put before it."""
        return f"{self.number}.{self.place}"

    @property
    def label(self) -> str:
        """What people call it: ``part 3.4``."""
        return f"part {self.name}"

    @property
    def heading(self) -> str:
        """What it is about: ``Part 3.4: …``."""
        return f"Part {self.name}: {self.title}"

    @property
    def code(self) -> str:
        """What people type for it: ``3.edit``."""
        return f"{self.number}.{self.slug}"

    @property
    def folder(self) -> str:
        """The name of its folder, which stays when other parts come or go."""
        return self.code

    @property
    def path(self) -> Path:
        """The folder where `learn.py run` puts it; see `common.playground`."""
        return PLAYGROUND / self.folder

    @property
    def patch(self) -> Path:
        """Its patch."""
        return folder_of(self.step) / f"{self.slug}.patch"

    @property
    def changes(self) -> list[patches.Change]:
        """What it does to each file that it touches."""
        return _read_changes(self)

    def is_at_or_after(self, place: str) -> bool:
        """Tell whether the course has come to ``place`` after this part."""
        other = find_state(place)
        return position(other) <= position(self)

    def does_touch(self, file: str) -> bool:
        """Tell whether the part changes ``file``; one that ends in ``/`` is a folder."""
        return any(
            change.path == file or (file.endswith("/") and change.path.startswith(file))
            for change in self.changes
        )


# -- Which parts there are -------------------------------------------------------------------------


def folder_of(step: Step) -> Path:
    """Return the folder with the patches of a lesson."""
    return LESSONS / f"step{step.number:02}"


def has_series(step: Step) -> bool:
    """Tell whether the lesson is cut into parts yet. If not, it counts as one part."""
    return (folder_of(step) / "series").is_file()


@cache
def parts_of(step: Step) -> tuple[Part, ...]:
    """Return the parts of a lesson, in order."""
    if not has_series(step):
        return (Part(step, 1, step.name, step.idea),)
    found: list[Part] = []
    groups: list[str] = []
    for line in (folder_of(step) / "series").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            letter = chr(ord("A") + len(groups))
            groups.append(f"{step.number}{letter} {line.lstrip('# ').strip()}")
        elif line.strip():
            slug = line.strip().removesuffix(".patch")
            title = patches.title_of((folder_of(step) / f"{slug}.patch").read_bytes())
            group = groups[-1] if groups else ""
            found.append(Part(step, len(found) + 1, slug, title, group))
    return tuple(found)


def all_parts() -> list[Part]:
    """Return the parts of the whole course, in order."""
    return [part for step in STEPS for part in parts_of(step)]


def position(state: State) -> tuple[int, int]:
    """Return where in the course a state is, to compare it with others."""
    if isinstance(state, Part):
        return state.number, state.place
    assert isinstance(state, Step)
    return state.number, len(parts_of(state))


def last_part(state: State) -> Part:
    """Return the part that leads to a state: itself, or the last of a step."""
    if isinstance(state, Part):
        return state
    assert isinstance(state, Step)
    return parts_of(state)[-1]


def state_before(state: Part) -> State | None:
    """Return the state that a part begins with: None for an empty folder."""
    if state.place > 1:
        return parts_of(state.step)[state.place - 2]
    return STEPS[state.number - 2] if state.number > 1 else None


def find_state(text: str) -> State:
    """Return the step or the part that ``text`` names: 3, login, 3.4, 3.edit.

    Raises LookupError, with a message for the person who typed it, if none or several fit.
    """
    wanted = text.strip().rstrip("/\\").lower()
    step_text, dot, part_text = wanted.partition(".")
    step = find_step(step_text)
    if not dot:
        return step
    if not has_series(step):
        return step
    parts = parts_of(step)
    if part_text.isdigit():
        fitting = [part for part in parts if part.place == int(part_text)]
    else:
        fitting = [part for part in parts if part.slug == part_text]
        fitting = fitting or [part for part in parts if part_text and part_text in part.slug]
    if len(fitting) == 1:
        return fitting[0]
    see = f"python3 learn.py parts {step.number} lists them"
    if fitting:
        known = ", ".join(f"{part.name} {part.slug}" for part in fitting)
        raise LookupError(f"“{text}” could be any of these parts: {known}.")
    known = f"{parts[0].name} to {parts[-1].name}"
    raise LookupError(f"There is no part “{text}”. Lesson {step.number} has {known}; {see}.")


# -- The app after a part --------------------------------------------------------------------------


def files_after(state: State | None) -> Files:
    """Return all files of the app in a state, by their path."""
    return {} if state is None else _files_after(last_part(state))


@cache
def _files_after(part: Part) -> Files:
    if not has_series(part.step):
        return files_in(part.step.path)
    before = files_after(state_before(part))
    try:
        return patches.apply(part.patch.read_bytes(), before)
    except (patches.PatchError, OSError) as error:
        shown = part.patch.relative_to(LESSONS.parent)
        raise patches.PatchError(f"{shown} ({part.name}) does not apply: {error}") from error


@cache
def _read_changes(part: Part) -> list[patches.Change]:
    return patches.read(part.patch.read_bytes()) if has_series(part.step) else []


def forget() -> None:
    """Forget what was read from the patches, since they have changed."""
    for function in (parts_of, _files_after, _read_changes):
        function.cache_clear()


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the source files in a folder by their path in it, without caches and data."""
    return {name: (folder / name).read_bytes() for name in source_names(folder)}


def source_names(folder: Path) -> list[str]:
    """Return the paths of the source files in a folder, sorted."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()  # plain names, all
    ignored = [line.rstrip("/") for line in lines if line and not line.startswith("#")]
    ignored += [*LEFTOVERS, ".git"]
    found = []
    for here, subfolders, names in os.walk(folder):
        subfolders[:] = [n for n in subfolders if not _matches(n, ignored)]
        files = [Path(here, n) for n in names if not _matches(n, ignored)]
        found += [file.relative_to(folder).as_posix() for file in files if file.is_file()]
    return sorted(found)


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def write(files: Files, folder: Path) -> None:
    """Make the source files in a folder these, and no others; caches and data stay."""
    gone = set(source_names(folder)) - files.keys() if folder.exists() else set()
    for name in gone:
        (folder / name).unlink()
    for name, content in files.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def changed_by_hand(step: Step) -> list[str]:
    """Return the files in the step's folder that are not as the lesson leaves them."""
    if not has_series(step):
        return []
    here, there = files_in(step.path), files_after(step)
    return sorted(name for name in {*here, *there} if here.get(name) != there.get(name))


# -- How large a part is ---------------------------------------------------------------------------


def code_lines(part: Part) -> int:
    """Return how many lines of code a part adds or removes: Python, HTML and migrations.

    What a tool generates, styles, scripts and texts are not counted.
    """
    return sum(change.lines for change in part.changes if is_code(change.path))


def is_code(path: str) -> bool:
    """Tell whether a file is code that somebody reads line by line."""
    return path.endswith((".py", ".html")) and path != "migrations/env.py"
