"""Redis goes away: before an export starts, and while it runs."""

import shutil
import time

import pytest

from tests.support.browser import Page
from tests.support.faults import Author
from tests.support.faults import Lab
from tests.support.faults import send_signal
from tests.support.needed import REDIS
from tests.support.processes import wait_until
from tests.support.server import redis_program
from tests.support.story import injected
from tests.support.story import seen

pytestmark = [
    pytest.mark.since(5),
    pytest.mark.one_step,
    pytest.mark.slow,
    pytest.mark.xdist_group("waiting"),
    pytest.mark.not_on_mysql("Redis goes away"),
    pytest.mark.usefixtures("fresh"),
]

# Seconds: Redis is away in the middle for so long, and the export is under way for so long before.
OUTAGE = 10
SETTLED = 2.5


@pytest.fixture
def small(lab: Lab) -> Author:
    return lab.authors(100)[0]


@pytest.fixture(params=["embedded", "redis-server"])
def redis_is(request, lab: Lab) -> None:
    """Both servers: the one that comes with the tests, and Debian's."""
    program = redis_program() if request.param == "embedded" else shutil.which("redis-server")
    if program is None:
        pytest.skip(REDIS.reason)
    lab.redis.kill()
    lab.start_redis(program)


def refuse(person: Author, *, within: float) -> None:
    """Try to start an export from the API and from the page: a message each, and no export."""
    answer = person.api("POST", "/api/exports")
    took = answer.response.elapsed.total_seconds()
    seen(f"{answer} after {took:.2f} s: {answer.text.strip()[:120]}")
    assert answer.status == 503, f"{answer}; it cannot start, which is a 503"
    assert answer.json().get("message"), f"{answer} without a message for people"
    assert took < within, f"{answer} took {took:.1f} s, which is more than {within:g} s"

    page = person.submit("/exports/")
    seen(f"{page}")
    assert page.status == 200, f"{page}; the page should stay usable"
    alerts = [tag.get_text(strip=True) for tag in page.soup(role="alert")]
    assert alerts, f"{page} says nothing about the export that did not start"
    assert page.forms_to("/exports/"), f"{page} has no form to try again with"
    left = person.get("/api/exports").json()
    assert left == [], f"an export is left that nobody will ever work on: {left}"


def check_other_pages(person: Author) -> None:
    """Check that pages without Redis do not notice."""
    for path in ("/", "/posts/", "/about"):
        page = person.get(path)
        took = page.response.elapsed.total_seconds()
        assert page.status == 200, f"{page} needs no Redis"
        assert took < 0.5, f"{page} took {took:.1f} s, and needs no Redis"


@pytest.mark.since("5.create")
@pytest.mark.usefixtures("redis_is")
def test_without_redis_an_export_is_refused_with_503(lab, small):
    """Without Redis an export is refused with 503, and the other pages work."""
    program = lab.redis.command[0]
    worker = lab.start_worker()
    injected("Redis ends: connections are refused")
    lab.redis.kill()
    refuse(small, within=1)
    check_other_pages(small)

    injected("Redis hangs (SIGSTOP): connections are taken, and nothing is answered")
    lab.start_redis(program)
    send_signal(lab.redis, "SIGSTOP")
    refuse(small, within=5)
    check_other_pages(small)

    injected("Redis goes on (SIGCONT)")
    send_signal(lab.redis, "SIGCONT")
    export = small.export()
    seen("the next POST is taken, by the same web process")
    export.until_end(seconds=30)
    export.check_archive()
    assert worker.running, "the worker did not outlive the outage"
    assert len(small.get("/api/exports").json()) == 1, "an export that was refused is there too"


@pytest.mark.since("5.kombu")
def test_an_export_survives_an_outage_of_redis(lab):
    """Running exports go on during an outage of Redis, and their progress is still shown."""
    long, short = lab.authors(18_000, 1000)
    worker = lab.start_worker(concurrency=3)  # one is free: its wait for a task is cut off too
    exports = [long.export()]
    exports[0].wait(lambda a: a["current"], "it begins")
    # A worker that has been at it for some seconds has more connections to lose.
    settled = time.monotonic() + SETTLED
    exports[0].wait(lambda _: time.monotonic() > settled, "it goes on")
    exports.append(short.export())
    exports[1].wait(lambda a: a["current"], "it begins")
    injected(f"Redis is killed and loses all data, for {OUTAGE} s")
    lab.redis.kill()
    during: list[Page] = []
    began = time.monotonic()
    while time.monotonic() - began < OUTAGE or not exports[1].ended:
        assert time.monotonic() - began < 6 * OUTAGE, f"it is held up: {exports[1].last}"
        for export in exports:
            during.append(page := export.owner.get(export.path))
            assert page.status == 200, f"{page}; the row in the database still knows"
            answer = export.look()
            if not export.ended:
                message = answer["message"].lower()
                assert "waiting for the server" in message, f"the bar does not say why: {answer}"
        time.sleep(0.4)
    slowest = max(page.response.elapsed.total_seconds() for page in during)
    assert slowest < 3, f"an answer took {slowest:.1f} s"
    numbers = [page.json()["current"] for page in during if page.url.endswith(exports[0].path)]
    assert numbers == sorted(numbers), f"the bar went back during the outage: {numbers}"
    grown = sorted(set(numbers))
    seen(f"the short one ended during the outage as {exports[1].last['state']}")
    seen(f"numbers during the outage: {grown}, the slowest answer after {slowest:.2f} s")
    assert len(grown) > 3, "the numbers in the database did not grow: is the export held up?"

    injected("Redis is back, empty")
    lab.start_redis()
    for export in exports:
        export.until_end(seconds=60)
        export.check_archive()
    assert worker.running, "the worker did not outlive the outage"
    after = lab.authors(10)[0].export().until_end(seconds=30)
    after.check_archive()
    seen("the same worker does the next export")
    assert after.id in worker.output, "another worker did it"
    wait_until(lambda: not lab.queued(), "no task is left in Redis")
