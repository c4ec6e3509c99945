"""`learn.py check --watch`: check again each time that a file is saved; keys for what one needs."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager

import click
from watchfiles import DefaultFilter
from watchfiles import watch

from .check import Check
from .check import Checked
from .check import Promise
from .steps import ROOT

KEYS = "h hint   d diff of that part   a ask for all   q quit"
EVERY = 200  # milliseconds between two looks at the keyboard


class Sources(DefaultFilter):
    """What a person edits: not the caches of Python, and not the data in ``instance/``."""

    ignore_dirs = (*DefaultFilter.ignore_dirs, "instance")


def watch_app(check: Check) -> int:
    """Check, wait until something is saved, check again; until somebody types q."""
    folder = check.app or check.state.path
    changes = watch(
        folder, watch_filter=Sources(), rust_timeout=EVERY, yield_on_timeout=True, debounce=200
    )
    next(changes)  # begin to look now: what is saved during a check is checked after it
    result = Checked()
    with keyboard() as typed:
        result = once(check)
        for changed in changes:
            if changed:
                click.echo(f"\n{time.strftime('%H:%M:%S')} saved; checking again")
                result = once(check)
            for key in typed():
                if key in ("q", "\x03", "\x04"):
                    return 1 if result.broken or result.trouble else 0
                result = answer(key, check, result)
    return 1 if result.broken or result.trouble else 0


def once(check: Check) -> Checked:
    """Check once, with what failed last at the beginning."""
    result = check.run()
    check.finish(result)
    check.first = result.broken[0].id if result.broken else ""
    if sys.stdin.isatty():
        click.secho(KEYS, dim=True)
    return result


def answer(key: str, check: Check, result: Checked) -> Checked:
    """Do what a key stands for."""
    first = result.broken[0] if result.broken else None
    if key == "a":
        check.everything = True
        try:
            return once(check)
        finally:
            check.everything = False
    if key == "h" and first:
        hint(check, first)
    if key == "d" and first:
        subprocess.run([sys.executable, "-P", "-m", "common.cli", "diff", first.part], cwd=ROOT)
    return result


def hint(check: Check, promise: Promise) -> None:
    """Show where to look: the text of the part, its beginning, and the known cause."""
    click.echo(f"\n{promise.part} {promise.title}")
    click.echo(f"    {check.where(promise)}")
    for line in check.text_of(promise):
        click.echo(f"    {line}")
    cause = (promise.failure or {}).get("cause")
    if cause:
        click.echo(f"    {cause['cause']}: {cause['fix']}")


@contextmanager
def keyboard() -> Iterator[Callable[[], str]]:
    """Read single keys without waiting for Enter, where there is a terminal."""
    if not sys.stdin.isatty():
        yield lambda: ""
        return
    if sys.platform == "win32":
        import msvcrt

        yield lambda: msvcrt.getwch() if msvcrt.kbhit() else ""
        return
    import select
    import termios
    import tty

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)

    def typed() -> str:
        ready, _, _ = select.select([number], [], [], 0)
        return sys.stdin.read(1) if ready else ""

    tty.setcbreak(number)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield typed
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
