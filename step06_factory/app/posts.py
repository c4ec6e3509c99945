"""The posts: a list, a page each, and forms to write, edit and delete."""

from flask import Blueprint
from flask import abort
from flask import flash
from flask import redirect
from flask import render_template
from flask import request
from flask import url_for
from flask_login import current_user
from flask_login import login_required
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from .extensions import db
from .forms import PostForm
from .models import MAX_ID
from .models import Post

bp = Blueprint("posts", __name__, url_prefix="/posts")


def find_post(post_id: int) -> Post:
    """Return the post of that number, or end in a 404."""
    # A database driver cannot even ask for a number that is too large for it.
    post = db.session.get(Post, post_id) if post_id <= MAX_ID else None
    if post is None:
        abort(404, "There is no post with this number.")
    return post


def find_own_post(post_id: int) -> Post:
    """Return the post of that number, or end in a 403 if somebody else wrote it."""
    post = find_post(post_id)
    if post.author != current_user:
        abort(403, "Only its author can change a post.")
    return post


# With a slash, like a folder: /posts is sent on to /posts/.
@bp.get("/")
def index() -> str:
    """List the posts, 20 a page, the newest first."""
    if len(request.args.get("page", "")) > 9:
        abort(404)  # no list has that many pages, and no database counts that far
    # The authors come with the same query: without joinedload each post would ask for its own.
    query = select(Post).options(joinedload(Post.author)).order_by(Post.id.desc())
    # paginate() reads ?page= itself, and ends in a 404 if there is no such page.
    return render_template("posts/index.html", posts=db.paginate(query, per_page=20))


# The converter makes post_id a number: /posts/one is a 404 before this function is called.
@bp.get("/<int:post_id>")
def show(post_id: int) -> str:
    """Show one post."""
    return render_template("posts/show.html", post=find_post(post_id))


@bp.route("/new", methods=["GET", "POST"])
@login_required
def new() -> str | Response:
    """Write a post."""
    form = PostForm()
    if form.validate_on_submit():
        post = Post(title=form.title.data, body=form.body.data, author_id=current_user.id)
        db.session.add(post)
        db.session.commit()
        flash("Your post is published.")
        return redirect(url_for("posts.show", post_id=post.id))
    return render_template("posts/form.html", form=form, title="New post")


@bp.route("/<int:post_id>/edit", methods=["GET", "POST"])
@login_required
def edit(post_id: int) -> str | Response:
    """Change a post of one's own."""
    post = find_own_post(post_id)
    form = PostForm(obj=post)
    if form.validate_on_submit():
        form.populate_obj(post)
        db.session.commit()
        flash("Your changes are saved.")
        return redirect(url_for("posts.show", post_id=post.id))
    return render_template("posts/form.html", form=form, title="Edit post")


@bp.post("/<int:post_id>/delete")
@login_required
def delete(post_id: int) -> Response:
    """Delete a post of one's own."""
    db.session.delete(find_own_post(post_id))
    db.session.commit()
    flash("Your post is deleted.")
    return redirect(url_for("posts.index"))
