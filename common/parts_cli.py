"""The commands of learn.py about the parts of a lesson: parts and start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import click

from . import lessons
from .arguments import COMMAND
from .arguments import STATE
from .arguments import STEP
from .lessons import Part
from .steps import ROOT
from .steps import State
from .steps import Step


@click.command("parts")
@click.argument("step", type=STEP)
@click.option("--edit", metavar="DIR", help="Make a git repository with one commit a part.")
@click.option("--save", metavar="DIR", help="Write the commits of that back as patches.")
@click.option("--update-step", is_flag=True, help="With --save: the step's folder follows.")
@click.option("--no-check", is_flag=True, help="With --save: do not test what has changed.")
@click.option("--refresh", is_flag=True, help="Bring in what has changed in the step's folder.")
@click.option("--promises", is_flag=True, help="Find the part at which each promise begins.")
@click.option("-k", "expression", default="", help="With --promises: only these tests.")
@click.option(
    "--in", "inside", metavar="DIR", help="List that repository; --each, --keep: change it."
)
@click.option("--each", metavar="CMD", help="Run a command in every state, keep what it changes.")
@click.option("--keep", is_flag=True, help="After an amended commit, keep the later states.")
def parts_command(
    step: Step,
    edit: str | None,
    save: str | None,
    update_step: bool,
    no_check: bool,
    refresh: bool,
    promises: bool,
    expression: str,
    inside: str | None,
    each: str | None,
    keep: bool,
) -> None:
    """List the parts of a lesson: number, title, changed lines of code.

    The options are for those who change the course; CONTRIBUTING.md shows how.
    """
    from . import workshop

    check = None if no_check else checker(step)
    if edit:
        workshop.edit(step, Path(edit).expanduser().resolve())
    elif save:
        directory = Path(save).expanduser().resolve()
        workshop.save(step, directory, update_step=update_step, check=check)
    elif refresh:
        workshop.refresh(step, Path(mkdtemp(prefix="learn-parts-")), check)
    elif promises:
        from .promises import find_promises

        find_promises(step, expression)
    elif inside:
        directory = Path(inside).expanduser().resolve()
        if each:
            workshop.each(step, directory, each)
        elif keep:
            workshop.keep(step, directory)
        else:
            workshop.show(step, directory)
    elif each or keep:
        raise click.UsageError("--each and --keep need --in DIR, which --edit has made.")
    else:
        show(step)


@click.command("start")
@click.argument("step", type=STATE)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def start_command(step: State, directory: Path) -> None:
    """Make a folder of your own, with the state before a step or part, to write it yourself."""
    start(step, directory)


def show(step: Step) -> None:
    """Print the parts of a lesson: number, title, changed lines of code, groups as headings."""
    if not lessons.has_series(step):
        click.echo(f"Lesson {step.number} is not cut into parts: {COMMAND} diff {step.number}")
        return
    parts = lessons.parts_of(step)
    width = max(len(part.name) for part in parts)
    titles = max(len(part.title) for part in parts)
    group = ""
    for part in parts:
        if part.group != group:
            group = part.group
            click.secho(f"\n  {group}", bold=True)
        number = click.style(part.name.rjust(width), fg="cyan")
        lines = str(lessons.code_lines(part)).rjust(4)
        click.echo(f"  {number}  {part.title.ljust(titles)} {lines}  {part.slug}")
    sizes = sorted(lessons.code_lines(part) for part in parts)
    click.echo(
        f"\n{len(parts)} parts; changed lines of code: median {sizes[len(sizes) // 2]}, "
        f"largest {sizes[-1]}. Read one: {COMMAND} diff {parts[0].name}"
    )


def checker(step: Step) -> Callable[[list[Part]], bool]:
    """Return what checks states that have changed: each runs, and keeps what was promised."""

    def check(parts: list[Part]) -> bool:
        click.echo(f"Checking {len(parts)} states that have changed …")
        for part in parts:
            words = ["-m", "pytest", "-q", "-n0", "--tb=short", f"--step={part.code}", "--sparing"]
            if subprocess.run([sys.executable, *words], cwd=ROOT).returncode:
                click.secho(f"{part.name} {part.title}: see above.", fg="red")
                return False
        return True

    return check


def new_folder(directory: Path) -> Path:
    """Return the path of a folder that is not there yet, or empty: nothing is overwritten."""
    directory = directory.expanduser()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise click.ClickException(f"{directory} is there already; give the name of a new folder.")
    return directory


def start(state: State, directory: Path) -> None:
    """Make a folder of the learner's own, with the state before a step or a part."""
    directory = new_folder(directory)
    first = state if isinstance(state, Part) else lessons.parts_of(_as_step(state))[0]
    before = lessons.state_before(first)
    files = lessons.files_after(before)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lessons.write(files, directory)
    except OSError as error:
        raise click.ClickException(f"{directory} cannot be made: {error.strerror}.") from error
    what = f"the app of {before.label}" if before else "nothing in it yet"
    where = quoted(directory)
    first_command = f"{COMMAND} diff {state.code}"
    click.echo(f"{directory} is yours, with {what}. Type next:\n")
    rows = [
        (first_command, f"read what {state.label} changes; do the same in your folder"),
        (f"{COMMAND} check {state.code} --app {where}", "see whether it is done"),
    ]
    if before:
        rows.insert(1, (f"cd {where}", "go there …"))
        rows.insert(2, ("flask run --debug", "… and run it, with the virtual environment on"))
    width = max(len(command) for command, _ in rows)
    for command, meaning in rows:
        click.echo(f"  {click.style(command.ljust(width), bold=True)}   {meaning}")


def quoted(directory: Path) -> str:
    """Return a folder as one types it: in quotes, where it has a space."""
    return f'"{directory}"' if " " in str(directory) else str(directory)


def _as_step(state: State) -> Step:
    assert isinstance(state, Step)
    return state


def playground(part: Part) -> Path:
    """Put a part into the folder where it runs, and return that. What it wrote there stays.

    A folder in which somebody has changed a file is left as it is.
    """
    folder, files = part.path, lessons.files_after(part)
    stamp = folder.with_name(f"{folder.name}.written")
    if folder.exists() and stamp.exists():
        before = stamp.read_text(encoding="utf-8")
        if _digest(lessons.files_in(folder)) != before:
            shown = os.path.relpath(folder)
            click.secho(
                f"{shown} runs as you have changed it; delete it to have the part again.",
                fg="yellow",
                err=True,
            )
            return folder
    lessons.write(files, folder)
    stamp.write_text(_digest(files), encoding="utf-8")
    return folder


def _digest(files: lessons.Files) -> str:
    from hashlib import sha256

    return sha256(repr(sorted(files.items())).encode()).hexdigest()
