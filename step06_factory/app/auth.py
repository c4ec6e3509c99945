"""Accounts and a login, with Flask-Login and Flask-WTF."""

from flask import Blueprint
from flask import flash
from flask import g
from flask import render_template
from flask_login import login_user
from flask_login import logout_user
from sqlalchemy.exc import IntegrityError
from werkzeug.security import generate_password_hash
from werkzeug.wrappers import Response

from .extensions import db
from .extensions import login_manager
from .forms import LoginForm
from .forms import RegisterForm
from .limits import limit_logins
from .limits import refund
from .models import User
from .redirects import redirect_back

bp = Blueprint("auth", __name__, url_prefix="/auth")


@login_manager.user_loader
def load_user(session_id: str) -> User | None:
    """Find who is logged in, for current_user; None where the account is gone."""
    if g.get("no_database"):
        return None  # see show_database_error
    user = db.session.get(User, int(session_id.split()[0]))
    return user if user and user.get_id() == session_id else None


@bp.route("/register", methods=["GET", "POST"])
def register() -> str | Response | tuple[str, int]:
    """Make an account and log in."""
    form = RegisterForm()
    if form.validate_on_submit():
        user = User(form.username.data, form.password.data)
        db.session.add(user)
        try:
            db.session.commit()
        except IntegrityError:
            # The database decides: of two people who ask at once, one gets the name.
            db.session.rollback()
            form.username.errors.append("This name is taken. Please choose another.")
            return render_template("auth/register.html", form=form), 409
        login_user(user)
        flash(f"Welcome, {user.username}.")
        return redirect_back()
    return render_template("auth/register.html", form=form)


@bp.route("/login", methods=["GET", "POST"])
@limit_logins
def login() -> str | Response:
    """Check name and password, and log in."""
    form = LoginForm()
    if form.validate_on_submit():
        user = User.find(form.username.data)
        if user is None:
            # As much work as for a wrong password: the time does not tell which names exist.
            generate_password_hash(form.password.data)
        if user and user.check_password(form.password.data):
            refund()
            login_user(user, remember=form.remember.data)
            flash(f"Welcome back, {user.username}.")
            return redirect_back()
        # One message for both, so that nobody can find out which names exist.
        form.password.errors.append("Wrong name or password.")
    return render_template("auth/login.html", form=form)


# Only POST: a link or a picture on another site must not be able to log people out.
@bp.post("/logout")
def logout() -> Response:
    """Forget who was logged in."""
    logout_user()
    flash("You are logged out.")
    return redirect_back()
