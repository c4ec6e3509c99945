"""The settings of the app. What differs between machines comes from the environment."""

import os
import secrets
from pathlib import Path

INSTANCE = Path(__file__).parent / "instance"


def kept_secret_key() -> str:
    """Return the key in ``instance/``; the first start makes it."""
    path = INSTANCE / "secret_key"
    if not path.exists():
        INSTANCE.mkdir(exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text()


class Config:
    """The settings of the app."""

    # Signs the session cookie. With it anybody can log in as anybody: never put it into the code.
    SECRET_KEY = os.environ.get("SECRET_KEY") or kept_secret_key()
    # Bytes of a request: a post of 10,000 emoji has 120,000 of them.
    MAX_CONTENT_LENGTH = MAX_FORM_MEMORY_SIZE = 2**20
    # Browsers do not send the cookie with a form that another site posts to us.
    SESSION_COOKIE_SAMESITE = "Lax"
