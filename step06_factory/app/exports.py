"""Exports: the pages, and the operations that pages and API share."""

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from flask import Blueprint
from flask import abort
from flask import current_app
from flask import flash
from flask import redirect
from flask import render_template
from flask import request
from flask import url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_login import login_required
from sqlalchemy import ColumnElement
from sqlalchemy import Row
from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from common import ui

from . import leases
from .export_status import STATE_NAMES
from .export_status import UNFINISHED
from .export_status import export_to_dict
from .extensions import db
from .models import Export
from .models import ExportChunk
from .models import Post
from .models import User
from .tasks import REDIS_ERRORS
from .tasks import export_posts
from .tasks import resend

bp = Blueprint("exports", __name__, url_prefix="/exports")

# How many unfinished exports a user may have at a time.
MAX_UNFINISHED = 3


def start_export(mail_link: str | None = None) -> Export:
    """Start an export of the current user's posts, and return at once.

    With a ``mail_link``, a mail with this link says when it is ready.
    """
    owner_id = current_user.id
    if db.session.scalar(select(Post.id).where(Post.author_id == owner_id).limit(1)) is None:
        abort(409, "There is nothing to export yet. Please write a post first.")
    db.session.rollback()  # MySQL shows a transaction what was there when it began
    # This locks the user's row until the commit: of many requests at once, each counts the others.
    db.session.execute(update(User).where(User.id == owner_id).values(id=owner_id))
    query = select(func.count(Export.id)).where(Export.owner_id == owner_id)
    if db.session.scalar(query.where(Export.state == "PENDING")) >= MAX_UNFINISHED:
        abort(429, f"You have {MAX_UNFINISHED} unfinished exports. Please wait for one of them.")
    now = leases.database_time()
    export = Export(owner_id=owner_id, created_at=now, sent_at=now, mail_link=mail_link)
    db.session.add(export)
    db.session.commit()  # first the row, then the task: the worker may be faster than we are
    try:
        # delay() with one option more: the task gets the id of its row, one id is enough for both.
        export_posts.apply_async([export.id], task_id=export.id)
    except REDIS_ERRORS as error:
        current_app.logger.error("Redis does not answer: %s", error)
        db.session.delete(export)  # no worker will ever get it
        db.session.commit()
        command = current_app.config["REDIS_COMMAND"]
        advice = f"This starts a Redis: `{command}`" if command else "Please try again in a minute."
        abort(503, f"Exports cannot start right now. {advice}")
    return export


def my_exports(*conditions: ColumnElement[bool]) -> Sequence[Row[tuple[Export, datetime]]]:
    """Return the current user's exports, newest first, each with the time of the database."""
    mine = (Export.owner_id == current_user.id, *conditions)
    resend(leases.take_lost(*mine))
    query = select(Export, leases.database_clock()).where(*mine)
    return db.session.execute(query.order_by(Export.created_at.desc())).all()


def find_my_export(export_id: str) -> Row[tuple[Export, datetime]]:
    """Return one of the current user's exports, with the time, or end in a 404."""
    found = my_exports(Export.id == export_id)
    # 404 for the exports of others too: a 403 would tell that there is one.
    if not found:
        abort(404, "You have no export with this id.")
    return found[0]


def cancel_export(export_id: str) -> bool:
    """Cancel an export, or return False if it has ended already."""
    is_cancelled = leases.finish(export_id, "REVOKED")
    db.session.commit()
    with suppress(*REDIS_ERRORS):
        export_posts.update_state(task_id=export_id, state="REVOKED")  # for open streams
    return is_cancelled


def remove_export(export_id: str) -> None:
    """Delete an export with its archive."""
    # Not db.session.delete(), which reads the pieces first: MySQL shows a transaction what was
    # there when it began, so it would miss the pieces of an export that has just ended.
    db.session.execute(delete(ExportChunk).where(ExportChunk.export_id == export_id))
    db.session.execute(delete(Export).where(Export.id == export_id))
    db.session.commit()


def read_archive(export: Export) -> Iterator[bytes]:
    """Yield an archive in pieces: only one of them is in memory at a time."""
    query = select(ExportChunk.data).where(ExportChunk.export_id == export.id)
    for position in range(-(-export.size // ExportChunk.SIZE)):
        data = db.session.scalar(query.where(ExportChunk.position == position))
        db.session.rollback()  # no open transaction while the browser takes its time
        if data is None:
            return  # deleted during the download: the browser sees that the end is missing
        yield data


@bp.get("/")
@login_required
def index() -> str:
    """Show the current user's exports, each with its state, and its bar until it has ended."""
    exports = [export_to_dict(*found) for found in my_exports()]
    return render_template(
        "exports/index.html", exports=exports, names=STATE_NAMES, unfinished=UNFINISHED
    )


@bp.post("/")
@login_required
def start() -> Response:
    """Start an export and show it with the others."""
    try:
        start_export(url_for("exports.index", _external=True) if "mail" in request.form else None)
        flash("Your export has begun. You may leave this page and come back.")
    except HTTPException as error:
        # Not an error page: that would be one click too many.
        flash(ui.code(error.description), "error")
    return redirect(url_for("exports.index"))


@bp.post("/<uuid:export_id>/cancel")
@login_required
def cancel(export_id: UUID) -> Response:
    """Cancel an export."""
    export, _ = find_my_export(str(export_id))
    if not cancel_export(export.id):
        flash("This export has ended already.", "error")
    return redirect(url_for("exports.index"))


@bp.route("/<uuid:export_id>/remove", methods=["GET", "POST"])
@login_required
def remove(export_id: UUID) -> ResponseReturnValue:
    """Ask, then delete an export."""
    export, now = find_my_export(str(export_id))
    if request.method == "POST":
        remove_export(export.id)
        flash("Your export is deleted.")
        return redirect(url_for("exports.index"))
    return render_template("exports/remove.html", export=export_to_dict(export, now))
