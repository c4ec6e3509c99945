"""`learn.py diff`: what changes from one state of the app to another, part by part, by git.

It shows the course's own files, whatever somebody has changed in a step's folder, and says so.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from pathlib import PurePosixPath

import click

from . import git
from . import lessons
from . import pager
from .bootstrap import holding_interrupts
from .lessons import Files
from .lessons import Part
from .lessons import files_after
from .steps import ROOT
from .steps import STEPS
from .steps import State
from .steps import Step

LEGEND = "red goes, green comes, magenta moves away, cyan is where it has moved to\n"


def find_states(words: Sequence[str]) -> tuple[State | None, State, list[str]]:
    """Return from where, to where and which paths are meant by ``[A] B [PATH]…``.

    Raises LookupError, with a message for the person who typed it.
    """
    state = lessons.find_state(words[0])
    rest = list(words[1:])
    if rest:
        try:
            return state, lessons.find_state(rest[0]), rest[1:]
        except LookupError:
            if re.fullmatch(r"\w+(\.\d+)?", rest[0]) and not _is_a_path(rest[0], state):
                raise
    first = state if isinstance(state, Part) else _parts(state)[0]
    return lessons.state_before(first), state, rest


def _is_a_path(word: str, state: State) -> bool:
    return any(_is_below(name, word) for name in files_after(state))


def _parts(state: State) -> tuple[Part, ...]:
    assert isinstance(state, Step)
    return lessons.parts_of(state)


def diff(
    old: State | None,
    new: State,
    paths: Sequence[str],
    *,
    stat: bool = False,
    ignore_space: bool = False,
    whole: bool = False,
    color: bool = False,
) -> None:
    """Show the changes from ``old`` to ``new``, in ``paths`` only if there are any.

    ``paths`` are relative to a step's folder. Raises click.ClickException, with a message for the
    learner, where git is missing or a path is in neither state.
    """
    git.program()
    wanted = [_within_step(path) for path in paths]
    before, after = files_after(old), files_after(new)
    parts = [] if whole or stat else list(_between(old, new))
    seen = {*before, *after, *(change.path for part in parts for change in part.changes)}
    _check_paths(wanted, old, new, seen)
    options = ["-w"] * ignore_space
    if stat:  # without a terminal, git would shorten the names to fit 80 columns
        options.append("--stat" if sys.stdout.isatty() else "--stat=110")
    if color:
        options += ["--color=always", "--color-moved=dimmed-zebra"]
        options.append("--color-moved-ws=allow-indentation-change")
    if len(parts) > 1:
        text = "".join(_show_parts(parts, wanted, options, color))
    else:
        names = _names(old, new)
        text = compare(_only(before, wanted), _only(after, wanted), names, options)
        if len(parts) == 1 and text and lessons.has_series(parts[0].step):
            text = _heading(parts[0], color) + text
    if not text:
        where = f" in {', '.join(wanted)}" if wanted else ""
        click.echo(f"No difference between {_name(old)} and {_name(new)}{where}.")
    else:
        legend = LEGEND if color and not stat else ""
        pager.show(legend + text)
    for state in (old, new):
        _say_what_is_changed(state)


def _between(old: State | None, new: State) -> Iterator[Part]:
    """Return the parts that lead from one state to a later one."""
    begin = lessons.position(old) if old else (0, 0)
    for part in lessons.all_parts():
        if begin < lessons.position(part) <= lessons.position(new):
            yield part


def _show_parts(
    parts: list[Part], wanted: list[str], options: list[str], color: bool
) -> Iterator[str]:
    """Show what each part changes, below its title."""
    group = ""
    for part in parts:
        before, after = (files_after(s) for s in (lessons.state_before(part), part))
        names = _names(lessons.state_before(part), part)
        shown = compare(_only(before, wanted), _only(after, wanted), names, options)
        if not shown:
            continue
        if part.group != group:
            group = part.group
            yield click.style(f"\n{group}\n", bold=True) if color else f"\n{group}\n"
        yield "\n" + _heading(part, color) + shown


def _heading(part: Part, color: bool) -> str:
    text = f"{part.name} {part.title}"
    line = "─" * len(text)
    return (click.style(text, bold=True) if color else text) + f"\n{line}\n"


def _names(old: State | None, new: State) -> tuple[str, str]:
    """Return what the two sides are called: steps by their folders, parts as in a patch."""
    if isinstance(old, Step) and isinstance(new, Step) and old != new:
        return f"a/{old.folder}", f"b/{new.folder}"
    return "a", "b"


def compare(before: Files, after: Files, names: tuple[str, str], options: list[str]) -> str:
    """Return git's diff of what differs between two sets of files."""
    changed = {n for n in {*before, *after} if before.get(n) != after.get(n)}
    if not changed:
        return ""
    # A Ctrl-C waits for the moment that git takes: otherwise the folder could be left.
    with (
        holding_interrupts(),
        tempfile.TemporaryDirectory(prefix="learn-diff-") as directory,
    ):
        base = Path(directory)
        for name, files in zip(names, (before, after), strict=True):
            (base / name).mkdir(parents=True)
            lessons.write({n: files[n] for n in changed & files.keys()}, base / name)
        words = [*git.diff_options(base / "order"), "--no-index", "--no-prefix", "-M30%", *options]
        shown = git.run(*words, *names, cwd=base, codes=(0, 1))
        text = git.without_hashes(shown).decode(errors="replace")
        return _shorten(text, names) if "--stat" in " ".join(options) else text


