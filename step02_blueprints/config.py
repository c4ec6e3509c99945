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
