"""A private MariaDB server, for `learn.py run --mysql` and for the tests.

All of it is in one folder: ``data/``, ``tmp/`` and ``init.sql``, which the server reads at each
start. It listens on 127.0.0.1 only, and needs neither root nor a server that is set up on the
machine.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from .stack import HOST

INSTALL, SERVER = "mariadb-install-db", "mariadbd"
USER = "study_log"
DATABASE = "study_log"
# Do not wait for the disk: much quicker, but a power cut may cost all data.
UNSAFE = ("--loose-innodb-flush-method=nosync", "--loose-debug-no-sync")
MISSING = (
    "There is no MariaDB on this machine, which is needed for --mysql. Debian and Ubuntu: sudo apt "
    "install mariadb-server. macOS: brew install mariadb. It need not be started."
)

WINDOWS = (
    "On Windows, --mysql cannot start a MariaDB. Install one, and set DATABASE_URL as NOTES.md "
    "says in “MySQL instead of SQLite”."
)

# What the server does at each start: a login for us, with a new password, and the database. The
# login may make more databases whose names begin in the same way.
INIT = """\
CREATE OR REPLACE USER '{user}'@'{host}' IDENTIFIED BY '{password}';
GRANT ALL ON `{user}%`.* TO '{user}'@'{host}';
CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
"""


def find_program(name: str) -> str:
    """Return the path of one of MariaDB's programs; raise LookupError where it is not installed."""
    if sys.platform == "win32":
        raise LookupError(WINDOWS)
    # Servers are where only an administrator's PATH looks.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise LookupError(MISSING)
    return found


def install(directory: Path) -> None:
    """Make ``data/`` in ``directory``, unless it is there.

    Raises LookupError where MariaDB is not installed, RuntimeError where it could not make it.
    """
    data, unfinished = directory / "data", directory / "unfinished"
    temporary(directory).mkdir(parents=True, exist_ok=True)
    if data.exists():
        return
    shutil.rmtree(unfinished, ignore_errors=True)  # of a start that was interrupted
    unfinished.mkdir(parents=True)
    words = [find_program(INSTALL), "--no-defaults", f"--datadir={unfinished}"]
    done = subprocess.run(
        [*words, "--skip-test-db", *UNSAFE],
        env={**os.environ, "TMPDIR": str(temporary(directory))},  # --tmpdir takes no spaces here
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise RuntimeError(f"{INSTALL} failed:\n{done.stdout.strip()}")
    unfinished.rename(data)


def temporary(directory: Path) -> Path:
    """Return the folder for temporary files of the server in ``directory``.

    Not the one of the system: each MariaDB that starts deletes there what others have just made.
    """
    return directory / "tmp"


def new_password(directory: Path) -> str:
    """Return a password that is good from the next start of the server in ``directory`` on."""
    password = secrets.token_hex(16)
    path = directory / "init.sql"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(INIT.format(user=USER, host=HOST, password=password, database=DATABASE))
    return password


def server_command(directory: Path, port: int) -> list[str]:
    """Return the server on 127.0.0.1 and ``port`` that works in ``directory``.

    It is one process that ends on SIGTERM. Raises LookupError where MariaDB is not installed.
    """
    options = [
        "--no-defaults",
        f"--datadir={directory / 'data'}",
        f"--tmpdir={temporary(directory)}",
        f"--init-file={directory / 'init.sql'}",
        f"--bind-address={HOST}",
        f"--port={port}",
        "--socket=mariadb.sock",  # in data/: a whole path may be too long for a socket
        "--skip-name-resolve",
        "--skip-log-bin",
        "--innodb-flush-log-at-trx-commit=2",  # a power cut may cost the last second
    ]
    if sys.platform != "win32" and os.geteuid() == 0:
        options.append("--user=root")  # which it wants to hear
    return [find_program(SERVER), *options]


def database_url(port: int, password: str, database: str = DATABASE) -> str:
    """Return the DATABASE_URL of a database on such a server."""
    return f"mysql+pymysql://{USER}:{password}@{HOST}:{port}/{database}"


def answers(port: int) -> bool:
    """Tell whether a MySQL or MariaDB greets us at ``port``, as it does once it is ready."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            return connection.recv(5)[4:] == b"\n"  # length, number, and protocol 10
    except OSError:
        return False
