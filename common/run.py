"""`learn.py run`: starts all processes of a step, in one terminal, and ends all of them."""

from __future__ import annotations

import http.client
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import click

from . import mysql
from . import stack
from .processes import Terminal
from .steps import State
from .welcome import welcome

PATIENCE = 15  # seconds for a worker to be ready, after which the page is there without it

if sys.platform != "win32":
    import fcntl


def run(
    step: State,
    port: int,
    with_mysql: bool = False,
    with_wechat: bool = False,
    verbose: bool = False,
    color: bool | None = None,
) -> None:
    """Run all that ``step`` needs, with its page on 127.0.0.1 and ``port``, until it is stopped.

    Its database is SQLite or what DATABASE_URL says, ``with_mysql`` a MariaDB that is started too;
    ``with_wechat`` starts a stand-in for WeChat's servers, and the step uses it.
    ``verbose`` shows all that its programs print. ``color`` is that of click.echo.
    Raises SystemExit after Ctrl-C and the like, and click.ClickException, with a message for the
    learner, if it cannot start or a process ends.
    """
    _check_port(port)
    if with_mysql:
        _check_mysql(step)
    with Terminal(color) as terminal:
        env = stack.environment()
        commands = stack.commands(step, port)
        try:
            if with_mysql:
                env["DATABASE_URL"] = _start_mysql(terminal, step.path / "instance" / "mariadb")
            if step.worker:
                env["REDIS_URL"] = find_redis(terminal, step.path / "instance" / "redis")
        except (LookupError, RuntimeError) as error:
            raise click.ClickException(str(error)) from error
        if with_wechat:
            wechat_port = stack.free_port()
            env |= stack.wechat_variables(wechat_port)
            commands.append(stack.wechat_command(wechat_port))
            terminal.say(f"WeChat: a stand-in answers at {env['WECHAT_URL']}; see the login page.")
        if step.migrates and terminal.run(stack.migrate_command(), cwd=step.path, env=env):
            raise click.ClickException(
                f"flask db upgrade failed in {step.folder}, so the step was not started. "
                "The lines above say why."
            )
        ready_file = step.path / "instance" / "worker.ready"
        ready_file.unlink(missing_ok=True)
        env[stack.READY_FILE] = str(ready_file)
        for command in commands:
            terminal.start(command if verbose else stack.quiet(command), cwd=step.path, env=env)
        page = threading.Thread(target=_wait_for_page, args=(port,), daemon=True)
        page.start()
        terminal.wait(lambda: not page.is_alive())
        if step.worker and not verbose:
            late = time.monotonic() + PATIENCE
            terminal.wait(lambda: ready_file.exists() or time.monotonic() > late)
        terminal.say(welcome(step, port, env))
        terminal.wait()


def _check_port(port: int) -> None:
    try:
        if stack.port_is_free(port):
            return
    except PermissionError:
        raise click.ClickException(
            f"Only the administrator may use port {port}. Use one above 1023, such as --port 5000."
        ) from None
    holder = "perhaps by another learn.py run or flask run"
    if sys.platform == "darwin" and port == 5000:
        holder = "on a Mac by AirPlay Receiver, see System Settings, AirDrop & Handoff"
    other = next((p for p in range(port + 1, port + 50) if stack.port_is_free(p)), port + 1)
    raise click.ClickException(
        f"Port {port} is in use, {holder}. Stop that, or use another port: --port {other}"
    )


def _wait_for_page(port: int) -> None:
    """Return as soon as the home page responds, whatever the response is."""
    while True:
        connection = http.client.HTTPConnection(stack.HOST, port, timeout=60)
        try:
            connection.request("GET", "/", headers={"User-Agent": stack.PROBE})
            connection.getresponse()
            return
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        finally:
            connection.close()


