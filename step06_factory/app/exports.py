"""Exports: what can be done with them, and the page that shows them."""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint
from flask import abort
from flask import flash
from flask import redirect
from flask import render_template
from flask import url_for
from flask_login import current_user
from flask_login import login_required
from sqlalchemy import select
from werkzeug.wrappers import Response

from .extensions import db
from .models import Export
from .models import ExportChunk
from .tasks import export_posts

bp = Blueprint("exports", __name__, url_prefix="/exports")


def start_export() -> Export:
    """Begin an export of the posts of who is logged in, and return at once."""
    export = Export(owner_id=current_user.id)
    db.session.add(export)
    db.session.commit()  # first the row, then the task: the worker may be faster than we are
    # delay() with one option more: the task gets the id of its row, so one id is enough for both.
    export_posts.apply_async([export.id], task_id=export.id)
    return export


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
    if not Export.finish(export.id, "REVOKED"):
        db.session.delete(export)
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
    state, current, total = export.state, export.total, export.total
    archive_url = None
    if state == "PENDING":
        # The row says only that it has not ended. How far it is, the worker tells Celery.
        result = export_posts.AsyncResult(export.id)
        state, info = result.state, result.info
        if isinstance(info, dict):
            current, total = info.get("current", 0), info.get("total", 0)
        if state not in ("PENDING", "STARTED"):
            state = "PROGRESS"  # even if the task has just ended: the row did not say so yet
    if state == "SUCCESS":
        archive_url = url_for("api.get_archive", export_id=export.id)
    messages = {
        "PENDING": "Waiting for a worker.",
        "STARTED": "A worker has begun.",
        "PROGRESS": f"{current:,} of {total:,} posts.",
        "SUCCESS": f"Finished: {total:,} posts, {export.size / 1e6:,.1f} MB.",
        "FAILURE": export.error,
        "REVOKED": "Cancelled.",
    }
    return {
        "id": export.id,
        "state": state,
        "current": current,
        "total": total,
        "percent": 100 if state == "SUCCESS" else 100 * current // total if total else 0,
        "message": messages[state],
        "created_at": f"{export.created_at.isoformat()}Z",
        "archive_url": archive_url,
    }


@bp.get("/")
@login_required
def index() -> str:
    """Show my exports, each with its bar."""
    return render_template("exports/index.html", exports=map(describe, my_exports()))


@bp.post("/")
@login_required
def start() -> Response:
    """Start an export and show it with the others."""
    start_export()
    flash("Your export has begun. You may leave this page and come back.")
    return redirect(url_for("exports.index"))


@bp.post("/<uuid:export_id>/remove")
@login_required
def remove(export_id: str) -> Response:
    """Cancel an export, or delete it where it has ended already."""
    remove_export(find_my_export(str(export_id)))
    return redirect(url_for("exports.index"))
