"""A thousand watchers of one gevent worker, and one user who wants all of it."""

import asyncio
import contextlib
import itertools
import json
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import psutil
import pytest
import requests

from tests.support.browser import Person
from tests.support.exports import Export
from tests.support.faults import Author
from tests.support.faults import Lab
from tests.support.server import GUNICORN
from tests.support.server import Server
from tests.support.story import injected
from tests.support.story import seen

pytestmark = [
    pytest.mark.since("6.crowd"),
    pytest.mark.one_step,
    pytest.mark.slow,
    pytest.mark.xdist_group("crowds"),
    pytest.mark.alone,
    pytest.mark.not_on_mysql("what a thousand watchers hold is connections to Redis"),
]

WATCHERS = 1000
# They are so many people with five streams each, and with so many posts.
PEOPLE = 200
POSTS = 40
ALL = "/api/exports/events"
# One user opens so many at once; another user gets a page meanwhile, in seconds.
FLOOD = 2000
PAGE_WITHIN = 25
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
    author = lab.authors(POSTS)[0]
    with lab.beside((*GUNICORN, "--workers", "1")) as served:
        author.server = served
        page = author.get(f"/api/exports/{uuid4()}/events")
        assert "message" in page.json(), f"{page}; there is no stream to watch"
        yield author


@pytest.fixture(scope="module")
def people(lab: Lab, author: Author) -> Iterator[list[Person]]:
    """Many accounts: copies of that of ``author``, with the same password, and logged in."""
    first = {"name": author.username, "count": PEOPLE}
    lab.project.change(
        """
        WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < :count)
        INSERT INTO user (username, name_key, password_hash, session_id, created_at)
        SELECT username || 'x' || i, name_key || 'x' || i, password_hash,
               lower(hex(randomblob(16))), created_at
        FROM user, number WHERE username = :name
        """,
        **first,
    )
    lab.project.change(
        """
        INSERT INTO post (title, body, created_at, author_id)
        SELECT post.title, post.body, post.created_at, reader.id
        FROM post JOIN user ON user.id = post.author_id AND user.username = :name
        JOIN user AS reader ON reader.username LIKE :copies
        """,
        name=author.username,
        copies=f"{author.username}x%",
    )
    people = [Person(author.server) for _ in range(PEOPLE)]
    for number, person in enumerate(people, start=1):
        person.username, person.password = f"{author.username}x{number}", author.password
        person.login(person.username, person.password)
    yield people
    for person in people:
        person.close()


def start_exports(people: list[Person]) -> list[tuple[Person, str]]:
    """Start an export for each; return five streams of each: of all exports, or of this one."""
    exports = [Export.start(person) for person in people]
    both = [[ALL, f"{export.path}/events"] for export in exports]
    return [
        (person, path)
        for person, paths in zip(people, both, strict=True)
        for path in itertools.islice(itertools.cycle(paths), WATCHERS // PEOPLE)
    ]


@pytest.fixture
def web_worker(author: Author) -> psutil.Process:
    """The one process that serves all of them."""
    children = psutil.Process(author.server.web.pid).children()
    assert len(children) == 1, f"gunicorn has {len(children)} workers"
    return children[0]


@dataclass
class Crowd:
    """Watchers, and what has reached them. Each has one export that has not ended."""

    server: Server
    opened: int = 0
    refused: int = 0
    came_back: int = 0
    events: int = 0
    ends: int = 0

    async def watch(self, person: Person, path: str) -> None:
        """Watch as a browser does: it comes back a second after a stream that was cut off."""
        known = False
        while True:
            statuses = [status async for status in self.stream(person, path, known)]
            if not statuses:
                self.refused += 1
                return
            known = True
            if statuses[-1]["state"] == "SUCCESS":
                self.ends += 1
                return
            self.came_back += 1
            await asyncio.sleep(1)

    async def stream(self, person: Person, path: str, known: bool) -> AsyncIterator[dict]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            writer.write(request(person, path))
            if b"200" not in await reader.readline():
                return
            while line := await reader.readline():
                if line.startswith(b"data: {"):
                    self.events += 1
                    self.opened += not known
                    known = True
                    yield json.loads(line.removeprefix(b"data:"))
        finally:
            writer.close()

    @contextlib.asynccontextmanager
    async def watching(self, streams: list[tuple[Person, str]]) -> Iterator[None]:
        """Let people watch these streams, and go when the block ends."""
        tasks = [asyncio.create_task(self.watch(*stream)) for stream in streams]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def request(person: Person, path: str) -> bytes:
    """Return a request as a browser sends it."""
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.http.cookies)
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n\r\n".encode()


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


