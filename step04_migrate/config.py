"""The settings of the app. What differs from machine to machine comes from the environment."""

import os
import secrets
from pathlib import Path

INSTANCE = Path(__file__).parent / "instance"


def kept_secret_key() -> str:
    """Return the key in instance/, which the first start makes."""
    path = INSTANCE / "secret_key"
    if not path.exists():
        INSTANCE.mkdir(exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text()


class Config:
    """What every way to run the app shares."""

    # Signs the session cookie. Who knows it can log in as anybody, so it is never in the code.
    SECRET_KEY = os.environ.get("SECRET_KEY") or kept_secret_key()
    # The browser does not send the cookie along when another site posts a form to us.
    SESSION_COOKIE_SAMESITE = "Lax"
    REMEMBER_COOKIE_SAMESITE = "Lax"
    # The form token lives as long as the session: a text that took two hours to write is not lost.
    WTF_CSRF_TIME_LIMIT = None
    # SQLite puts a relative path into instance/. MySQL: mysql+pymysql://user:password@host/database
    SQLALCHEMY_DATABASE_URI = os.environ.get("DATABASE_URL", "sqlite:///study_log.db")
    SQLALCHEMY_ENGINE_OPTIONS = {
        # A server hangs up on those who were idle for long, or when it restarts: ask before use.
        "pool_pre_ping": True,
    }
