"""The pages that belong to no other part, and the page for errors."""

from flask import Blueprint
from flask import current_app
from flask import g
from flask import render_template
from flask import request
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.wrappers import Response

bp = Blueprint("main", __name__)

DATABASE_NOT_READY = (
    "The database is not ready. Most often its tables are older than the code: run "
    "“flask db upgrade” in the folder of this step (after a change to the models, first “flask db "
    "migrate”), then load this page again. The terminal says what the database answered."
)


@bp.get("/")
def home() -> str:
    """Show the start page."""
    return render_template("main/home.html")


@bp.get("/hello/")
@bp.get("/hello/<name>")
def hello(name: str | None = None) -> str:
    """Greet whom the path names, with the greeting that the query may hold."""
    greeting = request.args.get("greeting") or "Hello"
    return render_template("main/hello.html", name=name, greeting=greeting)


# No slash at the end: this page is only at /about, and /about/ is a 404.
@bp.get("/about")
def about() -> str:
    """Say what this site is."""
    return render_template("main/about.html")


# HTTPException is the family of all error pages: 404 and 405, 500 too.
@bp.app_errorhandler(HTTPException)
def show_error(error: HTTPException) -> Response:
    """Show an error as a page of this site, with its own status code."""
    response = error.get_response()
    try:
        response.data = render_template("error.html", error=error)
    except SQLAlchemyError:
        g.no_database = True  # once more, without asking who is logged in: see load_user
        response.data = render_template("error.html", error=error)
    return response


# What SQLAlchemy raises when a table or a column is missing, or no database answers.
@bp.app_errorhandler(OperationalError)
@bp.app_errorhandler(ProgrammingError)
def show_database_error(error: OperationalError | ProgrammingError) -> Response:
    """Say on the page what to do next, and in the log what went wrong."""
    current_app.logger.error("The database did not do what we asked for", exc_info=error)
    # Flask-Login asks for every page who is logged in; for this one it must not ask the database.
    g.no_database = True
    return show_error(ServiceUnavailable(DATABASE_NOT_READY))
