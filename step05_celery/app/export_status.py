"""The status of an export, as people and programs see it: from its row, and from Celery."""

from datetime import datetime
from typing import Any

from flask import current_app
from flask import url_for
from jinja2.filters import do_filesizeformat

from .leases import LEASE
from .leases import PICKUP_TIMEOUT
from .models import Export
from .tasks import REDIS_ERRORS
from .tasks import export_posts

# Celery's names, and what the page calls them.
STATE_NAMES = {
    "PENDING": "Waiting",
    "STARTED": "Starting",
    "PROGRESS": "Running",
    "SUCCESS": "Finished",
    "FAILURE": "Failed",
    "REVOKED": "Cancelled",
}
STATES = tuple(STATE_NAMES)
# An export that has ended stays in its state.
UNFINISHED = ("PENDING", "STARTED", "PROGRESS")


def export_to_dict(export: Export, now: datetime) -> dict[str, Any]:
    """Return an export as the API sends it and the page shows it."""
    state, current, total = export.state, export.current, export.total
    if state == "PENDING":
        state, current, total, message = unfinished_status(export, now)
    elif state == "SUCCESS":
        posts = "1 post" if total == 1 else f"{total:,} posts"
        message = f"{posts}, {do_filesizeformat(export.size)}."
    else:
        message = export.error or "You have cancelled it."
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


def unfinished_status(export: Export, now: datetime) -> tuple[str, int, int, str]:
    """Return state, current, total and message; what Celery knows is newer than the row."""
    state = "PROGRESS" if export.attempts else "PENDING"
    current, total = export.current, export.total
    try:
        info = export_posts.AsyncResult(export.id).info
    except REDIS_ERRORS:
        return state, current, total, "Waiting for the server. The export goes on."
    silence = abs((now - (export.seen_at or export.created_at)).total_seconds())
    command = current_app.config["WORKER_COMMAND"]
    if state == "PENDING" and silence > PICKUP_TIMEOUT and command:
        return state, 0, 0, f"No worker has picked this up yet. This starts one: `{command}`"
    if state == "PENDING":
        return state, 0, 0, "Waiting for a worker."
    if silence > LEASE:
        return state, current, total, "The worker has stopped. Another one will take over."
    if isinstance(info, dict) and info.get("current", 0) >= current:
        current, total = info.get("current", 0), info.get("total", 0)
    if current == 0:
        return "STARTED", current, total, "A worker has begun."
    return "PROGRESS", current, total, f"{current:,} of {total:,} posts."
