"""A thousand watchers of one gevent worker."""

import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import AsyncIterator
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import psutil
import pytest
import requests

from tests.support.exports import Export
from tests.support.faults import Author
from tests.support.faults import Lab
from tests.support.server import GUNICORN
from tests.support.story import injected
from tests.support.story import seen

pytestmark = [
    pytest.mark.since(6),
    pytest.mark.one_step,
    pytest.mark.slow,
    pytest.mark.xdist_group("crowds"),
    pytest.mark.not_on_mysql("what a thousand watchers hold is connections to Redis"),
]

WATCHERS = 1000
# How many of them go, to see what is left of them.
GOING = 300
# Milliseconds for another page while they watch, at the median.
ABOUT_WITHIN = 200
# Seconds until all that was held for watchers who have gone is free again.
FREED_WITHIN = 10
# Open files a watcher: one to the browser, one to Redis.
FILES_EACH = 2
# A process has few connections to the database, however many watch: our settings say ten, and
# twenty more when there is much to do.
MOST_CONNECTIONS = 30


@pytest.fixture(scope="module", autouse=True)
def many_files() -> Iterator[None]:
    """Let the programs that start from here on have a file open for each watcher."""
    resource = pytest.importorskip("resource", reason="no limits to raise on this system")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 4 * WATCHERS
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"only {hard} open files are allowed here: `ulimit -Hn {needed}`, as root")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def author(lab: Lab) -> Iterator[Author]:
    """Somebody at a gunicorn with the step's own settings and one worker."""
    author = lab.authors(3000)[0]
    with lab.beside((*GUNICORN, "--workers", "1")) as served:
        author.server = served
        page = author.get(f"/api/exports/{uuid4()}/events")
        assert "message" in page.json(), f"{page}; there is no stream to watch"
        yield author


@pytest.fixture
def web_worker(author: Author) -> psutil.Process:
    """The one process that serves all of them."""
    children = psutil.Process(author.server.web.pid).children()
    assert len(children) == 1, f"gunicorn has {len(children)} workers"
    return children[0]


