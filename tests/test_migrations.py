"""The schema changes, in both directions, and the rows stay."""

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.steps import STEPS
from common.steps import Step
from tests.support.browser import Browser
from tests.support.browser import Person
from tests.support.project import Project
from tests.support.server import Server

pytestmark = pytest.mark.since(4)

USER = "SELECT id, username, password_hash, created_at FROM user ORDER BY id"
POST = "SELECT id, title, body, created_at, author_id FROM post ORDER BY id"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


@dataclass(frozen=True)
class Database:
    """A database file with a few users and posts in it."""

    name: str
    content: bytes

    def put_into(self, project: Project) -> None:
        instance = project.folder / "instance"
        instance.mkdir(exist_ok=True)
        (instance / self.name).write_bytes(self.content)


@dataclass(frozen=True)
class Filled:
    """A copy of the step, its database at the last revision and with rows, and how it got there."""

    project: Project
    database: Database
    history: str


@pytest.fixture(scope="session")
def filled_once(step: Step, source: Path) -> Iterator[Filled]:
    project = Project(step, source)
    try:
        seed = ("seed", "--username", "ada", "--password", "12345678", "--posts", "3")
        output = project.flask_all(("db", "upgrade"), seed, ("db", "history"))
        database = Database(project.database.name, project.database.read_bytes())
        yield Filled(project, database, output)
    finally:
        project.close()


@pytest.fixture
def filled(filled_once: Filled) -> Project:
    """That copy, for each test as it was, whatever the test before did to it."""
    filled_once.database.put_into(filled_once.project)
    return filled_once.project


@pytest.fixture(scope="session")
def first_revision(filled_once: Filled) -> str:
    first = re.search(r"^<base> -> (\w+)", filled_once.history, re.M)
    assert first, f"`flask db history` names no first revision:\n{filled_once.history}"
    return first[1]


def rows(project: Project) -> tuple[list, list]:
    return project.rows(USER), project.rows(POST)


def tables(project: Project) -> set[str]:
    return {row["name"] for row in project.rows(TABLES)}


def columns(project: Project, table: str) -> set[str]:
    return {row["name"] for row in project.rows(f"PRAGMA table_info({table})")}


def indexes(project: Project, table: str) -> list[str]:
    return [row["name"] for row in project.rows(f"PRAGMA index_list({table})")]


def test_the_revisions_make_what_the_models_say(filled):
    versions = filled.folder / "migrations" / "versions"
    before = sorted(path.name for path in versions.glob("*.py"))
    output = filled.flask_all(("db", "check"), ("db", "migrate", "-m", "nothing"))
    assert "No changes" in output, f"`flask db migrate` found something to do:\n{output}"
    assert sorted(path.name for path in versions.glob("*.py")) == before


def test_all_the_way_down_and_up_again(filled):
    before = tables(filled)
    filled.flask("db", "downgrade", "base")
    left = tables(filled) - {"alembic_version"}
    assert not left, f"`flask db downgrade base` left these tables: {left}"
    filled.flask("db", "upgrade")
    assert tables(filled) == before


def test_rows_survive_down_to_the_first_revision_and_up_again(filled, first_revision):
    def content() -> dict[str, list]:
        found = {name: filled.rows(f'SELECT * FROM "{name}"') for name in tables(filled)}
        return {name: rows for name, rows in found.items() if rows}

    before = content()
    assert len(before) >= 3, f"users, posts and a revision were expected, not {list(before)}"
    filled.flask("db", "downgrade", first_revision)
    for name, rows in content().items():
        assert len(rows) == len(before[name]), f"`flask db downgrade` lost rows of {name}"
    filled.flask("db", "upgrade")
    assert content() == before, "rows are not as they were before going down and up again"
    left = [name for name in tables(filled) if name.startswith("_alembic_tmp")]
    assert not left, f"a batch was not finished: {left}"


@pytest.mark.ours
@pytest.mark.since(4, until=4)  # later steps have the very same revisions
def test_a_column_with_an_index_comes_and_goes_and_rows_stay(filled):
    before = rows(filled)
    assert "language" not in columns(filled, "post")
    filled.flask("db", "downgrade", "0003")
    assert "language" in columns(filled, "post")
    assert "ix_post_language" in indexes(filled, "post")
    assert rows(filled) == before, "revision 0004, downwards, changed rows"
    with filled.sqlite() as database:
        database.execute("UPDATE post SET language = 'zh' WHERE id = 1")
    filled.flask("db", "downgrade", "0002")
    assert "language" not in columns(filled, "post")
    assert rows(filled) == before, "revision 0003, downwards, changed rows"
    filled.flask("db", "upgrade", "0003")
    languages = filled.rows("SELECT DISTINCT language FROM post")
    assert languages == [{"language": "en"}], "a new NOT NULL column needs a value for old rows"
    assert rows(filled) == before, "revision 0003 changed rows"
    filled.flask("db", "upgrade", "0004")
    assert "language" not in columns(filled, "post")
    assert "ix_post_language" not in indexes(filled, "post")
    assert rows(filled) == before, "revision 0004 changed rows"


