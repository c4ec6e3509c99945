"""`learn.py diff`: the changes from one step to another, as git shows them.

Both steps are copied without caches and data, so that this works with or without a repository.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatch
from pathlib import Path
from pathlib import PurePosixPath

import click

from .bootstrap import run_in_foreground
from .steps import ROOT
from .steps import Step

# Files of editors; .gitignore names the other generated files.
LEFTOVERS = ("*.swp", "*~", ".idea", ".vscode")
# What would send git to another repository, as in a hook, or change the form of a diff.
GIT_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_DIFF_OPTS")


def diff(old: Step, new: Step, paths: Sequence[str], options: Sequence[str]) -> int:
    """Show the changes from ``old`` to ``new``, in ``paths`` only if there are any.

    ``paths`` are relative to a step's folder, ``options`` go to git diff as they are. Returns the
    exit code: 0 with or without differences. Raises click.ClickException, with a message for the
    learner, where git is missing or a path is in neither step.
    """
    git = shutil.which("git")
    if git is None:
        raise click.ClickException(
            "diff needs git: sudo apt install git (Debian, Ubuntu), xcode-select --install (Mac), "
            "https://git-scm.com/download/win (Windows)"
        )
    wanted = [_within_step(path, old, new) for path in paths]
    names = {step: source_files(step) for step in (old, new)}
    _check_paths(wanted, old, new, {*names[old], *names[new]})
    before, after = (_read(step, names[step], wanted) for step in (old, new))
    if before == after:
        where = f" in {', '.join(wanted)}" if wanted else ""
        click.echo(f"No difference between {old.folder} and {new.folder}{where}.")
        return 0
    with tempfile.TemporaryDirectory(prefix="learn-diff-") as directory:
        _write(Path(directory, old.folder), before)
        _write(Path(directory, new.folder), after)
        # Run there, so that no repository around the current folder matters.
        argv = [git, "-C", directory, "diff", "--no-index", "--no-ext-diff", "--no-textconv"]
        argv += ["-M30%"]  # a file that has moved is shown by what changes in it
        argv += [*options, old.folder, new.folder]
        env = {name: value for name, value in os.environ.items() if name not in GIT_VARIABLES}
        code = run_in_foreground(argv, env)
    return 0 if code == 1 else code  # git says 1 for "there are differences"


def _read(step: Step, names: list[str], wanted: list[str]) -> dict[str, bytes]:
    """Return the contents of the wanted files of a step."""
    if wanted:
        names = [name for name in names if any(_is_below(name, path) for path in wanted)]
    return {name: (step.path / name).read_bytes() for name in names}


def _write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def source_files(step: Step) -> list[str]:
    """Return the source files of a step, sorted, as paths relative to its folder."""
    ignored = [*_gitignore(), *LEFTOVERS]
    found = []
    for folder, subfolders, names in os.walk(step.path):
        subfolders[:] = [n for n in subfolders if not _matches(n, ignored)]
        files = [Path(folder, n) for n in names if not _matches(n, ignored)]
        found += [file.relative_to(step.path).as_posix() for file in files if file.is_file()]
    return sorted(found)


def _gitignore() -> list[str]:
    """Return the patterns of .gitignore, which are all plain names."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    return [line.rstrip("/") for line in lines if line and not line.startswith("#")]


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _within_step(path: str, *steps: Step) -> str:
    """Return ``path`` relative to the step's folder; it may have been typed with that folder."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if parts and parts[0] in {step.folder for step in steps}:
        parts = parts[1:]
    return str(PurePosixPath(*parts))


def _is_below(name: str, path: str) -> bool:
    return path == "." or name == path or name.startswith(f"{path}/")


def _check_paths(paths: list[str], old: Step, new: Step, known: set[str]) -> None:
    for path in paths:
        if not any(_is_below(name, path) for name in known):
            close = get_close_matches(path, known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise click.ClickException(
                f"There is no “{path}” in {old.folder} or {new.folder}; "
                f"write it as in app/models.py.{hint}"
            )
