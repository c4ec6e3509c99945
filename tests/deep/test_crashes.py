"""Workers die, were never there, or run into an error: the export ends all the same."""

import re
import time

import pytest
import sqlalchemy

from common import stack
from tests.support.exports import FINAL
from tests.support.exports import Export
from tests.support.faults import Lab
from tests.support.faults import pool_children
from tests.support.faults import send_signal
from tests.support.processes import Log
from tests.support.processes import Process
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

# Seconds from the moment when there is a worker again to the end of the export.
RECOVERY = 30

# What a message for people does not contain.
NOT_FOR_PEOPLE = re.compile(r"error|exception|traceback|sql|table|select|/|\.py|\bNone\b", re.I)


def kill_the_child(worker: Process) -> None:
    for child in pool_children(worker):
        child.kill()


# Celery's warm shutdown: the worker finishes what it has begun.
WARM = "SIGTERM to the worker"

WAYS = {
    "SIGKILL to the child that runs the task": kill_the_child,
    "SIGKILL to the worker and its children": Process.kill,
    "SIGQUIT to the worker": lambda worker: send_signal(worker, "SIGQUIT"),
    WARM: lambda worker: send_signal(worker, "SIGTERM"),
}


@pytest.mark.since("5.lease")
@pytest.mark.slow
@pytest.mark.not_on_mysql("mostly waits for Celery and Redis")
def test_an_export_survives_the_death_of_its_worker(lab):
    """An export whose worker is killed in the middle is finished by another one."""
    lab.start_workers(len(WAYS))
    authors = lab.authors(*[1500] * len(WAYS))
    exports = {way: author.export() for way, author in zip(WAYS, authors, strict=True)}
    for export in exports.values():
        export.wait(lambda a: a["current"] > 50, "a worker for each has begun")
    died: dict[str, int] = {}
    for way, export in exports.items():
        answer = export.look()
        assert answer["state"] == "PROGRESS", f"too late to be in the middle: {answer}"
        injected(f"{way}, at {answer['current']} of {answer['total']} posts")
        WAYS[way](lab.worker_with(export.id))
        died[way] = len(export.seen)
    lab.start_worker(concurrency=2)
    back = time.monotonic()
    took: dict[str, float] = {}
    while len(took) < len(exports) and time.monotonic() - back < RECOVERY:
        for way, export in exports.items():
            if way not in took:
                export.look()
                if export.ended:
                    took[way] = time.monotonic() - back
                    seen(f"{way}: {export.last['state']} after {took[way]:.1f} s")
        time.sleep(0.1)
    for way, export in exports.items():
        assert way in took, f"{way}: {RECOVERY} s after a worker is back it is still {export.last}"
        assert export.last["state"] == "SUCCESS", (
            f"{way}: it ended as {export.last}\n{export.worker_logs()}"
        )
        export.check_archive()
        if way != WARM:  # which may be over before another worker is there
            since = export.seen[died[way] :]
            assert any(0 < a["current"] < a["total"] for a in since), (
                f"{way}: no progress was seen any more, only {since}"
            )
    wait_until(lambda: not lab.queued(), "no task is left in Redis", seconds=30)


# A worker that is told to stop raises SystemExit wherever its child happens to be: here between
# two lines of zipfile, which then cannot close the ZIP, and says that instead.
STOPPED = """
import sys
from flask.cli import ScriptInfo
from zipfile import ZipFile

app = ScriptInfo().load_app()
from app import archive
from app import tasks

class Stopped(ZipFile):
    def writestr(self, name, data):
        self.half_written = self.open(name, "w")
        raise SystemExit("told to stop")

archive.ZipFile = Stopped
tasks.export_posts.apply([sys.argv[1]], task_id=sys.argv[1])
"""


@pytest.mark.since("5.lease")
@pytest.mark.ours
def test_stopping_a_worker_does_not_fail_its_export(lab):
    """An export whose worker is told to stop is no failure: another worker takes over."""
    export = lab.authors(3)[0].export()
    result = lab.project.python("-c", STOPPED, export.id)
    assert "told to stop" in result.output, str(result)
    assert export.look()["state"] not in FINAL, f"another worker should take over: {export.last}"
    export.cancel()


