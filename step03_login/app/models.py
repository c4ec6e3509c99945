"""The tables of the database."""

from datetime import UTC
from datetime import datetime
from secrets import token_hex

from flask_login import UserMixin
from sqlalchemy import DateTime
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy import Text
from sqlalchemy import select
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash

from .extensions import db
from .names import clean_password
from .names import name_key

# MySQL cuts off fractions of a second unless it is told to keep them.
Timestamp = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

# Lengths in characters, for columns and forms.
USERNAME_MAX = 30
PASSWORD_MIN = 8
PASSWORD_MAX = 128
TITLE_MAX = 120
BODY_MAX = 10_000


def now() -> datetime:
    """Return the time in UTC without a time zone, as SQLite and MySQL store it."""
    return datetime.now(UTC).replace(tzinfo=None)


class User(UserMixin, db.Model):
    """A person with an account.

    ``username`` has 1 to 30 characters, as the user spelled it; ``name_key`` is the same for all
    spellings of it, and unique: a second one raises IntegrityError on commit. ``password_hash`` is
    Werkzeug's scrypt hash, 162 characters. ``session_id`` is random, 32 hexadecimal digits: a new
    one ends all sessions of the user.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(USERNAME_MAX))
    # Folding case can make three characters out of one.
    name_key: Mapped[str] = mapped_column(String(3 * USERNAME_MAX), unique=True)
    password_hash: Mapped[str] = mapped_column(String(256))
    session_id: Mapped[str] = mapped_column(String(32), unique=True)
    created_at: Mapped[datetime] = mapped_column(Timestamp, default=now)

    posts: Mapped[list["Post"]] = relationship(
        back_populates="author", cascade="all, delete-orphan"
    )

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.name_key = name_key(username)
        self.set_password(password)

    def get_id(self) -> str:
        """Return what Flask-Login puts into the session and into the remember cookie."""
        return self.session_id

    def set_password(self, password: str) -> None:
        """Set a new password, which ends all sessions."""
        self.password_hash = generate_password_hash(clean_password(password))
        self.end_sessions()

    def end_sessions(self) -> None:
        """End all sessions of the user, in all browsers."""
        self.session_id = token_hex(16)

    def check_password(self, password: str) -> bool:
        """Return whether this is the user's password."""
        return check_password_hash(self.password_hash, clean_password(password))

    @classmethod
    def find(cls, username: str) -> "User | None":
        """Return the user with this name, in any spelling, or None."""
        return db.session.scalar(select(cls).where(cls.name_key == name_key(username)))


class Post(db.Model):
    """A text by a user.

    ``title`` has 1 to 120 characters; ``body`` is Markdown of 1 to 10,000 characters, which fit
    into MySQL's TEXT (65,535 bytes) in any script. ``created_at`` is in UTC.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(TITLE_MAX))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Timestamp, default=now)
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)

    author: Mapped[User] = relationship(back_populates="posts")
