"""A private MariaDB server, for `learn.py run --mysql` and for the tests.

All of it is in one folder: ``data/``, ``tmp/`` and ``init.sql``, which the server reads at each
start. It listens on 127.0.0.1 only, and needs neither root nor a configured server on the machine.
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
# Do not wait for the disk: much faster, but a power cut may destroy the data.
UNSAFE = ("--loose-innodb-flush-method=nosync", "--loose-debug-no-sync")
MISSING = (
    "MariaDB is not installed on this machine, and --mysql needs it. Debian and Ubuntu: sudo apt "
    "install mariadb-server. macOS: brew install mariadb. It does not have to run."
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
    # Servers are in folders that are not on an ordinary user's PATH.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise LookupError(MISSING)
    return found


def install(directory: Path) -> None:
    """Make ``data/`` in ``directory``, unless it is there.

    Raises LookupError if MariaDB is not installed, and RuntimeError if it fails.
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

    It is not the system's: each MariaDB that starts deletes the files of others there.
    """
    return directory / "tmp"


def new_password(directory: Path) -> str:
    """Return a new password for the server in ``directory``, valid from its next start on."""
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
        options.append("--user=root")  # it refuses to run as root otherwise
    return [find_program(SERVER), *options]


def database_url(port: int, password: str, database: str = DATABASE) -> str:
    """Return the DATABASE_URL of a database on such a server."""
    return f"mysql+pymysql://{USER}:{password}@{HOST}:{port}/{database}"


def answers(port: int) -> bool:
    """Tell whether a MySQL or MariaDB at ``port`` is ready; it sends a greeting then."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            return connection.recv(5)[4:] == b"\n"  # length, number, protocol 10
    except OSError:
        return False
