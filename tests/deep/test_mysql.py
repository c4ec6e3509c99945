"""MySQL instead of SQLite: the same app on a private MariaDB, whose own defaults would not do.

`learn.py test --mysql` runs nearly all the other tests on MariaDB too; here is what is special.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.steps import STEPS
from common.steps import State
from tests.support.browser import Browser
from tests.support.browser import Person
from tests.support.browser import new_name
from tests.support.copies import save
from tests.support.faults import Lab
from tests.support.mariadb import UTF8MB4
from tests.support.mariadb import MariaDB
from tests.support.processes import Process
from tests.support.project import Project
from tests.support.server import Server
from tests.support.server import running
from tests.support.story import injected
from tests.support.story import seen

pytestmark = [
    pytest.mark.since(3),
    pytest.mark.xdist_group("mysql"),
    pytest.mark.not_on_mysql("takes a MariaDB itself"),
]

# What a database may have been created with: the default of older servers; one that takes all
# emoji for the same; one for which é is e.
DEFAULTS = (
    "CHARACTER SET latin1",
    "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
    "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
)

# Names that are one person's on every database, and names that are two persons'.
SAME = {
    "another case": ("Ada", "aDA"),
    "full width": ("Ada", "Ａｄａ"),
    "accents composed and not": ("\u00e9", "e\u0301"),
    "eszett": ("ß", "ss"),
    "ligature": ("ﬁona", "FIONA"),
    "two sigmas": ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
    "half width kana": ("ｶﾞ", "ガ"),
    "a space at the end": ("a", "a "),
    "a wide space at the end": ("a", "a\u3000"),
    "a joiner at the end": ("a", "a\u200d"),
    "a space and a joiner at the end": ("a", "a \u200d"),
    "two forms of a Chinese character": ("\u8c48", "\uf900"),
}
DIFFERENT = {
    "an accent": ("e", "é"),
    "an umlaut": ("o", "ö"),
    "two emoji": ("😀", "😁"),
    "an emoji and a rare Chinese character": ("😀", "𠮷"),
    "simplified and traditional": ("学", "學"),
    "hiragana and katakana": ("か", "カ"),
    "with and without a sound mark": ("は", "ば"),
    "Latin and Cyrillic": ("a", "\u0430"),
    "with and without a dot": ("i", "ı"),
    "a space in between": ("ab", "a b"),
    "skin colours": ("👩🏽", "👩🏿"),
    "punctuation": ("ab", "a-b"),
}

MIB = 2**20
RARE_CHINESE = [chr(number) for number in range(0x20000, 0x2A6D0)]
LARGE_POSTS = """
INSERT INTO post (title, body, created_at, author_id)
SELECT CONCAT('Large ', seq), :body, UTC_TIMESTAMP(6), id
FROM user JOIN seq_1_to_100 WHERE username = :name
"""


@pytest.fixture(scope="module")
def on_mysql(
    step: State, source: Path, mariadb: MariaDB, pytestconfig: pytest.Config
) -> Iterator[Server]:
    """The step on MariaDB, and ours on a database for which é is e, and all emoji are one."""
    server = Server(step, source)
    options = UTF8MB4 if pytestconfig.option.app else DEFAULTS[1]
    server.project.env["DATABASE_URL"] = mariadb.new_database(options)
    for started in running(server):
        tables = server.project.inspect().get_table_names()
        assert tables, "there is no table on MariaDB: does the step heed DATABASE_URL?"
        yield started


def both_join(server: Server, first: str, second: str) -> bool:
    """Tell whether two names can be had by two people."""
    people = [Browser(server), Browser(server)]
    unique = new_name("")
    try:
        for browser, name in zip(people, (first, second), strict=True):
            page = browser.register(f"{unique}{name}", "a long password")
            assert page.status in (200, 409), f"{page} for the name {name!r}"
        assert people[0].is_logged_in(), f"{first!r} was refused as a name"
        return people[1].is_logged_in()
    finally:
        for browser in people:
            browser.close()


@pytest.mark.ours
@pytest.mark.one_step
@pytest.mark.parametrize(("first", "second"), SAME.values(), ids=SAME)
def test_equal_usernames_are_equal_on_both_databases(server, on_mysql, first, second):
    """Usernames that look the same are the same on SQLite and on MariaDB."""
    for where in (server, on_mysql):
        assert not both_join(where, first, second), f"{where} has both {first!r} and {second!r}"


@pytest.mark.ours
@pytest.mark.one_step
@pytest.mark.parametrize(("first", "second"), DIFFERENT.values(), ids=DIFFERENT)
def test_different_usernames_differ_on_both_databases(server, on_mysql, first, second):
    """Usernames that differ are different on SQLite and on MariaDB."""
    for where in (server, on_mysql):
        assert both_join(where, first, second), f"{where} takes {second!r} for {first!r}"


@pytest.mark.one_step
def test_mysql_keeps_emoji_and_chinese(on_mysql):
    """On MariaDB, posts keep emoji and Chinese as they were typed."""
    person = Person(on_mysql).join()
    text = "学习 𠮷 👩🏽‍💻📚"
    number = person.write(text, text)
    page = person.get(f"/posts/{number}")
    assert page.heading == text
    assert text in page.soup.main.get_text().partition(text)[2]
    person.close()


def check_the_collations(project: Project, mariadb: MariaDB, default: str) -> None:
    """Make the tables of a step in a database with such a default, and look at their columns."""
    project.env["DATABASE_URL"] = mariadb.new_database(default)
    make_tables(project)
    columns = project.rows(
        "SELECT table_name AS t, column_name AS c, collation_name AS how "
        "FROM information_schema.columns WHERE table_schema = DATABASE() "
        "AND collation_name IS NOT NULL AND table_name != 'alembic_version'"
    )
    assert {row["t"] for row in columns} >= {"user", "post"}
    wrong = [
        f"{row['t']}.{row['c']}: {row['how']}" for row in columns if row["how"] != "utf8mb4_bin"
    ]
    assert not wrong, f"in a database made with {default}, these are not utf8mb4_bin: {wrong}"


@pytest.mark.ours
@pytest.mark.since(3, until=3)
@pytest.mark.parametrize("default", DEFAULTS)
def test_tables_compare_as_in_sqlite_whatever_the_default(project, mariadb, default):
    """The tables compare text as SQLite does, whatever the database's default collation is."""
    check_the_collations(project, mariadb, default)


