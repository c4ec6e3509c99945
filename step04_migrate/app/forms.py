"""The forms: their fields and their validators."""

from collections.abc import Callable
from typing import Any

from flask import request
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField
from wtforms import PasswordField
from wtforms import StringField
from wtforms import TextAreaField
from wtforms import ValidationError
from wtforms.validators import InputRequired
from wtforms.validators import Length

from .models import BODY_MAX
from .models import PASSWORD_MAX
from .models import PASSWORD_MIN
from .models import TITLE_MAX
from .models import USERNAME_MAX
from .names import clean_name
from .names import clean_password
from .names import clean_title
from .names import is_visible


def strip(text: str | None) -> str | None:
    """Strip spaces and empty lines at both ends."""
    return text and text.strip()


def unix_lines(text: str | None) -> str | None:
    """End lines with one character: browsers send two, and count one."""
    return text and text.replace("\r\n", "\n")


def standard_name(text: str | None) -> str | None:
    """Spell a name in the standard way, where there is one."""
    return text and (clean_name(text) or text)


def standard_title(text: str | None) -> str | None:
    """Spell a title in the standard way."""
    return text and clean_title(text)


def visible(check: Callable[[str], object]) -> Callable[[FlaskForm, StringField], None]:
    """Return a validator that refuses what ``check`` does not allow, such as NUL or a line end."""

    def validate(form: FlaskForm, field: StringField) -> None:
        if not check(field.data):
            raise ValidationError("Please use only visible characters.")

    return validate


def no_nul(form: FlaskForm, field: StringField) -> None:
    """Refuse the NUL character: not every database can store it."""
    if "\0" in field.data:
        raise ValidationError("Please remove the NUL character.")


class TextForm(FlaskForm):
    """A form of text fields. FlaskForm alone would also read JSON and files, of any shape."""

    def __init__(self, formdata: MultiDict[str, str] | None = None, **values: Any) -> None:
        super().__init__(request.form if self.is_submitted() else formdata, **values)


class RegisterForm(TextForm):
    """A new account."""

    username = StringField(
        "Name",
        filters=[standard_name],
        validators=[InputRequired(), Length(1, USERNAME_MAX), visible(clean_name)],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        f"Password ({PASSWORD_MIN} characters or more)",
        validators=[
            InputRequired(),
            Length(PASSWORD_MIN, PASSWORD_MAX),
            visible(clean_password),
        ],
        render_kw={"autocomplete": "new-password"},
    )


class LoginForm(TextForm):
    """The name and password of an account."""

    username = StringField(
        "Name", validators=[InputRequired()], render_kw={"autocomplete": "username"}
    )
    password = PasswordField(
        "Password", validators=[InputRequired()], render_kw={"autocomplete": "current-password"}
    )
    remember = BooleanField("Keep me logged in on this computer")


class PasswordForm(TextForm):
    """A new password for an account."""

    password = PasswordField(
        "Password", validators=[InputRequired()], render_kw={"autocomplete": "current-password"}
    )
    new_password = PasswordField(
        f"New password ({PASSWORD_MIN} characters or more)",
        validators=[
            InputRequired(),
            Length(PASSWORD_MIN, PASSWORD_MAX),
            visible(clean_password),
        ],
        render_kw={"autocomplete": "new-password"},
    )


class DeleteForm(TextForm):
    """The password of an account that its user deletes."""

    password = PasswordField(
        "Password", validators=[InputRequired()], render_kw={"autocomplete": "current-password"}
    )


class PostForm(TextForm):
    """A post."""

    title = StringField(
        "Title",
        filters=[standard_title],
        validators=[InputRequired(), Length(1, TITLE_MAX), visible(is_visible)],
    )
    body = TextAreaField(
        "Text",
        description="Markdown: # heading, **bold**, `code`, - list, > quotation, [text](address)",
        filters=[unix_lines, strip],
        validators=[InputRequired(), Length(1, BODY_MAX), no_nul],
        # No maxlength: a browser would cut a long text that is pasted, and not say so.
        render_kw={"rows": 12, "maxlength": False, "data-limit": BODY_MAX},
    )
