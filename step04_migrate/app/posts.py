"""The posts: a list, a page for each, and forms to write, edit and delete."""

from flask import Blueprint
from flask import abort
from flask import flash
from flask import redirect
from flask import render_template
from flask import request
from flask import url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_login import login_required
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from .extensions import db
from .forms import PostForm
from .models import Post

bp = Blueprint("posts", __name__, url_prefix="/posts")


def get_post(post_id: int) -> Post:
    """Return a post, or abort with a 404."""
    return db.get_or_404(Post, post_id, description="There is no post with this number.")


def get_own_post(post_id: int) -> Post:
    """Return a post of the current user, or abort with a 403 or 404."""
    post = get_post(post_id)
    if post.author != current_user:
        abort(403, "Only its author can change a post.")
    return post


# joinedload: the authors come with the same query, not by one more for each.
LATEST_POSTS = select(Post).options(joinedload(Post.author)).order_by(Post.id.desc())


# With a slash, like a folder: /posts redirects to /posts/.
@bp.get("/")
def index() -> str:
    """List the posts, 20 a page, newest first."""
    if len(request.args.get("page", "")) > 9:
        abort(404)  # no list has that many pages, and no database counts so far
    # paginate() reads ?page= itself, and aborts with a 404 if there is no such page.
    return render_template("posts/index.html", posts=db.paginate(LATEST_POSTS, per_page=20))


# The converter takes only numbers, and none that is too large for an INTEGER column.
@bp.get("/<int(max=2147483647):post_id>")
def show(post_id: int) -> str:
    """Show one post."""
    return render_template("posts/show.html", post=get_post(post_id))


@bp.route("/new", methods=["GET", "POST"])
@login_required
def new() -> ResponseReturnValue:
    """Write a post."""
    form = PostForm()
    # Of two buttons, the form has the name of the one that was clicked.
    if form.validate_on_submit() and "preview" not in request.form:
        post = Post(title=form.title.data, body=form.body.data, author_id=current_user.id)
        db.session.add(post)
        db.session.commit()
        flash("Your post is published.")
        return redirect(url_for("posts.show", post_id=post.id))
    return render_template("posts/form.html", form=form, title="New post")


@bp.route("/<int(max=2147483647):post_id>/edit", methods=["GET", "POST"])
@login_required
def edit(post_id: int) -> ResponseReturnValue:
    """Edit a post of the current user."""
    post = get_own_post(post_id)
    form = PostForm(obj=post)
    if form.validate_on_submit() and "preview" not in request.form:
        form.populate_obj(post)
        db.session.commit()
        flash("Your changes are saved.")
        return redirect(url_for("posts.show", post_id=post_id))
    return render_template("posts/form.html", form=form, title="Edit post")


@bp.route("/<int(max=2147483647):post_id>/delete", methods=["GET", "POST"])
@login_required
def delete(post_id: int) -> ResponseReturnValue:
    """Delete a post of the current user. A link only asks."""
    post = get_own_post(post_id)
    # Not == "GET": Flask lets HEAD in where GET is, and a HEAD needs no token.
    if request.method != "POST":
        return render_template("posts/delete.html", post=post)
    db.session.delete(post)
    db.session.commit()
    flash("Your post is deleted.")
    return redirect(url_for("posts.index"))
