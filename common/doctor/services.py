"""Port 5000, Redis, the worker and what is left of earlier runs: who is there, and is it ours?"""

from __future__ import annotations

import ast
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from typing import NamedTuple
from urllib.parse import urlsplit

from .. import stack
from ..steps import ROOT
from ..steps import STEPS
from .rows import IDLE
from .rows import OK
from .rows import WRONG
from .rows import Row

PORT = 5000
SOON = 1  # seconds for an answer
SERVERS = ("redis", "valkey", "mariadbd")


class Ours(NamedTuple):
    """A process that works in a folder of this repo."""

    process: Any  # of psutil, which knows no types
    name: str  # of its program
    words: list[str]
    folder: str  # relative to the repo, such as step05_celery

    @property
    def pid(self) -> int:
        """Its number."""
        return int(self.process.pid)

    @property
    def label(self) -> str:
        """What people call it: flask run of step 3 (process 4711)."""
        what = self.name
        for program in ("flask", "celery", "gunicorn"):
            if _has(self.words, program):
                what = {"flask": "flask run", "celery": "worker"}.get(program, program)
        return f"{what} of {self.place} (process {self.pid})"

    @property
    def place(self) -> str:
        """The step or part in whose folder it works, or the folder."""
        first, *rest = Path(self.folder).parts or (".",)
        if rest[:1] == ["parts"]:
            return f"part {rest[1]}"
        if rest[:1] == ["redis"]:
            return "learn.py redis"
        return next((step.label for step in STEPS if step.folder == first), first)


@cache
def ours() -> tuple[Ours, ...]:
    """Return what works in a folder of this repo; this process does not count."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError, ValueError):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            name, words = process.name(), process.cmdline()
            if _has(words, "flask", "celery", "gunicorn") or _is_server(name):
                folder = Path(process.cwd()).relative_to(ROOT).as_posix()
                found.append(Ours(process, name, words, folder))
    return tuple(found)


def forget() -> None:
    """Look at the processes anew next time."""
    ours.cache_clear()


def _has(words: list[str], *programs: str) -> bool:
    """Tell whether this is ``python -m flask …``, ``.venv/bin/flask …`` or common.quiet's."""
    return any(Path(word).name.removesuffix(".exe") in programs for word in words[:6])


def _is_server(name: str) -> bool:
    """Tell by its name: such a server writes over the words that it was started with."""
    return any(server in name for server in SERVERS)


# -- port 5000 -------------------------------------------------------------------------------------


def port() -> list[Row]:
    """Look who is on the port of flask run; on a Mac, AirPlay is."""
    name = f"port {PORT}"
    if stack.port_is_free(PORT):
        return [Row(OK, name, "free")]
    another = f"python3 learn.py run 1 --port {PORT + 1}"
    try:
        holder = _listener(PORT)
    except ImportError:
        return [Row(WRONG, name, "in use; by whom cannot be seen without .venv", another)]
    for process in ours():
        if holder and process.pid == holder.pid:
            return [Row(OK, name, f"in use by {process.label}, which is yours")]
    if holder:
        text = f"in use by {holder.name()} (process {holder.pid}), not of this folder"
    elif sys.platform == "darwin":
        text = "in use: AirPlay Receiver? System Settings, AirDrop & Handoff"
    else:
        text = "in use by a program of another user"
    return [Row(WRONG, name, text, another)]


def _listener(number: int) -> Any:
    """Return the process that listens on a port, None if the system does not tell."""
    import psutil

    with suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr.port == number
            if listens and connection.pid:
                return psutil.Process(connection.pid)
    return None


# -- Redis -----------------------------------------------------------------------------------------


def redis_server() -> list[Row]:
    """Ask the Redis at REDIS_URL who it is."""
    import redis

    is_set = bool(os.environ.get("REDIS_URL"))
    url = stack.redis_url()
    parts = urlsplit(url)
    unset = "set REDIS_URL=" if sys.platform == "win32" else "unset REDIS_URL"
    try:
        where = f"{parts.hostname}:{parts.port or 6379}"
        client = _client(url)
    except ValueError as error:
        return [Row(WRONG, "Redis", f"REDIS_URL is no address of a Redis: {error}", unset)]
    try:
        with client:
            info = client.info("server")
    except redis.TimeoutError:
        text = f"hangs: {where} is open, and nothing is answered"
        another = f"python3 learn.py redis --port {(parts.port or 6379) + 1}"
        return [Row(WRONG, "Redis", text, unset if is_set else another)]
    except (redis.AuthenticationError, redis.ResponseError):
        mend = f"export REDIS_URL=redis://:PASSWORD@{where}/0"
        return [Row(WRONG, "Redis", f"the one at {where} lets us in with a password only", mend)]
    except redis.RedisError:
        return [_without_redis(where, is_set, unset)]
    program = info.get("server_name") or "redis"
    version = info.get("valkey_version") or info.get("redis_version")
    return [Row(OK, "Redis", f"{program} {version} at {where}{_whose(info, parts)}")]


def _client(url: str) -> Any:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    once = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(url, socket_timeout=SOON, socket_connect_timeout=SOON, retry=once)


