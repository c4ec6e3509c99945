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
    REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
    CELERY = {
        # Other apps may use the same Redis: a queue of our own keeps their tasks apart from ours.
        "task_routes": "app.task_queue.route",
        # A worker takes a task when it can begin with it, and leaves the others to other workers.
        "worker_disable_prefetch": True,
        # A worker that has lost Redis tries again until it is back, also when it has just started.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # Redis is away: give up soon, so that visitors get an answer. Seconds.
        "broker_transport_options": {
            "socket_connect_timeout": 1,
            "socket_timeout": 2,
            # A task that no worker has confirmed for so long goes back to the queue ...
            "visibility_timeout": 15,
            # ... and this is how often the workers look for such tasks.
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
        },
        "task_publish_retry_policy": {"max_retries": 0},
        "redis_socket_connect_timeout": 1,
        "redis_socket_timeout": 2,
        "result_backend_transport_options": {"retry_policy": {"max_retries": 0}},
    }
    # What the page of exports tells people to type when no worker is there.
    WORKER_COMMAND = "celery -A app.celery_app worker"
    API_TITLE = "Study Log"
    API_VERSION = "1.0"
    OPENAPI_VERSION = "3.1.0"
    OPENAPI_URL_PREFIX = "/api"
    OPENAPI_SWAGGER_UI_PATH = "/docs/"
    OPENAPI_SWAGGER_UI_URL = "/api/docs/files/"
