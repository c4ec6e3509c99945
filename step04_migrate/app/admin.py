"""The admin page: users and posts as tables, for those whose is_admin is set."""

from typing import Any

from flask import Flask
from flask import abort
from flask import flash
from flask import request
from flask_admin import Admin
from flask_admin import AdminIndexView
from flask_admin.actions import action
from flask_admin.contrib.sqla import ModelView
from flask_admin.model.base import ViewArgs
from flask_admin.theme import Bootstrap4Theme
from flask_login import current_user
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.wrappers import Response
from wtforms import BooleanField
from wtforms import ValidationError

from .extensions import db
from .extensions import login_manager
from .forms import PostForm
from .forms import RegisterForm
from .models import Post
from .models import User
from .names import name_key
from .redirects import is_safe_url

# A search with more words, or longer ones, is too much for a database.
MAX_QUERY = 1000
MAX_PAGE = 99_999


class NewUserForm(RegisterForm):
    """A new account, by the same rules as at /auth/register."""

    is_admin = BooleanField("Admin")


class UserForm(NewUserForm):
    """An account that is there: its password is nobody else's business."""

    password = None


class AdminsOnly:
    """Who gets in. Every view needs it, for Flask-Admin lets in everybody."""

    def is_accessible(self) -> bool:
        """Tell whether this request may see the view: asked before each of its pages."""
        return current_user.is_authenticated and current_user.is_admin

    def inaccessible_callback(self, name: str, **kwargs: Any) -> Response:
        """Send visitors to the login, and end in a 403 for who is logged in already."""
        if current_user.is_authenticated:
            abort(403, "Only admins can open this page.")
        return login_manager.unauthorized()

    def _handle_view(self, name: str, **kwargs: Any) -> Response | None:
        """Refuse to go on to another site: ?url= says where to go when this page is done."""
        if not is_safe_url(request.values.get("url") or "/"):
            abort(400, "The page to go on to has to be one of this site.")
        return super()._handle_view(name, **kwargs)


class StartView(AdminsOnly, AdminIndexView):
    """The start page of the admin pages."""


class TableView(AdminsOnly, ModelView):
    """What users and posts share."""

    list_template = "admin/list.html"
    create_template = edit_template = "admin/form.html"
    column_default_sort = ("id", True)
    delete_question = "Delete this for good?"
    column_formatters = {
        "created_at": lambda view, _, row, name: f"{row.created_at:%Y-%m-%d %H:%M}"
    }
    column_type_formatters = {bool: lambda view, value, name: "yes" if value else ""}

    def _get_list_extra_args(self) -> ViewArgs:
        """Read page, order and search from the address, and nothing that we do not know."""
        if len(request.query_string) > MAX_QUERY:
            abort(414)
        view_args = super()._get_list_extra_args()
        if not 0 <= view_args.page <= MAX_PAGE:
            abort(404)
        # Flask-Admin would put them into its links: ?_scheme=javascript makes scripts of them.
        view_args.extra_args.clear()
        return view_args

    def get_one(self, id: Any) -> Any:
        """Return the row of that number, or None: the address may hold anything."""
        is_number = isinstance(id, str) and id.isdecimal() and len(id) <= 10
        return db.session.get(self.model, int(id)) if is_number else None

    def handle_view_exception(self, exc: Exception) -> bool:
        """Tell people what they can mend; what they cannot ends in the usual error page."""
        if isinstance(exc, (StaleDataError, IntegrityError)):
            exc = ValidationError("Somebody else has changed or deleted this at the same moment.")
        if not isinstance(exc, ValidationError):
            raise exc
        flash(str(exc), "error")
        return True

    @action("delete", "Delete", "Delete all selected rows?")
    def action_delete(self, ids: list[str]) -> None:
        """Delete the rows that were ticked, all of them or none."""
        # A page has no more rows than this to tick.
        rows = {row for id in ids[: self.page_size] if (row := self.get_one(id))}
        try:
            for row in rows:
                self.on_model_delete(row)
                db.session.delete(row)
            db.session.commit()
        except Exception as error:
            db.session.rollback()
            self.handle_view_exception(error)
        else:
            flash(f"Rows deleted: {len(rows)}.", "success")


class UserView(TableView):
    """The accounts. Who deletes one deletes all that belongs to it."""

    form = UserForm
    delete_question = "Delete this account with all its posts, for good?"
    column_list = ["id", "username", "is_admin", "created_at"]
    column_labels = {"id": "No.", "username": "Name", "is_admin": "Admin", "created_at": "Since"}
    column_searchable_list = ["username"]
    column_filters = ["username", "is_admin", "created_at"]

    def get_create_form(self) -> type[NewUserForm]:
        """Return the form for a new account, which asks for a password."""
        return NewUserForm

    def on_model_change(self, form: UserForm, model: User, is_created: bool) -> None:
        """Set what follows from the form, and see whether the database takes it."""
        model.name_key = name_key(model.username)
        if is_created:
            model.set_password(form.password.data)
        elif not model.is_admin:
            keep_an_admin(model)
        try:
            db.session.flush()
        except IntegrityError as error:
            form.username.errors.append("This name is taken. Please choose another.")
            raise ValidationError("This name is taken.") from error

    def on_model_delete(self, model: User) -> None:
        """Refuse to delete the last admin."""
        keep_an_admin(model)


class PostView(TableView):
    """The posts. Each stays with its author, so one can neither be made here nor given away."""

    form = PostForm
    can_create = False
    column_list = ["id", "title", "author.username", "created_at"]
    column_labels = {
        "id": "No.",
        "title": "Title",
        "author.username": "Author",
        "created_at": "Written",
    }
    # The authors come with the same query: without this each post would ask for its own.
    column_select_related_list = [Post.author]
    column_sortable_list = column_list
    column_searchable_list = ["title", "author.username"]
    column_filters = ["title", "author.username", "created_at"]


def keep_an_admin(user: User) -> None:
    """Refuse to go on where nobody but this user is an admin.

    An UPDATE that changes nothing, instead of a SELECT: whoever else asks the same waits until we
    have committed. So of two admins who remove each other at the same moment, one can not.
    """
    others = update(User).where(User.is_admin, User.id != user.id).values(is_admin=True)
    # no_autoflush: first ask, then change. Who changes first would wait for each other for ever.
    with db.session.no_autoflush:
        if db.session.execute(others).rowcount == 0:
            raise ValidationError("This is the last admin. Make somebody else an admin first.")


def init_app(app: Flask) -> None:
    """Give an app its admin page."""
    admin = Admin(
        app,
        index_view=StartView(name="Admin", template="admin/start.html"),
        theme=Bootstrap4Theme(base_template="admin/frame.html"),
    )
    admin.add_view(UserView(User, db, name="Users"))
    admin.add_view(PostView(Post, db, name="Posts"))
