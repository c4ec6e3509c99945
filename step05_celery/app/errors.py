"""The page for errors."""

from flask import Blueprint
from flask import current_app
from flask import json
from flask import render_template
from flask import request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm.exc import ObjectDeletedError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import Conflict
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.wrappers import Response

from .extensions import db

bp = Blueprint("errors", __name__)

OLD_TABLES = (
    "The tables of the database are older than the code. Run “flask db upgrade” in the folder of "
    "this step (after a change to the models, first “flask db migrate”), then load this page again."
)
BUSY = "Another program is using the database. Please try again in some seconds."
NO_ANSWER = "The database does not answer. The terminal says why."

# What the drivers say: SQLite by a name, MySQL by a number.
REASONS = {
    "SQLITE_ERROR": OLD_TABLES,  # no such table, no such column
    1146: OLD_TABLES,
    1054: OLD_TABLES,
    "SQLITE_BUSY": BUSY,
    "SQLITE_LOCKED": BUSY,
    1205: BUSY,
    1213: BUSY,
}


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


# Flask-WTF raises it when a form has no token, or that of another session.
@bp.app_errorhandler(CSRFError)
def show_old_form(error: CSRFError) -> Response:
    """Show that the form is older than the session."""
    text = "Your session has changed since this form was opened, so nothing is saved."
    return show_error(BadRequest(f"{text} Please open it again. ({error.description})"))


# SQLAlchemy raises these when a row that was read is gone, or when the row that it needs is.
@bp.app_errorhandler(IntegrityError)
@bp.app_errorhandler(ObjectDeletedError)
@bp.app_errorhandler(StaleDataError)
def show_conflict(error: SQLAlchemyError) -> Response:
    """Show that another request was faster."""
    return show_error(Conflict("This was changed or deleted at the same moment. Nothing is saved."))


# SQLAlchemy raises these when a table is missing, when a lock is held, when no database answers.
@bp.app_errorhandler(OperationalError)
@bp.app_errorhandler(ProgrammingError)
def show_database_error(error: OperationalError | ProgrammingError) -> Response:
    """Show what to do next; the log says what went wrong."""
    current_app.logger.error("The database failed", exc_info=error)
    db.session.rollback()  # after a failed statement the session takes no other
    code = getattr(error.orig, "sqlite_errorname", error.orig.args[0])
    return show_error(ServiceUnavailable(REASONS.get(code, NO_ANSWER)))
