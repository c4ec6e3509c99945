"""What makes pages slow, counted: SQL statements, and what the database does for them."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from tests.support.browser import Browser
from tests.support.browser import Person
from tests.support.server import Server
from tests.support.site import every_page

MOST_STATEMENTS = 3

# Serves the step as `flask run` does, and writes a line after each request: its method and path,
# then the statements that it sent, with their values.
COUNTED = """
import json, sys
from flask import g, has_request_context, request
from flask.cli import ScriptInfo
from sqlalchemy import event
from sqlalchemy.engine import Engine

app = ScriptInfo().load_app()

@event.listens_for(Engine, "before_cursor_execute")
def count(connection, cursor, statement, values, context, many):
    if has_request_context():
        g.setdefault("statements", []).append((statement, values))

@app.teardown_request
def tell(error):
    line = [request.method, request.full_path, g.get("statements", [])]
    print("SENT", json.dumps(line, default=str), file=sys.stderr, flush=True)

app.run(port=int(sys.argv[1]))
"""

Sent = tuple[str, str, list[tuple[str, list[object]]]]


@pytest.fixture(scope="module")
def counted(server: Server) -> Iterator[Server]:
    """The step once more, on the same data, by a program that counts."""
    with server.beside(("-c", COUNTED, "{port}")) as other:
        yield other


def sent(server: Server, start: int) -> list[Sent]:
    """Return the requests since byte ``start`` of the log, with their statements."""
    lines = re.findall(r"^SENT (.+)$", server.web_log.text(start), re.M)
    return [tuple(json.loads(line)) for line in lines]


@pytest.mark.ours
@pytest.mark.since("3.one-query")
def test_a_page_takes_three_statements_at_most(counted, request):
    """A page takes 3 SQL statements at most, whatever the number of rows."""
    start = counted.web_log.size
    pages = every_page(counted, request.getfixturevalue)
    found = [line for line in sent(counted, start) if line[0] == "GET"]
    assert len(found) >= len(pages) / 2, f"{len(found)} of {len(pages)} pages were counted"
    assert any(len(statements) > 1 for _, _, statements in found), "nothing was counted"
    for _, path, statements in found:
        # What reads no table asks for the time; from part 5.rows-time on, no page does that.
        texts = [" ".join(text.split()) for text, _ in statements if re.search(r"\bFROM\b", text)]
        assert len(texts) <= MOST_STATEMENTS, (
            f"GET {path} sends {len(texts)} statements, where {MOST_STATEMENTS} have to do:\n"
            + "\n".join(texts)
        )


# An export that a worker has begun a moment ago.
RUNNING_EXPORT = """
INSERT INTO export
    (id, owner_id, state, created_at, sent_at, seen_at, attempts, current, total, size)
SELECT :id, id, 'PENDING', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 1, 1, 9, 0
FROM user WHERE username = :name
"""


@pytest.mark.ours
@pytest.mark.since("5.rows-time")
def test_exports_that_run_cost_no_more_statements(counted, server):
    """With three running exports, all that shows them takes 3 statements, the clock included."""
    ids = [str(uuid4()) for _ in range(3)]
    with Person(counted).join() as person:
        for id in ids:
            server.project.change(RUNNING_EXPORT, id=id, name=person.username)
        start = counted.web_log.size
        for path in ("/exports/", f"/exports/{ids[0]}/remove", "/api/exports"):
            assert person.get(path).status == 200, path
        assert person.get(f"/api/exports/{ids[0]}").json()["current"] == 1
    found = sent(counted, start)
    assert len(found) == 4, f"{len(found)} requests were counted"
    for _, path, statements in found:
        texts = [" ".join(text.split()) for text, _ in statements]
        assert 1 < len(texts) <= MOST_STATEMENTS, (
            f"GET {path} sends {len(texts)} statements, where {MOST_STATEMENTS} have to do:\n"
            + "\n".join(texts)
        )


def steps_of(path: str, statement: str, values: list[object]) -> int:
    """Return how many steps SQLite's machine takes for a statement, in tens."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    with closing(sqlite3.connect(path)) as connection:
        connection.set_progress_handler(tick, 10)
        connection.execute(statement, values).fetchall()
    return count


# A hundred thousand posts at once, by whoever has the first one.
MANY_POSTS = """
INSERT INTO post (title, body, created_at, author_id)
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)
SELECT 'Post ' || n, 'text', '2026-01-01 00:00:00.000000', (SELECT MIN(author_id) FROM post)
FROM numbers
"""


@pytest.mark.ours
@pytest.mark.since("6.million")
@pytest.mark.not_on_mysql("it counts the steps of SQLite's machine")
def test_a_list_of_many_posts_costs_what_a_short_one_costs(own_server):
    """The list costs the same with 45 posts and with 100,045, on the first and the last page."""
    project = own_server.project
    project.flask("seed", "--username", "ada", "--password", "12345678", "--posts", "45")
    with own_server.beside(("-c", COUNTED, "{port}")) as counted, Browser(counted) as visitor:

        def cost(path: str) -> int:
            start = counted.web_log.size
            page = visitor.get(path)
            assert len(page.post_ids()) == 20, f"{page} should have 20 posts"
            ((_, _, statements),) = sent(counted, start)
            plans = [
                row["detail"]
                for statement, values in statements
                for row in plan(project.database, statement, values)
            ]
            for detail in plans:
                assert detail.startswith("SEARCH"), f"{path} reads a whole table: {plans}"
            return sum(steps_of(project.database, *what) for what in statements)

        few = cost("/posts/")
        project.change(MANY_POSTS)
        first, last = cost("/posts/"), cost("/posts/?before=21")
    assert few > 10, "nothing was counted"
    for what, steps in {"the first": first, "the last": last}.items():
        assert steps <= 1.05 * few, (
            f"{what} page of 100,000 posts costs {steps / few:.1f} times what it costs with 45"
        )


def plan(path: str, statement: str, values: list[object]) -> list[dict[str, str]]:
    """Return how SQLite looks for the rows."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    return [dict(row) for row in found]
