"""The database: ids that stay unique, requests at the same moment, locks, upgrades."""

import sqlite3
import threading
from contextlib import closing

import pytest

from tests.support.browser import Browser
from tests.support.browser import Page
from tests.support.browser import Person
from tests.support.server import Server

pytestmark = pytest.mark.since("3.user-table")


def all_at_once(requests: list) -> list[Page]:
    """Send requests at the same moment, each from a thread of its own; return the answers."""
    barrier = threading.Barrier(len(requests))
    pages: list[Page | None] = [None] * len(requests)

    def send(number: int) -> None:
        barrier.wait(timeout=10)
        pages[number] = requests[number]()

    threads = [threading.Thread(target=send, args=[number]) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert all(pages), f"some requests got no answer: {pages}"
    return pages


@pytest.mark.ours
def test_the_first_start_makes_the_tables(project):
    """The first start makes the table of users, and the next one leaves it as it is."""
    for _ in range(2):
        project.flask(*(("db", "upgrade") if project.step.migrates else ("routes",)))
        columns = {column["name"] for column in project.inspect().get_columns("user")}
        assert {"id", "username", "password_hash", "session_id"} <= columns, f"only {columns}"


@pytest.mark.since("3.delete")
def test_the_number_of_a_deleted_post_is_never_given_again(join):
    """A stale tab cannot edit or delete somebody else's new post."""
    ada, ben = join(), join()
    old = ada.write("Soon deleted")
    stale = ada.get(f"/posts/{old}/delete")
    ada.submit_on(stale)
    new = ben.write("Not Ada's")
    assert new != old, f"the post of somebody else has the number of a deleted one, {old}"
    page = ada.submit_on(stale)
    assert page.status == 404, f"{page}"
    assert ben.get(f"/posts/{new}").heading == "Not Ada's"


@pytest.mark.since("3.seed")
@pytest.mark.ours
def test_the_number_of_a_deleted_user_is_never_given_again(project):
    """The next account does not get the id of a deleted one, nor the posts that still name it."""
    if project.step.migrates:
        project.flask("db", "upgrade")
    seed = ("--password", "12345678", "--posts", "1")
    project.flask("seed", "--username", "ada", *seed)
    (last,) = project.rows("SELECT MAX(id) AS id FROM user")
    project.change("DELETE FROM post WHERE author_id = :id", id=last["id"])
    project.change("DELETE FROM user WHERE id = :id", id=last["id"])
    project.flask("seed", "--username", "ben", *seed)
    assert not project.rows("SELECT id FROM user WHERE id = :id AND name_key = 'ben'", **last)


@pytest.mark.ours
@pytest.mark.one_step
@pytest.mark.since("4.is-admin")
def test_ids_stay_unique_after_each_revision(project):
    """No revision loses AUTOINCREMENT on the way."""
    if project.is_mysql:
        return
    versions = (project.folder / "migrations" / "versions").glob("*.py")
    revisions = sorted(path.name[:4] for path in versions)
    assert len(revisions) > 1, f"no revision changes a table: {revisions}"
    for revision in revisions:
        project.flask("db", "upgrade", revision)
        sql = "SELECT name FROM sqlite_master WHERE sql NOT LIKE '%AUTOINCREMENT%' AND name IN "
        lost = project.rows(sql + "('user', 'post')")
        assert not lost, f"revision {revision} makes ids of these tables come back: {lost}"


# Adds a post for a user who does not exist, by the app's own session.
ORPHAN = """
from flask.cli import ScriptInfo
from sqlalchemy import insert
app = ScriptInfo().load_app()
from app.extensions import db
from app.models import Post
with app.app_context():
    db.session.execute(insert(Post).values(title="t", body="b", author_id=4711))
    db.session.commit()
"""


@pytest.mark.since("3.post-table")
@pytest.mark.ours
def test_a_post_needs_its_author(project):
    """SQLite refuses a row whose foreign key points nowhere, as MySQL does."""
    if project.step.migrates:
        project.flask("db", "upgrade")
    result = project.python("-c", ORPHAN)
    assert result.code, "there is a post by nobody now: the next user of that id would have it"
    assert "IntegrityError" in result.output, str(result)


@pytest.mark.since("3.conflict")
@pytest.mark.holds_before("a race is not lost each time")
@pytest.mark.ours
@pytest.mark.expects_traceback
def test_changes_of_one_post_at_the_same_moment(server, join):
    """Edits and deletes of one post at once are done or refused: never a 500."""
    for _ in range(3):
        ada = join()
        number = ada.write("Contested")
        twins = [ada.again() for _ in range(8)]
        edits = [twin.get(f"/posts/{number}/edit") for twin in twins[:6]]
        deletes = [twin.get(f"/posts/{number}/delete") for twin in twins[6:]]
        pages = all_at_once(
            [
                lambda twin=twin, form=form: twin.submit_on(form, title="Edited", body="text")
                for twin, form in zip(twins[:6], edits, strict=True)
            ]
            + [
                lambda twin=twin, form=form: twin.submit_on(form)
                for twin, form in zip(twins[6:], deletes, strict=True)
            ]
        )
        for page in pages:
            assert page.status in (200, 404, 409), f"{page}"
            assert page.soup.select("nav a[href]"), f"{page} without the site's <nav>"
        assert ada.get(f"/posts/{number}").status == 404
        for twin in twins:
            twin.close()


@pytest.mark.slow
@pytest.mark.since("3.account-row")
@pytest.mark.ours
@pytest.mark.about("app/errors.py", "config.py")
@pytest.mark.not_on_mysql("a lock of SQLite")
def test_a_lock_is_not_taken_for_old_tables(own_server):
    """While another program holds a lock, no page blames the tables, no log has texts or hashes."""
    secret = "a text that is nobody's business"
    for page in pages_while_locked(own_server, secret):
        assert page.status >= 500, f"{page}, though nothing could be saved"
        assert page.soup.select("nav a[href]"), f"{page} without the site's <nav>"
        assert "db upgrade" not in page.words, f"{page} blames the tables; they are locked"
    log = own_server.web_log.unread()
    for word in (secret, "scrypt:"):
        assert word not in log, f"the log holds {word!r}, which only the database should have"
    visitor = Browser(own_server)
    assert visitor.register("eve", "a long password").status == 200
    assert visitor.is_logged_in(), "the lock is gone, and nothing can be saved"


@pytest.mark.slow
@pytest.mark.ours
@pytest.mark.since("4.busy")
@pytest.mark.about("app/errors.py", "config.py")
@pytest.mark.not_on_mysql("a lock of SQLite")
def test_while_the_database_is_busy_a_page_says_so(own_server):
    """While another program holds a lock, the page is a 503 that says so."""
    for page in pages_while_locked(own_server, "Text."):
        assert page.status == 503, f"{page} while another program holds a lock"
        assert "another program" in page.words.lower(), f"{page}"
    own_server.forget_logs()  # the log says in full what the database answered


def pages_while_locked(server: Server, text: str) -> list[Page]:
    """Write a post and register at the same time, while another program holds a lock."""
    person, visitor = Person(server).join(), Browser(server)
    form, register = person.get("/posts/new"), visitor.get("/auth/register")
    with closing(sqlite3.connect(server.project.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        pages: list[Page] = all_at_once(
            [
                lambda: person.submit_on(form, title="Locked", body=text),
                lambda: visitor.submit_on(register, username="eve", password="a long password"),
            ]
        )
        other.execute("ROLLBACK")
    return pages


# Upgrades to a revision, and kills itself before the statement of that number.
KILLED = """
import os, signal, sys
from flask.cli import ScriptInfo
from flask_migrate import upgrade
from sqlalchemy import event
from sqlalchemy.engine import Engine

number, count = int(sys.argv[1]), 0

@event.listens_for(Engine, "before_cursor_execute")
def die(*_):
    global count
    count += 1
    if count == number:
        os.kill(os.getpid(), signal.SIGKILL)

with ScriptInfo().load_app().app_context():
    upgrade(revision="head")
"""


@pytest.mark.ours
@pytest.mark.one_step
@pytest.mark.slow
@pytest.mark.since("4.whole")
@pytest.mark.not_on_mysql("MySQL commits each CREATE and ALTER; NOTES says what to do")
def test_an_upgrade_that_is_killed_can_be_run_again(project):
    """An upgrade of SQLite is all or nothing: killed before any statement, it loses no row."""
    project.flask("db", "upgrade", "0001")
    for table, rows in {
        "user": "(7, 'ada', 'ada', 'x', 's', '2026-01-01')",
        "post": "(9, 'Kept', 'text', '2026-01-01', 7)",
    }.items():
        columns = {
            "user": "(id, username, name_key, password_hash, session_id, created_at)",
            "post": "(id, title, body, created_at, author_id)",
        }[table]
        project.change(f"INSERT INTO {table} {columns} VALUES {rows}")
    saved = project.database.read_bytes()
    for number in range(1, 200):
        project.database.write_bytes(saved)
        result = project.python("-c", KILLED, str(number))
        if result.code == 0:
            break  # there is no statement of that number
        project.flask("db", "upgrade")
        assert project.rows("SELECT id, title, author_id FROM post") == [
            {"id": 9, "title": "Kept", "author_id": 7}
        ], f"killed before statement {number}, the upgrade lost a post"
        assert project.rows("SELECT id FROM user") == [{"id": 7}]
    assert 10 < number < 199, f"{number} statements: was the upgrade killed at all? {result}"
