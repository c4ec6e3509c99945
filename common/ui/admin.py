"""The admin page's tables: Flask-Admin's ModelView with the look of the site, and strict on input.

``TableView`` is for tables with an integer ``id``, the first column, and a second one that names
the row: it is the link to the form. It needs ``ui.bp`` for its templates, which are
in ``ui/admin/``. No lesson teaches what is here: a later Flask-Admin may do the strict part itself.
All methods that it overrides are public in Flask-Admin.
"""

import re
import unicodedata
from datetime import datetime
from typing import Any

from flask import abort
from flask import flash
from flask import make_response
from flask import redirect
from flask import request
from flask import url_for
from flask.typing import ResponseReturnValue
from flask_admin import Admin
from flask_admin import expose
from flask_admin.actions import action
from flask_admin.contrib.sqla import ModelView
from flask_admin.contrib.sqla.filters import BaseSQLAFilter
from flask_admin.contrib.sqla.filters import FilterConverter
from flask_admin.contrib.sqla.filters import FilterLike
from flask_admin.contrib.sqla.filters import FilterNotLike
from flask_admin.contrib.sqla.tools import get_field_with_path
from flask_admin.helpers import get_redirect_target
from flask_admin.model.filters import convert
from flask_wtf import FlaskForm
from sqlalchemy import ColumnElement
from sqlalchemy import SQLColumnExpression
from sqlalchemy import false
from sqlalchemy import func
from sqlalchemy import inspect
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import with_parent
from sqlalchemy.orm.exc import StaleDataError
from wtforms import ValidationError

from . import when

# A search of more words, or a page further on, is too much for a database.
MAX_QUERY = 1000
MAX_PAGE = 99_999

# What Flask-Admin puts into a link, besides the filters.
LINK_ARGUMENTS = {"id", "url", "page", "page_size", "sort", "desc", "search", "filename"}


def check_request() -> None:
    """Refuse a request that is too much for the database or leads to another site."""
    if len(request.query_string) > MAX_QUERY:
        abort(414)
    if not 0 <= request.args.get("page", 0, type=int) <= MAX_PAGE:
        abort(404)
    # Where Flask-Admin goes after saving. Its own check lets some addresses of other sites through.
    target = request.values.get("url") or url_for("admin.index")
    if not (target.startswith(url_for("admin.index")) and target.isprintable()):
        abort(400, "After saving, only a page of the admin can follow.")


