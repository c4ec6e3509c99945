"""The page for errors."""

from flask import Blueprint
from flask import current_app
from flask import json
from flask import render_template
from flask import request
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import ProgrammingError
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.wrappers import Response

from .extensions import db

bp = Blueprint("errors", __name__)

DATABASE_NOT_READY = (
    "The database is not ready. Most often its tables are older than the code: run "
    "“flask db upgrade” in the folder of this step (after a change to the models, first “flask db "
    "migrate”), then load this page again. The terminal says what the database answered."
)


# HTTPException is the base class of all HTTP errors: 404, 405, 500 and the others.
@bp.app_errorhandler(HTTPException)
def show_error(error: HTTPException) -> Response:
    """Show an HTTP error as a page of this site, or as JSON below /api/."""
    response = error.get_response()
    if request.path.startswith("/api/"):
        body = {"code": error.code, "status": error.name, "message": error.description}
        response.data = json.dumps(body)
        response.content_type = "application/json"
        return response
    response.data = render_template("error.html", error=error)
    return response


# SQLAlchemy raises these when a table or a column is missing, or when no database answers.
@bp.app_errorhandler(OperationalError)
@bp.app_errorhandler(ProgrammingError)
def show_database_error(error: OperationalError | ProgrammingError) -> Response:
    """Show what to do next; the log says what went wrong."""
    current_app.logger.error("The database failed", exc_info=error)
    db.session.rollback()  # after a failed statement the session takes no other
    return show_error(ServiceUnavailable(DATABASE_NOT_READY))
