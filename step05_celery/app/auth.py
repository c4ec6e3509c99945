"""Accounts and a login, with Flask-Login and Flask-WTF."""

from flask import Blueprint
from flask import abort
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
from .forms import ForgotForm
from .forms import LoginForm
from .forms import PasswordForm
from .forms import RegisterForm
from .forms import ResetForm
from .models import User
from .redirects import redirect_back
from .reset import find_user
from .reset import send_reset_link
from .tasks import REDIS_ERRORS

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
        user.email = form.email.data
        db.session.add(user)
        try:
            db.session.commit()
        except IntegrityError:
            # The database decides: of two requests at once, one gets the name.
            db.session.rollback()
            if User.find(form.username.data):
                form.username.errors.append("This name is taken. Please choose another.")
            else:
                form.email.errors.append("This mail address belongs to another account.")
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
    """Change the current user's password or mail address."""
    form = PasswordForm(obj=current_user)
    if form.validate_on_submit():
        user = db.session.get(User, current_user.id)
        if user.check_password(form.password.data):
            user.email = form.email.data
            if form.new_password.data:
                user.set_password(form.new_password.data)
            try:
                db.session.commit()
            except IntegrityError:
                db.session.rollback()
                form.email.errors.append("This mail address belongs to another account.")
                return render_template("auth/account.html", form=form), 409
            # A new password has ended all sessions of the user, this one too: begin a new one.
            login_user(user, remember=current_app.config["REMEMBER_COOKIE_NAME"] in request.cookies)
            flash("Your account is changed.")
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


@bp.route("/forgot", methods=["GET", "POST"])
def forgot() -> ResponseReturnValue:
    """Mail a link for a new password."""
    form = ForgotForm()
    if form.validate_on_submit():
        try:
            # The worker looks for the user: the answer is the same, and as fast, for any address.
            link = url_for("auth.reset", token="TOKEN", _external=True)
            send_reset_link.delay(form.email.data, link)
        except REDIS_ERRORS as error:
            current_app.logger.error("Redis does not answer: %s", error)
            abort(503, "No mail can be sent right now. Please try again in a minute.")
        flash("If this address belongs to an account, a mail with a link is on its way to it.")
        return redirect(url_for("auth.login"))
    return render_template("auth/forgot.html", form=form)


@bp.route("/reset/<token>", methods=["GET", "POST"])
def reset(token: str) -> ResponseReturnValue:
    """Choose a new password in place of a forgotten one."""
    user = find_user(token)
    if user is None:
        flash("This link is used or too old. Please ask for a new one.", "error")
        return redirect(url_for("auth.forgot"))
    form = ResetForm()
    if form.validate_on_submit():
        user.set_password(form.password.data)
        db.session.commit()
        flash("Your new password is set, and all sessions are ended. Please log in.")
        return redirect(url_for("auth.login"))
    return render_template("auth/reset.html", form=form)
