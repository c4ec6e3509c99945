"""Copies of the steps, and a bare app to compare them with: in temporary folders, with servers."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import closing
from contextlib import contextmanager
from contextlib import suppress
from http.client import HTTPConnection
from http.client import HTTPException
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor
from urllib.request import ProxyHandler
from urllib.request import Request
from urllib.request import build_opener

import click
import psutil

from .. import stack
from ..processes import Group
from ..steps import STEPS
from ..steps import Step

PASSWORD = "only for a while"
PATIENCE = 120  # seconds to wait for anything
HELLO = """\
from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello():
    return "Hello, World!"
"""


class Site:
    """A Flask project in a temporary folder, with its processes: see `copy_of` and `hello`."""

    def __init__(self, base: Path, name: str, leave: ExitStack, worker_app: str = "") -> None:
        self.base, self.name, self.folder = base, name, base / name
        self.port, self.redis_port = stack.free_port(), stack.free_port()
        self.redis_url = f"redis://{stack.HOST}:{self.redis_port}/0"
        self.env = stack.environment(TMPDIR=str(base), REDIS_URL=self.redis_url)
        for variable in ("APP_CONFIG", "DATABASE_URL"):  # never write into a learner's own data
            self.env.pop(variable, None)
        # Or each start would compile all modules anew: on most machines, only the first one does.
        self.env.pop("PYTHONDONTWRITEBYTECODE", None)
        self._worker_app, self._leave = worker_app, leave
        self._group = self._new_group()
        # What has to go on: when one of these ends, that is an error.
        self.serving: dict[str, subprocess.Popen[bytes]] = {}

    def _new_group(self) -> Group:
        group = Group()
        self._leave.callback(group.kill)
        return group

    def start(
        self, argv: list[str], group: Group | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a process in the folder; its output goes into the log unless ``options`` differ."""
        with (self.base / "log").open("ab") as log:
            options = {"stdout": log, "stderr": log, **options}
            return (group or self._group).start(argv, cwd=self.folder, env=self.env, **options)

    def run(self, *words: str) -> None:
        """Run a Python module, such as ``flask db upgrade``, to its end."""
        if self.start([sys.executable, "-m", *words]).wait():
            raise self.failure(f"This failed in a copy of {self.name}: {' '.join(words)}")

    def serve(self, what: str, argv: list[str], group: Group | None = None) -> None:
        """Start a process that has to go on; `wait` raises an error when it has ended."""
        self.serving[what] = self.start(argv, group)

    def wait(self, condition: Callable[[], object], what: str, pause: float = 0.02) -> float:
        """Wait for something and return the seconds that it took."""
        began = time.monotonic()
        while not condition():
            self.check()
            if time.monotonic() > began + PATIENCE:
                raise self.failure(f"Gave up after {PATIENCE} s in {self.name}: {what}.")
            time.sleep(pause)
        return time.monotonic() - began

    def check(self) -> None:
        """Raise an error if a process has ended that should go on."""
        for what, process in self.serving.items():
            if process.poll() is not None:
                raise self.failure(f"The {what} of {self.name} has ended.")

    def failure(self, message: str) -> click.ClickException:
        """Return an error that shows what the processes wrote last."""
        lines = (self.base / "log").read_text(errors="replace").splitlines()[-15:]
        return click.ClickException("\n    ".join([message, *lines]))

    def redis(self) -> None:
        """Start the embedded Redis."""
        try:
            self.serve("Redis", stack.redis_command(self.redis_port, self.base))
        except LookupError as error:
            raise click.ClickException(str(error)) from None
        self.wait(lambda: stack.redis_answers(self.redis_url), "Redis answers")

    def worker(self, processes: int = 1) -> Group:
        """Start the step's worker with so many child processes, in a group of their own."""
        argv, group = stack.worker_command(self._worker_app).argv, self._new_group()
        self.serve("worker", [*argv, "--concurrency", str(processes)], group)
        return group

    def flask(self) -> float:
        """Start `flask run`; return the seconds until its first page is there."""
        began = time.monotonic()
        argv = [sys.executable, "-m", "flask", "run", "--port", str(self.port)]
        return self._web(argv, began, 0.002)

    def gunicorn(self, workers: int = 2) -> float:
        """Start gunicorn with gevent; return the seconds until its first page is there."""
        began = time.monotonic()
        argv = [sys.executable, "-m", "gunicorn", "--bind", f"{stack.HOST}:{self.port}"]
        argv += ["--workers", str(workers)]
        if not (self.folder / "gunicorn.conf.py").exists():  # the last step has its own settings
            argv += ["--worker-class", "gevent", "--no-control-socket", "app:app"]
        return self._web(argv, began, 0.02)

    def _web(self, argv: list[str], began: float, pause: float) -> float:
        statuses: list[int] = []

        def answers() -> bool:
            with suppress(OSError, HTTPException):
                connection = HTTPConnection(stack.HOST, self.port, timeout=60)
                with closing(connection):
                    connection.request("GET", "/")
                    statuses.append(connection.getresponse().status)
            return bool(statuses)

        self.serve("web server", argv)
        self.wait(answers, "the first page", pause)
        if statuses != [200]:
            raise self.failure(f"GET / of {self.name} answers {statuses[0]}.")
        return time.monotonic() - began

    def stop_web(self) -> None:
        """End `flask run`."""
        process = self.serving.pop("web server")
        process.terminate()
        process.wait()

    def web_cpu(self) -> float:
        """Return the seconds of CPU time that the web server has used, with its workers."""
        server = psutil.Process(self.serving["web server"].pid)
        times = [process.cpu_times() for process in (server, *server.children())]
        return float(sum(time.user + time.system for time in times))

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """Open the SQLite file of the step, and commit at the end."""
        files = list((self.folder / "instance").glob("*.db"))
        if len(files) != 1:
            raise self.failure(f"{self.name} has not one database, but {len(files)}.")
        with closing(sqlite3.connect(files[0], timeout=30)) as connection, connection:
            yield connection

    def python(self, code: str, what: str) -> Script:
        """Start Python code in the folder: see `inside`; ``what`` is it for messages."""
        return Script(self, code, what)


