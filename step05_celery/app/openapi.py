"""What the description of the API says beside its routes: who may call them, errors, examples."""

from copy import deepcopy
from typing import Any

from flask import Flask
from flask_smorest import Api
from marshmallow import Schema
from marshmallow import fields
from werkzeug.http import HTTP_STATUS_CODES

# What goes into the description as it is.
SPEC = {
    "info": {
        "description": "What the page of exports does, for programs. Each request needs the cookie "
        "that the login sets; POST and DELETE need the CSRF token too. “Try it out” sends both by "
        "itself, once you have logged in."
    },
    "tags": [{"name": "exports", "description": "All posts of a user as one ZIP file."}],
    # What every request needs.
    "security": [{"session": []}],
    "components": {
        "securitySchemes": {
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": "session",
                "description": "The cookie that `POST /auth/login` sets.",
            },
            "csrf": {
                "type": "apiKey",
                "in": "header",
                "name": "X-CSRFToken",
                "description": 'The content of `<meta name="csrf-token">` on every page.',
            },
        }
    },
}

# What a request that changes something needs.
TOKEN_TOO = [{"session": [], "csrf": []}]

LOCATION = {
    "description": "Where to ask how far it is.",
    "required": True,
    "schema": {"type": "string", "format": "uri-reference"},
}
DISPOSITION = {
    "description": "The name of the file.",
    "required": True,
    "schema": {"type": "string", "example": 'attachment; filename="study-log-2026-03-01.zip"'},
}

STATES = {
    "PENDING": "no worker has it yet",
    "STARTED": "a worker has begun",
    "PROGRESS": "`current` of `total` posts are done",
    "SUCCESS": "finished, the archive is ready",
    "FAILURE": "failed, the message says why",
    "REVOKED": "cancelled",
}

WAITING = {
    "id": "6f1c9a52-3c0e-4b8e-9d55-0f3a1c2b7e64",
    "state": "PENDING",
    "current": 0,
    "total": 0,
    "percent": 0,
    "message": "Waiting for a worker.",
    "created_at": "2026-03-01T09:30:00.123456Z",
    "archive_url": None,
}
RUNNING = WAITING | {
    "state": "PROGRESS",
    "current": 812,
    "total": 5000,
    "percent": 16,
    "message": "812 of 5,000 posts.",
}
FINISHED = {
    "id": "0d2b7c1e-95a4-4f43-8a6b-51e7a9c3d208",
    "state": "SUCCESS",
    "current": 5000,
    "total": 5000,
    "percent": 100,
    "message": "Finished: 5,000 posts, 4.9 MB.",
    "created_at": "2026-02-28T17:05:42.000123Z",
    "archive_url": "/api/exports/0d2b7c1e-95a4-4f43-8a6b-51e7a9c3d208/archive",
}
CANCELLED = RUNNING | {"state": "REVOKED", "message": "Cancelled."}
EXAMPLES = {
    example["state"]: {"value": example} for example in (WAITING, RUNNING, FINISHED, CANCELLED)
}

# When an error comes.
ERRORS = {
    400: "The CSRF token is missing or wrong.",
    401: "Nobody is logged in.",
    404: "There is no such export, or it is not yours.",
    409: "There is no archive, or not yet.",
    413: "The body is too large. None is needed.",
    429: "Too many exports are under way.",
    500: "We made a mistake.",
    503: "Database or Redis do not answer.",
}
# What its message may be.
MESSAGES = {
    400: "The CSRF token is missing.",
    401: "Please log in first.",
    404: "You have no export with this id.",
    409: "This export has no archive, or not yet.",
    413: "The data value transmitted exceeds the capacity limit.",
    429: "You have 3 exports under way. Please wait for one of them.",
    500: "The server encountered an internal error and was unable to complete your request.",
    503: "Exports cannot start right now. Please try again in a minute.",
}


class ErrorSchema(Schema):
    """An error, the way show_error in main.py writes it."""

    code = fields.Integer(required=True)
    status = fields.String(required=True, metadata={"description": "The name of the code."})
    message = fields.String(required=True, metadata={"description": "What is wrong, in words."})


def describe_error(code: int) -> dict[str, Any]:
    """Return what the description says of an error: when it comes, its form, an example."""
    example = {"code": code, "status": HTTP_STATUS_CODES[code], "message": MESSAGES[code]}
    return {"description": ERRORS[code], "schema": ErrorSchema, "example": example}


class DescribedApi(Api):
    """flask-smorest's Api with our text, and with nothing described that is not so."""

    ERROR_SCHEMA = ErrorSchema
    # Each route names its errors: no other may come.
    DEFAULT_ERROR_RESPONSE_NAME = None

    def init_app(self, app: Flask, **options: Any) -> None:
        """Bind to the app."""
        # A copy, since apispec writes into what it gets.
        super().init_app(app, spec_kwargs=deepcopy(SPEC), **options)
        # It describes how a list is cut into pages, and none of our lists is.
        self.spec.components.schemas.pop("PaginationMetadata", None)