async def thousand_watch(lab: Lab, people: list[Person], web_worker: psutil.Process) -> None:
    url = people[0].server.url
    streams = start_exports(people)
    crowd = Crowd(people[0].server)
    injected(f"{len(streams)} watchers, {PEOPLE} users with an export each that waits")
    async with crowd.watching(streams):
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
            seconds=150,
        )
        seen(f"the end reached {crowd.ends}, {crowd.events} events, {crowd.came_back} came back")
        assert crowd.ends == WATCHERS, f"an end came twice: {crowd}"


async def many_go(lab: Lab, people: list[Person], web_worker: psutil.Process) -> None:
    lab.stop_workers()
    streams = start_exports(people)[:GOING]
    await asyncio.to_thread(people[0].get, "/about")
    crowd = Crowd(people[0].server)
    with lab.redis_client() as redis:

        def listening() -> int:
            # Valkey 9.1 answers PUBSUB NUMSUB with nonsense for a thousand, so this counts itself.
            return len(redis.client_list(_type="pubsub"))

        before, others = web_worker.num_fds(), listening()
        async with crowd.watching(streams):
            await wait_for(
                lambda: crowd.opened >= GOING, lambda: f"open streams: {crowd}", seconds=60
            )
            held = web_worker.num_fds()
            subscribed = listening()
        injected(f"{GOING} watchers go at once, with {held} files and {subscribed} subscriptions")
        assert subscribed > 0.9 * GOING, f"only {subscribed} of them listen to Redis"
        assert held - before < FILES_EACH * GOING + 100, (
            f"{(held - before) / GOING:.1f} open files a watcher"
        )
        took = await wait_for(
            lambda: listening() <= others and web_worker.num_fds() <= before + 20,
            lambda: f"{listening()} subscriptions and {web_worker.num_fds()} files are still held",
            seconds=FREED_WITHIN,
        )
    seen(f"all is freed after {took:.1f} s, {web_worker.num_fds()} files are left")


async def one_wants_all(person: Person, other: Person) -> None:
    statuses: Counter[str] = Counter()
    stay = asyncio.Event()

    async def open_one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", person.server.port)
        writer.write(request(person, ALL))
        statuses[(await reader.readline()).split()[1].decode()] += 1
        await stay.wait()
        writer.close()

    injected(f"one user opens {FLOOD} streams, and closes none")
    began = time.monotonic()
    tasks = [asyncio.create_task(open_one()) for _ in range(FLOOD)]
    try:
        while sum(statuses.values()) < FLOOD:
            asked = time.monotonic()
            assert asked - began < 60, f"after a minute only {statuses} of {FLOOD} are answered"
            page = await asyncio.to_thread(other.get, "/exports/", timeout=PAGE_WITHIN)
            assert page.status == 200, f"{page} while {statuses}"
            seen(f"{page} after {time.monotonic() - asked:.2f} s, while {dict(statuses)}")
        accepted = statuses["200"]
        assert statuses == {"200": accepted, "429": FLOOD - accepted}, f"{statuses}"
        assert 6 <= accepted <= 20, f"one user has {accepted} streams"
        median = await about(person.server.url)
        assert median < ABOUT_WITHIN, f"GET /about takes {median:.0f} ms after that"
    finally:
        stay.set()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_one_web_worker_serves_a_thousand_streams(lab, people, web_worker):
    """One gevent worker streams events to a thousand clients while other pages stay quick."""
    asyncio.run(thousand_watch(lab, people, web_worker))


def test_disconnected_clients_free_what_their_streams_held(lab, people, web_worker):
    """When clients disconnect, their subscriptions and sockets are freed within seconds."""
    asyncio.run(many_go(lab, people, web_worker))


@pytest.mark.since("6.bounded")
def test_one_user_cannot_take_all_connections(lab, author, people):
    """One user who opens 2,000 streams gets a few, and other users get their pages."""
    lab.stop_workers()
    author.export()
    asyncio.run(one_wants_all(author, people[0]))