@pytest.mark.ours
@pytest.mark.since("4.first")
@pytest.mark.one_step
@pytest.mark.parametrize("default", DEFAULTS)
def test_migrated_tables_compare_as_in_sqlite_whatever_the_default(project, mariadb, default):
    """Migrated tables compare text as SQLite does, whatever the database's default collation is."""
    assert project.step.migrates, f"{project.step.folder} has no migrations"
    check_the_collations(project, mariadb, default)


def make_tables(project: Project) -> None:
    """Make the tables of a step as a learner does."""
    if project.step.migrates:
        project.flask_all(("db", "upgrade"), ("db", "check"))
    else:
        project.flask("routes")  # step 3 makes them whenever it is imported


@pytest.mark.ours
@pytest.mark.since("4.first", until=4)
def test_the_first_revision_makes_what_step_3_makes(project, mariadb):
    """The first revision makes exactly the tables that step 3 makes."""
    project.env["DATABASE_URL"] = mariadb.new_database(DEFAULTS[0])
    project.flask("db", "upgrade", "0001")
    step3 = Project(STEPS[2], STEPS[2].path)
    try:
        step3.env["DATABASE_URL"] = mariadb.new_database(DEFAULTS[0])
        make_tables(step3)
        by_step3, by_revision = (
            {table.name: table.made_by for table in save(p)} for p in (step3, project)
        )
    finally:
        step3.close()
    del by_revision["alembic_version"]
    assert by_revision == by_step3


# Outages


@pytest.fixture
def own_mariadb() -> Iterator[MariaDB]:
    """A MariaDB for one test, which may stop it."""
    server = MariaDB()
    try:
        yield server.start()
    finally:
        server.close()