@dataclass
class Crowd:
    """Watchers of one export, and what has reached them."""

    export: Export
    opened: int = 0
    refused: int = 0
    came_back: int = 0
    events: int = 0
    ends: int = 0

    async def watch(self) -> None:
        """Watch as a browser does: it comes back a second after a stream that was cut off."""
        known = False
        while True:
            statuses = [status async for status in self.stream(known)]
            if not statuses:
                self.refused += 1
                return
            known = True
            if statuses[-1]["state"] == "SUCCESS":
                self.ends += 1
                return
            self.came_back += 1
            await asyncio.sleep(1)

    async def stream(self, known: bool) -> AsyncIterator[dict]:
        port = self.export.server.port
        cookies = "; ".join(f"{c.name}={c.value}" for c in self.export.owner.http.cookies)
        words = f"GET {self.export.path}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(f"{words}\r\n\r\n".encode())
            if b"200" not in await reader.readline():
                return
            while line := await reader.readline():
                if line.startswith(b"data:"):
                    self.events += 1
                    self.opened += not known
                    known = True
                    yield json.loads(line.removeprefix(b"data:"))
        finally:
            writer.close()

    @contextlib.asynccontextmanager
    async def watching(self, count: int) -> Iterator[None]:
        """Let so many watch, and go when the block ends."""
        tasks = [asyncio.create_task(self.watch()) for _ in range(count)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def wait_for(condition, what: str, *, seconds: float) -> float:
    """Return after how many seconds the condition was true."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"waited {seconds:g} s in vain: {what()}"
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def about(url: str, times: int = 25) -> float:
    """Return the median time in which another page answers, in milliseconds."""

    def once() -> float:
        began = time.monotonic()
        with contextlib.suppress(requests.Timeout):
            assert requests.get(f"{url}/about", timeout=5).status_code == 200
        return (time.monotonic() - began) * 1000

    took = []
    for _ in range(times):
        took.append(await asyncio.to_thread(once))
        await asyncio.sleep(0.05)
    seen(f"GET /about: median {statistics.median(took):.0f} ms, at most {max(took):.0f} ms")
    return statistics.median(took)


def connections(process: psutil.Process) -> int:
    """How often a process has the database open."""
    return sum("instance" in file.path for file in process.open_files())


async def thousand_watch(lab: Lab, author: Author, web_worker: psutil.Process) -> None:
    url = author.server.url
    export = author.export()
    crowd = Crowd(export)
    injected(f"{WATCHERS} watchers of an export that waits")
    async with crowd.watching(WATCHERS):
        took = await wait_for(
            lambda: crowd.opened + crowd.refused >= WATCHERS,
            lambda: f"{WATCHERS} open streams: {crowd}",
            seconds=60,
        )
        assert not crowd.refused, f"{crowd.refused} of {WATCHERS} were turned away"
        seen(f"all {crowd.opened} have the present state after {took:.1f} s")
        files = connections(web_worker)
        seen(f"{files} connections to the database, {web_worker.num_fds()} files in all")
        assert files <= MOST_CONNECTIONS, f"streams hold {files} connections to the database"
        median = await about(url)
        assert median < ABOUT_WITHIN, f"GET /about takes {median:.0f} ms while they wait"

        injected("a worker begins")
        await asyncio.to_thread(lab.start_worker)
        await wait_for(lambda: crowd.events > 2 * WATCHERS, lambda: f"events: {crowd}", seconds=30)
        median = await about(url)
        assert median < ABOUT_WITHIN, f"GET /about takes {median:.0f} ms while the bars move"
        await wait_for(
            lambda: crowd.ends >= WATCHERS,
            lambda: f"all {WATCHERS} get the end: {crowd}",
            seconds=60,
        )
        seen(f"the end reached {crowd.ends}, {crowd.events} events, {crowd.came_back} came back")
        assert crowd.ends == WATCHERS, f"an end came twice: {crowd}"


async def many_go(lab: Lab, author: Author, web_worker: psutil.Process) -> None:
    lab.stop_workers()
    export = author.export()
    await asyncio.to_thread(author.get, "/about")
    crowd = Crowd(export)
    with lab.redis_client() as redis:

        def listening() -> int:
            # Valkey 9.1 answers PUBSUB NUMSUB with nonsense for a thousand, so this counts itself.
            return len(redis.client_list(_type="pubsub"))

        before, others = web_worker.num_fds(), listening()
        async with crowd.watching(GOING):
            await wait_for(
                lambda: crowd.opened >= GOING, lambda: f"open streams: {crowd}", seconds=60
            )
            held = web_worker.num_fds()
            subscribed = listening()
        injected(f"{GOING} watchers go at once, with {held} files and {subscribed} subscriptions")
        assert subscribed > 0.9 * GOING, f"only {subscribed} of them listen to Redis"
        assert held < FILES_EACH * GOING + 100, f"{held / GOING:.1f} open files a watcher"
        took = await wait_for(
            lambda: listening() <= others and web_worker.num_fds() <= before + 20,
            lambda: f"{listening()} subscriptions and {web_worker.num_fds()} files are still held",
            seconds=FREED_WITHIN,
        )
    seen(f"all is freed after {took:.1f} s, {web_worker.num_fds()} files are left")
    export.cancel()


def test_one_web_worker_serves_a_thousand_streams(lab, author, web_worker):
    """One gevent worker streams events to a thousand clients while other pages stay quick."""
    asyncio.run(thousand_watch(lab, author, web_worker))


def test_disconnected_clients_free_what_their_streams_held(lab, author, web_worker):
    """When clients disconnect, their subscriptions and sockets are freed within seconds."""
    asyncio.run(many_go(lab, author, web_worker))
