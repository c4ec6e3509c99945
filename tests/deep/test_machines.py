"""Web, two workers, Redis and MariaDB as on five machines: they share no folder."""

import contextlib
import itertools
import re
from collections.abc import Iterator

import pytest

from tests.support.exports import Export
from tests.support.faults import Author
from tests.support.faults import Lab
from tests.support.mariadb import MariaDB
from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.server import FLASK_RUN
from tests.support.server import GUNICORN
from tests.support.story import injected
from tests.support.story import seen

pytestmark = [
    pytest.mark.since(5),
    pytest.mark.one_step,
    pytest.mark.slow,
    pytest.mark.xdist_group("machines"),
    pytest.mark.not_on_mysql("takes a MariaDB itself"),
]

USERS = 20
EXPORTS = 50


@pytest.fixture(scope="module")
def database_url(mariadb: MariaDB) -> str:
    """A database on another machine than web and Redis."""
    return mariadb.new_database()


@pytest.fixture(scope="module")
def machines(step, source, lab: Lab) -> Iterator[list[Project]]:
    """Two more copies of the step, which have only the two addresses in common with the web's."""
    with contextlib.ExitStack() as stack:
        projects = []
        for _ in range(2):
            projects.append(project := Project(step, source))
            stack.callback(project.close)
            for name in ("DATABASE_URL", "REDIS_URL"):
                project.env[name] = lab.project.env[name]
        stack.callback(lab.stop_workers)
        yield projects


def test_two_workers_on_other_machines_share_fifty_exports(lab, machines):
    """Web, workers, Redis and database need no common folder, and the workers share the exports."""
    people = lab.authors(*range(30, 30 + USERS))
    workers = lab.start_workers(2, projects=machines)
    command = GUNICORN if (lab.project.folder / "gunicorn.conf.py").exists() else FLASK_RUN
    with lab.beside(command) as served:
        for person in people:
            person.server = served
            person.write(f"By {person.username}")
            person.posts += 1
        injected(f"{EXPORTS} exports of {USERS} people; web, workers, Redis and MariaDB apart")
        exports: list[Export] = []
        for person in itertools.islice(itertools.cycle(people), EXPORTS):
            exports.append(person.export())
        wait_until(lambda: all(ended(person) for person in people), "all end", seconds=60)
        for export in exports:
            check(export)
    shares = [sum(export.id in done_by(worker) for export in exports) for worker in workers]
    seen(f"done by the one worker {shares[0]}, by the other {shares[1]}")
    assert sum(shares) == EXPORTS, f"the logs of the workers have {shares} of {EXPORTS} exports"
    assert min(shares) >= EXPORTS // 5, f"one worker did nearly all: {shares}"
    assert not list(lab.project.folder.glob("instance/*.db")), "a file shares what MariaDB should"


def ended(person: Author) -> bool:
    return all(e["state"] not in ("PENDING", "STARTED", "PROGRESS") for e in listed(person))


def listed(person: Author) -> list[dict]:
    return person.get("/api/exports").json()


def check(export: Export) -> None:
    """Check that the archive holds the posts of its owner, and nobody else's."""
    assert export.look()["state"] == "SUCCESS", f"an export ended as {export.last}"
    export.check_archive()
    authors = re.findall(r"By (\w+)", "\n".join(export.texts()))
    assert authors == [export.owner.username], f"the posts of {export.owner.username}: {authors}"


def done_by(worker) -> str:
    return "\n".join(line for line in worker.output.splitlines() if " succeeded in " in line)