def contains(column: SQLColumnExpression[str], text: str) -> ColumnElement[bool]:
    """Return the condition that a column contains a text, in upper or lower case.

    With LIKE, "%" and "_" would match anything, and SQLite would know the case of A to Z only.
    """
    # An accent is a character of its own or not; a name is stored as NFKC.
    spellings = {unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC")}
    return column.regexp_match("(?i)" + "|".join(map(re.escape, sorted(spellings))))


class Contains(FilterLike):
    """The filter "contains"."""

    def apply(self, query: Any, value: str, alias: Any = None) -> Any:
        """Keep the rows whose column contains the text."""
        return query.filter(contains(self.get_column(alias), value))


class NotContains(FilterNotLike):
    """The filter "not contains"."""

    def apply(self, query: Any, value: str, alias: Any = None) -> Any:
        """Keep the rows whose column does not contain the text."""
        return query.filter(~contains(self.get_column(alias), value))


class Filters(FilterConverter):
    """The filters of Flask-Admin, with those above for texts, and with the zone of times."""

    strings = (Contains, NotContains, *FilterConverter.strings[2:])

    @convert("datetime")
    def conv_datetime(self, column: Any, name: str, **options: Any) -> list[BaseSQLAFilter]:
        """Name the zone: the list shows times in the reader's own, and the filter compares UTC."""
        filters: list[BaseSQLAFilter] = super().conv_datetime(column, f"{name} (UTC)", **options)
        return filters


class TableView(ModelView):
    """A table as a list, newest first, with forms to create, edit and delete its rows."""

    list_template = "ui/admin/list.html"
    create_template = edit_template = "ui/admin/form.html"
    # The column by which people know a row: it links to the form.
    title_column = "id"
    column_default_sort = ("id", True)
    column_type_formatters = {
        bool: lambda view, value, name: "yes" if value else "",
        type(None): lambda view, value, name: "",
        datetime: lambda view, value, name: when(value),
    }
    filter_converter = Filters()

    @expose("/")
    def index_view(self) -> Any:
        """Show the list; put a new filter, as the form sends it, where Flask-Admin looks for it."""
        arguments = request.args.to_dict()
        name, _, value = arguments.get("filter", "").partition("=")
        if not name:
            return super().index_view()
        number = sum(argument.startswith("flt") for argument in arguments)
        arguments[f"flt{number}_{name}"] = value or arguments.get("value", "")
        return redirect(self.get_url(".index_view", **arguments))

    def validate_form(self, form: Any) -> bool:
        """Show a refused form at once: Flask-Admin would add a message to those at the fields."""
        if super().validate_form(form):
            return True
        if isinstance(form, FlaskForm) and form.is_submitted():
            return_url = request.values.get("url") or self.get_url(".index_view")
            page = self.render(self.edit_template, form=form, return_url=return_url)
            abort(make_response(page))
        return False

    def create_blueprint(self, admin: Admin) -> Any:
        """Check each request before a view sees it."""
        blueprint = super().create_blueprint(admin)
        blueprint.before_request(check_request)
        return blueprint

    # "/": an argument may have the name "self" or "endpoint".
    def get_url(self, endpoint: str, /, **values: Any) -> str:  # type: ignore[override]
        """Drop unknown arguments: with ?_scheme=javascript, url_for would make scripts of links."""
        known = {k: v for k, v in values.items() if k in LINK_ARGUMENTS or k.startswith("flt")}
        return super().get_url(endpoint, **known)

    def get_one(self, id: Any) -> Any:
        """Return the row with this id, None if there is none or the id is not a number.

        Flask-Admin answers ?id=1,2 with an error: github.com/pallets-eco/flask-admin/issues/2915
        """
        is_number = isinstance(id, str) and id.isdecimal() and len(id) <= 10
        return self.session.session.get(self.model, int(id)) if is_number else None

    def init_search(self) -> bool:
        """Switch off the search of Flask-Admin: get_query searches."""
        return False

    def get_query(self) -> Any:
        """Return the query for the rows of the list."""
        return super().get_query().filter(*self.search_conditions())

    def get_count_query(self) -> Any:
        """Return the query for the number of rows."""
        return super().get_count_query().filter(*self.search_conditions())

    def search_conditions(self) -> list[ColumnElement[bool]]:
        """Return a condition for each word of the search: one of the columns contains it."""
        words = request.args.get("search", "").split()
        return [or_(false(), *self.columns_contain(word)) for word in words]

    def columns_contain(self, word: str) -> list[ColumnElement[bool]]:
        """Return a condition for each column of ``column_searchable_list``."""
        conditions = []
        for name in self.column_searchable_list or ():
            column, relations = get_field_with_path(self.model, name)
            condition = contains(column, word)
            for relation in reversed(relations):
                condition = relation.has(condition)
            conditions.append(condition)
        return conditions

    def handle_view_exception(self, exc: Exception) -> bool:
        """Show what the user can mend; leave other errors, and the SQL in them, to the app."""
        if isinstance(exc, (StaleDataError, IntegrityError)):
            exc = ValidationError("Another user has changed or deleted this at the same moment.")
        if not isinstance(exc, ValidationError):
            raise exc
        flash(str(exc), "error")
        return True

    @action("delete", "Delete")
    def action_delete(self, ids: list[str]) -> ResponseReturnValue:
        """Ask before the selected rows are deleted."""
        return self.ask_or_delete(ids, is_sure=False)

    @expose("/delete/", methods=("GET", "POST"))
    def delete_view(self) -> ResponseReturnValue:
        """Ask before rows are deleted; a POST deletes them."""
        return self.ask_or_delete(request.values.getlist("id"), is_sure=request.method == "POST")

    def ask_or_delete(self, ids: list[str], is_sure: bool) -> ResponseReturnValue:
        """Delete the rows with these ids, or ask first, on a page that names them."""
        rows = self.get_rows(ids)
        if not self.can_delete:
            flash("Nothing can be deleted here.", "error")
        elif not ids:
            flash("Nothing is selected. First tick the rows that you want to delete.", "error")
        elif not rows:
            flash("There is nothing left to delete: somebody else has done it already.", "error")
        elif is_sure:
            self.delete_rows(rows)
        else:
            return str(self.render("ui/admin/delete.html", rows=rows, return_url=self.return_url()))
        return redirect(self.return_url())

    def delete_rows(self, rows: list[Any]) -> None:
        """Delete rows, all of them or none."""
        session = self.session.session
        titles = [self.title_of(row) for row in rows]
        try:
            for row in rows:
                self.on_model_delete(row)
                session.delete(row)
                session.flush()  # the check of the next row must not count this one
            session.commit()
        except Exception as error:
            session.rollback()
            self.handle_view_exception(error)
        else:
            # Not the titles of all: the message travels in a cookie.
            many = f"{len(titles)} {str(self.name).lower()} are deleted."
            flash(f"“{titles[0]}” is deleted." if len(titles) == 1 else many, "success")

    def return_url(self) -> str:
        """Return the page of the list that the client came from, which check_request has seen."""
        return get_redirect_target() or self.get_url(".index_view")

    def get_rows(self, ids: list[str]) -> list[Any]:
        """Return the rows with these ids, at most as many as a page shows."""
        rows = map(self.get_one, ids[: self.page_size])
        return [row for row in dict.fromkeys(rows) if row]

    def title_of(self, row: Any) -> str:
        """Return the text by which people know a row."""
        return str(getattr(row, self.title_column))

    def goes_with(self, row: Any) -> str:
        """Return what is deleted together with a row, such as ``with 2 posts, 1 export``."""
        counts = {
            relation.key: self.session.session.scalar(
                select(func.count())
                .select_from(relation.entity)
                .where(with_parent(row, relation.class_attribute))
            )
            for relation in inspect(self.model).relationships
            if relation.cascade.delete
        }
        texts = [
            f"{n:,} {key if n > 1 else key.removesuffix('s')}" for key, n in counts.items() if n
        ]
        return f"with {', '.join(texts)}" if texts else ""
