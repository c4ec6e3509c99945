"""Programs that start at once: a Python that has the libraries in memory forks them.

Nearly all of the first second of `flask run` goes into importing libraries, and the suite starts
some three hundred programs. Run as a program, this module imports what the steps import from
others, then waits for orders: for each it forks, and the child does what ``python -m …`` and
``python -c …`` do. What the learner writes (``app``, ``config``) is imported in the child alone,
from the disk, every time.
"""

import ast
import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from inspect import signature
from pathlib import Path

import werkzeug.security

# Not gunicorn: gevent has to come before the modules that it changes.
PROGRAMS = (("-m", "flask"), ("-m", "celery"))
# What these programs import besides, when they begin to work.
LATER = (
    "common.ui",
    "dotenv",
    "flask_limiter.commands",
    "pygments.formatters.html",
    "pygments.lexers.python",
    "alembic.autogenerate",
    "alembic.command",
    "celery.backends.redis",
    "celery.bin.celery",
    "celery.bin.worker",
    "celery.concurrency.prefork",
    "celery.worker.worker",
    "kombu.transport.redis",
    "logging.config",
    "pymysql",
    "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.sqlite.pysqlite",
)
# These take effect while Python starts, so they have to be the same for all.
AT_THE_START = ("PYTHONPATH", "PYTHONWARNINGS", "PYTHONUNBUFFERED", "LANG")


class Started:
    """A program that was forked, with the methods of `subprocess.Popen` that the tests use."""

    def __init__(self, pid: int, ends: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ends = ends  # a pipe: its exit code comes out of it
        self._has_ended = select.poll()
        self._has_ended.register(ends, select.POLLIN)

    def poll(self, seconds: float = 0) -> int | None:
        """Return the exit code; None if the program still runs when the seconds are over."""
        if self.returncode is None and self._has_ended.poll(seconds * 1000):
            self.returncode = int(os.read(self._ends, 20) or -signal.SIGKILL)
            os.close(self._ends)
        return self.returncode

    def wait(self, timeout: float) -> int:
        if (code := self.poll(timeout)) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class Warm:
    """The Python that forks, seen from the tests."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env=dict(env),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        atexit.register(self._close)

    def _close(self) -> None:
        self._socket.close()
        self._process.wait(timeout=30)

    def start(
        self, words: Sequence[str], cwd: Path, env: Mapping[str, str], output: int
    ) -> Started:
        data = json.dumps({"words": words, "cwd": str(cwd), "env": dict(env)}).encode()
        ends, code = os.pipe()
        try:
            with self._lock:
                socket.send_fds(self._socket, [len(data).to_bytes(4)], [output, code])
                self._socket.sendall(data)
                pid = int.from_bytes(receive(self._socket, 4))
        finally:
            os.close(code)
        return Started(pid, ends)


@functools.cache
def the_warm(*env: tuple[str, str]) -> Warm:
    return Warm(dict(env))


def start(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], output: int
) -> Started | None:
    """Start a program of a step; return None if that would not be the same as without us."""
    python, option, what = (*command, "", "")[:3]
    is_ours = python == sys.executable and (option == "-c" or (option, what) in PROGRAMS)
    if not is_ours or sys.platform != "linux" or not env.keys() >= {*AT_THE_START}:
        return None
    same = tuple((name, env[name]) for name in AT_THE_START)
    return the_warm(*same).start(command[1:], cwd, env, output)


def receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (more := connection.recv(size - len(data))):
            raise EOFError
        data += more
    return data


# From here on: what runs in that Python


def libraries(folder: Path) -> set[str]:
    """Return what the modules of a step import that are not its own."""
    names = set()
    for file in (*folder.glob("*.py"), *folder.glob("app/*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module)
            elif isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
    ours = {"app", "common", "config"}
    return {name for name in names if name.partition(".")[0] not in ours}


def serve(connection: socket.socket) -> list[str]:
    """Fork for each order; return in the program to be, with the words of its command.

    In between is a process that waits for the end of the program, and tells its exit code.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those in between
    while True:
        size, fds, *_ = socket.recv_fds(connection, 4, 2)
        if not size:
            raise SystemExit
        order = json.loads(receive(connection, int.from_bytes(size)))
        if os.fork() == 0:
            break
        for fd in fds:
            os.close(fd)
    output, code = fds
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if pid := os.fork():
        connection.close()
        os.close(output)
        _, status = os.waitpid(pid, 0)
        with suppress(BrokenPipeError):  # the tests have ended meanwhile
            os.write(code, str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    os.setsid()  # before anybody knows the number, and ends the group of that number
    connection.sendall(os.getpid().to_bytes(4))
    connection.close()
    os.close(code)
    for fd in (1, 2):
        os.dup2(output, fd)
    os.close(output)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    tempfile.tempdir = None
    return order["words"]


def make_quick_hashes() -> None:
    """Let Werkzeug's own choice of a hash for passwords be scrypt with little work.

    To be much work is the point of such a hash, and would be half of the time of the tests.
    """
    method = signature(werkzeug.security.generate_password_hash).parameters["method"]
    assert method.default == "scrypt", "Werkzeug has changed its mind: what is quick now?"
    werkzeug.security.generate_password_hash.__defaults__ = ("scrypt:1024:8:1", 16)


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        root = Path(__file__).parents[2]
        sys.path[0] = str(root)
        steps = sorted(root.glob("step*_*"))
        for name in sorted(libraries(steps[-1]) | set(LATER)):
            with suppress(ImportError):  # whoever needs it will say so
                importlib.import_module(name)
        make_quick_hashes()
        gc.collect()
        gc.freeze()
        option, what, *words = serve(connection)
    if option == "-m":
        sys.path[0] = str(Path.cwd())
        sys.argv = [what, *words]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = ""
        sys.argv = ["-c", *words]
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main()
