"""The posts: a list, a page each, and a form for a new one."""

from datetime import UTC
from datetime import datetime
from itertools import count
from typing import Any

from flask import Blueprint
from flask import abort
from flask import flash
from flask import g
from flask import redirect
from flask import render_template
from flask import request
from flask import url_for
from werkzeug.wrappers import Response

from .auth import login_required
from .names import clean_title
from .names import is_visible

bp = Blueprint("posts", __name__, url_prefix="/posts")

# A list in memory stands in for a table: a restart forgets all posts but this one.
POSTS: list[dict[str, Any]] = [
    {
        "id": 1,
        "title": "A blueprint is a part of an app",
        "body": "It has **routes** and templates of its own: `app/__init__.py` puts them together.",
        "created_at": datetime(2026, 1, 5, tzinfo=UTC),
        "author": {"username": "Study Log"},
    },
]
# Counts on whatever happens at the same moment, which len(POSTS) would not.
new_id = count(2)


# With a slash, like a folder: /posts is sent on to /posts/.
@bp.get("/")
def index() -> str:
    """List all posts, the newest first."""
    return render_template("posts/index.html", posts=POSTS[::-1])


# The converter makes post_id a number: /posts/one is a 404 before this function is called.
@bp.get("/<int:post_id>")
def show(post_id: int) -> str:
    """Show one post."""
    for post in POSTS:
        if post["id"] == post_id:
            return render_template("posts/show.html", post=post)
    abort(404, "There is no post with this number.")


@bp.route("/new", methods=["GET", "POST"])
@login_required
def new() -> str | Response | tuple[str, int]:
    """Write a post."""
    if request.method == "GET":
        return render_template("posts/form.html")
    title = clean_title(request.form["title"])
    # Browsers end lines with two characters, and count them as one.
    body = request.form["body"].replace("\r\n", "\n").strip()
    if len(title) > 120 or not is_visible(title):
        flash("A title has 1 to 120 characters that one can see.", "error")
        return render_template("posts/form.html", invalid="title"), 400
    if not 1 <= len(body) <= 10_000 or "\0" in body:
        flash("A text has 1 to 10,000 characters, and no NUL character.", "error")
        return render_template("posts/form.html", invalid="body"), 400
    post = {
        "id": next(new_id),
        "title": title,
        "body": body,
        "created_at": datetime.now(UTC),
        "author": g.user,
    }
    POSTS.append(post)
    flash("Your post is published.")
    return redirect(url_for("posts.show", post_id=post["id"]))
