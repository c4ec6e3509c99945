"""The settings of the app. What differs from machine to machine comes from the environment."""

import os
import secrets
from pathlib import Path

INSTANCE = Path(__file__).parent / "instance"

# One line for each thing that happens. app/logs.py puts the request's id into every record.
LOG_FORMAT = "%(asctime)s %(levelname)s %(request_id)s %(message)s"


def kept_secret_key() -> str:
    """Return the key in instance/, which the first start makes."""
    path = INSTANCE / "secret_key"
    if not path.exists():
        INSTANCE.mkdir(exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text()


def number_of_proxies() -> int:
    """Return TRUSTED_PROXIES, or end the program with one line that says what is wrong with it."""
    text = os.environ.get("TRUSTED_PROXIES") or "0"
    if text not in ("0", "1", "2", "3"):
        raise SystemExit(f"TRUSTED_PROXIES is “{text}”. It is a number, from 0 to 3.")
    return int(text)


class Config:
    """What every way to run the app shares."""

    # Signs the session cookie. Who knows it can log in as anybody, so it is never in the code.
    SECRET_KEY = os.environ.get("SECRET_KEY")
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
        # Pages borrow a connection while they ask, streams only for moments: no need for many. All
        # of them, in all processes, must fit into what the database takes; MySQL takes 151.
        "pool_size": 10,
        "max_overflow": 20,
        # Seconds to wait for one: better a page that says so than a browser that waits.
        "pool_timeout": 10,
    }
    REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
    # Login attempts are counted in Redis, for all processes together. If it is away, each process
    # counts by itself: that is better than to let nobody in.
    RATELIMIT_STORAGE_URI = REDIS_URL
    RATELIMIT_STORAGE_OPTIONS = {"socket_connect_timeout": 1, "socket_timeout": 1}
    RATELIMIT_IN_MEMORY_FALLBACK_ENABLED = True
    # Bytes of a request: a post of 10,000 emoji has 120,000 on its way here.
    MAX_CONTENT_LENGTH = 2**20
    # How many proxies, such as nginx, stand between the browser and us. See app/security.py.
    TRUSTED_PROXIES = number_of_proxies()
    # The names that this site has, such as “study.example”; all if there are none.
    TRUSTED_HOSTS = os.environ.get("TRUSTED_HOSTS", "").replace(",", " ").split() or None
    # Seconds for which browsers use nothing but HTTPS, once they have been here by HTTPS.
    HSTS_SECONDS = 0
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
        # All streams of a process share one connection for results, instead of one each.
        "result_backend_thread_safe": True,
        "worker_log_format": LOG_FORMAT,
    }
    # What the page of exports tells people to type when no worker is there.
    WORKER_COMMAND = "celery -A celery_worker worker"
    # Log in with WeChat: the app's id and secret from open.weixin.qq.com. No id, no such login.
    WECHAT_APP_ID = os.environ.get("WECHAT_APP_ID", "")
    WECHAT_APP_SECRET = os.environ.get("WECHAT_APP_SECRET", "")
    # The address of a stand-in for WeChat's servers. Without it, the real ones are asked.
    WECHAT_URL = os.environ.get("WECHAT_URL", "").rstrip("/")
    API_TITLE = "Study Log"
    API_VERSION = "1.0"
    OPENAPI_VERSION = "3.1.0"
    OPENAPI_URL_PREFIX = "/api"
    OPENAPI_SWAGGER_UI_PATH = "/docs/"
    OPENAPI_SWAGGER_UI_URL = "/api/docs/files/"

    @classmethod
    def prepare(cls) -> None:
        """Make what is missing. Called when it is clear that these are the settings to use."""
        cls.SECRET_KEY = cls.SECRET_KEY or kept_secret_key()


class Development(Config):
    """For work on the app."""


class Testing(Config):
    """For tests: a database in memory, which each app has for itself."""

    TESTING = True
    SECRET_KEY = "testing"
    SQLALCHEMY_DATABASE_URI = "sqlite://"
    SQLALCHEMY_ENGINE_OPTIONS = {}
    RATELIMIT_STORAGE_URI = "memory://"
    WTF_CSRF_ENABLED = False


class Production(Config):
    """For everybody: behind HTTPS, so the cookies travel only there."""

    SESSION_COOKIE_SECURE = True
    REMEMBER_COOKIE_SECURE = True
    HSTS_SECONDS = 365 * 24 * 60 * 60

    @classmethod
    def prepare(cls) -> None:
        """End the program with a line for each thing that is missing: nothing is made up here."""
        problems = []
        if len((cls.SECRET_KEY or "").encode()) < 32:
            problems.append("Production needs the variable SECRET_KEY: a random text of 32 bytes.")
        if not os.environ.get("DATABASE_URL"):
            problems.append("Production needs the variable DATABASE_URL: where the data is.")
        if problems:
            raise SystemExit("\n".join(problems))


CONFIGS = {"development": Development, "testing": Testing, "production": Production}


def find_config(config: str | type[Config] | None = None) -> type[Config]:
    """Return the settings of that name, or end the program with one line that says why not."""
    if not isinstance(config, type):
        name = config or os.environ.get("APP_CONFIG", "development")
        if name not in CONFIGS:
            raise SystemExit(f"APP_CONFIG is “{name}”. It can be: {', '.join(CONFIGS)}.")
        config = CONFIGS[name]
    config.prepare()
    check_wechat(config)
    return config


def check_wechat(config: type[Config]) -> None:
    """End the program with one line if the login with WeChat is configured by half."""
    if config.WECHAT_APP_ID and not config.WECHAT_APP_SECRET:
        raise SystemExit("WECHAT_APP_ID is set, and WECHAT_APP_SECRET is not: both or none.")
    if config.WECHAT_URL and not config.WECHAT_URL.startswith(("http://", "https://")):
        raise SystemExit(f"WECHAT_URL is “{config.WECHAT_URL}”. It begins with http or https.")
