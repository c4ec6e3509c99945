"""Python programs that start at once, forked from a process that has imported the libraries.

Most of the first second of `flask run` goes into imports, and the suite starts some three hundred
programs. So the forkserver of `multiprocessing` imports what the steps import from others, and
forks for each program. A step's own files are imported in the fork alone, from the disk, each time.
"""

import atexit
import faulthandler
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType

# Not gunicorn: gevent has to come before the modules that it changes.
PROGRAMS = (("-m", "flask"), ("-m", "celery"))
LIBRARIES = """
    tests.support.forked common.ui dotenv flask.cli flask_admin.contrib.sqla flask_limiter.commands
    flask_login flask_migrate flask_smorest flask_sqlalchemy flask_wtf requests werkzeug.security
    alembic.autogenerate alembic.command logging.config pygments.formatters.html
    pygments.lexers.python pymysql sqlalchemy.dialects.mysql.pymysql
    sqlalchemy.dialects.sqlite.pysqlite celery.backends.redis celery.bin.celery celery.bin.worker
    celery.concurrency.prefork celery.worker.worker kombu.transport.redis
"""
# Python reads these variables while it starts, so they are the same for the server and its forks.
AT_THE_START = ("PYTHONPATH", "PYTHONWARNINGS", "PYTHONUNBUFFERED", "LANG")
SETTINGS: dict[str, str] = {}
SEARCH_PATH = sys.path[1:]


class Forked:
    """A program that was forked, with the methods of `subprocess.Popen` that the tests use."""

    def __init__(self, process: multiprocessing.process.BaseProcess) -> None:
        self._process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def start(
    command: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path, *, cheap_hashes: bool
) -> Forked | None:
    """Start a program of a step; return None if a fork would not be the same as a new process."""
    python, option, what = (*command, "", "")[:3]
    settings = {name: env[name] for name in AT_THE_START if name in env}
    if sys.platform != "linux" or python != sys.executable or len(settings) < len(AT_THE_START):
        return None
    if option != "-c" and (option, what) not in PROGRAMS:
        return None
    if not SETTINGS:
        start_forkserver(settings)
    if settings != SETTINGS:
        return None
    context = multiprocessing.get_context("forkserver")
    reader, writer = context.Pipe(duplex=False)
    order = (command[1:], cwd, dict(env), log, cheap_hashes, writer)
    process = context.Process(target=run, args=order)
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")  # or each fork would import ours
    try:
        process.start()
    finally:
        sys.modules["__main__"] = main
    writer.close()
    with reader:
        reader.poll(30)  # until the fork closes its end: now it leads a process group
    return Forked(process)


def start_forkserver(settings: dict[str, str]) -> None:
    SETTINGS.update(settings)
    ours = dict(os.environ)
    os.environ.clear()
    os.environ.update(settings)
    try:
        forkserver.set_forkserver_preload(LIBRARIES.split())
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(ours)


def run(
    words: list[str], cwd: Path, env: dict[str, str], log: Path, cheap: bool, leads: Connection
) -> None:
    """Do in the fork what ``python -m …`` and ``python -c …`` do, with the output in ``log``."""
    os.setsid()
    leads.close()
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # what multiprocessing keeps open
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    sys.stdin = os.fdopen(0, closefd=False)  # /dev/null
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None
    if cheap:
        make_hashes_cheap()
    for name in list(sys.modules):  # what a new program has not imported
        if name.partition(".")[0] in ("multiprocessing", "__mp_main__", "tests"):
            del sys.modules[name]
    if env.get("PYTHONFAULTHANDLER"):
        faulthandler.enable(sys.__stderr__)
    option, what, *arguments = words
    try:
        if option == "-m":
            sys.argv, sys.path[:] = [what, *arguments], [str(cwd), *SEARCH_PATH]
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            sys.argv, sys.path[:] = ["-c", *arguments], ["", *SEARCH_PATH]
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    finally:
        atexit._run_exitfuncs()  # as multiprocessing does itself from Python 3.14 on


def make_hashes_cheap() -> None:
    """Let Werkzeug hash passwords with little work, or that would be half of the tests' time.

    That work is what protects a password. So this is for our own steps, and never for a learner's.
    """
    import werkzeug.security

    function = werkzeug.security.generate_password_hash
    assert function.__defaults__ == ("scrypt", 16), "Werkzeug has another default now"
    function.__defaults__ = ("scrypt:1024:8:1", 16)
