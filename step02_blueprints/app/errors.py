"""The page for errors."""

from flask import Blueprint
from flask import render_template
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
