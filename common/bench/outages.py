"""How long it takes until somebody is told, or helped, when Redis or a worker is gone."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from typing import Any

from .report import Figure
from .run import ADA
from .run import Run
from .run import add_posts
from .sites import Client
from .sites import Site
from .sites import copy_of
from .sites import step

UNDISTURBED, KILLED = "undisturbed", "worker killed and started"
ENDS = ("SUCCESS", "FAILURE", "REVOKED")


def _client(run: Run, site: Site, posts: int = 0) -> Client:
    """Start the site with its Redis and `flask run`; return a client with some posts."""
    run.seed(site, 6)
    add_posts(site, ADA, posts + 1)
    site.redis()
    site.flask()
    return Client(site, ADA)


def away(run: Run) -> Iterator[Figure]:
    """Time until a client gets an error when Redis is down."""
    with copy_of(step(6)) as site:
        client = _client(run, site)
        client.export()
        redis = site.serving.pop("Redis")  # from here on, it may end
        rounds = run.pick(3, 1)
        for how, what in ((signal.SIGSTOP, "hangs"), (signal.SIGKILL, "is gone")):
            redis.send_signal(how)
            seconds = []
            for turn in range(rounds):
                run.say(f"POST {turn + 1} of {rounds} while Redis {what}")
                began = time.monotonic()
                status, _ = client.ask("/api/exports", {})
                seconds.append(time.monotonic() - began)
                if status != 503:
                    raise site.failure(f"POST while Redis {what} answers {status}, not 503.")
            yield Figure(f"POST while Redis {what}: 503 after", seconds, "s", at_most=5)


def killed(run: Run) -> Iterator[Figure]:
    """Time of an export whose worker is killed, and started again."""
    number = run.pick(5_000, 500)
    with copy_of(step(6)) as site:
        client = _client(run, site, number)
        worker = site.worker()
        for what in run.pick((UNDISTURBED, KILLED), (KILLED,)):
            run.say(f"{number:,} posts, {what}")
            path = client.export()

            def look(name: str, path: str = path) -> Any:
                status, text = client.ask(path)
                if status != 200:
                    raise site.failure(f"GET {path} answers {status}.")
                return json.loads(text)[name]

            site.wait(lambda: look("state") in ("STARTED", "PROGRESS"), "the worker begins")
            if what == KILLED:
                worker.kill()
                worker = site.worker()
            seconds = site.wait(lambda: look("state") in ENDS, "the export ends")
            if look("state") != "SUCCESS":
                raise site.failure(f"The export ended as {look('state')}.")
            yield Figure(f"{number:,} posts, {what}: SUCCESS after", [seconds], "s")
