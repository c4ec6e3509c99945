"""Accounts and a login, written by hand over the session."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint
from flask import flash
from flask import g
from flask import redirect
from flask import render_template
from flask import request
from flask import session
from flask import url_for
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash
from werkzeug.wrappers import Response

from .names import clean_name
from .names import is_visible
from .names import name_key
from .redirects import redirect_back

bp = Blueprint("auth", __name__, url_prefix="/auth")

# A dict in memory stands in for a table: a restart forgets all accounts.
USERS: dict[str, dict[str, str]] = {}


@bp.before_app_request
def load_user() -> None:
    """Put who is logged in into g.user, for every page of the app."""
    g.user = USERS.get(session.get("user_key", ""))


def login_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Send visitors to the login page, and from there back to this view."""

    @wraps(view)
    def wrapped_view(*args: Any, **kwargs: Any) -> Any:
        if g.user is None:
            flash("Please log in to see this page.")
            return redirect(url_for("auth.login", next=request.full_path.rstrip("?")))
        return view(*args, **kwargs)

    return wrapped_view


def login_user(user: dict[str, str]) -> None:
    """Remember in the session who this is."""
    # A new session, so that nothing of the visitor before stays in it.
    session.clear()
    session["user_key"] = name_key(user["username"])


@bp.route("/register", methods=["GET", "POST"])
def register() -> str | Response | tuple[str, int]:
    """Make an account and log in."""
    if request.method == "GET":
        return render_template("auth/register.html")
    username = clean_name(request.form["username"])
    password = request.form["password"]
    if len(username) > 30 or not is_visible(username):
        flash("A name has 1 to 30 characters that one can see.", "error")
        return render_template("auth/register.html", invalid="username"), 400
    if not 8 <= len(password) <= 128:
        flash("A password has 8 to 128 characters.", "error")
        return render_template("auth/register.html", invalid="password"), 400
    user = {"username": username, "password_hash": generate_password_hash(password)}
    # setdefault looks and adds in one go: of two people who ask at once, one gets the name.
    if USERS.setdefault(name_key(username), user) is not user:
        flash("This name is taken. Please choose another.", "error")
        return render_template("auth/register.html", invalid="username"), 409
    login_user(user)
    flash(f"Welcome, {username}.")
    return redirect_back()


@bp.route("/login", methods=["GET", "POST"])
def login() -> str | Response | tuple[str, int]:
    """Check name and password, and log in."""
    if request.method == "GET":
        return render_template("auth/login.html")
    user = USERS.get(name_key(request.form["username"]))
    if user is None or not check_password_hash(user["password_hash"], request.form["password"]):
        # One message for both, so that nobody can find out which names exist.
        flash("Wrong name or password.", "error")
        return render_template("auth/login.html", invalid="password"), 400
    login_user(user)
    flash(f"Welcome back, {user['username']}.")
    return redirect_back()


# Only POST: a link or a picture on another site must not be able to log people out.
@bp.post("/logout")
def logout() -> Response:
    """Forget who was logged in."""
    session.clear()
    flash("You are logged out.")
    return redirect_back()
