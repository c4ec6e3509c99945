"""A step in the laboratory: its Redis and its workers can be taken away while people use it."""

import json
import os
import signal
from contextlib import suppress
from itertools import chain
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from common.steps import State
from tests.support.browser import Person
from tests.support.exports import Export
from tests.support.processes import Process
from tests.support.processes import wait_until
from tests.support.server import Server


class Lab(Server):
    """A step at work, with people who have posts, for tests that take its Redis or workers away."""

    checks_workers = False  # what a worker logs here is for the tests to judge

    def __init__(self, step: State, source: Path) -> None:
        if step.worker is None:
            pytest.fail(f"{step.folder} has no worker", pytrace=False)
        super().__init__(step, source)

    # Redis

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

    def stop_workers(self) -> None:
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


class Author(Person):
    """Somebody with posts to export."""

    def __init__(self, server: Lab, posts: int) -> None:
        super().__init__(server)
        self.password = self.password.replace(" ", "-")
        self.posts = posts

    def export(self) -> Export:
        return Export.start(self)


def pool_children(worker: Process) -> list[psutil.Process]:
    """The processes in which a worker runs its tasks."""
    return psutil.Process(worker.pid).children(recursive=True)


def send_signal(process: Process, name: str) -> None:
    os.kill(process.pid, getattr(signal, name))
