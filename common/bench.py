"""`learn.py bench`: the figures of this repo, measured on this machine, in copies of the steps."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from datetime import date
from http.cookiejar import CookieJar
from pathlib import Path
from statistics import median
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor
from urllib.request import ProxyHandler
from urllib.request import Request
from urllib.request import build_opener

import click

from . import stack
from .processes import Group
from .steps import STEPS
from .steps import Step

FIRST, LAST = STEPS[0], STEPS[-1]
STREAMS = 1000
PASSWORD = "only for a while"
Row = tuple[str, str]

# Runs the task of the last step once for each argument, USER:report or USER:quiet. Prints a line
# for each run: the seconds, and the peak memory of this process.
RUN_TASK = """
import json, resource, sys, time
from celery_worker import flask_app
from app import tasks
from app.extensions import db
from app.models import Export, User
every = tasks.REPORT_INTERVAL
for name, mode in (argument.split(":") for argument in sys.argv[1:]):
    tasks.REPORT_INTERVAL = every if mode == "report" else float("inf")
    with flask_app.app_context():
        export = Export(owner_id=User.find(name).id)
        db.session.add(export)
        db.session.commit()
        export_id = export.id
    began = time.perf_counter()
    tasks.export_posts.apply([export_id], task_id=export_id, throw=True)
    seconds = time.perf_counter() - began
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]), flush=True)
"""


class StepCopy:
    """A copy of a step, and its processes; made by `copy_of`."""

    def __init__(self, base: Path, step: Step, leave: ExitStack) -> None:
        self.base, self.folder, self.worker_app = base, base / step.folder, step.worker or ""
        shutil.copytree(step.path, self.folder, ignore=shutil.ignore_patterns("instance"))
        self.port, self.redis_port = stack.free_port(), stack.free_port()
        self.redis_url = f"redis://{stack.HOST}:{self.redis_port}/0"
        self.env = stack.environment(TMPDIR=str(base), REDIS_URL=self.redis_url)
        for name in ("APP_CONFIG", "DATABASE_URL"):  # never write into a learner's own data
            self.env.pop(name, None)
        self._leave = leave
        self._group = self.group()

    def group(self) -> Group:
        """Return a new group of processes, which is killed at the end."""
        group = Group()
        self._leave.callback(group.kill)
        return group

    def start(
        self, argv: list[str], output: int | None = None, group: Group | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process in the folder."""
        with (self.base / "log").open("ab") as log:
            return (group or self._group).start(
                argv, cwd=self.folder, env=self.env, stdout=output or log, stderr=log
            )

    def wait(self, condition: Callable[[], object], what: str) -> float:
        """Wait for something and return the seconds that it took."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() > began + 120:
                raise self.failure(f"Gave up after two minutes: {what}.")
            time.sleep(0.02)
        return time.monotonic() - began

    def failure(self, message: str) -> click.ClickException:
        """Return an error that shows what the processes wrote last."""
        lines = (self.base / "log").read_text(errors="replace").splitlines()[-15:]
        return click.ClickException("\n    ".join([message, *lines]))

    def redis(self) -> subprocess.Popen[bytes]:
        """Start the embedded Redis."""
        try:
            process = self.start(stack.redis_command(self.redis_port, self.base))
        except LookupError as error:
            raise click.ClickException(str(error)) from None
        self.wait(lambda: stack.redis_answers(self.redis_url), "Redis answers")
        return process

    def worker(self) -> Group:
        """Start the step's worker, with its child processes in a group of its own."""
        group = self.group()
        self.start(stack.worker_command(self.worker_app).argv, group=group)
        return group

    def web(self, *argv: str) -> float:
        """Start `flask run`, or what is given; return the seconds until its page is there."""
        self.start(list(argv) or stack.web_command(self.port).argv)
        return self.wait(lambda: Client(self.port).ask("/")[0] == 200, "the page is there")

    def seed(self, **posts: int) -> None:
        """Create the database with these users, and so many posts of each."""
        argvs = [stack.migrate_command().argv]
        for name, number in posts.items():
            _say(f"writing {number:,} posts")
            seed = ["seed", "--username", name, "--password", PASSWORD, "--posts", str(number)]
            argvs.append([sys.executable, "-m", "flask", *seed])
        for argv in argvs:
            if self.start(argv).wait():
                raise self.failure(f"This failed in a copy of the step: {' '.join(argv[2:])}")

    def run_task(self, *runs: str) -> Iterator[tuple[float, int]]:
        """Run the task in its own process; yield the seconds and the memory of each run."""
        output = self.start([sys.executable, "-c", RUN_TASK, *runs], subprocess.PIPE).stdout
        assert output
        with output:
            for number, _ in enumerate(runs, start=1):
                _say(f"export {number} of {len(runs)}")
                if not (line := output.readline()):
                    raise self.failure("The export failed in a copy of the step.")
                seconds, memory = json.loads(line)
                yield seconds, memory


