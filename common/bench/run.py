"""What each measurement gets: how thorough to be, how to say what it does, and data."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self
from typing import TypeVar

from .sites import PASSWORD
from .sites import Site
from .sites import copy_of
from .sites import step

T = TypeVar("T")
ADA = "ada"
# In all, with those by the sample authors; so many fit on a page, and some are left for a second.
POSTS = 25


class Run:
    """One run of the bench. A quick one only shows that everything can be measured."""

    def __init__(self, quick: bool, say: Callable[[str], None]) -> None:
        self.quick, self.say = quick, say
        self._leave = ExitStack()
        self._seeded: dict[int, Site] = {}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the data."""
        self._leave.close()

    def pick(self, whole: T, quick: T) -> T:
        """Return the number, or whatever it is, for this kind of run."""
        return quick if self.quick else whole

    def seed(self, site: Site, number: int) -> None:
        """Give a copy of step ``number`` a database with the user ada and 25 posts."""
        if number not in self._seeded:
            self.say(f"the database of step {number}")
            first = self._leave.enter_context(copy_of(step(number)))
            if step(number).migrates:
                first.run("flask", "db", "upgrade")
            user = ["--username", ADA, "--password", PASSWORD]
            first.run("flask", "seed", *user, "--posts", "6")
            with first.database() as database:
                (posts,) = database.execute("SELECT count(*) FROM post").fetchone()
            if posts != POSTS:
                raise first.failure(f"`flask seed` of step {number} has written {posts} posts.")
            self._seeded[number] = first
        shutil.copytree(self._seeded[number].folder / "instance", site.folder / "instance")


def add_people(site: Site, names: list[str]) -> None:
    """Add accounts that have the password of ada, with a post each."""
    people = [{"name": name} for name in names]
    with site.database() as database:
        database.executemany(
            """
            INSERT INTO user (username, name_key, password_hash, session_id, created_at)
            SELECT :name, :name, password_hash, lower(hex(randomblob(16))), created_at
            FROM user WHERE username = 'ada'
            """,
            people,
        )
        database.executemany(
            """
            INSERT INTO post (title, body, created_at, author_id)
            SELECT title, body, post.created_at, user.id
            FROM user JOIN post ON post.id = 1 WHERE username = :name
            """,
            people,
        )


def add_posts(site: Site, name: str, number: int, body: str = "post.body") -> None:
    """Add copies of the first 25 posts as posts of a user; ``body`` is an SQL expression."""
    with site.database() as database:
        # Without its journal: of a copy that is broken, nothing is kept anyway.
        database.execute("PRAGMA synchronous = OFF")
        database.execute(
            f"""
            WITH RECURSIVE number(i) AS (
                SELECT 0 UNION ALL SELECT i + 1 FROM number WHERE i < :last
            )
            INSERT INTO post (title, body, created_at, author_id)
            SELECT post.title, {body}, post.created_at, user.id
            FROM number JOIN post ON post.id = 1 + number.i % {POSTS}
            JOIN user ON user.username = :name
            ORDER BY number.i
            """,
            {"last": number - 1, "name": name},
        )
