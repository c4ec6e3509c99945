"""`learn.py check`: which promises an app keeps, in the order of the course, and what to do next.

pytest asks the app, in processes that load the plugin `tests.teacher`; this module tells each of
them which promise to ask next, and draws what a learner sees.
"""

from __future__ import annotations

import json
import queue
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import IO
from typing import Any

import click

from . import lessons
from .arguments import COMMAND
from .lessons import Part
from .steps import ROOT
from .steps import State
from .steps import Step

# What the rest of pytest would cost: its own printing, the plugins of other packages.
PYTEST = (
    *("-P", "-m", "pytest", "-p", "common.interrupts", "-p", "tests.plugin"),
    *("-p", "tests.teacher", "-p", "no:terminal"),
    *("-o", "addopts=", "--disable-plugin-autoload", "-p", "no:cacheprovider", "-p", "no:doctest"),
)
IN_EVENT = ("id", "title", "part", "code", "worker", "site")  # what the tests say of a promise
KEPT, BROKEN, NOT_ASKED = "✓", "✗", "○"


@dataclass
class Promise:
    """One promise, and what came of it."""

    number: int
    id: str
    title: str
    part: str
    code: str
    worker: bool
    site: bool  # asked of all pages, which one process visits once
    asked: bool = False
    later: bool = False  # kept so far; asked again when all that comes later is there
    failure: dict[str, Any] | None = None
    skipped: str = ""


@dataclass
class Checked:
    """How a check has ended."""

    promises: list[Promise] = field(default_factory=list)
    trouble: str = ""
    seconds: float = 0

    @property
    def broken(self) -> list[Promise]:
        """The promises that are not kept, in order."""
        return [promise for promise in self.promises if promise.failure]

    @property
    def kept(self) -> int:
        """How many promises are kept."""
        return sum(p.asked and not p.failure and not p.skipped for p in self.promises)