def _shorten(stat: str, names: tuple[str, str]) -> str:
    """Return git's summary with the paths inside a step, and a word where a file is new or gone."""
    old, new = names
    rows = [re.fullmatch(r" (.+?) +\|(.+)", line) for line in stat.splitlines()]
    paths = []
    for path in (row[1] for row in rows if row):
        path = path.removeprefix(f"{{{old} => {new}}}/")
        if path.startswith(f"/dev/null => {new}/"):
            path = f"{path.removeprefix(f'/dev/null => {new}/')} (new)"
        elif path.endswith(" => /dev/null"):
            path = f"{path.removesuffix(' => /dev/null').removeprefix(f'{old}/')} (gone)"
        paths.append(path)
    width = max(map(len, paths), default=0)
    short = iter(paths)
    lines = [
        f" {next(short).ljust(width)} |{row[2]}" if row else line
        for row, line in zip(rows, stat.splitlines(), strict=True)
    ]
    return "\n".join([*lines, ""])


def _only(files: Files, wanted: list[str]) -> Files:
    if not wanted:
        return files
    return {n: c for n, c in files.items() if any(_is_below(n, path) for path in wanted)}


def _name(state: State | None) -> str:
    if state is None:
        return "an empty folder"
    return state.folder if isinstance(state, Step) else state.label


def _say_what_is_changed(state: State | None) -> None:
    """Say which files of a step somebody has changed, and how to get them back."""
    if not isinstance(state, Step) or not (names := lessons.changed_by_hand(state)):
        return
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    back = f"see it: git diff -- {state.folder}   undo it: git restore {state.folder}"
    if not (ROOT / ".git").exists():
        later = state.number + 1 if state.number < len(STEPS) else state.number
        back = f"the course's own, elsewhere: python3 learn.py start {later} DIR"
    click.echo(
        f"{state.folder} has changes of yours, which are not shown here: "
        f"{', '.join(names[:3])}{more}.\n{back}",
        err=True,
    )


def _within_step(path: str) -> str:
    """Return ``path`` relative to the step's folder; it may have been typed with that folder."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if parts and parts[0] in {step.folder for step in STEPS}:
        parts = parts[1:]
    return str(PurePosixPath(*parts))


def _is_below(name: str, path: str) -> bool:
    return path == "." or name == path or name.startswith(f"{path.rstrip('/')}/")


def _check_paths(paths: list[str], old: State | None, new: State, known: set[str]) -> None:
    for path in paths:
        if not any(_is_below(name, path) for name in known):
            close = get_close_matches(path, known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise click.ClickException(
                f"There is no “{path}” in {_name(old)} or {_name(new)}; "
                f"write it as in app/models.py.{hint}"
            )
