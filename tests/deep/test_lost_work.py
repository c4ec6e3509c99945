"""Work that could be lost or stuck: foreign tasks, lost tasks, a database away, a wrong clock."""

import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.support.exports import FINAL
from tests.support.exports import Export
from tests.support.faults import Author
from tests.support.faults import Lab
from tests.support.mariadb import MariaDB
from tests.support.processes import Log
from tests.support.processes import wait_until
from tests.support.server import running
from tests.support.story import injected
from tests.support.story import seen

pytestmark = [
    pytest.mark.since(5),
    pytest.mark.one_step,
    pytest.mark.slow,
    pytest.mark.xdist_group("lost work"),
    pytest.mark.not_on_mysql("takes a MariaDB itself, beside SQLite"),
]

# How many exports somebody may have under way, and how many are asked for at the same moment.
LIMIT = 3
AT_ONCE = 12
# Seconds until an export goes on whose worker has died, or whose task is lost.
RECOVERY = 30
# Seconds without a database: twice as long as SQLite waits for a lock, and some more.
AWAY = 12

IN_AN_HOUR = "datetime('now', '+1 hour')"
# A worker that sees a clock an hour ahead, wherever Python code of the step asks for the time.
AN_HOUR_AHEAD = """
import datetime
import sys

class Ahead(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(hours=1)

datetime.datetime = Ahead
from app.models import now
print("It is", now(), flush=True)
from celery.__main__ import main
sys.argv = ["celery", "-A", {app!r}, "worker", "--loglevel", "INFO", "--concurrency", "1"]
main()
"""


