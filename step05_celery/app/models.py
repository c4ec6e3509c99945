"""The tables of the database."""

from datetime import UTC
from datetime import datetime
from secrets import token_hex
from uuid import uuid4

from flask_login import UserMixin
from sqlalchemy import DateTime
from sqlalchemy import ForeignKey
from sqlalchemy import LargeBinary
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
from .names import clean_password
from .names import name_key

# MySQL cuts off fractions of a second unless it is told to keep them.
Timestamp = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

# A plain BLOB of MySQL ends at 64 KiB; this one takes 16 MiB.
Blob = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")

# Lengths in characters, for columns and forms.
USERNAME_MAX = 30
EMAIL_MAX = 254
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
    ``is_admin`` opens the admin page; ``flask make-admin`` sets it for the first admin.
    ``email`` is a mail address in lower case, or None; unique, and for nobody else to see.
    """

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(USERNAME_MAX))
    # Folding case can make three characters out of one.
    name_key: Mapped[str] = mapped_column(String(3 * USERNAME_MAX), unique=True)
    password_hash: Mapped[str] = mapped_column(String(256))
    session_id: Mapped[str] = mapped_column(String(32), unique=True)
    created_at: Mapped[datetime] = mapped_column(Timestamp, default=now)
    # server_default: the value for the rows that are there before the column is.
    is_admin: Mapped[bool] = mapped_column(default=False, server_default=false())
    email: Mapped[str | None] = mapped_column(String(EMAIL_MAX), unique=True)

    posts: Mapped[list["Post"]] = relationship(
        back_populates="author", cascade="all, delete-orphan"
    )
    exports: Mapped[list["Export"]] = relationship(
        back_populates="owner", cascade="all, delete-orphan"
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

    @classmethod
    def find_by_email(cls, email: str) -> "User | None":
        """Return the user with this mail address, or None."""
        return db.session.scalar(select(cls).where(cls.email == email))


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


class Export(db.Model):
    """All posts of a user as one ZIP archive, made by the task ``export_posts``.

    ``id`` is a UUID as text, and the id of the task too. ``state`` is ``PENDING`` until the export
    ends as ``SUCCESS``, ``FAILURE`` or ``REVOKED``, and then stays. A worker may die, so there may
    be several ``attempts``, one at a time; its last heartbeat, at ``seen_at``, stored ``current``
    of ``total`` posts. ``sent_at`` is when the task was last sent. ``size`` is the archive's, in
    bytes. ``error`` tells the user why it failed.
    ``mail_link`` is the address in the mail that says it is ready; None if no mail is wanted.
    """

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=lambda: str(uuid4()))
    owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    state: Mapped[str] = mapped_column(String(10), default="PENDING")
    created_at: Mapped[datetime] = mapped_column(Timestamp, default=now)
    sent_at: Mapped[datetime] = mapped_column(Timestamp, default=now)
    finished_at: Mapped[datetime | None] = mapped_column(Timestamp)
    attempts: Mapped[int] = mapped_column(default=0)
    seen_at: Mapped[datetime | None] = mapped_column(Timestamp)
    current: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    size: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(String(200))
    mail_link: Mapped[str | None] = mapped_column(String(500))

    owner: Mapped[User] = relationship(back_populates="exports")
    chunks: Mapped[list["ExportChunk"]] = relationship(cascade="all, delete-orphan")


class ExportChunk(db.Model):
    """A piece of an export's archive: ``SIZE`` bytes, the last one fewer; ``position`` is from 0.

    Pieces, since MySQL and memory would be too small for a large archive. In the database, since
    worker and web may run on different machines.
    """

    SIZE = 2**20

    export_id: Mapped[str] = mapped_column(ForeignKey("export.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # Not loaded with the rest of the row: an export can be deleted without reading its archive.
    data: Mapped[bytes] = mapped_column(Blob, deferred=True)


class Queue(db.Model):
    """The name of the queue for the tasks of this database: the only row of its table, 1."""

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(50))
