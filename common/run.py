"""`learn.py run`: all that one step needs, in one terminal, and nothing of it left afterwards."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from typing import NamedTuple
from typing import TextIO

import click
from honcho.printer import Message
from honcho.process import Popen

from . import mysql
from . import stack
from .processes import POSIX
from .processes import Printer
from .processes import StepManager
from .steps import Step

if sys.platform != "win32":
    import fcntl


def run(step: Step, port: int, with_mysql: bool = False, with_wechat: bool = False) -> int:
    """Run all that ``step`` needs, with its page on 127.0.0.1 and ``port``, until it is stopped.

    Its database is SQLite or what DATABASE_URL says, ``with_mysql`` a MariaDB that is started too.
    ``with_wechat``, a stand-in for WeChat's servers runs beside it, and the step is told of it.
    Returns the exit code: 130 after Ctrl-C, 143 after SIGTERM, 1 if a process ended by itself.
    Raises click.ClickException, with a message for the learner, if it cannot start.
    """
    _check_port(port)
    if with_mysql:
        _check_mysql(step)
    _end_on_hangup_and_sigterm()
    if sys.platform == "linux":
        # A helper process must be a child of this one, to notice when this one is killed.
        multiprocessing.set_start_method("fork", force=True)
    printer = Printer()
    manager = StepManager(printer)
    instance = step.path / "instance"
    with (
        _redis(printer, instance / "redis") if step.worker else _nothing() as redis,
        _mysql(printer, instance / "mariadb") if with_mysql else _nothing() as mariadb,
    ):
        env = stack.environment(**({"DATABASE_URL": mariadb.url} if mariadb else {}))
        commands = stack.commands(step, port)
        if with_wechat:
            wechat_port = stack.free_port()
            env |= stack.wechat_variables(wechat_port)
            commands.append(stack.wechat_command(wechat_port))
            printer.say(f"WeChat: a stand-in answers at {env['WECHAT_URL']}; see the login page.")
        if step.migrates:
            _migrate(step, printer, env)
        for command in commands:
            process = manager.add_process(command.name, command.argv, env=env, cwd=str(step.path))
            process.servers = tuple(pid for pid in (redis, mariadb and mariadb.pid) if pid)
            process.announce = port if command.name == "web" else None
        manager.loop()
    if printer.ended:
        raise click.ClickException(
            f"{printer.ended}, so all of step {step.number} was stopped. The lines above say why."
        )
    printer.say("Stopped.")
    return int(manager.returncode or 0)


def _check_port(port: int) -> None:
    try:
        if stack.port_is_free(port):
            return
    except PermissionError:
        raise click.ClickException(
            f"The system keeps port {port} for its administrator. Take one above 1023, "
            "such as --port 5000."
        ) from None
    holder = "perhaps another learn.py run or flask run that still goes"
    if sys.platform == "darwin" and port == 5000:
        holder = "on a Mac that is AirPlay Receiver, in System Settings under AirDrop & Handoff"
    other = next((p for p in range(port + 1, port + 50) if stack.port_is_free(p)), port + 1)
    raise click.ClickException(
        f"Port {port} is taken ({holder}). Stop that, or use another port: --port {other}"
    )


def _end_on_hangup_and_sigterm() -> None:
    """Treat a closed terminal window as SIGTERM, and let SIGTERM unwind what is under way."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # until honcho sets its own
    if POSIX and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


@contextmanager
def _nothing() -> Iterator[None]:
    yield None


