"""A copy of one step in a folder of its own, where it may make a mess."""

import os
import re
import shutil
import sys
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import sqlalchemy
from sqlalchemy import text

from common.steps import ROOT
from common.steps import State
from tests.support.processes import Log
from tests.support.processes import Process
from tests.support.processes import new_folder
from tests.support.processes import remove_folder

LINES = 25  # of a program's output that a message shows
# Long enough for production.
SECRET_KEY = "a key that is long enough for every later step to be content with it"

LEFT_OUT = shutil.ignore_patterns(
    "instance", "__pycache__", ".venv", "venv", ".git", ".pytest_cache", "node_modules"
)

# A deprecation is an error, unless a library itself causes it: then it is named here, with the
# library and the module that calls what is deprecated.
WARNINGS = (
    "error::DeprecationWarning",
    "error::PendingDeprecationWarning",
    # Flask-Login 0.6.3 on Python 3.12 and later
    "ignore:datetime.datetime.utcnow() is deprecated:DeprecationWarning:flask_login.login_manager",
    # Celery 5.7 calls what redis-py 8 deprecates
    "ignore:Call to deprecated setex:DeprecationWarning:celery.backends.redis",
)


@dataclass(frozen=True)
class Result:
    """What a command of the step wrote, and how it ended."""

    command: str
    code: int
    output: str

    def __str__(self) -> str:
        return f"`{self.command}` ended with code {self.code} and wrote:\n{tail(self.output)}"


def tail(text: str, lines: int = 0) -> str:
    """Return the last lines of a program's output, which is where it says what was wrong."""
    kept = re.sub(r"\x1b\[[0-9;]*m", "", text).rstrip().splitlines()[-(lines or LINES) :]
    return "\n".join(f"    {line}" for line in kept) or "    (nothing)"


class Project:
    """A step's folder, copied, with its own environment: no variable of ours reaches it."""

    # Makes an empty database and returns its DATABASE_URL; where it is None, SQLite is used.
    new_database: ClassVar[Callable[[], str] | None] = None
    # For our own steps alone; see `forked.make_hashes_cheap`.
    cheap_hashes: ClassVar[bool] = False

    def __init__(self, step: State, source: Path) -> None:
        self.step = step
        self.base = new_folder()
        self.folder = self.base / f"{source.name} copy"
        shutil.copytree(source, self.folder, ignore=LEFT_OUT)
        for name in ("home", "tmp"):
            (self.base / name).mkdir()
        self.env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.base / "home"),
            "TMPDIR": str(self.base / "tmp"),
            "LANG": "C.UTF-8",
            # the copy lies elsewhere, and `common.ui` is found from the repo's root
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "PYTHONFAULTHANDLER": "1",  # so that a program that hangs can say where
            "PYTHONWARNINGS": ",".join(WARNINGS),
        }
        for name in ("SYSTEMROOT", "COMSPEC", "PATHEXT"):  # Windows does not start Python without
            if name in os.environ:
                self.env[name] = os.environ[name]
        if Project.new_database and step.database:
            self.env["DATABASE_URL"] = Project.new_database()

    def __repr__(self) -> str:
        return f"<a copy of {self.folder.name.removesuffix(' copy')}>"

    def spawn(self, command: Sequence[str], log: Log, **variables: str) -> Process:
        """Start a program in the folder."""
        env = self.env | variables
        return Process(command, cwd=self.folder, env=env, log=log, cheap_hashes=self.cheap_hashes)

    def python(self, *arguments: str, seconds: float = 60, **variables: str) -> Result:
        """Run ``python …`` in the folder and wait for its end."""
        log = Log(self.base / "command.txt")
        start = log.size
        process = self.spawn([sys.executable, *arguments], log, **variables)
        try:
            code = process.wait(seconds)
        finally:
            process.kill()
        words = ["…" if "\n" in word else word for word in arguments]
        command = " ".join(["python", *words]).removeprefix("python -m ")
        return Result(command, code, log.text(start))

    def try_flask(self, *arguments: str, **variables: str) -> Result:
        """Run ``flask …`` and return how it went."""
        return self.python("-m", "flask", *arguments, **variables)

    def flask(self, *arguments: str, **variables: str) -> Result:
        """Run ``flask …``, which has to work."""
        result = self.try_flask(*arguments, **variables)
        assert result.code == 0, str(result)
        return result

    def flask_all(self, *commands: tuple[str, ...]) -> str:
        """Run one ``flask …`` after the other; return what they wrote."""
        return "".join(self.flask(*words).output for words in commands)

    @property
    def database(self) -> Path:
        """The SQLite file in the step's ``instance/``."""
        found = [
            path
            for path in sorted((self.folder / "instance").glob("*"))
            if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3"
        ]
        assert len(found) == 1, f"one SQLite database in {self.folder.name}/instance, not {found}"
        return found[0]

    @property
    def is_mysql(self) -> bool:
        return "DATABASE_URL" in self.env

    def engine(self) -> sqlalchemy.Engine:
        """Return a way to the database behind the app's back, which keeps no connection open."""
        url = self.env["DATABASE_URL"] if self.is_mysql else f"sqlite:///{self.database}"
        return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)

    def rows(self, query: str, **values: object) -> list[dict[str, object]]:
        """Return what ``query`` finds in the database, a dict a row."""
        with self.engine().connect() as connection:
            return [dict(row) for row in connection.execute(text(query), values).mappings()]

    def change(self, statement: str, **values: object) -> int:
        """Change the database; return how many rows were changed."""
        with self.engine().begin() as connection:
            return connection.execute(text(statement), values).rowcount

    def inspect(self) -> sqlalchemy.Inspector:
        """Return what tells the tables, columns and indexes."""
        return sqlalchemy.inspect(self.engine())

    def close(self) -> None:
        """Delete the copy."""
        remove_folder(self.base)
