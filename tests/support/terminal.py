"""A terminal of 80 columns, as a person sits at."""

import os
import struct
import subprocess
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl
    import termios


def on_terminal(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> tuple[int, str]:
    """Run a program to its end; return its exit code and what it has sent to the terminal."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(
        command, cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    ) as program:
        os.close(theirs)
        seen = b""
        with suppress(OSError):  # on Linux, the end of a terminal is an error
            while chunk := os.read(ours, 10_000):
                seen += chunk
    os.close(ours)
    return program.returncode, seen.decode("utf-8", "replace")