@contextmanager
def _redis(printer: Printer, directory: Path) -> Iterator[int | None]:
    """Have a Redis at REDIS_URL during the block: the one that answers, else an embedded one.

    That one keeps its data in ``directory``: tasks that were under way when it stopped go on when
    it is back. Gives its process id. It is not among honcho's processes, for it must be there
    before the worker and outlast it.
    """
    url = stack.redis_url()
    try:
        answers = stack.redis_answers(url)
    except ValueError as error:
        raise click.ClickException(
            f"REDIS_URL is “{url}”, no address of a Redis: {error}."
        ) from error
    shown = re.sub(r":[^:/@]+@", ":…@", url)  # without its password
    if answers:
        printer.say(f"Redis: using the one that answers at {shown}")
        yield None
        return
    port = _port_for_redis(url, shown)
    try:
        command = stack.redis_command(port, directory)
    except LookupError:
        raise click.ClickException(f"No Redis answers at {shown}. {no_embedded_redis()}") from None
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "redis.log"
    redis = subprocess.Popen(
        [*command, "--logfile", str(log)], stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _await(redis, lambda: stack.redis_answers(url), "The embedded Redis", log)
        printer.say(f"Redis: none answered at {shown}, so one was started; it ends with this.")
        with _stop_all_if_it_ends("redis", redis, printer):
            yield redis.pid
    finally:
        redis.terminate()
        redis.wait()


def _port_for_redis(url: str, shown: str) -> int:
    """Return the port on which an embedded Redis is found at ``url``."""
    port = stack.local_redis_port(url)
    if port is None:
        raise click.ClickException(
            f"No Redis answers at REDIS_URL, {shown}. "
            "Start it there, or unset REDIS_URL and one is started here."
        )
    if not stack.port_is_free(port):
        raise click.ClickException(
            f"No Redis answers at {shown}, for something else holds port {port}. Stop that, or set "
            f"another port: REDIS_URL=redis://localhost:{port + 1}/0"
        )
    return port


def no_embedded_redis() -> str:
    """Return what to do where there is no embedded Redis, which is mostly Windows."""
    return (
        "There is none to start for this system. Start one by WSL (sudo apt install redis-server; "
        "redis-server), by Docker (docker run -p 6379:6379 redis) or install Memurai; "
        "then try again."
    )


def _await(
    server: subprocess.Popen[bytes], ready: Callable[[], bool], name: str, log: Path
) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        if ready():
            return
        time.sleep(0.02)
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    raise click.ClickException("\n".join([f"{name} did not start.", *lines[-5:]]))


@contextmanager
def _stop_all_if_it_ends(
    name: str, server: subprocess.Popen[bytes], printer: Printer
) -> Iterator[None]:
    def child_ended(*arguments: Any) -> None:
        if server.poll() is not None:
            printer.note_end(name, server.returncode)
            os.kill(os.getpid(), signal.SIGTERM)
        if callable(before):  # another server is watched too
            before(*arguments)

    before = signal.signal(signal.SIGCHLD, child_ended)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before)


class MariaDB(NamedTuple):
    """A MariaDB that was started: its process id, and the DATABASE_URL of the step's database."""

    pid: int
    url: str


def _check_mysql(step: Step) -> None:
    if not step.database:
        raise click.ClickException(f"Step {step.number} has no database yet; step 3 is the first.")
    if "DATABASE_URL" in os.environ:
        raise click.ClickException(
            "DATABASE_URL is set, so the step has a database already. Leave --mysql out to use "
            "that one, or unset DATABASE_URL."
        )
    try:
        mysql.find_program(mysql.SERVER)
    except LookupError as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def _mysql(printer: Printer, directory: Path) -> Iterator[MariaDB]:
    """Have a MariaDB during the block, which keeps its data in ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        _lock(lock)
        try:
            if not (directory / "data").exists():
                printer.say("MariaDB: making its files, this once.")
            mysql.install(directory)
            password = mysql.new_password(directory)
            port = stack.free_port()
            command = mysql.server_command(directory, port)
        except (LookupError, RuntimeError) as error:
            raise click.ClickException(str(error)) from None
        log = directory / "mariadb.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock.fileno()],  # so the lock is held for as long as it runs
            )
    try:
        _await(server, lambda: mysql.answers(port), "MariaDB", log)
        url = mysql.database_url(port, password)
        printer.say("MariaDB: started; it ends with this, and keeps its data. In other terminals:")
        printer.say(f"    export DATABASE_URL={url}")
        with _stop_all_if_it_ends("mariadb", server, printer):
            yield MariaDB(server.pid, url)
    finally:
        server.terminate()
        server.wait()


def _lock(file: TextIO) -> None:
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(
                "Another learn.py run with --mysql uses the database of this step. Stop that first."
            ) from None


def _migrate(step: Step, printer: Printer, env: dict[str, str]) -> None:
    """Bring the step's database up to date."""
    name, argv = stack.migrate_command()
    process = Popen(argv, shell=False, cwd=step.path, env=env, stdin=subprocess.DEVNULL)
    try:
        for line in process.stdout:
            printer.write(Message("line", line, None, name, None))
        process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        raise click.ClickException(
            f"flask db upgrade failed in {step.folder}, so the step was not started. "
            "The lines above say why."
        )
