"""One folder with one ``instance/`` goes through all states of a lesson, as a learner's does."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from common import lessons
from common.lessons import parts_of
from common.steps import STEPS
from common.steps import Step
from tests.support.browser import Browser
from tests.support.browser import Person
from tests.support.server import Server
from tests.support.server import running

LESSONS = [step for step in STEPS if lessons.has_series(step)]


@pytest.fixture
def folder(lesson: Step, tmp_path: Path) -> Path:
    """The app as the lesson begins; for the first lesson, as its first part leaves it."""
    folder = tmp_path / "my app"
    first = parts_of(lesson)[0]
    lessons.write(lessons.files_after(lessons.state_before(first) or first), folder)
    return folder


def states(lesson: Step) -> Iterator[lessons.State]:
    """Return the states of a lesson, with the one that it begins with."""
    if before := lessons.state_before(parts_of(lesson)[0]):
        yield before
    yield from parts_of(lesson)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda step: step.folder)
def test_rows_are_kept_through_all_states_of_a_lesson(lesson, folder):
    """In each state of a lesson the app runs, people use it, and what they wrote is still there."""
    people: dict[str, Person] = {}
    posts: dict[int, str] = {}
    server = Server(next(states(lesson)), folder)
    started = running(server)
    try:
        next(started)
        for number, state in enumerate(states(lesson)):
            if number:
                move_on(server, state)
            try:
                use(server, people, posts)
                server.check_logs()
            except (AssertionError, pytest.fail.Exception) as problem:
                pytest.fail(f"after {state.label} ({state.code}): {problem}")
    finally:
        started.close()


def move_on(server: Server, state: lessons.State) -> None:
    """Stop the app, change its files to those of the next state, and start it on the same data."""
    server.stop()
    server.workers.clear()
    has_tables_already = server.step.database and not server.step.migrates and state.migrates
    server.step = state
    lessons.write(lessons.files_after(state), server.project.folder)
    if has_tables_already:
        server.project.flask("db", "stamp", "0001")
    server.start()
    if state.worker:
        server.start_worker()


def use(server: Server, people: dict[str, Person], posts: dict[int, str]) -> None:
    """Do what people do in every state, and look for what they have done in the states before."""
    step = server.step
    with Browser(server) as visitor:
        assert visitor.get("/").status == 200
        if not step.has("posts"):
            return
        if step.has("database"):
            for person in people.values():
                visitor.login(person.username, person.password)
                assert visitor.is_logged_in(), f"the account {person.username} is lost"
                visitor.logout()
            for post, title in posts.items():
                page = visitor.get(f"/posts/{post}")
                assert page.heading == title, f"{page}, but it should be the post “{title}”"
        person = Person(server).join()
        person.logout()
        assert not person.is_logged_in()
        person.login(person.username, person.password)
        title = f"Written {secrets.token_hex(4)}"
        post = person.write(title)
        assert visitor.get(f"/posts/{post}").heading == title
        if step.has("database"):
            people[person.username] = person
            posts[post] = title
