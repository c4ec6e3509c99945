"""What the description of the API has beside its routes: the login, the errors, an example."""

from typing import Any

from flask import Flask
from flask_smorest import Api
from marshmallow import Schema
from marshmallow import fields
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wrappers import Response

from .errors import show_error

HOW_TO_LOG_IN = (
    "Each request needs the cookie that `POST /auth/login` sets. POST and DELETE also need the "
    'content of `<meta name="csrf-token">`, which every page has, in the header `X-CSRFToken`.'
)
TOKEN_TOO = [{"session": [], "csrf": []}]

EXPORT = {
    "id": "6f1c9a52-3c0e-4b8e-9d55-0f3a1c2b7e64",
    "state": "PROGRESS",
    "current": 812,
    "total": 5000,
    "percent": 16,
    "message": "812 of 5,000 posts.",
    "created_at": "2026-03-01T09:30:00.123456Z",
    "archive_url": None,
}
ERRORS = {
    400: "The CSRF token is missing or wrong.",
    401: "The client is not logged in.",
    404: "There is no such export, or it is another user's.",
    409: "There is no archive, or not yet; or there are no posts to export.",
    413: "The body is too large. None is needed.",
    429: "Too many at a time for one user: the message says how many may be.",
    500: "The server made a mistake.",
    503: "Database or Redis do not answer.",
}


class ErrorSchema(Schema):
    """An error, the way show_error writes it."""

    code = fields.Integer(required=True)
    status = fields.String(required=True)
    message = fields.String(required=True, metadata={"description": "What is wrong, in words."})


def error_doc(code: int) -> dict[str, Any]:
    """Return the documentation of an error: when it comes, its form, an example."""
    example = {"code": code, "status": HTTP_STATUS_CODES[code], "message": ERRORS[code]}
    return {"description": ERRORS[code], "schema": ErrorSchema, "example": example}


class DescribedApi(Api):
    """flask-smorest's Api with our errors, and with nothing described that is not there."""

    ERROR_SCHEMA = ErrorSchema
    DEFAULT_ERROR_RESPONSE_NAME = None  # each route names its errors: no other may come

    def init_app(self, app: Flask, **options: Any) -> None:
        """Bind to the app."""
        cookie = {"type": "apiKey", "in": "cookie", "name": app.config["SESSION_COOKIE_NAME"]}
        header = {"type": "apiKey", "in": "header", "name": "X-CSRFToken"}
        spec = {
            "info": {"description": HOW_TO_LOG_IN},
            "security": [{"session": []}],
            "components": {"securitySchemes": {"session": cookie, "csrf": header}},
        }
        super().init_app(app, spec_kwargs=spec, **options)
        # It describes how a list is cut into pages, and none of our lists is.
        self.spec.components.schemas.pop("PaginationMetadata", None)

    def handle_http_exception(self, error: HTTPException) -> Response:
        """Show an error as the rest of the app does; flask-smorest would make all of them JSON."""
        return show_error(error)
