"""A user's posts as a small static site in a ZIP archive."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO
from typing import Any
from zipfile import ZIP_DEFLATED
from zipfile import ZipFile

from flask import json
from flask import render_template
from sqlalchemy import Row
from sqlalchemy import select

from common import ui

from .extensions import db
from .models import Post


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
    # A JSON string is a YAML string too, whatever quotes and colons are in it.
    return f"---\ntitle: {json.dumps(post.title)}\ndate: {post.created_at.isoformat()}Z\n---\n\n"


def write_archive(file: IO[bytes], author_id: int) -> Iterator[int]:
    """Write the archive into a file, and yield after each post how many are in it."""
    titles = []
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for count, post in enumerate(posts_of(author_id), start=1):
            archive.writestr(f"posts/{post.id}.md", front_matter(post) + post.body + "\n")
            page = render_template("archive/post.html", post=post)
            archive.writestr(f"posts/{post.id}.html", page)
            titles.append((post.id, post.title, post.created_at))
            yield count
        archive.writestr("index.html", render_template("archive/index.html", titles=titles))
        for name in "pico.min.css", "highlight.css", "ui.css":
            archive.write(Path(ui.bp.static_folder) / name, f"static/{name}")
