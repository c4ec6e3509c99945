"""The schema changes, in both directions, and the rows stay."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from common.steps import STEPS
from common.steps import State
from tests.support.browser import Browser
from tests.support.browser import Person
from tests.support.copies import Saved
from tests.support.copies import restore
from tests.support.copies import save
from tests.support.project import Project
from tests.support.server import Server

pytestmark = pytest.mark.since("4.first")

USER = "SELECT id, username, password_hash, created_at FROM user ORDER BY id"
POST = "SELECT id, title, body, created_at, author_id FROM post ORDER BY id"


@dataclass(frozen=True)
class Filled:
    """A copy of the step, its database at the last revision and with rows, and how it got there."""

    project: Project
    saved: Saved
    history: str


@pytest.fixture(scope="session")
def filled_once(step: State, source: Path) -> Iterator[Filled]:
    project = Project(step, source)
    try:
        seed = ("seed", "--username", "ada", "--password", "12345678", "--posts", "3")
        output = project.flask_all(("db", "upgrade"), seed, ("db", "history"))
        yield Filled(project, save(project), output)
    finally:
        project.close()


@pytest.fixture
def filled(filled_once: Filled) -> Project:
    """That copy, for each test as it was, whatever the test before did to it."""
    restore(filled_once.saved, filled_once.project)
    return filled_once.project


@pytest.fixture(scope="session")
def first_revision(filled_once: Filled) -> str:
    first = re.search(r"^<base> -> (\w+)", filled_once.history, re.M)
    assert first, f"`flask db history` names no first revision:\n{filled_once.history}"
    return first[1]


def rows(project: Project) -> tuple[list, list]:
    return project.rows(USER), project.rows(POST)


def tables(project: Project) -> set[str]:
    return set(project.inspect().get_table_names())


def columns(project: Project, table: str) -> set[str]:
    return {column["name"] for column in project.inspect().get_columns(table)}


def indexes(project: Project, table: str) -> list[str]:
    return [index["name"] for index in project.inspect().get_indexes(table)]


@pytest.mark.since("4.setup")
def test_check_names_what_tables_and_models_differ_in(filled):
    """`flask db check` names a column that is in the database and in no model."""
    filled.change("ALTER TABLE post ADD COLUMN subtitle VARCHAR(120)")
    result = filled.try_flask("db", "check")
    assert result.code != 0, f"a column is in no model, and nothing is found: {result}"
    assert "subtitle" in result.output, f"which column is it? {result}"


def test_the_revisions_make_what_the_models_say(filled):
    """The revisions make exactly the tables of the models."""
    versions = filled.folder / "migrations" / "versions"
    before = sorted(path.name for path in versions.glob("*.py"))
    assert before, "there is no revision in migrations/versions"
    output = filled.flask_all(("db", "check"), ("db", "migrate", "-m", "nothing"))
    assert "No changes" in output, f"`flask db migrate` found something to do:\n{output}"
    assert sorted(path.name for path in versions.glob("*.py")) == before


@pytest.mark.about("migrations/env.py")
def test_all_the_way_down_and_up_again(filled):
    """The database can be downgraded to nothing and upgraded again."""
    before = tables(filled)
    filled.flask("db", "downgrade", "base")
    left = tables(filled) - {"alembic_version"}
    assert not left, f"`flask db downgrade base` left these tables: {left}"
    filled.flask("db", "upgrade")
    assert tables(filled) == before


@pytest.mark.about("migrations/env.py")
def test_rows_survive_down_to_the_first_revision_and_up_again(filled, first_revision):
    """All rows survive a downgrade to the first revision and the upgrade after it."""

    def content() -> dict[str, list]:
        found = {name: filled.rows(f"SELECT * FROM `{name}`") for name in tables(filled)}
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
@pytest.mark.since("4.is-admin")
@pytest.mark.about("migrations/env.py")
def test_accounts_of_before_get_a_value_in_a_new_column(filled, first_revision):
    """A revision that adds a column gives each row of before a value, and loses no row."""
    filled.flask("db", "downgrade", first_revision)
    assert "is_admin" not in columns(filled, "user")
    before = rows(filled)
    filled.flask("db", "upgrade", "0002")
    values = filled.rows("SELECT DISTINCT is_admin FROM user")
    assert values == [{"is_admin": 0}], f"nobody was an admin before, and now there is {values}"
    assert rows(filled) == before, "revision 0002 changed rows"


@pytest.mark.ours
@pytest.mark.since("4.language", until=4)  # later steps have the very same revisions
def test_a_column_with_an_index_comes_and_rows_stay(filled):
    """A column with an index is added and taken back, and the rows stay."""
    filled.flask("db", "downgrade", "0002")
    before = rows(filled)
    assert "language" not in columns(filled, "post")
    filled.flask("db", "upgrade", "0003")
    assert "ix_post_language" in indexes(filled, "post")
    languages = filled.rows("SELECT DISTINCT language FROM post")
    assert languages == [{"language": "en"}], "a new NOT NULL column needs a value for old rows"
    assert rows(filled) == before, "revision 0003 changed rows"
    filled.flask("db", "downgrade", "0002")
    assert "language" not in columns(filled, "post")
    assert rows(filled) == before, "revision 0003, downwards, changed rows"


@pytest.mark.ours
@pytest.mark.since("4.change-of-mind", until=4)
def test_a_column_with_an_index_goes_and_rows_stay(filled):
    """A column with an index is dropped and comes back, and the rows stay."""
    before = rows(filled)
    assert "language" not in columns(filled, "post")
    filled.flask("db", "downgrade", "0003")
    assert "ix_post_language" in indexes(filled, "post")
    assert rows(filled) == before, "revision 0004, downwards, changed rows"
    filled.change("UPDATE post SET language = 'zh' WHERE id = 1")
    filled.flask("db", "upgrade", "0004")
    assert "language" not in columns(filled, "post")
    assert "ix_post_language" not in indexes(filled, "post")
    assert rows(filled) == before, "revision 0004 changed rows"


@pytest.mark.ours
@pytest.mark.since("4.setup")
def test_the_constraints_have_names(filled):
    """Every constraint keeps its name, which later revisions need."""
    database = filled.inspect()
    if not filled.is_mysql:
        for table in filled.rows(
            "SELECT name, sql FROM sqlite_master WHERE name IN ('user', 'post')"
        ):
            assert "AUTOINCREMENT" in table["sql"], f"ids of {table['name']} come back: {table}"
    keys = [key["name"] for key in database.get_foreign_keys("post")]
    assert keys == ["fk_post_author_id_user"], "the foreign key was lost or has no name"
    assert "ix_post_author_id" in indexes(filled, "post"), "batch mode lost an index"
    unique = [constraint["name"] for constraint in database.get_unique_constraints("user")]
    assert "uq_user_name_key" in unique, f"names are not unique any more: {unique}"
    with pytest.raises(IntegrityError):
        filled.change(
            "INSERT INTO user (id, username, name_key, password_hash, session_id, created_at) "
            "SELECT 99, 'x', name_key, password_hash, 'y', created_at FROM user LIMIT 1"
        )


@dataclass(frozen=True)
class Legacy:
    """What somebody has who followed step 3: a database with their account and posts."""

    saved: Saved
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
        return Legacy(save(server.project), person.username, person.password, posts)
    finally:
        server.close()


@pytest.mark.ours
@pytest.mark.about("migrations/env.py")
def test_a_database_of_step_3_is_taken_over(idle_server, legacy):
    """A database of step 3 can be upgraded, with its accounts and posts."""
    restore(legacy.saved, idle_server.project)
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


@pytest.mark.since("4.behind")
@pytest.mark.about("app/errors.py")
def test_before_the_upgrade_pages_say_what_to_do(idle_server):
    """Before `flask db upgrade` the pages are a 503 that names this command."""
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
    assert visitor.is_logged_in()
    idle_server.project.flask("db", "downgrade", "base")
    page = visitor.get("/posts/")
    assert page.status == 503, f"{page} for a logged-in user; without tables it is 503"
    assert "flask db upgrade" in page.words, f"{page} does not name `flask db upgrade`"
    idle_server.forget_logs()


@pytest.mark.since("4.make-admin")
def test_make_admin_of_an_unknown_user_is_an_error(server):
    """`flask make-admin` of an unknown user is an error that names them."""
    result = server.project.try_flask("make-admin", "nobody-of-that-name")
    assert result.code != 0, str(result)
    assert "nobody-of-that-name" in result.output, f"which name was unknown? {result}"
    assert "Traceback" not in result.output, str(result)


@pytest.mark.since("4.make-admin")
def test_make_admin_says_that_it_worked(admin):
    """`flask make-admin` says that it worked."""
    person, output = admin
    assert person.username in output, f"no word that it worked: {output}"
    assert person.is_logged_in()


@pytest.mark.ours
@pytest.mark.since("4.make-admin")
def test_make_admin_marks_that_user_alone(server, admin, account):
    """`flask make-admin` makes that user an admin, and no others."""
    marked = server.project.rows("SELECT username FROM user WHERE is_admin")
    assert {"username": admin[0].username} in marked
    assert {"username": account.username} not in marked
