"""Patches: plain unified diffs, applied to files in memory, byte for byte.

Strict on purpose: a line that is not exactly where the patch says is an error, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

LINE = re.compile(rb"[^\n]*\n|[^\n]+")
HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")
# What git writes below a line that does not end with a newline, and a mark in its place.
NO_NEWLINE = re.compile(rb"\n\\ No newline at end of file(?=\n|$)")
MARK = b"\0"
HEADERS = (b"--- ", b"+++ ", b"index ", b"similarity index ")


class PatchError(Exception):
    """A patch that is no patch, or that does not fit; the message says which line."""


@dataclass(frozen=True)
class Hunk:
    """Some lines of a file, from the line ``first`` on (0 is the first), and what replaces them."""

    first: int
    old: list[bytes]
    new: list[bytes]
    signs: str  # of its lines, in order: a space, - or +

    @property
    def changed(self) -> int:
        """How many lines are added or removed."""
        return len(self.signs) - self.signs.count(" ")


@dataclass
class Change:
    """What a patch does to one file: ``old`` is None for a new one, ``new`` for a deleted one."""

    old: str | None
    new: str | None
    hunks: list[Hunk] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The path of the file, after the patch where it is still there."""
        return self.new or self.old or ""

    @property
    def lines(self) -> int:
        """How many lines are added or removed."""
        return sum(hunk.changed for hunk in self.hunks)


def title_of(patch: bytes) -> str:
    """Return the title, which is the first line."""
    return patch.partition(b"\n")[0].decode().strip()


def read(patch: bytes) -> list[Change]:
    """Return what a patch does, a file each, in its order."""
    lines = iter(LINE.findall(NO_NEWLINE.sub(MARK, patch)))
    changes: list[Change] = []
    for line in lines:
        words = line.rstrip(b"\n")
        if words.startswith(b"diff --git "):
            # Both names are the same here; where they differ, other lines say them.
            both = words.removeprefix(b"diff --git ")
            name = both[len(both) // 2 + 3 :].decode()
            changes.append(Change(name, name))
        elif not changes:
            continue  # the title, and what else is said before the first file
        elif words.startswith(b"new file mode "):
            changes[-1].old = None
        elif words.startswith(b"deleted file mode "):
            changes[-1].new = None
        elif words.startswith(b"rename from "):
            changes[-1].old = words.removeprefix(b"rename from ").decode()
        elif words.startswith(b"rename to "):
            changes[-1].new = words.removeprefix(b"rename to ").decode()
        elif match := HUNK.match(words):
            start, count, new_count = (1 if n is None else int(n) for n in match.groups())
            first = start - 1 if count else start
            changes[-1].hunks.append(_read_hunk(lines, first, count, new_count))
        elif not words.startswith(HEADERS):
            raise PatchError(f"no line of a patch: {line!r}")
    return changes


def _read_hunk(lines: Iterator[bytes], first: int, old_count: int, new_count: int) -> Hunk:
    """Read the lines of a hunk, as many as its head says."""
    old: list[bytes] = []
    new: list[bytes] = []
    signs = ""
    while (len(old), len(new)) != (old_count, new_count):
        line = next(lines, b"")
        sign, text = line[:1], line[1:]
        if text.endswith((MARK, MARK + b"\n")):
            text = text.partition(MARK)[0]
        if sign not in (b" ", b"-", b"+"):
            raise PatchError(f"a hunk ends too early, or with no line of a hunk: {line!r}")
        if sign != b"+":
            old.append(text)
        if sign != b"-":
            new.append(text)
        signs += sign.decode()
    return Hunk(first, old, new, signs)


def apply(patch: bytes, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return ``files`` as they are after the patch. Raises PatchError if it does not fit."""
    after = dict(files)
    for change in read(patch):
        if change.old is not None and change.old not in files:
            raise PatchError(f"there is no file {change.old}")
        if change.new is not None and change.new != change.old and change.new in files:
            raise PatchError(f"there is a file {change.new} already")
        content = b"" if change.old is None else files[change.old]
        if change.old is not None:
            after.pop(change.old, None)
        if change.new is not None:
            after[change.new] = replace(change, content)
        elif replace(change, content):
            raise PatchError(f"{change.path} is deleted, but not all of its lines")
    return after


def replace(change: Change, content: bytes) -> bytes:
    """Return the content of a file after the hunks of its change."""
    before: list[bytes] = LINE.findall(content)
    after: list[bytes] = []
    done = 0
    for hunk in change.hunks:
        end = hunk.first + len(hunk.old)
        if hunk.first < done or before[hunk.first : end] != hunk.old:
            raise PatchError(f"{change.path} has other lines at {hunk.first + 1}")
        after += before[done : hunk.first] + hunk.new
        done = end
    return b"".join(after + before[done:])