def _without_redis(where: str, is_set: bool, unset: str) -> Row:
    host, _, number = where.rpartition(":")
    if host == stack.HOST and not stack.port_is_free(int(number)):
        text = f"another program is on {where}"
        another = f"python3 learn.py redis --port {int(number) + 1}"
        return Row(WRONG, "Redis", text, unset if is_set else another)
    if is_set:
        return Row(WRONG, "Redis", f"none answers at REDIS_URL, {where}", unset)
    own = [process for process in ours() if _is_server(process.name)]
    own = [process for process in own if process.folder.endswith("instance/redis")]
    if own:
        return Row(OK, "Redis", f"none at {where}; the run of {own[0].place} has its own")
    return Row(IDLE, "Redis", f"none at {where}; learn.py run starts one", "python3 learn.py redis")


def _whose(info: dict[str, Any], parts: Any) -> str:
    """Say whose a Redis is: of learn.py, of this machine, or in a container."""
    import psutil

    if parts.hostname != stack.HOST:
        return ""
    number = int(info.get("process_id", 0))
    for process in ours():
        if process.pid == number:
            return f", of {process.place} (process {number})"
    with suppress(psutil.Error):
        name = psutil.Process(number).name()
        if "redis" in name or "valkey" in name:
            return f", of this machine (process {number})"
    return ", in a container"


# -- the worker ------------------------------------------------------------------------------------


def worker() -> list[Row]:
    """Ask each worker in a folder of this repo which tasks it knows."""
    workers = [process for process in ours() if _is_worker(process)]
    if not workers:
        text = "none runs; exports wait for one"
        return [Row(IDLE, "worker", text, "python3 learn.py run 5")]
    for process in workers[1:]:
        if process.folder != workers[0].folder:
            return [*_ask(workers[0]), *_ask(process)]
    return _ask(workers[0])


def _is_worker(process: Ours) -> bool:
    """Tell whether this is a worker itself, not one of its children."""
    if not _has(process.words, "celery") or "worker" not in process.words:
        return False
    parent = process.process.parent()
    return parent is None or "worker" not in parent.cmdline()


def _ask(process: Ours) -> list[Row]:
    from celery import Celery
    from kombu.exceptions import OperationalError

    env = process.process.environ()
    url = env.get("CELERY_BROKER_URL") or env.get("REDIS_URL") or stack.DEFAULT_REDIS_URL
    app = Celery(set_as_current=False, broker=url)
    app.conf.broker_transport_options = {"socket_timeout": SOON, "socket_connect_timeout": SOON}
    options = app.conf.broker_transport_options
    try:
        with app.connection(connect_timeout=SOON, transport_options=options) as connection:
            connection.ensure_connection(max_retries=1, timeout=SOON)
            replies = app.control.broadcast(
                "registered", reply=True, timeout=1.5, limit=1, connection=connection
            )
    except (OperationalError, OSError):
        text = f"the Redis of {process.label} does not answer"
        return [Row(WRONG, "worker", text, "python3 learn.py redis")]
    known = {task for reply in replies for tasks in reply.values() for task in tasks}
    again = f"kill {process.pid}; python3 learn.py run {process.place.split()[-1]}"
    if not replies:
        return [Row(WRONG, "worker", f"{process.label} does not answer", again)]
    missing = sorted(tasks_of(ROOT / process.folder) - known)
    if missing:
        text = f"that of {process.place} has older code, without {missing[0]}"
        return [Row(WRONG, "worker", text, again)]
    names = ", ".join(sorted(task.rpartition(".")[2] for task in known))
    return [Row(OK, "worker", f"that of {process.place} answers; {len(known)} tasks: {names}")]


def tasks_of(folder: Path) -> set[str]:
    """Return the names of the tasks in the code of a step: app.tasks.export_posts."""
    found = set()
    for file in folder.glob("app/*.py"):
        for node in ast.parse(file.read_bytes()).body:
            if not isinstance(node, ast.FunctionDef):
                continue
            decorators = [n.func if isinstance(n, ast.Call) else n for n in node.decorator_list]
            if any(isinstance(n, ast.Name) and n.id == "shared_task" for n in decorators):
                found.add(f"app.{file.stem}.{node.name}")
    return found


# -- what is left ----------------------------------------------------------------------------------


def leftovers() -> list[Row]:
    """Find what a learn.py has started that is gone itself; nothing that was typed by hand."""
    left = [process for process in ours() if _is_left_over(process)]
    if not left:
        count = len(ours())
        return [Row(OK, "processes", f"none is left over{f'; {count} of yours run' * bool(count)}")]
    more = f" and {len(left) - 1} more" if left[1:] else ""
    pids = " ".join(str(process.pid) for process in left)

    def end() -> str:
        import psutil

        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.process.terminate()  # psutil looks whether it is still the same one
        _, alive = psutil.wait_procs([process.process for process in left], timeout=5)
        for survivor in alive:
            with suppress(psutil.NoSuchProcess):
                survivor.kill()
        psutil.wait_procs(alive, timeout=5)
        return f"ended {', '.join(process.label for process in left)}"

    text = f"left of a run that was killed: {left[0].label}{more}"
    return [Row(WRONG, "processes", text, f"kill {pids}", end)]


def _is_left_over(process: Ours) -> bool:
    import psutil

    with suppress(psutil.Error):
        if _is_server(process.name):
            started = "/instance/redis" in process.folder or "/instance/mariadb" in process.folder
        else:
            started = stack.READY_FILE in process.process.environ()
        parents = [parent.cmdline() for parent in process.process.parents()]
        return started and not any("common.cli" in words for words in parents)
    return False