@contextmanager
def copy_of(step: Step) -> Iterator[StepCopy]:
    """Copy a step into a temporary folder; at the end nothing is left of it or its processes."""
    with ExitStack() as leave:
        folder = tempfile.TemporaryDirectory(prefix="study log ", ignore_cleanup_errors=True)
        yield StepCopy(Path(leave.enter_context(folder)), step, leave)


class Client:
    """A client with cookies, logged in if it has a name."""

    def __init__(self, port: int, name: str = "") -> None:
        self.url, self.cookies, self.token = f"http://{stack.HOST}:{port}", CookieJar(), ""
        self._open = build_opener(ProxyHandler({}), HTTPCookieProcessor(self.cookies)).open
        if name:
            self._find_token()
            self.ask("/auth/login", {"username": name, "password": PASSWORD})
            self._find_token()

    def _find_token(self) -> None:
        self.token = re.findall(r'csrf-token" content="(.+?)"', self.ask("/auth/login")[1])[0]

    def ask(self, path: str, data: dict[str, str] | None = None) -> tuple[int, str]:
        """Send a GET, or a POST with ``data``; return status and text. Status 0: no response."""
        body = None if data is None else urlencode(data).encode()
        answer: Any
        try:
            answer = self._open(
                Request(self.url + path, body, {"X-CSRFToken": self.token}), None, 60
            )
        except HTTPError as error:
            answer = error
        except OSError:
            return 0, ""
        with answer:
            return answer.status, answer.read().decode()

    def export(self) -> str:
        """Start an export and return its path."""
        status, text = self.ask("/api/exports", {})
        if status != 202:
            raise click.ClickException(f"POST /api/exports answered {status}: {text}")
        return f"/api/exports/{json.loads(text)['id']}"


def start() -> Iterator[Row]:
    """Time from the command to the page of step 1."""
    seconds = []
    for number in (1, 2, 3):
        _say(f"start {number} of 3")
        with copy_of(FIRST) as copy:
            seconds.append(copy.web())
    yield "step 1 shows its page after", f"{median(seconds):.2f} s, median of 3"


def export() -> Iterator[Row]:
    """Time and memory of small exports and a big one."""
    with copy_of(LAST) as copy:
        copy.seed(few=1_000, many=20_000)
        copy.redis()
        # The first run imports what all runs need.
        _, *small, big = copy.run_task(*["few:report"] * 4, "many:report")
    few, many = median(seconds for seconds, _ in small) / 1_000, big[0] / 20_000
    yield "1,000 posts", f"{1 / few:,.0f} a second, {few * 1e3:.2f} ms a post, median of 3"
    yield "20,000 posts", f"{1 / many:,.0f} a second, {many * 1e3:.2f} ms a post"
    yield "time a post, 20,000 to 1,000", f"{many / few:.2f}"
    grown = (big[1] - small[-1][1]) / (2**20 if sys.platform == "darwin" else 2**10)
    yield "memory, 20,000 over 1,000", f"{grown:.1f} MiB more"


def report() -> Iterator[Row]:
    """Time that progress reports take."""
    with copy_of(LAST) as copy:
        copy.seed(ada=2_000)
        copy.redis()
        _, *runs = copy.run_task("ada:quiet", *["ada:report", "ada:quiet"] * 7)
    on, off = (median(seconds for seconds, _ in half) for half in (runs[::2], runs[1::2]))
    yield "reporting progress costs", f"{100 * (on / off - 1):+.1f} % of the time, medians of 7"


