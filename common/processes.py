"""honcho's process manager, adapted to `learn.py run`.

honcho starts processes and merges their output. Added here: no shell in between, a line that tells
when the page is there, words for a learner, and an end for every process in every case.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from typing import Any

from honcho.manager import SYSTEM_PRINTER_NAME
from honcho.manager import Manager
from honcho.printer import Message
from honcho.process import Popen
from honcho.process import Process

from . import stack

POSIX = sys.platform != "win32"
ENDINGS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} if POSIX else set()
COLOUR = re.compile(r"\033\[[0-9;]*m")


class StepManager(Manager):  # type: ignore[misc]  # honcho has no types
    """honcho's manager, which also ends well when it is stopped while it is still starting."""

    def __init__(self, printer: Printer) -> None:
        super().__init__(printer)
        self._process_ctor = StepProcess
        if not POSIX:
            self._procmgr = WindowsProcesses()
        self._asked_to_stop = False

    def _start(self) -> None:
        # Until a helper process can take them, Ctrl-C and the like wait; see StepProcess.run.
        if POSIX:
            signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
        super()._start()
        if POSIX:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)

    def terminate(self) -> None:
        """Ask all processes to end, as soon as all are known."""
        self._asked_to_stop = True
        if self._all_started():
            super().terminate()

    def _any_stopped(self) -> bool:
        # What loop() asks before it calls terminate() and starts the clock for those that will not.
        return self._asked_to_stop or bool(super()._any_stopped())


class StepProcess(Process):  # type: ignore[misc]
    """One process and the helper process in which honcho watches over it.

    ``announce`` is the port of the page to wait for, ``servers`` the process ids of the Redis and
    the MariaDB that were started with the step.
    """

    announce: int | None = None
    servers: tuple[int, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # With a list of arguments and no shell, a path with spaces needs no care.
        self._child_ctor = partial(Popen, shell=False, stdin=subprocess.DEVNULL)

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        """Run the process to its end; called in the helper process."""
        if POSIX:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for ending in ENDINGS:
                # For learn.py to answer. Not SIG_IGN, which the process itself would inherit.
                signal.signal(ending, lambda *_: None)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
            threading.Thread(target=self._leave_nothing, daemon=True).start()
        if self.announce:
            threading.Thread(target=self._announce_page, args=(events,), daemon=True).start()
        super().run(events, ignore_signals)

    def _leave_nothing(self) -> None:
        """End what a killed process leaves: its children, or all of us if learn.py was killed."""
        learn = os.getppid()
        while os.getppid() == learn:
            if self._child and self._child.poll() is not None:
                _end_group(self._child.pid, signal.SIGKILL)
                return  # its output is closed now, so run() ends and honcho hears of it
            time.sleep(0.2)
        groups = [pid for pid in (self._child and self._child.pid, *self.servers) if pid]
        for ending, patience in ((signal.SIGTERM, 2), (signal.SIGKILL, 0)):
            for group in groups:
                _end_group(group, ending)
            time.sleep(patience)
        os._exit(1)

    def _announce_page(self, events: Any) -> None:
        """Say so when the page answers, whatever it answers."""
        while True:
            connection = http.client.HTTPConnection(stack.HOST, self.announce, timeout=60)
            try:
                connection.request("GET", "/")
                connection.getresponse()
                break
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
            finally:
                connection.close()
        text = f"Open http://{stack.HOST}:{self.announce}/  (Ctrl-C stops everything)"
        events.put(Message("line", text, None, None, None))


def _end_group(leader: int, ending: signal.Signals) -> None:
    with suppress(OSError):  # where nobody of the group is left
        os.killpg(leader, ending)


class WindowsProcesses:
    """Ends a process with all its children, which Windows does not do by itself."""

    def terminate(self, pid: int) -> None:
        """End the process ``pid`` and its children."""
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(pid)], capture_output=True)

    kill = terminate


class Printer:
    """Prints the lines of all processes, and words for what honcho reports about them."""

    width = 0  # of the longest name; honcho sets it

    def __init__(self) -> None:
        wanted = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self.colour = wanted and sys.stdout.isatty()
        self.stopping = False
        self.ended = ""  # which process ended by itself, and how

    def say(self, text: str) -> None:
        """Print a line of learn.py's own."""
        self._print(Message("line", text, None, None, None))

    def write(self, message: Any) -> None:
        """Print ``message``, which honcho hands over; what comes after the end is left out."""
        if message.name == SYSTEM_PRINTER_NAME:
            self._hear(message.data)
        elif not self.stopping:
            self._print(message)

    def note_end(self, name: str, code: int) -> None:
        """Take down that a process ended by itself, unless that is how all of it ends."""
        if not self.stopping:
            self.stopping = True
            how = f"exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
            self.ended = f"The process “{name}” ended ({how})"

    def _hear(self, text: str) -> None:
        if stopped := re.match(r"(\S+) stopped \(rc=(-?\d+)\)", text):
            self.note_end(stopped[1], int(stopped[2]))
        elif text.endswith(" received\n"):  # SIGINT or SIGTERM
            self.stopping = True

    def _print(self, message: Any) -> None:
        prefix = ""
        if message.name:
            prefix = f"{message.name.ljust(self.width)} | "
            if self.colour and message.colour:
                prefix = f"\033[0;{message.colour}m{prefix}\033[0m"
        text = message.data
        if isinstance(text, bytes):
            text = text.decode(errors="replace")
        if not self.colour:
            text = COLOUR.sub("", text)  # Flask's own, which it writes wherever it writes
        try:
            for line in text.splitlines():
                print(f"{prefix}{line}", flush=True)
        except OSError:  # the terminal, or who read this, is gone
            self.stopping = True
            os.kill(os.getpid(), signal.SIGTERM)
