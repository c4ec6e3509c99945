"""Exports are cancelled, whatever they are at; nobody has too many, and none waits in vain."""

import random
import time

import pytest

from tests.support.faults import Author
from tests.support.faults import Lab
from tests.support.processes import wait_until
from tests.support.story import injected
from tests.support.story import seen

pytestmark = [
    pytest.mark.since(5),
    pytest.mark.one_step,
    pytest.mark.xdist_group("waiting"),
    pytest.mark.timed,
    pytest.mark.usefixtures("fresh"),
]

# Seconds within which a cancelled export has stopped.
STOPPED = 2
RACES = 40


@pytest.fixture(scope="module")
def people(lab: Lab) -> list[Author]:
    """Somebody with many posts, and somebody with a few."""
    return lab.authors(10_000, 60)


@pytest.mark.since("5.heartbeat")
@pytest.mark.slow
@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_cancelling_stops_a_running_export(lab, people, pool):
    """Cancelling a running export stops it within seconds, and the worker takes the next one."""
    many, few = people
    worker = lab.start_worker(pool=pool)
    export = many.export()
    export.wait(lambda a: a["current"], "it begins")
    waiting = few.export()
    assert waiting.look()["state"] == "PENDING", "the worker should be busy with the other one"
    injected(f"DELETE at {export.look()['current']} of {export.last['total']} posts, {pool} pool")
    began = time.monotonic()
    export.cancel()
    assert export.look()["state"] == "REVOKED", f"it was cancelled: {export.last}"
    waiting.wait(lambda a: a["state"] != "PENDING", "the worker is free for the next", seconds=10)
    took = time.monotonic() - began
    seen(f"the worker is free after {took:.1f} s")
    assert took < STOPPED, f"it took {took:.1f} s until the worker was free for the next export"
    waiting.until_end()
    assert worker.running, "cancelling ended the worker"
    assert export.look()["state"] == "REVOKED", f"a cancelled export went on: {export.last}"
    assert export.owner.get(f"{export.path}/archive").status == 409
    assert not export.rows("SELECT position FROM export_chunk", "export_id")


@pytest.mark.since("5.remove")
def test_cancelling_a_waiting_export_and_deleting_a_finished_one(lab, people):
    """A waiting export that is cancelled never starts; a finished one is deleted."""
    few = people[1]
    waiting, other = few.export(), few.export()
    injected("DELETE before a worker is there")
    waiting.cancel()
    assert waiting.look()["state"] == "REVOKED"
    worker = lab.start_worker()
    other.until_end()
    wait_until(lambda: not lab.queued(), "the worker has seen both")
    assert waiting.look()["state"] == "REVOKED", f"it was cancelled, and went on: {waiting.last}"
    assert waiting.row().get("attempts", 0) == 0, "the worker has begun with it"
    assert "Traceback" not in worker.output, "the worker did not expect a cancelled export"

    injected("DELETE of the finished one")
    other.cancel()
    assert few.get(other.path).status == 404
    assert few.get(f"{other.path}/archive").status == 404
    assert not other.rows("SELECT position FROM export_chunk", "export_id")


@pytest.mark.since("5.remove")
@pytest.mark.slow
def test_cancel_and_finish_at_the_same_moment(lab, people):
    """An export that finishes as it is cancelled is cancelled or deleted, never half of it."""
    few = people[1]
    lab.start_worker()
    warm = few.export()
    began = time.monotonic()
    warm.until_end()
    usual = time.monotonic() - began
    injected(f"{RACES} exports of about {usual:.2f} s, each with a DELETE at a random moment")
    exports = []
    chance = random.Random(1)
    for _ in range(RACES):
        exports.append(export := few.export())
        moment = time.monotonic() + chance.uniform(0, usual)
        while time.monotonic() < moment:
            time.sleep(0.001)
        export.cancel()
    wait_until(lambda: not lab.queued(), "the worker is done with all of them")
    ends = {"cancelled": 0, "finished, then removed": 0}
    for export in exports:
        chunks = export.rows("SELECT position FROM export_chunk", "export_id")
        page = few.get(export.path)
        if page.status == 404:
            ends["finished, then removed"] += 1
            assert not export.row()
        else:
            ends["cancelled"] += 1
            assert export.look()["state"] == "REVOKED", f"a cancelled export is {export.last}"
            assert few.get(f"{export.path}/archive").status == 409
            assert not export.row().get("size"), f"cancelled, and with a size: {export.row()}"
        assert not chunks, f"{len(chunks)} pieces of an archive are left: {page} {page.text}"
    seen(ends)
    assert all(ends.values()), f"each should win now and then: {ends}"


@pytest.mark.since("5.limit")
def test_a_user_has_at_most_three_unfinished_exports(lab, people):
    """A user has at most three unfinished exports; a fourth is refused with 429 and a message."""
    few = people[1]
    injected("no worker runs; three exports wait")
    waiting = [few.export() for _ in range(3)]
    page = few.api("POST", "/api/exports")
    seen(f"{page}: {page.text.strip()}")
    assert page.status == 429, f"{page}; a fourth unfinished export is too many: 429"
    assert page.json().get("message"), f"{page} without a message"
    page = few.submit("/exports/")
    seen(page)
    assert page.soup(role="alert"), f"{page} does not say that there are too many"
    assert len(page.soup("progress")) == 3, "a bar for each export that has not ended"
    injected("a worker that does two at a time")
    lab.start_worker(concurrency=2)
    for export in waiting:
        export.until_end(seconds=20)
        export.check_archive()
    few.export().until_end()


@pytest.mark.since("5.progress")
def test_waiting_exports_go_to_an_idle_worker(lab, people):
    """Waiting exports go to an idle worker, not to a busy one."""
    many, few = people
    busy = lab.start_worker()
    long = many.export().wait(lambda a: a["current"], "it begins")
    waiting = [few.export() for _ in range(3)]
    injected("one worker is busy, three exports wait, and a second worker comes")
    free = lab.start_worker()
    for export in waiting:
        export.until_end(seconds=10)
        assert export.id in free.output, "the worker that was busy did it"
    assert long.look()["state"] == "PROGRESS", "the long one has ended, so this shows nothing"
    assert not any(export.id in busy.output for export in waiting), "it took more than it can do"
    long.cancel()
