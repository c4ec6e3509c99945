"""The processes of `learn.py run`: one terminal for all of them, and nothing left of them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any
from typing import NamedTuple
from typing import NoReturn
from typing import Self

import click

from . import reaper
from . import stack

GRACE = 5  # seconds that a process has to end before it is killed
COLOURS = {"worker": "yellow", "web": "cyan", "wechat": "green", "migrate": "magenta"}
WIDTH = max(map(len, COLOURS))


class Group:
    """Processes that end with this one, in whatever way this one ends.

    They share a process group. Its leader is the reaper, which is there before all others and ends
    them when this process is gone. Windows has no process groups; there, `kill` has to be called.
    """

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[bytes]] = []
        self._options: dict[str, Any] = {}
        if sys.platform == "win32":
            self._options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
        else:
            self._options["process_group"] = 0
            self._options["process_group"] = self.start(
                [sys.executable, "-I", "-S", reaper.__file__], stdin=subprocess.PIPE
            ).pid

    def start(self, argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a process; ``options`` are those of subprocess.Popen."""
        options = {"stdin": subprocess.DEVNULL, **self._options, **options}
        self._started.append(subprocess.Popen(argv, **options))
        return self._started[-1]

    def kill(self) -> None:
        """Kill all that was started, and its children."""
        leaders = self._started if sys.platform == "win32" else self._started[:1]
        for leader in leaders:
            stack.end_group(leader.pid)
        for process in self._started:
            process.wait()
            if process.stdin:
                process.stdin.close()
        self._started.clear()


def nobody_reads() -> bool:
    """Tell whether the program that read our output is gone, as in ``learn.py run 1 | head``."""
    if sys.platform == "win32":  # where this cannot be asked
        return False
    with suppress(OSError, ValueError):  # in a test, standard output may be no file
        output = select.poll()
        output.register(sys.stdout.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in output.poll(0))
    return False


class Watched(NamedTuple):
    """A process that must not end by itself, and where its output goes: a thread or a file."""

    name: str
    process: subprocess.Popen[bytes]
    output: threading.Thread | Path


class Terminal:
    """Runs processes side by side and prints their output, a line at a time, behind their names.

    As a context manager it ends all of them: after the block, after Ctrl-C, SIGTERM, SIGHUP or
    SIGQUIT, and when one of them ends by itself.
    """

    def __init__(self, color: bool | None = None) -> None:
        self._color = color  # as in click.echo: None leaves it to what standard output is
        self._lock = threading.Lock()
        self._stopping = False
        self._watched: list[Watched] = []

    def __enter__(self) -> Self:
        """Take over the signals that end a program, and be ready to start processes."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK"):
            number = getattr(signal, name, None)  # no system has all of them
            if number and not (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):
                signal.signal(number, self._stop)  # SIGHUP is ignored under nohup
        self._group = Group()
        return self

    def _stop(self, number: int, frame: object) -> NoReturn:
        self._ignore_signals()
        raise SystemExit(128 + number)

    def _ignore_signals(self) -> None:
        for number in signal.valid_signals():
            if signal.getsignal(number) == self._stop:
                signal.signal(number, signal.SIG_IGN)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End all processes: the last one first, so that Redis is there for the worker."""
        self._ignore_signals()
        self._stopping = True
        if sys.platform != "win32":  # where this would end a process without its children
            for watched in reversed(self._watched):
                watched.process.terminate()
                try:
                    watched.process.wait(GRACE)
                except subprocess.TimeoutExpired:
                    watched.process.kill()
        self._group.kill()
        if kind is SystemExit:
            self.say("Stopped.")

    def say(self, text: str, name: str = "") -> None:
        """Print a line, of the process ``name`` or of learn.py itself."""
        with self._lock:
            if name and self._stopping:
                return
            prefix = click.style(f"{name.ljust(WIDTH)} | ", fg=COLOURS[name]) if name else ""
            try:
                click.echo(f"{prefix}{text}", color=self._color)
            except OSError:  # the terminal is gone, or the program that read this
                self._give_up()

    def _give_up(self) -> None:
        self._stopping = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        signal.raise_signal(signal.SIGTERM)

    def start(self, command: stack.Command, **options: Any) -> None:
        """Start a process and show its output."""
        self._watched.append(self._show(command, options))

    def start_server(
        self, command: stack.Command, log: Path, ready: Callable[[], bool], **options: Any
    ) -> None:
        """Start a process with its output in the file ``log``, and wait until it is ready."""
        with log.open("wb") as file:
            process = self._group.start(command.argv, stdout=file, stderr=file, **options)
        self._watched.append(Watched(command.name, process, log))
        deadline = time.monotonic() + 30
        self.wait(lambda: ready() or time.monotonic() > deadline)
        if not ready():
            raise click.ClickException(f"{command.name} does not answer after 30 s; see {log}.")

    def run(self, command: stack.Command, **options: Any) -> int:
        """Show a process until it ends, and return its exit code."""
        _, process, thread = self._show(command, options)
        self.wait(lambda: process.poll() is not None)
        assert isinstance(thread, threading.Thread)
        thread.join(1)
        return process.returncode

    def _show(self, command: stack.Command, options: dict[str, Any]) -> Watched:
        process = self._group.start(
            command.argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
        )
        assert process.stdout
        lines = TextIOWrapper(process.stdout, encoding="utf-8", errors="replace")

        def copy() -> None:
            with lines:
                for line in lines:
                    self.say(line.rstrip("\r\n"), command.name)

        thread = threading.Thread(target=copy, daemon=True)
        thread.start()
        return Watched(command.name, process, thread)

    def wait(self, condition: Callable[[], bool] = lambda: False) -> None:
        """Wait until ``condition()`` is true.

        Raises click.ClickException, which says why, when a process ends by itself.
        """
        while not condition():
            if nobody_reads():
                self._give_up()
            for watched in self._watched:
                if watched.process.poll() is not None:
                    raise click.ClickException(self._explain(watched))
            time.sleep(0.05)

    def _explain(self, watched: Watched) -> str:
        code = watched.process.returncode
        how = f"exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        ended = f"The process “{watched.name}” ended ({how}), so everything was stopped."
        if isinstance(watched.output, Path):
            last = watched.output.read_text(errors="replace").splitlines()[-5:]
            return "\n    ".join([f"{ended} It said last:", *last])
        watched.output.join(1)  # its children may hold its output open for longer
        return f"{ended} The lines above say why."
