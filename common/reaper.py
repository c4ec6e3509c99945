"""Ends the process group that it leads as soon as the process that started it is gone.

Its standard input is a pipe that only that process can write to. The system closes the pipe when
that process ends in any way, even by SIGKILL. See `common.processes.Group`, which starts it.
"""

import os
import signal
import sys
import time


def main() -> None:
    """Wait until the pipe closes, then end the group."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdin.read()
    os.killpg(0, signal.SIGTERM)
    time.sleep(2)  # for Redis and MariaDB to write their data
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
