"""The settings of the app. What differs between machines comes from the environment."""

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from redis import Redis
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


def redis_url() -> str:
    """Return REDIS_URL, or exit with one line where it is no address of a Redis."""
    url = os.environ.get("REDIS_URL") or "redis://localhost:6379/0"
    try:
        Redis.from_url(url)  # this does not connect
    except ValueError as error:
        raise SystemExit(f"REDIS_URL cannot be used: {error}.") from None
    return url


def mail_url() -> str:
    """Return MAIL_URL, or exit with one line where it is no address of a mail server."""
    url = os.environ.get("MAIL_URL") or ""
    with suppress(ValueError):  # of a port that is no number
        parts = urlsplit(url)
        if not url or (parts.scheme in ("smtp", "smtps") and parts.hostname and parts.port != 0):
            return url
    raise SystemExit("MAIL_URL cannot be used: it must be smtp://host:port or smtps://host:port.")


class Config:
    """The settings of the app."""

    # Signs the session cookie. With it anybody can log in as anybody: never put it into the code.
    @property
    def SECRET_KEY(self) -> str:
        """A property, so that only the settings that are used make a key."""
        return os.environ.get("SECRET_KEY") or kept_secret_key()

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
        # The connections of all processes together must fit into the database; MySQL takes 151.
        "pool_size": 10,
        "max_overflow": 20,
        # Seconds to wait for a free one. After that, a page says that the site is busy.
        "pool_timeout": 10,
    }
    REDIS_URL = redis_url()
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
        # What `celery beat` sends, and how often, in seconds. It is of no use after the next one.
        "beat_schedule": {
            f"{name} every {seconds} s": {
                "task": f"app.clock.{name}",
                "schedule": seconds,
                "options": {"expires": seconds},
            }
            for name, seconds in (
                ("resend_lost_exports", 60),
                ("delete_old_exports", 3600),
                ("revoke_abandoned_exports", 3600),
            )
        },
        "beat_schedule_filename": str(INSTANCE / "celerybeat-schedule"),
        # All streams of a process share one connection for results, instead of one each.
        "result_backend_thread_safe": True,
    }
    # The mail server: smtp://user:password@host:587, or smtps://. Empty: the worker prints mails.
    MAIL_URL = mail_url()
    MAIL_FROM = os.environ.get("MAIL_FROM") or "Study Log <study-log@localhost>"
    # What the page of exports tells people to type where Redis, or a worker, is missing.
    REDIS_COMMAND = "python3 learn.py redis"
    WORKER_COMMAND = "celery -A celery_worker worker"
    API_TITLE = "Study Log"
    API_VERSION = "1.0"
    OPENAPI_VERSION = "3.1.0"
    OPENAPI_URL_PREFIX = "/api"
    OPENAPI_SWAGGER_UI_PATH = "/docs/"
    OPENAPI_SWAGGER_UI_URL = "/api/docs/files/"
    # New accounts from one address. Tests register many.
    REGISTRATION_LIMIT = "1000 per minute"
    # What is limited is counted in Redis, for all processes. Without Redis, each counts by itself.
    RATELIMIT_STORAGE_URI = REDIS_URL
    RATELIMIT_STORAGE_OPTIONS = {"socket_connect_timeout": 1, "socket_timeout": 1}
    RATELIMIT_IN_MEMORY_FALLBACK_ENABLED = True
    # How many proxies, such as nginx, stand in front of the app: see app/security.py.
    TRUSTED_PROXIES = os.environ.get("TRUSTED_PROXIES") or "0"
    # The host names of this site, such as “study.example”. None: any name.
    TRUSTED_HOSTS = os.environ.get("TRUSTED_HOSTS", "").replace(",", " ").split() or None
    # The app's id and secret from open.weixin.qq.com. Without an id there is no login with WeChat.
    WECHAT_APP_ID = os.environ.get("WECHAT_APP_ID", "")
    WECHAT_APP_SECRET = os.environ.get("WECHAT_APP_SECRET", "")
    # The URL of a stand-in for WeChat's servers. Without it, requests go to the real ones.
    WECHAT_URL = os.environ.get("WECHAT_URL", "").rstrip("/")


class Testing(Config):
    """For tests: each app has its own database, in memory."""

    TESTING = True
    SECRET_KEY = "testing"
    SQLALCHEMY_DATABASE_URI = "sqlite://"
    SQLALCHEMY_ENGINE_OPTIONS = {}
    RATELIMIT_STORAGE_URI = "memory://"
    WTF_CSRF_ENABLED = False


class Production(Config):
    """For the internet, behind HTTPS: there are no defaults for the key and the database."""

    SECRET_KEY = os.environ.get("SECRET_KEY", "")
    SQLALCHEMY_DATABASE_URI = os.environ.get("DATABASE_URL", "")
    REGISTRATION_LIMIT = "20 per minute"
    REDIS_COMMAND = WORKER_COMMAND = ""  # visitors cannot start either
    SESSION_COOKIE_SECURE = True
    REMEMBER_COOKIE_SECURE = True
    # Seconds for which a browser that was here by HTTPS uses nothing else.
    HSTS_SECONDS = 365 * 24 * 60 * 60


CONFIGS = {"development": Config, "testing": Testing, "production": Production}
