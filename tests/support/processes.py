"""Programs that run beside the tests: started in a group of their own, watched, ended."""

import atexit
import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from multiprocessing import util
from pathlib import Path

from tests.support import forked
from tests.support import reaper


class NotReady(AssertionError):
    """A program that a test needs did not come up; the message says what it wrote."""


class Reaper:
    """The pipe to the process that cleans up after us."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", reaper.__file__],
            stdin=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            **own_group(),
        )
        atexit.register(self._close)
        self.tell("watch", "folder", util.get_temp_dir())  # where the forkserver has its socket

    def tell(self, verb: str, kind: str, what: object) -> None:
        self._process.stdin.write(f"{verb} {kind} {what}\n")
        self._process.stdin.flush()

    def _close(self) -> None:
        self.tell("forget", "folder", util.get_temp_dir())
        self._process.stdin.close()
        self._process.wait(timeout=30)


@functools.cache
def the_reaper() -> Reaper:
    return Reaper()


def own_group() -> dict[str, object]:
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


class Log:
    """The file that a program writes to, and how far the tests have read it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.touch()
        self._read = 0

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def text(self, since: int = 0) -> str:
        """Return what was written from byte ``since`` on."""
        with self.path.open("rb") as file:
            file.seek(since)
            return file.read().decode("utf-8", "replace")

    def unread(self) -> str:
        """Return what was written since this was asked for the last time."""
        start, self._read = self._read, self.size
        return self.text(start)


class Process:
    """A program in a process group of its own, with its output in a file."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        log: Log,
        cheap_hashes: bool = False,
    ) -> None:
        self.command = list(command)
        self.log = log
        self._log_start = log.size
        self._popen = forked.start(self.command, cwd, env, log.path, cheap_hashes=cheap_hashes)
        if self._popen is None:
            with log.path.open("ab") as output:
                self._popen = subprocess.Popen(
                    self.command,
                    cwd=cwd,
                    env=dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    **own_group(),
                )
        self.pid = self._popen.pid
        the_reaper().tell("watch", "process", self.pid)

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    @property
    def output(self) -> str:
        """What the program has written so far."""
        return self.log.text(self._log_start)

    def wait(self, seconds: float) -> int:
        """Wait for the program to end by itself and return its exit code."""
        return self._popen.wait(timeout=seconds)

    def terminate(self, seconds: float = 10) -> int:
        """Ask the program to end, as ``kill`` and systemd do, and return its exit code."""
        self._popen.send_signal(signal.SIGTERM)
        return self._popen.wait(timeout=seconds)

    def abort(self) -> str:
        """End a program that hangs; return what it wrote, with the lines that it was in."""
        if self.running and sys.platform != "win32":
            self._popen.send_signal(signal.SIGABRT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout=2)
        output = self.output
        self.kill()
        return output

    def kill(self) -> None:
        """End the program and all that it started, at once."""
        reaper.end_group(self.pid)
        self._popen.wait(timeout=10)
        the_reaper().tell("forget", "process", self.pid)


def new_folder() -> Path:
    """Make a temporary folder whose name has a space; the reaper removes it if nobody else does."""
    folder = Path(tempfile.mkdtemp(prefix="study log ")).resolve()
    the_reaper().tell("watch", "folder", folder)
    return folder


def remove_folder(folder: Path) -> None:
    reaper.remove_folder(str(folder))
    the_reaper().tell("forget", "folder", folder)


def answers(port: int) -> bool:
    """Tell whether something listens on ``port``."""
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0


def wait_until(
    condition: Callable[[], object], what: str, *, seconds: float = 20, every: float = 0.03
) -> object:
    """Return the first true value of ``condition()``; fail, saying ``what``, when time is up."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise NotReady(f"Waited {seconds:g} s, and this did not happen: {what}")
        time.sleep(every)
    return value
