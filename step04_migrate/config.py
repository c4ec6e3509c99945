"""The settings of the app. What differs between machines comes from the environment."""

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

FOLDER = Path(__file__).parent
INSTANCE = FOLDER / "instance"

# The files that the app creates, such as this key, are readable for its own user alone.
os.umask(0o077)
INSTANCE.mkdir(exist_ok=True)


def kept_secret_key() -> str:
    """Return the key in ``instance/``; the first start makes it."""
    path = INSTANCE / "secret_key"
    if not path.exists() or path.stat().st_size < 64:
        path.unlink(missing_ok=True)  # half a key, of a start that was interrupted
        new = INSTANCE / f"secret_key.{os.getpid()}"
        new.write_text(secrets.token_hex(32))
        with suppress(FileExistsError):
            os.link(new, path)  # it appears whole; of two first starts at once, one wins
        new.unlink()
    return path.read_text()


def database_url() -> str:
    """Return DATABASE_URL, or exit with one line where SQLAlchemy cannot use it."""
    url = os.environ.get("DATABASE_URL") or "sqlite:///study_log.db"
    try:
        make_url(url).get_dialect().import_dbapi()
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise SystemExit(f"DATABASE_URL cannot be used: {error}.") from None
    return url


class Config:
    """The settings of the app."""

    # Signs the session cookie. With it anybody can log in as anybody: never put it into the code.
    SECRET_KEY = os.environ.get("SECRET_KEY") or kept_secret_key()
    # Bytes of a request: a post of 10,000 emoji has 120,000 of them.
    MAX_CONTENT_LENGTH = MAX_FORM_MEMORY_SIZE = 2**20
    # Browsers do not send the cookie with a form that another site posts to us.
    SESSION_COOKIE_SAMESITE = "Lax"
    # A name for each project: browsers send the cookies of one host to all of its ports.
    SESSION_COOKIE_NAME = re.sub(r"\W", "_", f"{FOLDER.name}_session", flags=re.ASCII)
    REMEMBER_COOKIE_SAMESITE = "Lax"
    REMEMBER_COOKIE_NAME = f"{SESSION_COOKIE_NAME}_remember"
    # The CSRF token lives as long as the session: a text that took two hours is not lost.
    WTF_CSRF_TIME_LIMIT = None
    # SQLite: a path relative to instance/. MySQL: mysql+pymysql://user:password@host/database
    SQLALCHEMY_DATABASE_URI = database_url()
    SQLALCHEMY_ENGINE_OPTIONS = {
        # A server closes connections that are idle for long: test each one before use.
        "pool_pre_ping": True,
        # An error names the statement, and not its values: they may be texts or password hashes.
        "hide_parameters": True,
    }
