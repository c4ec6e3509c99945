"""A MariaDB of the tests' own: on a free port, in a temporary folder, gone when they end."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest

from tests.support.processes import Log
from tests.support.processes import NotReady
from tests.support.processes import Process
from tests.support.processes import answers
from tests.support.processes import free_port
from tests.support.processes import new_folder
from tests.support.processes import remove_folder
from tests.support.processes import wait_until
from tests.support.project import tail

PASSWORD = "only-for-tests"


class MariaDB:
    """A server at work; `new_database` gives an empty database to whoever needs one."""

    def __init__(self) -> None:
        self.install = find_program("mariadb-install-db")
        self.server = find_program("mariadbd")
        if self.install is None or self.server is None:
            pytest.skip("no MariaDB here: `apt install mariadb-server` (it need not be started)")
        self.folder = new_folder()
        self.log = Log(self.folder / "mariadb.txt")
        self.socket = self.folder / "mariadb.sock"
        self.port = 0
        self.process: Process | None = None
        self._databases = 0

    def start(self) -> "MariaDB":
        options = ["--no-defaults", f"--datadir={self.folder / 'data'}"]
        owner = None
        if os.name == "posix" and os.geteuid() == 0:  # it refuses to work as root
            owner = "mysql"
            shutil.chown(self.folder, owner)
        install = [self.install, *options, "--auth-root-authentication-method=normal"]
        done = subprocess.run(
            [*install, "--skip-test-db"], capture_output=True, text=True, check=False, user=owner
        )
        if done.returncode:
            raise NotReady(f"mariadb-install-db failed:\n{tail(done.stdout + done.stderr)}")
        options += ["--user=mysql"] if owner else []
        self.port = free_port()
        where = [f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1"]
        # Nothing here has to outlive a power cut.
        quick = ["--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", "--skip-name-resolve"]
        self.process = Process(
            [self.server, *options, *where, *quick], cwd=self.folder, env=os.environ, log=self.log
        )
        wait_until(self._is_ready, "MariaDB answers")
        with self.as_root() as cursor:
            cursor.execute(f"CREATE USER 'study_log'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
        return self

    def _is_ready(self) -> bool:
        if not self.process.running:
            raise NotReady(f"MariaDB ended at once. It wrote:\n{tail(self.process.output)}")
        return answers(self.port)

    @contextmanager
    def as_root(self) -> Iterator[pymysql.cursors.Cursor]:
        with (
            closing(pymysql.connect(unix_socket=str(self.socket), user="root")) as connection,
            connection.cursor() as cursor,
        ):
            yield cursor

    def new_database(self) -> str:
        """Make an empty database, and return the DATABASE_URL that a step finds it by."""
        self._databases += 1
        name = f"study_log_{self._databases}"
        with self.as_root() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
            cursor.execute(f"GRANT ALL ON {name}.* TO 'study_log'@'127.0.0.1'")
        return f"mysql+pymysql://study_log:{PASSWORD}@127.0.0.1:{self.port}/{name}?charset=utf8mb4"

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
        remove_folder(self.folder)


def find_program(name: str) -> str | None:
    """Return its path; servers are where only the administrator's PATH looks."""
    return shutil.which(name) or shutil.which(name, path=str(Path("/usr/sbin")))
