"""The same exports for programs: JSON over HTTP, described by OpenAPI."""

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
from .exports import describe
from .exports import find_my_export
from .exports import my_exports
from .exports import read_archive
from .exports import remove_export
from .exports import start_export

bp = Blueprint("api", __name__, url_prefix="/api")

# The files of Swagger UI come with a package, so that none has to be fetched from elsewhere.
swagger_files = flask.Blueprint(
    "swagger_files",
    "flask_swagger_ui",
    static_folder="dist",
    static_url_path="/api/docs/files",
)

View = Callable[..., Any]

LOGIN_FIRST = "Please log in first."


class ExportSchema(Schema):
    """An export, as JSON."""

    id = fields.UUID(required=True)
    state = fields.String(
        required=True,
        validate=OneOf(openapi.STATES),
        metadata={
            "description": "\n".join(f"- `{name}`: {what}" for name, what in openapi.STATES.items())
        },
    )
    current = fields.Integer(required=True, metadata={"description": "Posts done so far."})
    total = fields.Integer(required=True, metadata={"description": "Posts to do, 0 if not known."})
    percent = fields.Integer(required=True, validate=Range(0, 100))
    message = fields.String(required=True, metadata={"description": "The state in words."})
    created_at = fields.String(required=True, metadata={"format": "date-time"})
    archive_url = fields.String(
        required=True,
        allow_none=True,
        metadata={"format": "uri-reference", "description": "Null until there is an archive."},
    )


def document(*codes: int) -> Callable[[View], View]:
    """Add to the description of a view its name, and which errors it may end in."""

    def decorate(view: View) -> View:
        # These three may come from everywhere.
        for code in (*codes, 401, 500, 503):
            view = bp.alt_response(code, **openapi.describe_error(code))(view)
        return bp.doc(operationId=view.__name__, tags=["exports"])(view)

    return decorate


@bp.before_request
def require_login() -> None:
    """Answer 401 to visitors: a program has no use for the login page."""
    if not current_user.is_authenticated:
        abort(401, LOGIN_FIRST)


# The token is checked before the login. Who has neither shall hear of the login first.
@bp.errorhandler(CSRFError)
def refuse(error: CSRFError) -> Response:
    """Answer 400 to who has no token, and 401 to who has no login."""
    return show_error(error if current_user.is_authenticated else Unauthorized(LOGIN_FIRST))


@bp.get("/exports")
@bp.response(200, ExportSchema(many=True), example=[openapi.RUNNING, openapi.FINISHED])
@document()
def list_exports() -> list[dict[str, Any]]:
    """List my exports, the newest first."""
    return [describe(export) for export in my_exports()]


# 202 Accepted: the work is not done yet, and Location says where to ask for it.
@bp.post("/exports")
@bp.response(202, ExportSchema, example=openapi.WAITING, headers={"Location": openapi.LOCATION})
@document(400, 413, 429)
@bp.doc(security=openapi.TOKEN_TOO)
def create_export() -> tuple[dict[str, Any], dict[str, str]]:
    """Start an export of all my posts."""
    export = start_export()
    return describe(export), {"Location": url_for("api.get_export", export_id=export.id)}


@bp.get("/exports/<uuid:export_id>")
@bp.response(200, ExportSchema, examples=openapi.EXAMPLES)
@document(404)
def get_export(export_id: UUID) -> dict[str, Any]:
    """Tell how far an export is."""
    return describe(find_my_export(str(export_id)))


@bp.delete("/exports/<uuid:export_id>")
@bp.response(204, description="It is cancelled, or deleted.")
@document(400, 404, 413)
@bp.doc(security=openapi.TOKEN_TOO)
def delete_export(export_id: UUID) -> None:
    """Cancel an export, or delete it where it has ended already."""
    remove_export(find_my_export(str(export_id)))


@bp.get("/exports/<uuid:export_id>/archive")
@bp.response(
    200,
    {"type": "string", "format": "binary"},
    content_type="application/zip",
    headers={"Content-Disposition": openapi.DISPOSITION},
)
@document(404, 409)
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
