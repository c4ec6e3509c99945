"""How many event streams a process holds, what they cost, and how soon a state arrives."""

from __future__ import annotations

import re
import resource
import selectors
import socket
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import closing
from statistics import median
from statistics import quantiles

from redis import Redis

from .. import stack
from . import inside
from .report import Figure
from .run import Run
from .run import add_people
from .sites import Client
from .sites import Script
from .sites import Site
from .sites import copy_of
from .sites import step

# A user may have so many streams at a time.
EACH = 10
PAUSE = 1.0  # seconds between two states
ARRIVES_WITHIN = 20  # seconds, or there is something wrong
CURRENT = re.compile(rb'data: \{[^\n]*"current": (\d+),[^\n]*\n')


class Watchers:
    """Open streams, and when a state has reached each of them."""

    def __init__(self, site: Site, leave: ExitStack) -> None:
        self._site, self._leave = site, leave
        self._selector = leave.enter_context(selectors.DefaultSelector())
        self.exports: list[str] = []  # the export of each

    def open(self, client: Client, path: str) -> None:
        """Open a stream as a browser does."""
        head = [f"GET {path}/events HTTP/1.1", f"Host: {stack.HOST}"]
        head += [f"User-Agent: {client.agent}", f"Cookie: {client.cookie_header}"]
        stream = socket.create_connection((stack.HOST, self._site.port), timeout=10)
        self._leave.enter_context(stream).sendall("\r\n".join([*head, "", ""]).encode())
        self._selector.register(stream, selectors.EVENT_READ, len(self.exports))
        self.exports.append(path.rsplit("/", 1)[-1])

    def receive(self, current: int) -> list[float]:
        """Return the moment when each stream got the state with this number of posts."""
        arrived: dict[int, float] = {}
        rest: dict[int, bytes] = {}
        deadline = time.monotonic() + ARRIVES_WITHIN
        while len(arrived) < len(self.exports):
            for key, _ in self._selector.select(0.5):
                assert isinstance(key.fileobj, socket.socket)
                data = key.fileobj.recv(1 << 16)
                now = time.monotonic()
                if not data:
                    raise self._site.failure("The server has closed a stream.")
                received = rest.get(key.data, b"") + data
                if b" 429 " in received[:20]:
                    raise self._site.failure("The server has refused a stream (429).")
                if any(int(found) == current for found in CURRENT.findall(received)):
                    arrived.setdefault(key.data, now)
                rest[key.data] = received[received.rfind(b"\n") + 1 :]
            self._site.check()
            if time.monotonic() > deadline:
                missing = len(self.exports) - len(arrived)
                raise self._site.failure(
                    f"{missing} of {len(self.exports)} streams got no state in {ARRIVES_WITHIN} s."
                )
        return [arrived[index] for index in range(len(self.exports))]


def streams(run: Run) -> Iterator[Figure]:
    """The way of a state to one watcher and to many, and what many watchers cost."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    number = run.pick(1_000, 2 * EACH)
    with copy_of(step(6)) as site, ExitStack() as leave, Redis(port=site.redis_port) as redis:
        names = [f"watcher{index}" for index in range(1 + number // EACH)]
        run.seed(site, 6)
        add_people(site, names)
        site.redis()
        site.gunicorn(workers=1)
        run.say(f"{len(names)} people log in")
        clients = [Client(site, name) for name in names]
        paths = [client.export() for client in clients]
        trip = median(_seconds(redis.ping) for _ in range(1_000))
        yield Figure("one Redis round trip", [1e3 * trip], "ms")

        worker = leave.enter_context(closing(site.python(inside.PROGRESS, "Reporting progress")))
        worker.ask()  # it is there
        with ExitStack() as one:
            watcher = Watchers(site, one)
            watcher.open(clients[0], paths[0])
            watcher.receive(0)
            ways = _ways(run, worker, watcher)
        yield from _figures("1 watcher", ways, trip)

        site.wait(lambda: not _held(redis), "the stream is freed")
        run.say(f"{number:,} streams open")
        watchers = Watchers(site, leave)
        for client, path in zip(clients[1:], paths[1:], strict=True):
            for _ in range(EACH):
                watchers.open(client, path)
        watchers.receive(0)
        held = _held(redis)
        yield Figure(f"held by one process, of {number:,} streams", [held], at_least=number)

        worker.ask("0")  # heartbeats, and no state
        run.say(f"{number:,} streams wait")
        before = site.web_cpu()
        seconds = _seconds(lambda: time.sleep(run.pick(6, 1)))
        waiting = (site.web_cpu() - before) / seconds
        yield Figure(f"{number:,} watchers who wait", [waiting], "cores", at_most=0.5)
        before, began = site.web_cpu(), time.monotonic()
        ways = _ways(run, worker, watchers)
        busy = (site.web_cpu() - before) / (time.monotonic() - began)
        yield from _figures(f"{number:,} watchers", ways, trip)
        yield Figure(f"{number:,} watchers, a state a second each", [busy], "cores")

        run.say("GET /about")
        abouts = [_seconds(lambda: clients[0].get("/about")) * 1e3 for _ in range(run.pick(100, 5))]
        yield Figure("GET /about meanwhile", [median(abouts)], "ms", at_most=200)
        run.say("closing the streams")
        leave.close()
        freed = site.wait(lambda: not _held(redis), "all is freed")
        yield Figure("freed after they are closed", [freed], "s", at_most=10)


def _held(redis: Redis) -> int:
    """Return how many streams listen to Redis."""
    # Not PUBSUB NUMSUB, which is wrong in Valkey 9.1 while one of its tables grows.
    return int(redis.info("clients")["pubsub_clients"])


def _ways(run: Run, worker: Script, watchers: Watchers) -> list[float]:
    """Report states, a second apart; return the seconds until each watcher got each of them."""
    ways: list[float] = []
    states = run.pick(30, 2)
    for current in range(1, states + 1):
        run.say(f"{len(watchers.exports):,} watching, state {current} of {states}")
        began = time.monotonic()
        sent = worker.ask(" ".join([str(current), *set(watchers.exports)]))
        arrived = watchers.receive(current)
        ways += [
            moment - sent[export] for export, moment in zip(watchers.exports, arrived, strict=True)
        ]
        time.sleep(max(0.0, began + PAUSE - time.monotonic()))
    return ways


def _figures(who: str, ways: list[float], trip: float) -> Iterator[Figure]:
    """Median and 99th percentile of the ways, beside a round trip to Redis."""
    for name, way in (
        ("median", median(ways)),
        ("99th percentile", quantiles(ways, n=100, method="inclusive")[-1]),
    ):
        note = f"{way / trip:,.0f} round trips to Redis"
        yield Figure(f"worker to {who}, {name}", [1e3 * way], "ms", note=note)


def _seconds(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began
