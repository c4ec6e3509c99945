"""The learner's own app: which promises it keeps, asked again each time that a file is saved.

It is asked for what the part promises that is open in the browser, with all that came before it:
later parts are not written yet. `common.check` asks, as it does for `learn.py check 3.4`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from watchfiles import watch

from common import check
from common import lessons
from common.check import Check
from common.check import Checked
from common.check import Promise
from common.lessons import Part
from common.steps import State
from common.watch import EVERY
from common.watch import Sources

from . import changes

MOST, LINES = 64 * 1024, 2000  # bytes and lines of a file that is shown
PAUSE = 0.3  # seconds: somebody who leafs through the parts starts no check for each


class Own:
    """An app of the learner's, watched: it is checked whenever a file in its folder changes."""

    def __init__(self, state: State, folder: Path) -> None:
        self.state = state  # the step that the learner writes, or a part of it
        self.folder = folder.resolve()
        self.part: Part | None = None  # the one that is open
        self.results = Checked()
        self.is_running = False
        self.version = 0  # one more with each change of the results
        self._done: frozenset[str] = frozenset()  # the parts that were done in the last check
        self._found: dict[str, dict[str, bytes]] = {}  # by part: the files when it was opened first
        self._first = ""  # the promise to ask first, since it was not kept
        self._check: Check | None = None
        self._lock = threading.RLock()
        self._end = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to watch."""
        self._threads.append(threading.Thread(target=self._watch, daemon=True))
        self._threads[0].start()

    def open(self, part: Part) -> None:
        """Take over which part is open: the app is checked for that."""
        with self._lock:
            if part.number != self.state.number or part == self.part:
                return
            if self.part:  # else it may be what they have written before this tour began
                self._found.setdefault(part.code, self.files(names_of(part)))
            self.part = part
            self._first = ""
            if self._threads:
                self._begin()

    def close(self) -> None:
        """Stop watching, and a check that runs."""
        self._end.set()
        with self._lock:
            if self._check:
                self._check.stop()
            threads = self._threads
        for thread in threads:
            if thread.is_alive():
                thread.join(timeout=10)

    # -- Files -------------------------------------------------------------------------------------

    def _paths(self, names: set[str]) -> Iterator[tuple[str, Path]]:
        """Yield those of the app's files, which are inside of its folder and nowhere else."""
        for name in sorted(names):
            path = (self.folder / name).resolve()
            if path.is_relative_to(self.folder) and path.is_file():
                yield name, path

    def files(self, names: set[str]) -> dict[str, bytes]:
        """Return the contents of those files that can be shown as text."""
        return {name: content for name, content in self._contents(names) if not is_odd(content)}

    def odd_files(self, part: Part) -> dict[str, str]:
        """Return which files of a part cannot be shown, and why."""
        contents = self._contents(names_of(part))
        return {name: why for name, content in contents if (why := is_odd(content))}

    def _contents(self, names: set[str]) -> Iterator[tuple[str, bytes]]:
        for name, path in self._paths(names):
            with suppress(OSError), path.open("rb") as file:  # it may be gone, or not for us
                yield name, file.read(MOST + 1)

    def has_tried(self, part: Part) -> bool:
        """Tell whether the learner has come to a part, and has changed one of its files for it."""
        if part.code in self.parts():
            return True
        if self.broken and lessons.position(lessons.find_state(self.broken_part)) < (
            lessons.position(part)
        ):
            return False
        files = self.files(names_of(part))
        before = lessons.files_after(lessons.state_before(part))
        changed = any(content != before.get(name) for name, content in files.items())
        return (changed and files != self._found.get(part.code)) or bool(self.odd_files(part))

    def against_ours(self, part: Part) -> list[changes.File]:
        """Return what makes the learner's files of a part into those of the course."""
        names = names_of(part) - self.odd_files(part).keys()
        after: Mapping[str, bytes] = lessons.files_after(part)
        return changes.between(self.files(names), {n: after[n] for n in names & after.keys()})

    # -- Promises ----------------------------------------------------------------------------------

    def parts(self) -> frozenset[str]:
        """Return the codes of the parts that are done: all their promises are kept.

        A part without a promise of its own counts as done when a later one is. What was done stays
        so until one of its promises is broken.
        """
        everything = lessons.all_parts()
        if self.part and self.results.promises and not (self.is_running or self.broken):
            here = lessons.position(self.part)
            kept = {part.code for part in everything if lessons.position(part) <= here}
            return self._done | kept
        promised: dict[str, bool] = {}
        for promise in self.results.promises:
            is_kept = (promise.asked or promise.later) and not promise.failure
            part = part_of(promise)
            promised[part] = promised.get(part, True) and is_kept
        found: set[str] = set()
        waiting: list[str] = []
        for each in everything:
            if promised.get(each.code):
                found |= {each.code, *waiting}
            waiting = [] if each.code in promised else [*waiting, each.code]
        return frozenset(found | self._done) - {part_of(promise) for promise in self.results.broken}

    @property
    def broken(self) -> Promise | None:
        """The promise to mend next: the first that is not kept, of the open part if it has one.

        An older test may need what that part adds, such as an account, and fail as well.
        """
        broken = self.results.broken
        here = [promise for promise in broken if self.part and part_of(promise) == self.part.code]
        return next(iter(here or broken), None)

    @property
    def broken_part(self) -> str:
        """The code of the part that the first promise that is not kept belongs to."""
        return part_of(self.broken) if self.broken else ""

    @property
    def does_not_start(self) -> str:
        """What to say where the app does not start."""
        failure = self.broken.failure if self.broken else None
        return check.how_it_starts(failure) if failure and failure["kind"] == "start" else ""

    @property
    def explanation(self) -> list[tuple[str, str]]:
        """What `learn.py check` tells of the first promise that is not kept."""
        broken = self.broken
        failure = broken.failure if broken else None
        return check.explanation(failure, broken.title) if broken and failure else []

    def _watch(self) -> None:
        changed_files = watch(
            self.folder,
            watch_filter=Sources(),
            debounce=200,
            rust_timeout=EVERY,
            yield_on_timeout=True,
            stop_event=self._end,
        )
        next(changed_files, None)  # from here on nothing that is saved is missed
        self._begin()
        for changed in changed_files:
            if changed:
                self._begin()

    def _begin(self) -> None:
        """Check the app, in place of a check that may still run."""
        with self._lock:
            if self._end.is_set() or self.part is None:
                return
            if self._check:
                self._check.stop()
            self._done = self.parts()
            self._check = Check(self.part, self.folder)
            self._check.first = self._first or self.part.code
            self.results = Checked()
            self.is_running = True
            self.version += 1
            thread = threading.Thread(target=self._run, args=(self._check,), daemon=True)
            self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]
            thread.start()

    def _run(self, running: Check) -> None:
        self._end.wait(PAUSE)
        if self._check is not running or self._end.is_set():
            return

        def show(results: Checked) -> None:
            with self._lock:
                if self._check is running:
                    self.results = results
                    self.version += 1

        results = running.run(show)
        with self._lock:
            if self._check is running and not self._end.is_set():
                self.results = results
                self.is_running = False
                self._first = self.broken.id if self.broken else ""
                self.version += 1


def is_odd(content: bytes) -> str:
    """Say why a file cannot be shown; nothing if it can."""
    if len(content) > MOST or content.count(b"\n") > LINES:
        return "is too large to be shown here"
    return "is not text" if b"\0" in content else ""


def part_of(promise: Promise) -> str:
    """Return the code of the part that a promise belongs to; what a step promises, to its last."""
    return lessons.last_part(lessons.find_state(promise.code)).code


def names_of(part: Part) -> set[str]:
    """Return the files that a part changes."""
    found = set()
    for file in changes.of_part(part):
        found |= {file.path} | ({file.old_path} if file.old_path else set())
    return found