def on(*databases: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("database_url", databases, indirect=True, scope="module")


@pytest.fixture(scope="module")
def own_mariadb() -> Iterator[MariaDB]:
    """A server that a test may stop."""
    server = MariaDB()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
def database_url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "sqlite":
        return None
    return request.getfixturevalue("own_mariadb").new_database()


@pytest.fixture(scope="module")
def many(lab: Lab) -> Author:
    return lab.authors(1500)[0]


@pytest.fixture(scope="module")
def few(lab: Lab) -> Author:
    return lab.authors(20)[0]


@pytest.fixture(autouse=True)
def fresh(lab: Lab, many: Author, few: Author) -> Iterator[None]:
    """No worker, no task and no export from the test before; and no page has failed after."""
    yield
    lab.stop_workers()
    for person in many, few:
        for export in person.get("/api/exports").json() * 2:  # cancelled, then deleted
            person.api("DELETE", f"/api/exports/{export['id']}")
    lab.check_logs()


def state_of(export: Export) -> str:
    """Return what the row says, which needs nobody who looks at the page."""
    return export.row()["state"]


# A crowd at the limit


@on("sqlite", "mariadb")
@pytest.mark.since("5.limit")
def test_the_database_decides_who_is_within_the_limit(lab, few):
    """Of many exports that are started at the same moment, three begin."""
    people = [few.again() for _ in range(AT_ONCE)]
    for person in people:
        person.get("/exports/")
    start_now = threading.Barrier(AT_ONCE)

    def start(person: Author) -> int:
        token = person.get("/exports/").csrf_token
        start_now.wait()
        return person.request("POST", "/api/exports", headers={"X-CSRFToken": token}).status

    injected(f"{AT_ONCE} exports are asked for at the same moment")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = Counter(pool.map(start, people))
    seen(answers)
    assert answers == {202: LIMIT, 429: AT_ONCE - LIMIT}, f"{LIMIT} should pass: {answers}"
    for person in people:
        person.close()


# Tasks of others, and tasks that are lost


@on("sqlite")
@pytest.mark.since("5.worker")
def test_the_tasks_of_another_database_are_left_alone(lab, few, step, source):
    """Two apps on one Redis never take each other's tasks."""
    other = Lab(step, source)
    other.start_redis = lambda: None
    other.redis_port = lab.redis_port
    other.project.env["REDIS_URL"] = lab.project.env["REDIS_URL"]
    for _ in running(other):
        injected(f"{other.step.folder} on the same Redis, with a worker; ours has none yet")
        other.start_worker(concurrency=2)
        stranger = other.authors(20)[0]
        exports = [few.export() for _ in range(LIMIT)] + [stranger.export() for _ in range(LIMIT)]
        for export in exports[LIMIT:]:
            export.until_end(seconds=RECOVERY)
        other.start_worker()  # what a worker does when it starts
        for export in exports[:LIMIT]:
            assert export.look()["state"] == "PENDING", f"who did it? {export.last}"
            assert not any(export.id in w.output for w in other.workers), "another app's worker"
        injected("a worker of ours")
        lab.start_worker()
        for export in exports[:LIMIT]:
            export.until_end(seconds=RECOVERY).check_archive()


@on("sqlite")
@pytest.mark.since("5.lost")
def test_a_worker_takes_up_what_redis_has_lost_though_nobody_looks(lab, few):
    """A worker that starts takes up the exports whose tasks Redis has lost."""
    exports = [few.export() for _ in range(LIMIT)]
    injected("Redis loses all that waits, and then a worker starts")
    lab.redis.kill()
    lab.start_redis()
    lab.start_worker()
    for export in exports:
        wait_until(lambda export=export: state_of(export) == "SUCCESS", "its row says SUCCESS")
        export.until_end().check_archive()


@on("sqlite")
@pytest.mark.since("5.lost")
def test_power_is_cut_in_the_middle_and_nobody_looks(lab, many):
    """An export goes on after worker and Redis were killed at once."""
    export = many.export()
    worker = lab.start_worker()
    export.until_half_way(0.1)
    injected("worker and Redis are killed at once, and both come back at once, without data")
    worker.kill()
    lab.redis.kill()
    lab.start_redis()
    lab.start_worker()
    wait_until(lambda: state_of(export) == "SUCCESS", "its row says SUCCESS", seconds=RECOVERY)
    export.until_end().check_archive()


@on("sqlite")
@pytest.mark.since("5.lost")
def test_a_lost_task_is_sent_again_by_looking(lab, many, few):
    """An export whose task is lost while the worker runs goes on when its owner looks."""
    lab.start_worker()
    long = many.export().wait(lambda a: a["current"], "it begins")
    short = few.export()
    injected("the only worker is busy, and Redis loses the task that waits")
    with lab.redis_client() as client:
        client.flushall()
    short.until_end(seconds=2 * RECOVERY)
    short.check_archive()
    long.until_end()


@on("sqlite")
@pytest.mark.since("5.lost")
def test_a_task_that_only_waits_does_not_fill_the_queue(lab, few):
    """An export that waits for a worker is sent again at growing intervals only."""
    injected("no worker runs, and somebody looks all the time")
    export = few.export()
    until = time.monotonic() + 12
    while time.monotonic() < until:
        export.look()
        few.get("/exports/")
    waiting = sum(lab.queued().values())
    seen(f"{waiting} tasks wait after 12 s")
    assert 2 <= waiting <= 3, f"sent after 0, 5 and 10 s, it should be there 3 times: {waiting}"
    lab.start_worker()
    export.until_end(seconds=RECOVERY).check_archive()


# The database is away


def away(lab: Lab, request: pytest.FixtureRequest, seconds: float) -> None:
    """Let the database answer nobody for some seconds."""
    injected(f"the database is locked or away for {seconds:g} s")
    if lab.project.is_mysql:
        server = request.getfixturevalue("own_mariadb")
        server.stop()
        time.sleep(seconds)
        server.start()
        return
    with closing(sqlite3.connect(lab.project.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")


@on("sqlite", "mariadb")
@pytest.mark.since("5.again")
def test_the_database_is_away_for_seconds(request, lab, many):
    """An export outlives a database that is away; page and row agree, and the account is free."""
    worker = lab.start_worker()
    exports = [many.export() for _ in range(LIMIT)]  # one is at work, the others wait
    exports[0].wait(lambda a: a["current"], "it begins")
    away(lab, request, AWAY)
    lab.forget_logs()  # what the web has to say of it
    for export in exports:
        export.until_end(seconds=2 * RECOVERY)
        assert state_of(export) == "SUCCESS", f"page and row differ: {export.last}, {export.row()}"
        export.check_archive()
    assert worker.running, "the worker did not outlive it"
    again = many.export()
    assert again.look()["state"] not in FINAL, "the account is blocked"


# Clocks


@on("mariadb")
def test_leases_end_though_clocks_are_wrong(lab, many):
    """The clock of a worker, or of the database before, may be wrong: a lease ends all the same."""
    code = AN_HOUR_AHEAD.format(app=lab.step.worker)
    ahead = lab.project.spawn([sys.executable, "-c", code], Log(lab.project.base / "ahead.txt"))
    lab.workers.append(ahead)
    exports = [many.export()]
    exports[0].until_half_way(0.1)
    worker = lab.start_worker()
    exports.append(many.export())
    exports[1].until_half_way(0.1)
    injected(f"a worker whose clock is an hour ahead is killed: {ahead.output.splitlines()[0]}")
    ahead.kill()
    injected("another worker is killed; its last heartbeat was when the clock was an hour ahead")
    worker.kill()
    hour = "UTC_TIMESTAMP(6) + INTERVAL 1 HOUR" if lab.project.is_mysql else IN_AN_HOUR
    lab.project.change(f"UPDATE export SET seen_at = {hour} WHERE id = :id", id=exports[1].id)
    lab.start_worker(concurrency=2)
    for export in exports:
        export.until_end(seconds=RECOVERY).check_archive()
