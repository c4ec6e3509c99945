"""The posts: a list, a page for each, and a form for a new one."""

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
from flask.typing import ResponseReturnValue

from .auth import login_required

bp = Blueprint("posts", __name__, url_prefix="/posts")

TITLE_MAX = 120
BODY_MAX = 10_000

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
# Two requests at once get two numbers, which len(POSTS) would not promise.
new_id = count(2)


# With a slash, like a folder: /posts redirects to /posts/.
@bp.get("/")
def index() -> str:
    """List the posts, newest first."""
    return render_template("posts/index.html", posts=POSTS[::-1])


# The converter takes only numbers: /posts/one is a 404 before this function is called.
@bp.get("/<int:post_id>")
def show(post_id: int) -> str:
    """Show one post."""
    for post in POSTS:
        if post["id"] == post_id:
            return render_template("posts/show.html", post=post)
    abort(404, "There is no post with this number.")


@bp.route("/new", methods=["GET", "POST"])
@login_required
def new() -> ResponseReturnValue:
    """Write a post."""
    if request.method == "GET":
        return render_template("posts/form.html")
    title = request.form["title"].strip()
    # Browsers send two characters for a line end, and count one.
    body = request.form["body"].replace("\r\n", "\n").strip()
    if not 1 <= len(title) <= TITLE_MAX:
        flash(f"A title has 1 to {TITLE_MAX} characters.", "error")
        return render_template("posts/form.html", invalid="title"), 400
    if not 1 <= len(body) <= BODY_MAX:
        flash(f"A text has 1 to {BODY_MAX:,} characters.", "error")
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
