"""The admin page: users and posts as tables, for users whose is_admin is set."""

from typing import Any

from flask import Flask
from flask import abort
from flask.typing import ResponseReturnValue
from flask_admin import Admin
from flask_admin import AdminIndexView
from flask_admin.theme import Bootstrap4Theme
from flask_login import current_user
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from wtforms import BooleanField
from wtforms import ValidationError

from common.ui.admin import TableView

from .extensions import db
from .extensions import login_manager
from .forms import PostForm
from .forms import RegisterForm
from .models import Post
from .models import User
from .names import name_key


class NewUserForm(RegisterForm):
    """A new account, by the same rules as at /auth/register."""

    is_admin = BooleanField("Admin")


class UserForm(NewUserForm):
    """An existing account. Only its owner may change its password."""

    password = None


class AdminsOnly:
    """Let only admins in. Every view needs this: without it Flask-Admin lets every client in."""

    def is_accessible(self) -> bool:
        """Tell whether the current user may open this view; called before each of its pages."""
        return current_user.is_authenticated and current_user.is_admin

    def inaccessible_callback(self, name: str, **kwargs: Any) -> ResponseReturnValue:
        """Send anonymous visitors to the login page, and answer 403 to other users."""
        if current_user.is_authenticated:
            abort(403, "Only admins can open this page.")
        return login_manager.unauthorized()


class StartView(AdminsOnly, AdminIndexView):
    """The start page."""


class UserView(AdminsOnly, TableView):
    """The accounts. Deleting an account deletes everything that belongs to it."""

    form = UserForm
    title_column = "username"
    column_list = ["id", "username", "is_admin", "created_at", "email"]
    column_labels = {
        "id": "No.",
        "username": "Name",
        "is_admin": "Admin",
        "created_at": "Since",
        "email": "Mail",
    }
    column_searchable_list = ["username"]
    column_filters = ["username", "is_admin", "created_at"]

    def get_create_form(self) -> type[NewUserForm]:
        """Return the form for a new account: it asks for a password."""
        return NewUserForm

    def on_model_change(self, form: UserForm, model: User, is_created: bool) -> None:
        """Set the columns that are not in the form, and check that the name is free."""
        model.name_key = name_key(model.username)
        if is_created:
            model.set_password(form.password.data)
        elif not model.is_admin:
            ensure_another_admin(model)
        with db.session.no_autoflush:
            owner = User.find_by_email(model.email) if model.email else None
        if owner not in (None, model):
            form.email.errors.append("This mail address belongs to another account.")
            raise ValidationError("This mail address belongs to another account.")
        try:
            db.session.flush()
        except IntegrityError as error:
            form.username.errors.append("This name is taken. Please choose another.")
            raise ValidationError("This name is taken.") from error

    def on_model_delete(self, model: User) -> None:
        """Keep the last admin."""
        ensure_another_admin(model)


class PostView(AdminsOnly, TableView):
    """The posts. A post keeps its author, so posts are written on the site, not here."""

    form = PostForm
    can_create = False
    title_column = "title"
    column_list = ["id", "title", "author.username", "created_at"]
    column_labels = {
        "id": "No.",
        "title": "Title",
        "author.username": "Author",
        "created_at": "Written",
    }
    # Load the authors with the posts: otherwise each post would need a query of its own.
    column_select_related_list = [Post.author]
    column_sortable_list = column_list
    column_searchable_list = ["title", "author.username"]
    column_filters = ["title", "author.username", "created_at"]


def ensure_another_admin(user: User) -> None:
    """Raise ValidationError if nobody but this user is an admin.

    An UPDATE that changes nothing, not a SELECT: it locks the other admins until we commit. If
    two admins remove each other at the same moment, the second one waits, and then fails.
    """
    others = update(User).where(User.is_admin, User.id != user.id).values(is_admin=True)
    # no_autoflush: lock before we change anything, or each would wait for the other for ever.
    with db.session.no_autoflush:
        if db.session.execute(others).rowcount == 0:
            raise ValidationError("This is the last admin. Make another user an admin first.")


def init_app(app: Flask) -> None:
    """Add the admin page to an app."""
    admin = Admin(
        app,
        index_view=StartView(name="Admin", template="ui/admin/index.html"),
        theme=Bootstrap4Theme(base_template="ui/admin/base.html"),
    )
    admin.add_view(UserView(User, db, name="Users"))
    admin.add_view(PostView(Post, db, name="Posts"))
