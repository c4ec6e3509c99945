"""A plugin for pytest, which `learn.py test` and `check` load: Ctrl-C never shows a traceback.

They start pytest with Ctrl-C held back, so that none disturbs it while it loads.
"""

import signal
import sys

from .bootstrap import interrupt


def pytest_configure() -> None:
    """Let Ctrl-C through, now that pytest can answer it."""
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, interrupt)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def pytest_unconfigure() -> None:
    """Let nothing disturb Python while it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