def check_an_outage(server: Server, mariadb: MariaDB, status: int) -> None:
    """Take the database away and give it back, and look at the pages meanwhile."""
    server.project.env["DATABASE_URL"] = mariadb.new_database()
    server.start()
    visitor, person = Browser(server), Person(server).join()
    injected("MariaDB ends: connections are refused")
    mariadb.stop()
    for browser in (visitor, person):
        page = browser.get("/posts/")
        seen(page)
        assert page.status == status, f"{page}; without its database it should be {status}"
        assert page.is_html
        for word in ("Traceback", "pymysql", "Errno"):
            assert word not in page.text, f"{page} shows “{word}”, which is for the terminal"
    if status == 503:
        page = person.get("/no-such-page")
        assert page.status == 404, f"{page}; no database is needed to know that"
    assert visitor.get("/about").status == 200, "/about needs no database"
    assert "Can't connect to MySQL server" in server.web_log.unread(), (
        "the terminal does not say why"
    )
    injected("MariaDB is back")
    mariadb.start()
    assert visitor.get("/posts/").status == 200, "the web server should not need a restart"
    assert person.username in person.get("/").words
    for browser in (visitor, person):
        browser.close()


@pytest.mark.since(3, until=3)
def test_a_database_outage_is_an_error_page(idle_server, own_mariadb):
    """While the database is away, pages answer 500 without details; they recover by themselves."""
    check_an_outage(idle_server, own_mariadb, 500)
    idle_server.forget_logs()  # step 4 says more to the visitor, and less to the log


@pytest.mark.since("4.behind")
@pytest.mark.one_step
def test_a_database_outage_is_a_503(idle_server, own_mariadb):
    """While the database is away, pages answer 503; they recover by themselves."""
    check_an_outage(idle_server, own_mariadb, 503)


# Exports


@pytest.fixture(scope="module")
def database_url(mariadb: MariaDB) -> str:
    return mariadb.new_database()


@pytest.fixture(scope="module")
def busy_worker(lab: Lab) -> Process:
    """A worker that has had to do already."""
    worker = lab.start_worker()
    lab.authors(1)[0].export().until_end()
    return worker


@pytest.mark.slow
@pytest.mark.since(5)
@pytest.mark.one_step
def test_an_export_survives_dropped_database_connections(lab, busy_worker, mariadb):
    """An export goes on when the database drops the worker's connections."""
    (author,) = lab.authors(1500)
    dropped = mariadb.hang_up(lab.project.env["DATABASE_URL"])
    assert dropped >= 2, f"web and worker should both have had a connection, not {dropped}"
    export = author.export().until_half_way(0.1)
    dropped = mariadb.hang_up(lab.project.env["DATABASE_URL"])
    injected(f"{dropped} connections are dropped, in the middle of an export")
    export.until_end()
    export.check_archive()
    assert export.row().get("attempts", 1) == 1, "it had to be begun again"
    assert busy_worker.running


@pytest.mark.ours
@pytest.mark.slow
@pytest.mark.since(5)
@pytest.mark.one_step
def test_an_archive_of_50_megabytes(lab, busy_worker, mariadb):
    """An archive may be much larger than what the database takes in one packet."""
    with mariadb.cursor() as cursor:
        cursor.execute("SELECT @@max_allowed_packet")
        assert cursor.fetchone() == (16 * MIB,), "the server should be as it comes"
    (author,) = lab.authors(0)
    bodies = ["".join(random.choices(RARE_CHINESE, k=10_000)) for _ in range(10)]
    for body in bodies:
        author.posts += lab.project.change(LARGE_POSTS, body=body, name=author.username)
    export = author.export().until_end()
    archive = export.archive()
    size = archive.fp.getbuffer().nbytes
    seen(f"{author.posts} posts, {size / 1e6:.1f} MB")
    assert size >= 50e6, f"{size / 1e6:.1f} MB are too little to try this on"
    export.check_archive()
    texts = [archive.read(name).decode() for name in archive.namelist() if name.endswith(".md")]
    for body in bodies:
        assert sum(text.endswith(f"\n{body}\n") for text in texts) == author.posts // len(bodies)
