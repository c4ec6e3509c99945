"""The commands of learn.py about what goes wrong: doctor and break."""

from __future__ import annotations

import ast
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten

import click

from . import lessons
from . import stack
from .arguments import COMMAND
from .mistakes import LATER
from .mistakes import Mistake
from .mistakes import all_mistakes
from .mistakes import files_with
from .mistakes import find_mistake
from .parts_cli import new_folder
from .parts_cli import quoted
from .steps import ROOT
from .steps import STEPS

URL = "http://127.0.0.1:5000"
WHERE = {"terminal": "the terminal says", "page": "the page says", "check": "the check says"}


@click.command("doctor")
@click.option("--fix", is_flag=True, help="Mend what is safe; no data is deleted.")
def doctor_command(fix: bool) -> None:
    """Look at all that the steps need, and name the command that mends what is wrong."""
    from .doctor import doctor

    sys.exit(doctor(fix))


@click.command("break")
@click.argument("name", metavar="[NAME", required=False)
@click.argument(
    "directory",
    metavar="[DIR]]",
    required=False,
    type=click.Path(path_type=Path, resolve_path=True),
)
@click.option("--check", "is_check", is_flag=True, help="Is it mended in DIR?")
@click.option("--explain", "is_explain", is_flag=True, help="Tell its cause, and what mends it.")
def break_command(
    name: str | None, directory: Path | None, is_check: bool, is_explain: bool
) -> None:
    """Find and mend a real mistake: a copy of a step with one mistake in it.

    Without a NAME, list the mistakes by what one sees. NAME is as in that list: 3c. DIR is a new
    folder for the copy.
    """
    if name is None:
        if is_check or is_explain:
            raise click.UsageError("--check and --explain need the NAME of a mistake.")
        show_list()
        return
    try:
        mistake = find_mistake(name)
    except LookupError as error:
        raise click.ClickException(str(error)) from error
    if is_explain:
        explain(mistake)
    elif directory is None:
        if is_check:
            raise click.UsageError(f"--check needs the folder, too: break {mistake.code} DIR")
        show_exercise(mistake, None)
    elif is_check:
        check(mistake, directory)
    else:
        make(mistake, new_folder(directory))
        show_exercise(mistake, directory)


def show_list() -> None:
    """Print the mistakes by step: what one sees, and not what is wrong."""
    click.echo("Real mistakes, and what one sees of each. What is wrong?")
    for step in STEPS:
        click.secho(f"\n  {step.label.capitalize()}: {step.idea}", bold=True)
        for mistake in all_mistakes():
            if mistake.step == step:
                symptom = shorten(mistake.symptom, 72, placeholder=" …")
                click.echo(f"  {click.style(mistake.code, fg='cyan')}  {symptom}")
    click.echo(f"\nA copy of the step with one in it: {COMMAND} break 1a DIR")


def explain(mistake: Mistake) -> None:
    """Print what is wrong, and what mends it."""
    click.secho(mistake.title, bold=True)
    click.echo(f"  You see:  {mistake.symptom}")
    click.echo(f"  Cause:    {mistake.cause}")
    click.echo(f"  Mend it:  {mistake.fix}")


# -- The copy --------------------------------------------------------------------------------------


