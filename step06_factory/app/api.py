"""The same exports for programs: JSON over HTTP, described by OpenAPI."""

from typing import Any
from uuid import UUID

import flask
from flask import abort
from flask import url_for
from flask_login import current_user
from flask_smorest import Blueprint
from marshmallow import Schema
from marshmallow import fields
from marshmallow.validate import OneOf
from werkzeug.wrappers import Response

from .events import watch
from .exports import describe
from .exports import find_my_export
from .exports import my_exports
from .exports import read_archive
from .exports import remove_export
from .exports import start_export

bp = Blueprint("api", __name__, url_prefix="/api", description="The exports of who is logged in.")

# The files of Swagger UI come with a package, so that none has to be fetched from elsewhere.
swagger_files = flask.Blueprint(
    "swagger_files",
    "flask_swagger_ui",
    static_folder="dist",
    static_url_path="/api/docs/files",
)

STATES = ("PENDING", "STARTED", "PROGRESS", "SUCCESS", "FAILURE", "REVOKED")


class ExportSchema(Schema):
    """An export, as JSON."""

    id = fields.UUID(required=True)
    state = fields.String(required=True, validate=OneOf(STATES))
    current = fields.Integer(required=True, metadata={"description": "Posts done so far."})
    total = fields.Integer(required=True, metadata={"description": "Posts to do, 0 if not known."})
    percent = fields.Integer(required=True)
    message = fields.String(required=True, metadata={"description": "The state in words."})
    created_at = fields.String(required=True, metadata={"format": "date-time"})
    archive_url = fields.String(
        required=True, allow_none=True, metadata={"description": "Null until there is an archive."}
    )


@bp.before_request
def require_login() -> None:
    """Answer 401 to visitors: a program has no use for the login page."""
    if not current_user.is_authenticated:
        abort(401, "Please log in first.")


@bp.get("/exports")
@bp.response(200, ExportSchema(many=True))
def list_exports() -> list[dict[str, Any]]:
    """List my exports, the newest first."""
    return [describe(export) for export in my_exports()]


# 202 Accepted: the work is not done yet, and Location says where to ask for it.
@bp.post("/exports")
@bp.response(202, ExportSchema)
def create_export() -> tuple[dict[str, Any], dict[str, str]]:
    """Start an export of all my posts."""
    export = start_export()
    return describe(export), {"Location": url_for("api.get_export", export_id=export.id)}


@bp.get("/exports/<uuid:export_id>")
@bp.response(200, ExportSchema)
def get_export(export_id: UUID) -> dict[str, Any]:
    """Tell how far an export is."""
    return describe(find_my_export(str(export_id)))


@bp.delete("/exports/<uuid:export_id>")
@bp.response(204)
def delete_export(export_id: UUID) -> None:
    """Cancel an export, or delete it where it has ended already."""
    remove_export(find_my_export(str(export_id)))


@bp.get("/exports/<uuid:export_id>/archive")
@bp.response(200, {"type": "string", "format": "binary"}, content_type="application/zip")
def get_archive(export_id: UUID) -> Response:
    """Download the archive of a finished export."""
    export = find_my_export(str(export_id))
    if export.state != "SUCCESS":
        abort(409, "This export has no archive, or not yet.")
    name = f"study-log-{export.created_at:%Y-%m-%d}.zip"
    return flask.Response(
        flask.stream_with_context(read_archive(export)),
        mimetype="application/zip",
        headers={
            "Content-Length": export.size,
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )


@bp.get("/exports/<uuid:export_id>/events")
@bp.response(200, {"type": "string"}, content_type="text/event-stream")
def get_events(export_id: UUID) -> Response:
    """Follow an export: each event is the same JSON, the last one is its end."""
    export = find_my_export(str(export_id))
    return flask.Response(
        flask.stream_with_context(watch(export.id)),
        mimetype="text/event-stream",
        # nginx would collect the events and send them in one piece at the end.
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
