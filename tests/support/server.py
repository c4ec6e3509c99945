"""A step at work: `flask run` on a port of its own, and what else the step needs."""

import contextlib
import copy
import importlib.util
import random
import re
import socket
import sys
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from common import stack
from common.stack import free_port
from common.steps import State
from tests.support.needed import PACKAGES
from tests.support.needed import REDIS
from tests.support.processes import Log
from tests.support.processes import NotReady
from tests.support.processes import Process
from tests.support.processes import answers
from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.project import tail

FLASK_RUN = ("-m", "flask", "run", "--host", "127.0.0.1", "--port", "{port}")
GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}")

# What must not be in a log: an exception that nobody handled, or a deprecation.
TROUBLE = re.compile(r"^.*(?:Traceback \(most recent call last\)|Deprecat\w*Warning).*$", re.M)
# What Celery 5.7 leaves to Python to forget when a gevent process ends, and Python can not.
AT_THE_END = re.compile(
    r"^Exception ignored in: <function AsyncResult\.__del__.*?^RuntimeError: greenlet is being "
    r"finalized$",
    re.M | re.S,
)
LAST_LINE_OF_TROUBLE = re.compile(r"^[\w.]*(?:Error|Exception|Warning|NotFound)\b.*$", re.M)


class Server:
    """One step, started as a learner starts it, with its database, its logs and its address."""

    checks_workers = True
    seconds: ClassVar[float] = 20  # until something listens on its port

    def __init__(self, step: State, source: Path) -> None:
        self.step = step
        self.project = Project(step, source)
        self.port = 0
        self.web: Process | None = None
        self.workers: list[Process] = []
        self.redis: Process | None = None
        self.redis_port = quiet_port()
        self.web_log = Log(self.project.base / "web.txt")
        self.redis_log = Log(self.project.base / "redis.txt")

    def __repr__(self) -> str:
        return f"<{self.step.folder} at {self.url}>"

    @property
    def worker(self) -> Process:
        """The first worker."""
        return self.workers[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, upgrade: bool = True) -> "Server":
        """Start all that `flask run` needs, then `flask run`."""
        if self.step.worker:
            self.start_redis()
        if self.step.migrates and upgrade:
            self.project.flask("db", "upgrade")
        self.start_web()
        return self

    def start_redis(self, program: str | Path | None = None) -> None:
        """Start a Redis without data, each time at the same port."""
        program = program or redis_program()
        if program is None:
            pytest.skip(REDIS.reason)
        options = ["--port", str(self.redis_port), "--bind", stack.HOST, "--save", "", "--dir"]
        command = [str(program), *options, str(self.project.base)]
        self.redis = self.project.spawn(command, self.redis_log)
        self._wait_for_port(self.redis, self.redis_port, "the Redis server")
        self.project.env["REDIS_URL"] = f"redis://{stack.HOST}:{self.redis_port}/0"

    def start_web(
        self, command: tuple[str, ...] = FLASK_RUN, *, port: int = 0, **variables: str
    ) -> None:
        """Start `flask run`, or another ``python …`` command that serves at ``{port}``."""
        for attempt in (1, 2, 3):  # another program may take the free port before we do
            self.port = port or free_port()
            words = [word.replace("{port}", str(self.port)) for word in command]
            self.web = self.project.spawn([sys.executable, *words], self.web_log, **variables)
            try:
                self._wait_for_port(self.web, self.port, f"`{command[1]}`")
            except NotReady as problem:
                if attempt == 3 or "ddress already in use" not in str(problem):
                    raise
            else:
                return

    def start_worker(self, **options: object) -> Process:
        """Start one more worker."""
        return self.start_workers(1, **options)[0]

    def start_workers(
        self, count: int, *, pool: str = "", concurrency: int = 1, projects: Sequence[Project] = ()
    ) -> list[Process]:
        """Start more workers at the same time, in the step's folder or in those of ``projects``."""
        new = []
        for number in range(count):
            project = projects[number] if projects else self.project
            name = f"worker{len(self.workers) + 1}"
            words = stack.worker_command(self.step.worker).argv
            words += ["--hostname", f"{name}@%h", "--concurrency", str(concurrency)]
            words += ["--pool", pool] if pool else []
            new.append(project.spawn(words, Log(self.project.base / f"{name}.txt")))
            self.workers.append(new[-1])

        def ready(worker: Process) -> bool:
            if not worker.running:
                raise NotReady(f"The worker ended at once. It wrote:\n{tail(worker.output)}")
            return " ready." in worker.output

        for worker in new:
            wait_until(
                lambda worker=worker: ready(worker),
                "the line “celery@… ready.” in the worker's log",
                seconds=30,
            )
        return new

    @contextlib.contextmanager
    def beside(self, command: tuple[str, ...], **variables: str) -> Iterator["Server"]:
        """Serve the same folder and data by another command too, at another address."""
        other = copy.copy(self)
        try:
            other.start_web(command, **variables)
            yield other
        finally:
            if other.web is not self.web:
                other.web.kill()

    def restart(self) -> None:
        """Stop the web process and start it again, on the same data and at the same address."""
        self.web.kill()
        self.start_web(port=self.port)

    def forget_logs(self) -> None:
        """Take what is in the logs so far as expected."""
        for log in self._logs():
            log.unread()

    def _logs(self) -> list[Log]:
        return [self.web_log, *(worker.log for worker in self.workers if self.checks_workers)]

    def check_logs(self) -> None:
        """Fail if the step wrote a traceback or a deprecation since the last check."""
        for log in self._logs():
            text = AT_THE_END.sub("", log.unread())
            if trouble := TROUBLE.search(text):
                text = text[trouble.start() :]
                last = LAST_LINE_OF_TROUBLE.search(text)
                shown = tail(text[: last.end()] if last else text)
                name = "flask run" if log is self.web_log else "a worker"
                pytest.fail(
                    f"{name} in {self.step.folder} logged what no page may cause:\n{shown}",
                    pytrace=False,
                )

    def stop(self) -> None:
        """End every process; the data stays."""
        for process in (self.web, *self.workers, self.redis):
            if process is not None:
                process.kill()

    def close(self) -> None:
        """End every process and delete every file."""
        self.stop()
        try:
            self.check_logs()
        finally:
            self.project.close()

    def _wait_for_port(self, process: Process, port: int, what: str) -> None:
        def ready() -> bool:
            if not process.running:
                raise NotReady(
                    f"{what} in {self.project!r} ended at once. It wrote:\n{tail(process.output)}"
                )
            return answers(port)

        listens = f"{what} in {self.project!r} listens on its port"
        try:
            wait_until(ready, listens, seconds=self.seconds)
        except NotReady as problem:
            if not process.running:
                raise
            log = tail(process.abort())
            raise NotReady(f"{problem}. It was here:\n{log}") from None


def running(server: Server) -> Iterator[Server]:
    """Start a server, hand it to the tests, end it; nothing is left of it in any case."""
    try:
        server.start()
    except AssertionError as problem:
        server.forget_logs()
        server.close()
        pytest.fail(str(problem), pytrace=False)
    except BaseException:
        server.forget_logs()
        server.close()
        raise
    try:
        yield server
    finally:
        server.close()


def require_gunicorn() -> None:
    """Skip a test where gunicorn or its workers are missing."""
    if None in map(importlib.util.find_spec, ("gunicorn", "gevent")):
        pytest.skip(PACKAGES.reason)


def redis_program() -> str | None:
    """Return a Redis-compatible server: the one that comes with learn.py, or one installed here."""
    with contextlib.suppress(LookupError):
        return stack.redis_binary()
    return None


def quiet_port() -> int:
    """Return a free port that the system gives to nobody while its server is away."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
