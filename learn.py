#!/usr/bin/env python3
"""Study Log's one command: `python3 learn.py` shows the steps and what to type next.

This file only checks the Python that runs it. It uses only syntax that old versions of Python can
read, so that they print a sentence instead of a SyntaxError.
"""
# ruff: noqa: UP031, UP036

import signal
import sys

if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    # Until the commands can answer it, a Ctrl-C ends this at once, and without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

if sys.version_info < (3, 11):
    sys.exit(
        "Study Log needs Python 3.11 or newer, and this is Python %d.%d. "
        "Try python3.11 learn.py (or 3.12, 3.13), or get a newer one from "
        "https://www.python.org/downloads/" % sys.version_info[:2]
    )

from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common.bootstrap import main

if __name__ == "__main__":
    main()