@pytest.mark.ours
def test_the_constraints_have_names(filled):
    """Batch mode copies a table, and knows only what has a name."""
    for row in filled.rows("SELECT name, sql FROM sqlite_master WHERE type = 'table'"):
        if row["name"] in ("user", "post"):
            assert f"pk_{row['name']}" in row["sql"], row["sql"]
    posts = filled.rows("SELECT sql FROM sqlite_master WHERE name = 'post'")[0]["sql"]
    assert "fk_post_author_id_user" in posts, f"the foreign key was lost or has no name: {posts}"
    assert "ix_post_author_id" in indexes(filled, "post"), "batch mode lost an index"
    with pytest.raises(sqlite3.IntegrityError), filled.sqlite() as database:
        database.execute(
            "INSERT INTO user (id, username, name_key, password_hash, created_at) "
            "SELECT 99, username || 'x', name_key, password_hash, created_at FROM user LIMIT 1"
        )


@dataclass(frozen=True)
class Legacy:
    """What somebody has who followed step 3: a database with their account and posts."""

    database: Database
    username: str
    password: str
    posts: dict[int, str]


@pytest.fixture(scope="session")
def legacy() -> Legacy:
    step = STEPS[2]
    server = Server(step, step.path)
    try:
        person = Person(server.start())
        person.join()
        posts = {person.write(title): title for title in ("Old one", "Old two", "Old 学习 📚")}
        server.stop()
        path: Path = server.project.database
        database = Database(path.name, path.read_bytes())
        return Legacy(database, person.username, person.password, posts)
    finally:
        server.close()


@pytest.mark.ours
def test_a_database_of_step_3_is_taken_over(idle_server, legacy):
    legacy.database.put_into(idle_server.project)
    idle_server.project.flask_all(("db", "stamp", "0001"), ("db", "upgrade"))
    idle_server.start(upgrade=False)
    browser = Browser(idle_server)
    browser.login(legacy.username, legacy.password)
    assert browser.is_logged_in(), "the account of step 3 is not there any more"
    listed = browser.get("/posts/").post_ids()
    assert listed == sorted(legacy.posts, reverse=True)
    for number, title in legacy.posts.items():
        assert browser.get(f"/posts/{number}").heading == title
    page = browser.submit(f"/posts/{listed[0]}/edit", title="Edited", body="in the new step")
    assert page.heading == "Edited", f"{page}; an old post should still be its author's"


def test_before_the_upgrade_pages_say_what_to_do(idle_server):
    idle_server.start(upgrade=False)
    visitor = Browser(idle_server)
    page = visitor.get("/posts/")
    assert page.status == 503, f"{page}; without its tables the page should be 503"
    assert page.is_html
    assert "flask db upgrade" in page.words, f"{page} does not name `flask db upgrade`"
    assert "Traceback" not in page.text
    page = visitor.register("ada", "a long password")
    assert page.status == 503, f"{page}; without its tables the page should be 503"
    assert visitor.get("/about").status == 200, "/about needs no database"
    idle_server.forget_logs()  # the log may say in full what the database answered
    idle_server.project.flask("db", "upgrade")
    assert visitor.get("/posts/").status == 200
    assert visitor.register("ada", "a long password").status == 200


def test_make_admin_finds_nobody(server):
    result = server.project.try_flask("make-admin", "nobody-of-that-name")
    assert result.code != 0, str(result)
    assert "nobody-of-that-name" in result.output, f"which name was unknown? {result}"
    assert "Traceback" not in result.output, str(result)


def test_make_admin_says_that_it_worked(admin):
    person, output = admin
    assert person.username in output, f"no word that it worked: {output}"
    assert person.is_logged_in()


@pytest.mark.ours
def test_make_admin_marks_that_user_alone(server, admin, account):
    marked = server.project.rows("SELECT username FROM user WHERE is_admin")
    assert marked == [{"username": admin[0].username}]