def away() -> Iterator[Row]:
    """Time until a client gets an error when Redis is down."""
    with copy_of(LAST) as copy:
        copy.seed(ada=1)
        redis = copy.redis()
        copy.web()
        client = Client(copy.port, "ada")
        client.export()
        for how, what in ((signal.SIGSTOP, "hangs"), (signal.SIGKILL, "is gone")):
            redis.send_signal(how)
            seconds = []
            for number in (1, 2, 3):
                _say(f"POST {number} of 3 while Redis {what}")
                began = time.monotonic()
                status, _ = client.ask("/api/exports", {})
                seconds.append(time.monotonic() - began)
            yield f"POST while Redis {what}", f"{status} after {median(seconds):.2f} s, median of 3"


def killed() -> Iterator[Row]:
    """Time of an export whose worker is killed."""
    with copy_of(LAST) as copy:
        copy.seed(ada=5_000)
        copy.redis()
        copy.web()
        worker, client = copy.worker(), Client(copy.port, "ada")
        for what in ("undisturbed", "worker killed and started"):
            _say(f"5,000 posts, {what}")
            path = client.export()

            def look(name: str, path: str = path) -> Any:
                return json.loads(client.ask(path)[1])[name]

            copy.wait(lambda: look("current") > 0, "the worker begins")
            if what != "undisturbed":
                worker.kill()
                copy.worker()
            seconds = copy.wait(lambda: look("state") == "SUCCESS", "the export ends")
            yield f"5,000 posts, {what}", f"{seconds:.1f} s from there to SUCCESS"


def streams() -> Iterator[Row]:
    """Event streams that one gunicorn worker holds."""
    import resource

    from redis import Redis

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with copy_of(LAST) as copy, ExitStack() as clients, Redis(port=copy.redis_port) as redis:
        copy.seed(ada=1)
        copy.redis()
        copy.web(sys.executable, "-m", "gunicorn", "--bind", f"{stack.HOST}:{copy.port}")
        client = Client(copy.port, "ada")
        path = client.export()

        def held() -> int:
            # Not PUBSUB NUMSUB, which is wrong in Valkey 9.1 while one of its tables grows.
            return int(redis.info("clients")["pubsub_clients"])

        _say(f"opening {STREAMS:,} streams")
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies)
        head = f"GET {path}/events HTTP/1.1\r\nHost: {stack.HOST}\r\nCookie: {cookies}\r\n\r\n"
        for _ in range(STREAMS):
            stream = socket.create_connection((stack.HOST, copy.port), timeout=10)
            clients.enter_context(stream).sendall(head.encode())
        deadline = time.monotonic() + 30
        copy.wait(lambda: held() == STREAMS or time.monotonic() > deadline, "they are open")
        yield "held by one gunicorn worker", f"{held():,} of {STREAMS:,} streams"
        _say("GET /about")
        seconds = [copy.wait(lambda: client.ask("/about")[0] == 200, "/about") for _ in range(100)]
        yield "GET /about meanwhile", f"{median(seconds) * 1e3:.0f} ms, median of 100"
        _say("closing the streams")
        clients.close()
        yield "freed after they are closed", f"{copy.wait(lambda: not held(), 'freed'):.1f} s"


MEASURES = {m.__name__: m for m in (start, export, report, away, killed, streams)}


def bench(names: tuple[str, ...]) -> None:
    """Run these measurements, or all; print each figure as soon as it is measured."""
    for name in names:
        if name not in MEASURES:
            raise click.ClickException(f"“{name}” is none of these: {', '.join(MEASURES)}.")
    if sys.platform == "win32":
        raise click.ClickException("These figures need Linux or macOS: Redis, prefork, gunicorn.")
    # So that the copies are deleted, too, when the terminal is closed.
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    python, system = platform.python_version(), platform.system()
    click.echo(f"{os.cpu_count()} cores, Python {python}, {system}, {date.today()}\n")
    for name in names or MEASURES:
        for what, figure in MEASURES[name]():
            _say("")
            click.echo(f"{name:8} {what:40} {figure}")
        _say("")


def _say(text: str) -> None:
    """Print on stderr what is being measured; on a terminal, over the line before."""
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{text}{' …' * bool(text)}", err=True, nl=False)
    elif text:
        click.echo(f"{text} …", err=True)
