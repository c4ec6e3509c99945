"""The page for errors."""

from flask import Blueprint
from flask import render_template
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm.exc import ObjectDeletedError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import BadRequest
from werkzeug.exceptions import Conflict
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

bp = Blueprint("errors", __name__)


# HTTPException is the base class of all HTTP errors: 404, 405, 500 and the others.
@bp.app_errorhandler(HTTPException)
def show_error(error: HTTPException) -> Response:
    """Show an HTTP error as a page of this site."""
    response = error.get_response()
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
