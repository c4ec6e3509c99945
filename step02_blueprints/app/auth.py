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
from flask.typing import ResponseReturnValue
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash

from .redirects import redirect_back

bp = Blueprint("auth", __name__, url_prefix="/auth")

USERNAME_MAX = 30
PASSWORD_MIN = 8
PASSWORD_MAX = 128

# A dict in memory stands in for a table: a restart forgets all users.
USERS: dict[str, dict[str, str]] = {}


@bp.before_app_request
def load_user() -> None:
    """Put the current user into ``g.user``, or None if the client is anonymous."""
    g.user = USERS.get(session.get("username", ""))


def login_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Redirect anonymous users to the login page, and after the login back to the view."""

    @wraps(view)
    def wrapped_view(*args: Any, **kwargs: Any) -> Any:
        if g.user is None:
            flash("Please log in to see this page.")
            return redirect(url_for("auth.login", next=request.full_path.rstrip("?")))
        return view(*args, **kwargs)

    return wrapped_view


def login_user(user: dict[str, str]) -> None:
    """Start a session for a user."""
    # A new session: nothing of the one before stays in it.
    session.clear()
    session["username"] = user["username"]


@bp.route("/register", methods=["GET", "POST"])
def register() -> ResponseReturnValue:
    """Register a new user."""
    if request.method == "GET":
        return render_template("auth/register.html")
    username = request.form["username"].strip()
    password = request.form["password"]
    if not 1 <= len(username) <= USERNAME_MAX:
        flash(f"A name has 1 to {USERNAME_MAX} characters.", "error")
        return render_template("auth/register.html", invalid="username"), 400
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        flash(f"A password has {PASSWORD_MIN} to {PASSWORD_MAX} characters.", "error")
        return render_template("auth/register.html", invalid="password"), 400
    user = {"username": username, "password_hash": generate_password_hash(password)}
    # setdefault looks and adds in one operation: of two requests at once, one gets the name.
    if USERS.setdefault(username, user) is not user:
        flash("This name is taken. Please choose another.", "error")
        return render_template("auth/register.html", invalid="username"), 409
    login_user(user)
    flash(f"Welcome, {username}.")
    return redirect_back()


@bp.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    """Log in a user."""
    if request.method == "GET":
        return render_template("auth/login.html")
    user = USERS.get(request.form["username"].strip())
    if user is None or not check_password_hash(user["password_hash"], request.form["password"]):
        # One message for both, so that nobody can find out which names exist.
        flash("Wrong name or password.", "error")
        return render_template("auth/login.html", invalid="password"), 400
    login_user(user)
    flash(f"Welcome back, {user['username']}.")
    return redirect_back()


# Only POST: a link or an image on another site must not log anybody out.
@bp.post("/logout")
def logout() -> ResponseReturnValue:
    """Log out the current user."""
    session.clear()
    flash("You are logged out.")
    return redirect_back()
