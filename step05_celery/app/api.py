"""Exports for programs: JSON over HTTP, described by OpenAPI."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import flask
from flask import abort
from flask import url_for
from flask_login import current_user
from flask_smorest import Blueprint
from flask_wtf.csrf import CSRFError
from marshmallow import Schema
from marshmallow import fields
from marshmallow.validate import OneOf
from marshmallow.validate import Range
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response

from . import openapi
from .errors import show_error
from .export_status import STATES
from .export_status import export_to_dict
from .exports import cancel_export
from .exports import find_my_export
from .exports import my_exports
from .exports import read_archive
from .exports import remove_export
from .exports import start_export

bp = Blueprint("api", __name__, url_prefix="/api", description="My posts as a ZIP file.")

# Swagger UI comes with a Python package: nothing is fetched from another host.
swagger_files = flask.Blueprint(
    "swagger_files", "flask_swagger_ui", static_folder="dist", static_url_path="/api/docs/files"
)

View = Callable[..., Any]

LOGIN_FIRST = "Please log in first."
LOCATION = {"Location": {"required": True, "schema": {"type": "string", "format": "uri-reference"}}}
DISPOSITION = {"Content-Disposition": {"required": True, "schema": {"type": "string"}}}
FILE = {"type": "string", "format": "binary"}


class ExportSchema(Schema):
    """An export, as JSON."""

    id = fields.UUID(required=True)
    state = fields.String(required=True, validate=OneOf(STATES))
    current = fields.Integer(required=True, metadata={"description": "Posts done so far."})
    total = fields.Integer(required=True, metadata={"description": "Posts to do, 0 if not known."})
    percent = fields.Integer(required=True, validate=Range(0, 100))
    message = fields.String(required=True, metadata={"description": "The state in more words."})
    created_at = fields.String(required=True, metadata={"format": "date-time"})
    archive_url = fields.String(
        required=True,
        allow_none=True,
        metadata={"format": "uri-reference", "description": "Null until there is an archive."},
    )


def documented(*codes: int) -> Callable[[View], View]:
    """Add a view's name and the errors that it may end in to the description."""

    def decorate(view: View) -> View:
        for code in (*codes, 401, 500, 503):  # these three may come from every view
            view = bp.alt_response(code, **openapi.error_doc(code))(view)
        return bp.doc(operationId=view.__name__)(view)

    return decorate


@bp.before_request
def require_login() -> None:
    """Answer 401 to anonymous clients: a program has no use for the login page."""
    if not current_user.is_authenticated:
        abort(401, LOGIN_FIRST)


# Flask-WTF checks the token before we check the login. Without both, the login matters first.
@bp.errorhandler(CSRFError)
def refuse(error: CSRFError) -> Response:
    """Answer 401 to anonymous clients, 400 to authenticated ones that send no token."""
    return show_error(error if current_user.is_authenticated else Unauthorized(LOGIN_FIRST))


@bp.get("/exports")
@bp.response(200, ExportSchema(many=True), example=[openapi.EXPORT])
@documented()
def list_exports() -> list[dict[str, Any]]:
    """List my exports, newest first."""
    return [export_to_dict(*found) for found in my_exports()]


# 202 Accepted: the work is not done yet, and Location says where to ask for its status.
@bp.post("/exports")
@bp.response(202, ExportSchema, example=openapi.EXPORT, headers=LOCATION)
@documented(400, 409, 413, 429)
@bp.doc(security=openapi.TOKEN_TOO)
def create_export() -> tuple[dict[str, Any], dict[str, str]]:
    """Start an export of all my posts."""
    export = start_export()
    location = url_for("api.get_export", export_id=export.id)
    return export_to_dict(export, export.created_at), {"Location": location}


@bp.get("/exports/<uuid:export_id>")
@bp.response(200, ExportSchema, example=openapi.EXPORT)
@documented(404)
def get_export(export_id: UUID) -> dict[str, Any]:
    """Return the status of an export."""
    return export_to_dict(*find_my_export(str(export_id)))


@bp.delete("/exports/<uuid:export_id>")
@bp.response(204, description="It is cancelled, or deleted.")
@documented(400, 404, 413)
@bp.doc(security=openapi.TOKEN_TOO)
def delete_export(export_id: UUID) -> None:
    """Cancel an export, or delete it if it has ended already."""
    export, _ = find_my_export(str(export_id))
    if not cancel_export(export.id):
        remove_export(export.id)


@bp.get("/exports/<uuid:export_id>/archive")
@bp.response(200, FILE, content_type="application/zip", headers=DISPOSITION)
@documented(404, 409)
def get_archive(export_id: UUID) -> Response:
    """Download the archive of a finished export."""
    export, _ = find_my_export(str(export_id))
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
