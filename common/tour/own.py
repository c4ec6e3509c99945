"""The learner's own app: which promises it keeps, asked again each time that a file is saved."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from subprocess import DEVNULL
from subprocess import PIPE

from common import lessons
from common.lessons import Part
from common.processes import Group
from common.steps import ROOT
from common.steps import State

from . import changes

EVERY = 0.5  # seconds between two looks at the files
ASK = (
    *("-P", "-m", "pytest", "-q", "-n0", "-x", "--tb=short", "-p", "common.tour.asking"),
    *("-p", "no:cacheprovider", "--sparing"),
)


@dataclass(frozen=True)
class Promise:
    """One promise, and the part of the course that it begins with."""

    id: str
    title: str
    part: str


@dataclass
class Results:
    """What came of the promises so far."""

    promises: list[Promise] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    broken: Promise | None = None
    message: str = ""
    running: bool = False
    trouble: str = ""

    def parts(self) -> set[str]:
        """Return the codes of the parts all of whose promises are kept.

        A part without a promise of its own counts as done when a later one is.
        """
        promised = {promise.part for promise in self.promises}
        kept = promised - {p.part for p in self.promises if p.id not in self.kept}
        found: set[str] = set()
        waiting: list[str] = []
        for part in lessons.all_parts():
            if part.code in kept:
                found |= {part.code, *waiting}
                waiting = []
            elif part.code not in promised:
                waiting.append(part.code)
            else:
                waiting = []
        return found


class Own:
    """An app of the learner's, watched: it is checked whenever a file in its folder changes."""

    def __init__(self, state: State, folder: Path) -> None:
        self.state = state
        self.folder = folder.resolve()
        self.results = Results()
        self.version = 0  # one more with each change of the results
        self._group: Group | None = None
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._watcher.start()

    def close(self) -> None:
        """Stop watching, and a check that runs."""
        self._end.set()
        with self._lock:
            if self._group:
                self._group.kill()
                self._group = None

    # -- Files -------------------------------------------------------------------------------------

    def files(self, names: set[str]) -> dict[str, bytes]:
        """Return those of the app's files, which are inside of its folder and nowhere else."""
        found = {}
        for name in names:
            path = (self.folder / name).resolve()
            if path.is_relative_to(self.folder) and path.is_file():
                found[name] = path.read_bytes()
        return found

    def has_tried(self, part: Part) -> bool:
        """Tell whether one of the files of a part is there, and another than before the part."""
        before = lessons.files_after(lessons.state_before(part))
        files = self.files(names_of(part))
        return any(content != before.get(name) for name, content in files.items())

    def against_ours(self, part: Part) -> list[changes.File]:
        """Return what makes the learner's files of a part into those of the course."""
        names = names_of(part)
        after: Mapping[str, bytes] = lessons.files_after(part)
        return changes.between(self.files(names), {n: after[n] for n in names & after.keys()})

    # -- Promises ----------------------------------------------------------------------------------

    def _signature(self) -> list[tuple[str, int, int]]:
        found = []
        with suppress(OSError):  # a file may go while we look
            for name in lessons.source_names(self.folder):
                status = (self.folder / name).stat()
                found.append((name, status.st_mtime_ns, status.st_size))
        return found

    def _watch(self) -> None:
        seen: list[tuple[str, int, int]] | None = None
        while not self._end.is_set():
            if (now := self._signature()) != seen:
                seen = now
                self._check()
            self._end.wait(EVERY)

    def _check(self) -> None:
        """Ask for all promises, in place of a check that may still run."""
        first = self.results.broken.id if self.results.broken else ""
        with self._lock:
            if self._end.is_set():
                return
            if self._group:
                self._group.kill()
            self._group = group = Group()
            self.results = results = Results(running=True)
            self.version += 1
        argv = [sys.executable, *ASK, f"--step={self.state.code}", f"--app={self.folder}"]
        argv += files_of_promises(self.state)
        env = {**os.environ, "STUDY_LOG_FIRST": first}
        process = group.start(argv, cwd=ROOT, env=env, stdout=PIPE, stderr=DEVNULL)
        assert process.stdout

        def read() -> None:
            assert process.stdout
            said = b""
            with suppress(ValueError, OSError):  # it is closed, since a new check has begun
                for line in process.stdout:
                    if line.startswith(b'{"event"'):
                        self._take(results, json.loads(line))
                    else:
                        said = (said + line)[-3000:]
            process.wait()
            if self.results is results:
                results.running = False
                if process.returncode not in (0, 1):
                    results.trouble = said.decode(errors="replace")
                self.version += 1

        threading.Thread(target=read, daemon=True).start()

    def _take(self, results: Results, event: dict[str, object]) -> None:
        """Take over what pytest says of one promise."""
        if event["event"] == "promises":
            listed = event["promises"]
            assert isinstance(listed, list)
            results.promises = [Promise(**promise) for promise in listed]
        elif event["event"] == "broken":
            known = {promise.id: promise for promise in results.promises}
            results.broken = known.get(str(event["id"]))
            results.message = str(event["text"])
        else:
            results.kept.add(str(event["id"]))
        self.version += 1


def files_of_promises(state: State) -> list[str]:
    """Return the files of tests in which the promises of a state can be: the others take time."""
    found = []
    for file in sorted((ROOT / "tests").glob("test_*.py")):
        steps = re.findall(r"\bsince\(\"?(\d)", file.read_text(encoding="utf-8"))
        if steps and int(min(steps)) <= state.number:
            found.append(str(file.relative_to(ROOT)))
    return found


def names_of(part: Part) -> set[str]:
    """Return the files that a part changes."""
    found = set()
    for file in changes.of_part(part):
        found |= {file.path} | ({file.old_path} if file.old_path else set())
    return found
