"""The forms: their fields, and what may be in them."""

from flask_wtf import FlaskForm
from wtforms import BooleanField
from wtforms import PasswordField
from wtforms import StringField
from wtforms import TextAreaField
from wtforms import ValidationError
from wtforms.validators import InputRequired
from wtforms.validators import Length

from .names import clean_name
from .names import clean_title
from .names import is_visible


def strip(text: str | None) -> str | None:
    """Cut spaces and empty lines at both ends."""
    return text and text.strip()


def unix_lines(text: str | None) -> str | None:
    """End lines with one character: browsers send two, and count them as one."""
    return text and text.replace("\r\n", "\n")


def standard_name(text: str | None) -> str | None:
    """Spell a name the standard way."""
    return text and clean_name(text)


def standard_title(text: str | None) -> str | None:
    """Spell a title the standard way."""
    return text and clean_title(text)


def visible(form: FlaskForm, field: StringField) -> None:
    """Refuse what nobody can see, such as NUL or a line end."""
    if not is_visible(field.data):
        raise ValidationError("Please use only characters that one can see.")


def no_nul(form: FlaskForm, field: StringField) -> None:
    """Refuse the NUL character, which not every database can store."""
    if "\0" in field.data:
        raise ValidationError("Please remove the NUL character.")


class RegisterForm(FlaskForm):
    """A new account."""

    username = StringField(
        "Name",
        filters=[standard_name],
        validators=[InputRequired(), Length(1, 30), visible],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        "Password (8 characters or more)",
        validators=[InputRequired(), Length(8, 128)],
        render_kw={"autocomplete": "new-password"},
    )


class LoginForm(FlaskForm):
    """Name and password of an account."""

    username = StringField(
        "Name", validators=[InputRequired()], render_kw={"autocomplete": "username"}
    )
    password = PasswordField(
        "Password", validators=[InputRequired()], render_kw={"autocomplete": "current-password"}
    )
    remember = BooleanField("Keep me logged in on this computer")


class PostForm(FlaskForm):
    """A post."""

    title = StringField(
        "Title", filters=[standard_title], validators=[InputRequired(), Length(1, 120), visible]
    )
    body = TextAreaField(
        "Text (Markdown)",
        filters=[unix_lines, strip],
        validators=[InputRequired(), Length(1, 10_000), no_nul],
        # Without maxlength: a browser would cut a long text that is pasted, and not say so.
        render_kw={"rows": 12, "maxlength": False},
    )