class Script:
    """Python code at work in the folder of a site."""

    def __init__(self, site: Site, code: str, what: str) -> None:
        self._site, self._what = site, what
        self._process = site.start(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, text: str = "") -> Any:
        """Send a line, and return the result that comes next."""
        assert self._process.stdin and self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{text}\n".encode())
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise self._site.failure(f"{self._what} failed in a copy of {self._site.name}.")
        return json.loads(line)

    def close(self) -> None:
        """End it."""
        assert self._process.stdin and self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.kill()
        self._process.wait()


@contextmanager
def _folder() -> Iterator[tuple[Path, ExitStack]]:
    with ExitStack() as leave:
        folder = tempfile.TemporaryDirectory(prefix="study log ", ignore_cleanup_errors=True)
        yield Path(leave.enter_context(folder)), leave


@contextmanager
def copy_of(step: Step) -> Iterator[Site]:
    """Copy a step into a temporary folder; at the end nothing is left of it or its processes."""
    with _folder() as (base, leave):
        shutil.copytree(
            step.path, base / step.folder, ignore=shutil.ignore_patterns("instance", "__pycache__")
        )
        yield Site(base, step.folder, leave, step.worker or "")


@contextmanager
def hello() -> Iterator[Site]:
    """Make a Flask app of one route in a temporary folder; at the end nothing is left of it."""
    with _folder() as (base, leave):
        (base / "hello").mkdir()
        (base / "hello" / "app.py").write_text(HELLO)
        yield Site(base, "hello", leave)


def step(number: int) -> Step:
    """Return a step by its number."""
    return STEPS[number - 1]


class Answer(NamedTuple):
    """A response: its status, 0 if there was none, and its text."""

    status: int
    text: str


class Client:
    """A client with cookies, logged in if it has a name."""

    # The same for the login and under load: Flask-Login ends a session that changes its browser.
    agent = "Study Log bench"

    def __init__(self, site: Site, name: str = "") -> None:
        self.site, self.url, self.token = site, f"http://{stack.HOST}:{site.port}", ""
        self._cookies = CookieJar()
        self._open = build_opener(ProxyHandler({}), HTTPCookieProcessor(self._cookies)).open
        self.is_logged_in = bool(name)
        if name:
            self._find_token()
            status, text = self.ask("/auth/login", {"username": name, "password": PASSWORD})
            if status != 200 or "/auth/logout" not in text:
                raise site.failure(f"The login of {site.name} refused “{name}” ({status}).")
            self._find_token()

    def _find_token(self) -> None:
        status, text = self.ask("/auth/login")
        found = re.search(r'csrf-token" content="(.+?)"', text)
        if not found:
            raise self.site.failure(
                f"GET /auth/login of {self.site.name} answers {status}, without a CSRF token."
            )
        self.token = found[1]

    @property
    def cookie_header(self) -> str:
        """The cookies as a request has them, for those who are logged in."""
        pairs = (f"{cookie.name}={cookie.value}" for cookie in self._cookies)
        return "; ".join(pairs) if self.is_logged_in else ""

    def ask(self, path: str, data: dict[str, str] | None = None) -> Answer:
        """Send a GET, or a POST with ``data``."""
        body = None if data is None else urlencode(data).encode()
        headers = {"X-CSRFToken": self.token, "User-Agent": self.agent}
        answer: Any
        try:
            answer = self._open(Request(self.url + path, body, headers), None, 60)
        except HTTPError as error:
            answer = error
        except OSError:
            return Answer(0, "")
        with answer:
            return Answer(answer.status, answer.read().decode())

    def get(self, path: str) -> str:
        """Return a page, which has to be there, for who asks."""
        status, text = self.ask(path)
        if status != 200:
            raise self.site.failure(f"GET {path} of {self.site.name} answers {status}.")
        if ("/auth/logout" in text) != self.is_logged_in:
            who = "is logged in" if self.is_logged_in else "is not logged in"
            raise self.site.failure(f"GET {path} of {self.site.name}: not the page of who {who}.")
        return text

    def export(self) -> str:
        """Start an export and return its path."""
        status, text = self.ask("/api/exports", {})
        if status != 202:
            raise self.site.failure(f"POST /api/exports answers {status}: {text}")
        return f"/api/exports/{json.loads(text)['id']}"