@contextmanager
def _lock(directory: Path, message: str) -> Iterator[TextIO]:
    """Lock ``directory`` for a server, which inherits the lock and holds it until it ends."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        if sys.platform != "win32":
            for attempt in range(30):  # an earlier server may be about to end
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if attempt == 29:
                        raise click.ClickException(message) from None
                    time.sleep(0.1)
        yield lock


# -- Redis ----------------------------------------------------------------------------------------


def find_redis(terminal: Terminal, directory: Path) -> str:
    """Return the URL of a Redis: the one at REDIS_URL, else one of this run's own.

    A Redis of its own is on a free port, never on 6379. So a Redis at 6379 never belongs to a run
    that ends and takes it away from another run or from commands typed by hand.
    """
    url, is_set = stack.redis_url(), bool(os.environ.get("REDIS_URL"))
    shown = re.sub(r":[^:/@]+@", ":…@", url)  # without its password
    try:
        stack.check_redis(url)
        terminal.say(f"Redis: using the one that answers at {shown}")
        return url
    except ValueError as error:
        raise click.ClickException(
            f"REDIS_URL is “{url}”, no address of a Redis: {error}."
        ) from error
    except PermissionError as error:
        if is_set:
            raise click.ClickException(
                f"The Redis at REDIS_URL, {shown}, refuses: {error}. A password goes into it as in "
                "redis://:PASSWORD@127.0.0.1:6379/0; or unset REDIS_URL."
            ) from None
        why = f"the one at {shown} wants a password"
    except ConnectionError:
        if urlsplit(url).hostname != stack.HOST:
            raise click.ClickException(
                f"No Redis answers at REDIS_URL, {shown}. "
                "Start it there, or unset REDIS_URL and one is started here."
            ) from None
        why = f"none answers at {shown}"
    return _start_redis(terminal, directory, why)


def _start_redis(terminal: Terminal, directory: Path, why: str) -> str:
    """Start a Redis that keeps its data in ``directory``, and return its URL.

    So a task that waits when it stops is done after the next start.
    """
    port = stack.free_port()
    url = f"redis://{stack.HOST}:{port}/0"
    command = stack.Command("redis", stack.redis_command(port, directory))
    busy = (
        "Another learn.py run of this step has its Redis in instance/redis. Stop that first, or "
        "let both use one: python3 learn.py redis, in a terminal of its own."
    )
    with _lock(directory, busy) as lock:
        log, ready = directory / "redis.log", lambda: stack.redis_answers(url)
        terminal.start_server(command, log, ready, pass_fds=[lock.fileno()])
    terminal.say(f"Redis: {why}, so this run has its own. In other terminals:")
    terminal.say(f"    export REDIS_URL={url}")
    return url


# -- MariaDB --------------------------------------------------------------------------------------


def _check_mysql(step: State) -> None:
    if not step.database:
        raise click.ClickException(
            f"{step.label.capitalize()} has no database yet; step 3 is the first."
        )
    if "DATABASE_URL" in os.environ:
        raise click.ClickException(
            "DATABASE_URL is set, so the step has a database already. Leave --mysql out to use "
            "that one, or unset DATABASE_URL."
        )
    try:
        mysql.find_program(mysql.SERVER)
    except LookupError as error:
        raise click.ClickException(str(error)) from None


def _start_mysql(terminal: Terminal, directory: Path) -> str:
    """Start a MariaDB that keeps its data in ``directory``, and return its DATABASE_URL."""
    busy = "Another learn.py run with --mysql uses the database of this step. Stop that first."
    with _lock(directory, busy) as lock:
        if not (directory / "data").exists():
            terminal.say("MariaDB: making its files, this once.")
        mysql.install(directory)
        password = mysql.new_password(directory)
        port = stack.free_port()
        command = stack.Command("mariadb", mysql.server_command(directory, port))
        log, ready = directory / "mariadb.log", lambda: mysql.answers(port)
        terminal.start_server(command, log, ready, pass_fds=[lock.fileno()])
    url = mysql.database_url(port, password)
    terminal.say("MariaDB: started; it ends with this, and keeps its data. In other terminals:")
    terminal.say(f"    export DATABASE_URL={url}")
    return url