@pytest.mark.since("5.lease")
@pytest.mark.slow
def test_a_task_that_is_delivered_three_times_is_done_once(lab):
    """A task that is delivered three times is done once."""
    export = lab.authors(2000)[0].export()
    lab.deliver_again(export.id)
    lab.deliver_again(export.id)
    injected(f"the same task waits three times: {lab.queued()}")
    worker = lab.start_worker(concurrency=3)
    export.until_end(seconds=30)
    export.check_archive()
    wait_until(lambda: not lab.queued(), "all three are confirmed, none is left", seconds=30)
    assert worker.output.count(export.id) >= 3, "the worker did not get all three"
    export.look()
    export.check_archive()
    attempts = export.row().get("attempts", 1)
    seen(f"attempts: {attempts}")
    assert attempts == 1, f"{attempts} of the three did the work"


@pytest.mark.since("5.no-worker")
@pytest.mark.slow
@pytest.mark.not_on_mysql("waits for Celery and Redis")
def test_without_a_worker_the_message_names_the_command_to_start_one(lab):
    """Without a worker, the export's message names the command that starts one."""
    injected("no worker runs")
    export = lab.authors(10)[0].export()
    export.wait(
        lambda a: "celery -A" in a["message"],
        "the message names the command that starts a worker",
        seconds=10,
    )
    assert export.last["state"] == "PENDING"
    assert lab.step.worker in export.last["message"], "another command starts this step's worker"
    page = export.owner.get("/exports/")
    assert "celery -A" in page.words, f"{page} does not say how to start a worker"
    injected("a worker is started")
    lab.start_worker()
    export.until_end(seconds=10)
    export.check_archive()


@pytest.mark.since("5.worker")
@pytest.mark.ours
def test_a_worker_waits_for_the_tables(lab, step, source):
    """A worker that starts before `flask db upgrade` says what it waits for, and then begins."""
    early = Lab(step, source)
    try:
        early.project.env["REDIS_URL"] = lab.project.env["REDIS_URL"]
        words = stack.worker_command(step.worker).argv
        worker = early.project.spawn(words, Log(early.project.base / "early.txt"))
        wait_until(lambda: "waits for the database" in worker.output, "it says what it waits for")
        assert worker.running, worker.output
        early.project.flask("db", "upgrade")
        wait_until(lambda: " ready." in worker.output, "it has begun")
        assert "Traceback" not in worker.output, worker.output
        worker.kill()
    finally:
        early.close()


@pytest.mark.since("5.failure")
def test_a_failed_export_can_be_tried_again(lab):
    """A failed export says so without technical words, and a button tries it again."""
    author = lab.authors(50)[0]
    export = author.export()
    table = table_of_posts(lab.project.inspect())
    injected(f"the table “{table}” is gone when the task begins")
    lab.project.change(f"ALTER TABLE {table} RENAME TO elsewhere")
    try:
        worker = lab.start_worker()
        export.until_end("FAILURE", seconds=20)
    finally:
        lab.project.change(f"ALTER TABLE elsewhere RENAME TO {table}")
    message = export.last["message"]
    found = NOT_FOR_PEOPLE.search(message)
    assert not found, f"“{found[0]}” is not for people: {message}"
    assert export.last["archive_url"] is None
    wait_until(lambda: "Traceback" in worker.output, "the traceback in the worker's log")
    near = worker.output.partition("Traceback")[0].splitlines()[-3:]
    assert any(export.id in line for line in near), f"the log does not say which export: {near}"

    page = author.get("/exports/")
    buttons = [
        button
        for button in page.soup("button")
        if "try again" in button.get_text().lower() and not button.find_parent(hidden=True)
    ]
    assert len(buttons) == 1, f"{page} has {len(buttons)} buttons to try again"
    injected("the table is back; “Try again” is pressed")
    page = author.submit_on(page, to=buttons[0].find_parent("form").get("action"))
    newest = author.get("/api/exports").json()[0]
    assert newest["id"] != export.id, f"{page}; “Try again” started nothing"
    again = Export(author, f"/api/exports/{newest['id']}").until_end(seconds=20)
    again.check_archive()


def table_of_posts(database: sqlalchemy.Inspector) -> str:
    return next(
        table
        for table in database.get_table_names()
        if {"title", "body"} <= {column["name"] for column in database.get_columns(table)}
    )
