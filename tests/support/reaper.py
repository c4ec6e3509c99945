"""Ends what the tests started, even when the tests themselves are killed.

Run as a program, it reads from standard input which process groups and folders it has to watch.
The other end of that pipe closes when pytest ends, in whatever way; then all that is still watched
goes. It imports only the standard library, so that it starts in a few milliseconds.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time


def end_group(pid: int) -> None:
    """Kill the process ``pid``, which leads its own group, and all that it started."""
    if os.name == "nt":
        command = ["taskkill", "/T", "/F", "/PID", str(pid)]
        subprocess.run(command, capture_output=True, check=False)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def remove_folder(folder: str) -> None:
    """Delete ``folder``; again if a process that is just ending wrote into it meanwhile."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):  # noqa: PTH110
            return
        time.sleep(0.05)


def main() -> None:
    """Read lines such as ``watch process 123`` until the pipe closes, then clean up."""
    watched: dict[tuple[str, str], None] = {}
    for line in sys.stdin:
        verb, kind, what = line.rstrip("\n").split(" ", 2)
        if verb == "watch":
            watched[kind, what] = None
        else:
            watched.pop((kind, what), None)
    for kind, what in watched:
        if kind == "process":
            end_group(int(what))
    for kind, what in watched:
        if kind == "folder":
            remove_folder(what)


if __name__ == "__main__":
    main()
