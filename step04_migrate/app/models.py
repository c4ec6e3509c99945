"""The tables of the database."""

from datetime import UTC
from datetime import datetime

from flask_login import UserMixin
from sqlalchemy import DateTime
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy import Text
from sqlalchemy import false
from sqlalchemy import select
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash

from .extensions import db
from .names import name_key

# MySQL cuts off the fractions of a second unless it is told to keep them.
Timestamp = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

# The largest id that fits into an INTEGER column of every database.
MAX_ID = 2**31 - 1


def now() -> datetime:
    """Return the time in UTC without a time zone, the way SQLite and MySQL store it."""
    return datetime.now(UTC).replace(tzinfo=None)


class User(UserMixin, db.Model):
    """A person with an account.

    ``username`` has 1 to 30 characters, spelled as the person did; ``name_key`` is the same for
    all spellings of it, and unique: adding a second one raises IntegrityError on commit.
    ``password_hash`` is Werkzeug's scrypt hash, 162 characters; the password itself is nowhere.
    ``is_admin`` opens the admin page; the first admin is made by ``flask make-admin``.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(30))
    # Folding case can make three characters out of one.
    name_key: Mapped[str] = mapped_column(String(90), unique=True)
    password_hash: Mapped[str] = mapped_column(String(256))
    created_at: Mapped[datetime] = mapped_column(Timestamp, default=now)
    # server_default: what the rows get that were there before the column was.
    is_admin: Mapped[bool] = mapped_column(default=False, server_default=false())

    posts: Mapped[list["Post"]] = relationship(
        back_populates="author", cascade="all, delete-orphan"
    )

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.name_key = name_key(username)
        self.password_hash = generate_password_hash(password)

    def get_id(self) -> str:
        """Return what the session remembers of who is logged in.

        Not the id alone: SQLite gives the id of a deleted account to the next new one.
        """
        return f"{self.id} {self.created_at.isoformat()}"

    def check_password(self, password: str) -> bool:
        """Tell whether this is the password that the account was made with."""
        return check_password_hash(self.password_hash, password)

    @classmethod
    def find(cls, username: str) -> "User | None":
        """Return the user of that name in any spelling, or None."""
        return db.session.scalar(select(cls).where(cls.name_key == name_key(username)))


class Post(db.Model):
    """A text that a user wrote.

    ``title`` has 1 to 120 characters; ``body`` is Markdown of 1 to 10,000 characters, which
    fit into MySQL's TEXT (65,535 bytes) in any script. ``created_at`` is in UTC.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(120))
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Timestamp, default=now)
    author_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)

    author: Mapped[User] = relationship(back_populates="posts")