def make(mistake: Mistake, directory: Path) -> None:
    """Put a copy with the mistake in it into a new folder: all of it, or nothing."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=directory.parent, prefix=".break-") as temporary:
            copy = Path(temporary, "copy")
            if LATER in mistake.tries:
                lessons.write(lessons.files_after(mistake.state), copy)
                _live_before(mistake, copy)
            lessons.write(files_with(mistake), copy)
            if directory.exists():
                directory.rmdir()  # an empty one, which Windows would not replace
            copy.rename(directory)
    except OSError as error:
        raise click.ClickException(f"{directory} cannot be made: {error.strerror}.") from error


def _live_before(mistake: Mistake, copy: Path) -> None:
    """Do in the copy what was done before the mistake, such as the first revisions."""
    env = stack.environment()
    env.pop("DATABASE_URL", None)  # a database of the copy's own
    upgrade = "flask db upgrade" if mistake.state.migrates else "flask routes"
    for line in mistake.tries[: mistake.tries.index(LATER)]:
        words = shlex.split(upgrade if line == "start" else line.removeprefix("$ "))
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=copy, env=env, capture_output=True, text=True
        )
        if done.returncode:
            raise click.ClickException(f"{' '.join(words)} failed:\n{done.stderr[-500:]}")


# -- What the learner reads ------------------------------------------------------------------------


def show_exercise(mistake: Mistake, directory: Path | None) -> None:
    """Print how to see the mistake, and what one sees; not what is wrong."""
    where = quoted(directory) if directory else "DIR"
    again = f"{COMMAND} break {mistake.code}"
    if directory is None:
        click.echo(f"Make a copy of {mistake.state.label}: {again} DIR. Then, in it:\n")
    elif mistake.diff.strip():
        click.echo(f"{directory} is {mistake.state.label} with one mistake in it.\n")
    else:
        click.echo(f"{directory} is {mistake.state.label}. The mistake is made in the terminal.\n")
    for line in how_to_see(mistake, where):
        click.echo(f"  {line}")
    click.echo(f"\nThen {WHERE[mistake.where]}:\n")
    click.secho(f"  {mistake.symptom}\n", fg="yellow")
    click.echo("What is wrong? Mend it; then:\n")
    rows = [(f"{again} --explain", "its cause, and what mends it")]
    if mistake.noticed_by != "none":
        rows.insert(0, (f"{again} {where} --check", "is it mended?"))
    width = max(len(command) for command, _ in rows)
    for command, meaning in rows:
        click.echo(f"  {click.style(command.ljust(width), bold=True)}   {meaning}")


def how_to_see(mistake: Mistake, where: str) -> list[str]:
    """Return what to type and to open, line by line."""
    tries = list(mistake.tries)
    if LATER in tries:
        tries = tries[tries.index(LATER) + 1 :]
    if mistake.where == "check":
        return [f"{COMMAND} break {mistake.code} {where} --check"]
    found = [f"cd {where}"]
    is_running = False
    for line in tries:
        verb, *words = shlex.split(line)
        if verb == "$":
            command = line.removeprefix("$ ").replace("{port}", "5000")
            found.append(command + ("       (in another terminal)" if is_running else ""))
            continue
        if not is_running and verb in ("start", "restart", "open", "register", "send", "post"):
            is_running = True
            found += _start(mistake, upgrade="without" not in words)
        if verb in ("open", "register", "send", "post"):
            found.append(_browse(verb, words))
        elif verb == "worker":
            found.append(f"celery -A {mistake.state.worker} worker       (in another terminal)")
        elif verb == "wait":
            found.append(f"wait {words[0]} seconds")
    return found


def _start(mistake: Mistake, upgrade: bool) -> list[str]:
    """Return what to type so that the page is there."""
    found = ["flask db upgrade"] if mistake.state.migrates and upgrade else []
    if mistake.state.worker and "stop redis" not in mistake.tries:
        found.append(f"{COMMAND} redis       (in another terminal, in the folder of the course)")
    elif mistake.state.worker:
        found.append("stop Redis, if one runs")
    return [*found, "flask run --debug"]


def _browse(verb: str, words: list[str]) -> str:
    if verb == "register":
        return f"{URL}/auth/register: make an account"
    path, *values = words
    if verb == "open":
        return f"{URL}{path}"
    filled = ", ".join("{} “{}”".format(*value.split("=", 1)) for value in values)
    return f"{URL}{path}: send the form" + (f" with {filled}" if filled else "")


# -- Is it mended? ---------------------------------------------------------------------------------


def check(mistake: Mistake, directory: Path) -> None:
    """Ask for the one promise that notices the mistake, and say whether it is kept."""
    if not directory.is_dir():
        raise click.ClickException(f"There is no folder {directory}.")
    if mistake.noticed_by == "none":
        raise click.ClickException(
            "No promise notices this one: the code is right, and what was typed is not. It is "
            f"mended when this is gone: {mistake.symptom}"
        )
    state = mistake.state.code
    options = ["-q", "-n0", "--tb=short", f"--step={state}", f"--app={directory}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, mistake.noticed_by],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode not in (0, 1):
        raise click.ClickException(f"The check failed:\n{(done.stdout + done.stderr)[-1500:]}")
    promise = promise_of(mistake)
    if done.returncode:
        click.secho("Not mended yet. This promise is not kept:", fg="yellow")
        click.echo(f"  {promise}")
        if mistake.where == "check" and mistake.symptom in done.stdout:
            click.echo(f"  {mistake.symptom}")
        sys.exit(1)
    click.secho(f"Mended. This promise is kept again: {promise}", fg="green")
    click.echo(f"  {COMMAND} break {mistake.code} --explain   compare it with our words")
    click.echo(
        f"  {COMMAND} check {state} --app {quoted(directory)}   see that all others are, too"
    )


def promise_of(mistake: Mistake) -> str:
    """Return the promise that notices a mistake, as its test puts it."""
    file, _, name = mistake.noticed_by.partition("::")
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return (ast.get_docstring(node) or name).partition("\n")[0]
    return name
