"""The last words of a start by `learn.py run`: where the page is, and what to do there."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from .arguments import COMMAND
from .samples import AUTHORS
from .stack import HOST
from .steps import ROOT
from .steps import State
from .steps import Step
from .to_try import TO_TRY

# The login that NOTES.md works with.
NAME, PASSWORD = "ada", "correct-horse"


def welcome(step: State, port: int, env: Mapping[str, str]) -> str:
    """Return the block to print as soon as ``step`` answers on ``port``.

    ``env`` is the environment of the step, which says where its database is.
    """
    page = f"http://{HOST}:{port}"
    lines = [
        click.style(step.heading, bold=True),
        "",
        f"  Open {click.style(f'{page}/', fg='cyan', bold=True)}",
        "",
    ]
    if step.database:
        lines += [f"  {line}" if line else "" for line in [*_login(step, env), ""]]
    # In the middle of a lesson, some of it may not be there yet.
    to_try = TO_TRY[step.number] if isinstance(step, Step) else ()
    width = max((len(path) for path, _ in to_try), default=0)
    for index, (path, meaning) in enumerate(to_try):
        label = "Try" if index == 0 else "   "
        lines.append(f"  {label} {page}{path.ljust(width)}  {meaning}")
    tour = click.style(f"{COMMAND} tour {step.code}", bold=True)
    lines += ["", f"  Read the lesson beside its code: {tour}"]
    lines += [f"  {click.style('Ctrl-C', bold=True)} stops everything."]
    return "\n".join(["", *lines, ""])


def _login(step: State, env: Mapping[str, str]) -> list[str]:
    """Return what to log in with, or how to get it."""
    try:
        hashes = find_accounts(database_url(step, env))
    except Exception:  # whatever is wrong with the database, the page itself says it better
        return ["Log in: see the page."]
    if known := next((name for name, h in hashes.items() if _fits(name, h)), None):
        return [f"Log in as {known}, with the password {PASSWORD}."]
    if hashes:
        *others, last = hashes
        names = f"{', '.join(others)} or {last}" if others else last
        return [f"Log in as {names}, or register."]
    if not step.has("seed"):
        return ["There is no account yet. Register one."]
    return [
        "There is no account yet. Register one, or type this in a second terminal, and",
        f"log in as {NAME}, with the password {PASSWORD}:",
        *(f"    {line}" for line in seed_commands(step, env)),
    ]


def database_url(step: State, env: Mapping[str, str]) -> str:
    """Return the address of the step's database."""
    return env.get("DATABASE_URL") or f"sqlite:///{step.path / 'instance' / 'study_log.db'}"


def find_accounts(url: str) -> dict[str, str]:
    """Return the first three accounts that people have made, by name, with their hashes."""
    import sqlalchemy as sa  # takes a third of a second, and steps 1 and 2 do not need it

    user = sa.table("user", sa.column("id"), sa.column("username"), sa.column("password_hash"))
    query = sa.select(user.c.username, user.c.password_hash).order_by(user.c.id).limit(3)
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(query.where(user.c.username.not_in(AUTHORS)))
            return {row.username: row.password_hash for row in rows}
    finally:
        engine.dispose()


def _fits(name: str, password_hash: str) -> bool:
    """Tell whether the account is the one that seed_commands makes, with its password."""
    from werkzeug.security import check_password_hash

    return name == NAME and check_password_hash(password_hash, PASSWORD)


def seed_commands(step: State, env: Mapping[str, str]) -> list[str]:
    """Return what to type in another terminal, in the current folder, for an account with posts."""
    flask = Path(sys.executable).with_name("flask")
    seed = f"seed --username {NAME} --password {PASSWORD}"
    lines = [f"cd {_quoted(_near(step.path, Path.cwd()))}"]
    if (url := env.get("DATABASE_URL")) and url != os.environ.get("DATABASE_URL"):
        lines.append(f"export DATABASE_URL={_quoted(url)}")  # of a database of this run
    return [*lines, f"{_quoted(_near(flask, step.path))} {seed}"]


def _near(path: Path, folder: Path) -> str:
    """Return how to write ``path`` in ``folder``: short where both are in the repo."""
    inside = path.is_relative_to(ROOT) and folder.is_relative_to(ROOT)
    return os.path.relpath(path, folder) if inside else str(path)


def _quoted(text: str) -> str:
    return subprocess.list2cmdline([text]) if sys.platform == "win32" else shlex.quote(text)
