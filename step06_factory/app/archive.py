"""A user's posts as a small static site in a ZIP archive."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import IO
from typing import Any
from typing import NamedTuple
from zipfile import ZIP_DEFLATED
from zipfile import ZipFile
from zipfile import ZipInfo

from flask import json
from flask import render_template
from sqlalchemy import Row
from sqlalchemy import select

from common import ui

from .extensions import db
from .models import Post

# The time of all files in an archive: the same posts make the same archive.
EPOCH = (1980, 1, 1, 0, 0, 0)


class PostLink(NamedTuple):
    """What the index tells of a post."""

    id: int
    title: str
    created_at: datetime


def posts_of(author_id: int) -> Iterator[Row[Any]]:
    """Yield a user's posts by id, in batches: memory does not grow with their number."""
    last_id = 0
    query = select(Post.id, Post.title, Post.body, Post.created_at).order_by(Post.id).limit(500)
    while True:
        batch = db.session.execute(
            query.where(Post.author_id == author_id, Post.id > last_id)
        ).all()
        # The query is over: no open transaction while we work on its result.
        db.session.rollback()
        if not batch:
            return
        yield from batch
        last_id = batch[-1].id


def front_matter(post: Row[Any]) -> str:
    """Return title and time of a post as YAML, which static site generators read."""
    quoted = json.dumps(post.title, ensure_ascii=False)
    # A JSON string is a YAML string too, if each character that cannot be seen is a number.
    title = "".join(char if char.isprintable() else f"\\U{ord(char):08X}" for char in quoted)
    return f"---\ntitle: {title}\ndate: {post.created_at.isoformat()}Z\n---\n\n"


def with_neighbours(posts: Iterator[Row[Any]]) -> Iterator[tuple[Row[Any] | None, ...]]:
    """Yield each post between the one before and the one after it, for the links of its page."""
    older, post = None, next(posts, None)
    while post:
        newer = next(posts, None)
        yield older, post, newer
        older, post = post, newer


def by_month(links: list[PostLink]) -> list[tuple[str, list[PostLink]]]:
    """Return the links under the names of their months, the newest first."""
    newest_first = sorted(links, key=attrgetter("created_at", "id"), reverse=True)
    months = groupby(newest_first, lambda link: f"{link.created_at:%B %Y}")
    return [(month, list(group)) for month, group in months]


def add(archive: ZipFile, name: str, data: str | bytes) -> None:
    """Add a file, always with the same time: ZIP has no years before 1980, some disks have."""
    info = ZipInfo(name, EPOCH)
    info.compress_type = ZIP_DEFLATED
    archive.writestr(info, data)


def write_archive(file: IO[bytes], author_id: int) -> Iterator[int]:
    """Write the archive into a file, and yield after each post how many are in it."""
    links = []
    with ZipFile(file, "w") as archive:
        for older, post, newer in with_neighbours(posts_of(author_id)):
            add(archive, f"posts/{post.id}.md", front_matter(post) + post.body + "\n")
            page = render_template("archive/post.html", older=older, post=post, newer=newer)
            add(archive, f"posts/{post.id}.html", page)
            links.append(PostLink(post.id, post.title, post.created_at))
            yield len(links)
        add(archive, "index.html", render_template("archive/index.html", months=by_month(links)))
        for name in "pico.min.css", "highlight.css", "ui.css":
            add(archive, f"static/{name}", (Path(ui.bp.static_folder) / name).read_bytes())
