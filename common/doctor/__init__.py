"""`learn.py doctor`: what is installed, running or in the way, and the command that mends it.

Everything that needs a package says so where .venv is broken; the rest is the standard library.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from io import TextIOWrapper

from .. import bootstrap
from . import databases
from . import machine
from . import services
from .rows import IDLE
from .rows import OK
from .rows import WRONG
from .rows import Row

PATIENCE = 8  # seconds for what has no shorter limit of its own, such as a disk that hangs
CHECKS: tuple[tuple[str, Callable[[], list[Row]]], ...] = (
    ("Python", machine.python),
    (".venv", machine.environment),
    ("git", machine.git),
    ("port 5000", services.port),
    ("Redis", services.redis_server),
    ("worker", services.worker),
    ("databases", databases.all_steps),
    ("variables", machine.variables),
    ("processes", services.leftovers),
    ("files", machine.files),
)
WIDTH = 80  # of the screen
NAME = 11  # of the longest name
COLOURS = {OK: "32", WRONG: "31", IDLE: "33"}
WORDS = str.maketrans({OK: "+", WRONG: "!", IDLE: "-", "→": ">", "…": "~"})


def doctor(fix: bool = False) -> int:
    """Print what is well and what is not; with ``fix``, mend what is safe. Return the exit code."""
    for name in [name for name in os.environ if name.startswith("CELERY_")]:
        # Celery would go to another Redis; `machine.variables` still sees them.
        machine.ENVIRONMENT[name] = os.environ.pop(name)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    rows = look()
    if fix and mend(rows):
        if not bootstrap.is_in_venv() and bootstrap.python_works():
            bootstrap.become_venv(["doctor", "--fix"])  # what needs the packages
        services.forget()
        rows = look()
    show(rows)
    return 1 if any(row.mark == WRONG for row in rows) else 0


def look() -> list[Row]:
    """Make all checks at the same time; whatever hangs is a row that says so."""
    found: dict[str, list[Row]] = {}

    def run(name: str, check: Callable[[], list[Row]]) -> None:
        try:
            found[name] = check()
        except ImportError as error:
            found[name] = [Row(IDLE, name, f"not looked at: {error.name} is missing in .venv")]
        except Exception as error:
            found[name] = [Row(WRONG, name, f"cannot be looked at: {error or type(error)}")]

    threads = [threading.Thread(target=run, args=check, daemon=True) for check in CHECKS]
    deadline = time.monotonic() + PATIENCE
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    late = f"no answer within {PATIENCE} s"
    return [row for name, _ in CHECKS for row in found.get(name, [Row(WRONG, name, late)])]


def mend(rows: list[Row]) -> bool:
    """Mend what can be mended without a risk, and say what was done. Tell whether there was any."""
    able = [row for row in rows if row.fix]
    for row in able:
        try:
            assert row.fix
            print(f"Mended, {row.name}: {row.fix()}", flush=True)
        except (bootstrap.SetupError, OSError, RuntimeError) as error:
            print(f"Not mended, {row.name}: {str(error).strip()}", flush=True)
    if not able and any(row.mark == WRONG for row in rows):
        print("There is nothing here that can be mended without you.")
    return bool(able)


def show(rows: list[Row]) -> None:
    """Print the rows, on a screen of 24 lines with 80 columns, and the end of it all."""
    wrong = sum(row.mark == WRONG for row in rows)
    lines = [line for row in rows for line in _lines(row)]
    if wrong:
        able = any(row.fix for row in rows)
        how = "; python3 learn.py doctor --fix does what is safe" if able else ""
        lines.append(f"{wrong} to mend by what follows →{how}.")
    else:
        lines.append("All is well.")
    plain = (
        not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    )
    for line in lines:
        if not _can_print(line):
            line = line.translate(WORDS)
        if not plain and line[:1] in COLOURS:
            line = f"\033[{COLOURS[line[0]]}m{line[0]}\033[0m{line[1:]}"
        print(line)


def _lines(row: Row) -> list[str]:
    """Return one line, or two where the command does not fit behind the text."""
    head = f"{row.mark} {row.name.ljust(NAME)} "
    both = f"{head}{row.text} → {row.mend}"
    if not row.mend or len(both) > WIDTH:
        text = " ".join(f"{head}{row.text}".split("\n"))
        first = text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
        return [first, f"{' ' * (NAME + 3)}→ {row.mend}"] if row.mend else [first]
    return [both]


def _can_print(line: str) -> bool:
    try:
        line.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
