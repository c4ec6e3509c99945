"""Accounts and a login, with Flask-Login and Flask-WTF."""

from flask import Blueprint
from flask import current_app
from flask import flash
from flask import redirect
from flask import render_template
from flask import request
from flask import url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_login import login_required
from flask_login import login_user
from flask_login import logout_user
from sqlalchemy import bindparam
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from wtforms import ValidationError

from .admin import ensure_another_admin
from .extensions import db
from .extensions import login_manager
from .forms import DeleteForm
from .forms import LoginForm
from .forms import PasswordForm
from .forms import RegisterForm
from .models import User
from .redirects import redirect_back

bp = Blueprint("auth", __name__, url_prefix="/auth")


# Built once, here, since each page of each user asks for it.
USER_OF_SESSION = select(User).where(User.session_id == bindparam("session_id"))


@login_manager.user_loader
def load_user(session_id: str) -> User | None:
    """Return the user of a session; None makes the client anonymous."""
    # str(): an old cookie, or one of another app, may hold anything.
    return db.session.scalar(USER_OF_SESSION, {"session_id": str(session_id)})


@bp.route("/register", methods=["GET", "POST"])
def register() -> ResponseReturnValue:
    """Register a new user."""
    form = RegisterForm()
    if form.validate_on_submit():
        user = User(form.username.data, form.password.data)
        db.session.add(user)
        try:
            db.session.commit()
        except IntegrityError:
            # The database decides: of two requests at once, one gets the name.
            db.session.rollback()
            form.username.errors.append("This name is taken. Please choose another.")
            return render_template("auth/register.html", form=form), 409
        login_user(user)
        flash(f"Welcome, {user.username}.")
        return redirect_back()
    return render_template("auth/register.html", form=form)


@bp.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    """Log in a user."""
    form = LoginForm()
    if form.validate_on_submit():
        user = User.find(form.username.data)
        if user and user.check_password(form.password.data):
            login_user(user, remember=form.remember.data)
            flash(f"Welcome back, {user.username}.")
            return redirect_back()
        # One message for both, so that nobody can find out which names exist.
        form.password.errors.append("Wrong name or password.")
    return render_template("auth/login.html", form=form)


# Only POST: a link or an image on another site must not log anybody out.
@bp.post("/logout")
def logout() -> ResponseReturnValue:
    """Log out the current user."""
    logout_user()
    flash("You are logged out.")
    return redirect_back()


@bp.route("/account", methods=["GET", "POST"])
@login_required
def account() -> ResponseReturnValue:
    """Change the current user's password."""
    form = PasswordForm()
    if form.validate_on_submit():
        user = db.session.get(User, current_user.id)
        if user.check_password(form.password.data):
            user.set_password(form.new_password.data)
            db.session.commit()
            # All sessions of the user have ended, this one too: begin a new one.
            login_user(user, remember=current_app.config["REMEMBER_COOKIE_NAME"] in request.cookies)
            flash("Your password is changed, and all other sessions are ended.")
            return redirect(url_for("auth.account"))
        form.password.errors.append("This is not your password.")
    return render_template("auth/account.html", form=form)


@bp.post("/logout-everywhere")
@login_required
def logout_everywhere() -> ResponseReturnValue:
    """Log out the current user in all browsers."""
    current_user.end_sessions()
    db.session.commit()
    logout_user()
    flash("You are logged out everywhere.")
    return redirect(url_for("main.home"))


@bp.route("/delete", methods=["GET", "POST"])
@login_required
def delete() -> ResponseReturnValue:
    """Delete the current user with all posts."""
    form = DeleteForm()
    if form.validate_on_submit():
        user = db.session.get(User, current_user.id)
        try:
            if not user.check_password(form.password.data):
                raise ValidationError("This is not your password.")
            if user.is_admin:
                ensure_another_admin(user)
        except ValidationError as error:
            form.password.errors.append(str(error))
        else:
            db.session.delete(user)
            db.session.commit()
            logout_user()
            flash("Your account is deleted.")
            return redirect(url_for("main.home"))
    return render_template("auth/delete.html", form=form)
