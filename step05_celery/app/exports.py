"""Exports: what can be done with them, and the page that shows them."""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint
from flask import abort
from flask import current_app
from flask import flash
from flask import redirect
from flask import render_template
from flask import url_for
from flask_login import current_user
from flask_login import login_required
from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import select
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from .extensions import db
from .models import Export
from .models import ExportChunk
from .models import now
from .tasks import REDIS_AWAY
from .tasks import export_posts

bp = Blueprint("exports", __name__, url_prefix="/exports")

# How many exports somebody may have under way at a time.
MAX_UNFINISHED = 3
# Seconds in which a worker should have begun.
PATIENCE = 5


def start_export() -> Export:
    """Begin an export of the posts of who is logged in, and return at once."""
    if unfinished_exports() >= MAX_UNFINISHED:
        abort(429, f"You have {MAX_UNFINISHED} exports under way. Please wait for one of them.")
    export = Export(owner_id=current_user.id)
    db.session.add(export)
    db.session.commit()  # first the row, then the task: the worker may be faster than we are
    try:
        # delay() with one option more: the task gets the id of its row, one id is enough for both.
        export_posts.apply_async([export.id], task_id=export.id)
    except REDIS_AWAY as error:
        current_app.logger.error("Redis does not answer: %s", error)
        db.session.delete(export)  # nobody will ever work on it
        db.session.commit()
        abort(503, "Exports cannot start right now. Please try again in a minute.")
    return export


def unfinished_exports() -> int:
    """Count the exports of who is logged in that have not ended."""
    query = select(func.count(Export.id))
    query = query.where(Export.owner_id == current_user.id, Export.state == "PENDING")
    return db.session.scalar(query)


def my_exports() -> list[Export]:
    """Return the exports of who is logged in, the newest first."""
    query = select(Export).where(Export.owner_id == current_user.id)
    return list(db.session.scalars(query.order_by(Export.created_at.desc())))


def find_my_export(export_id: str) -> Export:
    """Return an export of who is logged in, or end in a 404."""
    export = db.session.get(Export, export_id)
    # 404 for the exports of others too: a 403 would tell that there is one.
    if export is None or export.owner_id != current_user.id:
        abort(404, "You have no export with this id.")
    return export


def remove_export(export: Export) -> None:
    """Cancel an export, or delete it where it has ended already."""
    export_id = export.id
    if not Export.finish(export_id, "REVOKED"):
        # Not db.session.delete(): it would look for the pieces first, and on MySQL, which goes on
        # showing what was there when we began, not find those of an export that has just ended.
        db.session.execute(delete(ExportChunk).where(ExportChunk.export_id == export_id))
        db.session.execute(delete(Export).where(Export.id == export_id))
    db.session.commit()


def read_archive(export: Export) -> Iterator[bytes]:
    """Yield an archive in pieces: only one of them is in memory at a time."""
    query = select(ExportChunk.data).where(ExportChunk.export_id == export.id)
    for position in range(-(-export.size // ExportChunk.SIZE)):
        data = db.session.scalar(query.where(ExportChunk.position == position))
        db.session.rollback()  # lets go of the database while the browser takes its time
        if data is None:
            return  # deleted during the download: the browser sees that the end is missing
        yield data


def describe(export: Export) -> dict[str, Any]:
    """Return what the API and the page tell of an export."""
    state, current, total = export.state, export.current, export.total
    if state == "PENDING":
        state, current, total, message = describe_unfinished(export)
    elif state == "SUCCESS":
        message = f"Finished: {total:,} posts, {export.size / 1e6:,.1f} MB."
    else:
        message = export.error or "Cancelled."
    is_ready = state == "SUCCESS"
    return {
        "id": export.id,
        "state": state,
        "current": current,
        "total": total,
        "percent": 100 if is_ready else percent(current, total),
        "message": message,
        "created_at": f"{export.created_at.isoformat()}Z",
        "archive_url": url_for("api.get_archive", export_id=export.id) if is_ready else None,
    }


def percent(current: int, total: int) -> int:
    """Return how many of 100 parts are done."""
    return 100 * current // total if total else 0


def describe_unfinished(export: Export) -> tuple[str, int, int, str]:
    """Return state, current, total and a message, from the row and from what Celery has newer."""
    state = "PROGRESS" if export.attempts else "PENDING"
    current, total = export.current, export.total
    silence = (now() - (export.seen_at or export.created_at)).total_seconds()
    try:
        result = export_posts.AsyncResult(export.id)
        celery_state, info = result.state, result.info
    except REDIS_AWAY:
        return state, current, total, "Waiting for the server. The export goes on."
    if celery_state == "FAILURE" and (state == "PENDING" or silence > Export.LEASE):
        return "FAILURE", current, total, "Something went wrong here. Please try again."
    if state == "PENDING" and silence > PATIENCE:
        command = current_app.config["WORKER_COMMAND"]
        return state, 0, 0, f"No worker has picked this up yet. This starts one: {command}"
    if state == "PENDING":
        return state, 0, 0, "Waiting for a worker."
    if silence > Export.LEASE:
        return state, current, total, "The worker has stopped. Another one will take over."
    if isinstance(info, dict) and info.get("current", 0) >= current:
        current, total = info.get("current", 0), info.get("total", 0)
    if current == 0:
        return "STARTED", current, total, "A worker has begun."
    return "PROGRESS", current, total, f"{current:,} of {total:,} posts."


@bp.get("/")
@login_required
def index() -> str:
    """Show my exports, each with its bar."""
    return render_template("exports/index.html", exports=map(describe, my_exports()))


@bp.post("/")
@login_required
def start() -> Response:
    """Start an export and show it with the others."""
    try:
        start_export()
        flash("Your export has begun. You may leave this page and come back.")
    except HTTPException as error:
        flash(error.description, "error")  # an error page would be one click too many
    return redirect(url_for("exports.index"))


@bp.post("/<uuid:export_id>/remove")
@login_required
def remove(export_id: str) -> Response:
    """Cancel an export, or delete it where it has ended already."""
    remove_export(find_my_export(str(export_id)))
    return redirect(url_for("exports.index"))