class Asker:
    """A process of pytest that asks for one promise after the other."""

    def __init__(
        self, words: list[str], events: queue.Queue[tuple[Asker | None, dict[str, Any]]]
    ) -> None:
        self.errors = ""
        self._process = subprocess.Popen(
            [sys.executable, *PYTEST, *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._events = events
        self._threads = [threading.Thread(target=self._read, daemon=True)]
        self._threads.append(threading.Thread(target=self._read_errors, daemon=True))
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        for line in _pipe(self._process.stdout):
            if line.startswith('{"event"'):
                self._events.put((self, json.loads(line)))
        self._threads[1].join(timeout=2)
        self._events.put((self, {"event": "end"}))

    def _read_errors(self) -> None:
        for line in _pipe(self._process.stderr):
            self.errors = (self.errors + line)[-5000:]

    def ask(self, promise: Promise) -> None:
        """Ask whether a promise is kept; the answer is an event."""
        try:
            last_time = " the last time" if promise.later else ""
            _pipe(self._process.stdin).write(f"{promise.number}{last_time}\n")
            _pipe(self._process.stdin).flush()
        except OSError:
            pass  # it has ended, and says so

    def stop(self) -> None:
        """End it; its servers and folders are cleaned up by a process that watches over it."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with suppress(BrokenPipeError):
                _pipe(stream).close()


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


class Check:
    """Asks an app for all promises of a state, and shows what comes back while it comes."""

    def __init__(
        self, state: State, app: Path | None, *, everything: bool = False, mysql: bool = False
    ) -> None:
        self.state = state
        self.app = app
        self.everything = everything
        self.mysql = mysql
        self.first = ""  # the promise to ask before all others, or the part with such ones
        self.processes = 2 if state.number > 1 else 1  # lesson 1 is done before two are ready
        self.only_lesson = False  # leave out what earlier lessons have promised
        self.only = ""  # the one promise to ask for, if not all are
        self._events: queue.Queue[tuple[Asker | None, dict[str, Any]]] = queue.Queue()
        self._stopped = False
        self._shown = 0
        self._part = ""

    # -- asking --

    def run(self, show: Callable[[Checked], None] | None = None) -> Checked:
        """Ask, and show the answers; return how it went. ``show`` gets each answer instead."""
        began = time.monotonic()
        result = Checked()
        self._shown, self._part = 0, ""
        self._events = queue.Queue()
        askers = [Asker(self.words(), self._events) for _ in range(self.processes)]
        try:
            self._listen(result, askers, show or self._show)
        finally:
            for asker in askers:
                asker.stop()
        result.seconds = time.monotonic() - began
        return result

    def stop(self) -> None:
        """End a check that runs in another thread."""
        self._stopped = True
        self._events.put((None, {"event": "stop"}))

    def words(self) -> list[str]:
        """Return the arguments of pytest: what to test, and the files with such tests."""
        words = [f"--step={self.state.code}"]
        words += [f"--app={self.app}"] if self.app else []
        words += ["--every-case"] if self.everything else ["--sparing"]
        words += ["--mysql"] * self.mysql
        if self.only:
            return [*words, self.only]
        folders = ["tests", "tests/deep"] if self.everything else ["tests"]
        for folder in folders:
            for file in sorted((ROOT / folder).glob("test_*.py")):
                steps = re.findall(r"\bsince\(\"?(\d)", file.read_text(encoding="utf-8"))
                earliest = self.state.number if self.only_lesson else 1
                if any(earliest <= int(step) <= self.state.number for step in steps):
                    words.append(str(file))
        return words

    def _listen(
        self, result: Checked, askers: list[Asker], show: Callable[[Checked], None]
    ) -> None:
        order: list[Promise] = []
        busy: dict[Asker, Promise] = {}
        waiting: list[Asker] = []
        visitor: Asker | None = None
        while not self._stopped:
            asker, event = self._events.get()
            kind = event["event"]
            if asker is None:
                return
            if kind == "promises":
                if not result.promises:
                    result.promises = [
                        Promise(number, **{name: p[name] for name in IN_EVENT})
                        for number, p in enumerate(event["promises"])
                        if not self.only_lesson or p["code"][0] == str(self.state.number)
                    ]
                    # One that needs the worker comes early: is there one that starts?
                    early = next((p for p in result.promises if p.worker), None)
                    order = sorted(
                        result.promises, key=lambda p: (not self._is_first(p), p is not early)
                    )
                if not result.promises:
                    result.trouble = "There is nothing to ask for."
                    return
                waiting.append(asker)
            elif kind == "asked":
                promise = busy.pop(asker)
                promise.asked, promise.later = not event["later"], event["later"]
                if promise.later:
                    for promises in (order, result.promises):
                        promises.remove(promise)
                        promises.append(promise)
                promise.failure, promise.skipped = event["failure"], event["skipped"]
                waiting.append(asker)
                show(result)
                if promise.failure and promise.failure["kind"] == "start":
                    return
            elif kind == "trouble":
                result.trouble = event["text"]
                return
            elif kind == "end":
                if asker in busy or not result.promises:
                    result.trouble = asker.errors or "The tests have ended too early."
                    return
                waiting = [other for other in waiting if other is not asker]
            for free in list(waiting):
                chosen = self._next(order, busy, result, may_visit=visitor in (None, free))
                if chosen is None:
                    continue
                waiting.remove(free)
                busy[free] = chosen
                visitor = free if chosen.site else visitor
                free.ask(chosen)
            if result.promises and not busy:
                return

    def _next(
        self,
        order: list[Promise],
        busy: dict[Asker, Promise],
        result: Checked,
        *,
        may_visit: bool,
    ) -> Promise | None:
        """Return what to ask next; nothing after the first promise that is not kept."""
        asked = {promise.number for promise in busy.values()}
        first = result.broken[0] if result.broken else None
        limit = result.promises.index(first) if first else len(order)
        wanted = order if self.everything else result.promises[:limit]
        numbers = {promise.number for promise in wanted}
        for promise in order:
            if promise.asked or promise.number in asked or (promise.site and not may_visit):
                continue
            if promise.number in numbers or self._is_first(promise):
                return promise
        return None

    def _is_first(self, promise: Promise) -> bool:
        return self.first in (promise.id, promise.code)

    # -- showing --

    def _show(self, result: Checked) -> None:
        """Show the answers so far, in the order of the course."""
        for promise in result.promises[self._shown :]:
            if not promise.asked:
                return
            self._shown += 1
            if promise.skipped or (promise.failure and promise.failure["kind"] == "start"):
                continue
            sign = BROKEN if promise.failure else KEPT
            color = "red" if promise.failure else "green"
            click.echo(f"{click.style(sign, fg=color)} {promise.part} {promise.title}")
            if promise.failure:
                self._explain(promise, promise.failure)
                if not self.everything:
                    self._shown = len(result.promises)
                    return

    def _explain(self, promise: Promise, failure: dict[str, Any]) -> None:
        click.echo()
        show_rows(explanation(failure, promise.title))
        where = self.where(promise)
        if where:
            click.echo(f"    {'read':<11}{where}")
        click.echo(f"    {'compare':<11}{self.compare(promise)}\n")

    def where(self, promise: Promise) -> str:
        """Return where the text of the part is that has promised this."""
        return section_of(promise.part)

    def text_of(self, promise: Promise) -> list[str]:
        """Return the first lines of the text of the part."""
        found = re.match(r"NOTES.md, line (\d+)", self.where(promise))
        if not found:
            return []
        lines = (ROOT / "NOTES.md").read_text(encoding="utf-8").splitlines()[int(found[1]) :]
        text = "\n".join(lines).strip().split("\n#")[0]
        return text.split("\n\n")[0].splitlines()[:8]

    def compare(self, promise: Promise) -> str:
        """Return the command that shows how the course does it."""
        return f"{COMMAND} diff {promise.part}"

    def again(self) -> str:
        """Return the command that checks again."""
        app = f" --app {shlex.quote(str(self.app))}" if self.app else ""
        return f"{COMMAND} check {self.state.code}{app}" + " --mysql" * self.mysql

    def finish(self, result: Checked) -> int:
        """Say how it went, and what is next; return the exit status."""
        if result.trouble:
            click.echo(result.trouble, err=True)
            click.secho("The tests themselves could not run; see above.", fg="red", err=True)
            return 3
        failure = result.broken[0].failure if result.broken else None
        if failure and failure["kind"] == "start":
            say_that_it_does_not_start(failure, self.app or self.state.path)
            return 1
        whose = "Your app" if self.app else "Our app"
        if skipped := [p.skipped for p in result.promises if p.skipped]:
            why = "; ".join(dict.fromkeys(skipped))
            click.echo(f"{NOT_ASKED} {len(skipped)} not asked: {why}")
        total = len(result.promises) - len(skipped)
        if not result.broken:
            block = f"{whose} keeps all promises of {self.state.label}: {total}."
            if sys.stdout.isatty():
                click.secho(f" {block} ", bg="green", fg="black", nl=False)
                click.echo(f" {after(self.state)}\a")
            else:
                click.echo(f"{block} {after(self.state)}")
            if self.app:
                click.echo(f"Compare it with ours: {COMMAND} diff {self.state.code}")
            if not self.everything:
                click.echo(f"What takes longer has not been asked: {self.again()} --all")
            return 0
        if not self.everything:
            self._list_what_is_left(result)
        first = result.broken[0]
        click.secho(f"{result.kept} of {total} promises; next: {first.part}", bold=True)
        click.echo(f"When you have changed something: {self.again()}")
        return 1

    def _list_what_is_left(self, result: Checked) -> None:
        first = result.broken[0]
        lesson = first.part.partition(".")[0]
        left: dict[str, list[Promise]] = {}  # part by part in this lesson, then lesson by lesson
        for promise in result.promises[result.promises.index(first) + 1 :]:
            number = promise.part.partition(".")[0]
            if not promise.later:
                left.setdefault(promise.part if number == lesson else number, []).append(promise)
        for place, promises in left.items():
            is_part = place.startswith(f"{lesson}.")
            name = f"{place} {title_of(promises[0].code)}" if is_part else f"Step {place}"
            more = "more " if place == first.part else ""
            things = f"{len(promises)} {more}promise{'s' * (len(promises) != 1)}"
            click.echo(f"{NOT_ASKED} {name}: {things}, not asked yet")
        if later := sum(promise.later for promise in result.promises):
            click.echo(f"{NOT_ASKED} {later} of the above: kept so far, asked again at the end")


def explanation(failure: dict[str, Any], title: str = "") -> list[tuple[str, str]]:
    """Return what a learner needs to know of a failure: what each text is about, and the text.

    ``title`` is that of the promise.
    """
    trace, cause = failure["trace"], failure["cause"]
    rows = []
    if failure["kind"] != "start":
        text = failure["expected"]
        # The words of a test say what it expected, or what it found.
        says = text == title or re.search(r"\b(expected|should)\b", text)
        rows += [("sent", failure["sent"]), ("expected" if says else "found", text)]
        rows += [("came back", failure["came"])]
    elif not (trace and (trace["path"] or trace["error"])):
        rows += [("it wrote", failure["said"].replace(" copy>", ">") or "nothing")]
    if trace:
        # The place in the learner's own files.
        name = trace["name"] if trace["name"] not in ("", "<module>") else ""
        inside = f", in {name}" if name else ""
        place = f"{trace['path']}, line {trace['line']}{inside}" if trace["path"] else ""
        lines = [line for line in (place, *trace["code"], trace["error"]) if line]
        rows += [("your app" if trace["path"] else "", "\n".join(lines))]
    if cause:
        # What NOTES says about such an error.
        rows += [("because", f"{plain(cause['cause'])} ({cause['where']})")]
        rows += [("do", plain(cause["fix"]))]
    return [(name, str(text)) for name, text in rows if text]


def show_rows(rows: list[tuple[str, str]]) -> None:
    """Print rows with their names in a column."""
    for name, text in rows:
        first, *rest = text.splitlines()
        click.echo(f"    {name:<11}{first}")
        for line in rest:
            click.echo(f"    {'':<11}{line}")


def how_it_starts(failure: dict[str, Any]) -> str:
    """Say in a line how the start of an app fails."""
    hangs = failure["expected"].startswith("Waited")
    return f"Your app {'hangs while it starts' if hangs else 'does not start'}:"


def say_that_it_does_not_start(failure: dict[str, Any], folder: Path) -> None:
    """Say in a few lines why an app does not start."""
    click.secho(how_it_starts(failure), fg="red")
    click.echo()
    show_rows(explanation(failure))
    click.echo(f"\nStart it yourself to see all that it writes: cd {shlex.quote(str(folder))}")


def plain(cell: str) -> str:
    """Return a cell of a table in Markdown as text."""
    return re.sub(r"\\([|`*_<>])", r"\1", re.sub(r"\*(\w+)\*", r"\1", cell))


def title_of(code: str) -> str:
    """Return the title of a part, or the idea of a step."""
    state = lessons.find_state(code)
    return state.title if isinstance(state, Part) else state.idea if isinstance(state, Step) else ""


def section_of(part: str) -> str:
    """Return where NOTES.md has the text of a part or a step: the line and the title."""
    lines = (ROOT / "NOTES.md").read_text(encoding="utf-8").splitlines()
    step = part.partition(".")[0]
    for start in (f"#### {part} ", f"## Step {step} "):
        for number, line in enumerate(lines, 1):
            if line.startswith(start):
                return f"NOTES.md, line {number}: {line.lstrip('# ')}"
    return "NOTES.md"


def after(state: State) -> str:
    """Return what comes after a state in the course."""
    later = [p for p in lessons.all_parts() if lessons.position(p) > lessons.position(state)]
    if not later:
        return "That was the last step."
    if isinstance(state, Part):
        return f"Next: {COMMAND} diff {later[0].name}"
    return f"Next: {COMMAND} diff {state.number} {state.number + 1}"
