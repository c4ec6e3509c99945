"""“Run this part”: `learn.py run 3.4` beside the tour, with its page and its log."""

from __future__ import annotations

import re
import sys
import threading
from collections import deque
from contextlib import suppress
from subprocess import PIPE
from subprocess import STDOUT
from subprocess import Popen
from subprocess import TimeoutExpired

from common import stack
from common.lessons import Part
from common.processes import Group
from common.steps import ROOT

LINES = 200  # of the log that are kept
GRACE = 10  # seconds for an app, its worker and its Redis to end
COLOURS = re.compile(r"\x1b\[[\d;]*m")


class Run:
    """A part at work, until it is stopped."""

    def __init__(self, part: Part) -> None:
        self.part = part
        port = stack.free_port()
        self.url = f"http://{stack.HOST}:{port}/"
        self.log: deque[str] = deque(maxlen=LINES)
        self.count = 0
        self.ready = False
        self._group = Group()
        argv = [sys.executable, "-P", "-m", "common.cli", "run", part.code, "--port", str(port)]
        self._process: Popen[bytes] = self._group.start(argv, cwd=ROOT, stdout=PIPE, stderr=STDOUT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        with suppress(ValueError, OSError):
            for line in self._process.stdout:
                text = COLOURS.sub("", line.decode(errors="replace")).rstrip()
                self.log.append(text)
                self.count += 1
                self.ready = self.ready or f"Open {self.url}" in text

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it and all that it has started."""
        self._process.terminate()
        with suppress(TimeoutExpired):
            self._process.wait(GRACE)
        self._group.kill()


class Runs:
    """The part that runs, one at a time."""

    def __init__(self) -> None:
        self.now: Run | None = None
        self._lock = threading.Lock()

    def start(self, part: Part) -> None:
        """Run a part, in place of another one."""
        with self._lock:
            if self.now and self.now.running and self.now.part == part:
                return
            if self.now:
                self.now.stop()
            self.now = Run(part)

    def stop(self) -> None:
        """End the part that runs."""
        with self._lock:
            if self.now:
                self.now.stop()
                self.now = None
