"""The database of each step, and its revision against the newest one of its migrations."""

from __future__ import annotations

import ast
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from .. import bootstrap
from .. import stack
from ..steps import STEPS
from ..steps import Step
from .rows import IDLE
from .rows import OK
from .rows import WRONG
from .rows import Row

FILE = "study_log.db"


def all_steps() -> list[Row]:
    """Look at the database of each step that has one, or at the one that DATABASE_URL names."""
    if url := os.environ.get("DATABASE_URL"):
        return [_by_url(url)]
    return [_of_step(step) for step in STEPS if step.database]


def _of_step(step: Step) -> Row:
    path = step.path / "instance" / FILE
    if not path.exists():
        return Row(OK, step.label, "no database yet; the first start makes it")
    try:
        tables, revision = _read(path)
    except sqlite3.OperationalError as error:
        return Row(IDLE, step.label, f"its database cannot be read now: {error}")
    except sqlite3.DatabaseError:
        shown = f"{step.folder}/instance/{FILE}"
        return Row(WRONG, step.label, f"{FILE} is no database", f"mv {shown} {shown}.broken")
    if not step.migrates:
        return Row(OK, step.label, f"a database with {len(tables)} tables")
    return _compare(step, path, tables, revision)


def _read(path: Path) -> tuple[set[str], str]:
    """Return the tables of an SQLite database and its revision, and change nothing in it."""
    url = f"file:{quote(path.as_posix())}?mode=ro"
    with closing(sqlite3.connect(url, uri=True, timeout=0.3)) as database:
        rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {name for (name,) in rows}
        revision = None
        if "alembic_version" in tables:
            revision = database.execute("SELECT version_num FROM alembic_version").fetchone()
    return tables - {"alembic_version", "sqlite_sequence"}, revision[0] if revision else ""


def _compare(step: Step, path: Path, tables: set[str], revision: str) -> Row:
    """Compare the revision of a database with the migrations of its step."""
    after = revisions(step)
    heads = after.keys() - {older for olders in after.values() for older in olders}
    go = f"cd {step.folder} && flask db"
    if len(heads) != 1:
        return Row(WRONG, step.label, f"its migrations have {len(heads)} heads", f"{go} heads")
    (head,) = heads
    if revision == head:
        return Row(OK, step.label, f"its database is at the newest revision, {head}")
    if revision and revision not in after:
        text = f"its database is at {revision}, of which there is no file"
        return Row(WRONG, step.label, text, f"git restore {step.folder}/migrations")
    if tables and not revision:
        oldest = next(name for name, olders in after.items() if not olders)
        text = "has tables that no migration made (create_all?)"
        return Row(WRONG, step.label, text, f"{go} stamp {oldest} && flask db upgrade")

    def upgrade() -> str:
        return _upgrade(step, path, revision or "0000")

    text = f"its database is at {revision or 'no revision'}, the newest is {head}"
    return Row(WRONG, step.label, text, f"{go} upgrade", upgrade)


def revisions(step: Step) -> dict[str, tuple[str, ...]]:
    """Return the revisions of a step, each with those that it follows, without running them."""
    found = {}
    for file in sorted(step.path.glob("migrations/versions/*.py")):
        values: dict[str, object] = {}
        for node in ast.parse(file.read_bytes()).body:
            target = node.targets[0] if isinstance(node, ast.Assign) else None
            target = node.target if isinstance(node, ast.AnnAssign) else target
            if isinstance(target, ast.Name) and target.id in ("revision", "down_revision"):
                values[target.id] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
        down = values.get("down_revision")
        if "revision" in values:
            olders = down if isinstance(down, tuple) else (down,)
            found[str(values["revision"])] = tuple(str(older) for older in olders if older)
    return found


def _upgrade(step: Step, path: Path, revision: str) -> str:
    """Upgrade a database, of which a copy is kept: a revision may drop a column."""
    kept = path.with_name(f"{path.name}.at-{revision}")
    if kept.exists():
        raise RuntimeError(f"{kept} is there already")
    with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(kept)) as new:
        old.backup(new)
    python = bootstrap.PYTHON if bootstrap.PYTHON.exists() else sys.executable
    done = subprocess.run(
        [str(python), "-m", "flask", "db", "upgrade"],
        cwd=step.path,
        env=stack.environment(),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"flask db upgrade failed: {done.stderr.strip().splitlines()[-1]}")
    return f"upgraded; {step.folder}/instance/{kept.name} is the database as it was"


def _by_url(url: str) -> Row:
    """Look at the database that all steps use by DATABASE_URL."""
    from sqlalchemy import create_engine
    from sqlalchemy import inspect
    from sqlalchemy import make_url
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    try:
        parts = make_url(url)
        shown = parts.render_as_string(hide_password=True)
        file = parts.database or ""
        if parts.get_backend_name() == "sqlite" and not Path(file).exists():
            return Row(OK, "database", f"not there yet: {shown}")
        is_mysql = parts.get_backend_name() == "mysql"
        options = {"connect_timeout": 1, "read_timeout": 1} if is_mysql else {}
        engine = create_engine(parts, connect_args=options)
        with engine.connect() as connection:
            revision = ""
            if inspect(connection).has_table("alembic_version"):
                query = text("SELECT version_num FROM alembic_version")
                revision = connection.scalar(query) or ""
    except (SQLAlchemyError, ImportError, ValueError) as error:
        why = str(getattr(error, "orig", None) or error).partition("\n")[0]
        return Row(WRONG, "database", f"DATABASE_URL cannot be used: {why}", _unset())
    newest = {step.label: list(revisions(step))[-1:] for step in STEPS if step.migrates}
    fitting = [label for label, found in newest.items() if [revision] == found]
    at = f"at {revision}" if revision else "at no revision"
    if revision and not fitting:
        why = f"{at}, which is the newest of no step: {shown}"
        return Row(WRONG, "database", why, "flask db upgrade")
    of = f", the newest of {' and '.join(fitting)}" if fitting else ""
    return Row(OK, "database", f"{at}{of}: {shown}")


def _unset() -> str:
    return "set DATABASE_URL=" if sys.platform == "win32" else "unset DATABASE_URL"
